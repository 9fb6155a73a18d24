/* hw/virtio/virtio_pci_legacy.c - registers that drivers from before virtio 1 use (virtio 1.3, 4.1.4.10). */
#include "hw/virtio/virtio_pci.h"

enum { LEGACY_PAGE_SHIFT = 12 };

u64 virtio_pci_read_legacy_features(void *device, u32 index)
{
    struct virtio_device *virtio = virtio_pci_device_of(device);

    return virtio ? virtio_features_read(virtio, 0) : 0;
}

u64 virtio_pci_read_legacy_driver(void *device, u32 index)
{
    struct virtio_device *virtio = virtio_pci_device_of(device);

    return virtio ? (u32)virtio->state->driver_features : 0;
}

void virtio_pci_write_legacy_driver(void *device, u32 index, u64 value)
{
    struct virtio_device *virtio = virtio_pci_device_of(device);

    if (!virtio)
        return;
    virtio_pci_set_legacy(virtio, true);
    virtio_features_write(virtio, 0, (u32)value);
}

u64 virtio_pci_read_legacy_pfn(void *device, u32 index)
{
    return virtio_pci_selected(device) ? virtio_pci_selected(device)->state->pfn : 0;
}

void virtio_pci_write_legacy_pfn(void *device, u32 index, u64 value)
{
    struct virtio_queue *queue = virtio_pci_selected(device);

    if (!queue)
        return;
    virtio_pci_set_legacy(queue->virtio, true);
    virtio_queue_set_legacy(queue, value << LEGACY_PAGE_SHIFT, 1u << LEGACY_PAGE_SHIFT);
    queue->state->pfn = (u32)value;
}

void virtio_pci_write_legacy_status(void *device, u32 index, u64 value)
{
    virtio_pci_change_status(device, (u8)value, true);
}
