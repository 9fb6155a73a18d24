/*
 * hw/virtio/vhost_link.h - a virtio device whose requests another process carries out (vhost/vhost.h). Thread: as all hooks of a
 * device.
 */
#ifndef HW_VIRTIO_VHOST_LINK_H
#define HW_VIRTIO_VHOST_LINK_H

#include "chardev/chardev.h"
#include "hw/virtio/virtio.h"
#include "vhost/ring.h"

enum { VHOST_LINK_QUEUES = 64 };

/* Embedded in a device. Queues 0 to count - 1 go to the other process. */
struct vhost_link {
    struct virtio_device *virtio;
    struct chardev_front front;
    struct vhost *vhost;
    struct vhost_ring *rings;
    u32 count;
    bool running, broken;
    GSource *gone, *called[VHOST_LINK_QUEUES];
};

/* In realize, after the queues were added: connects to the chardev and says hello. On failure nothing is left. */
bool vhost_link_open(struct vhost_link *link, struct virtio_device *virtio, const char *chardev, u32 count, GError **error);
/* In unrealize, before virtio_device_finish. */
void vhost_link_close(struct vhost_link *link);
/* Hooks of the device. */
void vhost_link_status(struct vhost_link *link, u8 status);
void vhost_link_reset(struct vhost_link *link);
void vhost_link_handle(struct vhost_link *link, struct virtio_queue *queue);

#endif
