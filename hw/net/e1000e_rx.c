/* hw/net/e1000e_rx.c - receive side of the 82574L (datasheet 7.1): filters, and frames into the buffers of a ring. */
#include "hw/net/e1000e.h"
#include "base/bits.h"
#include <string.h>
#include <zlib.h>

enum { VLAN_TAG = 4, FCS = 4, SPLIT_BUFFERS = 4 };
enum {
    RCTL_EN = 1 << 1, RCTL_UPE = 1 << 3, RCTL_MPE = 1 << 4, RCTL_LPE = 1 << 5, RCTL_LBM = 3 << 6, RCTL_BAM = 1 << 15, RCTL_VFE = 1 << 18,
    RCTL_BSEX = 1 << 25, RCTL_SECRC = 1 << 26,
};
enum { RXCSUM_IPOFL = 1 << 8, RXCSUM_TUOFL = 1 << 9, RXCSUM_PCSD = 1 << 13, RFCTL_EXSTEN = 1 << 15 };
enum { DD = 1, EOP = 2, IXSM = 4, VP = 8, UDPCS = 16, TCPCS = 32, IPCS = 64, PIF = 128 }; /* status (7.1.4) */
enum { TCPE = 0x20, IPE = 0x40 };                                                        /* errors */

struct format {
    u32 size;          /* bytes of a descriptor */
    u32 buffers;       /* of it */
    u32 room[SPLIT_BUFFERS];
    bool extended, split;
};

struct ring {
    u64 base;
    u32 count, head, tail;
};

/* What is told about a frame. */
struct verdict {
    u8 status, errors;
    u16 vlan;
    u16 sum;           /* legacy: of the packet from RXCSUM.PCSS on */
};

/* ---- Filters (7.1.1) ---- */

static bool matches_address(const struct e1000e *e, const u8 *mac)
{
    u32 low = (u32)bits_load_le(mac, 4), high = (u32)bits_load_le(mac + 4, 2);

    for (u32 i = 0; i < 16; i++) {
        const u32 *entry = &e->state->ra[2 * i];

        if (entry[1] >> 31 && entry[0] == low && (entry[1] & 0xffff) == high)
            return true;
    }
    return false;
}

/* 10.2.5.14: twelve bits of the address, which ones RCTL.MO says. */
static bool in_multicast_table(const struct e1000e *e, const u8 *mac)
{
    static const u8 shifts[] = { 4, 3, 2, 0 };
    u32 hash = (u32)bits_load_le(mac + 4, 2) >> shifts[e->state->rctl >> 12 & 3] & 0xfff;

    return e->state->mta[hash >> 5] >> (hash & 31) & 1;
}

static bool passes(const struct e1000e *e, const u8 *head, bool tagged)
{
    u32 rctl = e->state->rctl;

    if (tagged && rctl & RCTL_VFE) {
        u32 vlan = bits_load_be(head + 14, 2) & 0xfff;

        if (!(e->state->vfta[vlan >> 5] >> (vlan & 31) & 1))
            return false;
    }
    if (net_mac_is_broadcast(head))
        return rctl & RCTL_BAM || matches_address(e, head);
    if (net_mac_is_multicast(head))
        return rctl & RCTL_MPE || matches_address(e, head) || in_multicast_table(e, head);
    return rctl & RCTL_UPE || matches_address(e, head);
}

bool e1000e_rx_filter(void *opaque, struct net_rx_filter *filter)
{
    const struct e1000e *e = opaque;
    u32 rctl = e->state->rctl;

    filter->promiscuous = (rctl & RCTL_UPE) && (rctl & RCTL_MPE);
    filter->broadcast = rctl & RCTL_BAM;
    filter->unicast = rctl & RCTL_UPE ? NET_RX_ALL : NET_RX_NORMAL;
    filter->multicast = rctl & RCTL_MPE ? NET_RX_ALL : NET_RX_NORMAL;
    filter->vlan = rctl & RCTL_VFE ? NET_RX_NORMAL : NET_RX_ALL;
    bits_store_le(filter->mac, 4, e->state->ra[0]);
    bits_store_le(filter->mac + 4, 2, e->state->ra[1]);
    for (u16 vlan = 0; rctl & RCTL_VFE && vlan < 4096; vlan++) {
        if (e->state->vfta[vlan >> 5] >> (vlan & 31) & 1)
            g_array_append_val(filter->vlan_table, vlan);
    }
    return true;
}

/* ---- Checksums (7.1.9) ---- */

static void judge_l4(struct verdict *verdict, const u8 *ip, bool v6, const u8 *l4, u32 length, u8 protocol)
{
    bool udp = protocol == 17;

    if ((protocol != 6 && !udp) || length < (udp ? 8u : 20u))
        return;
    verdict->status |= udp ? UDPCS | TCPCS : TCPCS;
    if (udp && !bits_load_be(l4 + 6, 2)) {
        verdict->status &= (u8) ~(UDPCS | TCPCS); /* the sender made none */
        return;
    }
    if (net_checksum_finish(net_checksum_add(net_checksum_pseudo(ip, v6, protocol, length), l4, length)))
        verdict->errors |= TCPE;
}

