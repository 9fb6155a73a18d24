/* block/throttle_node.c - driver `throttle`: a filter whose requests keep to a group's limits. */
#include "block/driver.h"
#include "block/throttle.h"
#include "base/error.h"

static struct throttle_member *member_of(struct block_node *node)
{
    return node->state;
}

static bool throttle_open(struct block_node *node, struct block_open_context *context, GError **error)
{
    const char *name = context->api->u.throttle->throttle_group;

    if (!throttle_group_find(node->graph, name)) {
        error_set(error, "Throttle group '%s' does not exist", name);
        return error_hint(error, "make it with -object throttle-group,id=%s,...", name);
    }
    if (!block_open_child(node, context, "file", error))
        return false;
    node->read_only |= node->file->node->read_only;
    node->alignment = node->file->node->alignment;
    node->size = node->file->node->size;
    member_of(node)->group = throttle_group_get(node->graph, name);
    return true;
}

static void throttle_close(struct block_node *node)
{
    throttle_group_put(member_of(node)->group);
}

static int throttle_read(struct block_node *node, u64 offset, struct block_data data)
{
    throttle_wait(member_of(node), node->loop, false, data.size, NULL);
    return block_read(node->file->node, offset, data);
}

static int throttle_write(struct block_node *node, u64 offset, struct block_data data, u32 flags)
{
    throttle_wait(member_of(node), node->loop, true, data.size, NULL);
    return block_write(node->file->node, offset, data, flags);
}

static int throttle_zeroes(struct block_node *node, u64 offset, u64 size, u32 flags)
{
    throttle_wait(member_of(node), node->loop, true, size, NULL);
    return block_write_zeroes(node->file->node, offset, size, flags);
}

static int throttle_discard(struct block_node *node, u64 offset, u64 size)
{
    throttle_wait(member_of(node), node->loop, true, size, NULL);
    return block_discard(node->file->node, offset, size);
}

static int throttle_flush(struct block_node *node)
{
    return block_flush(node->file->node);
}

static int throttle_status(struct block_node *node, u64 offset, u64 size, struct block_status *out)
{
    int ret = block_status(node->file->node, offset, size, out);

    out->flags &= ~BLOCK_EOF;
    return ret;
}

static bool throttle_truncate(struct block_node *node, u64 size, enum block_prealloc prealloc, GError **error)
{
    if (!block_truncate(node->file->node, size, prealloc, error))
        return false;
    block_set_size(node, node->file->node->size);
    return true;
}

static void hurry(struct block_node *node, bool on)
{
    throttle_hurry(member_of(node), on);
}

const struct block_driver block_driver_throttle = {
    .name = "throttle",
    .is_filter = true,
    .state_size = sizeof(struct throttle_member),
    .open = throttle_open,
    .close = throttle_close,
    .read = throttle_read,
    .write = throttle_write,
    .handles_fua = true,
    .write_zeroes = throttle_zeroes,
    .discard = throttle_discard,
    .flush = throttle_flush,
    .status = throttle_status,
    .truncate = throttle_truncate,
    .hurry = hurry,
    .child_perm = block_perm_filter,
};
