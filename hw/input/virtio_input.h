/* hw/input/virtio_input.h - what virtio keyboards, mice and tablets share (virtio 1.3, 5.8). Thread: as all hooks of a device. */
#ifndef HW_INPUT_VIRTIO_INPUT_H
#define HW_INPUT_VIRTIO_INPUT_H

#include "hw/virtio/virtio.h"
#include "ui/ui.h"

enum { VIRTIO_INPUT_HELD_MAX = 32 };

/* A kind of device: what it says about itself. */
struct virtio_input_model {
    const char *name;
    u16 product, version;
    u32 kinds;              /* enum input_kind */
    u16 properties;         /* bits of evdev's INPUT_PROP */
    bool repeats;           /* keys repeat when held; there are lights */
};

extern const struct virtio_input_model virtio_input_keyboard, virtio_input_mouse, virtio_input_tablet;

struct virtio_input {
    const struct virtio_input_model *model;
    struct virtio_queue *events;
    struct ui *ui;
    struct input_handler handler;
    u32 held_count;         /* events since the last sync, which go to the guest together */
    u64 held[VIRTIO_INPUT_HELD_MAX];
};

/* The answer to a selection of the configuration space; bytes of it, at most 128. */
u8 virtio_input_describe(const struct virtio_input_model *model, const char *serial, u8 select, u8 subselect, u8 data[128]);

/* ui may be NULL: nobody types. */
void virtio_input_start(struct virtio_input *input, const struct virtio_input_model *model, struct ui *ui);
void virtio_input_stop(struct virtio_input *input);
void virtio_input_reset(struct virtio_input *input);
/* Lights and the like: taken, shown nowhere. */
void virtio_input_take_status(struct virtio_queue *queue);

#endif
