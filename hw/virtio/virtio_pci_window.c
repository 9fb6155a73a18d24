/* hw/virtio/virtio_pci_window.c - windows of the PCI transport, and the way to them through configuration space (virtio 1.3, 4.1.4.9). */
#include "base/bits.h"
#include "hw/virtio/virtio_pci.h"

enum { LEGACY_ISR = 0x13 };

/* The functions without a token are for the configuration access capability, whose caller holds it. */

static void notify_at(struct virtio_pci *pci, u64 offset)
{
    virtio_pci_write_notify(pci, 0, (offset - VIRTIO_PCI_NOTIFY_PAGE) / pci->notify_stride);
}

struct virtio_device *virtio_pci_hold(struct virtio_pci *pci, bool isr)
{
    struct virtio_device *virtio = isr ? NULL : virtio_pci_device_of(pci);

    virtio_pause(virtio);
    return virtio;
}

static bool is_isr_modern(u64 offset)
{
    return offset == VIRTIO_PCI_PAGE;
}

static bool is_isr_legacy(u64 offset)
{
    return offset == LEGACY_ISR;
}

static bool is_isr_pio(u64 offset)
{
    return false;
}

static enum mem_result read_modern(struct virtio_pci *pci, u64 offset, unsigned size, u64 *value)
{
    *value = 0;
    if (offset < VIRTIO_PCI_DEVICE_PAGE)
        return device_dispatch_read(&pci->device.window[WINDOW_modern], offset, size, value);
    if (offset < VIRTIO_PCI_NOTIFY_PAGE && virtio_pci_device_of(pci))
        *value = virtio_config_read(virtio_pci_device_of(pci), offset - VIRTIO_PCI_DEVICE_PAGE, size);
    return MEM_OK;
}

static enum mem_result write_modern(struct virtio_pci *pci, u64 offset, unsigned size, u64 value)
{
    if (offset < VIRTIO_PCI_DEVICE_PAGE)
        return device_dispatch_write(&pci->device.window[WINDOW_modern], offset, size, value);
    if (offset >= VIRTIO_PCI_NOTIFY_PAGE)
        notify_at(pci, offset);
    else if (virtio_pci_device_of(pci))
        virtio_config_write(virtio_pci_device_of(pci), offset - VIRTIO_PCI_DEVICE_PAGE, size, value);
    return MEM_OK;
}

static u64 legacy_config(const struct virtio_pci *pci)
{
    return pci_msix_is_on(&pci->msix) ? VIRTIO_PCI_LEGACY_CONFIG_MSIX : VIRTIO_PCI_LEGACY_CONFIG;
}

static enum mem_result read_legacy(struct virtio_pci *pci, u64 offset, unsigned size, u64 *value)
{
    u64 config = legacy_config(pci);

    *value = 0;
    if (offset < config)
        return device_dispatch_read(&pci->device.window[WINDOW_legacy], offset, size, value);
    if (virtio_pci_device_of(pci))
        *value = virtio_config_read(virtio_pci_device_of(pci), offset - config, size);
    return MEM_OK;
}

static enum mem_result write_legacy(struct virtio_pci *pci, u64 offset, unsigned size, u64 value)
{
    u64 config = legacy_config(pci);

    if (offset < config)
        return device_dispatch_write(&pci->device.window[WINDOW_legacy], offset, size, value);
    if (virtio_pci_device_of(pci))
        virtio_config_write(virtio_pci_device_of(pci), offset - config, size, value);
    return MEM_OK;
}

static enum mem_result write_pio(struct virtio_pci *pci, u64 offset, unsigned size, u64 value)
{
    virtio_pci_write_notify(pci, 0, value);
    return MEM_OK;
}

static enum mem_result read_pio(struct virtio_pci *pci, u64 offset, unsigned size, u64 *value)
{
    *value = 0;
    return MEM_OK;
}

