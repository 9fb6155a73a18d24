/* tests/device/cfi_flash.c - NOR flash of two x16 chips: identification, programming, erasing, buffered writes, misuse, disks. */
#include "base/bits.h"
#include "block/disk.h"
#include "hw/block/cfi_flash.h"
#include "tests/device/bench.h"
#include "vm/machine.h"
#include <glib/gstdio.h>
#include <json-c/json.h>
#include <string.h>

enum { BASE = 0x20000000, SECTOR = 0x40000, SIZE = 32 << 20 };

#define VIRT_FLASH "num-blocks=128;sector-length=262144;width=4;device-width=2;max-device-width=2;id0=0x89;id1=0x18;name=virt.flash0"

static struct device *make(struct bench *bench)
{
    struct device *flash = bench_device(bench, "cfi.pflash01", VIRT_FLASH);

    device_map(flash, 0, BASE);
    return flash;
}

/* As drivers do: the same command to both chips. */
static void command(struct bench *bench, u64 offset, u32 code)
{
    bench_write(bench, BASE + offset, 4, code << 16 | code);
}

static u32 get(struct bench *bench, u64 offset)
{
    return (u32)bench_read(bench, BASE + offset, 4);
}

static void put(struct bench *bench, u64 offset, u32 value)
{
    bench_write(bench, BASE + offset, 4, value);
}

/* Status of both chips, which must agree; back to the array. */
static u32 status(struct bench *bench)
{
    command(bench, 0, 0x70);
    u32 value = get(bench, 0);
    g_assert_cmphex(value >> 16, ==, value & 0xffff);
    command(bench, 0, 0x50);
    command(bench, 0, 0xff);
    return value & 0xffff;
}

static void erase(struct bench *bench, u64 offset)
{
    command(bench, offset, 0x20);
    command(bench, offset, 0xd0);
    g_assert_cmphex(status(bench), ==, 0x80);
}

static void identifies_itself(struct bench *bench, gconstpointer data)
{
    static const struct { u32 word, value; } cfi[] = {
        { 0x10, 'Q' }, { 0x11, 'R' }, { 0x12, 'Y' }, { 0x13, 1 }, { 0x14, 0 }, { 0x27, 24 }, { 0x2a, 11 }, { 0x2c, 1 },
        { 0x2d, 127 }, { 0x2e, 0 }, { 0x2f, 0 }, { 0x30, 2 }, { 0x31, 'P' }, { 0x32, 'R' }, { 0x33, 'I' }, { 0x7f, 0 },
    };

    make(bench);
    command(bench, 0x55 * 4, 0x98);
    for (unsigned i = 0; i < ARRAY_SIZE(cfi); i++)
        g_assert_cmphex(get(bench, cfi[i].word * 4), ==, cfi[i].value << 16 | cfi[i].value);
    g_assert_cmphex(bench_read(bench, BASE + 0x10 * 4 + 2, 1), ==, 'Q');
    g_assert_cmphex(bench_read(bench, BASE + 0x10 * 4 + 1, 1), ==, 0);
    g_assert_cmphex(bench_read(bench, BASE + 0x10 * 4, 8), ==, 0x0052005200510051);
    command(bench, 0, 0xff);
    command(bench, 0, 0x90);
    g_assert_cmphex(get(bench, 0), ==, 0x00890089);
    g_assert_cmphex(get(bench, 4), ==, 0x00180018);
    g_assert_cmphex(get(bench, 5 * SECTOR + 8), ==, 0);
    command(bench, 0, 0xf0);
    g_assert_cmphex(get(bench, 0), ==, 0);
}

static bool direct(struct bench *bench)
{
    return space_lookup(vm_memory(bench->vm), BASE).ram != NULL;
}

/* In array mode the guest reads memory, without the device. */
static void array_is_memory(struct bench *bench, gconstpointer data)
{
    make(bench);
    g_assert_true(direct(bench));
    g_assert_false(space_lookup(vm_memory(bench->vm), BASE).writable);
    command(bench, 0, 0x70);
    g_assert_false(direct(bench));
    command(bench, 0, 0xff);
    g_assert_true(direct(bench));
    command(bench, 0, 0x98);
    vm_reset(bench->vm, VM_CAUSE_GUEST_RESET);
    g_assert_true(direct(bench));
}

