/*
 * hw/core/loader_unpack.c - compressed files: gzip, zstd, and Linux's EFI zboot image, which carries either (header:
 * drivers/firmware/efi/libstub/zboot-header.S of Linux; names of compressions: Makefile.zboot beside it).
 */
#include "base/bits.h"
#include "base/error.h"
#include "host/map.h"
#include "hw/core/loader.h"
#include <string.h>
#include <zlib.h>
#include <zstd.h>

enum {
    ZBOOT_HEADER = 64, ZBOOT_TYPE_AT = 4, ZBOOT_PAYLOAD_AT = 8, ZBOOT_SIZE_AT = 12,
    ZBOOT_NAME_AT = 24, ZBOOT_NAME_MAX = 32, /* with its NUL */
};

/* What was unpacked so far. It may hold one byte more than max, which shows that there is too much. */
struct output {
    u8 *data;
    u64 room, used, max;
};

/* Room for some more bytes, as many as zlib can count. */
static uInt more(struct output *out, u64 packed_size)
{
    if (out->used == out->room) {
        out->room = MIN(out->max + 1, MAX(MIN(packed_size * 4, 64 * MIB), out->room * 2));
        out->data = g_realloc(out->data, out->room);
        host_map_expect_heap(out->data + out->used, out->room - out->used);
    }
    return (uInt)MIN(out->room - out->used, UINT32_MAX / 2);
}

static u8 *finish(struct output *out, bool whole, const char *format, u64 *size, GError **error)
{
    *size = out->used;
    if (whole && out->used <= out->max)
        return out->data;
    g_free(out->data);
    if (out->used > out->max)
        error_set(error, "unpacks to more than there is room for");
    else
        error_set(error, "%s data is damaged or cut off", format);
    return NULL;
}

bool loader_is_gzip(const u8 *data, u64 size)
{
    return size >= 18 && data[0] == 0x1f && data[1] == 0x8b && data[2] == 8;
}

u8 *loader_gunzip(const u8 *data, u64 size, u64 max, u64 *out_size, GError **error)
{
    z_stream stream = { .next_in = (u8 *)data };
    struct output out = { .max = max };
    int status = Z_OK;
    u64 left = size;

    if (inflateInit2(&stream, 16 + MAX_WBITS) != Z_OK) {
        error_set(error, "no memory to unpack");
        return NULL;
    }
    while (status == Z_OK && out.used <= max) {
        if (!stream.avail_in) {
            stream.avail_in = (uInt)MIN(left, UINT32_MAX / 2);
            left -= stream.avail_in;
        }
        uInt step = more(&out, size);
        stream.next_out = out.data + out.used;
        stream.avail_out = step;
        status = inflate(&stream, Z_NO_FLUSH);
        out.used += step - stream.avail_out;
    }
    inflateEnd(&stream);
    return finish(&out, status == Z_STREAM_END, "gzip", out_size, error);
}

u8 *loader_unzstd(const u8 *data, u64 size, u64 max, u64 *out_size, GError **error)
{
    ZSTD_DStream *stream = ZSTD_createDStream();
    ZSTD_inBuffer in = { .src = data, .size = size };
    struct output out = { .max = max };
    size_t status = 1;

    /* 0: the frame ends here. What follows it (zboot has the size there) is not ours. */
    while (stream && status && !ZSTD_isError(status) && out.used <= max) {
        ZSTD_outBuffer part = { .size = more(&out, size) };
        size_t before = in.pos;

        part.dst = out.data + out.used;
        status = ZSTD_decompressStream(stream, &part, &in);
        out.used += part.pos;
        if (in.pos == before && !part.pos)
            break;
    }
    ZSTD_freeDStream(stream);
    return finish(&out, stream && !status, "zstd", out_size, error);
}

bool loader_is_zboot(const u8 *data, u64 size)
{
    return size >= ZBOOT_TYPE_AT + 4 && !memcmp(data, "MZ", 2) && !memcmp(data + ZBOOT_TYPE_AT, "zimg", 4);
}

static bool is_named(const u8 *header, const char *name)
{
    return !strncmp((const char *)header + ZBOOT_NAME_AT, name, ZBOOT_NAME_MAX);
}

static void refuse_packer(const u8 *header, GError **error)
{
    g_autofree char *raw = g_strndup((const char *)header + ZBOOT_NAME_AT, ZBOOT_NAME_MAX), *name = g_strescape(raw, NULL);

    error_set(error, "the EFI zboot image is packed by '%s'; gzip and zstd can be unpacked", name);
}

u8 *loader_unpack_zboot(const u8 *data, u64 size, u64 max, u64 *out_size, GError **error)
{
    u64 payload = size < ZBOOT_HEADER ? 0 : bits_load_le(data + ZBOOT_PAYLOAD_AT, 4);
    u64 end = size < ZBOOT_HEADER ? ZBOOT_HEADER : payload + bits_load_le(data + ZBOOT_SIZE_AT, 4);

    if (end > size) {
        error_set(error, "the EFI zboot image is cut off: %" G_GUINT64_FORMAT " of at least %" G_GUINT64_FORMAT " bytes are there", size, end);
    } else if (payload < ZBOOT_HEADER) {
        error_set(error, "the header of the EFI zboot image is damaged: its payload cannot start at byte %" G_GUINT64_FORMAT, payload);
    } else if (is_named(data, "gzip")) {
        return loader_gunzip(data + payload, end - payload, max, out_size, error);
    } else if (is_named(data, "zstd") || is_named(data, "zstd22")) {
        return loader_unzstd(data + payload, end - payload, max, out_size, error);
    } else {
        refuse_packer(data, error);
    }
    return NULL;
}
