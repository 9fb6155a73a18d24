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
#include "tcg/loop.h"
#include <string.h>

struct walk {
    struct ir_block *b;
    u16 epoch; /* changes at every op that makes all registers needed */
    u16 overwritten[IR_MAX_REGS]; /* == epoch: a put follows, and nothing before it needs the register */
    const u8 *stream_of;          /* per op: IR_NO_STREAM, or an access that cannot leave; NULL: all can */
};

enum {
    OPERANDS = 7,
    DROPS = 1 << 3,  /* goes when nobody reads the result */
    LEAVES = 1 << 4, /* needs all registers: vector ops may read the length */
    OWN = 1 << 5,    /* has a rule of its own below */
};

#define RULE(operands, effects) \
    ((operands) | ((effects) ? 0 : DROPS) | ((effects) & (IR_EFFECT_LEAVE | IR_EFFECT_STORE) ? LEAVES : 0) | \
     ((effects) & (IR_EFFECT_GET | IR_EFFECT_PUT | IR_EFFECT_CALL) ? OWN : 0))

enum effect {
    PURE = 0,
    GET = IR_EFFECT_GET,
    PUT = IR_EFFECT_PUT,
    LOAD = IR_EFFECT_LOAD,
    STORE = IR_EFFECT_STORE,
    CALL = IR_EFFECT_CALL,
    LEAVE = IR_EFFECT_LEAVE,
    END = IR_EFFECT_END,
    FENV = IR_EFFECT_FENV,
};

static const u8 rules[IR_OPCODE_COUNT] = {
#define OP(id, name, operands, result, effects, meaning) [IR_##id] = RULE(operands, effects),
#include "tcg/ops.def"
#undef OP
};

static void read_operands(struct walk *w, const struct ir_op *op, unsigned count)
{
    struct ir_op *ops = w->b->op;

    if (count == 0)
        return;
    ops[op->arg[0]].uses++;
    if (count == 1)
        return;
    ops[op->arg[1]].uses++;
    for (unsigned i = 2; unlikely(i < count); i++)
        ops[op->arg[i]].uses++;
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

static bool is_of_stream(const struct walk *w, u32 i)
{
    return w->stream_of && w->stream_of[i] != IR_NO_STREAM;
}

/*
 * What a load puts stays: a back end may have to leave behind the load, when its slow path took away what later accesses of
 * the block rely on (tcg/x86_64/group.c).
 */
static bool visit_put(struct walk *w, const struct ir_op *op)
{
    if (w->overwritten[op->aux] == w->epoch && (w->b->op[op->arg[0]].code != IR_LD || is_of_stream(w, op->arg[0])))
        return false;
    w->overwritten[op->aux] = w->epoch;
    w->b->op[op->arg[0]].uses++;
    return true;
}

/* Rules of their own. */
static bool visit_own(struct walk *w, const struct ir_op *op)
{
    switch (op->code) {
    case IR_PUT:
        return visit_put(w, op);
    case IR_GET:
        if (op->uses)
            w->overwritten[op->aux] = 0;
        return op->uses != 0;
    case IR_CALL:
        return visit_call(w, op);
    case IR_VEC_TO:
        w->epoch += op->uses != 0;
        return op->uses != 0;
    default: /* pc_add */
        return op->uses != 0;
    }
}

/* Counts what the op reads. False: drop it. */
static inline bool visit(struct walk *w, const struct ir_op *op, u32 i)
{
    u32 rule = rules[op->code];

    if (rule & OWN)
        return visit_own(w, op);
    if (rule & DROPS && op->uses == 0)
        return false;
    if (rule & LEAVES && !is_of_stream(w, i))
        w->epoch++;
    read_operands(w, op, rule & OPERANDS);
    return true;
}

/* Reads nothing either: back ends count readers. */
static void drop(struct ir_op *op)
{
    op->code = IR_NOP;
    op->arg[0] = op->arg[1] = op->arg[2] = op->arg[3] = IR_NONE;
}

static void mark(struct walk *w)
{
    struct ir_block *b = w->b;
    struct ir_op *ops = b->op;
    u16 *live = b->live + b->count;

    for (u32 i = b->count; i-- > 0;) {
        struct ir_op *op = &ops[i];

        if (op->code == IR_INSN)
            continue;
        if (visit(w, op, i))
            *--live = (u16)i;
        else
            drop(op);
    }
    b->live_count = (u32)(b->live + b->count - live);
}

static void run(struct ir_block *b, const struct code_layout *layout, const u8 *stream_of)
{
    struct walk w; /* not cleared: the registers' part is large */

    w.b = b;
    w.epoch = 1;
    w.stream_of = stream_of;
    memset(w.overwritten, 0, layout->reg_count * sizeof w.overwritten[0]);
    mark(&w);
}

void opt_dead_code(struct ir_block *b, const struct code_layout *layout)
{
    run(b, layout, NULL);
}

void opt_dead_code_of_loop(struct ir_block *b, const struct code_layout *layout, const u8 *stream_of)
{
    for (u32 i = 0; i < b->count; i++)
        b->op[i].uses = 0;
    run(b, layout, stream_of);
}
