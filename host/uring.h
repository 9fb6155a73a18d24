/*
 * host/uring.h - asynchronous file I/O by io_uring. One ring belongs to one thread. Where the kernel or its policy forbids
 * io_uring, or Mynah was built without liburing, create fails and callers use threads.
 */
#ifndef HOST_URING_H
#define HOST_URING_H

#include "base/types.h"
#include <glib.h>
#include <sys/uio.h>

struct host_uring;

enum host_uring_kind { HOST_URING_READ, HOST_URING_WRITE, HOST_URING_SYNC };

/* Lives in the caller until done is called; iov too. */
struct host_uring_op {
    enum host_uring_kind kind;
    int fd;
    const struct iovec *iov;
    unsigned count;
    u64 offset;
    s64 result; /* bytes or -errno */
    void (*done)(struct host_uring_op *op);
};

/* Completions set the event (host/event.h). */
struct host_uring *host_uring_create(int event, GError **error);
void host_uring_destroy(struct host_uring *ring); /* nothing is in flight; NULL is fine */

/* Goes to the kernel at the next host_uring_submit, or at once when the queue is full. False: the kernel refuses. */
bool host_uring_queue(struct host_uring *ring, struct host_uring_op *op);
void host_uring_submit(struct host_uring *ring);
/* Calls done of what has completed; the count. */
unsigned host_uring_reap(struct host_uring *ring);

#endif
