/*
 * tests/block/mutate.c - damaged and hostile images: a small qcow2 image with snapshots, bitmaps, compression and holes is changed at
 * random, mostly where its metadata lies. What mynah-img's info, check, check -r, convert, bitmap, amend and snapshot do with it, and what a guest does,
 * gives an error or an answer, in bounded time and memory. So do images without a format that are probed; those of flash chips are
 * tests/device/flash_images.c. MYNAH_CASES says how many, MYNAH_SEED where to begin.
 */
#include "block/qcow2/bitmap.h"
#include "block/qcow2/image.h"
#include "host/clock.h"
#include "tests/block/damage.h"
#include "tests/block/heap.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

/* Beyond the caches of tables, which grow to 2 MiB or so for such disks. */
enum { HEAP_LIMIT = 64 << 20 };

static u64 from_environment(const char *name, u64 otherwise)
{
    const char *text = getenv(name);

    return text ? g_ascii_strtoull(text, NULL, 10) : otherwise;
}

static void use(struct block_graph *graph, bool write, GRand *rand)
{
    struct block_node *node = open_qcow2(graph, "victim", NULL, write, NULL);
    u8 buffer[4096];
    u64 size;

    if (!node)
        return;
    size = MIN(block_size(node), 4 * MIB);
    for (u64 at = 0; at < size; at += 16384) {
        struct block_status status;

        block_read_buffer(node, at, buffer, sizeof(buffer));
        block_status(node, at, size - at, &status);
    }
    for (unsigned i = 0; write && i < 8 && size > 8192; i++) {
        u64 at = (u64)g_rand_int_range(rand, 0, (gint)(size - 8192));

        memset(buffer, 0x77, sizeof(buffer));
        block_write_buffer(node, at, buffer, sizeof(buffer));
        if (i == 3)
            block_discard(node, at & ~UINT64_C(65535), 65536);
        if (i == 4)
            block_write_zeroes(node, at, 8192, BLOCK_MAY_UNMAP);
    }
    if (write) {
        block_flush(node);
        qcow2_snapshot_create(node, "three", 1, 1, NULL);
        qcow2_snapshot_apply(node, "one", NULL);
        qcow2_snapshot_delete(node, "two", NULL);
        block_truncate(node, MIN(block_size(node) + MIB, 1ull << 40) & ~UINT64_C(511), BLOCK_PREALLOC_OFF, NULL);
    }
    block_unref(node);
}

static void say_nothing(struct qcow2_bitmap_info *list, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        g_free(list[i].name);
    g_free(list);
}

/* All that can be done with bitmaps, by those that are there and some that are not; then other widths and version 2. */
static void change_bitmaps(struct block_graph *graph, GRand *rand)
{
    struct block_node *node = open_qcow2(graph, "victim", NULL, true, NULL);
    struct qcow2_bitmap_info *list;
    unsigned count;

    if (!node)
        return;
    list = qcow2_bitmaps(node, &count);
    qcow2_bitmap_add(node, "sum", 1u << g_rand_int_range(rand, 9, 17), true, NULL);
    for (unsigned i = 0; i < MIN(count, 8); i++) {
        qcow2_bitmap_merge(node, "sum", node, list[i].name, NULL);
        qcow2_bitmap_merge(node, list[i].name, node, "sum", NULL);
        qcow2_bitmap_enable(node, list[i].name, g_rand_boolean(rand), NULL);
    }
    block_write_zeroes(node, 0, MIN(block_size(node), 65536), 0);
    for (unsigned i = 0; i < MIN(count, 8); i++) {
        qcow2_bitmap_clear(node, list[i].name, NULL);
        qcow2_bitmap_remove(node, list[i].name, NULL);
    }
    if (g_rand_boolean(rand))
        qcow2_bitmap_remove_all(node, NULL);
    say_nothing(list, count);
    qcow2_set_refcount_bits(node, 1u << g_rand_int_range(rand, 0, 7), NULL);
    qcow2_set_refcount_bits(node, 16, NULL);
    qcow2_downgrade(node, NULL);
    block_unref(node);
}

static void check(struct block_graph *graph, unsigned fix)
{
    struct qcow2_check check = { .fix = fix };
    struct block_node *node;
    unsigned bitmaps;

    block_graph_set_checking(graph, true);
    node = open_qcow2(graph, "victim", NULL, fix != 0, NULL);
    block_graph_set_checking(graph, false);
    if (!node)
        return;
    qcow2_check(node, &check);
    struct qcow2_bitmap_info *list = qcow2_bitmaps(node, &bitmaps);

    say_nothing(list, bitmaps);
    block_unref(node);
}

