/* hw/net/virtio_net.c - network card (virtio 1.3, 5.1): frames between queues and the card's netdev, control queue. */
#include "base/bits.h"
#include "base/error.h"
#include "hw/net/virtio_net_filter.h"
#include "hw/net/virtio_net_offload.h"
#include "hw/virtio/vhost_link.h"
#include "net/net.h"
#include "vm/inbox.h"
#include <string.h>

enum { VIRTIO_NET_PAIRS = 64 };

#define DEVICE        virtio_net
#define DEVICE_ROWS   "hw/net/virtio_net.dev"
#define VIRTIO_QUEUES (2 * VIRTIO_NET_PAIRS + 1)
#include "hw/virtio/declare.inc"

enum { LINK_UP = 1, LINK_ANNOUNCE = 2 };
enum { CLASS_RX, CLASS_MAC, CLASS_VLAN, CLASS_ANNOUNCE, CLASS_MQ, CLASS_OFFLOADS };
enum {
    HEADER_LEGACY = 10, HEADER_SIZE = 12, NUM_BUFFERS = 10, /* 5.1.6 */
    BUFFERS_MAX = 512,      /* that one received frame may be spread over */
    BURST = 512,            /* frames sent in one go: others may want the machine lock */
    CONTROL_MAX = 2 + 2 * (4 + 1024 * NET_MAC_SIZE),
};

static u64 bit_if(bool on, unsigned feature)
{
    return on ? BIT64(feature) : 0;
}

/* ---- Features ---- */

static u64 offer_guest(const struct virtio_net *net)
{
    return bit_if(net->guest_csum, F_GUEST_CSUM) | bit_if(net->guest_tso4, F_GUEST_TSO4) | bit_if(net->guest_tso6, F_GUEST_TSO6) |
           bit_if(net->guest_ecn, F_GUEST_ECN) | bit_if(net->guest_ufo, F_GUEST_UFO) | bit_if(net->guest_uso4, F_GUEST_USO4) |
           bit_if(net->guest_uso6, F_GUEST_USO6);
}

static u64 offer_host(const struct virtio_net *net)
{
    return bit_if(net->csum, F_CSUM) | bit_if(net->gso && !net->virtio.modern, F_GSO) | bit_if(net->host_tso4, F_HOST_TSO4) |
           bit_if(net->host_tso6, F_HOST_TSO6) | bit_if(net->host_ecn, F_HOST_ECN) | bit_if(net->host_ufo, F_HOST_UFO) |
           bit_if(net->host_uso, F_HOST_USO);
}

static u64 offer_control(const struct virtio_net *net)
{
    if (!net->ctrl_vq)
        return 0;
    return BIT64(F_CTRL_VQ) | bit_if(net->ctrl_rx, F_CTRL_RX) | bit_if(net->ctrl_rx_extra, F_CTRL_RX_EXTRA) | bit_if(net->ctrl_vlan, F_CTRL_VLAN) |
           bit_if(net->ctrl_mac_addr, F_CTRL_MAC_ADDR) | bit_if(net->ctrl_guest_offloads, F_CTRL_GUEST_OFFLOADS) |
           bit_if(net->guest_announce && net->status, F_GUEST_ANNOUNCE) | bit_if(net->pairs > 1, F_MQ);
}

/*
 * What another process must do itself if the driver is to be told so. It does not learn of offloads that change later, so that is not
 * offered at all.
 */
static u64 withheld(u64 offered)
{
    const u64 its_own = BIT64(F_CSUM) | BIT64(F_GUEST_CSUM) | BIT64(F_GSO) | BIT64(F_GUEST_TSO4) | BIT64(F_GUEST_TSO6) | BIT64(F_GUEST_ECN) |
                        BIT64(F_GUEST_UFO) | BIT64(F_HOST_TSO4) | BIT64(F_HOST_TSO6) | BIT64(F_HOST_ECN) | BIT64(F_HOST_UFO) |
                        BIT64(F_MRG_RXBUF) | BIT64(F_MQ) | BIT64(F_GUEST_USO4) | BIT64(F_GUEST_USO6) | BIT64(F_HOST_USO);

    return (its_own & ~offered) | BIT64(F_CTRL_GUEST_OFFLOADS);
}

