/* block/copy_on_read.c - what was read from backing files stays in the image above; and the filter that makes it so. */
#include "base/error.h"
#include "block/driver.h"
#include <errno.h>
#include <stdlib.h>

enum { CHUNK = 1 << 20, SECTOR = 512 };

static bool lacks(struct block_node *node, u64 offset, u64 size)
{
    struct block_status status;

    for (u64 stop = MIN(offset + size, node->size); offset < stop; offset += status.size)
        if (block_status(node, offset, stop - offset, &status) < 0 || !(status.flags & BLOCK_ALLOCATED))
            return true;
    return false;
}

/* By the driver itself: the range is this request's already. */
static int put(struct block_node *node, u64 offset, void *buffer, u64 size)
{
    struct iovec iov;
    int ret = -ENOTSUP;

    if (node->driver->write_zeroes && block_is_zero(buffer, size))
        ret = node->driver->write_zeroes(node, offset, size, 0);
    return ret == -ENOTSUP ? node->driver->write(node, offset, block_data_one(&iov, buffer, size), 0) : ret;
}

/* Whether what is at the offset comes from above `base`, and how far that holds. */
static int is_wanted(struct block_node *node, struct block_node *base, u64 offset, u64 *size, bool *wanted)
{
    struct block_status status = { .size = *size };
    int ret = base ? block_status_above(node, base, offset, *size, &status, NULL) : 0;

    *wanted = !base || (status.flags & BLOCK_ALLOCATED);
    *size = status.size;
    return ret;
}

static void copy(struct block_node *node, struct block_node *base, u64 offset, u64 stop, void *buffer)
{
    struct block_status status;
    bool wanted;
    int ret = 0;

    for (u64 n; offset < stop && ret == 0; offset += n) {
        struct iovec iov;

        ret = block_status(node, offset, stop - offset, &status);
        n = status.size;
        if (ret < 0 || (status.flags & BLOCK_ALLOCATED))
            continue;
        n = MIN(n, CHUNK);
        ret = is_wanted(node, base, offset, &n, &wanted);
        if (ret < 0 || !wanted)
            continue;
        ret = node->driver->read(node, offset, block_data_one(&iov, buffer, n));
        if (ret == 0)
            ret = put(node, offset, buffer, n);
    }
}

void block_copy_up(struct block_node *node, struct block_node *base, u64 offset, u64 size)
{
    u64 unit = MAX(MAX(node->zero_align, node->alignment), SECTOR), start = offset / unit * unit, stop;
    struct block_tracked tracked;
    void *buffer = NULL;

    if (!node->backing || node->read_only || offset >= node->size || !lacks(node, offset, size))
        return;
    stop = MIN((offset + size + unit - 1) / unit * unit, node->size);
    if (posix_memalign(&buffer, 4096, MIN(stop - start, CHUNK)))
        return;
    node->in_flight++;
    block_track(node, &tracked, start, stop - start, true);
    copy(node, base, start, stop, buffer);
    block_untrack(node, &tracked);
    if (!--node->in_flight)
        block_queue_wake_all(&node->idle);
    free(buffer);
}

void block_set_copy_on_read(struct block_node *node, bool on)
{
    node->copy_on_read = on;
}

/* --- the filter --- */

struct cor {
    char *bottom; /* a name; NULL: all of the chain */
};

/* The image below the bottom one, which is looked for each time: chains change. */
static struct block_node *base_of(struct block_node *node)
{
    const char *bottom = ((struct cor *)node->state)->bottom;
    struct block_node *at = bottom ? block_graph_find(node->graph, bottom) : NULL;

    return at ? block_backing(at) : NULL;
}

static bool find_bottom(struct block_node *node, const char *name, GError **error)
{
    struct block_node *bottom = block_graph_find(node->graph, name), *at = block_skip_filters(node->file->node);

    if (!bottom)
        return error_set(error, "Bottom node '%s' not found", name);
    if (!bottom->driver->is_format && !bottom->driver->is_filter) {
        error_set(error, "Bottom node '%s' is not an image", name);
        return error_hint(error, "name the node of driver qcow2 or raw above it");
    }
    if (bottom->driver->is_filter && bottom->driver != &block_driver_raw)
        return error_set(error, "Bottom node '%s' is a filter", name);
    while (at && at != bottom && at != block_skip_filters(bottom))
        at = block_backing(at) ? block_skip_filters(block_backing(at)) : NULL;
    return at || error_set(error, "Bottom node '%s' is not in the chain below '%s'", name, block_name(node));
}

static bool cor_open(struct block_node *node, struct block_open_context *context, GError **error)
{
    if (!block_open_child(node, context, "file", error))
        return false;
    node->read_only |= node->file->node->read_only;
    node->alignment = node->file->node->alignment;
    node->size = node->file->node->size;
    const char *bottom = context->api->u.copy_on_read->bottom;

    if (bottom && !find_bottom(node, bottom, error))
        return false;
    ((struct cor *)node->state)->bottom = g_strdup(bottom);
    return true;
}

static void cor_close(struct block_node *node)
{
    g_free(((struct cor *)node->state)->bottom);
}

static int cor_read(struct block_node *node, u64 offset, struct block_data data)
{
    block_copy_up(block_skip_filters(node->file->node), base_of(node), offset, data.size);
    return block_read(node->file->node, offset, data);
}

static int cor_write(struct block_node *node, u64 offset, struct block_data data, u32 flags)
{
    return block_write(node->file->node, offset, data, flags);
}

static int cor_zeroes(struct block_node *node, u64 offset, u64 size, u32 flags)
{
    return block_write_zeroes(node->file->node, offset, size, flags);
}

static int cor_discard(struct block_node *node, u64 offset, u64 size)
{
    return block_discard(node->file->node, offset, size);
}

static int cor_flush(struct block_node *node)
{
    return block_flush(node->file->node);
}

static int cor_status(struct block_node *node, u64 offset, u64 size, struct block_status *out)
{
    int ret = block_status(node->file->node, offset, size, out);

    out->flags &= ~BLOCK_EOF;
    return ret;
}

static bool cor_truncate(struct block_node *node, u64 size, enum block_prealloc prealloc, GError **error)
{
    if (!block_truncate(node->file->node, size, prealloc, error))
        return false;
    block_set_size(node, node->file->node->size);
    return true;
}

/* Also for users who only read. */
static void cor_perm(struct block_node *node, struct block_node *child, u32 perm, u32 shared, u32 *child_perm, u32 *child_shared)
{
    *child_perm = perm | BLOCK_WRITE_UNCHANGED;
    *child_shared = shared;
}

const struct block_driver block_driver_copy_on_read = {
    .name = "copy-on-read",
    .is_filter = true,
    .state_size = sizeof(struct cor),
    .open = cor_open,
    .close = cor_close,
    .read = cor_read,
    .write = cor_write,
    .handles_fua = true,
    .write_zeroes = cor_zeroes,
    .discard = cor_discard,
    .flush = cor_flush,
    .status = cor_status,
    .truncate = cor_truncate,
    .child_perm = cor_perm,
};
