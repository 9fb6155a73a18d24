/* host/folders.h - where this system keeps files that Mynah looks for. Any thread. */
#ifndef HOST_FOLDERS_H
#define HOST_FOLDERS_H

#include "base/types.h"
#include <glib.h>

/* Appends the folders of guest firmware in the order to search: the demo's cache, Debian's packages. Elements are the caller's. */
void host_folders_add_firmware(GPtrArray *folders);

#endif
