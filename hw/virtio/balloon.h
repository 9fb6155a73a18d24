/* hw/virtio/balloon.h - the machine's balloon, for commands. There is one at most. Main loop, machine lock. */
#ifndef HW_VIRTIO_BALLOON_H
#define HW_VIRTIO_BALLOON_H

#include "base/types.h"
#include <glib.h>

struct vm;

/* Asks the guest to keep `bytes` of its memory. False with error (ERROR_DEVICE_NOT_ACTIVE: there is no balloon). */
bool balloon_set(struct vm *vm, u64 bytes, GError **error);
/* What it keeps now. */
bool balloon_get(struct vm *vm, u64 *bytes, GError **error);

#endif
