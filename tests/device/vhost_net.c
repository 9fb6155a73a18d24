/*
 * tests/device/vhost_net.c - network cards whose queues another process serves: frames there and back, several queues, link, a process
 * that goes and comes back, one that breaks the ring, netdev_del under the card.
 */
#include "tests/device/vhost_peer.h"
#include "api/keyval.h"
#include "hw/net/vhost_net.h"
#include "net/internal.h"
#include "net/net.h"

enum { F_CSUM = 0, F_GUEST_CSUM = 1, F_MTU = 3, F_MRG_RXBUF = 15, F_STATUS = 16, F_CTRL_VQ = 17, F_MQ = 22, F_OFFLOADS = 2 };
enum { FRAME = SHARED + 0x1000, BUFFERS = SHARED + 0x4000, CONTROL = SHARED + 0xf000, BUFFER = 2048 };

static struct net_client *add_netdev(struct setup *s, const char *queues, GError **error)
{
    struct net_set *set = net_set_of(s->bench.vm);
    g_autoptr(api_keyval) list = api_keyval_create();

    if (!set) {
        set = net_set_create(s->bench.vm);
        vhost_net_provide(set);
    }
    api_keyval_set(list, "type", "vhost-user");
    api_keyval_set(list, "id", "n0");
    api_keyval_set(list, "chardev", "c");
    api_keyval_set(list, "queues", queues);
    return net_netdev_add_keyval(set, list, error) ? net_find(set, "n0") : NULL;
}

static void begin(struct setup *s, enum driver_transport transport, u64 features, u32 queues)
{
    g_autofree char *count = g_strdup_printf("%u", queues);
    g_autoptr(GError) error = NULL;

    s->peer = (struct peer){.features = BIT64(F_MRG_RXBUF) | BIT64(F_CSUM) | (queues > 1 ? BIT64(F_MQ) : 0), .queues = queues, .loops = true};
    connect_peer(s, NONE);
    add_netdev(s, count, &error);
    g_assert_no_error(error);
    driver_init(&s->driver, &s->bench, transport, "virtio-net", "netdev=n0;mq=on;host_mtu=1400");
    vm_cont(s->bench.vm);
    g_assert_true(driver_negotiate(&s->driver, features));
}

static void end(struct setup *s)
{
    vm_stop(s->bench.vm, VM_PAUSED);
    net_set_destroy(net_set_of(s->bench.vm));
    disconnect_peer(s);
}

static u8 *shared(struct setup *s, u64 address)
{
    return s->shared->host + (address - SHARED);
}

static void offer_buffer(struct setup *s, struct driver_queue *rx, u32 n)
{
    const struct driver_buffer in = {BUFFERS + n * BUFFER, BUFFER, true};

    memset(shared(s, BUFFERS + n * BUFFER), 0xee, BUFFER);
    driver_submit(&s->driver, rx, &in, 1);
    driver_kick(&s->driver, rx);
}

static void send_frame(struct setup *s, struct driver_queue *tx, u8 fill)
{
    const struct driver_buffer out[] = {{FRAME, 12, false}, {FRAME + 12, 60, false}, {FRAME + 72, 40, false}};

    memset(shared(s, FRAME), 0, 12);
    memset(shared(s, FRAME + 12), fill, 100);
    driver_submit(&s->driver, tx, out, 3);
    driver_kick(&s->driver, tx);
}

/* Until the condition holds, as long as anybody would wait. */
#define WAIT_FOR(s, condition)                                   \
    for (unsigned n_ = 0; !(condition); n_++) {                  \
        g_assert_cmpuint(n_, <, 40000);                          \
        g_usleep(500);                                           \
        driver_settle(&(s)->driver);                             \
    }

static void comes_back(struct setup *s, struct driver_queue *rx, struct driver_queue *tx, u32 n, u8 fill)
{
    u32 id, written = 0;

    WAIT_FOR(s, driver_take(&s->driver, tx, 3, &id, &written));
    g_assert_cmpuint(written, ==, 0);
    WAIT_FOR(s, driver_take(&s->driver, rx, 1, &id, &written));
    g_assert_cmpuint(written, ==, 112);
    for (u32 i = 12; i < 112; i++)
        g_assert_cmphex(shared(s, BUFFERS + n * BUFFER)[i], ==, fill);
    g_assert_cmphex(shared(s, BUFFERS + n * BUFFER)[112], ==, 0xee);
}

static bool link_is_up(struct setup *s)
{
    return bench_read(&s->bench, driver_config_at(&s->driver, 6), 2) & 1;
}

