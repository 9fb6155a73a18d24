/* host/datagram.c - UDP sockets. */
#include "host/socket.h"
#include "base/error.h"
#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A socket of the peer's family, bound and connected; -1 with errno. */
static int open_to(const struct addrinfo *peer, const struct addrinfo *own)
{
    int on = 1, fd = socket(peer->ai_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (!bind(fd, own->ai_addr, own->ai_addrlen) && !connect(fd, peer->ai_addr, peer->ai_addrlen))
        return fd;
    int number = errno;
    close(fd);
    errno = number;
    return -1;
}

int host_socket_datagram(const struct host_address *remote, const struct host_address *local, GError **error)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_DGRAM};
    struct addrinfo *peers = host_address_resolve(remote, &hints, error);
    int fd = -1;
    g_autoptr(GError) reason = NULL;

    for (struct addrinfo *peer = peers; peer && fd < 0; peer = peer->ai_next) {
        g_clear_error(&reason);
        const struct addrinfo passive = {.ai_family = peer->ai_family, .ai_socktype = SOCK_DGRAM, .ai_flags = AI_PASSIVE};
        struct addrinfo *own = host_address_resolve(local, &passive, &reason);

        if (!own)
            continue;
        fd = open_to(peer, own);
        if (fd < 0)
            error_set(&reason, "cannot use UDP to %s:%s: %s", remote->host && *remote->host ? remote->host : "localhost", remote->port,
                      strerror(errno));
        freeaddrinfo(own);
    }
    if (peers)
        freeaddrinfo(peers);
    if (fd < 0 && reason)
        g_propagate_error(error, g_steal_pointer(&reason));
    return fd;
}
