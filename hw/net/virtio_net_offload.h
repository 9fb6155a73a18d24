/*
 * hw/net/virtio_net_offload.h - feature bits of the virtio network card (virtio 1.3, 5.1.3), and what they say of checksums and segments.
 * Any thread.
 */
#ifndef HW_NET_VIRTIO_NET_OFFLOAD_H
#define HW_NET_VIRTIO_NET_OFFLOAD_H

#include "net/frame.h"

enum {
    F_CSUM = 0, F_GUEST_CSUM = 1, F_CTRL_GUEST_OFFLOADS = 2, F_MTU = 3, F_MAC = 5, F_GSO = 6, F_GUEST_TSO4 = 7, F_GUEST_TSO6 = 8,
    F_GUEST_ECN = 9, F_GUEST_UFO = 10, F_HOST_TSO4 = 11, F_HOST_TSO6 = 12, F_HOST_ECN = 13, F_HOST_UFO = 14, F_MRG_RXBUF = 15, F_STATUS = 16,
    F_CTRL_VQ = 17, F_CTRL_RX = 18, F_CTRL_VLAN = 19, F_CTRL_RX_EXTRA = 20, F_GUEST_ANNOUNCE = 21, F_MQ = 22, F_CTRL_MAC_ADDR = 23,
    F_GUEST_USO4 = 54, F_GUEST_USO6 = 55, F_HOST_USO = 56, F_SPEED_DUPLEX = 63,
};

/* What the other end may leave to the guest (enum net_accepts), by the GUEST_ features that are on. */
u32 virtio_net_guest_takes(u64 features);
/* What the driver may ask for is what was negotiated (5.1.6.2.1): the rest of its header is ignored. */
void virtio_net_limit_offload(struct net_offload *offload, u64 features);

#endif
