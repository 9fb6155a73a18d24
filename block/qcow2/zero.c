/* block/qcow2/zero.c - discards and writes of zeros: entries change, data does not move. */
#include "block/qcow2/bitmap.h"
#include <errno.h>

/* What an entry becomes when the content of its cluster is given up. */
static struct qcow2_entry discarded(struct qcow2 *s, struct qcow2_entry old, bool full)
{
    bool zero = !full && s->version >= 3 && (block_backing(s->node) || old.entry & ENTRY_COPIED || old.entry);

    if (full || !zero)
        return (struct qcow2_entry){ 0 };
    if (s->entry_size == 16)
        return (struct qcow2_entry){ .bitmap = UINT64_C(0xffffffff) << 32 };
    return (struct qcow2_entry){ .entry = ENTRY_ZERO };
}

static int discard_clusters(struct qcow2 *s, u64 offset, u64 count, bool full)
{
    u64 index = qcow2_l2_index(s, offset);
    struct qcow2_table *table;
    int ret = qcow2_l2_find(s, offset, &table);

    if (ret < 0 || !table)
        return ret; /* nothing there */
    qcow2_table_put(table);
    ret = qcow2_l2_for_write(s, offset, &table);
    for (u64 i = 0; i < count && ret == 0; i++) {
        struct qcow2_entry old = qcow2_l2_get(s, table, index + i), e = discarded(s, old, full);

        if (qcow2_type(s, old, 0) == TYPE_UNALLOCATED && !old.bitmap)
            continue;
        if (!full && s->version < 3 && block_backing(s->node))
            continue; /* the backing file would show through */
        qcow2_l2_set(s, table, index + i, e);
        ret = qcow2_free_entry(s, old.entry);
    }
    qcow2_table_put(table);
    return ret;
}

/* Calls fn for the part of the range in each L2 table. */
static int each_table(struct qcow2 *s, u64 offset, u64 size, int (*fn)(struct qcow2 *, u64, u64, u32), u32 flags)
{
    u64 span = BIT64(s->cluster_bits + s->l2_bits);
    int ret = 0;

    while (size && ret == 0) {
        u64 n = MIN(size, span - (offset & (span - 1)));

        ret = fn(s, offset, n, flags);
        offset += n;
        size -= n;
    }
    return ret;
}

static int discard_part(struct qcow2 *s, u64 offset, u64 size, u32 full)
{
    return discard_clusters(s, offset, size >> s->cluster_bits, full);
}

int qcow2_discard_range(struct qcow2 *s, u64 offset, u64 size, bool full)
{
    u64 start = (offset + s->cluster_size - 1) & ~(s->cluster_size - 1);
    /* The last cluster of the disk counts as whole. */
    u64 end = offset + size >= s->node->size ? qcow2_clusters(s, offset + size) << s->cluster_bits : (offset + size) & ~(s->cluster_size - 1);

    return start < end ? each_table(s, start, end - start, discard_part, full) : 0;
}

/* A data file that is an image by itself: its bytes are what the guest reads, with or without tables. */
static bool is_raw(const struct qcow2 *s)
{
    return s->data_name && (s->autoclear & AUTOCLEAR_RAW_DATA) && !block_backing(s->node);
}

/*
 * What becomes of the range in an external data file, where a guest's cluster has one place all its life. A raw one gets the zeros; storage of others
 * is given back where that can be done. A table on disk that still names it does no harm: before the next flush the guest may find zeros, too.
 */
static int zero_data_file(struct qcow2 *s, u64 offset, u64 size, u32 flags, bool hint)
{
    size = MIN(size, s->node->size - offset);
    if (is_raw(s) && !hint)
        return block_write_zeroes(s->data, offset, size, flags);
    if ((flags & BLOCK_MAY_UNMAP) && s->data->discard_unmap && s->discard_request)
        block_write_zeroes(s->data, offset, size, BLOCK_MAY_UNMAP | BLOCK_NO_FALLBACK);
    return 0;
}

static int discard(struct qcow2 *s, u64 offset, u64 size, u32 flags)
{
    return is_raw(s) ? 0 : qcow2_discard_range(s, offset, size, false);
}

