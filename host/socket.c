/* host/socket.c - stream sockets: unix and TCP. */
#include "host/socket_internal.h"
#include "base/error.h"
#include "host/fd.h"
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { MOST_FDS = 16, BACKLOG = 4 };

int host_socket_fail(int fd, GError **error, const struct host_address *address, const char *what)
{
    int number = errno;
    g_autofree char *text = host_address_print(address);

    if (fd >= 0)
        close(fd);
    error_set(error, "cannot %s %s: %s", what, text, strerror(number));
    return -1;
}

static bool unix_address(const struct host_address *address, struct sockaddr_un *un,
                         socklen_t *size, GError **error)
{
    size_t length = strlen(address->path), room = sizeof(un->sun_path) - 1;

    memset(un, 0, sizeof(*un));
    un->sun_family = AF_UNIX;
    if (length > room) {
        error_set(error, "socket path '%s' is too long", address->path);
        return error_hint(error, "a unix socket's path has at most %zu bytes", room);
    }
    memcpy(un->sun_path + address->abstract, address->path, length);
    *size = sizeof(*un);
    if (address->abstract && address->tight)
        *size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length);
    return true;
}

/* A link is no loss, a file would be one. */
bool host_socket_make_room(const struct host_address *address, GError **error)
{
    struct stat st;

    if (address->abstract || lstat(address->path, &st) < 0)
        return true;
    if (!S_ISSOCK(st.st_mode) && !S_ISLNK(st.st_mode))
        return error_set(error, "cannot listen on unix:%s: it is there, and is no socket", address->path);
    unlink(address->path); /* if that fails, binding says why */
    return true;
}

int host_socket_unix(const struct host_address *address, bool listening, bool wait, GError **error)
{
    const char *what = listening ? "listen on" : "connect to";
    struct sockaddr_un un;
    socklen_t size = 0;

    if (!unix_address(address, &un, &size, error) || (listening && !host_socket_make_room(address, error)))
        return -1;
    /* Waiting means blocking when the listener's queue is full; otherwise that is an error. */
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | (wait ? 0 : SOCK_NONBLOCK), 0);
    if (fd < 0)
        return host_socket_fail(fd, error, address, what);
    if (listening) {
        if (bind(fd, (struct sockaddr *)&un, size) < 0 || listen(fd, BACKLOG) < 0)
            return host_socket_fail(fd, error, address, what);
    } else if (connect(fd, (struct sockaddr *)&un, size) < 0) {
        return host_socket_fail(fd, error, address, what);
    }
    if (!host_fd_set_nonblocking(fd, error)) {
        close(fd);
        return -1;
    }
    return fd;
}

static int listen_on(const struct addrinfo *entry)
{
    int on = 1, fd = socket(entry->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, entry->ai_addr, entry->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int number = errno;
    close(fd);
    errno = number;
    return -1;
}

static int tcp_listen_once(const struct host_address *address, GError **error)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *list = host_address_resolve(address, &hints, error);
    int fd = -1;

    if (!list)
        return -1;
    for (struct addrinfo *entry = list; entry && fd < 0; entry = entry->ai_next)
        fd = listen_on(entry);
    if (fd < 0)
        host_socket_fail(-1, error, address, "listen on");
    freeaddrinfo(list);
    return fd;
}

static int tcp_listen(const struct host_address *address, GError **error)
{
    u64 first = g_ascii_strtoull(address->port, NULL, 10);
    struct host_address one = *address;

    for (u64 port = first; port < address->to && port < 65536; port++) {
        g_autofree char *text = g_strdup_printf("%u", (unsigned)port);

        one.port = text;
        int fd = tcp_listen_once(&one, NULL);
        if (fd >= 0)
            return fd;
    }
    g_autofree char *last = g_strdup_printf("%u", address->to);
    one.port = address->to > first ? last : address->port;
    return tcp_listen_once(&one, error);
}

int host_socket_listen(const struct host_address *address, GError **error)
{
    return address->path ? host_socket_unix(address, true, true, error) : tcp_listen(address, error);
}

int host_socket_connect(const struct host_address *address, GError **error)
{
    return address->path ? host_socket_unix(address, false, true, error) : host_socket_connect_tcp(address, error);
}

void host_socket_file_note(struct host_socket_file *file, const struct host_address *address)
{
    struct stat st;

    *file = (struct host_socket_file){0};
    if (address->path && !address->abstract && lstat(address->path, &st) == 0)
        *file = (struct host_socket_file){g_strdup(address->path), st.st_dev, st.st_ino};
}

void host_socket_file_remove(struct host_socket_file *file)
{
    struct stat st;

    if (file->path && lstat(file->path, &st) == 0 && st.st_dev == file->device && st.st_ino == file->inode)
        unlink(file->path);
    g_free(file->path);
    *file = (struct host_socket_file){0};
}

int host_socket_accept(int fd)
{
    return accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

bool host_socket_is_listening(int fd)
{
    int listening = 0;
    socklen_t size = sizeof(listening);

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening;
}

char *host_socket_name(int fd, bool peer)
{
    struct sockaddr_storage storage = {0};
    socklen_t size = sizeof(storage);
    char host[NI_MAXHOST], port[NI_MAXSERV];
    struct sockaddr *address = (struct sockaddr *)&storage;

    if ((peer ? getpeername(fd, address, &size) : getsockname(fd, address, &size)) < 0)
        return g_strdup("");
    if (storage.ss_family == AF_UNIX)
        return g_strndup(((struct sockaddr_un *)&storage)->sun_path,
                         sizeof(((struct sockaddr_un *)&storage)->sun_path));
    if (getnameinfo(address, size, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV))
        return g_strdup("");
    return g_strdup_printf(storage.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

void host_socket_set_nodelay(int fd)
{
    int on = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on,
               sizeof(on)); /* fails harmlessly on unix sockets */
}

/* Those of a message are there for what it says: nobody has asked for what came earlier. */
static void forget_descriptors(GArray *fds)
{
    for (guint i = 0; fds && i < fds->len; i++)
        close(g_array_index(fds, int, i));
    if (fds)
        g_array_set_size(fds, 0);
}

static void take_descriptors(struct msghdr *message, GArray *fds)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || c->cmsg_len < CMSG_LEN(0))
            continue;
        forget_descriptors(fds);
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
            if (fds && fds->len < MOST_FDS)
                g_array_append_val(fds, fd);
            else
                close(fd);
        }
    }
}

ssize_t host_socket_receive(int fd, void *data, size_t size, GArray *fds)
{
    union {
        char bytes[CMSG_SPACE(MOST_FDS * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec iov = {data, size};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof(control.bytes)};
    ssize_t n = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    if (n >= 0)
        take_descriptors(&message, fds);
    return n;
}

ssize_t host_socket_send(int fd, const void *data, size_t size)
{
    return send(fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
}

ssize_t host_socket_send_pieces(int fd, const struct iovec *iov, size_t count)
{
    struct msghdr message = {.msg_iov = (struct iovec *)iov, .msg_iovlen = count};

    return sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}
