/* net/framed.c - frames in a byte stream. */
#include "net/framed.h"
#include "base/bits.h"
#include "base/error.h"
#include "host/fd.h"
#include "host/socket.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

enum {
    LENGTH_SIZE = 4,
    INPUT_SIZE = 2 * (NET_FRAME_MAX + LENGTH_SIZE),
    OUTPUT_MAX = 256 * 1024, /* from here on the card must wait */
    ROUNDS = 16,             /* reads in one go, so that one peer cannot keep the loop to itself */
    PIECES = 64,
};

static void on_readable(void *opaque);
static void on_writable(void *opaque);
static gboolean on_retry(gpointer opaque);
static void watch_attempt(struct net_framed *framed);

static void describe(struct net_framed *framed, const char *state)
{
    g_autofree char *text = framed->address.path || framed->address.port ? host_address_print(&framed->address) : g_strdup("fd");

    net_set_info(framed->base.client, "%s%s%s", text, *state ? " " : "", state);
}

static void listen_again(struct net_framed *framed)
{
    net_watch_read(&framed->listening, framed->server && framed->fd < 0);
}

static void emit_connected(struct net_framed *framed)
{
    g_autofree char *text = framed->address.path ? host_address_print(&framed->address) : NULL;
    g_autofree char *peer = text ? NULL : host_socket_name(framed->fd, true);
    g_autofree char *address = text ? g_steal_pointer(&text) : *peer ? g_strconcat("tcp:", peer, NULL) : g_strdup_printf("fd:%d", framed->fd);

    net_emit(framed->base.set, &(struct net_event){ .kind = NET_EVENT_STREAM_CONNECTED, .client = framed->base.client, .address = address });
}

static void connected(struct net_framed *framed, int fd)
{
    framed->fd = fd;
    framed->input_start = framed->input_end = 0;
    g_byte_array_set_size(framed->output, 0);
    host_socket_set_nodelay(fd);
    net_watch_init(&framed->connection, framed->base.context, fd, on_readable, on_writable, framed);
    net_watch_read(&framed->connection, true);
    listen_again(framed);
    describe(framed, "connected");
    emit_connected(framed);
}

static void retry_later(struct net_framed *framed)
{
    if (framed->reconnect_ms)
        net_watch_later(&framed->retry, framed->base.context, framed->reconnect_ms, on_retry, framed);
}

static void disconnected(struct net_framed *framed)
{
    net_watch_finish(&framed->connection);
    close(framed->fd);
    framed->fd = -1;
    framed->input_start = framed->input_end = 0;
    g_byte_array_set_size(framed->output, 0);
    describe(framed, framed->server ? "listening" : "disconnected");
    net_emit(framed->base.set, &(struct net_event){ .kind = NET_EVENT_STREAM_DISCONNECTED, .client = framed->base.client });
    net_backend_writable(&framed->base, 0);
    listen_again(framed);
    if (!framed->server)
        retry_later(framed);
}

/* ---- Input ---- */

/* Hands on whole frames. False: the peer breaks the protocol. *blocked: the card has no room. */
static bool hand_on(struct net_framed *framed, bool *blocked)
{
    *blocked = false;
    for (;;) {
        u32 have = framed->input_end - framed->input_start;
        const u8 *at = framed->input + framed->input_start;
        u32 size = have >= LENGTH_SIZE ? (u32)bits_load_be(at, LENGTH_SIZE) : 0;

        if (have >= LENGTH_SIZE && (size > NET_FRAME_MAX || !size))
            return false;
        if (have < LENGTH_SIZE || have < LENGTH_SIZE + size)
            break;
        if (!net_backend_may_send(&framed->base, 0)) {
            *blocked = true;
            break;
        }
        framed->input_start += LENGTH_SIZE + size;
        net_backend_send_bytes(&framed->base, 0, at + LENGTH_SIZE, size);
    }
    if (framed->input_start) {
        memmove(framed->input, framed->input + framed->input_start, framed->input_end - framed->input_start);
        framed->input_end -= framed->input_start;
        framed->input_start = 0;
    }
    return true;
}

static void on_readable(void *opaque)
{
    struct net_framed *framed = opaque;
    bool blocked = false;

    for (unsigned i = 0; i < ROUNDS && !blocked; i++) {
        if (!hand_on(framed, &blocked)) {
            disconnected(framed);
            return;
        }
        if (blocked)
            break;
        ssize_t n = host_socket_receive(framed->fd, framed->input + framed->input_end, INPUT_SIZE - framed->input_end, NULL);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        if (n <= 0) {
            disconnected(framed);
            return;
        }
        framed->input_end += (u32)n;
    }
    if (!blocked && !hand_on(framed, &blocked)) {
        disconnected(framed);
        return;
    }
    net_watch_read(&framed->connection, !blocked);
}

static void card_writable(void *opaque, u32 queue)
{
    struct net_framed *framed = opaque;

    if (framed->fd >= 0)
        on_readable(framed);
}

/* ---- Output ---- */

static void on_writable(void *opaque)
{
    struct net_framed *framed = opaque;
    ssize_t n = host_socket_send(framed->fd, framed->output->data, framed->output->len);

    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        disconnected(framed);
        return;
    }
    if (n > 0)
        g_byte_array_remove_range(framed->output, 0, (guint)n);
    net_watch_write(&framed->connection, framed->output->len > 0);
    if (framed->output->len < OUTPUT_MAX / 2)
        net_backend_writable(&framed->base, 0);
}

