/* host/vhost_linux.c - requests of linux/vhost.h. */
#include "host/vhost.h"
#include "base/error.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/vhost.h>
#include <string.h>
#include <sys/ioctl.h>

static bool failed(const char *what, GError **error)
{
    return error_set(error, "%s: %s", what, strerror(errno));
}

int host_vhost_open_vsock(GError **error)
{
    int fd = open("/dev/vhost-vsock", O_RDWR | O_CLOEXEC);

    if (fd >= 0)
        return fd;
    failed("cannot open /dev/vhost-vsock", error);
    if (errno == ENOENT)
        error_hint(error, "the host's kernel has it in its module vhost_vsock");
    return -1;
}

bool host_vhost_own(int fd, GError **error)
{
    return ioctl(fd, VHOST_SET_OWNER, NULL) == 0 || failed("the kernel does not serve this process", error);
}

bool host_vhost_features(int fd, u64 *features, GError **error)
{
    __u64 offered;

    if (ioctl(fd, VHOST_GET_FEATURES, &offered) < 0)
        return failed("the kernel does not tell its features", error);
    *features = offered;
    return true;
}

bool host_vhost_set_features(int fd, u64 features, GError **error)
{
    __u64 chosen = features;

    return ioctl(fd, VHOST_SET_FEATURES, &chosen) == 0 || failed("the kernel refuses features", error);
}

bool host_vhost_set_memory(int fd, const struct host_vhost_region *regions, u32 count, GError **error)
{
    g_autofree struct vhost_memory *memory = g_malloc0(sizeof(*memory) + count * sizeof(*memory->regions));

    memory->nregions = count;
    for (u32 i = 0; i < count; i++) {
        memory->regions[i].guest_phys_addr = memory->regions[i].userspace_addr = (uintptr_t)regions[i].host;
        memory->regions[i].memory_size = regions[i].size;
    }
    return ioctl(fd, VHOST_SET_MEM_TABLE, memory) == 0 || failed("the kernel refuses the memory", error);
}

bool host_vhost_set_ring(int fd, const struct host_vhost_ring *ring, GError **error)
{
    struct vhost_vring_state size = { .index = ring->index, .num = ring->size }, base = { .index = ring->index, .num = ring->base };
    struct vhost_vring_file call = { .index = ring->index, .fd = ring->call }, kick = { .index = ring->index, .fd = ring->kick };
    struct vhost_vring_addr at = { .index = ring->index, .desc_user_addr = (uintptr_t)ring->descriptors, .used_user_addr = (uintptr_t)ring->used,
                                   .avail_user_addr = (uintptr_t)ring->available };

    return (ioctl(fd, VHOST_SET_VRING_NUM, &size) == 0 && ioctl(fd, VHOST_SET_VRING_BASE, &base) == 0 && ioctl(fd, VHOST_SET_VRING_ADDR, &at) == 0 &&
            ioctl(fd, VHOST_SET_VRING_CALL, &call) == 0 && ioctl(fd, VHOST_SET_VRING_KICK, &kick) == 0) || failed("the kernel refuses a ring", error);
}

bool host_vhost_ring_base(int fd, u32 index, u16 *base, GError **error)
{
    struct vhost_vring_state state = { .index = index };

    if (ioctl(fd, VHOST_GET_VRING_BASE, &state) < 0)
        return failed("the kernel does not tell a ring's place", error);
    *base = (u16)state.num;
    return true;
}

bool host_vhost_set_cid(int fd, u64 cid, GError **error)
{
    __u64 value = cid;

    if (ioctl(fd, VHOST_VSOCK_SET_GUEST_CID, &value) == 0)
        return true;
    if (errno == EADDRINUSE)
        return error_set(error, "another guest has the address %" G_GUINT64_FORMAT, cid);
    return failed("the kernel refuses the guest's address", error);
}

bool host_vhost_run_vsock(int fd, bool run, GError **error)
{
    int value = run;

    return ioctl(fd, VHOST_VSOCK_SET_RUNNING, &value) == 0 || failed(run ? "the kernel does not begin" : "the kernel does not stop", error);
}
