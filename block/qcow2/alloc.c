/*
 * block/qcow2/alloc.c - clusters of the file: finding free ones, giving them back. A refcount block lies at the first cluster
 * that it counts, or at the end of a run that was placed behind everything else: it counts itself.
 */
#include "block/qcow2/qcow2.h"
#include <errno.h>

static u32 block_bits(const struct qcow2 *s)
{
    return s->cluster_bits + 3 - s->refcount_order;
}

static u64 max_cluster(const struct qcow2 *s)
{
    /* L2 entries hold 56 bits, compressed ones fewer; the reference count table has a limit too. */
    u64 by_table = (QCOW2_MAX_REFTABLE_BYTES / 8) << block_bits(s);

    return MIN(BIT64(55 - s->cluster_bits), by_table);
}

static void reftable_changed(struct qcow2 *s, u32 index)
{
    if (s->reftable_dirty_from == s->reftable_dirty_to) {
        s->reftable_dirty_from = index;
        s->reftable_dirty_to = index + 1;
    }
    s->reftable_dirty_from = MIN(s->reftable_dirty_from, index);
    s->reftable_dirty_to = MAX(s->reftable_dirty_to, index + 1);
}

/* Block `block` of the table at cluster `cluster`, or at the first free one that it counts (UINT64_MAX). */
int qcow2_make_refblock(struct qcow2 *s, u64 block, u64 cluster)
{
    struct qcow2_table *table;
    u64 first = block << block_bits(s), offset;
    int ret = 0;

    if (block >= s->reftable_size)
        ret = qcow2_grow_reftable(s, block + 1);
    if (ret < 0 || qcow2_has_refblock(s, block)) /* growing has made it on the way */
        return ret;
    if (cluster == UINT64_MAX)
        for (cluster = first; qcow2_meta_find(s, cluster << s->cluster_bits) != META_NONE;)
            if (++cluster >> block_bits(s) != block)
                return qcow2_corrupt(s, "no place for a refcount block");
    offset = cluster << s->cluster_bits;
    ret = qcow2_cache_get(&s->ref_cache, offset, true, &table);
    if (ret < 0)
        return ret;
    if (cluster >> block_bits(s) == block)
        qcow2_refcount_store(s, table->data, cluster - first, 1);
    qcow2_table_put(table);
    qcow2_meta_add(s, offset, s->cluster_size, META_REFBLOCK);
    s->reftable[block] = offset;
    reftable_changed(s, (u32)block);
    return 0;
}

static int is_free(struct qcow2 *s, u64 cluster, bool *free)
{
    u64 count;
    int ret;

    *free = false;
    if (cluster >= max_cluster(s))
        return -EFBIG;
    if (!qcow2_has_refblock(s, cluster >> block_bits(s))) {
        ret = qcow2_make_refblock(s, cluster >> block_bits(s), UINT64_MAX);
        if (ret < 0)
            return ret;
    }
    ret = qcow2_refcount(s, cluster, &count);
    *free = ret == 0 && count == 0;
    if (*free && s->check_overlaps && qcow2_meta_find(s, cluster << s->cluster_bits) != META_NONE)
        return qcow2_corrupt(s, "metadata at %#" G_GINT64_MODIFIER "x has a reference count of 0", cluster << s->cluster_bits);
    return ret;
}

int qcow2_alloc_at(struct qcow2 *s, u64 index, bool *got)
{
    int ret = is_free(s, index, got);

    if (ret < 0 || !*got)
        return ret == -EFBIG ? 0 : ret;
    ret = qcow2_refcount_add(s, index << s->cluster_bits, s->cluster_size, 1);
    *got = ret == 0;
    return ret;
}

static int prepare(struct qcow2 *s)
{
    return s->lazy ? qcow2_set_dirty(s, true) : 0;
}

int qcow2_alloc(struct qcow2 *s, u64 want, u64 *offset, u64 *got)
{
    u64 at = s->free_hint;
    bool free = false;
    int ret = prepare(s);

    while (ret == 0 && !free) {
        ret = is_free(s, at, &free);
        at += !free;
    }
    s->free_hint = at;
    *offset = at << s->cluster_bits;
    for (*got = 0; ret == 0 && free && *got < want;) {
        ret = qcow2_refcount_add(s, (at + *got) << s->cluster_bits, s->cluster_size, 1);
        if (ret < 0)
            break;
        if (++*got < want)
            ret = is_free(s, at + *got, &free);
    }
    if (ret == -EFBIG && *got)
        ret = 0;
    if (ret < 0 && *got)
        qcow2_free_now(s, *offset, *got << s->cluster_bits);
    else
        s->free_hint = at + *got;
    return ret;
}

