/* block/loop.c - the loop: what was posted, fibers that go on, deadlines, the ring. */
#include "block/loop_internal.h"
#include "host/clock.h"
#include "host/event.h"
#include "host/file.h"
#include "host/uring.h"

enum { IDLE_FIBERS = 64 };

struct block_loop *block_loop_create(GError **error)
{
    int event = host_event_create(error);
    struct block_loop *loop;

    if (event < 0)
        return NULL;
    loop = g_new0(struct block_loop, 1);
    loop->event = event;
    block_loop_adopt(loop);
    return loop;
}

static void destroy_fiber(struct block_fiber *fiber)
{
    host_fiber_destroy(fiber->stack);
    g_free(fiber);
}

void block_loop_destroy(struct block_loop *loop)
{
    if (!loop)
        return;
    if (loop->source) {
        g_source_destroy(loop->source);
        g_source_unref(loop->source);
    }
    block_workers_destroy(loop->workers);
    host_uring_destroy(loop->uring);
    g_queue_clear_full(&loop->idle, (GDestroyNotify)destroy_fiber);
    host_file_close(loop->event);
    g_free(loop);
}

void block_loop_adopt(struct block_loop *loop)
{
    __atomic_store_n(&loop->thread, pthread_self(), __ATOMIC_RELAXED);
}

pthread_t block_loop_borrow(struct block_loop *loop)
{
    pthread_t owner = loop->thread;

    block_loop_adopt(loop);
    return owner;
}

void block_loop_give_back(struct block_loop *loop, pthread_t owner)
{
    __atomic_store_n(&loop->thread, owner, __ATOMIC_RELAXED);
    host_event_set(loop->event); /* it may have to sleep less long than it believes */
}

void block_loop_set_alone(struct block_loop *loop, bool alone)
{
    loop->alone = alone;
}

bool block_loop_is_alone(const struct block_loop *loop)
{
    return loop->alone;
}

bool block_loop_is_mine(const struct block_loop *loop)
{
    return pthread_equal(__atomic_load_n(&loop->thread, __ATOMIC_RELAXED), pthread_self());
}

void block_loop_post(struct block_loop *loop, struct block_work *work)
{
    struct block_work *first = __atomic_load_n(&loop->posted, __ATOMIC_RELAXED);
    int event = block_loop_is_mine(loop) && loop->dispatching ? -1 : loop->event; /* our own turn comes to it before it sleeps */

    do
        work->next = first;
    while (!__atomic_compare_exchange_n(&loop->posted, &first, work, true, __ATOMIC_RELEASE, __ATOMIC_RELAXED));
    /* An earlier poster has set the event. (The work, and what holds it, may be gone by now.) */
    if (!first && event >= 0)
        host_event_set(event);
}

struct host_uring *block_loop_uring(struct block_loop *loop)
{
    if (!loop->uring_tried) {
        loop->uring = host_uring_create(loop->event, NULL);
        loop->uring_tried = true;
    }
    return loop->uring;
}

/* Oldest first. */
static struct block_work *take_posted(struct block_loop *loop)
{
    struct block_work *work, *list = NULL;

    if (!__atomic_load_n(&loop->posted, __ATOMIC_RELAXED))
        return NULL;
    work = __atomic_exchange_n(&loop->posted, NULL, __ATOMIC_ACQUIRE);
    while (work) {
        struct block_work *next = work->next;

        work->next = list;
        list = work;
        work = next;
    }
    return list;
}

static bool run_posted(struct block_loop *loop)
{
    struct block_work *work = take_posted(loop);
    bool any = work != NULL;

    while (work) {
        struct block_work *next = work->next;

        work->run(work);
        work = next;
    }
    return any;
}

static void enter(struct block_loop *loop, struct block_fiber *fiber)
{
    loop->current = fiber;
    bool returned = host_fiber_enter(fiber->stack, fiber->fn, fiber->opaque);
    loop->current = NULL;
    if (!returned)
        return;
    loop->alive--;
    if (loop->idle.length < IDLE_FIBERS)
        g_queue_push_head(&loop->idle, fiber);
    else
        destroy_fiber(fiber);
}

