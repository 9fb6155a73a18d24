/*
 * tests/device/vhost_user.c - devices that another process serves, with a back end of the test's own in a thread: requests there and
 * back on all transports, reset in mid-air, and back ends that break the protocol or go away.
 */
#include "tests/device/vhost_peer.h"

static struct driver_queue *begin(struct setup *s, enum driver_transport transport)
{
    struct driver *d = &s->driver;

    driver_init(d, &s->bench, transport, "vhost-user-fs", "chardev=c;tag=files");
    return make_ready(d, 0, 2);
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

static u64 used(struct setup *s, const struct driver_queue *q)
{
    return bench_read(&s->bench, q->used + 2, 2);
}

static void settle(struct setup *s)
{
    for (unsigned i = 0; i < 60; i++) {
        g_usleep(500);
        driver_settle(&s->driver);
    }
}

/* What the other process has done is there when the machine stands; then it has no ring and does nothing; then it goes on where it was. */
static void stop_and_go(struct setup *s, gconstpointer data)
{
    u32 written;

    connect_peer(s, NONE);
    vm_cont(s->bench.vm);
    struct driver_queue *q = begin(s, PCI_MODERN);
    for (u32 turn = 1; turn <= 3; turn++) {
        u8 *answer = s->shared->host + 0x1000;

        memset(answer, 0, 4);
        s->peer.fault = NONE;
        submit(s, q, SHARED);
        while (__atomic_load_n(answer, __ATOMIC_ACQUIRE) != 'A')
            g_usleep(100); /* done there; nobody here has looked yet, or has: both are fine */
        vm_stop(s->bench.vm, VM_PAUSED);
        g_assert_cmpuint(__atomic_load_n(&s->peer.stops, __ATOMIC_ACQUIRE), ==, 4 * turn - 2);
        u64 done = used(s, q);
        g_assert_true(answered(s, q, &written));
        g_assert_cmpuint(used(s, q), ==, done); /* it was there already */
        s->peer.fault = KEEPS; /* now that it does nothing */
        vm_cont(s->bench.vm);
        submit(s, q, SHARED);
        submit(s, q, SHARED);
        vm_stop(s->bench.vm, VM_PAUSED);
        s->peer.fault = NONE;
        memset(answer, 0, 4);
        settle(s);
        g_assert_cmpuint(used(s, q), ==, done);
        g_assert_cmpuint(*answer, ==, 0);
        vm_cont(s->bench.vm);
        for (unsigned i = 0; i < 2; i++)
            g_assert_true(answered(s, q, &written));
        g_assert_cmpmem(answer, 4, "ABCD", 4);
    }
    g_assert_cmpuint(__atomic_load_n(&s->peer.tables, __ATOMIC_ACQUIRE), ==, 1);
    disconnect_peer(s);
}

/* A process that goes while the machine stands: the driver sees it once the machine goes on. A reset meanwhile forgets all. */
static void gone_while_stopped(struct setup *s, gconstpointer data)
{
    u32 written;

    connect_peer(s, NONE);
    vm_cont(s->bench.vm);
    struct driver_queue *q = begin(s, PCI_MODERN);
    vm_stop(s->bench.vm, VM_PAUSED);
    s->driver.heap = BENCH_RAM + 0x10000;
    g_assert_true(driver_negotiate(&s->driver, 0));
    driver_queue(&s->driver, 0, 8);
    q = driver_queue(&s->driver, 1, 64);
    driver_ok(&s->driver);
    vm_cont(s->bench.vm);
    submit(s, q, SHARED);
    g_assert_true(answered(s, q, &written));
    vm_stop(s->bench.vm, VM_PAUSED);
    shutdown(s->peer.socket, SHUT_RDWR);
    settle(s);
    g_assert_false(driver_read(&s->driver, DRIVER_STATUS) & VIRTIO_NEEDS_RESET);
    vm_cont(s->bench.vm);
    submit(s, q, SHARED);
    g_assert_false(answered(s, q, &written));
    disconnect_peer(s);
}

/* The driver lets the function be a bus master last: then the other process begins. */
static void bus_master_late(struct setup *s, gconstpointer data)
{
    u32 written;

    connect_peer(s, NONE);
    driver_init(&s->driver, &s->bench, PCI_MODERN, "vhost-user-fs", "chardev=c;tag=files");
    bench_write(&s->bench, driver_pci_config(4), 2, 3);
    struct driver_queue *q = make_ready(&s->driver, 0, 2);
    bench_write(&s->bench, driver_pci_config(4), 2, 7);
    submit(s, q, SHARED);
    g_assert_true(answered(s, q, &written));
    disconnect_peer(s);
}

/* How often memory was told, or a region came or went. */
static u32 told(struct setup *s)
{
    return __atomic_load_n(&s->peer.tables, __ATOMIC_ACQUIRE) + __atomic_load_n(&s->peer.added, __ATOMIC_ACQUIRE) +
           __atomic_load_n(&s->peer.removed, __ATOMIC_ACQUIRE);
}

/* Memory that comes and goes while the other process is at work. first: how often it is told of memory before. */
static void memory_comes_and_goes(struct setup *s, u32 first)
{
    enum { MORE = 0x91000000 };
    int fd = memfd_create("more", MFD_CLOEXEC);
    struct region region;
    u32 written;

    connect_peer(s, NONE);
    struct driver_queue *q = begin(s, PCI_MODERN);
    g_assert_cmpint(ftruncate(fd, SHARED_SIZE), ==, 0);
    struct ram_block *more = vm_ram_create_file(s->bench.vm, "more", SHARED_SIZE, fd, 0, true, 0, NULL);
    region_init_ram(&region, s->bench.vm, "more", more, 0, SHARED_SIZE);
    region_add(space_root(vm_memory(s->bench.vm)), MORE, &region, 0);
    for (unsigned turn = 0; turn < 2; turn++) {
        memcpy(more->host, "abc", 3);
        memcpy(more->host + 100, "def", 3);
        const struct driver_buffer buffers[] = {{MORE, 3, false}, {MORE + 100, 3, false}, {MORE + 0x1000, 4, true}, {MORE + 0x2000, 64, true}};
        driver_submit(&s->driver, q, buffers, 4); /* at once: before the news of the new memory was sent */
        driver_kick(&s->driver, q);
        g_assert_true(answered(s, q, &written));
        g_assert_cmpmem(more->host + 0x1000, 4, "ABCD", 4);
        memset(more->host + 0x1000, 0, 4);
    }
    g_assert_cmpuint(told(s), ==, first + 1);
    region_finish(&region);
    while (told(s) != first + 2)
        settle(s);
    g_assert_cmpuint(s->peer.regions, ==, 2);
    vm_ram_destroy(more);
    submit(s, q, SHARED);
    g_assert_true(answered(s, q, &written));
    disconnect_peer(s);
}

static void more_memory(struct setup *s, gconstpointer data)
{
    memory_comes_and_goes(s, 1);
}

/* A process that takes single regions hears of what changes only (VHOST_USER_ADD_MEM_REG); of all of it anew when the driver starts anew. */
static void single_regions(struct setup *s, gconstpointer data)
{
    u32 written;

    s->peer.slots = 3;
    memory_comes_and_goes(s, 2);
    g_assert_cmpuint(s->peer.added, ==, 3);
    g_assert_cmpuint(s->peer.removed, ==, 1);
    s->peer.slots = 2;
    s->driver.heap = BENCH_RAM + 0x20000;
    connect_peer(s, NONE);
    for (u32 turn = 1; turn <= 3; turn++) {
        struct driver_queue *q = turn == 1 ? begin(s, PCI_MODERN) : NULL;

        if (!q) {
            g_assert_true(driver_negotiate(&s->driver, 0));
            driver_queue(&s->driver, 0, 8);
            q = driver_queue(&s->driver, 1, 64);
            driver_ok(&s->driver);
        }
        submit(s, q, SHARED);
        g_assert_true(answered(s, q, &written));
        g_assert_cmpuint(s->peer.added, ==, 3 + 2 * turn);
        g_assert_cmpuint(s->peer.removed, ==, 2 * turn - 1);
    }
    disconnect_peer(s);
}

/* More pieces of memory than there are slots: that device fails, and says why. */
static void few_slots(struct setup *s, gconstpointer data)
{
    u32 written;

    s->peer.slots = 1;
    connect_peer(s, NONE);
    struct driver_queue *q = begin(s, PCI_MODERN);
    submit(s, q, SHARED);
    g_assert_false(answered(s, q, &written));
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
    struct driver_queue *q = make_ready(d, 2, 3);
    submit(s, q, SHARED);
    g_assert_true(answered(s, q, &written));
    g_assert_cmpmem(s->shared->host + 0x1000, 4, "ABCD", 4);
    disconnect_peer(s);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    SETUP_TEST("/vhost-user/there-and-back", there_and_back);
    SETUP_TEST("/vhost-user/reset-in-mid-air", reset_in_mid_air);
    SETUP_TEST("/vhost-user/stop-and-go", stop_and_go);
    SETUP_TEST("/vhost-user/gone-while-stopped", gone_while_stopped);
    SETUP_TEST("/vhost-user/bus-master-late", bus_master_late);
    SETUP_TEST("/vhost-user/more-memory", more_memory);
    SETUP_TEST("/vhost-user/single-regions", single_regions);
    SETUP_TEST("/vhost-user/few-slots", few_slots);
    SETUP_TEST("/vhost-user/private-memory", private_memory);
    SETUP_TEST("/vhost-user/bad-peers", bad_peers);
    SETUP_TEST("/vhost-user/bad-greetings", bad_greetings);
    SETUP_TEST("/vhost-user/sockets", sockets);
    return g_test_run();
}