/* Behind everything that any refcount block counts. */
static u64 frontier(struct qcow2 *s)
{
    u64 file = qcow2_clusters(s, s->file->size);

    for (u64 i = s->reftable_size; i-- > 0;)
        if (s->reftable[i] & REFTABLE_OFFSET)
            return MAX(file, (i + 1) << block_bits(s));
    return file;
}

/* Blocks of the table from `first` on, which no table on disk names, never were. */
static void forget_blocks(struct qcow2 *s, u64 first)
{
    for (u64 b = first; b < s->reftable_size; b++) {
        u64 offset = s->reftable[b] & REFTABLE_OFFSET;

        if (!offset)
            continue;
        qcow2_cache_drop(&s->ref_cache, offset);
        qcow2_meta_remove(s, offset, s->cluster_size);
        s->reftable[b] = 0;
    }
}

/* New blocks for clusters [start, start + clusters + blocks), placed after the run itself. */
static int run_at_frontier(struct qcow2 *s, u64 clusters, u64 *offset)
{
    u64 start = frontier(s), blocks = 0, first, last;
    int ret = 0;

    for (;;) { /* as many blocks as the run and they themselves need */
        u64 need;

        first = start >> block_bits(s);
        last = (start + clusters + blocks - 1) >> block_bits(s);
        need = last - first + 1;
        if (need <= blocks)
            break;
        blocks = need;
    }
    if (start + clusters + blocks > max_cluster(s))
        return -EFBIG;
    if (last >= s->reftable_size) {
        ret = qcow2_grow_reftable(s, last + 1);
        return ret < 0 ? ret : run_at_frontier(s, clusters, offset); /* growing may have used the place */
    }
    for (u64 b = first; b <= last && ret == 0; b++)
        if (!qcow2_has_refblock(s, b))
            ret = qcow2_make_refblock(s, b, start + clusters + (b - first));
    /* The blocks that lie in the range of another new block are counted there. */
    for (u64 b = first; b <= last && ret == 0; b++) {
        u64 count, at = s->reftable[b] >> s->cluster_bits;

        ret = qcow2_refcount(s, at, &count);
        if (ret == 0 && !count)
            ret = qcow2_refcount_add(s, at << s->cluster_bits, s->cluster_size, 1);
    }
    *offset = start << s->cluster_bits;
    if (ret == 0)
        ret = qcow2_refcount_add(s, *offset, clusters << s->cluster_bits, 1);
    if (ret < 0)
        forget_blocks(s, first); /* half of a run would be counted, and a block perhaps not at all */
    return ret;
}

int qcow2_alloc_run(struct qcow2 *s, u64 clusters, u64 *offset)
{
    u64 got, first = 0;
    int ret = 0;

    /* A few tries where there is room anyway; then behind the end. */
    for (unsigned i = 0; i < 16; i++) {
        ret = qcow2_alloc(s, clusters, offset, &got);
        if (ret < 0 || got == clusters)
            break;
        first = i == 0 ? *offset >> s->cluster_bits : first;
        qcow2_free_now(s, *offset, got << s->cluster_bits);
        s->free_hint = (*offset >> s->cluster_bits) + got;
    }
    if (first)
        s->free_hint = MIN(s->free_hint, first);
    if (ret < 0 || got == clusters)
        return ret;
    return run_at_frontier(s, clusters, offset);
}

/* The table as it is in memory, with its blocks, on stable storage in a place of its own. */
static int write_larger_reftable(struct qcow2 *s, u64 clusters, u64 *offset)
{
    g_autofree u8 *table = g_malloc((size_t)s->reftable_size * 8);
    int ret;

    s->growing_reftable = true;
    ret = run_at_frontier(s, clusters, offset);
    s->growing_reftable = false;
    if (ret == 0)
        ret = qcow2_cache_write(&s->ref_cache);
    if (ret == 0)
        ret = block_flush(s->file);
    for (u32 i = 0; i < s->reftable_size; i++)
        put_be64(table + (size_t)i * 8, s->reftable[i]);
    if (ret == 0)
        ret = block_write_buffer(s->file, *offset, table, (size_t)s->reftable_size * 8);
    return ret < 0 ? ret : block_flush(s->file);
}

/* The header's word about it, which makes it the one that counts. */
static int point_at_reftable(struct qcow2 *s, u64 offset, u64 clusters)
{
    u8 field[12];
    int ret;

    put_be64(field, offset);
    put_be32(field + 8, (u32)clusters);
    ret = block_write_buffer(s->file, H_REFTABLE_OFFSET, field, sizeof(field));
    return ret < 0 ? ret : block_flush(s->file);
}

