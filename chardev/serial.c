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
STREAM_CHARDEV(struct serial_chardev);

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
    .write = stream_chardev_write,
    .pending = stream_chardev_pending,
    .accept_input = stream_chardev_accept_input,
};
