/* host/uring_none.c - a build without liburing. */
#include "host/uring.h"
#include "base/error.h"

struct host_uring *host_uring_create(int event, GError **error)
{
    error_set(error, "io_uring is not available: Mynah was built without liburing");
    return NULL;
}

void host_uring_destroy(struct host_uring *ring)
{
}

bool host_uring_queue(struct host_uring *ring, struct host_uring_op *op)
{
    return false;
}

void host_uring_submit(struct host_uring *ring)
{
}

unsigned host_uring_reap(struct host_uring *ring)
{
    return 0;
}
