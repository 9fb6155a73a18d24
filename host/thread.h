/* host/thread.h - threads with names (shown by ps -L and gdb). */
#ifndef HOST_THREAD_H
#define HOST_THREAD_H

#include "base/types.h"
#include <glib.h>
#include <pthread.h>

struct host_thread {
    pthread_t id;
    bool running;
};

/* Name: at most 15 bytes are shown. All signals but synchronous faults are blocked in the new thread. */
bool host_thread_start(struct host_thread *thread, const char *name, void *(*run)(void *), void *arg, GError **error);
void *host_thread_join(struct host_thread *thread);
u64 host_thread_id(void); /* as the kernel names it, for query-cpus-fast */

/* Makes every other thread of the process pass a core-serialising point (for code that was patched). */
void host_thread_serialise_all(void);

#endif
