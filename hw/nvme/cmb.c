/* hw/nvme/cmb.c - controller memory buffer (3.1.11, 3.1.12, 3.1.16, 3.1.17; 4.7): RAM behind BAR 2 for queues, lists and data. */
#include "base/bits.h"
#include "base/error.h"
#include "hw/nvme/nvme.h"

enum { BAR_CMB = 2, UNIT_1_MIB = 2, MOST_MIB = 1 << 16 };
enum { CAPABILITIES_ENABLED = 1, SPACE_ENABLED = 2, ADDRESS_INVALID = 1 };
enum { MIXED_QUEUES = 1 << 3, QUEUES_ANYWHERE = 1 << 4, LISTS_ANYWHERE = 1 << 5, LISTS_INDEPENDENT = 1 << 6, MIXED_DATA = 1 << 7 };
enum { SQS = 1, CQS = 2, LISTS = 4, READS = 8, WRITES = 16 };

static u64 bytes(const struct nvme *n)
{
    return n->cmb_size_mb * MIB;
}

static u64 base(const struct nvme *n)
{
    return n->state->cmbmsc & ~UINT64_C(0xfff);
}

/* With legacy-cmb (as before 1.4) the registers show it at once, and its address is what the BAR says. */
static bool is_shown(const struct nvme *n)
{
    return n->cmb_size_mb && (n->legacy_cmb || n->state->cmbmsc & CAPABILITIES_ENABLED);
}

u32 nvme_cmb_location(const struct nvme *n)
{
    return is_shown(n) ? BAR_CMB | MIXED_QUEUES | QUEUES_ANYWHERE | LISTS_ANYWHERE | LISTS_INDEPENDENT | MIXED_DATA : 0;
}

u32 nvme_cmb_size(const struct nvme *n)
{
    return is_shown(n) ? SQS | CQS | LISTS | READS | WRITES | UNIT_1_MIB << 8 | n->cmb_size_mb << 12 : 0;
}

static bool wraps(const struct nvme *n)
{
    return base(n) + bytes(n) < base(n);
}

u32 nvme_cmb_status(const struct nvme *n)
{
    return n->state->cmbmsc & SPACE_ENABLED && wraps(n) ? ADDRESS_INVALID : 0;
}

void nvme_cmb_control(struct nvme *n)
{
    if (!n->cmb_size_mb || n->legacy_cmb)
        n->state->cmbmsc = 0;
}

/* Addresses that the driver chose for the buffer come before all others; behind its BAR it is memory like any other. */
struct space_hit nvme_lookup(const struct nvme *n, u64 address)
{
    u64 offset = address - base(n);

    if (!(n->state->cmbmsc & SPACE_ENABLED) || !is_shown(n) || wraps(n) || offset >= bytes(n))
        return space_lookup(pci_function_space(&n->pci), address);
    return (struct space_hit){ .region = (struct region *)&n->cmb_region, .offset = offset, .left = bytes(n) - offset, .ram = n->cmb,
                               .ram_offset = offset, .writable = true };
}

bool nvme_cmb_add(struct nvme *n, GError **error)
{
    g_autofree char *name = g_strdup_printf("%s/nvme-cmb", n->device.object.name);

    if (!n->cmb_size_mb)
        return true;
    if (!bits_is_power_of_2(n->cmb_size_mb) || n->cmb_size_mb > MOST_MIB)
        return error_set(error, "cmb_size_mb must be a power of two up to %d", MOST_MIB);
    n->cmb = vm_ram_create(n->device.object.vm, name, bytes(n), error);
    if (!n->cmb)
        return false;
    region_init_ram(&n->cmb_region, n->device.object.vm, "nvme-cmb", n->cmb, 0, bytes(n));
    n->cmb_region.owner = &n->device.object;
    return pci_function_add_bar(&n->pci, BAR_CMB, &n->cmb_region, PCI_BAR_64 | PCI_BAR_PREFETCH, error);
}

void nvme_cmb_remove(struct nvme *n)
{
    if (!n->cmb)
        return;
    region_finish(&n->cmb_region);
    g_clear_pointer(&n->cmb, vm_ram_destroy);
}
