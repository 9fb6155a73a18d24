/* block/null.c - null-co and null-aio: nothing behind them. */
#include "block/driver.h"
#include "host/clock.h"

struct null {
    u64 latency; /* ns */
    bool zeroes;
};

static bool null_open(struct block_node *node, struct block_open_context *context, GError **error)
{
    const struct api_blockdev_options_null *options =
        context->api->driver == API_BLOCKDEV_DRIVER_NULL_CO ? context->api->u.null_co : context->api->u.null_aio;
    struct null *null = node->state;

    node->size = options->has_size ? options->size : 1 << 30;
    null->latency = MIN(options->latency_ns, (u64)INT64_MAX / 2);
    null->zeroes = options->read_zeroes;
    node->alignment = 1;
    if (!options->has_size && !options->has_latency_ns && !options->has_read_zeroes) {
        g_free(node->filename);
        node->filename = g_strdup_printf("%s://", node->driver->name);
    }
    return true;
}

static int pause_for(struct block_node *node)
{
    struct null *null = node->state;

    if (null->latency)
        block_fiber_sleep_until(node->loop, host_clock_monotonic() + (s64)null->latency);
    return 0;
}

static int null_read(struct block_node *node, u64 offset, struct block_data data)
{
    if (((struct null *)node->state)->zeroes)
        block_data_fill(data, 0);
    return pause_for(node);
}

static int null_write(struct block_node *node, u64 offset, struct block_data data, u32 flags)
{
    return pause_for(node);
}

static int null_zeroes(struct block_node *node, u64 offset, u64 size, u32 flags)
{
    return pause_for(node);
}

static int null_flush(struct block_node *node)
{
    return pause_for(node);
}

static int null_status(struct block_node *node, u64 offset, u64 size, struct block_status *out)
{
    *out = (struct block_status){ .flags = BLOCK_OFFSET | BLOCK_ALLOCATED, .size = size, .map = offset, .file = node };
    out->flags |= ((struct null *)node->state)->zeroes ? BLOCK_ZERO : BLOCK_DATA;
    return 0;
}

static s64 null_allocated(struct block_node *node)
{
    return 0;
}

#define NULL_DRIVER(text)                                                                                                 \
    { .name = text, .state_size = sizeof(struct null), .open = null_open, .read = null_read, .write = null_write,         \
      .write_zeroes = null_zeroes, .flush = null_flush, .status = null_status, .handles_fua = true,                       \
      .allocated_size = null_allocated }

const struct block_driver block_driver_null_co = NULL_DRIVER("null-co");
const struct block_driver block_driver_null_aio = NULL_DRIVER("null-aio");
