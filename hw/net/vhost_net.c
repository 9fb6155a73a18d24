/* hw/net/vhost_net.c - netdevs that another process serves: the wire to it, which outlives cards. */
#include "hw/net/vhost_net.h"
#include "base/error.h"
#include "hw/virtio/vhost_wire.h"
#include "net/net.h"

static void on_wire(void *opaque, bool there)
{
    net_set_carrier(opaque, there);
}

static void *open_wire(void *owner, struct net_client *netdev, const char *chardev, u32 queues, GError **error)
{
    struct vhost_wire *wire = vhost_wire_open(net_set_vm(owner), chardev, error);

    if (!wire)
        return NULL;
    if (queues > vhost_wire_max_queues(wire)) {
        error_set(error, "the other process has %u pair(s) of queues, not %u", vhost_wire_max_queues(wire), queues);
        vhost_wire_close(wire);
        return NULL;
    }
    vhost_wire_watch(wire, on_wire, netdev);
    return wire;
}

static void close_wire(void *wire)
{
    vhost_wire_close(wire);
}

void vhost_net_provide(struct net_set *set)
{
    net_set_vhost(set, &(struct net_vhost){ open_wire, close_wire, set });
}
