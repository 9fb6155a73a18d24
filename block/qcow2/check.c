/* block/qcow2/check.c - walks all tables of an image and counts who uses which cluster. */
#include "block/qcow2/check_internal.h"
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>

void qcow2_walk_say(struct qcow2_walk *walk, const char *format, ...)
{
    va_list args;
    g_autofree char *text = NULL;

    if (!walk->check->report)
        return;
    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    walk->check->report(walk->check->opaque, text);
}

u32 qcow2_walk_count(const struct qcow2_walk *walk, u64 cluster)
{
    const u32 *chunk = cluster < walk->clusters ? walk->chunks[cluster >> CHUNK_BITS] : NULL;

    return chunk ? chunk[cluster & ((1u << CHUNK_BITS) - 1)] : 0;
}

static int add_one(struct qcow2_walk *walk, u64 cluster)
{
    u32 **chunk = &walk->chunks[cluster >> CHUNK_BITS];

    if (!*chunk) {
        walk->memory += sizeof(u32) << CHUNK_BITS;
        if (walk->memory > walk->limit)
            return -ENOMEM;
        *chunk = g_new0(u32, 1 << CHUNK_BITS);
    }
    (*chunk)[cluster & ((1u << CHUNK_BITS) - 1)]++;
    return 0;
}

int qcow2_walk_add(struct qcow2_walk *walk, u64 offset, u64 size)
{
    struct qcow2 *s = walk->s;
    u64 first = offset >> s->cluster_bits, last = (offset + size - 1) >> s->cluster_bits;
    int ret = 0;

    if (!size)
        return 0;
    if (last >= walk->clusters) {
        qcow2_walk_say(walk, "ERROR: counting reference for region exceeding the end of the file by one cluster or more: offset 0x%" G_GINT64_MODIFIER
                       "x size 0x%" G_GINT64_MODIFIER "x", offset, size);
        walk->check->corruptions++;
        return 0;
    }
    for (u64 c = first; c <= last && ret == 0; c++)
        ret = add_one(walk, c);
    return ret;
}

static int count_compressed(struct qcow2_walk *walk, u64 entry, bool active)
{
    u64 offset, size;

    qcow2_compressed_range(walk->s, entry, &offset, &size);
    if (entry & ENTRY_COPIED) {
        qcow2_walk_say(walk, "ERROR: coffset=0x%" G_GINT64_MODIFIER "x: copied flag must never be set for compressed clusters", offset);
        walk->check->corruptions++;
    }
    if (active) {
        walk->check->allocated_clusters++;
        walk->check->compressed_clusters++;
        walk->check->fragmented_clusters++;
    }
    return qcow2_walk_add(walk, offset, size);
}

/* An entry that points nowhere sensible; mended, it reads as zero. */
static int bad_entry(struct qcow2_walk *walk, struct qcow2_table *table, u64 index, u64 offset)
{
    struct qcow2 *s = walk->s;
    bool fix = (walk->check->fix & QCOW2_FIX_ERRORS) && s->version >= 3;

    qcow2_walk_say(walk, "%s offset=%" G_GINT64_MODIFIER "x: Cluster is not properly aligned; L2 entry corrupted.", fix ? "Repairing" : "ERROR", offset);
    if (!fix) {
        walk->check->corruptions++;
        return 0;
    }
    walk->check->corruptions_fixed++;
    qcow2_l2_set(s, table, index, s->entry_size == 16 ? (struct qcow2_entry){ .bitmap = UINT64_C(0xffffffff) << 32 } : (struct qcow2_entry){ .entry = ENTRY_ZERO });
    return 0;
}

