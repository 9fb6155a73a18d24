/* vhost/internal.h - the two kinds of connections. Private to vhost/. Thread: as vhost.h. */
#ifndef VHOST_INTERNAL_H
#define VHOST_INTERNAL_H

#include "vhost/vhost.h"

/* As the functions of vhost.h by these names. NULL: nothing to do. */
struct vhost_ops {
    void (*destroy)(struct vhost *vhost);
    void (*begin)(struct vhost *vhost);
    bool (*set_features)(struct vhost *vhost, u64 features, GError **error);
    bool (*set_memory)(struct vhost *vhost, const struct vhost_region *regions, u32 count, GError **error);
    bool (*drop_memory)(struct vhost *vhost, GError **error);
    bool (*set_mtu)(struct vhost *vhost, u16 mtu, GError **error);
    bool (*start_ring)(struct vhost *vhost, const struct vhost_ring_place *place, u16 base, GError **error);
    bool (*stop_ring)(struct vhost *vhost, u32 index, u16 *base, GError **error);
    bool (*get_config)(struct vhost *vhost, void *data, u32 size, GError **error); /* NULL: has none */
    bool shared; /* it sees only memory that is shared */
};

/* Embedded in both, first. */
struct vhost {
    const struct vhost_ops *ops;
    u64 features;
    u32 max_queues;
};

#endif
