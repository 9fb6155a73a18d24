/*
 * block/qcow2/bitmap_track.c - keeping dirty bitmaps up to date. While an image is written its bitmaps with the flag "auto" are in memory
 * and, in the file, flagged as in use; at the end they are written back over what they were, and the flag goes after a flush. A crash in
 * between leaves the flag, which says that the bitmap is outdated.
 */
#include "block/qcow2/bitmap.h"
#include <errno.h>
#include <string.h>

enum { MAX_BYTES = 32 << 20 };

struct tracked {
    u64 flags_at;          /* in the file */
    u64 table_offset, *table;
    u32 table_size, flags; /* entries; as they should be in the end */
    unsigned granularity;  /* log2 of bytes that a bit stands for */
    u8 *bits;              /* table_size clusters */
    bool changed;
};

static struct tracked *tracked_at(struct qcow2 *s, guint i)
{
    return &g_array_index(s->bitmaps, struct tracked, i);
}

static void clear_tracked(gpointer data)
{
    struct tracked *t = data;

    g_free(t->table);
    g_free(t->bits);
}

void qcow2_bitmaps_free(struct qcow2 *s)
{
    g_clear_pointer(&s->bitmaps, g_array_unref);
}

/* ---- Reading ---- */

/* Whether these clusters belong to one bitmap and nobody else; they are known as such from now on. */
static bool take_clusters(struct qcow2 *s, u64 offset, u64 size)
{
    for (u64 at = offset; at < offset + size; at += s->cluster_size) {
        u64 count;

        if (at >= s->file->size || qcow2_meta_find(s, at) != META_NONE || qcow2_refcount(s, at >> s->cluster_bits, &count) < 0 || count != 1)
            return false;
        qcow2_meta_add(s, at, s->cluster_size, META_BITMAPS);
    }
    return true;
}

/* Whether a table has the entries for a disk of this size: QEMU does not open an image where it has more or fewer. */
static bool fits(const struct qcow2 *s, u32 table_size, unsigned granularity, u64 size)
{
    return table_size == qcow2_clusters(s, qcow2_bitmap_bytes(size, granularity));
}

static bool is_understood(const struct qcow2 *s, const u8 *e)
{
    u64 offset = be64(e + ENTRY_TABLE), size = be32(e + ENTRY_TABLE_SIZE);
    unsigned granularity = e[ENTRY_GRANULARITY];

    return e[ENTRY_TYPE] == BITMAP_TYPE_DIRTY && granularity >= BITMAP_MIN_GRANULARITY && granularity <= BITMAP_MAX_GRANULARITY &&
           (!be32(e + ENTRY_EXTRA) || be32(e + ENTRY_FLAGS) & BITMAP_EXTRA_IS_COMPATIBLE) && offset && !qcow2_in_cluster(s, offset) &&
           offset < INT64_MAX / 2 && size && size * s->cluster_size <= MAX_BYTES && fits(s, (u32)size, granularity, s->node->size);
}

static bool load_chunk(struct qcow2 *s, struct tracked *t, u32 i)
{
    u8 *bits = t->bits + i * s->cluster_size;
    u64 at = t->table[i] & ENTRY_OFFSET;

    if (t->table[i] & ~(ENTRY_OFFSET | BITMAP_ENTRY_ONES) || (at && (t->table[i] & BITMAP_ENTRY_ONES || qcow2_in_cluster(s, at))))
        return false;
    if (at)
        return take_clusters(s, at, s->cluster_size) && block_read_buffer(s->file, at, bits, s->cluster_size) == 0;
    memset(bits, t->table[i] ? 0xff : 0, s->cluster_size);
    return true;
}

/* Reads a bitmap into *t, which is cleared otherwise. */
static bool load(struct qcow2 *s, const u8 *e, struct tracked *t, u64 room)
{
    if (!is_understood(s, e) || be32(e + ENTRY_TABLE_SIZE) * s->cluster_size > room)
        return false;
    t->table_offset = be64(e + ENTRY_TABLE);
    t->table_size = be32(e + ENTRY_TABLE_SIZE);
    t->granularity = e[ENTRY_GRANULARITY];
    t->flags = be32(e + ENTRY_FLAGS);
    bool ok = take_clusters(s, t->table_offset, qcow2_clusters(s, t->table_size * 8ull) << s->cluster_bits) &&
              qcow2_read_l1(s, t->table_offset, t->table_size, &t->table) == 0;
    t->bits = ok ? g_malloc(t->table_size * s->cluster_size) : NULL;
    for (u32 i = 0; ok && i < t->table_size; i++)
        ok = load_chunk(s, t, i);
    if (!ok)
        clear_tracked(t);
    return ok;
}

