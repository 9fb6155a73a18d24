/* block/qcow2/check_mend.c - compares counts with what the image says, and mends. */
#include "block/qcow2/check_internal.h"
#include <errno.h>

/*
 * Whether the cluster has a block for its count. A missing one is made, but not where nothing is counted: where nothing is. Without a place for it
 * among the clusters that it counts, all counts have to be made anew.
 */
static bool has_block(struct qcow2_walk *walk, u64 cluster)
{
    struct qcow2 *s = walk->s;
    u32 bits = s->cluster_bits + 3 - s->refcount_order;
    u64 block = cluster >> bits, end = MIN((block + 1) << bits, walk->clusters);

    if (qcow2_has_refblock(s, block))
        return true;
    for (u64 c = block << bits; c < end && block < s->reftable_size; c++)
        if (!qcow2_walk_count(walk, c))
            return qcow2_make_refblock(s, block, c) == 0 && qcow2_walk_add(walk, c << s->cluster_bits, s->cluster_size) == 0;
    return false;
}

static int compare_one(struct qcow2_walk *walk, u64 cluster)
{
    struct qcow2 *s = walk->s;
    struct qcow2_check *check = walk->check;
    u64 used = qcow2_walk_count(walk, cluster), said;
    int ret = qcow2_refcount(s, cluster, &said), fixed = 0;
    bool leak, fix;

    if (ret < 0) {
        qcow2_walk_say(walk, "Can't get refcount for cluster %" G_GUINT64_FORMAT ": %s", cluster, block_strerror(ret));
        check->check_errors++;
        return 0;
    }
    if (used == said)
        return 0;
    leak = said > used;
    fix = (check->fix & (leak ? QCOW2_FIX_LEAKS : QCOW2_FIX_ERRORS)) && has_block(walk, cluster);
    if (fix)
        fixed = qcow2_refcount_set(s, cluster, used);
    qcow2_walk_say(walk, "%s cluster %" G_GUINT64_FORMAT " refcount=%" G_GUINT64_FORMAT " reference=%" G_GUINT64_FORMAT,
                   fix ? "Repairing" : leak ? "Leaked" : "ERROR", cluster, said, used);
    if (fix && fixed == 0) {
        check->leaks_fixed += leak;
        check->corruptions_fixed += !leak;
    } else {
        check->leaks += leak;
        check->corruptions += !leak;
        walk->rebuild |= !leak;
    }
    return 0;
}

/* Whether anything is counted or said in the clusters of a refcount block. */
static bool block_matters(struct qcow2_walk *walk, u64 first, u64 count)
{
    u32 bits = walk->s->cluster_bits + 3 - walk->s->refcount_order;

    if (qcow2_has_refblock(walk->s, first >> bits))
        return true;
    for (u64 c = first; c < first + count; c += 1 << CHUNK_BITS)
        if (walk->chunks[c >> CHUNK_BITS])
            return true;
    return walk->chunks[(first + count - 1) >> CHUNK_BITS] != NULL;
}

int qcow2_compare_counts(struct qcow2_walk *walk)
{
    u64 per_block = BIT64(walk->s->cluster_bits + 3 - walk->s->refcount_order);
    int ret = 0;

    for (u64 first = 0; first < walk->clusters && ret == 0; first += per_block) {
        u64 count = MIN(per_block, walk->clusters - first);

        if (!block_matters(walk, first, count))
            continue;
        for (u64 c = first; c < first + count && ret == 0; c++)
            ret = compare_one(walk, c);
    }
    if (ret == 0 && walk->rebuild && (walk->check->fix & QCOW2_FIX_ERRORS))
        ret = qcow2_rebuild_counts(walk);
    return ret;
}

/* --- a new refcount structure, behind everything that is in use --- */

struct plan {
    u64 start, blocks, table_clusters; /* blocks, then the table, from this cluster on */
};

static u64 uses(struct qcow2_walk *walk, const struct plan *plan, u64 cluster)
{
    return qcow2_walk_count(walk, cluster) + (cluster >= plan->start && cluster < plan->start + plan->blocks + plan->table_clusters);
}

