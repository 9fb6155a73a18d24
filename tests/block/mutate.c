/*
 * tests/block/mutate.c - damaged and hostile images: a small qcow2 image with snapshots, bitmaps, compression and holes is changed at
 * random, mostly where its metadata lies. What mynah-img's info, check, check -r, convert and snapshot do with it, and what a guest does,
 * gives an error or an answer, in bounded time and memory. So do images without a format that are probed, and those of flash chips
 * (tests/device). MYNAH_CASES says how many, MYNAH_SEED where to begin.
 */
#include "block/qcow2/bitmap.h"
#include "block/qcow2/image.h"
#include "host/clock.h"
#include "tests/block/memory.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { DISK = 1 << 20 };

static u64 from_environment(const char *name, u64 otherwise)
{
    const char *text = getenv(name);

    return text ? g_ascii_strtoull(text, NULL, 10) : otherwise;
}

/* A bitmap of one cluster, as the specification lays it out: directory, table, bits. */
static void add_bitmap(struct block_node *node, u32 flags, GRand *rand)
{
    struct qcow2 *s = qcow2_of(node);
    struct qcow2_extension extension = { .type = EXT_BITMAPS, .size = 24, .data = g_malloc0(24) };
    g_autofree u8 *cluster = g_malloc0(s->cluster_size);
    u64 at[3];

    for (unsigned i = 0; i < 3; i++) {
        g_assert_cmpint(qcow2_alloc_run(s, 1, &at[i]), ==, 0);
        block_write_buffer(s->file, at[i], cluster, s->cluster_size);
    }
    put_be64(cluster, at[1]);
    put_be32(cluster + ENTRY_TABLE_SIZE, 1);
    put_be32(cluster + ENTRY_FLAGS, flags);
    cluster[ENTRY_TYPE] = BITMAP_TYPE_DIRTY;
    cluster[ENTRY_GRANULARITY] = (u8)g_rand_int_range(rand, 12, 17);
    bits_store_be(cluster + ENTRY_NAME, 2, 2);
    memcpy(cluster + ENTRY_HEAD, "b0", 2);
    block_write_buffer(s->file, at[0], cluster, 32);
    put_be64(cluster, at[2]);
    block_write_buffer(s->file, at[1], cluster, 8);
    put_be32(extension.data, 1);
    put_be64(extension.data + 8, 32);
    put_be64(extension.data + 16, at[0]);
    g_array_append_val(s->extensions, extension);
    s->autoclear |= AUTOCLEAR_BITMAPS;
    g_assert_cmpint(qcow2_write_header(s), ==, 0);
}

static GByteArray *make_image(struct block_graph *graph, GRand *rand)
{
    struct qcow2_create create = { .size = DISK, .version = (u32)g_rand_int_range(rand, 2, 4), .refcount_bits = 16 };
    struct block_node *file = memory_create(graph, "seed", NULL, 0), *node;
    GByteArray *out = g_byte_array_new();
    u8 buffer[8192];
    struct iovec iov;

    create.cluster_size = 512u << g_rand_int_range(rand, 0, 6);
    if (create.version == 3) {
        create.refcount_bits = 1u << g_rand_int_range(rand, 3, 7);
        create.zstd = g_rand_boolean(rand);
        create.lazy_refcounts = g_rand_boolean(rand);
        create.extended_l2 = create.cluster_size >= 16384 && g_rand_boolean(rand);
    }
    g_assert_true(qcow2_create(file, &create, NULL));
    node = open_qcow2(graph, "seed", NULL, true, NULL);
    for (unsigned i = 0; i < 12; i++) {
        u64 offset = (u64)g_rand_int_range(rand, 0, DISK / 8192) * 8192;

        memset(buffer, (int)i + 1, sizeof(buffer));
        if (i % 4 == 3)
            block_write(node, offset / create.cluster_size * create.cluster_size,
                        block_data_one(&iov, buffer, MIN(create.cluster_size, sizeof(buffer))), create.cluster_size <= sizeof(buffer) ? BLOCK_COMPRESSED : 0);
        else if (i % 4 == 2)
            block_write_zeroes(node, offset, 8192, BLOCK_MAY_UNMAP);
        else
            block_write_buffer(node, offset, buffer, sizeof(buffer));
        if (i == 5 || i == 8)
            qcow2_snapshot_create(node, i == 5 ? "one" : "two", 1, 1, NULL);
    }
    if (create.version == 3 && create.cluster_size >= 1024)
        add_bitmap(node, BITMAP_AUTO, rand);
    block_unref(node);
    g_byte_array_append(out, memory_of(file)->now->data, memory_of(file)->now->len);
    block_unref(file);
    return out;
}

