/* net/hub.c - hubs: a frame that comes in at one port goes out at all others. A hub exists while it has ports. */
#include "base/error.h"
#include "net/internal.h"

struct hub_port {
    struct net_backend base;
    s64 hub;
};

static enum net_result receive(void *opaque, u32 queue, const struct net_frame *frame)
{
    struct hub_port *from = opaque;
    struct net_set *set = from->base.set;

    for (guint i = 0; i < set->clients->len; i++) {
        const struct net_client *client = set->clients->pdata[i];
        struct hub_port *port = client->backend ? (struct hub_port *)client->backend : NULL;

        if (port && port->base.kind == from->base.kind && port != from && port->hub == from->hub)
            net_backend_send(&port->base, 0, frame); /* a slow port must not hold up the others */
    }
    return NET_DONE;
}

int net_hub_of(const struct net_client *client)
{
    const struct net_client *peer = client->peer;

    return peer && peer->backend && peer->backend->kind == &net_kind_hubport ? (int)((struct hub_port *)peer->backend)->hub : -1;
}

static const char *connects(const struct api_netdev *options)
{
    return options->u.hubport->netdev;
}

static bool open_port(struct net_backend *backend, const struct api_netdev *options, GError **error)
{
    struct hub_port *port = (struct hub_port *)backend;

    port->hub = options->u.hubport->hubid;
    if (port->hub < 0 || port->hub > G_MAXINT)
        return error_set(error, "hubid must be from 0 to %d", G_MAXINT);
    backend->accepts = NET_TAKES_ALL; /* the other ports' peers decide, one by one */
    net_set_info(backend->client, "hubid=%d", (int)port->hub);
    return true;
}

static const struct net_client_ops ops = { .receive = receive };

const struct net_kind net_kind_hubport = {
    .driver = API_NET_CLIENT_DRIVER_HUBPORT, .size = sizeof(struct hub_port), .ops = &ops, .open = open_port, .connects = connects,
};
