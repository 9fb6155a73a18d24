/*
 * hw/virtio/vhost_link.h - a virtio device whose requests another process, or the host's kernel, carries out (vhost/vhost.h). Thread: as all hooks of a
 * device.
 */
#ifndef HW_VIRTIO_VHOST_LINK_H
#define HW_VIRTIO_VHOST_LINK_H

#include "hw/virtio/vhost_wire.h"
#include "hw/virtio/virtio.h"
#include "vhost/ring.h"

enum { VHOST_LINK_QUEUES = 128 };

/* Embedded in a device. Queues 0 to count - 1 may go to the other process. */
struct vhost_link {
    struct virtio_device *virtio;
    struct vhost_wire *wire; /* NULL: closed */
    bool own_wire;
    bool in_place; /* it works in this process's memory, shared or not: the kernel */
    struct vhost_ring *rings;
    u32 count, active; /* active: queues that run, of those; all after opening */
    u32 generation;    /* of the wire, for which `running` holds */
    u64 promised;      /* features that the process offered when the device was made */
    bool running, broken;
    bool wanted;       /* it runs, or would if it could */
    bool still;        /* the machine is stopped */
    bool held;         /* that is why the rings stand, each at its base */
    bool gone;         /* the other process went meanwhile */
    u16 base[VHOST_LINK_QUEUES];
    const struct ram_block *told[VHOST_REGIONS_MAX]; /* memory that the other process has, beside the rings */
    u32 told_count;
    u16 mtu;           /* that the other process is told; 0: none */
    GSource *called[VHOST_LINK_QUEUES];
    GPtrArray *kept;   /* struct virtio_request: buffers to be filled, which the other process had when it was stopped */
    GPtrArray *late;   /* likewise: to be given back to the driver when the machine goes on; NULL: none */
};

/* In realize, after the queues were added: connects to the chardev and says hello. On failure nothing is left. */
bool vhost_link_open(struct vhost_link *link, struct virtio_device *virtio, const char *chardev, u32 count, GError **error);
/* The same with the kernel (vhost_create_vsock), which is taken over. */
bool vhost_link_open_kernel(struct vhost_link *link, struct virtio_device *virtio, struct vhost *kernel, u32 count, GError **error);
/* The same with a wire of somebody else, who also says when to pause and to resume. */
bool vhost_link_open_wire(struct vhost_link *link, struct virtio_device *virtio, struct vhost_wire *wire, u32 count, GError **error);
/* In unrealize, before virtio_device_finish. Twice is fine. */
void vhost_link_close(struct vhost_link *link);
/* The wire is about to go: pauses, and is closed. */
void vhost_link_lose_wire(struct vhost_link *link);

/* Hooks of the device. */
void vhost_link_status(struct vhost_link *link, u8 status);
void vhost_link_reset(struct vhost_link *link);
/* The other process has nothing of this queue any more when it returns; what it has of others it keeps. */
void vhost_link_queue_reset(struct vhost_link *link, struct virtio_queue *queue);
void vhost_link_handle(struct vhost_link *link, struct virtio_queue *queue);

/*
 * The other process works on the queues. While the machine is stopped it does not: it has let go of the rings, and goes on where it was once the
 * machine does.
 */
bool vhost_link_is_running(const struct vhost_link *link);
/* The same, and it begins now if the driver was not ready when it should have: its function may not have been a bus master yet. */
bool vhost_link_runs_now(struct vhost_link *link);
/*
 * Buffers that were to be filled are kept for vhost_link_resume; those that were to be read are given back to the driver,
 * if the machine is stopped, when it goes on: nothing changes the guest's memory before.
 */
void vhost_link_pause(struct vhost_link *link);
/* Starts, if the driver is ready. A process that fails is hung up on (vhost_wire_fail). */
void vhost_link_resume(struct vhost_link *link);

#endif
