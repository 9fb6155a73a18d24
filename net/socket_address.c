/* net/socket_address.c - addresses of sockets in netdev options. */
#include "net/socket_address.h"
#include "base/error.h"
#include <netdb.h>
#include <string.h>
#include <sys/un.h>

bool net_socket_address(struct net_set *set, const struct api_socket_address *from, struct host_address *to, int *fd, GError **error)
{
    const struct api_inet_socket_address *inet = from->u.inet;

    switch (from->type) {
    case API_SOCKET_ADDRESS_TYPE_FD:
        *fd = net_take_fd(set, from->u.fd->str, error);
        return *fd >= 0;
    case API_SOCKET_ADDRESS_TYPE_UNIX:
        to->path = g_strdup(from->u.unix_->path);
        to->abstract = from->u.unix_->has_abstract && from->u.unix_->abstract;
        to->tight = !from->u.unix_->has_tight || from->u.unix_->tight;
        return *to->path || error_set(error, "the path of a unix socket is empty");
    default:
        to->host = g_strdup(inet->host);
        to->port = g_strdup(inet->port);
        to->to = inet->has_to && inet->to > 0 && inet->to < 65536 ? (unsigned)inet->to : 0;
        to->no_ipv4 = (inet->has_ipv4 && !inet->ipv4) || (inet->has_ipv6 && inet->ipv6 && !inet->has_ipv4);
        to->no_ipv6 = (inet->has_ipv6 && !inet->ipv6) || (inet->has_ipv4 && inet->ipv4 && !inet->has_ipv6);
        return true;
    }
}

bool net_socket_host_port(const char *text, struct host_address *to, GError **error)
{
    const char *colon = strrchr(text, ':');
    size_t length;

    if (!colon || !colon[1]) {
        error_set(error, "'%s' is no HOST:PORT", text);
        return error_hint(error, "for example localhost:1234");
    }
    to->host = g_strndup(text, (gsize)(colon - text));
    to->port = g_strdup(colon + 1);
    length = strlen(to->host);
    if (length > 1 && *to->host == '[' && to->host[length - 1] == ']') {
        to->host[length - 1] = 0;
        memmove(to->host, to->host + 1, length - 1);
    }
    return true;
}

static socklen_t unix_address(const struct host_address *address, struct sockaddr_storage *to, GError **error)
{
    struct sockaddr_un *un = (struct sockaddr_un *)to;
    size_t length = strlen(address->path);

    if (length >= sizeof(un->sun_path)) {
        error_set(error, "socket path '%s' is too long", address->path);
        return 0;
    }
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path + address->abstract, address->path, length);
    return address->abstract ? (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + length) : sizeof(*un);
}

socklen_t net_socket_resolve(const struct host_address *address, bool passive, struct sockaddr_storage *to, GError **error)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_DGRAM, .ai_flags = passive ? AI_PASSIVE : 0 };
    struct addrinfo *list;

    memset(to, 0, sizeof(*to));
    if (address->path)
        return unix_address(address, to, error);
    list = host_address_resolve(address, &hints, error);
    if (!list)
        return 0;
    socklen_t size = list->ai_addrlen;
    memcpy(to, list->ai_addr, size);
    freeaddrinfo(list);
    return size;
}
