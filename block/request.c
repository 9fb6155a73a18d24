/* block/request.c - requests on their way into a node: limits, alignment, zeros, what overlaps. */
#include "block/driver.h"
#include "base/error.h"
#include <errno.h>
#include <stdlib.h>

/* A guest may name the same memory many times in one request: what is copied goes through buffers of this size, whatever the request's. */
enum { ZERO_BUFFER = 1 << 20, COPY_BUFFER = 1 << 20 };

static void begin(struct block_node *node)
{
    node->in_flight++;
}

static void end(struct block_node *node)
{
    if (!--node->in_flight)
        block_queue_wake_all(&node->idle);
}

void block_hurry(struct block_node *node, bool on)
{
    if (node->driver->hurry)
        node->driver->hurry(node, on);
    for (unsigned i = 0; i < node->children->len; i++)
        block_hurry(((struct block_edge *)node->children->pdata[i])->node, on);
}

static void drain(struct block_node *node)
{
    while (node->in_flight)
        block_queue_wait(&node->idle, node->loop);
    for (unsigned i = 0; i < node->children->len; i++)
        drain(((struct block_edge *)node->children->pdata[i])->node);
}

void block_drain(struct block_node *node)
{
    block_hurry(node, true);
    drain(node);
    block_hurry(node, false);
}

static struct block_tracked *in_the_way(struct block_node *node, u64 start, u64 stop, bool serialising)
{
    for (struct block_tracked *t = node->tracked; t; t = t->next)
        if (t->start < stop && start < t->end && (serialising || t->serialising))
            return t;
    return NULL;
}

void block_track(struct block_node *node, struct block_tracked *mine, u64 offset, u64 size, bool serialising)
{
    struct block_tracked *other;

    *mine = (struct block_tracked){ .start = offset, .end = offset + size, .serialising = serialising };
    while ((other = in_the_way(node, mine->start, mine->end, serialising)))
        block_queue_wait(&other->waiting, node->loop);
    mine->next = node->tracked;
    node->tracked = mine;
}

void block_untrack(struct block_node *node, struct block_tracked *mine)
{
    struct block_tracked **at = &node->tracked;

    while (*at != mine)
        at = &(*at)->next;
    *at = mine->next;
    block_queue_wake_all(&mine->waiting);
}

static void *aligned_buffer(size_t size)
{
    void *buffer = NULL;

    return posix_memalign(&buffer, 4096, MAX(size, 1)) ? NULL : buffer;
}

static bool is_aligned(const struct block_node *node, u64 offset, u64 size)
{
    return !((offset | size) & (node->alignment - 1));
}

/* Bytes of a request that are done at a time: all, or of what is not aligned and does not fit into a buffer the head, the middle and the tail. */
static size_t next_piece(const struct block_node *node, u64 offset, size_t size)
{
    u64 max = node->max_transfer ? node->max_transfer : 1 << 30, mask = node->alignment - 1;

    size = MIN(size, max);
    if (is_aligned(node, offset, size) || size <= COPY_BUFFER)
        return size;
    return offset & mask ? node->alignment - (offset & mask) : size & ~mask;
}

/* Through a buffer that begins and ends where the node wants. */
static int read_unaligned(struct block_node *node, u64 offset, struct block_data data)
{
    u64 align = node->alignment, start = offset & ~(align - 1), stop = (offset + data.size + align - 1) & ~(align - 1);
    u8 *buffer = aligned_buffer(stop - start);
    struct iovec iov;
    int ret;

    if (!buffer)
        return -ENOMEM;
    ret = node->driver->read(node, start, block_data_one(&iov, buffer, stop - start));
    if (ret == 0)
        block_data_put(data, buffer + (offset - start));
    free(buffer);
    return ret;
}

static int read_in_pieces(struct block_node *node, u64 offset, struct block_data data)
{
    int ret = 0;

    for (size_t done = 0, n; done < data.size && ret == 0; done += n) {
        n = next_piece(node, offset + done, data.size - done);
        struct block_data piece = block_data_slice(data, done, n);

        ret = is_aligned(node, offset + done, n) ? node->driver->read(node, offset + done, piece) : read_unaligned(node, offset + done, piece);
    }
    return ret;
}

int block_read(struct block_node *node, u64 offset, struct block_data data)
{
    u64 inside = offset >= node->size ? 0 : MIN(data.size, node->size - offset);
    int ret = 0;

    if (inside < data.size)
        block_data_fill(block_data_slice(data, inside, data.size - inside), 0);
    if (!inside)
        return 0;
    if (node->copy_on_read)
        block_copy_up(node, NULL, offset, inside);
    begin(node);
    ret = read_in_pieces(node, offset, block_data_slice(data, 0, inside));
    end(node);
    return ret;
}

