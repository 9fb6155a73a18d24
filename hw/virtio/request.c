/* hw/virtio/request.c - buffers of requests: from guest addresses to host memory, copying in and out. */
#include "base/bits.h"
#include "hw/virtio/internal.h"
#include "vm/ram.h"
#include <inttypes.h>
#include <string.h>

/* Longest request: what the 32-bit length of a used entry can say (2.7.8). */
static const u64 max_bytes = UINT32_MAX;

/*
 * DEVIATION Devices | virtio buffers and rings | must lie in RAM; one that points at a device's registers fails the virtio device |
 * no DMA into devices
 */
bool virtio_area_map(struct virtio_queue *queue, struct virtio_area *area, u64 address, u64 size, u64 align, const char *what)
{
    struct space_hit hit = space_lookup(queue->virtio->space, address);

    if ((address & (align - 1)) || !hit.ram || !hit.writable || hit.left < size) {
        virtio_fail(queue->virtio, "queue %u: no room for the %s at 0x%" PRIx64, queue->index, what, address);
        return false;
    }
    *area = (struct virtio_area){ hit.ram->host + hit.ram_offset, hit.ram, hit.ram_offset };
    return true;
}

static bool add_piece(struct virtio_queue *queue, struct virtio_chain *chain, const struct space_hit *hit, u64 size, bool write)
{
    struct virtio_piece piece = { hit->ram->host + hit->ram_offset, size, hit->ram, hit->ram_offset };

    if (queue->scratch->len == VIRTIO_MAX_DESCRIPTORS) {
        virtio_fail(queue->virtio, "queue %u: a request of more than %u pieces", queue->index, VIRTIO_MAX_DESCRIPTORS);
        return false;
    }
    if (write)
        vm_ram_ask(hit->ram, hit->ram_offset, size);
    g_array_append_val(queue->scratch, piece);
    *(write ? &chain->write_count : &chain->read_count) += 1;
    *(write ? &chain->write_size : &chain->read_size) += size;
    return true;
}

bool virtio_chain_add(struct virtio_queue *queue, struct virtio_chain *chain, u64 address, u32 size, bool write)
{
    if (!write && chain->write_count) {
        virtio_fail(queue->virtio, "queue %u: a buffer to read after one to write", queue->index);
        return false;
    }
    if (chain->read_size + chain->write_size + size > max_bytes) {
        virtio_fail(queue->virtio, "queue %u: a request of 4 GiB or more", queue->index);
        return false;
    }
    for (u64 left = size, step; left; left -= step, address += step) {
        struct space_hit hit = space_lookup(queue->virtio->space, address);

        if (!hit.ram || (write && !hit.writable)) {
            virtio_fail(queue->virtio, "queue %u: a buffer at 0x%" PRIx64 ", where no memory is", queue->index, address);
            return false;
        }
        step = MIN(left, hit.left);
        if (!add_piece(queue, chain, &hit, step, write))
            return false;
    }
    return true;
}

u8 *virtio_indirect_copy(struct virtio_queue *queue, u64 address, u32 size, u32 *count)
{
    struct virtio_device *virtio = queue->virtio;

    *count = size / VIRTIO_DESC_SIZE;
    if (!virtio_has(virtio, VIRTIO_F_INDIRECT_DESC)) {
        virtio_fail(virtio, "queue %u: an indirect table that was not negotiated", queue->index);
        return NULL;
    }
    if (!size || size % VIRTIO_DESC_SIZE || *count > VIRTIO_MAX_DESCRIPTORS) {
        virtio_fail(virtio, "queue %u: an indirect table of %u bytes", queue->index, size);
        return NULL;
    }
    const void *table = space_pointer(virtio->space, address, size, false);
    if (!table) {
        virtio_fail(virtio, "queue %u: no memory for an indirect table at 0x%" PRIx64, queue->index, address);
        return NULL;
    }
    return g_memdup2(table, size);
}

/* One pin for neighbours in the same block. */
static void pin(const struct virtio_piece *piece, u32 count, void (*fn)(struct ram_block *block))
{
    for (u32 i = 0; i < count; i++) {
        if (!i || piece[i].ram != piece[i - 1].ram)
            fn(piece[i].ram);
    }
}

static struct virtio_request *new_request(struct virtio_queue *queue, const struct virtio_chain *chain)
{
    u32 count = queue->scratch->len, head = MAX(queue->virtio->class->request_size, (u32)sizeof(struct virtio_request));
    u64 offset = bits_align_up(head, 16);
    struct virtio_request *request = g_malloc(offset + count * sizeof(struct virtio_piece));
    struct virtio_piece *piece = (struct virtio_piece *)((u8 *)request + offset);

    memset(request, 0, head);
    if (count)
        memcpy(piece, queue->scratch->data, count * sizeof(*piece));
    pin(piece, count, vm_ram_pin);
    *request = (struct virtio_request){ .queue = queue, .read = piece, .write = piece + chain->read_count, .read_count = chain->read_count,
                                        .write_count = chain->write_count, .read_size = chain->read_size,
                                        .write_size = chain->write_size, .head = chain->head, .slots = chain->slots };
    request->link.data = request;
    g_queue_push_tail_link(&queue->requests, &request->link);
    queue->in_flight++;
    queue->slots += chain->slots;
    return request;
}

static bool map(struct virtio_queue *queue, const struct virtio_ring_ops *ring)
{
    u64 generation = (u64)vm_memory_generation(queue->virtio->device->object.vm) + 1;

    if (likely(queue->mapped == generation))
        return true;
    queue->mapped = ring->map(queue) ? generation : 0;
    return queue->mapped;
}

