/* block/file.c - files and block devices of the host: opening, and requests by io_uring or worker threads. */
#include "block/file.h"
#include "base/error.h"
#include "host/fdset.h"
#include "host/file.h"
#include "host/uring.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

/* One request on its way; lives on the fiber's stack. */
struct io {
    struct host_uring_op op;
    struct block_fiber *fiber;
    int (*call)(struct io *io);
    struct file *file;
    u64 size;
    u32 flags;
    int ret;
};

static void ring_done(struct host_uring_op *op)
{
    block_fiber_wake(container_of(op, struct io, op)->fiber);
}

static s64 run_op(struct io *io)
{
    switch (io->op.kind) {
    case HOST_URING_READ:
        return host_file_read(io->op.fd, io->op.iov, io->op.count, io->op.offset);
    case HOST_URING_WRITE:
        return host_file_write(io->op.fd, io->op.iov, io->op.count, io->op.offset);
    case HOST_URING_SYNC:
        return host_file_sync(io->op.fd);
    }
    return -EINVAL;
}

static void work_op(void *opaque)
{
    struct io *io = opaque;

    io->op.result = run_op(io);
}

static void work_call(void *opaque)
{
    struct io *io = opaque;

    io->ret = io->call(io);
}

/*
 * Where nobody else waits for this thread, handing over a copy of bytes in memory costs more than the copy: io_uring gives buffered
 * writes to a thread of its own, and the next fiber would fill another buffer meanwhile, past what the processor's cache holds.
 */
static bool done_at_once(struct block_node *node, struct io *io)
{
    if (!block_loop_is_alone(node->loop) || node->cache_direct || io->op.kind == HOST_URING_SYNC)
        return false;
    io->op.result = io->op.kind == HOST_URING_READ ? host_file_read_cached(io->op.fd, io->op.iov, io->op.count, io->op.offset) : run_op(io);
    return io->op.result != -EAGAIN;
}

/* The result of one positioned operation. */
static s64 submit(struct block_node *node, struct io *io)
{
    struct file *file = node->state;
    struct host_uring *ring;

    io->op.fd = file->fd;
    if (done_at_once(node, io))
        return io->op.result;
    ring = file->threads ? NULL : block_loop_uring(node->loop);
    io->op.done = ring_done;
    io->fiber = block_fiber_self(node->loop);
    if (ring && host_uring_queue(ring, &io->op))
        block_fiber_wait(node->loop);
    else
        block_loop_work(node->loop, work_op, io);
    return io->op.result;
}

/* A call that blocks: in a worker thread, unless nobody else waits for this one. */
static int call_away(struct block_node *node, int (*call)(struct io *io), u64 offset, u64 size, u32 flags)
{
    struct io io = { .call = call, .file = node->state, .size = size, .flags = flags, .op.offset = offset };

    if (block_loop_is_alone(node->loop) && !io.file->is_device)
        return call(&io);
    block_loop_work(node->loop, work_call, &io);
    return io.ret;
}

/* A whole transfer: repeats what came out short. A read at the end of the file is filled with zeros. */
static int transfer(struct block_node *node, enum host_uring_kind kind, u64 offset, struct block_data data)
{
    struct iovec iov[64];

    while (data.size) {
        size_t size;
        unsigned count = block_data_map(data, iov, ARRAY_SIZE(iov), &size);
        struct io io = { .op = { .kind = kind, .iov = iov, .count = count, .offset = offset } };
        s64 n = submit(node, &io);

        if (n == -EINTR || n == -EAGAIN)
            continue;
        if (n < 0)
            return (int)n;
        if (n == 0 && kind == HOST_URING_WRITE)
            return -ENOSPC;
        if (n == 0) {
            block_data_fill(data, 0);
            return 0;
        }
        data = block_data_slice(data, (size_t)n, data.size - (size_t)n);
        offset += (u64)n;
    }
    return 0;
}

/* O_DIRECT wants aligned memory. A guest may name the same memory many times in one request: the buffer is not as large as that. */
static int transfer_bounced(struct block_node *node, enum host_uring_kind kind, u64 offset, struct block_data data)
{
    enum { MOST = 1 << 20 };
    void *buffer = NULL;
    int ret = 0;

    if (posix_memalign(&buffer, MAX(node->alignment, 4096), MIN(data.size, MOST)))
        return -ENOMEM;
    for (size_t done = 0, n; done < data.size && ret == 0; done += n) {
        n = MIN(data.size - done, MOST);
        struct block_data piece = block_data_slice(data, done, n);
        struct iovec iov;

        if (kind == HOST_URING_WRITE)
            block_data_get(piece, buffer);
        ret = transfer(node, kind, offset + done, block_data_one(&iov, buffer, n));
        if (ret == 0 && kind == HOST_URING_READ)
            block_data_put(piece, buffer);
    }
    free(buffer);
    return ret;
}

