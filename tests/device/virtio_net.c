/* tests/device/virtio_net.c - network card on every transport: frames in and out, headers, mergeable buffers, control queue, hostile drivers. */
#include "tests/device/virtio_driver.h"
#include "api/keyval.h"
#include "net/internal.h"
#include <sys/socket.h>
#include <unistd.h>

enum { RX, TX, CONTROL };
enum { F_CSUM = 0, F_GUEST_CSUM = 1, F_MTU = 3, F_MAC = 5, F_GUEST_TSO4 = 7, F_HOST_TSO4 = 11, F_MRG_RXBUF = 15, F_STATUS = 16, F_CTRL_VQ = 17,
       F_CTRL_RX = 18, F_CTRL_VLAN = 19, F_GUEST_ANNOUNCE = 21, F_MQ = 22, F_CTRL_MAC_ADDR = 23, F_SPEED_DUPLEX = 63 };
#define DATA (BENCH_RAM + UINT64_C(0x80000))

/* The other end of the card's cable. */
struct wire {
    struct driver d;
    int fd;
};

static u8 *ram(struct bench *bench, u64 address)
{
    return bench->ram->host + (address - BENCH_RAM);
}

static void start(struct wire *w, struct bench *bench, enum driver_transport transport, const char *properties, u64 features)
{
    g_autofree char *all = g_strdup_printf("netdev=n0%s%s", properties ? ";" : "", properties ? properties : "");
    struct net_set *set = net_set_create(bench->vm);
    g_autoptr(GError) error = NULL;
    int pair[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), ==, 0);
    w->fd = pair[1];
    g_autofree char *text = g_strdup_printf("%d", pair[0]);
    g_autoptr(api_keyval) list = api_keyval_create();
    api_keyval_set(list, "type", "dgram");
    api_keyval_set(list, "id", "n0");
    api_keyval_set(list, "local.type", "fd");
    api_keyval_set(list, "local.str", text);
    net_netdev_add_keyval(set, list, &error);
    g_assert_no_error(error);
    driver_init(&w->d, bench, transport, "virtio-net", all);
    vm_cont(bench->vm);
    g_assert_true(driver_negotiate(&w->d, features));
}

/* Lets frames pass both ways: the loop reads the socket, the inbox delivers. */
static void settle(struct wire *w)
{
    for (int i = 0; i < 3; i++)
        driver_settle(&w->d);
}

static void finish(struct wire *w)
{
    struct vm *vm = w->d.bench->vm;

    vm_stop(vm, VM_PAUSED);
    net_set_destroy(net_set_of(vm));
    close(w->fd);
}

static u32 header_size(const struct wire *w)
{
    return !driver_is_legacy(&w->d) || w->d.features >> F_MRG_RXBUF & 1 ? 12 : 10;
}

static void fill_frame(u8 *frame, u32 size, const char *to)
{
    u8 mac[NET_MAC_SIZE];

    g_assert_true(net_mac_parse(to, mac, NULL));
    memset(frame, 0, MIN(size, 14));
    memcpy(frame, mac, NET_MAC_SIZE);
    for (u32 i = 14; i < size; i++)
        frame[i] = (u8)(i * 3);
}

static void incoming(struct wire *w, u32 size, const char *to)
{
    g_autofree u8 *frame = g_malloc(size);

    fill_frame(frame, size, to);
    g_assert_cmpint(send(w->fd, frame, size, 0), ==, size);
    settle(w);
}

