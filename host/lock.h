/*
 * host/lock.h - mutexes with ranks. A thread may take a lock only when it holds none of an equal or higher rank;
 * builds with MYNAH_DEBUG_LOCKS check it (docs/architecture.md, "Threads"). Any thread.
 */
#ifndef HOST_LOCK_H
#define HOST_LOCK_H

#include "base/types.h"
#include <pthread.h>

enum lock_rank {
    LOCK_RANK_MACHINE = 10,   /* vm_lock: device hooks, object tree */
    LOCK_RANK_DEVICE_LINE = 12, /* a device's interrupt, which several threads raise and lower (vm/line.h) */
    LOCK_RANK_BUS_LINES = 14, /* lines that functions of a bus share */
    LOCK_RANK_CONTROLLER = 16, /* an output of an interrupt controller */
    LOCK_RANK_TRANSLATE = 20, /* accel/tcg: translating and patching */
    LOCK_RANK_TIER2 = 25,     /* accel/tcg: whom the sampler asks */
    LOCK_RANK_VCPU = 30,      /* one vCPU's wake-up */
    LOCK_RANK_TIMERS = 40,
    LOCK_RANK_INBOX = 50,
    LOCK_RANK_EPOCH = 60,
    LOCK_RANK_LEAF = 90,      /* private to one file, calls nothing */
};

struct host_lock {
    pthread_mutex_t mutex;
    pthread_t holder;
    u8 rank;
    bool held;
};

void host_lock_init(struct host_lock *lock, enum lock_rank rank);
void host_lock_finish(struct host_lock *lock);
void host_lock_take(struct host_lock *lock);
/* Takes it if nobody has it. */
bool host_lock_try(struct host_lock *lock);
void host_lock_drop(struct host_lock *lock);
/* True when the calling thread holds it. */
bool host_lock_mine(const struct host_lock *lock);

/* Rank checks, empty unless MYNAH_DEBUG_LOCKS is defined (debug builds). */
#ifdef MYNAH_DEBUG_LOCKS
void host_lock_rank_check(const struct host_lock *lock);
void host_lock_rank_taken(const struct host_lock *lock);
void host_lock_rank_dropped(const struct host_lock *lock);
#else
static inline void host_lock_rank_check(const struct host_lock *lock)
{
    (void)lock;
}
static inline void host_lock_rank_taken(const struct host_lock *lock)
{
    (void)lock;
}
static inline void host_lock_rank_dropped(const struct host_lock *lock)
{
    (void)lock;
}
#endif

struct host_cond {
    pthread_cond_t cond;
};

void host_cond_init(struct host_cond *cond);
void host_cond_finish(struct host_cond *cond);
void host_cond_wait(struct host_cond *cond, struct host_lock *lock);
/* deadline in ns of host_clock_monotonic(); false when it passed. */
bool host_cond_wait_until(struct host_cond *cond, struct host_lock *lock, s64 deadline);
void host_cond_wake_one(struct host_cond *cond);
void host_cond_wake_all(struct host_cond *cond);

#endif
