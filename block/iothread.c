/* block/iothread.c - a thread that runs a loop. */
#include "block/iothread.h"
#include "base/error.h"
#include "host/lock.h"
#include "host/thread.h"

struct iothread {
    struct vm_object object;
    struct host_thread thread;
    struct block_loop *loop;
    struct block_work stop_work;
    bool stop; /* the loop's thread */
    u64 thread_id;
    s64 poll_max_ns, poll_grow, poll_shrink, poll_weight, aio_max_batch, thread_pool_min, thread_pool_max;
    struct host_lock lock;
    struct host_cond started;
};

static struct iothread *iothread_of(struct vm_object *object)
{
    return container_of(object, struct iothread, object);
}

static void stop(struct block_work *work)
{
    container_of(work, struct iothread, stop_work)->stop = true;
}

static void *run(void *arg)
{
    struct iothread *self = arg;

    block_loop_adopt(self->loop);
    host_lock_take(&self->lock);
    self->thread_id = host_thread_id();
    host_cond_wake_all(&self->started);
    host_lock_drop(&self->lock);
    while (!self->stop)
        block_loop_iterate(self->loop);
    return NULL;
}

static void join(struct iothread *self)
{
    self->stop_work.run = stop;
    block_loop_post(self->loop, &self->stop_work);
    host_thread_join(&self->thread);
    block_loop_adopt(self->loop);
}

static bool realize(struct vm_object *object, GError **error)
{
    struct iothread *self = iothread_of(object);
    g_autofree char *name = g_strdup_printf("IO %s", object->name);

    self->loop = block_loop_create(error);
    if (!self->loop)
        return false;
    host_lock_init(&self->lock, LOCK_RANK_LEAF);
    host_cond_init(&self->started);
    if (!host_thread_start(&self->thread, name, run, self, error)) {
        g_clear_pointer(&self->loop, block_loop_destroy);
        return false;
    }
    host_lock_take(&self->lock);
    while (!self->thread_id)
        host_cond_wait(&self->started, &self->lock);
    host_lock_drop(&self->lock);
    return true;
}

static void unrealize(struct vm_object *object)
{
    struct iothread *self = iothread_of(object);

    if (!self->loop)
        return;
    join(self);
    g_clear_pointer(&self->loop, block_loop_destroy);
    host_cond_finish(&self->started);
    host_lock_finish(&self->lock);
}

struct block_loop *iothread_loop(struct vm_object *object)
{
    return iothread_of(object)->loop;
}

u64 iothread_thread_id(struct vm_object *object)
{
    return iothread_of(object)->thread_id;
}

void iothread_use(struct vm_object *object, int delta)
{
    object->users += (unsigned)delta;
}

#define NUMBER(text, field, otherwise, help)                                                                                        \
    { text, VM_PROPERTY_S64, help, .offset = offsetof(struct iothread, field), .default_text = otherwise, .max = INT64_MAX, .live = true }

static const struct vm_property properties[] = {
    NUMBER("poll-max-ns", poll_max_ns, "32768", "accepted; the thread sleeps when there is nothing to do"),
    NUMBER("poll-grow", poll_grow, "0", "accepted"),
    NUMBER("poll-shrink", poll_shrink, "0", "accepted"),
    NUMBER("poll-weight", poll_weight, "0", "accepted"),
    NUMBER("aio-max-batch", aio_max_batch, "0", "accepted"),
    NUMBER("thread-pool-min", thread_pool_min, "0", "accepted"),
    NUMBER("thread-pool-max", thread_pool_max, "64", "accepted"),
    { 0 },
};

VM_CLASS(iothread) {
    .name = "iothread", .parent = "user-creatable", .description = "a thread for the work of disks", .user_creatable = true,
    .size = sizeof(struct iothread), .properties = properties, .realize = realize, .unrealize = unrealize,
};
