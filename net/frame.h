/*
 * net/frame.h - Ethernet frames as lists of pieces, and what is still to be done to them: a sender may leave checksums and
 * cutting into segments to the receiver (virtio 1.3, 5.1.6.2; Linux' tap devices use the same header).
 * Any thread; nothing here keeps a pointer.
 */
#ifndef NET_FRAME_H
#define NET_FRAME_H

#include "base/types.h"
#include <sys/uio.h>

enum {
    NET_HEADER_SIZE = 14,           /* of Ethernet, without a VLAN tag */
    NET_FRAME_MAX = 65535 + 14 + 8, /* bytes: the largest IP packet with Ethernet header and two VLAN tags */
    NET_MAC_SIZE = 6,
    NET_OFFLOAD_SIZE = 10,          /* bytes of the header as guests and tap devices lay it out */
    NET_SEGMENTS_MAX = 2048,        /* that one frame may ask for */
};

enum { NET_NEEDS_CSUM = 1, NET_DATA_VALID = 2 };                                                      /* net_offload.flags */
enum { NET_GSO_NONE = 0, NET_GSO_TCP4 = 1, NET_GSO_UDP = 3, NET_GSO_TCP6 = 4, NET_GSO_UDP_L4 = 5, NET_GSO_ECN = 0x80 }; /* .gso */

/* All zero: the frame is complete. Offsets count from the start of the frame. */
struct net_offload {
    u8 flags, gso;
    u16 header;       /* bytes of all headers; a hint */
    u16 segment;      /* payload bytes of each segment */
    u16 csum_start, csum_offset; /* NEEDS_CSUM: sum from start to the end, store at start + offset */
};

/* What a receiver can do by itself. */
enum net_accepts {
    NET_TAKES_CSUM = 1 << 0, /* unfinished checksums */
    NET_TAKES_TSO4 = 1 << 1,
    NET_TAKES_TSO6 = 1 << 2,
    NET_TAKES_ECN = 1 << 3,  /* TSO with ECN */
    NET_TAKES_UFO = 1 << 4,  /* UDP that becomes fragments */
    NET_TAKES_USO = 1 << 5,  /* UDP that becomes several datagrams */
    NET_TAKES_ALL = (1 << 6) - 1,
};

struct net_frame {
    const struct iovec *iov;
    u32 count;
    u32 size; /* bytes of all pieces: at most NET_FRAME_MAX */
    struct net_offload offload;
};

/* The header as in memory, little-endian. */
void net_offload_load(struct net_offload *offload, const u8 from[NET_OFFLOAD_SIZE]);
void net_offload_store(const struct net_offload *offload, u8 to[NET_OFFLOAD_SIZE]);
/* The bits of net_accepts that a receiver must have to take such a frame; 0: any can. */
u32 net_offload_needs(const struct net_offload *offload);
/* False: no driver in its senses writes this, and segmenting it would be guesswork. size: of the frame. */
bool net_offload_is_sane(const struct net_offload *offload, u32 size);

/* Copies up to `size` bytes from `offset` on; returns how many there were. */
u32 net_frame_copy(const struct net_frame *frame, u32 offset, void *to, u32 size);

/* Internet checksum (RFC 1071). sum: of what came before, an even number of bytes; not folded. */
u32 net_checksum_add(u32 sum, const void *data, u32 size);
u16 net_checksum_finish(u32 sum);
/*
 * Sum of the pseudo header (RFC 793, 2460) of the IP packet at `ip`, of whose header the caller has seen 20 bytes, 40 with v6: what the
 * packet says of its version is the sender's. length: of the TCP or UDP part.
 */
u32 net_checksum_pseudo(const u8 *ip, bool v6, u8 protocol, u32 length);

/* Writes the checksum that NEEDS_CSUM asks for into a frame in one piece, and clears the flag. */
void net_checksum_complete(u8 *data, u32 size, struct net_offload *offload);

/*
 * Does in software what a receiver cannot: hands complete frames (one piece each) to emit until that returns false.
 * False: the frame makes no sense and was dropped.
 */
bool net_segment(const struct net_frame *frame, bool (*emit)(void *opaque, const struct net_frame *frame), void *opaque);

bool net_mac_is_multicast(const u8 *mac);
bool net_mac_is_broadcast(const u8 *mac);

#endif
