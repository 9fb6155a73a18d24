/* hw/virtio/split.c - split virtqueues (virtio 1.3, 2.7): descriptor table, available ring, used ring. */
#include "base/bits.h"
#include "hw/virtio/internal.h"
#include <string.h>

/* Offsets in the available and used rings (2.7.6, 2.7.8); ring entries of 2 and 8 bytes, then an event index. */
enum { RING_FLAGS = 0, RING_INDEX = 2, RING_ENTRIES = 4, AVAIL_NO_INTERRUPT = 1, USED_NO_NOTIFY = 1, USED_ENTRY = 8 };

struct descriptor {
    u64 address;
    u32 size;
    u16 flags, next;
};

static bool has_events(const struct virtio_queue *queue)
{
    return virtio_has(queue->virtio, VIRTIO_F_EVENT_IDX);
}

static bool map(struct virtio_queue *queue)
{
    const struct virtio_queue_state *state = queue->state;
    u64 size = state->size, event = has_events(queue) ? 2 : 0;

    return virtio_area_map(queue, &queue->descriptors, state->descriptors, size * VIRTIO_DESC_SIZE, 16, "descriptors") &&
           virtio_area_map(queue, &queue->driver, state->driver, RING_ENTRIES + size * 2 + event, 2, "available ring") &&
           virtio_area_map(queue, &queue->device, state->device, RING_ENTRIES + size * USED_ENTRY + event, 4, "used ring");
}

static void store_used(struct virtio_queue *queue, u64 offset, u16 value)
{
    virtio_store16(queue->device.host + offset, value);
    vm_ram_changed(queue->device.ram, queue->device.offset + offset, 2);
}

static u16 available(const struct virtio_queue *queue)
{
    return virtio_load16(queue->driver.host + RING_INDEX);
}

static bool arm(struct virtio_queue *queue)
{
    const struct virtio_queue_state *state = queue->state;

    if (available(queue) != state->next)
        return true;
    if (has_events(queue))
        store_used(queue, RING_ENTRIES + (u64)state->size * USED_ENTRY, state->next);
    else if (queue->suppressed)
        store_used(queue, RING_FLAGS, 0);
    queue->suppressed = false;
    /* The driver either sees that we want to know, or we see what it made available (2.7.13.1). */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return available(queue) != state->next;
}

static void disarm(struct virtio_queue *queue)
{
    if (queue->suppressed)
        return;
    queue->suppressed = true;
    if (!has_events(queue)) /* with event indices an old one is enough */
        store_used(queue, RING_FLAGS, USED_NO_NOTIFY);
}

static struct descriptor read_descriptor(const u8 *table, u32 index)
{
    const u8 *at = table + (u64)index * VIRTIO_DESC_SIZE;

    return (struct descriptor){ bits_load_le(at, 8), (u32)bits_load_le(at + 8, 4), (u16)bits_load_le(at + 12, 2), (u16)bits_load_le(at + 14, 2) };
}

/* Follows a chain through a table. */
static bool walk(struct virtio_queue *queue, struct virtio_chain *chain, const u8 *table, u32 count, u32 index, bool indirect)
{
    for (u32 steps = 0;; steps++) {
        if (index >= count || steps >= count) {
            virtio_fail(queue->virtio, "queue %u: a chain that %s", queue->index, index >= count ? "leaves its table" : "has no end");
            return false;
        }
        struct descriptor d = read_descriptor(table, index);
        if (d.flags & VIRTIO_DESC_INDIRECT) {
            if (indirect || d.flags & VIRTIO_DESC_NEXT) {
                virtio_fail(queue->virtio, "queue %u: an indirect descriptor where none may be", queue->index);
                return false;
            }
            u32 entries;
            g_autofree u8 *copy = virtio_indirect_copy(queue, d.address, d.size, &entries);
            return copy && walk(queue, chain, copy, entries, 0, true);
        }
        if (!virtio_chain_add(queue, chain, d.address, d.size, d.flags & VIRTIO_DESC_WRITE))
            return false;
        if (!(d.flags & VIRTIO_DESC_NEXT))
            return true;
        index = d.next;
    }
}

static bool pop(struct virtio_queue *queue, struct virtio_chain *chain)
{
    struct virtio_queue_state *state = queue->state;

    if ((u16)(available(queue) - state->next) > state->size) {
        virtio_fail(queue->virtio, "queue %u: the available index jumped", queue->index);
        return false;
    }
    chain->head = virtio_load16(queue->driver.host + RING_ENTRIES + 2 * (u64)(state->next & (state->size - 1)));
    if (!walk(queue, chain, queue->descriptors.host, state->size, chain->head, false))
        return false;
    chain->slots = 1;
    state->next++;
    return true;
}

static void unpop(struct virtio_queue *queue, const struct virtio_request *request)
{
    queue->state->next--;
}

static void finish(struct virtio_queue *queue, const struct virtio_request *request, u32 written)
{
    u64 offset = RING_ENTRIES + USED_ENTRY * (u64)((u16)(queue->state->used + queue->unpublished) & (queue->state->size - 1));

    bits_store_le(queue->device.host + offset, 4, request->head);
    bits_store_le(queue->device.host + offset + 4, 4, written);
    vm_ram_changed(queue->device.ram, queue->device.offset + offset, USED_ENTRY);
}

static void publish(struct virtio_queue *queue)
{
    queue->state->used += (u16)queue->unpublished;
    store_used(queue, RING_INDEX, queue->state->used);
}

static bool wants_interrupt(struct virtio_queue *queue)
{
    struct virtio_queue_state *state = queue->state;
    u16 old = state->signalled, new = state->used;
    bool first = !state->signalled_valid;

    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* the index is out before we ask (2.7.13.2) */
    if (!first && old == new)
        return false;
    state->signalled = new;
    state->signalled_valid = 1;
    if (virtio_has(queue->virtio, VIRTIO_F_NOTIFY_ON_EMPTY) && !queue->in_flight && available(queue) == state->next)
        return true;
    if (!has_events(queue))
        return !(virtio_load16(queue->driver.host + RING_FLAGS) & AVAIL_NO_INTERRUPT);
    return first || virtio_passed(virtio_load16(queue->driver.host + RING_ENTRIES + 2 * (u64)state->size), new, old);
}

const struct virtio_ring_ops virtio_split = {
    .map = map, .pop = pop, .unpop = unpop, .arm = arm, .disarm = disarm, .finish = finish, .publish = publish,
    .wants_interrupt = wants_interrupt,
};
