/* hw/input/virtio_mouse.c - a mouse. */
#define DEVICE      virtio_mouse
#define DEVICE_ROWS "hw/input/virtio_mouse.dev"
#define INPUT_MODEL virtio_input_mouse
#include "hw/input/virtio_input.inc"
