/* tests/device/vhost_peer.h - the back end of vhost-user tests, in a thread, with faults to choose from. Each test program includes this once. */
#ifndef TESTS_DEVICE_VHOST_PEER_H
#define TESTS_DEVICE_VHOST_PEER_H

#include "chardev/chardev.h"
#include "tests/device/virtio_driver.h"
#include "vm/machine.h"
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { RINGS = 8, REGIONS = 16 };

/* What the back end does wrong. */
enum fault { NONE, WRONG_ANSWER, HANGS_UP_AT_ONCE, OLD, REFUSES_MEMORY, BAD_ID, BAD_INDEX, TOO_LONG, HANGS_UP_LATER, KEEPS, SILENT };

struct mapping {
    u64 address, size;
    u8 *host;
};

struct ring {
    u32 size;
    u64 descriptors, available, used;
    int kick, call;
    u16 next;
    bool enabled;
};

/*
 * features: of the kind of device. queues: as it says. loops: frames of odd rings come back in the ring before, instead of capitals in
 * the same ring. slots: takes single regions, so many; 0: only tables of all. The rest is for the test to look at while the thread does not run, or when what it waits for has come.
 */
struct peer {
    enum fault fault;
    u64 features;
    u32 queues, slots;
    bool loops;
    int socket;
    u64 negotiated;
    u32 mtu;
    struct mapping region[REGIONS];
    u32 regions, tables, added, removed; /* tables: memory was told so often as a whole; single regions */
    u32 stops;           /* rings were taken away so often */
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

/* ADD_MEM_REG, REM_MEM_REG. */
static void add_region(struct peer *p, const u64 *entry, int fd)
{
    void *host = mmap(NULL, entry[1], PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)entry[3]);

    g_assert_true(host != MAP_FAILED);
    close(fd);
    g_assert_cmpuint(p->regions, <, p->slots);
    p->region[p->regions++] = (struct mapping){entry[0], entry[1], host};
    __atomic_add_fetch(&p->added, 1, __ATOMIC_RELEASE);
}

