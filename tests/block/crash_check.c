/* tests/block/crash_check.c - what a disk may hold behind a power failure, and whether an image is that. */
#include "tests/block/crash.h"
#include "block/qcow2/bitmap.h"
#include "tests/block/memory.h"
#include <string.h>

void crash_allow(struct model *m, u64 sector, u8 value)
{
    m->since[sector][value / 8] |= (u8)(1 << value % 8);
    m->now[sector] = value;
}

void crash_flush(struct model *m)
{
    memcpy(m->flushed, m->now, sizeof(m->flushed));
    memset(m->since, 0, sizeof(m->since));
    m->old_sectors = m->sectors;
}

static bool allowed(const struct model *m, u64 sector, u8 value)
{
    return m->flushed[sector] == value || (m->since[sector][value / 8] & (1 << value % 8));
}

static bool complain(struct world *w, const char *why)
{
    w->bad++;
    if (!w->why)
        w->why = why;
    return false;
}

static bool check_content(struct world *w, struct block_node *node)
{
    g_autofree u8 *data = g_malloc(block_size(node) + 1);
    u64 sectors = block_size(node) / SECTOR;
    bool is_applied = w->applying != NULL;

    if (block_read_buffer(node, 0, data, block_size(node)) < 0)
        return complain(w, "cannot be read");
    if (sectors != w->model.sectors && sectors != w->model.old_sectors && !(w->applying && sectors == w->applying->sectors))
        return complain(w, "has a size that nobody asked for");
    for (u64 i = 0; i < sectors && is_applied; i++)
        is_applied = i < w->applying->sectors && data[i * SECTOR] == w->applying->content[i];
    if (is_applied)
        return true;
    for (u64 i = 0; i < sectors; i++) {
        if (memcmp(data + i * SECTOR, data + i * SECTOR + 1, SECTOR - 1))
            return complain(w, "has a sector that nobody wrote");
        if (!allowed(&w->model, i, data[i * SECTOR]))
            return complain(w, "lost something that was flushed");
    }
    return true;
}

static bool check_snapshots(struct world *w, const char *file, const char *backing)
{
    for (unsigned i = 0; i < MAX_SNAPSHOTS; i++) {
        struct saved *s = &w->snapshots[i];
        struct block_node *node = *s->name && s->certain ? open_qcow2(w->graph, file, backing, false, NULL) : NULL;
        bool ok = true;

        if (!node)
            continue;
        if (!qcow2_snapshot_load(node, NULL, s->name, NULL)) {
            ok = complain(w, "lost a snapshot");
        } else {
            g_autofree u8 *data = g_malloc(block_size(node) + 1);

            ok = block_size(node) == s->sectors * SECTOR && block_read_buffer(node, 0, data, block_size(node)) == 0;
            for (u64 k = 0; ok && k < s->sectors; k++)
                ok = data[k * SECTOR] == s->content[k];
            if (!ok)
                complain(w, "changed a snapshot");
        }
        block_unref(node);
        if (!ok)
            return false;
    }
    return true;
}

/* What the image says about a bitmap. */
struct marks crash_marks(struct block_node *node, const struct qcow2_bitmap_info *info)
{
    struct qcow2_bitmap_directory dir;
    struct marks found = { .exists = true, .enabled = info->flags & BITMAP_AUTO };
    struct qcow2 *s = qcow2_of(node);
    struct qcow2_bits bits;
    g_autofree u64 *table = NULL;
    u64 at = 0;
    const u8 *e;

    g_assert_true(qcow2_bitmap_directory_read(s, &dir));
    while ((e = qcow2_bitmap_next(&dir, &at)) && strncmp((const char *)e + ENTRY_HEAD, info->name, strlen(info->name)))
        ;
    g_assert_cmpint(qcow2_read_l1(s, be64(e + ENTRY_TABLE), be32(e + ENTRY_TABLE_SIZE), &table), ==, 0);
    qcow2_bits_init(&bits, s, e[ENTRY_GRANULARITY], be32(e + ENTRY_TABLE_SIZE));
    if (qcow2_bits_read(&bits, s, table) < 0)
        found.exists = false;
    for (unsigned i = 0; i < MIN(64, qcow2_bitmap_bytes(node->size, 16) * 8) && bits.cluster[0]; i++)
        found.set |= table[0] == BITMAP_ENTRY_ONES ? BIT64(i) : (u64)(bits.cluster[0][i / 8] >> i % 8 & 1) << i;
    qcow2_bits_finish(&bits);
    g_free(dir.data);
    return found;
}

static bool is_same(struct marks a, struct marks b)
{
    return a.exists == b.exists && (!a.exists || (a.enabled == b.enabled && a.set == b.set));
}