static int file_transfer(struct block_node *node, enum host_uring_kind kind, u64 offset, struct block_data data)
{
    if (node->alignment > 1 && !block_data_is_aligned(data, node->alignment))
        return transfer_bounced(node, kind, offset, data);
    return transfer(node, kind, offset, data);
}

static int file_read(struct block_node *node, u64 offset, struct block_data data)
{
    return file_transfer(node, HOST_URING_READ, offset, data);
}

static int file_write(struct block_node *node, u64 offset, struct block_data data, u32 flags)
{
    return file_transfer(node, HOST_URING_WRITE, offset, data);
}

static int file_flush(struct block_node *node)
{
    struct file *file = node->state;
    struct io io = { .op.kind = HOST_URING_SYNC };
    s64 ret;

    if (file->broken_sync)
        return file->broken_sync;
    do
        ret = submit(node, &io);
    while (ret == -EINTR || ret == -EAGAIN);
    /* After a failed fsync the kernel drops the error and perhaps the pages: no later flush may claim that all is well. */
    if (ret < 0 && !node->cache_direct)
        file->broken_sync = (int)ret;
    return (int)ret;
}

static int zero_call(struct io *io)
{
    struct file *file = io->file;
    bool unmap = io->flags & BLOCK_MAY_UNMAP;
    u64 offset = io->op.offset;
    int ret;

    if (file->is_device)
        return host_file_zero_device(file->fd, offset, io->size);
    if (unmap && (ret = host_file_punch(file->fd, offset, io->size)) == 0)
        return host_file_extend(file->fd, offset + io->size);
    ret = host_file_zero(file->fd, offset, io->size, true);
    if (ret != -ENOTSUP)
        return ret;
    /* No FALLOC_FL_ZERO_RANGE: a hole, given storage again. */
    ret = host_file_punch(file->fd, offset, io->size);
    return ret < 0 ? ret : host_file_allocate(file->fd, offset, io->size);
}

static int file_write_zeroes(struct block_node *node, u64 offset, u64 size, u32 flags)
{
    struct file *file = node->state;
    int ret;

    if (file->no_zeroes)
        return -ENOTSUP;
    ret = call_away(node, zero_call, offset, size, flags);
    file->no_zeroes = ret == -ENOTSUP;
    return ret;
}

static int discard_call(struct io *io)
{
    return io->file->is_device ? host_file_discard_device(io->file->fd, io->op.offset, io->size)
                               : host_file_punch(io->file->fd, io->op.offset, io->size);
}

static int file_discard(struct block_node *node, u64 offset, u64 size)
{
    struct file *file = node->state;
    int ret;

    if (file->no_discard)
        return -ENOTSUP;
    ret = call_away(node, discard_call, offset, size, 0);
    file->no_discard = ret == -ENOTSUP;
    return ret;
}

static int file_status(struct block_node *node, u64 offset, u64 size, struct block_status *out)
{
    struct file *file = node->state;
    bool is_data = true;
    u64 end = offset + size;
    int ret = file->is_device ? -ENOTSUP : host_file_extent(file->fd, offset, &is_data, &end);

    if (ret == -ENXIO) { /* the last bytes of a size that is no multiple of 512 */
        is_data = false;
        end = offset + size;
    } else if (ret < 0) {
        is_data = true;
        end = offset + size;
    }
    *out = (struct block_status){ .flags = BLOCK_OFFSET | BLOCK_ALLOCATED | (is_data ? BLOCK_DATA : BLOCK_ZERO), .map = offset, .file = node };
    out->size = MIN(end - offset, size);
    return 0;
}

static s64 file_allocated_size(struct block_node *node)
{
    struct file *file = node->state;
    struct host_file_info info;
    int ret = host_file_info(file->fd, false, &info);

    return ret < 0 ? ret : (s64)info.allocated;
}

/* Storage by the host, or by writing zeros. */
static int preallocate(struct block_node *node, u64 from, u64 to, enum block_prealloc prealloc)
{
    struct file *file = node->state;
    int ret;

    if (prealloc == BLOCK_PREALLOC_FALLOC)
        return host_file_allocate(file->fd, from, to - from);
    void *buffer = g_malloc0(1 << 20);
    for (ret = 0; from < to && ret == 0; from += MIN(to - from, 1 << 20)) {
        struct iovec iov = { .iov_base = buffer, .iov_len = MIN(to - from, 1 << 20) };
        s64 n = host_file_write(file->fd, &iov, 1, from);

        ret = n < 0 ? (int)n : n != (s64)iov.iov_len ? -ENOSPC : 0;
    }
    g_free(buffer);
    return ret < 0 ? ret : host_file_sync(file->fd);
}