/* A larger table, in memory first: placing it may need blocks that only it can name. */
int qcow2_grow_reftable(struct qcow2 *s, u64 entries)
{
    u64 clusters, old_offset = s->reftable_offset, old_size = (u64)s->reftable_clusters << s->cluster_bits, offset, first = frontier(s) >> block_bits(s);
    u32 old_entries = s->reftable_size, dirty_from = s->reftable_dirty_from, dirty_to = s->reftable_dirty_to;
    int ret;

    if (s->growing_reftable)
        return -EFBIG;
    clusters = qcow2_clusters(s, MAX(entries, old_entries + old_entries / 2ull) * 8) + 1;
    if (clusters << s->cluster_bits > QCOW2_MAX_REFTABLE_BYTES)
        clusters = MAX(QCOW2_MAX_REFTABLE_BYTES >> s->cluster_bits, 1);
    if (entries > clusters << (s->cluster_bits - 3))
        return -EFBIG;
    s->reftable_size = (u32)(clusters << (s->cluster_bits - 3));
    s->reftable = g_renew(u64, s->reftable, s->reftable_size);
    memset(s->reftable + old_entries, 0, (size_t)(s->reftable_size - old_entries) * 8);
    ret = write_larger_reftable(s, clusters, &offset);
    if (ret < 0) { /* no room, say: the table on disk is the old one, and names none of the new blocks */
        forget_blocks(s, first);
        s->reftable_size = old_entries;
        s->reftable_dirty_from = dirty_from;
        s->reftable_dirty_to = dirty_to;
        return ret;
    }
    ret = point_at_reftable(s, offset, clusters);
    if (ret < 0)
        return qcow2_corrupt(s, "cannot write the place of a larger refcount table: %s", block_strerror(ret));
    qcow2_meta_add(s, offset, clusters << s->cluster_bits, META_REFTABLE);
    s->reftable_offset = offset;
    s->reftable_clusters = (u32)clusters;
    s->reftable_dirty_from = s->reftable_dirty_to = 0;
    qcow2_meta_remove(s, old_offset, old_size);
    qcow2_free_now(s, old_offset, old_size);
    return 0;
}

int qcow2_alloc_bytes(struct qcow2 *s, u64 size, u64 *offset)
{
    u64 left = s->free_byte ? s->cluster_size - qcow2_in_cluster(s, s->free_byte) : 0, got;
    bool next = false;
    int ret = prepare(s);

    if (ret < 0)
        return ret;
    if (left == s->cluster_size)
        left = 0;
    if (left && left < size) { /* the rest may go on in the adjacent cluster, if that is free */
        ret = qcow2_alloc_at(s, (s->free_byte >> s->cluster_bits) + 1, &next);
        if (ret < 0)
            return ret;
    }
    if (left && (left >= size || next)) {
        *offset = s->free_byte;
        ret = qcow2_refcount_add(s, *offset & ~(s->cluster_size - 1), s->cluster_size, 1);
        if (ret == 0) {
            s->free_byte += size;
            return 0;
        }
        if (next)
            qcow2_free_now(s, (*offset & ~(s->cluster_size - 1)) + s->cluster_size, s->cluster_size);
        if (ret != -EINVAL) /* the count of the shared cluster is at its end: take another */
            return ret;
    }
    ret = qcow2_alloc(s, 1, offset, &got);
    if (ret == 0)
        s->free_byte = *offset + size;
    return ret;
}

int qcow2_free_later(struct qcow2 *s, u64 offset, u64 size)
{
    struct qcow2_free *last = s->frees->len ? &g_array_index(s->frees, struct qcow2_free, s->frees->len - 1) : NULL;
    struct qcow2_free mine = { .offset = offset, .size = size };

    enum { MAX_WAITING = 1 << 16 };

    if (last && last->offset + last->size == offset && !qcow2_in_cluster(s, offset))
        last->size += size;
    else
        g_array_append_val(s->frees, mine);
    return s->frees->len > MAX_WAITING ? qcow2_sync(s) : 0;
}

void qcow2_free_now(struct qcow2 *s, u64 offset, u64 size)
{
    u64 first = offset >> s->cluster_bits, last = (offset + size - 1) >> s->cluster_bits;

    for (u64 c = first; size && c <= last; c++) {
        u64 count;

        if (qcow2_refcount_add(s, c << s->cluster_bits, s->cluster_size, -1) < 0)
            return;
        if (qcow2_refcount(s, c, &count) < 0 || count)
            continue;
        qcow2_cache_drop(&s->l2_cache, c << s->cluster_bits);
        g_clear_pointer(&s->unpacked, g_free); /* its place may get other compressed data */
        if (s->free_byte && s->free_byte >> s->cluster_bits == c)
            s->free_byte = 0;
        if (s->discard_request)
            block_discard(s->file, c << s->cluster_bits, s->cluster_size); /* never of an external data file, whose clusters nobody counts */
    }
}
