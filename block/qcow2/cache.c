/* block/qcow2/cache.c - L2 tables and refcount blocks in memory. Clean ones go first, least recently used before others. */
#include "block/qcow2/qcow2.h"
#include <errno.h>
#include <stdlib.h>

void qcow2_cache_init(struct qcow2_cache *cache, struct qcow2 *s, bool is_l2, unsigned count)
{
    *cache = (struct qcow2_cache){ .s = s, .is_l2 = is_l2, .count = count };
    cache->tables = g_new0(struct qcow2_table, count);
    cache->by_offset = g_hash_table_new(g_direct_hash, g_direct_equal);
}

void qcow2_cache_finish(struct qcow2_cache *cache)
{
    for (unsigned i = 0; i < cache->count; i++)
        free(cache->tables[i].data);
    g_free(cache->tables);
    g_clear_pointer(&cache->by_offset, g_hash_table_unref);
    cache->count = 0;
}

static gpointer key(u64 offset)
{
    return (gpointer)(uintptr_t)(offset >> QCOW2_MIN_CLUSTER_BITS);
}

static bool is_dirty(const struct qcow2_table *table)
{
    return table->dirty_from != table->dirty_to;
}

static void clean(struct qcow2_cache *cache, struct qcow2_table *table)
{
    if (is_dirty(table))
        cache->dirty--;
    table->dirty_from = table->dirty_to = 0;
}

static int write_table(struct qcow2_cache *cache, struct qcow2_table *table)
{
    struct qcow2 *s = cache->s;
    u32 from = table->dirty_from & ~511u, to = (table->dirty_to + 511) & ~511u;
    int ret = qcow2_check_overlap(s, table->offset, s->cluster_size, cache->is_l2 ? META_L2 : META_REFBLOCK);

    if (ret == 0)
        ret = block_write_buffer(s->file, table->offset + from, table->data + from, to - from);
    if (ret == 0)
        clean(cache, table);
    return ret;
}

static gint by_place(gconstpointer a, gconstpointer b)
{
    const struct qcow2_table *x = *(struct qcow2_table *const *)a, *y = *(struct qcow2_table *const *)b;

    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

int qcow2_cache_write(struct qcow2_cache *cache)
{
    g_autoptr(GPtrArray) list = NULL;
    int ret = 0;

    if (!cache->dirty)
        return 0;
    list = g_ptr_array_new();
    for (unsigned i = 0; i < cache->count; i++)
        if (is_dirty(&cache->tables[i]))
            g_ptr_array_add(list, &cache->tables[i]);
    g_ptr_array_sort(list, by_place);
    for (unsigned i = 0; i < list->len && ret == 0; i++)
        ret = write_table(cache, list->pdata[i]);
    return ret;
}

/* The table to be replaced: unused, else clean, else any that is not pinned. */
static struct qcow2_table *choose(struct qcow2_cache *cache)
{
    struct qcow2_table *best = NULL;

    for (unsigned i = 0; i < cache->count; i++) {
        struct qcow2_table *t = &cache->tables[i];

        if (!t->offset)
            return t;
        if (t->pins || (best && is_dirty(t) > is_dirty(best)))
            continue;
        if (!best || is_dirty(t) < is_dirty(best) || t->used < best->used)
            best = t;
    }
    return best;
}

static int make_room(struct qcow2_cache *cache, struct qcow2_table **out)
{
    struct qcow2_table *table = choose(cache);
    int ret;

    if (!table)
        return -ENOMEM; /* all pinned: a bug, since few are at a time */
    if (is_dirty(table)) {
        ret = cache->is_l2 ? qcow2_sync_before_l2(cache->s) : 0;
        if (ret == 0)
            ret = cache->is_l2 ? qcow2_cache_write(cache) : write_table(cache, table);
        if (ret < 0)
            return ret;
    }
    if (table->offset)
        g_hash_table_remove(cache->by_offset, key(table->offset));
    table->offset = 0;
    *out = table;
    return 0;
}

static int fill(struct qcow2_cache *cache, struct qcow2_table *table, u64 offset, bool fresh)
{
    struct qcow2 *s = cache->s;

    if (!table->data && posix_memalign((void **)&table->data, 4096, s->cluster_size))
        return -ENOMEM;
    if (fresh)
        memset(table->data, 0, s->cluster_size);
    else if (block_read_buffer(s->file, offset, table->data, s->cluster_size) < 0)
        return -EIO;
    table->offset = offset;
    table->pins = 0;
    g_hash_table_insert(cache->by_offset, key(offset), table);
    if (fresh)
        qcow2_table_dirty(cache, table, 0, (u32)s->cluster_size);
    return 0;
}

int qcow2_cache_get(struct qcow2_cache *cache, u64 offset, bool fresh, struct qcow2_table **out)
{
    struct qcow2_table *table = g_hash_table_lookup(cache->by_offset, key(offset));
    int ret;

    if (!table || fresh) {
        if (table)
            qcow2_cache_drop(cache, offset);
        ret = make_room(cache, &table);
        if (ret == 0)
            ret = fill(cache, table, offset, fresh);
        if (ret < 0)
            return ret;
    }
    table->used = ++cache->clock;
    table->pins++;
    *out = table;
    return 0;
}

void qcow2_table_put(struct qcow2_table *table)
{
    if (table)
        table->pins--;
}

void qcow2_table_dirty(struct qcow2_cache *cache, struct qcow2_table *table, u32 from, u32 size)
{
    if (!is_dirty(table)) {
        cache->dirty++;
        table->dirty_from = from;
        table->dirty_to = from + size;
        return;
    }
    table->dirty_from = MIN(table->dirty_from, from);
    table->dirty_to = MAX(table->dirty_to, from + size);
}

void qcow2_cache_drop(struct qcow2_cache *cache, u64 offset)
{
    struct qcow2_table *table = g_hash_table_lookup(cache->by_offset, key(offset));

    if (!table || table->pins)
        return;
    clean(cache, table);
    g_hash_table_remove(cache->by_offset, key(offset));
    table->offset = 0;
}