static int write_flags(struct qcow2 *s, u64 at, u32 flags)
{
    u8 bytes[4];

    put_be32(bytes, flags);
    return block_write_buffer(s->file, at, bytes, sizeof(bytes));
}

static u64 bytes_in_use(struct qcow2 *s)
{
    u64 bytes = 0;

    for (guint i = 0; i < s->bitmaps->len; i++)
        bytes += tracked_at(s, i)->table_size * s->cluster_size;
    return bytes;
}

static int track_one(struct qcow2 *s, u64 at, const u8 *e)
{
    struct tracked t = { .flags_at = at + ENTRY_FLAGS };
    u32 flags = be32(e + ENTRY_FLAGS);

    if (!(flags & BITMAP_AUTO) || flags & BITMAP_IN_USE)
        return 0;
    if (load(s, e, &t, MAX_BYTES - bytes_in_use(s)))
        g_array_append_val(s->bitmaps, t);
    return write_flags(s, at + ENTRY_FLAGS, flags | BITMAP_IN_USE);
}

static int track_all(struct qcow2 *s)
{
    struct qcow2_bitmap_directory dir;
    u64 at = 0, before = 0;
    const u8 *e;
    int ret = 0;

    if (!qcow2_bitmap_directory_read(s, &dir))
        return -EINVAL;
    if (!take_clusters(s, dir.offset, qcow2_clusters(s, dir.size) << s->cluster_bits))
        ret = -EINVAL;
    for (u32 i = 0; i < dir.count && ret == 0 && (e = qcow2_bitmap_next(&dir, &at)); i++, before = at)
        ret = track_one(s, dir.offset + before, e);
    g_free(dir.data);
    return ret < 0 ? ret : block_flush(s->file);
}

/* A directory that makes no sense: its bitmaps are declared outdated as a whole. */
static int give_up(struct qcow2 *s)
{
    int ret = qcow2_write_field(s, H_AUTOCLEAR, 8, s->autoclear & ~AUTOCLEAR_BITMAPS);

    qcow2_bitmaps_free(s);
    if (ret == 0)
        s->autoclear &= ~AUTOCLEAR_BITMAPS;
    return ret;
}

int qcow2_bitmaps_track(struct qcow2 *s)
{
    int ret = 0;

    block_mutex_take(&s->lock, s->node->loop);
    if (!s->bitmaps && s->autoclear & AUTOCLEAR_BITMAPS) { /* not done meanwhile */
        s->bitmaps = g_array_new(FALSE, FALSE, sizeof(struct tracked));
        g_array_set_clear_func(s->bitmaps, clear_tracked);
        if (track_all(s) < 0)
            ret = give_up(s);
    }
    block_mutex_drop(&s->lock);
    return ret;
}

/* ---- Changing ---- */

static void mark_one(struct tracked *t, u64 offset, u64 size, u64 capacity)
{
    u64 first = offset >> t->granularity, last = MIN((offset + size - 1) >> t->granularity, capacity - 1);

    t->changed = true;
    for (u64 bit = first; bit <= last; bit++) {
        if (!(bit & 7) && last - bit >= 7) {
            u64 bytes = (last - bit + 1) >> 3;

            memset(t->bits + (bit >> 3), 0xff, bytes);
            bit += bytes * 8 - 1;
        } else {
            t->bits[bit >> 3] |= (u8)(1 << (bit & 7));
        }
    }
}

void qcow2_bitmaps_mark(struct qcow2 *s, u64 offset, u64 size)
{
    for (guint i = 0; size && s->bitmaps && i < s->bitmaps->len; i++)
        mark_one(tracked_at(s, i), offset, size, tracked_at(s, i)->table_size * s->cluster_size * 8);
}

