/* block/status.c - what lies where: data, zeros, nothing. */
#include "block/driver.h"
#include <errno.h>

int block_status(struct block_node *node, u64 offset, u64 size, struct block_status *out)
{
    int ret = 0;

    *out = (struct block_status){ .size = size };
    if (offset >= node->size) {
        out->flags = BLOCK_EOF | BLOCK_ZERO;
        return 0;
    }
    size = MIN(size, node->size - offset);
    out->size = size;
    if (!node->driver->status) {
        out->flags = BLOCK_DATA | BLOCK_ALLOCATED | BLOCK_OFFSET;
        out->map = offset;
        out->file = node;
    } else {
        node->in_flight++;
        ret = node->driver->status(node, offset, size, out);
        if (!--node->in_flight)
            block_queue_wake_all(&node->idle);
    }
    if (ret < 0)
        return ret;
    out->size = MIN(out->size, size);
    if (offset + out->size == node->size)
        out->flags |= BLOCK_EOF;
    /* Data of a format may be a hole of the file below. */
    if ((out->flags & BLOCK_RECURSE) && (out->flags & BLOCK_DATA) && !(out->flags & BLOCK_ZERO)) {
        struct block_status below;

        if (block_status(out->file, out->map, out->size, &below) == 0) {
            out->flags |= below.flags & BLOCK_ZERO;
            /* Behind the end of the file there are only zeros: that holds for all of it. */
            if (!(below.flags & BLOCK_EOF) || !(below.flags & BLOCK_ZERO))
                out->size = MIN(out->size, below.size);
        }
    }
    out->flags &= ~BLOCK_RECURSE;
    return 0;
}

int block_status_above(struct block_node *node, struct block_node *base, u64 offset, u64 size, struct block_status *out, unsigned *depth)
{
    unsigned n = 0;
    bool eof = false;

    for (struct block_node *at = node; at && at != base; at = block_backing(at), n++) {
        int ret = block_status(at, offset, size, out);

        if (ret < 0)
            return ret;
        if (at == node)
            eof = out->flags & BLOCK_EOF;
        else if (offset >= block_size(at))
            out->flags = BLOCK_ZERO | BLOCK_ALLOCATED | BLOCK_BEHIND;
        size = MIN(size, out->size);
        if ((out->flags & BLOCK_ALLOCATED) || !block_backing(at) || block_backing(at) == base) {
            out->size = size;
            if (eof && offset + size < block_size(node))
                eof = false;
            out->flags = (out->flags & ~BLOCK_EOF) | (eof ? BLOCK_EOF : 0);
            if (depth)
                *depth = n - (out->flags & BLOCK_BEHIND ? 1 : 0);
            return 0;
        }
    }
    return 0;
}