static bool file_truncate(struct block_node *node, u64 size, enum block_prealloc prealloc, GError **error)
{
    struct file *file = node->state;
    int ret;

    if (file->is_device) {
        if (size > node->size)
            return error_set(error, "Cannot grow device files");
        return true;
    }
    if (size < node->size && prealloc != BLOCK_PREALLOC_OFF)
        return error_set(error, "Preallocation can't be used for shrinking files");
    ret = prealloc == BLOCK_PREALLOC_OFF || prealloc == BLOCK_PREALLOC_METADATA || size <= node->size
              ? host_file_truncate(file->fd, size)
              : preallocate(node, node->size, size, prealloc);
    if (ret < 0)
        return error_set(error, "Failed to resize file: %s", block_strerror(ret));
    block_set_size(node, size);
    return true;
}

/* --- opening --- */

static const char *file_name_of(const char *name)
{
    return g_str_has_prefix(name, "file:") ? name + 5 : name;
}

/* By path, or one that a client handed over (add-fd), whose access must be the one that is wanted. */
static int open_one(struct block_node *node, bool write)
{
    struct host_fdsets *sets = block_graph_fdsets(node->graph);

    if (!sets || !g_str_has_prefix(node->filename, "/dev/fdset/"))
        return host_file_open(node->filename, (write ? HOST_FILE_WRITE : 0) | (node->cache_direct ? HOST_FILE_DIRECT : 0));
    int fd = host_fdset_open(sets, node->filename, write ? O_RDWR : O_RDONLY, 0);

    return fd < 0 ? -errno : fd;
}

static int open_fd(struct block_node *node, bool *auto_read_only)
{
    int fd = open_one(node, !node->read_only);

    if (*auto_read_only && !node->read_only && (fd == -EACCES || fd == -EPERM || fd == -EROFS)) {
        fd = open_one(node, false);
        node->read_only = fd >= 0;
    }
    return fd;
}

static bool look_at_file(struct block_node *node, bool want_device, GError **error)
{
    struct file *file = node->state;
    struct host_file_info info;
    int ret = host_file_info(file->fd, node->cache_direct, &info);

    if (ret < 0)
        return error_set(error, "Could not open '%s': %s", node->filename, block_strerror(ret));
    if (!info.is_regular && !info.is_device)
        return error_set(error, "'%s' is neither a regular file nor a block device", node->filename);
    if (want_device != info.is_device) {
        error_set(error, "'%s' driver requires '%s' to be a %s", node->driver->name, node->filename, want_device ? "block device" : "regular file");
        return error_hint(error, "use the driver '%s'", want_device ? "file" : "host_device");
    }
    file->is_device = info.is_device;
    node->size = (info.size + 511) & ~UINT64_C(511);
    node->alignment = info.alignment;
    node->zero_align = info.is_device ? 512 : 0;
    return true;
}

static bool open_file(struct block_node *node, const struct api_blockdev_options_file *options, bool auto_read_only, bool device, GError **error)
{
    struct file *file = node->state;

    g_free(node->filename);
    node->filename = g_strdup(file_name_of(options->filename));
    file->lock = !(options->has_locking && options->locking == API_ON_OFF_AUTO_OFF);
    file->lock_wanted = options->has_locking && options->locking == API_ON_OFF_AUTO_ON;
    file->threads = options->has_aio && options->aio == API_BLOCKDEV_AIO_OPTIONS_THREADS;
    if (options->has_aio && options->aio == API_BLOCKDEV_AIO_OPTIONS_NATIVE && !node->cache_direct)
        return error_set(error, "aio=native was specified, but it requires cache.direct=on, which was not specified");
    file->fd = open_fd(node, &auto_read_only);
    if (file->fd == -EINVAL && node->cache_direct) {
        error_set(error, "Could not open '%s': file system does not support O_DIRECT", node->filename);
        return error_hint(error, "use a cache mode other than none and directsync");
    }
    if (file->fd < 0)
        return error_set(error, "Could not open '%s': %s", node->filename, block_strerror(file->fd));
    if (look_at_file(node, device, error))
        return true;
    host_file_close(file->fd);
    return false;
}

static bool file_open(struct block_node *node, struct block_open_context *context, GError **error)
{
    return open_file(node, context->api->u.file, context->api->auto_read_only, false, error);
}

static bool device_open(struct block_node *node, struct block_open_context *context, GError **error)
{
    return open_file(node, context->api->u.host_device, context->api->auto_read_only, true, error);
}

static void file_close(struct block_node *node)
{
    block_file_unlock(node);
    host_file_close(((struct file *)node->state)->fd);
}

#define FILE_DRIVER(text, open_function, may_grow)                                                                        \
    { .name = text, .state_size = sizeof(struct file), .open = open_function, .close = file_close, .read = file_read,     \
      .write = file_write, .write_zeroes = file_write_zeroes, .discard = file_discard, .flush = file_flush,               \
      .status = file_status, .truncate = file_truncate, .allocated_size = file_allocated_size, .grows = may_grow,         \
      .set_perm = block_file_set_perm }

const struct block_driver block_driver_file = FILE_DRIVER("file", file_open, true);
const struct block_driver block_driver_host_device = FILE_DRIVER("host_device", device_open, false);
