/*
 * accel/tcg/pool.c - memory for blocks and for descriptors of pages of code. They come from slabs that are backed by huge pages where the host gives them, since the
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

/* Zeroed: never used before. */
static void *carve(struct tcg_pool *pool, u64 size)
{
    void *memory;

    if (size > (u64)(pool->end - pool->at))
        new_slab(pool);
    memory = pool->at;
    pool->at += size;
    return memory;
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
        memset(block, 0, size);
    } else {
        block = carve(pool, size);
    }
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

struct code_page *tcg_pool_take_page(struct tcg_pool *pool)
{
    struct code_page *page;

    if (!pool->free_pages)
        pool->free_pages = __atomic_exchange_n(&pool->returned_pages, NULL, __ATOMIC_ACQUIRE);
    page = pool->free_pages;
    if (page) {
        pool->free_pages = page->next_in_ram;
        memset(page, 0, sizeof(*page));
    } else {
        page = carve(pool, sizeof(*page));
    }
    page->pool = pool;
    return page;
}

void tcg_pool_give_page(struct code_page *page)
{
    struct code_page **list = &page->pool->returned_pages;

    page->next_in_ram = __atomic_load_n(list, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(list, &page->next_in_ram, page, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
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
