/* hw/virtio/embed.h - structs that declared virtio devices embed by their rows; the fields are hw/virtio/'s business. */
#ifndef HW_VIRTIO_EMBED_H
#define HW_VIRTIO_EMBED_H

#include "hw/virtio/virtio.h"

struct virtio_bus;
struct virtio_outside;

/* In the arena: what transports show. */
struct virtio_state {
    u64 driver_features;
    u32 device_features_select, driver_features_select;
    u32 generation;          /* of the configuration space */
    u16 queue_select, config_vector;
    u8 status;
    u8 legacy;               /* the driver uses the legacy interface */
    u8 accepted;             /* features were negotiated */
    u8 broken;               /* until reset */
    u8 spare[4];
};

/* In the arena: a queue as its driver set it up, and how far the device is. */
struct virtio_queue_state {
    u64 descriptors, driver, device; /* guest-physical addresses of the three areas (2.6) */
    u32 align;               /* legacy: of the used ring */
    u32 pfn;                 /* legacy: as written */
    u16 size, vector;
    u16 next;                /* split: index of the next available entry; packed: position in the ring */
    u16 used;                /* likewise for used entries */
    u16 signalled;           /* split: `used` when the driver was last told; packed: entries used since */
    u8 enabled;
    u8 next_wrap, used_wrap; /* packed */
    u8 signalled_valid;
    u8 resetting;            /* the queue was reset and not enabled since */
    u8 spare;
};

struct virtio_device {
    struct device *device;
    const struct virtio_class *class;
    struct virtio_state *state;
    struct virtio_queue_state *queue_state;
    u32 queue_count, max_queues;
    struct virtio_queue *queue; /* max_queues */
    u64 features;               /* negotiated */
    u64 offered;
    bool modern;                /* the transport can do version 1 */
    bool legacy;                /* the transport can do legacy */
    struct virtio_bus *bus;     /* NULL: not plugged in */
    struct space *space;        /* for DMA */
    bool lazy;                  /* the reset that begins need not wait for back ends: the driver does */
    bool resetting;             /* they still use memory of before it */
    u8 status_before;           /* what the driver sees meanwhile */
    struct virtio_outside *outside; /* NULL: all queues run under the machine lock */
};

#endif
