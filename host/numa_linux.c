/* host/numa_linux.c - mbind(2). */
#include "host/numa.h"
#include "base/error.h"
#include <errno.h>
#include <linux/mempolicy.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

bool host_numa_bind(void *address, u64 size, enum host_numa_policy policy, const u64 *nodes, GError **error)
{
    static const int modes[] = {MPOL_DEFAULT, MPOL_PREFERRED, MPOL_BIND, MPOL_INTERLEAVE};
    unsigned long mask[HOST_NUMA_NODES / (8 * sizeof(unsigned long)) + 1] = {0};

    if (policy == HOST_NUMA_DEFAULT)
        return true;
    memcpy(mask, nodes, HOST_NUMA_NODES / 8);
    /* The kernel looks at one bit less than it is told. */
    if (syscall(SYS_mbind, address, size, modes[policy], mask, HOST_NUMA_NODES + 1UL, MPOL_MF_STRICT | MPOL_MF_MOVE) == 0)
        return true;
    if (errno == ENOSYS)
        return error_set(error, "the host has no NUMA memory policies");
    return error_set(error, "cannot bind memory to the host's NUMA nodes: %s", strerror(errno));
}
