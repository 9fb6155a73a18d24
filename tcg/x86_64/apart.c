/*
 * tcg/x86_64/apart.c - cold code lies apart from the rest: in areas of the chunk that is being filled, which begin behind some block's hot code. So what
 * runs is not thinned by slow paths, a third of the bytes, in the host's caches. docs/decisions/code-layout.md
 */
#include "tcg/x86_64/emit.h"
#include "tcg/x86_64/value.h"

enum { APART_AREA = 32 * 1024 };

/* Blocks are emitted from `at` on: an area above is of code that was given up, or of the chunk's last time. */
void x86_apart_begin(struct tcg_engine *e, u32 at, u32 limit)
{
    struct x86_apart *a = &e->apart;

    a->hot_end = NULL;
    if (a->limit != limit || at < a->end)
        a->at = a->end = 0;
    a->limit = limit;
}

/* True: there is an area with so many bytes; a new one begins behind the block's hot code. */
static bool find_area(struct tcg_engine *e, u32 need)
{
    struct x86_apart *a = &e->apart;
    u64 start;

    if (a->end - a->at >= need)
        return true;
    start = ((u64)(e->code.p - e->buffer->write) + 63) & ~UINT64_C(63);
    if (start + APART_AREA > a->limit)
        return false;
    a->at = (u32)start;
    a->end = (u32)start + APART_AREA;
    tcg_buffer_prepare(e->buffer, a->end);
    return true;
}

void x86_cold_begin(struct tcg_engine *e, u32 need)
{
    struct x86_apart *a = &e->apart;

    if (!a->on || a->refused || e->loop.on || e->code.overflow || need > APART_AREA / 4 || !find_area(e, need))
        return;
    a->hot_end = e->code.p;
    e->code.p = e->code.start = x86_at(e, a->at);
    e->code.limit = x86_at(e, a->end - X86_MAX_INSN);
}

u32 x86_apart_end(struct tcg_engine *e)
{
    struct x86_apart *a = &e->apart;

    a->at = (u32)(e->code.p - e->buffer->write);
    e->code.p = a->hot_end;
    return MAX(a->end, (u32)(a->hot_end - e->buffer->write));
}

void x86_note_apart(struct tcg_engine *e, const u8 *from)
{
    e->out->apart = e->apart.hot_end ? (u32)(from - e->buffer->write) : 0;
    e->out->apart_size = e->apart.hot_end && !e->code.overflow ? (u16)(e->code.p - from) : 0;
}
