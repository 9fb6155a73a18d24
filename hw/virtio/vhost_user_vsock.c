/* hw/virtio/vhost_user_vsock.c - sockets between guest and host that another process carries. */
#include "base/bits.h"
#include "base/error.h"
#include "hw/virtio/vhost_link.h"

enum { QUEUE_SIZE = 128, SEQPACKET = 1 };

#define DEVICE        vhost_user_vsock
#define DEVICE_ROWS   "hw/virtio/vhost_user_vsock.dev"
#define VIRTIO_QUEUES 3
#define VIRTIO_MODERN_ONLY
#include "hw/virtio/declare.inc"

static u64 read_cid(void *device, u32 index)
{
    return ((struct vhost_user_vsock *)device)->cid;
}

static u64 offer(void *device)
{
    const struct vhost_user_vsock *self = device;

    return self->link.wire ? vhost_wire_features(self->link.wire) & BIT64(SEQPACKET) : 0;
}

static void handle(void *device, struct virtio_queue *queue)
{
    vhost_link_handle(&((struct vhost_user_vsock *)device)->link, queue);
}

/* Events say that the guest moved to another host, which does not happen. */
static void handle_events(void *device, struct virtio_queue *queue)
{
}

static void status_changed(void *device, u8 status)
{
    vhost_link_status(&((struct vhost_user_vsock *)device)->link, status);
}

static void reset(void *device)
{
    vhost_link_reset(&((struct vhost_user_vsock *)device)->link);
}

static bool realize(void *device, GError **error)
{
    struct vhost_user_vsock *self = device;

    virtio_start(self);
    virtio_queue_add(&self->virtio, QUEUE_SIZE, handle);
    virtio_queue_add(&self->virtio, QUEUE_SIZE, handle);
    virtio_queue_add(&self->virtio, QUEUE_SIZE, handle_events);
    if (vhost_link_open(&self->link, &self->virtio, self->chardev, 2, error)) {
        if (vhost_get_config(vhost_wire_begin(self->link.wire), &self->cid, sizeof(self->cid), error))
            return true;
        vhost_link_close(&self->link);
    }
    virtio_device_finish(&self->virtio);
    return false;
}

static void unrealize(void *device)
{
    struct vhost_user_vsock *self = device;

    vhost_link_close(&self->link);
    virtio_device_finish(&self->virtio);
}

#include "hw/virtio/define.inc"
