/*
 * accel/tcg/pool.c - memory for blocks. They come from slabs that are backed by huge pages where the host gives them, since the
 * first touch of a page of malloc's costs more than translating a block; freed ones wait in lists by their number of links.
 */
#include "accel/tcg/tcg.h"
#include "host/map.h"
#include <string.h>

enum { SLAB = 8 * MIB };

struct tcg_slab {
    struct tcg_slab *next;
};

static void new_slab(struct tcg_pool *pool)
{
    g_autoptr(GError) error = NULL;
    struct tcg_slab *slab = host_map_anonymous(SLAB, true, &error);

    if (!slab) /* as malloc's users do */
        g_error("no memory for translated blocks: %s", error->message);
    slab->next = pool->slabs;
    pool->slabs = slab;
    pool->at = (u8 *)(slab + 1);
    pool->end = (u8 *)slab + SLAB;
}

/* Blocks that were given back since the last time. */
static void sort_returned(struct tcg_pool *pool)
{
    struct block *block = __atomic_exchange_n(&pool->returned, NULL, __ATOMIC_ACQUIRE), *next;

    for (; block; block = next) {
        next = block->next;
        block->next = pool->free[block->code.link_count];
        pool->free[block->code.link_count] = block;
    }
}

struct block *tcg_pool_take(struct tcg_pool *pool, u32 links)
{
    u64 size = sizeof(struct block) + links * sizeof(struct tcg_link);
    struct block *block;

    if (__atomic_load_n(&pool->returned, __ATOMIC_RELAXED))
        sort_returned(pool);
    block = pool->free[links];
    if (block) {
        pool->free[links] = block->next;
    } else {
        if (size > (u64)(pool->end - pool->at))
            new_slab(pool);
        block = (struct block *)pool->at;
        pool->at += size;
    }
    memset(block, 0, size);
    block->code.link = block->link;
    block->code.link_count = links;
    return block;
}

void tcg_pool_give(struct tcg_pool *pool, struct block *block)
{
    block->next = __atomic_load_n(&pool->returned, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&pool->returned, &block->next, block, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
        continue;
}

void tcg_pool_finish(struct tcg_pool *pool)
{
    while (pool->slabs) {
        struct tcg_slab *slab = pool->slabs;

        pool->slabs = slab->next;
        host_map_free(slab, SLAB);
    }
}