/* A frame goes out as it is; a received one comes with its header; both with an interrupt. */
static void both_ways(struct bench *bench, gconstpointer data)
{
    struct wire w;
    u32 id, written;
    u8 frame[2000], got[2000];

    start(&w, bench, (enum driver_transport)GPOINTER_TO_INT(data), NULL, BIT64(F_MAC));
    struct driver_queue *rx = driver_queue(&w.d, RX, 0), *tx = driver_queue(&w.d, TX, 0);
    driver_ok(&w.d);
    u32 head = header_size(&w);
    memset(ram(bench, DATA), 0, head);
    fill_frame(ram(bench, DATA + head), 100, "52:54:00:00:00:09");
    const struct driver_buffer out[] = { { DATA, head, false }, { DATA + head, 60, false }, { DATA + head + 60, 40, false } };
    driver_submit(&w.d, tx, out, 3);
    driver_kick(&w.d, tx);
    g_assert_cmpint(recv(w.fd, got, sizeof(got), MSG_DONTWAIT), ==, 100);
    g_assert_cmpmem(got, 100, ram(bench, DATA + head), 100);
    g_assert_true(driver_take(&w.d, tx, 3, &id, &written));
    g_assert_cmpuint(written, ==, 0);
    const struct driver_buffer in[] = { { DATA + 0x1000, head, true }, { DATA + 0x2000, 1600, true } };
    if (w.d.transport != PCI_MSIX)
        driver_interrupts(&w.d);
    driver_submit(&w.d, rx, in, 2);
    driver_kick(&w.d, rx);
    memset(ram(bench, DATA + 0x1000), 0xee, head);
    incoming(&w, 1514, "52:54:00:12:34:56");
    g_assert_true(driver_take(&w.d, rx, 2, &id, &written));
    g_assert_cmpuint(written, ==, 1514 + head);
    fill_frame(frame, 1514, "52:54:00:12:34:56");
    g_assert_cmpmem(frame, 1514, ram(bench, DATA + 0x2000), 1514);
    for (u32 i = 0; i < 10; i++)
        g_assert_cmpuint(ram(bench, DATA + 0x1000)[i], ==, 0);
    if (head == 12)
        g_assert_cmpuint(bits_load_le(ram(bench, DATA + 0x100a), 2), ==, 1);
    if (w.d.transport != PCI_MSIX)
        g_assert_cmpuint(driver_interrupts(&w.d), ==, 1);
    finish(&w);
}

/* A frame over several buffers: num_buffers says how many; without room it waits, and nothing is lost. */
static void mergeable(struct bench *bench, gconstpointer data)
{
    struct wire w;
    u32 id, written;
    u8 frame[5000];

    start(&w, bench, PCI_MODERN, data ? "packed=on" : NULL, BIT64(F_MRG_RXBUF) | (data ? BIT64(VIRTIO_F_RING_PACKED) : 0));
    struct driver_queue *rx = driver_queue(&w.d, RX, 0);
    driver_ok(&w.d);
    for (u32 i = 0; i < 2; i++) {
        const struct driver_buffer in = { DATA + 0x1000 * i, 2000, true };
        driver_submit(&w.d, rx, &in, 1);
    }
    driver_kick(&w.d, rx);
    incoming(&w, 5000, "52:54:00:12:34:56");
    g_assert_false(driver_take(&w.d, rx, 1, &id, &written));
    const struct driver_buffer in = { DATA + 0x2000, 2000, true };
    driver_submit(&w.d, rx, &in, 1);
    driver_kick(&w.d, rx);
    settle(&w);
    fill_frame(frame, 5000, "52:54:00:12:34:56");
    g_assert_true(driver_take(&w.d, rx, 1, &id, &written) && written == 2000);
    g_assert_true(driver_take(&w.d, rx, 1, &id, &written) && written == 2000);
    g_assert_true(driver_take(&w.d, rx, 1, &id, &written) && written == 1012);
    g_assert_cmpuint(bits_load_le(ram(bench, DATA + 10), 2), ==, 3);
    g_assert_cmpmem(ram(bench, DATA + 12), 1988, frame, 1988);
    g_assert_cmpmem(ram(bench, DATA + 0x1000), 2000, frame + 1988, 2000);
    g_assert_cmpmem(ram(bench, DATA + 0x2000), 1012, frame + 3988, 1012);
    finish(&w);
}

/* Without MRG_RXBUF a frame that fits no buffer is dropped, the buffer stays for the next. */
static void too_small(struct bench *bench, gconstpointer data)
{
    struct wire w;
    u32 id, written;

    start(&w, bench, MMIO_MODERN, NULL, 0);
    struct driver_queue *rx = driver_queue(&w.d, RX, 0);
    driver_ok(&w.d);
    const struct driver_buffer in = { DATA, 600, true };
    driver_submit(&w.d, rx, &in, 1);
    driver_kick(&w.d, rx);
    incoming(&w, 1000, "52:54:00:12:34:56");
    incoming(&w, 500, "52:54:00:12:34:56");
    g_assert_true(driver_take(&w.d, rx, 1, &id, &written));
    g_assert_cmpuint(written, ==, 512);
    finish(&w);
}

