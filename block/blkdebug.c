/* block/blkdebug.c - a filter whose requests fail as rules say: what becomes of errors can be seen with it. */
#include "block/driver.h"
#include "base/error.h"
#include "host/clock.h"
#include <errno.h>

enum { EVERYTHING = ~0u, SECTOR = 512 };

struct rule {
    enum api_blkdebug_event event;
    s64 state, new_state; /* state 0: any */
    bool sets_state, once, spent;
    bool awake; /* its event has happened */
    u32 kinds;  /* bits of enum api_blkdebug_io_type */
    int error;
    s64 delay, sector; /* sector < 0: any */
};

struct blkdebug {
    s64 state;
    GArray *rules; /* of struct rule */
};

static bool add_errors(struct blkdebug *debug, const GPtrArray *list, GError **error)
{
    for (guint i = 0; list && i < list->len; i++) {
        const struct api_blkdebug_inject_error_options *o = list->pdata[i];
        struct rule rule = { .event = o->event, .state = o->state, .once = o->once, .awake = o->event == API_BLKDEBUG_EVENT_NONE,
                             .kinds = o->has_iotype ? 1u << o->iotype : EVERYTHING, .error = o->has_errno_ ? (int)o->errno_ : EIO,
                             .delay = o->delay_ns, .sector = o->has_sector ? o->sector : -1 };

        if (o->has_errno_ && (o->errno_ < 0 || o->errno_ > 4095))
            return error_set(error, "errno of a rule is 0 to 4095");
        if (o->delay_ns < 0)
            return error_set(error, "delay-ns of a rule is not negative");
        g_array_append_val(debug->rules, rule);
    }
    return true;
}

static void add_states(struct blkdebug *debug, const GPtrArray *list)
{
    for (guint i = 0; list && i < list->len; i++) {
        const struct api_blkdebug_set_state_options *o = list->pdata[i];
        struct rule rule = { .event = o->event, .state = o->state, .sets_state = true, .new_state = o->new_state };

        g_array_append_val(debug->rules, rule);
    }
}

static bool check_limits(struct block_node *node, const struct api_blockdev_options_blkdebug *o, GError **error)
{
    if (o->has_align && (o->align < 1 || o->align > 1 << 20 || (o->align & (o->align - 1))))
        return error_set(error, "Cannot meet constraints with align %" G_GINT64_FORMAT, o->align);
    node->alignment = MAX(node->file->node->alignment, o->has_align ? (u32)o->align : 1);
    if (o->has_max_transfer && (o->max_transfer < node->alignment || o->max_transfer % node->alignment))
        return error_set(error, "Cannot meet constraints with max-transfer %" G_GINT64_FORMAT, o->max_transfer);
    node->max_transfer = o->has_max_transfer ? (u64)o->max_transfer : 0;
    return true;
}

static void blkdebug_close(struct block_node *node)
{
    g_array_unref(((struct blkdebug *)node->state)->rules);
}

static bool blkdebug_open(struct block_node *node, struct block_open_context *context, GError **error)
{
    const struct api_blockdev_options_blkdebug *o = context->api->u.blkdebug;
    struct blkdebug *debug = node->state;

    node->file = block_open_child(node, context, "image", error);
    if (!node->file)
        return false;
    node->read_only |= node->file->node->read_only;
    node->size = node->file->node->size;
    debug->state = 1;
    debug->rules = g_array_new(FALSE, TRUE, sizeof(struct rule));
    add_states(debug, o->set_state);
    if (check_limits(node, o, error) && add_errors(debug, o->inject_error, error))
        return true;
    blkdebug_close(node);
    return false;
}

static void happens(struct blkdebug *debug, enum api_blkdebug_event event)
{
    s64 state = debug->state;

    for (guint i = 0; i < debug->rules->len; i++) {
        struct rule *rule = &g_array_index(debug->rules, struct rule, i);

        if (rule->event != event || event == API_BLKDEBUG_EVENT_NONE || (rule->state && rule->state != state))
            continue;
        rule->awake = true;
        if (rule->sets_state)
            debug->state = rule->new_state;
    }
}

