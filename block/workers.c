/* block/workers.c - threads for calls that block; they come when there is work and go after ten idle seconds. */
#include "block/loop_internal.h"
#include "host/clock.h"
#include "host/thread.h"

enum { MAX_THREADS = 64 };

struct job {
    struct block_work work; /* the way back */
    struct block_loop *loop;
    struct block_fiber *fiber;
    void (*fn)(void *opaque);
    void *opaque;
};

struct block_workers {
    struct host_lock lock;
    struct host_cond cond;
    GQueue jobs;
    unsigned threads, idle;
    bool stop;
    GQueue ended; /* of struct host_thread *, to be joined */
};

struct worker {
    struct block_workers *workers;
    struct host_thread thread;
};

static void job_done(struct block_work *work)
{
    block_fiber_wake(container_of(work, struct job, work)->fiber);
}

/* The next job, or NULL when the thread shall end. With the lock. */
static struct job *next_job(struct block_workers *workers)
{
    s64 until = host_clock_monotonic() + 10 * (s64)1000000000;

    workers->idle++;
    while (g_queue_is_empty(&workers->jobs) && !workers->stop)
        if (!host_cond_wait_until(&workers->cond, &workers->lock, until))
            break;
    workers->idle--;
    return g_queue_pop_head(&workers->jobs);
}

static void *work(void *arg)
{
    struct worker *self = arg;
    struct block_workers *workers = self->workers;
    struct job *job;

    host_lock_take(&workers->lock);
    while ((job = next_job(workers))) {
        host_lock_drop(&workers->lock);
        job->fn(job->opaque);
        block_loop_post(job->loop, &job->work);
        host_lock_take(&workers->lock);
    }
    workers->threads--;
    g_queue_push_tail(&workers->ended, self);
    host_cond_wake_all(&workers->cond);
    host_lock_drop(&workers->lock);
    return NULL;
}

struct block_workers *block_workers_create(void)
{
    struct block_workers *workers = g_new0(struct block_workers, 1);

    host_lock_init(&workers->lock, LOCK_RANK_LEAF);
    host_cond_init(&workers->cond);
    return workers;
}

/* With the lock, which is dropped around the join. */
static void join_ended(struct block_workers *workers)
{
    struct worker *worker;

    while ((worker = g_queue_pop_head(&workers->ended))) {
        host_lock_drop(&workers->lock);
        host_thread_join(&worker->thread);
        g_free(worker);
        host_lock_take(&workers->lock);
    }
}

void block_workers_destroy(struct block_workers *workers)
{
    if (!workers)
        return;
    host_lock_take(&workers->lock);
    workers->stop = true;
    host_cond_wake_all(&workers->cond);
    while (workers->threads)
        host_cond_wait(&workers->cond, &workers->lock);
    join_ended(workers);
    host_lock_drop(&workers->lock);
    host_cond_finish(&workers->cond);
    host_lock_finish(&workers->lock);
    g_free(workers);
}

/* With the lock. */
static bool start_thread(struct block_workers *workers)
{
    struct worker *worker = g_new0(struct worker, 1);

    worker->workers = workers;
    if (!host_thread_start(&worker->thread, "disk-worker", work, worker, NULL)) {
        g_free(worker);
        return false;
    }
    workers->threads++;
    return true;
}

void block_loop_work(struct block_loop *loop, void (*fn)(void *opaque), void *opaque)
{
    struct job job = { .work.run = job_done, .loop = loop, .fiber = loop->current, .fn = fn, .opaque = opaque };
    struct block_workers *workers;
    bool ok = true;

    if (!loop->workers)
        loop->workers = block_workers_create();
    workers = loop->workers;
    host_lock_take(&workers->lock);
    join_ended(workers);
    if (workers->idle <= workers->jobs.length && workers->threads < MAX_THREADS)
        ok = start_thread(workers) || workers->threads;
    if (ok) {
        g_queue_push_tail(&workers->jobs, &job);
        host_cond_wake_one(&workers->cond);
    }
    host_lock_drop(&workers->lock);
    if (ok)
        block_fiber_wait(loop);
    else
        fn(opaque); /* no thread to be had: do it here */
}
