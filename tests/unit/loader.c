/* tests/unit/loader.c - files that go into guest memory: formats, placement, damaged and hostile input. */
#include "base/bits.h"
#include "base/error.h"
#include "tests/unit/loader_files.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

/* One segment: file bytes 120..127 to paddr, memsz 16. */
static void make_elf(u8 *elf, u64 vaddr, u64 paddr, u64 entry)
{
    memset(elf, 0, 128);
    memcpy(elf, "\177ELF\2\1\1", 7);
    bits_store_le(elf + 16, 2, 2);
    bits_store_le(elf + 18, 2, EM_RISCV);
    bits_store_le(elf + 24, 8, entry);
    bits_store_le(elf + 32, 8, 64);
    bits_store_le(elf + 54, 2, 56);
    bits_store_le(elf + 56, 2, 1);
    bits_store_le(elf + 64, 4, 1);
    bits_store_le(elf + 72, 8, 120);
    bits_store_le(elf + 80, 8, vaddr);
    bits_store_le(elf + 88, 8, paddr);
    bits_store_le(elf + 96, 8, 8);
    bits_store_le(elf + 104, 8, 16);
    memcpy(elf + 120, "contents", 8);
}

static void test_elf(void)
{
    struct board b = board_create(1);
    struct loader_result result;
    GError *error = NULL;
    u8 elf[128];

    make_elf(elf, 0xffffffff80000000, RAM + 0x1000, 0xffffffff80000004);
    board_write(&b, RAM + 0x1008, 8, ~UINT64_C(0));
    struct loader_request r = request(&b, elf, sizeof(elf));
    g_assert_true(loader_place(&r, &result, &error));
    g_assert_cmpint(result.format, ==, LOADER_ELF);
    g_assert_cmphex(result.entry, ==, RAM + 0x1004);
    g_assert_cmphex(result.low, ==, RAM + 0x1000);
    g_assert_cmphex(result.high, ==, RAM + 0x1010);
    g_assert_cmphex(board_read(&b, RAM + 0x1000, 8), ==, bits_load_le("contents", 8));
    g_assert_cmphex(board_read(&b, RAM + 0x1008, 8), ==, 0);
    board_destroy(&b);
}

static void put(u8 *elf, unsigned offset, unsigned size, u64 value)
{
    bits_store_le(elf + offset, size, value);
}

static void test_bad_elf(void)
{
    static const struct { const char *what; unsigned offset, size; u64 value; } cases[] = {
        { "32-bit", 4, 1, 1 }, { "big-endian", 5, 1, 2 }, { "x86-64", 18, 2, 62 }, { "relocatable", 16, 2, 1 },
        { "headers beyond the end", 32, 8, 100 }, { "header offset wraps", 32, 8, UINT64_MAX - 8 }, { "many headers", 56, 2, 65535 },
        { "odd header size", 54, 2, 32 }, { "file offset beyond the end", 72, 8, 121 }, { "file offset wraps", 72, 8, UINT64_MAX },
        { "file size wraps", 96, 8, UINT64_MAX - 119 }, { "memory smaller than file", 104, 8, 4 }, { "memory size wraps", 104, 8, UINT64_MAX },
        { "larger than RAM", 104, 8, 65 * MIB }, { "no RAM there", 88, 8, 0x50000000 }, { "over a device", 88, 8, 0x10000000 },
        { "the end of RAM", 88, 8, RAM + 64 * MIB - 8 }, { "nothing to load", 64, 4, 2 },
    };
    struct board b = board_create(1);

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        struct loader_result result;
        GError *error = NULL;
        u8 elf[128];

        g_test_message("%s", cases[i].what);
        make_elf(elf, RAM + 0x1000, RAM + 0x1000, RAM + 0x1000);
        put(elf, cases[i].offset, cases[i].size, cases[i].value);
        struct loader_request r = request(&b, elf, sizeof(elf));
        g_assert_false(loader_place(&r, &result, &error));
        g_assert_nonnull(error);
        g_clear_error(&error);
    }
    board_destroy(&b);
}

/* 60,000 headers for the same 32 MiB: copying them all would take minutes. */
static void test_overlapping_elf(void)
{
    enum { COUNT = 60000 };
    struct board b = board_create(1);
    struct loader_result result;
    GError *error = NULL;
    u64 size = 128 + COUNT * 56;
    g_autofree u8 *elf = g_malloc0(size);

    make_elf(elf, RAM, RAM, RAM);
    put(elf, 56, 2, COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        memcpy(elf + 64 + i * 56, elf + 64, 56);
        put(elf, 64 + i * 56 + 32, 8, 1);
        put(elf, 64 + i * 56 + 40, 8, 32 * MIB);
    }
    struct loader_request r = request(&b, elf, size);
    g_assert_false(loader_place(&r, &result, &error));
    g_assert_nonnull(strstr(error->message, "larger than the memory"));
    g_clear_error(&error);
    board_destroy(&b);
}

