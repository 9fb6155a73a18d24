/*
 * hw/char/ns16550a.c - 16550A UART. What the guest writes leaves at once: the transmitter is empty again before the next
 * access, unless the chardev is full. What comes in waits in the chardev until the receive FIFO has room.
 */
#include "chardev/chardev.h"
#define DEVICE      ns16550a
#define DEVICE_ROWS "hw/char/ns16550a.dev"
#include "hw/core/declare.inc"
#include "base/error.h"
#include "vm/inbox.h"
#include "vm/machine.h"

enum {
    FIFO_SIZE = 16,
    IER_DATA = 1, IER_TRANSMIT = 2, IER_LINE = 4, IER_MODEM = 8,
    IIR_NONE = 1, IIR_MODEM = 0, IIR_TRANSMIT = 2, IIR_DATA = 4, IIR_LINE = 6, IIR_TIMEOUT = 12, IIR_FIFO = 0xc0,
    FCR_ENABLE = 1, FCR_CLEAR_RX = 2, FCR_CLEAR_TX = 4,
    LCR_DIVISOR = 0x80,
    MCR_DTR = 1, MCR_RTS = 2, MCR_OUT1 = 4, MCR_OUT2 = 8, MCR_LOOP = 0x10,
    LSR_DATA = 1, LSR_OVERRUN = 2, LSR_BREAK = 0x10, LSR_THRE = 0x20, LSR_TEMT = 0x40, LSR_FIFO_ERROR = 0x80,
    MSR_CTS = 0x10, MSR_DSR = 0x20, MSR_RI = 0x40, MSR_DCD = 0x80,
};

static unsigned capacity(const struct ns16550a_state *s)
{
    return s->fifo & FCR_ENABLE ? FIFO_SIZE : 1;
}

static unsigned trigger(const struct ns16550a_state *s)
{
    static const u8 levels[] = { 1, 4, 8, 14 };

    return s->fifo & FCR_ENABLE ? levels[s->fifo >> 6] : 1;
}

static u8 identity(const struct ns16550a_state *s)
{
    if ((s->enable & IER_LINE) && s->errors)
        return IIR_LINE;
    if ((s->enable & IER_DATA) && s->timeout_due)
        return IIR_TIMEOUT;
    if ((s->enable & IER_DATA) && s->rx_count >= trigger(s))
        return IIR_DATA;
    if ((s->enable & IER_TRANSMIT) && s->transmit_due)
        return IIR_TRANSMIT;
    if ((s->enable & IER_MODEM) && (s->modem & 0x0f))
        return IIR_MODEM;
    return IIR_NONE;
}

static void update(struct ns16550a *uart)
{
    line_set(uart->irq, identity(uart->state) != IIR_NONE);
}

/* Receiving. */

/* Start, data, parity and stop bits of four characters (data sheet, 8.4.1). */
static s64 timeout_ns(const struct ns16550a *uart)
{
    const struct ns16550a_state *s = uart->state;
    u64 bits = 1 + 5 + (s->lcr & 3) + (s->lcr >> 3 & 1) + 1 + (s->lcr >> 2 & 1);

    return (s64)(4 * bits * 1000000000 * MAX(s->divisor, 1) / uart->baudbase);
}

static void restart_timeout(struct ns16550a *uart)
{
    struct ns16550a_state *s = uart->state;

    s->timeout_due = false;
    if ((s->fifo & FCR_ENABLE) && s->rx_count)
        device_timer_arm(&uart->timeout, vm_clock_now(uart->device.object.vm, VM_CLOCK_VIRTUAL) + timeout_ns(uart));
    else if (timer_armed(&uart->timeout.timer))
        device_timer_arm(&uart->timeout, INT64_MAX);
}

static void timed_out(void *device)
{
    struct ns16550a *uart = device;

    uart->state->timeout_due = uart->state->rx_count > 0;
    update(uart);
}

/* Tells the chardev's side how much fits. */
static void publish_room(struct ns16550a *uart, bool more)
{
    const struct ns16550a_state *s = uart->state;
    unsigned used = s->rx_count;

    __atomic_store_n(&uart->room, used < capacity(s) ? capacity(s) - used : 0, __ATOMIC_SEQ_CST);
    if (more)
        chardev_accept_input(&uart->front);
}

static void push(struct ns16550a *uart, u8 byte, u8 error)
{
    struct ns16550a_state *s = uart->state;

    if (s->rx_count >= capacity(s)) {
        s->errors |= LSR_OVERRUN;
        if (s->fifo & FCR_ENABLE)
            return; /* the FIFO keeps what it has; without it, the new byte replaces the old one */
        s->rx_count = 0;
    }
    unsigned at = (s->rx_head + s->rx_count++) % FIFO_SIZE;
    s->rx_data[at] = byte;
    s->rx_error[at] = error;
    if (s->rx_count == 1)
        s->errors |= error;
    restart_timeout(uart);
}

