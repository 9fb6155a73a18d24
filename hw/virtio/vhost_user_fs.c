/* hw/virtio/vhost_user_fs.c - a file system that another process serves. */
#include "base/error.h"
#include "hw/virtio/vhost_link.h"
#include <string.h>

enum { TAG_MAX = 36, QUEUES_MAX = 64 };

#define DEVICE        vhost_user_fs
#define DEVICE_ROWS   "hw/virtio/vhost_user_fs.dev"
#define VIRTIO_QUEUES QUEUES_MAX
#define VIRTIO_MODERN_ONLY
#include "hw/virtio/declare.inc"

static u64 read_tag(void *device, u32 index)
{
    const char *tag = ((struct vhost_user_fs *)device)->tag;

    return index < strlen(tag) ? (u8)tag[index] : 0;
}

static u64 read_queues(void *device, u32 index)
{
    return ((struct vhost_user_fs *)device)->request_queues;
}

static void handle(void *device, struct virtio_queue *queue)
{
    vhost_link_handle(&((struct vhost_user_fs *)device)->link, queue);
}

static void status_changed(void *device, u8 status)
{
    vhost_link_status(&((struct vhost_user_fs *)device)->link, status);
}

static void reset(void *device)
{
    vhost_link_reset(&((struct vhost_user_fs *)device)->link);
}

static void queue_reset(void *device, struct virtio_queue *queue)
{
    vhost_link_queue_reset(&((struct vhost_user_fs *)device)->link, queue);
}

static bool check(struct vhost_user_fs *self, GError **error)
{
    if (!self->tag || !*self->tag)
        return error_set(error, "property 'tag' is needed: the name by which the guest mounts it");
    if (strlen(self->tag) > TAG_MAX)
        return error_set(error, "tag '%s' has more than %d bytes", self->tag, TAG_MAX);
    if (self->queue_size & (self->queue_size - 1))
        return error_set(error, "property 'queue-size' must be a power of two");
    return true;
}

static bool realize(void *device, GError **error)
{
    struct vhost_user_fs *self = device;
    u32 count = self->request_queues + 1u; /* the first is for what is urgent */

    virtio_start(self);
    for (u32 i = 0; i < count && check(self, NULL); i++)
        virtio_queue_add(&self->virtio, self->queue_size, handle);
    if (check(self, error) && vhost_link_open(&self->link, &self->virtio, self->chardev, count, error))
        return true;
    virtio_device_finish(&self->virtio);
    return false;
}

static void unrealize(void *device)
{
    struct vhost_user_fs *self = device;

    vhost_link_close(&self->link);
    virtio_device_finish(&self->virtio);
}

#include "hw/virtio/define.inc"
