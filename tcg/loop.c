/* tcg/loop.c - finds streams of memory accesses in a block that is a loop. */
#include "tcg/loop.h"
#include <string.h>

void ir_loop_init(struct ir_loop *loop)
{
    loop->stream_of = g_new(u8, IR_MAX_OPS);
    loop->root = g_new(u16, IR_MAX_OPS);
    loop->offset = g_new(s32, IR_MAX_OPS);
}

void ir_loop_finish(struct ir_loop *loop)
{
    g_free(loop->stream_of);
    g_free(loop->root);
    g_free(loop->offset);
}

static bool may_repeat(const struct ir_op *op)
{
    switch (op->code) {
    case IR_AMO:
    case IR_CAS:
    case IR_EXIT_TO:
    case IR_LEAVE:
    case IR_VEC:
    case IR_VEC_TO:
    case IR_VLD:
    case IR_VST:
        return false;
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

/* What a register holds: the same pair as for values. */
struct holds {
    u16 root;
    s32 offset;
};

/* In turn order: names each value; `now` is what registers hold. */
static void name_value(struct ir_loop *loop, const struct ir_block *b, u32 i, struct holds *now)
{
    const struct ir_op *op = &b->op[i];
    s64 imm, sum;

    loop->root[i] = IR_NONE;
    if (op->code == IR_GET && op->type == IR_I64) {
        loop->root[i] = now[op->aux].root;
        loop->offset[i] = now[op->aux].offset;
    } else if (op->code == IR_PUT) {
        now[op->aux] = (struct holds){ op->type == IR_I64 ? loop->root[op->arg[0]] : IR_NONE, loop->offset[op->arg[0]] };
    } else if (is_step(b, op, &imm) && loop->root[op->arg[0]] != IR_NONE) {
        sum = loop->offset[op->arg[0]] + imm;
        if (imm == (s32)imm && sum >= -(1 << 20) && sum <= 1 << 20) {
            loop->root[i] = loop->root[op->arg[0]];
            loop->offset[i] = (s32)sum;
        }
    }
}

/* Joins an access to a stream of its register that is near enough, or begins one. */
static u8 stream_for(struct ir_loop *loop, u16 reg, s32 low, s32 high, bool write)
{
    struct ir_stream *s;

    for (u32 k = 0; k < loop->stream_count; k++) {
        s = &loop->stream[k];
        if (s->reg != reg || MAX(high, s->high) - MIN(low, s->low) > IR_STREAM_SPAN)
            continue;
        s->low = MIN(low, s->low);
        s->high = MAX(high, s->high);
        s->write |= write;
        return (u8)k;
    }
    if (loop->stream_count == IR_MAX_STREAMS)
        return IR_NO_STREAM;
    s = &loop->stream[loop->stream_count++];
    *s = (struct ir_stream){ .reg = reg, .low = low, .high = high, .write = write };
    return (u8)(s - loop->stream);
}

static void add_access(struct ir_loop *loop, const struct ir_block *b, u32 i)
{
    const struct ir_op *op = &b->op[i];
    ir_value base = op->arg[0];
    s64 low;

    if (loop->root[base] == IR_NONE || op->imm < -(1 << 20) || op->imm > 1 << 20)
        return;
    low = loop->offset[base] + op->imm;
    loop->stream_of[i] = stream_for(loop, loop->root[base], (s32)low, (s32)low + (s32)ir_mem_bytes(op->aux),
                                    op->code == IR_ST || op->aux & IR_MEM_WRITE_INTENT);
}

/* A back edge: streams whose registers do not move by one number are none. */
static void note_steps(const struct holds *now, bool *bad, s32 *step, bool first, u32 reg_count)
{
    for (u32 r = 0; r < reg_count; r++) {
        bad[r] |= now[r].root != r || ABS(now[r].offset) > IR_STREAM_STEP || (!first && step[r] != now[r].offset);
        step[r] = now[r].offset;
    }
}

static void drop_bad(struct ir_loop *loop, u32 op_count, const bool *bad, const s32 *step)
{
    for (u32 i = 0; i < op_count; i++) {
        u8 s = loop->stream_of[i];

        if (s != IR_NO_STREAM && bad[loop->stream[s].reg])
            loop->stream_of[i] = IR_NO_STREAM;
    }
    for (u32 k = 0; k < loop->stream_count; k++) {
        struct ir_stream *s = &loop->stream[k];

        s->step = step[s->reg];
        if (bad[s->reg])
            s->high = s->low; /* empty */
    }
}

bool ir_loop_find(struct ir_loop *loop, const struct ir_block *b, u32 reg_count)
{
    struct holds now[IR_MAX_REGS];
    bool bad[IR_MAX_REGS] = { false };
    s32 step[IR_MAX_REGS];
    bool first = true;

    loop->stream_count = 0;
    memset(loop->stream_of, IR_NO_STREAM, b->count);
    for (u32 r = 0; r < reg_count; r++)
        now[r] = (struct holds){ (u16)r, 0 };
    for (u32 i = 0; i < b->count; i++) {
        const struct ir_op *op = &b->op[i];

        if (!may_repeat(op))
            return false;
        name_value(loop, b, i, now);
        if (op->code == IR_LD || op->code == IR_ST)
            add_access(loop, b, i);
        if (ir_is_back_edge(b, op)) {
            note_steps(now, bad, step, first, reg_count);
            first = false;
        }
    }
    if (first)
        return false;
    drop_bad(loop, b->count, bad, step);
    return true;
}
