/* vhost/vhost.c - what is asked of either kind of connection. */
#include "vhost/internal.h"
#include "base/error.h"

void vhost_destroy(struct vhost *vhost)
{
    if (vhost)
        vhost->ops->destroy(vhost);
}

void vhost_begin(struct vhost *vhost)
{
    if (vhost->ops->begin)
        vhost->ops->begin(vhost);
}

u64 vhost_features(const struct vhost *vhost)
{
    return vhost->features;
}

u32 vhost_max_queues(const struct vhost *vhost)
{
    return vhost->max_queues;
}

bool vhost_needs_shared_memory(const struct vhost *vhost)
{
    return vhost->ops->shared;
}

bool vhost_set_features(struct vhost *vhost, u64 features, GError **error)
{
    return vhost->ops->set_features(vhost, features, error);
}

bool vhost_set_memory(struct vhost *vhost, const struct vhost_region *regions, u32 count, GError **error)
{
    return vhost->ops->set_memory(vhost, regions, count, error);
}

bool vhost_drop_memory(struct vhost *vhost, GError **error)
{
    return !vhost->ops->drop_memory || vhost->ops->drop_memory(vhost, error);
}

bool vhost_set_mtu(struct vhost *vhost, u16 mtu, GError **error)
{
    return !vhost->ops->set_mtu || vhost->ops->set_mtu(vhost, mtu, error);
}

bool vhost_get_config(struct vhost *vhost, void *data, u32 size, GError **error)
{
    return vhost->ops->get_config ? vhost->ops->get_config(vhost, data, size, error) : error_set(error, "there is no configuration to tell");
}

bool vhost_start_ring(struct vhost *vhost, const struct vhost_ring_place *place, u16 base, GError **error)
{
    return vhost->ops->start_ring(vhost, place, base, error);
}

bool vhost_stop_ring(struct vhost *vhost, u32 index, u16 *base, GError **error)
{
    return vhost->ops->stop_ring(vhost, index, base, error);
}
