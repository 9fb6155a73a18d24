/*
 * host/private.h - folders and files that nobody but this user may read or write, for what is trusted because of that. Calls block.
 * Any thread. Functions that return a descriptor return -1 on error.
 */
#ifndef HOST_PRIVATE_H
#define HOST_PRIVATE_H

#include "base/types.h"
#include <glib.h>
#include <sys/uio.h>

/* Opens a folder, which is made (0700) when it is not there, its parents excepted. An error unless it is the user's and closed to all others. */
int host_private_folder(const char *path, GError **error);
/* Opens a file in it for reading: a regular one, not a link, the user's and closed to all others. *size: in bytes. No error when there is none. */
int host_private_open(int folder, const char *name, u64 *size, GError **error);
/* The whole of a file of that size. */
bool host_private_read(int file, void *to, u64 size, GError **error);
/* Makes it the last one that host_private_trim removes. */
void host_private_touch(int file);
/* A file (0600) takes the place of the one with this name, if any: whole or not at all. */
bool host_private_replace(int folder, const char *name, const struct iovec *part, u32 count, GError **error);
/* Waits until nobody else holds the folder's lock, which goes with host_private_close. -1: it cannot be had. */
int host_private_lock(int folder);
/* Removes what writers that were killed left unfinished. The folder's lock is held, so nobody writes. */
void host_private_sweep(int folder);
/* Leaves at most `keep` files whose names end so, those last written or touched. */
void host_private_trim(int folder, const char *suffix, u32 keep);
void host_private_close(int fd); /* -1 is fine */

#endif
