/*
 * accel/tcg/count.c - the counting flavour of blocks (mode bit MODE_COUNT): guest instructions are counted exactly, and a budget of
 * them ends at an exact instruction.
 *
 * A block takes all its instructions from the budget (vcpu_host.icount) when it begins; where the budget does not suffice, it leaves to
 * the dispatcher, which goes on with blocks of one instruction. What has ways inside (loops of tier 2) does so piece by piece: one ends at a
 * label, and behind what leads to one or back to the start. Wherever the budget may be seen before the end, what was not retired is
 * given back and, if the block goes on, taken again: before the instruction at memory accesses that may fail, behind it at
 * helpers (those that trap give it back: cpu_class.fault does not) and exits. Back ends that know ir_block.prepaid do so in cold code for
 * what is hot: accesses, and the exits of loops.
 */
#include "accel/tcg/tcg.h"
#include "tcg/append.h"
#include "tcg/loop.h"

struct counter {
    struct ir_block *b;
    u16 snapshot;
    u64 ends[MAX_LOOP_INSNS / 64 + 1]; /* bit n: a piece ends behind n instructions */
    u32 end;                           /* of the current piece */
};

static bool leads_inside(const struct ir_block *b, const struct ir_op *op)
{
    if (op->code != IR_EXIT_IF && op->code != IR_EXIT)
        return false;
    return b->exit[op->imm].kind == IR_EXIT_LOCAL || (b->loop && ir_is_back_edge(b, op));
}

static void note_end(struct counter *c, u32 insns)
{
    c->ends[insns / 64] |= BIT64(insns % 64);
}

/* No piece is longer than what the dispatcher has left before it goes on one by one. */
static void find_pieces(struct counter *c)
{
    const struct ir_block *b = c->b;
    u32 insns = 0, begin = 0;

    for (u32 i = 0; i < b->count; i++) {
        bool insn = b->op[i].code == IR_INSN;

        if (b->op[i].code == IR_LABEL || leads_inside(b, &b->op[i]) || (insn && insns - begin == MAX_BLOCK_INSNS))
            note_end(c, begin = insns);
        insns += insn;
    }
    note_end(c, b->insn_count);
}

static u32 end_behind(const struct counter *c, u32 insns)
{
    do {
        insns++;
    } while (!(c->ends[insns / 64] & BIT64(insns % 64)));
    return insns;
}

static void append(struct counter *c, enum ir_opcode code, s64 insns)
{
    struct ir_op *op = ir_append(c->b, code, IR_VOID);

    op->snapshot = c->snapshot;
    op->imm = insns;
}

/* Instructions retired that must be visible at the op; the piece's end: no matter. */
static u32 retired_at(const struct counter *c, const struct ir_op *op)
{
    const struct ir_block *b = c->b;
    u32 before = b->snapshot[op->snapshot].icount;

    switch (op->code) {
    case IR_EXIT_IF:
    case IR_EXIT:
    case IR_EXIT_TO:
        return b->prepaid && b->loop ? c->end : b->exit[op->imm].icount;
    case IR_CALL:
        if (op->helper->effects & (IR_HELPER_READS | IR_HELPER_WRITES | IR_HELPER_NEEDS_PC | IR_HELPER_MAY_LEAVE))
            return before + 1;
        return c->end;
    case IR_VLD: /* may call a helper */
    case IR_VST:
        return b->prepaid ? c->end : before + 1;
    case IR_LEAVE:
        return before + 1;
    default:
        return !b->prepaid && ir_op_effects(op->code) & IR_EFFECT_LEAVE ? before : c->end;
    }
}

static void copy(struct counter *c, const struct ir_op *from)
{
    const ir_value *map = c->b->map;
    struct ir_op *op = ir_append(c->b, from->code, from->type);

    if (c->b->prepaid && c->b->loop && (from->code == IR_EXIT_IF || from->code == IR_EXIT))
        c->b->exit[from->imm].paid = (u16)c->end;
    *op = *from;
    for (unsigned i = 0; i < 4; i++)
        op->arg[i] = map[from->arg[i]];
}

void tcg_count_insns(const struct tcg *tcg, struct ir_block *b)
{
    struct counter c = { .b = b };
    struct ir_op *old = b->op;
    u32 count = b->count, last_leave = b->last_leave, insns = 0;

    b->prepaid = tcg->backend->takes_prepaid;
    find_pieces(&c);
    b->op = b->spare;
    b->spare = old;
    b->count = 0;
    for (u32 i = 0; i < count && !b->overflow; i++) {
        const struct ir_op *op = &old[i];
        s64 unretired = insns && op->code != IR_INSN ? (s64)c.end - retired_at(&c, op) : 0;

        c.snapshot = op->snapshot;
        if (i == last_leave)
            b->last_leave = b->count;
        if (unretired)
            append(&c, IR_UNCOUNT, unretired);
        copy(&c, op);
        b->map[i] = ir_last(b);
        if (unretired && !(ir_op_effects(op->code) & IR_EFFECT_END))
            append(&c, IR_UNCOUNT, -unretired);
        if (op->code == IR_INSN && insns == c.end) {
            c.end = end_behind(&c, insns);
            append(&c, IR_COUNT, c.end - insns);
        }
        insns += op->code == IR_INSN;
    }
}