static void judge_ip4(const struct e1000e *e, struct verdict *verdict, const u8 *ip, u32 size)
{
    u32 head = (ip[0] & 15u) * 4, total = (u32)bits_load_be(ip + 2, 2);

    if (head < 20 || total < head || total > size)
        return;
    if (e->state->rxcsum & RXCSUM_IPOFL) {
        verdict->status |= IPCS;
        if (net_checksum_finish(net_checksum_add(0, ip, head)))
            verdict->errors |= IPE;
    }
    if (e->state->rxcsum & RXCSUM_TUOFL && !(bits_load_be(ip + 6, 2) & 0x3fff))
        judge_l4(verdict, ip, false, ip + head, total - head, ip[9]);
}

static void judge(const struct e1000e *e, struct verdict *verdict, const u8 *data, u32 size)
{
    u64 type = bits_load_be(data + 12, 2);
    u32 start = e->state->rxcsum & 0xff;

    if (type == 0x0800 && size >= 34)
        judge_ip4(e, verdict, data + 14, size - 14);
    else if (type == 0x86dd && size >= 54 && bits_load_be(data + 18, 2) <= size - 54 && e->state->rxcsum & RXCSUM_TUOFL)
        judge_l4(verdict, data + 14, true, data + 54, (u32)bits_load_be(data + 18, 2), data[20]);
    if (!(verdict->status & (IPCS | TCPCS | UDPCS)))
        verdict->status |= IXSM;
    if (start < size)
        verdict->sum = (u16)~net_checksum_finish(net_checksum_add(0, data + start, size - start));
}

/* ---- Rings and descriptors ---- */

static bool find_ring(const struct e1000e *e, const struct format *format, struct ring *ring)
{
    const struct e1000e_state *s = e->state;

    *ring = (struct ring){ (u64)s->rdbah0 << 32 | s->rdbal0, s->rdlen0 / format->size, s->rdh0, s->rdt0 };
    return ring->count && ring->head < ring->count && ring->tail < ring->count;
}

/* 10.2.5.1: BSIZE and BSEX, or FLXBUF in KiB. */
static u32 buffer_size(u32 rctl)
{
    u32 flexible = rctl >> 27 & 15, code = rctl >> 16 & 3;

    if (flexible)
        return flexible * 1024;
    return rctl & RCTL_BSEX && code ? 32768u >> code : 2048u >> code;
}

/*
 * DEVIATION Network cards | e1000e: receive-side scaling, header splitting by protocol | hashes are not calculated, all frames go to
 * queue 0; split packets are cut by size | drivers work without
 */
static struct format find_format(const struct e1000e *e)
{
    u32 rctl = e->state->rctl, split = e->state->psrctl;

    if ((rctl >> 10 & 3) != 1)
        return (struct format){ 16, 1, { buffer_size(rctl) }, e->state->rfctl & RFCTL_EXSTEN, false };
    return (struct format){ 32, SPLIT_BUFFERS,
                            { (split & 0x7f) * 128, (split >> 8 & 0x3f) * 1024, (split >> 16 & 0x3f) * 1024, (split >> 24 & 0x3f) * 1024 },
                            true, true };
}

static u32 room_of(const struct format *format)
{
    u32 room = 0;

    for (u32 i = 0; i < format->buffers; i++)
        room += format->room[i];
    return room;
}

/* Fills the buffers of a descriptor; gives back how many bytes went into each. */
static u32 fill(struct e1000e *e, const struct format *format, const u8 *descriptor, const u8 *data, u32 size, u16 lengths[SPLIT_BUFFERS])
{
    u32 done = 0;

    for (u32 i = 0; i < format->buffers && done < size; i++) {
        u64 address = bits_load_le(descriptor + 8 * i, 8);
        u32 step = MIN(format->room[i], size - done);

        if (!step || (format->split && (!address || address & 1)))
            continue;
        e1000e_dma_write(e, address, data + done, step);
        lengths[i] = (u16)step;
        done += step;
    }
    return done;
}

