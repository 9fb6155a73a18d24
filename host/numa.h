/* host/numa.h - NUMA nodes of the host: where a range of memory comes from. Any thread. */
#ifndef HOST_NUMA_H
#define HOST_NUMA_H

#include "base/types.h"
#include <glib.h>

enum { HOST_NUMA_NODES = 128 }; /* node numbers are below it */

enum host_numa_policy { HOST_NUMA_DEFAULT, HOST_NUMA_PREFERRED, HOST_NUMA_BIND, HOST_NUMA_INTERLEAVE };

/* Applies to pages of the range (whole pages) that are not there yet. nodes: a bit each, HOST_NUMA_NODES of them. */
bool host_numa_bind(void *address, u64 size, enum host_numa_policy policy, const u64 *nodes, GError **error);

#endif