/* What the guest leaves to the host is done: this end of the wire takes complete frames only. */
static void checksum(struct bench *bench, gconstpointer data)
{
    struct wire w;
    u8 got[2000];

    start(&w, bench, MMIO_MODERN, NULL, BIT64(F_CSUM) | BIT64(F_HOST_TSO4));
    struct driver_queue *tx = driver_queue(&w.d, TX, 0);
    driver_ok(&w.d);
    u8 *frame = ram(bench, DATA + 12), *ip = frame + 14;
    memset(ram(bench, DATA), 0, 4000);
    bits_store_be(frame + 12, 2, 0x800);
    ip[0] = 0x45;
    bits_store_be(ip + 2, 2, 40 + 3000);
    ip[9] = 6;
    bits_store_be(ip + 12, 8, 0x0a0000010a000002);
    ip[32] = 0x50;
    ip[33] = 0x18;
    u16 pseudo = (u16)~net_checksum_finish(net_checksum_pseudo(ip, false, 6, 3020));
    memcpy(ip + 36, &pseudo, 2);
    const struct net_offload offload = { NET_NEEDS_CSUM, NET_GSO_TCP4, 54, 1000, 34, 16 };
    net_offload_store(&offload, ram(bench, DATA));
    const struct driver_buffer out = { DATA, 12 + 54 + 3000, false };
    driver_submit(&w.d, tx, &out, 1);
    driver_kick(&w.d, tx);
    for (u32 i = 0; i < 3; i++) {
        g_assert_cmpint(recv(w.fd, got, sizeof(got), MSG_DONTWAIT), ==, 1054);
        g_assert_cmpuint(bits_load_be(got + 38, 4), ==, 1000 * i);
        g_assert_cmpuint(net_checksum_finish(net_checksum_add(net_checksum_pseudo(got + 14, false, 6, 1020), got + 34, 1020)), ==, 0);
        g_assert_cmpuint(got[47], ==, i == 2 ? 0x18 : 0x10);
    }
    finish(&w);
}

/* A kind of segments that was not negotiated is none: the frame goes out in one piece. */
static void unasked(struct bench *bench, gconstpointer data)
{
    static const u8 kinds[] = { NET_GSO_TCP4, NET_GSO_TCP6, NET_GSO_UDP, NET_GSO_UDP_L4, NET_GSO_TCP4 | NET_GSO_ECN };
    struct wire w;
    u8 got[2000];

    start(&w, bench, MMIO_MODERN, NULL, BIT64(F_CSUM));
    struct driver_queue *tx = driver_queue(&w.d, TX, 0);
    driver_ok(&w.d);
    for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++) {
        const struct net_offload offload = { NET_NEEDS_CSUM, kinds[i], 54, 100, 34, 16 };
        const struct driver_buffer out = { DATA, 12 + 54 + 1000, false };

        memset(ram(bench, DATA), 0, 2000);
        bits_store_be(ram(bench, DATA + 24), 2, kinds[i] == NET_GSO_TCP6 ? 0x86dd : 0x800);
        ram(bench, DATA + 26)[0] = kinds[i] == NET_GSO_TCP6 ? 0x65 : 0x45;
        ram(bench, DATA + 58)[0] = 0x50;
        net_offload_store(&offload, ram(bench, DATA));
        driver_submit(&w.d, tx, &out, 1);
        driver_kick(&w.d, tx);
        g_assert_cmpint(recv(w.fd, got, sizeof(got), MSG_DONTWAIT), ==, 1054);
    }
    finish(&w);
}

static enum net_result swallow(void *opaque, u32 queue, const struct net_frame *frame)
{
    return NET_DONE;
}

