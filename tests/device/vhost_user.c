/*
 * tests/device/vhost_user.c - devices that another process serves, with a back end of the test's own in a thread: requests there and
 * back on all transports, reset in mid-air, and back ends that break the protocol or go away.
 */
#include "chardev/chardev.h"
#include "tests/device/virtio_driver.h"
#include "vm/machine.h"
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RINGS = 2, REGIONS = 8 };

/* What the back end does wrong. */
enum fault { NONE, WRONG_ANSWER, HANGS_UP_AT_ONCE, OLD, REFUSES_MEMORY, BAD_ID, BAD_INDEX, TOO_LONG, HANGS_UP_LATER, KEEPS };

struct mapping {
    u64 address, size;
    u8 *host;
};

struct ring {
    u32 size;
    u64 descriptors, available, used;
    int kick, call;
    u16 next;
};

struct peer {
    enum fault fault;
    int socket;
    struct mapping region[REGIONS];
    u32 regions;
    struct ring ring[RINGS];
    GThread *thread;
};

static u8 *at(struct peer *p, u64 address)
{
    for (u32 i = 0; i < p->regions; i++) {
        if (address - p->region[i].address < p->region[i].size)
            return p->region[i].host + (address - p->region[i].address);
    }
    g_error("the device spoke of %" G_GINT64_MODIFIER "x, which it did not share", address);
}

static void unmap(struct peer *p)
{
    while (p->regions) {
        p->regions--;
        munmap(p->region[p->regions].host, p->region[p->regions].size);
    }
}

static void map(struct peer *p, const u64 *payload, const int *fds)
{
    unmap(p);
    for (u32 i = 0; i < (u32)payload[0]; i++) {
        const u64 *entry = payload + 1 + 4 * i;
        void *host = mmap(NULL, entry[1], PROT_READ | PROT_WRITE, MAP_SHARED, fds[i], (off_t)entry[3]);

        g_assert_true(host != MAP_FAILED);
        g_assert_true(!i || entry[0] > entry[-4]); /* in order */
        close(fds[i]);
        p->region[p->regions++] = (struct mapping){entry[0], entry[1], host};
    }
}

/* Copies what is read to what is written, in capitals; gives back how much. */
static u32 capitalise(struct peer *p, struct ring *r, u16 head)
{
    struct {
        u64 address;
        u32 size;
        u16 flags, next;
    } d = {.next = head, .flags = 1};
    char text[256];
    u32 length = 0, done = 0;

    while (d.flags & 1) {
        memcpy(&d, at(p, r->descriptors) + 16 * d.next, sizeof(d));
        for (u32 i = 0; i < d.size; i++) {
            if (d.flags & 2 && done < length)
                at(p, d.address)[i] = (u8)g_ascii_toupper(text[done++]);
            else if (!(d.flags & 2) && length < sizeof(text))
                text[length++] = (char)at(p, d.address)[i];
        }
    }
    return done;
}

static void serve(struct peer *p, struct ring *r)
{
    u16 *available = (u16 *)(void *)at(p, r->available), *used = (u16 *)(void *)at(p, r->used);
    u64 count;

    g_assert_cmpint(read(r->kick, &count, sizeof(count)), ==, sizeof(count));
    while (p->fault != KEEPS && r->next != __atomic_load_n(&available[1], __ATOMIC_ACQUIRE)) {
        u16 head = available[2 + r->next % r->size];
        u32 entry[2] = {head, capitalise(p, r, head)};

        entry[0] += p->fault == BAD_ID ? 5 : 0;
        entry[1] = p->fault == TOO_LONG ? UINT32_MAX : entry[1];
        memcpy((u8 *)used + 4 + 8 * (r->next % r->size), entry, sizeof(entry));
        r->next++;
        __atomic_store_n(&used[1], (u16)(p->fault == BAD_INDEX ? r->next + 2000 : r->next), __ATOMIC_RELEASE);
    }
    count = 1;
    g_assert_cmpint(write(r->call, &count, sizeof(count)), ==, sizeof(count));
}

static void reply(struct peer *p, u32 request, const void *payload, u32 size)
{
    u8 message[64];
    const u32 header[3] = {request + (p->fault == WRONG_ANSWER), 1 | 4, size};

    memcpy(message, header, sizeof(header));
    memcpy(message + sizeof(header), payload, size);
    g_assert_cmpint(send(p->socket, message, sizeof(header) + size, MSG_NOSIGNAL), >, 0);
}

static void reply_number(struct peer *p, u32 request, u64 number)
{
    reply(p, request, &number, sizeof(number));
}

