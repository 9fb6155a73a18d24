/* hw/pci/function.c - a PCI function: configuration space, BARs, its interrupt pin. */
#include "base/bits.h"
#include "base/error.h"
#include "hw/pci/bridge.h"
#include "hw/pci/msi.h"
#include "hw/pci/msix.h"
#include <string.h>

struct field {
    const char *name;
    u8 offset, size;
    u16 writable, clearable;
};

#define FIELD(offset_, size_, name_, writable_, clearable_, doc_) { #name_, offset_, size_, writable_, clearable_ },
static const struct field header[] = {
#include "hw/pci/header.def"
};
static const struct field bridge_header[] = {
#include "hw/pci/bridge_header.def"
};
#undef FIELD

static u64 get(const u8 *bytes, u32 offset, unsigned size)
{
    return bits_load_le(bytes + offset, size);
}

/* What threads without the machine lock look at comes and goes as single bytes. */
static u8 get_byte(const struct pci_function *function, u32 offset)
{
    return __atomic_load_n(&function->config[offset], __ATOMIC_RELAXED);
}

static void put(u8 *bytes, u32 offset, unsigned size, u64 value)
{
    bits_store_le(bytes + offset, size, value);
}

static unsigned bar_bytes(const struct pci_bar *bar)
{
    return bar->kind & PCI_BAR_64 ? 8 : 4;
}

static u32 bar_offset(u32 number)
{
    return PCI_BAR0 + 4 * number;
}

/* The low bits that say what a BAR is. */
static u64 bar_fixed_bits(const struct pci_bar *bar)
{
    return bar->kind & PCI_BAR_IO ? 3 : 15;
}

static void write_identity(struct pci_function *function)
{
    const struct pci_identity *id = &function->identity;
    u8 *config = function->config;

    put(config, 0x00, 2, id->vendor_id);
    put(config, 0x02, 2, id->device_id);
    put(config, 0x08, 1, id->revision);
    put(config, 0x09, 1, id->programming);
    put(config, 0x0a, 2, id->class);
    put(config, PCI_HEADER_TYPE, 1, (function->multifunction ? PCI_MULTIFUNCTION : 0) | id->bridge);
    if (!id->bridge) { /* bridges have other things there */
        put(config, 0x2c, 2, id->subsystem_vendor_id);
        put(config, 0x2e, 2, id->subsystem_id);
    } else {
        put(config, 0x24, 2, 1); /* 64-bit prefetchable window */
        put(config, 0x26, 2, 1);
    }
    put(config, PCI_INTERRUPT_PIN, 1, id->interrupt_pin);
    for (u32 i = 0; i < PCI_BARS; i++) {
        if (function->bar[i].region)
            put(config, bar_offset(i), 4, function->bar[i].kind);
    }
}

void pci_function_init(struct pci_function *function, struct device *device, u8 *config, u32 size, const struct pci_identity *identity)
{
    *function = (struct pci_function){ .device = device, .config = config, .size = size, .identity = *identity,
                                       .multifunction = function->multifunction, .capability_end = PCI_HEADER_END };
    function->writable = g_malloc0(size);
    function->clearable = g_malloc0(size);
    const struct field *row = identity->bridge ? bridge_header : header;
    for (u32 i = identity->bridge ? ARRAY_SIZE(bridge_header) : ARRAY_SIZE(header); i-- > 0; row++) {
        put(function->writable, row->offset, row->size, row->writable);
        put(function->clearable, row->offset, row->size, row->clearable);
    }
    write_identity(function);
}

void pci_function_finish(struct pci_function *function)
{
    pci_bus_unplug(function);
    g_clear_pointer(&function->writable, g_free);
    g_clear_pointer(&function->clearable, g_free);
}

/* BARs. */

static bool bar_enabled(const struct pci_function *function, const struct pci_bar *bar)
{
    u64 command = get(function->config, PCI_COMMAND, 2);

    return function->bus && pci_function_is_awake(function) && (command & (bar->kind & PCI_BAR_IO ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY));
}

/*
 * Where a BAR should be; false: nowhere, also while the guest finds out its size by writing ones. 0 is a port like others, and the
 * first that EDK2 gives away; memory at 0 is no host bridge's.
 */
