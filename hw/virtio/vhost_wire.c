/* hw/virtio/vhost_wire.c - a chardev's socket as a vhost-user connection, again and again. */
#include "hw/virtio/vhost_wire.h"
#include "base/error.h"
#include "chardev/chardev.h"
#include "host/socket.h"
#include "vm/machine.h"
#include "vm/vm.h"
#include <glib-unix.h>

struct vhost_wire {
    struct vm *vm;
    struct chardev_front front;
    struct vhost *vhost;
    GSource *gone;
    u32 generation, max_queues;
    u64 features;
    bool opening;
    gint64 began, not_before; /* monotonic microseconds: vhost_wire_begin; until then nobody is listened to */
    void (*changed)(void *opaque, bool there);
    void *opaque;
};

static void hang_up(struct vhost_wire *wire)
{
    chardev_disconnect(wire->front.chardev);
}

/*
 * It says nothing unasked, so this is its end; unless a vCPU, which held the lock when this descriptor was polled, was just reading an
 * answer.
 */
static gboolean on_gone(gint fd, GIOCondition condition, gpointer data)
{
    struct vhost_wire *wire = data;

    if (host_socket_is_quiet(fd))
        return G_SOURCE_CONTINUE;
    hang_up(wire);
    return G_SOURCE_REMOVE;
}

static bool say_hello(struct vhost_wire *wire, GError **error)
{
    int socket = chardev_take_over(&wire->front, error);

    wire->began = g_get_monotonic_time();
    wire->vhost = socket < 0 ? NULL : vhost_create(socket, error);
    if (!wire->vhost)
        return false;
    wire->generation++;
    wire->features = vhost_features(wire->vhost);
    wire->max_queues = vhost_max_queues(wire->vhost);
    wire->gone = g_unix_fd_source_new(socket, G_IO_IN | G_IO_HUP);
    g_source_set_callback(wire->gone, (GSourceFunc)(void (*)(void))on_gone, wire, NULL);
    g_source_attach(wire->gone, vm_context(wire->vm));
    return true;
}

static void tell(struct vhost_wire *wire, bool there)
{
    if (wire->changed)
        wire->changed(wire->opaque, there);
}

static void lost(struct vhost_wire *wire)
{
    if (!wire->vhost)
        return;
    if (wire->gone) {
        g_source_destroy(wire->gone);
        g_source_unref(g_steal_pointer(&wire->gone));
    }
    vhost_destroy(g_steal_pointer(&wire->vhost));
    tell(wire, false);
}

void vhost_wire_fail(struct vhost_wire *wire, GError *error)
{
    gint64 now = g_get_monotonic_time();

    g_printerr("warning: chardev '%s': %s\n", chardev_id(wire->front.chardev), error->message);
    wire->not_before = now + MAX(G_USEC_PER_SEC, VHOST_WIRE_PAUSE * MIN(now - wire->began, VHOST_TIMEOUT_MS * 1000LL));
    g_error_free(error);
    hang_up(wire);
}

static void on_event(void *opaque, enum chardev_event event)
{
    struct vhost_wire *wire = opaque;
    GError *error = NULL;

    if (event == CHARDEV_CLOSED)
        lost(wire);
    if (event != CHARDEV_OPENED || wire->opening)
        return;
    if (g_get_monotonic_time() < wire->not_before)
        hang_up(wire);
    else if (!say_hello(wire, &error))
        vhost_wire_fail(wire, error);
    else
        tell(wire, true);
}

static const struct chardev_handlers handlers = { .event = on_event };

static bool connect_to(struct vhost_wire *wire, struct chardev *chardev, GError **error)
{
    wire->opening = true;
    bool ok = chardev_attach(&wire->front, chardev, &handlers, wire, error) && chardev_wait(&wire->front, VHOST_TIMEOUT_MS, error) &&
              say_hello(wire, error);
    wire->opening = false;
    return ok;
}

struct vhost_wire *vhost_wire_open(struct vm *vm, const char *id, GError **error)
{
    struct chardev_set *set = vm_backend(vm, "chardevs", 0);
    struct chardev *chardev = id && set ? chardev_find(set, id) : NULL;

    if (!id) {
        error_set(error, "property 'chardev' is needed: the id of -chardev socket,id=ID,path=SOCKET");
        return NULL;
    }
    if (!chardev) {
        error_set(error, "chardev '%s' not found", id);
        return NULL;
    }
    struct vhost_wire *wire = g_new0(struct vhost_wire, 1);
    wire->vm = vm;
    if (connect_to(wire, chardev, error))
        return wire;
    vhost_wire_close(wire);
    return NULL;
}

struct vhost_wire *vhost_wire_own(struct vm *vm, struct vhost *kernel)
{
    struct vhost_wire *wire = g_new0(struct vhost_wire, 1);

    wire->vm = vm;
    wire->vhost = kernel;
    wire->generation = 1;
    wire->features = vhost_features(kernel);
    wire->max_queues = vhost_max_queues(kernel);
    return wire;
}

void vhost_wire_close(struct vhost_wire *wire)
{
    if (!wire)
        return;
    wire->changed = NULL;
    lost(wire);
    chardev_detach(&wire->front);
    g_free(wire);
}

void vhost_wire_watch(struct vhost_wire *wire, void (*changed)(void *opaque, bool there), void *opaque)
{
    wire->changed = changed;
    wire->opaque = opaque;
}

struct vhost *vhost_wire_vhost(const struct vhost_wire *wire)
{
    return wire->vhost;
}

struct vhost *vhost_wire_begin(struct vhost_wire *wire)
{
    wire->began = g_get_monotonic_time();
    if (wire->vhost)
        vhost_begin(wire->vhost);
    return wire->vhost;
}

u32 vhost_wire_generation(const struct vhost_wire *wire)
{
    return wire->generation;
}

u64 vhost_wire_features(const struct vhost_wire *wire)
{
    return wire->features;
}

u32 vhost_wire_max_queues(const struct vhost_wire *wire)
{
    return wire->max_queues;
}
