/* net/datagrams.c - a frame in each datagram. */
#include "net/datagrams.h"
#include "base/error.h"
#include "host/fd.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

enum { ROUNDS = 64, PIECES = 64, PAUSE_MOST_MS = 64 };

/* A frame that we sent to a group. */
static bool is_own(const struct net_datagrams *datagrams, const struct sockaddr_in *from)
{
    return datagrams->send_fd >= 0 && from->sin_port == datagrams->self.sin_port && from->sin_addr.s_addr == datagrams->self.sin_addr.s_addr;
}

static void on_readable(void *opaque)
{
    struct net_datagrams *datagrams = opaque;

    for (unsigned i = 0; i < ROUNDS; i++) {
        struct sockaddr_storage from = { 0 };
        socklen_t size = sizeof(from);

        if (!net_backend_may_send(&datagrams->base, 0)) {
            net_watch_read(&datagrams->watch, false);
            return;
        }
        ssize_t n = recvfrom(datagrams->fd, datagrams->input, NET_FRAME_MAX, MSG_DONTWAIT | MSG_TRUNC, (struct sockaddr *)&from, &size);
        if (n < 0 && errno != ECONNREFUSED)
            return; /* EAGAIN; anything else is no reason to spin: the source asks again */
        if (n > 0 && n <= NET_FRAME_MAX && !is_own(datagrams, (struct sockaddr_in *)&from))
            net_backend_send_bytes(&datagrams->base, 0, datagrams->input, (u32)n);
    }
}

static void card_writable(void *opaque, u32 queue)
{
    net_watch_read(&((struct net_datagrams *)opaque)->watch, true);
}

static void on_writable(void *opaque)
{
    struct net_datagrams *datagrams = opaque;

    net_watch_write(&datagrams->watch, false);
    net_backend_writable(&datagrams->base, 0);
}

static gboolean on_pause_over(gpointer opaque)
{
    struct net_datagrams *datagrams = opaque;

    net_watch_cancel(&datagrams->pause);
    net_backend_writable(&datagrams->base, 0);
    return G_SOURCE_REMOVE;
}

/* A unix socket that is not connected is always writable, whatever room the peer has. */
static void wait_for_room(struct net_datagrams *datagrams)
{
    if (!datagrams->to_size || datagrams->to.ss_family != AF_UNIX) {
        net_watch_write(&datagrams->watch, true);
        return;
    }
    datagrams->pause_ms = CLAMP(2 * datagrams->pause_ms, 1, PAUSE_MOST_MS);
    net_watch_later(&datagrams->pause, datagrams->base.context, datagrams->pause_ms, on_pause_over, datagrams);
}

static enum net_result receive(void *opaque, u32 queue, const struct net_frame *frame)
{
    struct net_datagrams *datagrams = opaque;
    g_autofree u8 *copy = NULL;
    struct iovec one;
    struct msghdr message = { .msg_iov = (struct iovec *)frame->iov, .msg_iovlen = frame->count };

    if (frame->count > PIECES) {
        copy = g_malloc(frame->size);
        one = (struct iovec){ copy, net_frame_copy(frame, 0, copy, frame->size) };
        message.msg_iov = &one;
        message.msg_iovlen = 1;
    }
    message.msg_name = datagrams->to_size ? &datagrams->to : NULL;
    message.msg_namelen = datagrams->to_size;
    if (sendmsg(datagrams->send_fd >= 0 ? datagrams->send_fd : datagrams->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0 || errno != EAGAIN) {
        datagrams->pause_ms = 0;
        return NET_DONE; /* sent, or nobody is there: datagrams may be lost */
    }
    wait_for_room(datagrams);
    return NET_BUSY;
}

bool net_datagrams_take(struct net_datagrams *datagrams, int fd, GError **error)
{
    int kind = 0;
    socklen_t size = sizeof(kind);

    datagrams->fd = fd;
    datagrams->send_fd = datagrams->send_fd ? datagrams->send_fd : -1;
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &kind, &size) < 0 || kind != SOCK_DGRAM)
        return error_set(error, "the descriptor is not a datagram socket");
    if (!host_fd_set_nonblocking(fd, error))
        return false;
    datagrams->input = g_malloc(NET_FRAME_MAX);
    net_watch_init(&datagrams->watch, datagrams->base.context, fd, on_readable, on_writable, datagrams);
    net_watch_read(&datagrams->watch, true);
    return true;
}