static void there_and_back(struct setup *s, gconstpointer data)
{
    begin(s, (enum driver_transport)GPOINTER_TO_INT(data), BIT64(F_MRG_RXBUF) | BIT64(F_CSUM) | BIT64(F_MTU), 1);
    u64 offered = driver_offered(&s->driver);
    g_assert_cmphex(offered & (BIT64(F_CSUM) | BIT64(F_GUEST_CSUM) | BIT64(F_OFFLOADS) | BIT64(F_MQ)), ==, BIT64(F_CSUM)); /* what the process has */
    g_assert_true(offered & BIT64(F_STATUS) && offered & BIT64(F_CTRL_VQ));               /* what the card does */
    struct driver_queue *rx = driver_queue(&s->driver, 0, 0), *tx = driver_queue(&s->driver, 1, 0);
    driver_ok(&s->driver);
    for (u32 n = 0; n < 40; n++) {
        offer_buffer(s, rx, n % 4);
        send_frame(s, tx, (u8)n);
        comes_back(s, rx, tx, n % 4, (u8)n);
    }
    g_assert_cmphex(s->peer.negotiated & (BIT64(F_MRG_RXBUF) | BIT64(F_CSUM) | BIT64(F_MQ)), ==, BIT64(F_MRG_RXBUF) | BIT64(F_CSUM));
    g_assert_cmpint(!!(s->peer.negotiated & BIT64(VIRTIO_F_VERSION_1)), ==, !driver_is_legacy(&s->driver));
    g_assert_cmpuint(s->peer.mtu, ==, 1400);
    end(s);
}

static bool set_pairs(struct setup *s, struct driver_queue *control, u8 pairs)
{
    const struct driver_buffer command[] = {{CONTROL, 4, false}, {CONTROL + 16, 1, true}};
    u32 id, written;

    memcpy(shared(s, CONTROL), (u8[]){4, 0, pairs, 0}, 4);
    driver_submit(&s->driver, control, command, 2);
    driver_kick(&s->driver, control);
    WAIT_FOR(s, driver_take(&s->driver, control, 2, &id, &written));
    return !*shared(s, CONTROL + 16);
}

/* The second pair works from the moment that the driver says so; the first goes on with the buffers that it had. */
static void several_queues(struct setup *s, gconstpointer data)
{
    begin(s, PCI_MSIX, BIT64(F_MRG_RXBUF) | BIT64(F_MQ) | BIT64(F_CTRL_VQ), 2);
    struct driver_queue *rx = driver_queue(&s->driver, 0, 0), *tx = driver_queue(&s->driver, 1, 0);
    struct driver_queue *rx1 = driver_queue(&s->driver, 2, 0), *tx1 = driver_queue(&s->driver, 3, 0);
    struct driver_queue *control = driver_queue(&s->driver, 4, 0);
    driver_ok(&s->driver);
    offer_buffer(s, rx, 0);
    offer_buffer(s, rx1, 2);
    g_assert_true(set_pairs(s, control, 2));
    g_assert_false(set_pairs(s, control, 3));
    send_frame(s, tx1, 1);
    comes_back(s, rx1, tx1, 2, 1);
    send_frame(s, tx, 2);
    comes_back(s, rx, tx, 0, 2);
    end(s);
}

static struct driver_queue *reset_queue(struct setup *s, u16 index)
{
    driver_write(&s->driver, DRIVER_QUEUE_SELECT, index);
    bench_write(&s->bench, s->driver.pci.common + 0x3a, 2, 1);
    g_assert_cmpuint(bench_read(&s->bench, s->driver.pci.common + 0x3a, 2), ==, 0);
    return driver_queue(&s->driver, index, 0);
}

/* One queue is reset (2.6.1): its buffers are the driver's again at once, what the process has of the other queue stays there. */
static void one_queue_reset(struct setup *s, gconstpointer data)
{
    begin(s, PCI_MODERN, BIT64(F_MRG_RXBUF) | BIT64(VIRTIO_F_RING_RESET), 1);
    struct driver_queue *rx = driver_queue(&s->driver, 0, 0), *tx = driver_queue(&s->driver, 1, 0);
    driver_ok(&s->driver);
    for (u32 n = 0; n < 4; n += 2) {
        offer_buffer(s, rx, n);
        rx = reset_queue(s, 0);
        offer_buffer(s, rx, n + 1);
        send_frame(s, tx, 1);
        comes_back(s, rx, tx, n + 1, 1);
        for (u32 i = 0; i < BUFFER; i++)
            g_assert_cmphex(shared(s, BUFFERS + n * BUFFER)[i], ==, 0xee);
    }
    send_frame(s, tx, 2); /* waits there for a buffer */
    rx = reset_queue(s, 0);
    offer_buffer(s, rx, 0);
    comes_back(s, rx, tx, 0, 2);
    end(s);
}

