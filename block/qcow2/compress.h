/* block/qcow2/compress.h - packing and unpacking one cluster. */
#ifndef BLOCK_QCOW2_COMPRESS_H
#define BLOCK_QCOW2_COMPRESS_H

#include "base/types.h"
#include <glib.h>

/* What zlib or zstd need to work, kept from one cluster to the next: a few hundred KiB. One thread at a time. */
struct qcow2_packer;

/* zstd: else zlib's deflate, as the image says. */
struct qcow2_packer *qcow2_packer_create(bool zstd);
void qcow2_packer_destroy(struct qcow2_packer *packer); /* NULL is fine */
/* Whether an image made it claim more memory than is worth keeping. */
bool qcow2_packer_is_large(const struct qcow2_packer *packer);

/* Bytes used in `to`; 0 when it does not fit into `room` or fails. */
size_t qcow2_pack(struct qcow2_packer *packer, void *to, size_t room, const void *from, size_t size);
/* False unless exactly `size` bytes come out; what follows the packed data is ignored. */
bool qcow2_unpack(struct qcow2_packer *packer, void *to, size_t size, const void *from, size_t packed);

/* Those that nobody uses now. The loop's thread. */
struct qcow2_packers {
    GQueue idle;
};
void qcow2_packers_finish(struct qcow2_packers *packers);

#endif
