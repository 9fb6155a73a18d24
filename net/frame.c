/* net/frame.c - frames, their offload headers and checksums. */
#include "net/frame.h"
#include "base/bits.h"
#include <glib.h>
#include <string.h>

void net_offload_load(struct net_offload *offload, const u8 from[NET_OFFLOAD_SIZE])
{
    *offload = (struct net_offload){ .flags = from[0], .gso = from[1], .header = (u16)bits_load_le(from + 2, 2),
                                     .segment = (u16)bits_load_le(from + 4, 2), .csum_start = (u16)bits_load_le(from + 6, 2),
                                     .csum_offset = (u16)bits_load_le(from + 8, 2) };
}

void net_offload_store(const struct net_offload *offload, u8 to[NET_OFFLOAD_SIZE])
{
    to[0] = offload->flags;
    to[1] = offload->gso;
    bits_store_le(to + 2, 2, offload->header);
    bits_store_le(to + 4, 2, offload->segment);
    bits_store_le(to + 6, 2, offload->csum_start);
    bits_store_le(to + 8, 2, offload->csum_offset);
}

u32 net_offload_needs(const struct net_offload *offload)
{
    u32 needs = offload->flags & NET_NEEDS_CSUM ? NET_TAKES_CSUM : 0;

    switch (offload->gso & ~NET_GSO_ECN) {
    case NET_GSO_NONE:
        return needs;
    case NET_GSO_TCP4:
        needs |= NET_TAKES_TSO4;
        break;
    case NET_GSO_TCP6:
        needs |= NET_TAKES_TSO6;
        break;
    case NET_GSO_UDP:
        needs |= NET_TAKES_UFO;
        break;
    default:
        needs |= NET_TAKES_USO;
        break;
    }
    return needs | (offload->gso & NET_GSO_ECN ? NET_TAKES_ECN : 0);
}

bool net_offload_is_sane(const struct net_offload *offload, u32 size)
{
    u8 gso = offload->gso & (u8)~NET_GSO_ECN;
    bool csum = offload->flags & NET_NEEDS_CSUM;

    if (csum && ((u32)offload->csum_start + offload->csum_offset + 2 > size || offload->csum_start < NET_HEADER_SIZE))
        return false;
    if (gso == NET_GSO_NONE)
        return true;
    if (gso != NET_GSO_TCP4 && gso != NET_GSO_TCP6 && gso != NET_GSO_UDP && gso != NET_GSO_UDP_L4)
        return false;
    return offload->segment && size / offload->segment <= NET_SEGMENTS_MAX && (csum || gso == NET_GSO_UDP);
}

u32 net_frame_copy(const struct net_frame *frame, u32 offset, void *to, u32 size)
{
    u32 done = 0;

    for (u32 i = 0; i < frame->count && done < size; i++) {
        u64 length = frame->iov[i].iov_len;

        if (offset >= length) {
            offset -= (u32)length;
            continue;
        }
        u32 step = (u32)MIN(length - offset, size - done);
        memcpy((u8 *)to + done, (const u8 *)frame->iov[i].iov_base + offset, step);
        done += step;
        offset = 0;
    }
    return done;
}

/* Sums are of 16-bit words in the order of memory; four bytes at a time into 64 bits, whose carries are folded at the end. */
u32 net_checksum_add(u32 sum, const void *data, u32 size)
{
    const u8 *at = data;
    u64 wide = sum;

    for (; size >= 16; size -= 16, at += 16) {
        u32 word[4];

        memcpy(word, at, 16);
        wide += (u64)word[0] + word[1] + word[2] + word[3];
    }
    for (; size >= 2; size -= 2, at += 2) {
        u16 word;

        memcpy(&word, at, 2);
        wide += word;
    }
    if (size) {
        u16 word = 0;

        memcpy(&word, at, 1);
        wide += word;
    }
    wide = (wide & UINT32_MAX) + (wide >> 32);
    wide = (wide & UINT32_MAX) + (wide >> 32);
    return (u32)((wide & 0xffff) + (wide >> 16));
}

u16 net_checksum_finish(u32 sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (u16)~sum;
}

u32 net_checksum_pseudo(const u8 *ip, bool v6, u8 protocol, u32 length)
{
    u8 tail[8] = { 0 };
    u32 sum = v6 ? net_checksum_add(0, ip + 8, 32) : net_checksum_add(0, ip + 12, 8);

    bits_store_be(tail, 4, length);
    tail[7] = protocol;
    return net_checksum_add(sum, tail, 8);
}

void net_checksum_complete(u8 *data, u32 size, struct net_offload *offload)
{
    u32 start = offload->csum_start;

    if (!(offload->flags & NET_NEEDS_CSUM))
        return;
    offload->flags = 0;
    if (start + offload->csum_offset + 2 > size)
        return;
    u16 sum = net_checksum_finish(net_checksum_add(0, data + start, size - start));
    /* Zero means "no checksum" to UDP (RFC 768); all ones is the same number. */
    sum = sum ? sum : 0xffff;
    memcpy(data + start + offload->csum_offset, &sum, 2);
}

bool net_mac_is_multicast(const u8 *mac)
{
    return mac[0] & 1;
}

bool net_mac_is_broadcast(const u8 *mac)
{
    static const u8 all[NET_MAC_SIZE] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

    return !memcmp(mac, all, NET_MAC_SIZE);
}