static int write_pieces(struct block_node *node, u64 offset, struct block_data data, u32 flags)
{
    u64 max = node->max_transfer ? node->max_transfer : 1 << 30;
    int ret = 0;

    for (size_t done = 0; done < data.size && ret == 0;) {
        size_t n = MIN(data.size - done, max);

        ret = node->driver->write(node, offset + done, block_data_slice(data, done, n), flags);
        done += n;
    }
    return ret;
}

/* Read, change, write back. */
static int change(struct block_node *node, u64 offset, struct block_data data, u32 flags)
{
    u64 align = node->alignment, start = offset & ~(align - 1), stop = (offset + data.size + align - 1) & ~(align - 1);
    struct iovec iov;
    u8 *buffer = aligned_buffer(stop - start);
    int ret;

    if (!buffer)
        return -ENOMEM;
    ret = read_in_pieces(node, start, block_data_one(&iov, buffer, stop - start));
    if (ret == 0) {
        block_data_get(data, buffer + (offset - start));
        ret = write_pieces(node, start, block_data_one(&iov, buffer, stop - start), flags);
    }
    free(buffer);
    return ret;
}

/* While nobody else touches the aligned range. */
static int write_unaligned(struct block_node *node, u64 offset, struct block_data data, u32 flags)
{
    u64 align = node->alignment, start = offset & ~(align - 1), stop = (offset + data.size + align - 1) & ~(align - 1);
    struct block_tracked tracked;
    int ret = 0;

    block_track(node, &tracked, start, stop - start, true);
    for (size_t done = 0, n; done < data.size && ret == 0; done += n) {
        n = next_piece(node, offset + done, data.size - done);
        struct block_data piece = block_data_slice(data, done, n);

        ret = is_aligned(node, offset + done, n) ? node->driver->write(node, offset + done, piece, flags) : change(node, offset + done, piece, flags);
    }
    block_untrack(node, &tracked);
    return ret;
}

static int write_tracked(struct block_node *node, u64 offset, struct block_data data, u32 flags)
{
    struct block_tracked tracked;
    int ret;

    if (node->alignment == 1 && !node->backing) /* nothing here is serialising */
        return write_pieces(node, offset, data, flags);
    if (!is_aligned(node, offset, data.size))
        return write_unaligned(node, offset, data, flags);
    block_track(node, &tracked, offset, data.size, false);
    ret = write_pieces(node, offset, data, flags);
    block_untrack(node, &tracked);
    return ret;
}

static bool is_child(const struct block_node *node)
{
    for (unsigned i = 0; i < node->parents->len; i++)
        if (((struct block_edge *)node->parents->pdata[i])->parent)
            return true;
    return false;
}

/* A filter stands for what is below it where a format allocates there; as a guest's disk it has an end. */
static bool may_grow(const struct block_node *node)
{
    while (node->driver->is_filter && node->file && !node->fixed_size && is_child(node))
        node = node->file->node;
    return node->driver->grows;
}

static int check_write(struct block_node *node, u64 offset, u64 size)
{
    if (node->read_only)
        return -EPERM;
    if (offset > INT64_MAX || size > INT64_MAX - offset)
        return -EINVAL;
    if ((offset > node->size || size > node->size - offset) && !may_grow(node))
        return -EIO;
    return 0;
}

/* no-flush is about what the host has in its memory: what a format still has in its own goes to the host. */
static int driver_flush(struct block_node *node)
{
    return (node->no_flush && !node->file) || !node->driver->flush ? 0 : node->driver->flush(node);
}

void block_set_write_through(struct block_node *node, bool on)
{
    node->write_through = on;
}

int block_write(struct block_node *node, u64 offset, struct block_data data, u32 flags)
{
    bool fua = (flags & BLOCK_FUA) || node->write_through, late_flush = fua && !node->driver->handles_fua;
    int ret = check_write(node, offset, data.size);

    if (ret < 0 || !data.size)
        return ret;
    if (node->detect_zeroes && !(flags & BLOCK_COMPRESSED) && block_data_is_zero(data)) {
        bool unmap = node->detect_zeroes == API_BLOCKDEV_DETECT_ZEROES_OPTIONS_UNMAP && node->discard_unmap;

        return block_write_zeroes(node, offset, data.size, (fua ? BLOCK_FUA : 0) | (unmap ? BLOCK_MAY_UNMAP : 0));
    }
    begin(node);
    flags = fua && !late_flush ? flags | BLOCK_FUA : flags & ~BLOCK_FUA;
    ret = write_tracked(node, offset, data, flags);
    if (ret == 0 && late_flush)
        ret = driver_flush(node);
    end(node);
    if (ret == 0 && offset + data.size > node->size)
        block_set_size(node, offset + data.size);
    return ret;
}

