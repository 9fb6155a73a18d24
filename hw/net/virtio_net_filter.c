/* hw/net/virtio_net_filter.c - receive modes, table of addresses, virtual LANs. */
#include "hw/net/virtio_net_filter.h"
#include "base/bits.h"
#include <string.h>

enum { PROMISC, ALLMULTI, ALLUNI, NOMULTI, NOUNI, NOBCAST };
enum { VLAN_ADD, VLAN_DEL };
enum { ETHER_VLAN = 0x8100 };

void virtio_net_filter_reset(struct virtio_net_filter *filter)
{
    *filter = (struct virtio_net_filter){ .promiscuous = 1 };
}

bool virtio_net_filter_rx(struct virtio_net_filter *filter, u8 command, const u8 *data, u32 size)
{
    u8 *const modes[] = { [PROMISC] = &filter->promiscuous, [ALLMULTI] = &filter->all_multicast, [ALLUNI] = &filter->all_unicast,
                          [NOMULTI] = &filter->no_multicast, [NOUNI] = &filter->no_unicast, [NOBCAST] = &filter->no_broadcast };

    if (command >= ARRAY_SIZE(modes) || size < 1)
        return false;
    *modes[command] = !!data[0];
    return true;
}

/* A count and that many addresses; *data moves behind them. NULL: the list is cut off. */
static const u8 *take_list(const u8 **data, u32 *size, u32 *count)
{
    const u8 *list = *data + 4;

    if (*size < 4)
        return NULL;
    *count = (u32)bits_load_le(*data, 4);
    if (*count > (*size - 4) / NET_MAC_SIZE)
        return NULL;
    *data += 4 + *count * NET_MAC_SIZE;
    *size -= 4 + *count * NET_MAC_SIZE;
    return list;
}

bool virtio_net_filter_table(struct virtio_net_filter *filter, const u8 *data, u32 size)
{
    u32 unicast_count, multicast_count;
    const u8 *unicast = take_list(&data, &size, &unicast_count);
    const u8 *multicast = unicast ? take_list(&data, &size, &multicast_count) : NULL;

    if (!multicast || size)
        return false;
    filter->unicast_overflow = unicast_count > VIRTIO_NET_TABLE;
    filter->unicast_count = filter->unicast_overflow ? 0 : unicast_count;
    memcpy(filter->table, unicast, filter->unicast_count * NET_MAC_SIZE);
    filter->multicast_overflow = multicast_count > VIRTIO_NET_TABLE - filter->unicast_count;
    filter->count = filter->unicast_count + (filter->multicast_overflow ? 0 : multicast_count);
    memcpy(filter->table[filter->unicast_count], multicast, (filter->count - filter->unicast_count) * NET_MAC_SIZE);
    return true;
}

bool virtio_net_filter_vlan(struct virtio_net_filter *filter, u8 command, const u8 *data, u32 size)
{
    u32 vlan = size >= 2 ? (u32)bits_load_le(data, 2) : VIRTIO_NET_VLANS;

    if (vlan >= VIRTIO_NET_VLANS || command > VLAN_DEL)
        return false;
    if (command == VLAN_ADD)
        filter->vlans[vlan / 32] |= 1u << (vlan % 32);
    else
        filter->vlans[vlan / 32] &= ~(1u << (vlan % 32));
    return true;
}

static bool in_table(const struct virtio_net_filter *filter, u32 from, u32 to, const u8 *mac)
{
    for (u32 i = from; i < MIN(to, (u32)VIRTIO_NET_TABLE); i++) {
        if (!memcmp(filter->table[i], mac, NET_MAC_SIZE))
            return true;
    }
    return false;
}

bool virtio_net_filter_passes(const struct virtio_net_filter *filter, const u8 mac[NET_MAC_SIZE], const struct net_frame *frame)
{
    u8 head[16];

    if (filter->promiscuous)
        return true;
    u32 size = net_frame_copy(frame, 0, head, sizeof(head));
    if (size < NET_HEADER_SIZE)
        return false;
    if (filter->vlan_filter && size == sizeof(head) && bits_load_be(head + 12, 2) == ETHER_VLAN) {
        u32 vlan = bits_load_be(head + 14, 2) & 0xfff;

        if (!(filter->vlans[vlan / 32] & 1u << (vlan % 32)))
            return false;
    }
    if (net_mac_is_broadcast(head))
        return !filter->no_broadcast;
    if (net_mac_is_multicast(head))
        return !filter->no_multicast &&
               (filter->all_multicast || filter->multicast_overflow || in_table(filter, filter->unicast_count, filter->count, head));
    return !filter->no_unicast && (filter->all_unicast || filter->unicast_overflow || !memcmp(head, mac, NET_MAC_SIZE) ||
                                   in_table(filter, 0, filter->unicast_count, head));
}

void virtio_net_filter_describe(const struct virtio_net_filter *filter, const u8 mac[NET_MAC_SIZE], struct net_rx_filter *to)
{
    to->promiscuous = filter->promiscuous;
    to->broadcast = !filter->no_broadcast;
    to->unicast = filter->no_unicast ? NET_RX_NONE : filter->all_unicast ? NET_RX_ALL : NET_RX_NORMAL;
    to->multicast = filter->no_multicast ? NET_RX_NONE : filter->all_multicast ? NET_RX_ALL : NET_RX_NORMAL;
    to->vlan = filter->vlan_filter ? NET_RX_NORMAL : NET_RX_ALL;
    to->unicast_overflow = filter->unicast_overflow;
    to->multicast_overflow = filter->multicast_overflow;
    memcpy(to->mac, mac, NET_MAC_SIZE);
    g_array_append_vals(to->unicast_table, filter->table, MIN(filter->unicast_count, (u32)VIRTIO_NET_TABLE));
    for (u32 i = filter->unicast_count; i < MIN(filter->count, (u32)VIRTIO_NET_TABLE); i++)
        g_array_append_vals(to->multicast_table, filter->table[i], 1);
    for (u16 vlan = 0; filter->vlan_filter && vlan < VIRTIO_NET_VLANS; vlan++) {
        if (filter->vlans[vlan / 32] & 1u << (vlan % 32))
            g_array_append_val(to->vlan_table, vlan);
    }
}
