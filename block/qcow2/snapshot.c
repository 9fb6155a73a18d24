/*
 * block/qcow2/snapshot.c - internal snapshots. A snapshot is a second L1 table; the clusters below it are counted once more.
 * The counts are on disk before a header names the second user, and fall only after no header names it.
 */
#include "block/qcow2/image.h"
#include "block/qcow2/bitmap.h"
#include "base/error.h"
#include <errno.h>

static void begin(struct qcow2 *s)
{
    block_mutex_take(&s->lock, s->node->loop);
    while (s->ops) { /* writes in place must not go on into clusters that become shared */
        struct qcow2_op *op = s->ops;

        block_mutex_drop(&s->lock);
        block_queue_wait(&op->waiting, s->node->loop);
        block_mutex_take(&s->lock, s->node->loop);
    }
}

static void end(struct qcow2 *s)
{
    block_mutex_drop(&s->lock);
}

static int count_entry(struct qcow2 *s, u64 entry, int delta)
{
    u64 offset, size;

    if (entry & ENTRY_COMPRESSED) {
        qcow2_compressed_range(s, entry, &offset, &size);
        if (delta < 0) {
            qcow2_free_now(s, offset, size);
            return 0;
        }
        return qcow2_refcount_add(s, offset, size, delta);
    }
    offset = entry & ENTRY_OFFSET;
    if (!offset || s->data_name)
        return 0;
    if (qcow2_in_cluster(s, offset))
        return qcow2_corrupt(s, "Data cluster offset %#" G_GINT64_MODIFIER "x unaligned", offset);
    if (delta < 0) {
        qcow2_free_now(s, offset, s->cluster_size);
        return 0;
    }
    return qcow2_refcount_add(s, offset, s->cluster_size, delta);
}

static int count_table(struct qcow2 *s, u64 offset, int delta)
{
    struct qcow2_table *table;
    int ret = qcow2_cache_get(&s->l2_cache, offset, false, &table);

    if (ret < 0)
        return ret;
    for (u64 i = 0; i < BIT64(s->l2_bits) && ret == 0; i++) {
        ret = count_entry(s, qcow2_l2_get(s, table, i).entry, delta);
        if (ret < 0 && delta > 0)
            while (i-- > 0)
                count_entry(s, qcow2_l2_get(s, table, i).entry, -delta);
    }
    qcow2_table_put(table);
    return ret;
}

static int count_l1(struct qcow2 *s, const u64 *l1, u32 size, int delta);

/* All that an L1 table reaches; counting up is done wholly or not at all. */
static int count_all(struct qcow2 *s, const u64 *l1, u32 size, int delta)
{
    int done = count_l1(s, l1, size, delta);

    if (done >= 0 && (u32)done < size && delta > 0)
        count_l1(s, l1, (u32)done, -delta);
    return done < 0 ? done : (u32)done < size ? -EINVAL : 0;
}

/* How many entries went well; a number below size: the next one would be counted too often. */
static int count_l1(struct qcow2 *s, const u64 *l1, u32 size, int delta)
{
    int ret = 0;

    for (u32 i = 0; i < size && ret == 0; i++) {
        u64 l2 = l1[i] & ENTRY_OFFSET;

        if (!l2)
            continue;
        if (qcow2_in_cluster(s, l2))
            return qcow2_corrupt(s, "L2 table offset %#" G_GINT64_MODIFIER "x unaligned", l2);
        ret = count_table(s, l2, delta);
        if (ret == 0 && delta < 0)
            qcow2_free_now(s, l2, s->cluster_size);
        else if (ret == 0 && (ret = qcow2_refcount_add(s, l2, s->cluster_size, delta)) < 0)
            count_table(s, l2, -delta);
        if (ret == -EINVAL)
            return (int)i;
    }
    return ret < 0 ? ret : (int)size;
}

static int is_single(struct qcow2 *s, u64 offset, bool *single)
{
    u64 count;
    int ret = qcow2_refcount(s, offset >> s->cluster_bits, &count);

    *single = count == 1;
    return ret;
}

static int mark_table(struct qcow2 *s, u64 offset)
{
    struct qcow2_table *table = NULL;
    int ret = qcow2_cache_get(&s->l2_cache, offset, false, &table);

    for (u64 i = 0; ret == 0 && i < BIT64(s->l2_bits); i++) {
        struct qcow2_entry e = qcow2_l2_get(s, table, i), old = e;
        bool single;

        if ((e.entry & ENTRY_COMPRESSED) || !(e.entry & ENTRY_OFFSET) || s->data_name)
            continue;
        ret = is_single(s, e.entry & ENTRY_OFFSET, &single);
        e.entry = single ? e.entry | ENTRY_COPIED : e.entry & ~ENTRY_COPIED;
        if (ret == 0 && e.entry != old.entry)
            qcow2_l2_set(s, table, i, e);
    }
    qcow2_table_put(table);
    return ret;
}

