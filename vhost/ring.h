/*
 * vhost/ring.h - split rings (virtio 1.3, 2.7) of our own in shared memory, by which requests go to another process and come back.
 * What the other process writes is checked. Thread: main loop.
 */
#ifndef VHOST_RING_H
#define VHOST_RING_H

#include "vhost/vhost.h"

enum { VHOST_RING_SIZE = 1024 };

struct vhost_buffer {
    void *data;
    u64 size;
    bool write; /* by the other process */
};

struct vhost_ring;

/* `count` rings in one region, with their notifiers. NULL with *error. */
struct vhost_ring *vhost_rings_create(u32 count, GError **error);
void vhost_rings_destroy(struct vhost_ring *rings); /* NULL is fine */
struct vhost_region vhost_rings_region(const struct vhost_ring *rings);
struct vhost_ring *vhost_rings_at(struct vhost_ring *rings, u32 index);

/* Where it is. */
struct vhost_ring_place vhost_ring_place(const struct vhost_ring *ring);
/* Empty, as at the start; the other process is not using it. */
void vhost_ring_reset(struct vhost_ring *ring);
/* A chain; cookie (not NULL) comes back with it. False: it does not fit now. */
bool vhost_ring_add(struct vhost_ring *ring, const struct vhost_buffer *buffers, u32 count, void *cookie);
/* Nothing is under way: what does not fit then never does. */
bool vhost_ring_is_empty(const struct vhost_ring *ring);
void vhost_ring_kick(struct vhost_ring *ring);
/* The next chain that came back, or NULL. *written: bytes, at most what was writable. *broken: the other process wrote nonsense. */
void *vhost_ring_take(struct vhost_ring *ring, u32 *written, bool *broken);
/* Any chain that is still with the other process, or NULL; it is forgotten. */
void *vhost_ring_abandon(struct vhost_ring *ring);

#endif