/* The driver uses the first of four pairs: what comes for the last waits for buffers of the first, and gets them. */
static void unused_pairs(struct bench *bench, gconstpointer data)
{
    static const struct net_client_ops ops = { .receive = swallow };
    static const struct net_kind kind;
    struct net_backend *backend = g_new0(struct net_backend, 1);
    struct wire w = { .fd = -1 };
    u8 frame[60];
    u32 id, written;

    *backend = (struct net_backend){ .kind = &kind, .set = net_set_create(bench->vm), .queues = 4 };
    backend->client = net_client_create(backend->set, "n0", NULL, 4, &ops, backend);
    backend->client->backend = backend;
    driver_init(&w.d, bench, PCI_MODERN, "virtio-net", "netdev=n0;mq=on");
    vm_cont(bench->vm);
    g_assert_true(driver_negotiate(&w.d, BIT64(F_CTRL_VQ) | BIT64(F_MQ)));
    struct driver_queue *rx = driver_queue(&w.d, RX, 0);
    driver_ok(&w.d);
    fill_frame(frame, sizeof(frame), "52:54:00:12:34:56");
    net_backend_send_bytes(backend, 3, frame, sizeof(frame));
    settle(&w);
    const struct driver_buffer in = { DATA, 200, true };
    driver_submit(&w.d, rx, &in, 1);
    driver_kick(&w.d, rx);
    settle(&w);
    g_assert_true(driver_take(&w.d, rx, 1, &id, &written));
    g_assert_cmpuint(written, ==, 72);
    finish(&w);
}

static u8 control(struct wire *w, struct driver_queue *q, const void *command, u32 size)
{
    u32 id, written;

    memcpy(ram(w->d.bench, DATA + 0x8000), command, size);
    ram(w->d.bench, DATA + 0x9000)[0] = 0xaa;
    const struct driver_buffer buffers[] = { { DATA + 0x8000, 2, false }, { DATA + 0x8002, size - 2, false }, { DATA + 0x9000, 1, true } };
    driver_submit(&w->d, q, buffers, 3);
    driver_kick(&w->d, q);
    g_assert_true(driver_take(&w->d, q, 3, &id, &written));
    g_assert_cmpuint(written, ==, 1);
    return ram(w->d.bench, DATA + 0x9000)[0];
}

static bool arrives(struct wire *w, struct driver_queue *rx, const char *to, int vlan)
{
    u8 frame[64];
    u32 id, written;
    const struct driver_buffer in = { DATA, 200, true };

    fill_frame(frame, sizeof(frame), to);
    if (vlan >= 0) {
        bits_store_be(frame + 12, 2, 0x8100);
        bits_store_be(frame + 14, 2, (u64)vlan);
    }
    if (w->d.queue[RX].next == rx->last_used)
        driver_submit(&w->d, rx, &in, 1);
    driver_kick(&w->d, rx);
    g_assert_cmpint(send(w->fd, frame, sizeof(frame), 0), ==, sizeof(frame));
    settle(w);
    return driver_take(&w->d, rx, 1, &id, &written);
}

#define COMMAND(...) control(&w, q, (const u8[]){ __VA_ARGS__ }, sizeof((const u8[]){ __VA_ARGS__ }))

