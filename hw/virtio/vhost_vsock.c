/* hw/virtio/vhost_vsock.c - sockets between guest and host that the host's kernel carries. */
#include "hw/virtio/vhost_link.h"
#include "host/fd.h"
#include <inttypes.h>

#define DEVICE        vhost_vsock
#define DEVICE_ROWS   "hw/virtio/vhost_vsock.dev"
#define VSOCK_NAME    "vhost-vsock"
#define VIRTIO_QUEUES 3
#define VIRTIO_MODERN_ONLY
#include "hw/virtio/declare.inc"
#include "hw/virtio/vsock.inc"

enum { FIRST_CID = 3 }; /* 0 and 2 are hosts, 1 is this machine itself (virtio 1.3, 5.10.4) */

static bool check_cid(u64 cid, GError **error)
{
    if (cid >= FIRST_CID && cid < UINT32_MAX)
        return true;
    error_set(error, cid ? "guest-cid=%" PRIu64 ": 3 to 4294967294 are possible" : "property 'guest-cid' is needed", cid);
    return error_hint(error, "for instance guest-cid=3; no two guests of a host have the same");
}

/* -1: to be opened. */
static bool find_descriptor(const char *text, int *fd, GError **error)
{
    char *end;
    s64 number = text ? g_ascii_strtoll(text, &end, 10) : -1;

    *fd = (int)number;
    if (!text)
        return true;
    if (!*text || *end || number < 0 || number > INT32_MAX)
        return error_set(error, "vhostfd=%s: this is no number of a descriptor", text);
    return host_fd_adopt(*fd) || error_set(error, "vhostfd=%s: no such descriptor was inherited", text);
}

static bool connect_kernel(struct vhost_vsock *self, GError **error)
{
    int fd;

    if (!check_cid(self->guest_cid, error) || !find_descriptor(self->vhostfd, &fd, error))
        return false;
    self->cid = self->guest_cid;
    struct vhost *kernel = vhost_create_vsock(fd, self->cid, error);
    return kernel && vhost_link_open_kernel(&self->link, &self->virtio, kernel, SERVED_QUEUES, error);
}

static bool realize(void *device, GError **error)
{
    struct vhost_vsock *self = device;

    add_queues(self);
    if (connect_kernel(self, error)) {
        if (check_seqpacket(self, error))
            return true;
        vhost_link_close(&self->link);
    }
    virtio_device_finish(&self->virtio);
    return false;
}

#include "hw/virtio/define.inc"