static void remove_region(struct peer *p, const u64 *entry, int fd)
{
    u32 i = 0;

    g_assert_cmpint(fd, ==, -1);
    while (i < p->regions && (p->region[i].address != entry[0] || p->region[i].size != entry[1]))
        i++;
    g_assert_cmpuint(i, <, p->regions);
    munmap(p->region[i].host, p->region[i].size);
    p->region[i] = p->region[--p->regions];
    __atomic_add_fetch(&p->removed, 1, __ATOMIC_RELEASE);
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

/* The pieces of a chain, in order; how many. */
static u32 pieces(struct peer *p, struct ring *r, u16 head, struct iovec *to)
{
    struct {
        u64 address;
        u32 size;
        u16 flags, next;
    } d = {.next = head, .flags = 1};
    u32 count = 0;

    while (d.flags & 1 && count < 64) {
        memcpy(&d, at(p, r->descriptors) + 16 * d.next, sizeof(d));
        to[count++] = (struct iovec){at(p, d.address), d.size};
    }
    return count;
}

/* The next chain of the ring goes back with so many bytes. */
static void give_back(struct peer *p, struct ring *r, u32 written)
{
    u16 *available = (u16 *)(void *)at(p, r->available), *used = (u16 *)(void *)at(p, r->used);
    const u32 entry[2] = {available[2 + r->next % r->size], written};
    const u64 one = 1;

    memcpy((u8 *)used + 4 + 8 * (r->next % r->size), entry, sizeof(entry));
    r->next++;
    __atomic_store_n(&used[1], (u16)(p->fault == BAD_INDEX ? r->next + 2000 : r->next), __ATOMIC_RELEASE);
    g_assert_cmpint(write(r->call, &one, sizeof(one)), ==, sizeof(one));
}

static bool has_more(struct peer *p, const struct ring *r)
{
    return r->kick >= 0 && r->enabled && r->next != __atomic_load_n((u16 *)(void *)at(p, r->available) + 1, __ATOMIC_ACQUIRE);
}

/* Each frame of `from` goes into one buffer of `to`, header and all, if there is one. */
static void loop_frames(struct peer *p, struct ring *from, struct ring *to)
{
    struct iovec in[64], out[64];
    u8 frame[65536];

    while (has_more(p, from) && has_more(p, to)) {
        u32 count = pieces(p, from, ((u16 *)(void *)at(p, from->available))[2 + from->next % from->size], in), size = 0, done = 0;

        for (u32 i = 0; i < count; size += (u32)in[i++].iov_len)
            memcpy(frame + size, in[i].iov_base, in[i].iov_len);
        count = pieces(p, to, ((u16 *)(void *)at(p, to->available))[2 + to->next % to->size], out);
        for (u32 i = 0; i < count && done < size; i++) {
            u32 step = (u32)MIN(out[i].iov_len, size - done);

            memcpy(out[i].iov_base, frame + done, step);
            done += step;
        }
        give_back(p, from, 0);
        give_back(p, to, done);
    }
}

static void serve(struct peer *p, struct ring *r)
{
    u16 *available = (u16 *)(void *)at(p, r->available), *used = (u16 *)(void *)at(p, r->used);
    u64 count;

    g_assert_cmpint(read(r->kick, &count, sizeof(count)), ==, sizeof(count));
    if (p->loops) {
        ptrdiff_t pair = (r - p->ring) / 2;

        loop_frames(p, &p->ring[2 * pair + 1], &p->ring[2 * pair]);
        return;
    }
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
        if (p->fault != SILENT)
            reply_number(p, 1, BIT64(30) | (p->fault == OLD ? 0 : BIT64(32)) | p->features);
        return true;
    case 2:
        p->negotiated = payload[0];
        break;
    case 20:
        p->mtu = (u32)payload[0];
        break;
    case 18:
        r->enabled = number;
        break;
    case 15:
        reply_number(p, 15, 1 | 8 | 0x10 | 0x200 | (p->slots ? 0x8000 : 0) | 0x10000);
        return true;
    case 17:
        reply_number(p, 17, p->queues);
        return true;
    case 24:
        payload[0] = 8ull << 32;
        memcpy((u8 *)payload + 12, "\x2a\0\0\0\0\0\0", 8);
        reply(p, 24, payload, header[2]);
        return true;
    case 11:
        __atomic_add_fetch(&p->stops, 1, __ATOMIC_RELEASE);
        close(r->kick);
        r->kick = -1;
        payload[0] = (payload[0] & UINT32_MAX) | (u64)r->next << 32;
        reply(p, 11, payload, 8);
        return true;
    case 36:
        reply_number(p, 36, p->slots);
        return true;
    case 37:
        add_region(p, payload + 1, fds[0]);
        failed = p->fault == REFUSES_MEMORY;
        break;
    case 38:
        remove_region(p, payload + 1, fds[0]);
        break;
    case 5:
        g_assert_cmpuint(p->slots, ==, 0);
        map(p, payload, fds);
        __atomic_add_fetch(&p->tables, 1, __ATOMIC_RELEASE);
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

/* s->peer says which features and queues it has. */
static inline void connect_peer(struct setup *s, enum fault fault)
{
    int ends[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), ==, 0);
    s->peer.fault = fault;
    s->peer.socket = ends[1];
    memset(s->peer.ring, 0, sizeof(s->peer.ring));
    for (u32 i = 0; i < RINGS; i++)
        s->peer.ring[i].kick = s->peer.ring[i].call = -1;
    g_autofree char *text = g_strdup_printf("socket,id=c,fd=%d", ends[0]);
    g_autoptr(GHashTable) options = chardev_parse_options(text, NULL);
    GError *error = NULL;
    chardev_create(s->chardevs, options, &error);
    g_assert_no_error(error);
    s->peer.thread = g_thread_new("peer", run, &s->peer);
}

static inline void disconnect_peer(struct setup *s)
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
    s->peer = (struct peer){.features = 2, .queues = 2};
}

static void tear_down(struct setup *s, gconstpointer data)
{
    bench_empty(&s->bench);
    chardev_set_destroy(s->chardevs);
    region_finish(&s->shared_region);
    vm_ram_destroy(s->shared);
    bench_tear_down(&s->bench, NULL);
}

/* A driver with two or three queues: number 1, which is given back, has 64 entries, the others 8. */
static inline struct driver_queue *make_ready(struct driver *d, u64 features, u32 queues)
{
    g_assert_true(driver_negotiate(d, features));
    driver_queue(d, 0, 8);
    struct driver_queue *q = driver_queue(d, 1, 64);
    if (queues > 2)
        driver_queue(d, 2, 8);
    driver_ok(d);
    return q;
}

/* "abc" and "def" to be read at base, 4 and 64 bytes to be written behind: what `capitalise` makes of them. */
static inline void submit(struct setup *s, struct driver_queue *q, u64 base)
{
    const struct driver_buffer buffers[] = {{base, 3, false}, {base + 100, 3, false}, {base + 0x1000, 4, true}, {base + 0x2000, 64, true}};
    u8 *host = base >= SHARED ? s->shared->host + (base - SHARED) : s->bench.ram->host + (base - BENCH_RAM);

    memcpy(host, "abc", 3);
    memcpy(host + 100, "def", 3);
    driver_submit(&s->driver, q, buffers, 4);
    driver_kick(&s->driver, q);
}

/* False: the device needs a reset. */
static inline bool answered(struct setup *s, struct driver_queue *q, u32 *written)
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

#define SETUP_TEST(path, fn) g_test_add(path, struct setup, NULL, set_up, fn, tear_down)

#endif
