/* block/raw.c - raw images: the bytes of the node below, or a window of them. */
#include "block/driver.h"
#include "base/error.h"
#include <errno.h>
#include <string.h>

struct raw {
    u64 offset;
    bool guessed; /* nobody has said that it is raw */
};

static bool check_window(struct block_node *node, const struct api_blockdev_options_raw *options, GError **error)
{
    struct raw *raw = node->state;
    u64 below = node->file->node->size;

    raw->offset = options->offset;
    node->fixed_size = options->has_size || raw->offset;
    if (raw->offset > below || (options->has_size && options->size > below - raw->offset)) {
        error_set(error, "The sum of offset (%" G_GUINT64_FORMAT ") and size (%" G_GUINT64_FORMAT
                         ") has to be smaller or equal to the actual size of the containing file (%" G_GUINT64_FORMAT ")",
                  raw->offset, options->size, below);
        return false;
    }
    if (raw->offset & (node->alignment - 1))
        return error_set(error, "'offset' has to be a multiple of %u", node->alignment);
    node->size = options->has_size ? options->size : below - raw->offset;
    return true;
}

static void warn_of_guess(struct block_node *node)
{
    g_printerr("WARNING: Image format was not specified for '%s' and probing guessed raw.\n"
               "         Automatically detecting the format is dangerous for raw images, write operations on block 0 will be restricted.\n"
               "         Specify the 'raw' format explicitly to remove the restrictions.\n", block_filename(node));
}

static bool raw_open(struct block_node *node, struct block_open_context *context, GError **error)
{
    if (!block_open_child(node, context, "file", error))
        return false;
    node->read_only |= node->file->node->read_only;
    node->alignment = node->file->node->alignment;
    ((struct raw *)node->state)->guessed = block_options_guessed(context->json);
    if (((struct raw *)node->state)->guessed && !node->read_only)
        warn_of_guess(node);
    return check_window(node, context->api->u.raw, error);
}

static struct block_node *below(struct block_node *node)
{
    return node->file->node;
}

static u64 shift(struct block_node *node)
{
    return ((struct raw *)node->state)->offset;
}

static int raw_read(struct block_node *node, u64 offset, struct block_data data)
{
    return block_read(below(node), shift(node) + offset, data);
}

/*
 * A guest must not be able to make of its disk what the next start takes for another format, one that names files of the host as its backing
 * file: where raw was a guess the first sector goes on to look like it. Writes of zeros cannot change that. What was looked at is what is
 * written: the guest's buffer may be another one a moment later.
 */
static int write_guessed(struct block_node *node, u64 offset, struct block_data data, u32 flags)
{
    size_t n = MIN(data.size, BLOCK_PROBE_SIZE - offset), rest = data.size - n;
    g_autofree struct iovec *list = g_new(struct iovec, data.count + 1);
    u8 head[BLOCK_PROBE_SIZE] = { 0 };
    struct iovec iov;
    unsigned count = 1;
    int ret;

    ret = block_read(node->file->node, 0, block_data_one(&iov, head, sizeof(head)));
    if (ret < 0)
        return ret;
    block_data_get(block_data_slice(data, 0, n), head + offset);
    if (strcmp(block_probe_head(head, sizeof(head)), node->driver->name) != 0)
        return -EPERM;
    list[0] = (struct iovec){ head + offset, n };
    if (rest)
        count += block_data_map(block_data_slice(data, n, rest), list + 1, data.count, &rest);
    return block_write(node->file->node, offset, block_data_list(list, count), flags);
}

static int raw_write(struct block_node *node, u64 offset, struct block_data data, u32 flags)
{
    if (unlikely(offset < BLOCK_PROBE_SIZE && ((struct raw *)node->state)->guessed))
        return write_guessed(node, offset, data, flags);
    return block_write(below(node), shift(node) + offset, data, flags);
}

static int raw_zeroes(struct block_node *node, u64 offset, u64 size, u32 flags)
{
    return block_write_zeroes(below(node), shift(node) + offset, size, flags);
}

static int raw_discard(struct block_node *node, u64 offset, u64 size)
{
    return block_discard(below(node), shift(node) + offset, size);
}

static int raw_flush(struct block_node *node)
{
    return block_flush(below(node));
}

static int raw_status(struct block_node *node, u64 offset, u64 size, struct block_status *out)
{
    int ret = block_status(below(node), shift(node) + offset, size, out);

    out->flags &= ~BLOCK_EOF;
    return ret;
}

static bool raw_truncate(struct block_node *node, u64 size, enum block_prealloc prealloc, GError **error)
{
    if (node->fixed_size)
        return error_set(error, "Cannot resize fixed-size raw disks");
    if (!block_truncate(below(node), size, prealloc, error))
        return false;
    block_set_size(node, below(node)->size);
    return true;
}

const struct block_driver block_driver_raw = {
    .name = "raw",
    .is_format = true,
    .is_filter = true,
    .state_size = sizeof(struct raw),
    .open = raw_open,
    .read = raw_read,
    .write = raw_write,
    .handles_fua = true,
    .write_zeroes = raw_zeroes,
    .discard = raw_discard,
    .flush = raw_flush,
    .status = raw_status,
    .truncate = raw_truncate,
    .child_perm = block_perm_filter,
};
