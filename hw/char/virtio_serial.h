/*
 * hw/char/virtio_serial.h - between a virtio console device and its ports (virtio 1.3, 5.3). Ports are devices on the bus
 * "virtio-serial-bus"; what is behind them is theirs.
 * Thread: machine lock, with the token of the console device.
 */
#ifndef HW_CHAR_VIRTIO_SERIAL_H
#define HW_CHAR_VIRTIO_SERIAL_H

#include "hw/core/bus.h"
#include "hw/core/device.h"
#include "hw/virtio/virtio.h"

enum { VIRTIO_SERIAL_PORTS = 64, VIRTIO_SERIAL_NO_NUMBER = UINT32_MAX };

struct virtio_serial;
struct virtio_serial_port;

/* What a port does with what the guest says. */
struct virtio_serial_port_ops {
    u64 (*data)(struct virtio_serial_port *port, const u8 *data, u64 size); /* gives back how much it took; the rest waits */
    void (*opened)(struct virtio_serial_port *port, bool open);             /* the guest opened or closed it */
    void (*room)(struct virtio_serial_port *port);                          /* there is room for input again */
};

/* Embedded in a port's device. */
struct virtio_serial_port {
    struct device *device;
    const struct virtio_serial_port_ops *ops;
    const char *name;      /* or NULL */
    bool console;
    bool host_open;        /* somebody is at the other end */
    u32 number;            /* wanted, then given */
    struct virtio_serial *serial; /* NULL: not plugged in */
    struct virtio_request *transmit, *receive; /* being worked on */
    u32 transmitted_pieces; /* of `transmit`, which are done */
    u64 transmitted;       /* bytes of the next one that are, too */
    GByteArray *waiting;   /* input that the guest has no buffer for */
};

bool virtio_serial_port_plug(struct virtio_serial_port *port, struct bus *bus, GError **error);
void virtio_serial_port_unplug(struct virtio_serial_port *port);
/* Bytes of input that the guest takes now. */
u64 virtio_serial_port_room(const struct virtio_serial_port *port);
void virtio_serial_port_send(struct virtio_serial_port *port, const u8 *data, u64 size);
/* ops->data would take something again. */
void virtio_serial_port_continue(struct virtio_serial_port *port);
void virtio_serial_port_set_host_open(struct virtio_serial_port *port, bool open);

#endif
