/* tcg/buffer.c - memory for generated code: two mappings of one file in memory. */
#include "tcg/buffer.h"
#include "base/bits.h"
#include "base/error.h"
#include "host/map.h"

#include <glib/gstdio.h>

static bool map_two(struct tcg_buffer *b, GError **error)
{
    b->write = host_map_file_aligned(b->fd, 0, b->size, HOST_MAP_READ | HOST_MAP_WRITE, HOST_MAP_HUGE, error);
    if (!b->write)
        return false;
    b->exec = host_map_file_aligned(b->fd, 0, b->size, HOST_MAP_READ | HOST_MAP_EXEC, HOST_MAP_HUGE, error);
    return b->exec != NULL;
}

/* Only where two mappings are refused and the user allows one. */
static bool map_one(struct tcg_buffer *b)
{
    if (b->write)
        host_map_free(b->write, b->size);
    b->write = host_map_file_aligned(b->fd, 0, b->size, HOST_MAP_READ | HOST_MAP_WRITE | HOST_MAP_EXEC, HOST_MAP_HUGE, NULL);
    b->exec = b->write;
    return b->write != NULL;
}

static bool map_memory(struct tcg_buffer *b, bool split_wx, GError **error)
{
    b->fd = host_map_create_file("mynah-code", b->size, error);
    if (b->fd < 0)
        return false;
    if (map_two(b, error))
        return true;
    if (split_wx || !map_one(b))
        return false;
    g_clear_error(error);
    return true;
}

struct tcg_buffer *tcg_buffer_create(u64 size, bool split_wx, GError **error)
{
    struct tcg_buffer *b = g_new0(struct tcg_buffer, 1);

    b->fd = -1;
    b->size = bits_align_up(MIN(size, 2 * GIB - host_page_size()), host_page_size());
    if (!map_memory(b, split_wx, error)) {
        error_prefix(error, "cannot get %" G_GUINT64_FORMAT " MiB for translated code", b->size / MIB);
        tcg_buffer_destroy(b);
        return NULL;
    }
    return b;
}

/* Takes huge pages from `ready` to `end`, one by one: a piece that is never used was cleared by the host for nothing. False: the host has none. */
static bool extend_huge(struct tcg_buffer *b, u64 end)
{
    while (b->ready < end) {
        u64 at = b->ready;

        if (at % HOST_MAP_HUGE || b->size - at < HOST_MAP_HUGE || !host_map_collapse(b->write + at, HOST_MAP_HUGE, true))
            return false;
        if (b->exec != b->write)
            host_map_collapse(b->exec + at, HOST_MAP_HUGE, false);
        b->ready += HOST_MAP_HUGE;
    }
    return true;
}

void tcg_buffer_extend(struct tcg_buffer *b, u64 end)
{
    enum { STEP = 256 * 1024 };
    u64 from, to;

    if (extend_huge(b, MIN(end, b->size)))
        return;
    from = b->ready;
    to = MIN(bits_align_up(MAX(end, from + STEP), host_page_size()), b->size);
    if (from >= to)
        return;
    b->ready = to;
    host_map_expect(b->write + from, to - from, true);
    if (b->exec != b->write)
        host_map_expect(b->exec + from, to - from, false);
}

void tcg_buffer_destroy(struct tcg_buffer *b)
{
    if (!b)
        return;
    if (b->exec && b->exec != b->write)
        host_map_free((void *)b->exec, b->size);
    if (b->write)
        host_map_free(b->write, b->size);
    if (b->fd >= 0)
        g_close(b->fd, NULL);
    g_free(b);
}
