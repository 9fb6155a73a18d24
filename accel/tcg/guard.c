/*
 * accel/tcg/guard.c - where pages of code are in a context, by their guards: what direct exits into other pages compare
 * (docs/decisions/cross-page-jumps.md). What the jump cache knows a target in has its guard set, so that a guard that is another page's, or
 * nobody's, means that the jump cache must be asked. Guards that are set are in a bucket by the page's address, which is how they are dropped. The
 * vCPU's own thread, or the machine stopped.
 */
#include "accel/tcg/tcg.h"

static u16 *bucket_of(struct context *context, u64 page)
{
    return &context->guard_bucket[(page >> 12 ^ page >> 20) % GUARD_BUCKETS];
}

static void unlist(struct context *context, u32 guard)
{
    u16 *at = bucket_of(context, context->guard[guard]);

    while (*at != guard)
        at = &context->guard_next[*at];
    *at = context->guard_next[guard];
}

void tcg_guard_fill(struct context *context, u32 guard, u64 va)
{
    u64 set = (va & ~UINT64_C(4095)) | TCG_GUARD_SET;
    u16 *bucket = bucket_of(context, set);

    if (!guard || context->guard[guard] == set)
        return;
    if (context->guard[guard]) /* the same page of code is at another address, too: the last one counts */
        unlist(context, guard);
    context->guard[guard] = set;
    context->guard_next[guard] = *bucket;
    *bucket = (u16)guard;
}

void tcg_guard_drop_page(struct context *context, u64 page)
{
    u16 *at = bucket_of(context, page);

    while (*at) {
        u32 guard = *at;

        if (context->guard[guard] == (page | TCG_GUARD_SET)) {
            *at = context->guard_next[guard];
            context->guard[guard] = 0;
        } else {
            at = &context->guard_next[guard];
        }
    }
}

void tcg_guard_drop_all(struct context *context)
{
    for (u32 i = 0; i < GUARD_BUCKETS; i++) {
        for (u32 guard = context->guard_bucket[i]; guard; guard = context->guard_next[guard])
            context->guard[guard] = 0;
        context->guard_bucket[i] = 0;
    }
}
