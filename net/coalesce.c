/* net/coalesce.c - joining TCP segments. */
#include "net/coalesce.h"
#include "base/bits.h"
#include <glib.h>
#include <string.h>

enum { IP = NET_HEADER_SIZE, IP4_SIZE = 20, IP6_SIZE = 40, TCP_SIZE = 20, TCP_ACK = 0x10, TCP_PSH = 8 };
enum { IP_LENGTH_MAX = 65535 };

void net_coalesce_init(struct net_coalesce *coalesce, void (*emit)(void *opaque, const struct net_frame *frame), void *opaque)
{
    *coalesce = (struct net_coalesce){ .emit = emit, .opaque = opaque, .data = g_malloc(NET_FRAME_MAX) };
}

void net_coalesce_finish(struct net_coalesce *coalesce)
{
    g_free(coalesce->data);
    coalesce->data = NULL;
}

static bool is_v6(const u8 *data)
{
    return bits_load_be(data + 12, 2) == 0x86dd;
}

/* The offset of TCP in a plain IPv4 or IPv6 packet that fills its frame, or 0. */
static u32 find_tcp(const struct net_coalesce *coalesce, const u8 *data, u32 size)
{
    u64 type = size > IP + IP4_SIZE + TCP_SIZE ? bits_load_be(data + 12, 2) : 0;
    const u8 *ip = data + IP;

    if (type == 0x0800 && coalesce->takes & NET_TAKES_TSO4)
        return ip[0] == 0x45 && ip[9] == 6 && !(bits_load_be(ip + 6, 2) & 0x3fff) && bits_load_be(ip + 2, 2) == size - IP ? IP + IP4_SIZE : 0;
    if (type == 0x86dd && coalesce->takes & NET_TAKES_TSO6 && size > IP + IP6_SIZE + TCP_SIZE)
        return ip[0] >> 4 == 6 && ip[6] == 6 && bits_load_be(ip + 4, 2) == size - IP - IP6_SIZE ? IP + IP6_SIZE : 0;
    return 0;
}

/* Data and nothing else: no connection begins or ends here. */
static u32 payload_of(const u8 *data, u32 l4, u32 size)
{
    u32 payload = l4 + (data[l4 + 12] >> 4) * 4u;

    return (data[l4 + 13] & ~TCP_PSH) == TCP_ACK && payload >= l4 + TCP_SIZE && payload < size ? payload : 0;
}

/* All header fields but lengths, checksums, identification, sequence number and PSH are those of the frame that is held. */
static bool same_flow(const struct net_coalesce *coalesce, const u8 *data, u32 l4, u32 payload)
{
    const u8 *held = coalesce->data;
    bool v6 = is_v6(data);

    if (l4 != coalesce->l4 || payload != coalesce->payload || memcmp(data, held, IP + 2))
        return false;
    if (v6 ? memcmp(data + IP, held + IP, 4) || memcmp(data + IP + 6, held + IP + 6, 34)
           : memcmp(data + IP + 6, held + IP + 6, 4) || memcmp(data + IP + 12, held + IP + 12, 8))
        return false;
    if (memcmp(data + l4, held + l4, 4) || memcmp(data + l4 + 8, held + l4 + 8, 5) || memcmp(data + l4 + 14, held + l4 + 14, 2))
        return false;
    return !memcmp(data + l4 + 18, held + l4 + 18, payload - l4 - 18) && bits_load_be(data + l4 + 4, 4) == coalesce->next;
}

static bool join(struct net_coalesce *coalesce, const u8 *data, u32 l4, u32 payload, u32 size)
{
    u32 length = size - payload;

    if (!coalesce->size || length > coalesce->segment || coalesce->size + length - IP > IP_LENGTH_MAX || !same_flow(coalesce, data, l4, payload))
        return false;
    memcpy(coalesce->data + coalesce->size, data + payload, length);
    coalesce->size += length;
    coalesce->next += length;
    coalesce->count++;
    coalesce->data[l4 + 13] |= data[l4 + 13] & TCP_PSH;
    if (length < coalesce->segment || data[l4 + 13] & TCP_PSH)
        net_coalesce_flush(coalesce);
    return true;
}

static void hold(struct net_coalesce *coalesce, const u8 *data, u32 l4, u32 payload, u32 size)
{
    memcpy(coalesce->data, data, size);
    coalesce->size = size;
    coalesce->l4 = l4;
    coalesce->payload = payload;
    coalesce->segment = (u16)(size - payload);
    coalesce->next = (u32)bits_load_be(data + l4 + 4, 4) + coalesce->segment;
    coalesce->count = 1;
}

void net_coalesce_add(struct net_coalesce *coalesce, const u8 *data, u32 size)
{
    u32 l4 = coalesce->takes ? find_tcp(coalesce, data, size) : 0;
    u32 payload = l4 ? payload_of(data, l4, size) : 0;

    if (payload && join(coalesce, data, l4, payload, size))
        return;
    net_coalesce_flush(coalesce);
    if (payload && !(data[l4 + 13] & TCP_PSH)) {
        hold(coalesce, data, l4, payload, size);
        return;
    }
    struct iovec iov = { (void *)data, size };
    coalesce->emit(coalesce->opaque, &(struct net_frame){ .iov = &iov, .count = 1, .size = size });
}

/* Lengths and what the receiver finishes: the checksum of the pseudo header stands where the whole one will be. */
static struct net_offload describe(struct net_coalesce *coalesce)
{
    u8 *data = coalesce->data, *ip = data + IP;
    u32 l4 = coalesce->l4;
    bool v6 = is_v6(data);

    if (v6) {
        bits_store_be(ip + 4, 2, coalesce->size - IP - IP6_SIZE);
    } else {
        bits_store_be(ip + 2, 2, coalesce->size - IP);
        memset(ip + 10, 0, 2);
        u16 sum = net_checksum_finish(net_checksum_add(0, ip, IP4_SIZE));
        memcpy(ip + 10, &sum, 2);
    }
    u16 pseudo = (u16)~net_checksum_finish(net_checksum_pseudo(ip, is_v6(coalesce->data), 6, coalesce->size - l4));
    memcpy(data + l4 + 16, &pseudo, 2);
    return (struct net_offload){ .flags = NET_NEEDS_CSUM, .gso = v6 ? NET_GSO_TCP6 : NET_GSO_TCP4, .header = (u16)coalesce->payload,
                                 .segment = coalesce->segment, .csum_start = (u16)l4, .csum_offset = 16 };
}

void net_coalesce_flush(struct net_coalesce *coalesce)
{
    struct iovec iov = { coalesce->data, coalesce->size };
    struct net_frame frame = { .iov = &iov, .count = 1, .size = coalesce->size };

    if (!coalesce->size)
        return;
    if (coalesce->count > 1)
        frame.offload = describe(coalesce);
    coalesce->size = 0;
    coalesce->emit(coalesce->opaque, &frame);
}
