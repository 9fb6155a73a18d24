/* net/client.c - clients and their peers: frames between them, back-pressure, link state, offloads. */
#include "net/internal.h"
#include "vm/inbox.h"
#include "vm/vm.h"
#include <stdarg.h>
#include <string.h>

static void make_ports(struct net_client *client)
{
    client->port = g_new0(struct net_port, client->queues);
    for (u32 i = 0; i < client->queues; i++) {
        client->port[i].client = client;
        client->port[i].number = i;
        client->port[i].last = &client->port[i].first;
    }
}

struct net_client *net_client_create(struct net_set *set, const char *name, const char *model, u32 queues, const struct net_client_ops *ops,
                                     void *opaque)
{
    struct net_client *client = g_new0(struct net_client, 1);

    client->set = set;
    client->name = g_strdup(name);
    client->model = g_strdup(model);
    client->queues = queues;
    client->ops = ops;
    client->opaque = opaque;
    make_ports(client);
    g_ptr_array_add(set->clients, client);
    return client;
}

static void drop_waiting(struct net_port *port)
{
    struct net_waiting *next;

    for (struct net_waiting *at = port->first; at; at = next) {
        next = at->next;
        g_free(at);
    }
    port->first = NULL;
    port->last = &port->first;
    port->frames = port->bytes = 0;
}

/* ---- Letters: what happens in the main loop ---- */

struct letter {
    struct net_client *client;
    u32 queue;
};

/* The client may be gone by now. */
static struct net_port *port_of(struct net_set *set, const struct letter *letter)
{
    bool there = g_ptr_array_find(set->clients, letter->client, NULL);

    return there && letter->queue < letter->client->queues ? &letter->client->port[letter->queue] : NULL;
}

static void post(struct net_port *port, inbox_hook *hook)
{
    struct letter letter = { port->client, port->number };
    struct net_set *set = port->client->set;

    inbox_post(set->vm, NULL, hook, set, &letter, sizeof(letter));
}

static void tell_writable(void *opaque, const void *payload, u32 size)
{
    struct net_port *port = port_of(opaque, payload);

    if (!port || !port->writable_due)
        return;
    port->writable_due = false;
    if (port->client->ops->writable)
        port->client->ops->writable(port->client->opaque, port->number);
}

/* The queue of the peer where frames from a queue go. */
static u32 peer_queue(const struct net_client *peer, u32 queue)
{
    return queue < peer->queues ? queue : queue % peer->queues;
}

/* All queues whose frames go to `receiver` may try again if they were told BUSY. */
static void release_senders(struct net_port *receiver)
{
    struct net_client *sender = receiver->client->peer;

    for (u32 i = receiver->number; sender && i < sender->queues; i += receiver->client->queues) {
        struct net_port *port = &sender->port[i];

        if (!port->waits)
            continue;
        port->waits = false;
        if (!port->writable_due)
            post(port, tell_writable);
        port->writable_due = true;
    }
}

static enum net_result call_receive(struct net_port *port, const struct net_frame *frame)
{
    struct net_client *client = port->client;

    client->inside++;
    enum net_result result = client->ops->receive(client->opaque, port->number, frame);
    client->inside--;
    return result;
}

/* Hands over what waits. */
static void deliver(void *opaque, const void *payload, u32 size)
{
    struct net_set *set = opaque;
    struct net_port *port = port_of(set, payload);
    struct net_waiting *at;
    u32 count = 0;

    if (!port)
        return;
    port->posted = false;
    if (port->client->object && !vm_running(set->vm)) {
        port->stalled = true;
        return;
    }
    while ((at = port->first)) {
        struct iovec iov = { at->data, at->size };
        struct net_frame frame = { .iov = &iov, .count = 1, .size = at->size, .offload = at->offload };

        bool takes = !(net_offload_needs(&at->offload) & ~port->client->accepts); /* the driver may have changed its mind */
        if (takes && call_receive(port, &frame) == NET_BUSY) {
            port->stalled = true;
            break;
        }
        count++;
        if (port->first != at)
            break; /* the guest's reset dropped everything */
        port->first = at->next;
        if (!port->first)
            port->last = &port->first;
        port->frames--;
        port->bytes -= at->size;
        g_free(at);
    }
    if (count && port->client->ops->batch_end)
        port->client->ops->batch_end(port->client->opaque, port->number);
    if (port->frames < NET_QUEUE_FRAMES / 2 && port->bytes < NET_QUEUE_BYTES / 2)
        release_senders(port);
}

