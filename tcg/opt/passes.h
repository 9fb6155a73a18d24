/* tcg/opt/passes.h - the passes, each in the file of its name, and what forward and its idioms share. */
#ifndef TCG_OPT_PASSES_H
#define TCG_OPT_PASSES_H

#include "tcg/backend.h"

void opt_forward(struct ir_block *block, const struct code_layout *layout);
void opt_dead_code(struct ir_block *block, const struct code_layout *layout);
void opt_narrow(struct ir_block *block, const struct code_layout *layout);

/* The walk of forward: it reads the old ops in order and builds the new ones with the builder. */
struct forward {
    struct ir_block *b;       /* of the new ops */
    ir_value *map;            /* old value -> new value */
    u32 last_leave;           /* new index of the latest op that can leave */
    u32 exits;                /* rows of the exit table that are in use again */
    u32 reg_count;
    ir_value current[IR_MAX_REGS]; /* the value in a guest register, IR_NONE: not known */
};

/*
 * True when using a value here costs no register: a constant, or still in a guest register, or overwritten there by ops from
 * `since` on which all go when their reader does (nothing could leave meanwhile). Linear in registers, but only candidates come here.
 */
static inline bool opt_is_at_hand(const struct forward *f, ir_value v, ir_value since)
{
    if (since > f->last_leave || f->b->op[v].code == IR_CONST)
        return true;
    for (u32 i = 0; i < f->reg_count; i++)
        if (f->current[i] == v)
            return true;
    return false;
}

/* Each looks at an op about to be built and returns the value that stands for it, or IR_NONE. tcg/opt/idioms.c */
ir_value opt_idiom_shift(struct forward *f, enum ir_opcode code, enum ir_type type, ir_value x, ir_value y);
ir_value opt_idiom_rotate(struct forward *f, enum ir_type type, ir_value x, ir_value y);
/* A comparison of a setcc with 0 becomes that of the setcc's operands. */
void opt_idiom_compare(struct forward *f, enum ir_cond *cond, ir_value *x, ir_value *y);

#endif
