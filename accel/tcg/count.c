/*
 * accel/tcg/count.c - the counting flavour of blocks (mode bit MODE_COUNT): guest instructions are counted exactly, and a budget of
 * them ends at an exact instruction.
 *
 * The budget that is left, vcpu_host.icount, is one more guest register to the IR, so that back ends need not know. A block looks at
 * it once, at its beginning: where it does not suffice for the whole block, the block leaves to the dispatcher, which goes on
 * with blocks of one instruction. Then the register is put wherever it may be seen: before each instruction what is left before it, and
 * before a helper or an exit what is left behind the instruction (helpers that trap give it back: cpu_class.fault does not).
 * Puts that nobody sees are dropped by the passes.
 */
#include "accel/tcg/tcg.h"
#include "tcg/append.h"
#include <string.h>

struct counter {
    struct ir_block *b;
    u16 reg;          /* index of icount in the layout */
    ir_value budget;  /* at the beginning of the block */
    u32 visible;      /* instructions that the register shows as retired */
    u16 snapshot;
};

static struct ir_op *append(struct counter *c, enum ir_opcode code, enum ir_type type)
{
    struct ir_op *op = ir_append(c->b, code, type);

    op->snapshot = c->snapshot;
    return op;
}

static ir_value append_const(struct counter *c, s64 value)
{
    append(c, IR_CONST, IR_I64)->imm = value;
    return ir_last(c->b);
}

/* Leaves with the state as it is when the budget is too small for the block. */
static void check_budget(struct counter *c)
{
    append(c, IR_GET, IR_I64)->aux = c->reg;
    c->budget = ir_last(c->b);
    ir_value whole = append_const(c, c->b->insn_count);
    struct ir_op *exit = append(c, IR_EXIT_IF, IR_I64);
    exit->aux = IR_LT;
    exit->arg[0] = c->budget;
    exit->arg[1] = whole;
    exit->imm = 0;
}

static void show(struct counter *c, u32 retired)
{
    if (c->visible == retired)
        return;
    ir_value by = append_const(c, -(s64)retired);
    struct ir_op *sum = append(c, IR_ADD, IR_I64);
    sum->arg[0] = c->budget;
    sum->arg[1] = by;
    ir_value left = ir_last(c->b);
    struct ir_op *put = append(c, IR_PUT, IR_I64);
    put->aux = c->reg;
    put->arg[0] = left;
    c->visible = retired;
}

/* What must be visible at the op: instructions retired. */
static u32 retired_at(const struct counter *c, const struct ir_op *op)
{
    u32 before = c->b->snapshot[op->snapshot].icount;

    switch (op->code) {
    case IR_EXIT_IF:
    case IR_EXIT:
    case IR_EXIT_TO:
        return c->b->exit[op->imm + 1].icount;
    case IR_CALL:
        return op->helper->effects & (IR_HELPER_READS | IR_HELPER_WRITES | IR_HELPER_NEEDS_PC | IR_HELPER_MAY_LEAVE) ? before + 1 : c->visible;
    case IR_LEAVE:
    case IR_VLD:
    case IR_VST:
        return before + 1;
    default:
        return ir_op_effects(op->code) & IR_EFFECT_LEAVE ? before : c->visible;
    }
}

static void copy(struct counter *c, const struct ir_op *from)
{
    const ir_value *map = c->b->map;
    struct ir_op *op = ir_append(c->b, from->code, from->type);

    *op = *from;
    for (unsigned i = 0; i < 4; i++)
        op->arg[i] = map[from->arg[i]];
    if (op->code == IR_EXIT_IF || op->code == IR_EXIT || op->code == IR_EXIT_TO)
        op->imm++;
}

/* Exits are in the order of the ops that name them. */
static void insert_exit(struct ir_block *b)
{
    if (b->exit_count >= IR_MAX_EXITS) {
        b->overflow = true;
        b->exit_count--;
    }
    memmove(&b->exit[1], &b->exit[0], b->exit_count * sizeof(b->exit[0]));
    b->exit[0] = (struct ir_exit){ .kind = IR_EXIT_DIRECT, .pc = (s32)b->first_pc };
    b->exit_count++;
}

void tcg_count_insns(const struct tcg *tcg, struct ir_block *b)
{
    struct counter c = { .b = b, .reg = (u16)(tcg->layout.reg_count - 1), .budget = IR_NONE };
    struct ir_op *old = b->op;
    u32 count = b->count;

    insert_exit(b);
    b->op = b->spare;
    b->spare = old;
    b->count = 0;
    for (u32 i = 0; i < count && !b->overflow; i++) {
        const struct ir_op *op = &old[i];

        c.snapshot = op->snapshot;
        if (op->code == IR_INSN && c.budget != IR_NONE)
            show(&c, b->snapshot[op->snapshot].icount);
        else if (op->code != IR_INSN)
            show(&c, retired_at(&c, op));
        copy(&c, op);
        b->map[i] = ir_last(b);
        if (op->code == IR_INSN && c.budget == IR_NONE)
            check_budget(&c);
    }
}
