/* net/dgram.c - netdev dgram. */
#include "base/error.h"
#include "net/datagrams.h"

static bool open_with(struct net_datagrams *datagrams, const struct api_netdev_dgram_options *o, struct host_address *local,
                      struct host_address *remote, GError **error)
{
    int fd = -1;

    if (o->local && o->local->type == API_SOCKET_ADDRESS_TYPE_FD) {
        if (o->remote)
            return error_set(error, "remote is not for a socket that is open already");
        return net_socket_address(datagrams->base.set, o->local, local, &fd, error) && net_datagrams_take(datagrams, fd, error);
    }
    if (o->remote && o->remote->type == API_SOCKET_ADDRESS_TYPE_FD)
        return error_set(error, "remote cannot be a file descriptor");
    if ((o->local && !net_socket_address(datagrams->base.set, o->local, local, &fd, error)) ||
        (o->remote && !net_socket_address(datagrams->base.set, o->remote, remote, &fd, error)))
        return false;
    if (!o->local && !o->remote)
        return error_set(error, "local or remote is needed");
    if (o->local && o->remote && o->local->type != o->remote->type)
        return error_set(error, "local and remote must be of the same type");
    return net_datagrams_open(datagrams, local, remote, error);
}

static bool open_dgram(struct net_backend *backend, const struct api_netdev *options, GError **error)
{
    struct net_datagrams *datagrams = (struct net_datagrams *)backend;
    struct host_address local = { 0 }, remote = { 0 };
    bool ok = open_with(datagrams, options->u.dgram, &local, &remote, error);
    g_autofree char *from = local.path || local.port ? host_address_print(&local) : g_strdup("fd");
    g_autofree char *to = remote.path || remote.port ? host_address_print(&remote) : g_strdup("nobody");

    net_set_info(backend->client, "local=%s,remote=%s", from, to);
    host_address_clear(&local);
    host_address_clear(&remote);
    return ok;
}

static void close_dgram(struct net_backend *backend)
{
    net_datagrams_close((struct net_datagrams *)backend);
}

const struct net_kind net_kind_dgram = {
    .driver = API_NET_CLIENT_DRIVER_DGRAM, .size = sizeof(struct net_datagrams), .ops = &net_datagrams_ops, .open = open_dgram,
    .close = close_dgram,
};