static int count_entry(struct qcow2_walk *walk, struct qcow2_table *table, u64 index, bool active)
{
    struct qcow2 *s = walk->s;
    struct qcow2_entry e = qcow2_l2_get(s, table, index);
    u64 offset = e.entry & ENTRY_OFFSET;

    if (e.entry & ENTRY_COMPRESSED)
        return count_compressed(walk, e.entry, active);
    if (qcow2_in_cluster(s, offset))
        return bad_entry(walk, table, index, offset);
    if (s->entry_size == 16 && (e.bitmap & (e.bitmap >> 32) & UINT64_C(0xffffffff))) {
        qcow2_walk_say(walk, "ERROR offset=%" G_GINT64_MODIFIER "x: Allocated subclusters are also marked as zero", offset);
        walk->check->corruptions++;
    }
    if (!offset && !(s->data_name && (e.entry & ENTRY_COPIED)))
        return 0;
    if (active) {
        walk->check->allocated_clusters++;
        if (walk->last_data && walk->last_data + s->cluster_size != offset)
            walk->check->fragmented_clusters++;
        walk->last_data = offset;
    }
    return s->data_name ? 0 : qcow2_walk_add(walk, offset, s->cluster_size);
}

static int walk_l2(struct qcow2_walk *walk, u64 offset, bool active)
{
    struct qcow2 *s = walk->s;
    struct qcow2_table *table;
    int ret;

    if (offset + s->cluster_size > walk->clusters << s->cluster_bits)
        return 0; /* was reported */
    ret = qcow2_cache_get(&s->l2_cache, offset, false, &table);
    if (ret < 0) {
        qcow2_walk_say(walk, "ERROR: I/O error in check_refcounts_l2");
        walk->check->check_errors++;
        return 0;
    }
    walk->last_data = 0;
    for (u64 i = 0; i < BIT64(s->l2_bits) && ret == 0; i++)
        ret = count_entry(walk, table, i, active);
    qcow2_table_put(table);
    return ret;
}

static int by_value(const void *a, const void *b)
{
    u64 x = *(const u64 *)a, y = *(const u64 *)b;

    return x < y ? -1 : x > y;
}

/* An L2 table that one L1 table names twice would be walked for ever in a hostile image. */
static u64 *doubles(const u64 *l1, u32 size, u32 *count)
{
    u64 *sorted;
    u32 used = 0, n = 0;

    for (u32 i = 0; i < size; i++)
        used += (l1[i] & ENTRY_OFFSET) != 0;
    sorted = g_new(u64, MAX(used, 1));
    used = 0;
    for (u32 i = 0; i < size; i++)
        if (l1[i] & ENTRY_OFFSET)
            sorted[used++] = l1[i] & ENTRY_OFFSET;
    qsort(sorted, used, sizeof(*sorted), by_value);
    for (u32 i = 1; i < used; i++)
        if (sorted[i] == sorted[i - 1])
            sorted[n++] = sorted[i];
    *count = n;
    return sorted;
}

static int walk_l1(struct qcow2_walk *walk, const u64 *l1, u64 offset, u32 size, bool active)
{
    struct qcow2 *s = walk->s;
    u32 twice;
    g_autofree u64 *double_list = size ? doubles(l1, size, &twice) : NULL;
    int ret = qcow2_walk_add(walk, offset, (u64)size * 8);

    for (u32 i = 0; i < size && ret == 0; i++) {
        u64 l2 = l1[i] & ENTRY_OFFSET;

        if (!l2)
            continue;
        if (l1[i] & L1_RESERVED) {
            qcow2_walk_say(walk, "ERROR found L1 entry with reserved bits set: %" G_GINT64_MODIFIER "x", l1[i]);
            walk->check->corruptions++;
        }
        if (qcow2_in_cluster(s, l2)) {
            qcow2_walk_say(walk, "ERROR l2_offset=%" G_GINT64_MODIFIER "x: Table is not cluster aligned; L1 entry corrupted", l2);
            walk->check->corruptions++;
            continue;
        }
        ret = qcow2_walk_add(walk, l2, s->cluster_size);
        if (ret == 0 && twice && bsearch(&l2, double_list, twice, 8, by_value)) {
            qcow2_walk_say(walk, "ERROR l2_offset=%" G_GINT64_MODIFIER "x: Table is used twice", l2);
            walk->check->corruptions++;
            continue;
        }
        if (ret == 0)
            ret = walk_l2(walk, l2, active);
    }
    return ret;
}

