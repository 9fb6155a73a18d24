/* host/lock.c - mutexes with ranks, condition variables on the monotonic clock. */
#include "host/lock.h"
#include <errno.h>
#include <time.h>

void host_lock_init(struct host_lock *lock, enum lock_rank rank)
{
    pthread_mutex_init(&lock->mutex, NULL);
    lock->rank = (u8)rank;
    lock->held = false;
}

void host_lock_finish(struct host_lock *lock)
{
    pthread_mutex_destroy(&lock->mutex);
}

static void note_taken(struct host_lock *lock)
{
    __atomic_store_n(&lock->holder, pthread_self(), __ATOMIC_RELAXED);
    __atomic_store_n(&lock->held, true, __ATOMIC_RELEASE);
    host_lock_rank_taken(lock);
}

void host_lock_take(struct host_lock *lock)
{
    host_lock_rank_check(lock);
    pthread_mutex_lock(&lock->mutex);
    note_taken(lock);
}

bool host_lock_try(struct host_lock *lock)
{
    host_lock_rank_check(lock);
    if (pthread_mutex_trylock(&lock->mutex))
        return false;
    note_taken(lock);
    return true;
}

void host_lock_drop(struct host_lock *lock)
{
    host_lock_rank_dropped(lock);
    __atomic_store_n(&lock->held, false, __ATOMIC_RELEASE);
    pthread_mutex_unlock(&lock->mutex);
}

/* Exact for the caller's own question: only the holder itself can see its own id behind held. */
bool host_lock_mine(const struct host_lock *lock)
{
    return __atomic_load_n(&lock->held, __ATOMIC_ACQUIRE) && pthread_equal(__atomic_load_n(&lock->holder, __ATOMIC_RELAXED), pthread_self());
}

void host_cond_init(struct host_cond *cond)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&cond->cond, &attr);
    pthread_condattr_destroy(&attr);
}

void host_cond_finish(struct host_cond *cond)
{
    pthread_cond_destroy(&cond->cond);
}

static void relock(struct host_lock *lock)
{
    __atomic_store_n(&lock->holder, pthread_self(), __ATOMIC_RELAXED);
    __atomic_store_n(&lock->held, true, __ATOMIC_RELEASE);
}

void host_cond_wait(struct host_cond *cond, struct host_lock *lock)
{
    __atomic_store_n(&lock->held, false, __ATOMIC_RELEASE);
    pthread_cond_wait(&cond->cond, &lock->mutex);
    relock(lock);
}

bool host_cond_wait_until(struct host_cond *cond, struct host_lock *lock, s64 deadline)
{
    struct timespec when = { .tv_sec = deadline / 1000000000, .tv_nsec = deadline % 1000000000 };

    if (deadline <= 0)
        return false;
    __atomic_store_n(&lock->held, false, __ATOMIC_RELEASE);
    int status = pthread_cond_timedwait(&cond->cond, &lock->mutex, &when);
    relock(lock);
    return status != ETIMEDOUT;
}

void host_cond_wake_all(struct host_cond *cond)
{
    pthread_cond_broadcast(&cond->cond);
}

void host_cond_wake_one(struct host_cond *cond)
{
    pthread_cond_signal(&cond->cond);
}
