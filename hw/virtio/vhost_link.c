/* hw/virtio/vhost_link.c - a device whose requests another process carries out: begins, stands, goes on, ends. */
#include "hw/virtio/vhost_link_internal.h"
#include "base/bits.h"
#include "base/error.h"
#include "host/notifier.h"
#include "hw/virtio/embed.h"
#include "vm/inbox.h"
#include "vm/machine.h"
#include "vm/vm.h"
#include <glib-unix.h>
#include <inttypes.h>

/* Feature bits of a kind of device (virtio 1.3, 6): what the other process must do as the driver expects. Rings are our own. */
static const u64 kind_features = (BIT64(24) - 1) | ~(BIT64(50) - 1);

struct vm *vhost_link_vm(const struct vhost_link *link)
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

/* A wire of somebody else can be mended; our own cannot. */
void vhost_link_fail(struct vhost_link *link, GError *error)
{
    if (link->own_wire) {
        give_up(link, error->message);
        g_error_free(error);
        return;
    }
    link->running = false;
    vhost_link_collect(link);
    vhost_wire_fail(link->wire, error);
}

static void take_back(struct vhost_link *link, u32 index)
{
    GError *error = NULL;

    if (!vhost_link_take_finished(link, index)) {
        vhost_link_handle(link, virtio_queue_at(link->virtio, index));
        return;
    }
    error_set(&error, "the other process broke ring %u", index);
    if (!link->own_wire)
        vhost_wire_begin(link->wire); /* nobody was waited for */
    vhost_link_fail(link, error);
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
    else if (letter->what == MEMORY && vhost_link_is_running(link) && vhost_link_memory_changed(link))
        vhost_link_tell_again(link);
    else if (letter->what == CALLED && vhost_link_is_running(link))
        take_back(link, letter->index);
    device_end(link->virtio->device);
}

static void post(struct vhost_link *link, u32 index, u32 what)
{
    const struct letter letter = {link, index, what};

    inbox_post(vhost_link_vm(link), &link->virtio->device->object, deliver, link, &letter, sizeof(letter));
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
    g_source_attach(source, vm_context(vhost_link_vm(link)));
    return source;
}

/* Any thread that holds the lock: whoever changed the map. */
static void on_memory(void *opaque)
{
    struct vhost_link *link = opaque;

    if (vhost_link_is_running(link) && vhost_link_memory_changed(link))
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
           vhost_drop_memory(vhost, error) && vhost_link_tell_memory(link, vhost, error) && (!link->mtu || vhost_set_mtu(vhost, link->mtu, error)) &&
           start_rings(link, vhost, error);
}

void vhost_link_resume(struct vhost_link *link)
{
    GError *error = NULL;

    link->wanted = true;
    if (link->still || link->broken || !link->wire || !vhost_wire_vhost(link->wire) || vhost_link_is_running(link) ||
        !(link->virtio->state->status & VIRTIO_DRIVER_OK) || !virtio_is_ready(link->virtio))
        return;
    if (!start(link, &error)) {
        vhost_link_fail(link, error);
        return;
    }
    link->running = true;
    vhost_link_give_kept(link);
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

bool vhost_link_runs_now(struct vhost_link *link)
{
    if (link->wanted && !vhost_link_is_running(link))
        vhost_link_resume(link);
    return vhost_link_is_running(link);
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
            vhost_link_fail(link, error);
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

        if (!vhost_link_take_finished(link, i))
            continue;
        error_set(&error, "the other process broke ring %u", i);
        vhost_link_fail(link, error);
        return;
    }
    link->held = !link->broken && vhost_wire_vhost(link->wire) && link->generation == vhost_wire_generation(link->wire);
}

static bool go_on(struct vhost_link *link, GError **error)
{
    struct vhost *vhost = vhost_wire_begin(link->wire);

    if (vhost_link_memory_changed(link) && !vhost_link_tell_memory(link, vhost, error))
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
        vhost_link_collect(link);
    link->held = false;
    if (!same) {
        if (link->wanted)
            vhost_link_resume(link);
        return;
    }
    if (!go_on(link, &error)) {
        vhost_link_fail(link, error);
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
        vhost_link_give_back_late(link);
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
    vhost_link_collect(link);
}

void vhost_link_reset(struct vhost_link *link)
{
    struct virtio_request *request;

    vhost_link_drop_late(link);
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

static void drop_of(GPtrArray *list, const struct virtio_queue *queue)
{
    for (guint i = list ? list->len : 0; i-- > 0;) {
        if (((struct virtio_request *)list->pdata[i])->queue == queue)
            virtio_request_drop(g_ptr_array_remove_index(list, i));
    }
}

static void empty_ring(struct vhost_link *link, u32 index)
{
    struct vhost_ring *ring = vhost_rings_at(link->rings, index);
    struct virtio_request *request;

    while ((request = vhost_ring_abandon(ring)))
        virtio_request_drop(request);
    vhost_ring_reset(ring);
    link->base[index] = 0;
}

void vhost_link_queue_reset(struct vhost_link *link, struct virtio_queue *queue)
{
    u32 index = virtio_queue_index(queue);

    if (link->wire && index < link->count) {
        hold(link);
        empty_ring(link, index);
        drop_of(link->kept, queue);
    }
    drop_of(link->late, queue);
    if (link->wire && !link->still && link->held)
        unhold(link);
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
    vm_on_event(vhost_link_vm(link), on_vm_event, link);
    vm_memory_on_change(vhost_link_vm(link), on_memory, link);
    return true;
}

bool vhost_link_open_wire(struct vhost_link *link, struct virtio_device *virtio, struct vhost_wire *wire, u32 count, GError **error)
{
    link->virtio = virtio;
    return vhost_link_has_shared_memory(link, error) && attach(link, virtio, wire, count, error);
}

bool vhost_link_open(struct vhost_link *link, struct virtio_device *virtio, const char *chardev, u32 count, GError **error)
{
    link->virtio = virtio;
    struct vhost_wire *wire = vhost_link_has_shared_memory(link, error) ? vhost_wire_open(vhost_link_vm(link), chardev, error) : NULL;
    if (!wire)
        return false;
    link->own_wire = true;
    vhost_wire_watch(wire, on_wire, link);
    return attach(link, virtio, wire, count, error);
}

bool vhost_link_open_kernel(struct vhost_link *link, struct virtio_device *virtio, struct vhost *kernel, u32 count, GError **error)
{
    link->virtio = virtio;
    link->own_wire = true;
    link->in_place = !vhost_needs_shared_memory(kernel);
    return attach(link, virtio, vhost_wire_own(vhost_link_vm(link), kernel), count, error);
}

static void drop_wire(struct vhost_link *link)
{
    vm_memory_off_change(vhost_link_vm(link), on_memory, link);
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
        vm_off_event(vhost_link_vm(link), on_vm_event, link);
    vhost_link_drop_late(link);
}
