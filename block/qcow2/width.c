/*
 * block/qcow2/width.c - other widths of reference counts: a second set of blocks, with the same counts and those of itself, lies behind everything
 * else; one write of the header makes it the one that counts, and the first set is free.
 */
#include "block/qcow2/image.h"
#include "block/qcow2/qcow2.h"
#include "base/error.h"
#include <errno.h>
#include <string.h>

struct plan {
    struct qcow2 *s;
    struct qcow2 wide; /* only what qcow2_refcount_store looks at: the new width */
    u64 start;         /* the cluster from which the new set is placed: blocks, then the table */
    u64 blocks, table_clusters;
    u64 per_block;
    GArray *places; /* of u64, by block: its cluster + 1; 0: not needed */
};

static bool old_block_is_there(const struct qcow2 *s, u64 cluster)
{
    return qcow2_has_refblock(s, cluster >> (s->cluster_bits + 3 - s->refcount_order));
}

/* The first cluster from this one on that is counted; UINT64_MAX: none. */
static int next_counted(struct qcow2 *s, u64 from, u64 *cluster, u64 *count)
{
    u64 per_block = BIT64(s->cluster_bits + 3 - s->refcount_order), end = s->reftable_size * per_block;
    int ret = 0;

    *count = 0;
    while (from < end && ret == 0) {
        if (!old_block_is_there(s, from)) {
            from = (from / per_block + 1) * per_block;
            continue;
        }
        ret = qcow2_refcount(s, from, count);
        if (*count)
            break;
        from++;
    }
    *cluster = from < end ? from : UINT64_MAX;
    return ret;
}

static void need(struct plan *plan, u64 cluster)
{
    u64 block = cluster / plan->per_block;

    if (block >= plan->places->len)
        g_array_set_size(plan->places, (guint)block + 1);
    if (!g_array_index(plan->places, u64, block)) {
        g_array_index(plan->places, u64, block) = 1; /* to be placed */
        plan->blocks++;
    }
}

/* Which blocks there will be, for what is counted now. */
static bool look(struct plan *plan, u32 bits, GError **error)
{
    struct qcow2 *s = plan->s;
    u64 cluster = 0, count = 0, limit = (QCOW2_MAX_REFTABLE_BYTES / 8) * plan->per_block;
    int ret;

    plan->start = qcow2_clusters(s, s->file->size);
    while ((ret = next_counted(s, cluster, &cluster, &count)) == 0 && cluster != UINT64_MAX) {
        if (count > qcow2_refcount_max(&plan->wide))
            return error_set(error, "Cannot decrease refcount entry width to %u bits: Cluster at offset %#" G_GINT64_MODIFIER "x has a refcount of %" G_GUINT64_FORMAT,
                             bits, cluster << s->cluster_bits, count);
        if (cluster >= limit)
            return error_set(error, "Cannot change the refcount entry width: the refcount table would be too large");
        need(plan, cluster++);
        plan->start = MAX(plan->start, cluster);
    }
    return ret == 0 || error_set(error, "Cannot read the refcounts: %s", block_strerror(ret));
}

/* The set counts itself: more blocks need more blocks. */
static bool place(struct plan *plan, GError **error)
{
    struct qcow2 *s = plan->s;
    u64 before;

    do {
        before = plan->blocks + plan->table_clusters;
        plan->table_clusters = qcow2_clusters(s, MAX(plan->places->len, 1) * 8ull);
        for (u64 c = plan->start; c < plan->start + plan->blocks + plan->table_clusters; c++)
            need(plan, c);
        if (plan->places->len > QCOW2_MAX_REFTABLE_BYTES / 8)
            return error_set(error, "Cannot change the refcount entry width: the refcount table would be too large");
    } while (plan->blocks + plan->table_clusters != before);
    for (u64 i = 0, at = plan->start; i < plan->places->len; i++)
        if (g_array_index(plan->places, u64, i))
            g_array_index(plan->places, u64, i) = 1 + at++;
    return true;
}

static int write_block(struct plan *plan, u64 block)
{
    struct qcow2 *s = plan->s;
    u64 first = block * plan->per_block, place_of_it = g_array_index(plan->places, u64, block) - 1;
    g_autofree u8 *bytes = g_malloc0(s->cluster_size);
    int ret = 0;

    for (u64 i = 0; i < plan->per_block && ret == 0; i++) {
        u64 count = 0, c = first + i;

        if (old_block_is_there(s, c))
            ret = qcow2_refcount(s, c, &count);
        count += c >= plan->start && c < plan->start + plan->blocks + plan->table_clusters;
        if (count)
            qcow2_refcount_store(&plan->wide, bytes, i, count);
    }
    return ret < 0 ? ret : block_write_buffer(s->file, place_of_it << s->cluster_bits, bytes, s->cluster_size);
}

