/* chardev/socket.c - unix and TCP sockets, as server or client. One connection at a time. */
#include "chardev/stream.h"
#include "base/error.h"
#include "chardev/telnet.h"
#include "host/fd.h"
#include "host/socket.h"
#include <errno.h>
#include <glib-unix.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

struct socket_chardev {
    struct chardev base;
    struct stream stream; /* runs while connected */
    struct telnet telnet;
    struct host_address address;
    bool server, use_telnet, nodelay, inherited;
    u64 reconnect_ms; /* 0: a client that loses its connection stays without */
    int listen_fd, fd;
    struct host_socket_file file; /* of listen_fd */
    struct host_connecting attempt;
    GSource *listening, *connecting, *retry;
};
STREAM_CHARDEV(struct socket_chardev);

static gboolean on_accept(gint fd, GIOCondition condition, gpointer data);
static gboolean on_retry(gpointer data);

static void drop_source(GSource **source)
{
    if (!*source)
        return;
    g_source_destroy(*source);
    g_source_unref(g_steal_pointer(source));
}

static GSource *watch_fd(struct socket_chardev *self, int fd, GIOCondition condition,
                         GUnixFDSourceFunc function)
{
    GSource *source = g_unix_fd_source_new(fd, condition);

    g_source_set_callback(source, (GSourceFunc)(void (*)(void))function, self, NULL);
    g_source_attach(source, self->base.set->context);
    return source;
}

static void listen_again(struct socket_chardev *self)
{
    if (self->listen_fd >= 0 && !self->listening)
        self->listening = watch_fd(self, self->listen_fd, G_IO_IN, on_accept);
}

static void retry_later(struct socket_chardev *self)
{
    if (self->retry || self->connecting)
        return;
    self->retry = g_timeout_source_new((guint)self->reconnect_ms);
    g_source_set_callback(self->retry, on_retry, self, NULL);
    g_source_attach(self->retry, self->base.set->context);
}

static ssize_t receive(struct stream *stream, void *data, size_t size)
{
    return host_socket_receive(stream->in_fd, data, size, stream->chardev->fds);
}

static ssize_t transmit(struct stream *stream, const void *data, size_t size)
{
    return host_socket_send(stream->out_fd, data, size);
}

static void deliver(struct stream *stream, u8 *data, size_t length)
{
    struct socket_chardev *self = container_of(stream, struct socket_chardev, stream);
    unsigned breaks = 0;

    if (self->use_telnet)
        length = telnet_filter(&self->telnet, data, length, &breaks);
    chardev_deliver(&self->base, data, length);
    while (breaks--)
        chardev_event(&self->base, CHARDEV_BREAK);
}

static void forget_connection(struct socket_chardev *self)
{
    stream_stop(&self->stream);
    close(self->fd);
    self->fd = -1;
    for (guint i = 0; i < self->base.fds->len; i++)
        close(g_array_index(self->base.fds, int, i));
    g_array_set_size(self->base.fds, 0);
}

static void look_for_next(struct socket_chardev *self)
{
    listen_again(self);
    if (self->reconnect_ms && !self->server)
        retry_later(self);
}

static void disconnected(struct stream *stream)
{
    struct socket_chardev *self = container_of(stream, struct socket_chardev, stream);

    forget_connection(self);
    stream_tell_gone(stream);
    look_for_next(self);
}

/* Until its last words are read it is there for whoever reads, but it shall not keep the next one out. */
static void hangs_up(struct stream *stream)
{
    look_for_next(container_of(stream, struct socket_chardev, stream));
}

static void stop_trying(struct socket_chardev *self)
{
    drop_source(&self->retry);
    drop_source(&self->connecting);
    host_connecting_stop(&self->attempt);
}

/* Takes over a connected descriptor. What else is tried at the moment is not wanted any more, nor is an end that has hung up. */
static void connected(struct socket_chardev *self, int fd)
{
    if (self->fd >= 0)
        disconnected(&self->stream);
    drop_source(&self->listening);
    stop_trying(self);
    self->fd = fd;
    if (self->nodelay)
        host_socket_set_nodelay(fd);
    self->stream.read = receive;
    self->stream.write = transmit;
    self->stream.deliver = deliver;
    self->stream.ended = disconnected;
    self->stream.hangs_up = hangs_up;
    self->telnet = (struct telnet){0};
    stream_start(&self->stream, &self->base, fd, fd);
    if (self->use_telnet)
        host_socket_send(fd, telnet_greeting, sizeof(telnet_greeting));
    chardev_set_connected(&self->base, true);
}

