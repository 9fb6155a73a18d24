/* net/tap_linux.c - netdev tap: an Ethernet interface of the host; with its header the host does checksums and segments. */
#include "base/error.h"
#include "net/tap.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { HEADER_SIZE = 12, ROUNDS = 64, PIECES = 64 };

#define TAP_F_USO 0x60u /* TUN_F_USO4 and _USO6, newer than the headers of Debian 12 */

/* ---- Frames ---- */

static void on_readable(void *opaque)
{
    struct tap_queue *queue = opaque;
    struct tap *tap = queue->tap;
    u32 skip = tap->header ? HEADER_SIZE : 0;

    for (unsigned i = 0; i < ROUNDS; i++) {
        if (!net_backend_may_send(&tap->base, queue->number)) {
            net_watch_read(&queue->watch, false);
            return;
        }
        ssize_t n = read(queue->fd, tap->input, HEADER_SIZE + NET_FRAME_MAX);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            net_watch_read(&queue->watch, false); /* the interface was deleted: that would be reported for ever */
        if (n <= (ssize_t)skip)
            return;
        struct iovec iov = { tap->input + skip, (size_t)n - skip };
        struct net_frame frame = { .iov = &iov, .count = 1, .size = (u32)iov.iov_len };
        if (tap->header)
            net_offload_load(&frame.offload, tap->input);
        net_backend_send(&tap->base, queue->number, &frame);
    }
}

static void card_writable(void *opaque, u32 queue)
{
    struct tap *tap = opaque;

    if (queue < tap->count)
        net_watch_read(&tap->queue[queue].watch, true);
}

static void on_writable(void *opaque)
{
    struct tap_queue *queue = opaque;

    net_watch_write(&queue->watch, false);
    net_backend_writable(&queue->tap->base, queue->number);
}

static enum net_result receive(void *opaque, u32 number, const struct net_frame *frame)
{
    struct tap *tap = opaque;
    struct tap_queue *queue = &tap->queue[number < tap->count ? number : 0];
    struct iovec iov[PIECES + 1];
    u8 header[HEADER_SIZE] = { 0 };
    g_autofree u8 *copy = NULL;
    u32 count = frame->count;

    net_offload_store(&frame->offload, header);
    iov[0] = (struct iovec){ header, HEADER_SIZE };
    if (count <= PIECES) {
        memcpy(iov + 1, frame->iov, count * sizeof(*iov));
    } else {
        copy = g_malloc(frame->size);
        iov[1] = (struct iovec){ copy, net_frame_copy(frame, 0, copy, frame->size) };
        count = 1;
    }
    ssize_t n = tap->header ? writev(queue->fd, iov, (int)count + 1) : writev(queue->fd, iov + 1, (int)count);
    if (n >= 0 || (errno != EAGAIN && errno != ENOBUFS))
        return NET_DONE; /* sent, or the interface is down, or the host found the frame malformed */
    net_watch_write(&queue->watch, true);
    return NET_BUSY;
}

/* The host leaves to the card what the card can do. */
static void peer_changed(void *opaque, u32 accepts)
{
    struct tap *tap = opaque;
    unsigned flags = 0;

    if (!tap->header)
        return;
    if (accepts & NET_TAKES_CSUM) {
        flags = TUN_F_CSUM | (accepts & NET_TAKES_TSO4 ? TUN_F_TSO4 : 0) | (accepts & NET_TAKES_TSO6 ? TUN_F_TSO6 : 0);
        if (accepts & NET_TAKES_ECN && flags != TUN_F_CSUM)
            flags |= TUN_F_TSO_ECN;
        if (accepts & NET_TAKES_USO)
            flags |= TAP_F_USO;
    }
    for (u32 i = 0; i < tap->count; i++) {
        if (ioctl(tap->queue[i].fd, TUNSETOFFLOAD, flags) < 0)
            ioctl(tap->queue[i].fd, TUNSETOFFLOAD, flags & ~(unsigned)TAP_F_USO); /* kernels before 6.2 */
    }
}

/* ---- Opening ---- */

static bool fail(const char *what, GError **error)
{
    return error_set(error, "%s: %s", what, strerror(errno));
}

/* Whether the host takes UDP segments, which it says by accepting the flag. */
static bool host_has_uso(int fd)
{
    bool has = ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TAP_F_USO) == 0;

    ioctl(fd, TUNSETOFFLOAD, 0);
    return has;
}

static bool add_queue(struct tap *tap, int fd, GError **error)
{
    struct tap_queue *queue;
    int size = HEADER_SIZE;

    tap->queue = g_renew(struct tap_queue, tap->queue, tap->count + 1); /* watches begin in tap_start: nothing points here yet */
    queue = &tap->queue[tap->count];
    *queue = (struct tap_queue){ .tap = tap, .number = tap->count, .fd = fd };
    tap->count++;
    if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0)
        return fail("cannot make the tap non-blocking", error);
    if (tap->header && ioctl(fd, TUNSETVNETHDRSZ, &size) < 0)
        return fail("the tap does not take a header of 12 bytes", error);
    if (tap->header)
        ioctl(fd, TUNSETOFFLOAD, 0);
    return true;
}