static u64 end_of_l1(const struct qcow2_snapshot *snapshot)
{
    return snapshot->l1_offset + snapshot->l1_size * 8ull;
}

static int by_l1(const void *a, const void *b)
{
    const struct qcow2_snapshot *x = *(const struct qcow2_snapshot *const *)a, *y = *(const struct qcow2_snapshot *const *)b;

    return x->l1_offset != y->l1_offset ? (x->l1_offset < y->l1_offset ? -1 : 1) : (x > y) - (x < y);
}

/* Which snapshots have an L1 table that lies in the file and apart from those of others: a hostile image would be walked for days otherwise. g_free. */
static bool *own_tables(struct qcow2_walk *walk)
{
    struct qcow2 *s = walk->s;
    g_autofree struct qcow2_snapshot **sorted = g_new(struct qcow2_snapshot *, s->snapshot_count + 1);
    bool *own = g_new0(bool, s->snapshot_count + 1);
    u64 end = 0;

    for (u32 i = 0; i < s->snapshot_count; i++)
        sorted[i] = &s->snapshots[i];
    qsort(sorted, s->snapshot_count, sizeof(*sorted), by_l1);
    for (u32 i = 0; i < s->snapshot_count; i++) {
        bool ok = !sorted[i]->l1_size || (sorted[i]->l1_offset >= end && end_of_l1(sorted[i]) <= walk->clusters << s->cluster_bits);

        own[sorted[i] - s->snapshots] = ok;
        end = ok && sorted[i]->l1_size ? end_of_l1(sorted[i]) : end;
    }
    return own;
}

static int walk_snapshots(struct qcow2_walk *walk)
{
    struct qcow2 *s = walk->s;
    g_autofree bool *own = own_tables(walk);
    int ret = qcow2_walk_add(walk, s->snapshots_offset, s->snapshots_size);

    for (u32 i = 0; i < s->snapshot_count && ret == 0; i++) {
        struct qcow2_snapshot *snapshot = &s->snapshots[i];
        g_autofree u64 *l1 = NULL;

        if (!own[i]) {
            qcow2_walk_say(walk, "ERROR snapshot %s (%s) shares its L1 table with another, or has it behind the end of the file",
                           snapshot->id, snapshot->name);
            walk->check->corruptions++;
            continue;
        }
        if (qcow2_read_l1(s, snapshot->l1_offset, snapshot->l1_size, &l1) < 0) {
            walk->check->check_errors++;
            continue;
        }
        ret = walk_l1(walk, l1, snapshot->l1_offset, snapshot->l1_size, false);
    }
    return ret;
}

static int walk_refblocks(struct qcow2_walk *walk)
{
    struct qcow2 *s = walk->s;
    int ret = qcow2_walk_add(walk, s->reftable_offset, (u64)s->reftable_clusters << s->cluster_bits);

    for (u32 i = 0; i < s->reftable_size && ret == 0; i++) {
        u64 offset = s->reftable[i] & REFTABLE_OFFSET;

        if (!offset)
            continue;
        if (qcow2_in_cluster(s, offset)) {
            qcow2_walk_say(walk, "ERROR refcount block %u is not cluster aligned; refcount table entry corrupted", i);
            walk->check->corruptions++;
            walk->rebuild = true;
            continue;
        }
        if (offset >> s->cluster_bits >= walk->clusters) {
            qcow2_walk_say(walk, "ERROR refcount block %u is outside image", i);
            walk->check->corruptions++;
            walk->rebuild = true;
            continue;
        }
        ret = qcow2_walk_add(walk, offset, s->cluster_size);
        if (ret == 0 && qcow2_walk_count(walk, offset >> s->cluster_bits) != 1) {
            qcow2_walk_say(walk, "ERROR refcount block %u refcount=%u", i, qcow2_walk_count(walk, offset >> s->cluster_bits));
            walk->check->corruptions++;
            walk->rebuild = true;
        }
    }
    return ret;
}

