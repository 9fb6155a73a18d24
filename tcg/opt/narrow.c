/*
 * tcg/opt/narrow.c - do 64-bit work in 32 bits where only the low half is read.
 *
 * 32-bit guest instructions sign-extend every result. When the register is overwritten before anybody could see it, only
 * truncations read the extension: they take the 32-bit value instead and the extension goes. The same holds for 64-bit sums
 * and logic between such values. Backwards it finds which values need their upper half, forwards it builds anew.
 * Runs behind dead-code, which has dropped the puts that nobody sees. Ops that can leave keep their order and number.
 */
#include "tcg/opt/passes.h"
#include "tcg/append.h"
#include <string.h>

struct narrow {
    struct ir_block *b;
    const struct ir_op *old;
    ir_value *map;         /* old value -> new value */
    u8 wide[IR_MAX_OPS];   /* by old value: some reader needs more than the low 32 bits */
    bool useful;           /* something becomes narrow (dead-code left nothing without readers) */
};

static bool becomes_narrow(const struct narrow *n, u32 i)
{
    return !n->wide[i] && ir_is_modular(&n->old[i]);
}

static void need_operands(struct narrow *n, const struct ir_op *op)
{
    unsigned count = ir_op_operands(op);

    for (unsigned k = 0; k < count; k++)
        if (op->arg[k] != IR_NONE)
            n->wide[op->arg[k]] = 1;
}

static void find_wide(struct narrow *n, u32 count)
{
    memset(n->wide, 0, count);
    for (u32 i = count; i-- > 0;) {
        const struct ir_op *op = &n->old[i];

        if (op->code == IR_NOP || op->code == IR_INSN || op->code == IR_CONST || op->code == IR_GET)
            continue;
        if (op->code == IR_TRUNC && op->type == IR_I32)
            continue;
        if (!n->wide[i] && (ir_is_modular(op) || ir_extends_word(op)))
            n->useful = true;
        if (n->wide[i] || !ir_is_modular(op))
            need_operands(n, op);
    }
}

static ir_value append(struct narrow *n, const struct ir_op *op)
{
    n->b->op[n->b->count] = *op;
    return (ir_value)n->b->count++;
}

/* The 32-bit value that is the low half of an old 64-bit value. */
static ir_value low_half(struct narrow *n, ir_value old)
{
    const struct ir_op *op = &n->old[old];
    struct ir_op trunc = { .code = IR_TRUNC, .type = IR_I32, .arg = { n->map[old], IR_NONE, IR_NONE, IR_NONE },
                           .snapshot = op->snapshot };

    if (becomes_narrow(n, old))
        return n->map[old];
    if (ir_extends_word(op) && !n->wide[old])
        return n->map[op->arg[0]];
    if (op->code == IR_CONST) {
        trunc.code = IR_CONST;
        trunc.imm = (s32)op->imm;
        trunc.arg[0] = IR_NONE;
    }
    return append(n, &trunc);
}

static ir_value rebuild(struct narrow *n, u32 i)
{
    struct ir_op op = n->old[i];
    unsigned count = ir_op_operands(&op);

    if (op.code == IR_NOP)
        return IR_NONE;
    if (op.code == IR_TRUNC && op.type == IR_I32)
        return low_half(n, op.arg[0]);
    if (!n->wide[i] && ir_extends_word(&op))
        return IR_NONE; /* every reader takes its operand */
    if (becomes_narrow(n, i)) {
        op.type = IR_I32;
        for (unsigned k = 0; k < count; k++)
            op.arg[k] = low_half(n, op.arg[k]);
    } else {
        for (unsigned k = 0; k < count; k++)
            if (op.arg[k] != IR_NONE)
                op.arg[k] = n->map[op.arg[k]];
    }
    return append(n, &op);
}

/* Most blocks have nothing to do. */
static bool has_candidate(const struct ir_op *ops, u32 count)
{
    for (u32 i = 0; i < count; i++)
        if (unlikely(ops[i].code == IR_TRUNC) && ops[i].type == IR_I32) {
            const struct ir_op *from = &ops[ops[i].arg[0]];

            if (ir_extends_word(from) || ir_is_modular(from))
                return true;
        }
    return false;
}

void opt_narrow(struct ir_block *b, const struct code_layout *layout)
{
    struct narrow n; /* not cleared: large */
    u32 count = b->count;

    n.b = b;
    n.old = b->op;
    n.map = b->map;
    n.useful = false;
    if (!b->truncates || !has_candidate(b->op, count) || 2 * count > b->capacity)
        return;
    find_wide(&n, count);
    if (!n.useful)
        return;
    b->op = b->spare;
    b->spare = (struct ir_op *)n.old;
    b->count = b->live_count = 0;
    for (u32 i = 0; i < count; i++)
        n.map[i] = rebuild(&n, i);
}
