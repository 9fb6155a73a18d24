/*
 * hw/net/e1000e_tx.c - transmit side of the 82574L (datasheet 7.2): descriptors from a ring to frames. Nothing of a packet is
 * remembered before its last descriptor is there: the head moves by whole packets.
 */
#include "hw/net/e1000e.h"
#include "base/bits.h"
#include "vm/inbox.h"
#include <string.h>

enum { DESCRIPTOR = 16, PACKET_DESCRIPTORS = 256, BURST = 256, INSERT_MAX = 4 };
enum { TCTL_EN = 1 << 1, TCTL_PSP = 1 << 3 };
enum { CMD_EOP = 1, CMD_IC = 4, CMD_TSE = 4, CMD_RS = 8, CMD_DEXT = 32, CMD_VLE = 64 };
enum { POPTS_IXSM = 1, POPTS_TXSM = 2 };
enum { TUCMD_TCP = 1, TUCMD_IPV4 = 2 };

struct descriptor {
    u64 address;
    u64 rest;
};

/* A packet as its descriptors say. */
struct packet {
    u32 size;
    u32 count;           /* descriptors */
    bool complete;       /* the last one was there */
    bool bad;
    bool report[PACKET_DESCRIPTORS];
    u8 command, options; /* of the first data descriptor; command of the last has EOP */
    bool extended;
    u8 sum_start, sum_offset;
    u16 vlan;
    bool tagged;
};

struct ring {
    u64 base;
    u32 count, head, tail;
};

static bool find_ring(const struct e1000e *e, u32 queue, struct ring *ring)
{
    const struct e1000e_state *s = e->state;

    *ring = queue ? (struct ring){ (u64)s->tdbah1 << 32 | s->tdbal1, s->tdlen1 / DESCRIPTOR, s->tdh1, s->tdt1 }
                  : (struct ring){ (u64)s->tdbah0 << 32 | s->tdbal0, s->tdlen0 / DESCRIPTOR, s->tdh0, s->tdt0 };
    return ring->count && ring->head < ring->count && ring->tail < ring->count;
}

static void set_head(struct e1000e *e, u32 queue, u32 head)
{
    *(queue ? &e->state->tdh1 : &e->state->tdh0) = head;
}

static u8 command_of(const struct descriptor *d)
{
    return (u8)(d->rest >> 24);
}

static bool is_context(const struct descriptor *d)
{
    return command_of(d) & CMD_DEXT && !(d->rest >> 20 & 15);
}

static void take_context(struct e1000e *e, u32 queue, const struct descriptor *d)
{
    e->state->context[queue] = (struct e1000e_context){
        .ip_start = (u8)d->address, .ip_offset = (u8)(d->address >> 8), .ip_end = (u16)(d->address >> 16), .tcp_start = (u8)(d->address >> 32),
        .tcp_offset = (u8)(d->address >> 40), .tcp_end = (u16)(d->address >> 48), .payload = (u32)(d->rest & 0xfffff),
        .command = (u8)(d->rest >> 24), .header = (u8)(d->rest >> 40), .segment = (u16)(d->rest >> 48),
    };
}

static void take_data(struct e1000e *e, struct packet *packet, const struct descriptor *d)
{
    bool extended = command_of(d) & CMD_DEXT;
    u32 length = (u32)(d->rest & (extended ? 0xfffff : 0xffff));

    if (!packet->size && !packet->bad) {
        packet->extended = extended;
        packet->command = command_of(d);
        packet->options = (u8)(d->rest >> 40);
    }
    if (command_of(d) & CMD_EOP) {
        packet->complete = true;
        packet->tagged = command_of(d) & CMD_VLE && e->state->ctrl & E1000E_CTRL_VME;
        packet->vlan = (u16)(d->rest >> 48);
        if (!extended && command_of(d) & CMD_IC) {
            packet->sum_offset = (u8)(d->rest >> 16);
            packet->sum_start = (u8)(d->rest >> 40);
            packet->command |= CMD_IC;
        }
    }
    packet->bad = packet->bad || packet->size + length > NET_FRAME_MAX - INSERT_MAX ||
                  !e1000e_dma_read(e, d->address, e->packet + INSERT_MAX + packet->size, length);
    if (!packet->bad)
        packet->size += length;
}

