/*
 * vhost/vhost.h - somebody else does the work of a virtio device: another process (the vhost-user protocol,
 * qemu.org/docs/master/interop/vhost-user.html), or the host's kernel (linux/vhost.h). Knows no device.
 *
 * Whoever it is never sees the guest's rings: a device hands over single requests, whose buffers are pieces of memory
 * that it can reach; they go through a ring of our own (vhost/ring.h). So everything that a ring of the guest may be (packed, indirect, legacy) is dealt
 * with in one place, and it is known which bytes of the guest's memory were written.
 *
 * Another process is trusted with the shared memory, not to keep the protocol: what it sends is checked, and waiting for it has
 * an end: VHOST_TIMEOUT_MS after vhost_create or the last vhost_begin. After the first failure the connection is broken for good. The kernel is
 * trusted, and works in this process's memory.
 *
 * Thread: main loop.
 */
#ifndef VHOST_VHOST_H
#define VHOST_VHOST_H

#include "base/types.h"
#include <glib.h>

enum { VHOST_TIMEOUT_MS = 5000, VHOST_REGIONS_MAX = 64, VHOST_CONFIG_MAX = 256 };

/* Memory that the other process maps; addresses that it is told are those of this process. */
struct vhost_region {
    const u8 *host;
    u64 size, offset; /* bytes; offset in the file */
    int fd;
};

struct vhost;

/* Another process. socket stays the caller's, and nobody else uses it. Says hello; NULL with *error. */
struct vhost *vhost_create(int socket, GError **error);
/*
 * The kernel's sockets between guests and the host, two rings (to the guest, from it). fd: of an open /dev/vhost-vsock, which is taken over, or -1:
 * opens it. cid: the guest's address. NULL with *error.
 */
struct vhost *vhost_create_vsock(int fd, u64 cid, GError **error);
void vhost_destroy(struct vhost *vhost); /* NULL is fine */
/* What follows may take VHOST_TIMEOUT_MS as a whole. */
void vhost_begin(struct vhost *vhost);

u64 vhost_features(const struct vhost *vhost);   /* virtio features that the other process offers */
u32 vhost_max_queues(const struct vhost *vhost); /* 1 when it does not say */
/* It sees only memory that is shared with it; otherwise all of this process's. */
bool vhost_needs_shared_memory(const struct vhost *vhost);
bool vhost_set_features(struct vhost *vhost, u64 features, GError **error);
/*
 * All of it, whatever it was told before. A process that takes single regions hears of what came and went, and goes on with the rest; others map all of
 * it anew, and have room for 8.
 */
bool vhost_set_memory(struct vhost *vhost, const struct vhost_region *regions, u32 count, GError **error);
/* No ring runs: before memory that may look like what was there before (new rings at the same address) is told. */
bool vhost_drop_memory(struct vhost *vhost, GError **error);
/* Network cards: the largest packet that the driver was told. Without effect when the other process does not want to know. */
bool vhost_set_mtu(struct vhost *vhost, u16 mtu, GError **error);
/* Bytes of the device's configuration space. */
bool vhost_get_config(struct vhost *vhost, void *data, u32 size, GError **error);

/* A ring in memory that is one of the regions; it begins at entry `base`. kick: set by us; call: set by the other. */
struct vhost_ring_place {
    u32 index, size;
    const void *descriptors, *available, *used;
    int kick, call;
};
bool vhost_start_ring(struct vhost *vhost, const struct vhost_ring_place *place, u16 base, GError **error);
/* The other process is done with it when this returns; *base: the entry at which it would go on (vhost_start_ring). */
bool vhost_stop_ring(struct vhost *vhost, u32 index, u16 *base, GError **error);

#endif