static void erases_and_programs(struct bench *bench, gconstpointer data)
{
    make(bench);
    erase(bench, 2 * SECTOR + 0x1234);
    g_assert_cmphex(get(bench, 2 * SECTOR), ==, 0xffffffff);
    g_assert_cmphex(get(bench, 3 * SECTOR - 4), ==, 0xffffffff);
    g_assert_cmphex(get(bench, 2 * SECTOR - 4), ==, 0);
    g_assert_cmphex(get(bench, 3 * SECTOR), ==, 0);
    command(bench, 2 * SECTOR, 0x40);
    put(bench, 2 * SECTOR + 8, 0x12345678);
    g_assert_cmphex(get(bench, 0), ==, 0x00800080);
    g_assert_cmphex(status(bench), ==, 0x80);
    g_assert_cmphex(get(bench, 2 * SECTOR + 8), ==, 0x12345678);
    command(bench, 2 * SECTOR, 0x10);
    put(bench, 2 * SECTOR + 8, 0xffff0000); /* bits only fall */
    command(bench, 0, 0xff);
    g_assert_cmphex(get(bench, 2 * SECTOR + 8), ==, 0x12340000);
    command(bench, 0, 0x40);
    bench_write(bench, BASE + 2 * SECTOR + 13, 1, 0xa5);
    command(bench, 0, 0xff);
    g_assert_cmphex(get(bench, 2 * SECTOR + 12), ==, 0xffffa5ff);
    vm_reset(bench->vm, VM_CAUSE_GUEST_RESET);
    g_assert_cmphex(get(bench, 2 * SECTOR + 12), ==, 0xffffa5ff);
}

static void buffered_write(struct bench *bench, gconstpointer data)
{
    enum { AT = SECTOR + 4096 };

    make(bench);
    erase(bench, SECTOR);
    command(bench, AT, 0xe8);
    g_assert_cmphex(get(bench, AT), ==, 0x00800080);
    put(bench, AT, 0x00030003); /* four words */
    for (u32 i = 0; i < 4; i++)
        put(bench, AT + 0x20 + 4 * i, 0x1000 + i);
    g_assert_cmphex(bits_load_le(vm_ram_find(bench->vm, "virt.flash0")->host + AT + 0x20, 4), ==, 0xffffffff);
    command(bench, AT, 0xd0);
    g_assert_cmphex(status(bench), ==, 0x80);
    for (u32 i = 0; i < 4; i++)
        g_assert_cmphex(get(bench, AT + 0x20 + 4 * i), ==, 0x1000 + i);
    g_assert_cmphex(get(bench, AT + 0x1c), ==, 0xffffffff);
    g_assert_cmphex(get(bench, AT + 0x30), ==, 0xffffffff);
}

static void full_buffer(struct bench *bench, gconstpointer data)
{
    make(bench);
    erase(bench, SIZE - SECTOR);
    command(bench, SIZE - 4096, 0xe8);
    put(bench, SIZE - 4096, 0x03ff03ff);
    for (u32 i = 0; i < 1024; i++)
        put(bench, SIZE - 4096 + 4 * i, i);
    command(bench, SIZE - 4096, 0xd0);
    g_assert_cmphex(status(bench), ==, 0x80);
    g_assert_cmphex(get(bench, SIZE - 4), ==, 1023);
}

static void bad_buffered_writes(struct bench *bench, gconstpointer data)
{
    make(bench);
    erase(bench, 0);
    command(bench, 0, 0xe8);
    put(bench, 0, 0x04000400); /* one word too many */
    g_assert_cmphex(status(bench), ==, 0xb0);
    command(bench, 0, 0xe8);
    put(bench, 0, 0xffffffff);
    g_assert_cmphex(status(bench), ==, 0xb0);
    command(bench, 0, 0xe8);
    put(bench, 0, 0x00010001);
    put(bench, 0, 1);
    put(bench, 4096, 2); /* outside */
    g_assert_cmphex(status(bench), ==, 0xb0);
    command(bench, 0, 0xe8);
    put(bench, 0, 0);
    put(bench, 0, 1);
    command(bench, 0, 0xff); /* not confirmed */
    g_assert_cmphex(status(bench), ==, 0xb0);
    g_assert_cmphex(get(bench, 0), ==, 0xffffffff);
    g_assert_cmphex(status(bench), ==, 0x80); /* cleared */
}

static void unconfirmed_erase(struct bench *bench, gconstpointer data)
{
    make(bench);
    command(bench, 0, 0x20);
    command(bench, 0, 0x40);
    g_assert_cmphex(status(bench), ==, 0xb0);
    g_assert_cmphex(get(bench, 0), ==, 0);
}

