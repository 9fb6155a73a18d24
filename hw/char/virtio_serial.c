/* hw/char/virtio_serial.c - virtio console device (virtio 1.3, 5.3): ports, each with two queues, and the control queues. */
#include "hw/char/virtio_serial.h"
#include "api/types.h"
#include "base/bits.h"
#include "base/error.h"
#include "hw/core/plug.h"
#include <string.h>
#define DEVICE        virtio_serial
#define DEVICE_ROWS   "hw/char/virtio_serial.dev"
#define VIRTIO_QUEUES (2 * (VIRTIO_SERIAL_PORTS + 1))
#include "hw/virtio/declare.inc"

enum { F_SIZE = 0, F_MULTIPORT = 1, F_EMERG_WRITE = 2 };
enum { DEVICE_READY, PORT_ADD, PORT_REMOVE, PORT_READY, CONSOLE_PORT, RESIZE, PORT_OPEN, PORT_NAME };
enum { MESSAGE = 8, MOST_MESSAGES = 512, CHUNK = 4096, CONTROL_IN = 2, CONTROL_OUT = 3 };
/* Bytes that guests send in one go, and for how many a request counts at least: others may want the machine lock. */
enum { TURN = 1 << 20, TURN_REQUEST = 4096, TURN_PAUSE_NS = 1000 };

struct message {
    u32 size;
    u8 bytes[];
};

static struct virtio_serial_port *port_at(struct virtio_serial *s, u32 number)
{
    return number < VIRTIO_SERIAL_PORTS ? s->port[number] : NULL;
}

static bool is_multiport(const struct virtio_serial *s)
{
    return virtio_has(&s->virtio, F_MULTIPORT);
}

/* Port 0 has the first two queues, the others those behind the control queues (5.3.2). */
static struct virtio_queue *queue_of(struct virtio_serial *s, u32 number, bool out)
{
    return virtio_queue_at(&s->virtio, (number ? 2 * number + 2 : 0) + out);
}

static u32 number_of(const struct virtio_queue *queue)
{
    u32 index = virtio_queue_index(queue);

    return index < 2 ? 0 : (index - 2) / 2;
}

/* Control messages (5.3.6.2). */

static void send_messages(struct virtio_serial *s)
{
    struct virtio_queue *queue = virtio_queue_at(&s->virtio, CONTROL_IN);
    struct virtio_request *request;

    while (s->messages.head && (request = virtio_queue_pop(queue))) {
        struct message *message = g_queue_pop_head(&s->messages);

        virtio_request_complete(request, (u32)virtio_request_write(request, 0, message->bytes, message->size));
        g_free(message);
    }
}

static void tell(struct virtio_serial *s, u32 port, u16 event, u16 value, const char *text)
{
    u32 more = text ? (u32)strlen(text) : 0;

    if (!is_multiport(s) || !s->state->ready || g_queue_get_length(&s->messages) >= MOST_MESSAGES)
        return;
    struct message *message = g_malloc(sizeof(*message) + MESSAGE + more);
    message->size = MESSAGE + more;
    bits_store_le(message->bytes, 4, port);
    bits_store_le(message->bytes + 4, 2, event);
    bits_store_le(message->bytes + 6, 2, value);
    memcpy(message->bytes + MESSAGE, text ? text : "", more);
    g_queue_push_tail(&s->messages, message);
    send_messages(s);
}

static void forget_messages(struct virtio_serial *s)
{
    g_queue_clear_full(&s->messages, g_free);
    g_queue_init(&s->messages);
}

static void device_ready(struct virtio_serial *s, bool good)
{
    s->state->ready = good;
    for (u32 i = 0; i < VIRTIO_SERIAL_PORTS; i++) {
        if (s->port[i])
            tell(s, i, PORT_ADD, 1, NULL);
    }
}

static void port_ready(struct virtio_serial *s, struct virtio_serial_port *port, bool good)
{
    if (!good) {
        device_guest_error(s, "virtio-serial: the guest cannot use port %u", port->number);
        return;
    }
    if (port->console)
        tell(s, port->number, CONSOLE_PORT, 1, NULL);
    if (port->name)
        tell(s, port->number, PORT_NAME, 1, port->name);
    if (port->host_open)
        tell(s, port->number, PORT_OPEN, 1, NULL);
}

static bool is_open(struct virtio_serial *s, u32 number)
{
    return virtio_is_ready(&s->virtio) && (!is_multiport(s) || s->state->guest_open[number]);
}

