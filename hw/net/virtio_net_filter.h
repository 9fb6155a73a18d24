/*
 * hw/net/virtio_net_filter.h - which frames a virtio network card lets in, as its driver sets it by the control queue
 * (virtio 1.3, 5.1.6.5.1-5.1.6.5.3). Thread: the device's.
 */
#ifndef HW_NET_VIRTIO_NET_FILTER_H
#define HW_NET_VIRTIO_NET_FILTER_H

#include "net/net.h"

enum { VIRTIO_NET_TABLE = 64, VIRTIO_NET_VLANS = 4096 };

/* In the arena. Zeroed: after virtio_net_filter_reset. */
struct virtio_net_filter {
    u8 promiscuous, all_multicast, all_unicast, no_multicast, no_unicast, no_broadcast;
    u8 unicast_overflow, multicast_overflow; /* the driver wanted more than fits: then all pass */
    u32 unicast_count, count;                /* unicast addresses come first; count <= VIRTIO_NET_TABLE */
    u8 table[VIRTIO_NET_TABLE][NET_MAC_SIZE];
    u32 vlans[VIRTIO_NET_VLANS / 32];
    u8 vlan_filter;                          /* CTRL_VLAN was negotiated */
    u8 spare[3];
};

/* As after a reset: everything passes until the driver says otherwise. */
void virtio_net_filter_reset(struct virtio_net_filter *filter);
/* Commands of classes RX (0), MAC TABLE_SET and VLAN (2) with their data; false: the driver gets an error. */
bool virtio_net_filter_rx(struct virtio_net_filter *filter, u8 command, const u8 *data, u32 size);
bool virtio_net_filter_table(struct virtio_net_filter *filter, const u8 *data, u32 size);
bool virtio_net_filter_vlan(struct virtio_net_filter *filter, u8 command, const u8 *data, u32 size);
bool virtio_net_filter_passes(const struct virtio_net_filter *filter, const u8 mac[NET_MAC_SIZE], const struct net_frame *frame);
void virtio_net_filter_describe(const struct virtio_net_filter *filter, const u8 mac[NET_MAC_SIZE], struct net_rx_filter *to);

#endif