static u64 offer(void *device)
{
    const struct virtio_net *net = device;
    u64 all = offer_guest(net) | offer_host(net) | offer_control(net) | BIT64(F_MAC) | bit_if(net->mrg_rxbuf, F_MRG_RXBUF) |
           bit_if(net->status, F_STATUS) | bit_if(net->host_mtu, F_MTU) | bit_if(net->speed >= 0 || net->duplex, F_SPEED_DUPLEX);

    return all & ~net->withheld;
}

static void tell_offloads(struct virtio_net *net)
{
    net_set_accepts(net->client, virtio_net_guest_takes(net->state->guest_offloads));
}

static bool accept(void *device)
{
    struct virtio_net *net = device;
    bool long_header = virtio_has(&net->virtio, VIRTIO_F_VERSION_1) || virtio_has(&net->virtio, F_MRG_RXBUF);

    net->header_size = long_header ? HEADER_SIZE : HEADER_LEGACY;
    net->state->guest_offloads = net->virtio.features & offer_guest(net);
    net->state->filter.vlan_filter = virtio_has(&net->virtio, F_CTRL_VLAN);
    tell_offloads(net);
    return true;
}

/* ---- Configuration space ---- */

static void mac_written(void *device, u32 index, u64 value)
{
    struct virtio_net *net = device;

    /* 5.1.4.1: only legacy drivers without CTRL_MAC_ADDR may. */
    if (virtio_has(&net->virtio, VIRTIO_F_VERSION_1) || virtio_has(&net->virtio, F_CTRL_MAC_ADDR))
        device_guest_error(net, "virtio-net: the driver writes the address, which it must not");
    net_rx_filter_changed(net->client);
}

static void show_link(struct virtio_net *net)
{
    net->state->link_status = (u16)((net->state->link_status & ~LINK_UP) | (net_link_is_up(net->client) ? LINK_UP : 0));
}

static void fill_config(struct virtio_net *net)
{
    memcpy(net->state->mac, net->own_mac, NET_MAC_SIZE);
    net->state->max_virtqueue_pairs = (u16)net->pairs;
    net->state->mtu = net->host_mtu;
    net->state->link_speed = net->speed >= 0 ? (u32)net->speed : UINT32_MAX;
    net->state->link_duplex = !net->duplex ? 0xff : !strcmp(net->duplex, "full");
    virtio_net_filter_reset(&net->state->filter);
    show_link(net);
}

static void reset(void *device)
{
    struct virtio_net *net = device;

    memset(net->sending_waits, 0, sizeof(net->sending_waits));
    vhost_link_reset(&net->link);
    net->link.active = 2;
    net->header_size = HEADER_LEGACY;
    fill_config(net);
    net_purge(net->client);
    tell_offloads(net);
}

static u32 pair_of(const struct virtio_queue *queue)
{
    return virtio_queue_index(queue) / 2;
}

static void queue_reset(void *device, struct virtio_queue *queue)
{
    struct virtio_net *net = device;

    if (pair_of(queue) < VIRTIO_NET_PAIRS)
        net->sending_waits[pair_of(queue)] = false;
    vhost_link_queue_reset(&net->link, queue);
}

static void link_changed(void *opaque, bool up)
{
    struct virtio_net *net = opaque;

    if (up)
        vhost_link_resume(&net->link);
    else
        vhost_link_pause(&net->link);
    show_link(net);
    if (virtio_has(&net->virtio, F_STATUS))
        virtio_config_changed(&net->virtio);
}

/* The netdev goes, and with it the other process. */
static void peer_changed(void *opaque, u32 accepts)
{
    struct virtio_net *net = opaque;

    if (!net->link.wire || net_client_wire(net->client))
        return;
    vhost_link_lose_wire(&net->link);
}

