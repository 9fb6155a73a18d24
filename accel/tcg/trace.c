/* accel/tcg/trace.c - which ways a hot loop goes. docs/decisions/tier-2.md */
#include "accel/tcg/trace.h"
#include "accel/tcg/tcg.h"
#include <string.h>

/* --- blocks of both pages --- */

struct cursor {
    const struct code_page *page, *next;
    const struct block *block;
    u32 bucket;
    s32 base; /* of the offsets of its page */
};

static struct cursor all_of(const struct trace *t)
{
    return (struct cursor){ .page = t->page, .next = t->next };
}

/* On to the next block, the first one to begin with. False: there is none. */
static bool step(struct cursor *c)
{
    if (c->block)
        c->block = c->block->next;
    while (!c->block) {
        if (c->bucket == CODE_BUCKETS) {
            if (!c->next)
                return false;
            *c = (struct cursor){ .page = c->next, .base = TCG_PAGE_SIZE };
        }
        c->block = c->page->bucket[c->bucket++];
    }
    return true;
}

static s32 begin_of(const struct cursor *c)
{
    return c->base + (s32)c->block->offset;
}

static s32 end_of(const struct cursor *c)
{
    return begin_of(c) + c->block->byte_count;
}

static s32 target_of(const struct cursor *c, u32 link)
{
    return c->base + c->block->link[link].pc;
}

static bool was_gone(const struct tcg_link *link)
{
    return link->to && !link->single && !link->call;
}

static bool was_followed(const struct cursor *c, u32 target)
{
    for (u32 i = 0; i < c->block->code.link_count; i++)
        if (was_gone(&c->block->link[i]) && target_of(c, i) == (s32)target)
            return true;
    return false;
}

static u32 limit_of(const struct trace *t)
{
    return t->next ? TRACE_BYTES : TCG_PAGE_SIZE;
}

/* --- its ends --- */

struct found {
    u32 last, in_page, first; /* ends; 0: none */
};

static void add_end(struct found *found, u32 end)
{
    found->first = found->first ? MIN(found->first, end) : end;
    found->last = MAX(found->last, end);
    if (end <= TCG_PAGE_SIZE)
        found->in_page = MAX(found->in_page, end);
}

/* Tier 1 ends blocks at branches: behind those that went to the start. */
static struct found find_ends(const struct trace *t, u32 behind)
{
    struct found found = { 0 };

    if (t->next && behind)
        add_end(&found, behind);
    for (struct cursor c = all_of(t); step(&c);)
        if (c.block->mode == t->mode && c.block->tier != 2 && begin_of(&c) >= (s32)t->start && was_followed(&c, t->start))
            add_end(&found, (u32)end_of(&c));
    return found;
}

static bool leads_into(const struct trace *t, const struct cursor *c, u32 end)
{
    for (u32 k = 0; k < c->block->code.link_count; k++)
        if (was_gone(&c->block->link[k]) && target_of(c, k) >= (s32)t->start && target_of(c, k) < (s32)end)
            return true;
    return false;
}

static bool find_at(const struct trace *t, u32 at, struct cursor *c)
{
    bool behind = at >= TCG_PAGE_SIZE;

    *c = (struct cursor){ .base = behind ? TCG_PAGE_SIZE : 0 };
    if (at < limit_of(t))
        c->block = tcg_page_find(behind ? t->next : t->page, at - (u32)c->base, t->mode);
    return c->block;
}

/* The loop's end, or behind it what one more way goes that comes back into it. */
static u32 extend(const struct trace *t, u32 end)
{
    struct cursor c;

    while (find_at(t, end, &c) && c.block->tier != 2 && leads_into(t, &c, end))
        end = (u32)end_of(&c);
    return end;
}

/* Ends come with the furthest one first. */
static void may_end(struct trace *t, u32 end)
{
    if (end && (!t->end_count || end < t->ends[t->end_count - 1]))
        t->ends[t->end_count++] = end;
}

