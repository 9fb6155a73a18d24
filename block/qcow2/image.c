/* block/qcow2/image.c - questions about an image, and changes of its header. */
#include "block/qcow2/image.h"
#include "block/qcow2/qcow2.h"
#include "base/error.h"
#include <errno.h>

struct qcow2_info qcow2_info(struct block_node *node)
{
    struct qcow2 *s = qcow2_of(node);

    return (struct qcow2_info){
        .version = s->version,
        .refcount_bits = 1u << s->refcount_order,
        .cluster_size = s->cluster_size,
        .lazy_refcounts = s->compatible & COMPAT_LAZY,
        .corrupt = s->incompatible & INCOMPAT_CORRUPT,
        .dirty = s->incompatible & INCOMPAT_DIRTY,
        .extended_l2 = s->entry_size == 16,
        .zstd = s->compression == 1,
        .data_file_raw = s->autoclear & AUTOCLEAR_RAW_DATA,
        .backing = s->backing_name,
        .backing_format = s->backing_format,
        .data_file = s->data_name,
    };
}

bool qcow2_set_backing(struct block_node *node, const char *backing, const char *format, GError **error)
{
    struct qcow2 *s = qcow2_of(node);
    char *old_name = s->backing_name, *old_format = s->backing_format;
    int ret = s->corrupt ? -EIO : 0;

    if (backing && strlen(backing) > QCOW2_MAX_BACKING_NAME)
        return error_set(error, "Backing file name too long");
    s->backing_name = g_strdup(backing);
    s->backing_format = g_strdup(format);
    block_mutex_take(&s->lock, node->loop);
    if (ret == 0)
        ret = qcow2_sync(s);
    if (ret == 0)
        ret = qcow2_write_header(s);
    if (ret == 0)
        ret = block_flush(s->file);
    block_mutex_drop(&s->lock);
    if (ret == 0) {
        g_free(old_name);
        g_free(old_format);
        return true;
    }
    g_free(s->backing_name);
    g_free(s->backing_format);
    s->backing_name = old_name;
    s->backing_format = old_format;
    return error_set(error, "Could not change the backing file to '%s': %s", backing ? backing : "", block_strerror(ret));
}

bool qcow2_set_data_file(struct block_node *node, const char *name, GError **error)
{
    struct qcow2 *s = qcow2_of(node);
    char *old = s->data_name;
    int ret = s->corrupt ? -EIO : 0;

    s->data_name = g_strdup(name);
    block_mutex_take(&s->lock, node->loop);
    if (ret == 0)
        ret = qcow2_write_extensions(s);
    block_mutex_drop(&s->lock);
    if (ret == 0) {
        g_free(old);
        return true;
    }
    g_free(s->data_name);
    s->data_name = old;
    return error_set(error, "Could not change the data file to '%s': %s", name, block_strerror(ret));
}

bool qcow2_make_empty(struct block_node *node, GError **error)
{
    struct qcow2 *s = qcow2_of(node);
    int ret = qcow2_writable(s);

    block_mutex_take(&s->lock, node->loop);
    if (ret == 0)
        ret = qcow2_discard_range(s, 0, node->size, true);
    if (ret == 0)
        ret = qcow2_sync(s);
    block_mutex_drop(&s->lock);
    return ret == 0 || error_set(error, "Could not empty the image: %s", block_strerror(ret));
}

u64 qcow2_measure(u64 size, u64 data_bytes, const struct qcow2_create *o)
{
    u64 cluster = o->cluster_size, entry = o->extended_l2 ? 16 : 8;
    u64 per_l2 = cluster / entry, data = (size + cluster - 1) / cluster * cluster;
    u64 l2 = (data / cluster + per_l2 - 1) / per_l2, l1 = (l2 * 8 + cluster - 1) / cluster;
    u64 fixed = cluster * (1 + l1 + l2), per_block = cluster * 8 / o->refcount_bits;
    u64 all = (fixed + data) / cluster, table = 0, blocks = 0, last;

    /* Counts cover themselves. */
    do {
        last = table + blocks;
        blocks = (all + table + blocks + per_block - 1) / per_block;
        table = (blocks * 8 + cluster - 1) / cluster;
    } while (table + blocks != last);
    return fixed + (table + blocks) * cluster + data_bytes;
}

static int amend(struct qcow2 *s, u32 version, int lazy)
{
    int ret = qcow2_sync(s);

    if (ret < 0)
        return ret;
    s->version = MAX(s->version, version);
    if (lazy >= 0)
        s->compatible = lazy ? s->compatible | COMPAT_LAZY : s->compatible & ~COMPAT_LAZY;
    if (lazy == 0)
        s->lazy = false;
    ret = qcow2_write_header(s);
    return ret == 0 ? block_flush(s->file) : ret;
}

bool qcow2_amend(struct block_node *node, u32 version, int lazy, GError **error)
{
    struct qcow2 *s = qcow2_of(node);
    int ret = s->corrupt ? -EIO : 0;

    if (lazy > 0 && MAX(s->version, version) < 3)
        return error_set(error, "Lazy refcounts only supported with compatibility level 1.1 and above (use compat=1.1 or greater)");
    block_mutex_take(&s->lock, node->loop);
    if (ret == 0)
        ret = amend(s, version, lazy);
    block_mutex_drop(&s->lock);
    return ret == 0 || error_set(error, "Could not change the image: %s", block_strerror(ret));
}
