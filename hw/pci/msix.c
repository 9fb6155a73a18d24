/* hw/pci/msix.c - MSI-X (PCI Local Bus 3.0, 6.8.2). */
#include "hw/pci/msix.h"
#include "base/bits.h"
#include "base/error.h"
#include <string.h>

enum { CAPABILITY = 0x11, SIZE = 12, CONTROL = 2, TABLE = 4, PBA = 8, CONTROL_MASK = 1 << 14, CONTROL_ON = 1 << 15 };
enum { ENTRY = 16, WORDS = 4, ADDRESS = 0, ADDRESS_HIGH = 1, DATA = 2, VECTOR_CONTROL = 3, MASKED = 1 };

static u32 control(const struct pci_msix *msix)
{
    return (u32)bits_load_le(msix->function->config + msix->capability + CONTROL, 2);
}

bool pci_msix_is_on(const struct pci_msix *msix)
{
    return msix->function && control(msix) & CONTROL_ON;
}

static bool is_masked(const struct pci_msix *msix, u32 vector)
{
    return control(msix) & CONTROL_MASK || msix->table[vector * WORDS + VECTOR_CONTROL] & MASKED;
}

static void send(struct pci_msix *msix, u32 vector)
{
    const u32 *entry = &msix->table[vector * WORDS];

    pci_function_send_message(msix->function, (u64)entry[ADDRESS_HIGH] << 32 | (entry[ADDRESS] & ~3u), entry[DATA]);
}

void pci_msix_send(struct pci_msix *msix, u32 vector)
{
    if (!pci_msix_is_on(msix) || vector >= msix->count)
        return;
    if (is_masked(msix, vector))
        msix->pending[vector / 32] |= 1u << vector % 32;
    else
        send(msix, vector);
}

static void send_pending(struct pci_msix *msix, u32 vector)
{
    u32 bit = 1u << vector % 32;

    if (!(msix->pending[vector / 32] & bit) || is_masked(msix, vector))
        return;
    msix->pending[vector / 32] &= ~bit;
    send(msix, vector);
}

void pci_msix_follow(struct pci_msix *msix)
{
    if (!pci_msix_is_on(msix) || control(msix) & CONTROL_MASK)
        return;
    for (u32 i = 0; i < msix->count; i++)
        send_pending(msix, i);
}

void pci_msix_reset(struct pci_msix *msix)
{
    memset(msix->table, 0, msix->count * ENTRY);
    memset(msix->pending, 0, (msix->count + 31) / 32 * 4);
    for (u32 i = 0; i < msix->count; i++)
        msix->table[i * WORDS + VECTOR_CONTROL] = MASKED;
}

/* The BAR: words of the table, then pending bits. */

static u32 read_word(const struct pci_msix *msix, u64 offset)
{
    if (offset / 4 < (u64)msix->count * WORDS)
        return msix->table[offset / 4];
    return offset >= msix->pba && (offset - msix->pba) / 4 < (msix->count + 31) / 32 ? msix->pending[(offset - msix->pba) / 4] : 0;
}

static enum mem_result read_bar(void *opaque, u64 offset, unsigned size, u64 *value)
{
    const struct pci_msix *msix = opaque;

    *value = read_word(msix, offset);
    return MEM_OK;
}

static enum mem_result write_bar(void *opaque, u64 offset, unsigned size, u64 value)
{
    struct pci_msix *msix = opaque;
    struct device *device = msix->function->device;

    if (offset / 4 >= (u64)msix->count * WORDS || !device_begin(device))
        return MEM_OK;
    msix->table[offset / 4] = offset / 4 % WORDS == VECTOR_CONTROL ? (u32)value & MASKED : (u32)value;
    if (pci_msix_is_on(msix))
        send_pending(msix, (u32)(offset / ENTRY));
    device_end(device);
    return MEM_OK;
}

/* Whole words, or two of them; anything else is refused (6.8.2). */
static const struct region_ops bar_ops = { .read = read_bar, .write = write_bar, .min_access = 4, .max_access = 4 };

static u64 bar_size(u32 vectors)
{
    u64 size = 4096;

    while (size / 2 < (u64)vectors * ENTRY)
        size *= 2;
    return size;
}

bool pci_msix_init(struct pci_msix *msix, struct pci_function *function, u32 *table, u32 *pending, u32 vectors, u32 bar, GError **error)
{
    u64 size = bar_size(vectors);
    u32 at = pci_function_add_capability(function, CAPABILITY, SIZE);

    if (!at)
        return error_set(error, "no room for the MSI-X capability");
    *msix = (struct pci_msix){ .function = function, .table = table, .pending = pending, .count = vectors, .capability = at,
                               .pba = (u32)size / 2 };
    region_init_mmio(&msix->region, function->device->object.vm, "msix", size, &bar_ops, msix);
    msix->region.owner = &function->device->object;
    bits_store_le(function->config + at + CONTROL, 2, vectors - 1);
    bits_store_le(function->config + at + TABLE, 4, bar);
    bits_store_le(function->config + at + PBA, 4, msix->pba | bar);
    bits_store_le(function->writable + at + CONTROL, 2, CONTROL_ON | CONTROL_MASK);
    function->msix = msix;
    pci_msix_reset(msix);
    return pci_function_add_bar(function, bar, &msix->region, PCI_BAR_32, error);
}

void pci_msix_finish(struct pci_msix *msix)
{
    if (!msix->function)
        return;
    region_finish(&msix->region);
    msix->function->msix = NULL;
    msix->function = NULL;
}
