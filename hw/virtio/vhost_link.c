/* hw/virtio/vhost_link.c - requests to another process and back. */
#include "hw/virtio/vhost_link.h"
#include "base/bits.h"
#include "base/error.h"
#include "host/notifier.h"
#include "host/socket.h"
#include "hw/virtio/embed.h"
#include "vm/inbox.h"
#include "vm/machine.h"
#include "vm/ram.h"
#include <glib-unix.h>

static struct vm *vm_of(const struct vhost_link *link)
{
    return link->virtio->device->object.vm;
}

static void drop_source(GSource **source)
{
    if (!*source)
        return;
    g_source_destroy(*source);
    g_source_unref(g_steal_pointer(source));
}

/* Nothing more comes from there: the driver sees a device that needs a reset, and after that one that never gets ready. */
static void give_up(struct vhost_link *link, const char *why)
{
    link->broken = true;
    drop_source(&link->gone);
    virtio_fail(link->virtio, "%s", why);
}

static bool fill(struct vhost_link *link, struct virtio_request *request)
{
    u32 count = request->read_count + request->write_count;
    u64 offset;
    g_autofree struct vhost_buffer *buffers = g_new(struct vhost_buffer, MAX(count, 1));

    for (u32 i = 0; i < count; i++) {
        bool write = i >= request->read_count;
        const struct virtio_piece *piece = write ? &request->write[i - request->read_count] : &request->read[i];

        if (!vm_ram_is_shared(piece->ram, &offset)) {
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

    if (!link->running || link->broken)
        return;
    while ((request = virtio_queue_pop(queue))) {
        if (!fill(link, request)) {
            virtio_request_return(request);
            break;
        }
        any = true;
    }
    if (any)
        vhost_ring_kick(vhost_rings_at(link->rings, virtio_queue_index(queue)));
}

static void take_back(struct vhost_link *link, u32 index)
{
    struct virtio_queue *queue = virtio_queue_at(link->virtio, index);
    struct virtio_request *request;
    bool broken = false;
    u32 written;

    while ((request = vhost_ring_take(vhost_rings_at(link->rings, index), &written, &broken)))
        virtio_request_finish(request, written);
    virtio_queue_publish(queue);
    virtio_queue_notify(queue);
    if (broken)
        give_up(link, "the other process broke the ring");
    else
        vhost_link_handle(link, queue);
}

/* What happened. */
enum { CALLED, GONE };

struct letter {
    struct vhost_link *link;
    u32 index, what;
};

static void deliver(void *opaque, const void *payload, u32 size)
{
    const struct letter *letter = payload;
    struct vhost_link *link = letter->link;

    if (!device_begin(link->virtio->device))
        return;
    if (letter->what == GONE)
        give_up(link, "the other process is gone");
    else if (link->running)
        take_back(link, letter->index);
    device_end(link->virtio->device);
}

static void post(struct vhost_link *link, u32 index, u32 what)
{
    const struct letter letter = {link, index, what};

    inbox_post(vm_of(link), &link->virtio->device->object, deliver, link, &letter, sizeof(letter));
}

static gboolean on_called(gint fd, GIOCondition condition, gpointer data)
{
    struct vhost_link *link = data;

    host_notifier_clear(fd);
    for (u32 i = 0; i < link->count; i++) {
        if (vhost_ring_place(vhost_rings_at(link->rings, i)).call == fd)
            post(link, i, CALLED);
    }
    return G_SOURCE_CONTINUE;
}

/*
 * It says nothing unasked, so this is its end; unless a vCPU, which held the lock when this descriptor was polled, was just reading an
 * answer.
 */
static gboolean on_gone(gint fd, GIOCondition condition, gpointer data)
{
    struct vhost_link *link = data;

    if (host_socket_is_quiet(fd))
        return G_SOURCE_CONTINUE;
    drop_source(&link->gone);
    post(link, 0, GONE);
    return G_SOURCE_REMOVE;
}

static GSource *watch(struct vhost_link *link, int fd, GUnixFDSourceFunc function)
{
    GSource *source = g_unix_fd_source_new(fd, G_IO_IN | G_IO_HUP);

    g_source_set_callback(source, (GSourceFunc)(void (*)(void))function, link, NULL);
    g_source_attach(source, vm_context(vm_of(link)));
    return source;
}

struct regions {
    struct vhost_region region[VHOST_REGIONS_MAX + 1];
    u32 count;
};

static void add_block(struct ram_block *block, void *opaque)
{
    struct regions *regions = opaque;

    u64 offset;

    if (vm_ram_is_shared(block, &offset) && regions->count <= VHOST_REGIONS_MAX)
        regions->region[regions->count++] = (struct vhost_region){block->host, block->size, offset, block->fd};
}

static bool start(struct vhost_link *link, GError **error)
{
    struct regions regions = {.region = {vhost_rings_region(link->rings)}, .count = 1};
    u64 kinds = link->virtio->features & (BIT64(24) - 1); /* those of the device itself; rings are our own */

    vm_ram_foreach(vm_of(link), add_block, &regions);
    if (!vhost_set_features(link->vhost, (kinds & vhost_features(link->vhost)) | BIT64(VIRTIO_F_VERSION_1), error) ||
        !vhost_set_memory(link->vhost, regions.region, regions.count, error))
        return false;
    for (u32 i = 0; i < link->count; i++) {
        struct vhost_ring_place place = vhost_ring_place(vhost_rings_at(link->rings, i));

        vhost_ring_reset(vhost_rings_at(link->rings, i));
        if (!vhost_start_ring(link->vhost, &place, 0, error))
            return false;
    }
    return true;
}

void vhost_link_status(struct vhost_link *link, u8 status)
{
    g_autoptr(GError) error = NULL;

    if (link->running || !(status & VIRTIO_DRIVER_OK))
        return;
    if (link->broken || !start(link, &error)) {
        give_up(link, error ? error->message : "the other process is gone");
        return;
    }
    link->running = true;
    for (u32 i = 0; i < link->count; i++)
        vhost_link_handle(link, virtio_queue_at(link->virtio, i));
}

void vhost_link_reset(struct vhost_link *link)
{
    struct virtio_request *request;

    for (u32 i = 0; link->rings && i < link->count; i++) {
        if (link->running && !link->broken && !vhost_stop_ring(link->vhost, i, NULL))
            link->broken = true;
        while ((request = vhost_ring_abandon(vhost_rings_at(link->rings, i))))
            virtio_request_drop(request);
    }
    link->running = false;
}

static bool has_shared_memory(struct vhost_link *link, GError **error)
{
    struct regions regions = {0};

    vm_ram_foreach(vm_of(link), add_block, &regions);
    if (regions.count)
        return true;
    error_set(error, "the other process must share the guest's memory");
    return error_hint(error, "for instance: -object memory-backend-memfd,id=mem0,size=1G -machine memory-backend=mem0");
}

static bool connect_to(struct vhost_link *link, const char *id, GError **error)
{
    struct chardev_set *set = vm_backend(vm_of(link), "chardevs", 0);
    struct chardev *chardev = id && set ? chardev_find(set, id) : NULL;

    if (!id)
        return error_set(error, "property 'chardev' is needed: the id of -chardev socket,id=ID,path=SOCKET");
    if (!chardev)
        return error_set(error, "chardev '%s' not found", id);
    if (!chardev_attach(&link->front, chardev, NULL, NULL, error))
        return false;
    int socket = chardev_take_over(&link->front, error);
    link->vhost = socket < 0 ? NULL : vhost_create(socket, error);
    if (link->vhost)
        link->gone = watch(link, socket, on_gone);
    return link->vhost != NULL;
}

static bool check(const struct vhost_link *link, GError **error)
{
    if (!(vhost_features(link->vhost) & BIT64(VIRTIO_F_VERSION_1)))
        return error_set(error, "the other process knows only the virtio of before version 1");
    if (vhost_max_queues(link->vhost) > 1 && vhost_max_queues(link->vhost) < link->count)
        return error_set(error, "the other process has %u queues, not %u", vhost_max_queues(link->vhost), link->count);
    return true;
}

bool vhost_link_open(struct vhost_link *link, struct virtio_device *virtio, const char *chardev, u32 count, GError **error)
{
    link->virtio = virtio;
    link->count = count;
    if (!has_shared_memory(link, error) || !connect_to(link, chardev, error) || !check(link, error) ||
        !(link->rings = vhost_rings_create(count, error))) {
        vhost_link_close(link);
        return false;
    }
    for (u32 i = 0; i < count; i++)
        link->called[i] = watch(link, vhost_ring_place(vhost_rings_at(link->rings, i)).call, on_called);
    return true;
}

void vhost_link_close(struct vhost_link *link)
{
    if (link->vhost)
        vhost_link_reset(link);
    for (u32 i = 0; i < link->count; i++)
        drop_source(&link->called[i]);
    drop_source(&link->gone);
    g_clear_pointer(&link->rings, vhost_rings_destroy);
    g_clear_pointer(&link->vhost, vhost_destroy);
    chardev_detach(&link->front);
}
