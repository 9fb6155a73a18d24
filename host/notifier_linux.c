/* host/notifier_linux.c - eventfd(2). */
#include "host/notifier.h"
#include "base/error.h"
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

int host_notifier_create(GError **error)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    if (fd < 0)
        error_set(error, "cannot create an event descriptor: %s", strerror(errno));
    return fd;
}

void host_notifier_destroy(int fd)
{
    if (fd >= 0)
        close(fd);
}

void host_notifier_set(int fd)
{
    u64 one = 1;
    ssize_t done = write(fd, &one, sizeof(one));

    (void)done; /* full means set */
}

bool host_notifier_clear(int fd)
{
    u64 count;

    return read(fd, &count, sizeof(count)) == sizeof(count);
}
