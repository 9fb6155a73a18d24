/* host/socket.c - stream sockets: unix and TCP. */
#include "host/socket.h"
#include "base/error.h"
#include "host/fd.h"
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { MOST_FDS = 16, BACKLOG = 4 };

void host_address_clear(struct host_address *address)
{
    g_free(address->path);
    g_free(address->host);
    g_free(address->port);
    memset(address, 0, sizeof(*address));
}

char *host_address_print(const struct host_address *address)
{
    const char *host = address->host ? address->host : "";

    if (address->path)
        return g_strdup_printf("unix:%s%s", address->abstract ? "@" : "", address->path);
    if (strchr(host, ':'))
        return g_strdup_printf("tcp:[%s]:%s", host, address->port);
    return g_strdup_printf("tcp:%s:%s", host, address->port);
}

static int fail(int fd, GError **error, const struct host_address *address, const char *what)
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

static int unix_socket(const struct host_address *address, bool listening, bool wait,
                       GError **error)
{
    const char *what = listening ? "listen on" : "connect to";
    struct sockaddr_un un;
    socklen_t size = 0;

    if (!unix_address(address, &un, &size, error))
        return -1;
    /* Waiting means blocking when the listener's queue is full; otherwise that is an error. */
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | (wait ? 0 : SOCK_NONBLOCK), 0);
    if (fd < 0)
        return fail(fd, error, address, what);
    if (listening) {
        if (!address->abstract)
            unlink(address->path);
        if (bind(fd, (struct sockaddr *)&un, size) < 0 || listen(fd, BACKLOG) < 0)
            return fail(fd, error, address, what);
    } else if (connect(fd, (struct sockaddr *)&un, size) < 0) {
        return fail(fd, error, address, what);
    }
    if (!host_fd_set_nonblocking(fd, error)) {
        close(fd);
        return -1;
    }
    return fd;
}

bool host_port_check(const char *port, GError **error)
{
    char *end = NULL;
    u64 number = port ? g_ascii_strtoull(port, &end, 10) : 0;

    if (!port || end == port || *end || number < 65536)
        return true;
    return error_set(error, "port '%s': ports are numbers from 0 to 65535, or names", port);
}

static struct addrinfo *resolve(const struct host_address *address, const char *port,
                                bool listening, GError **error)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_family = AF_UNSPEC}, *list;
    const char *host = address->host && *address->host ? address->host : NULL;

    if (!host_port_check(port, error))
        return NULL;
    hints.ai_flags = listening ? AI_PASSIVE : 0;
    if (address->no_ipv6)
        hints.ai_family = AF_INET;
    else if (address->no_ipv4)
        hints.ai_family = AF_INET6;
    int result = getaddrinfo(host, port, &hints, &list);
    if (result) {
        error_set(error, "cannot find address of host '%s', port '%s': %s", host ? host : "", port,
                  gai_strerror(result));
        return NULL;
    }
    return list;
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

static int tcp_listen_port(const struct host_address *address, const char *port, GError **error)
{
    struct addrinfo *list = resolve(address, port, true, error);
    int fd = -1;

    if (!list)
        return -1;
    for (struct addrinfo *entry = list; entry && fd < 0; entry = entry->ai_next)
        fd = listen_on(entry);
    if (fd < 0)
        fail(-1, error, address, "listen on");
    freeaddrinfo(list);
    return fd;
}

static int tcp_listen(const struct host_address *address, GError **error)
{
    u64 first = g_ascii_strtoull(address->port, NULL, 10);

    for (u64 port = first; port < address->to && port < 65536; port++) {
        g_autofree char *text = g_strdup_printf("%u", (unsigned)port);
        int fd = tcp_listen_port(address, text, NULL);

        if (fd >= 0)
            return fd;
    }
    g_autofree char *last = g_strdup_printf("%u", address->to);
    return tcp_listen_port(address, address->to > first ? last : address->port, error);
}

/* The next address to which a connection is made or under way: its descriptor; -1 with errno when there is none left. */
static int connect_next(struct addrinfo **next)
{
    int number = ECONNREFUSED;

    while (*next) {
        const struct addrinfo *entry = *next;
        int fd = socket(entry->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        *next = entry->ai_next;
        if (fd >= 0 && (connect(fd, entry->ai_addr, entry->ai_addrlen) == 0 || errno == EINPROGRESS))
            return fd;
        number = errno;
        if (fd >= 0)
            close(fd);
    }
    errno = number;
    return -1;
}

int host_socket_listen(const struct host_address *address, GError **error)
{
    return address->path ? unix_socket(address, true, true, error) : tcp_listen(address, error);
}

static bool is_connected(int fd)
{
    int number = 0;
    socklen_t size = sizeof(number);

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &number, &size) < 0)
        number = errno;
    errno = number;
    return !number;
}

bool host_connecting_start(struct host_connecting *connecting, const struct host_address *address, GError **error)
{
    *connecting = (struct host_connecting){.fd = -1};
    if (address->path) {
        connecting->fd = unix_socket(address, false, false, error);
        return connecting->fd >= 0;
    }
    connecting->list = connecting->next = resolve(address, address->port, false, error);
    if (!connecting->list)
        return false;
    connecting->fd = connect_next(&connecting->next);
    if (connecting->fd >= 0)
        return true;
    fail(-1, error, address, "connect to");
    host_connecting_stop(connecting);
    return false;
}

enum host_connect host_connecting_check(struct host_connecting *connecting)
{
    int number;

    if (is_connected(connecting->fd))
        return HOST_CONNECT_DONE;
    number = errno;
    close(connecting->fd);
    connecting->fd = connecting->next ? connect_next(&connecting->next) : -1;
    if (connecting->fd >= 0)
        return HOST_CONNECT_UNDER_WAY;
    errno = connecting->next ? errno : number;
    host_connecting_stop(connecting);
    return HOST_CONNECT_FAILED;
}

int host_connecting_take(struct host_connecting *connecting)
{
    int fd = connecting->fd;

    connecting->fd = -1;
    host_connecting_stop(connecting);
    return fd;
}

void host_connecting_stop(struct host_connecting *connecting)
{
    int number = errno;

    if (connecting->fd >= 0)
        close(connecting->fd);
    if (connecting->list)
        freeaddrinfo(connecting->list);
    *connecting = (struct host_connecting){.fd = -1};
    errno = number;
}

static int tcp_connect(const struct host_address *address, GError **error)
{
    struct host_connecting connecting;
    enum host_connect result = HOST_CONNECT_UNDER_WAY;

    if (!host_connecting_start(&connecting, address, error))
        return -1;
    while (result == HOST_CONNECT_UNDER_WAY) {
        struct pollfd pollfd = {.fd = connecting.fd, .events = POLLOUT};

        if (poll(&pollfd, 1, -1) >= 0 || errno != EINTR)
            result = host_connecting_check(&connecting);
    }
    return result == HOST_CONNECT_DONE ? host_connecting_take(&connecting) : fail(-1, error, address, "connect to");
}

int host_socket_connect(const struct host_address *address, GError **error)
{
    return address->path ? unix_socket(address, false, true, error) : tcp_connect(address, error);
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
