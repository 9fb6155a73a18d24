/*
 * hw/virtio/vhost_wire.h - the connection to a process that serves a virtio device (vhost/vhost.h), over a chardev. When the process
 * goes away and comes back (a chardev with reconnect-ms, or server=on), so does the connection.
 *
 * Waiting for the process has an end: what begins with vhost_wire_begin (hello, starting, stopping) takes at most VHOST_TIMEOUT_MS as a
 * whole. After it failed nobody is listened to for VHOST_WIRE_PAUSE times as long (a second at least), so that a process that is
 * asked in vain does not hold up the machine again and again.
 *
 * Thread: main loop.
 */
#ifndef HW_VIRTIO_VHOST_WIRE_H
#define HW_VIRTIO_VHOST_WIRE_H

#include "vhost/vhost.h"

enum { VHOST_WIRE_PAUSE = 12 };

struct vm;
struct vhost_wire;

/*
 * Connects to chardev `id` and says hello; a chardev that has nobody yet is given VHOST_TIMEOUT_MS. changed: the other process has gone,
 * or is back and has said hello; NULL until vhost_wire_watch. NULL with *error.
 */
struct vhost_wire *vhost_wire_open(struct vm *vm, const char *id, GError **error);
/* A wire that never breaks, to the kernel, which is taken over. */
struct vhost_wire *vhost_wire_own(struct vm *vm, struct vhost *kernel);
void vhost_wire_close(struct vhost_wire *wire); /* NULL is fine */
void vhost_wire_watch(struct vhost_wire *wire, void (*changed)(void *opaque, bool there), void *opaque);

/* NULL: nobody is there. */
struct vhost *vhost_wire_vhost(const struct vhost_wire *wire);
/* The same, about to say several things that are done in time or not at all. */
struct vhost *vhost_wire_begin(struct vhost_wire *wire);
/* Another number after each hello. */
u32 vhost_wire_generation(const struct vhost_wire *wire);
/* What the last hello said (vhost_features, vhost_max_queues). */
u64 vhost_wire_features(const struct vhost_wire *wire);
u32 vhost_wire_max_queues(const struct vhost_wire *wire);
/* The other process does not keep the protocol: hangs up. Called with the error of a vhost function, which it frees and logs. */
void vhost_wire_fail(struct vhost_wire *wire, GError *error);

#endif