static int walk_all(struct qcow2_walk *walk)
{
    struct qcow2 *s = walk->s;
    int ret = qcow2_walk_add(walk, 0, s->cluster_size);

    if (ret == 0)
        ret = walk_l1(walk, s->l1, s->l1_offset, s->l1_size, true);
    if (ret == 0)
        ret = walk_snapshots(walk);
    if (ret == 0)
        ret = qcow2_walk_bitmaps(walk);
    return ret == 0 ? walk_refblocks(walk) : ret;
}

static bool start_walk(struct qcow2_walk *walk)
{
    struct qcow2 *s = walk->s;
    s64 allocated = block_allocated_size(s->file);

    walk->clusters = qcow2_clusters(s, s->file->size);
    /* Four bytes a cluster: in proportion to the file, holes left out. */
    walk->limit = MAX(64 * MIB, (u64)MAX(allocated, 0) / 64);
    if (walk->clusters >> CHUNK_BITS > 8 * MIB)
        return false;
    walk->chunks = g_new0(u32 *, (walk->clusters >> CHUNK_BITS) + 1);
    return true;
}

static void end_walk(struct qcow2_walk *walk)
{
    for (u64 i = 0; walk->chunks && i <= walk->clusters >> CHUNK_BITS; i++)
        g_free(walk->chunks[i]);
    g_free(walk->chunks);
}

static u64 end_of_image(struct qcow2_walk *walk)
{
    u64 count;

    for (u64 c = walk->clusters; c-- > 0;)
        if (qcow2_walk_count(walk, c) || (qcow2_refcount(walk->s, c, &count) == 0 && count))
            return (c + 1) << walk->s->cluster_bits;
    return 0;
}

static int finish(struct qcow2_walk *walk)
{
    struct qcow2 *s = walk->s;
    struct qcow2_check *check = walk->check;
    int ret = 0;

    check->total_clusters = qcow2_clusters(s, s->node->size);
    if (!check->end_offset) /* unless counts were made anew */
        check->end_offset = end_of_image(walk);
    if (!check->fix)
        return 0;
    ret = qcow2_sync(s);
    if (ret == 0 && s->ref_cache.dirty)
        ret = qcow2_sync(s);
    if (ret < 0 || check->corruptions || check->check_errors)
        return ret;
    if (s->incompatible & (INCOMPAT_CORRUPT | INCOMPAT_DIRTY)) {
        s->incompatible &= ~(INCOMPAT_CORRUPT | INCOMPAT_DIRTY);
        ret = qcow2_write_field(s, H_INCOMPATIBLE, 8, s->incompatible);
        s->dirty_on_disk = false;
    }
    s->corrupt = false;
    return ret;
}

int qcow2_check(struct block_node *node, struct qcow2_check *check)
{
    struct qcow2_walk walk = { .s = qcow2_of(node), .check = check };
    bool overlaps = walk.s->check_overlaps, lazy = walk.s->lazy;
    int ret = -EFBIG;

    block_mutex_take(&walk.s->lock, node->loop);
    walk.s->check_overlaps = false; /* that is what is being mended */
    walk.s->lazy = false;           /* an image that is not dirty any more has its counts on disk */
    if (start_walk(&walk)) {
        ret = walk_all(&walk);
        if (ret == 0)
            ret = walk.rebuild && (check->fix & QCOW2_FIX_ERRORS) ? qcow2_rebuild_counts(&walk) : walk.rebuild ? 0 : qcow2_compare_counts(&walk);
        if (ret == 0)
            ret = qcow2_check_copied(&walk);
        if (ret == 0)
            ret = finish(&walk);
    }
    end_walk(&walk);
    walk.s->check_overlaps = overlaps;
    walk.s->lazy = lazy;
    if (check->fix)
        qcow2_index_metadata(walk.s);
    block_mutex_drop(&walk.s->lock);
    return ret;
}
