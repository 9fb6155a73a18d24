/* host/uring_linux.c - io_uring by liburing. */
#include "host/uring.h"
#include "base/error.h"
#include <errno.h>
#include <liburing.h>

enum { ENTRIES = 128 };

struct host_uring {
    struct io_uring ring;
    unsigned queued;
};

struct host_uring *host_uring_create(int event, GError **error)
{
    struct host_uring *ring = g_new0(struct host_uring, 1);
    int ret = io_uring_queue_init(ENTRIES, &ring->ring, 0);

    if (ret < 0) {
        error_set(error, "io_uring is not available: %s", g_strerror(-ret));
        g_free(ring);
        return NULL;
    }
    ret = io_uring_register_eventfd(&ring->ring, event);
    if (ret < 0) {
        error_set(error, "io_uring is not available: %s", g_strerror(-ret));
        host_uring_destroy(ring);
        return NULL;
    }
    return ring;
}

void host_uring_destroy(struct host_uring *ring)
{
    if (!ring)
        return;
    io_uring_queue_exit(&ring->ring);
    g_free(ring);
}

bool host_uring_queue(struct host_uring *ring, struct host_uring_op *op)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->ring);

    if (!sqe) {
        host_uring_submit(ring);
        sqe = io_uring_get_sqe(&ring->ring);
        if (!sqe)
            return false;
    }
    switch (op->kind) {
    case HOST_URING_READ:
        io_uring_prep_readv(sqe, op->fd, op->iov, op->count, op->offset);
        break;
    case HOST_URING_WRITE:
        io_uring_prep_writev(sqe, op->fd, op->iov, op->count, op->offset);
        break;
    case HOST_URING_SYNC:
        io_uring_prep_fsync(sqe, op->fd, IORING_FSYNC_DATASYNC);
        break;
    }
    io_uring_sqe_set_data(sqe, op);
    ring->queued++;
    return true;
}

void host_uring_submit(struct host_uring *ring)
{
    while (ring->queued) {
        int ret = io_uring_submit(&ring->ring);

        if (ret == -EINTR)
            continue;
        if (ret <= 0) /* -EAGAIN, -EBUSY: completions have to be taken first; the loop comes back */
            return;
        ring->queued -= MIN((unsigned)ret, ring->queued);
    }
}

unsigned host_uring_reap(struct host_uring *ring)
{
    struct io_uring_cqe *cqe;
    unsigned n = 0;

    while (io_uring_peek_cqe(&ring->ring, &cqe) == 0 && cqe) {
        struct host_uring_op *op = io_uring_cqe_get_data(cqe);

        op->result = cqe->res;
        io_uring_cqe_seen(&ring->ring, cqe);
        op->done(op);
        n++;
    }
    return n;
}