/* Runs fn alone on its range. */
static int alone(struct block_node *node, u64 offset, u64 size, int (*fn)(struct qcow2 *s, u64 offset, u64 size, u32 flags), u32 flags)
{
    struct qcow2 *s = qcow2_of(node);
    struct qcow2_op op;
    int ret = qcow2_writable(s);

    if (ret < 0)
        return ret;
    block_mutex_take(&s->lock, node->loop);
    qcow2_begin(s, &op, offset, size, true);
    qcow2_bitmaps_mark(s, offset, size);
    ret = fn(s, offset, size, flags);
    if (ret == 0 && s->data_name) {
        block_mutex_drop(&s->lock);
        ret = zero_data_file(s, offset, size, flags, fn == discard);
        block_mutex_take(&s->lock, node->loop);
    }
    qcow2_end(s, &op);
    block_mutex_drop(&s->lock);
    return ret;
}

int qcow2_discard(struct block_node *node, u64 offset, u64 size)
{
    return alone(node, offset, size, discard, BLOCK_MAY_UNMAP);
}

static struct qcow2_entry zeroed(struct qcow2 *s, struct qcow2_entry old, u64 from, u64 to, bool unmap)
{
    bool whole = to - from == s->cluster_size, compressed = old.entry & ENTRY_COMPRESSED;
    bool keep = !compressed && (old.entry & ENTRY_OFFSET) && !(unmap && whole) && (old.entry & ENTRY_COPIED);
    struct qcow2_entry e = { .entry = keep ? old.entry & ~ENTRY_ZERO : 0 };

    if (s->entry_size == 8) {
        e.entry |= ENTRY_ZERO;
        return e;
    }
    u64 first = from >> s->sub_bits, count = (to - from) >> s->sub_bits, bits = bits_set(0, (unsigned)first, (unsigned)count, ~UINT64_C(0));

    if (!whole && !compressed)
        e.entry = old.entry;
    e.bitmap = ((whole || compressed ? 0 : old.bitmap) & ~bits) | bits << 32;
    return e;
}

static int zero_part(struct qcow2 *s, u64 offset, u64 size, u32 flags)
{
    struct qcow2_table *table;
    int ret = qcow2_l2_for_write(s, offset, &table);

    while (size && ret == 0) {
        u64 index = qcow2_l2_index(s, offset), in = qcow2_in_cluster(s, offset), n = MIN(size, s->cluster_size - in);
        struct qcow2_entry old = qcow2_l2_get(s, table, index), e;

        if (n < s->cluster_size && (old.entry & ENTRY_COMPRESSED)) {
            ret = -ENOTSUP;
            break;
        }
        if (qcow2_type(s, old, 0) == TYPE_INVALID) {
            ret = qcow2_corrupt(s, "Invalid cluster entry found");
            break;
        }
        e = zeroed(s, old, in, in + n, flags & BLOCK_MAY_UNMAP);
        if (e.entry != old.entry || e.bitmap != old.bitmap) {
            qcow2_l2_set(s, table, index, e);
            if (!(e.entry & ENTRY_OFFSET))
                ret = qcow2_free_entry(s, old.entry);
        }
        offset += n;
        size -= n;
    }
    qcow2_table_put(table);
    return ret;
}

/* Version 2 knows no zeros, but a hole over nothing reads as zero. */
static int zero_v2(struct qcow2 *s, u64 offset, u64 size, u32 flags)
{
    if (block_backing(s->node) || !(flags & BLOCK_MAY_UNMAP))
        return -ENOTSUP;
    return qcow2_discard_range(s, offset, size, true);
}

static int zero(struct qcow2 *s, u64 offset, u64 size, u32 flags)
{
    u64 unit = BIT64(s->sub_bits), end = (offset + size + unit - 1) & ~(unit - 1);

    if (s->version < 3)
        return zero_v2(s, offset, size, flags);
    if (is_raw(s))
        return 0; /* see zero_data_file */
    if (s->data_name && (s->autoclear & AUTOCLEAR_RAW_DATA))
        return -ENOTSUP; /* the raw file has to read as zero by itself, and must not show what is below */
    return each_table(s, offset, end - offset, zero_part, flags);
}

int qcow2_write_zeroes(struct block_node *node, u64 offset, u64 size, u32 flags)
{
    return alone(node, offset, size, zero, flags);
}
