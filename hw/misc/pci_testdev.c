/*
 * hw/misc/pci_testdev.c - PCI test device: a guest chooses a test by number, learns from the header where and how to write, and reads how many
 * writes were seen.
 */
#include "base/bits.h"
#include "base/error.h"
#include "hw/pci/pci.h"
#include "vm/ram.h"
#include <string.h>
static const struct region_ops memory_ops, io_ops;
#define DEVICE           pci_testdev
#define DEVICE_ROWS      "hw/misc/pci_testdev.dev"
#define DEVICE_PARENT    "pci-device"
#define DEVICE_FLAGS     .user_creatable = true,
#define PCI_CONFIG_BYTES 256
#include "hw/core/declare.inc"

enum { MEMORY, IO, TESTS = 3, WILDCARD = 1, DATAMATCH = TESTS - 1, DATA = 0xfa, ANY_DATA = 0xce };
/* The header: what is in it at which offset, and where data begins. */
enum { TEST = 0, WIDTH = 1, OFFSET = 4, VALUE = 8, COUNT = 12, NAME = 16, NAME_MOST = 32, HEADER = NAME + NAME_MOST, WRITE_WIDTH = 1 };

static const struct pci_identity identity = {
    .vendor_id = 0x1b36, .device_id = 0x0005, .subsystem_vendor_id = 0x1af4, .subsystem_id = 0x1100, .class = 0x00ff,
};

static const char *const names[2][TESTS] = { { "mmio-no-eventfd", "mmio-wildcard-eventfd", "mmio-datamatch-eventfd" },
                                             { "portio-no-eventfd", "portio-wildcard-eventfd", "portio-datamatch-eventfd" } };

/* Tests write behind the middle of the BAR, each to a byte of its own. */
static u32 offset_of(u32 bar, u32 test)
{
    return (bar == MEMORY ? 2048 : 128) + test;
}

static void fill_header(const struct pci_testdev *d, u32 bar, u8 *header)
{
    u32 test = d->state->test[bar];

    memset(header, 0, HEADER);
    if (test >= TESTS)
        return;
    header[WIDTH] = WRITE_WIDTH;
    bits_store_le(header + OFFSET, 4, offset_of(bar, test));
    bits_store_le(header + VALUE, 4, test == WILDCARD ? ANY_DATA : DATA);
    bits_store_le(header + COUNT, 4, d->state->count[bar]);
    memcpy(header + NAME, names[bar][test], strlen(names[bar][test]));
}

static enum mem_result read_bar(const struct pci_testdev *d, u32 bar, u64 offset, unsigned size, u64 *value)
{
    u8 header[HEADER];

    fill_header(d, bar, header);
    *value = offset + size <= HEADER ? bits_load_le(header + offset, size) : 0;
    return MEM_OK;
}

static enum mem_result write_bar(struct pci_testdev *d, u32 bar, u64 offset, unsigned size, u64 value)
{
    u32 test = d->state->test[bar];

    if (offset == TEST) {
        d->state->test[bar] = (u8)value;
        d->state->count[bar] = 0;
    } else if (test < TESTS && offset == offset_of(bar, test) && size == WRITE_WIDTH && (test != DATAMATCH || (u8)value == DATA)) {
        d->state->count[bar]++;
    }
    return MEM_OK;
}

static enum mem_result read_memory(void *device, u64 offset, unsigned size, u64 *value)
{
    return read_bar(device, MEMORY, offset, size, value);
}

static enum mem_result write_memory(void *device, u64 offset, unsigned size, u64 value)
{
    return write_bar(device, MEMORY, offset, size, value);
}

static enum mem_result read_io(void *device, u64 offset, unsigned size, u64 *value)
{
    return read_bar(device, IO, offset, size, value);
}

static enum mem_result write_io(void *device, u64 offset, unsigned size, u64 value)
{
    return write_bar(device, IO, offset, size, value);
}

static const struct region_ops memory_ops = { .read = read_memory, .write = write_memory, .max_access = 4 };
static const struct region_ops io_ops = { .read = read_io, .write = write_io, .max_access = 4 };

static enum mem_result read_nothing(void *device, u64 offset, unsigned size, u64 *value)
{
    *value = 0;
    return MEM_OK;
}

static enum mem_result write_nothing(void *device, u64 offset, unsigned size, u64 value)
{
    return MEM_OK;
}

static const struct region_ops nothing_ops = { .read = read_nothing, .write = write_nothing, .lockless = true };

static bool add_membar(struct pci_testdev *d, GError **error)
{
    struct vm *vm = d->device.object.vm;

    if (!d->membar_backed) {
        region_init_mmio(&d->membar_region, vm, "pci-testdev-membar", d->membar, &nothing_ops, d);
    } else {
        g_autofree char *name = g_strdup_printf("%s/pci-testdev-membar", d->device.object.name);

        d->membar_ram = vm_ram_create(vm, name, d->membar, error);
        if (!d->membar_ram)
            return false;
        region_init_ram(&d->membar_region, vm, "pci-testdev-membar", d->membar_ram, 0, d->membar);
    }
    return pci_function_add_bar(&d->pci, 2, &d->membar_region, PCI_BAR_64 | PCI_BAR_PREFETCH, error);
}

static bool add_bars(struct pci_testdev *d, GError **error)
{
    return pci_function_add_bar(&d->pci, 0, &d->device.window[WINDOW_mmio].region, PCI_BAR_32, error) &&
           pci_function_add_bar(&d->pci, 1, &d->device.window[WINDOW_portio].region, PCI_BAR_IO, error) && (!d->membar || add_membar(d, error));
}

static void unrealize(void *device)
{
    struct pci_testdev *d = device;

    pci_function_finish(&d->pci);
    region_finish(&d->membar_region);
    g_clear_pointer(&d->membar_ram, vm_ram_destroy);
}

static bool realize(void *device, GError **error)
{
    struct pci_testdev *d = device;

    if (d->membar && (!bits_is_power_of_2(d->membar) || d->membar < 4096))
        return error_set(error, "membar=%" G_GUINT64_FORMAT ": it is a power of two, 4096 at least", d->membar);
    pci_function_init(&d->pci, &d->device, d->state->config, PCI_CONFIG_BYTES, &identity);
    if (add_bars(d, error))
        return true;
    unrealize(device);
    return false;
}

static void reset(void *device)
{
    pci_function_reset(&((struct pci_testdev *)device)->pci);
}

#include "hw/core/define.inc"