/* COPIED in the active tables says again what is counted once. */
static int mark_all(struct qcow2 *s)
{
    int ret = 0;

    for (u32 i = 0; i < s->l1_size && ret == 0; i++) {
        u64 l2 = s->l1[i] & ENTRY_OFFSET, entry;
        bool single;

        if (!l2)
            continue;
        ret = mark_table(s, l2);
        if (ret == 0)
            ret = is_single(s, l2, &single);
        entry = ret == 0 && single ? l2 | ENTRY_COPIED : l2;
        if (ret == 0 && entry != s->l1[i]) {
            s->l1[i] = entry;
            s->l1_dirty_from = s->l1_dirty_from == s->l1_dirty_to ? i : MIN(s->l1_dirty_from, i);
            s->l1_dirty_to = MAX(s->l1_dirty_to, i + 1);
        }
    }
    return ret;
}

unsigned qcow2_snapshot_count(struct block_node *node)
{
    return qcow2_of(node)->snapshot_count;
}

struct qcow2_snapshot_info qcow2_snapshot_info(struct block_node *node, unsigned index)
{
    const struct qcow2_snapshot *x = &qcow2_of(node)->snapshots[index];

    return (struct qcow2_snapshot_info){ .id = x->id, .name = x->name, .vm_state_size = x->vm_state_size, .disk_size = x->disk_size,
                                         .vm_clock_ns = x->vm_clock_ns, .icount = x->icount, .date_s = x->date_s, .date_ns = x->date_ns };
}

/* The first one of this id and this name; NULL: any. -1: there is none. */
static int find(struct qcow2 *s, const char *id, const char *name)
{
    for (u32 i = 0; i < s->snapshot_count; i++)
        if ((!id || !strcmp(s->snapshots[i].id, id)) && (!name || !strcmp(s->snapshots[i].name, name)))
            return (int)i;
    return -1;
}

static char *new_id(struct qcow2 *s)
{
    u64 max = 0;

    for (u32 i = 0; i < s->snapshot_count; i++)
        max = MAX(max, g_ascii_strtoull(s->snapshots[i].id, NULL, 10));
    return g_strdup_printf("%" G_GUINT64_FORMAT, max + 1);
}

static void add_snapshot(struct qcow2 *s, const struct qcow2_snapshot *snapshot)
{
    s->snapshots = g_renew(struct qcow2_snapshot, s->snapshots, s->snapshot_count + 1);
    s->snapshots[s->snapshot_count++] = *snapshot;
}

static struct qcow2_snapshot remove_snapshot(struct qcow2 *s, u32 index)
{
    struct qcow2_snapshot out = s->snapshots[index];

    memmove(&s->snapshots[index], &s->snapshots[index + 1], (s->snapshot_count - index - 1) * sizeof(out));
    s->snapshot_count--;
    return out;
}

static void free_snapshot(struct qcow2_snapshot *snapshot)
{
    g_free(snapshot->id);
    g_free(snapshot->name);
    g_free(snapshot->extra);
}

static int write_table_copy(struct qcow2 *s, const u64 *l1, u32 size, u64 *offset)
{
    int ret;

    *offset = 0;
    if (!size)
        return 0;
    ret = qcow2_alloc_run(s, qcow2_clusters(s, (u64)size * 8), offset);
    return ret < 0 ? ret : qcow2_write_table(s, *offset, l1, size, ~ENTRY_COPIED); /* nothing of a snapshot may be written in place */
}

static int create(struct qcow2 *s, struct qcow2_snapshot *snapshot)
{
    int ret = qcow2_sync(s);

    if (ret < 0)
        return ret;
    snapshot->l1_size = s->l1_size;
    ret = write_table_copy(s, s->l1, s->l1_size, &snapshot->l1_offset);
    if (ret < 0)
        return ret;
    ret = count_all(s, s->l1, s->l1_size, 1);
    if (ret < 0) {
        if (snapshot->l1_size)
            qcow2_free_now(s, snapshot->l1_offset, (u64)snapshot->l1_size * 8);
        return ret;
    }
    /* From here on the active tables must not be written in place: on disk before the table is named. */
    ret = mark_all(s);
    if (ret == 0)
        ret = qcow2_sync(s);
    if (ret < 0)
        return ret;
    add_snapshot(s, snapshot);
    ret = qcow2_write_snapshots(s);
    if (ret < 0) {
        remove_snapshot(s, s->snapshot_count - 1);
        if (!s->corrupt && count_all(s, s->l1, s->l1_size, -1) == 0)
            mark_all(s);
        return ret;
    }
    qcow2_meta_set_snapshots(s);
    return 0;
}

bool qcow2_snapshot_create(struct block_node *node, const char *name, u32 date_s, u32 date_ns, GError **error)
{
    struct qcow2 *s = qcow2_of(node);
    struct qcow2_snapshot snapshot = { .date_s = date_s, .date_ns = date_ns, .disk_size = node->size, .icount = UINT64_MAX };
    int ret = s->corrupt ? -EIO : 0;

    if (s->data_name)
        return error_set(error, "Could not create snapshot '%s': images with an external data file have none", name);
    if (strlen(name) > UINT16_MAX || s->snapshot_count >= QCOW2_MAX_SNAPSHOTS)
        return error_set(error, "Could not create snapshot '%s': %s", name, block_strerror(-EFBIG));
    snapshot.id = new_id(s);
    snapshot.name = g_strdup(name);
    begin(s);
    if (ret == 0)
        ret = create(s, &snapshot);
    end(s);
    if (ret == 0)
        return true;
    free_snapshot(&snapshot);
    return error_set(error, "Could not create snapshot '%s': %s", name, block_strerror(ret));
}