/* As convert: what is there, read and written to a fresh image. */
static void convert(struct block_graph *graph, const char *format)
{
    struct qcow2_create create = { .size = DAMAGE_DISK, .version = 3, .refcount_bits = 16, .cluster_size = 4096 };
    struct block_node *file = memory_create_plain(graph, "target", NULL, 0), *to, *from;
    g_autofree u8 *buffer = g_malloc(64 << 10);
    struct block_status status;

    g_assert_true(qcow2_create(file, &create, NULL));
    to = open_qcow2(graph, "target", NULL, true, NULL);
    from = format ? open_raw(graph, "victim") : open_qcow2(graph, "victim", NULL, false, NULL);
    for (u64 at = 0; from && at < MIN(block_size(from), DAMAGE_DISK); at += status.size) {
        if (block_status_above(from, NULL, at, MIN(DAMAGE_DISK - at, 64 << 10), &status, NULL) < 0)
            break;
        if (status.flags & BLOCK_ZERO)
            block_write_zeroes(to, at, status.size, BLOCK_MAY_UNMAP);
        else if (block_read_buffer(from, at, buffer, status.size) == 0)
            block_write_buffer(to, at, buffer, status.size);
    }
    if (from && !format && qcow2_bitmap_add(to, "copy", 0, true, NULL))
        qcow2_bitmap_merge(to, "copy", from, "b0", NULL);
    block_unref(from);
    block_unref(to);
    block_unref(file);
}

/* Bytes without a format: what they look like, and converted as they are. */
static void probe(struct block_graph *graph)
{
    struct block_node *node = block_graph_find(graph, "victim");

    g_assert_nonnull(block_probe(node));
    convert(graph, "raw");
}

struct cases {
    struct block_loop *loop;
    u64 seed, count, slowest_seed, hungriest_seed;
    s64 slowest;
    size_t hungriest; /* bytes of heap that a case had at once */
};

static void run(void *opaque)
{
    struct cases *c = opaque;

    for (u64 seed = c->seed; seed < c->seed + c->count; seed++) {
        struct block_graph *graph = block_graph_create(c->loop);
        GRand *rand = g_rand_new_with_seed((u32)seed);
        GByteArray *image = damage_image_create(graph, rand);
        s64 start = host_clock_thread_cpu();
        size_t before = heap_mark();

        damage_image(image, rand);
        for (unsigned way = 0; way < 7; way++) {
            struct block_node *file = memory_create_plain(graph, "victim", image->data, image->len);

            switch (way) {
            case 0:
            case 3:
                use(graph, way == 3, rand);
                break;
            case 1:
            case 2:
                check(graph, way == 2 ? QCOW2_FIX_ALL : 0);
                break;
            case 4:
                convert(graph, NULL);
                break;
            case 5:
                change_bitmaps(graph, rand);
                break;
            default:
                probe(graph);
            }
            block_unref(file);
        }
        start = host_clock_thread_cpu() - start;
        if (start > c->slowest) {
            c->slowest = start;
            c->slowest_seed = seed;
        }
        before = heap_peak() - before;
        if (before > c->hungriest) {
            c->hungriest = before;
            c->hungriest_seed = seed;
        }
        g_byte_array_unref(image);
        g_rand_free(rand);
        block_graph_destroy(graph);
    }
}

static void quiet(const gchar *text)
{
}

static void test_mutated(void)
{
    struct cases c = { .seed = from_environment("MYNAH_SEED", 1), .count = from_environment("MYNAH_CASES", 400) };
    struct rusage usage;

    g_set_printerr_handler(quiet); /* hundreds of "Image is corrupt" */
    c.loop = block_loop_create(NULL);
    block_loop_call(c.loop, run, &c);
    block_loop_destroy(c.loop);
    getrusage(RUSAGE_SELF, &usage);
    g_test_message("slowest: seed %" G_GUINT64_FORMAT ", %.1f ms; most heap: seed %" G_GUINT64_FORMAT ", %zu KiB; most memory: %ld MiB", c.slowest_seed,
                   (double)c.slowest / 1e6, c.hungriest_seed, c.hungriest / 1024, usage.ru_maxrss / 1024);
    /* No case takes more than seconds, even under sanitizers; and none allocates what only its header claims. */
    g_assert_cmpint(c.slowest, <, 10 * (s64)1000000000);
    g_assert_cmpuint(c.hungriest, <, HEAP_LIMIT); /* counted where sanitizers are */
    g_assert_cmpint(usage.ru_maxrss, <, 600 * 1024);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/images/mutated", test_mutated);
    return g_test_run();
}
