/* block/qcow2/meta.c - a set of the clusters that hold metadata, so that no write of data hits them; snapshots' L1 tables as ranges. */
#include "block/qcow2/qcow2.h"
#include <errno.h>

static const char *const kind_names[] = { "data", "qcow2_header", "active L1 table", "active L2 table", "refcount table",
                                          "refcount block", "snapshot table", "inactive L1 table", "bitmaps" };

const char *qcow2_kind_name(enum qcow2_kind kind)
{
    return kind_names[kind];
}

void qcow2_meta_finish(struct qcow2_meta *meta)
{
    g_free(meta->keys);
    g_free(meta->kinds);
    g_clear_pointer(&meta->old, g_array_unref);
    *meta = (struct qcow2_meta){ 0 };
}

static size_t slot_of(const struct qcow2_meta *meta, u64 stored)
{
    return (size_t)((stored * UINT64_C(0x9e3779b97f4a7c15)) >> (64 - meta->bits));
}

static size_t mask(const struct qcow2_meta *meta)
{
    return ((size_t)1 << meta->bits) - 1;
}

/* The slot with the key, or the free one where it would go. */
static size_t probe(const struct qcow2_meta *meta, u64 stored)
{
    size_t at = slot_of(meta, stored);

    while (meta->keys[at] && meta->keys[at] != stored)
        at = (at + 1) & mask(meta);
    return at;
}

static void rehash(struct qcow2_meta *meta, unsigned bits)
{
    struct qcow2_meta old = *meta;

    meta->bits = bits;
    meta->keys = g_new0(u64, (size_t)1 << bits);
    meta->kinds = g_new0(u8, (size_t)1 << bits);
    for (size_t i = 0; old.keys && i <= mask(&old); i++) {
        if (!old.keys[i])
            continue;
        size_t at = probe(meta, old.keys[i]);

        meta->keys[at] = old.keys[i];
        meta->kinds[at] = old.kinds[i];
    }
    g_free(old.keys);
    g_free(old.kinds);
}

static void add_one(struct qcow2_meta *meta, u64 stored, enum qcow2_kind kind)
{
    size_t at;

    if (!meta->keys || meta->used * 4 >= mask(meta) * 3)
        rehash(meta, meta->keys ? meta->bits + 1 : 8);
    at = probe(meta, stored);
    if (meta->keys[at]) {
        meta->overlap |= meta->kinds[at] != kind || kind == META_REFBLOCK;
        return;
    }
    meta->keys[at] = stored;
    meta->kinds[at] = kind;
    meta->used++;
    meta->last = MAX(meta->last, stored);
}

void qcow2_meta_add(struct qcow2 *s, u64 offset, u64 size, enum qcow2_kind kind)
{
    for (u64 i = 0, n = qcow2_clusters(s, size); i < n; i++)
        add_one(&s->meta, (offset >> s->cluster_bits) + i + 1, kind);
}

/* Closes the gap that a removal leaves in a chain of probes. */
static void remove_at(struct qcow2_meta *meta, size_t hole)
{
    for (size_t at = (hole + 1) & mask(meta); meta->keys[at]; at = (at + 1) & mask(meta)) {
        size_t home = slot_of(meta, meta->keys[at]);

        if (((at - home) & mask(meta)) < ((at - hole) & mask(meta)))
            continue;
        meta->keys[hole] = meta->keys[at];
        meta->kinds[hole] = meta->kinds[at];
        hole = at;
    }
    meta->keys[hole] = 0;
    meta->used--;
}

void qcow2_meta_remove(struct qcow2 *s, u64 offset, u64 size)
{
    for (u64 i = 0, n = qcow2_clusters(s, size); s->meta.keys && i < n; i++) {
        size_t at = probe(&s->meta, (offset >> s->cluster_bits) + i + 1);

        if (s->meta.keys[at])
            remove_at(&s->meta, at);
    }
}

static int by_first(const void *a, const void *b)
{
    const struct qcow2_range *x = a, *y = b;

    return x->first < y->first ? -1 : x->first > y->first;
}

/* Sorted ranges, those that touch each other made one. */
static void merge(GArray *ranges)
{
    struct qcow2_range *r = (struct qcow2_range *)(void *)ranges->data;
    guint n = 0;

    g_array_sort(ranges, by_first);
    for (guint i = 0; i < ranges->len; i++) {
        if (n && r[i].first <= r[n - 1].end)
            r[n - 1].end = MAX(r[n - 1].end, r[i].end);
        else
            r[n++] = r[i];
    }
    g_array_set_size(ranges, n);
}

static bool is_old(const struct qcow2_meta *meta, u64 cluster)
{
    guint low = 0, high = meta->old ? meta->old->len : 0;

    while (low < high) {
        guint middle = (low + high) / 2;
        const struct qcow2_range *r = &g_array_index(meta->old, struct qcow2_range, middle);

        if (cluster >= r->first && cluster < r->end)
            return true;
        if (cluster < r->first)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}

void qcow2_meta_set_snapshots(struct qcow2 *s)
{
    struct qcow2_meta *meta = &s->meta;

    g_clear_pointer(&meta->old, g_array_unref);
    if (!s->snapshot_count)
        return;
    meta->old = g_array_sized_new(FALSE, FALSE, sizeof(struct qcow2_range), s->snapshot_count);
    for (u32 i = 0; i < s->snapshot_count; i++) {
        u64 first = s->snapshots[i].l1_offset >> s->cluster_bits;
        struct qcow2_range range = { first, first + qcow2_clusters(s, (u64)s->snapshots[i].l1_size * 8) };

        if (range.first == range.end)
            continue;
        g_array_append_val(meta->old, range);
        meta->last = MAX(meta->last, range.end);
    }
    merge(meta->old);
    for (size_t i = 0; meta->keys && i <= mask(meta); i++)
        meta->overlap |= meta->keys[i] && is_old(meta, meta->keys[i] - 1);
}

enum qcow2_kind qcow2_meta_find(struct qcow2 *s, u64 offset)
{
    u64 cluster = offset >> s->cluster_bits;
    size_t at;

    if (!s->meta.keys)
        return META_NONE;
    at = probe(&s->meta, cluster + 1);
    return s->meta.keys[at] ? (enum qcow2_kind)s->meta.kinds[at] : is_old(&s->meta, cluster) ? META_OLD_L1 : META_NONE;
}

int qcow2_check_overlap(struct qcow2 *s, u64 offset, u64 size, enum qcow2_kind own)
{
    if (!s->check_overlaps)
        return 0;
    for (u64 at = offset & ~(s->cluster_size - 1); at < offset + size; at += s->cluster_size) {
        enum qcow2_kind kind = qcow2_meta_find(s, at);

        if (kind != META_NONE && kind != own)
            return qcow2_corrupt(s, "Preventing invalid write on metadata (overlaps with %s)", qcow2_kind_name(kind));
    }
    return 0;
}
