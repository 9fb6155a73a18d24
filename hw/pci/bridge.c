/* hw/pci/bridge.c - PCI-to-PCI bridges. */
#include "hw/pci/bridge.h"
#include "base/bits.h"
#include <string.h>

static u64 get(const struct pci_bridge *bridge, u32 offset, unsigned size)
{
    return bits_load_le(bridge->function->config + offset, size);
}

struct pci_window pci_bridge_window(const struct pci_bridge *bridge, u32 which)
{
    switch (which) {
    case PCI_WINDOW_IO:
        return (struct pci_window){ (get(bridge, 0x1c, 1) & 0xf0) << 8, (get(bridge, 0x1d, 1) & 0xf0) << 8 | 0xfff };
    case PCI_WINDOW_MEMORY:
        return (struct pci_window){ (get(bridge, 0x20, 2) & 0xfff0) << 16, (get(bridge, 0x22, 2) & 0xfff0) << 16 | 0xfffff };
    default:
        return (struct pci_window){ get(bridge, 0x28, 4) << 32 | (get(bridge, 0x24, 2) & 0xfff0) << 16,
                                    get(bridge, 0x2c, 4) << 32 | (get(bridge, 0x26, 2) & 0xfff0) << 16 | 0xfffff };
    }
}

/* What the bus above shall show: {1, 0} is nothing. */
static struct pci_window wanted(const struct pci_bridge *bridge, u32 which)
{
    const struct pci_function *f = bridge->function;
    struct pci_window window = pci_bridge_window(bridge, which);
    u64 enable = which == PCI_WINDOW_IO ? PCI_COMMAND_IO : PCI_COMMAND_MEMORY;

    if (!f->bus || !pci_function_is_awake(f) || !(get(bridge, PCI_COMMAND, 2) & enable) || window.last < window.first ||
        window.last - window.first == UINT64_MAX)
        return (struct pci_window){ 1, 0 };
    return window;
}

static void show(struct pci_bridge *bridge, u32 which)
{
    static const char *const names[] = { "pci-bridge-io", "pci-bridge-memory", "pci-bridge-prefetch" };
    bool io = which == PCI_WINDOW_IO;
    struct pci_window window = wanted(bridge, which), *shown = &bridge->shown[which];
    struct region *alias = &bridge->alias[which], *container = bridge->function->bus ? io ? bridge->function->bus->io : bridge->function->bus->memory : NULL;

    if (window.first == shown->first && window.last == shown->last)
        return;
    if (shown->first <= shown->last)
        region_finish(alias);
    *shown = window;
    if (window.first > window.last || !container)
        return;
    region_init_alias(alias, bridge->function->device->object.vm, names[which], io ? &bridge->io : &bridge->memory, window.first,
                      window.last - window.first + 1);
    alias->owner = &bridge->function->device->object;
    region_add(container, window.first, alias, 1);
}

void pci_bridge_follow(struct pci_bridge *bridge)
{
    for (u32 i = 0; i < PCI_WINDOWS; i++)
        show(bridge, i);
}

bool pci_bridge_init(struct pci_bridge *bridge, struct pci_function *function, const char *bus_class, GError **error)
{
    struct vm_object *object = &function->device->object;
    bool named = object->parent && !strcmp(object->parent->name, "peripheral");

    bridge->bus = (struct pci_bus *)bus_create(object, bus_class, named ? object->name : !strcmp(bus_class, "PCIE") ? "pcie.*" : "pci.*", error);
    if (!bridge->bus)
        return false;
    bridge->function = function;
    region_init_container(&bridge->memory, object->vm, "pci-bridge-memory-space", 0);
    region_init_container(&bridge->io, object->vm, "pci-bridge-io-space", 0x10000);
    bridge->memory.owner = bridge->io.owner = object;
    for (u32 i = 0; i < PCI_WINDOWS; i++)
        bridge->shown[i] = (struct pci_window){ 1, 0 };
    bridge->bus->memory = &bridge->memory;
    bridge->bus->io = &bridge->io;
    bridge->bus->bridge = function;
    function->bridge = bridge;
    return true;
}

void pci_bridge_finish(struct pci_bridge *bridge)
{
    if (!bridge->function)
        return;
    for (u32 i = 0; i < PCI_WINDOWS; i++) {
        if (bridge->shown[i].first <= bridge->shown[i].last)
            region_finish(&bridge->alias[i]);
    }
    region_finish(&bridge->memory);
    region_finish(&bridge->io);
    bridge->function->bridge = NULL;
    bridge->function = NULL;
}