static void filters(struct bench *bench, gconstpointer data)
{
    static const char own[] = "52:54:00:12:34:56", other[] = "52:54:00:99:99:99", group[] = "33:33:00:00:00:01", all[] = "ff:ff:ff:ff:ff:ff";
    struct net_rx_filter info;
    struct wire w;

    start(&w, bench, MMIO_MODERN, NULL, BIT64(F_CTRL_VQ) | BIT64(F_CTRL_RX) | BIT64(F_CTRL_VLAN) | BIT64(F_CTRL_MAC_ADDR));
    struct driver_queue *rx = driver_queue(&w.d, RX, 0), *q = driver_queue(&w.d, CONTROL, 0);
    driver_ok(&w.d);
    g_assert_true(arrives(&w, rx, other, -1)); /* promiscuous until the driver says otherwise */
    g_assert_cmpuint(COMMAND(0, 0, 0), ==, 0);
    g_assert_true(arrives(&w, rx, own, -1) && arrives(&w, rx, all, -1));
    g_assert_false(arrives(&w, rx, other, -1) || arrives(&w, rx, group, -1));
    g_assert_false(arrives(&w, rx, own, 5));
    g_assert_cmpuint(COMMAND(2, 0, 5, 0), ==, 0);
    g_assert_true(arrives(&w, rx, own, 5));
    g_assert_cmpuint(COMMAND(2, 1, 5, 0), ==, 0);
    g_assert_false(arrives(&w, rx, own, 5));
    g_assert_cmpuint(COMMAND(1, 0, 1, 0, 0, 0, 0x52, 0x54, 0, 0x99, 0x99, 0x99, 1, 0, 0, 0, 0x33, 0x33, 0, 0, 0, 1), ==, 0);
    g_assert_true(arrives(&w, rx, other, -1) && arrives(&w, rx, group, -1));
    g_assert_true(net_client_rx_filter(net_find(net_set_of(bench->vm), "virtio-net-device.0"), &info));
    g_assert_cmpuint(info.unicast_table->len + 10 * info.multicast_table->len + 100 * info.vlan_table->len, ==, 11);
    net_rx_filter_clear(&info);
    g_assert_cmpuint(COMMAND(1, 1, 2, 3, 4, 5, 6, 7), ==, 0);
    g_assert_true(arrives(&w, rx, "02:03:04:05:06:07", -1));
    g_assert_false(arrives(&w, rx, own, -1));
    g_assert_cmpuint(bench_read(bench, driver_config_at(&w.d, 5), 1), ==, 7);
    /* What makes no sense is refused and changes nothing. */
    g_assert_cmpuint(COMMAND(1, 0, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4, 5, 6), ==, 1);
    g_assert_cmpuint(COMMAND(1, 0, 1, 0, 0, 0, 1, 2, 3), ==, 1);
    g_assert_cmpuint(COMMAND(2, 0, 0, 0x10), ==, 1);
    g_assert_cmpuint(COMMAND(2, 9, 0, 0), ==, 1);
    g_assert_cmpuint(COMMAND(4, 0, 1, 0), ==, 1);
    g_assert_cmpuint(COMMAND(5, 0, 1, 0, 0, 0, 0, 0, 0, 0), ==, 1);
    g_assert_cmpuint(COMMAND(99, 0, 0), ==, 1);
    g_assert_true(arrives(&w, rx, other, -1));
    finish(&w);
}

static void config(struct bench *bench, gconstpointer data)
{
    struct wire w;

    start(&w, bench, PCI_MODERN, "mac=52:54:00:01:02:03;host_mtu=9000;speed=10000;duplex=full",
          BIT64(F_MAC) | BIT64(F_STATUS) | BIT64(F_MTU) | BIT64(F_SPEED_DUPLEX) | BIT64(F_CTRL_VQ) | BIT64(F_GUEST_ANNOUNCE));
    struct driver_queue *q = driver_queue(&w.d, CONTROL, 0);
    driver_ok(&w.d);
    g_assert_cmphex(bench_read(bench, driver_config_at(&w.d, 0), 4) | bench_read(bench, driver_config_at(&w.d, 4), 2) << 32, ==, 0x030201005452);
    g_assert_cmpuint(bench_read(bench, driver_config_at(&w.d, 6), 2), ==, 1);
    g_assert_cmpuint(bench_read(bench, driver_config_at(&w.d, 8), 2), ==, 1);
    g_assert_cmpuint(bench_read(bench, driver_config_at(&w.d, 10), 2), ==, 9000);
    g_assert_cmpuint(bench_read(bench, driver_config_at(&w.d, 12), 4), ==, 10000);
    g_assert_cmpuint(bench_read(bench, driver_config_at(&w.d, 16), 1), ==, 1);
    g_assert_cmpuint(driver_offered(&w.d) >> F_MQ & 1, ==, 0);
    net_set_link(net_find(net_set_of(bench->vm), "n0"), false);
    g_assert_cmpuint(bench_read(bench, driver_config_at(&w.d, 6), 2), ==, 0);
    g_assert_cmpuint(driver_interrupts(&w.d) & 2, ==, 2);
    net_set_link(net_find(net_set_of(bench->vm), "n0"), true);
    net_client_announce(net_find(net_set_of(bench->vm), "virtio-net-device.0"));
    g_assert_cmpuint(bench_read(bench, driver_config_at(&w.d, 6), 2), ==, 3);
    g_assert_cmpuint(COMMAND(3, 0, 0), ==, 0);
    g_assert_cmpuint(bench_read(bench, driver_config_at(&w.d, 6), 2), ==, 1);
    g_assert_true(net_netdev_remove(net_set_of(bench->vm), "n0", NULL));
    g_assert_cmpuint(bench_read(bench, driver_config_at(&w.d, 6), 2), ==, 0);
    finish(&w);
}

