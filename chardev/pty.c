/* chardev/pty.c - a pseudo terminal of its own, for a terminal program to open (pty(7)). */
#include "chardev/stream.h"
#include "base/error.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

/* How often we look whether somebody has opened the terminal: the kernel does not tell. */
enum { LOOK_US = 250 * 1000 };

struct pty_chardev {
    struct chardev base;
    struct stream stream; /* runs while somebody has the terminal open */
    int fd;
    char name[64];
    char *link;
    GSource *look;
};
STREAM_CHARDEV(struct pty_chardev);

static bool somebody_there(struct pty_chardev *pty)
{
    struct pollfd entry = {.fd = pty->fd, .events = 0};

    return poll(&entry, 1, 0) >= 0 && !(entry.revents & POLLHUP);
}

static void look_again(struct pty_chardev *pty)
{
    g_source_set_ready_time(pty->look, g_get_monotonic_time() + LOOK_US);
}

static void gone(struct stream *stream)
{
    struct pty_chardev *pty = container_of(stream, struct pty_chardev, stream);

    stream_stop(stream);
    look_again(pty);
    stream_tell_gone(stream);
}

static gboolean on_look(gpointer data)
{
    struct pty_chardev *pty = data;

    g_source_set_ready_time(pty->look, -1);
    if (stream_is_running(&pty->stream))
        return G_SOURCE_CONTINUE;
    if (!somebody_there(pty)) {
        look_again(pty);
        return G_SOURCE_CONTINUE;
    }
    pty->stream.ended = gone;
    stream_start(&pty->stream, &pty->base, pty->fd, pty->fd);
    chardev_set_connected(&pty->base, true);
    return G_SOURCE_CONTINUE;
}

static gboolean dispatch_look(GSource *source, GSourceFunc callback, gpointer data)
{
    return callback ? callback(data) : G_SOURCE_REMOVE;
}

static const GSourceFuncs look_funcs = {.dispatch = dispatch_look};

/* Opening and closing the other end once makes the kernel report from now on that nobody is there.
 */
static bool set_raw(struct pty_chardev *pty, GError **error)
{
    struct termios mode;
    int fd = open(pty->name, O_RDWR | O_NOCTTY | O_CLOEXEC);

    if (fd < 0 || tcgetattr(fd, &mode) < 0) {
        error_set(error, "cannot open '%s': %s", pty->name, strerror(errno));
        if (fd >= 0)
            close(fd);
        return false;
    }
    cfmakeraw(&mode);
    tcsetattr(fd, TCSANOW, &mode);
    close(fd);
    return true;
}

static bool make_link(struct pty_chardev *pty, const char *path, GError **error)
{
    if (!path)
        return true;
    if (symlink(pty->name, path) < 0)
        return error_set(error, "cannot make the link '%s': %s", path, strerror(errno));
    pty->link = g_strdup(path);
    return true;
}

static bool open_pty(struct chardev *chardev, GHashTable *options, GError **error)
{
    struct pty_chardev *pty = (struct pty_chardev *)chardev;

    pty->fd = posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
    if (pty->fd < 0 || grantpt(pty->fd) < 0 || unlockpt(pty->fd) < 0 ||
        ptsname_r(pty->fd, pty->name, sizeof(pty->name)))
        return error_set(error, "cannot make a pseudo terminal: %s", strerror(errno));
    if (!set_raw(pty, error) || !make_link(pty, chardev_option_text(options, "path"), error))
        return false;
    pty->look = g_source_new((GSourceFuncs *)&look_funcs, sizeof(GSource));
    g_source_set_callback(pty->look, on_look, pty, NULL);
    look_again(pty);
    g_source_attach(pty->look, chardev->set->context);
    chardev_announce(chardev->set, "char device redirected to %s (label %s)", pty->name, chardev->id);
    return true;
}

static void close_pty(struct chardev *chardev)
{
    struct pty_chardev *pty = (struct pty_chardev *)chardev;

    stream_drain(&pty->stream);
    stream_stop(&pty->stream);
    if (pty->look) {
        g_source_destroy(pty->look);
        g_source_unref(pty->look);
    }
    if (pty->link)
        unlink(pty->link);
    g_free(pty->link);
    if (pty->fd >= 0)
        close(pty->fd);
}

static size_t write_pty(struct chardev *chardev, const u8 *data, size_t length, bool whole)
{
    struct pty_chardev *pty = (struct pty_chardev *)chardev;

    if (!stream_is_running(&pty->stream) && somebody_there(pty))
        g_source_set_ready_time(pty->look, 0);
    return stream_write(&pty->stream, data, length, whole);
}

static char *filename_pty(struct chardev *chardev)
{
    return g_strconcat("pty:", ((struct pty_chardev *)chardev)->name, NULL);
}

static const struct chardev_option pty_options[] = {
    {"path", OPTION_STRING, "symbolic link to make to the terminal"},
    {NULL},
};

const struct chardev_class chardev_class_pty = {
    .name = "pty",
    .help = "a new pseudo terminal",
    .options = pty_options,
    .size = sizeof(struct pty_chardev),
    .open = open_pty,
    .close = close_pty,
    .write = write_pty,
    .pending = stream_chardev_pending,
    .accept_input = stream_chardev_accept_input,
    .filename = filename_pty,
};
