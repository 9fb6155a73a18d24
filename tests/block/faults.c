/*
 * tests/block/faults.c - qcow2 images where something goes wrong at one certain moment: a write for which there is no room, a cluster that moves while it
 * is read, a file that grows while it is looked at; and what an image claims that is too large to be true.
 */
#include "block/qcow2/image.h"
#include "block/qcow2/qcow2.h"
#include "host/file.h"
#include "tests/block/memory.h"
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct desk {
    struct block_loop *loop;
    struct block_graph *graph;
    void (*test)(struct desk *desk);
};

static void run_fiber(void *opaque)
{
    struct desk *desk = opaque;

    desk->graph = block_graph_create(desk->loop);
    desk->test(desk);
    block_graph_destroy(desk->graph);
}

static void run(gconstpointer test)
{
    struct desk desk = { .loop = block_loop_create(NULL), .test = test };

    block_loop_call(desk.loop, run_fiber, &desk);
    block_loop_destroy(desk.loop);
}

static struct block_node *make_file(struct desk *desk, u64 size, u64 cluster, u32 refcount_bits)
{
    struct qcow2_create create = { .size = size, .version = 3, .cluster_size = cluster, .refcount_bits = refcount_bits };
    struct block_node *file = memory_create_plain(desk->graph, "file", NULL, 0);
    GError *error = NULL;

    qcow2_create(file, &create, &error);
    g_assert_no_error(error);
    return file;
}

static struct block_node *open_disk(struct desk *desk)
{
    GError *error = NULL;
    struct block_node *disk = open_qcow2(desk->graph, "file", NULL, true, &error);

    g_assert_no_error(error);
    return disk;
}

static int fill(struct block_node *disk, u64 offset, u64 size, u8 value)
{
    g_autofree u8 *buffer = g_malloc(size);

    memset(buffer, value, size);
    return block_write_buffer(disk, offset, buffer, size);
}

static void assert_filled(struct block_node *disk, u64 offset, u64 size, u8 value)
{
    g_autofree u8 *buffer = g_malloc(size);

    g_assert_cmpint(block_read_buffer(disk, offset, buffer, size), ==, 0);
    for (u64 i = 0; i < size; i++)
        g_assert_cmpuint(buffer[i], ==, value);
}

/* ---- No room ---- */

enum { STEP = 16384, GROWING = 4 };

static u64 clusters_of_reftable(struct block_node *disk)
{
    return qcow2_of(disk)->reftable_clusters;
}

/* Writes until the table of reference counts grows; *before: how much there was one step earlier. */
static GByteArray *image_before_growth(struct desk *desk, u64 *before)
{
    struct block_node *file = make_file(desk, 16 * MIB, 512, 64), *disk = open_disk(desk);
    u64 at = 0, clusters = clusters_of_reftable(disk);
    GByteArray *image = NULL;

    for (; clusters_of_reftable(disk) == clusters; at += STEP) {
        g_assert_cmpint(block_flush(disk), ==, 0);
        g_clear_pointer(&image, g_byte_array_unref);
        image = g_byte_array_append(g_byte_array_new(), memory_of(file)->now, (guint)memory_of(file)->size);
        *before = at;
        g_assert_cmpint(fill(disk, at, STEP, 1), ==, 0);
    }
    block_unref(disk);
    block_unref(file);
    return image;
}

/* The event of that number fails while the table grows. False: there were not so many. */
static bool grow_with_failure(struct desk *desk, const GByteArray *image, u64 before, u64 number, unsigned *corrupt)
{
    struct block_node *file = memory_create_plain(desk->graph, "file", image->data, image->len), *disk = open_disk(desk);
    struct qcow2_check check = { 0 };
    u64 good = 0, failed;

    memory_of(file)->fail_at = memory_of(file)->events + number;
    for (unsigned i = 0; i < GROWING; i++)
        good += fill(disk, before + i * STEP, STEP, 2) == 0 && good == i;
    if (block_flush(disk) < 0)
        good = 0;
    *corrupt += qcow2_of(disk)->corrupt;
    failed = memory_of(file)->fail_at <= memory_of(file)->events;
    block_unref(disk);
    block_graph_set_checking(desk->graph, true);
    disk = open_disk(desk);
    block_graph_set_checking(desk->graph, false);
    assert_filled(disk, 0, before, 1);
    assert_filled(disk, before, good * STEP, 2);
    g_assert_cmpint(qcow2_check(disk, &check), ==, 0);
    g_assert_cmpuint(check.corruptions, ==, 0);
    block_unref(disk);
    block_unref(file);
    return failed;
}

