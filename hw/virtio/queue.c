/* hw/virtio/queue.c - queues as drivers set them up and notify them (virtio 1.3, 2.6). */
#include "base/bits.h"
#include "hw/virtio/internal.h"
#include "vm/icount.h"
#include "vm/inbox.h"
#include <inttypes.h>

u32 virtio_queue_index(const struct virtio_queue *queue)
{
    return queue->index;
}

void *virtio_queue_device(const struct virtio_queue *queue)
{
    return queue->virtio->device;
}

struct virtio_queue *virtio_queue_at(struct virtio_device *virtio, u32 index)
{
    return index < virtio->queue_count ? &virtio->queue[index] : NULL;
}

struct virtio_queue *virtio_queue_selected(struct virtio_device *virtio)
{
    return virtio_queue_at(virtio, virtio->state->queue_select);
}

u16 virtio_queue_size_shown(struct virtio_queue *queue)
{
    return queue ? queue->state->size : 0;
}

bool virtio_queue_is_ready(const struct virtio_queue *queue)
{
    return queue->state->enabled && virtio_is_ready(queue->virtio);
}

u32 virtio_queue_in_flight(const struct virtio_queue *queue)
{
    return queue->in_flight;
}

/* Setting up. */

void virtio_queue_enable(struct virtio_queue *queue)
{
    struct virtio_queue_state *state = queue->state;
    bool packed = virtio_has(queue->virtio, VIRTIO_F_RING_PACKED);

    if (!state->size || state->size > queue->max_size || (!packed && !bits_is_power_of_2(state->size))) {
        device_guest_error(queue->virtio->device, "%s: queue %u cannot have %u entries", queue->virtio->device->object.class->name,
                           queue->index, state->size);
        return;
    }
    if (!virtio_queue_is_settled(queue))
        queue->virtio->class->settle(queue->virtio->device);
    state->enabled = 1;
    state->resetting = 0;
    queue->mapped = 0;
}

/* 2.7.2: the three areas follow each other, the used ring aligned. */
void virtio_queue_set_legacy(struct virtio_queue *queue, u64 address, u32 align)
{
    struct virtio_queue_state *state = queue->state;

    if (!address) {
        virtio_queue_reset(queue, false);
        return;
    }
    if (state->enabled) {
        device_guest_error(queue->virtio->device, "%s: queue %u moves while it is in use", queue->virtio->device->object.class->name, queue->index);
        return;
    }
    if (!bits_is_power_of_2(align)) {
        virtio_fail(queue->virtio, "queue %u: an alignment of %u", queue->index, align);
        return;
    }
    state->align = align;
    state->descriptors = address;
    state->driver = address + (u64)VIRTIO_DESC_SIZE * state->size;
    state->device = bits_align_up(state->driver + 6 + 2 * (u64)state->size, align);
    virtio_queue_enable(queue);
}

/* Turns: one round of the ring, and 1 MiB for each of its entries. What a driver adds meanwhile comes after others had the lock, or the loop. */

bool virtio_queue_run(struct virtio_queue *queue)
{
    queue->in_turn = true;
    queue->cut = false;
    queue->turn_left = queue->state->size;
    queue->hook(queue->virtio->device, queue);
    queue->in_turn = false;
    return queue->cut;
}

bool virtio_queue_may_take(struct virtio_queue *queue)
{
    if (!queue->in_turn)
        return true;
    queue->cut = !queue->turn_left;
    if (!queue->cut)
        queue->turn_left--;
    return !queue->cut;
}

void virtio_queue_has_taken(struct virtio_queue *queue, u64 bytes)
{
    if (queue->in_turn && !vm_icount_on(queue->virtio->device->object.vm))
        queue->turn_left -= (u32)MIN(bytes / MIB, queue->turn_left);
}

void virtio_queue_end_turn(struct virtio_queue *queue)
{
    if (!vm_icount_on(queue->virtio->device->object.vm))
        queue->turn_left = 0;
}

static void go_on(void *opaque, const void *payload, u32 size);

static void go_on_later(struct virtio_queue *queue)
{
    struct device *device = queue->virtio->device;

    if (!queue->going_on)
        inbox_post(device->object.vm, &device->object, go_on, queue, NULL, 0);
    queue->going_on = true;
}

/* Notifications by the driver. */

static void kick_now(void *device, u32 index, u32 level)
{
    struct virtio_queue *queue = virtio_queue_at(virtio_device_of(device), index);

    virtio_pause(queue->virtio);
    virtio_queue_go_on(queue);
    virtio_resume(queue->virtio);
}

void virtio_queue_go_on(struct virtio_queue *queue)
{
    if (virtio_queue_is_ready(queue) && queue->hook && virtio_queue_run(queue))
        go_on_later(queue);
}

static void kick_late(void *opaque, const void *payload, u32 size)
{
    struct virtio_queue *queue = opaque;

    if (queue->state->enabled)
        device_run(queue->virtio->device, kick_now, queue->index, 0);
}

static void go_on(void *opaque, const void *payload, u32 size)
{
    ((struct virtio_queue *)opaque)->going_on = false;
    kick_late(opaque, payload, size);
}

static void kick_posted(void *opaque, const void *payload, u32 size)
{
    __atomic_store_n(&((struct virtio_queue *)opaque)->posted, 0, __ATOMIC_SEQ_CST);
    kick_late(opaque, payload, size);
}

/* Without the machine lock: one letter, however often the driver notifies before it is read. */
static void post_kick(struct virtio_queue *queue)
{
    struct vm_object *object = &queue->virtio->device->object;

    if (!__atomic_exchange_n(&queue->posted, 1, __ATOMIC_SEQ_CST))
        inbox_post(object->vm, object, kick_posted, queue, NULL, 0);
}

void virtio_kick(struct virtio_device *virtio, u32 data)
{
    struct virtio_queue *queue = virtio_queue_at(virtio, data & 0xffff);

    /* With NOTIFICATION_DATA the upper half says how far the driver is (4.1.5.2): the ring says it as well. */
    if (queue && queue->loop)
        virtio_queue_poke(queue);
    else if (queue && virtio->outside && !vm_lock_mine(virtio->device->object.vm))
        post_kick(queue);
    else if (queue)
        kick_late(queue, NULL, 0);
}

void virtio_kick_all(struct virtio_device *virtio)
{
    for (u32 i = 0; i < virtio->queue_count; i++)
        virtio_kick(virtio, i);
}

/* Interrupts. */

void virtio_queue_publish(struct virtio_queue *queue)
{
    if (!queue->unpublished || !virtio_queue_map(queue))
        return;
    virtio_ring_of(queue)->publish(queue);
    queue->slots -= queue->unpublished_slots;
    queue->unpublished = queue->unpublished_slots = 0;
}

void virtio_queue_notify(struct virtio_queue *queue)
{
    struct virtio_device *virtio = queue->virtio;

    if (!virtio->bus || !virtio_queue_map(queue) || !virtio_ring_of(queue)->wants_interrupt(queue))
        return;
    virtio->bus->ops->interrupt(virtio->bus->transport, queue);
}