int block_read_buffer(struct block_node *node, u64 offset, void *buffer, size_t size)
{
    struct iovec iov;

    return block_read(node, offset, block_data_one(&iov, buffer, size));
}

int block_write_buffer(struct block_node *node, u64 offset, const void *buffer, size_t size)
{
    struct iovec iov;

    return block_write(node, offset, block_data_one(&iov, (void *)buffer, size), 0);
}

static int write_zero_buffer(struct block_node *node, u64 offset, u64 size, u32 flags)
{
    size_t length = MIN(size, (u64)ZERO_BUFFER);
    u8 *buffer = aligned_buffer((length + 4095) & ~(size_t)4095);
    struct iovec iov;
    int ret = 0;

    if (!buffer)
        return -ENOMEM;
    block_data_fill(block_data_one(&iov, buffer, length), 0);
    while (size && ret == 0) {
        size_t n = MIN(size, length);

        ret = write_tracked(node, offset, block_data_one(&iov, buffer, n), flags & BLOCK_FUA);
        offset += n;
        size -= n;
    }
    free(buffer);
    return ret;
}

/* The middle by the driver, the unaligned ends as data. */
static int zero_range(struct block_node *node, u64 offset, u64 size, u32 flags)
{
    u64 align = MAX(node->zero_align, node->alignment), start = (offset + align - 1) / align * align, stop = (offset + size) / align * align;
    struct block_tracked tracked;
    int ret = -ENOTSUP;

    /* The end of a node that is no multiple counts as aligned. */
    if (offset + size == node->size && !((offset + size) & (node->alignment - 1)))
        stop = offset + size;
    if (!node->driver->write_zeroes || start >= stop)
        return (flags & BLOCK_NO_FALLBACK) ? -ENOTSUP : write_zero_buffer(node, offset, size, flags);
    if ((flags & BLOCK_NO_FALLBACK) && (start != offset || stop != offset + size))
        return -ENOTSUP;
    if (start > offset && (ret = write_zero_buffer(node, offset, start - offset, flags)) < 0)
        return ret;
    block_track(node, &tracked, start, stop - start, false);
    ret = node->driver->write_zeroes(node, start, stop - start, flags);
    block_untrack(node, &tracked);
    if (ret == -ENOTSUP && !(flags & BLOCK_NO_FALLBACK))
        ret = write_zero_buffer(node, start, stop - start, flags);
    if (ret == 0 && offset + size > stop)
        ret = write_zero_buffer(node, stop, offset + size - stop, flags);
    return ret;
}

int block_write_zeroes(struct block_node *node, u64 offset, u64 size, u32 flags)
{
    int ret = check_write(node, offset, size);

    if (ret < 0 || !size)
        return ret;
    if (!node->discard_unmap)
        flags &= ~BLOCK_MAY_UNMAP;
    flags |= node->write_through ? BLOCK_FUA : 0;
    begin(node);
    ret = zero_range(node, offset, size, flags);
    if (ret == 0 && (flags & BLOCK_FUA))
        ret = driver_flush(node);
    end(node);
    if (ret == 0 && offset + size > node->size)
        block_set_size(node, offset + size);
    return ret;
}

int block_discard(struct block_node *node, u64 offset, u64 size)
{
    u64 align = MAX(node->zero_align, node->alignment), start, stop;
    struct block_tracked tracked;
    int ret = check_write(node, offset, size);

    if (ret < 0 || !node->discard_unmap || !node->driver->discard)
        return ret;
    start = (offset + align - 1) / align * align;
    stop = offset + size == node->size ? offset + size : (offset + size) / align * align;
    if (start >= stop)
        return 0;
    begin(node);
    block_track(node, &tracked, start, stop - start, false);
    ret = node->driver->discard(node, start, stop - start);
    block_untrack(node, &tracked);
    end(node);
    return ret == -ENOTSUP ? 0 : ret;
}

int block_flush(struct block_node *node)
{
    int ret;

    begin(node);
    ret = driver_flush(node);
    end(node);
    return ret;
}

bool block_truncate(struct block_node *node, u64 size, enum block_prealloc prealloc, GError **error)
{
    bool ok;

    if (node->read_only)
        return error_set(error, "Image is read-only");
    if (size > INT64_MAX)
        return error_set(error, "Required too big image size, it must be not greater than %" G_GINT64_FORMAT, INT64_MAX);
    if (!node->driver->truncate)
        return error_set(error, "Image format driver does not support resize");
    begin(node);
    ok = node->driver->truncate(node, size, prealloc, error);
    end(node);
    return ok;
}
