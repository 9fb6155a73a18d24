/*
 * tests/block/crash.c - what a power failure may leave of a qcow2 image. A workload runs on a node that records writes and
 * flushes. At many instants an image is made of what is stable and of some of the rest, sectors in any order. Each is opened:
 * whatever the guest had flushed is there, and what is wrong can be mended (crash_check.c). With flushes dropped the same test has to fail.
 */
#include "tests/block/crash.h"
#include "block/copy.h"
#include "block/qcow2/bitmap.h"
#include "tests/block/memory.h"
#include <stdlib.h>
#include <string.h>

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
        crash_allow(&w->model, first + i, value);
    ret = kind < 8 ? block_write_buffer(w->disk, first * SECTOR, buffer, count * SECTOR)
                   : block_write_zeroes(w->disk, first * SECTOR, count * SECTOR, kind == 8 ? BLOCK_MAY_UNMAP : 0);
    g_assert_cmpint(ret, ==, 0);
}

static void flush_disk(struct world *w)
{
    g_assert_cmpint(block_flush(w->disk), ==, 0);
    crash_flush(&w->model);
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
    crash_flush(&w->model); /* it syncs first */
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
    crash_flush(&w->model);
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
        crash_allow(&w->model, i, 0);
    block_truncate(w->disk, sectors * SECTOR, BLOCK_PREALLOC_OFF, &error);
    g_assert_no_error(error);
    crash_flush(&w->model);
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

/* Going back to a snapshot of a disk of another size: table and size change together. */
static void work_sizes(struct world *w)
{
    scribble(w, 10);
    take_snapshot(w, 0);
    resize(w, MAX_SECTORS);
    scribble(w, 10);
    take_snapshot(w, 1);
    apply_snapshot(w, 0);
    scribble(w, 5);
    apply_snapshot(w, 1);
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
        w->bitmaps[list[i].name[1] - '0'] = crash_marks(w->disk, &list[i]);
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

    m->hook = crash_maybe;
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
    crash_now(w);
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
    { "snapshots of other sizes", work_sizes, 700, 512, false, false },
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
