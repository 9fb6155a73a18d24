/* host/connecting.c - connections that are made without waiting. Names are looked up by a thread, which may take as long as it likes. */
#include "host/socket_internal.h"
#include "base/error.h"
#include "host/event.h"
#include "host/thread.h"
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

/* A name that is looked up. Two owners: the thread, and who waits for it or has given up. */
struct host_naming {
    gint owners; /* atomic */
    gint found;  /* atomic: `list` is the thread's no more */
    int event;   /* can be written to when found */
    struct host_address address;
    struct addrinfo *list; /* NULL: there is none of that name */
};

static const struct addrinfo stream_hints = { .ai_socktype = SOCK_STREAM };

static void disown(struct host_naming *naming)
{
    if (!g_atomic_int_dec_and_test(&naming->owners))
        return;
    if (naming->event >= 0)
        close(naming->event);
    if (naming->list)
        freeaddrinfo(naming->list);
    host_address_clear(&naming->address);
    g_free(naming);
}

static void *find(void *opaque)
{
    struct host_naming *naming = opaque;

    naming->list = host_address_resolve(&naming->address, &stream_hints, NULL);
    g_atomic_int_set(&naming->found, 1);
    host_event_clear(naming->event);
    disown(naming);
    return NULL;
}

static struct host_naming *find_out(const struct host_address *address, GError **error)
{
    struct host_naming *naming = g_new0(struct host_naming, 1);
    struct host_thread thread;

    naming->owners = 2;
    naming->address = *address;
    naming->address.path = NULL;
    naming->address.host = g_strdup(address->host);
    naming->address.port = g_strdup(address->port);
    naming->event = host_event_create_full(error);
    if (naming->event >= 0 && host_thread_start(&thread, "name", find, naming, error)) {
        pthread_detach(thread.id);
        return naming;
    }
    naming->owners = 1;
    disown(naming);
    return NULL;
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

static bool is_connected(int fd)
{
    int number = 0;
    socklen_t size = sizeof(number);

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &number, &size) < 0)
        number = errno;
    errno = number;
    return !number;
}

/* False, with errno: none of the addresses will do, and nothing is under way. */
static bool try_all(struct host_connecting *connecting, struct addrinfo *list)
{
    connecting->list = connecting->next = list;
    connecting->fd = connect_next(&connecting->next);
    if (connecting->fd < 0)
        host_connecting_stop(connecting);
    return connecting->fd >= 0;
}

bool host_connecting_start(struct host_connecting *connecting, const struct host_address *address, GError **error)
{
    const struct addrinfo numbers = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV };
    struct addrinfo *list;

    *connecting = (struct host_connecting){.fd = -1};
    if (address->path) {
        connecting->fd = host_socket_unix(address, false, false, error);
        return connecting->fd >= 0;
    }
    list = host_address_resolve(address, &numbers, NULL);
    if (list)
        return try_all(connecting, list) || host_socket_fail(-1, error, address, "connect to") >= 0;
    connecting->naming = find_out(address, error);
    if (connecting->naming)
        connecting->fd = connecting->naming->event;
    return connecting->naming;
}

static enum host_connect check_name(struct host_connecting *connecting)
{
    struct addrinfo *list;

    if (!g_atomic_int_get(&connecting->naming->found))
        return HOST_CONNECT_UNDER_WAY;
    list = g_steal_pointer(&connecting->naming->list);
    host_connecting_stop(connecting);
    errno = EHOSTUNREACH;
    return list && try_all(connecting, list) ? HOST_CONNECT_UNDER_WAY : HOST_CONNECT_FAILED;
}

enum host_connect host_connecting_check(struct host_connecting *connecting)
{
    int number;

    if (connecting->naming)
        return check_name(connecting);
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

    if (connecting->naming)
        disown(connecting->naming);
    else if (connecting->fd >= 0)
        close(connecting->fd);
    if (connecting->list)
        freeaddrinfo(connecting->list);
    *connecting = (struct host_connecting){.fd = -1};
    errno = number;
}

int host_socket_connect_tcp(const struct host_address *address, GError **error)
{
    struct host_connecting connecting = {.fd = -1};
    struct addrinfo *list = host_address_resolve(address, &stream_hints, error);
    enum host_connect result;

    if (!list)
        return -1;
    result = try_all(&connecting, list) ? HOST_CONNECT_UNDER_WAY : HOST_CONNECT_FAILED;
    while (result == HOST_CONNECT_UNDER_WAY) {
        struct pollfd pollfd = {.fd = connecting.fd, .events = POLLOUT};

        if (poll(&pollfd, 1, -1) >= 0 || errno != EINTR)
            result = host_connecting_check(&connecting);
    }
    return result == HOST_CONNECT_DONE ? host_connecting_take(&connecting) : host_socket_fail(-1, error, address, "connect to");
}
