/* monitor/qmp_device.c - commands about devices: plugging in and out, PCI buses. */
#include "base/bits.h"
#include "base/error.h"
#include "hw/core/plug.h"
#include "hw/pci/bridge.h"
#include "hw/virtio/balloon.h"
#include "monitor/commands.h"
#include "monitor/internal.h"
#include "monitor/property.h"
#include <json-c/json.h>
#include <string.h>

static bool take_text(struct json_object *arguments, const char *name, const char **text, GError **error)
{
    struct json_object *value;

    *text = NULL;
    if (!json_object_object_get_ex(arguments, name, &value))
        return true;
    if (!json_object_is_type(value, json_type_string))
        return error_set(error, "Invalid parameter type for '%s', expected: string", name);
    *text = json_object_get_string(value);
    return true;
}

/* A name that getfd gave becomes a number, which the device owns from then on, unless it is refused. */
static bool take_descriptor(struct monitor *monitor, struct json_object *arguments, GError **error)
{
    const char *name;

    if (!take_text(arguments, "vhostfd", &name, error))
        return false;
    if (!name || g_ascii_isdigit(*name))
        return true;
    int fd = monitor_take_named_fd(monitor, name, error);
    if (fd < 0)
        return false;
    g_autofree char *number = g_strdup_printf("%d", fd);
    json_object_object_add(arguments, "vhostfd", json_object_new_string(number));
    return true;
}

bool qmp_device_add(struct monitor *monitor, struct json_object *arguments, GError **error)
{
    const char *driver, *id;

    if (!take_text(arguments, "driver", &driver, error) || !take_text(arguments, "id", &id, error))
        return false;
    if (!driver)
        return error_set(error, "Parameter 'driver' is missing");
    if (!vm_machine(monitor->set->vm))
        return error_set(error, "there is no machine");
    if (!take_descriptor(monitor, arguments, error))
        return false;
    g_autoptr(GPtrArray) pairs = property_pairs(arguments, "driver", error);
    return pairs && device_add(monitor->set->vm, driver, id, (const char *const *)pairs->pdata, error);
}

bool qmp_device_del(struct monitor *monitor, const struct api_args_device_del *args, GError **error)
{
    return device_del(monitor->set->vm, args->id, error);
}

bool qmp_balloon(struct monitor *monitor, const struct api_args_balloon *args, GError **error)
{
    return balloon_set(monitor->set->vm, args->value < 0 ? 0 : (u64)args->value, error);
}

bool qmp_query_balloon(struct monitor *monitor, struct api_balloon_info **ret, GError **error)
{
    u64 bytes;

    if (!balloon_get(monitor->set->vm, &bytes, error))
        return false;
    *ret = api_new(&api_type_balloon_info);
    (*ret)->actual = (s64)bytes;
    return true;
}

/* query-pci. */

static void add_region(GPtrArray *regions, const struct pci_function *function, u32 number)
{
    const struct pci_bar *bar = &function->bar[number];
    struct api_pci_memory_region *region = api_new(&api_type_pci_memory_region);
    bool io = bar->kind & PCI_BAR_IO, wide = bar->kind & PCI_BAR_64;
    u64 address = bits_load_le(function->config + PCI_BAR0 + 4 * number, wide ? 8 : 4) & ~(io ? UINT64_C(3) : UINT64_C(15));

    region->bar = number;
    region->type = g_strdup(io ? "io" : "memory");
    region->address = bar->mapped ? (s64)address : -1;
    region->size = (s64)bar->region->size;
    region->has_prefetch = region->has_mem_type_64 = !io;
    region->prefetch = bar->kind & PCI_BAR_PREFETCH;
    region->mem_type_64 = wide;
    g_ptr_array_add(regions, region);
}

static struct api_pci_memory_range *range_of(const struct pci_bridge *bridge, u32 which)
{
    struct api_pci_memory_range *range = api_new(&api_type_pci_memory_range);
    struct pci_window window = pci_bridge_window(bridge, which);

    range->base = (s64)window.first;
    range->limit = (s64)window.last;
    return range;
}

static GPtrArray *devices_of(const struct pci_bus *bus);

static struct api_pci_bridge_info *bridge_of(const struct pci_bridge *bridge)
{
    struct api_pci_bridge_info *info = api_new(&api_type_pci_bridge_info);

    info->bus = api_new(&api_type_pci_bus_info);
    info->bus->number = bridge->function->config[PCI_PRIMARY];
    info->bus->secondary = bridge->function->config[PCI_SECONDARY];
    info->bus->subordinate = bridge->function->config[PCI_SUBORDINATE];
    info->bus->io_range = range_of(bridge, PCI_WINDOW_IO);
    info->bus->memory_range = range_of(bridge, PCI_WINDOW_MEMORY);
    info->bus->prefetchable_range = range_of(bridge, PCI_WINDOW_PREFETCH);
    info->devices = devices_of(bridge->bus);
    return info;
}

static struct api_pci_device_info *device_of(const struct pci_function *function)
{
    struct api_pci_device_info *info = api_new(&api_type_pci_device_info);
    const struct pci_identity *id = &function->identity;
    const struct vm_object *object = &function->device->object;
    bool named = object->parent && !g_strcmp0(object->parent->name, "peripheral");

    info->bus = pci_bus_number(function->bus);
    info->slot = function->devfn >> 3;
    info->function = function->devfn & 7;
    info->class_info = api_new(&api_type_pci_device_class);
    info->class_info->desc = g_strdup(pci_class_text(id->class));
    info->class_info->class = id->class;
    info->id = api_new(&api_type_pci_device_id);
    info->id->device = id->device_id;
    info->id->vendor = id->vendor_id;
    info->id->has_subsystem = info->id->has_subsystem_vendor = !id->bridge;
    info->id->subsystem = id->subsystem_id;
    info->id->subsystem_vendor = id->subsystem_vendor_id;
    info->has_irq = id->interrupt_pin != 0;
    info->irq = function->config[0x3c];
    info->irq_pin = id->interrupt_pin;
    info->qdev_id = g_strdup(named ? object->name : "");
    info->pci_bridge = function->bridge ? bridge_of(function->bridge) : NULL;
    info->regions = api_list_new();
    for (u32 i = 0; i < PCI_BARS; i++) {
        if (function->bar[i].region)
            add_region(info->regions, function, i);
    }
    return info;
}

static GPtrArray *devices_of(const struct pci_bus *bus)
{
    GPtrArray *devices = api_list_new();

    for (u32 i = 0; i < PCI_FUNCTIONS; i++) {
        if (bus->function[i])
            g_ptr_array_add(devices, device_of(bus->function[i]));
    }
    return devices;
}

static void add_host_bus(struct vm_object *object, void *opaque)
{
    const struct pci_bus *bus = (const struct pci_bus *)object;

    if (!vm_object_is_a(object, "PCI") || bus->bridge)
        return;
    struct api_pci_info *info = api_new(&api_type_pci_info);
    info->bus = pci_bus_number(bus);
    info->devices = devices_of(bus);
    g_ptr_array_add(opaque, info);
}

bool qmp_query_pci(struct monitor *monitor, GPtrArray **ret, GError **error)
{
    *ret = api_list_new();
    vm_object_foreach(vm_root(monitor->set->vm), add_host_bus, *ret);
    return true;
}
