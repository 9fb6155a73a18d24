/*
 * hw/core/bus.h - what devices plug into: an object below the device that offers it ("pcie.0", "virtio-mmio-bus.3"), found by
 * name by -device X,bus=NAME. Kinds of buses are classes below "bus"; their instances begin with struct bus.
 * Thread: machine lock.
 */
#ifndef HW_CORE_BUS_H
#define HW_CORE_BUS_H

#include "vm/object.h"

struct bus {
    struct vm_object object;
    GPtrArray *devices; /* of struct vm_object, in order of plugging; not owned */
    u32 most;           /* devices that fit; 0: any number */
};

/*
 * Makes the bus of a device; name "prefix*": the star becomes the next number that no bus of this class has in the machine.
 * It goes with its device. NULL with error.
 */
struct bus *bus_create(struct vm_object *device, const char *class_name, const char *name, GError **error);
/* By name; NULL: there is none. */
struct bus *bus_find(struct vm *vm, const char *name);
bool bus_plug(struct bus *bus, struct vm_object *device, GError **error);
void bus_unplug(struct bus *bus, struct vm_object *device);

#endif
