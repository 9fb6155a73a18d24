/* hw/net/vhost_net.h - lets `-netdev vhost-user` of a machine's networks work. Thread: main loop. */
#ifndef HW_NET_VHOST_NET_H
#define HW_NET_VHOST_NET_H

struct net_set;

/* Once, before the first netdev is made. */
void vhost_net_provide(struct net_set *set);

#endif
