/* hw/virtio/virtio_pci.h - what the files of the PCI transport share. Private to them. Sections are those of virtio 1.3. */
#ifndef HW_VIRTIO_VIRTIO_PCI_H
#define HW_VIRTIO_VIRTIO_PCI_H

#include "hw/pci/msix.h"
#include "hw/virtio/internal.h"

#define DEVICE           virtio_pci
#define DEVICE_ROWS      "hw/virtio/virtio_pci.dev"
#define DEVICE_PARENT    "pci-device"
#define DEVICE_FLAGS     .abstract = true, .init = init, .finish = finish,
#define PCI_CONFIG_BYTES 4096
#define PCI_MSIX_VECTORS 1024
#include "hw/core/declare.inc"

/* The modern BAR: a page for each structure (4.1.4). Notifications may take more. */
enum { VIRTIO_PCI_PAGE = 0x1000, VIRTIO_PCI_DEVICE_PAGE = 2 * VIRTIO_PCI_PAGE, VIRTIO_PCI_NOTIFY_PAGE = 3 * VIRTIO_PCI_PAGE };
/* The legacy one: where the device's configuration begins (4.1.4.10). */
enum { VIRTIO_PCI_LEGACY_CONFIG = 0x14, VIRTIO_PCI_LEGACY_CONFIG_MSIX = 0x18 };
enum { VIRTIO_PCI_BAR_LEGACY = 0, VIRTIO_PCI_BAR_MSIX = 1, VIRTIO_PCI_BAR_NOTIFY_PIO = 2, VIRTIO_PCI_BAR_MODERN = 4 };
/* Fields of the capability for configuration access (4.1.4.9). */
enum {
    VIRTIO_PCI_ACCESS_BAR = 4, VIRTIO_PCI_ACCESS_OFFSET = 8, VIRTIO_PCI_ACCESS_LENGTH = 12, VIRTIO_PCI_ACCESS_DATA = 16,
    VIRTIO_PCI_ACCESS_SIZE = 20,
};

/* NULL: none is plugged in. */
static inline struct virtio_device *virtio_pci_device_of(void *device)
{
    return ((struct virtio_pci *)device)->bus->device;
}

/* virtio_pci_interrupt.c: the pin with its status, messages, and which of them. Of queues outside without the machine lock. */
void virtio_pci_interrupt(void *opaque, struct virtio_queue *queue); /* of struct virtio_transport_ops */
/* The pin shows what the status says. */
void virtio_pci_follow_isr(struct virtio_pci *pci);
void virtio_pci_clear_isr(struct virtio_pci *pci);
u64 virtio_pci_read_config_vector(void *device, u32 index);
u64 virtio_pci_read_isr(void *device, u32 index);
u64 virtio_pci_read_queue_vector(void *device, u32 index);
void virtio_pci_write_config_vector(void *device, u32 index, u64 value);
void virtio_pci_write_queue_vector(void *device, u32 index, u64 value);

/* virtio_pci_common.c: common configuration (4.1.4.3), and what the legacy registers share with it. */
/* The queue that the driver selected, or NULL. */
struct virtio_queue *virtio_pci_selected(void *device);
/* Which interface the driver uses shows in what it writes. */
void virtio_pci_set_legacy(struct virtio_device *virtio, bool legacy);
void virtio_pci_change_status(struct virtio_pci *pci, u8 value, bool legacy);
u64 virtio_pci_read_device_feature(void *device, u32 index);
u64 virtio_pci_read_driver_feature(void *device, u32 index);
u64 virtio_pci_read_generation(void *device, u32 index);
u64 virtio_pci_read_num_queues(void *device, u32 index);
u64 virtio_pci_read_queue_desc(void *device, u32 index);
u64 virtio_pci_read_queue_device(void *device, u32 index);
u64 virtio_pci_read_queue_driver(void *device, u32 index);
u64 virtio_pci_read_queue_enable(void *device, u32 index);
u64 virtio_pci_read_queue_notify_off(void *device, u32 index);
u64 virtio_pci_read_queue_reset(void *device, u32 index);
u64 virtio_pci_read_queue_select(void *device, u32 index);
u64 virtio_pci_read_queue_size(void *device, u32 index);
u64 virtio_pci_read_status(void *device, u32 index);
void virtio_pci_write_driver_feature(void *device, u32 index, u64 value);
void virtio_pci_write_notify(void *device, u32 index, u64 value);
void virtio_pci_write_queue_desc(void *device, u32 index, u64 value);
void virtio_pci_write_queue_device(void *device, u32 index, u64 value);
void virtio_pci_write_queue_driver(void *device, u32 index, u64 value);
void virtio_pci_write_queue_enable(void *device, u32 index, u64 value);
void virtio_pci_write_queue_reset(void *device, u32 index, u64 value);
void virtio_pci_write_queue_select(void *device, u32 index, u64 value);
void virtio_pci_write_queue_size(void *device, u32 index, u64 value);
void virtio_pci_write_status(void *device, u32 index, u64 value);

/* virtio_pci_legacy.c: the interface before virtio 1 (4.1.4.10). */
u64 virtio_pci_read_legacy_driver(void *device, u32 index);
u64 virtio_pci_read_legacy_features(void *device, u32 index);
u64 virtio_pci_read_legacy_pfn(void *device, u32 index);
void virtio_pci_write_legacy_driver(void *device, u32 index, u64 value);
void virtio_pci_write_legacy_pfn(void *device, u32 index, u64 value);
void virtio_pci_write_legacy_status(void *device, u32 index, u64 value);

/* virtio_pci_window.c */
extern const struct region_ops virtio_pci_modern_ops, virtio_pci_legacy_ops, virtio_pci_notify_ops;
/* Notifications of queues outside: any thread, no lock. */
extern const struct region_ops virtio_pci_kick_ops;
/* Queues outside stand still while registers are used (virtio_resume ends it), but not for the interrupt status. */
struct virtio_device *virtio_pci_hold(struct virtio_pci *pci, bool isr);
/* Of struct pci_function. */
void virtio_pci_config_reading(struct device *device, u32 offset, unsigned size);
void virtio_pci_config_written(struct device *device, u32 offset, unsigned size);

#endif