int qcow2_bitmaps_resize(struct qcow2 *s, u64 size)
{
    struct qcow2_bitmap_directory dir;
    u64 at = 0, before = 0;
    const u8 *e;
    int ret = 0;

    if (!s->bitmaps || size == s->node->size || !qcow2_bitmap_directory_read(s, &dir))
        return 0;
    for (u32 i = 0; i < dir.count && ret == 0 && (e = qcow2_bitmap_next(&dir, &at)); i++, before = at)
        if (!fits(s, be32(e + ENTRY_TABLE_SIZE), e[ENTRY_GRANULARITY] & 63, size))
            ret = write_flags(s, dir.offset + before + ENTRY_FLAGS, be32(e + ENTRY_FLAGS) | BITMAP_IN_USE);
    for (guint i = s->bitmaps->len; i-- > 0;)
        if (!fits(s, tracked_at(s, i)->table_size, tracked_at(s, i)->granularity, size))
            g_array_remove_index(s->bitmaps, i);
    g_free(dir.data);
    return ret < 0 ? ret : block_flush(s->file);
}

/* ---- Writing ---- */

/* Where it has a cluster it stays there: bits were only set. */
static int store_chunk(struct qcow2 *s, struct tracked *t, u32 i)
{
    const u8 *bits = t->bits + i * s->cluster_size;
    u64 at = t->table[i] & ENTRY_OFFSET;
    int ret = 0;

    if (!at && (qcow2_bitmap_all(bits, s->cluster_size, 0) || qcow2_bitmap_all(bits, s->cluster_size, 0xff))) {
        t->table[i] = bits[0] ? BITMAP_ENTRY_ONES : 0;
        return 0;
    }
    if (!at) {
        ret = qcow2_alloc_run(s, 1, &at);
        if (ret < 0)
            return ret;
        qcow2_meta_add(s, at, s->cluster_size, META_BITMAPS);
        t->table[i] = at;
    }
    return block_write_buffer(s->file, at, bits, s->cluster_size);
}

static int store_table(struct qcow2 *s, const struct tracked *t)
{
    g_autofree u8 *bytes = g_malloc(t->table_size * 8ull);

    for (u32 i = 0; i < t->table_size; i++)
        put_be64(bytes + i * 8ull, t->table[i]);
    return block_write_buffer(s->file, t->table_offset, bytes, t->table_size * 8ull);
}

int qcow2_bitmaps_store(struct qcow2 *s)
{
    int ret = 0;

    if (!s->bitmaps || !s->bitmaps->len)
        return 0;
    for (guint i = 0; i < s->bitmaps->len; i++)
        for (u32 k = 0; tracked_at(s, i)->changed && k < tracked_at(s, i)->table_size && ret == 0; k++)
            ret = store_chunk(s, tracked_at(s, i), k);
    if (ret == 0)
        ret = qcow2_sync(s); /* counts of new clusters, and their content */
    for (guint i = 0; i < s->bitmaps->len && ret == 0; i++)
        ret = tracked_at(s, i)->changed ? store_table(s, tracked_at(s, i)) : 0;
    if (ret == 0)
        ret = block_flush(s->file);
    for (guint i = 0; i < s->bitmaps->len && ret == 0; i++)
        ret = write_flags(s, tracked_at(s, i)->flags_at, tracked_at(s, i)->flags);
    return ret < 0 ? ret : block_flush(s->file);
}

static void forget_cluster(struct qcow2 *s, u64 offset, u64 size)
{
    for (u64 at = offset; at < offset + size; at += s->cluster_size)
        if (qcow2_meta_find(s, at) == META_BITMAPS)
            qcow2_meta_remove(s, at, s->cluster_size);
}

static void forget_clusters(struct qcow2 *s)
{
    struct qcow2_bitmap_directory dir;

    for (guint i = 0; i < s->bitmaps->len; i++) {
        struct tracked *t = tracked_at(s, i);

        forget_cluster(s, t->table_offset, t->table_size * 8ull);
        for (u32 k = 0; k < t->table_size; k++)
            if (t->table[k] & ENTRY_OFFSET)
                forget_cluster(s, t->table[k] & ENTRY_OFFSET, s->cluster_size);
    }
    if (qcow2_bitmap_directory_read(s, &dir)) {
        forget_cluster(s, dir.offset, dir.size);
        g_free(dir.data);
    }
}

int qcow2_bitmaps_untrack(struct qcow2 *s)
{
    int ret = qcow2_bitmaps_store(s);

    if (ret < 0 || !s->bitmaps)
        return ret;
    forget_clusters(s);
    qcow2_bitmaps_free(s);
    return 0;
}
