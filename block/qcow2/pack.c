/* block/qcow2/pack.c - one cluster through zlib or zstd. */
#include "block/qcow2/compress.h"
#include <zlib.h>
#include <zstd.h>

enum { WINDOW_BITS = -12 /* raw deflate, 4 KiB window, as the format says */ };

static size_t pack_zlib(void *to, size_t room, const void *from, size_t size)
{
    z_stream stream = { .next_in = (Bytef *)from, .avail_in = (uInt)size, .next_out = to, .avail_out = (uInt)room };
    int ret;

    if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW_BITS, 9, Z_DEFAULT_STRATEGY) != Z_OK)
        return 0;
    ret = deflate(&stream, Z_FINISH);
    deflateEnd(&stream);
    return ret == Z_STREAM_END ? room - stream.avail_out : 0;
}

static bool unpack_zlib(void *to, size_t size, const void *from, size_t packed)
{
    z_stream stream = { .next_in = (Bytef *)from, .avail_in = (uInt)packed, .next_out = to, .avail_out = (uInt)size };
    int ret;

    if (inflateInit2(&stream, WINDOW_BITS) != Z_OK)
        return false;
    ret = inflate(&stream, Z_FINISH);
    inflateEnd(&stream);
    return (ret == Z_STREAM_END || ret == Z_BUF_ERROR) && stream.avail_out == 0;
}

static size_t pack_zstd(void *to, size_t room, const void *from, size_t size)
{
    size_t n = ZSTD_compress(to, room, from, size, ZSTD_CLEVEL_DEFAULT);

    return ZSTD_isError(n) ? 0 : n;
}

static bool unpack_zstd(void *to, size_t size, const void *from, size_t packed)
{
    ZSTD_DStream *stream = ZSTD_createDStream();
    ZSTD_outBuffer out = { .dst = to, .size = size };
    ZSTD_inBuffer in = { .src = from, .size = packed };

    while (stream && out.pos < out.size) {
        size_t in_before = in.pos, out_before = out.pos, ret = ZSTD_decompressStream(stream, &out, &in);

        if (ZSTD_isError(ret) || (in.pos == in_before && out.pos == out_before) || (ret == 0 && out.pos < out.size))
            break;
    }
    ZSTD_freeDStream(stream);
    return out.pos == size;
}

size_t qcow2_pack(bool zstd, void *to, size_t room, const void *from, size_t size)
{
    return zstd ? pack_zstd(to, room, from, size) : pack_zlib(to, room, from, size);
}

bool qcow2_unpack(bool zstd, void *to, size_t size, const void *from, size_t packed)
{
    return zstd ? unpack_zstd(to, size, from, packed) : unpack_zlib(to, size, from, packed);
}
