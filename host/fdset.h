/*
 * host/fdset.h - descriptors that a client handed over in numbered sets (add-fd, -add-fd); files named /dev/fdset/N are opened
 * from them. One thread.
 */
#ifndef HOST_FDSET_H
#define HOST_FDSET_H

#include "base/types.h"
#include <glib.h>

struct host_fdset_entry {
    s64 set;
    int fd;
    char *opaque; /* the client's note, or NULL */
};

struct host_fdsets {
    GArray *entries; /* of struct host_fdset_entry, by set */
};

struct host_fdsets *host_fdsets_create(void);
void host_fdsets_destroy(struct host_fdsets *sets); /* NULL is fine */

/* Takes fd over, also on failure. set -1: a new one. Returns the set's number or -1. */
s64 host_fdsets_add(struct host_fdsets *sets, int fd, s64 set, const char *opaque, GError **error);
/* fd -1: all of the set. Descriptors that were opened from it live on. */
bool host_fdsets_remove(struct host_fdsets *sets, s64 set, int fd, GError **error);

/*
 * open(2), close-on-exec; for /dev/fdset/N a duplicate of a descriptor of that set whose access mode is the one in `flags`. sets may
 * be NULL. -1 with errno set: EACCES when the set has no descriptor for that access.
 */
int host_fdset_open(struct host_fdsets *sets, const char *path, int flags, unsigned mode);

#endif
