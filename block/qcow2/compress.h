/* block/qcow2/compress.h - packing and unpacking one cluster. Any thread. */
#ifndef BLOCK_QCOW2_COMPRESS_H
#define BLOCK_QCOW2_COMPRESS_H

#include "base/types.h"

/* Bytes used in `to`; 0 when it does not fit into `room` or fails. zstd: else zlib's deflate, as the image says. */
size_t qcow2_pack(bool zstd, void *to, size_t room, const void *from, size_t size);
/* False unless exactly `size` bytes come out; what follows the packed data is ignored. */
bool qcow2_unpack(bool zstd, void *to, size_t size, const void *from, size_t packed);

#endif
