/* tcg/idioms.h - several guest instructions that are one op; for the builder, in blocks that track guest registers. Any thread. */
#ifndef TCG_IDIOMS_H
#define TCG_IDIOMS_H

#include "tcg/ir.h"

/* Each looks at an op about to be built and returns the value that stands for it, or IR_NONE. */
ir_value ir_idiom_shift(struct ir_block *b, enum ir_opcode code, enum ir_type type, ir_value x, ir_value y);
ir_value ir_idiom_rotate(struct ir_block *b, enum ir_type type, ir_value x, ir_value y);
/* A comparison of a setcc with 0 becomes that of the setcc's operands. */
void ir_idiom_compare(struct ir_block *b, enum ir_cond *cond, ir_value *x, ir_value *y);

#endif