static struct plan place(struct qcow2_walk *walk)
{
    struct qcow2 *s = walk->s;
    u64 per_block = BIT64(s->cluster_bits + 3 - s->refcount_order);
    struct plan plan = { .start = walk->clusters };

    for (;;) {
        u64 total = plan.start + plan.blocks + plan.table_clusters, blocks = (total + per_block - 1) / per_block;
        u64 table = qcow2_clusters(s, blocks * 8);

        if (blocks == plan.blocks && table == plan.table_clusters)
            return plan;
        plan.blocks = MAX(blocks, plan.blocks);
        plan.table_clusters = MAX(table, plan.table_clusters);
        if (blocks < plan.blocks && table <= plan.table_clusters)
            return plan;
    }
}

static int write_blocks(struct qcow2_walk *walk, const struct plan *plan)
{
    struct qcow2 *s = walk->s;
    u64 per_block = BIT64(s->cluster_bits + 3 - s->refcount_order);
    g_autofree u8 *block = g_malloc(s->cluster_size);
    int ret = 0;

    for (u64 b = 0; b < plan->blocks && ret == 0; b++) {
        memset(block, 0, s->cluster_size);
        for (u64 i = 0; i < per_block; i++) {
            u64 count = uses(walk, plan, b * per_block + i);

            if (count > qcow2_refcount_max(s))
                return -ERANGE;
            if (count)
                qcow2_refcount_store(s, block, i, count);
        }
        ret = block_write_buffer(s->file, (plan->start + b) << s->cluster_bits, block, s->cluster_size);
    }
    return ret;
}

static int write_reftable(struct qcow2 *s, const struct plan *plan)
{
    u64 bytes = plan->table_clusters << s->cluster_bits, offset = (plan->start + plan->blocks) << s->cluster_bits;
    g_autofree u8 *table = g_malloc0(bytes);
    u8 field[12];
    int ret;

    for (u64 b = 0; b < plan->blocks; b++)
        put_be64(table + b * 8, (plan->start + b) << s->cluster_bits);
    ret = block_write_buffer(s->file, offset, table, bytes);
    if (ret == 0)
        ret = block_flush(s->file);
    put_be64(field, offset);
    put_be32(field + 8, (u32)plan->table_clusters);
    if (ret == 0)
        ret = block_write_buffer(s->file, H_REFTABLE_OFFSET, field, sizeof(field));
    if (ret == 0)
        ret = block_flush(s->file);
    if (ret < 0)
        return ret;
    s->reftable_offset = offset;
    s->reftable_clusters = (u32)plan->table_clusters;
    s->reftable_size = (u32)(bytes / 8);
    g_free(s->reftable);
    s->reftable = g_new0(u64, s->reftable_size);
    for (u64 b = 0; b < plan->blocks; b++)
        s->reftable[b] = (plan->start + b) << s->cluster_bits;
    return 0;
}

static void forget_old(struct qcow2_walk *walk)
{
    struct qcow2 *s = walk->s;
    struct qcow2_cache *cache = &s->ref_cache;
    unsigned count = cache->count;

    /* The clusters of the old structure are free now, unless something else is there. */
    for (u32 i = 0; i < s->reftable_size; i++) {
        u64 c = (s->reftable[i] & REFTABLE_OFFSET) >> s->cluster_bits;

        if (c && !qcow2_in_cluster(s, s->reftable[i] & REFTABLE_OFFSET) && qcow2_walk_count(walk, c))
            walk->chunks[c >> CHUNK_BITS][c & ((1u << CHUNK_BITS) - 1)]--;
    }
    for (u64 i = 0; i < s->reftable_clusters; i++) {
        u64 c = (s->reftable_offset >> s->cluster_bits) + i;

        if (qcow2_walk_count(walk, c))
            walk->chunks[c >> CHUNK_BITS][c & ((1u << CHUNK_BITS) - 1)]--;
    }
    qcow2_cache_finish(cache);
    qcow2_cache_init(cache, s, false, count);
    s->reftable_dirty_from = s->reftable_dirty_to = 0;
    s->free_hint = 0;
}

