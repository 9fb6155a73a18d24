/* block/qcow2/downgrade.c - back to version 2, which knows neither clusters of zeros nor what a program may not know. */
#include "block/qcow2/image.h"
#include "block/qcow2/qcow2.h"
#include "base/error.h"
#include <errno.h>
#include <string.h>

/* A cluster of zeros for as many tables as use this one. */
static int make_zeros(struct qcow2 *s, u64 users, u64 *offset)
{
    g_autofree u8 *zeros = g_malloc0(s->cluster_size);
    int ret = qcow2_alloc_run(s, 1, offset);

    if (ret == 0 && users > 1)
        ret = qcow2_refcount_add(s, *offset, s->cluster_size, (int)users - 1);
    s->unsynced = true;
    return ret < 0 ? ret : block_write_buffer(s->file, *offset, zeros, s->cluster_size);
}

/* Without a backing file nothing is as good as zeros. */
static int expand_entry(struct qcow2 *s, struct qcow2_table *table, u64 index, u64 users)
{
    u64 entry = qcow2_l2_get(s, table, index).entry, offset = 0;
    int ret = 0;

    if (entry & ENTRY_COMPRESSED || !(entry & ENTRY_ZERO))
        return 0;
    if (s->backing_name)
        ret = make_zeros(s, users, &offset);
    if (ret < 0)
        return ret;
    qcow2_l2_set(s, table, index, (struct qcow2_entry){ .entry = offset ? offset | (users == 1 ? ENTRY_COPIED : 0) : 0 });
    for (u64 i = 0; entry & ENTRY_OFFSET && i < users && ret == 0; i++)
        ret = qcow2_free_later(s, entry & ENTRY_OFFSET, s->cluster_size);
    return ret;
}

static int expand_table(struct qcow2 *s, u64 offset)
{
    struct qcow2_table *table;
    u64 users;
    int ret = qcow2_in_cluster(s, offset) ? -EINVAL : qcow2_refcount(s, offset >> s->cluster_bits, &users);

    if (ret == 0)
        ret = qcow2_cache_get(&s->l2_cache, offset, false, &table);
    if (ret < 0)
        return ret;
    for (u64 i = 0; i < BIT64(s->l2_bits) && ret == 0; i++)
        ret = expand_entry(s, table, i, MAX(users, 1));
    qcow2_table_put(table);
    return ret;
}

static int expand_l1(struct qcow2 *s, const u64 *l1, u32 size, GHashTable *seen)
{
    int ret = 0;

    for (u32 i = 0; i < size && ret == 0; i++) {
        u64 offset = l1[i] & ENTRY_OFFSET;

        if (offset && g_hash_table_add(seen, (gpointer)(uintptr_t)(offset >> s->cluster_bits)))
            ret = expand_table(s, offset);
    }
    return ret;
}

/* In all tables, those of snapshots too. */
static int expand(struct qcow2 *s)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_direct_hash, g_direct_equal);
    int ret = expand_l1(s, s->l1, s->l1_size, seen);

    for (u32 i = 0; i < s->snapshot_count && ret == 0; i++) {
        g_autofree u64 *l1 = NULL;

        ret = qcow2_read_l1(s, s->snapshots[i].l1_offset, s->snapshots[i].l1_size, &l1);
        if (ret == 0)
            ret = expand_l1(s, l1, s->snapshots[i].l1_size, seen);
    }
    return ret < 0 ? ret : qcow2_sync(s);
}

static bool may_downgrade(struct qcow2 *s, GError **error)
{
    if (s->data_name)
        return error_set(error, "Cannot downgrade an image with a data file");
    if (s->incompatible & ~INCOMPAT_DIRTY)
        return error_set(error, "Cannot downgrade an image with incompatible features %#" G_GINT64_MODIFIER "x set", s->incompatible & ~INCOMPAT_DIRTY);
    if (s->refcount_order != 4)
        return error_set(error, "compat=0.10 requires refcount_bits=16");
    for (u32 i = 0; i < s->snapshot_count; i++)
        if (s->snapshots[i].vm_state_size > UINT32_MAX || s->snapshots[i].disk_size != s->node->size)
            return error_set(error, "Internal snapshots prevent downgrade of image");
    return true;
}

static int downgrade(struct qcow2 *s)
{
    int ret;

    s->lazy = false;
    ret = qcow2_sync(s);
    if (ret == 0)
        ret = expand(s);
    if (ret == 0 && s->frees->len)
        ret = qcow2_sync(s);
    if (ret == 0)
        ret = qcow2_set_dirty(s, false);
    if (ret < 0)
        return ret;
    s->version = 2;
    s->compatible = s->autoclear = 0;
    return qcow2_write_extensions(s);
}

bool qcow2_downgrade(struct block_node *node, GError **error)
{
    struct qcow2 *s = qcow2_of(node);
    int ret;

    if (s->version == 2)
        return true;
    /* Version 2 has no bitmaps: rather none than leaks. */
    if (!may_downgrade(s, error) || !qcow2_bitmap_remove_all(node, error))
        return false;
    block_mutex_take(&s->lock, node->loop);
    ret = s->corrupt ? -EIO : downgrade(s);
    block_mutex_drop(&s->lock);
    return ret == 0 || error_set(error, "Could not change the image: %s", block_strerror(ret));
}