static void keep(struct net_framed *framed, const struct iovec *iov, u32 count, size_t skip)
{
    for (u32 i = 0; i < count; i++) {
        size_t drop = MIN(skip, iov[i].iov_len);

        g_byte_array_append(framed->output, (const u8 *)iov[i].iov_base + drop, (guint)(iov[i].iov_len - drop));
        skip -= drop;
    }
}

static enum net_result receive(void *opaque, u32 queue, const struct net_frame *frame)
{
    struct net_framed *framed = opaque;
    struct iovec iov[PIECES + 1];
    u8 length[LENGTH_SIZE];
    ssize_t n = 0;

    if (framed->fd < 0)
        return NET_DONE;
    if (framed->output->len >= OUTPUT_MAX)
        return NET_BUSY;
    bits_store_be(length, LENGTH_SIZE, frame->size);
    iov[0] = (struct iovec){ length, LENGTH_SIZE };
    if (!framed->output->len && frame->count <= PIECES) {
        memcpy(iov + 1, frame->iov, frame->count * sizeof(*iov));
        n = host_socket_send_pieces(framed->fd, iov, frame->count + 1);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return NET_DONE; /* reading finds the end of the connection */
        n = MAX(n, 0);
    }
    if ((size_t)n == frame->size + LENGTH_SIZE)
        return NET_DONE;
    keep(framed, iov, 1, (size_t)n);
    keep(framed, frame->iov, frame->count, n > LENGTH_SIZE ? (size_t)n - LENGTH_SIZE : 0);
    net_watch_write(&framed->connection, true);
    return NET_DONE;
}

/* ---- Coming and going ---- */

static void on_accept(void *opaque)
{
    struct net_framed *framed = opaque;
    int fd = host_socket_accept(framed->listen_fd);

    if (fd >= 0)
        connected(framed, fd);
}

static void on_connected(void *opaque)
{
    struct net_framed *framed = opaque;

    net_watch_finish(&framed->connecting);
    switch (host_connecting_check(&framed->attempt)) {
    case HOST_CONNECT_DONE:
        connected(framed, host_connecting_take(&framed->attempt));
        break;
    case HOST_CONNECT_UNDER_WAY:
        watch_attempt(framed);
        break;
    case HOST_CONNECT_FAILED:
        retry_later(framed);
        break;
    }
}

static void watch_attempt(struct net_framed *framed)
{
    net_watch_init(&framed->connecting, framed->base.context, framed->attempt.fd, NULL, on_connected, framed);
    net_watch_write(&framed->connecting, true);
}

static gboolean on_retry(gpointer opaque)
{
    struct net_framed *framed = opaque;

    net_watch_cancel(&framed->retry);
    if (host_connecting_start(&framed->attempt, &framed->address, NULL))
        watch_attempt(framed);
    else
        retry_later(framed);
    return G_SOURCE_REMOVE;
}

static bool start_server(struct net_framed *framed, int fd, GError **error)
{
    framed->listen_fd = fd >= 0 ? fd : host_socket_listen(&framed->address, error);
    if (framed->listen_fd < 0)
        return false;
    if (fd < 0)
        host_socket_file_note(&framed->file, &framed->address);
    if (!host_fd_set_nonblocking(framed->listen_fd, error))
        return false;
    if (!host_socket_is_listening(framed->listen_fd))
        return error_set(error, "the descriptor is not a listening socket");
    net_watch_init(&framed->listening, framed->base.context, framed->listen_fd, on_accept, NULL, framed);
    describe(framed, "listening");
    listen_again(framed);
    return true;
}

bool net_framed_start(struct net_framed *framed, int fd, GError **error)
{
    framed->listen_fd = framed->fd = -1;
    framed->attempt.fd = -1;
    framed->input = g_malloc(INPUT_SIZE);
    framed->output = g_byte_array_new();
    if (framed->server)
        return start_server(framed, fd, error);
    if (fd < 0 && framed->reconnect_ms) {
        describe(framed, "disconnected");
        on_retry(framed);
        return true;
    }
    if (fd >= 0 && (!host_fd_is_socket(fd) || !host_fd_set_nonblocking(fd, error)))
        return error && *error ? false : error_set(error, "the descriptor is not a socket");
    fd = fd >= 0 ? fd : host_socket_connect(&framed->address, error);
    if (fd < 0)
        return false;
    connected(framed, fd);
    return true;
}

void net_framed_close(struct net_backend *backend)
{
    struct net_framed *framed = (struct net_framed *)backend;

    if (!framed->output)
        goto out;
    net_watch_cancel(&framed->retry);
    net_watch_finish(&framed->connecting);
    host_connecting_stop(&framed->attempt);
    net_watch_finish(&framed->listening);
    net_watch_finish(&framed->connection);
    if (framed->fd >= 0)
        close(framed->fd);
    host_socket_file_remove(&framed->file);
    if (framed->listen_fd >= 0)
        close(framed->listen_fd);
    g_byte_array_unref(framed->output);
    g_free(framed->input);
out:
    host_address_clear(&framed->address);
}

const struct net_client_ops net_framed_ops = { .receive = receive, .writable = card_writable };
