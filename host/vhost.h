/*
 * host/vhost.h - devices that the host's kernel serves (linux/vhost.h): it works on rings in this process's memory, which need not be shared. Addresses
 * are told as they are here. The kernel is trusted. Any thread; errors say what was asked for.
 */
#ifndef HOST_VHOST_H
#define HOST_VHOST_H

#include "base/types.h"
#include <glib.h>

enum { HOST_VHOST_REGIONS = 64 }; /* most that it takes, if nobody changed it */

struct host_vhost_region {
    const u8 *host;
    u64 size; /* bytes */
};

/* The ring begins at entry `base`. kick: set by us; call: set by the kernel. */
struct host_vhost_ring {
    u32 index, size;
    const void *descriptors, *available, *used;
    int kick, call;
    u16 base;
};

/* Sockets between guests and the host (virtio 1.3, 5.10). A descriptor that the caller closes, or -1. */
int host_vhost_open_vsock(GError **error);
/* The process whose memory it is: this one. Once for a descriptor. */
bool host_vhost_own(int fd, GError **error);
bool host_vhost_features(int fd, u64 *features, GError **error);
bool host_vhost_set_features(int fd, u64 features, GError **error);
bool host_vhost_set_memory(int fd, const struct host_vhost_region *regions, u32 count, GError **error);
/* Not while it runs. */
bool host_vhost_set_ring(int fd, const struct host_vhost_ring *ring, GError **error);
/* Where it would go on; not while it runs. */
bool host_vhost_ring_base(int fd, u32 index, u16 *base, GError **error);

/* The guest's address: above 2, below 2^32 - 1, nobody else's. */
bool host_vhost_set_cid(int fd, u64 cid, GError **error);
/* Begins to work on the rings, all of which were set, or is done with them when this returns. */
bool host_vhost_run_vsock(int fd, bool run, GError **error);

#endif
