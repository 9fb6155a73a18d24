/* chardev/ringbuf.c - keeps the newest output in memory. */
#include "chardev/backend.h"
#include "base/bits.h"
#include "base/error.h"

struct ringbuf_chardev {
    struct chardev base;
    u8 *bytes;
    u64 size;           /* a power of two */
    u64 written, taken; /* counts since the start; taken <= written <= taken + size */
};

static bool open_ringbuf(struct chardev *chardev, GHashTable *options, GError **error)
{
    struct ringbuf_chardev *ring = (struct ringbuf_chardev *)chardev;

    ring->size = chardev_option_number(options, "size", 64 * KIB);
    if (!bits_is_power_of_2(ring->size) || ring->size > 256 * MIB) {
        error_set(error, "size of a ring buffer cannot be %" G_GUINT64_FORMAT, ring->size);
        return error_hint(error, "it is a power of two up to 256M");
    }
    ring->bytes = g_malloc0(ring->size);
    chardev->connected = true;
    return true;
}

static void close_ringbuf(struct chardev *chardev)
{
    g_free(((struct ringbuf_chardev *)chardev)->bytes);
}

static size_t write_ringbuf(struct chardev *chardev, const u8 *data, size_t length, bool whole)
{
    struct ringbuf_chardev *ring = (struct ringbuf_chardev *)chardev;

    for (size_t i = 0; i < length; i++)
        ring->bytes[ring->written++ & (ring->size - 1)] = data[i];
    if (ring->written - ring->taken > ring->size)
        ring->taken = ring->written - ring->size;
    return length;
}

static bool check_kind(struct chardev *chardev, GError **error)
{
    return chardev->class == &chardev_class_ringbuf ||
           error_set(error, "chardev '%s' is no ring buffer", chardev->id);
}

bool chardev_ringbuf_read(struct chardev *chardev, void *data, size_t size, size_t *count,
                          GError **error)
{
    struct ringbuf_chardev *ring = (struct ringbuf_chardev *)chardev;

    if (!check_kind(chardev, error))
        return false;
    g_mutex_lock(&chardev->mutex);
    *count = MIN(size, ring->written - ring->taken);
    for (size_t i = 0; i < *count; i++)
        ((u8 *)data)[i] = ring->bytes[ring->taken++ & (ring->size - 1)];
    g_mutex_unlock(&chardev->mutex);
    return true;
}

bool chardev_ringbuf_write(struct chardev *chardev, const void *data, size_t size, GError **error)
{
    if (!check_kind(chardev, error))
        return false;
    g_mutex_lock(&chardev->mutex);
    write_ringbuf(chardev, data, size, false);
    g_mutex_unlock(&chardev->mutex);
    return true;
}

static const struct chardev_option ringbuf_options[] = {
    {"size", OPTION_SIZE, "bytes kept, a power of two (64K)"},
    {NULL},
};

const struct chardev_class chardev_class_ringbuf = {
    .name = "ringbuf",
    .help = "keeps the newest output in memory (ringbuf-read)",
    .options = ringbuf_options,
    .size = sizeof(struct ringbuf_chardev),
    .open = open_ringbuf,
    .close = close_ringbuf,
    .write = write_ringbuf,
};