static u8 pop(struct ns16550a *uart)
{
    struct ns16550a_state *s = uart->state;
    u8 byte = s->rx_data[s->rx_head];

    if (!s->rx_count)
        return 0;
    s->rx_head = (s->rx_head + 1) % FIFO_SIZE;
    if (--s->rx_count)
        s->errors |= s->rx_error[s->rx_head]; /* an error shows when its byte is on top */
    restart_timeout(uart);
    publish_room(uart, true);
    return byte;
}

static void clear_receiver(struct ns16550a *uart)
{
    uart->state->rx_count = uart->state->rx_head = 0;
    restart_timeout(uart);
    publish_room(uart, true);
}

/* Sending. */

static void transmitter_empty(struct ns16550a *uart)
{
    uart->state->transmit_due = true;
}

static void send(struct ns16550a *uart)
{
    struct ns16550a_state *s = uart->state;

    while (s->tx_count) {
        unsigned run = MIN(s->tx_count, FIFO_SIZE - s->tx_head);
        size_t taken = chardev_write(&uart->front, &s->tx_data[s->tx_head], run);

        s->tx_head = (s->tx_head + taken) % FIFO_SIZE;
        s->tx_count -= taken;
        if (taken < run)
            return; /* goes on in writable() */
    }
    transmitter_empty(uart);
}

static void transmit(struct ns16550a *uart, u8 byte)
{
    struct ns16550a_state *s = uart->state;

    if (s->mcr & MCR_LOOP) {
        push(uart, byte, 0);
        publish_room(uart, false);
        transmitter_empty(uart);
        return;
    }
    if (s->tx_count >= capacity(s)) /* a guest that ignores THRE loses its last byte */
        s->tx_count--;
    s->tx_data[(s->tx_head + s->tx_count++) % FIFO_SIZE] = byte;
    s->transmit_due = false;
    send(uart);
}

/* Registers. */

static bool divisor_latched(const struct ns16550a *uart)
{
    return uart->state->lcr & LCR_DIVISOR;
}

static u64 read_data(void *device, u32 index)
{
    struct ns16550a *uart = device;

    if (divisor_latched(uart))
        return uart->state->divisor & 0xff;
    u8 byte = pop(uart);
    update(uart);
    return byte;
}

static void write_data(void *device, u32 index, u64 value)
{
    struct ns16550a *uart = device;

    if (divisor_latched(uart)) {
        uart->state->divisor = (u16)((uart->state->divisor & 0xff00) | value);
        return;
    }
    transmit(uart, (u8)value);
    update(uart);
}

static u64 read_enable(void *device, u32 index)
{
    struct ns16550a *uart = device;

    return divisor_latched(uart) ? uart->state->divisor >> 8 : uart->state->enable;
}

static void write_enable(void *device, u32 index, u64 value)
{
    struct ns16550a *uart = device;
    struct ns16550a_state *s = uart->state;

    if (divisor_latched(uart)) {
        s->divisor = (u16)((s->divisor & 0x00ff) | value << 8);
        return;
    }
    /* Enabling the transmitter's interrupt while it is empty raises it (data sheet, 8.6.1). */
    if (value & ~s->enable & IER_TRANSMIT)
        s->transmit_due = !s->tx_count;
    s->enable = value & 0x0f;
    update(uart);
}

static u64 read_identity(void *device, u32 index)
{
    struct ns16550a *uart = device;
    u8 id = identity(uart->state);

    if (id == IIR_TRANSMIT) {
        uart->state->transmit_due = false;
        update(uart);
    }
    return id | (uart->state->fifo & FCR_ENABLE ? IIR_FIFO : 0);
}

static void write_fifo_control(void *device, u32 index, u64 value)
{
    struct ns16550a *uart = device;
    struct ns16550a_state *s = uart->state;
    bool toggled = (value ^ s->fifo) & FCR_ENABLE;

    s->fifo = value & FCR_ENABLE ? value & 0xc9 : 0;
    if (toggled || (value & FCR_CLEAR_RX))
        clear_receiver(uart);
    if (toggled || (value & FCR_CLEAR_TX)) {
        s->tx_count = s->tx_head = 0;
        transmitter_empty(uart);
    }
    update(uart);
}

