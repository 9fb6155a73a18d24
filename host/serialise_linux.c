/* host/serialise_linux.c - core-serialising barriers on all threads (membarrier(2)). */
#include "host/thread.h"
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

void host_thread_serialise_all(void)
{
    /* Registering again is cheap and keeps no state here. */
    if (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0) == 0)
        return;
    syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0);
    syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0);
}
