/*
 * net/segment.c - cutting large packets into frames, for receivers that cannot: TCP over IPv4 and IPv6 (TSO), UDP as several
 * datagrams (USO), UDP as IPv4 fragments (UFO).
 */
#include "base/bits.h"
#include "net/frame.h"
#include <glib.h>
#include <string.h>

enum { ETHER_VLAN = 0x8100, ETHER_QINQ = 0x88a8, ETHER_IP4 = 0x0800, ETHER_IP6 = 0x86dd, IP_TCP = 6, IP_UDP = 17, UDP_SIZE = 8 };
enum { TCP_FIN = 1, TCP_PSH = 8, TCP_CWR = 0x80 };

/* Where the parts of a packet lie; offsets from the start of the frame. */
struct parts {
    u32 ip, l4, payload, end;
    bool v6;
};

static bool find_ip(const u8 *data, u32 size, struct parts *parts)
{
    u32 at = 12;

    for (unsigned tags = 0; at + 2 <= size; tags++) {
        u64 type = bits_load_be(data + at, 2);

        at += 2;
        if (type == ETHER_IP4 || type == ETHER_IP6) {
            parts->ip = at;
            parts->v6 = type == ETHER_IP6;
            return true;
        }
        if ((type != ETHER_VLAN && type != ETHER_QINQ) || tags == 2)
            return false;
        at += 2;
    }
    return false;
}

/* The sender says where TCP or UDP begins; for IPv4 fragments (UFO without checksum) the header does. */
static bool find_parts(const u8 *data, u32 size, const struct net_offload *offload, struct parts *parts)
{
    if (!find_ip(data, size, parts) || parts->ip + (parts->v6 ? 40 : 20) > size || data[parts->ip] >> 4 != (parts->v6 ? 6 : 4))
        return false;
    parts->l4 = offload->flags & NET_NEEDS_CSUM ? offload->csum_start
                : parts->v6                     ? parts->ip + 40
                                                : parts->ip + (data[parts->ip] & 15u) * 4;
    bool tcp = (offload->gso & ~NET_GSO_ECN) != NET_GSO_UDP && (offload->gso & ~NET_GSO_ECN) != NET_GSO_UDP_L4;
    if (parts->l4 < parts->ip + (parts->v6 ? 40 : 20) || parts->l4 + (tcp ? 20 : UDP_SIZE) > size)
        return false;
    parts->payload = parts->l4 + (tcp ? (data[parts->l4 + 12] >> 4) * 4u : UDP_SIZE);
    parts->end = size;
    return parts->payload < size && parts->payload >= parts->l4 + UDP_SIZE && parts->payload <= 1024;
}

static void put_ip_length(u8 *data, const struct parts *parts, u32 size)
{
    u8 *ip = data + parts->ip;

    if (parts->v6) {
        bits_store_be(ip + 4, 2, size - parts->ip - 40);
        return;
    }
    bits_store_be(ip + 2, 2, size - parts->ip);
    bits_store_be(ip + 10, 2, 0);
    u16 sum = net_checksum_finish(net_checksum_add(0, ip, MIN(parts->l4 - parts->ip, (ip[0] & 15u) * 4)));
    memcpy(ip + 10, &sum, 2);
}

static void put_l4_checksum(u8 *data, const struct parts *parts, u32 size, bool tcp)
{
    u8 *field = data + parts->l4 + (tcp ? 16 : 6);
    u32 length = size - parts->l4;

    memset(field, 0, 2);
    u32 sum = net_checksum_pseudo(data + parts->ip, parts->v6, tcp ? IP_TCP : IP_UDP, length);
    u16 value = net_checksum_finish(net_checksum_add(sum, data + parts->l4, length));
    value = value || tcp ? value : 0xffff;
    memcpy(field, &value, 2);
}

