/* block/qcow2/refcount.c - how many tables refer to a cluster; widths from 1 to 64 bits. */
#include "block/qcow2/qcow2.h"
#include <errno.h>

u64 qcow2_refcount_max(const struct qcow2 *s)
{
    return s->refcount_order == 6 ? UINT64_MAX : BIT64(1u << s->refcount_order) - 1;
}

u64 qcow2_refcount_read(const struct qcow2 *s, const u8 *block, u64 index)
{
    u32 order = s->refcount_order;

    if (order >= 3)
        return bits_load_be(block + (index << (order - 3)), 1u << (order - 3));
    /* Below a byte the first one is in the low bits. */
    return (block[index >> (3 - order)] >> ((index << order) & 7)) & (BIT64(1u << order) - 1);
}

void qcow2_refcount_store(const struct qcow2 *s, u8 *block, u64 index, u64 count)
{
    u32 order = s->refcount_order, shift;
    u8 *byte, mask;

    if (order >= 3) {
        bits_store_be(block + (index << (order - 3)), 1u << (order - 3), count);
        return;
    }
    byte = block + (index >> (3 - order));
    shift = (u32)(index << order) & 7;
    mask = (u8)((BIT64(1u << order) - 1) << shift);
    *byte = (u8)((*byte & ~mask) | ((count << shift) & mask));
}

static u32 block_bits(const struct qcow2 *s)
{
    return s->cluster_bits + 3 - s->refcount_order;
}

/* The block for a cluster; *table is NULL when there is none. */
static int find_block(struct qcow2 *s, u64 cluster, struct qcow2_table **table)
{
    u64 index = cluster >> block_bits(s), offset;

    *table = NULL;
    if (index >= s->reftable_size)
        return 0;
    offset = s->reftable[index] & REFTABLE_OFFSET;
    if (!offset)
        return 0;
    if (qcow2_in_cluster(s, offset) || offset > INT64_MAX / 2)
        return qcow2_corrupt(s, "Refblock offset %#" G_GINT64_MODIFIER "x unaligned (reftable index: %#" G_GINT64_MODIFIER "x)", offset, index);
    return qcow2_cache_get(&s->ref_cache, offset, false, table);
}

static u64 index_in_block(const struct qcow2 *s, u64 cluster)
{
    return cluster & (BIT64(block_bits(s)) - 1);
}

int qcow2_refcount(struct qcow2 *s, u64 cluster, u64 *count)
{
    struct qcow2_table *table;
    int ret = find_block(s, cluster, &table);

    *count = ret == 0 && table ? qcow2_refcount_read(s, table->data, index_in_block(s, cluster)) : 0;
    qcow2_table_put(table);
    return ret;
}

static void changed(struct qcow2 *s, struct qcow2_table *table, u64 index)
{
    u32 order = s->refcount_order;

    qcow2_table_dirty(&s->ref_cache, table, (u32)(order >= 3 ? index << (order - 3) : index >> (3 - order)), order >= 3 ? 1u << (order - 3) : 1);
}

static int add_one(struct qcow2 *s, u64 cluster, int delta)
{
    struct qcow2_table *table;
    u64 index = index_in_block(s, cluster), count;
    int ret = find_block(s, cluster, &table);

    if (ret < 0)
        return ret;
    if (!table && delta < 0)
        return qcow2_corrupt(s, "cluster %#" G_GINT64_MODIFIER "x is freed but was not in use", cluster << s->cluster_bits);
    if (!table) {
        ret = qcow2_make_refblock(s, cluster >> block_bits(s), UINT64_MAX);
        if (ret == 0)
            ret = find_block(s, cluster, &table);
        if (ret < 0)
            return ret;
    }
    count = qcow2_refcount_read(s, table->data, index);
    if (delta < 0 && count < (u64)-delta)
        ret = qcow2_corrupt(s, "cluster %#" G_GINT64_MODIFIER "x is freed but was not in use", cluster << s->cluster_bits);
    else if (delta > 0 && count > qcow2_refcount_max(s) - (u64)delta)
        ret = -EINVAL;
    if (ret == 0) {
        qcow2_refcount_store(s, table->data, index, count + (u64)(s64)delta);
        changed(s, table, index);
        if (delta < 0 && count + (u64)(s64)delta == 0)
            s->free_hint = MIN(s->free_hint, cluster);
    }
    qcow2_table_put(table);
    return ret;
}

int qcow2_refcount_set(struct qcow2 *s, u64 cluster, u64 count)
{
    struct qcow2_table *table;
    int ret = find_block(s, cluster, &table);

    if (ret == 0 && (!table || count > qcow2_refcount_max(s)))
        ret = -EINVAL;
    if (ret == 0) {
        qcow2_refcount_store(s, table->data, index_in_block(s, cluster), count);
        changed(s, table, index_in_block(s, cluster));
        if (!count)
            s->free_hint = MIN(s->free_hint, cluster);
    }
    qcow2_table_put(table);
    return ret;
}

int qcow2_refcount_add(struct qcow2 *s, u64 offset, u64 size, int delta)
{
    u64 first = offset >> s->cluster_bits, last = (offset + size - 1) >> s->cluster_bits;
    int ret = 0;

    for (u64 c = first; size && c <= last && ret == 0; c++) {
        ret = add_one(s, c, delta);
        if (ret < 0 && delta > 0) /* all or nothing, so that the caller can go on */
            while (c-- > first)
                add_one(s, c, -delta);
    }
    return ret;
}
