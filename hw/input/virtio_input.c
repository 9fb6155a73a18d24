/* hw/input/virtio_input.c - events for the guest, and what the devices say about themselves. Codes are those of Linux' input events. */
#include "hw/input/virtio_input.h"
#include <string.h>

/* 5.8.4: selections. */
enum { ID_NAME = 1, ID_SERIAL = 2, ID_DEVIDS = 3, PROP_BITS = 0x10, EV_BITS = 0x11, ABS_INFO = 0x12 };
enum { EV_SYN = 0, EV_KEY = 1, EV_REL = 2, EV_ABS = 3, EV_LED = 17, EV_REP = 20, REL_WHEEL = 8, REL_HWHEEL = 6, BUS_VIRTUAL = 6, VENDOR = 0x0627 };

const struct virtio_input_model virtio_input_keyboard = {
    .name = "QEMU Virtio Keyboard", .product = 1, .version = 1, .kinds = INPUT_KEY, .repeats = true,
};
const struct virtio_input_model virtio_input_mouse = {
    .name = "QEMU Virtio Mouse", .product = 2, .version = 2, .kinds = INPUT_BUTTON | INPUT_MOVE,
};
const struct virtio_input_model virtio_input_tablet = {
    .name = "QEMU Virtio Tablet", .product = 3, .version = 2, .kinds = INPUT_BUTTON | INPUT_PLACE,
};

/* Buttons that are keys to Linux; wheels are none. */
static const u16 buttons[INPUT_BUTTON_COUNT] = {
    [INPUT_LEFT] = 0x110, [INPUT_RIGHT] = 0x111, [INPUT_MIDDLE] = 0x112, [INPUT_SIDE] = 0x113, [INPUT_EXTRA] = 0x114, [INPUT_TOUCH] = 0x14a,
};

static void set_bit(u8 *bits, u32 bit, u8 *size)
{
    bits[bit / 8] |= (u8)(1 << bit % 8);
    *size = (u8)MAX(*size, bit / 8 + 1);
}

static u8 key_bits(const struct virtio_input_model *model, u8 *bits)
{
    u8 size = 0;

    for (unsigned i = 0; i < input_key_count && model->kinds & INPUT_KEY; i++) {
        if (input_keys[i].linux_code)
            set_bit(bits, input_keys[i].linux_code, &size);
    }
    for (unsigned i = 0; i < INPUT_BUTTON_COUNT && model->kinds & INPUT_BUTTON; i++) {
        if (buttons[i] && (i != INPUT_TOUCH || model->kinds & INPUT_PLACE))
            set_bit(bits, buttons[i], &size);
    }
    return size;
}

/* Bits of codes that a device has for a type of events. */
static u8 event_bits(const struct virtio_input_model *model, u8 type, u8 *bits)
{
    u8 size = 0;

    if (type == EV_KEY)
        return key_bits(model, bits);
    if (type == EV_REP && model->repeats) {
        set_bit(bits, 0, &size);
        set_bit(bits, 1, &size);
    } else if (type == EV_LED && model->repeats) {
        for (u32 led = 0; led < 3; led++)
            set_bit(bits, led, &size);
    } else if (type == EV_REL && model->kinds & (INPUT_MOVE | INPUT_PLACE)) {
        set_bit(bits, REL_WHEEL, &size);
        set_bit(bits, REL_HWHEEL, &size);
        for (u32 axis = 0; axis < 2 && model->kinds & INPUT_MOVE; axis++)
            set_bit(bits, axis, &size);
    } else if (type == EV_ABS && model->kinds & INPUT_PLACE) {
        set_bit(bits, 0, &size);
        set_bit(bits, 1, &size);
    }
    return size;
}

static void put16(u8 *at, u16 value)
{
    at[0] = (u8)value;
    at[1] = (u8)(value >> 8);
}

static u8 text(const char *string, u8 *data)
{
    size_t length = string ? MIN(strlen(string), 128) : 0;

    if (length)
        memcpy(data, string, length);
    return (u8)length;
}