/* *name: wanted on entry ("" or a pattern with %d lets the kernel choose), given on return. Returns a descriptor or -1. */
static int open_tun(char name[IFNAMSIZ], bool header, bool several, GError **error)
{
    struct ifreq request = { .ifr_flags = (short)(IFF_TAP | IFF_NO_PI | (header ? IFF_VNET_HDR : 0) | (several ? IFF_MULTI_QUEUE : 0)) };
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

    if (fd < 0) {
        fail("cannot open /dev/net/tun", error);
        return -1;
    }
    g_strlcpy(request.ifr_name, *name ? name : "tap%d", IFNAMSIZ);
    if (ioctl(fd, TUNSETIFF, &request) < 0) {
        int number = errno;

        error_set(error, "cannot open tap '%s': %s", request.ifr_name, strerror(number));
        if (number == EPERM)
            error_hint(error, "make it for this user before: ip tuntap add NAME mode tap user $USER");
        close(fd);
        return -1;
    }
    g_strlcpy(name, request.ifr_name, IFNAMSIZ);
    return fd;
}

static bool host_has_header(void)
{
    unsigned features = 0;
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    bool has = fd >= 0 && ioctl(fd, TUNGETFEATURES, &features) == 0 && features & IFF_VNET_HDR;

    if (fd >= 0)
        close(fd);
    return has;
}

struct tap *tap_begin(struct net_backend *backend, bool header)
{
    struct tap *tap = (struct tap *)backend;

    tap->header = header && host_has_header();
    tap->input = g_malloc(HEADER_SIZE + NET_FRAME_MAX);
    return tap;
}

bool tap_open_named(struct tap *tap, const char *name, u32 queues, GError **error)
{
    char given[IFNAMSIZ];

    if (name && strlen(name) >= IFNAMSIZ)
        return error_set(error, "ifname=%s has more than %d bytes", name, IFNAMSIZ - 1);
    g_strlcpy(given, name ? name : "", sizeof(given));
    for (u32 i = 0; i < queues; i++) {
        int fd = open_tun(given, tap->header, queues > 1, error);

        if (fd < 0 || !add_queue(tap, fd, error))
            return false;
    }
    tap->name = g_strdup(given);
    return true;
}

/* The header is there or not, as whoever opened it chose. */
bool tap_add_fd(struct tap *tap, int fd, GError **error)
{
    struct ifreq request = { 0 };

    if (ioctl(fd, TUNGETIFF, &request) < 0) {
        close(fd);
        return error_set(error, "the descriptor is not a tap");
    }
    bool header = request.ifr_flags & IFF_VNET_HDR;
    if (tap->count && header != tap->header) {
        close(fd);
        return error_set(error, "some taps have headers (vnet_hdr), others do not");
    }
    tap->header = header;
    if (!tap->name)
        tap->name = g_strndup(request.ifr_name, IFNAMSIZ);
    return add_queue(tap, fd, error);
}

bool tap_limit_buffer(struct tap *tap, u64 bytes, GError **error)
{
    int size = bytes > G_MAXINT ? G_MAXINT : (int)bytes;

    for (u32 i = 0; i < tap->count; i++) {
        if (ioctl(tap->queue[i].fd, TUNSETSNDBUF, &size) < 0)
            return fail("cannot set sndbuf", error);
    }
    return true;
}

void tap_start(struct tap *tap)
{
    for (u32 i = 0; i < tap->count; i++) {
        struct tap_queue *queue = &tap->queue[i];

        net_watch_init(&queue->watch, tap->base.context, queue->fd, on_readable, on_writable, queue);
        net_watch_read(&queue->watch, true);
    }
    tap->base.queues = tap->count;
    if (tap->header)
        tap->base.accepts = NET_TAKES_CSUM | NET_TAKES_TSO4 | NET_TAKES_TSO6 | NET_TAKES_ECN |
                            (host_has_uso(tap->queue[0].fd) ? NET_TAKES_USO : 0);
}

void tap_close(struct net_backend *backend)
{
    struct tap *tap = (struct tap *)backend;

    for (u32 i = 0; i < tap->count; i++) {
        net_watch_finish(&tap->queue[i].watch);
        close(tap->queue[i].fd);
    }
    if (tap->down_script)
        tap_run_script(tap->down_script, tap->name, NULL);
    g_free(tap->down_script);
    g_free(tap->name);
    g_free(tap->queue);
    g_free(tap->input);
}

const struct net_client_ops tap_ops = { .receive = receive, .writable = card_writable, .peer_changed = peer_changed };
