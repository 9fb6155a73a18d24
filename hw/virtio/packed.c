/* hw/virtio/packed.c - packed virtqueues (virtio 1.3, 2.8): one ring of descriptors that both sides write. */
#include "base/bits.h"
#include "hw/virtio/internal.h"

/* A descriptor (2.8.13) and an event suppression structure (2.8.14). */
enum { DESC_LENGTH = 8, DESC_ID = 12, DESC_FLAGS = 14, FLAG_AVAIL = 1 << 7, FLAG_USED = 1 << 15 };
enum { EVENT_POSITION = 0, EVENT_FLAGS = 2, EVENT_SIZE = 4, EVENTS_ON = 0, EVENTS_OFF = 1, EVENTS_AT = 2, WRAP = 1 << 15 };

static bool has_events(const struct virtio_queue *queue)
{
    return virtio_has(queue->virtio, VIRTIO_F_EVENT_IDX);
}

static bool map(struct virtio_queue *queue)
{
    const struct virtio_queue_state *state = queue->state;

    return virtio_area_map(queue, &queue->descriptors, state->descriptors, (u64)state->size * VIRTIO_DESC_SIZE, 16, "descriptors") &&
           virtio_area_map(queue, &queue->driver, state->driver, EVENT_SIZE, 4, "driver's event structure") &&
           virtio_area_map(queue, &queue->device, state->device, EVENT_SIZE, 4, "device's event structure");
}

static u8 *entry(const struct virtio_queue *queue, u32 position)
{
    return queue->descriptors.host + (u64)position * VIRTIO_DESC_SIZE;
}

/* 2.8.1: available once the driver's wrap counter says so and ours does not. */
static bool is_available(const struct virtio_queue *queue)
{
    u16 flags = virtio_load16(entry(queue, queue->state->next) + DESC_FLAGS);
    bool wrap = queue->state->next_wrap;

    return !!(flags & FLAG_AVAIL) == wrap && !!(flags & FLAG_USED) != wrap;
}

static void store_event(struct virtio_queue *queue, u64 offset, u16 value)
{
    virtio_store16(queue->device.host + offset, value);
    vm_ram_changed(queue->device.ram, queue->device.offset + offset, 2);
}

static bool arm(struct virtio_queue *queue)
{
    const struct virtio_queue_state *state = queue->state;

    if (is_available(queue))
        return true;
    if (has_events(queue)) {
        store_event(queue, EVENT_POSITION, (u16)(state->next | (state->next_wrap ? WRAP : 0)));
        store_event(queue, EVENT_FLAGS, EVENTS_AT);
    } else if (queue->suppressed) {
        store_event(queue, EVENT_FLAGS, EVENTS_ON);
    }
    queue->suppressed = false;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return is_available(queue);
}

static void disarm(struct virtio_queue *queue)
{
    if (queue->suppressed)
        return;
    queue->suppressed = true;
    if (!has_events(queue))
        store_event(queue, EVENT_FLAGS, EVENTS_OFF);
}

static void advance(u16 *position, u8 *wrap, u32 by, u32 size)
{
    u32 next = *position + by;

    *wrap ^= next / size & 1;
    *position = (u16)(next % size);
}

static bool add(struct virtio_queue *queue, struct virtio_chain *chain, const u8 *at, u16 flags)
{
    return virtio_chain_add(queue, chain, bits_load_le(at, 8), (u32)bits_load_le(at + DESC_LENGTH, 4), flags & VIRTIO_DESC_WRITE);
}

/* 2.8.7: all entries of the table, in order. */
static bool add_indirect(struct virtio_queue *queue, struct virtio_chain *chain, const u8 *at)
{
    u32 count;
    g_autofree u8 *table = virtio_indirect_copy(queue, bits_load_le(at, 8), (u32)bits_load_le(at + DESC_LENGTH, 4), &count);

    for (u32 i = 0; table && i < count; i++) {
        const u8 *inner = table + (u64)i * VIRTIO_DESC_SIZE;

        if (!add(queue, chain, inner, (u16)bits_load_le(inner + DESC_FLAGS, 2)))
            return false;
    }
    return table != NULL;
}

