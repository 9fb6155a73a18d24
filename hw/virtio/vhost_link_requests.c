/* hw/virtio/vhost_link_requests.c - requests to another process and back. */
#include "hw/virtio/vhost_link_internal.h"
#include "base/error.h"
#include "hw/virtio/embed.h"
#include "vm/ram.h"

/* False: no room now. */
static bool fill(struct vhost_link *link, struct virtio_request *request)
{
    u32 count = request->read_count + request->write_count;
    u64 offset;
    g_autofree struct vhost_buffer *buffers = g_new(struct vhost_buffer, MAX(count, 1));

    for (u32 i = 0; i < count; i++) {
        bool write = i >= request->read_count;
        const struct virtio_piece *piece = write ? &request->write[i - request->read_count] : &request->read[i];

        bool reached = vhost_link_reaches(link, piece->ram, &offset);
        if (reached && !vhost_link_knows(link, piece->ram) && !vhost_link_tell_again(link)) {
            virtio_request_complete(request, 0);
            return true;
        }
        if (!reached || !vhost_link_knows(link, piece->ram)) {
            virtio_request_complete(request, 0);
            virtio_fail(link->virtio, "a buffer in memory that is not shared");
            return true;
        }
        buffers[i] = (struct vhost_buffer){piece->data, piece->size, write};
    }
    struct vhost_ring *ring = vhost_rings_at(link->rings, virtio_queue_index(request->queue));
    if (vhost_ring_add(ring, buffers, count, request))
        return true;
    if (!vhost_ring_is_empty(ring))
        return false; /* when something comes back */
    virtio_request_complete(request, 0);
    virtio_fail(link->virtio, "a request of %u pieces", count);
    return true;
}

void vhost_link_handle(struct vhost_link *link, struct virtio_queue *queue)
{
    struct virtio_request *request;
    bool any = false;

    if (!vhost_link_runs_now(link) || virtio_queue_index(queue) >= link->active)
        return;
    while (vhost_link_is_running(link) && (request = virtio_queue_pop(queue))) {
        if (!fill(link, request)) {
            virtio_request_return(request);
            break;
        }
        any = true;
    }
    if (any && vhost_link_is_running(link))
        vhost_ring_kick(vhost_rings_at(link->rings, virtio_queue_index(queue)));
}

/* True: the other process broke the ring. */
bool vhost_link_take_finished(struct vhost_link *link, u32 index)
{
    struct virtio_queue *queue = virtio_queue_at(link->virtio, index);
    struct virtio_request *request;
    bool broken = false;
    u32 written;

    while ((request = vhost_ring_take(vhost_rings_at(link->rings, index), &written, &broken)))
        virtio_request_finish(request, written);
    virtio_queue_publish(queue);
    virtio_queue_notify(queue);
    return broken;
}

static bool is_to_be_filled(const struct virtio_request *request)
{
    return request->write_count && !request->read_count;
}

static void publish(struct vhost_link *link, u32 index)
{
    virtio_queue_publish(virtio_queue_at(link->virtio, index));
    virtio_queue_notify(virtio_queue_at(link->virtio, index));
}

/* The driver gets it back unused; not while the machine is stopped. */
static void give_back(struct vhost_link *link, struct virtio_request *request)
{
    if (!link->still) {
        virtio_request_finish(request, 0);
        return;
    }
    if (!link->late)
        link->late = g_ptr_array_new();
    g_ptr_array_add(link->late, request);
}

void vhost_link_give_back_late(struct vhost_link *link)
{
    g_autoptr(GPtrArray) late = g_steal_pointer(&link->late);

    for (guint i = 0; late && i < late->len; i++) {
        if (virtio_request_is_stale(late->pdata[i]))
            virtio_request_drop(late->pdata[i]);
        else
            virtio_request_finish(late->pdata[i], 0);
    }
    for (u32 i = 0; late && i < link->count; i++)
        publish(link, i);
}

void vhost_link_drop_late(struct vhost_link *link)
{
    g_autoptr(GPtrArray) late = g_steal_pointer(&link->late);

    for (guint i = 0; late && i < late->len; i++)
        virtio_request_drop(late->pdata[i]);
}

/* Takes back what the other process had. What it had finished before the machine stopped was taken then (hold). */
void vhost_link_collect(struct vhost_link *link)
{
    struct virtio_request *request;

    for (u32 i = 0; i < link->count; i++) {
        if (!link->still)
            vhost_link_take_finished(link, i);
        while ((request = vhost_ring_abandon(vhost_rings_at(link->rings, i)))) {
            if (is_to_be_filled(request))
                g_ptr_array_add(link->kept, request);
            else
                give_back(link, request);
        }
        if (!link->still)
            publish(link, i);
    }
}

/* What it had before goes to it first. */
void vhost_link_give_kept(struct vhost_link *link)
{
    g_autoptr(GPtrArray) kept = g_steal_pointer(&link->kept);

    link->kept = g_ptr_array_new();
    for (guint i = 0; i < kept->len; i++) {
        struct virtio_request *request = kept->pdata[i];

        if (virtio_queue_index(request->queue) >= link->active)
            g_ptr_array_add(link->kept, request);
        else if (virtio_request_is_stale(request) || !fill(link, request))
            virtio_request_drop(request);
    }
}
