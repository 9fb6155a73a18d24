/* hw/virtio/virtio_rng.c - entropy device (virtio 1.3, 5.4): fills buffers with random bytes, at most so many in a period. */
#include "vm/rng.h"
#define DEVICE        virtio_rng
#define DEVICE_ROWS   "hw/virtio/virtio_rng.dev"
#define VIRTIO_QUEUES 1
#include "hw/virtio/declare.inc"

static void ask(void *device, u32 number, u32 level);

static void filled(void *opaque, const void *bytes, u32 size)
{
    struct virtio_rng *rng = opaque;
    struct virtio_request *request = rng->pending;

    if (!request)
        return;
    if (!device_begin(&rng->device)) {
        device_run(&rng->device, ask, 0, 0); /* others, when it is free */
        return;
    }
    rng->pending = NULL;
    rng->state->left -= MIN(size, rng->state->left);
    virtio_request_complete(request, (u32)virtio_request_write(request, 0, bytes, size));
    virtio_queue_go_on(rng->requests);
    device_end(&rng->device);
}

static void ask(void *device, u32 number, u32 level)
{
    struct virtio_rng *rng = device;

    if (rng->pending)
        rng_request(rng->rng, (u32)MIN(MIN(rng->pending->write_size, rng->state->left), RNG_MOST), &rng->device.object, filled, rng);
}

/* One request at a time, so that the quota holds. */
static void fill_next(void *device, struct virtio_queue *queue)
{
    struct virtio_rng *rng = device;

    while (!rng->pending && rng->state->left) {
        struct virtio_request *request = virtio_queue_pop(queue);

        if (!request)
            return;
        if (!request->write_size) {
            virtio_request_complete(request, 0);
            continue;
        }
        rng->pending = request;
        ask(rng, 0, 0);
    }
    if (!rng->state->left && device_timer_deadline(&rng->refill) == INT64_MAX)
        device_timer_arm(&rng->refill, vm_clock_now(rng->device.object.vm, VM_CLOCK_VIRTUAL) + (s64)rng->period * 1000000);
}

static void refill(void *device)
{
    struct virtio_rng *rng = device;

    rng->state->left = rng->max_bytes;
    virtio_queue_go_on(rng->requests);
}

static void give_up(struct virtio_rng *rng)
{
    if (rng->rng)
        rng_forget(rng->rng, &rng->device.object, filled);
    g_clear_pointer(&rng->pending, virtio_request_drop);
}

static void reset(void *device)
{
    struct virtio_rng *rng = device;

    give_up(rng);
    rng->state->left = rng->max_bytes;
}

static bool realize(void *device, GError **error)
{
    struct virtio_rng *rng = device;
    struct vm_object *object = &rng->device.object;

    virtio_start(rng);
    rng->requests = virtio_queue_add(&rng->virtio, 8, fill_next);
    rng->state->left = rng->max_bytes;
    rng->builtin = !rng->rng;
    if (rng->builtin)
        rng->rng = vm_object_create(object->vm, "rng-builtin", object, "builtin", error);
    if (!rng->rng || !vm_object_realize(rng->rng, error)) {
        virtio_device_finish(&rng->virtio);
        return false;
    }
    rng->rng->users += !rng->builtin;
    return true;
}

static void unrealize(void *device)
{
    struct virtio_rng *rng = device;

    if (rng->builtin)
        rng->rng = NULL; /* children go first */
    else
        rng->rng->users--;
    give_up(rng);
    virtio_device_finish(&rng->virtio);
}

#include "hw/virtio/define.inc"
