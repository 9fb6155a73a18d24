/*
 * tests/device/flash_images.c - a flash chip over damaged qcow2 images, and over their bytes as they are: a clear error or a chip that works,
 * in bounded time and memory. MYNAH_CASES says how many, MYNAH_SEED where to begin; tests/block/mutate.c is the same for disks.
 */
#include "base/bits.h"
#include "block/disk.h"
#include "block/node.h"
#include "block/loop.h"
#include "tests/block/damage.h"
#include "tests/block/heap.h"
#include "tests/device/bench.h"
#include "vm/internal.h"
#include "vm/machine.h"
#include <glib/gstdio.h>
#include <json-c/json.h>
#include <unistd.h>

enum { BASE = 0x20000000, SECTOR_SIZE = 65536, HEAP_LIMIT = 64 << 20 };
#define FLASH "num-blocks=16;sector-length=65536;width=4;device-width=2;name=flash;drive=d"

struct making {
    struct block_loop *loop;
    GRand *rand;
    GByteArray *image;
};

static void make(void *opaque)
{
    struct making *making = opaque;
    struct block_graph *graph = block_graph_create(making->loop);

    making->image = damage_image_create(graph, making->rand);
    damage_image(making->image, making->rand);
    block_graph_destroy(graph);
}

static void put(struct bench *bench, u64 offset, u32 value)
{
    bench_try_write(bench, BASE + offset, 4, value | value << 16);
}

/* Some programming and erasing, as firmware does that keeps variables; each is awaited, or has failed. */
static void use(struct bench *bench, GRand *rand)
{
    for (u32 i = 0; i < 6; i++) {
        u64 at = 4 * (u64)g_rand_int_range(rand, 0, DAMAGE_DISK / 4), status = 0;
        s64 end = g_get_monotonic_time() + 60 * G_USEC_PER_SEC;

        put(bench, at, i % 3 ? 0x40 : 0x20);
        put(bench, at, i % 3 ? 0x1234 : 0xd0);
        put(bench, at, 0x70);
        while (!(status & 0x80)) {
            g_assert_cmpint(g_get_monotonic_time(), <, end);
            g_main_context_iteration(vm_context(bench->vm), FALSE);
            bench_try_read(bench, BASE, 4, &status);
        }
        put(bench, at, 0x50);
        put(bench, at, 0xff);
        bench_try_read(bench, BASE + at, 4, &status);
    }
}

/* Whether a chip came of it. */
static bool try_image(struct bench *bench, const char *path, bool raw, GRand *rand)
{
    struct disk_set *disks = disk_set_create(vm_context(bench->vm), NULL);
    g_autofree char *text = g_strdup_printf("{\"driver\":\"%s\",\"node-name\":\"d\",\"file\":{\"driver\":\"file\",\"filename\":\"%s\"}}", raw ? "raw" : "qcow2", path);
    struct json_object *options = json_tokener_parse(text);
    g_autoptr(GError) error = NULL;
    struct device *flash = NULL;

    vm_set_backend(bench->vm, "disks", 0, disks);
    if (disk_set_open(disks, options, &error))
        flash = device_create_unattached(bench->vm, "cfi.pflash01", FLASH, &error);
    json_object_put(options);
    g_assert_true(flash ? !error : error && *error->message);
    if (flash) {
        device_map(flash, 0, BASE);
        use(bench, rand);
    }
    bench_empty(bench);
    disk_set_destroy(disks);
    return flash;
}

static u64 from_environment(const char *name, u64 otherwise)
{
    const char *text = g_getenv(name);

    return text ? g_ascii_strtoull(text, NULL, 10) : otherwise;
}

static void quiet(const gchar *text)
{
}

static void test_damaged(struct bench *bench, gconstpointer data)
{
    u64 first = from_environment("MYNAH_SEED", 1), count = from_environment("MYNAH_CASES", 100), chips = 0, hungriest = 0;
    struct making making = { .loop = block_loop_create(NULL) };
    g_autofree char *path = NULL;
    int fd = g_file_open_tmp("mynah-flash-XXXXXX", &path, NULL);

    g_assert_cmpint(fd, >=, 0);
    g_set_printerr_handler(quiet); /* hundreds of "Image is corrupt" */
    for (u64 seed = first; seed < first + count; seed++) {
        making.rand = g_rand_new_with_seed((u32)seed);
        block_loop_call(making.loop, make, &making);
        g_assert_cmpint(ftruncate(fd, 0), ==, 0);
        g_assert_cmpint(pwrite(fd, making.image->data, making.image->len, 0), ==, making.image->len);
        /* Raw images have the size of the chip now and then. */
        if (seed % 8 == 0)
            g_assert_cmpint(ftruncate(fd, DAMAGE_DISK), ==, 0);
        size_t before = heap_mark();
        chips += try_image(bench, path, seed % 8 == 0, making.rand);
        hungriest = MAX(hungriest, heap_peak() - before);
        g_byte_array_unref(making.image);
        g_rand_free(making.rand);
    }
    g_test_message("%" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " images made a chip; most heap: %" G_GUINT64_FORMAT " KiB", chips, count, hungriest / 1024);
    g_assert_cmpuint(hungriest, <, HEAP_LIMIT);
    g_assert_cmpuint(chips, >, 0);
    g_assert_cmpuint(chips, <, count);
    block_loop_destroy(making.loop);
    close(fd);
    g_unlink(path);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    BENCH_TEST("/flash-images/damaged", test_damaged);
    return g_test_run();
}