static void set_guest_open(struct virtio_serial *s, struct virtio_serial_port *port, bool open)
{
    const struct vm_object *object = &port->device->object;

    if (s->state->guest_open[port->number] == open)
        return;
    s->state->guest_open[port->number] = open;
    port->ops->opened(port, open);
    if (object->parent && !g_strcmp0(object->parent->name, "peripheral"))
        api_event_vserport_change(vm_events(object->vm), object->name, open);
    if (open)
        port->ops->room(port);
}

static void obey(struct virtio_serial *s, const u8 *bytes)
{
    u32 id = (u32)bits_load_le(bytes, 4), event = (u32)bits_load_le(bytes + 4, 2), value = (u32)bits_load_le(bytes + 6, 2);
    struct virtio_serial_port *port = port_at(s, id);

    if (event == DEVICE_READY)
        device_ready(s, value);
    else if (!port)
        device_guest_error(s, "virtio-serial: a message about port %u, which is not there", id);
    else if (event == PORT_READY)
        port_ready(s, port, value);
    else if (event == PORT_OPEN)
        set_guest_open(s, port, value);
    else
        device_guest_error(s, "virtio-serial: message %u means nothing", event);
}

static void handle_control_in(void *device, struct virtio_queue *queue)
{
    send_messages(device);
}

static void handle_control_out(void *device, struct virtio_queue *queue)
{
    struct virtio_request *request;
    u8 bytes[MESSAGE];

    while ((request = virtio_queue_pop(queue))) {
        if (virtio_request_read(request, 0, bytes, MESSAGE) == MESSAGE)
            obey(device, bytes);
        virtio_request_complete(request, 0);
    }
}

/* From the guest. */

/* Passes on what it can of a piece: copies, which the guest does not change meanwhile. False: the port takes no more for now, or the turn ends. */
static bool transmit_piece(struct virtio_serial_port *port, const struct virtio_piece *piece, u64 *turn)
{
    u8 bytes[CHUNK];

    while (port->transmitted < piece->size && *turn) {
        u64 size = MIN(MIN(piece->size - port->transmitted, CHUNK), *turn), taken;

        memcpy(bytes, piece->data + port->transmitted, size);
        taken = port->ops->data(port, bytes, size);
        port->transmitted += taken;
        *turn -= taken;
        if (taken < size)
            return false;
    }
    return port->transmitted == piece->size;
}

static bool transmit_one(struct virtio_serial_port *port, u64 *turn)
{
    struct virtio_request *request = port->transmit;

    for (; port->transmitted_pieces < request->read_count; port->transmitted_pieces++) {
        if (!transmit_piece(port, &request->read[port->transmitted_pieces], turn))
            return false;
        port->transmitted = 0;
    }
    port->transmit = NULL;
    *turn -= MIN(*turn, TURN_REQUEST);
    virtio_request_complete(request, 0);
    return true;
}

static void begin_request(struct virtio_serial *s, struct virtio_serial_port *port)
{
    port->transmit = virtio_queue_pop(queue_of(s, port->number, true));
    port->transmitted_pieces = 0;
    port->transmitted = 0;
}

static void transmit_turn(struct virtio_serial *s, struct virtio_serial_port *port, u64 *turn)
{
    while (*turn) {
        if (!port->transmit)
            begin_request(s, port);
        if (!port->transmit || !transmit_one(port, turn))
            return;
    }
}

/* A port that is not there swallows everything. */
static void swallow_turn(struct virtio_queue *queue, u64 *turn)
{
    struct virtio_request *request;

    while (*turn && (request = virtio_queue_pop(queue))) {
        *turn -= MIN(*turn, TURN_REQUEST);
        virtio_request_complete(request, 0);
    }
}

static void transmit(struct virtio_serial *s, u32 number)
{
    struct virtio_serial_port *port = port_at(s, number);
    u64 turn = TURN;

    if (port)
        transmit_turn(s, port, &turn);
    else
        swallow_turn(queue_of(s, number, true), &turn);
    if (!turn)
        device_timer_arm(&s->turn, vm_clock_now(s->device.object.vm, VM_CLOCK_VIRTUAL) + TURN_PAUSE_NS);
}

/* The next turn of all that may have come to the end of one. */
static void go_on(void *device)
{
    struct virtio_serial *s = device;

    for (u32 i = 0; i < VIRTIO_SERIAL_PORTS && queue_of(s, i, true); i++)
        transmit(s, i);
}