static void announce(void *opaque)
{
    struct virtio_net *net = opaque;

    if (!virtio_is_ready(&net->virtio) || !virtio_has(&net->virtio, F_GUEST_ANNOUNCE) || !net_link_is_up(net->client))
        return;
    net->state->link_status |= LINK_ANNOUNCE;
    virtio_config_changed(&net->virtio);
}

/* ---- Received frames (5.1.6.4) ---- */

struct spread {
    struct virtio_request *request[BUFFERS_MAX];
    u32 count;
    u64 room;
};

/* Buffers for `size` bytes. False: not now, or never; then none was taken. */
static bool take_buffers(struct virtio_net *net, struct virtio_queue *queue, u32 size, struct spread *spread, bool *never)
{
    u32 most = virtio_has(&net->virtio, F_MRG_RXBUF) ? BUFFERS_MAX : 1;
    struct virtio_request *request = NULL;

    spread->count = 0;
    spread->room = 0;
    while (spread->room < size && spread->count < most && (request = virtio_queue_pop(queue))) {
        spread->request[spread->count++] = request;
        spread->room += request->write_size;
    }
    if (spread->count && spread->room >= size && spread->request[0]->write_size >= net->header_size)
        return true;
    *never = request != NULL; /* buffers there are, but not of such a size */
    while (spread->count)
        virtio_request_return(spread->request[--spread->count]);
    return false;
}

/* Copies a frame behind `offset` bytes of the first buffer. */
static void fill_buffers(struct spread *spread, const struct net_frame *frame, u32 offset)
{
    u32 buffer = 0;

    for (u32 i = 0; i < frame->count; i++) {
        const u8 *data = frame->iov[i].iov_base;
        u64 left = frame->iov[i].iov_len;

        while (left) {
            struct virtio_request *request = spread->request[buffer];
            u64 step = virtio_request_write(request, offset, data, left);

            data += step;
            left -= step;
            offset += (u32)step;
            if (offset == request->write_size) {
                buffer++;
                offset = 0;
            }
        }
    }
}

static void hand_over(struct virtio_queue *queue, struct spread *spread, u32 size)
{
    for (u32 i = 0; i < spread->count; i++) {
        u32 part = (u32)MIN(spread->request[i]->write_size, size);

        size -= part;
        virtio_request_finish(spread->request[i], part);
    }
    virtio_queue_publish(queue);
}

static enum net_result put_frame(struct virtio_net *net, u32 pair, const struct net_frame *frame)
{
    struct virtio_queue *queue = virtio_queue_at(&net->virtio, 2 * pair);
    u32 size = frame->size + net->header_size;
    u8 header[HEADER_SIZE];
    struct spread spread;
    bool never = false;

    if (!queue || !virtio_queue_is_ready(queue))
        return NET_DONE;
    if (!take_buffers(net, queue, size, &spread, &never))
        return never || !virtio_queue_is_ready(queue) ? NET_DONE : NET_BUSY;
    net_offload_store(&frame->offload, header);
    bits_store_le(header + NUM_BUFFERS, 2, spread.count);
    virtio_request_write(spread.request[0], 0, header, net->header_size);
    fill_buffers(&spread, frame, net->header_size);
    hand_over(queue, &spread, size);
    return NET_DONE;
}

static enum net_result receive(void *opaque, u32 pair, const struct net_frame *frame)
{
    struct virtio_net *net = opaque;
    enum net_result result = NET_DONE;

    if (!virtio_is_ready(&net->virtio) || !device_begin(&net->device))
        return NET_DONE;
    if (virtio_net_filter_passes(&net->state->filter, net->state->mac, frame))
        result = put_frame(net, pair < net->state->active_pairs ? pair : 0, frame);
    device_end(&net->device);
    return result;
}

