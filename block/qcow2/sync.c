/*
 * block/qcow2/sync.c - the order in which an image changes on disk (docs/decisions/block-qcow2-order.md):
 * counts that rise, and data -> flush -> refcount table -> flush -> L2 tables -> flush -> L1 table -> flush -> counts that fall.
 * Whatever is lost in between leaves clusters that nobody uses, never a table that points at something unfinished.
 */
#include "block/qcow2/qcow2.h"
#include <errno.h>

static int flush_files(struct qcow2 *s)
{
    int ret = s->data != s->file ? block_flush(s->data) : 0;

    return ret < 0 ? ret : block_flush(s->file);
}

/* Big-endian entries [from, to) of a table in memory. */
static int write_entries(struct qcow2 *s, const u64 *table, u64 offset, u32 from, u32 to, enum qcow2_kind kind)
{
    g_autofree u8 *buffer = g_malloc((size_t)(to - from) * 8);
    int ret = qcow2_check_overlap(s, offset + (u64)from * 8, (u64)(to - from) * 8, kind);

    for (u32 i = from; i < to; i++)
        put_be64(buffer + (size_t)(i - from) * 8, table[i]);
    return ret < 0 ? ret : block_write_buffer(s->file, offset + (u64)from * 8, buffer, (size_t)(to - from) * 8);
}

/* What of the table is not on disk yet, after a flush of what it names. */
static int write_dirty(struct qcow2 *s, const u64 *table, u64 offset, u32 *from, u32 *to, enum qcow2_kind kind)
{
    int ret = *from < *to ? flush_files(s) : 0;

    if (*from >= *to || ret < 0)
        return ret;
    ret = write_entries(s, table, offset, *from, *to, kind);
    if (ret == 0)
        *from = *to = 0;
    return ret;
}

static bool reftable_is_dirty(const struct qcow2 *s)
{
    return s->reftable_dirty_from < s->reftable_dirty_to;
}

static bool l1_is_dirty(const struct qcow2 *s)
{
    return s->l1_dirty_from < s->l1_dirty_to;
}

static int write_counts(struct qcow2 *s)
{
    int ret = qcow2_cache_write(&s->ref_cache);

    return ret < 0 ? ret : write_dirty(s, s->reftable, s->reftable_offset, &s->reftable_dirty_from, &s->reftable_dirty_to, META_REFTABLE);
}

int qcow2_sync_before_l2(struct qcow2 *s)
{
    bool counts = !s->lazy && (s->ref_cache.dirty || reftable_is_dirty(s));
    int ret;

    if (!counts && !s->unsynced)
        return 0;
    ret = counts ? write_counts(s) : 0;
    if (ret == 0)
        ret = flush_files(s);
    if (ret == 0)
        s->unsynced = false;
    return ret;
}

static int write_tables(struct qcow2 *s)
{
    int ret = qcow2_sync_before_l2(s);

    if (ret == 0)
        ret = qcow2_cache_write(&s->l2_cache);
    return ret < 0 ? ret : write_dirty(s, s->l1, s->l1_offset, &s->l1_dirty_from, &s->l1_dirty_to, META_L1);
}

static void apply_frees(struct qcow2 *s)
{
    GArray *frees = s->frees;

    if (!frees->len)
        return;
    s->frees = g_array_new(FALSE, FALSE, sizeof(struct qcow2_free));
    for (unsigned i = 0; i < frees->len; i++) {
        struct qcow2_free *f = &g_array_index(frees, struct qcow2_free, i);

        qcow2_free_now(s, f->offset, f->size);
    }
    g_array_unref(frees);
}

int qcow2_sync(struct qcow2 *s)
{
    int ret = 0;

    if (s->l2_cache.dirty || l1_is_dirty(s))
        ret = write_tables(s);
    else if (!s->lazy)
        ret = write_counts(s);
    if (ret == 0)
        ret = flush_files(s);
    if (ret < 0)
        return ret;
    s->unsynced = false;
    apply_frees(s);
    return 0;
}