static void handle_out(void *device, struct virtio_queue *queue)
{
    transmit(device, number_of(queue));
}

static void write_emergency(void *device, u32 index, u64 value)
{
    struct virtio_serial *s = device;
    u8 character = (u8)value;

    if (s->port[0] && s->emergency_write)
        s->port[0]->ops->data(s->port[0], &character, 1);
}

void virtio_serial_port_continue(struct virtio_serial_port *port)
{
    struct virtio_serial *s = port->serial;

    if (!s || !device_begin(&s->device))
        return;
    transmit(s, port->number);
    device_end(&s->device);
}

/* To the guest. */

/* Into the buffer that the port has. */
static void deliver(struct virtio_serial_port *port)
{
    u32 size = (u32)virtio_request_write(port->receive, 0, port->waiting->data, port->waiting->len);

    g_byte_array_remove_range(port->waiting, 0, size);
    virtio_request_complete(g_steal_pointer(&port->receive), size);
}

/* What waits goes on its way, and the port has a buffer for what comes next. */
static void handle_in(void *device, struct virtio_queue *queue)
{
    struct virtio_serial_port *port = port_at(device, number_of(queue));

    if (!port || port->receive)
        return;
    while ((port->receive = virtio_queue_pop(queue)) && port->waiting->len)
        deliver(port);
    if (virtio_serial_port_room(port))
        port->ops->room(port);
}

u64 virtio_serial_port_room(const struct virtio_serial_port *port)
{
    if (!port->serial || !port->receive || port->waiting->len || !is_open(port->serial, port->number))
        return 0;
    return port->receive->write_size;
}

void virtio_serial_port_send(struct virtio_serial_port *port, const u8 *data, u64 size)
{
    struct virtio_serial *s = port->serial;

    if (!s || !device_begin(&s->device))
        return;
    if (is_open(s, port->number)) {
        g_byte_array_append(port->waiting, data, (guint)size);
        if (port->receive) {
            deliver(port);
            virtio_queue_go_on(queue_of(s, port->number, false));
        }
    }
    device_end(&s->device);
}

void virtio_serial_port_set_host_open(struct virtio_serial_port *port, bool open)
{
    struct virtio_serial *s = port->serial;

    if (port->host_open == open)
        return;
    port->host_open = open;
    if (!s || !device_begin(&s->device))
        return;
    tell(s, port->number, PORT_OPEN, open, NULL);
    device_end(&s->device);
}

/* Ports come and go. */

/* The guest finds ports by their names. */
static bool check_name(struct virtio_serial *s, const struct virtio_serial_port *port, GError **error)
{
    for (u32 i = 0; port->name && i < VIRTIO_SERIAL_PORTS; i++) {
        if (s->port[i] && !g_strcmp0(s->port[i]->name, port->name))
            return error_set(error, "virtio-serial-bus: A port already exists by name %s", port->name);
    }
    return true;
}

static bool choose_number(struct virtio_serial *s, struct virtio_serial_port *port, GError **error)
{
    u32 most = s->max_ports;

    if (port->number != VIRTIO_SERIAL_NO_NUMBER) {
        if (port->number >= most)
            return error_set(error, "virtio-serial-bus: Out-of-range port id specified, max. allowed: %u", most - 1);
        if (!port->number && !port->console)
            return error_set(error, "Port number 0 on virtio-serial devices reserved for virtconsole devices for backward compatibility.");
        return !s->port[port->number] || error_set(error, "virtio-serial-bus: A port already exists at id %u", port->number);
    }
    for (u32 i = port->console ? 0 : 1; i < most; i++) {
        if (!s->port[i]) {
            port->number = i;
            return true;
        }
    }
    return error_set(error, "virtio-serial-bus: Maximum port limit for this device reached");
}

bool virtio_serial_port_plug(struct virtio_serial_port *port, struct bus *bus, GError **error)
{
    struct virtio_serial *s = (struct virtio_serial *)bus->object.parent;

    if (!check_name(s, port, error) || !choose_number(s, port, error) || !bus_plug(bus, &port->device->object, error))
        return false;
    port->waiting = g_byte_array_new();
    port->serial = s;
    s->port[port->number] = port;
    tell(s, port->number, PORT_ADD, 1, NULL);
    return true;
}

static void drop_requests(struct virtio_serial_port *port)
{
    g_clear_pointer(&port->transmit, virtio_request_drop);
    g_clear_pointer(&port->receive, virtio_request_drop);
    g_byte_array_set_size(port->waiting, 0);
}

