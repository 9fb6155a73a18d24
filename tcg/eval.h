/*
 * tcg/eval.h - what the pure ops compute, for constant folding. Results are canonical constants (sign-extended).
 * The interpreter has its own handlers, so that one checks the other (tests/ir/).
 */
#ifndef TCG_EVAL_H
#define TCG_EVAL_H

#include "tcg/ir.h"

s64 ir_eval_unary(enum ir_opcode code, enum ir_type type, s64 x);
s64 ir_eval_binary(enum ir_opcode code, enum ir_type type, s64 x, s64 y);
s64 ir_eval_zext(enum ir_type from, s64 x);

#endif
