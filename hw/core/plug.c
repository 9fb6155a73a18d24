/* hw/core/plug.c - devices that come and go while the machine runs. */
#include "hw/core/plug.h"
#include "api/types.h"
#include "base/error.h"
#include "hw/core/bus.h"
#include "vm/user.h"
#include <string.h>

struct vm_object *device_add(struct vm *vm, const char *driver, const char *id, const char *const *pairs, GError **error)
{
    if (!vm_machine(vm)) {
        error_set(error, "there is no machine");
        return NULL;
    }
    const struct vm_user_request request = {
        .ancestor = "device", .type = driver, .id = id, .parent = vm_object_child(vm_machine(vm), id ? "peripheral" : "peripheral-anon"),
        .anonymous = "device[*]", .pairs = pairs,
    };

    return vm_user_create(vm, &request, error);
}

static struct vm_object *find(struct vm *vm, const char *id)
{
    struct vm_object *machine = vm_machine(vm), *named = machine ? vm_object_child(machine, "peripheral") : NULL;

    return *id == '/' ? vm_object_resolve(vm, id) : named ? vm_object_child(named, id) : NULL;
}

bool device_del(struct vm *vm, const char *id, GError **error)
{
    struct vm_object *object = find(vm, id);

    if (!object || !vm_object_is_a(object, "device"))
        return error_set_class(error, ERROR_DEVICE_NOT_FOUND, "Device '%s' not found", id);
    struct bus *bus = vm_object_is_a(object, "declared-device") ? ((struct device *)object)->bus : NULL;
    if (!bus)
        return error_set(error, "Device '%s' does not support hot-unplug", id);
    if (!bus->ops)
        return error_set(error, "Bus '%s' does not support hotplugging", bus->object.name);
    return bus->ops->unplug(bus, (struct device *)object, error);
}

struct deletion {
    struct vm *vm;
    char *path;
};

struct search {
    const struct vm_object *top;
    struct vm_object *found;
};

static bool is_below(const struct vm_object *object, const struct vm_object *top)
{
    while (object && object != top)
        object = object->parent;
    return object;
}

/* What belongs to the device itself goes with it; others do not. */
static void find_plugged(struct vm_object *object, void *opaque)
{
    struct search *search = opaque;
    struct bus *bus = vm_object_is_a(object, "bus") ? (struct bus *)object : NULL;

    for (guint i = 0; bus && i < bus->devices->len && !search->found; i++) {
        if (!is_below(bus->devices->pdata[i], search->top))
            search->found = bus->devices->pdata[i];
    }
}

/* What is plugged into its buses goes before it: nothing would reach that any more, and it uses what the device has (threads of disks). */
static void delete_with_plugged(struct vm_object *object)
{
    struct search search = { .top = object };
    bool named = object->parent && !strcmp(object->parent->name, "peripheral");
    g_autofree char *id = named ? g_strdup(object->name) : NULL, *path = vm_object_path(object);
    struct vm *vm = object->vm;

    for (vm_object_foreach(object, find_plugged, &search); search.found; vm_object_foreach(object, find_plugged, &search)) {
        delete_with_plugged(search.found);
        search.found = NULL;
    }
    vm_object_destroy(object);
    api_event_device_deleted(vm_events(vm), id, path);
}

/*
 * DEVIATION Devices | `device_del` of a virtio device on PCI | one DEVICE_DELETED, for the function | QEMU sends another one for the
 * part behind it
 */
static void delete_now(void *opaque)
{
    struct deletion *deletion = opaque;
    struct vm_object *object = vm_object_resolve(deletion->vm, deletion->path);

    if (object)
        delete_with_plugged(object);
    g_free(deletion->path);
    g_free(deletion);
}

void device_delete(struct device *device)
{
    struct deletion *deletion = g_new0(struct deletion, 1);

    deletion->vm = device->object.vm;
    deletion->path = vm_object_path(&device->object);
    vm_defer(deletion->vm, delete_now, deletion);
}
