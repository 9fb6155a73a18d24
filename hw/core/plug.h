/*
 * hw/core/plug.h - devices that come and go while the machine runs: device_add, device_del.
 * Thread: main loop, machine lock.
 */
#ifndef HW_CORE_PLUG_H
#define HW_CORE_PLUG_H

#include "hw/core/device.h"

/* -device, device_add: of a user-creatable class, below /machine/peripheral or, without id, /machine/peripheral-anon. pairs: key, value,
 * ... NULL, among them "bus". NULL with error and hint. */
struct vm_object *device_add(struct vm *vm, const char *driver, const char *id, const char *const *pairs, GError **error);
/* device_del: by id or path. True: it goes, now or when the guest has let go of it; then comes DEVICE_DELETED. */
bool device_del(struct vm *vm, const char *id, GError **error);
/* For buses: everybody agrees. Happens soon, in the main loop. Any thread with the machine lock. */
void device_delete(struct device *device);

#endif