static u64 read_line_status(void *device, u32 index)
{
    struct ns16550a *uart = device;
    struct ns16550a_state *s = uart->state;
    u8 status = s->errors | (s->rx_count ? LSR_DATA : 0) | (s->tx_count ? 0 : LSR_THRE | LSR_TEMT);

    for (unsigned i = 0; i < s->rx_count && (s->fifo & FCR_ENABLE); i++)
        status |= s->rx_error[(s->rx_head + i) % FIFO_SIZE] ? LSR_FIFO_ERROR : 0;
    if (s->errors) {
        s->errors = 0;
        if (s->rx_count)
            s->rx_error[s->rx_head] = 0;
        update(uart);
    }
    return status;
}

/* In loop mode the modem's inputs are the outputs (data sheet, 8.6.7). */
static u8 modem_inputs(const struct ns16550a *uart)
{
    u8 mcr = uart->state->mcr;

    if (!(mcr & MCR_LOOP))
        return MSR_DCD | MSR_DSR | MSR_CTS;
    return (mcr & MCR_RTS ? MSR_CTS : 0) | (mcr & MCR_DTR ? MSR_DSR : 0) | (mcr & MCR_OUT1 ? MSR_RI : 0) | (mcr & MCR_OUT2 ? MSR_DCD : 0);
}

static void update_modem(struct ns16550a *uart)
{
    struct ns16550a_state *s = uart->state;
    u8 inputs = modem_inputs(uart), changed = (inputs ^ s->modem) & 0xf0;

    /* Ring reports only its trailing edge. */
    if (inputs & MSR_RI)
        changed &= (u8)~MSR_RI;
    s->modem = inputs | (s->modem & 0x0f) | changed >> 4;
}

static u64 read_modem_status(void *device, u32 index)
{
    struct ns16550a *uart = device;
    u8 status = uart->state->modem;

    uart->state->modem &= 0xf0;
    update(uart);
    return status;
}

static void write_modem(void *device, u32 index, u64 value)
{
    update_modem(device);
    update(device);
}

/* The chardev's side: main thread, no lock. */

static size_t can_receive(void *opaque)
{
    struct ns16550a *uart = opaque;
    u32 room = __atomic_load_n(&uart->room, __ATOMIC_SEQ_CST), in_flight = __atomic_load_n(&uart->in_flight, __ATOMIC_SEQ_CST);

    return room > in_flight ? room - in_flight : 0;
}

static void deliver(void *opaque, const void *payload, u32 size)
{
    struct ns16550a *uart = opaque;

    for (u32 i = 0; i < size && !(uart->state->mcr & MCR_LOOP); i++)
        push(uart, ((const u8 *)payload)[i], 0);
    __atomic_fetch_sub(&uart->in_flight, size, __ATOMIC_SEQ_CST);
    publish_room(uart, true);
    update(uart);
}

static void receive(void *opaque, const u8 *data, size_t length)
{
    struct ns16550a *uart = opaque;

    __atomic_fetch_add(&uart->in_flight, (u32)length, __ATOMIC_SEQ_CST);
    inbox_post(uart->device.object.vm, &uart->device.object, deliver, uart, data, (u32)length);
}

static void deliver_break(void *opaque, const void *payload, u32 size)
{
    struct ns16550a *uart = opaque;

    push(uart, 0, LSR_BREAK);
    publish_room(uart, false);
    update(uart);
}

static void happened(void *opaque, enum chardev_event event)
{
    struct ns16550a *uart = opaque;

    if (event == CHARDEV_BREAK)
        inbox_post(uart->device.object.vm, &uart->device.object, deliver_break, uart, NULL, 0);
}

static void deliver_writable(void *opaque, const void *payload, u32 size)
{
    struct ns16550a *uart = opaque;

    if (uart->state->tx_count)
        send(uart);
    update(uart);
}

static void writable(void *opaque)
{
    struct ns16550a *uart = opaque;

    inbox_post(uart->device.object.vm, &uart->device.object, deliver_writable, uart, NULL, 0);
}

static const struct chardev_handlers handlers = { .can_receive = can_receive, .receive = receive, .event = happened, .writable = writable };

static void reset(void *device)
{
    struct ns16550a *uart = device;

    publish_room(uart, true);
    update(uart);
}

static bool realize(void *device, GError **error)
{
    struct ns16550a *uart = device;
    struct chardev_set *set = vm_backend(uart->device.object.vm, "chardevs", 0);
    bool wanted = uart->chardev && *uart->chardev;
    struct chardev *chardev = wanted && set ? chardev_find(set, uart->chardev) : NULL;

    if (uart->regshift)
        return error_set(error, "regshift=%u: only registers side by side are modelled", uart->regshift);
    if (wanted && !chardev)
        return error_set(error, "there is no chardev '%s'", uart->chardev);
    publish_room(uart, false);
    return !chardev || chardev_attach(&uart->front, chardev, &handlers, uart, error);
}

static void unrealize(void *device)
{
    chardev_detach(&((struct ns16550a *)device)->front);
}

#include "hw/core/define.inc"