static void come_again(struct setup *s, enum fault fault)
{
    int ends[2];

    g_thread_join(s->peer.thread);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), ==, 0);
    s->peer.fault = fault;
    s->peer.socket = ends[1];
    for (u32 i = 0; i < RINGS; i++)
        s->peer.ring[i] = (struct ring){.kick = -1, .call = -1};
    s->peer.thread = g_thread_new("peer", run, &s->peer);
    g_assert_true(chardev_add_client(chardev_find(s->chardevs, "c"), ends[0], NULL));
}

/* The process ends: no carrier, frames are lost. Another one comes: the buffers of before are there, in order. */
static void gone_and_back(struct setup *s, gconstpointer data)
{
    enum fault fault = (enum fault)GPOINTER_TO_INT(data);
    u32 id, written;

    begin(s, PCI_MODERN, BIT64(F_MRG_RXBUF) | BIT64(F_STATUS), 1);
    struct driver_queue *rx = driver_queue(&s->driver, 0, 0), *tx = driver_queue(&s->driver, 1, 0);
    driver_ok(&s->driver);
    offer_buffer(s, rx, 0);
    send_frame(s, tx, 1);
    comes_back(s, rx, tx, 0, 1);
    g_assert_true(link_is_up(s));
    offer_buffer(s, rx, 1);
    offer_buffer(s, rx, 2);
    if (fault == BAD_INDEX)
        g_usleep(150000); /* that it worked before does not count as waiting for it */
    s->peer.fault = fault;
    send_frame(s, tx, 2);
    WAIT_FOR(s, !link_is_up(s));
    WAIT_FOR(s, driver_take(&s->driver, tx, 3, &id, &written));
    send_frame(s, tx, 3);
    WAIT_FOR(s, driver_take(&s->driver, tx, 3, &id, &written));
    g_assert_false(driver_read(&s->driver, DRIVER_STATUS) & VIRTIO_NEEDS_RESET);
    if (fault == BAD_INDEX)
        g_usleep(1100000); /* one that broke the rules is not listened to for a second */
    come_again(s, NONE);
    WAIT_FOR(s, link_is_up(s));
    send_frame(s, tx, 4);
    comes_back(s, rx, tx, 1, 4);
    send_frame(s, tx, 5);
    comes_back(s, rx, tx, 2, 5);
    end(s);
}

static void cable_pulled(struct setup *s, gconstpointer data)
{
    u32 id, written;

    begin(s, MMIO_MODERN, BIT64(F_MRG_RXBUF) | BIT64(F_STATUS), 1);
    struct driver_queue *rx = driver_queue(&s->driver, 0, 0), *tx = driver_queue(&s->driver, 1, 0);
    driver_ok(&s->driver);
    offer_buffer(s, rx, 0);
    net_set_link(net_find(net_set_of(s->bench.vm), "n0"), false);
    g_assert_false(link_is_up(s));
    send_frame(s, tx, 1);
    WAIT_FOR(s, driver_take(&s->driver, tx, 3, &id, &written));
    g_assert_false(driver_take(&s->driver, rx, 1, &id, &written));
    net_set_link(net_find(net_set_of(s->bench.vm), "n0"), true);
    g_assert_true(link_is_up(s));
    send_frame(s, tx, 2);
    comes_back(s, rx, tx, 0, 2);
    end(s);
}

/* The machine stops and goes on: nothing is lost, nothing moves meanwhile; a cable that is pulled meanwhile stays pulled. */
static void stop_and_go(struct setup *s, gconstpointer data)
{
    struct net_client *netdev;
    u32 id, written;

    begin(s, PCI_MSIX, BIT64(F_MRG_RXBUF) | BIT64(F_STATUS), 1);
    netdev = net_find(net_set_of(s->bench.vm), "n0");
    struct driver_queue *rx = driver_queue(&s->driver, 0, 0), *tx = driver_queue(&s->driver, 1, 0);
    driver_ok(&s->driver);
    for (u32 n = 0; n < 3; n++) {
        send_frame(s, tx, (u8)n); /* waits there for a buffer */
        vm_stop(s->bench.vm, VM_PAUSED);
        vm_cont(s->bench.vm);
        offer_buffer(s, rx, n);
        comes_back(s, rx, tx, n, (u8)n);
    }
    vm_stop(s->bench.vm, VM_PAUSED);
    net_set_link(netdev, false);
    vm_cont(s->bench.vm);
    g_assert_false(link_is_up(s));
    send_frame(s, tx, 7);
    WAIT_FOR(s, driver_take(&s->driver, tx, 3, &id, &written));
    vm_stop(s->bench.vm, VM_PAUSED);
    net_set_link(netdev, true);
    vm_cont(s->bench.vm);
    offer_buffer(s, rx, 0);
    send_frame(s, tx, 8);
    comes_back(s, rx, tx, 0, 8);
    end(s);
}