static void test_image(void)
{
    struct board b = board_create(1);
    struct loader_result result;
    GError *error = NULL;
    u8 image[256];

    make_image(image, sizeof(image));
    struct loader_request r = request(&b, image, sizeof(image));
    g_assert_true(loader_place(&r, &result, &error));
    g_assert_cmpint(result.format, ==, LOADER_IMAGE);
    g_assert_cmphex(result.entry, ==, RAM + 2 * MIB);
    g_assert_cmphex(result.high, ==, RAM + 3 * MIB);
    bits_store_le(image + 16, 8, 63 * MIB);
    g_assert_false(loader_place(&r, &result, &error));
    g_clear_error(&error);
    board_destroy(&b);
}

/* An Image that is an EFI application too, with two sections whose contents end at byte 1536. */
static void make_efi_image(u8 *image, u64 size)
{
    make_image(image, size);
    memcpy(image, "MZ", 2);
    bits_store_le(image + 0x3c, 4, 0x40);
    memcpy(image + 0x40, "PE\0\0", 4);
    bits_store_le(image + 0x46, 2, 2);
    bits_store_le(image + 0x54, 2, 16);
    bits_store_le(image + 0x68 + 16, 4, 1024);
    bits_store_le(image + 0x68 + 20, 4, 512);
    bits_store_le(image + 0x68 + 40 + 16, 4, 512);
    bits_store_le(image + 0x68 + 40 + 20, 4, 1024);
}

static void test_cut_image(void)
{
    static const struct { const char *what; unsigned offset, size; u64 value; u64 file; bool good; } cases[] = {
        { "whole", 0, 2, 0x5a4d, 2048, true },
        { "exactly whole", 0, 2, 0x5a4d, 1536, true },
        { "a byte short", 0, 2, 0x5a4d, 1535, false },
        { "cut inside the section table", 0, 2, 0x5a4d, 0x80, false },
        { "cut inside the COFF header", 0, 2, 0x5a4d, 0x50, false },
        { "no EFI application", 0, 2, 0x1313, 1000, true },
        { "no PE header where it should be", 0x3c, 4, 0x60, 1000, true },
        { "the PE header beyond the end", 0x3c, 4, 0xffffffff, 2048, false },
        { "65535 sections", 0x46, 2, 65535, 2048, false },
        { "contents beyond 4 GiB", 0x68 + 20, 4, 0xffffffff, 2048, false },
    };
    struct board b = board_create(1);

    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        struct loader_result result;
        GError *error = NULL;
        u8 image[2048];

        make_efi_image(image, sizeof(image));
        bits_store_le(image + cases[i].offset, cases[i].size, cases[i].value);
        g_autofree u8 *exact = g_memdup2(image, cases[i].file); /* the sanitizer sees a byte too many */
        struct loader_request r = request(&b, exact, cases[i].file);
        g_test_message("%s", cases[i].what);
        g_assert_cmpint(loader_place(&r, &result, &error), ==, cases[i].good);
        g_assert_true(cases[i].good ? !error : strstr(error->message, "cut off") != NULL);
        g_clear_error(&error);
    }
    board_destroy(&b);
}

static u64 make_uimage(u8 *out, const u8 *data, u64 size, bool damage)
{
    memset(out, 0, 64);
    bits_store_be(out, 4, 0x27051956);
    bits_store_be(out + 12, 4, size);
    bits_store_be(out + 16, 4, RAM + 0x4000);
    bits_store_be(out + 20, 4, RAM + 0x4010);
    out[28] = 5;
    out[29] = ARCH_RISCV;
    out[30] = 2;
    bits_store_be(out + 4, 4, crc32(0, out, 64) ^ damage);
    memcpy(out + 64, data, size);
    return 64 + size;
}

static void test_uimage(void)
{
    struct board b = board_create(1);
    struct loader_result result;
    GError *error = NULL;
    u8 file[128];
    u64 size = make_uimage(file, (const u8 *)"payload!", 8, false);
    struct loader_request r = request(&b, file, size);

    g_assert_true(loader_place(&r, &result, &error));
    g_assert_cmphex(result.entry, ==, RAM + 0x4010);
    g_assert_cmphex(board_read(&b, RAM + 0x4000, 8), ==, bits_load_le("payload!", 8));
    r.size--;
    g_assert_false(loader_place(&r, &result, &error));
    g_clear_error(&error);
    make_uimage(file, (const u8 *)"payload!", 8, true);
    r.size++;
    g_assert_false(loader_place(&r, &result, &error));
    g_clear_error(&error);
    board_destroy(&b);
}