/* Reads descriptors from the head to the end of a packet. False: nothing to do. */
static bool gather(struct e1000e *e, const struct ring *ring, u32 queue, struct packet *packet)
{
    *packet = (struct packet){ 0 };
    for (u32 at = ring->head; at != ring->tail && packet->count < PACKET_DESCRIPTORS && !packet->complete; at = (at + 1) % ring->count) {
        u8 bytes[DESCRIPTOR];

        if (!e1000e_dma_read(e, ring->base + (u64)at * DESCRIPTOR, bytes, DESCRIPTOR))
            return false;
        struct descriptor d = { bits_load_le(bytes, 8), bits_load_le(bytes + 8, 8) };
        packet->report[packet->count++] = command_of(&d) & CMD_RS;
        if (!is_context(&d)) {
            take_data(e, packet, &d);
            continue;
        }
        take_context(e, queue, &d);
        if (!packet->size)
            return packet->complete = packet->bad = true; /* alone: it is used up at once */
    }
    if (packet->count == PACKET_DESCRIPTORS && !packet->complete)
        packet->complete = packet->bad = true; /* no packet has so many */
    return packet->complete;
}

/* Sum of [start, end] of the packet, stored at offset; end 0: to the end of the packet (7.2.6). */
static void insert_sum(u8 *data, u32 size, u32 start, u32 offset, u32 end)
{
    u32 stop = end && end + 1 < size ? end + 1 : size;

    if (start >= stop || offset + 2 > size)
        return;
    u16 sum = net_checksum_finish(net_checksum_add(0, data + start, stop - start));
    memcpy(data + offset, &sum, 2);
}

/* The driver left lengths out of the headers, since each segment has its own (7.2.5.3): here the whole packet gets them. */
static struct net_offload segmentation(const struct e1000e_context *c, u8 *data, u32 size)
{
    u8 *ip = data + c->ip_start;
    bool v4 = c->command & TUCMD_IPV4;
    u32 tcp = c->tcp_start;

    if (!c->segment || tcp < c->ip_start + (v4 ? 20u : 40u) || tcp + 20 > size || tcp != c->tcp_offset - 16u)
        return (struct net_offload){ .flags = 0xff };
    if (v4) {
        bits_store_be(ip + 2, 2, size - c->ip_start);
        memset(ip + 10, 0, 2);
        u16 sum = net_checksum_finish(net_checksum_add(0, ip, 20));
        memcpy(ip + 10, &sum, 2);
    } else {
        bits_store_be(ip + 4, 2, size - c->ip_start - 40);
    }
    u16 pseudo = (u16)~net_checksum_finish(net_checksum_pseudo(ip, !v4, 6, size - tcp));
    memcpy(data + c->tcp_offset, &pseudo, 2);
    return (struct net_offload){ .flags = NET_NEEDS_CSUM, .gso = v4 ? NET_GSO_TCP4 : NET_GSO_TCP6, .header = c->header, .segment = c->segment,
                                 .csum_start = (u16)tcp, .csum_offset = 16 };
}

static struct net_offload offload_of(struct e1000e *e, u32 queue, const struct packet *packet)
{
    const struct e1000e_context *c = &e->state->context[queue];
    u8 *data = e->packet + INSERT_MAX;
    struct net_offload none = { 0 };

    if (!packet->extended) {
        if (packet->command & CMD_IC)
            insert_sum(data, packet->size, packet->sum_start, packet->sum_offset, 0);
        return none;
    }
    if (packet->command & CMD_TSE && c->command & TUCMD_TCP)
        return segmentation(c, data, packet->size);
    if (packet->options & POPTS_IXSM) {
        if (c->ip_offset + 2u <= packet->size)
            memset(data + c->ip_offset, 0, 2);
        insert_sum(data, packet->size, c->ip_start, c->ip_offset, c->ip_end);
    }
    if (!(packet->options & POPTS_TXSM))
        return none;
    if (c->tcp_end || c->tcp_offset < c->tcp_start || c->tcp_start < NET_HEADER_SIZE) {
        insert_sum(data, packet->size, c->tcp_start, c->tcp_offset, c->tcp_end);
        return none;
    }
    return (struct net_offload){ .flags = NET_NEEDS_CSUM, .csum_start = c->tcp_start, .csum_offset = (u16)(c->tcp_offset - c->tcp_start) };
}

