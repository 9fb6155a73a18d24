/* host/socket_message.c - whole messages, with descriptors, and with a deadline. */
#include "host/socket.h"
#include "base/error.h"
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

enum { MOST_FDS = 16 };

/* Waits for room or data until the deadline. */
static bool wait_for(int fd, short events, gint64 deadline, GError **error)
{
    struct pollfd entry = {.fd = fd, .events = events};
    gint64 left = deadline - g_get_monotonic_time();

    if (left > 0 && (poll(&entry, 1, (int)(left / 1000) + 1) > 0 || errno == EINTR))
        return true;
    return error_set(error, "the other end does not answer");
}

static ssize_t send_some(int fd, const u8 *data, size_t size, const int *fds, unsigned count)
{
    union {
        char bytes[CMSG_SPACE(MOST_FDS * sizeof(int))];
        struct cmsghdr align;
    } control = {{0}};
    struct iovec iov = {(void *)data, size};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};

    if (count) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(count * sizeof(int));
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(header), fds, count * sizeof(int));
    }
    return sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

bool host_socket_send_message(int fd, const void *data, size_t size, const int *fds, unsigned count, unsigned timeout_ms, GError **error)
{
    gint64 deadline = g_get_monotonic_time() + timeout_ms * 1000LL;
    const u8 *at = data;

    while (size) {
        ssize_t n = send_some(fd, at, size, fds, MIN(count, MOST_FDS));

        if (n > 0) {
            at += n;
            size -= (size_t)n;
            count = 0; /* they go with the first byte */
        } else if (n < 0 && errno != EAGAIN && errno != EINTR) {
            return error_set(error, "the other end is gone: %s", strerror(errno));
        } else if (!wait_for(fd, POLLOUT, deadline, error)) {
            return false;
        }
    }
    return true;
}

bool host_socket_receive_message(int fd, void *data, size_t size, unsigned timeout_ms, GError **error)
{
    gint64 deadline = g_get_monotonic_time() + timeout_ms * 1000LL;
    u8 *at = data;

    while (size) {
        ssize_t n = recv(fd, at, size, MSG_DONTWAIT);

        if (n > 0) {
            at += n;
            size -= (size_t)n;
        } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
            return error_set(error, "the other end is gone");
        } else if (!wait_for(fd, POLLIN, deadline, error)) {
            return false;
        }
    }
    return true;
}

bool host_socket_is_quiet(int fd)
{
    char byte;

    return recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) < 0 && (errno == EAGAIN || errno == EINTR);
}