static bool bar_wanted(const struct pci_function *function, u32 number, u64 *address)
{
    const struct pci_bar *bar = &function->bar[number];
    u64 size = bar->region->size, last, limit = bar->kind & PCI_BAR_IO ? 0xffff : bar->kind & PCI_BAR_64 ? UINT64_MAX - 1 : UINT32_MAX - 1;

    *address = get(function->config, bar_offset(number), bar_bytes(bar)) & ~bar_fixed_bits(bar);
    last = *address + size - 1;
    return bar_enabled(function, bar) && (*address || bar->kind & PCI_BAR_IO) && last >= *address && last <= limit;
}

static void map_bar(struct pci_function *function, u32 number)
{
    struct pci_bar *bar = &function->bar[number];
    struct region *container = function->bus ? bar->kind & PCI_BAR_IO ? function->bus->io : function->bus->memory : NULL;
    u64 address = 0;
    bool wanted = bar_wanted(function, number, &address) && container;

    if (bar->mapped && wanted && bar->region->address == address)
        return;
    if (bar->mapped)
        region_remove(bar->region);
    if (wanted)
        region_add(container, address, bar->region, 1);
    bar->mapped = wanted;
}

static void update_pin(struct pci_function *function, const bool *level);

/* Makes the memory map and the interrupt line agree with the configuration space. */
void pci_function_follow(struct pci_function *function)
{
    struct vm *vm = function->device->object.vm;

    region_batch_begin(vm);
    for (u32 i = 0; i < PCI_BARS; i++) {
        if (function->bar[i].region)
            map_bar(function, i);
    }
    if (function->bridge)
        pci_bridge_follow(function->bridge);
    region_batch_end(vm);
    update_pin(function, NULL);
}

bool pci_function_add_bar(struct pci_function *function, u32 number, struct region *region, u8 kind, GError **error)
{
    struct pci_bar bar = { .region = region, .kind = kind };
    u64 least = kind & PCI_BAR_IO ? 4 : 16, most = kind & PCI_BAR_IO ? 256 : kind & PCI_BAR_64 ? BIT64(62) : 2 * GIB;

    if (number + bar_bytes(&bar) / 4 > PCI_BARS || function->bar[number].region)
        return error_set(error, "BAR %u: there is no such one, or it is taken", number);
    if (!bits_is_power_of_2(region->size) || region->size < least || region->size > most)
        return error_set(error, "BAR %u: a size of 0x%" G_GINT64_MODIFIER "x is impossible", number, region->size);
    function->bar[number] = bar;
    put(function->writable, bar_offset(number), bar_bytes(&bar), ~(region->size - 1));
    put(function->config, bar_offset(number), 4, kind);
    return true;
}

void pci_function_next_capability(struct pci_function *function, u32 offset)
{
    g_assert(offset >= function->capability_end);
    function->capability_end = offset;
}

u32 pci_function_add_capability(struct pci_function *function, u8 id, u32 size)
{
    u32 at = (u32)bits_align_up(function->capability_end, 4);

    if (at + size > 256)
        return 0;
    function->capability_end = at + size;
    function->config[at] = id;
    function->config[at + 1] = function->config[PCI_CAPABILITIES];
    function->config[PCI_CAPABILITIES] = (u8)at;
    put(function->config, PCI_STATUS, 2, get(function->config, PCI_STATUS, 2) | PCI_STATUS_CAPABILITIES);
    return at;
}

enum { POWER_ID = 1, POWER_SIZE = 8, POWER_VERSION = 3, POWER_CONTROL = 4, POWER_STATE = 3, POWER_NO_RESET = 8 };

u32 pci_function_add_power(struct pci_function *function)
{
    u32 at = pci_function_add_capability(function, POWER_ID, POWER_SIZE);

    if (!at)
        return 0;
    put(function->config, at + 2, 2, POWER_VERSION);
    put(function->config, at + POWER_CONTROL, 2, POWER_NO_RESET);
    put(function->writable, at + POWER_CONTROL, 2, POWER_STATE);
    function->power = at;
    return at;
}

bool pci_function_is_awake(const struct pci_function *function)
{
    bool asleep = function->power && (get_byte(function, function->power + POWER_CONTROL) & POWER_STATE) == POWER_STATE;

    return !asleep && !(function->bus && __atomic_load_n(&function->bus->off, __ATOMIC_RELAXED));
}

/* The pin. */

_Static_assert(PCI_STATUS_INTX < 256 && PCI_COMMAND_MASTER < 256 && PCI_COMMAND_NO_INTX > 255, "bits are in the bytes that are looked at");