/* All bitmaps as before the change under way, or all as after it. */
static bool check_bitmaps(struct world *w, struct block_node *node)
{
    bool as_before = true, as_after = true;
    struct marks found[MAX_BITMAPS] = { 0 };
    unsigned count;
    struct qcow2_bitmap_info *list = qcow2_bitmaps(node, &count);

    for (unsigned i = 0; i < count; i++) {
        unsigned index = strlen(list[i].name) == 2 ? (unsigned)list[i].name[1] - '0' : MAX_BITMAPS;

        if (index >= MAX_BITMAPS)
            as_before = as_after = complain(w, "has a bitmap that nobody made");
        else if (!(list[i].flags & BITMAP_IN_USE))
            found[index] = crash_marks(node, &list[i]);
        g_free(list[i].name);
    }
    g_free(list);
    for (unsigned i = 0; i < MAX_BITMAPS; i++) {
        as_before &= is_same(found[i], w->bitmaps[i]);
        as_after &= is_same(found[i], w->changed[i]);
    }
    return as_before || as_after || (w->two_sectors && !count) || complain(w, "has bitmaps as they never were");
}

static bool check_structure(struct world *w, const char *file, const char *backing)
{
    struct qcow2_check first = { 0 }, fix = { .fix = QCOW2_FIX_ALL }, again = { 0 };
    struct block_node *node;
    int ret;

    block_graph_set_checking(w->graph, true);
    node = open_qcow2(w->graph, file, backing, true, NULL);
    block_graph_set_checking(w->graph, false);
    if (!node)
        return complain(w, "cannot be opened for writing");
    ret = qcow2_check(node, &first);
    if (ret == 0 && (first.corruptions || first.leaks))
        ret = qcow2_check(node, &fix);
    if (ret == 0)
        ret = qcow2_check(node, &again);
    block_unref(node);
    if (ret < 0 || again.corruptions || again.leaks || again.check_errors)
        return complain(w, "cannot be mended");
    if (w->leaks_only && !w->lazy && first.corruptions)
        return complain(w, "is worse than leaking");
    return true;
}

/* The image is opened for writing, which mends it if it says that it needs that, and the power fails again before anything is written. */
static bool check_second_failure(struct world *w, const char *backing)
{
    struct block_node *crashed = block_graph_find(w->graph, "crashed");
    struct block_node *first = memory_create(w->graph, "first", memory_of(crashed)->now, block_size(crashed));
    struct block_node *node = open_qcow2(w->graph, "first", backing, true, NULL), *again;
    struct qcow2_check check = { 0 };
    bool ok = true;

    again = memory_create(w->graph, "again", memory_of(first)->stable->data, memory_of(first)->stable->len);
    block_unref(node);
    block_unref(first);
    node = open_qcow2(w->graph, "again", backing, false, NULL);
    if (!node || (!qcow2_info(node).dirty && (qcow2_check(node, &check) < 0 || check.corruptions)))
        ok = complain(w, "is said to be clean and is not, behind a second power failure");
    block_unref(node);
    block_unref(again);
    return ok;
}

static bool look(struct world *w, const char *backing)
{
    struct block_node *node = open_qcow2(w->graph, "crashed", backing, false, NULL);
    bool ok = node ? check_content(w, node) && check_bitmaps(w, node) : complain(w, "cannot be opened");

    if (ok && w->backing_name && g_strcmp0(qcow2_info(node).backing, w->backing_name))
        ok = complain(w, "lost the name of its backing file");

    block_unref(node);
    return ok && check_snapshots(w, "crashed", backing);
}

/* The power fails now: is what is left good enough? */
void crash_now(struct world *w)
{
    GByteArray *image = memory_crash(memory_of(w->file), w->rand), *below = w->base ? memory_crash(memory_of(w->base), w->rand) : NULL;
    struct block_node *node = memory_create(w->graph, "crashed", image->data, image->len), *base = NULL;
    const char *backing = NULL;

    if (below) {
        struct block_node *file = memory_create(w->graph, "crashed-base", below->data, below->len);

        base = open_qcow2(w->graph, "crashed-base", NULL, false, NULL);
        block_unref(file);
        backing = base ? block_name(base) : NULL;
        g_byte_array_unref(below);
        if (!base)
            complain(w, "has a base that cannot be opened");
    }
    w->crashes++;
    /* As it is, and mended. */
    if ((!w->base || base) && look(w, backing) && (!w->lazy || check_second_failure(w, backing)) && check_structure(w, "crashed", backing))
        look(w, backing);
    block_unref(base);
    block_unref(node);
    g_byte_array_unref(image);
}

void crash_maybe(void *opaque)
{
    struct world *w = opaque;

    if (g_rand_int_range(w->rand, 0, (gint)w->every) == 0)
        crash_now(w);
}
