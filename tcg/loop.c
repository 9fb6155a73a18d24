/* tcg/loop.c - finds streams of memory accesses in a block that is a loop. */
#include "tcg/loop.h"
#include "tcg/vector.h"
#include <string.h>

void ir_loop_init(struct ir_loop *loop)
{
    loop->stream_of = g_new(u8, IR_MAX_OPS);
    loop->root = g_new(u16, IR_MAX_OPS);
    loop->low = g_new(s32, IR_MAX_OPS);
    loop->high = g_new(s32, IR_MAX_OPS);
}

void ir_loop_finish(struct ir_loop *loop)
{
    g_free(loop->stream_of);
    g_free(loop->root);
    g_free(loop->low);
    g_free(loop->high);
}

static bool may_repeat(const struct ir_op *op)
{
    switch (op->code) {
    case IR_AMO:
    case IR_CAS:
    case IR_EXIT_TO:
    case IR_LEAVE:
        return false;
    case IR_VLD:
    case IR_VST:
        return !(op->aux & (IR_VECTOR_PART | IR_VECTOR_UNDER));
    case IR_CALL:
        return op->helper->effects == IR_HELPER_PURE;
    case IR_LD:
    case IR_ST:
        return !(op->aux & IR_MEM_ALIGNED) && !(op->aux >> IR_MEM_SPACE_SHIFT);
    default:
        return true;
    }
}

/* x + constant. */
static bool is_step(const struct ir_block *b, const struct ir_op *op, s64 *imm)
{
    const struct ir_op *by;

    if (op->code != IR_ADD || op->type != IR_I64)
        return false;
    by = &b->op[op->arg[1]];
    *imm = by->imm;
    return by->code == IR_CONST;
}

enum { FARTHEST = 1 << 20 }; /* from a register's value at the turn's begin */

/* What a register holds: the same as for values. */
struct holds {
    u16 root;
    s32 low, high;
};

/* On one way through the loop, and where ways meet. */
struct way {
    bool here;     /* some way leads here */
    struct holds now[IR_MAX_REGS];
};

struct search {
    struct ir_loop *loop;
    const struct ir_block *b;
    u32 reg_count;
    u32 first, end;                  /* the ops of a turn */
    const struct ir_inner *inner;    /* the search is for a loop inside; or NULL */
    struct way way;
    struct way *ahead[IR_MAX_EXITS]; /* by local exit that leads on: what registers hold when it is taken */
    struct way *behind[IR_MAX_EXITS]; /* by local exit that leads back: what they were said to hold at its label */
    bool strange;                    /* they hold something else when it is taken */
    bool bad[IR_MAX_REGS];           /* does not move by a constant, or too far */
    s32 step_low[IR_MAX_REGS], step_high[IR_MAX_REGS];
    bool turns;                      /* a back edge was met */
};

static bool is_inner_turn(const struct ir_block *b, const struct ir_op *op, s64 label)
{
    return ir_is_inner_edge(b, op) && b->exit[op->imm].pc == label;
}

static bool is_turn(const struct search *q, const struct ir_op *op)
{
    return q->inner ? is_inner_turn(q->b, op, q->b->op[q->inner->first].imm) : ir_is_back_edge(q->b, op);
}

/* In turn order: names each value. */
static void name_value(struct search *q, u32 i)
{
    const struct ir_op *op = &q->b->op[i];
    struct ir_loop *loop = q->loop;
    struct holds *now = q->way.now;
    s64 imm, low, high;

    loop->root[i] = IR_NONE;
    if (op->code == IR_GET && op->type == IR_I64) {
        loop->root[i] = now[op->aux].root;
        loop->low[i] = now[op->aux].low;
        loop->high[i] = now[op->aux].high;
    } else if (op->code == IR_PUT) {
        now[op->aux] = (struct holds){ op->type == IR_I64 ? loop->root[op->arg[0]] : IR_NONE, loop->low[op->arg[0]], loop->high[op->arg[0]] };
    } else if (is_step(q->b, op, &imm) && loop->root[op->arg[0]] != IR_NONE) {
        low = loop->low[op->arg[0]] + imm;
        high = loop->high[op->arg[0]] + imm;
        if (imm == (s32)imm && low >= -FARTHEST && high <= FARTHEST) {
            loop->root[i] = loop->root[op->arg[0]];
            loop->low[i] = (s32)low;
            loop->high[i] = (s32)high;
        }
    }
}

