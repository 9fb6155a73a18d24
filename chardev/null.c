/* chardev/null.c - takes everything, gives nothing. */
#include "chardev/backend.h"

static bool open_null(struct chardev *chardev, GHashTable *options, GError **error)
{
    chardev->connected = true;
    return true;
}

static size_t write_null(struct chardev *chardev, const u8 *data, size_t length, bool whole)
{
    return length;
}

const struct chardev_class chardev_class_null = {
    .name = "null",
    .help = "takes everything, gives nothing",
    .size = sizeof(struct chardev),
    .open = open_null,
    .write = write_null,
};