/* What happens to the other end while the machine is stopped changes none of its memory; it shows when the machine goes on. */
enum happening { LINK_OFF, PROCESS_ENDS, NETDEV_GOES, LINK_OFF_AND_ON };

static void nothing_while_stopped(struct setup *s, gconstpointer data)
{
    enum happening what = (enum happening)GPOINTER_TO_INT(data);
    u32 id, written;

    begin(s, PCI_MSIX, BIT64(F_MRG_RXBUF) | BIT64(F_STATUS), 1);
    struct net_client *netdev = net_find(net_set_of(s->bench.vm), "n0");
    struct driver_queue *rx = driver_queue(&s->driver, 0, 0), *tx = driver_queue(&s->driver, 1, 0);
    driver_ok(&s->driver);
    send_frame(s, tx, 1); /* waits there for a buffer */
    vm_stop(s->bench.vm, VM_PAUSED);
    g_autofree u8 *ram = g_memdup2(s->bench.ram->host, BENCH_RAM_SIZE), *other = g_memdup2(s->shared->host, SHARED_SIZE);
    if (what == PROCESS_ENDS) {
        shutdown(s->peer.socket, SHUT_RDWR);
        WAIT_FOR(s, netdev->no_carrier);
    } else if (what == NETDEV_GOES) {
        g_assert_true(net_netdev_remove(net_set_of(s->bench.vm), "n0", NULL));
    } else {
        net_set_link(netdev, false);
    }
    if (what == LINK_OFF_AND_ON)
        net_set_link(netdev, true);
    driver_settle(&s->driver);
    g_assert_cmpmem(s->bench.ram->host, BENCH_RAM_SIZE, ram, BENCH_RAM_SIZE);
    g_assert_cmpmem(s->shared->host, SHARED_SIZE, other, SHARED_SIZE);
    vm_cont(s->bench.vm);
    if (what == LINK_OFF_AND_ON) {
        offer_buffer(s, rx, 0);
        comes_back(s, rx, tx, 0, 1);
    } else {
        g_assert_false(what != NETDEV_GOES && link_is_up(s));
        WAIT_FOR(s, driver_take(&s->driver, tx, 3, &id, &written));
    }
    end(s);
}

/* The netdev goes while the machine is stopped, then the card: what it was to give back goes with it. */
static void both_go_while_stopped(struct setup *s, gconstpointer data)
{
    begin(s, PCI_MSIX, BIT64(F_MRG_RXBUF), 1);
    struct driver_queue *tx = driver_queue(&s->driver, 1, 0);
    driver_ok(&s->driver);
    send_frame(s, tx, 1);
    vm_stop(s->bench.vm, VM_PAUSED);
    g_assert_true(net_netdev_remove(net_set_of(s->bench.vm), "n0", NULL));
    driver_write(&s->driver, DRIVER_STATUS, 0); /* reset */
    vm_cont(s->bench.vm);
    end(s);
}

/* netdev_del under a card at work; a reset and a new start afterwards are harmless. */
static void netdev_goes(struct setup *s, gconstpointer data)
{
    u32 id, written;

    begin(s, PCI_MODERN, BIT64(F_MRG_RXBUF), 1);
    struct driver_queue *rx = driver_queue(&s->driver, 0, 0), *tx = driver_queue(&s->driver, 1, 0);
    driver_ok(&s->driver);
    offer_buffer(s, rx, 0);
    g_assert_true(net_netdev_remove(net_set_of(s->bench.vm), "n0", NULL));
    send_frame(s, tx, 1);
    WAIT_FOR(s, driver_take(&s->driver, tx, 3, &id, &written));
    s->driver.heap = BENCH_RAM + 0x10000;
    g_assert_true(driver_negotiate(&s->driver, BIT64(F_MRG_RXBUF)));
    tx = driver_queue(&s->driver, 1, 0);
    driver_ok(&s->driver);
    send_frame(s, tx, 2);
    WAIT_FOR(s, driver_take(&s->driver, tx, 3, &id, &written));
    end(s);
}

