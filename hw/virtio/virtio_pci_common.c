/* hw/virtio/virtio_pci_common.c - registers of the common configuration structure (virtio 1.3, 4.1.4.3). */
#include "hw/virtio/virtio_pci.h"

struct virtio_queue *virtio_pci_selected(void *device)
{
    struct virtio_device *virtio = virtio_pci_device_of(device);

    return virtio ? virtio_queue_selected(virtio) : NULL;
}

static struct virtio_queue *selected_for_setup(void *device)
{
    struct virtio_queue *queue = virtio_pci_selected(device);

    if (queue && !queue->state->enabled)
        return queue;
    device_guest_error(device, "virtio-pci: the queue is not there, or in use");
    return NULL;
}

u64 virtio_pci_read_device_feature(void *device, u32 index)
{
    struct virtio_pci *pci = device;

    return virtio_pci_device_of(pci) ? virtio_features_read(virtio_pci_device_of(pci), pci->state->device_feature_select) : 0;
}

u64 virtio_pci_read_driver_feature(void *device, u32 index)
{
    struct virtio_pci *pci = device;
    u32 word = pci->state->driver_feature_select;

    return virtio_pci_device_of(pci) && word < 2 ? (u32)(virtio_pci_device_of(pci)->state->driver_features >> (32 * word)) : 0;
}

void virtio_pci_set_legacy(struct virtio_device *virtio, bool legacy)
{
    virtio->state->legacy = legacy;
}

void virtio_pci_write_driver_feature(void *device, u32 index, u64 value)
{
    struct virtio_pci *pci = device;

    if (!virtio_pci_device_of(pci))
        return;
    virtio_pci_set_legacy(virtio_pci_device_of(pci), false);
    virtio_features_write(virtio_pci_device_of(pci), pci->state->driver_feature_select, (u32)value);
}

u64 virtio_pci_read_num_queues(void *device, u32 index)
{
    struct virtio_device *virtio = virtio_pci_device_of(device);

    return virtio ? virtio->queue_count : 0;
}

u64 virtio_pci_read_status(void *device, u32 index)
{
    struct virtio_device *virtio = virtio_pci_device_of(device);

    return virtio ? virtio_status_read(virtio) : 0;
}

void virtio_pci_change_status(struct virtio_pci *pci, u8 value, bool legacy)
{
    if (!virtio_pci_device_of(pci))
        return;
    virtio_pci_set_legacy(virtio_pci_device_of(pci), legacy);
    virtio_status_write(virtio_pci_device_of(pci), value, !legacy);
    if (!value)
        virtio_pci_clear_isr(pci);
}

void virtio_pci_write_status(void *device, u32 index, u64 value)
{
    virtio_pci_change_status(device, (u8)value, false);
}

u64 virtio_pci_read_generation(void *device, u32 index)
{
    struct virtio_device *virtio = virtio_pci_device_of(device);

    return virtio ? (u8)virtio->state->generation : 0;
}

u64 virtio_pci_read_queue_select(void *device, u32 index)
{
    struct virtio_device *virtio = virtio_pci_device_of(device);

    return virtio ? virtio->state->queue_select : 0;
}

void virtio_pci_write_queue_select(void *device, u32 index, u64 value)
{
    struct virtio_device *virtio = virtio_pci_device_of(device);

    if (virtio)
        virtio->state->queue_select = (u16)value;
}

u64 virtio_pci_read_queue_size(void *device, u32 index)
{
    return virtio_queue_size_shown(virtio_pci_selected(device));
}

void virtio_pci_write_queue_size(void *device, u32 index, u64 value)
{
    struct virtio_queue *queue = selected_for_setup(device);

    if (queue && value && value <= queue->max_size)
        queue->state->size = (u16)value;
}

u64 virtio_pci_read_queue_enable(void *device, u32 index)
{
    struct virtio_queue *queue = virtio_pci_selected(device);

    return queue && queue->state->enabled;
}

void virtio_pci_write_queue_enable(void *device, u32 index, u64 value)
{
    struct virtio_queue *queue = selected_for_setup(device);

    if (queue && value == 1)
        virtio_queue_enable(queue);
}

u64 virtio_pci_read_queue_notify_off(void *device, u32 index)
{
    return virtio_pci_selected(device) ? virtio_pci_selected(device)->index : 0;
}

u64 virtio_pci_read_queue_desc(void *device, u32 index)
{
    return virtio_pci_selected(device) ? virtio_pci_selected(device)->state->descriptors : 0;
}

void virtio_pci_write_queue_desc(void *device, u32 index, u64 value)
{
    struct virtio_queue *queue = selected_for_setup(device);

    if (queue)
        queue->state->descriptors = value;
}

u64 virtio_pci_read_queue_driver(void *device, u32 index)
{
    return virtio_pci_selected(device) ? virtio_pci_selected(device)->state->driver : 0;
}

void virtio_pci_write_queue_driver(void *device, u32 index, u64 value)
{
    struct virtio_queue *queue = selected_for_setup(device);

    if (queue)
        queue->state->driver = value;
}

u64 virtio_pci_read_queue_device(void *device, u32 index)
{
    return virtio_pci_selected(device) ? virtio_pci_selected(device)->state->device : 0;
}

void virtio_pci_write_queue_device(void *device, u32 index, u64 value)
{
    struct virtio_queue *queue = selected_for_setup(device);

    if (queue)
        queue->state->device = value;
}

u64 virtio_pci_read_queue_reset(void *device, u32 index)
{
    struct virtio_queue *queue = virtio_pci_selected(device);

    return queue && !virtio_queue_is_settled(queue);
}

void virtio_pci_write_queue_reset(void *device, u32 index, u64 value)
{
    struct virtio_queue *queue = virtio_pci_selected(device);

    if (queue && value == 1 && virtio_has(queue->virtio, VIRTIO_F_RING_RESET))
        virtio_queue_reset(queue, true);
}

void virtio_pci_write_notify(void *device, u32 index, u64 value)
{
    struct virtio_device *virtio = virtio_pci_device_of(device);

    if (virtio)
        virtio_kick(virtio, (u32)value);
}