static void write_back(u8 *descriptor, const struct e1000e *e, const struct format *format, const struct verdict *v, const u16 lengths[SPLIT_BUFFERS],
                       bool last)
{
    u8 status = last ? (u8)(v->status | DD | EOP) : DD;
    u64 errors = last ? v->errors : 0;

    memset(descriptor, 0, format->size);
    if (!format->extended) {
        bits_store_le(descriptor + 8, 2, lengths[0]);
        bits_store_le(descriptor + 10, 2, last ? v->sum : 0);
        descriptor[12] = status;
        descriptor[13] = (u8)errors;
        bits_store_le(descriptor + 14, 2, last ? v->vlan : 0);
        return;
    }
    if (last && !(e->state->rxcsum & RXCSUM_PCSD))
        bits_store_le(descriptor + 6, 2, v->sum);
    bits_store_le(descriptor + 8, 4, status | errors << 24);
    bits_store_le(descriptor + 12, 2, lengths[0]);
    bits_store_le(descriptor + 14, 2, last ? v->vlan : 0);
    for (u32 i = 1; format->split && i < SPLIT_BUFFERS; i++)
        bits_store_le(descriptor + 16 + 2 * i, 2, lengths[i]);
}

/* The status goes last, so that a driver that sees DD finds the rest. */
static void put_descriptor(struct e1000e *e, u64 place, const u8 *descriptor, const struct format *format)
{
    e1000e_dma_write(e, place, descriptor, 8);
    if (format->split)
        e1000e_dma_write(e, place + 16, descriptor + 16, 16);
    e1000e_dma_write(e, place + 8, descriptor + 8, 8);
}

static u32 left_in(const struct ring *ring)
{
    return (ring->tail + ring->count - ring->head) % ring->count;
}

/*
 * DEVIATION Network cards | e1000e: frames without a free descriptor | wait in a bounded queue instead of being dropped and counted
 * | nothing is gained by losing them
 */
static enum net_result store(struct e1000e *e, const u8 *data, u32 size, const struct verdict *verdict)
{
    struct format format = find_format(e);
    u32 done = 0, room = room_of(&format);
    struct ring ring;

    if (!room || !find_ring(e, &format, &ring))
        return NET_DONE;
    if ((size + room - 1) / room > left_in(&ring))
        return (size + room - 1) / room >= ring.count ? NET_DONE : NET_BUSY;
    while (done < size && ring.head != ring.tail) {
        u64 place = ring.base + (u64)ring.head * format.size;
        u16 lengths[SPLIT_BUFFERS] = { 0 };
        u8 descriptor[32];

        if (!e1000e_dma_read(e, place, descriptor, format.size))
            return NET_DONE;
        done += fill(e, &format, descriptor, data + done, size - done, lengths);
        write_back(descriptor, e, &format, verdict, lengths, done == size);
        put_descriptor(e, place, descriptor, &format);
        ring.head = (ring.head + 1) % ring.count;
    }
    e->state->rdh0 = ring.head;
    u32 threshold = ring.count >> ((e->state->rctl >> 8 & 3) + 1);
    e1000e_cause(e, E1000E_RXT0 | E1000E_RXQ0 | (left_in(&ring) <= threshold ? E1000E_RXDMT0 : 0));
    return NET_DONE;
}

/* ---- A frame ---- */

/* Takes the tag out and remembers it. */
static u32 strip_tag(u8 *data, u32 size, struct verdict *verdict)
{
    verdict->status |= VP;
    verdict->vlan = (u16)bits_load_be(data + 14, 2);
    memmove(data + 12, data + 16, size - 16);
    return size - VLAN_TAG;
}

static u32 append_fcs(u8 *data, u32 size)
{
    bits_store_le(data + size, FCS, crc32(crc32(0, NULL, 0), data, size));
    return size + FCS;
}

static enum net_result receive_frame(struct e1000e *e, const struct net_frame *frame)
{
    u32 rctl = e->state->rctl, size = frame->size;
    struct verdict verdict = { 0 };
    u8 *data = e->packet;

    net_frame_copy(frame, 0, data, size);
    if (size < 60) {
        memset(data + size, 0, 60 - size);
        size = 60;
    }
    bool tagged = bits_load_be(data + 12, 2) == (e->state->vet & 0xffff);
    if (!passes(e, data, tagged))
        return NET_DONE;
    if (size > (rctl & RCTL_LPE ? E1000E_MAX_FRAME - FCS : 1518u + (tagged ? VLAN_TAG : 0) - FCS))
        return NET_DONE;
    if (tagged && e->state->ctrl & E1000E_CTRL_VME)
        size = strip_tag(data, size, &verdict);
    judge(e, &verdict, data, size);
    u32 counted = size;
    if (!(rctl & RCTL_SECRC))
        size = append_fcs(data, size);
    enum net_result result = store(e, data, size, &verdict);
    if (result == NET_DONE)
        e1000e_count_frame(e, data, counted, true);
    return result;
}

enum net_result e1000e_receive(void *opaque, u32 queue, const struct net_frame *frame)
{
    struct e1000e *e = opaque;
    bool on = e->state->rctl & RCTL_EN && !(e->state->rctl & RCTL_LBM) && pci_function_may_dma(&e->pci);

    if (!on || frame->size > E1000E_MAX_FRAME || !device_begin(&e->device))
        return NET_DONE;
    enum net_result result = receive_frame(e, frame);
    device_end(&e->device);
    return result;
}