static void batch_end(void *opaque, u32 pair)
{
    struct virtio_net *net = opaque;
    struct virtio_queue *queue = virtio_queue_at(&net->virtio, 2 * (pair < net->state->active_pairs ? pair : 0));

    if (queue && virtio_queue_is_ready(queue))
        virtio_queue_notify(queue);
}

/* ---- Frames to send (5.1.6.2) ---- */

static struct net_offload read_offload(const struct virtio_net *net, const struct virtio_request *request)
{
    u8 header[NET_OFFLOAD_SIZE] = { 0 };
    struct net_offload offload;

    virtio_request_read(request, 0, header, sizeof(header));
    net_offload_load(&offload, header);
    virtio_net_limit_offload(&offload, net->virtio.features);
    return offload;
}

/* The pieces behind the header. */
static u32 skip_header(struct virtio_net *net, const struct virtio_request *request)
{
    u64 skip = net->header_size;
    u32 count = 0;

    for (u32 i = 0; i < request->read_count; i++) {
        const struct virtio_piece *piece = &request->read[i];
        u64 drop = MIN(skip, piece->size);

        skip -= drop;
        if (piece->size > drop)
            net->iov[count++] = (struct iovec){ piece->data + drop, piece->size - drop };
    }
    return count;
}

static enum net_result send_request(struct virtio_net *net, u32 pair, const struct virtio_request *request)
{
    struct net_frame frame = { .iov = net->iov };
    u64 size = request->read_size - net->header_size;

    if (size < NET_HEADER_SIZE || size > NET_FRAME_MAX) {
        device_guest_error(net, "virtio-net: a frame of %u bytes", (unsigned)MIN(size, UINT32_MAX));
        return NET_DONE;
    }
    frame.size = (u32)size;
    frame.count = skip_header(net, request);
    frame.offload = read_offload(net, request);
    return net_send(net->client, pair, &frame);
}

static void send_later(void *opaque, const void *payload, u32 size);

static void send_all(struct virtio_net *net, u32 pair)
{
    struct virtio_queue *queue = virtio_queue_at(&net->virtio, 2 * pair + 1);
    struct virtio_request *request;
    u32 count = 0;

    net->sending_waits[pair] = false;
    while (count < BURST && (request = virtio_queue_pop(queue))) {
        if (request->read_size < net->header_size || request->write_size) {
            virtio_request_drop(request);
            virtio_fail(&net->virtio, "queue %u: a frame without header, or one to write", virtio_queue_index(queue));
            break;
        }
        if (send_request(net, pair, request) == NET_BUSY) {
            virtio_request_return(request);
            net->sending_waits[pair] = true;
            break;
        }
        virtio_request_finish(request, 0);
        count++;
    }
    virtio_queue_publish(queue);
    virtio_queue_notify(queue);
    if (count == BURST && !net->sending_waits[pair]) {
        net->sending_waits[pair] = true;
        inbox_post(net->device.object.vm, &net->device.object, send_later, net, &pair, sizeof(pair));
    }
}

static void send_again(struct virtio_net *net, u32 pair)
{
    struct virtio_queue *queue = virtio_queue_at(&net->virtio, 2 * pair + 1);

    if (pair >= net->pairs || !net->sending_waits[pair] || !virtio_queue_is_ready(queue) || !device_begin(&net->device))
        return;
    send_all(net, pair);
    device_end(&net->device);
}

static void send_later(void *opaque, const void *payload, u32 size)
{
    send_again(opaque, *(const u32 *)payload);
}

static void writable(void *opaque, u32 queue)
{
    for (u32 pair = 0; pair < ((struct virtio_net *)opaque)->pairs; pair++)
        send_again(opaque, pair);
}

/* ---- Control queue (5.1.6.5) ---- */

static bool set_mac(struct virtio_net *net, const u8 *data, u32 size)
{
    if (size != NET_MAC_SIZE || !virtio_has(&net->virtio, F_CTRL_MAC_ADDR))
        return false;
    memcpy(net->state->mac, data, NET_MAC_SIZE);
    return true;
}