static u64 interesting(GRand *rand)
{
    static const u64 values[] = { 0, 1, 2, 0x7f, 0xff, 0x200, 0x1000, 0x10000, 0xffff, 0x7fffffff, 0xffffffff, 0x8000000000000000, 0x4000000000000000,
                                  0x00fffffffffffe00, 0x7fffffffffffffff, 0xffffffffffffffff, 0x8000000000010000, 0x100000000000 };

    return values[g_rand_int_range(rand, 0, ARRAY_SIZE(values))];
}

static void mutate(GByteArray *image, GRand *rand)
{
    unsigned changes = (unsigned)g_rand_int_range(rand, 1, 6);

    if (g_rand_int_range(rand, 0, 20) == 0)
        g_byte_array_set_size(image, (guint)g_rand_int_range(rand, 0, (gint)image->len));
    for (unsigned i = 0; i < changes && image->len > 16; i++) {
        /* The header half of the time; else any eight bytes, which are often zero in an image and so a table's. */
        u64 limit = g_rand_boolean(rand) ? MIN(image->len - 8, 112) : image->len - 8, at = (u64)g_rand_int_range(rand, 0, (gint)limit);
        at = g_rand_int_range(rand, 0, 4) ? at & ~UINT64_C(3) : at;
        switch (g_rand_int_range(rand, 0, 4)) {
        case 0:
            image->data[at] ^= (u8)(1 << g_rand_int_range(rand, 0, 8));
            break;
        case 1: {
            u64 value = GUINT64_TO_BE(interesting(rand));

            memcpy(image->data + at, &value, 8);
            break;
        }
        case 2: {
            u32 value = GUINT32_TO_BE((u32)interesting(rand));

            memcpy(image->data + at, &value, 4);
            break;
        }
        default: { /* an entry from elsewhere */
            u64 from = (u64)g_rand_int_range(rand, 0, (gint)(image->len - 8)) & ~UINT64_C(7);

            memmove(image->data + (at & ~UINT64_C(7)), image->data + from, 8);
        }
        }
    }
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

    for (unsigned i = 0; i < bitmaps; i++)
        g_free(list[i].name);
    g_free(list);
    block_unref(node);
}

/* As convert: what is there, read and written to a fresh image. */
static void convert(struct block_graph *graph, const char *format)
{
    struct qcow2_create create = { .size = DISK, .version = 3, .refcount_bits = 16, .cluster_size = 4096 };
    struct block_node *file = memory_create(graph, "target", NULL, 0), *to, *from;
    g_autofree u8 *buffer = g_malloc(64 << 10);
    struct block_status status;

    g_assert_true(qcow2_create(file, &create, NULL));
    to = open_qcow2(graph, "target", NULL, true, NULL);
    from = format ? open_raw(graph, "victim") : open_qcow2(graph, "victim", NULL, false, NULL);
    for (u64 at = 0; from && at < MIN(block_size(from), DISK); at += status.size) {
        if (block_status_above(from, NULL, at, MIN(DISK - at, 64 << 10), &status, NULL) < 0)
            break;
        if (status.flags & BLOCK_ZERO)
            block_write_zeroes(to, at, status.size, BLOCK_MAY_UNMAP);
        else if (block_read_buffer(from, at, buffer, status.size) == 0)
            block_write_buffer(to, at, buffer, status.size);
    }
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
    u64 seed, count, slowest_seed;
    s64 slowest;
};

static void run(void *opaque)
{
    struct cases *c = opaque;

    for (u64 seed = c->seed; seed < c->seed + c->count; seed++) {
        struct block_graph *graph = block_graph_create(c->loop);
        GRand *rand = g_rand_new_with_seed((u32)seed);
        GByteArray *image = make_image(graph, rand);
        s64 start = host_clock_thread_cpu();

        mutate(image, rand);
        for (unsigned way = 0; way < 6; way++) {
            struct block_node *file = memory_create(graph, "victim", image->data, image->len);

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
    g_test_message("slowest: seed %" G_GUINT64_FORMAT ", %.1f ms; most memory: %ld MiB", c.slowest_seed, (double)c.slowest / 1e6, usage.ru_maxrss / 1024);
    /* No case takes more than seconds, even under sanitizers; and none allocates what only its header claims. */
    g_assert_cmpint(c.slowest, <, 10 * (s64)1000000000);
    g_assert_cmpint(usage.ru_maxrss, <, 600 * 1024);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/images/mutated", test_mutated);
    return g_test_run();
}