/* Whatever cannot be written while the table of reference counts grows: what was there stays, and the image goes on unless it is unknown which table counts. */
static void no_room_for_counts(struct desk *desk)
{
    u64 before = 0, number = 1;
    g_autoptr(GByteArray) image = image_before_growth(desk, &before);
    unsigned corrupt = 0;

    while (grow_with_failure(desk, image, before, number, &corrupt))
        number++;
    g_assert_cmpuint(number, >, 10);
    g_assert_cmpuint(corrupt, ==, 2); /* the write of the header, and the flush behind it */
}

/* ---- Snapshots, and a larger table, while something cannot be written ---- */

enum { DISK = 64 * 4096, PAST = 64 * MIB /* needs a larger L1 table with clusters of 4 KiB */ };

static bool take(struct block_node *disk)
{
    return qcow2_snapshot_create(disk, "two", 0, 0, NULL);
}

static bool go_back(struct block_node *disk)
{
    return qcow2_snapshot_apply(disk, "one", NULL);
}

static bool drop(struct block_node *disk)
{
    return qcow2_snapshot_delete(disk, "one", NULL);
}

static bool enlarge(struct block_node *disk)
{
    return block_truncate(disk, PAST, BLOCK_PREALLOC_OFF, NULL);
}

static bool widen(struct block_node *disk)
{
    return qcow2_set_refcount_bits(disk, 32, NULL);
}

static GByteArray *image_with_snapshot(struct desk *desk)
{
    struct block_node *file = make_file(desk, 2 * DISK, 4096, 16), *disk = open_disk(desk);
    GByteArray *image;

    g_assert_cmpint(fill(disk, 0, DISK, 1), ==, 0);
    g_assert_true(qcow2_snapshot_create(disk, "one", 0, 0, NULL));
    g_assert_cmpint(fill(disk, 0, DISK, 2), ==, 0);
    block_unref(disk);
    image = g_byte_array_append(g_byte_array_new(), memory_of(file)->now, (guint)memory_of(file)->size);
    block_unref(file);
    return image;
}

static void check_snapshots(struct desk *desk)
{
    struct qcow2_check check = { 0 };
    struct block_node *disk;

    block_graph_set_checking(desk->graph, true); /* it may have been marked as corrupt */
    disk = open_disk(desk);
    block_graph_set_checking(desk->graph, false);
    g_assert_cmpint(qcow2_check(disk, &check), ==, 0);
    g_assert_cmpuint(check.corruptions, ==, 0);
    block_unref(disk);
    disk = open_qcow2(desk->graph, "file", NULL, false, NULL);
    for (unsigned i = 0; i < qcow2_snapshot_count(disk); i++) {
        const char *name = qcow2_snapshot_info(disk, i).name;

        g_assert_true(qcow2_snapshot_load(disk, NULL, name, NULL));
        assert_filled(disk, 0, DISK, !strcmp(name, "one") ? 1 : 2);
    }
    block_unref(disk);
}

/* The event of that number fails, and the guest goes on. False: there were not so many. */
static bool act_with_failure(struct desk *desk, const GByteArray *image, bool (*act)(struct block_node *disk), u64 number)
{
    struct block_node *file = memory_create_plain(desk->graph, "file", image->data, image->len), *disk = open_disk(desk), *again;
    bool done, failed, written;

    memory_of(file)->fail_at = memory_of(file)->events + number;
    done = act(disk);
    failed = memory_of(file)->fail_at <= memory_of(file)->events;
    g_assert_true(failed || done);
    memory_of(file)->fail_at = 0;
    written = fill(disk, 0, 2 * DISK, 3) == 0 && block_flush(disk) == 0;
    g_assert_true(written || qcow2_of(disk)->corrupt);
    block_unref(disk);
    again = open_qcow2(desk->graph, "file", NULL, false, NULL);
    g_assert_nonnull(again);
    if (written)
        assert_filled(again, 0, 2 * DISK, 3);
    block_unref(again);
    check_snapshots(desk);
    block_unref(file);
    return failed;
}

/* Whatever cannot be written: what the guest writes afterwards is there when the image is opened again, and so is every snapshot. */
static void changes_happen_or_not(struct desk *desk)
{
    bool (*const acts[])(struct block_node *disk) = { take, go_back, drop, enlarge, widen };
    g_autoptr(GByteArray) image = image_with_snapshot(desk);

    for (unsigned i = 0; i < ARRAY_SIZE(acts); i++)
        for (u64 number = 1; act_with_failure(desk, image, acts[i], number); number++)
            ;
}

/* ---- What moves while it is read ---- */

enum { CLUSTER = 65536 };

struct reader {
    struct block_node *disk;
    struct block_queue released, done;
    bool armed, reader_done, writer_done;
    u8 head[16];
    int ret;
};

static void hold_read(void *opaque)
{
    struct reader *r = opaque;

    if (!r->armed)
        return;
    r->armed = false;
    block_queue_wait(&r->released, r->disk->loop);
}

