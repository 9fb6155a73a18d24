/* chardev/stdio.c - the terminal (or whatever standard input and output are). */
#include "chardev/stream.h"
#include "base/error.h"
#include "host/fd.h"
#include "host/socket.h"
#include "host/terminal.h"
#include <errno.h>
#include <unistd.h>

struct stdio_chardev {
    struct chardev base;
    struct stream stream;
    int out_fd; /* standard output, or our own non-blocking way to it */
};
STREAM_CHARDEV(struct stdio_chardev);

/* Standard output that could not be reopened keeps its blocking mode: ask before each small write.
 */
static ssize_t write_carefully(struct stream *stream, const void *data, size_t size)
{
    if (!host_fd_is_writable(STDOUT_FILENO)) {
        errno = EAGAIN;
        return -1;
    }
    return write(STDOUT_FILENO, data, MIN(size, 512));
}

static ssize_t write_socket(struct stream *stream, const void *data, size_t size)
{
    return host_socket_send(STDOUT_FILENO, data, size);
}

static bool in_use(struct chardev_set *set)
{
    for (guint i = 0; i < set->chardevs->len; i++) {
        struct chardev *other = g_ptr_array_index(set->chardevs, i);

        if (other->class == &chardev_class_stdio)
            return true;
    }
    return false;
}

static bool open_stdio(struct chardev *chardev, GHashTable *options, GError **error)
{
    struct stdio_chardev *self = (struct stdio_chardev *)chardev;
    bool keep_signals = chardev_option_bool(options, "signal", true);

    self->out_fd = -1;
    if (chardev->set->background)
        return error_set(error, "cannot use stdio with -daemonize");
    if (in_use(chardev->set)) {
        error_set(error, "standard input and output are in use by another stdio chardev");
        return error_hint(error, "share them: -chardev stdio,id=ID,mux=on");
    }
    if (isatty(STDIN_FILENO) && !host_terminal_set_raw(STDIN_FILENO, keep_signals, error))
        return false;
    self->out_fd = host_fd_reopen_for_writing(STDOUT_FILENO);
    if (self->out_fd < 0)
        self->stream.write = host_fd_is_socket(STDOUT_FILENO) ? write_socket : write_carefully;
    chardev->connected = true;
    stream_start(&self->stream, chardev, STDIN_FILENO,
                 self->out_fd >= 0 ? self->out_fd : STDOUT_FILENO);
    return true;
}

static void close_stdio(struct chardev *chardev)
{
    struct stdio_chardev *self = (struct stdio_chardev *)chardev;

    if (!stream_is_running(&self->stream))
        return;
    stream_drain(&self->stream);
    stream_stop(&self->stream);
    if (self->out_fd >= 0)
        close(self->out_fd);
    host_terminal_restore();
}

static const struct chardev_option stdio_options[] = {
    {"signal", OPTION_BOOL, "on: Ctrl-C ends the emulator; off: the guest gets it"},
    {NULL},
};

const struct chardev_class chardev_class_stdio = {
    .name = "stdio",
    .help = "the terminal: standard input and output",
    .options = stdio_options,
    .size = sizeof(struct stdio_chardev),
    .open = open_stdio,
    .close = close_stdio,
    .write = stream_chardev_write,
    .pending = stream_chardev_pending,
    .accept_input = stream_chardev_accept_input,
};
