/* hw/input/virtio_keyboard.c - a keyboard. */
#define DEVICE      virtio_keyboard
#define DEVICE_ROWS "hw/input/virtio_keyboard.dev"
#define INPUT_MODEL virtio_input_keyboard
#include "hw/input/virtio_input.inc"
