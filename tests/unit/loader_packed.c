/* tests/unit/loader_packed.c - compressed kernels: gzip, zstd, EFI zboot; damaged ones and such that grow without end. */
#include "tests/unit/loader_files.h"

static void test_gzip(void)
{
    struct board b = board_create(1);
    struct loader_result result;
    GError *error = NULL;
    u8 image[4096], packed[4096];

    make_image(image, sizeof(image));
    u64 size = gzip(image, sizeof(image), packed, sizeof(packed));
    g_autofree char *path = write_file(packed, size), *cut = write_file(packed, size - 9);
    struct loader_request r = request(&b, NULL, 0);
    r.unpack = true;
    g_assert_true(place_path(&r, path, &result, &error));
    g_assert_cmpint(result.format, ==, LOADER_IMAGE);
    g_assert_false(place_path(&r, cut, &result, &error));
    g_clear_error(&error);
    r.unpack = false;
    g_assert_true(place_path(&r, path, &result, &error));
    g_assert_cmpint(result.format, ==, LOADER_RAW);
    g_assert_cmpuint(result.high - result.low, ==, size);
    g_unlink(path);
    g_unlink(cut);
    board_destroy(&b);
}

/* 128 MiB of zeros in less than 1 MiB: unpacking stops at the size of RAM. */
static void test_bomb(void)
{
    struct board b = board_create(1);
    u64 size = 128 * MIB, out_size;
    g_autofree u8 *zeros = g_malloc0(size), *packed = g_malloc(1 * MIB);
    GError *error = NULL;
    u64 packed_size = gzip(zeros, size, packed, 1 * MIB);

    g_assert_null(loader_gunzip(packed, packed_size, 64 * MIB, &out_size, &error));
    g_assert_cmpuint(out_size, <=, 64 * MIB + 1);
    g_clear_error(&error);
    packed_size = ZSTD_compress(packed, 1 * MIB, zeros, size, 1);
    g_assert_null(loader_unzstd(packed, packed_size, 64 * MIB, &out_size, &error));
    g_assert_cmpuint(out_size, ==, 64 * MIB + 1);
    g_clear_error(&error);
    board_destroy(&b);
}

static void test_zboot(void)
{
    struct board b = board_create(1);
    u8 inner[ZBOOT_INNER], zboot[ZBOOT_SIZE];

    make_image(inner, sizeof(inner));
    for (unsigned i = 0; i < 3; i++) {
        static const char *const packers[] = { "gzip", "zstd", "zstd22" };
        struct loader_request r = request(&b, NULL, 0);
        struct loader_result result;
        GError *error = NULL;

        make_zboot(zboot, packers[i], inner);
        g_autofree char *path = write_file(zboot, sizeof(zboot));
        board_write(&b, r.address + ZBOOT_INNER - 4, 4, 0);
        r.unpack = true;
        g_assert_true(place_path(&r, path, &result, &error));
        g_assert_cmpint(result.format, ==, LOADER_IMAGE);
        g_assert_cmphex(board_read(&b, r.address + ZBOOT_INNER - 4, 4), ==, 0x13131313);
        r.unpack = false; /* -device loader: a boot loader in the guest may want it as it is */
        g_assert_true(place_path(&r, path, &result, &error));
        g_assert_cmpuint(result.high - result.low, ==, ZBOOT_SIZE);
        g_unlink(path);
    }
    board_destroy(&b);
}

/* A changed field or length each; the message says which. */
static void test_bad_zboot(void)
{
    static const struct { const char *what, *packer; unsigned offset, size; u64 value; int cut; const char *says; } cases[] = {
        { "ends in the header", "gzip", 0, 0, 0, ZBOOT_SIZE - 40, "cut off: 40 of at least 64" },
        { "ends in the payload", "gzip", 0, 0, 0, ZBOOT_SIZE - ZBOOT_PAYLOAD - 1, "cut off: 513 of at least" },
        { "payload beyond the end", "gzip", 8, 4, 0xffffffff, 0, "cut off: 2048 of at least 429496" },
        { "payload larger than the file", "zstd", 12, 4, 0xffffffff, 0, "cut off: 2048 of at least 4294967807" },
        { "payload in the header", "gzip", 8, 4, 63, 0, "cannot start at byte 63" },
        { "no payload", "gzip", 12, 4, 0, 0, "gzip data is damaged or cut off" },
        { "too small a payload", "zstd", 12, 4, 20, 0, "zstd data is damaged or cut off" },
        { "payload elsewhere", "zstd", 8, 4, ZBOOT_PAYLOAD + 1, 0, "zstd data is damaged or cut off" },
        { "the other packer", "gzip", 24, 4, 0x6474737a, 0, "zstd data is damaged or cut off" },
        { "packed by lz4", "gzip", 24, 8, 0x347a6c, 0, "packed by 'lz4'" },
        { "an endless name", "zstd", 28, 1, 'x', 0, "packed by 'zstdx" },
        { "an unprintable name", "gzip", 24, 1, 10, 0, "packed by '\\nzip'" },
        { "no name", "gzip", 24, 1, 0, 0, "packed by ''" },
    };
    struct board b = board_create(1);
    u8 inner[ZBOOT_INNER], zboot[ZBOOT_SIZE];

    make_image(inner, sizeof(inner));
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        GError *error = NULL;
        u64 size;

        g_test_message("%s", cases[i].what);
        make_zboot(zboot, cases[i].packer, inner);
        bits_store_le(zboot + cases[i].offset, cases[i].size, cases[i].value);
        if (!strcmp(cases[i].what, "an endless name"))
            memset(zboot + 28, 'x', 28);
        g_autofree u8 *exact = g_memdup2(zboot, (gsize)(ZBOOT_SIZE - cases[i].cut));
        g_assert_null(loader_unpack_zboot(exact, (u64)(ZBOOT_SIZE - cases[i].cut), 64 * MIB, &size, &error));
        g_assert_nonnull(strstr(error->message, cases[i].says));
        g_assert_null(strchr(error->message, '\n'));
        g_clear_error(&error);
    }
    board_destroy(&b);
}

/* What is inside must be a kernel for this guest, and fit. */
static void test_foreign_zboot(void)
{
    struct board b = board_create(1);
    u8 inner[ZBOOT_INNER], zboot[ZBOOT_SIZE];
    struct loader_request r = request(&b, NULL, 0);
    struct loader_result result;
    GError *error = NULL;

    r.unpack = true;
    make_image(inner, sizeof(inner));
    memcpy(inner + 0x38, "ARM\x64", 4);
    make_zboot(zboot, "zstd", inner);
    g_autofree char *path = write_file(zboot, sizeof(zboot));
    g_assert_false(place_path(&r, path, &result, &error));
    g_assert_nonnull(strstr(error->message, "holds no kernel for this guest"));
    g_clear_error(&error);
    make_image(inner, sizeof(inner));
    make_zboot(zboot, "zstd", inner);
    g_assert_true(g_file_set_contents(path, (char *)zboot, sizeof(zboot), NULL));
    r.address = RAM + 64 * MIB - ZBOOT_INNER + 1;
    g_assert_false(place_path(&r, path, &result, &error));
    g_assert_nonnull(strstr(error->message, "unpacks to more than there is room for"));
    g_clear_error(&error);
    g_unlink(path);
    board_destroy(&b);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/loader/gzip", test_gzip);
    g_test_add_func("/loader/bomb", test_bomb);
    g_test_add_func("/loader/zboot", test_zboot);
    g_test_add_func("/loader/zboot/bad", test_bad_zboot);
    g_test_add_func("/loader/zboot/foreign", test_foreign_zboot);
    return g_test_run();
}