static bool run_ready(struct block_loop *loop)
{
    bool any = false;
    struct block_fiber *fiber;

    while ((fiber = g_queue_pop_head(&loop->ready))) {
        enter(loop, fiber);
        any = true;
    }
    return any;
}

static void wake_sleepers(struct block_loop *loop)
{
    struct block_fiber *fiber;

    if (g_queue_is_empty(&loop->sleeping))
        return;
    s64 now = host_clock_monotonic();
    while ((fiber = g_queue_peek_head(&loop->sleeping)) && fiber->deadline <= now)
        block_fiber_wake(g_queue_pop_head(&loop->sleeping));
}

static bool run_ring(struct block_loop *loop)
{
    if (!loop->uring)
        return false;
    host_uring_submit(loop->uring);
    return host_uring_reap(loop->uring) != 0;
}

void block_loop_dispatch(struct block_loop *loop)
{
    bool any;

    g_assert(!loop->current);
    loop->dispatching = true;
    do {
        wake_sleepers(loop);
        any = run_posted(loop);
        any |= run_ready(loop);
        any |= run_ring(loop);
    } while (any);
    loop->dispatching = false;
}

static s64 next_deadline(struct block_loop *loop)
{
    struct block_fiber *fiber = g_queue_peek_head(&loop->sleeping);

    return fiber ? fiber->deadline : INT64_MAX;
}

void block_loop_iterate(struct block_loop *loop)
{
    host_event_wait(loop->event, next_deadline(loop));
    host_event_clear(loop->event);
    block_loop_dispatch(loop);
}

struct loop_source {
    GSource source;
    struct block_loop *loop;
    gpointer tag;
};

static gboolean source_prepare(GSource *source, gint *timeout)
{
    struct block_loop *loop = ((struct loop_source *)source)->loop;
    s64 deadline = next_deadline(loop);

    /* Milliseconds, rounded up: GLib's timeouts are no finer. */
    *timeout = deadline == INT64_MAX ? -1 : (gint)CLAMP((deadline - host_clock_monotonic() + 999999) / 1000000, 0, 1000000);
    return *timeout == 0 || loop->ready.length || __atomic_load_n(&loop->posted, __ATOMIC_RELAXED);
}

static gboolean source_check(GSource *source)
{
    struct loop_source *s = (struct loop_source *)source;

    return g_source_query_unix_fd(source, s->tag) != 0 || next_deadline(s->loop) <= host_clock_monotonic();
}

static gboolean source_dispatch(GSource *source, GSourceFunc callback, gpointer data)
{
    struct block_loop *loop = ((struct loop_source *)source)->loop;

    host_event_clear(loop->event);
    block_loop_dispatch(loop);
    return G_SOURCE_CONTINUE;
}

void block_loop_attach(struct block_loop *loop, GMainContext *context)
{
    static const GSourceFuncs functions = { .prepare = source_prepare, .check = source_check, .dispatch = source_dispatch };

    loop->source = g_source_new((GSourceFuncs *)&functions, sizeof(struct loop_source));
    struct loop_source *s = (struct loop_source *)loop->source;
    s->loop = loop;
    s->tag = g_source_add_unix_fd(loop->source, loop->event, G_IO_IN);
    g_source_attach(loop->source, context);
}

static struct block_fiber *new_fiber(struct block_loop *loop, void (*fn)(void *opaque), void *opaque)
{
    enum { STACK = 1 << 20 };
    struct block_fiber *fiber = g_queue_pop_head(&loop->idle);
    g_autoptr(GError) error = NULL;

    if (!fiber) {
        fiber = g_new0(struct block_fiber, 1);
        fiber->loop = loop;
        fiber->stack = host_fiber_create(STACK, &error);
        if (!fiber->stack)
            g_error("%s", error->message); /* out of address space, as when malloc fails */
    }
    fiber->fn = fn;
    fiber->opaque = opaque;
    loop->alive++;
    return fiber;
}

void block_loop_spawn(struct block_loop *loop, void (*fn)(void *opaque), void *opaque)
{
    struct block_fiber *fiber = new_fiber(loop, fn, opaque);

    if (loop->current)
        g_queue_push_tail(&loop->ready, fiber);
    else
        enter(loop, fiber);
}
