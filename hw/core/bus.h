/*
 * hw/core/bus.h - what devices plug into: an object below the device that offers it ("pcie.0", "virtio-mmio-bus.3"), found by
 * name by -device X,bus=NAME. Kinds of buses are classes below "bus"; their instances begin with struct bus.
 * Thread: machine lock.
 */
#ifndef HW_CORE_BUS_H
#define HW_CORE_BUS_H

#include "vm/object.h"

struct device;
struct bus;

/* Kinds of buses that take and give devices while the machine runs. */
struct bus_ops {
    /* Asks for a device to go; the bus calls device_delete when everybody agrees, perhaps at once. */
    bool (*unplug)(struct bus *bus, struct device *device, GError **error);
};

/* A kind's class has as `data` the device that offers one, for a hint; NULL: boards do. */
struct bus {
    struct vm_object object;
    GPtrArray *devices; /* of struct vm_object, in order of plugging; not owned */
    u32 most;           /* devices that fit; 0: any number */
    u32 number;         /* in order of creation, over all buses of the machine */
    const struct bus_ops *ops; /* NULL: devices come and go only while the machine is built */
};

/*
 * Makes the bus of a device; name "prefix*": the star becomes the next number with which no bus has that name.
 * It goes with its device. NULL with error.
 */
struct bus *bus_create(struct vm_object *device, const char *class_name, const char *name, GError **error);
/* By name; NULL: there is none. */
struct bus *bus_find(struct vm *vm, const char *name);
/*
 * The bus that a device of this kind goes to: device->bus when it was chosen (it must be of the class), otherwise the one with
 * room that is nearest to the board, of those the youngest; so buses fill up as in QEMU. Sets device->bus. NULL with error.
 */
struct bus *bus_for(struct device *device, const char *class_name, GError **error);
bool bus_plug(struct bus *bus, struct vm_object *device, GError **error);
void bus_unplug(struct bus *bus, struct vm_object *device);

#endif