/* What it holds goes back first. */
static void give_back(struct virtio_serial_port *port)
{
    if (port->transmit)
        virtio_request_complete(g_steal_pointer(&port->transmit), 0);
    if (port->receive)
        virtio_request_complete(g_steal_pointer(&port->receive), 0);
}

void virtio_serial_port_unplug(struct virtio_serial_port *port)
{
    struct virtio_serial *s = port->serial;

    if (!s)
        return;
    port->serial = NULL;
    give_back(port);
    g_clear_pointer(&port->waiting, g_byte_array_unref);
    s->port[port->number] = NULL;
    s->state->guest_open[port->number] = false;
    tell(s, port->number, PORT_REMOVE, 1, NULL);
    bus_unplug(s->bus, &port->device->object);
}

static bool unplug(struct bus *bus, struct device *device, GError **error)
{
    device_delete(device);
    return true;
}

static const struct bus_ops bus_ops = { .unplug = unplug };

VM_CLASS(virtio_serial_bus) {
    .name = "virtio-serial-bus", .parent = "bus", .data = "virtio-serial-pci", .size = sizeof(struct bus), .description = "ports of a virtio console device",
};

/* The device. */

static u64 offer(void *device)
{
    struct virtio_serial *s = device;

    return (s->max_ports > 1 ? BIT64(F_MULTIPORT) : 0) | (s->emergency_write ? BIT64(F_EMERG_WRITE) : 0);
}

static u64 read_max_ports(void *device, u32 index)
{
    return ((struct virtio_serial *)device)->max_ports;
}

static void reset(void *device)
{
    struct virtio_serial *s = device;

    forget_messages(s);
    for (u32 i = 0; i < VIRTIO_SERIAL_PORTS; i++) {
        if (s->port[i])
            drop_requests(s->port[i]);
    }
}

/* The buffers of one queue are the driver's again; what waits for it stays. */
static void queue_reset(void *device, struct virtio_queue *queue)
{
    u32 index = virtio_queue_index(queue);
    bool control = index == CONTROL_IN || index == CONTROL_OUT;
    struct virtio_serial_port *port = control ? NULL : port_at(device, number_of(queue));

    if (port)
        g_clear_pointer(index % 2 ? &port->transmit : &port->receive, virtio_request_drop);
}

/* While it is known which ports the guest has open. */
static void before_reset(void *device)
{
    struct virtio_serial *s = device;

    virtio_before_reset(s);
    for (u32 i = 0; i < VIRTIO_SERIAL_PORTS; i++) {
        if (s->port[i])
            set_guest_open(s, s->port[i], false);
    }
}

/* "ID.0" after the device that the user sees, as command lines write it. */
static char *bus_name(const struct virtio_serial *s)
{
    const struct vm_object *object = &s->device.object;

    if (!strcmp(object->name, "virtio-backend"))
        object = object->parent;
    return object->parent && !g_strcmp0(object->parent->name, "peripheral") ? g_strconcat(object->name, ".0", NULL) : g_strdup("virtio-serial-bus.*");
}

static bool realize(void *device, GError **error)
{
    struct virtio_serial *s = device;
    g_autofree char *name = bus_name(s);

    virtio_start(s);
    g_queue_init(&s->messages);
    s->bus = bus_create(&s->device.object, "virtio-serial-bus", name, error);
    if (!s->bus) {
        virtio_device_finish(&s->virtio);
        return false;
    }
    s->bus->ops = &bus_ops;
    for (u32 i = 0; i < (s->max_ports > 1 ? s->max_ports + 1 : 1); i++) {
        bool control = i == 1;

        virtio_queue_add(&s->virtio, control ? 32 : 128, control ? handle_control_in : handle_in);
        virtio_queue_add(&s->virtio, control ? 32 : 128, control ? handle_control_out : handle_out);
    }
    return true;
}

static void unrealize(void *device)
{
    struct virtio_serial *s = device;

    forget_messages(s);
    for (u32 i = 0; i < VIRTIO_SERIAL_PORTS; i++) {
        if (s->port[i]) {
            drop_requests(s->port[i]);
            g_clear_pointer(&s->port[i]->waiting, g_byte_array_unref);
            s->port[i]->serial = NULL;
        }
    }
    virtio_device_finish(&s->virtio);
}

#include "hw/virtio/define.inc"
