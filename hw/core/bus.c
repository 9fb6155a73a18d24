/* hw/core/bus.c - buses as objects. */
#include "hw/core/bus.h"
#include "base/error.h"
#include "hw/core/device.h"
#include "vm/vm.h"
#include <string.h>

static void init(struct vm_object *object)
{
    ((struct bus *)object)->devices = g_ptr_array_new();
}

/* Devices may outlive it. */
static void finish(struct vm_object *object)
{
    struct bus *bus = (struct bus *)object;

    for (guint i = 0; i < bus->devices->len; i++) {
        struct vm_object *device = bus->devices->pdata[i];

        if (vm_object_is_a(device, "declared-device") && ((struct device *)device)->bus == bus)
            ((struct device *)device)->bus = NULL;
    }
    g_ptr_array_unref(((struct bus *)object)->devices);
}

VM_CLASS(bus) {
    .name = "bus", .abstract = true, .size = sizeof(struct bus), .description = "what devices plug into", .init = init, .finish = finish,
};

struct count {
    const char *class_name;
    u32 number, buses;
};

static void count_class(struct vm_object *object, void *opaque)
{
    struct count *count = opaque;

    count->number += !strcmp(object->class->name, count->class_name);
    if (vm_object_is_a(object, "bus"))
        count->buses = MAX(count->buses, ((struct bus *)object)->number + 1);
}

/* The star becomes a number. Of buses that went, later ones may be left. */
static char *numbered_name(struct vm *vm, const char *name, u32 number)
{
    for (;; number++) {
        char *full = g_strdup_printf("%.*s%u", (int)strlen(name) - 1, name, number);

        if (!bus_find(vm, full))
            return full;
        g_free(full);
    }
}

struct bus *bus_create(struct vm_object *device, const char *class_name, const char *name, GError **error)
{
    struct count count = { class_name, 0, 0 };

    vm_object_foreach(vm_root(device->vm), count_class, &count);
    g_autofree char *full = g_str_has_suffix(name, "*") ? numbered_name(device->vm, name, count.number) : g_strdup(name);
    struct vm_object *bus = vm_object_create(device->vm, class_name, device, full, error);
    if (bus)
        ((struct bus *)bus)->number = count.buses;
    if (bus && !vm_object_realize(bus, error)) {
        vm_object_destroy(bus);
        return NULL;
    }
    return (struct bus *)bus;
}

struct search {
    const char *name;
    struct bus *found;
};

static void match(struct vm_object *object, void *opaque)
{
    struct search *search = opaque;

    if (!search->found && !strcmp(object->name, search->name) && vm_object_is_a(object, "bus"))
        search->found = (struct bus *)object;
}

struct bus *bus_find(struct vm *vm, const char *name)
{
    struct search search = { name, NULL };

    vm_object_foreach(vm_root(vm), match, &search);
    return search.found;
}

struct choice {
    const char *class_name;
    struct bus *best;
    u32 depth;
};

/* Buses between this one and the board. */
static u32 depth_of(const struct bus *bus)
{
    u32 depth = 0;

    for (const struct vm_object *o = bus->object.parent; o && depth < 256; depth++) {
        struct bus *above = vm_object_is_a(o, "declared-device") ? ((const struct device *)o)->bus : NULL;

        if (!above)
            break;
        o = above->object.parent;
    }
    return depth;
}

static void choose(struct vm_object *object, void *opaque)
{
    struct choice *choice = opaque;
    struct bus *bus = (struct bus *)object;

    if (!vm_object_is_a(object, choice->class_name) || (bus->most && bus->devices->len >= bus->most))
        return;
    u32 depth = depth_of(bus);
    if (choice->best && (depth > choice->depth || (depth == choice->depth && bus->number < choice->best->number)))
        return;
    choice->best = bus;
    choice->depth = depth;
}

struct bus *bus_for(struct device *device, const char *class_name, GError **error)
{
    struct choice choice = { class_name, NULL, 0 };

    if (device->bus && vm_object_is_a(&device->bus->object, class_name))
        return device->bus;
    if (device->bus) {
        error_set(error, "Device '%s' can't go on %s bus", device->object.class->name, device->bus->object.class->name);
        return NULL;
    }
    vm_object_foreach(vm_root(device->object.vm), choose, &choice);
    if (!choice.best) {
        const struct vm_class *class = vm_class_find(class_name, vm_guest_of(&device->object));

        error_set(error, "No '%s' bus found for device '%s'", class_name, device->object.class->name);
        if (class && class->data)
            error_hint(error, "put -device %s before it", (const char *)class->data);
    }
    device->bus = choice.best;
    return choice.best;
}

bool bus_plug(struct bus *bus, struct vm_object *device, GError **error)
{
    if (bus->most && bus->devices->len >= bus->most)
        return error_set(error, "bus '%s' has no room for another device", bus->object.name);
    /* What belongs to a device that is being plugged in itself is another matter. */
    bool hot = vm_is_complete(device->vm) && bus->object.parent && bus->object.parent->realized;
    if (hot && !bus->ops)
        return error_set(error, "Bus '%s' does not support hotplugging", bus->object.name);
    g_ptr_array_add(bus->devices, device);
    return true;
}

void bus_unplug(struct bus *bus, struct vm_object *device)
{
    g_ptr_array_remove(bus->devices, device);
}