static void post_delivery(struct net_port *port)
{
    if (port->posted)
        return;
    port->posted = true;
    port->stalled = false;
    post(port, deliver);
}

void net_resume(struct net_client *client, u32 queue)
{
    if (client && queue < client->queues && client->port[queue].stalled)
        post_delivery(&client->port[queue]);
}

void net_purge(struct net_client *client)
{
    for (u32 i = 0; client && i < client->queues; i++) {
        drop_waiting(&client->port[i]);
        client->port[i].stalled = false;
        client->port[i].shown = false;
        release_senders(&client->port[i]);
    }
}

/* ---- Sending ---- */

static bool has_room(const struct net_port *port)
{
    return port->frames < NET_QUEUE_FRAMES && port->bytes < NET_QUEUE_BYTES;
}

static enum net_result enqueue(struct net_port *port, const struct net_frame *frame)
{
    if (!has_room(port))
        return NET_BUSY;
    struct net_waiting *waiting = g_malloc(sizeof(*waiting) + frame->size);
    *waiting = (struct net_waiting){ .offload = frame->offload };
    waiting->size = net_frame_copy(frame, 0, waiting->data, frame->size);
    *port->last = waiting;
    port->last = &waiting->next;
    port->frames++;
    port->bytes += waiting->size;
    if (!port->stalled)
        post_delivery(port);
    return NET_DONE;
}

static enum net_result pass(struct net_client *to, u32 queue, const struct net_frame *frame)
{
    struct net_port *port = &to->port[queue];

    /* A netdev has frames waiting only if some came from within its own calls; later ones wait behind them. */
    return to->object || to->inside || port->first ? enqueue(port, frame) : call_receive(port, frame);
}

struct passing {
    struct net_client *to;
    u32 queue;
};

static bool pass_segment(void *opaque, const struct net_frame *frame)
{
    struct passing *passing = opaque;

    return pass(passing->to, passing->queue, frame) == NET_DONE;
}

static void show_filters(struct net_client *client, const struct net_frame *frame, bool to_peer)
{
    for (struct net_filter *filter = client->filters; filter; filter = filter->next)
        filter->frame(filter->opaque, frame, to_peer);
}

/* The frame, or what becomes of it, to the peer. A frame that the peer is BUSY for comes again: filters see it once. */
static enum net_result send_to(struct net_client *peer, u32 queue, struct net_port *from, const struct net_frame *frame)
{
    struct passing passing = { peer, queue };

    if (peer->object && !has_room(&peer->port[queue]))
        return NET_BUSY;
    if (unlikely(from->client->filters || peer->filters) && !from->shown) {
        show_filters(from->client, frame, true);
        show_filters(peer, frame, false);
    }
    if (!(net_offload_needs(&frame->offload) & ~peer->accepts)) {
        enum net_result result = pass(peer, queue, frame);
        from->shown = result == NET_BUSY;
        return result;
    }
    from->shown = false;
    net_segment(frame, pass_segment, &passing);
    return NET_DONE;
}

enum net_result net_send(struct net_client *client, u32 queue, const struct net_frame *frame)
{
    struct net_client *peer = client->peer;
    struct net_port *from = &client->port[MIN(queue, client->queues - 1)];

    if (!peer || client->link_down || peer->link_down || frame->size < NET_HEADER_SIZE || frame->size > NET_FRAME_MAX)
        return NET_DONE;
    enum net_result result = send_to(peer, peer_queue(peer, queue), from, frame);
    from->waits |= result == NET_BUSY;
    return result;
}

bool net_backend_send(struct net_backend *backend, u32 queue, const struct net_frame *frame)
{
    return net_send(backend->client, queue, frame) == NET_DONE && net_backend_may_send(backend, queue);
}

