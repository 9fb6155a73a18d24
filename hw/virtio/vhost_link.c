/* hw/virtio/vhost_link.c - requests to another process and back. */
#include "hw/virtio/vhost_link.h"
#include "base/bits.h"
#include "base/error.h"
#include "host/notifier.h"
#include "hw/virtio/embed.h"
#include "vm/inbox.h"
#include "vm/machine.h"
#include "vm/ram.h"
#include "vm/vm.h"
#include <glib-unix.h>
#include <inttypes.h>
#include <string.h>

/* Feature bits of a kind of device (virtio 1.3, 6): what the other process must do as the driver expects. Rings are our own. */
static const u64 kind_features = (BIT64(24) - 1) | ~(BIT64(50) - 1);

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
    virtio_fail(link->virtio, "%s", why);
}

struct regions {
    struct vhost_region region[VHOST_REGIONS_MAX + 1];
    const struct ram_block *block[VHOST_REGIONS_MAX + 1];
    u32 count;
};

static bool has_block(const struct ram_block *const *blocks, u32 count, const struct ram_block *block)
{
    u32 i = 0;

    while (i < count && blocks[i] != block)
        i++;
    return i < count;
}

/* Shared memory that the guest can reach, wherever it lies. */
static void find_memory(struct vhost_link *link, struct regions *regions)
{
    u64 at = 0, offset;

    do {
        struct space_hit hit = space_lookup(vm_memory(vm_of(link)), at);

        if (hit.ram && hit.writable && vm_ram_is_shared(hit.ram, &offset) && !has_block(regions->block, regions->count, hit.ram) &&
            regions->count <= VHOST_REGIONS_MAX) {
            regions->block[regions->count] = hit.ram;
            regions->region[regions->count++] = (struct vhost_region){hit.ram->host, hit.ram->size, offset, hit.ram->fd};
        }
        at += hit.left;
        if (!hit.left)
            break;
    } while (at);
}

static bool tell_memory(struct vhost_link *link, struct vhost *vhost, GError **error)
{
    struct regions regions = {.region = {vhost_rings_region(link->rings)}, .count = 1};

    find_memory(link, &regions);
    if (!vhost_set_memory(vhost, regions.region, regions.count, error))
        return false;
    link->told_count = regions.count - 1;
    memcpy(link->told, regions.block + 1, link->told_count * sizeof(*link->told));
    return true;
}

static bool memory_changed(struct vhost_link *link)
{
    struct regions regions = {0};

    find_memory(link, &regions);
    for (u32 i = 0; i < regions.count; i++) {
        if (!has_block(link->told, link->told_count, regions.block[i]))
            return true;
    }
    return regions.count != link->told_count;
}

static void fail(struct vhost_link *link, GError *error);

/* While the other process is at work: it maps anew. */
static bool tell_again(struct vhost_link *link)
{
    GError *error = NULL;
    struct vhost *vhost = vhost_wire_begin(link->wire);

    if (tell_memory(link, vhost, &error))
        return true;
    fail(link, error);
    return false;
}