static gboolean on_accept(gint fd, GIOCondition condition, gpointer data)
{
    struct socket_chardev *self = data;
    int client = host_socket_accept(fd);

    if (client < 0)
        return G_SOURCE_CONTINUE;
    connected(self, client);
    return G_SOURCE_REMOVE;
}

static gboolean on_connect_done(gint fd, GIOCondition condition, gpointer data);

static void watch_attempt(struct socket_chardev *self)
{
    self->connecting = watch_fd(self, self->attempt.fd, G_IO_OUT, on_connect_done);
}

static gboolean on_connect_done(gint fd, GIOCondition condition, gpointer data)
{
    struct socket_chardev *self = data;

    drop_source(&self->connecting);
    switch (host_connecting_check(&self->attempt)) {
    case HOST_CONNECT_DONE:
        connected(self, host_connecting_take(&self->attempt));
        break;
    case HOST_CONNECT_UNDER_WAY:
        watch_attempt(self);
        break;
    case HOST_CONNECT_FAILED:
        retry_later(self);
        break;
    }
    return G_SOURCE_REMOVE;
}

static gboolean on_retry(gpointer data)
{
    struct socket_chardev *self = data;

    drop_source(&self->retry);
    if (self->fd >= 0 && !self->stream.hung_up)
        return G_SOURCE_REMOVE;
    if (host_connecting_start(&self->attempt, &self->address, NULL))
        watch_attempt(self);
    else
        retry_later(self);
    return G_SOURCE_REMOVE;
}

/* --- opening --- */

static bool parse_address(struct socket_chardev *self, GHashTable *options, GError **error)
{
    struct host_address *address = &self->address;

    address->path = g_strdup(chardev_option_text(options, "path"));
    address->host = g_strdup(chardev_option_text(options, "host"));
    address->port = g_strdup(chardev_option_text(options, "port"));
    address->to = (unsigned)chardev_option_number(options, "to", 0);
    address->abstract = chardev_option_bool(options, "abstract", false);
    address->tight = chardev_option_bool(options, "tight", true);
    address->no_ipv4 =
        !chardev_option_bool(options, "ipv4", true) ||
        (chardev_option_bool(options, "ipv6", false) && !chardev_option_text(options, "ipv4"));
    address->no_ipv6 =
        !chardev_option_bool(options, "ipv6", true) ||
        (chardev_option_bool(options, "ipv4", false) && !chardev_option_text(options, "ipv6"));
    bool fd = chardev_option_text(options, "fd");
    unsigned ways = fd + !!address->path + !!address->port;
    if (ways != 1) {
        error_set(error, ways ? "a socket has one of path, port and fd, not several"
                              : "a socket needs path (unix), port (TCP) or fd (inherited)");
        return error_hint(error, "for example path=/tmp/monitor or host=localhost,port=4444");
    }
    return true;
}

static bool parse_rest(struct socket_chardev *self, GHashTable *options, GError **error)
{
    self->server = chardev_option_bool(options, "server", false);
    self->use_telnet = chardev_option_bool(options, "telnet", false);
    self->nodelay = chardev_option_bool(options, "nodelay", false) ||
                    !chardev_option_bool(options, "delay", true);
    self->reconnect_ms = chardev_option_number(
        options, "reconnect-ms", 1000 * MIN(chardev_option_number(options, "reconnect", 0), G_MAXINT));
    self->reconnect_ms = MIN(self->reconnect_ms, G_MAXINT);
    if (self->server && self->reconnect_ms)
        return error_set(error, "reconnect is for clients, not with server=on");
    if (!self->server && chardev_option_bool(options, "wait", false))
        return error_set(error, "wait is for servers: it needs server=on");
    return true;
}

