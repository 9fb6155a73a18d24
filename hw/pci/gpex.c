/* hw/pci/gpex.c - generic PCI Express host: turns accesses in its windows into configuration cycles. */
#include "hw/pci/gpex.h"
#define DEVICE      gpex
#define DEVICE_ROWS "hw/pci/gpex.dev"
#include "hw/core/declare.inc"

/* The function whose configuration space lies at an offset of the window, or NULL. */
static struct pci_function *function_at(const struct gpex *gpex, u64 offset)
{
    return pci_bus_route(gpex->bus, offset >> 20 & 0xff, offset >> 12 & 0xff);
}

static enum mem_result ecam_read(void *opaque, u64 offset, unsigned size, u64 *value)
{
    struct pci_function *function = function_at(opaque, offset);

    *value = ~UINT64_C(0);
    if (!function || !device_begin(function->device))
        return MEM_OK;
    *value = pci_config_read(function, offset & 0xfff, size);
    device_end(function->device);
    return MEM_OK;
}

static enum mem_result ecam_write(void *opaque, u64 offset, unsigned size, u64 value)
{
    struct pci_function *function = function_at(opaque, offset);

    if (!function)
        return MEM_OK;
    if (!device_begin(function->device)) {
        device_guest_error(opaque, "pcie-mmcfg-mmio: the function at %02x.%x is busy", function->devfn >> 3, function->devfn & 7);
        return MEM_OK;
    }
    pci_config_write(function, offset & 0xfff, size, (u32)value);
    device_end(function->device);
    return MEM_OK;
}

static const struct region_ops ecam_ops = { .read = ecam_read, .write = ecam_write, .max_access = 4 };

/* What no BAR takes: the bus floats high. */
static enum mem_result nothing_read(void *opaque, u64 offset, unsigned size, u64 *value)
{
    *value = ~UINT64_C(0);
    return ((struct gpex *)opaque)->allow_unmapped_accesses ? MEM_OK : MEM_UNMAPPED;
}

static enum mem_result nothing_write(void *opaque, u64 offset, unsigned size, u64 value)
{
    return ((struct gpex *)opaque)->allow_unmapped_accesses ? MEM_OK : MEM_UNMAPPED;
}

static const struct region_ops nothing_ops = { .read = nothing_read, .write = nothing_write, .unaligned = true, .lockless = true };

static void set_intx(void *host, u32 line, u32 level)
{
    struct gpex *gpex = host;
    struct line *const lines[PCI_PINS] = { gpex->irq0, gpex->irq1, gpex->irq2, gpex->irq3 };

    line_set(lines[line], level);
}

static bool pins_are_lockless(void *host)
{
    struct gpex *gpex = host;

    return line_is_lockless(gpex->irq0) && line_is_lockless(gpex->irq1) && line_is_lockless(gpex->irq2) && line_is_lockless(gpex->irq3);
}

static bool realize(void *device, GError **error)
{
    struct gpex *gpex = device;
    struct vm_object *object = &gpex->device.object;

    gpex->bus = (struct pci_bus *)bus_create(object, "PCIE", "pcie.*", error);
    if (!gpex->bus)
        return false;
    gpex->bus->memory = &gpex->device.window[WINDOW_mmio].region;
    gpex->bus->io = &gpex->device.window[WINDOW_pio].region;
    gpex->bus->set_intx = set_intx;
    gpex->bus->pins_are_lockless = pins_are_lockless;
    gpex->bus->host = gpex;
    return device_create_on(&gpex->bus->bus, "gpex-root", object, "gpex_root", "addr=00.0", error) != NULL;
}

/* A window as the board shows it; size 0: not at all. */
static void show(struct gpex *gpex, struct region *alias, const char *name, u64 base, u64 size)
{
    struct vm *vm = gpex->device.object.vm;

    if (!size)
        return;
    region_init_alias(alias, vm, name, &gpex->device.window[WINDOW_mmio].region, base, size);
    alias->owner = &gpex->device.object;
    region_add(space_root(vm_memory(vm)), base, alias, 0);
}

static void show_window(struct gpex *gpex, u32 number, u64 base, u64 size)
{
    if (!size)
        return;
    gpex->device.window[number].region.size = size;
    device_map(&gpex->device, number, base);
}

void gpex_map(struct device *device)
{
    struct gpex *gpex = (struct gpex *)device;

    region_batch_begin(device->object.vm);
    show_window(gpex, WINDOW_ecam, gpex->ecam_base, gpex->ecam_size);
    show_window(gpex, WINDOW_pio, gpex->pio_base, gpex->pio_size);
    show(gpex, &gpex->low_alias, "pcie-mmio", gpex->low_base, gpex->low_size);
    show(gpex, &gpex->high_alias, "pcie-mmio-high", gpex->high_base, gpex->high_size);
    region_batch_end(device->object.vm);
}

struct pci_bus *gpex_bus(struct device *device)
{
    return ((struct gpex *)device)->bus;
}

static void unrealize(void *device)
{
    struct gpex *gpex = device;

    region_finish(&gpex->low_alias);
    region_finish(&gpex->high_alias);
}

#include "hw/core/define.inc"
