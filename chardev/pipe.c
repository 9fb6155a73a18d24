/* chardev/pipe.c - named pipes: PATH.in and PATH.out, or one PATH for both directions. */
#include "chardev/stream.h"
#include "base/error.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

struct pipe_chardev {
    struct chardev base;
    struct stream stream;
    int in_fd, out_fd;
};
STREAM_CHARDEV(struct pipe_chardev);

/* O_RDWR: opening waits for nobody, and a peer that leaves and returns is no end of file. */
static int open_end(const char *path, const char *suffix)
{
    g_autofree char *name = g_strconcat(path, suffix, NULL);

    return open(name, O_RDWR | O_NONBLOCK | O_CLOEXEC);
}

static bool open_pipe(struct chardev *chardev, GHashTable *options, GError **error)
{
    struct pipe_chardev *self = (struct pipe_chardev *)chardev;
    const char *path;

    self->in_fd = self->out_fd = -1;
    if (!chardev_option_need(options, "path", &path, error))
        return false;
    self->in_fd = open_end(path, ".in");
    self->out_fd = open_end(path, ".out");
    if (self->in_fd < 0 || self->out_fd < 0) {
        if (self->in_fd >= 0)
            close(self->in_fd);
        if (self->out_fd >= 0)
            close(self->out_fd);
        self->in_fd = self->out_fd = open_end(path, "");
    }
    if (self->in_fd < 0) {
        error_set(error, "cannot open pipe '%s': %s", path, strerror(errno));
        return error_hint(error, "make them first: mkfifo %s.in %s.out", path, path);
    }
    chardev->connected = true;
    stream_start(&self->stream, chardev, self->in_fd, self->out_fd);
    return true;
}

static void close_pipe(struct chardev *chardev)
{
    struct pipe_chardev *self = (struct pipe_chardev *)chardev;

    stream_drain(&self->stream);
    stream_stop(&self->stream);
    if (self->in_fd >= 0)
        close(self->in_fd);
    if (self->out_fd >= 0 && self->out_fd != self->in_fd)
        close(self->out_fd);
}

static const struct chardev_option pipe_options[] = {
    {"path", OPTION_STRING, "PATH.in is read and PATH.out written, or PATH both; needed"},
    {NULL},
};

const struct chardev_class chardev_class_pipe = {
    .name = "pipe",
    .help = "named pipes",
    .options = pipe_options,
    .size = sizeof(struct pipe_chardev),
    .open = open_pipe,
    .close = close_pipe,
    .write = stream_chardev_write,
    .pending = stream_chardev_pending,
    .accept_input = stream_chardev_accept_input,
};
