/* tests/unit/loader_files.h - what the tests of the loader load: small files, made here. */
#ifndef TESTS_UNIT_LOADER_FILES_H
#define TESTS_UNIT_LOADER_FILES_H

#include "base/bits.h"
#include "hw/core/loader.h"
#include "tests/unit/board.h"
#include <glib/gstdio.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

enum { RAM = 0x80000000, EM_RISCV = 243, ARCH_RISCV = 26 };

static inline struct loader_request request(struct board *b, const u8 *data, u64 size)
{
    return (struct loader_request){ .space = vm_memory(b->vm), .data = data, .size = size, .name = "test", .address = RAM + 2 * MIB,
                                    .elf_machine = EM_RISCV, .uimage_arch = ARCH_RISCV };
}

static inline void make_image(u8 *image, u64 size)
{
    memset(image, 0x13, size);
    bits_store_le(image + 16, 8, 0x100000);
    memcpy(image + 0x30, "RISCV\0\0\0RSC\5", 12);
}

static inline char *write_file(const void *data, u64 size)
{
    char *path = NULL;
    int fd = g_file_open_tmp("mynah-loader-XXXXXX", &path, NULL);

    g_assert_cmpint(fd, >=, 0);
    g_close(fd, NULL);
    g_assert_true(g_file_set_contents(path, data, (gssize)size, NULL));
    return path;
}

static inline bool place_path(struct loader_request *request, const char *path, struct loader_result *result, GError **error)
{
    struct loader_file *file = loader_file_open(path, error);
    bool ok = file && loader_place_file(request, file, result, error);

    loader_file_close(file);
    return ok;
}

static inline u64 gzip(const u8 *data, u64 size, u8 *out, u64 room)
{
    z_stream z = { .next_in = (u8 *)data, .avail_in = (uInt)size, .next_out = out, .avail_out = (uInt)room };

    g_assert_cmpint(deflateInit2(&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), ==, Z_OK);
    g_assert_cmpint(deflate(&z, Z_FINISH), ==, Z_STREAM_END);
    deflateEnd(&z);
    return z.total_out;
}

enum { ZBOOT_PAYLOAD = 512, ZBOOT_SIZE = 2048, ZBOOT_INNER = 4096 };

/* The payload, then its unpacked size for zstd, then padding, as Linux makes it. Returns where the payload ends. */
static inline u64 make_zboot(u8 *zboot, const char *packer, const u8 *inner)
{
    u8 *payload = zboot + ZBOOT_PAYLOAD;
    u64 size;

    memset(zboot, 0, ZBOOT_SIZE);
    if (!strcmp(packer, "gzip"))
        size = gzip(inner, ZBOOT_INNER, payload, ZBOOT_SIZE - ZBOOT_PAYLOAD);
    else
        size = ZSTD_compress(payload, ZBOOT_SIZE - ZBOOT_PAYLOAD, inner, ZBOOT_INNER, 19);
    g_assert_cmpuint(size, <, ZBOOT_SIZE - ZBOOT_PAYLOAD - 4);
    bits_store_le(payload + size, 4, ZBOOT_INNER);
    memcpy(zboot, "MZ\0\0zimg", 8);
    bits_store_le(zboot + 8, 4, ZBOOT_PAYLOAD);
    bits_store_le(zboot + 12, 4, size);
    memcpy(zboot + 24, packer, strlen(packer));
    return ZBOOT_PAYLOAD + size;
}

#endif
