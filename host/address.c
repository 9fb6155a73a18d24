/* host/address.c - addresses of sockets, and what a host's name stands for. */
#include "host/socket.h"
#include "base/error.h"
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>

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

bool host_port_check(const char *port, GError **error)
{
    char *end = NULL;
    u64 number = port ? g_ascii_strtoull(port, &end, 10) : 0;

    if (!port || end == port || *end || number < 65536)
        return true;
    return error_set(error, "port '%s': ports are numbers from 0 to 65535, or names", port);
}

struct addrinfo *host_address_resolve(const struct host_address *address, const struct addrinfo *hints, GError **error)
{
    const char *host = address->host && *address->host ? address->host : NULL;
    const char *port = address->port && *address->port ? address->port : "0";
    struct addrinfo wanted = *hints, *list = NULL;
    int result;

    if (!host_port_check(port, error))
        return NULL;
    if (!wanted.ai_family)
        wanted.ai_family = address->no_ipv6 ? AF_INET : address->no_ipv4 ? AF_INET6 : AF_UNSPEC;
    result = getaddrinfo(host, port, &wanted, &list);
    if (!result)
        return list;
    error_set(error, "cannot find address of host '%s', port '%s': %s", host ? host : "", port, gai_strerror(result));
    return NULL;
}