void tcg_trace_find(struct trace *t, const struct block *old, const struct code_page *next, u32 behind, bool were_short)
{
    struct found found;

    *t = (struct trace){ .page = old->page, .next = next, .old = old, .mode = old->mode, .start = old->offset, .were_short = were_short };
    found = find_ends(t, behind);
    if (found.last <= TCG_PAGE_SIZE)
        t->next = NULL;
    may_end(t, extend(t, MAX(found.last, t->start)));
    if (t->next)
        may_end(t, found.in_page);
    may_end(t, found.first);
}

/* --- loops inside --- */

static void set_head(struct trace *t, u32 at)
{
    g_assert(at < TRACE_BYTES);
    t->heads[at >> 7] |= BIT64(at >> 1 & 63);
}

static bool is_head(const struct trace *t, u32 at)
{
    return t->heads[at >> 7] >> (at >> 1 & 63) & 1;
}

/* Where they begin: what blocks between start and end lead back to. */
static void find_heads(struct trace *t)
{
    memset(t->heads, 0, sizeof t->heads);
    for (struct cursor c = all_of(t); step(&c);) {
        if (c.block->mode != t->mode || begin_of(&c) < (s32)t->start || begin_of(&c) >= (s32)t->end)
            continue;
        if (c.block->tier == 2 && begin_of(&c) > (s32)t->start && (t->were_short || !c.block->streams))
            set_head(t, (u32)begin_of(&c));
        for (u32 k = 0; k < c.block->code.link_count; k++) {
            s32 target = target_of(&c, k);

            if (was_gone(&c.block->link[k]) && target > (s32)t->start && target < MIN(end_of(&c), (s32)limit_of(t)))
                set_head(t, (u32)target);
        }
    }
}

void tcg_trace_end(struct trace *t, u32 end)
{
    t->end = end;
    t->nests = false;
    find_heads(t);
}

/* --- branches --- */

/* Which ways out of the instruction at `at` have been gone, by the links of the blocks with it. */
static void ask_links(const struct trace *t, u32 at, u32 target, u32 next, bool *to_target, bool *to_next)
{
    *to_target = *to_next = false;
    for (struct cursor c = all_of(t); step(&c);) {
        if (c.block->mode != t->mode || (s32)at < begin_of(&c) - c.block->below || (s32)at >= end_of(&c))
            continue;
        /* A loop of its own goes by no links inside. */
        bool own = c.block->tier == 2 && begin_of(&c) > (s32)t->start;
        *to_target |= was_followed(&c, target) || (own && (s32)target >= begin_of(&c) && (s32)target < end_of(&c));
        *to_next |= was_followed(&c, next) || (own && (s32)next < end_of(&c));
    }
}

/*
 * Backward: to the start it is the loop; else there is one inside. That one becomes part of this, unless it turns for long by itself and
 * has streams, whose checks would come back.
 */
static enum code_way follow_back(struct trace *t, u32 target, u32 next, bool to_target, bool to_next)
{
    bool goes_on = next < t->end && next != target && to_next;
    struct cursor inner = { 0 };

    if (target == t->start || !to_target)
        return goes_on ? CODE_NEXT : CODE_STOP;
    if (target > t->start)
        find_at(t, target, &inner);
    if (target > t->start && is_head(t, target) && (t->were_short || !(inner.block && inner.block->tier == 2 && inner.block->streams)))
        return goes_on ? CODE_BACK : CODE_BACK_ONLY;
    t->nests = true;
    return CODE_STOP;
}

enum code_way tcg_trace_follow(void *opaque, u32 at, s32 to, u32 next)
{
    struct trace *t = opaque;
    bool to_target, to_next;
    u32 target = (u32)to;

    if (to < 0 || to >= (s32)limit_of(t))
        return next < t->end ? CODE_NEXT : CODE_STOP;
    if (target > at && target == next)
        return CODE_TARGET;
    ask_links(t, at, target, next, &to_target, &to_next);
    if (target <= at)
        return follow_back(t, target, next, to_target, to_next);
    if (target >= t->end)
        return to_next ? CODE_NEXT : to_target ? CODE_TARGET : CODE_NEXT;
    if (to_target && to_next)
        return CODE_BOTH;
    return to_target ? CODE_TARGET : CODE_NEXT;
}
