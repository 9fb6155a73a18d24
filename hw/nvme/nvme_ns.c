/* hw/nvme/nvme_ns.c - a namespace on an nvme-bus. */
#include "base/error.h"
#include "hw/core/bus.h"
#include "hw/nvme/space.h"
#define DEVICE        nvme_ns
#define DEVICE_ROWS   "hw/nvme/nvme_ns.dev"
#define DEVICE_PARENT "declared-device"
#define DEVICE_FLAGS  .user_creatable = true,
#include "hw/core/declare.inc"

static bool realize(void *device, GError **error)
{
    struct nvme_ns *ns = device;
    struct bus *bus = bus_for(&ns->device, "nvme-bus", error);
    const struct nvme_space_options options = { .drive = ns->drive, .uuid = ns->uuid, .id = ns->nsid, .logical = ns->logical_block_size,
                                                .physical = ns->physical_block_size, .granularity = ns->discard_granularity,
                                                .eui64 = ns->eui64, .share_rw = ns->share_rw, .mcl = ns->mcl, .mssrl = ns->mssrl, .msrc = ns->msrc };

    if (!bus)
        return false;
    if (!ns->drive || !*ns->drive)
        return error_set(error, "drive property not set");
    if (!bus_plug(bus, &ns->device.object, error))
        return false;
    ns->space = nvme_space_add(bus->object.parent, &ns->device.object, &options, error);
    if (!ns->space)
        bus_unplug(bus, &ns->device.object);
    return ns->space != NULL;
}

static void unrealize(void *device)
{
    struct nvme_ns *ns = device;

    nvme_space_remove(ns->space);
    if (ns->device.bus)
        bus_unplug(ns->device.bus, &ns->device.object);
}

#include "hw/core/define.inc"
