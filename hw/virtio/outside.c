/*
 * hw/virtio/outside.c - rings that loops of iothreads work on, outside of the machine lock (docs/decisions/iothread-rings.md). Who holds
 * the machine lock and wants the device for himself pauses those loops: they never wait, but come back when they may.
 */
#include "hw/virtio/internal.h"
#include "host/epoch.h"
#include "host/lock.h"
#include "vm/icount.h"

struct virtio_outside {
    struct virtio_device *virtio;
    u32 inside;  /* atomic: loops at work */
    u32 paused;  /* atomic: who keeps them out; changed with the machine lock */
    bool stopped; /* the machine is one of those */
    struct host_lock lock;
    struct host_cond empty;
};

static u32 load(const u32 *at)
{
    return __atomic_load_n(at, __ATOMIC_SEQ_CST);
}

static void leave(struct virtio_outside *o)
{
    if (__atomic_sub_fetch(&o->inside, 1, __ATOMIC_SEQ_CST) || !load(&o->paused))
        return;
    host_lock_take(&o->lock);
    host_cond_wake_all(&o->empty);
    host_lock_drop(&o->lock);
}

static bool enter(struct virtio_outside *o)
{
    __atomic_add_fetch(&o->inside, 1, __ATOMIC_SEQ_CST);
    if (!load(&o->paused))
        return true;
    leave(o);
    return false;
}

void virtio_queue_poke(struct virtio_queue *queue)
{
    if (!__atomic_exchange_n(&queue->posted, 1, __ATOMIC_SEQ_CST))
        block_loop_post(queue->loop, &queue->work);
}

/* Either whoever resumes sees that this one wants to come back, or this one sees that it may. */
static void come_back(struct virtio_queue *queue)
{
    __atomic_store_n(&queue->refused, 1, __ATOMIC_SEQ_CST);
    if (!load(&queue->virtio->outside->paused) && __atomic_exchange_n(&queue->refused, 0, __ATOMIC_SEQ_CST))
        virtio_queue_poke(queue);
}

/* The loop's thread. */
static void run(struct block_work *work)
{
    struct virtio_queue *queue = container_of(work, struct virtio_queue, work);
    struct virtio_device *virtio = queue->virtio;

    __atomic_store_n(&queue->posted, 0, __ATOMIC_SEQ_CST);
    if (!enter(virtio->outside)) {
        come_back(queue);
        return;
    }
    epoch_enter(vm_epoch(virtio->device->object.vm), queue->reader);
    virtio->class->serve(virtio->device, queue);
    if (virtio_queue_is_ready(queue) && virtio_queue_run(queue))
        virtio_queue_poke(queue);
    epoch_leave(queue->reader);
    if (load(&virtio->outside->paused))
        come_back(queue); /* perhaps it gave up in the middle */
    leave(virtio->outside);
}

bool virtio_queue_is_held(const struct virtio_queue *queue)
{
    return queue->loop && load(&queue->virtio->outside->paused);
}

void virtio_pause(struct virtio_device *virtio)
{
    struct virtio_outside *o = virtio ? virtio->outside : NULL;

    if (!o)
        return;
    __atomic_add_fetch(&o->paused, 1, __ATOMIC_SEQ_CST);
    host_lock_take(&o->lock);
    while (load(&o->inside))
        host_cond_wait(&o->empty, &o->lock);
    host_lock_drop(&o->lock);
}

void virtio_resume(struct virtio_device *virtio)
{
    struct virtio_outside *o = virtio ? virtio->outside : NULL;

    if (!o || __atomic_sub_fetch(&o->paused, 1, __ATOMIC_SEQ_CST))
        return;
    for (u32 i = 0; i < virtio->queue_count; i++) {
        if (__atomic_exchange_n(&virtio->queue[i].refused, 0, __ATOMIC_SEQ_CST))
            virtio_queue_poke(&virtio->queue[i]);
    }
}

static void serve_all(struct virtio_device *virtio)
{
    for (u32 i = 0; i < virtio->queue_count; i++) {
        if (virtio->queue[i].loop)
            virtio->class->serve(virtio->device, &virtio->queue[i]);
    }
}

/* Memory stands still while the machine does. */
static void on_event(const struct vm_event *event, void *opaque)
{
    struct virtio_outside *o = opaque;

    if (event->kind == VM_EVENT_STOP && !o->stopped) {
        o->stopped = true;
        virtio_pause(o->virtio);
    } else if (event->kind == VM_EVENT_SERVE && o->stopped) {
        serve_all(o->virtio);
    } else if (event->kind == VM_EVENT_RESUME && o->stopped) {
        o->stopped = false;
        virtio_resume(o->virtio);
    }
}

static struct virtio_outside *create(struct virtio_device *virtio)
{
    struct virtio_outside *o = g_new0(struct virtio_outside, 1);

    o->virtio = virtio;
    host_lock_init(&o->lock, LOCK_RANK_LEAF);
    host_cond_init(&o->empty);
    vm_on_event(virtio->device->object.vm, on_event, o);
    return o;
}

void virtio_queue_run_in(struct virtio_queue *queue, struct block_loop *loop)
{
    struct virtio_device *virtio = queue->virtio;
    struct vm *vm = virtio->device->object.vm;

    if (vm_icount_on(vm))
        return;
    if (!virtio->outside)
        virtio->outside = create(virtio);
    queue->work.run = run;
    queue->reader = epoch_reader_add(vm_epoch(vm));
    queue->loop = loop;
}

bool virtio_queue_is_outside(const struct virtio_queue *queue)
{
    return queue->loop != NULL;
}

static void nothing(void *opaque)
{
}

/* Nobody pokes any more; what was posted comes to its end. */
void virtio_outside_finish(struct virtio_device *virtio)
{
    struct virtio_outside *o = virtio->outside;
    struct vm *vm = virtio->device->object.vm;

    if (!o)
        return;
    virtio_pause(virtio);
    for (u32 i = 0; i < virtio->queue_count; i++) {
        struct virtio_queue *queue = &virtio->queue[i];

        if (!queue->loop)
            continue;
        block_loop_call(queue->loop, nothing, NULL);
        epoch_reader_remove(vm_epoch(vm), queue->reader);
    }
    vm_off_event(vm, on_event, o);
    host_cond_finish(&o->empty);
    host_lock_finish(&o->lock);
    g_clear_pointer(&virtio->outside, g_free);
}
