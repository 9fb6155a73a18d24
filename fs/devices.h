/* fs/devices.h - what -fsdev defined: options by id. Main thread. */
#ifndef FS_DEVICES_H
#define FS_DEVICES_H

#include "fs/share.h"

struct fs_devices;

struct fs_devices *fs_devices_create(void);
void fs_devices_destroy(struct fs_devices *devices); /* NULL is fine */
/* Copies the options. False: the id is taken. */
bool fs_devices_add(struct fs_devices *devices, const struct fs_options *options, GError **error);
/* NULL with *error, which names the nearest id. devices may be NULL. */
const struct fs_options *fs_devices_find(struct fs_devices *devices, const char *id, GError **error);

#endif
