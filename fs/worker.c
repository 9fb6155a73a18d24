/* fs/worker.c - a 9P server on a thread of its own. */
#include "fs/worker.h"

struct job {
    GByteArray *message; /* NULL: begin anew; or end, when `request` is the worker */
    u32 room;
    u32 generation;
    void *request;
};

struct p9_worker {
    struct fs_share *share;
    struct p9_server *server;
    p9_done *done;
    void *opaque;
    GThread *thread;
    GAsyncQueue *jobs;
    gint generation; /* atomic; jobs of an older one are not carried out */
    GMutex lock;     /* paused */
    GCond go_on;
    bool paused;
};

static void submit(struct p9_worker *worker, GByteArray *message, u32 room, void *request)
{
    struct job *job = g_new(struct job, 1);

    *job = (struct job){message, room, (u32)g_atomic_int_get(&worker->generation), request};
    g_async_queue_push(worker->jobs, job);
}

static void carry_out(struct p9_worker *worker, struct job *job)
{
    bool stale = job->generation != (u32)g_atomic_int_get(&worker->generation);
    GByteArray *answer = g_byte_array_new();

    if (stale || !p9_server_handle(worker->server, job->message->data, job->message->len, job->room, answer)) {
        g_byte_array_unref(answer);
        answer = NULL;
    }
    g_autofree char *notice = fs_share_take_notice(worker->share);
    if (notice)
        g_printerr("warning: %s\n", notice);
    worker->done(worker->opaque, job->request, answer);
    g_byte_array_unref(job->message);
}

static void wait_for_go(struct p9_worker *worker)
{
    g_mutex_lock(&worker->lock);
    while (worker->paused)
        g_cond_wait(&worker->go_on, &worker->lock);
    g_mutex_unlock(&worker->lock);
}

static gpointer work(gpointer data)
{
    struct p9_worker *worker = data;

    for (;;) {
        g_autofree struct job *job = g_async_queue_pop(worker->jobs);

        wait_for_go(worker);
        if (job->message)
            carry_out(worker, job);
        else if (job->request == worker)
            return NULL;
        else
            p9_server_reset(worker->server);
    }
}

struct p9_worker *p9_worker_create(const struct fs_options *options, p9_done *done, void *opaque, GError **error)
{
    struct fs_share *share = fs_share_open(options, error);
    struct p9_worker *worker;

    if (!share)
        return NULL;
    worker = g_new0(struct p9_worker, 1);
    worker->share = share;
    worker->server = p9_server_create(share);
    worker->done = done;
    worker->opaque = opaque;
    worker->jobs = g_async_queue_new();
    g_mutex_init(&worker->lock);
    g_cond_init(&worker->go_on);
    worker->thread = g_thread_new("9p", work, worker);
    return worker;
}

void p9_worker_destroy(struct p9_worker *worker)
{
    if (!worker)
        return;
    g_atomic_int_inc(&worker->generation);
    submit(worker, NULL, 0, worker);
    p9_worker_pause(worker, false);
    g_thread_join(worker->thread);
    g_cond_clear(&worker->go_on);
    g_mutex_clear(&worker->lock);
    g_async_queue_unref(worker->jobs);
    p9_server_destroy(worker->server);
    fs_share_close(worker->share);
    g_free(worker);
}

void p9_worker_submit(struct p9_worker *worker, GByteArray *message, u32 room, void *request)
{
    submit(worker, message, room, request);
}

void p9_worker_pause(struct p9_worker *worker, bool paused)
{
    g_mutex_lock(&worker->lock);
    worker->paused = paused;
    g_cond_signal(&worker->go_on);
    g_mutex_unlock(&worker->lock);
}

void p9_worker_reset(struct p9_worker *worker)
{
    g_atomic_int_inc(&worker->generation);
    submit(worker, NULL, 0, NULL);
}