/* Frames of pairs that the driver does not use go to the first one, and wait for its buffers. */
static void resume(struct virtio_net *net, u32 pair)
{
    net_resume(net->client, pair);
    for (u32 other = net->state->active_pairs; !pair && other < net->pairs; other++)
        net_resume(net->client, other);
}

static bool set_pairs(struct virtio_net *net, u8 command, const u8 *data, u32 size)
{
    u32 pairs = size >= 2 ? (u32)bits_load_le(data, 2) : 0;

    if (command || !virtio_has(&net->virtio, F_MQ) || !pairs || pairs > net->pairs)
        return false;
    for (u32 pair = net->state->active_pairs; pair < pairs; pair++)
        net_resume(net->client, pair); /* what waited for the first pair goes to this one now */
    net->state->active_pairs = (u16)pairs;
    vhost_link_pause(&net->link);
    net->link.active = 2 * pairs;
    if (net_link_is_up(net->client))
        vhost_link_resume(&net->link);
    return true;
}

static bool set_offloads(struct virtio_net *net, u8 command, const u8 *data, u32 size)
{
    u64 wanted = size >= 8 ? bits_load_le(data, 8) : 0;

    if (command || size < 8 || !virtio_has(&net->virtio, F_CTRL_GUEST_OFFLOADS) || wanted & ~(net->virtio.features & offer_guest(net)))
        return false;
    net->state->guest_offloads = wanted;
    tell_offloads(net);
    return true;
}

static bool control(struct virtio_net *net, u8 class, u8 command, const u8 *data, u32 size)
{
    struct virtio_net_filter *filter = &net->state->filter;

    switch (class) {
    case CLASS_RX:
        return virtio_has(&net->virtio, F_CTRL_RX) && virtio_net_filter_rx(filter, command, data, size);
    case CLASS_MAC:
        return command == 1 ? set_mac(net, data, size)
                            : !command && virtio_has(&net->virtio, F_CTRL_RX) && virtio_net_filter_table(filter, data, size);
    case CLASS_VLAN:
        return virtio_has(&net->virtio, F_CTRL_VLAN) && virtio_net_filter_vlan(filter, command, data, size);
    case CLASS_ANNOUNCE:
        net->state->link_status &= (u16)~LINK_ANNOUNCE;
        return !command && virtio_has(&net->virtio, F_GUEST_ANNOUNCE);
    case CLASS_MQ:
        return set_pairs(net, command, data, size);
    case CLASS_OFFLOADS:
        return set_offloads(net, command, data, size);
    default:
        return false;
    }
}

static void serve_control(struct virtio_net *net, struct virtio_queue *queue)
{
    struct virtio_request *request;

    while ((request = virtio_queue_pop(queue))) {
        g_autofree u8 *data = g_malloc0(CONTROL_MAX);
        u32 size = (u32)virtio_request_read(request, 0, data, CONTROL_MAX);
        u8 ack = 1;

        if (size < 2 || !request->write_size) {
            virtio_request_drop(request);
            virtio_fail(&net->virtio, "control queue: a command without class or room for the answer");
            return;
        }
        if (request->read_size <= CONTROL_MAX && control(net, data[0], data[1], data + 2, size - 2))
            ack = 0;
        if (!ack && data[0] <= CLASS_VLAN)
            net_rx_filter_changed(net->client);
        virtio_request_complete(request, (u32)virtio_request_write(request, 0, &ack, 1));
    }
}

/* ---- Life ---- */

/* Without MQ the control queue is number 2 (5.1.2). */
static bool is_control(const struct virtio_net *net, u32 index)
{
    return index == (virtio_has(&net->virtio, F_MQ) ? 2 * net->pairs : 2) && virtio_has(&net->virtio, F_CTRL_VQ);
}

static void handle(void *device, struct virtio_queue *queue)
{
    struct virtio_net *net = device;
    u32 index = virtio_queue_index(queue);

    if (is_control(net, index))
        serve_control(net, queue);
    else if (vhost_link_runs_now(&net->link))
        vhost_link_handle(&net->link, queue);
    else if (index >= 2 * net->pairs)
        return;
    else if (index % 2)
        send_all(net, index / 2);
    else
        resume(net, index / 2);
}

