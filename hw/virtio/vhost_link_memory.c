/* hw/virtio/vhost_link_memory.c - which memory another process is told of. */
#include "hw/virtio/vhost_link_internal.h"
#include "base/error.h"
#include "vm/machine.h"
#include "vm/ram.h"
#include <string.h>

struct regions {
    struct vhost_region region[VHOST_REGIONS_MAX + 1];
    const struct ram_block *block[VHOST_REGIONS_MAX + 1];
    u32 count;
};

static bool has_block(const struct ram_block *const *blocks, u32 count, const struct ram_block *block)
{
    u32 i = 0;

    while (i < count && blocks[i] != block)
        i++;
    return i < count;
}

bool vhost_link_reaches(const struct vhost_link *link, const struct ram_block *block, u64 *offset)
{
    *offset = 0;
    return link->in_place || vm_ram_is_shared(block, offset);
}

/* Memory that the guest can reach, wherever it lies, and the other side, too. */
static void find_memory(struct vhost_link *link, struct regions *regions)
{
    u64 at = 0, offset;

    do {
        struct space_hit hit = space_lookup(vm_memory(vhost_link_vm(link)), at);

        if (hit.ram && hit.writable && vhost_link_reaches(link, hit.ram, &offset) && !has_block(regions->block, regions->count, hit.ram) &&
            regions->count <= VHOST_REGIONS_MAX) {
            regions->block[regions->count] = hit.ram;
            regions->region[regions->count++] = (struct vhost_region){hit.ram->host, hit.ram->size, offset, hit.ram->fd};
        }
        at += hit.left;
        if (!hit.left)
            break;
    } while (at);
}

bool vhost_link_tell_memory(struct vhost_link *link, struct vhost *vhost, GError **error)
{
    struct regions regions = {.region = {vhost_rings_region(link->rings)}, .count = 1};

    find_memory(link, &regions);
    if (!vhost_set_memory(vhost, regions.region, regions.count, error))
        return false;
    link->told_count = regions.count - 1;
    memcpy(link->told, regions.block + 1, link->told_count * sizeof(*link->told));
    return true;
}

bool vhost_link_memory_changed(struct vhost_link *link)
{
    struct regions regions = {0};

    find_memory(link, &regions);
    for (u32 i = 0; i < regions.count; i++) {
        if (!has_block(link->told, link->told_count, regions.block[i]))
            return true;
    }
    return regions.count != link->told_count;
}

bool vhost_link_has_shared_memory(struct vhost_link *link, GError **error)
{
    struct regions regions = {0};

    find_memory(link, &regions);
    if (regions.count)
        return true;
    error_set(error, "the other process must share the guest's memory");
    return error_hint(error, "for instance: -object memory-backend-memfd,id=mem0,size=1G,share=on -machine memory-backend=mem0");
}

/* While the other process is at work: it maps anew. */
bool vhost_link_tell_again(struct vhost_link *link)
{
    GError *error = NULL;
    struct vhost *vhost = vhost_wire_begin(link->wire);

    if (vhost_link_tell_memory(link, vhost, &error))
        return true;
    vhost_link_fail(link, error);
    return false;
}

bool vhost_link_knows(const struct vhost_link *link, const struct ram_block *block)
{
    return has_block(link->told, link->told_count, block);
}