/* Joins an access to a stream of its register that is near enough, or begins one. */
static u8 stream_for(struct ir_loop *loop, const struct ir_block *b, u16 reg, s32 low, s32 high, bool write)
{
    struct ir_stream *s;

    for (u32 k = 0; k < loop->stream_count; k++) {
        s = &loop->stream[k];
        if (s->reg != reg || !ir_may_share_check(b, low, high, s->low, s->high))
            continue;
        s->low = MIN(low, s->low);
        s->high = MAX(high, s->high);
        s->write |= write;
        return (u8)k;
    }
    if (loop->stream_count == IR_MAX_STREAMS || high - low > IR_STREAM_SPAN)
        return IR_NO_STREAM;
    s = &loop->stream[loop->stream_count++];
    *s = (struct ir_stream){ .reg = reg, .low = low, .high = high, .write = write };
    return (u8)(s - loop->stream);
}

static void add_access(struct search *q, u32 i, s64 disp, unsigned bytes, bool write)
{
    struct ir_loop *loop = q->loop;
    ir_value base = q->b->op[i].arg[0];

    if (loop->root[base] == IR_NONE || disp < -FARTHEST || disp > FARTHEST)
        return;
    loop->stream_of[i] = stream_for(loop, q->b, loop->root[base], loop->low[base] + (s32)disp, loop->high[base] + (s32)disp + (s32)bytes, write);
}

/* A back edge: streams whose registers do not move by a small number are none. */
static void note_steps(struct search *q)
{
    for (u32 r = 0; r < q->reg_count; r++) {
        const struct holds *h = &q->way.now[r];

        q->bad[r] |= h->root != r || h->low < -IR_STREAM_STEP || h->high > IR_STREAM_STEP;
        q->step_low[r] = q->turns ? MIN(q->step_low[r], h->low) : h->low;
        q->step_high[r] = q->turns ? MAX(q->step_high[r], h->high) : h->high;
    }
    q->turns = true;
}

static void drop_bad(const struct search *q)
{
    struct ir_loop *loop = q->loop;

    for (u32 i = q->first; i < q->end; i++) {
        u8 s = loop->stream_of[i];

        if (s != IR_NO_STREAM && q->bad[loop->stream[s].reg])
            loop->stream_of[i] = IR_NO_STREAM;
    }
    for (u32 k = 0; k < loop->stream_count; k++) {
        struct ir_stream *s = &loop->stream[k];

        s->step_low = q->step_low[s->reg];
        s->step_high = q->step_high[s->reg];
        if (q->bad[s->reg])
            s->high = s->low; /* empty */
    }
}

/* --- where ways part and meet --- */

static void part(struct search *q, u32 exit)
{
    q->ahead[exit] = g_memdup2(&q->way, sizeof q->way);
}

static void meet(struct search *q, const struct way *other)
{
    if (!q->way.here) {
        q->way = *other;
        return;
    }
    for (u32 r = 0; r < q->reg_count; r++) {
        struct holds *h = &q->way.now[r];
        const struct holds *o = &other->now[r];

        if (h->root != o->root)
            h->root = IR_NONE;
        h->low = MIN(h->low, o->low);
        h->high = MAX(h->high, o->high);
    }
}

/* --- loops inside --- */

/* What is written between a label at `first` and the exit that leads back there may be anything at the label. */
static void forget_written(struct search *q, u32 first, u32 last)
{
    for (u32 i = first; i < last; i++)
        if (q->b->op[i].code == IR_PUT)
            q->way.now[q->b->op[i].aux].root = IR_NONE;
}

/* The last exit that leads back to the label at op `at`; 0: none. */
static u32 last_back(const struct ir_block *b, u32 at)
{
    for (u32 i = b->count; --i > at;)
        if (is_inner_turn(b, &b->op[i], b->op[at].imm))
            return i;
    return 0;
}

static void begin_inner(struct search *q, u32 at)
{
    u32 last = last_back(q->b, at);

    if (!last)
        return;
    forget_written(q, at, last);
    q->way.here = true; /* nothing may lead here but those */
    for (u32 i = at; i <= last; i++)
        if (is_inner_turn(q->b, &q->b->op[i], q->b->op[at].imm))
            q->behind[q->b->op[i].imm] = g_memdup2(&q->way, sizeof q->way);
}

