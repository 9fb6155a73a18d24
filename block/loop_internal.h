/* block/loop_internal.h - what the files of the loop share. */
#ifndef BLOCK_LOOP_INTERNAL_H
#define BLOCK_LOOP_INTERNAL_H

#include "block/loop.h"
#include "host/fiber.h"
#include "host/lock.h"

struct block_workers;

struct block_fiber {
    struct block_loop *loop;
    struct host_fiber *stack;
    void (*fn)(void *opaque);
    void *opaque;
    s64 deadline;
};

struct block_loop {
    pthread_t thread;
    int event;
    struct block_work *posted; /* a stack; any thread pushes */
    GQueue ready;              /* fibers that go on */
    GQueue sleeping;           /* fibers, nearest deadline first */
    GQueue idle;               /* fibers without a function */
    struct block_fiber *current;
    unsigned alive; /* fibers with a function */
    GSource *source;
    struct block_workers *workers;
    struct host_uring *uring;
    bool uring_tried;
    bool alone;
    bool dispatching; /* what is made ready runs without the event */
};

/* block/workers.c */
struct block_workers *block_workers_create(void);
void block_workers_destroy(struct block_workers *workers); /* waits for the threads; NULL is fine */

#endif