/* PCI Local Bus 3.0, 6.8.3.3: a function that sends messages does not pull its pin. */
static bool sends_messages(const struct pci_function *function)
{
    return (function->msi && pci_msi_is_on(function->msi)) || (function->msix && pci_msix_is_on(function->msix));
}

/* With the root bus's pin_lock, or while there is no bus. */
static void pull(struct pci_function *function)
{
    struct pci_bus *bus = function->bus;
    bool off = get_byte(function, PCI_COMMAND + 1) & PCI_COMMAND_NO_INTX >> 8 || sends_messages(function);
    bool shown = function->intx && !off && pci_function_is_awake(function);

    if (function->intx)
        __atomic_fetch_or(&function->config[PCI_STATUS], PCI_STATUS_INTX, __ATOMIC_RELAXED);
    else
        __atomic_fetch_and(&function->config[PCI_STATUS], (u8)~PCI_STATUS_INTX, __ATOMIC_RELAXED);
    if (!bus || !function->identity.interrupt_pin || shown == function->intx_shown)
        return;
    function->intx_shown = shown;
    /* Slots share four lines in turn (PCI Express Base, 2.2.8.1). */
    pci_bus_pull(bus, ((u32)(function->devfn >> 3) + function->identity.interrupt_pin - 1) % PCI_PINS, shown ? 1 : -1);
}

/* level NULL: as before; what else decides has changed. */
static void update_pin(struct pci_function *function, const bool *level)
{
    struct pci_bus *root = function->bus ? pci_bus_root(function->bus) : NULL;

    if (root)
        host_lock_take(&root->pin_lock);
    if (level)
        function->intx = *level;
    pull(function);
    if (!root)
        return;
    host_lock_drop(&root->pin_lock);
    pci_bus_show_pins(root);
}

void pci_function_set_intx(struct pci_function *function, bool level)
{
    update_pin(function, &level);
}

bool pci_function_pin_is_lockless(const struct pci_function *function)
{
    struct pci_bus *root = function->bus ? pci_bus_root(function->bus) : NULL;

    return root && root->pins_are_lockless && root->pins_are_lockless(root->host);
}

/* Configuration space. */

bool pci_function_may_dma(const struct pci_function *function)
{
    for (; function && function->bus; function = function->bus->bridge) {
        if (!(get_byte(function, PCI_COMMAND) & PCI_COMMAND_MASTER) || !pci_function_is_awake(function))
            return false;
        if (!function->bus->bridge)
            return true;
    }
    return false;
}

struct space *pci_function_space(const struct pci_function *function)
{
    return vm_memory(function->device->object.vm);
}

void pci_function_send_message(struct pci_function *function, u64 address, u32 data)
{
    if (pci_function_may_dma(function))
        space_write(pci_function_space(function), address, 4, data);
}

u32 pci_config_read(struct pci_function *function, u32 offset, unsigned size)
{
    if (offset + size > function->size)
        return UINT32_MAX;
    if (function->reading)
        function->reading(function->device, offset, size);
    return (u32)get(function->config, offset, size);
}

void pci_config_write(struct pci_function *function, u32 offset, unsigned size, u32 value)
{
    if (offset + size > function->size)
        return;
    for (unsigned i = 0; i < size; i++) {
        u8 byte = (u8)(value >> (8 * i)), *at = &function->config[offset + i];
        u8 writable = function->writable[offset + i], clearable = function->clearable[offset + i];

        __atomic_store_n(at, (u8)(((*at & ~writable) | (byte & writable)) & ~(byte & clearable)), __ATOMIC_RELAXED);
    }
    if (offset < PCI_HEADER_END || (function->power && offset < function->power + POWER_SIZE && offset + size > function->power))
        pci_function_follow(function);
    else if (function->msi || function->msix)
        update_pin(function, NULL);
    if (function->msix)
        pci_msix_follow(function->msix);
    if (function->msi)
        pci_msi_follow(function->msi);
    if (function->written)
        function->written(function->device, offset, size);
}

void pci_function_reset(struct pci_function *function)
{
    pci_function_set_intx(function, false);
    for (u32 i = 0; i < function->size; i++)
        function->config[i] &= (u8)~(function->writable[i] | function->clearable[i]);
    write_identity(function);
    if (function->msix)
        pci_msix_reset(function->msix);
    if (function->msi)
        pci_msi_reset(function->msi);
    pci_function_follow(function);
}
