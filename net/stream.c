/* net/stream.c - netdev stream: one peer over a unix or TCP socket, as client or server. */
#include "base/error.h"
#include "net/framed.h"
#include "net/socket_address.h"

static bool open_stream(struct net_backend *backend, const struct api_netdev *options, GError **error)
{
    const struct api_netdev_stream_options *o = options->u.stream;
    struct net_framed *framed = (struct net_framed *)backend;
    int fd = -1;

    framed->server = o->has_server && o->server;
    if (o->has_reconnect_ms && (o->reconnect_ms < 0 || o->reconnect_ms > G_MAXINT))
        return error_set(error, "reconnect-ms must be from 0 to %d", G_MAXINT);
    framed->reconnect_ms = o->has_reconnect_ms ? (u32)o->reconnect_ms : 0;
    if (framed->server && framed->reconnect_ms)
        return error_set(error, "reconnect-ms is for clients, not with server=on");
    return net_socket_address(backend->set, o->addr, &framed->address, &fd, error) && net_framed_start(framed, fd, error);
}

const struct net_kind net_kind_stream = {
    .driver = API_NET_CLIENT_DRIVER_STREAM, .size = sizeof(struct net_framed), .ops = &net_framed_ops, .open = open_stream,
    .close = net_framed_close,
};
