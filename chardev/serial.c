/* chardev/serial.c - a terminal line of the host: /dev/ttyS0, /dev/pts/3. */
#include "chardev/stream.h"
#include "base/error.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

struct serial_chardev {
    struct chardev base;
    struct stream stream;
    int fd;
};

static bool open_serial(struct chardev *chardev, GHashTable *options, GError **error)
{
    struct serial_chardev *self = (struct serial_chardev *)chardev;
    struct termios mode;
    const char *path;

    self->fd = -1;
    if (!chardev_option_need(options, "path", &path, error))
        return false;
    self->fd = open(path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (self->fd < 0)
        return error_set(error, "cannot open '%s': %s", path, strerror(errno));
    if (tcgetattr(self->fd, &mode) == 0) {
        cfmakeraw(&mode);
        mode.c_cflag |= CREAD | CLOCAL;
        tcsetattr(self->fd, TCSANOW, &mode);
    }
    chardev->connected = true;
    stream_start(&self->stream, chardev, self->fd, self->fd);
    return true;
}

static void close_serial(struct chardev *chardev)
{
    struct serial_chardev *self = (struct serial_chardev *)chardev;

    stream_drain(&self->stream);
    stream_stop(&self->stream);
    if (self->fd >= 0)
        close(self->fd);
}

static size_t write_serial(struct chardev *chardev, const u8 *data, size_t length, bool whole)
{
    return stream_write(&((struct serial_chardev *)chardev)->stream, data, length, whole);
}

static size_t pending_serial(struct chardev *chardev)
{
    return stream_pending(&((struct serial_chardev *)chardev)->stream);
}

static void accept_input_serial(struct chardev *chardev)
{
    stream_accept_input(&((struct serial_chardev *)chardev)->stream);
}

static const struct chardev_option serial_options[] = {
    {"path", OPTION_STRING, "device file; needed"},
    {NULL},
};

const struct chardev_class chardev_class_serial = {
    .name = "serial",
    .help = "a terminal line of the host",
    .options = serial_options,
    .size = sizeof(struct serial_chardev),
    .open = open_serial,
    .close = close_serial,
    .write = write_serial,
    .pending = pending_serial,
    .accept_input = accept_input_serial,
};
