/*
 * net/socket.c - netdev socket, the older kind: listen= and connect= are a stream, mcast= and udp= are datagrams. It keeps a
 * netdev of the newer kind behind it.
 */
#include "base/error.h"
#include "host/socket.h"
#include "net/datagrams.h"
#include "net/framed.h"

struct net_socket {
    struct net_backend base;
    bool stream;
    union {
        struct net_framed framed;
        struct net_datagrams datagrams;
    } inner;
};

/* The inner one acts for this client. */
static struct net_backend *inner(struct net_socket *self, bool stream)
{
    struct net_backend *backend = stream ? &self->inner.framed.base : &self->inner.datagrams.base;

    self->stream = stream;
    *backend = self->base;
    return backend;
}

static bool open_stream(struct net_socket *self, const char *address, bool server, int fd, GError **error)
{
    struct net_framed *framed = (struct net_framed *)inner(self, true);

    framed->server = server;
    return (!address || net_socket_host_port(address, &framed->address, error)) && net_framed_start(framed, fd, error);
}

static bool open_datagrams(struct net_socket *self, const char *remote, const char *local, bool multicast, GError **error)
{
    struct net_datagrams *datagrams = (struct net_datagrams *)inner(self, false);
    struct host_address to = { 0 }, from = { 0 };

    datagrams->fd = -1;
    bool ok = net_socket_host_port(remote, &to, error);
    if (ok && local && multicast)
        from.host = g_strdup(local);
    else if (ok && local)
        ok = net_socket_host_port(local, &from, error);
    ok = ok && net_datagrams_open(datagrams, &from, &to, error);
    net_set_info(self->base.client, multicast ? "mcast=%s" : "udp=%s", remote);
    host_address_clear(&to);
    host_address_clear(&from);
    return ok;
}

static bool open_fd(struct net_socket *self, const char *text, GError **error)
{
    int kind = 0, fd = net_take_fd(self->base.set, text, error);
    socklen_t size = sizeof(kind);

    if (fd < 0)
        return false;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &kind, &size) < 0)
        return error_set(error, "fd=%s is not a socket", text);
    if (kind == SOCK_STREAM)
        return open_stream(self, NULL, host_socket_is_listening(fd), fd, error);
    return net_datagrams_take((struct net_datagrams *)inner(self, false), fd, error);
}

static bool open_socket(struct net_backend *backend, const struct api_netdev *options, GError **error)
{
    const struct api_netdev_socket_options *o = options->u.socket;
    struct net_socket *self = (struct net_socket *)backend;

    if (!!o->listen + !!o->connect + !!o->mcast + !!o->udp + !!o->fd != 1)
        return error_set(error, "exactly one of listen=, connect=, mcast=, udp= and fd= is needed");
    if (o->localaddr && !o->mcast && !o->udp)
        return error_set(error, "localaddr= is only for mcast= and udp=");
    if (o->udp && !o->localaddr)
        return error_set(error, "udp= needs localaddr=");
    if (o->listen || o->connect)
        return open_stream(self, o->listen ? o->listen : o->connect, !!o->listen, -1, error);
    if (o->fd)
        return open_fd(self, o->fd, error);
    return open_datagrams(self, o->mcast ? o->mcast : o->udp, o->localaddr, !!o->mcast, error);
}

static void close_socket(struct net_backend *backend)
{
    struct net_socket *self = (struct net_socket *)backend;

    if (self->stream)
        net_framed_close(&self->inner.framed.base);
    else if (self->inner.datagrams.base.kind)
        net_datagrams_close(&self->inner.datagrams);
}

static const struct net_client_ops *ops_of(const struct net_socket *self)
{
    return self->stream ? &net_framed_ops : &net_datagrams_ops;
}

static enum net_result receive(void *opaque, u32 queue, const struct net_frame *frame)
{
    struct net_socket *self = opaque;

    return ops_of(self)->receive(&self->inner, queue, frame);
}

static void writable(void *opaque, u32 queue)
{
    struct net_socket *self = opaque;

    ops_of(self)->writable(&self->inner, queue);
}

static const struct net_client_ops ops = { .receive = receive, .writable = writable };

const struct net_kind net_kind_socket = {
    .driver = API_NET_CLIENT_DRIVER_SOCKET, .size = sizeof(struct net_socket), .ops = &ops, .open = open_socket, .close = close_socket,
};
