/* monitor/object.c - -object monitor-qmp,id=ID,chardev=ID: a QMP monitor as an object. */
#include "base/error.h"
#include "monitor/internal.h"
#include "vm/machine.h"
#include "vm/object.h"

struct monitor_object {
    struct vm_object object;
    char *chardev;
    bool pretty;
    struct monitor *monitor;
};

static bool realize(struct vm_object *object, GError **error)
{
    struct monitor_object *self = container_of(object, struct monitor_object, object);
    struct monitor_set *set = vm_backend(object->vm, "monitors", 0);
    struct chardev *chardev;

    if (!self->chardev)
        return error_set(error, "monitor-qmp: property 'chardev' is needed");
    chardev = set && set->chardevs ? chardev_find(set->chardevs, self->chardev) : NULL;
    if (!chardev)
        return error_set(error, "monitor-qmp: chardev '%s' not found", self->chardev);
    self->monitor = monitor_add(set, chardev, self->pretty ? MONITOR_QMP_PRETTY : MONITOR_QMP, error);
    if (self->monitor)
        self->monitor->object = object;
    return self->monitor != NULL;
}

static void unrealize(struct vm_object *object)
{
    struct monitor_object *self = container_of(object, struct monitor_object, object);

    if (self->monitor && vm_backend(object->vm, "monitors", 0))
        monitor_remove(self->monitor);
    self->monitor = NULL;
}

static const struct vm_property properties[] = {
    { "chardev", VM_PROPERTY_STRING, "id of the character back end", .offset = offsetof(struct monitor_object, chardev) },
    { "pretty", VM_PROPERTY_BOOL, "lay out answers for people", .offset = offsetof(struct monitor_object, pretty) },
    { 0 },
};

VM_CLASS(monitor_qmp) {
    .name = "monitor-qmp",
    .parent = "user-creatable",
    .description = "a monitor for programs",
    .size = sizeof(struct monitor_object),
    .user_creatable = true,
    .properties = properties,
    .realize = realize,
    .unrealize = unrealize,
};
