/*
 * block/loop.h - where block nodes run: one thread, many fibers. A fiber is a request (or a tool's main function) written as a
 * straight line; it stops at I/O and lets others run. Nothing that only fibers of one loop touch needs a lock, and nothing
 * changes behind a fiber's back except while it waits. docs/decisions/block-fibers.md says why.
 *
 * Threads: functions are for the loop's own thread unless they say otherwise.
 */
#ifndef BLOCK_LOOP_H
#define BLOCK_LOOP_H

#include "base/types.h"
#include <glib.h>
#include <pthread.h>

struct block_loop;
struct block_fiber;
struct host_uring;

/* Something that runs in the loop's thread, outside of any fiber. Embedded in the caller's struct; free again once it runs. */
struct block_work {
    void (*run)(struct block_work *work);
    struct block_work *next;
};

/* The calling thread becomes the loop's thread (block_loop_adopt changes that). */
struct block_loop *block_loop_create(GError **error);
void block_loop_destroy(struct block_loop *loop); /* no fiber is alive; NULL is fine */
void block_loop_adopt(struct block_loop *loop);
bool block_loop_is_mine(const struct block_loop *loop);
/*
 * The calling thread is the loop's until it gives it back. It holds what the loop's own thread takes before it runs the loop (of a machine's
 * main loop: the machine lock): otherwise it would wait for that thread, and that one for it.
 */
pthread_t block_loop_borrow(struct block_loop *loop);
void block_loop_give_back(struct block_loop *loop, pthread_t owner);

/*
 * Whether nobody but the loop's fibers needs its thread (a tool): it then copies to and from the host's page cache itself, where a
 * machine's loop would have the kernel or a worker do it. Off at first.
 */
void block_loop_set_alone(struct block_loop *loop, bool alone);
bool block_loop_is_alone(const struct block_loop *loop);

/* Any thread. */
void block_loop_post(struct block_loop *loop, struct block_work *work);

/* Runs what can run, without sleeping. Not from a fiber. */
void block_loop_dispatch(struct block_loop *loop);
/* Sleeps until there is something to run, then dispatches. */
void block_loop_iterate(struct block_loop *loop);
/* Has the context (of the loop's thread) dispatch the loop. Undone by block_loop_destroy. */
void block_loop_attach(struct block_loop *loop, GMainContext *context);

/* Runs fn(opaque) in a new fiber until that waits for the first time. From a fiber: later. */
void block_loop_spawn(struct block_loop *loop, void (*fn)(void *opaque), void *opaque);
/*
 * Runs fn(opaque) in a fiber of the loop and returns when it has returned. Any thread; a foreign thread sleeps, the loop's own
 * thread runs the loop's fibers meanwhile (and nothing else). In a fiber of the same loop it is a plain call.
 */
void block_loop_call(struct block_loop *loop, void (*fn)(void *opaque), void *opaque);

/* The fiber that runs, or NULL outside of fibers. */
struct block_fiber *block_fiber_self(struct block_loop *loop);
/* Stops the running fiber until somebody wakes it. */
void block_fiber_wait(struct block_loop *loop);
/* The fiber goes on soon; it waits. The loop's thread. */
void block_fiber_wake(struct block_fiber *fiber);
/* ns of host_clock_monotonic. */
void block_fiber_sleep_until(struct block_loop *loop, s64 deadline);

/* Fibers that wait for something, first come first served. */
struct block_queue {
    GQueue waiting;
};
void block_queue_wait(struct block_queue *queue, struct block_loop *loop);
bool block_queue_wake_one(struct block_queue *queue);
void block_queue_wake_all(struct block_queue *queue);

/* A lock among fibers of one loop, fair. */
struct block_mutex {
    bool held;
    struct block_queue queue;
};
void block_mutex_take(struct block_mutex *mutex, struct block_loop *loop);
void block_mutex_drop(struct block_mutex *mutex);

/* Runs fn(opaque) in a worker thread while the fiber waits. */
void block_loop_work(struct block_loop *loop, void (*fn)(void *opaque), void *opaque);
/* The loop's ring, made at first use; NULL when the kernel has none. */
struct host_uring *block_loop_uring(struct block_loop *loop);

#endif