const struct virtio_ring_ops *virtio_ring_of(const struct virtio_queue *queue)
{
    return virtio_has(queue->virtio, VIRTIO_F_RING_PACKED) ? &virtio_packed : &virtio_split;
}

bool virtio_queue_map(struct virtio_queue *queue)
{
    return virtio_queue_is_ready(queue) && !vm_is_ending(queue->virtio->device->object.vm) && map(queue, virtio_ring_of(queue));
}

void *virtio_queue_pop(struct virtio_queue *queue)
{
    const struct virtio_ring_ops *ring = virtio_ring_of(queue);
    struct virtio_chain chain = { 0 };

    if (virtio_queue_is_held(queue) || !virtio_queue_is_ready(queue) || !map(queue, ring) || !ring->arm(queue) || !virtio_queue_may_take(queue))
        return NULL;
    ring->disarm(queue);
    g_array_set_size(queue->scratch, 0);
    if (!ring->pop(queue, &chain))
        return NULL;
    /* Entries that the driver has not got back yet are not its own to make available again. */
    if (queue->slots + chain.slots > queue->state->size) {
        virtio_fail(queue->virtio, "queue %u: more requests than the queue holds", queue->index);
        return NULL;
    }
    virtio_queue_has_taken(queue, chain.read_size + chain.write_size);
    return new_request(queue, &chain);
}

static void unlink_request(struct virtio_request *request)
{
    struct virtio_queue *queue = request->queue;

    if (virtio_request_is_stale(request)) {
        g_queue_unlink(&queue->stale, &request->link);
        return;
    }
    g_queue_unlink(&queue->requests, &request->link);
    queue->in_flight--;
    queue->slots -= request->slots;
}

/* Says that the first `size` bytes of what the device writes changed. */
static void mark_changed(const struct virtio_request *request, u64 size)
{
    for (u32 i = 0; i < request->write_count && size; i++) {
        const struct virtio_piece *piece = &request->write[i];
        u64 step = MIN(size, piece->size);

        vm_ram_changed(piece->ram, piece->offset, step);
        size -= step;
    }
}

/* What back ends wrote for one from before a reset nobody has counted. */
void virtio_request_drop(struct virtio_request *request)
{
    if (virtio_request_is_stale(request))
        mark_changed(request, request->write_size);
    unlink_request(request);
    pin(request->read, request->read_count + request->write_count, vm_ram_unpin);
    g_free(request);
}

void virtio_request_return(struct virtio_request *request)
{
    struct virtio_queue *queue = request->queue;

    if (!virtio_request_is_stale(request) && &request->link == queue->requests.tail)
        virtio_ring_of(queue)->unpop(queue, request);
    virtio_request_drop(request);
}

bool virtio_request_is_stale(const struct virtio_request *request)
{
    return request->stale;
}

static void finish_one(struct virtio_request *request)
{
    struct virtio_queue *queue = request->queue;

    virtio_ring_of(queue)->finish(queue, request, request->written);
    queue->unpublished++;
    queue->unpublished_slots += request->slots;
    queue->slots += request->slots;
    virtio_request_drop(request);
}

void virtio_request_finish(struct virtio_request *request, u32 written)
{
    struct virtio_queue *queue = request->queue;

    mark_changed(request, MAX(written, request->touched));
    request->written = (u32)MIN(written, request->write_size);
    if (virtio_request_is_stale(request) || !virtio_queue_map(queue)) {
        virtio_request_drop(request);
        return;
    }
    if (!virtio_has(queue->virtio, VIRTIO_F_IN_ORDER)) {
        finish_one(request);
        return;
    }
    /* 2.7.9, 2.8.19: those that were popped later wait for their turn. */
    request->done = true;
    while (queue->requests.head && ((struct virtio_request *)queue->requests.head->data)->done)
        finish_one(queue->requests.head->data);
}

void virtio_request_complete(struct virtio_request *request, u32 written)
{
    struct virtio_queue *queue = request->queue;

    virtio_request_finish(request, written);
    virtio_queue_publish(queue);
    virtio_queue_notify(queue);
}

void virtio_request_touched(struct virtio_request *request, u64 size)
{
    request->touched = MAX(request->touched, MIN(size, request->write_size));
}

/* fn for the host memory of [offset, offset + size) of the pieces; gives back how many bytes there were. */
static u64 copy(const struct virtio_piece *piece, u32 count, u64 offset, u8 *with, u64 size, bool in)
{
    u64 done = 0;

    for (; count && size; piece++, count--) {
        if (offset >= piece->size) {
            offset -= piece->size;
            continue;
        }
        u64 step = MIN(size, piece->size - offset);
        if (in)
            memcpy(piece->data + offset, with + done, step);
        else
            memcpy(with + done, piece->data + offset, step);
        done += step;
        size -= step;
        offset = 0;
    }
    return done;
}

u64 virtio_request_read(const struct virtio_request *request, u64 offset, void *to, u64 size)
{
    return copy(request->read, request->read_count, offset, to, size, false);
}

u64 virtio_request_write(struct virtio_request *request, u64 offset, const void *from, u64 size)
{
    if (virtio_request_is_stale(request)) /* the memory is the driver's again (2.4.1, 2.6.1.1) */
        return offset < request->write_size ? MIN(size, request->write_size - offset) : 0;
    u64 done = copy(request->write, request->write_count, offset, (u8 *)from, size, true);

    if (done)
        virtio_request_touched(request, offset + done);
    return done;
}