/* False: no room now. */
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
        if (!has_block(link->told, link->told_count, piece->ram) && !tell_again(link)) {
            virtio_request_complete(request, 0);
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

    if (!vhost_link_is_running(link) || virtio_queue_index(queue) >= link->active)
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
static bool take_finished(struct vhost_link *link, u32 index)
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

static void give_back_late(struct vhost_link *link)
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

static void drop_late(struct vhost_link *link)
{
    g_autoptr(GPtrArray) late = g_steal_pointer(&link->late);

    for (guint i = 0; late && i < late->len; i++)
        virtio_request_drop(late->pdata[i]);
}

/* Takes back what the other process had. What it had finished before the machine stopped was taken then (hold). */
static void collect(struct vhost_link *link)
{
    struct virtio_request *request;

    for (u32 i = 0; i < link->count; i++) {
        if (!link->still)
            take_finished(link, i);
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

/* A wire of somebody else can be mended; our own cannot. */
static void fail(struct vhost_link *link, GError *error)
{
    if (link->own_wire) {
        give_up(link, error->message);
        g_error_free(error);
        return;
    }
    link->running = false;
    collect(link);
    vhost_wire_fail(link->wire, error);
}

static void take_back(struct vhost_link *link, u32 index)
{
    GError *error = NULL;

    if (!take_finished(link, index)) {
        vhost_link_handle(link, virtio_queue_at(link->virtio, index));
        return;
    }
    error_set(&error, "the other process broke ring %u", index);
    if (!link->own_wire)
        vhost_wire_begin(link->wire); /* nobody was waited for */
    fail(link, error);
}

/* What happened. */
enum { CALLED, GONE, MEMORY };

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
    if (letter->what == GONE && link->still)
        link->gone = true;
    else if (letter->what == GONE)
        give_up(link, "the other process is gone");
    else if (letter->what == MEMORY && vhost_link_is_running(link) && memory_changed(link))
        tell_again(link);
    else if (letter->what == CALLED && vhost_link_is_running(link))
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

static void on_wire(void *opaque, bool there)
{
    struct vhost_link *link = opaque;

    if (!there)
        post(link, 0, GONE);
}

static GSource *watch(struct vhost_link *link, int fd)
{
    GSource *source = g_unix_fd_source_new(fd, G_IO_IN);

    g_source_set_callback(source, (GSourceFunc)(void (*)(void))on_called, link, NULL);
    g_source_attach(source, vm_context(vm_of(link)));
    return source;
}

/* Any thread that holds the lock: whoever changed the map. */
static void on_memory(void *opaque)
{
    struct vhost_link *link = opaque;

    if (vhost_link_is_running(link) && memory_changed(link))
        post(link, 0, MEMORY);
}

static bool start_rings(struct vhost_link *link, struct vhost *vhost, GError **error)
{
    for (u32 i = 0; i < link->active; i++) {
        struct vhost_ring_place place = vhost_ring_place(vhost_rings_at(link->rings, i));

        vhost_ring_reset(vhost_rings_at(link->rings, i));
        if (!vhost_start_ring(vhost, &place, 0, error))
            return false;
    }
    return true;
}

/* The driver was told what another process of before could do. */
static bool check_features(const struct vhost_link *link, u64 kinds, GError **error)
{
    u64 lost = kinds & link->promised & ~vhost_wire_features(link->wire);

    return !lost || error_set(error, "the other process came back without features that the driver uses (0x%" PRIx64 ")", lost);
}

static bool start(struct vhost_link *link, GError **error)
{
    u64 kinds = link->virtio->features & kind_features, version = link->virtio->features & BIT64(VIRTIO_F_VERSION_1);
    struct vhost *vhost = vhost_wire_begin(link->wire);

    if (!vhost)
        return error_set(error, "the other process is gone");
    link->generation = vhost_wire_generation(link->wire);
    return check_features(link, kinds, error) && vhost_set_features(vhost, (kinds & vhost_features(vhost)) | version, error) &&
           tell_memory(link, vhost, error) && (!link->mtu || vhost_set_mtu(vhost, link->mtu, error)) &&
           start_rings(link, vhost, error);
}

/* What it had before goes to it first. */
static void give_kept(struct vhost_link *link)
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

void vhost_link_resume(struct vhost_link *link)
{
    GError *error = NULL;

    link->wanted = true;
    if (link->still || link->broken || !link->wire || !vhost_wire_vhost(link->wire) || vhost_link_is_running(link) ||
        !(link->virtio->state->status & VIRTIO_DRIVER_OK) || !virtio_is_ready(link->virtio))
        return;
    if (!start(link, &error)) {
        fail(link, error);
        return;
    }
    link->running = true;
    give_kept(link);
    for (u32 i = 0; i < link->active; i++) {
        vhost_ring_kick(vhost_rings_at(link->rings, i));
        vhost_link_handle(link, virtio_queue_at(link->virtio, i));
    }
}

void vhost_link_status(struct vhost_link *link, u8 status)
{
    if (link->running || !(status & VIRTIO_DRIVER_OK))
        return;
    if (link->broken || !vhost_wire_vhost(link->wire))
        give_up(link, "the other process is gone");
    else
        vhost_link_resume(link);
}

bool vhost_link_is_running(const struct vhost_link *link)
{
    return link->running && !link->broken && vhost_wire_vhost(link->wire) && link->generation == vhost_wire_generation(link->wire);
}

/* The other process lets go of the rings, if it is still the one that has them. */
static void stop(struct vhost_link *link)
{
    GError *error = NULL;
    bool running = vhost_link_is_running(link);
    struct vhost *vhost = running ? vhost_wire_begin(link->wire) : NULL;

    link->running = false;
    link->held = false;
    for (u32 i = 0; vhost && i < link->active; i++) {
        if (!vhost_stop_ring(vhost, i, &link->base[i], &error)) {
            fail(link, error);
            return;
        }
    }
}

/*
 * The machine stops: what the other process has done so far reaches the guest, and it does nothing more. What it has not done stays in the
 * rings.
 */
static void hold(struct vhost_link *link)
{
    if (!vhost_link_is_running(link))
        return;
    stop(link);
    for (u32 i = 0; i < link->active && !link->broken && vhost_wire_vhost(link->wire); i++) {
        GError *error = NULL;

        if (!take_finished(link, i))
            continue;
        error_set(&error, "the other process broke ring %u", i);
        fail(link, error);
        return;
    }
    link->held = !link->broken && vhost_wire_vhost(link->wire) && link->generation == vhost_wire_generation(link->wire);
}

static bool go_on(struct vhost_link *link, GError **error)
{
    struct vhost *vhost = vhost_wire_begin(link->wire);

    if (memory_changed(link) && !tell_memory(link, vhost, error))
        return false;
    for (u32 i = 0; i < link->active; i++) {
        struct vhost_ring_place place = vhost_ring_place(vhost_rings_at(link->rings, i));

        if (!vhost_start_ring(vhost, &place, link->base[i], error))
            return false;
    }
    return true;
}

/* The machine goes on, and so does whoever held; or what happened meanwhile shows now. */
static void unhold(struct vhost_link *link)
{
    bool same = link->held && vhost_wire_vhost(link->wire) && link->generation == vhost_wire_generation(link->wire);
    GError *error = NULL;

    if (link->gone) {
        link->gone = link->held = false;
        give_up(link, "the other process is gone");
        return;
    }
    if (link->held && !same)
        collect(link);
    link->held = false;
    if (!same) {
        if (link->wanted)
            vhost_link_resume(link);
        return;
    }
    if (!go_on(link, &error)) {
        fail(link, error);
        return;
    }
    link->running = true;
    for (u32 i = 0; i < link->active; i++) {
        vhost_ring_kick(vhost_rings_at(link->rings, i));
        vhost_link_handle(link, virtio_queue_at(link->virtio, i));
    }
}

static void on_vm_event(const struct vm_event *event, void *opaque)
{
    struct vhost_link *link = opaque;

    if ((event->kind != VM_EVENT_STILL && event->kind != VM_EVENT_RESUME) || !device_begin(link->virtio->device))
        return;
    if (event->kind == VM_EVENT_STILL && link->wire)
        hold(link);
    link->still = event->kind == VM_EVENT_STILL;
    if (!link->still)
        give_back_late(link);
    if (!link->still && link->wire)
        unhold(link);
    device_end(link->virtio->device);
}

void vhost_link_pause(struct vhost_link *link)
{
    link->wanted = false;
    if (!link->running && !link->held)
        return;
    stop(link);
    collect(link);
}

void vhost_link_reset(struct vhost_link *link)
{
    struct virtio_request *request;

    drop_late(link);
    if (!link->wire)
        return;
    stop(link);
    link->wanted = false;
    for (u32 i = 0; link->rings && i < link->count; i++) {
        while ((request = vhost_ring_abandon(vhost_rings_at(link->rings, i))))
            virtio_request_drop(request);
    }
    for (guint i = 0; i < link->kept->len; i++)
        virtio_request_drop(link->kept->pdata[i]);
    g_ptr_array_set_size(link->kept, 0);
}

static bool has_shared_memory(struct vhost_link *link, GError **error)
{
    struct regions regions = {0};

    find_memory(link, &regions);
    if (regions.count)
        return true;
    error_set(error, "the other process must share the guest's memory");
    return error_hint(error, "for instance: -object memory-backend-memfd,id=mem0,size=1G,share=on -machine memory-backend=mem0");
}

static bool check(const struct vhost_link *link, GError **error)
{
    u32 most = vhost_wire_max_queues(link->wire);

    if (!(vhost_wire_features(link->wire) & BIT64(VIRTIO_F_VERSION_1)))
        return error_set(error, "the other process knows only the virtio of before version 1");
    if (link->own_wire && most > 1 && most < link->count)
        return error_set(error, "the other process has %u queues, not %u", most, link->count);
    return true;
}

static bool attach(struct vhost_link *link, struct virtio_device *virtio, struct vhost_wire *wire, u32 count, GError **error)
{
    link->virtio = virtio;
    link->wire = wire;
    link->count = link->active = count;
    link->promised = vhost_wire_features(wire);
    link->kept = g_ptr_array_new();
    if (!check(link, error) || !(link->rings = vhost_rings_create(count, error))) {
        vhost_link_close(link);
        return false;
    }
    for (u32 i = 0; i < count; i++)
        link->called[i] = watch(link, vhost_ring_place(vhost_rings_at(link->rings, i)).call);
    vm_on_event(vm_of(link), on_vm_event, link);
    vm_memory_on_change(vm_of(link), on_memory, link);
    return true;
}

bool vhost_link_open_wire(struct vhost_link *link, struct virtio_device *virtio, struct vhost_wire *wire, u32 count, GError **error)
{
    link->virtio = virtio;
    return has_shared_memory(link, error) && attach(link, virtio, wire, count, error);
}

bool vhost_link_open(struct vhost_link *link, struct virtio_device *virtio, const char *chardev, u32 count, GError **error)
{
    link->virtio = virtio;
    struct vhost_wire *wire = has_shared_memory(link, error) ? vhost_wire_open(vm_of(link), chardev, error) : NULL;
    if (!wire)
        return false;
    link->own_wire = true;
    vhost_wire_watch(wire, on_wire, link);
    return attach(link, virtio, wire, count, error);
}

static void drop_wire(struct vhost_link *link)
{
    vm_memory_off_change(vm_of(link), on_memory, link);
    vhost_link_reset(link);
    for (u32 i = 0; i < link->count; i++)
        drop_source(&link->called[i]);
    g_clear_pointer(&link->rings, vhost_rings_destroy);
    g_clear_pointer(&link->kept, g_ptr_array_unref);
    if (link->own_wire)
        vhost_wire_close(link->wire);
    link->wire = NULL;
}

void vhost_link_lose_wire(struct vhost_link *link)
{
    if (!link->wire)
        return;
    vhost_link_pause(link);

    GPtrArray *late = g_steal_pointer(&link->late);
    drop_wire(link);
    link->late = late;
}

void vhost_link_close(struct vhost_link *link)
{
    if (link->wire)
        drop_wire(link);
    if (link->virtio)
        vm_off_event(vm_of(link), on_vm_event, link);
    drop_late(link);
}