#define VIRTIO_PCI_WINDOW(name_)                                                                                          \
    static enum mem_result guarded_read_##name_(void *opaque, u64 offset, unsigned size, u64 *value)                      \
    {                                                                                                                     \
        struct virtio_pci *pci = opaque;                                                                                  \
        enum mem_result result;                                                                                           \
                                                                                                                          \
        *value = ~UINT64_C(0);                                                                                            \
        if (!device_begin(&pci->device))                                                                                  \
            return MEM_OK;                                                                                                \
        struct virtio_device *held = virtio_pci_hold(pci, is_isr_##name_(offset));                                                   \
        result = read_##name_(pci, offset, size, value);                                                                  \
        virtio_resume(held);                                                                                              \
        device_end(&pci->device);                                                                                         \
        return result;                                                                                                    \
    }                                                                                                                     \
    static enum mem_result guarded_write_##name_(void *opaque, u64 offset, unsigned size, u64 value)                      \
    {                                                                                                                     \
        struct virtio_pci *pci = opaque;                                                                                  \
        enum mem_result result;                                                                                           \
                                                                                                                          \
        if (!device_begin(&pci->device))                                                                                  \
            return MEM_OK;                                                                                                \
        struct virtio_device *held = virtio_pci_hold(pci, false);                                                                    \
        result = write_##name_(pci, offset, size, value);                                                                 \
        virtio_resume(held);                                                                                              \
        device_end(&pci->device);                                                                                         \
        return result;                                                                                                    \
    }
VIRTIO_PCI_WINDOW(modern)
VIRTIO_PCI_WINDOW(legacy)
VIRTIO_PCI_WINDOW(pio)

static enum mem_result read_kick(void *opaque, u64 offset, unsigned size, u64 *value)
{
    *value = 0;
    return MEM_OK;
}

static enum mem_result write_kick(void *opaque, u64 offset, unsigned size, u64 value)
{
    struct virtio_pci *pci = opaque;

    virtio_kick(pci->bus->device, (u32)(offset / pci->notify_stride));
    return MEM_OK;
}

const struct region_ops virtio_pci_kick_ops = { .read = read_kick, .write = write_kick, .lockless = true };
const struct region_ops virtio_pci_modern_ops = { .read = guarded_read_modern, .write = guarded_write_modern };
const struct region_ops virtio_pci_legacy_ops = { .read = guarded_read_legacy, .write = guarded_write_legacy };
const struct region_ops virtio_pci_notify_ops = { .read = guarded_read_pio, .write = guarded_write_pio };

/* Configuration space: the access capability, and bus mastering. */

static bool touches(const struct virtio_pci *pci, u32 offset, unsigned size)
{
    u32 data = pci->cfg_access + VIRTIO_PCI_ACCESS_DATA;

    return pci->cfg_access && offset < data + 4 && offset + size > data;
}

/* What the driver asked for there, or false. */
static bool access_wanted(struct virtio_pci *pci, u64 *offset, u32 *size)
{
    const u8 *capability = pci->pci.config + pci->cfg_access;

    *offset = bits_load_le(capability + VIRTIO_PCI_ACCESS_OFFSET, 4);
    *size = (u32)bits_load_le(capability + VIRTIO_PCI_ACCESS_LENGTH, 4);
    return capability[VIRTIO_PCI_ACCESS_BAR] == VIRTIO_PCI_BAR_MODERN && (*size == 1 || *size == 2 || *size == 4) && !(*offset & (*size - 1)) &&
           *offset < pci->device.window[WINDOW_modern].region.size;
}

void virtio_pci_config_reading(struct device *device, u32 offset, unsigned size)
{
    struct virtio_pci *pci = (struct virtio_pci *)device;
    u64 at, value = 0;
    u32 length;

    if (!touches(pci, offset, size) || !access_wanted(pci, &at, &length))
        return;
    struct virtio_device *held = virtio_pci_hold(pci, false);
    read_modern(pci, at, length, &value);
    virtio_resume(held);
    bits_store_le(pci->pci.config + pci->cfg_access + VIRTIO_PCI_ACCESS_DATA, 4, value);
}

void virtio_pci_config_written(struct device *device, u32 offset, unsigned size)
{
    struct virtio_pci *pci = (struct virtio_pci *)device;
    struct virtio_device *held = virtio_pci_hold(pci, false);
    u64 at;
    u32 length;

    if (touches(pci, offset, size) && access_wanted(pci, &at, &length))
        write_modern(pci, at, length, bits_load_le(pci->pci.config + pci->cfg_access + VIRTIO_PCI_ACCESS_DATA, length));
    virtio_resume(held);
    virtio_pci_follow_isr(pci); /* MSI-X on or off */
    if (offset <= PCI_COMMAND + 1 && offset + size > PCI_COMMAND && virtio_pci_device_of(pci))
        virtio_kick_all(virtio_pci_device_of(pci));
}
