/* vhost/kernel.c - the host's kernel as the other side: its sockets between guests and the host. */
#include "vhost/internal.h"
#include "base/error.h"
#include "host/fd.h"
#include "host/vhost.h"

enum { VSOCK_RINGS = 2 }; /* to the guest, from it; events are the device's own business */

struct vhost_kernel {
    struct vhost vhost;
    int fd;
    bool running;
};

static struct vhost_kernel *kernel_of(struct vhost *vhost)
{
    return (struct vhost_kernel *)vhost;
}

static void destroy(struct vhost *vhost)
{
    host_fd_close(kernel_of(vhost)->fd);
    g_free(vhost);
}

static bool set_features(struct vhost *vhost, u64 features, GError **error)
{
    return host_vhost_set_features(kernel_of(vhost)->fd, features, error);
}

static bool set_memory(struct vhost *vhost, const struct vhost_region *regions, u32 count, GError **error)
{
    struct host_vhost_region table[HOST_VHOST_REGIONS];

    if (count > HOST_VHOST_REGIONS)
        return error_set(error, "the machine has %u pieces of memory and the kernel room for %d, with the rings", count, HOST_VHOST_REGIONS);
    for (u32 i = 0; i < count; i++)
        table[i] = (struct host_vhost_region){ regions[i].host, regions[i].size };
    return host_vhost_set_memory(kernel_of(vhost)->fd, table, count, error);
}

/* It begins with all rings at once: with the last one. */
static bool start_ring(struct vhost *vhost, const struct vhost_ring_place *place, u16 base, GError **error)
{
    struct vhost_kernel *kernel = kernel_of(vhost);
    const struct host_vhost_ring ring = { .index = place->index, .size = place->size, .descriptors = place->descriptors, .available = place->available,
                                          .used = place->used, .kick = place->kick, .call = place->call, .base = base };

    if (!host_vhost_set_ring(kernel->fd, &ring, error))
        return false;
    if (place->index + 1 < vhost->max_queues)
        return true;
    kernel->running = host_vhost_run_vsock(kernel->fd, true, error);
    return kernel->running;
}

/* And stops with all of them: with the first one. */
static bool stop_ring(struct vhost *vhost, u32 index, u16 *base, GError **error)
{
    struct vhost_kernel *kernel = kernel_of(vhost);

    if (kernel->running && !host_vhost_run_vsock(kernel->fd, false, error))
        return false;
    kernel->running = false;
    return host_vhost_ring_base(kernel->fd, index, base, error);
}

static const struct vhost_ops ops = { .destroy = destroy, .set_features = set_features, .set_memory = set_memory, .start_ring = start_ring,
                                      .stop_ring = stop_ring };

struct vhost *vhost_create_vsock(int fd, u64 cid, GError **error)
{
    struct vhost_kernel *kernel = g_new0(struct vhost_kernel, 1);

    kernel->vhost.ops = &ops;
    kernel->vhost.max_queues = VSOCK_RINGS;
    kernel->fd = fd < 0 ? host_vhost_open_vsock(error) : fd;
    if (kernel->fd >= 0 && host_vhost_own(kernel->fd, error) && host_vhost_features(kernel->fd, &kernel->vhost.features, error) &&
        host_vhost_set_cid(kernel->fd, cid, error))
        return &kernel->vhost;
    if (kernel->fd >= 0)
        host_fd_close(kernel->fd);
    g_free(kernel);
    return NULL;
}