/* Frames without header, of one byte, of a megabyte; offloads that were not negotiated; a reset with frames in the air. */
static void hostile(struct bench *bench, gconstpointer data)
{
    static const u32 sizes[] = { 0, 1, 11, 12, 13, 25, 70000, 500000 };
    struct wire w;
    u8 got[3000];
    u32 id, written;

    start(&w, bench, MMIO_MODERN, NULL, 0);
    for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
        g_assert_true(driver_negotiate(&w.d, 0));
        w.d.heap = BENCH_RAM + 0x10000;
        struct driver_queue *tx = driver_queue(&w.d, TX, 0);
        driver_ok(&w.d);
        const struct driver_buffer out = { BENCH_RAM + 0x20000, sizes[i], false };
        driver_submit(&w.d, tx, &out, 1);
        driver_kick(&w.d, tx);
        g_assert_cmpint(recv(w.fd, got, sizeof(got), MSG_DONTWAIT), ==, -1);
    }
    g_assert_true(driver_negotiate(&w.d, 0));
    w.d.heap = BENCH_RAM + 0x10000;
    struct driver_queue *rx = driver_queue(&w.d, RX, 0), *tx = driver_queue(&w.d, TX, 0);
    driver_ok(&w.d);
    memset(ram(bench, DATA), 0xff, 12); /* CSUM and TSO were not negotiated: the frame goes as it is */
    fill_frame(ram(bench, DATA + 12), 100, "52:54:00:00:00:09");
    const struct driver_buffer out = { DATA, 112, false }, in = { DATA + 0x1000, 2000, true };
    driver_submit(&w.d, tx, &out, 1);
    driver_kick(&w.d, tx);
    g_assert_cmpint(recv(w.fd, got, sizeof(got), MSG_DONTWAIT), ==, 100);
    incoming(&w, 100, "52:54:00:12:34:56");
    driver_write(&w.d, DRIVER_STATUS, 0);
    g_assert_true(driver_negotiate(&w.d, 0));
    w.d.heap = BENCH_RAM + 0x10000;
    rx = driver_queue(&w.d, RX, 0);
    driver_ok(&w.d);
    driver_submit(&w.d, rx, &in, 1);
    driver_kick(&w.d, rx);
    settle(&w);
    g_assert_false(driver_take(&w.d, rx, 1, &id, &written)); /* what came before the reset is gone */
    finish(&w);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (int transport = 0; transport < TRANSPORTS; transport++) {
        g_autofree char *name = g_strdup_printf("/virtio-net/both-ways/%d", transport);
        g_test_add(name, struct bench, GINT_TO_POINTER(transport), bench_set_up, both_ways, bench_tear_down);
    }
    BENCH_TEST("/virtio-net/mergeable/split", mergeable);
    g_test_add("/virtio-net/mergeable/packed", struct bench, GINT_TO_POINTER(1), bench_set_up, mergeable, bench_tear_down);
    BENCH_TEST("/virtio-net/too-small", too_small);
    BENCH_TEST("/virtio-net/checksum", checksum);
    BENCH_TEST("/virtio-net/unasked", unasked);
    BENCH_TEST("/virtio-net/unused-pairs", unused_pairs);
    BENCH_TEST("/virtio-net/filters", filters);
    BENCH_TEST("/virtio-net/config", config);
    BENCH_TEST("/virtio-net/hostile", hostile);
    return g_test_run();
}