/* Ways that joined between the label and here may bring what was not foreseen there. */
static bool holds(const struct search *q, const struct way *said)
{
    for (u32 r = 0; r < q->reg_count; r++) {
        const struct holds *h = &q->way.now[r], *s = &said->now[r];

        if (s->root != IR_NONE && (h->root != s->root || h->low < s->low || h->high > s->high))
            return false;
    }
    return true;
}

static void visit_label(struct search *q, u32 at)
{
    for (u32 i = 0; i < q->b->exit_count; i++) {
        if (!q->ahead[i] || q->b->exit[i].pc != q->b->op[at].imm)
            continue;
        meet(q, q->ahead[i]);
        g_clear_pointer(&q->ahead[i], g_free);
    }
    begin_inner(q, at);
}

static void visit_exit(struct search *q, const struct ir_op *op)
{
    if (!q->way.here)
        return;
    if (is_turn(q, op))
        note_steps(q);
    else if (q->behind[op->imm])
        q->strange |= !holds(q, q->behind[op->imm]);
    else if (q->b->exit[op->imm].kind == IR_EXIT_LOCAL)
        part(q, (u32)op->imm);
    q->way.here = op->code == IR_EXIT_IF;
}

static bool walk(struct search *q)
{
    for (u32 i = q->first; i < q->end; i++) {
        const struct ir_op *op = &q->b->op[i];

        if (!may_repeat(op))
            return false;
        name_value(q, i);
        if (op->code == IR_LD || op->code == IR_ST)
            add_access(q, i, op->imm, ir_mem_bytes(op->aux), op->code == IR_ST || op->aux & IR_MEM_WRITE_INTENT);
        else if (op->code == IR_VLD || op->code == IR_VST)
            add_access(q, i, 0, ir_vector_bytes(op->aux), op->code == IR_VST);
        else if (op->code == IR_LABEL)
            visit_label(q, i);
        else if (op->code == IR_EXIT_IF || op->code == IR_EXIT)
            visit_exit(q, op);
    }
    return q->turns && !q->strange;
}

static bool search(struct ir_loop *loop, const struct ir_block *b, u32 reg_count, const struct ir_inner *inner)
{
    g_autofree struct search *q = g_new0(struct search, 1);
    bool found;

    *q = (struct search){ .loop = loop, .b = b, .reg_count = reg_count, .inner = inner, .end = b->count, .way.here = true };
    if (inner) {
        q->first = inner->first + 1; /* the label itself is where the turn begins */
        q->end = inner->last + 1;
    }
    loop->stream_count = 0;
    memset(loop->stream_of, IR_NO_STREAM, b->count);
    for (u32 r = 0; r < reg_count; r++)
        q->way.now[r] = (struct holds){ (u16)r, 0, 0 };
    found = walk(q);
    for (u32 i = 0; i < b->exit_count; i++) {
        g_free(q->ahead[i]);
        g_free(q->behind[i]);
    }
    if (found)
        drop_bad(q);
    return found;
}

bool ir_loop_find(struct ir_loop *loop, const struct ir_block *b, u32 reg_count)
{
    return search(loop, b, reg_count, NULL);
}

bool ir_loop_find_inner(struct ir_loop *loop, const struct ir_block *b, u32 reg_count, const struct ir_inner *inner)
{
    return search(loop, b, reg_count, inner);
}

/* --- which loops are innermost --- */

/* Something from outside of first to last leads to the label at op `at`, or something from behind it does. */
static bool is_led_to(const struct ir_block *b, u32 at, u32 first, u32 last)
{
    for (u32 i = 0; i < b->count; i++) {
        const struct ir_op *op = &b->op[i];

        if ((op->code != IR_EXIT_IF && op->code != IR_EXIT) || b->exit[op->imm].kind != IR_EXIT_LOCAL || b->exit[op->imm].pc != b->op[at].imm)
            continue;
        if (i < first || i > last || ir_is_inner_edge(b, op))
            return true;
    }
    return false;
}

static bool is_innermost(const struct ir_block *b, u32 first, u32 last)
{
    for (u32 i = first + 1; i <= last; i++)
        if (b->op[i].code == IR_LABEL && is_led_to(b, i, first, last))
            return false;
    return true;
}

u32 ir_loop_innermost(const struct ir_block *b, struct ir_inner *inner, u32 most)
{
    u32 count = 0;

    for (u32 at = 0; at < b->count && count < most; at++) {
        u32 last = b->op[at].code == IR_LABEL ? last_back(b, at) : 0;

        if (last && is_innermost(b, at, last))
            inner[count++] = (struct ir_inner){ at, last };
    }
    return count;
}