struct cut {
    const u8 *data; /* the whole packet */
    struct parts parts;
    u16 segment;
    bool (*emit)(void *opaque, const struct net_frame *frame);
    void *opaque;
    u8 *frame;      /* room for one */
};

static bool emit_one(const struct cut *cut, u32 size)
{
    struct iovec iov = { cut->frame, size };

    return cut->emit(cut->opaque, &(struct net_frame){ .iov = &iov, .count = 1, .size = size });
}

static void fix_tcp(const struct cut *cut, u32 number, u32 offset, bool last)
{
    u8 *tcp = cut->frame + cut->parts.l4;

    bits_store_be(tcp + 4, 4, (u32)(bits_load_be(tcp + 4, 4) + offset));
    if (!last)
        tcp[13] &= (u8) ~(TCP_FIN | TCP_PSH);
    if (number)
        tcp[13] &= (u8)~TCP_CWR; /* RFC 3168, 6.1.2: only once */
}

static bool cut_datagrams(const struct cut *cut, bool tcp)
{
    const struct parts *parts = &cut->parts;
    u32 number = 0;

    for (u32 at = parts->payload; at < parts->end; at += cut->segment, number++) {
        u32 length = MIN(cut->segment, parts->end - at), size = parts->payload + length;

        memcpy(cut->frame, cut->data, parts->payload);
        memcpy(cut->frame + parts->payload, cut->data + at, length);
        if (!parts->v6)
            bits_store_be(cut->frame + parts->ip + 4, 2, (u16)(bits_load_be(cut->frame + parts->ip + 4, 2) + number));
        if (tcp)
            fix_tcp(cut, number, at - parts->payload, at + length == parts->end);
        else
            bits_store_be(cut->frame + parts->l4 + 4, 2, UDP_SIZE + length);
        put_ip_length(cut->frame, parts, size);
        put_l4_checksum(cut->frame, parts, size, tcp);
        if (!emit_one(cut, size))
            break;
    }
    return true;
}

/* RFC 791: fragments begin at multiples of eight bytes of what follows the IP header. */
static bool cut_fragments(const struct cut *cut)
{
    const struct parts *parts = &cut->parts;
    u32 step = cut->segment & ~7u;

    if (parts->v6 || !step)
        return false;
    for (u32 at = parts->l4; at < parts->end; at += step) {
        u32 length = MIN(step, parts->end - at), offset = (at - parts->l4) / 8;

        memcpy(cut->frame, cut->data, parts->l4);
        memcpy(cut->frame + parts->l4, cut->data + at, length);
        bits_store_be(cut->frame + parts->ip + 6, 2, offset | (at + length < parts->end ? 0x2000 : 0));
        put_ip_length(cut->frame, parts, parts->l4 + length);
        if (!emit_one(cut, parts->l4 + length))
            break;
    }
    return true;
}

bool net_segment(const struct net_frame *frame, bool (*emit)(void *opaque, const struct net_frame *frame), void *opaque)
{
    struct net_offload offload = frame->offload;
    u8 gso = offload.gso & (u8)~NET_GSO_ECN;

    if (frame->size > NET_FRAME_MAX || !net_offload_is_sane(&offload, frame->size))
        return false;
    g_autofree u8 *data = g_malloc(frame->size);
    struct cut cut = { .data = data, .segment = offload.segment, .emit = emit, .opaque = opaque };
    net_frame_copy(frame, 0, data, frame->size);
    if (gso == NET_GSO_NONE) {
        cut.frame = data;
        net_checksum_complete(data, frame->size, &offload);
        emit_one(&cut, frame->size);
        return true;
    }
    if (!find_parts(data, frame->size, &offload, &cut.parts))
        return false;
    g_autofree u8 *room = g_malloc(frame->size);
    cut.frame = room;
    if (gso != NET_GSO_UDP)
        return cut_datagrams(&cut, gso != NET_GSO_UDP_L4);
    put_l4_checksum(data, &cut.parts, frame->size, false);
    return cut_fragments(&cut);
}
