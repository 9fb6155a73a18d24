/* tests/device/cfi_flash.c - NOR flash of two x16 chips: identification, programming, erasing, buffered writes, misuse. */
#include "base/bits.h"
#include "hw/block/cfi_flash.h"
#include "tests/device/bench.h"
#include <glib/gstdio.h>
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

static void loads_a_file(struct bench *bench, gconstpointer data)
{
    struct device *flash = make(bench);
    g_autofree char *folder = g_dir_make_tmp("mynah-flash-XXXXXX", NULL), *path = g_build_filename(folder, "code.fd", NULL);
    g_autofree char *contents = g_malloc0(SIZE);
    GError *error = NULL;

    contents[SIZE - 1] = 7;
    g_assert_true(g_file_set_contents(path, contents, SIZE - 1, NULL));
    g_assert_false(cfi_flash_load(flash, path, &error));
    g_assert_nonnull(strstr(error->message, "33554432"));
    g_clear_error(&error);
    g_assert_false(cfi_flash_has_contents(flash));
    g_assert_true(g_file_set_contents(path, contents, SIZE, NULL));
    g_assert_true(cfi_flash_load(flash, path, NULL));
    g_assert_true(cfi_flash_has_contents(flash));
    g_assert_cmphex(get(bench, SIZE - 4), ==, 0x07000000);
    g_unlink(path);
    g_assert_false(cfi_flash_load(flash, path, &error));
    g_clear_error(&error);
    g_rmdir(folder);
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
    BENCH_TEST("/cfi-flash/file", loads_a_file);
    BENCH_TEST("/cfi-flash/properties", checks_properties);
    return g_test_run();
}
