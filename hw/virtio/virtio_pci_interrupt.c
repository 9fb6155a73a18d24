/*
 * hw/virtio/virtio_pci_interrupt.c - interrupts of the PCI transport: the pin with its status (virtio 1.3, 4.1.4.5), messages and their
 * vectors. Queues outside raise them without the machine lock (docs/decisions/iothread-rings.md).
 */
#include "hw/virtio/virtio_pci.h"
#include "vm/inbox.h"

enum { ISR_QUEUE = 1, ISR_CONFIG = 2 };

static void show_isr(void *opaque)
{
    struct virtio_pci *pci = opaque;

    pci_function_set_intx(&pci->pci, __atomic_load_n(&pci->state->isr, __ATOMIC_SEQ_CST) && !pci_msix_is_on(&pci->msix));
}

void virtio_pci_follow_isr(struct virtio_pci *pci)
{
    line_keeper_show(&pci->pin, pci_function_pin_is_lockless(&pci->pci), show_isr, pci);
}

void virtio_pci_clear_isr(struct virtio_pci *pci)
{
    __atomic_store_n(&pci->state->isr, 0, __ATOMIC_SEQ_CST);
    virtio_pci_follow_isr(pci);
}

u64 virtio_pci_read_isr(void *device, u32 index)
{
    struct virtio_pci *pci = device;
    u8 isr = __atomic_exchange_n(&pci->state->isr, 0, __ATOMIC_SEQ_CST);

    virtio_pci_follow_isr(pci);
    return isr;
}

static void follow_isr_late(void *opaque, const void *payload, u32 size)
{
    virtio_pci_follow_isr(opaque);
}

static void raise_isr(struct virtio_pci *pci, u8 bit)
{
    struct vm_object *object = &pci->device.object;

    if (__atomic_fetch_or(&pci->state->isr, bit, __ATOMIC_SEQ_CST) & bit && !vm_lock_mine(object->vm))
        return; /* who set it has shown it, or is about to */
    if (vm_lock_mine(object->vm) || pci_function_pin_is_lockless(&pci->pci))
        virtio_pci_follow_isr(pci);
    else
        inbox_post(object->vm, object, follow_isr_late, pci, NULL, 0);
}

void virtio_pci_interrupt(void *opaque, struct virtio_queue *queue)
{
    struct virtio_pci *pci = opaque;
    struct virtio_device *virtio = virtio_pci_device_of(pci);
    u32 vector = queue ? queue->state->vector : virtio ? virtio->state->config_vector : VIRTIO_NO_VECTOR;

    if (!pci_msix_is_on(&pci->msix)) {
        raise_isr(pci, queue ? ISR_QUEUE : ISR_CONFIG);
        return;
    }
    if (!vm_lock_mine(pci->device.object.vm)) {
        pci_msix_send_outside(&pci->msix, vector);
        return;
    }
    /* Busy meanwhile: a message to its own registers goes nowhere. */
    bool mine = device_begin(&pci->device);
    pci_msix_send(&pci->msix, vector);
    if (mine)
        device_end(&pci->device);
}

static u16 checked_vector(const struct virtio_pci *pci, u64 value)
{
    return pci->msix.function && value < pci->msix.count ? (u16)value : VIRTIO_NO_VECTOR;
}

u64 virtio_pci_read_config_vector(void *device, u32 index)
{
    struct virtio_device *virtio = virtio_pci_device_of(device);

    return virtio ? virtio->state->config_vector : VIRTIO_NO_VECTOR;
}

void virtio_pci_write_config_vector(void *device, u32 index, u64 value)
{
    struct virtio_device *virtio = virtio_pci_device_of(device);

    if (virtio)
        virtio->state->config_vector = checked_vector(device, value);
}

u64 virtio_pci_read_queue_vector(void *device, u32 index)
{
    struct virtio_queue *queue = virtio_pci_selected(device);

    return queue ? queue->state->vector : VIRTIO_NO_VECTOR;
}

void virtio_pci_write_queue_vector(void *device, u32 index, u64 value)
{
    struct virtio_queue *queue = virtio_pci_selected(device);

    if (queue)
        queue->state->vector = checked_vector(device, value);
}