static bool take_inherited(struct socket_chardev *self, const char *text, GError **error)
{
    char *end;
    gint64 fd = g_ascii_strtoll(text, &end, 10);

    if (end == text || *end || fd < 0 || fd > G_MAXINT || !host_fd_is_socket((int)fd) || !host_fd_is_inherited((int)fd))
        return error_set(error, "fd=%s is no inherited socket", text);
    if (self->server != host_socket_is_listening((int)fd)) {
        error_set(error, "fd=%s %s listening", text, self->server ? "is not" : "is");
        return error_hint(error, self->server ? "leave out server=on" : "add server=on");
    }
    if (!host_fd_set_nonblocking((int)fd, error))
        return false;
    host_fd_adopt((int)fd);
    self->inherited = true;
    if (self->server)
        self->listen_fd = (int)fd;
    else
        connected(self, (int)fd);
    return true;
}

static char *describe(struct socket_chardev *self)
{
    const char *server = self->server ? ",server=on" : "";
    g_autofree char *address = NULL;

    if (self->address.path) {
        address = host_address_print(&self->address);
    } else if (self->inherited || self->listen_fd >= 0) {
        int fd = self->listen_fd >= 0 ? self->listen_fd : self->fd;
        g_autofree char *name = fd >= 0 ? host_socket_name(fd, false) : g_strdup("");

        address = g_strconcat(*name == '/' || !*name ? "unix:" : "tcp:", name, NULL);
    } else {
        address = host_address_print(&self->address);
    }
    if (self->use_telnet && g_str_has_prefix(address, "tcp:"))
        memmove(address, "tel", 3);
    return g_strconcat(address, server, NULL);
}

static char *filename(struct chardev *chardev)
{
    struct socket_chardev *self = (struct socket_chardev *)chardev;
    g_autofree char *text = describe(self);

    if (self->fd < 0)
        return g_strconcat("disconnected:", text, NULL);
    if (!g_str_has_prefix(text, "unix:")) {
        g_autofree char *peer = host_socket_name(self->fd, true);
        return g_strconcat(text, " <-> ", peer, NULL);
    }
    return g_steal_pointer(&text);
}

/* wait=on: nothing starts before the first client is there. poll() ends at any signal. */
static bool wait_for_client(struct socket_chardev *self, GError **error)
{
    g_autofree char *text = filename(&self->base);
    struct pollfd entry = {.fd = self->listen_fd, .events = POLLIN};

    chardev_notice(self->base.set, "waiting for connection on: %s", text);
    do {
        int fd = host_socket_accept(self->listen_fd);

        if (fd >= 0) {
            connected(self, fd);
            return true;
        }
    } while (poll(&entry, 1, -1) >= 0);
    return error_set(error, "waiting for a client: %s", strerror(errno));
}

static bool start_server(struct socket_chardev *self, bool wait, GError **error)
{
    if (self->listen_fd < 0) {
        self->listen_fd = host_socket_listen(&self->address, error);
        if (self->listen_fd < 0)
            return false;
        host_socket_file_note(&self->file, &self->address);
    }
    if (wait)
        return wait_for_client(self, error);
    listen_again(self);
    return true;
}

static bool start_client(struct socket_chardev *self, GError **error)
{
    if (self->reconnect_ms) {
        on_retry(self);
        return true;
    }
    int fd = host_socket_connect(&self->address, error);
    if (fd < 0)
        return false;
    connected(self, fd);
    return true;
}

static bool open_socket(struct chardev *chardev, GHashTable *options, GError **error)
{
    struct socket_chardev *self = (struct socket_chardev *)chardev;
    const char *fd = chardev_option_text(options, "fd");

    self->listen_fd = self->attempt.fd = self->fd = -1;
    if (!parse_address(self, options, error) || !parse_rest(self, options, error))
        return false;
    if (fd && !take_inherited(self, fd, error))
        return false;
    if (self->server)
        return start_server(self, chardev_option_bool(options, "wait", true), error);
    return fd ? true : start_client(self, error);
}

static void close_socket(struct chardev *chardev)
{
    struct socket_chardev *self = (struct socket_chardev *)chardev;

    drop_source(&self->listening);
    stop_trying(self);
    if (self->fd >= 0) {
        stream_drain(&self->stream);
        forget_connection(self);
    }
    host_socket_file_remove(&self->file);
    if (self->listen_fd >= 0)
        close(self->listen_fd);
    host_address_clear(&self->address);
}