/* The card goes, the netdev stays, and serves the next card. */
static void two_cards(struct setup *s, gconstpointer data)
{
    for (u32 n = 0; n < 2; n++) {
        if (n) {
            bench_empty(&s->bench);
            s->driver = (struct driver){0};
            driver_init(&s->driver, &s->bench, PCI_MODERN, "virtio-net", "netdev=n0");
            g_assert_true(driver_negotiate(&s->driver, BIT64(F_MRG_RXBUF)));
        } else {
            begin(s, PCI_MODERN, BIT64(F_MRG_RXBUF), 1);
        }
        struct driver_queue *rx = driver_queue(&s->driver, 0, 0), *tx = driver_queue(&s->driver, 1, 0);
        driver_ok(&s->driver);
        offer_buffer(s, rx, n);
        send_frame(s, tx, (u8)(7 + n));
        comes_back(s, rx, tx, n, (u8)(7 + n));
    }
    end(s);
}

static void refusals(struct setup *s, gconstpointer data)
{
    static const struct {
        enum fault fault;
        const char *queues, *message;
    } rows[] = {
        {NONE, "3", "the other process has 2 pair(s) of queues, not 3"},
        {NONE, "0", "queues must be from 1 to 64"},
        {HANGS_UP_AT_ONCE, "1", "the other end is gone"},
        {WRONG_ANSWER, "1", "a strange answer"},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        g_autoptr(GError) error = NULL;

        connect_peer(s, rows[i].fault);
        g_assert_null(add_netdev(s, rows[i].queues, &error));
        g_assert_nonnull(strstr(error->message, rows[i].message));
        disconnect_peer(s);
    }
    g_autoptr(GError) error = NULL;
    connect_peer(s, NONE);
    g_assert_nonnull(add_netdev(s, "2", NULL));
    bench_device(&s->bench, "gpex-pcihost", DRIVER_PCI_HOST);
    g_assert_null(device_create_unattached(s->bench.vm, "e1000e", "netdev=n0", &error));
    g_assert_nonnull(strstr(error->message, "vhost-user, which serves virtio cards only"));
    end(s);
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"mmio-legacy", "mmio-modern", "pci-legacy", "pci-modern", "pci-msix"};

    g_test_init(&argc, &argv, NULL);
    for (int i = 0; i < TRANSPORTS; i++) {
        g_autofree char *path = g_strconcat("/vhost-net/there-and-back/", names[i], NULL);

        g_test_add(path, struct setup, GINT_TO_POINTER(i), set_up, there_and_back, tear_down);
    }
    SETUP_TEST("/vhost-net/several-queues", several_queues);
    SETUP_TEST("/vhost-net/queue-reset", one_queue_reset);
    g_test_add("/vhost-net/gone-and-back", struct setup, GINT_TO_POINTER(HANGS_UP_LATER), set_up, gone_and_back, tear_down);
    g_test_add("/vhost-net/breaks-the-ring", struct setup, GINT_TO_POINTER(BAD_INDEX), set_up, gone_and_back, tear_down);
    SETUP_TEST("/vhost-net/cable-pulled", cable_pulled);
    SETUP_TEST("/vhost-net/stop-and-go", stop_and_go);
    g_test_add("/vhost-net/while-stopped/link-off", struct setup, GINT_TO_POINTER(LINK_OFF), set_up, nothing_while_stopped, tear_down);
    g_test_add("/vhost-net/while-stopped/link-off-and-on", struct setup, GINT_TO_POINTER(LINK_OFF_AND_ON), set_up, nothing_while_stopped, tear_down);
    g_test_add("/vhost-net/while-stopped/process-ends", struct setup, GINT_TO_POINTER(PROCESS_ENDS), set_up, nothing_while_stopped, tear_down);
    g_test_add("/vhost-net/while-stopped/netdev-goes", struct setup, GINT_TO_POINTER(NETDEV_GOES), set_up, nothing_while_stopped, tear_down);
    SETUP_TEST("/vhost-net/while-stopped/both-go", both_go_while_stopped);
    SETUP_TEST("/vhost-net/netdev-goes", netdev_goes);
    SETUP_TEST("/vhost-net/two-cards", two_cards);
    SETUP_TEST("/vhost-net/refusals", refusals);
    return g_test_run();
}
