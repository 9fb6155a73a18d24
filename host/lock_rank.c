/* host/lock_rank.c - debug builds: no thread takes a lock while it holds one of an equal or higher rank. */
#include "host/lock.h"
#ifdef MYNAH_DEBUG_LOCKS
#include <stdio.h>
#include <stdlib.h>

enum { DEPTH = 8 };

/* The ranks that this thread holds; on the allow-list of scripts/static-data-allowed (debug builds only). */
static _Thread_local struct {
    const struct host_lock *lock[DEPTH];
    unsigned count;
} held_locks;

void host_lock_rank_check(const struct host_lock *lock)
{
    for (unsigned i = 0; i < held_locks.count; i++) {
        if (held_locks.lock[i]->rank < lock->rank)
            continue;
        fprintf(stderr, "mynah: lock of rank %d taken while holding rank %d\n", lock->rank, held_locks.lock[i]->rank);
        abort();
    }
}

void host_lock_rank_taken(const struct host_lock *lock)
{
    if (held_locks.count < DEPTH)
        held_locks.lock[held_locks.count++] = lock;
}

void host_lock_rank_dropped(const struct host_lock *lock)
{
    for (unsigned i = held_locks.count; i-- > 0;) {
        if (held_locks.lock[i] == lock) {
            held_locks.lock[i] = held_locks.lock[--held_locks.count];
            return;
        }
    }
}
#endif
