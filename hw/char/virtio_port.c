/* hw/char/virtio_port.c - ports of a virtio console device over chardevs: virtserialport, virtconsole. */
#include "base/error.h"
#include "chardev/chardev.h"
#include "hw/char/virtio_serial.h"
#include "vm/inbox.h"
#include "vm/machine.h"
#define DEVICE        virtio_port
#define DEVICE_ROWS   "hw/char/virtio_port.dev"
#define DEVICE_PARENT "virtio-serial-port"
#define DEVICE_FLAGS  .user_creatable = true,
#include "hw/core/declare.inc"

static void init_port(struct vm_object *object)
{
    ((struct device *)object)->bus_class = "virtio-serial-bus";
}

VM_CLASS(virtio_serial_port) {
    .name = "virtio-serial-port", .parent = "declared-device", .abstract = true, .size = sizeof(struct device),
    .description = "a port of a virtio console device", .init = init_port,
};

static struct virtio_port *port_of(struct virtio_serial_port *port)
{
    return container_of(port, struct virtio_port, port);
}

/* From the guest. What nobody listens to is lost, as on a wire. */
static u64 take_data(struct virtio_serial_port *port, const u8 *data, u64 size)
{
    struct virtio_port *p = port_of(port);

    return p->front.chardev ? chardev_write(&p->front, data, size) : size;
}

static void guest_opened(struct virtio_serial_port *port, bool open)
{
}

static void has_room(struct virtio_serial_port *port)
{
    struct virtio_port *p = port_of(port);

    if (p->front.chardev)
        chardev_accept_input(&p->front);
}

static const struct virtio_serial_port_ops port_ops = { .data = take_data, .opened = guest_opened, .room = has_room };

/* From the chardev: through the inbox. */

static size_t can_receive(void *opaque)
{
    struct virtio_port *p = opaque;
    u64 room = virtio_serial_port_room(&p->port), coming = __atomic_load_n(&p->in_flight, __ATOMIC_SEQ_CST);

    return room > coming ? room - coming : 0;
}

static void deliver(void *opaque, const void *data, u32 size)
{
    struct virtio_port *p = opaque;

    __atomic_sub_fetch(&p->in_flight, size, __ATOMIC_SEQ_CST);
    virtio_serial_port_send(&p->port, data, size);
    if (virtio_serial_port_room(&p->port))
        has_room(&p->port);
}

static void receive(void *opaque, const u8 *data, size_t size)
{
    struct virtio_port *p = opaque;

    __atomic_add_fetch(&p->in_flight, (u32)size, __ATOMIC_SEQ_CST);
    inbox_post(p->device.object.vm, &p->device.object, deliver, p, data, (u32)size);
}

static void deliver_open(void *opaque, const void *open, u32 size)
{
    virtio_serial_port_set_host_open(&((struct virtio_port *)opaque)->port, *(const bool *)open);
}

/* The guest reads an end of file when input ends: `echo text | vng -- cat` comes to an end. */
static void happened(void *opaque, enum chardev_event event)
{
    struct virtio_port *p = opaque;
    bool open = event == CHARDEV_OPENED;

    if (open || event == CHARDEV_CLOSED || event == CHARDEV_INPUT_ENDED)
        inbox_post(p->device.object.vm, &p->device.object, deliver_open, p, &open, sizeof(open));
}

static void deliver_writable(void *opaque, const void *data, u32 size)
{
    virtio_serial_port_continue(&((struct virtio_port *)opaque)->port);
}

static void writable(void *opaque)
{
    struct virtio_port *p = opaque;

    inbox_post(p->device.object.vm, &p->device.object, deliver_writable, p, NULL, 0);
}

static const struct chardev_handlers handlers = { .can_receive = can_receive, .receive = receive, .event = happened, .writable = writable };

static bool attach(struct virtio_port *p, GError **error)
{
    struct chardev_set *set = vm_backend(p->device.object.vm, "chardevs", 0);
    struct chardev *chardev;

    if (!p->chardev || !*p->chardev)
        return !p->port.console || error_set(error, "property 'chardev' is needed");
    chardev = set ? chardev_find(set, p->chardev) : NULL;
    if (!chardev)
        return error_set(error, "there is no chardev '%s'", p->chardev);
    return chardev_attach(&p->front, chardev, &handlers, p, error);
}

static bool realize(void *device, GError **error)
{
    struct virtio_port *p = device;
    struct bus *bus = p->device.bus;

    p->port = (struct virtio_serial_port){ .device = &p->device, .ops = &port_ops, .name = p->name && *p->name ? p->name : NULL,
                                           .console = p->device.object.class->variant != NULL, .number = p->number };
    if (!attach(p, error))
        return false;
    if (virtio_serial_port_plug(&p->port, bus, error))
        return true;
    chardev_detach(&p->front);
    return false;
}

static void unrealize(void *device)
{
    struct virtio_port *p = device;

    chardev_detach(&p->front);
    virtio_serial_port_unplug(&p->port);
}

#include "hw/core/define.inc"

VM_CLASS(virtconsole) {
    .name = "virtconsole", .parent = "virtserialport", .size = sizeof(struct virtio_port), .user_creatable = true,
    .description = "console of the guest", .variant = "console",
};
