/*
 * accel/tcg/trace.h - the way of a hot loop through code that tier 1 has translated, by the links that were made: how far it reaches, what turns inside it,
 * where its branches go. It lies in the page in which it begins, or goes on in the page behind that; offsets are of the first page, and those of the
 * second go on from 4096. translate_lock.
 */
#ifndef ACCEL_TCG_TRACE_H
#define ACCEL_TCG_TRACE_H

#include "tcg/backend.h"
#include "vm/vcpu.h"

struct block;
struct code_page;

enum { TRACE_BYTES = 2 * TCG_PAGE_SIZE, TRACE_ENDS = 3 };

struct trace {
    const struct code_page *page, *next; /* next: that behind it in this context, when some of the loop lies there; or NULL */
    const struct block *old; /* what is at the start now */
    u32 mode;                /* of its blocks */
    u32 start, end;
    u32 ends[TRACE_ENDS], end_count; /* where it may end, the furthest first: the last way back to the start, the last one in the first page where there are more, the first */
    bool were_short;         /* loops turned a few times at most before this one was met */
    bool nests;              /* another loop was met inside that had better stay its own */
    u64 heads[TRACE_BYTES / 128]; /* code_source.heads: where those inside begin that may be part of this one */
};

/* How far the loop at `old` may reach. next: see above, or NULL; behind: the end of a block there that led back just now, linked or not, or 0. */
void tcg_trace_find(struct trace *trace, const struct block *old, const struct code_page *next, u32 behind, bool were_short);
/* It reaches so far, and nothing was met yet. */
void tcg_trace_end(struct trace *trace, u32 end);
/* code_source.follow: both ways inside the loop, when both were gone. Ahead only, so that it ends. */
enum code_way tcg_trace_follow(void *trace, u32 at, s32 to, u32 next);

#endif
