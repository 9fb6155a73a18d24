/* block/copy.c - what an image has on its own, written into the one below. */
#include "block/copy.h"
#include <errno.h>

enum { CHUNK = 1 << 20 };

static int copy_piece(struct block_node *top, struct block_node *base, u64 at, u64 *size, u8 *buffer)
{
    struct block_status status;
    int ret = block_status_above(top, base, at, block_size(top) - at, &status, NULL);

    if (ret < 0)
        return ret;
    *size = status.size;
    if (!(status.flags & BLOCK_ALLOCATED))
        return 0;
    if (status.flags & BLOCK_ZERO)
        return block_write_zeroes(base, at, *size, BLOCK_MAY_UNMAP);
    *size = MIN(*size, CHUNK);
    ret = block_read_buffer(top, at, buffer, *size);
    return ret < 0 ? ret : block_write_buffer(base, at, buffer, *size);
}

int block_commit(struct block_node *top, struct block_node *base, void (*progress)(void *opaque, u64 done, u64 total), void *opaque)
{
    g_autofree u8 *buffer = g_malloc(CHUNK);

    for (u64 at = 0, size; at < block_size(top); at += size) {
        int ret = copy_piece(top, base, at, &size, buffer);

        if (ret < 0)
            return ret;
        if (progress)
            progress(opaque, at + size, block_size(top));
    }
    return block_flush(base);
}
