/*
 * net/coalesce.h - joins TCP segments that follow each other into one large frame, for cards that take those (LRO): a guest's
 * network stack costs per frame, not per byte. For frames made on this machine: checksums are believed.
 * Thread: the owner's.
 */
#ifndef NET_COALESCE_H
#define NET_COALESCE_H

#include "net/frame.h"

struct net_coalesce {
    void (*emit)(void *opaque, const struct net_frame *frame);
    void *opaque;
    u32 takes;        /* NET_TAKES_TSO4, _TSO6: what may be joined; 0: nothing */
    u8 *data;         /* NET_FRAME_MAX bytes; what is held */
    u32 size;         /* 0: nothing is held */
    u32 l4, payload;  /* offsets */
    u32 next;         /* sequence number that would follow */
    u16 segment;      /* payload of the first */
    u32 count;
};

void net_coalesce_init(struct net_coalesce *coalesce, void (*emit)(void *opaque, const struct net_frame *frame), void *opaque);
void net_coalesce_finish(struct net_coalesce *coalesce);
/* A complete frame: emitted now or held until net_coalesce_flush. */
void net_coalesce_add(struct net_coalesce *coalesce, const u8 *data, u32 size);
void net_coalesce_flush(struct net_coalesce *coalesce);

#endif