/* One message; false at the end. */
static bool take(struct peer *p)
{
    union {
        char bytes[CMSG_SPACE(8 * sizeof(int))];
        struct cmsghdr align;
    } control;
    u32 header[3];
    u64 payload[64] = {0};
    int fds[8] = {-1, -1, -1, -1, -1, -1, -1, -1};
    struct iovec iov = {header, sizeof(header)};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)};

    if (recvmsg(p->socket, &message, MSG_WAITALL) != sizeof(header))
        return false;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c))
        memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
    g_assert_cmpuint(header[2], <=, sizeof(payload));
    if (header[2] && recv(p->socket, payload, header[2], MSG_WAITALL) != (ssize_t)header[2])
        return false;
    struct ring *r = &p->ring[(u32)payload[0] % RINGS];
    u32 number = (u32)(payload[0] >> 32);
    u64 failed = 0;
    switch (header[0]) {
    case 1:
        reply_number(p, 1, BIT64(30) | (p->fault == OLD ? 0 : BIT64(32)) | 2);
        return true;
    case 15:
        reply_number(p, 15, 1 | 8 | 0x200 | 0x8000);
        return true;
    case 17:
        reply_number(p, 17, RINGS);
        return true;
    case 24:
        payload[0] = 8ull << 32;
        memcpy((u8 *)payload + 12, "\x2a\0\0\0\0\0\0", 8);
        reply(p, 24, payload, header[2]);
        return true;
    case 11:
        close(r->kick);
        r->kick = -1;
        payload[0] = (payload[0] & UINT32_MAX) | (u64)r->next << 32;
        reply(p, 11, payload, 8);
        return true;
    case 5:
        map(p, payload, fds);
        failed = p->fault == REFUSES_MEMORY;
        break;
    case 8:
        r->size = number;
        break;
    case 9:
        r->descriptors = payload[1];
        r->used = payload[2];
        r->available = payload[3];
        break;
    case 10:
        r->next = (u16)number;
        break;
    case 12:
        r->kick = fds[0];
        break;
    case 13:
        if (r->call >= 0)
            close(r->call);
        r->call = fds[0];
        break;
    default:
        break;
    }
    if (header[1] & 8)
        reply_number(p, header[0], failed);
    return true;
}

static gpointer run(gpointer data)
{
    struct peer *p = data;
    bool going = p->fault != HANGS_UP_AT_ONCE;

    while (going) {
        struct pollfd entries[1 + RINGS] = {{p->socket, POLLIN, 0}};

        for (u32 i = 0; i < RINGS; i++)
            entries[1 + i] = (struct pollfd){p->ring[i].kick, POLLIN, 0};
        poll(entries, 1 + RINGS, -1);
        if (entries[0].revents)
            going = take(p);
        for (u32 i = 0; i < RINGS && going; i++) {
            if (entries[1 + i].revents & POLLIN && p->ring[i].kick == entries[1 + i].fd) {
                going = p->fault != HANGS_UP_LATER;
                if (going)
                    serve(p, &p->ring[i]);
            }
        }
    }
    close(p->socket);
    unmap(p);
    for (u32 i = 0; i < RINGS; i++) {
        if (p->ring[i].kick >= 0)
            close(p->ring[i].kick);
        if (p->ring[i].call >= 0)
            close(p->ring[i].call);
    }
    return NULL;
}

/* A machine with shared memory, a chardev "c" whose other end is the peer. */
struct setup {
    struct bench bench;
    struct chardev_set *chardevs;
    struct ram_block *shared;
    struct region shared_region;
    struct peer peer;
    struct driver driver;
};

enum { SHARED = 0x90000000, SHARED_SIZE = 1 << 16 };

static void connect_peer(struct setup *s, enum fault fault)
{
    int ends[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), ==, 0);
    s->peer = (struct peer){.fault = fault, .socket = ends[1], .ring = {{.kick = -1, .call = -1}, {.kick = -1, .call = -1}}};
    g_autofree char *text = g_strdup_printf("socket,id=c,fd=%d", ends[0]);
    g_autoptr(GHashTable) options = chardev_parse_options(text, NULL);
    GError *error = NULL;
    chardev_create(s->chardevs, options, &error);
    g_assert_no_error(error);
    s->peer.thread = g_thread_new("peer", run, &s->peer);
}

static void disconnect_peer(struct setup *s)
{
    bench_empty(&s->bench);
    g_assert_true(chardev_remove(s->chardevs, "c", NULL));
    g_thread_join(s->peer.thread);
}