static u8 *read_path(const char *path, u64 max, u64 *size, GError **error)
{
    struct loader_file *file = loader_file_open(path, error);
    u8 *data = file ? loader_file_read(file, max, size, error) : NULL;

    loader_file_close(file);
    return data;
}

static void test_endless_file(void)
{
    GError *error = NULL;
    u64 size;

    g_assert_null(read_path("/dev/zero", 1 * MIB, &size, &error));
    g_assert_nonnull(strstr(error->message, "larger"));
    g_clear_error(&error);
    g_assert_null(read_path("/nonexistent/file", 1 * MIB, &size, &error));
    g_clear_error(&error);
    g_assert_null(read_path("/", 1 * MIB, &size, &error));
    g_clear_error(&error);
}

static void expect_file(struct loader_file *file, const char *text)
{
    u64 size;
    g_autofree u8 *data = loader_file_read(file, 1 * MIB, &size, NULL);

    g_assert_nonnull(data);
    g_assert_cmpmem(data, size, text, strlen(text));
}

/* Another file of its name comes, and none is left: what was there in the beginning is loaded again. */
static void test_file_that_goes(void)
{
    g_autofree char *path = write_file("first", 5);
    struct loader_file *file = loader_file_open(path, NULL);

    g_assert_cmpstr(loader_file_path(file), ==, path);
    expect_file(file, "first");
    g_unlink(path);
    g_assert_true(g_file_set_contents(path, "second", 6, NULL));
    expect_file(file, "first");
    g_unlink(path);
    expect_file(file, "first");
    loader_file_close(file);
}

/* What can be read once is loaded as often as a file. */
static void test_pipe(gconstpointer text)
{
    g_autofree char *folder = g_dir_make_tmp("mynah-loader-XXXXXX", NULL), *path = g_build_filename(folder, "pipe", NULL);
    GError *error = NULL;
    u64 size;

    g_assert_cmpint(mkfifo(path, 0600), ==, 0);
    int fd = g_open(path, O_RDWR | O_CLOEXEC, 0); /* so that nobody waits */
    struct loader_file *file = loader_file_open(path, NULL);
    g_assert_nonnull(file);
    g_assert_cmpint(write(fd, text, strlen(text)), ==, (int)strlen(text));
    close(fd);
    for (int i = 0; i < 3; i++)
        expect_file(file, text);
    if (strlen(text)) {
        g_assert_null(loader_file_read(file, strlen(text) - 1, &size, &error));
        g_assert_nonnull(strstr(error->message, "larger"));
        g_clear_error(&error);
    }
    loader_file_close(file);
    g_unlink(path);
    g_rmdir(folder);
}

/* Valid files with bytes changed and ends cut off: anything but a crash or a write outside RAM. */
static void test_random(void)
{
    struct board b = board_create(1);
    GRand *rand = g_rand_new_with_seed(20260101);
    u8 good[6][ZBOOT_SIZE], bad[ZBOOT_SIZE], inner[ZBOOT_INNER];
    u64 sizes[6] = { 128, 256, 72, 0 }, ok = 0;

    make_elf(good[0], RAM, RAM, RAM);
    make_image(good[1], 256);
    make_uimage(good[2], (const u8 *)"payload!", 8, false);
    make_image(inner, sizeof(inner));
    sizes[3] = gzip(inner, 256, good[3], sizeof(good[3]));
    sizes[4] = make_zboot(good[4], "gzip", inner);
    sizes[5] = make_zboot(good[5], "zstd", inner);
    for (unsigned i = 0; i < 18000; i++) {
        unsigned kind = i % 6;
        u64 size = sizes[kind], out;
        struct loader_result result;
        GError *error = NULL;

        memcpy(bad, good[kind], size);
        for (unsigned n = (unsigned)g_rand_int_range(rand, 0, 6); n; n--) {
            unsigned at = (unsigned)g_rand_int_range(rand, 0, kind > 3 && n % 2 ? 64 : (gint32)size);
            static const u8 edges[] = { 0, 1, 0x7f, 0x80, 0xff };

            bad[at] = g_rand_boolean(rand) ? edges[g_rand_int_range(rand, 0, 5)] : (u8)g_rand_int(rand);
        }
        if (g_rand_boolean(rand))
            size = (u64)g_rand_int_range(rand, 0, (gint32)size);
        g_autofree u8 *exact = g_malloc(MAX(size, 1)); /* so that a sanitizer sees reads behind the end */
        memcpy(exact, bad, size);
        struct loader_request r = request(&b, exact, size);
        if (kind >= 3) {
            g_autofree u8 *unpacked = (kind == 3 ? loader_gunzip : loader_unpack_zboot)(exact, size, 1 * MIB, &out, &error);

            ok += unpacked != NULL;
        } else if (loader_place(&r, &result, &error)) {
            ok++;
            g_assert_cmphex(result.low, <=, result.high);
        }
        g_clear_error(&error);
    }
    g_test_message("%u of 18000 were accepted", (unsigned)ok);
    g_assert_cmpuint(ok, >, 100);
    g_rand_free(rand);
    board_destroy(&b);
}

