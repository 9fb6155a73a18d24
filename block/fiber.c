/* block/fiber.c - waiting and waking: fibers, queues, mutexes, calls from other threads. */
#include "block/loop_internal.h"
#include "host/event.h"

struct block_fiber *block_fiber_self(struct block_loop *loop)
{
    return block_loop_is_mine(loop) ? loop->current : NULL;
}

void block_fiber_wait(struct block_loop *loop)
{
    struct block_fiber *fiber = loop->current;

    g_assert(fiber);
    host_fiber_leave(fiber->stack);
}

void block_fiber_wake(struct block_fiber *fiber)
{
    struct block_loop *loop = fiber->loop;

    g_queue_push_tail(&loop->ready, fiber);
    if (!loop->current && !loop->dispatching)
        host_event_set(loop->event);
}

static gint nearer(gconstpointer a, gconstpointer b, gpointer data)
{
    const struct block_fiber *x = a, *y = b;

    return x->deadline < y->deadline ? -1 : x->deadline > y->deadline;
}

void block_fiber_sleep_until(struct block_loop *loop, s64 deadline)
{
    loop->current->deadline = deadline;
    g_queue_insert_sorted(&loop->sleeping, loop->current, nearer, NULL);
    block_fiber_wait(loop);
}

void block_queue_wait(struct block_queue *queue, struct block_loop *loop)
{
    g_queue_push_tail(&queue->waiting, loop->current);
    block_fiber_wait(loop);
}

bool block_queue_wake_one(struct block_queue *queue)
{
    struct block_fiber *fiber = g_queue_pop_head(&queue->waiting);

    if (fiber)
        block_fiber_wake(fiber);
    return fiber != NULL;
}

void block_queue_wake_all(struct block_queue *queue)
{
    while (block_queue_wake_one(queue))
        ;
}

void block_mutex_take(struct block_mutex *mutex, struct block_loop *loop)
{
    if (mutex->held) {
        block_queue_wait(&mutex->queue, loop); /* it was handed over */
        return;
    }
    mutex->held = true;
}

void block_mutex_drop(struct block_mutex *mutex)
{
    if (!block_queue_wake_one(&mutex->queue))
        mutex->held = false;
}

struct call {
    struct block_work work;
    struct block_loop *loop;
    void (*fn)(void *opaque);
    void *opaque;
    bool done, foreign;
    struct host_lock lock;
    struct host_cond cond;
};

static void run_call(void *opaque)
{
    struct call *call = opaque;

    call->fn(call->opaque);
    if (!call->foreign) {
        call->done = true;
        return;
    }
    host_lock_take(&call->lock);
    call->done = true;
    host_cond_wake_all(&call->cond);
    host_lock_drop(&call->lock);
}

static void call_arrives(struct block_work *work)
{
    struct call *call = container_of(work, struct call, work);

    block_loop_spawn(call->loop, run_call, call);
}

static void call_foreign(struct call *call)
{
    call->foreign = true;
    call->work.run = call_arrives;
    host_lock_init(&call->lock, LOCK_RANK_LEAF);
    host_cond_init(&call->cond);
    block_loop_post(call->loop, &call->work);
    host_lock_take(&call->lock);
    while (!call->done)
        host_cond_wait(&call->cond, &call->lock);
    host_lock_drop(&call->lock);
    host_cond_finish(&call->cond);
    host_lock_finish(&call->lock);
}

void block_loop_call(struct block_loop *loop, void (*fn)(void *opaque), void *opaque)
{
    struct call call = { .loop = loop, .fn = fn, .opaque = opaque };

    if (!block_loop_is_mine(loop)) {
        call_foreign(&call);
        return;
    }
    if (loop->current) {
        fn(opaque);
        return;
    }
    block_loop_spawn(loop, run_call, &call);
    block_loop_dispatch(loop);
    while (!call.done)
        block_loop_iterate(loop);
}
