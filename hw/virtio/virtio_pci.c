/* hw/virtio/virtio_pci.c - virtio PCI transport (virtio 1.3, 4.1): the function, its registers, its interrupts. */
#include "base/bits.h"
#include "base/error.h"
#include "hw/pci/express.h"
#include "hw/pci/msix.h"
#include "hw/virtio/internal.h"
#include "hw/virtio/pci.h"
#include "vm/inbox.h"
#include <string.h>
static const struct region_ops modern_ops, legacy_ops, notify_ops;
static bool refuse_on(struct vm_object *object, const struct vm_property *property, const char *text, GError **error);
static void init(struct vm_object *object), finish(struct vm_object *object);
#define DEVICE           virtio_pci
#define DEVICE_ROWS      "hw/virtio/virtio_pci.dev"
#define DEVICE_PARENT    "pci-device"
#define DEVICE_FLAGS     .abstract = true, .init = init, .finish = finish,
#define PCI_CONFIG_BYTES 4096
#define PCI_MSIX_VECTORS 1024
#include "hw/core/declare.inc"

/* The modern BAR: a page for each structure (4.1.4). Notifications may take more. */
enum { PAGE = 0x1000, COMMON_SIZE = 0x40, DEVICE_PAGE = 2 * PAGE, NOTIFY_PAGE = 3 * PAGE };
enum { BAR_LEGACY = 0, BAR_MSIX = 1, BAR_NOTIFY_PIO = 2, BAR_MODERN = 4 };
enum { CAP_COMMON = 1, CAP_NOTIFY = 2, CAP_ISR = 3, CAP_DEVICE = 4, CAP_CFG_ACCESS = 5, CAP_SIZE = 16, CAP_VENDOR = 9 };
enum { ISR_QUEUE = 1, ISR_CONFIG = 2, LEGACY_ISR = 0x13, LEGACY_CONFIG = 0x14, LEGACY_CONFIG_MSIX = 0x18 };
enum { VENDOR = 0x1af4, SUBSYSTEM = 0x1100, MODERN_ID = 0x1040, LEGACY_PAGE_SHIFT = 12 };
enum { AUTO, ON, OFF };

static struct virtio_device *device_of(void *device)
{
    return ((struct virtio_pci *)device)->bus->device;
}

static struct virtio_queue *selected(void *device)
{
    struct virtio_device *virtio = device_of(device);

    return virtio ? virtio_queue_selected(virtio) : NULL;
}

static struct virtio_queue *selected_for_setup(void *device)
{
    struct virtio_queue *queue = selected(device);

    if (queue && !queue->state->enabled)
        return queue;
    device_guest_error(device, "virtio-pci: the queue is not there, or in use");
    return NULL;
}

/* Interrupts. */

static void show_isr(void *opaque)
{
    struct virtio_pci *pci = opaque;

    pci_function_set_intx(&pci->pci, __atomic_load_n(&pci->state->isr, __ATOMIC_SEQ_CST) && !pci_msix_is_on(&pci->msix));
}

static void follow_isr(struct virtio_pci *pci)
{
    line_keeper_show(&pci->pin, pci_function_pin_is_lockless(&pci->pci), show_isr, pci);
}

static void clear_isr(struct virtio_pci *pci)
{
    __atomic_store_n(&pci->state->isr, 0, __ATOMIC_SEQ_CST);
    follow_isr(pci);
}

static u64 read_isr(void *device, u32 index)
{
    struct virtio_pci *pci = device;
    u8 isr = __atomic_exchange_n(&pci->state->isr, 0, __ATOMIC_SEQ_CST);

    follow_isr(pci);
    return isr;
}

static void follow_isr_late(void *opaque, const void *payload, u32 size)
{
    follow_isr(opaque);
}

static void raise_isr(struct virtio_pci *pci, u8 bit)
{
    struct vm_object *object = &pci->device.object;

    if (__atomic_fetch_or(&pci->state->isr, bit, __ATOMIC_SEQ_CST) & bit && !vm_lock_mine(object->vm))
        return; /* who set it has shown it, or is about to */
    if (vm_lock_mine(object->vm) || pci_function_pin_is_lockless(&pci->pci))
        follow_isr(pci);
    else
        inbox_post(object->vm, object, follow_isr_late, pci, NULL, 0);
}