bool net_backend_send_bytes(struct net_backend *backend, u32 queue, const void *data, u32 size)
{
    struct iovec iov = { (void *)data, size };

    return net_backend_send(backend, queue, &(struct net_frame){ .iov = &iov, .count = 1, .size = size });
}

bool net_backend_may_send(const struct net_backend *backend, u32 queue)
{
    struct net_client *peer = backend->client->peer;

    if (!peer || !peer->object)
        return true;
    if (has_room(&peer->port[peer_queue(peer, queue)]))
        return true;
    backend->client->port[queue].waits = true;
    return false;
}

void net_backend_writable(struct net_backend *backend, u32 queue)
{
    struct net_port *port = &backend->client->port[queue];

    if (port->stalled)
        post_delivery(port);
    else
        release_senders(port);
}

void net_backend_enter(struct net_backend *backend)
{
    backend->client->inside++;
}

void net_backend_leave(struct net_backend *backend)
{
    backend->client->inside--;
}

/* ---- Peers ---- */

static void tell_peer_changed(struct net_client *client)
{
    if (client && client->ops->peer_changed)
        client->ops->peer_changed(client->opaque, net_peer_accepts(client));
}

void net_connect(struct net_client *a, struct net_client *b)
{
    a->peer = b;
    b->peer = a;
    tell_peer_changed(a);
    tell_peer_changed(b);
}

void net_disconnect(struct net_client *client)
{
    struct net_client *peer = client->peer;

    if (!peer)
        return;
    for (u32 i = 0; i < client->queues; i++)
        release_senders(&client->port[i]);
    for (u32 i = 0; i < client->queues; i++)
        client->port[i].waits = client->port[i].shown = false;
    client->peer = peer->peer = NULL;
    tell_peer_changed(client);
    tell_peer_changed(peer);
    net_tell_link(peer);
}

void net_client_destroy(struct net_client *client)
{
    if (!client)
        return;
    net_disconnect(client);
    for (u32 i = 0; i < client->queues; i++)
        drop_waiting(&client->port[i]);
    g_ptr_array_remove(client->set->clients, client);
    net_set_free_if_done(client->set);
    g_free(client->port);
    g_free(client->name);
    g_free(client->model);
    g_free(client->info);
    g_free(client);
}

void net_client_set_queues(struct net_client *client, u32 queues)
{
    g_free(client->port);
    client->queues = queues;
    make_ports(client);
}

void net_set_accepts(struct net_client *client, u32 accepts)
{
    if (!client || client->accepts == accepts)
        return;
    client->accepts = accepts;
    tell_peer_changed(client->peer);
}

u32 net_peer_accepts(const struct net_client *client)
{
    return client->peer ? client->peer->accepts : 0;
}

bool net_link_is_up(const struct net_client *client)
{
    return client->peer && !client->link_down && !client->peer->no_carrier;
}

/* A card that hears of it changes its registers, interrupts and, with another process at its queues, memory: not while the machine is stopped. */
void net_tell_link(struct net_client *client)
{
    client->link_news = client->object && !vm_running(client->set->vm);
    if (client->ops->link_changed && !client->link_news)
        client->ops->link_changed(client->opaque, net_link_is_up(client));
}

void net_set_link(struct net_client *client, bool up)
{
    struct net_client *peer = client->peer;

    if (client->link_down == !up)
        return;
    client->link_down = !up;
    net_tell_link(client);
    if (!peer || !peer->object)
        return;
    peer->link_down = !up;
    net_tell_link(peer);
}

u32 net_queue_count(const struct net_client *client)
{
    return client->queues;
}

void net_set_info(struct net_client *client, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_free(client->info);
    client->info = g_strdup_vprintf(format, args);
    va_end(args);
}

void net_filter_add(struct net_client *client, struct net_filter *filter)
{
    struct net_filter **at = &client->filters;

    while (*at)
        at = &(*at)->next;
    *at = filter;
}

void net_filter_remove(struct net_client *client, struct net_filter *filter)
{
    for (struct net_filter **at = &client->filters; *at; at = &(*at)->next) {
        if (*at == filter) {
            *at = filter->next;
            return;
        }
    }
}