static void set_up(struct setup *s, gconstpointer data)
{
    int fd = memfd_create("shared", MFD_CLOEXEC);
    GError *error = NULL;

    bench_set_up(&s->bench, NULL);
    g_assert_cmpint(ftruncate(fd, SHARED_SIZE), ==, 0);
    s->shared = vm_ram_create_file(s->bench.vm, "shared", SHARED_SIZE, fd, 0, true, 0, &error);
    g_assert_no_error(error);
    region_init_ram(&s->shared_region, s->bench.vm, "shared", s->shared, 0, SHARED_SIZE);
    region_add(space_root(vm_memory(s->bench.vm)), SHARED, &s->shared_region, 0);
    s->chardevs = chardev_set_create(vm_context(s->bench.vm), NULL);
    vm_set_backend(s->bench.vm, "chardevs", 0, s->chardevs);
}

static void tear_down(struct setup *s, gconstpointer data)
{
    bench_empty(&s->bench);
    chardev_set_destroy(s->chardevs);
    region_finish(&s->shared_region);
    vm_ram_destroy(s->shared);
    bench_tear_down(&s->bench, NULL);
}

static struct driver_queue *begin(struct setup *s, enum driver_transport transport)
{
    struct driver *d = &s->driver;

    driver_init(d, &s->bench, transport, "vhost-user-fs", "chardev=c;tag=files");
    g_assert_true(driver_negotiate(d, 0));
    driver_queue(d, 0, 8);
    struct driver_queue *q = driver_queue(d, 1, 64);
    driver_ok(d);
    return q;
}

static void submit(struct setup *s, struct driver_queue *q, u64 base)
{
    const struct driver_buffer buffers[] = {{base, 3, false}, {base + 100, 3, false}, {base + 0x1000, 4, true}, {base + 0x2000, 64, true}};
    u8 *host = base >= SHARED ? s->shared->host + (base - SHARED) : s->bench.ram->host + (base - BENCH_RAM);

    memcpy(host, "abc", 3);
    memcpy(host + 100, "def", 3);
    driver_submit(&s->driver, q, buffers, 4);
    driver_kick(&s->driver, q);
}

static bool answered(struct setup *s, struct driver_queue *q, u32 *written)
{
    u32 id;

    for (unsigned i = 0; i < 4000; i++) {
        if (driver_take(&s->driver, q, 4, &id, written))
            return true;
        if (driver_read(&s->driver, DRIVER_STATUS) & VIRTIO_NEEDS_RESET)
            return false;
        g_usleep(500);
        driver_settle(&s->driver);
    }
    g_error("neither an answer nor a failure");
}

static void there_and_back(struct setup *s, gconstpointer data)
{
    static const enum driver_transport transports[] = {MMIO_MODERN, PCI_MODERN, PCI_MSIX};
    u32 written;

    for (unsigned i = 0; i < ARRAY_SIZE(transports); i++) {
        connect_peer(s, NONE);
        struct driver_queue *q = begin(s, transports[i]);
        g_assert_cmpuint(bench_read(&s->bench, driver_config_at(&s->driver, 0), 1), ==, 'f');
        g_assert_cmpuint(bench_read(&s->bench, driver_config_at(&s->driver, 5), 1), ==, 0);
        g_assert_cmpuint(bench_read(&s->bench, driver_config_at(&s->driver, 36), 4), ==, 1);
        for (unsigned n = 0; n < 600; n++) { /* more than the other ring has entries */
            memset(s->shared->host + 0x1000, 0, 16);
            submit(s, q, SHARED);
            g_assert_true(answered(s, q, &written));
            g_assert_cmpuint(written, ==, 6);
            g_assert_cmpmem(s->shared->host + 0x1000, 4, "ABCD", 4);
            g_assert_cmpmem(s->shared->host + 0x2000, 2, "EF", 2);
        }
        disconnect_peer(s);
    }
}

/* What the other process keeps at a reset is forgotten, and it goes on afterwards. */
static void reset_in_mid_air(struct setup *s, gconstpointer data)
{
    u32 written;

    connect_peer(s, KEEPS);
    struct driver_queue *q = begin(s, PCI_MODERN);
    for (unsigned i = 0; i < 8; i++)
        submit(s, q, SHARED);
    s->driver.heap = BENCH_RAM + 0x10000;
    g_assert_true(driver_negotiate(&s->driver, 0)); /* waits until the other process let go */
    s->peer.fault = NONE;
    driver_queue(&s->driver, 0, 8);
    q = driver_queue(&s->driver, 1, 64);
    driver_ok(&s->driver);
    submit(s, q, SHARED);
    g_assert_true(answered(s, q, &written));
    g_assert_cmpuint(bench_read(&s->bench, q->used + 2, 2), ==, 1);
    disconnect_peer(s);
}

