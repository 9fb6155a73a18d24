/*
 * tcg/loop.h - what a block that leads back to its own start (ir_block.loop) does to guest memory: accesses at a register that changes
 * by the same number of bytes in each turn. A back end may check the page of such a *stream* once for many turns.
 *
 * Thread: whoever owns the block.
 */
#ifndef TCG_LOOP_H
#define TCG_LOOP_H

#include "tcg/ir.h"

enum {
    IR_MAX_STREAMS = 8,
    IR_STREAM_SPAN = 1024, /* bytes from a stream's first to its last access in one turn, at most */
    IR_STREAM_STEP = 1024, /* bytes by which a register may move in one turn; with more a page is soon left */
    IR_NO_STREAM = 0xff,
};

struct ir_stream {
    u16 reg;       /* guest register whose value at the turn's begin is the base */
    s32 low, high; /* bytes [base + low, base + high) are accessed */
    s32 step_low, step_high; /* a turn adds something between them to the register; both 0: nothing */
    bool write;    /* some access needs the right to write */
};

struct ir_loop {
    struct ir_stream stream[IR_MAX_STREAMS];
    u32 stream_count;
    u8 *stream_of; /* per op: the stream it belongs to, or IR_NO_STREAM; room for IR_MAX_OPS */
    /* for the search: per op, the value as a register at the turn's begin plus something between two constants: the ways there differ */
    u16 *root;     /* IR_NONE: it is something else */
    s32 *low, *high;
};

void ir_loop_init(struct ir_loop *loop);
void ir_loop_finish(struct ir_loop *loop);

/* Whether two accesses, or what several cover, may be checked together. */
static inline bool ir_may_share_check(const struct ir_block *b, s32 low, s32 high, s32 other_low, s32 other_high)
{
    return MAX(high, other_high) - MIN(low, other_low) <= (b->apart ? MAX(high - low, other_high - other_low) : IR_STREAM_SPAN);
}

/* To the block's own start. A call leads there in recursion, which is no loop: it wants to be returned to. */
static inline bool ir_leads_back(const struct ir_block *b, const struct ir_exit *exit)
{
    return exit->kind == IR_EXIT_DIRECT && exit->pc == (s32)b->first_pc && !exit->single && exit->hint != IR_HINT_CALL;
}

/* A direct exit to the block's own start. */
static inline bool ir_is_back_edge(const struct ir_block *b, const struct ir_op *op)
{
    return (op->code == IR_EXIT_IF || op->code == IR_EXIT) && ir_leads_back(b, &b->exit[op->imm]);
}

/* A local exit to a label that lies behind: the turn of a loop inside. */
static inline bool ir_is_inner_edge(const struct ir_block *b, const struct ir_op *op)
{
    return (op->code == IR_EXIT_IF || op->code == IR_EXIT) && b->exit[op->imm].kind == IR_EXIT_LOCAL &&
           op->snapshot < b->snapshot_count && b->exit[op->imm].pc <= b->snapshot[op->snapshot].pc;
}

/*
 * Whether turns can follow each other without anything in between that only the code between blocks may do: no atomics, no helpers
 * but pure ones, ends in direct exits. Fills in the streams.
 */
bool ir_loop_find(struct ir_loop *loop, const struct ir_block *block, u32 reg_count);

/* A loop inside: the ops from its label to the last branch back there. */
struct ir_inner {
    u32 first, last;
};

/* Those that have no other one inside and are entered by their labels alone, at most `most`. Returns how many. */
u32 ir_loop_innermost(const struct ir_block *block, struct ir_inner *inner, u32 most);

/* As ir_loop_find, for the turns of one of these: registers are what they hold at its label. */
bool ir_loop_find_inner(struct ir_loop *loop, const struct ir_block *block, u32 reg_count, const struct ir_inner *inner);

#endif