static bool add_client(struct chardev *chardev, int fd, GError **error)
{
    struct socket_chardev *self = (struct socket_chardev *)chardev;

    if (self->fd >= 0 && !self->stream.hung_up)
        return error_set(error, "chardev '%s' has a client already", chardev->id);
    if (!host_fd_is_socket(fd))
        return error_set(error, "the descriptor is no socket");
    if (!host_fd_set_nonblocking(fd, error))
        return false;
    connected(self, fd);
    return true;
}

static void disconnect(struct chardev *chardev)
{
    struct socket_chardev *self = (struct socket_chardev *)chardev;

    if (self->fd >= 0)
        disconnected(&self->stream);
}

/* One more try; true: poll these events of the descriptor, false: wait for the next try. */
static bool try_again(struct socket_chardev *self, struct pollfd *entry)
{
    if (self->listen_fd < 0 && self->attempt.fd < 0 && self->reconnect_ms)
        on_retry(self);
    *entry = self->listen_fd >= 0 ? (struct pollfd){.fd = self->listen_fd, .events = POLLIN}
                                  : (struct pollfd){.fd = self->attempt.fd, .events = POLLOUT};
    return entry->fd >= 0;
}

static void wait_connected(struct chardev *chardev, gint64 deadline)
{
    struct socket_chardev *self = (struct socket_chardev *)chardev;
    enum { PAUSE_MS = 50 };
    struct pollfd entry;
    gint64 left;

    while (self->fd < 0 && (left = (deadline - g_get_monotonic_time()) / 1000) > 0 && (self->listen_fd >= 0 || self->reconnect_ms)) {
        bool polled = try_again(self, &entry);

        if (self->fd >= 0 || poll(&entry, polled, (int)(polled ? left : MIN(left, PAUSE_MS))) <= 0)
            continue;
        if (self->listen_fd >= 0)
            on_accept(self->listen_fd, G_IO_IN, self);
        else
            on_connect_done(self->attempt.fd, G_IO_OUT, self);
    }
}

static int take_over(struct chardev *chardev)
{
    struct socket_chardev *self = (struct socket_chardev *)chardev;

    if (self->fd >= 0)
        stream_stop(&self->stream);
    return self->fd;
}

static const struct chardev_option socket_options[] = {
    {"path", OPTION_STRING, "unix socket"},
    {"abstract", OPTION_BOOL, "path is a name without a file (Linux)"},
    {"tight", OPTION_BOOL, "abstract name without padding (on)"},
    {"host", OPTION_STRING, "TCP address: to connect to (localhost) or to listen on (any)"},
    {"port", OPTION_STRING, "TCP port"},
    {"to", OPTION_NUMBER, "last port to try when listening"},
    {"ipv4", OPTION_BOOL, "use IPv4"},
    {"ipv6", OPTION_BOOL, "use IPv6"},
    {"fd", OPTION_STRING, "number of an inherited socket, connected or (server=on) listening"},
    {"server", OPTION_BOOL, "listen instead of connecting"},
    {"wait", OPTION_BOOL, "server: start only when a client is there (on)"},
    {"reconnect", OPTION_NUMBER, "client: seconds until the next try after a lost connection"},
    {"reconnect-ms", OPTION_NUMBER, "the same in milliseconds"},
    {"nodelay", OPTION_BOOL, "send small packets at once"},
    {"delay", OPTION_BOOL, NULL},
    {"telnet", OPTION_BOOL, "speak telnet"},
    {NULL},
};

const struct chardev_class chardev_class_socket = {
    .name = "socket",
    .help = "unix or TCP socket",
    .options = socket_options,
    .size = sizeof(struct socket_chardev),
    .open = open_socket,
    .close = close_socket,
    .write = stream_chardev_write,
    .pending = stream_chardev_pending,
    .accept_input = stream_chardev_accept_input,
    .filename = filename,
    .add_client = add_client,
    .disconnect = disconnect,
    .wait = wait_connected,
    .take_over = take_over,
};
