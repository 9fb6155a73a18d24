/* hw/virtio/vhost_user_vsock.c - sockets between guest and host that another process carries. */
#include "hw/virtio/vhost_link.h"

#define DEVICE        vhost_user_vsock
#define DEVICE_ROWS   "hw/virtio/vhost_user_vsock.dev"
#define VSOCK_NAME    "vhost-user-vsock"
#define VIRTIO_QUEUES 3
#define VIRTIO_MODERN_ONLY
#include "hw/virtio/declare.inc"
#include "hw/virtio/vsock.inc"

static bool realize(void *device, GError **error)
{
    struct vhost_user_vsock *self = device;

    add_queues(self);
    if (vhost_link_open(&self->link, &self->virtio, self->chardev, SERVED_QUEUES, error)) {
        if (vhost_get_config(vhost_wire_begin(self->link.wire), &self->cid, sizeof(self->cid), error) && check_seqpacket(self, error))
            return true;
        vhost_link_close(&self->link);
    }
    virtio_device_finish(&self->virtio);
    return false;
}

#include "hw/virtio/define.inc"
