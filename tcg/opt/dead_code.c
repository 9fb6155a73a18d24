/*
 * tcg/opt/dead_code.c - drop overwritten puts and unread results.
 *
 * Backwards, so that dropping a reader can free what it read. A put goes when another put of the register follows before
 * anything that can leave or read the register; gets that nobody reads are gone by then and keep no put alive.
 * What goes becomes a nop: closing the block up costs more than back ends do by skipping. `uses` counts readers afterwards; builder and
 * forward leave it 0, and too high a count only keeps an op.
 */
#include "tcg/opt/passes.h"
#include "tcg/append.h"
#include <string.h>

struct walk {
    struct ir_block *b;
    u16 epoch; /* changes at every op that makes all registers needed */
    u16 overwritten[IR_MAX_REGS]; /* == epoch: a put follows, and nothing before it needs the register */
};

static void read_operands(struct walk *w, const struct ir_op *op, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        w->b->op[op->arg[i]].uses++;
}

static bool visit_call(struct walk *w, const struct ir_op *op)
{
    u8 effects = op->helper->effects;

    if (effects == IR_HELPER_PURE && op->type != IR_VOID && op->uses == 0)
        return false;
    if (effects & (IR_HELPER_READS | IR_HELPER_WRITES | IR_HELPER_NEEDS_PC | IR_HELPER_MAY_LEAVE))
        w->epoch++;
    read_operands(w, op, op->helper->arg_count);
    return true;
}

/*
 * What a load puts stays: a back end may have to leave behind the load, when its slow path took away what later accesses of
 * the block rely on (tcg/x86_64/group.c).
 */
static bool visit_put(struct walk *w, const struct ir_op *op)
{
    if (w->overwritten[op->aux] == w->epoch && w->b->op[op->arg[0]].code != IR_LD)
        return false;
    w->overwritten[op->aux] = w->epoch;
    read_operands(w, op, 1);
    return true;
}

static bool visit_fp(struct walk *w, const struct ir_op *op)
{
    read_operands(w, op, ir_op_operands(op));
    return true;
}

static bool visit_leaving(struct walk *w, const struct ir_op *op, unsigned operands)
{
    w->epoch++;
    read_operands(w, op, operands);
    return true;
}

static bool visit_pure(struct walk *w, const struct ir_op *op, unsigned operands)
{
    if (op->uses == 0)
        return false;
    read_operands(w, op, operands);
    return true;
}

/* Counts what the op reads. False: drop it. */
static bool visit(struct walk *w, const struct ir_op *op)
{
    switch (op->code) {
    case IR_NOP:
        return false;
    case IR_INSN:
    case IR_FENCE:
        return true;
    case IR_PUT:
        return visit_put(w, op);
    case IR_GET:
        if (op->uses)
            w->overwritten[op->aux] = 0;
        return op->uses != 0;
    case IR_CONST:
    case IR_PC_ADD:
        return op->uses != 0;
    case IR_CALL:
        return visit_call(w, op);
    case IR_CAS:
        return visit_leaving(w, op, 3);
    case IR_ST:
    case IR_AMO:
    case IR_EXIT_IF:
        return visit_leaving(w, op, 2);
    case IR_LD:
    case IR_EXIT_TO:
        return visit_leaving(w, op, 1);
    case IR_EXIT:
    case IR_LEAVE:
        return visit_leaving(w, op, 0);
    case IR_SELECT:
        return visit_pure(w, op, 4);
    case IR_TRUNC:
    case IR_ZEXT:
    case IR_SEXT:
    case IR_NOT:
    case IR_NEG:
    case IR_CLZ:
    case IR_CTZ:
    case IR_POPCNT:
    case IR_BSWAP:
    case IR_FNEG:
    case IR_FABS:
    case IR_BOX:
    case IR_UNBOX:
    case IR_BITS:
    case IR_FROM_BITS:
        return visit_pure(w, op, 1);
    default:
        if ((op->code >= IR_FADD && op->code <= IR_FROUND) || op->code == IR_FENV_GET || op->code == IR_FENV_SET)
            return visit_fp(w, op);
        return visit_pure(w, op, 2);
    }
}

/* Reads nothing either: back ends count readers. */
static void drop(struct ir_op *op)
{
    op->code = IR_NOP;
    op->arg[0] = op->arg[1] = op->arg[2] = op->arg[3] = IR_NONE;
}

static void mark(struct walk *w)
{
    for (u32 i = w->b->count; i-- > 0;)
        if (!visit(w, &w->b->op[i]))
            drop(&w->b->op[i]);
}

void opt_dead_code(struct ir_block *b, const struct code_layout *layout)
{
    struct walk w; /* not cleared: the registers' part is large */

    w.b = b;
    w.epoch = 1;
    memset(w.overwritten, 0, layout->reg_count * sizeof w.overwritten[0]);
    mark(&w);
}