static void private_memory(struct setup *s, gconstpointer data)
{
    u32 written = 1;

    connect_peer(s, NONE);
    struct driver_queue *q = begin(s, PCI_MODERN);
    submit(s, q, BENCH_RAM + 0x80000);
    answered(s, q, &written);
    g_assert_cmpuint(written, ==, 0);
    g_assert_true(driver_read(&s->driver, DRIVER_STATUS) & VIRTIO_NEEDS_RESET);
    disconnect_peer(s);
}

/* A length that is too large is cut to what was writable; the rest breaks the device, and only that. */
static void bad_peers(struct setup *s, gconstpointer data)
{
    static const enum fault faults[] = {BAD_ID, BAD_INDEX, HANGS_UP_LATER, REFUSES_MEMORY};
    u32 written;

    connect_peer(s, TOO_LONG);
    struct driver_queue *q = begin(s, PCI_MODERN);
    submit(s, q, SHARED);
    g_assert_true(answered(s, q, &written));
    g_assert_cmpuint(written, ==, 68);
    disconnect_peer(s);
    for (unsigned i = 0; i < ARRAY_SIZE(faults); i++) {
        connect_peer(s, faults[i]);
        q = begin(s, PCI_MODERN);
        submit(s, q, SHARED);
        g_assert_false(answered(s, q, &written));
        s->driver.heap = BENCH_RAM + 0x10000;
        driver_negotiate(&s->driver, 0);
        disconnect_peer(s);
    }
}

static void bad_greetings(struct setup *s, gconstpointer data)
{
    static const struct {
        enum fault fault;
        const char *properties, *message;
    } rows[] = {
        {WRONG_ANSWER, "chardev=c;tag=a", "vhost-user: a strange answer"},
        {HANGS_UP_AT_ONCE, "chardev=c;tag=a", "vhost-user: the other end is gone"},
        {OLD, "chardev=c;tag=a", "knows only the virtio of before version 1"},
        {NONE, "chardev=c;tag=a;num-request-queues=2", "the other process has 2 queues, not 3"},
        {NONE, "chardev=d;tag=a", "chardev 'd' not found"},
        {NONE, "tag=a", "property 'chardev' is needed"},
        {NONE, "chardev=c", "property 'tag' is needed"},
        {NONE, "chardev=c;tag=a;queue-size=100", "must be a power of two"},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        g_autoptr(GError) error = NULL;

        connect_peer(s, rows[i].fault);
        bench_device(&s->bench, "virtio-mmio", "force-legacy=off");
        g_assert_null(device_create_unattached(s->bench.vm, "vhost-user-fs-device", rows[i].properties, &error));
        g_assert_nonnull(strstr(error->message, rows[i].message));
        disconnect_peer(s);
    }
}

static void sockets(struct setup *s, gconstpointer data)
{
    struct driver *d = &s->driver;
    u32 written;

    connect_peer(s, NONE);
    driver_init(d, &s->bench, PCI_MODERN, "vhost-user-vsock", "chardev=c");
    g_assert_cmpuint(bench_read(&s->bench, driver_config_at(d, 0), 8), ==, 42);
    g_assert_cmphex(driver_offered(d) & 3, ==, 2);
    g_assert_true(driver_negotiate(d, 2));
    driver_queue(d, 0, 8);
    struct driver_queue *q = driver_queue(d, 1, 64);
    driver_queue(d, 2, 8);
    driver_ok(d);
    submit(s, q, SHARED);
    g_assert_true(answered(s, q, &written));
    g_assert_cmpmem(s->shared->host + 0x1000, 4, "ABCD", 4);
    disconnect_peer(s);
}

#define SETUP_TEST(path, fn) g_test_add(path, struct setup, NULL, set_up, fn, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    SETUP_TEST("/vhost-user/there-and-back", there_and_back);
    SETUP_TEST("/vhost-user/reset-in-mid-air", reset_in_mid_air);
    SETUP_TEST("/vhost-user/private-memory", private_memory);
    SETUP_TEST("/vhost-user/bad-peers", bad_peers);
    SETUP_TEST("/vhost-user/bad-greetings", bad_greetings);
    SETUP_TEST("/vhost-user/sockets", sockets);
    return g_test_run();
}
