/* host/fd.c - small things about file descriptors. */
#include "host/fd.h"
#include "base/error.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/resource.h>
#include <unistd.h>

int host_fd_reopen_for_writing(int fd)
{
    struct stat stat;
    char path[32];

    if (fstat(fd, &stat) < 0 || !(S_ISCHR(stat.st_mode) || S_ISFIFO(stat.st_mode)))
        return -1;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
}

bool host_fd_is_writable(int fd)
{
    struct pollfd entry = {.fd = fd, .events = POLLOUT};

    return poll(&entry, 1, 0) == 1 && entry.revents;
}

u64 host_fd_raise_limit(void)
{
    struct rlimit limit = {.rlim_cur = 1024, .rlim_max = 1024};

    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
        getrlimit(RLIMIT_NOFILE, &limit);
    }
    return limit.rlim_cur;
}

bool host_fd_is_inherited(int fd)
{
    int flags = fcntl(fd, F_GETFD);

    return flags >= 0 && !(flags & FD_CLOEXEC);
}

bool host_fd_adopt(int fd)
{
    return host_fd_is_inherited(fd) && fcntl(fd, F_SETFD, FD_CLOEXEC) >= 0;
}

void host_fd_release(int fd)
{
    fcntl(fd, F_SETFD, 0);
}

int host_fd_copy(int fd)
{
    return fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

u64 host_fd_identity(int fd)
{
    struct stat stat;

    return fstat(fd, &stat) < 0 ? 0 : (u64)stat.st_dev << 48 ^ (u64)stat.st_ino << 1 ^ 1;
}

bool host_fd_is_socket(int fd)
{
    struct stat stat;

    return fstat(fd, &stat) == 0 && S_ISSOCK(stat.st_mode);
}

bool host_fd_set_nonblocking(int fd, GError **error)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return error_set(error, "file descriptor %d: %s", fd, strerror(errno));
    return true;
}

int host_fd_open_for_reading(const char *path, GError **error)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);

    if (fd < 0)
        error_set(error, "cannot read '%s': %s", path, strerror(errno));
    return fd;
}

s64 host_fd_read(int fd, void *to, u64 size)
{
    ssize_t got;

    do {
        got = read(fd, to, size);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK ? -1 : 0;
    return got;
}

void host_fd_close(int fd)
{
    if (fd >= 0)
        close(fd);
}