static void reader(void *opaque)
{
    struct reader *r = opaque;

    r->ret = block_read_buffer(r->disk, 0, r->head, sizeof(r->head));
    r->reader_done = true;
    block_queue_wake_all(&r->done);
}

/* The cluster becomes a plain one, and other data gets its place. */
static void writer(void *opaque)
{
    struct reader *r = opaque;

    g_assert_cmpint(fill(r->disk, 4096, 512, 2), ==, 0);
    g_assert_cmpint(block_flush(r->disk), ==, 0);
    g_assert_cmpint(fill(r->disk, 8 * CLUSTER, CLUSTER, 3), ==, 0);
    r->writer_done = true;
    block_queue_wake_all(&r->done);
}

static void nothing(void *opaque)
{
}

static bool somebody_waits(struct block_node *disk)
{
    for (struct qcow2_op *op = qcow2_of(disk)->ops; op; op = op->next)
        if (!g_queue_is_empty(&op->waiting.waiting))
            return true;
    return false;
}

static void write_compressed(struct block_node *disk, u64 offset, u8 value)
{
    g_autofree u8 *cluster = g_malloc(CLUSTER);
    struct iovec iov;

    memset(cluster, value, CLUSTER);
    g_assert_cmpint(block_write(disk, offset, block_data_one(&iov, cluster, CLUSTER), BLOCK_COMPRESSED), ==, 0);
}

static void compressed_clusters_stay_while_they_are_read(struct desk *desk)
{
    struct block_node *file = make_file(desk, 4 * MIB, CLUSTER, 16);
    struct reader r = { .disk = open_disk(desk) };

    write_compressed(r.disk, 0, 1);
    g_assert_cmpint(block_flush(r.disk), ==, 0);
    r.armed = true;
    memory_of(file)->opaque = &r;
    memory_of(file)->reads = hold_read;
    block_loop_spawn(desk->loop, reader, &r);
    while (g_queue_is_empty(&r.released.waiting))
        block_loop_work(desk->loop, nothing, NULL);
    block_loop_spawn(desk->loop, writer, &r);
    while (!r.writer_done && !somebody_waits(r.disk))
        block_loop_work(desk->loop, nothing, NULL);
    block_queue_wake_all(&r.released);
    while (!r.reader_done || !r.writer_done)
        block_queue_wait(&r.done, desk->loop);
    memory_of(file)->reads = NULL;
    g_assert_cmpint(r.ret, ==, 0);
    g_assert_cmpuint(r.head[0], ==, 1);
    assert_filled(r.disk, 0, 4096, 1);
    assert_filled(r.disk, 4096, 512, 2);
    block_unref(r.disk);
    block_unref(file);
}

/* The cluster that was unpacked last is remembered, but not beyond its life. */
static void what_was_unpacked_is_forgotten(struct desk *desk)
{
    struct block_node *file = make_file(desk, 4 * MIB, CLUSTER, 16), *disk = open_disk(desk);
    GError *error = NULL;
    bool found = false;

    qcow2_snapshot_create(disk, "empty", 0, 0, &error);
    write_compressed(disk, 0, 1);
    assert_filled(disk, 0, 4096, 1);
    u64 entry = qcow2_of(disk)->unpacked_entry;

    qcow2_snapshot_apply(disk, "empty", &error);
    g_assert_no_error(error);
    g_assert_cmpint(block_write_zeroes(disk, 32 * CLUSTER, CLUSTER, 0), ==, 0); /* the table comes first */
    for (unsigned i = 0; i < 16 && !found; i++) {
        struct qcow2_map map;

        qcow2_of(disk)->free_byte = 0; /* each into a cluster of its own */
        write_compressed(disk, i * CLUSTER, 2);
        g_assert_cmpint(qcow2_map(qcow2_of(disk), i * CLUSTER, CLUSTER, &map), ==, 0);
        found = map.entry == entry;
        if (found)
            assert_filled(disk, i * CLUSTER, 4096, 2);
    }
    g_assert_true(found);
    block_unref(disk);
    block_unref(file);
}

/* ---- Flushes that need not reach the disk ---- */

static void an_unsafe_flush_hands_over(struct desk *desk)
{
    struct block_node *file = make_file(desk, MIB, 4096, 16), *disk = open_disk(desk), *copy;

    disk->no_flush = true;
    g_assert_cmpint(fill(disk, 0, 65536, 1), ==, 0);
    g_assert_cmpint(block_flush(disk), ==, 0);
    copy = memory_create_plain(desk->graph, "copy", memory_of(file)->now, memory_of(file)->size);
    block_unref(disk);
    block_unref(file);
    disk = open_qcow2(desk->graph, "copy", NULL, false, NULL);
    assert_filled(disk, 0, 65536, 1);
    block_unref(disk);
    block_unref(copy);
}

/* ---- Claims ---- */