static void status_changed(void *device, u8 status)
{
    struct virtio_net *net = device;

    if (net_link_is_up(net->client))
        vhost_link_resume(&net->link);
    for (u32 pair = 0; status & VIRTIO_DRIVER_OK && pair < net->pairs; pair++)
        net_resume(net->client, pair);
}

static bool describe_filter(void *opaque, struct net_rx_filter *to)
{
    const struct virtio_net *net = opaque;

    virtio_net_filter_describe(&net->state->filter, net->state->mac, to);
    return true;
}

static const struct net_client_ops client_ops = {
    .receive = receive, .batch_end = batch_end, .writable = writable, .link_changed = link_changed, .peer_changed = peer_changed,
    .rx_filter = describe_filter, .takes_wire = true, .announce = announce,
};

static bool check_properties(const struct virtio_net *net, GError **error)
{
    const char *later = net->rss ? "rss" : net->hash ? "hash" : net->guest_rsc_ext ? "guest_rsc_ext" : net->failover ? "failover" : NULL;

    if (later)
        return error_set(error, "%s=on is not in Mynah yet", later);
    if (!bits_is_power_of_2(net->rx_queue_size) || !bits_is_power_of_2(net->tx_queue_size))
        return error_set(error, "rx_queue_size and tx_queue_size must be powers of two from 256 to 1024");
    if (net->duplex && strcmp(net->duplex, "half") && strcmp(net->duplex, "full"))
        return error_set(error, "duplex=%s: it is half or full", net->duplex);
    if (net->speed < -1 || net->speed > INT32_MAX)
        return error_set(error, "speed must be from -1 to %d", INT32_MAX);
    if (net->host_mtu && net->host_mtu < 68)
        return error_set(error, "host_mtu must be at least 68"); /* 5.1.4.1 */
    return !net->mac_text || net_mac_parse(net->mac_text, (u8 *)net->own_mac, error);
}

static bool serve_elsewhere(struct virtio_net *net, struct vhost_wire *wire, GError **error)
{
    if (!vhost_link_open_wire(&net->link, &net->virtio, wire, 2 * net->pairs, error))
        return false;
    net->link.active = 2;
    net->link.mtu = net->host_mtu;
    net->withheld = withheld(vhost_wire_features(wire));
    return true;
}

static void unrealize(void *device)
{
    struct virtio_net *net = device;

    vhost_link_close(&net->link);
    net_client_destroy(net->client);
    virtio_device_finish(&net->virtio);
}

static bool realize(void *device, GError **error)
{
    struct virtio_net *net = device;

    if (!check_properties(net, error))
        return false;
    net->client = net_card_create(&net->device.object, net->netdev, net->own_mac, net->mq ? 0 : 1, &client_ops, net, error);
    if (!net->client)
        return false;
    net->pairs = net_queue_count(net->client);
    if (net->pairs > VIRTIO_NET_PAIRS) {
        net_client_destroy(g_steal_pointer(&net->client));
        return error_set(error, "at most %d queues are possible", VIRTIO_NET_PAIRS);
    }
    g_free(net->mac_text);
    net->mac_text = net_mac_print(net->own_mac);
    virtio_start(net);
    for (u32 i = 0; i < net->pairs; i++) {
        virtio_queue_add(&net->virtio, net->rx_queue_size, handle);
        virtio_queue_add(&net->virtio, net->tx_queue_size, handle);
    }
    virtio_queue_add(&net->virtio, 64, handle);
    net->header_size = HEADER_LEGACY;
    struct vhost_wire *wire = net_client_wire(net->client);
    if (wire && !serve_elsewhere(net, wire, error)) {
        unrealize(net);
        return false;
    }
    fill_config(net);
    return true;
}

#include "hw/virtio/define.inc"
