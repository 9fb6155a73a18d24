/* block/qcow2/resize.c - a larger or smaller disk, and preallocation. */
#include "block/qcow2/bitmap.h"
#include "base/error.h"
#include <errno.h>

/* The new table is on disk, and its clusters are counted, before the header names it. */
int qcow2_replace_l1(struct qcow2 *s, u64 **l1, u32 size, u64 disk_size)
{
    u64 clusters = MAX(qcow2_clusters(s, (u64)size * 8), 1), offset, old = s->l1_offset, old_size = (u64)s->l1_size * 8;
    u8 fields[H_REFTABLE_OFFSET - H_SIZE] = { 0 }; /* no encryption: we would not have opened the image */
    int ret = qcow2_alloc_run(s, clusters, &offset);

    if (ret < 0)
        return ret;
    ret = qcow2_write_table(s, offset, *l1, size, ~UINT64_C(0));
    if (ret == 0)
        ret = qcow2_sync(s);
    put_be64(fields, disk_size);
    put_be32(fields + H_L1_SIZE - H_SIZE, size);
    put_be64(fields + H_L1_OFFSET - H_SIZE, offset);
    if (ret == 0)
        ret = qcow2_change_header(s, H_SIZE, fields, sizeof(fields));
    if (ret < 0) {
        if (!s->corrupt)
            qcow2_free_now(s, offset, clusters << s->cluster_bits);
        return ret;
    }
    u64 *before = s->l1;
    s->l1 = *l1;
    *l1 = before;
    s->l1_size = size;
    s->l1_offset = offset;
    s->l1_dirty_from = s->l1_dirty_to = 0;
    if (old_size) {
        qcow2_meta_remove(s, old, old_size);
        qcow2_free_now(s, old, old_size);
    }
    qcow2_meta_add(s, offset, (u64)size * 8, META_L1);
    return 0;
}

static int grow_l1(struct qcow2 *s, u64 entries)
{
    if (entries <= s->l1_size)
        return 0;
    if (entries * 8 > QCOW2_MAX_L1_BYTES)
        return -EFBIG;
    g_autofree u64 *l1 = g_new0(u64, entries);

    memcpy(l1, s->l1, (size_t)s->l1_size * 8);
    return qcow2_replace_l1(s, &l1, (u32)entries, s->node->size);
}

/* Clusters that will be read before they are written: with storage, or as far as the file has something there from former times. */
static int clear_clusters(struct qcow2 *s, u64 host, u64 size, bool with_data)
{
    u64 there = s->data_name || host >= s->data->size ? 0 : MIN(size, s->data->size - host);

    return with_data ? block_write_zeroes(s->data, host, size, 0) : there ? block_write_zeroes(s->data, host, there, BLOCK_MAY_UNMAP) : 0;
}

/* Clusters for [from, to), linked as data (metadata), or as zeros that have a place. */
static int preallocate(struct qcow2 *s, u64 from, u64 to, bool with_data, bool zero)
{
    u64 at = from & ~(s->cluster_size - 1);
    int ret = 0;

    while (at < to && ret == 0) {
        u64 index = qcow2_l2_index(s, at), want = MIN(qcow2_clusters(s, to - at), BIT64(s->l2_bits) - index), host, got = want;
        struct qcow2_table *table;

        ret = qcow2_l2_for_write(s, at, &table);
        if (ret < 0)
            return ret;
        if (qcow2_type(s, qcow2_l2_get(s, table, index), 0) != TYPE_UNALLOCATED) { /* the old last cluster */
            qcow2_table_put(table);
            at += s->cluster_size;
            continue;
        }
        if (s->data_name)
            host = at;
        else
            ret = qcow2_alloc(s, want, &host, &got);
        if (ret == 0)
            ret = clear_clusters(s, host, got << s->cluster_bits, with_data);
        for (u64 i = 0; i < got && ret == 0; i++) {
            struct qcow2_entry e = { .entry = (host + (i << s->cluster_bits)) | ENTRY_COPIED };

            if (s->entry_size == 16)
                e.bitmap = zero ? UINT64_C(0xffffffff) << 32 : 0; /* what is not written still shows the backing file */
            else if (zero)
                e.entry |= ENTRY_ZERO;
            qcow2_l2_set(s, table, index + i, e);
        }
        qcow2_table_put(table);
        s->unsynced = true;
        at += got << s->cluster_bits;
        /* The file reaches behind the last cluster, so that reading it gives zeros. */
        if (ret == 0 && at >= to && s->data->size < host + (got << s->cluster_bits) && !with_data)
            ret = block_truncate(s->data, host + (got << s->cluster_bits), BLOCK_PREALLOC_OFF, NULL) ? 0 : -EIO;
    }
    return ret;
}