static int apply(struct qcow2 *s, u32 index)
{
    struct qcow2_snapshot *snapshot = &s->snapshots[index];
    u64 entries = MAX(snapshot->l1_size, qcow2_l1_entries(s, snapshot->disk_size));
    u32 old_size = s->l1_size, size = (u32)entries;
    g_autofree u64 *l1 = NULL; /* the snapshot's, then the one before */
    int ret;

    if (snapshot->disk_size > INT64_MAX - s->cluster_size || entries > QCOW2_MAX_L1_BYTES / 8)
        return -EFBIG;
    ret = qcow2_sync(s);
    if (ret == 0)
        ret = qcow2_read_l1(s, snapshot->l1_offset, snapshot->l1_size, &l1);
    if (ret < 0)
        return ret;
    l1 = g_renew(u64, l1, MAX(size, 1));
    for (u32 i = 0; i < size; i++)
        l1[i] = i < snapshot->l1_size ? l1[i] & ENTRY_OFFSET : 0;
    ret = qcow2_bitmaps_resize(s, snapshot->disk_size);
    if (ret == 0)
        ret = count_all(s, l1, size, 1);
    if (ret == 0)
        ret = qcow2_replace_l1(s, &l1, size, snapshot->disk_size);
    if (ret < 0)
        return ret;
    block_set_size(s->node, snapshot->disk_size);
    ret = count_all(s, l1, old_size, -1);
    qcow2_index_metadata(s);
    return ret == 0 ? mark_all(s) : ret;
}

bool qcow2_snapshot_apply(struct block_node *node, const char *name, GError **error)
{
    struct qcow2 *s = qcow2_of(node);
    int index = find(s, name, NULL), ret = qcow2_writable(s);

    if (index < 0)
        index = find(s, NULL, name);
    if (index < 0)
        return error_set(error, "Could not apply snapshot '%s': %s", name, block_strerror(-ENOENT));
    begin(s);
    if (ret == 0)
        qcow2_bitmaps_mark(s, 0, node->size);
    if (ret == 0)
        ret = apply(s, (u32)index);
    if (ret == 0)
        ret = qcow2_sync(s);
    end(s);
    return ret == 0 || error_set(error, "Could not apply snapshot '%s': %s", name, block_strerror(ret));
}

static int delete(struct qcow2 *s, u32 index)
{
    struct qcow2_snapshot gone;
    g_autofree u64 *l1 = NULL;
    bool discard = s->discard_request;
    int ret = qcow2_read_l1(s, s->snapshots[index].l1_offset, s->snapshots[index].l1_size, &l1);

    if (ret < 0)
        return ret;
    gone = remove_snapshot(s, index);
    ret = qcow2_write_snapshots(s);
    if (ret < 0) {
        add_snapshot(s, &gone);
        return ret;
    }
    s->discard_request = s->discard_snapshot;
    ret = count_all(s, l1, gone.l1_size, -1);
    qcow2_meta_set_snapshots(s);
    if (gone.l1_size)
        qcow2_free_now(s, gone.l1_offset, (u64)gone.l1_size * 8);
    s->discard_request = discard;
    free_snapshot(&gone);
    if (ret == 0)
        ret = mark_all(s);
    return ret == 0 ? qcow2_sync(s) : ret;
}

bool qcow2_snapshot_delete(struct block_node *node, const char *name, GError **error)
{
    struct qcow2 *s = qcow2_of(node);
    int index = find(s, NULL, name), ret = s->corrupt ? -EIO : 0;

    if (index < 0)
        return error_set(error, "Could not delete snapshot '%s': snapshot not found", name);
    begin(s);
    if (ret == 0)
        ret = delete(s, (u32)index);
    end(s);
    return ret == 0 || error_set(error, "Could not delete snapshot '%s': %s", name, block_strerror(ret));
}

bool qcow2_snapshot_load(struct block_node *node, const char *id, const char *name, GError **error)
{
    struct qcow2 *s = qcow2_of(node);
    int index = find(s, id, name), ret;
    u64 *l1 = NULL;

    if (index < 0)
        return error_set(error, "Failed to load snapshot: Can't find snapshot");
    struct qcow2_snapshot *snapshot = &s->snapshots[index];
    u64 need = qcow2_l1_entries(s, snapshot->disk_size);

    ret = qcow2_read_l1(s, snapshot->l1_offset, snapshot->l1_size, &l1);
    if (ret == 0 && snapshot->l1_size < need)
        ret = -EIO;
    if (ret < 0) {
        g_free(l1);
        return error_set(error, "Failed to load snapshot: %s", block_strerror(ret));
    }
    g_free(s->l1);
    s->l1 = l1;
    s->l1_size = snapshot->l1_size;
    block_set_size(node, snapshot->disk_size);
    return true;
}
