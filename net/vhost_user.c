/* net/vhost_user.c - netdev vhost-user: a card's queues go to another process as they are; no frame passes here. */
#include "base/error.h"
#include "net/internal.h"
#include "vm/inbox.h"
#include "vm/vm.h"

enum { QUEUES_MAX = 64 };

struct vhost_user {
    struct net_backend base;
    char *chardev;
    void *wire;
};

/* What a card sends while its queues are not with the other process is lost, as on a cable without a peer. */
static enum net_result receive(void *opaque, u32 queue, const struct net_frame *frame)
{
    return NET_DONE;
}

static bool open_vhost_user(struct net_backend *backend, const struct api_netdev *options, GError **error)
{
    struct vhost_user *self = (struct vhost_user *)backend;
    const struct api_netdev_vhost_user_options *o = options->u.vhost_user;
    const struct net_vhost *vhost = &backend->set->vhost;
    s64 queues = o->has_queues ? o->queues : 1;

    if (queues < 1 || queues > QUEUES_MAX)
        return error_set(error, "queues must be from 1 to %d", QUEUES_MAX);
    if (!vhost->open)
        return error_set(error, "netdev type 'vhost-user' does not work in this program");
    net_set_info(backend->client, "vhost-user0 to %s", o->chardev);
    self->chardev = g_strdup(o->chardev);
    backend->queues = (u32)queues;
    self->wire = vhost->open(vhost->owner, backend->client, o->chardev, backend->queues, error);
    return self->wire != NULL;
}

/* The card lets go of the wire first. */
static void close_vhost_user(struct net_backend *backend)
{
    struct vhost_user *self = (struct vhost_user *)backend;

    net_disconnect(backend->client);
    if (self->wire)
        backend->set->vhost.close(self->wire);
    g_free(self->chardev);
}

static const struct net_client_ops ops = { .receive = receive };

const struct net_kind net_kind_vhost_user = {
    .driver = API_NET_CLIENT_DRIVER_VHOST_USER, .size = sizeof(struct vhost_user), .ops = &ops, .open = open_vhost_user,
    .close = close_vhost_user,
};

void net_set_vhost(struct net_set *set, const struct net_vhost *vhost)
{
    set->vhost = *vhost;
}

bool net_client_is_vhost(const struct net_client *client)
{
    return client->backend && client->backend->kind == &net_kind_vhost_user;
}

void *net_client_wire(const struct net_client *client)
{
    return client->peer && net_client_is_vhost(client->peer) ? ((struct vhost_user *)client->peer->backend)->wire : NULL;
}

/* ---- Carrier ---- */

struct letter {
    struct net_client *client;
    bool on;
};

/* The client may be gone by now. */
static void deliver(void *opaque, const void *payload, u32 size)
{
    struct net_set *set = opaque;
    const struct letter *letter = payload;

    if (!g_ptr_array_find(set->clients, letter->client, NULL))
        return;
    letter->client->no_carrier = !letter->on;
    if (letter->client->peer)
        net_tell_link(letter->client->peer);
}

void net_set_carrier(struct net_client *client, bool on)
{
    const struct letter letter = { client, on };
    enum net_event_kind kind = on ? NET_EVENT_VHOST_CONNECTED : NET_EVENT_VHOST_DISCONNECTED;

    net_emit(client->set, &(struct net_event){ .kind = kind, .client = client, .address = ((struct vhost_user *)client->backend)->chardev });
    inbox_post(client->set->vm, NULL, deliver, client->set, &letter, sizeof(letter));
}