int qcow2_rebuild_counts(struct qcow2_walk *walk)
{
    struct qcow2 *s = walk->s;
    struct plan plan;
    int ret;

    qcow2_walk_say(walk, "Rebuilding refcount structure");
    forget_old(walk);
    plan = place(walk);
    if (plan.table_clusters << s->cluster_bits > MAX(QCOW2_MAX_REFTABLE_BYTES, s->cluster_size))
        return -EFBIG;
    ret = write_blocks(walk, &plan);
    if (ret == 0)
        ret = block_flush(s->file);
    if (ret == 0)
        ret = write_reftable(s, &plan);
    if (ret < 0)
        return ret;
    walk->check->corruptions_fixed += walk->check->corruptions;
    walk->check->corruptions = 0;
    walk->check->leaks_fixed += walk->check->leaks;
    walk->check->leaks = 0;
    walk->check->end_offset = (plan.start + plan.blocks + plan.table_clusters) << s->cluster_bits;
    return 0;
}

/* --- COPIED --- */

static bool wrong_flag(struct qcow2_walk *walk, u64 entry, bool l1)
{
    struct qcow2 *s = walk->s;
    u64 offset = entry & ENTRY_OFFSET, count;
    bool fix = walk->check->fix & QCOW2_FIX_ERRORS;

    if (!offset || qcow2_in_cluster(s, offset) || qcow2_refcount(s, offset >> s->cluster_bits, &count) < 0)
        return false;
    if ((count == 1) == ((entry & ENTRY_COPIED) != 0))
        return false;
    qcow2_walk_say(walk, "%s OFLAG_COPIED %s cluster: %s_entry=%" G_GINT64_MODIFIER "x refcount=%" G_GUINT64_FORMAT, fix ? "Repairing" : "ERROR",
                   l1 ? "L2" : "data", l1 ? "l1" : "l2", entry, count);
    walk->check->corruptions += !fix;
    walk->check->corruptions_fixed += fix;
    return fix;
}

static int check_l2(struct qcow2_walk *walk, u64 offset)
{
    struct qcow2 *s = walk->s;
    struct qcow2_table *table;

    if (qcow2_in_cluster(s, offset) || offset >> s->cluster_bits >= walk->clusters)
        return 0;
    if (qcow2_cache_get(&s->l2_cache, offset, false, &table) < 0) {
        walk->check->check_errors++;
        return 0;
    }
    for (u64 i = 0; i < BIT64(s->l2_bits); i++) {
        struct qcow2_entry e = qcow2_l2_get(s, table, i);

        if ((e.entry & ENTRY_COMPRESSED) || !wrong_flag(walk, e.entry, false))
            continue;
        e.entry ^= ENTRY_COPIED;
        qcow2_l2_set(s, table, i, e);
    }
    qcow2_table_put(table);
    return 0;
}

int qcow2_check_copied(struct qcow2_walk *walk)
{
    struct qcow2 *s = walk->s;
    u64 last = 0;
    int ret = 0;

    if (walk->rebuild && !(walk->check->fix & QCOW2_FIX_ERRORS))
        return 0;
    for (u32 i = 0; i < s->l1_size && ret == 0; i++) {
        u64 l2 = s->l1[i] & ENTRY_OFFSET;

        if (!l2 || l2 == last)
            continue;
        last = l2;
        if (wrong_flag(walk, s->l1[i], true)) {
            s->l1[i] ^= ENTRY_COPIED;
            s->l1_dirty_from = s->l1_dirty_from == s->l1_dirty_to ? i : MIN(s->l1_dirty_from, i);
            s->l1_dirty_to = MAX(s->l1_dirty_to, i + 1);
        }
        if (!s->data_name)
            ret = check_l2(walk, l2);
    }
    return ret;
}