/* As a back end in another process does until its device is reset. */
static void land(void *opaque)
{
    struct board *b = opaque;

    board_write(b, RAM, 8, UINT64_MAX);
    board_write(b, RAM + 2 * MIB + 0x38, 8, UINT64_MAX);
    board_write(b, 0x80100000, 8, UINT64_MAX);
}

/* The board: what is where when it starts. */
static void test_boot_layout(void)
{
    struct board b = board_new(2, 128 * MIB);
    u8 firmware[64] = { 0x6f }, image[256], initrd[100] = "initrd";
    GError *error = NULL;

    make_image(image, sizeof(image));
    g_autofree char *f = write_file(firmware, sizeof(firmware)), *k = write_file(image, sizeof(image)), *i = write_file(initrd, sizeof(initrd));
    board_set(&b.machine->firmware, f);
    board_set(&b.machine->kernel, k);
    board_set(&b.machine->initrd, i);
    board_set(&b.machine->append, "console=ttyS0");
    g_assert_true(board_realize(&b, &error));
    g_assert_cmphex(board_read(&b, 0x1000, 4), ==, 0x00000297);
    g_assert_cmphex(board_read(&b, 0x1020, 8), ==, RAM);
    u64 fdt = board_read(&b, 0x1028, 8);
    g_assert_cmphex(fdt, ==, RAM + 126 * MIB);
    g_assert_cmphex(board_read(&b, fdt, 4), ==, 0xedfe0dd0);
    g_assert_cmphex(board_read(&b, 0x1030, 8), ==, 0x4942534f);
    g_assert_cmphex(board_read(&b, 0x1040, 8), ==, RAM + 2 * MIB);
    g_assert_cmphex(board_read(&b, RAM + 2 * MIB + 0x38, 4), ==, bits_load_le("RSC\5", 4));
    g_assert_cmphex(board_read(&b, RAM + 66 * MIB, 4), ==, bits_load_le("init", 4));
    /* A reset brings back what the guest overwrote. */
    board_write(&b, RAM, 4, 0);
    board_write(&b, fdt, 4, 0);
    vm_reset(b.vm, VM_CAUSE_GUEST_RESET);
    g_assert_cmphex(board_read(&b, RAM, 1), ==, 0x6f);
    g_assert_cmphex(board_read(&b, fdt, 4), ==, 0xedfe0dd0);
    /* And what devices put there until they were reset, which come after the board. */
    vm_on_reset(b.vm, land, &b);
    vm_reset(b.vm, VM_CAUSE_GUEST_RESET);
    g_assert_cmphex(board_read(&b, RAM, 1), ==, 0x6f);
    g_assert_cmphex(board_read(&b, RAM + 2 * MIB + 0x38, 4), ==, bits_load_le("RSC\5", 4));
    vm_off_reset(b.vm, land, &b);
    g_unlink(f);
    g_unlink(k);
    g_unlink(i);
    board_destroy(&b);
}

/* Device trees of the user: the board's own, with bytes changed and ends cut off. */
static void test_random_dtb(void)
{
    struct board first = board_create(1);
    struct virt *virt = (struct virt *)first.machine;
    u32 size = virt->fdt_size, ok = 0;
    g_autofree u8 *good = g_memdup2(virt->fdt, size), *bad = g_malloc(size);
    GRand *rand = g_rand_new_with_seed(20260102);

    board_destroy(&first);
    for (unsigned i = 0; i < 200; i++) {
        struct board b = board_new(1, 64 * MIB);
        u64 length = i % 3 ? size : (u64)g_rand_int_range(rand, 0, (gint32)size);
        GError *error = NULL;

        memcpy(bad, good, size);
        for (unsigned n = i % 8; n; n--) /* mostly in the header and the first nodes */
            bad[g_rand_int_range(rand, 0, g_rand_boolean(rand) ? 64 : (gint32)size)] = (u8)g_rand_int(rand);
        g_autofree char *path = write_file(bad, length);
        board_set(&b.machine->dtb, path);
        board_set(&b.machine->append, "console=ttyS0");
        ok += board_realize(&b, &error);
        g_clear_error(&error);
        g_unlink(path);
        board_destroy(&b);
    }
    g_test_message("%u of 200 were accepted", ok);
    g_assert_cmpuint(ok, >, 10);
    g_assert_cmpuint(ok, <, 190);
    g_rand_free(rand);
}