static int write_set(struct plan *plan)
{
    struct qcow2 *s = plan->s;
    u64 bytes = plan->table_clusters << s->cluster_bits;
    g_autofree u8 *table = g_malloc0(bytes);
    int ret = 0;

    for (u64 i = 0; i < plan->places->len && ret == 0; i++)
        if (g_array_index(plan->places, u64, i)) {
            put_be64(table + i * 8, (g_array_index(plan->places, u64, i) - 1) << s->cluster_bits);
            ret = write_block(plan, i);
        }
    if (ret == 0)
        ret = block_write_buffer(s->file, (plan->start + plan->blocks) << s->cluster_bits, table, bytes);
    return ret < 0 ? ret : block_flush(s->file);
}

/* The table's place and the width stand in the header's first sector, which is written at once. */
static int switch_header(struct plan *plan)
{
    struct qcow2 *s = plan->s;
    enum { FIRST = H_REFTABLE_OFFSET };
    u8 fields[H_REFCOUNT_ORDER + 4 - FIRST];
    int ret = block_read_buffer(s->file, FIRST, fields, sizeof(fields));

    put_be64(fields + H_REFTABLE_OFFSET - FIRST, (plan->start + plan->blocks) << s->cluster_bits);
    put_be32(fields + H_REFTABLE_CLUSTERS - FIRST, (u32)plan->table_clusters);
    put_be32(fields + H_REFCOUNT_ORDER - FIRST, plan->wide.refcount_order);
    return ret < 0 ? ret : qcow2_change_header(s, FIRST, fields, sizeof(fields));
}

/* What is in memory is of the new set, and the old one is given back. */
static void take_over(struct plan *plan)
{
    struct qcow2 *s = plan->s;
    g_autofree u64 *old = s->reftable;
    u32 old_size = s->reftable_size, tables = s->ref_cache.count;
    u64 old_offset = s->reftable_offset, old_bytes = (u64)s->reftable_clusters << s->cluster_bits;

    qcow2_cache_finish(&s->ref_cache);
    qcow2_cache_init(&s->ref_cache, s, false, tables);
    s->refcount_order = plan->wide.refcount_order;
    s->reftable_offset = (plan->start + plan->blocks) << s->cluster_bits;
    s->reftable_clusters = (u32)plan->table_clusters;
    s->reftable_size = s->reftable_clusters << (s->cluster_bits - 3);
    s->reftable = g_new0(u64, s->reftable_size);
    for (u64 i = 0; i < plan->places->len; i++)
        if (g_array_index(plan->places, u64, i))
            s->reftable[i] = (g_array_index(plan->places, u64, i) - 1) << s->cluster_bits;
    s->reftable_dirty_from = s->reftable_dirty_to = 0;
    s->free_hint = 0;
    qcow2_index_metadata(s);
    for (u32 i = 0; i < old_size; i++)
        if (old[i] & REFTABLE_OFFSET)
            qcow2_free_now(s, old[i] & REFTABLE_OFFSET, s->cluster_size);
    qcow2_free_now(s, old_offset, old_bytes);
}

static bool set_width(struct qcow2 *s, u32 bits, GError **error)
{
    struct plan plan = { .s = s, .wide = { .refcount_order = (u32)g_bit_nth_msf(bits, -1) } };
    int ret = s->corrupt ? -EIO : qcow2_sync(s);
    bool ok = ret == 0 || error_set(error, "Cannot change the refcount entry width: %s", block_strerror(ret));

    plan.per_block = BIT64(s->cluster_bits + 3 - plan.wide.refcount_order);
    plan.places = g_array_new(FALSE, TRUE, sizeof(u64));
    ok = ok && look(&plan, bits, error) && place(&plan, error);
    if (ok) {
        ret = write_set(&plan);
        if (ret == 0)
            ret = switch_header(&plan);
        if (ret == 0) {
            take_over(&plan);
            ret = qcow2_sync(s);
        }
        ok = ret == 0 || error_set(error, "Cannot change the refcount entry width: %s", block_strerror(ret));
    }
    g_array_unref(plan.places);
    return ok;
}

bool qcow2_set_refcount_bits(struct block_node *node, u32 bits, GError **error)
{
    struct qcow2 *s = qcow2_of(node);
    bool ok;

    if (bits == 0 || bits > 64 || bits & (bits - 1))
        return error_set(error, "Refcount width must be a power of two and may not exceed 64 bits");
    if (bits == 1u << s->refcount_order)
        return true;
    if (s->version < 3)
        return error_set(error, "Refcount widths other than 16 bits require compatibility level 1.1 or above (use compat=1.1 or greater)");
    block_mutex_take(&s->lock, node->loop);
    ok = set_width(s, bits, error);
    block_mutex_drop(&s->lock);
    return ok;
}