static void lock_commands(struct bench *bench, gconstpointer data)
{
    make(bench);
    command(bench, 0, 0x60);
    command(bench, 0, 0xd0);
    g_assert_cmphex(status(bench), ==, 0x80);
    command(bench, 0, 0x60);
    command(bench, 0, 0x01);
    g_assert_cmphex(status(bench), ==, 0x80);
    command(bench, 0, 0x60);
    command(bench, 0, 0x77);
    g_assert_cmphex(status(bench), ==, 0xb0);
}

/* Random writes must leave the device usable. */
static void random_writes(struct bench *bench, gconstpointer data)
{
    static const u32 codes[] = { 0x10, 0x40, 0x20, 0xd0, 0xe8, 0x50, 0x60, 0x70, 0x90, 0x98, 0xff, 0xf0, 0, 3 };
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);

    make(bench);
    for (unsigned i = 0; i < 20000; i++) {
        unsigned size = 1u << g_rand_int_range(rand, 0, 3);
        u64 offset = bits_align_down(g_rand_int_range(rand, 0, i % 2 ? SIZE : 8192), size), value;

        if (g_rand_int_range(rand, 0, 4))
            bench_write(bench, BASE + offset, size, codes[g_rand_int_range(rand, 0, ARRAY_SIZE(codes))] * UINT32_C(0x10001));
        else
            bench_try_read(bench, BASE + offset, size, &value);
    }
    vm_reset(bench->vm, VM_CAUSE_GUEST_RESET);
    erase(bench, 0);
}

/* --- with a disk --- */

enum { SMALL_SECTOR = 65536, SMALL = 4 * SMALL_SECTOR };

#define SMALL_FLASH "num-blocks=4;sector-length=65536;width=4;device-width=2;name=flash;drive=d"

struct shelf {
    struct disk_set *disks;
    char *path;
};

static void shelf_open(struct shelf *shelf, struct bench *bench, u64 size, const char *more)
{
    g_autofree u8 *ones = g_malloc(size);
    g_autofree char *text = NULL;
    int fd = g_file_open_tmp("mynah-flash-XXXXXX", &shelf->path, NULL);
    struct json_object *options;

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    memset(ones, 0xff, size);
    g_assert_true(g_file_set_contents(shelf->path, (char *)ones, (gssize)size, NULL));
    shelf->disks = disk_set_create(vm_context(bench->vm), NULL);
    vm_set_backend(bench->vm, "disks", 0, shelf->disks);
    text = g_strdup_printf("{\"driver\":\"file\",\"node-name\":\"d\",\"filename\":\"%s\"%s}", shelf->path, more);
    options = json_tokener_parse(text);
    g_assert_true(disk_set_open(shelf->disks, options, NULL));
    json_object_put(options);
}

static void shelf_close(struct shelf *shelf, struct bench *bench)
{
    bench_empty(bench);
    disk_set_destroy(shelf->disks);
    g_unlink(shelf->path);
    g_free(shelf->path);
}

/* Until the ready bit says that it is in the image. */
static u32 wait_ready(struct bench *bench)
{
    s64 end = g_get_monotonic_time() + 20 * G_USEC_PER_SEC;

    command(bench, 0, 0x70);
    while (!(get(bench, 0) & 0x80)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_main_context_iteration(vm_context(bench->vm), FALSE);
    }
    return get(bench, 0) & 0xffff;
}

static void file_holds(const struct shelf *shelf, u64 offset, u32 value)
{
    g_autofree char *contents = NULL;
    gsize size;

    g_assert_true(g_file_get_contents(shelf->path, &contents, &size, NULL));
    g_assert_cmpuint(size, ==, SMALL);
    g_assert_cmphex(bits_load_le((u8 *)contents + offset, 4), ==, value);
}

static void writes_its_image(struct bench *bench, gconstpointer data)
{
    struct shelf shelf;
    struct device *flash;

    shelf_open(&shelf, bench, SMALL, "");
    flash = bench_device(bench, "cfi.pflash01", SMALL_FLASH);
    device_map(flash, 0, BASE);
    g_assert_true(cfi_flash_has_contents(flash));
    g_assert_cmphex(get(bench, SMALL - 4), ==, 0xffffffff);
    command(bench, SMALL - 4, 0x40);
    put(bench, SMALL - 4, 0x12345678);
    g_assert_cmphex(get(bench, 0) & 0x80, ==, 0); /* nobody has run the loop that writes */
    g_assert_cmphex(wait_ready(bench), ==, 0x80);
    file_holds(&shelf, SMALL - 4, 0x12345678);
    for (u32 i = 0; i < 8; i++) { /* without waiting: all of it gets there, the last one wins */
        command(bench, 16, 0x40);
        put(bench, 16, ~(1u << i));
    }
    g_assert_cmphex(wait_ready(bench), ==, 0x80);
    file_holds(&shelf, 16, 0xffffff00);
    command(bench, 0, 0xe8);
    put(bench, 0, 1 << 16 | 1);
    put(bench, 0, 0x1111);
    put(bench, 4, 0x2222);
    command(bench, 0, 0xd0);
    command(bench, SMALL_SECTOR * 3, 0x20);
    command(bench, SMALL_SECTOR * 3, 0xd0);
    bench_empty(bench); /* unplugged: what is under way is written first */
    file_holds(&shelf, 0, 0x1111);
    file_holds(&shelf, 4, 0x2222);
    file_holds(&shelf, SMALL - 4, 0xffffffff);
    shelf_close(&shelf, bench);
}

