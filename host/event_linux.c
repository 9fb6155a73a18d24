/* host/event_linux.c - events are eventfds. */
#include "host/event.h"
#include "base/error.h"
#include "host/clock.h"
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

int host_event_create(GError **error)
{
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

    if (fd < 0)
        error_set(error, "cannot create an event: %s", g_strerror(errno));
    return fd;
}

static void add(int fd, u64 count)
{
    while (write(fd, &count, sizeof(count)) < 0 && errno == EINTR)
        ;
}

int host_event_create_full(GError **error)
{
    int fd = host_event_create(error);

    if (fd >= 0)
        add(fd, UINT64_MAX - 1); /* eventfd(2): the most it can hold */
    return fd;
}

void host_event_set(int fd)
{
    add(fd, 1);
}

void host_event_clear(int fd)
{
    u64 count;

    while (read(fd, &count, sizeof(count)) < 0 && errno == EINTR)
        ;
}

void host_event_wait(int fd, s64 deadline)
{
    struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
    struct timespec left, *timeout = NULL;

    if (deadline != INT64_MAX) {
        s64 ns = deadline - host_clock_monotonic();

        if (ns < 0)
            ns = 0;
        left = (struct timespec){ .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };
        timeout = &left;
    }
    ppoll(&poll_fd, 1, timeout, NULL);
}
