/* chardev/udp.c - datagrams to and from one peer. What does not fit into the network is lost, as UDP has it. */
#include "chardev/stream.h"
#include "base/error.h"
#include "host/socket.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

struct udp_chardev {
    struct chardev base;
    struct stream stream; /* input; output does not wait */
    int fd;
};
STREAM_CHARDEV(struct udp_chardev);

static ssize_t receive(struct stream *stream, void *data, size_t size)
{
    ssize_t n = host_socket_receive(stream->in_fd, data, size, NULL);

    /* Errors of earlier datagrams (nobody listens there yet) and empty ones are no end. */
    if (n > 0)
        return n;
    errno = EAGAIN;
    return -1;
}

static bool refuse(GHashTable *options, GError **error)
{
    if (chardev_option_text(options, "port"))
        return true;
    error_set(error, "option 'port' is missing");
    return error_hint(error, "for example -chardev udp,id=a,host=localhost,port=4555,localport=4556");
}

static bool open_udp(struct chardev *chardev, GHashTable *options, GError **error)
{
    struct udp_chardev *self = (struct udp_chardev *)chardev;
    struct host_address remote = {.host = (char *)chardev_option_text(options, "host"),
                                  .port = (char *)chardev_option_text(options, "port"),
                                  .no_ipv4 = !chardev_option_bool(options, "ipv4", true),
                                  .no_ipv6 = !chardev_option_bool(options, "ipv6", true)};
    struct host_address local = {.host = (char *)chardev_option_text(options, "localaddr"),
                                 .port = (char *)chardev_option_text(options, "localport")};

    self->fd = -1;
    if (!refuse(options, error))
        return false;
    self->fd = host_socket_datagram(&remote, &local, error);
    if (self->fd < 0)
        return false;
    self->stream.read = receive;
    self->stream.datagrams = true;
    chardev->connected = true;
    stream_start(&self->stream, chardev, self->fd, -1);
    return true;
}

static void close_udp(struct chardev *chardev)
{
    struct udp_chardev *self = (struct udp_chardev *)chardev;

    stream_stop(&self->stream);
    if (self->fd >= 0)
        close(self->fd);
}

static size_t write_udp(struct chardev *chardev, const u8 *data, size_t length, bool whole)
{
    enum { MOST = 65507 }; /* bytes in a datagram over IPv4 */
    struct udp_chardev *self = (struct udp_chardev *)chardev;

    for (size_t done = 0, part; done < length; done += part) {
        part = MIN(length - done, MOST);
        if (host_socket_send(self->fd, data + done, part) < 0 && errno == ECONNREFUSED)
            host_socket_send(self->fd, data + done, part); /* that was about an earlier one */
    }
    return length;
}

static const struct chardev_option udp_options[] = {
    {"host", OPTION_STRING, "where to send to (localhost)"},
    {"port", OPTION_STRING, "port to send to; needed"},
    {"localaddr", OPTION_STRING, "own address (any)"},
    {"localport", OPTION_STRING, "own port (the system chooses)"},
    {"ipv4", OPTION_BOOL, "use IPv4"},
    {"ipv6", OPTION_BOOL, "use IPv6"},
    {NULL},
};

const struct chardev_class chardev_class_udp = {
    .name = "udp",
    .help = "UDP datagrams",
    .options = udp_options,
    .size = sizeof(struct udp_chardev),
    .open = open_udp,
    .close = close_udp,
    .write = write_udp,
    .accept_input = stream_chardev_accept_input,
};
