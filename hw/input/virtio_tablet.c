/* hw/input/virtio_tablet.c - a tablet. */
#define DEVICE      virtio_tablet
#define DEVICE_ROWS "hw/input/virtio_tablet.dev"
#define INPUT_MODEL virtio_input_tablet
#include "hw/input/virtio_input.inc"