static void test_too_little_ram(void)
{
    static const u64 sizes[] = { 4 * KIB, 64 * KIB, 1 * MIB, 2 * MIB, 3 * MIB };

    for (unsigned n = 0; n < ARRAY_SIZE(sizes); n++) {
        struct board b = board_new(1, sizes[n]);
        GError *error = NULL;
        u8 image[256], initrd[4096] = { 0 };

        make_image(image, sizeof(image));
        bits_store_le(image + 16, 8, 1536 * KIB);
        g_autofree char *k = write_file(image, sizeof(image)), *i = write_file(initrd, sizeof(initrd));
        board_set(&b.machine->kernel, k);
        board_set(&b.machine->initrd, i);
        bool ok = board_realize(&b, &error);
        g_assert_true(ok == (sizes[n] > 2 * MIB));
        g_assert_true(ok == !error);
        g_clear_error(&error);
        g_unlink(k);
        g_unlink(i);
        board_destroy(&b);
    }
}

static struct vm_object *add_loader(struct board *b, const char *const *properties, GError **error)
{
    struct vm_object *object = vm_object_create(b->vm, "loader", vm_object_child(&b->machine->object, "peripheral-anon"), "device[*]", error);

    for (; *properties; properties += 2) {
        if (!vm_object_set(object, properties[0], properties[1], error))
            return NULL;
    }
    return vm_object_realize(object, error) ? object : NULL;
}

static void test_generic_loader(void)
{
    static const char *const little[] = { "addr", "0x80100000", "data", "0x0102030405060708", "data-len", "8", NULL };
    static const char *const big[] = { "addr", "0x80100010", "data", "0x01020304", "data-len", "4", "data-be", "on", NULL };
    static const char *const bad[][9] = {
        { "data", "1", "data-len", "9", "addr", "0x80000000", NULL }, { "data", "1", "data-len", "4", NULL }, { "data-len", "4", NULL }, { NULL },
        { "cpu-num", "7", "addr", "0", NULL }, { "file", "/nonexistent", "data", "1", NULL }, { "addr", "nonsense", NULL },
        { "data", "0x10000000000000000", "data-len", "8", "addr", "0x80000000", NULL },
    };
    struct board b = board_new(1, 64 * MIB);
    GError *error = NULL;

    g_assert_true(vm_object_realize(&b.machine->object, &error));
    g_assert_nonnull(add_loader(&b, little, &error));
    g_assert_nonnull(add_loader(&b, big, &error));
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        g_assert_null(add_loader(&b, bad[i], &error));
        g_assert_nonnull(error);
        g_clear_error(&error);
    }
    g_assert_true(vm_complete(b.vm, &error));
    vm_reset(b.vm, VM_CAUSE_NONE);
    g_assert_cmphex(board_read(&b, 0x80100000, 8), ==, 0x0102030405060708);
    g_assert_cmphex(board_read(&b, 0x80100010, 4), ==, 0x04030201);
    vm_on_reset(b.vm, land, &b);
    vm_reset(b.vm, VM_CAUSE_GUEST_RESET);
    g_assert_cmphex(board_read(&b, 0x80100000, 8), ==, 0x0102030405060708);
    board_destroy(&b);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/loader/elf", test_elf);
    g_test_add_func("/loader/elf/bad", test_bad_elf);
    g_test_add_func("/loader/elf/overlapping", test_overlapping_elf);
    g_test_add_func("/loader/image", test_image);
    g_test_add_func("/loader/image/cut-off", test_cut_image);
    g_test_add_func("/loader/uimage", test_uimage);
    g_test_add_func("/loader/endless", test_endless_file);
    g_test_add_func("/loader/goes", test_file_that_goes);
    g_test_add_data_func("/loader/pipe", "through a pipe", test_pipe);
    g_test_add_data_func("/loader/pipe/empty", "", test_pipe);
    g_test_add_func("/loader/random", test_random);
    g_test_add_func("/loader/device", test_generic_loader);
    g_test_add_func("/virt/layout", test_boot_layout);
    g_test_add_func("/virt/random-dtb", test_random_dtb);
    g_test_add_func("/virt/too-little-ram", test_too_little_ram);
    return g_test_run();
}