/* Moves the addresses apart for a tag; gives back where the frame begins. */
static u8 *insert_tag(struct e1000e *e, const struct packet *packet, struct net_offload *offload)
{
    u8 *data = e->packet + INSERT_MAX;

    if (!packet->tagged)
        return data;
    memmove(e->packet, data, 12);
    bits_store_be(e->packet + 12, 2, e->state->vet);
    bits_store_be(e->packet + 14, 2, packet->vlan);
    if (offload->flags) {
        offload->csum_start += INSERT_MAX;
        offload->header += INSERT_MAX;
    }
    return e->packet;
}

static enum net_result send_packet(struct e1000e *e, u32 queue, struct packet *packet)
{
    struct iovec iov;

    if (packet->bad || packet->size < NET_HEADER_SIZE)
        return NET_DONE;
    if (e->state->tctl & TCTL_PSP && packet->size < 60) {
        memset(e->packet + INSERT_MAX + packet->size, 0, 60 - packet->size);
        packet->size = 60;
    }
    struct net_offload offload = offload_of(e, queue, packet);
    if (offload.flags == 0xff || !net_offload_is_sane(&offload, packet->size)) {
        device_guest_error(e, "e1000e: a context descriptor that does not fit its packet");
        return NET_DONE;
    }
    iov.iov_base = insert_tag(e, packet, &offload);
    iov.iov_len = packet->size + (packet->tagged ? INSERT_MAX : 0);
    enum net_result result = net_send(e->client, 0, &(struct net_frame){ .iov = &iov, .count = 1, .size = (u32)iov.iov_len, .offload = offload });
    if (result == NET_DONE) {
        e1000e_count_frame(e, iov.iov_base, (u32)iov.iov_len, false);
        if (offload.gso)
            e1000e_count(e, E1000E_TSCTC);
    }
    return result;
}

/* DD in the descriptors that asked for it; gives back whether one did. */
static bool report(struct e1000e *e, const struct ring *ring, const struct packet *packet)
{
    bool any = false;

    for (u32 i = 0, at = ring->head; i < packet->count; i++, at = (at + 1) % ring->count) {
        u64 place = ring->base + (u64)at * DESCRIPTOR + 12;
        u8 status;

        if (!packet->report[i] || !e1000e_dma_read(e, place, &status, 1))
            continue;
        status = (u8)((status & 0xf0) | 1);
        e1000e_dma_write(e, place, &status, 1);
        any = true;
    }
    return any;
}

static void send_later(void *opaque, const void *payload, u32 size)
{
    struct e1000e *e = opaque;
    u32 queue = *(const u32 *)payload;

    if (!e->sending_waits[queue] || !device_begin(&e->device))
        return;
    e1000e_send(e, queue);
    device_end(&e->device);
}

void e1000e_send(struct e1000e *e, u32 queue)
{
    struct packet packet;
    struct ring ring;
    u32 causes = 0, count = 0;

    e->sending_waits[queue] = false;
    while (e->state->tctl & TCTL_EN && find_ring(e, queue, &ring) && ring.head != ring.tail && count < BURST && gather(e, &ring, queue, &packet)) {
        if (send_packet(e, queue, &packet) == NET_BUSY) {
            e->sending_waits[queue] = true;
            break;
        }
        if (report(e, &ring, &packet))
            causes |= E1000E_TXDW | (queue ? E1000E_TXQ1 : E1000E_TXQ0);
        set_head(e, queue, (ring.head + packet.count) % ring.count);
        count++;
    }
    if (count == BURST) {
        e->sending_waits[queue] = true;
        inbox_post(e->device.object.vm, &e->device.object, send_later, e, &queue, sizeof(queue));
    } else if (count && !e->sending_waits[queue]) {
        causes |= E1000E_TXQE;
    }
    if (causes)
        e1000e_cause(e, causes);
}

void e1000e_writable(void *opaque, u32 queue)
{
    for (u32 i = 0; i < 2; i++)
        send_later(opaque, &i, sizeof(i));
}
