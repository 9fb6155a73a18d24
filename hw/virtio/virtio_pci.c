/* hw/virtio/virtio_pci.c - virtio PCI transport (virtio 1.3, 4.1): the function, its interfaces, its life. */
#include "hw/virtio/virtio_pci.h"
#include "base/bits.h"
#include "base/error.h"
#include "hw/pci/express.h"
#include "hw/virtio/pci.h"
#include <string.h>

enum { CAP_COMMON = 1, CAP_NOTIFY = 2, CAP_ISR = 3, CAP_DEVICE = 4, CAP_CFG_ACCESS = 5, CAP_SIZE = 16, CAP_VENDOR = 9 };
enum { VENDOR = 0x1af4, SUBSYSTEM = 0x1100, MODERN_ID = 0x1040 };
enum { AUTO, ON, OFF };

static bool refuse_on(struct vm_object *object, const struct vm_property *property, const char *text, GError **error);

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
    u32 queues = virtio_pci_device_of(pci)->queue_count, notify;

    pci->notify_stride = pci->page_per_vq ? VIRTIO_PCI_PAGE : 4;
    notify = MAX(queues * pci->notify_stride, VIRTIO_PCI_PAGE);
    while (region->size < VIRTIO_PCI_NOTIFY_PAGE + notify)
        region->size *= 2;
    if (virtio_pci_device_of(pci)->outside) {
        region_init_mmio(&pci->kick, pci->device.object.vm, "virtio-pci-notify", notify, &virtio_pci_kick_ops, pci);
        region_add(region, VIRTIO_PCI_NOTIFY_PAGE, &pci->kick, 0);
    }
    add_capability(pci, CAP_COMMON, VIRTIO_PCI_BAR_MODERN, 0, VIRTIO_PCI_PAGE, CAP_SIZE);
    add_capability(pci, CAP_ISR, VIRTIO_PCI_BAR_MODERN, VIRTIO_PCI_PAGE, VIRTIO_PCI_PAGE, CAP_SIZE);
    add_capability(pci, CAP_DEVICE, VIRTIO_PCI_BAR_MODERN, VIRTIO_PCI_DEVICE_PAGE, VIRTIO_PCI_PAGE, CAP_SIZE);
    add_notify_capability(pci, VIRTIO_PCI_BAR_MODERN, VIRTIO_PCI_NOTIFY_PAGE, notify, pci->notify_stride);
    if (pci->modern_pio_notify) {
        add_notify_capability(pci, VIRTIO_PCI_BAR_NOTIFY_PIO, 0, 4, 0);
        if (!pci_function_add_bar(&pci->pci, VIRTIO_PCI_BAR_NOTIFY_PIO, pio, PCI_BAR_IO, error))
            return false;
    }
    pci->cfg_access = add_capability(pci, CAP_CFG_ACCESS, 0, 0, 0, VIRTIO_PCI_ACCESS_SIZE);
    pci->pci.writable[pci->cfg_access + VIRTIO_PCI_ACCESS_BAR] = 0xff;
    memset(pci->pci.writable + pci->cfg_access + VIRTIO_PCI_ACCESS_OFFSET, 0xff, VIRTIO_PCI_ACCESS_SIZE - VIRTIO_PCI_ACCESS_OFFSET);
    return pci_function_add_bar(&pci->pci, VIRTIO_PCI_BAR_MODERN, region, PCI_BAR_64 | PCI_BAR_PREFETCH, error);
}

static bool add_legacy(struct virtio_pci *pci, GError **error)
{
    struct region *region = &pci->device.window[WINDOW_legacy].region;
    const struct device_decl *decl = virtio_pci_device_of(pci)->device->decl;
    u64 size = VIRTIO_PCI_LEGACY_CONFIG_MSIX + (decl->window_count ? decl->windows[0].size : 0);

    while (region->size < size)
        region->size *= 2;
    return pci_function_add_bar(&pci->pci, VIRTIO_PCI_BAR_LEGACY, region, PCI_BAR_IO, error);
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
    struct pci_bus *bus = pci_device_bus(&pci->device);
    u32 disable_legacy = variant->kind == VIRTIO_PCI_GENERIC ? pci->disable_legacy : variant->kind == VIRTIO_PCI_TRANSITIONAL ? OFF : ON;

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

static const struct virtio_transport_ops transport_ops = { .interrupt = virtio_pci_interrupt, .may_dma = may_dma, .plugged = plugged };

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

static bool check_vectors(const struct virtio_pci *pci, u32 vectors, GError **error)
{
    return vectors <= PCI_MSIX_VECTORS || !pci_device_bus(&pci->device)->msi ||
           error_set(error, "vectors=%u: at most %u", vectors, PCI_MSIX_VECTORS);
}

static bool check_wish(const struct virtio_pci *pci, GError **error)
{
    return pci->vectors == UINT32_MAX || check_vectors(pci, pci->vectors, error);
}

static bool add_msix(struct virtio_pci *pci, GError **error)
{
    u32 vectors = pci->vectors == UINT32_MAX ? virtio_pci_device_of(pci)->queue_count + 1 : pci->vectors;

    if (!vectors || !pci_device_bus(&pci->device)->msi)
        return true;
    if (!check_vectors(pci, vectors, error))
        return false;
    return pci_msix_init(&pci->msix, &pci->pci, pci->state->msix_table, pci->state->msix_pending, vectors, VIRTIO_PCI_BAR_MSIX, error);
}

static bool add_function(struct virtio_pci *pci, GError **error)
{
    struct pci_identity identity = identity_of(pci);
    pci_function_init(&pci->pci, &pci->device, pci->state->config, pci->express ? PCI_CONFIG_BYTES : 256, &identity);
    pci->pci.written = virtio_pci_config_written;
    pci->pci.reading = virtio_pci_config_reading;
    if ((pci->has_legacy && !add_legacy(pci, error)) || (pci->has_modern && !add_modern(pci, error)) || !add_msix(pci, error))
        return false;
    return !pci->express || (pci_function_add_power(&pci->pci) && pci_express_init(&pci->pci, PCI_EXPRESS_ENDPOINT, 0, error));
}

static void unrealize(void *device);

static bool realize(void *device, GError **error)
{
    struct virtio_pci *pci = device;

    if (!choose_interfaces(pci, error) || !check_wish(pci, error) || !realize_backend(pci, error))
        return false;
    if (add_function(pci, error))
        return true;
    unrealize(pci); /* the device behind it outlives its windows */
    return false;
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
    virtio_pci_hold(device, false);
}

/* Also when the bus is reset or the slot switched off: the device knows nothing of before any more, as after a driver's reset. */
static void reset(void *device)
{
    struct virtio_pci *pci = device;

    pci_function_reset(&pci->pci);
    if (virtio_pci_device_of(pci))
        virtio_status_write(virtio_pci_device_of(pci), 0, false);
    virtio_pci_clear_isr(pci);
    virtio_resume(virtio_pci_device_of(pci));
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