enum { SNAPSHOTS = 64, TABLE = 16384 };

static void count_read(void *opaque)
{
    ++*(unsigned *)opaque;
}

/* Each snapshot claims a table of 32 MiB in a place of its own, behind the end of the file. */
static void claims_cost_nothing(struct desk *desk)
{
    struct block_node *file = make_file(desk, MIB, 512, 16), *disk;
    struct qcow2_check check = { 0 };
    unsigned reads = 0;
    u8 head[12], e[56] = { 0 };

    put_be32(head, SNAPSHOTS);
    put_be64(head + 4, TABLE);
    g_assert_cmpint(block_write_buffer(file, H_SNAPSHOTS, head, sizeof(head)), ==, 0);
    put_be32(e + 8, QCOW2_MAX_L1_BYTES / 8);
    put_be32(e + 36, 16);
    put_be64(e + 48, MIB);
    for (unsigned i = 0; i < SNAPSHOTS; i++) {
        put_be64(e, BIT64(32) * (i + 1));
        g_assert_cmpint(block_write_buffer(file, TABLE + i * sizeof(e), e, sizeof(e)), ==, 0);
    }
    memory_of(file)->opaque = &reads;
    memory_of(file)->reads = count_read;
    disk = open_qcow2(desk->graph, "file", NULL, false, NULL);
    memory_of(file)->reads = NULL;
    g_assert_nonnull(disk);
    g_assert_cmpuint(reads, <, SNAPSHOTS / 2);
    g_assert_cmpuint(qcow2_of(disk)->meta.used, <, 1000);
    g_assert_cmpint(qcow2_meta_find(qcow2_of(disk), BIT64(32) * SNAPSHOTS + QCOW2_MAX_L1_BYTES - 1), ==, META_OLD_L1);
    g_assert_cmpint(qcow2_meta_find(qcow2_of(disk), BIT64(32) * SNAPSHOTS + QCOW2_MAX_L1_BYTES), ==, META_NONE);
    g_assert_cmpint(qcow2_check(disk, &check), ==, 0);
    g_assert_cmpuint(check.corruptions, ==, SNAPSHOTS + SNAPSHOTS * sizeof(e) / 512); /* nobody has counted the list */
    block_unref(disk);
    block_unref(file);
}

/* So large that the number of entries of its table does not fit into 32 bits. */
static void a_snapshot_that_is_too_large_is_refused(struct desk *desk)
{
    struct block_node *file = make_file(desk, MIB, 512, 16), *disk = open_disk(desk);
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(fill(disk, 0, MIB, 1), ==, 0);
    g_assert_true(qcow2_snapshot_create(disk, "huge", 0, 0, NULL));
    qcow2_of(disk)->snapshots[0].disk_size = (BIT64(32) + 1) << 15;
    g_assert_false(qcow2_snapshot_apply(disk, "huge", &error));
    g_assert_cmpuint(block_size(disk), ==, MIB);
    assert_filled(disk, 0, MIB, 1);
    block_unref(disk);
    block_unref(file);
}

/* ---- A file that grows while it is looked at ---- */

static int racing_fd = -1;

int fstat(int fd, struct stat *st)
{
    int ret = fstatat(fd, "", st, AT_EMPTY_PATH);

    if (fd == racing_fd)
        g_assert_cmpint(pwrite(fd, "late", 4, 8192), ==, 4);
    return ret;
}

static void extending_never_cuts(struct desk *desk)
{
    g_autofree char *path = NULL;
    int fd = g_file_open_tmp("mynah-faults-XXXXXX", &path, NULL);
    struct stat st;

    racing_fd = fd;
    g_assert_cmpint(host_file_extend(fd, 4096), ==, 0);
    racing_fd = -1;
    g_assert_cmpint(fstat(fd, &st), ==, 0);
    g_assert_cmpint(st.st_size, ==, 8196);
    close(fd);
    g_unlink(path);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*test)(struct desk *desk);
    } tests[] = {
        { "/faults/no-room-for-counts", no_room_for_counts },
        { "/faults/changes-happen-or-not", changes_happen_or_not },
        { "/faults/compressed-clusters-stay-while-they-are-read", compressed_clusters_stay_while_they_are_read },
        { "/faults/what-was-unpacked-is-forgotten", what_was_unpacked_is_forgotten },
        { "/faults/an-unsafe-flush-hands-over", an_unsafe_flush_hands_over },
        { "/faults/claims-cost-nothing", claims_cost_nothing },
        { "/faults/a-snapshot-that-is-too-large-is-refused", a_snapshot_that_is_too_large_is_refused },
        { "/faults/extending-never-cuts", extending_never_cuts },
    };

    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < ARRAY_SIZE(tests); i++)
        g_test_add_data_func(tests[i].name, (gconstpointer)tests[i].test, run);
    return g_test_run();
}