static int grow(struct qcow2 *s, u64 size, enum block_prealloc prealloc)
{
    u64 old = s->node->size;
    int ret = grow_l1(s, qcow2_l1_entries(s, size));

    if (ret < 0)
        return ret;
    u64 tail = MIN(size, (old + s->cluster_size - 1) & ~(s->cluster_size - 1));
    if (prealloc != BLOCK_PREALLOC_OFF)
        ret = preallocate(s, old, size, prealloc != BLOCK_PREALLOC_METADATA, block_backing(s->node) && s->version > 2);
    if (ret == 0 && block_backing(s->node) && block_size(block_backing(s->node)) > old && prealloc == BLOCK_PREALLOC_OFF) {
        /* A longer backing file must not appear either. */
        u64 end = MAX(MIN(size, block_size(block_backing(s->node))), tail);

        s->node->size = size;
        block_mutex_drop(&s->lock);
        ret = block_write_zeroes(s->node, tail, end - tail, 0);
        block_mutex_take(&s->lock, s->node->loop);
        s->node->size = old;
    }
    return ret;
}

static int shrink(struct qcow2 *s, u64 size)
{
    u64 start = qcow2_clusters(s, size) << s->cluster_bits;
    int ret = start < s->node->size ? qcow2_discard_range(s, start, s->node->size - start, true) : 0;

    return ret == 0 ? qcow2_sync(s) : ret;
}

static int resize(struct qcow2 *s, u64 size, enum block_prealloc prealloc)
{
    int ret = size < s->node->size ? shrink(s, size) : grow(s, size, prealloc);

    if (ret == 0)
        ret = qcow2_sync(s);
    return ret == 0 ? qcow2_write_field(s, H_SIZE, 8, size) : ret;
}

/* What the last cluster, or the backing file behind it, has after the end of the disk must not appear when the end moves. */
static int zero_tail(struct qcow2 *s, u64 old, u64 tail)
{
    struct block_node *backing = block_backing(s->node);
    struct qcow2_map map;
    struct iovec iov;
    int ret;

    if (tail <= old)
        return 0;
    block_mutex_take(&s->lock, s->node->loop);
    ret = qcow2_map(s, old, tail - old, &map);
    block_mutex_drop(&s->lock);
    if (ret < 0 || (map.size == tail - old && (map.type == TYPE_ZERO || map.type == TYPE_ZERO_CLUSTER || (map.type == TYPE_UNALLOCATED && (!backing || block_size(backing) <= old)))))
        return ret;
    g_autofree u8 *zeros = g_malloc0(tail - old);

    return qcow2_write(s->node, old, block_data_one(&iov, zeros, tail - old), 0);
}

bool qcow2_truncate(struct block_node *node, u64 size, enum block_prealloc prealloc, GError **error)
{
    struct qcow2 *s = qcow2_of(node);
    u64 old = node->size, tail = MIN(size, (old + s->cluster_size - 1) & ~(s->cluster_size - 1));
    int ret = qcow2_writable(s);

    if (size & 511)
        return error_set(error, "The new size must be a multiple of 512");
    if (s->snapshot_count && s->version < 3)
        return error_set(error, "Can't resize a version 2 image which has snapshots");
    if (size < old && prealloc != BLOCK_PREALLOC_OFF)
        return error_set(error, "Preallocation can't be used for shrinking an image");
    if (s->data_name && s->data->driver->truncate && s->data->size < size && !block_truncate(s->data, size, BLOCK_PREALLOC_OFF, error))
        return false;
    if (ret == 0)
        ret = zero_tail(s, old, tail);
    block_mutex_take(&s->lock, node->loop);
    while (s->ops) { /* nothing is on its way to clusters that go */
        struct qcow2_op *op = s->ops;

        block_mutex_drop(&s->lock);
        block_queue_wait(&op->waiting, node->loop);
        block_mutex_take(&s->lock, node->loop);
    }
    if (ret == 0)
        ret = qcow2_bitmaps_resize(s, size);
    if (ret == 0)
        ret = resize(s, size, prealloc);
    block_mutex_drop(&s->lock);
    if (ret < 0)
        return error_set(error, "Failed to resize the image: %s", block_strerror(ret));
    block_set_size(node, size);
    /* What a data file has behind the end must not be there when the disk grows again. */
    return size >= old || !s->data_name || !s->data->driver->truncate || block_truncate(s->data, size, BLOCK_PREALLOC_OFF, error);
}