u8 virtio_input_describe(const struct virtio_input_model *model, const char *serial, u8 select, u8 subselect, u8 data[128])
{
    memset(data, 0, 128);
    if (subselect && select != EV_BITS && select != ABS_INFO)
        return 0;
    switch (select) {
    case ID_NAME:
        return text(model->name, data);
    case ID_SERIAL:
        return text(serial, data);
    case ID_DEVIDS:
        put16(data, BUS_VIRTUAL);
        put16(data + 2, VENDOR);
        put16(data + 4, model->product);
        put16(data + 6, model->version);
        return 8;
    case PROP_BITS:
        data[0] = (u8)model->properties;
        return model->properties ? 1 : 0;
    case EV_BITS:
        return event_bits(model, subselect, data);
    case ABS_INFO: /* smallest, largest, fuzz, flat, resolution */
        if (subselect > 1 || !(model->kinds & INPUT_PLACE))
            return 0;
        put16(data + 4, INPUT_PLACE_MAX);
        return 20;
    default:
        return 0;
    }
}

/* 5.8.6: a group of events reaches the guest as a whole or not at all, so that no key stays down by half. */
static void hand_over(struct virtio_input *input)
{
    struct virtio_request *requests[VIRTIO_INPUT_HELD_MAX + 1];
    u32 count = 0;

    while (count < input->held_count && virtio_queue_is_ready(input->events) && (requests[count] = virtio_queue_pop(input->events)))
        count++;
    if (count < input->held_count) {
        while (count--)
            virtio_request_return(requests[count]);
        return;
    }
    for (u32 i = 0; i < count; i++) {
        u8 event[8];

        for (unsigned b = 0; b < 8; b++)
            event[b] = (u8)(input->held[i] >> (8 * b));
        virtio_request_finish(requests[i], (u32)virtio_request_write(requests[i], 0, event, sizeof(event)));
    }
    virtio_queue_publish(input->events);
    virtio_queue_notify(input->events);
}

static void hold(struct virtio_input *input, u16 type, u16 code, s32 value)
{
    if (input->held_count < VIRTIO_INPUT_HELD_MAX - (type != EV_SYN)) /* the end of a group has its place */
        input->held[input->held_count++] = type | (u64)code << 16 | (u64)(u32)value << 32;
}

static void button(struct virtio_input *input, const struct input_event *event)
{
    static const struct {
        u16 axis;
        s32 step;
    } wheels[INPUT_BUTTON_COUNT] = {
        [INPUT_WHEEL_UP] = {REL_WHEEL, 1}, [INPUT_WHEEL_DOWN] = {REL_WHEEL, -1},
        [INPUT_WHEEL_RIGHT] = {REL_HWHEEL, 1}, [INPUT_WHEEL_LEFT] = {REL_HWHEEL, -1},
    };

    if (buttons[event->code])
        hold(input, EV_KEY, buttons[event->code], event->down);
    else if (event->down)
        hold(input, EV_REL, wheels[event->code].axis, wheels[event->code].step);
}

static void take_event(void *opaque, const struct input_event *event)
{
    struct virtio_input *input = opaque;

    switch (event->kind) {
    case INPUT_KEY:
        if (input_keys[event->code].linux_code)
            hold(input, EV_KEY, input_keys[event->code].linux_code, event->down);
        break;
    case INPUT_BUTTON:
        button(input, event);
        break;
    case INPUT_MOVE:
        hold(input, EV_REL, event->code, event->value);
        break;
    case INPUT_PLACE:
        hold(input, EV_ABS, event->code, event->value);
        break;
    }
}

/* Input comes from the main loop: the device is taken as for a completion. When the guest makes it busy, the group is lost. */
static void sync_events(void *opaque)
{
    struct virtio_input *input = opaque;
    struct device *device = virtio_queue_device(input->events);

    hold(input, EV_SYN, 0, 0);
    if (device_begin(device)) {
        hand_over(input);
        device_end(device);
    }
    input->held_count = 0;
}

void virtio_input_start(struct virtio_input *input, const struct virtio_input_model *model, struct ui *ui)
{
    input->model = model;
    input->ui = ui;
    input->handler = (struct input_handler){.name = model->name, .kinds = model->kinds, .event = take_event, .sync = sync_events, .opaque = input};
    input_add(ui, &input->handler);
}

void virtio_input_stop(struct virtio_input *input)
{
    input_remove(input->ui, &input->handler);
}

void virtio_input_reset(struct virtio_input *input)
{
    input->held_count = 0;
}

void virtio_input_take_status(struct virtio_queue *queue)
{
    struct virtio_request *request;

    while ((request = virtio_queue_pop(queue)))
        virtio_request_complete(request, 0);
}