static void interrupt(void *opaque, struct virtio_queue *queue)
{
    struct virtio_pci *pci = opaque;
    struct virtio_device *virtio = device_of(pci);
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

static u64 read_config_vector(void *device, u32 index)
{
    struct virtio_device *virtio = device_of(device);

    return virtio ? virtio->state->config_vector : VIRTIO_NO_VECTOR;
}

static void write_config_vector(void *device, u32 index, u64 value)
{
    struct virtio_device *virtio = device_of(device);

    if (virtio)
        virtio->state->config_vector = checked_vector(device, value);
}

static u64 read_queue_vector(void *device, u32 index)
{
    struct virtio_queue *queue = selected(device);

    return queue ? queue->state->vector : VIRTIO_NO_VECTOR;
}

static void write_queue_vector(void *device, u32 index, u64 value)
{
    struct virtio_queue *queue = selected(device);

    if (queue)
        queue->state->vector = checked_vector(device, value);
}

/* Common configuration (4.1.4.3). */

static u64 read_device_feature(void *device, u32 index)
{
    struct virtio_pci *pci = device;

    return device_of(pci) ? virtio_features_read(device_of(pci), pci->state->device_feature_select) : 0;
}

static u64 read_driver_feature(void *device, u32 index)
{
    struct virtio_pci *pci = device;
    u32 word = pci->state->driver_feature_select;

    return device_of(pci) && word < 2 ? (u32)(device_of(pci)->state->driver_features >> (32 * word)) : 0;
}

/* Which interface the driver uses shows in what it writes. */
static void set_legacy(struct virtio_device *virtio, bool legacy)
{
    virtio->state->legacy = legacy;
}

static void write_driver_feature(void *device, u32 index, u64 value)
{
    struct virtio_pci *pci = device;

    if (!device_of(pci))
        return;
    set_legacy(device_of(pci), false);
    virtio_features_write(device_of(pci), pci->state->driver_feature_select, (u32)value);
}

static u64 read_num_queues(void *device, u32 index)
{
    struct virtio_device *virtio = device_of(device);

    return virtio ? virtio->queue_count : 0;
}

static u64 read_status(void *device, u32 index)
{
    struct virtio_device *virtio = device_of(device);

    return virtio ? virtio_status_read(virtio) : 0;
}

static void change_status(struct virtio_pci *pci, u8 value, bool legacy)
{
    if (!device_of(pci))
        return;
    set_legacy(device_of(pci), legacy);
    virtio_status_write(device_of(pci), value, !legacy);
    if (!value)
        clear_isr(pci);
}

static void write_status(void *device, u32 index, u64 value)
{
    change_status(device, (u8)value, false);
}

static u64 read_generation(void *device, u32 index)
{
    struct virtio_device *virtio = device_of(device);

    return virtio ? (u8)virtio->state->generation : 0;
}

static u64 read_queue_select(void *device, u32 index)
{
    struct virtio_device *virtio = device_of(device);

    return virtio ? virtio->state->queue_select : 0;
}

static void write_queue_select(void *device, u32 index, u64 value)
{
    struct virtio_device *virtio = device_of(device);

    if (virtio)
        virtio->state->queue_select = (u16)value;
}

static u64 read_queue_size(void *device, u32 index)
{
    return virtio_queue_size_shown(selected(device));
}

static void write_queue_size(void *device, u32 index, u64 value)
{
    struct virtio_queue *queue = selected_for_setup(device);

    if (queue && value && value <= queue->max_size)
        queue->state->size = (u16)value;
}

static u64 read_queue_enable(void *device, u32 index)
{
    struct virtio_queue *queue = selected(device);

    return queue && queue->state->enabled;
}

static void write_queue_enable(void *device, u32 index, u64 value)
{
    struct virtio_queue *queue = selected_for_setup(device);

    if (queue && value == 1)
        virtio_queue_enable(queue);
}

static u64 read_queue_notify_off(void *device, u32 index)
{
    return selected(device) ? selected(device)->index : 0;
}

static u64 read_queue_desc(void *device, u32 index)
{
    return selected(device) ? selected(device)->state->descriptors : 0;
}

static void write_queue_desc(void *device, u32 index, u64 value)
{
    struct virtio_queue *queue = selected_for_setup(device);

    if (queue)
        queue->state->descriptors = value;
}

static u64 read_queue_driver(void *device, u32 index)
{
    return selected(device) ? selected(device)->state->driver : 0;
}

static void write_queue_driver(void *device, u32 index, u64 value)
{
    struct virtio_queue *queue = selected_for_setup(device);

    if (queue)
        queue->state->driver = value;
}

static u64 read_queue_device(void *device, u32 index)
{
    return selected(device) ? selected(device)->state->device : 0;
}

static void write_queue_device(void *device, u32 index, u64 value)
{
    struct virtio_queue *queue = selected_for_setup(device);

    if (queue)
        queue->state->device = value;
}

static u64 read_queue_reset(void *device, u32 index)
{
    struct virtio_queue *queue = selected(device);

    return queue && !virtio_queue_is_settled(queue);
}

static void write_queue_reset(void *device, u32 index, u64 value)
{
    struct virtio_queue *queue = selected(device);

    if (queue && value == 1 && virtio_has(queue->virtio, VIRTIO_F_RING_RESET))
        virtio_queue_reset(queue, true);
}

/* The legacy interface (4.1.4.10). */

static u64 read_legacy_features(void *device, u32 index)
{
    struct virtio_device *virtio = device_of(device);

    return virtio ? virtio_features_read(virtio, 0) : 0;
}

static u64 read_legacy_driver(void *device, u32 index)
{
    struct virtio_device *virtio = device_of(device);

    return virtio ? (u32)virtio->state->driver_features : 0;
}

static void write_legacy_driver(void *device, u32 index, u64 value)
{
    struct virtio_device *virtio = device_of(device);

    if (!virtio)
        return;
    set_legacy(virtio, true);
    virtio_features_write(virtio, 0, (u32)value);
}

static u64 read_legacy_pfn(void *device, u32 index)
{
    return selected(device) ? selected(device)->state->pfn : 0;
}

static void write_legacy_pfn(void *device, u32 index, u64 value)
{
    struct virtio_queue *queue = selected(device);

    if (!queue)
        return;
    set_legacy(queue->virtio, true);
    virtio_queue_set_legacy(queue, value << LEGACY_PAGE_SHIFT, 1u << LEGACY_PAGE_SHIFT);
    queue->state->pfn = (u32)value;
}

static void write_notify(void *device, u32 index, u64 value)
{
    struct virtio_device *virtio = device_of(device);

    if (virtio)
        virtio_kick(virtio, (u32)value);
}

static void write_legacy_status(void *device, u32 index, u64 value)
{
    change_status(device, (u8)value, true);
}

/* Windows. The functions without a token are for the configuration access capability, whose caller holds it. */

static void notify_at(struct virtio_pci *pci, u64 offset)
{
    write_notify(pci, 0, (offset - NOTIFY_PAGE) / pci->notify_stride);
}

/* Queues outside stand still while registers are used, but for the one that tells of their interrupts. */
static struct virtio_device *hold(struct virtio_pci *pci, bool isr)
{
    struct virtio_device *virtio = isr ? NULL : device_of(pci);

    virtio_pause(virtio);
    return virtio;
}

static bool is_isr_modern(u64 offset)
{
    return offset == PAGE;
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
    if (offset < DEVICE_PAGE)
        return device_dispatch_read(&pci->device.window[WINDOW_modern], offset, size, value);
    if (offset < NOTIFY_PAGE && device_of(pci))
        *value = virtio_config_read(device_of(pci), offset - DEVICE_PAGE, size);
    return MEM_OK;
}

static enum mem_result write_modern(struct virtio_pci *pci, u64 offset, unsigned size, u64 value)
{
    if (offset < DEVICE_PAGE)
        return device_dispatch_write(&pci->device.window[WINDOW_modern], offset, size, value);
    if (offset >= NOTIFY_PAGE)
        notify_at(pci, offset);
    else if (device_of(pci))
        virtio_config_write(device_of(pci), offset - DEVICE_PAGE, size, value);
    return MEM_OK;
}

static u64 legacy_config(const struct virtio_pci *pci)
{
    return pci_msix_is_on(&pci->msix) ? LEGACY_CONFIG_MSIX : LEGACY_CONFIG;
}

static enum mem_result read_legacy(struct virtio_pci *pci, u64 offset, unsigned size, u64 *value)
{
    u64 config = legacy_config(pci);

    *value = 0;
    if (offset < config)
        return device_dispatch_read(&pci->device.window[WINDOW_legacy], offset, size, value);
    if (device_of(pci))
        *value = virtio_config_read(device_of(pci), offset - config, size);
    return MEM_OK;
}

static enum mem_result write_legacy(struct virtio_pci *pci, u64 offset, unsigned size, u64 value)
{
    u64 config = legacy_config(pci);

    if (offset < config)
        return device_dispatch_write(&pci->device.window[WINDOW_legacy], offset, size, value);
    if (device_of(pci))
        virtio_config_write(device_of(pci), offset - config, size, value);
    return MEM_OK;
}

static enum mem_result write_pio(struct virtio_pci *pci, u64 offset, unsigned size, u64 value)
{
    write_notify(pci, 0, value);
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
        struct virtio_device *held = hold(pci, is_isr_##name_(offset));                                                   \
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
        struct virtio_device *held = hold(pci, false);                                                                    \
        result = write_##name_(pci, offset, size, value);                                                                 \
        virtio_resume(held);                                                                                              \
        device_end(&pci->device);                                                                                         \
        return result;                                                                                                    \
    }
VIRTIO_PCI_WINDOW(modern)
VIRTIO_PCI_WINDOW(legacy)
VIRTIO_PCI_WINDOW(pio)

/* Notifications of queues outside: any thread, no lock. */
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

static const struct region_ops kick_ops = { .read = read_kick, .write = write_kick, .lockless = true };
static const struct region_ops modern_ops = { .read = guarded_read_modern, .write = guarded_write_modern };
static const struct region_ops legacy_ops = { .read = guarded_read_legacy, .write = guarded_write_legacy };
static const struct region_ops notify_ops = { .read = guarded_read_pio, .write = guarded_write_pio };

/* Configuration space: the access capability (4.1.4.9), and bus mastering. */

enum { ACCESS_BAR = 4, ACCESS_OFFSET = 8, ACCESS_LENGTH = 12, ACCESS_DATA = 16, ACCESS_SIZE = 20 };

static bool touches(const struct virtio_pci *pci, u32 offset, unsigned size)
{
    u32 data = pci->cfg_access + ACCESS_DATA;

    return pci->cfg_access && offset < data + 4 && offset + size > data;
}

/* What the driver asked for there, or false. */
static bool access_wanted(struct virtio_pci *pci, u64 *offset, u32 *size)
{
    const u8 *capability = pci->pci.config + pci->cfg_access;

    *offset = bits_load_le(capability + ACCESS_OFFSET, 4);
    *size = (u32)bits_load_le(capability + ACCESS_LENGTH, 4);
    return capability[ACCESS_BAR] == BAR_MODERN && (*size == 1 || *size == 2 || *size == 4) && !(*offset & (*size - 1)) &&
           *offset < pci->device.window[WINDOW_modern].region.size;
}

static void config_reading(struct device *device, u32 offset, unsigned size)
{
    struct virtio_pci *pci = (struct virtio_pci *)device;
    u64 at, value = 0;
    u32 length;

    if (!touches(pci, offset, size) || !access_wanted(pci, &at, &length))
        return;
    struct virtio_device *held = hold(pci, false);
    read_modern(pci, at, length, &value);
    virtio_resume(held);
    bits_store_le(pci->pci.config + pci->cfg_access + ACCESS_DATA, 4, value);
}

static void config_written(struct device *device, u32 offset, unsigned size)
{
    struct virtio_pci *pci = (struct virtio_pci *)device;
    struct virtio_device *held = hold(pci, false);
    u64 at;
    u32 length;

    if (touches(pci, offset, size) && access_wanted(pci, &at, &length))
        write_modern(pci, at, length, bits_load_le(pci->pci.config + pci->cfg_access + ACCESS_DATA, length));
    virtio_resume(held);
    follow_isr(pci); /* MSI-X on or off */
    if (offset <= PCI_COMMAND + 1 && offset + size > PCI_COMMAND && device_of(pci))
        virtio_kick_all(device_of(pci));
}

static u32 add_capability(struct virtio_pci *pci, u8 type, u8 bar, u32 offset, u32 length, u32 size)
{
    u32 at = pci_function_add_capability(&pci->pci, CAP_VENDOR, size);
    u8 *capability = pci->pci.config + at;

    capability[2] = (u8)size;
    capability[3] = type;
    capability[4] = bar;
    bits_store_le(capability + 8, 4, offset);
    bits_store_le(capability + 12, 4, length);
    return at;
}

static void add_notify_capability(struct virtio_pci *pci, u8 bar, u32 offset, u32 length, u32 stride)
{
    u32 at = add_capability(pci, CAP_NOTIFY, bar, offset, length, CAP_SIZE + 4);

    bits_store_le(pci->pci.config + at + CAP_SIZE, 4, stride);
}

static bool add_modern(struct virtio_pci *pci, GError **error)
{
    struct region *region = &pci->device.window[WINDOW_modern].region, *pio = &pci->device.window[WINDOW_notify].region;
    u32 queues = device_of(pci)->queue_count, notify;

    pci->notify_stride = pci->page_per_vq ? PAGE : 4;
    notify = MAX(queues * pci->notify_stride, PAGE);
    while (region->size < NOTIFY_PAGE + notify)
        region->size *= 2;
    if (device_of(pci)->outside) {
        region_init_mmio(&pci->kick, pci->device.object.vm, "virtio-pci-notify", notify, &kick_ops, pci);
        region_add(region, NOTIFY_PAGE, &pci->kick, 0);
    }
    add_capability(pci, CAP_COMMON, BAR_MODERN, 0, PAGE, CAP_SIZE);
    add_capability(pci, CAP_ISR, BAR_MODERN, PAGE, PAGE, CAP_SIZE);
    add_capability(pci, CAP_DEVICE, BAR_MODERN, DEVICE_PAGE, PAGE, CAP_SIZE);
    add_notify_capability(pci, BAR_MODERN, NOTIFY_PAGE, notify, pci->notify_stride);
    if (pci->modern_pio_notify) {
        add_notify_capability(pci, BAR_NOTIFY_PIO, 0, 4, 0);
        if (!pci_function_add_bar(&pci->pci, BAR_NOTIFY_PIO, pio, PCI_BAR_IO, error))
            return false;
    }
    pci->cfg_access = add_capability(pci, CAP_CFG_ACCESS, 0, 0, 0, ACCESS_SIZE);
    pci->pci.writable[pci->cfg_access + ACCESS_BAR] = 0xff;
    memset(pci->pci.writable + pci->cfg_access + ACCESS_OFFSET, 0xff, ACCESS_SIZE - ACCESS_OFFSET);
    return pci_function_add_bar(&pci->pci, BAR_MODERN, region, PCI_BAR_64 | PCI_BAR_PREFETCH, error);
}

static bool add_legacy(struct virtio_pci *pci, GError **error)
{
    struct region *region = &pci->device.window[WINDOW_legacy].region;
    const struct device_decl *decl = device_of(pci)->device->decl;
    u64 size = LEGACY_CONFIG_MSIX + (decl->window_count ? decl->windows[0].size : 0);

    while (region->size < size)
        region->size *= 2;
    return pci_function_add_bar(&pci->pci, BAR_LEGACY, region, PCI_BAR_IO, error);
}

/* Which interfaces there are. */

/* Device IDs of the time before virtio 1 (4.1.2.1); 0: the device is younger. */
static u16 transitional_id(u16 id)
{
    static const u16 ids[] = { [1] = 0x1000, [2] = 0x1001, [3] = 0x1003, [4] = 0x1005, [5] = 0x1002, [8] = 0x1004, [9] = 0x1009 };

    return id < ARRAY_SIZE(ids) ? ids[id] : 0;
}

static const struct virtio_pci_variant *variant_of(const struct virtio_pci *pci)
{
    return pci->device.object.class->variant;
}

static bool choose_interfaces(struct virtio_pci *pci, GError **error)
{
    const struct virtio_pci_variant *variant = variant_of(pci);
    struct pci_bus *bus = pci_device_bus(&pci->device, error);
    u32 disable_legacy = variant->kind == VIRTIO_PCI_GENERIC ? pci->disable_legacy : variant->kind == VIRTIO_PCI_TRANSITIONAL ? OFF : ON;

    if (!bus)
        return false;
    pci->express = bus->bridge && vm_object_is_a(&bus->bus.object, "PCIE");
    pci->has_modern = variant->kind != VIRTIO_PCI_GENERIC || !pci->disable_modern;
    pci->has_legacy = disable_legacy == OFF || (disable_legacy == AUTO && !pci->express && transitional_id(variant->id));
    if (pci->has_legacy && !transitional_id(variant->id))
        return error_set(error, "device is modern-only, use disable-legacy=on");
    if (!pci->has_legacy && !pci->has_modern)
        return error_set(error, "device cannot work as neither modern nor legacy mode is enabled");
    return true;
}

static struct pci_identity identity_of(const struct virtio_pci *pci)
{
    u16 id = variant_of(pci)->id;
    struct pci_identity identity = { .vendor_id = VENDOR, .device_id = pci->has_legacy ? transitional_id(id) : MODERN_ID + id,
                                     .subsystem_vendor_id = VENDOR, .subsystem_id = pci->has_legacy ? id : SUBSYSTEM,
                                     .class = variant_of(pci)->class, .revision = !pci->has_legacy, .interrupt_pin = 1 };

    return identity;
}

/* Nobody is inside any more when it has been taken out: vCPUs have heard of the new map. */
static void plugged(void *opaque, struct virtio_device *virtio)
{
    struct virtio_pci *pci = opaque;

    if (!virtio) {
        region_finish(&pci->kick);
        return;
    }
    virtio->legacy = pci->has_legacy;
    virtio->modern = pci->has_modern;
}

static bool may_dma(void *opaque)
{
    return pci_function_may_dma(&((struct virtio_pci *)opaque)->pci);
}

static const struct virtio_transport_ops transport_ops = { .interrupt = interrupt, .may_dma = may_dma, .plugged = plugged };

static bool realize_backend(struct virtio_pci *pci, GError **error)
{
    pci->bus = (struct virtio_bus *)bus_create(&pci->device.object, "virtio-pci-bus", "virtio-bus", error);
    if (!pci->bus)
        return false;
    pci->bus->bus.most = 1;
    pci->bus->ops = &transport_ops;
    pci->bus->transport = pci;
    pci->bus->space = vm_memory(pci->device.object.vm);
    if (!pci->backend)
        return error_set(error, "there is no '%s'", variant_of(pci)->device);
    ((struct device *)pci->backend)->bus = &pci->bus->bus;
    return vm_object_realize(pci->backend, error);
}

static bool add_msix(struct virtio_pci *pci, GError **error)
{
    u32 vectors = pci->vectors == UINT32_MAX ? device_of(pci)->queue_count + 1 : pci->vectors;

    if (!vectors || !pci_device_bus(&pci->device, NULL)->msi)
        return true;
    if (vectors > PCI_MSIX_VECTORS)
        return error_set(error, "vectors=%u: at most %u", vectors, PCI_MSIX_VECTORS);
    return pci_msix_init(&pci->msix, &pci->pci, pci->state->msix_table, pci->state->msix_pending, vectors, BAR_MSIX, error);
}

static bool realize(void *device, GError **error)
{
    struct virtio_pci *pci = device;

    if (!choose_interfaces(pci, error) || !realize_backend(pci, error))
        return false;
    struct pci_identity identity = identity_of(pci);
    pci_function_init(&pci->pci, &pci->device, pci->state->config, pci->express ? PCI_CONFIG_BYTES : 256, &identity);
    pci->pci.written = config_written;
    pci->pci.reading = config_reading;
    if ((pci->has_legacy && !add_legacy(pci, error)) || (pci->has_modern && !add_modern(pci, error)) || !add_msix(pci, error))
        return false;
    return !pci->express || (pci_function_add_power(&pci->pci) && pci_express_init(&pci->pci, PCI_EXPRESS_ENDPOINT, 0, error));
}

static void unrealize(void *device)
{
    struct virtio_pci *pci = device;

    region_finish(&pci->kick);
    pci_function_finish(&pci->pci);
    pci_msix_finish(&pci->msix);
}

static void before_reset(void *device)
{
    hold(device, false);
}

static void reset(void *device)
{
    struct virtio_pci *pci = device;

    pci_function_reset(&pci->pci);
    clear_isr(pci);
    virtio_resume(device_of(pci));
}

/* Properties. */

static void finish(struct vm_object *object)
{
    line_keeper_finish(&((struct virtio_pci *)object)->pin);
}

static void init(struct vm_object *object)
{
    struct virtio_pci *pci = (struct virtio_pci *)object;

    line_keeper_init(&pci->pin, LOCK_RANK_DEVICE_LINE);
    if (variant_of(pci))
        pci->backend = vm_object_create(object->vm, variant_of(pci)->device, object, "virtio-backend", NULL);
}

char *virtio_pci_pass_get(struct vm_object *object, const struct vm_property *property)
{
    struct vm_object *backend = ((struct virtio_pci *)object)->backend;
    char *text = backend ? vm_object_get(backend, property->name, NULL) : NULL;

    return text ? text : g_strdup("");
}

bool virtio_pci_pass_set(struct vm_object *object, const struct vm_property *property, const char *text, GError **error)
{
    struct vm_object *backend = ((struct virtio_pci *)object)->backend;

    /* Defaults come before there is a device, which has the same ones. */
    return !backend || vm_object_set(backend, property->name, text, error);
}

/* Sets a number as if the property were a plain field. */
static bool set_field(struct vm_object *object, struct vm_property property, u32 offset, const char *text, GError **error)
{
    property.set_text = NULL;
    property.offset = offset;
    return vm_property_set(object, &property, text, error);
}

char *virtio_pci_vectors_get(struct vm_object *object, const struct vm_property *property)
{
    return g_strdup_printf("%u", ((struct virtio_pci *)object)->vectors);
}

bool virtio_pci_vectors_set(struct vm_object *object, const struct vm_property *property, const char *text, GError **error)
{
    return set_field(object, *property, offsetof(struct virtio_pci, vectors), text, error);
}

static bool refuse_on(struct vm_object *object, const struct vm_property *property, const char *text, GError **error)
{
    if (!set_field(object, *property, property->offset, text, error))
        return false;
    return !*((bool *)object + property->offset) || error_set(error, "%s=on is not there yet", property->name);
}

static const char *const on_off_auto[] = { "auto", "on", "off", NULL };

const struct vm_property virtio_pci_generic_properties[] = {
    { .name = "disable-legacy", .type = VM_PROPERTY_ENUM, .class_name = "OnOffAuto", .names = on_off_auto, .default_text = "auto",
      .offset = offsetof(struct virtio_pci, disable_legacy), .description = "no interface from before virtio 1; auto: on behind a PCIe port" },
    { .name = "disable-modern", .type = VM_PROPERTY_BOOL, .default_text = "off", .offset = offsetof(struct virtio_pci, disable_modern),
      .description = "no virtio 1 interface" },
    { 0 },
};

#include "hw/core/define.inc"