static bool fail(const char *what, const struct host_address *address, GError **error)
{
    int number = errno;
    g_autofree char *text = host_address_print(address);

    return error_set(error, "cannot %s %s: %s", what, text, strerror(number));
}

static bool bind_to(struct net_datagrams *datagrams, int fd, const struct host_address *local, GError **error)
{
    struct sockaddr_storage own;
    socklen_t size = net_socket_resolve(local, true, &own, error);
    int on = 1;

    if (!size)
        return false;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (local->path && !host_socket_make_room(local, error))
        return false;
    if (bind(fd, (struct sockaddr *)&own, size) < 0)
        return fail("bind to", local, error);
    host_socket_file_note(&datagrams->file, local);
    return true;
}

static bool is_given(const struct host_address *address)
{
    return address->path || address->port;
}

static bool is_multicast(const struct sockaddr_storage *address)
{
    return address->ss_family == AF_INET && IN_MULTICAST(ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr));
}

static bool open_sender(struct net_datagrams *datagrams, const struct sockaddr_in *group, struct in_addr interface)
{
    socklen_t size = sizeof(datagrams->self);
    int fd = datagrams->send_fd;
    u8 loop = 1; /* others on this host are in the group too */

    setsockopt(fd, IPPROTO_IP, IP_MULTICAST_LOOP, &loop, sizeof(loop));
    if (interface.s_addr)
        setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &interface, sizeof(interface));
    datagrams->to_size = 0;
    return connect(fd, (const struct sockaddr *)group, sizeof(*group)) == 0 && getsockname(fd, (struct sockaddr *)&datagrams->self, &size) == 0;
}

/* All members of the group bind to its address; `local` names the interface. */
static bool join(struct net_datagrams *datagrams, int fd, const struct host_address *local, const struct host_address *remote, GError **error)
{
    struct sockaddr_in *group = (struct sockaddr_in *)&datagrams->to;
    struct ip_mreq membership = { .imr_multiaddr = group->sin_addr };
    int on = 1;

    if (local->host && *local->host && inet_pton(AF_INET, local->host, &membership.imr_interface) != 1)
        return error_set(error, "'%s' is not an IPv4 address", local->host);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)group, sizeof(*group)) < 0)
        return fail("bind to", remote, error);
    if (setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &membership, sizeof(membership)) < 0)
        return fail("join", remote, error);
    datagrams->send_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    return open_sender(datagrams, group, membership.imr_interface) || fail("send to", remote, error);
}

bool net_datagrams_open(struct net_datagrams *datagrams, const struct host_address *local, const struct host_address *remote, GError **error)
{
    int family = local->path || remote->path ? AF_UNIX : AF_INET;

    datagrams->fd = datagrams->send_fd = -1;
    if (is_given(remote) && !(datagrams->to_size = net_socket_resolve(remote, false, &datagrams->to, error)))
        return false;
    if (is_given(remote))
        family = datagrams->to.ss_family;
    int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return error_set(error, "cannot make a socket: %s", strerror(errno));
    bool ok = is_given(remote) && is_multicast(&datagrams->to) ? join(datagrams, fd, local, remote, error)
              : !is_given(local) || bind_to(datagrams, fd, local, error);
    if (!ok) {
        close(fd);
        return false;
    }
    return net_datagrams_take(datagrams, fd, error);
}

void net_datagrams_close(struct net_datagrams *datagrams)
{
    net_watch_finish(&datagrams->watch);
    net_watch_cancel(&datagrams->pause);
    host_socket_file_remove(&datagrams->file);
    if (datagrams->input && datagrams->fd >= 0)
        close(datagrams->fd);
    if (datagrams->send_fd > 0)
        close(datagrams->send_fd);
    g_free(datagrams->input);
}

const struct net_client_ops net_datagrams_ops = { .receive = receive, .writable = card_writable };
