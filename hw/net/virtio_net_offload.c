/* hw/net/virtio_net_offload.c - checksums and segments as the virtio network card's features allow them. */
#include "hw/net/virtio_net_offload.h"
#include "base/bits.h"

static u32 take_if(u64 features, unsigned feature, u32 takes)
{
    return features & BIT64(feature) ? takes : 0;
}

u32 virtio_net_guest_takes(u64 features)
{
    if (!(features & BIT64(F_GUEST_CSUM)))
        return 0;
    return NET_TAKES_CSUM | take_if(features, F_GUEST_TSO4, NET_TAKES_TSO4) | take_if(features, F_GUEST_TSO6, NET_TAKES_TSO6) |
           take_if(features, F_GUEST_ECN, NET_TAKES_ECN) | take_if(features, F_GUEST_UFO, NET_TAKES_UFO) |
           (features & BIT64(F_GUEST_USO4) ? take_if(features, F_GUEST_USO6, NET_TAKES_USO) : 0);
}

/* F_GSO is the word of legacy drivers for every type that there was (5.1.3.2). */
static u32 host_cuts(u64 features)
{
    const u32 any = NET_TAKES_TSO4 | NET_TAKES_TSO6 | NET_TAKES_ECN | NET_TAKES_UFO;

    return take_if(features, F_GSO, any) | take_if(features, F_HOST_TSO4, NET_TAKES_TSO4) | take_if(features, F_HOST_TSO6, NET_TAKES_TSO6) |
           take_if(features, F_HOST_ECN, NET_TAKES_ECN) | take_if(features, F_HOST_UFO, NET_TAKES_UFO) |
           take_if(features, F_HOST_USO, NET_TAKES_USO);
}

void virtio_net_limit_offload(struct net_offload *offload, u64 features)
{
    offload->flags &= NET_NEEDS_CSUM;
    if (!(features & BIT64(F_CSUM)))
        *offload = (struct net_offload){ 0 };
    u32 beyond = net_offload_needs(offload) & ~(NET_TAKES_CSUM | host_cuts(features));
    if (beyond & ~(u32)NET_TAKES_ECN)
        offload->gso = NET_GSO_NONE;
    else if (beyond)
        offload->gso &= (u8)~NET_GSO_ECN;
}
