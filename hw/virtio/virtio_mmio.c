/* hw/virtio/virtio_mmio.c - virtio MMIO transport. Nothing can be plugged in yet: it says so by device id 0. */
#include "hw/core/bus.h"
#define DEVICE      virtio_mmio
#define DEVICE_ROWS "hw/virtio/virtio_mmio.dev"
#include "hw/core/declare.inc"

static u64 read_version(void *device, u32 index)
{
    return ((struct virtio_mmio *)device)->force_legacy ? 1 : 2;
}

static bool realize(void *device, GError **error)
{
    struct virtio_mmio *transport = device;

    transport->bus = bus_create(&transport->device.object, "virtio-mmio-bus", "virtio-mmio-bus.*", error);
    if (!transport->bus)
        return false;
    transport->bus->most = 1;
    return true;
}

VM_CLASS(virtio_mmio_bus) {
    .name = "virtio-mmio-bus", .parent = "bus", .size = sizeof(struct bus), .description = "place for one virtio device",
};

#include "hw/core/define.inc"
