/* block/qcow2/pack.c - one cluster through zlib or zstd. */
#include "block/qcow2/compress.h"
#include <zlib.h>
#include <zstd.h>

enum { WINDOW_BITS = -12 /* raw deflate, 4 KiB window, as the format says */, LARGE = 4 << 20 /* bytes */ };

struct qcow2_packer {
    bool zstd, deflates, inflates; /* the stream is there */
    z_stream deflate, inflate;
    ZSTD_CCtx *compressor;
    ZSTD_DCtx *decompressor;
};

struct qcow2_packer *qcow2_packer_create(bool zstd)
{
    struct qcow2_packer *packer = g_new0(struct qcow2_packer, 1);

    packer->zstd = zstd;
    return packer;
}

void qcow2_packer_destroy(struct qcow2_packer *packer)
{
    if (!packer)
        return;
    if (packer->deflates)
        deflateEnd(&packer->deflate);
    if (packer->inflates)
        inflateEnd(&packer->inflate);
    ZSTD_freeCCtx(packer->compressor);
    ZSTD_freeDCtx(packer->decompressor);
    g_free(packer);
}

bool qcow2_packer_is_large(const struct qcow2_packer *packer)
{
    return packer->decompressor && ZSTD_sizeof_DCtx(packer->decompressor) > LARGE;
}

static bool ready_to_deflate(struct qcow2_packer *packer)
{
    if (packer->deflates)
        return deflateReset(&packer->deflate) == Z_OK;
    packer->deflates = deflateInit2(&packer->deflate, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW_BITS, 9, Z_DEFAULT_STRATEGY) == Z_OK;
    return packer->deflates;
}

static size_t pack_zlib(struct qcow2_packer *packer, void *to, size_t room, const void *from, size_t size)
{
    z_stream *stream = &packer->deflate;

    if (!ready_to_deflate(packer))
        return 0;
    stream->next_in = (Bytef *)from;
    stream->avail_in = (uInt)size;
    stream->next_out = to;
    stream->avail_out = (uInt)room;
    return deflate(stream, Z_FINISH) == Z_STREAM_END ? room - stream->avail_out : 0;
}

static bool ready_to_inflate(struct qcow2_packer *packer)
{
    if (packer->inflates)
        return inflateReset(&packer->inflate) == Z_OK;
    packer->inflates = inflateInit2(&packer->inflate, WINDOW_BITS) == Z_OK;
    return packer->inflates;
}

static bool unpack_zlib(struct qcow2_packer *packer, void *to, size_t size, const void *from, size_t packed)
{
    z_stream *stream = &packer->inflate;
    int ret;

    if (!ready_to_inflate(packer))
        return false;
    stream->next_in = (Bytef *)from;
    stream->avail_in = (uInt)packed;
    stream->next_out = to;
    stream->avail_out = (uInt)size;
    ret = inflate(stream, Z_FINISH);
    return (ret == Z_STREAM_END || ret == Z_BUF_ERROR) && stream->avail_out == 0;
}

static size_t pack_zstd(struct qcow2_packer *packer, void *to, size_t room, const void *from, size_t size)
{
    size_t n;

    if (!packer->compressor && !(packer->compressor = ZSTD_createCCtx()))
        return 0;
    n = ZSTD_compressCCtx(packer->compressor, to, room, from, size, ZSTD_CLEVEL_DEFAULT);
    return ZSTD_isError(n) ? 0 : n;
}

static bool unpack_zstd(struct qcow2_packer *packer, void *to, size_t size, const void *from, size_t packed)
{
    ZSTD_outBuffer out = { .dst = to, .size = size };
    ZSTD_inBuffer in = { .src = from, .size = packed };

    if (!packer->decompressor && !(packer->decompressor = ZSTD_createDCtx()))
        return false;
    ZSTD_DCtx_reset(packer->decompressor, ZSTD_reset_session_only);
    while (out.pos < out.size) {
        size_t in_before = in.pos, out_before = out.pos, ret = ZSTD_decompressStream(packer->decompressor, &out, &in);

        if (ZSTD_isError(ret) || (in.pos == in_before && out.pos == out_before) || (ret == 0 && out.pos < out.size))
            break;
    }
    return out.pos == size;
}

size_t qcow2_pack(struct qcow2_packer *packer, void *to, size_t room, const void *from, size_t size)
{
    return packer->zstd ? pack_zstd(packer, to, room, from, size) : pack_zlib(packer, to, room, from, size);
}

bool qcow2_unpack(struct qcow2_packer *packer, void *to, size_t size, const void *from, size_t packed)
{
    return packer->zstd ? unpack_zstd(packer, to, size, from, packed) : unpack_zlib(packer, to, size, from, packed);
}
