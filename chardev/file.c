/* chardev/file.c - output to a file, input from another. */
#include "chardev/stream.h"
#include "base/error.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

struct file_chardev {
    struct chardev base;
    struct stream stream; /* input; files do not need the queue */
    int in_fd, out_fd;
};
STREAM_CHARDEV(struct file_chardev);

static bool open_file(struct chardev *chardev, GHashTable *options, GError **error)
{
    struct file_chardev *file = (struct file_chardev *)chardev;
    const char *path, *input = chardev_option_text(options, "input-path");
    int how = chardev_option_bool(options, "append", false) ? O_APPEND : O_TRUNC;

    file->in_fd = file->out_fd = -1;
    if (!chardev_option_need(options, "path", &path, error))
        return false;
    file->out_fd = chardev_open_path(chardev->set, path, O_WRONLY | O_CREAT | how);
    if (file->out_fd < 0)
        return error_set(error, "cannot write '%s': %s", path, strerror(errno));
    file->in_fd = input ? chardev_open_path(chardev->set, input, O_RDONLY | O_NONBLOCK) : -1;
    if (input && file->in_fd < 0)
        return error_set(error, "cannot read '%s': %s", input, strerror(errno));
    chardev->connected = true;
    stream_start(&file->stream, chardev, file->in_fd, file->out_fd);
    return true;
}

static void close_file(struct chardev *chardev)
{
    struct file_chardev *file = (struct file_chardev *)chardev;

    stream_drain(&file->stream);
    stream_stop(&file->stream);
    if (file->in_fd >= 0)
        close(file->in_fd);
    if (file->out_fd >= 0)
        close(file->out_fd);
}

static const struct chardev_option file_options[] = {
    {"path", OPTION_STRING, "file for the output; needed"},
    {"input-path", OPTION_STRING, "file that gives the input"},
    {"append", OPTION_BOOL, "keep what the file has"},
    {NULL},
};

const struct chardev_class chardev_class_file = {
    .name = "file",
    .help = "output to a file",
    .options = file_options,
    .size = sizeof(struct file_chardev),
    .open = open_file,
    .close = close_file,
    .write = stream_chardev_write,
    .pending = stream_chardev_pending,
    .accept_input = stream_chardev_accept_input,
};
