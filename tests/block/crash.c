/*
 * tests/block/crash.c - what a power failure may leave of a qcow2 image. A workload runs on a node that records writes and
 * flushes. At many instants an image is made of what is stable and of some of the rest, sectors in any order. Each is opened:
 * whatever the guest had flushed is there, and what is wrong can be mended. With flushes dropped the same test has to fail.
 */
#include "block/copy.h"
#include "block/qcow2/bitmap.h"
#include "block/qcow2/image.h"
#include "tests/block/memory.h"
#include <stdlib.h>
#include <string.h>

enum { MAX_SECTORS = 4096, MAX_SNAPSHOTS = 4, MAX_BITMAPS = 3, GRANULARITY = 65536 /* of all bitmaps here */ };

/* What the guest may find in a sector: bytes (each sector is filled with one) that it wrote. */
struct model {
    u64 sectors, old_sectors; /* size now, and what it may still be after a failure */
    u8 flushed[MAX_SECTORS];
    u8 since[MAX_SECTORS][32]; /* bitmap of values since the flush */
    u8 now[MAX_SECTORS];
};

struct saved {
    char name[8];
    bool certain; /* its creation has returned */
    u64 sectors;
    u8 content[MAX_SECTORS];
};

/* A bitmap as it is, and as it will be when the change under way has been made. */
struct marks {
    bool exists, enabled;
    u64 set; /* its first 64 bits */
};

struct world {
    struct block_graph *graph;
    struct block_node *file, *disk, *base;
    GRand *rand;
    struct model model;
    const struct saved *applying; /* the disk may be this as a whole */
    struct saved snapshots[MAX_SNAPSHOTS];
    const char *backing_name; /* that the header names; NULL: of no interest */
    bool two_sectors; /* the header's word about bitmaps stands in two sectors: there are none while it changes */
    struct marks bitmaps[MAX_BITMAPS], changed[MAX_BITMAPS];
    bool lazy, leaks_only; /* leaks_only: this workload must leave nothing worse */
    unsigned every, crashes, bad;
    const char *why;
    bool quiet;
};

static void allow(struct model *m, u64 sector, u8 value)
{
    m->since[sector][value / 8] |= (u8)(1 << value % 8);
    m->now[sector] = value;
}

static void model_flush(struct model *m)
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
        if (!qcow2_snapshot_load(node, s->name, NULL)) {
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
static struct marks read_marks(struct block_node *node, const struct qcow2_bitmap_info *info)
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
            found[index] = read_marks(node, &list[i]);
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
static void crash(struct world *w)
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
    if ((!w->base || base) && look(w, backing) && check_structure(w, "crashed", backing))
        look(w, backing);
    block_unref(base);
    block_unref(node);
    g_byte_array_unref(image);
}

static void maybe_crash(void *opaque)
{
    struct world *w = opaque;

    if (g_rand_int_range(w->rand, 0, (gint)w->every) == 0)
        crash(w);
}

/* --- workloads --- */

static void make_image(struct world *w, struct block_node *file, u64 size, u64 cluster)
{
    struct qcow2_create create = { .size = size, .version = 3, .cluster_size = cluster, .refcount_bits = 16, .lazy_refcounts = w->lazy };
    GError *error = NULL;

    qcow2_create(file, &create, &error);
    g_assert_no_error(error);
    block_flush(file);
}

static void write_some(struct world *w)
{
    u64 first = (u64)g_rand_int_range(w->rand, 0, (gint)w->model.sectors), count = (u64)g_rand_int_range(w->rand, 1, 40);
    u8 value = (u8)g_rand_int_range(w->rand, 1, 256), buffer[40 * SECTOR];
    unsigned kind = (unsigned)g_rand_int_range(w->rand, 0, 10);
    int ret;

    count = MIN(count, w->model.sectors - first);
    if (kind >= 8)
        value = 0;
    memset(buffer, value, count * SECTOR);
    for (u64 i = 0; i < count; i++)
        allow(&w->model, first + i, value);
    ret = kind < 8 ? block_write_buffer(w->disk, first * SECTOR, buffer, count * SECTOR)
                   : block_write_zeroes(w->disk, first * SECTOR, count * SECTOR, kind == 8 ? BLOCK_MAY_UNMAP : 0);
    g_assert_cmpint(ret, ==, 0);
}