static bool pop(struct virtio_queue *queue, struct virtio_chain *chain)
{
    struct virtio_queue_state *state = queue->state;
    u32 position = state->next;
    u16 flags;

    do {
        u8 at[VIRTIO_DESC_SIZE]; /* the driver may change its own meanwhile */

        memcpy(at, entry(queue, position), sizeof(at));
        flags = (u16)bits_load_le(at + DESC_FLAGS, 2);
        if (flags & VIRTIO_DESC_INDIRECT && (chain->slots || flags & VIRTIO_DESC_NEXT)) {
            virtio_fail(queue->virtio, "queue %u: an indirect descriptor where none may be", queue->index);
            return false;
        }
        if (!(flags & VIRTIO_DESC_INDIRECT ? add_indirect(queue, chain, at) : add(queue, chain, at, flags)))
            return false;
        chain->head = (u16)bits_load_le(at + DESC_ID, 2);
        chain->slots++;
        position = position + 1 == state->size ? 0 : position + 1;
        if (flags & VIRTIO_DESC_NEXT && chain->slots == state->size) {
            virtio_fail(queue->virtio, "queue %u: a chain that has no end", queue->index);
            return false;
        }
    } while (flags & VIRTIO_DESC_NEXT);
    advance(&state->next, &state->next_wrap, chain->slots, state->size);
    return true;
}

static void unpop(struct virtio_queue *queue, const struct virtio_request *request)
{
    struct virtio_queue_state *state = queue->state;
    u32 back = request->slots;

    if (back > state->next) {
        state->next_wrap ^= 1;
        state->next = (u16)(state->next + state->size - back);
    } else {
        state->next = (u16)(state->next - back);
    }
}

static void finish(struct virtio_queue *queue, const struct virtio_request *request, u32 written)
{
    struct virtio_queue_state *state = queue->state;
    u16 position = state->used;
    u8 wrap = state->used_wrap;

    advance(&position, &wrap, queue->unpublished_slots, state->size);
    u8 *at = entry(queue, position);
    u16 flags = (u16)((wrap ? FLAG_AVAIL | FLAG_USED : 0) | (written ? VIRTIO_DESC_WRITE : 0));
    bits_store_le(at + DESC_LENGTH, 4, written);
    bits_store_le(at + DESC_ID, 2, request->head);
    /* The driver stops at the first entry that is not used: that one comes last. */
    if (queue->unpublished) {
        virtio_store16(at + DESC_FLAGS, flags);
    } else {
        queue->first_flags = flags;
        queue->first_position = position;
    }
    vm_ram_changed(queue->descriptors.ram, queue->descriptors.offset + (u64)(at - queue->descriptors.host), VIRTIO_DESC_SIZE);
}

static void publish(struct virtio_queue *queue)
{
    struct virtio_queue_state *state = queue->state;
    u8 *at = entry(queue, queue->first_position);

    virtio_store16(at + DESC_FLAGS, queue->first_flags);
    vm_ram_changed(queue->descriptors.ram, queue->descriptors.offset + (u64)(at - queue->descriptors.host), VIRTIO_DESC_SIZE);
    advance(&state->used, &state->used_wrap, queue->unpublished_slots, state->size);
    state->signalled += (u16)queue->unpublished_slots;
}

static bool wants_interrupt(struct virtio_queue *queue)
{
    struct virtio_queue_state *state = queue->state;
    u16 since = state->signalled, where, how;
    bool first = !state->signalled_valid;

    if (!since)
        return false;
    state->signalled = 0;
    state->signalled_valid = 1;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    how = virtio_load16(queue->driver.host + EVENT_FLAGS);
    if (how != EVENTS_AT || !has_events(queue))
        return how != EVENTS_OFF;
    where = virtio_load16(queue->driver.host + EVENT_POSITION);
    u16 event = (u16)((where & ~WRAP) - (!!(where & WRAP) == state->used_wrap ? 0 : state->size));
    return first || virtio_passed(event, state->used, (u16)(state->used - since));
}

const struct virtio_ring_ops virtio_packed = {
    .map = map, .pop = pop, .unpop = unpop, .arm = arm, .disarm = disarm, .finish = finish, .publish = publish,
    .wants_interrupt = wants_interrupt,
};