static bool fits(const struct blkdebug *debug, const struct rule *rule, enum api_blkdebug_io_type kind, u64 offset, u64 size)
{
    bool touched = rule->sector < 0 || (offset / SECTOR <= (u64)rule->sector && (u64)rule->sector < (offset + size + SECTOR - 1) / SECTOR);

    return !rule->sets_state && !rule->spent && rule->awake && rule->kinds >> kind & 1 && touched && (!rule->state || rule->state == debug->state);
}

/* 0, or what the request fails with. */
static int judge(struct block_node *node, enum api_blkdebug_io_type kind, enum api_blkdebug_event event, u64 offset, u64 size)
{
    struct blkdebug *debug = node->state;

    happens(debug, event);
    for (guint i = 0; i < debug->rules->len; i++) {
        struct rule *rule = &g_array_index(debug->rules, struct rule, i);

        if (!fits(debug, rule, kind, offset, size))
            continue;
        int error = rule->error;

        rule->spent = rule->once;
        if (rule->delay)
            block_fiber_sleep_until(node->loop, host_clock_monotonic() + rule->delay);
        return -error;
    }
    return 0;
}

static int debug_read(struct block_node *node, u64 offset, struct block_data data)
{
    int ret = judge(node, API_BLKDEBUG_IO_TYPE_READ, API_BLKDEBUG_EVENT_READ_AIO, offset, data.size);

    return ret ? ret : block_read(node->file->node, offset, data);
}

static int debug_write(struct block_node *node, u64 offset, struct block_data data, u32 flags)
{
    int ret = judge(node, API_BLKDEBUG_IO_TYPE_WRITE, API_BLKDEBUG_EVENT_WRITE_AIO, offset, data.size);

    return ret ? ret : block_write(node->file->node, offset, data, flags);
}

static int debug_zeroes(struct block_node *node, u64 offset, u64 size, u32 flags)
{
    int ret = judge(node, API_BLKDEBUG_IO_TYPE_WRITE_ZEROES, API_BLKDEBUG_EVENT_NONE, offset, size);

    return ret ? ret : block_write_zeroes(node->file->node, offset, size, flags);
}

static int debug_discard(struct block_node *node, u64 offset, u64 size)
{
    int ret = judge(node, API_BLKDEBUG_IO_TYPE_DISCARD, API_BLKDEBUG_EVENT_NONE, offset, size);

    return ret ? ret : block_discard(node->file->node, offset, size);
}

static int debug_flush(struct block_node *node)
{
    int ret = judge(node, API_BLKDEBUG_IO_TYPE_FLUSH, API_BLKDEBUG_EVENT_FLUSH_TO_DISK, 0, 0);

    return ret ? ret : block_flush(node->file->node);
}

static int debug_status(struct block_node *node, u64 offset, u64 size, struct block_status *out)
{
    int ret = block_status(node->file->node, offset, size, out);

    out->flags &= ~BLOCK_EOF;
    return ret;
}

static bool debug_truncate(struct block_node *node, u64 size, enum block_prealloc prealloc, GError **error)
{
    if (!block_truncate(node->file->node, size, prealloc, error))
        return false;
    block_set_size(node, node->file->node->size);
    return true;
}

const struct block_driver block_driver_blkdebug = {
    .name = "blkdebug",
    .is_filter = true,
    .state_size = sizeof(struct blkdebug),
    .open = blkdebug_open,
    .close = blkdebug_close,
    .read = debug_read,
    .write = debug_write,
    .handles_fua = true,
    .write_zeroes = debug_zeroes,
    .discard = debug_discard,
    .flush = debug_flush,
    .status = debug_status,
    .truncate = debug_truncate,
    .child_perm = block_perm_filter,
};