static void flush_disk(struct world *w)
{
    g_assert_cmpint(block_flush(w->disk), ==, 0);
    model_flush(&w->model);
}

static void scribble(struct world *w, unsigned writes)
{
    for (unsigned i = 0; i < writes; i++) {
        write_some(w);
        if (g_rand_int_range(w->rand, 0, 6) == 0)
            flush_disk(w);
    }
}

static void work_allocate(struct world *w)
{
    w->leaks_only = true;
    scribble(w, 60);
}

static void take_snapshot(struct world *w, unsigned i)
{
    struct saved *s = &w->snapshots[i];
    GError *error = NULL;

    g_snprintf(s->name, sizeof(s->name), "s%u", i);
    s->sectors = w->model.sectors;
    memcpy(s->content, w->model.now, sizeof(s->content));
    qcow2_snapshot_create(w->disk, s->name, 1, 2, &error);
    g_assert_no_error(error);
    s->certain = true;
    model_flush(&w->model); /* it syncs first */
}

static void apply_snapshot(struct world *w, unsigned i)
{
    GError *error = NULL;

    w->applying = &w->snapshots[i];
    qcow2_snapshot_apply(w->disk, w->snapshots[i].name, &error);
    g_assert_no_error(error);
    w->applying = NULL;
    w->model.sectors = w->snapshots[i].sectors;
    memcpy(w->model.now, w->snapshots[i].content, sizeof(w->model.now));
    model_flush(&w->model);
}

static void work_snapshots(struct world *w)
{
    GError *error = NULL;

    scribble(w, 10);
    take_snapshot(w, 0);
    scribble(w, 10);
    take_snapshot(w, 1);
    scribble(w, 10);
    apply_snapshot(w, 0);
    scribble(w, 10);
    w->snapshots[1].certain = false;
    qcow2_snapshot_delete(w->disk, "s1", &error);
    g_assert_no_error(error);
    scribble(w, 10);
}

static void resize(struct world *w, u64 sectors)
{
    GError *error = NULL;

    w->model.old_sectors = w->model.sectors;
    w->model.sectors = sectors;
    /* What a smaller disk loses, and zeros in a larger one. */
    for (u64 i = MIN(sectors, w->model.old_sectors); i < MAX_SECTORS; i++)
        allow(&w->model, i, 0);
    block_truncate(w->disk, sectors * SECTOR, BLOCK_PREALLOC_OFF, &error);
    g_assert_no_error(error);
    model_flush(&w->model);
}

static void work_resize(struct world *w)
{
    w->leaks_only = true;
    resize(w, 1024);
    scribble(w, 15);
    resize(w, MAX_SECTORS); /* a larger L1 table */
    scribble(w, 15);
    resize(w, 700);
    scribble(w, 15);
    resize(w, 2000);
    scribble(w, 10);
}

static void work_commit(struct world *w)
{
    GError *error = NULL;
    struct block_node *base = block_backing(w->disk);

    w->leaks_only = true;
    scribble(w, 40);
    flush_disk(w);
    g_assert_cmpint(block_commit(w->disk, base, NULL, NULL), ==, 0);
    qcow2_make_empty(w->disk, &error);
    g_assert_no_error(error);
    scribble(w, 10);
}

static void set_width(struct world *w, u32 bits)
{
    GError *error = NULL;

    qcow2_set_refcount_bits(w->disk, bits, &error);
    g_assert_no_error(error);
    scribble(w, 6);
}

static void work_amend(struct world *w)
{
    GError *error = NULL;

    scribble(w, 20);
    take_snapshot(w, 0);
    w->leaks_only = true;
    scribble(w, 10);
    set_width(w, 64);
    set_width(w, 2);
    set_width(w, 16);
    flush_disk(w);
    qcow2_downgrade(w->disk, &error);
    g_assert_no_error(error);
    scribble(w, 10);
    qcow2_amend(w->disk, 3, -1, &error);
    g_assert_no_error(error);
    set_width(w, 8);
}