static void takes_no_flood(struct bench *bench, gconstpointer data)
{
    struct shelf shelf;

    shelf_open(&shelf, bench, SMALL, "");
    device_map(bench_device(bench, "cfi.pflash01", SMALL_FLASH), 0, BASE);
    for (u32 i = 0; i < 1000; i++) {
        command(bench, 0, 0x20);
        command(bench, 0, 0xd0);
    }
    g_assert_cmphex(get(bench, 0) & 0x20, ==, 0x20);
    g_assert_cmphex(wait_ready(bench), ==, 0xa0);
    command(bench, 0, 0x50);
    command(bench, 0, 0x20);
    command(bench, 0, 0xd0);
    g_assert_cmphex(wait_ready(bench), ==, 0x80);
    shelf_close(&shelf, bench);
}

static void leaves_a_read_only_image_alone(struct bench *bench, gconstpointer data)
{
    struct shelf shelf;

    shelf_open(&shelf, bench, SMALL, ",\"read-only\":true");
    device_map(bench_device(bench, "cfi.pflash01", SMALL_FLASH), 0, BASE);
    command(bench, 0, 0x40);
    put(bench, 0, 0);
    g_assert_cmphex(status(bench), ==, 0x90);
    g_assert_cmphex(get(bench, 0), ==, 0xffffffff);
    command(bench, 0, 0x20);
    command(bench, 0, 0xd0);
    g_assert_cmphex(status(bench), ==, 0xa0);
    shelf_close(&shelf, bench);
}

static void refuses_other_sizes(struct bench *bench, gconstpointer data)
{
    struct shelf shelf;
    g_autoptr(GError) error = NULL;

    shelf_open(&shelf, bench, SMALL + 512, "");
    g_assert_null(device_create_unattached(bench->vm, "cfi.pflash01", SMALL_FLASH, &error));
    g_assert_nonnull(strstr(error->message, "requires 262144 bytes"));
    g_assert_nonnull(strstr(error->message, "provides 262656 bytes"));
    shelf_close(&shelf, bench);
}

static void checks_properties(struct bench *bench, gconstpointer data)
{
    static const char *const bad[] = {
        "num-blocks=0;sector-length=262144;width=4;name=f", "num-blocks=4;sector-length=100000;width=4;name=f",
        "num-blocks=4;sector-length=262144;width=3;name=f", "num-blocks=4;sector-length=262144;width=2;device-width=4;name=f",
        "num-blocks=4;sector-length=262144;width=4", "num-blocks=65536;sector-length=1073741824;width=4;name=f",
        "num-blocks=4;sector-length=262144;width=4;name=f;drive=d",
    };

    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(device_create_unattached(bench->vm, "cfi.pflash01", bad[i], &error));
        g_assert_nonnull(error);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    BENCH_TEST("/cfi-flash/identification", identifies_itself);
    BENCH_TEST("/cfi-flash/array-is-memory", array_is_memory);
    BENCH_TEST("/cfi-flash/erase-program", erases_and_programs);
    BENCH_TEST("/cfi-flash/buffered", buffered_write);
    BENCH_TEST("/cfi-flash/full-buffer", full_buffer);
    BENCH_TEST("/cfi-flash/bad-buffered", bad_buffered_writes);
    BENCH_TEST("/cfi-flash/unconfirmed-erase", unconfirmed_erase);
    BENCH_TEST("/cfi-flash/lock", lock_commands);
    BENCH_TEST("/cfi-flash/random", random_writes);
    BENCH_TEST("/cfi-flash/disk", writes_its_image);
    BENCH_TEST("/cfi-flash/disk-flood", takes_no_flood);
    BENCH_TEST("/cfi-flash/disk-read-only", leaves_a_read_only_image_alone);
    BENCH_TEST("/cfi-flash/disk-size", refuses_other_sizes);
    BENCH_TEST("/cfi-flash/properties", checks_properties);
    return g_test_run();
}