/* One change of a bitmap at random. */
static void change_bitmaps(struct world *w)
{
    unsigned i = (unsigned)g_rand_int_range(w->rand, 0, MAX_BITMAPS), k = (unsigned)g_rand_int_range(w->rand, 0, MAX_BITMAPS);
    g_autofree char *name = g_strdup_printf("b%u", i), *other = g_strdup_printf("b%u", k);
    struct marks *m = &w->changed[i];
    GError *error = NULL;

    memcpy(w->changed, w->bitmaps, sizeof(w->changed));
    if (!m->exists) {
        *m = (struct marks){ .exists = true, .enabled = g_rand_boolean(w->rand) };
        qcow2_bitmap_add(w->disk, name, GRANULARITY, m->enabled, &error);
    } else if (g_rand_int_range(w->rand, 0, 4) == 0) {
        m->exists = false;
        qcow2_bitmap_remove(w->disk, name, &error);
    } else if (g_rand_int_range(w->rand, 0, 4) == 0) {
        m->set = 0;
        qcow2_bitmap_clear(w->disk, name, &error);
    } else if (w->bitmaps[k].exists && g_rand_boolean(w->rand)) {
        m->set |= w->bitmaps[k].set;
        qcow2_bitmap_merge(w->disk, name, w->disk, other, &error);
    } else {
        m->enabled = !m->enabled;
        qcow2_bitmap_enable(w->disk, name, m->enabled, &error);
    }
    g_assert_no_error(error);
    memcpy(w->bitmaps, w->changed, sizeof(w->bitmaps));
}

static bool has_bitmaps(const struct world *w)
{
    for (unsigned i = 0; i < MAX_BITMAPS; i++)
        if (w->bitmaps[i].exists)
            return true;
    return false;
}

/* Something for merging to find, put there without a failure: writes between changes are the business of other workloads. */
static void fill_bitmap(struct world *w)
{
    struct memory *m = memory_of(w->file);
    void (*hook)(void *opaque) = m->hook;
    struct qcow2_bitmap_info *list;
    unsigned count;

    m->hook = NULL;
    block_unref(w->disk);
    w->disk = open_qcow2(w->graph, "file", NULL, true, NULL);
    scribble(w, 4);
    flush_disk(w);
    block_unref(w->disk);
    w->disk = open_qcow2(w->graph, "file", NULL, true, NULL);
    m->hook = hook;
    list = qcow2_bitmaps(w->disk, &count);

    for (unsigned i = 0; i < count; i++) {
        w->bitmaps[list[i].name[1] - '0'] = read_marks(w->disk, &list[i]);
        g_free(list[i].name);
    }
    g_free(list);
    memcpy(w->changed, w->bitmaps, sizeof(w->changed));
}

static void work_bitmaps(struct world *w)
{
    static const char name[] = "/a/file/with/a/name/that/is/a/bit/long.qcow2";
    struct qcow2_extension other = { .type = 0x6f746865, .size = 472 }; /* has the bitmaps' one stand in two sectors */

    w->leaks_only = true;
    scribble(w, 5);
    flush_disk(w);
    if (g_rand_boolean(w->rand) && qcow2_of(w->disk)->cluster_size > 2048) {
        w->two_sectors = true;
        other.data = g_malloc0(other.size);
        g_array_append_val(qcow2_of(w->disk)->extensions, other);
    }
    /* A name behind the extensions, which are about to grow. */
    qcow2_set_backing(w->disk, name, "qcow2", NULL);
    w->backing_name = name;
    for (unsigned i = 0; i < 30; i++) {
        change_bitmaps(w);
        if (i % 8 == 7 && has_bitmaps(w))
            fill_bitmap(w);
    }
}

/* --- running them --- */

struct setup {
    const char *name;
    void (*work)(struct world *w);
    u64 sectors, cluster;
    bool lazy, backing;
};

struct run {
    const struct setup *setup;
    struct block_loop *loop;
    u32 seed;
    unsigned every;
    bool drop;
    unsigned crashes, bad;
    const char *why;
};

static void start_recording(struct world *w, struct block_node *file, bool drop)
{
    struct memory *m = memory_of(file);

    m->hook = maybe_crash;
    m->opaque = w;
    m->drop_flushes = drop;
}

static void run_fiber(void *opaque)
{
    struct run *r = opaque;
    struct world *w = g_new0(struct world, 1);
    struct block_node *base = NULL;

    w->graph = block_graph_create(r->loop);
    w->rand = g_rand_new_with_seed(r->seed);
    w->lazy = r->setup->lazy;
    w->every = r->every;
    w->model.sectors = w->model.old_sectors = r->setup->sectors;
    if (r->setup->backing) {
        block_graph_set_committing(w->graph, true);
        w->base = memory_create(w->graph, "base-file", NULL, 0);
        make_image(w, w->base, r->setup->sectors * SECTOR, r->setup->cluster);
        base = open_qcow2(w->graph, "base-file", NULL, true, NULL);
    }
    w->file = memory_create(w->graph, "file", NULL, 0);
    make_image(w, w->file, r->setup->sectors * SECTOR, r->setup->cluster);
    w->disk = open_qcow2(w->graph, "file", base ? block_name(base) : NULL, true, NULL);
    g_assert_nonnull(w->disk);
    start_recording(w, w->file, r->drop);
    if (w->base)
        start_recording(w, w->base, r->drop);
    r->setup->work(w);
    flush_disk(w);
    block_unref(w->disk);
    block_unref(base);
    crash(w);
    r->crashes += w->crashes;
    r->bad += w->bad;
    r->why = r->why ? r->why : w->why;
    memory_of(w->file)->hook = NULL;
    block_unref(w->file);
    if (w->base)
        memory_of(w->base)->hook = NULL;
    block_unref(w->base);
    g_rand_free(w->rand);
    block_graph_destroy(w->graph);
    g_free(w);
}

static const struct setup setups[] = {
    { "allocation", work_allocate, 3000, 4096, false, false },
    { "allocation, small clusters", work_allocate, 1500, 512, false, false },
    { "allocation, lazy counts", work_allocate, 3000, 4096, true, false },
    { "allocation over a backing file", work_allocate, 2000, 16384, false, true },
    { "snapshots", work_snapshots, 2000, 4096, false, false },
    { "snapshots, small clusters", work_snapshots, 1000, 512, false, false },
    { "resize", work_resize, 600, 512, false, false },
    { "resize, larger clusters", work_resize, 1000, 4096, false, false },
    { "commit", work_commit, 1500, 4096, false, true },
    { "amend", work_amend, 2000, 4096, false, false },
    { "amend, small clusters", work_amend, 2000, 512, false, false },
    { "bitmaps", work_bitmaps, 4000, 4096, false, false },
    { "bitmaps, small clusters", work_bitmaps, 4000, 1024, false, false },
    { "bitmaps, lazy counts", work_bitmaps, 4000, 65536, true, false },
};

static unsigned rounds(void)
{
    const char *text = getenv("MYNAH_CRASH_ROUNDS");

    return text ? (unsigned)atoi(text) : 3;
}

static void test_setup(gconstpointer data)
{
    struct run r = { .setup = data, .every = 6 };
    g_autoptr(GError) error = NULL;

    r.loop = block_loop_create(&error);
    g_assert_no_error(error);
    for (r.seed = 1; r.seed <= rounds(); r.seed++) {
        block_loop_call(r.loop, run_fiber, &r);
        if (r.bad)
            g_error("%s, seed %u: an image after a power failure %s", r.setup->name, r.seed, r.why);
    }
    g_test_message("%u power failures", r.crashes);
    block_loop_destroy(r.loop);
}

/* The planted bug: no flush reaches the disk. */
static void test_planted(gconstpointer data)
{
    struct run r = { .setup = data, .every = 6, .drop = true };

    r.loop = block_loop_create(NULL);
    for (r.seed = 1; r.seed <= 10 && !r.bad; r.seed++)
        block_loop_call(r.loop, run_fiber, &r);
    g_assert_cmpuint(r.bad, >, 0);
    block_loop_destroy(r.loop);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < ARRAY_SIZE(setups); i++) {
        g_autofree char *name = g_strdup_printf("/crash/%s", setups[i].name), *planted = g_strdup_printf("/planted/%s", setups[i].name);

        g_test_add_data_func(name, &setups[i], test_setup);
        g_test_add_data_func(planted, &setups[i], test_planted);
    }
    return g_test_run();
}
