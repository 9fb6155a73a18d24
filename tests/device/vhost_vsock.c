/*
 * tests/device/vhost_vsock.c - sockets that the kernel carries, with a kernel of the test's own: `ioctl` of this program is ours, and keeps the rules of
 * Linux's drivers/vhost (what may be said when, and to whom). Its worker is a thread, which capitalises as the peers of vhost_peer.h do.
 */
#include "tests/device/vhost_peer.h"
#include <fcntl.h>
#include <linux/vhost.h>
#include <stdarg.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>

static struct {
    int fd, stop;
    struct peer peer; /* memory as told, rings 0 and 1, what was negotiated */
    u64 offered, cid;
    unsigned long refused; /* this request */
    int why;               /* errno of it */
    bool owned, running;
    u32 runs;
    GThread *worker;
} kernel;

static gpointer work(gpointer data)
{
    struct pollfd entries[] = {{kernel.stop, POLLIN, 0}, {kernel.peer.ring[0].kick, POLLIN, 0}, {kernel.peer.ring[1].kick, POLLIN, 0}};
    u64 count;

    while (poll(entries, ARRAY_SIZE(entries), -1) > 0 && !entries[0].revents) {
        if (entries[2].revents)
            serve(&kernel.peer, &kernel.peer.ring[1]);
        if (entries[1].revents)
            g_assert_cmpint(read(entries[1].fd, &count, sizeof(count)), ==, sizeof(count));
    }
    return NULL;
}

static int refuse(int why)
{
    errno = why;
    return -1;
}

static int run_rings(bool on)
{
    const u64 one = 1;
    u64 count;

    if (on == kernel.running)
        return 0;
    for (u32 i = 0; i < 2 && on; i++) {
        if (!kernel.peer.ring[i].size || !kernel.peer.ring[i].descriptors)
            return refuse(EFAULT);
    }
    kernel.running = on;
    /* This kernel keeps nothing: where a ring goes on is what it has given back. */
    for (u32 i = 0; i < 2 && on; i++)
        g_assert_cmpuint(kernel.peer.ring[i].next, ==, ((u16 *)(void *)at(&kernel.peer, kernel.peer.ring[i].used))[1]);
    if (on) {
        kernel.runs++;
        kernel.worker = g_thread_new("kernel", work, NULL);
        return 0;
    }
    g_assert_cmpint(write(kernel.stop, &one, sizeof(one)), ==, sizeof(one));
    g_thread_join(kernel.worker);
    g_assert_cmpint(read(kernel.stop, &count, sizeof(count)), ==, sizeof(count));
    return 0;
}

static void tell_memory(const struct vhost_memory *memory)
{
    g_assert_cmpuint(memory->nregions, <=, REGIONS);
    kernel.peer.regions = memory->nregions;
    for (u32 i = 0; i < memory->nregions; i++)
        kernel.peer.region[i] = (struct mapping){memory->regions[i].guest_phys_addr, memory->regions[i].memory_size,
                                                 (u8 *)(uintptr_t)memory->regions[i].userspace_addr};
    kernel.peer.tables++;
}

static int set_file(const struct vhost_vring_file *file, int *to)
{
    *to = file->fd;
    return 0;
}

static int set_addresses(const struct vhost_vring_addr *address)
{
    struct ring *r = &kernel.peer.ring[address->index];

    r->descriptors = address->desc_user_addr;
    r->available = address->avail_user_addr;
    r->used = address->used_user_addr;
    r->enabled = true;
    return 0;
}

static int answer(unsigned long request, void *argument)
{
    struct vhost_vring_state *state = argument;
    struct ring *r = kernel.peer.ring;

    if (request == kernel.refused)
        return refuse(kernel.why);
    if (request != VHOST_SET_OWNER && request != VHOST_GET_FEATURES && request != VHOST_VSOCK_SET_GUEST_CID && !kernel.owned)
        return refuse(EPERM);
    switch (request) {
    case VHOST_SET_OWNER:
        kernel.owned = true;
        return 0;
    case VHOST_GET_FEATURES:
        *(u64 *)argument = kernel.offered;
        return 0;
    case VHOST_SET_FEATURES:
        kernel.peer.negotiated = *(u64 *)argument;
        return kernel.peer.negotiated & ~kernel.offered ? refuse(EOPNOTSUPP) : 0;
    case VHOST_SET_MEM_TABLE:
        tell_memory(argument);
        return 0;
    case VHOST_SET_VRING_NUM:
        r[state->index].size = state->num;
        return kernel.running ? refuse(EBUSY) : 0;
    case VHOST_SET_VRING_BASE:
        r[state->index].next = (u16)state->num;
        return kernel.running ? refuse(EBUSY) : 0;
    case VHOST_GET_VRING_BASE:
        g_assert_false(kernel.running); /* Linux allows it, but it would say nothing then */
        state->num = r[state->index].next;
        return 0;
    case VHOST_SET_VRING_ADDR:
        return set_addresses(argument);
    case VHOST_SET_VRING_KICK:
        return set_file(argument, &r[state->index].kick);
    case VHOST_SET_VRING_CALL:
        return set_file(argument, &r[state->index].call);
    case VHOST_VSOCK_SET_GUEST_CID:
        kernel.cid = *(u64 *)argument;
        return 0;
    case VHOST_VSOCK_SET_RUNNING:
        return run_rings(*(int *)argument);
    default:
        return refuse(ENOTTY);
    }
}

int ioctl(int fd, unsigned long request, ...)
{
    va_list arguments;

    va_start(arguments, request);
    void *argument = va_arg(arguments, void *);
    va_end(arguments);
    return fd >= 0 && fd == kernel.fd ? answer(request, argument) : (int)syscall(SYS_ioctl, fd, request, argument);
}

/* A new kernel, as properties of a device. The descriptor is the device's from then on. */
static char *open_kernel(const char *more)
{
    memset(&kernel, 0, sizeof(kernel));
    kernel.fd = open("/dev/null", O_RDWR);
    kernel.stop = eventfd(0, EFD_CLOEXEC);
    kernel.offered = BIT64(VIRTIO_F_VERSION_1) | BIT64(VIRTIO_F_EVENT_IDX) | BIT64(VIRTIO_F_INDIRECT_DESC) | 2;
    kernel.peer.features = 2;
    return g_strdup_printf("vhostfd=%d%s", kernel.fd, more);
}

static void close_kernel(void)
{
    close(kernel.stop);
    kernel.fd = -1;
}

/* From memory that is not shared; one of the transports is without MSI-X. */
static void there_and_back(struct setup *s, gconstpointer data)
{
    static const enum driver_transport transports[] = {MMIO_MODERN, PCI_MODERN, PCI_MSIX};
    u32 written;

    for (unsigned i = 0; i < ARRAY_SIZE(transports); i++) {
        g_autofree char *properties = open_kernel(";guest-cid=7");

        driver_init(&s->driver, &s->bench, transports[i], "vhost-vsock", properties);
        g_assert_cmpuint(kernel.cid, ==, 7);
        g_assert_cmpuint(bench_read(&s->bench, driver_config_at(&s->driver, 0), 8), ==, 7);
        g_assert_cmphex(driver_offered(&s->driver) & 3, ==, 2);
        struct driver_queue *q = make_ready(&s->driver, 2, 3);
        g_assert_true(kernel.running);
        g_assert_cmphex(kernel.peer.negotiated, ==, BIT64(VIRTIO_F_VERSION_1) | 2);
        for (unsigned n = 0; n < 600; n++) { /* more than the other ring has entries */
            memset(s->bench.ram->host + 0x41000, 0, 4);
            submit(s, q, BENCH_RAM + 0x40000);
            g_assert_true(answered(s, q, &written));
            g_assert_cmpuint(written, ==, 6);
            g_assert_cmpmem(s->bench.ram->host + 0x41000, 4, "ABCD", 4);
        }
        bench_empty(&s->bench);
        g_assert_false(kernel.running);
        g_assert_cmpint(fcntl(kernel.fd, F_GETFD), ==, -1);
        close_kernel();
    }
}

/* It does not work while the machine stands, and goes on where it was; a reset lets go of the rings, too. */
static void stop_and_go(struct setup *s, gconstpointer data)
{
    g_autofree char *properties = open_kernel(";guest-cid=3");
    u32 written;

    driver_init(&s->driver, &s->bench, PCI_MODERN, "vhost-vsock", properties);
    vm_cont(s->bench.vm);
    struct driver_queue *q = make_ready(&s->driver, 2, 3);
    for (u32 turn = 1; turn <= 3; turn++) {
        submit(s, q, SHARED);
        g_assert_true(answered(s, q, &written));
        vm_stop(s->bench.vm, VM_PAUSED);
        g_assert_false(kernel.running);
        vm_cont(s->bench.vm);
        g_assert_true(kernel.running);
        g_assert_cmpuint(kernel.runs, ==, turn + 1);
    }
    s->driver.heap = BENCH_RAM + 0x10000;
    driver_write(&s->driver, DRIVER_STATUS, 0);
    g_assert_false(kernel.running);
    q = make_ready(&s->driver, 2, 3);
    submit(s, q, SHARED);
    g_assert_true(answered(s, q, &written));
    bench_empty(&s->bench);
    close_kernel();
}

/* What the kernel refuses at the start; and what only shows when the driver is ready. */
static void refusals(struct setup *s, gconstpointer data)
{
    static const struct {
        unsigned long request;
        int why;
        const char *properties, *message;
    } rows[] = {
        {VHOST_SET_OWNER, EBUSY, ";guest-cid=3", "the kernel does not serve this process"},
        {VHOST_GET_FEATURES, EFAULT, ";guest-cid=3", "the kernel does not tell its features"},
        {VHOST_VSOCK_SET_GUEST_CID, EADDRINUSE, ";guest-cid=3", "another guest has the address 3"},
        {VHOST_VSOCK_SET_GUEST_CID, EINVAL, ";guest-cid=3", "the kernel refuses the guest's address: Invalid argument"},
        {0, 0, "", "property 'guest-cid' is needed"},
        {0, 0, ";guest-cid=2", "guest-cid=2: 3 to 4294967294 are possible"},
        {0, 0, ";guest-cid=4294967295", "3 to 4294967294 are possible"},
        {0, 0, ";guest-cid=3;vhostfd=zero", "vhostfd=zero: this is no number of a descriptor"},
        {0, 0, ";guest-cid=3;vhostfd=1000000", "vhostfd=1000000: no such descriptor was inherited"},
    };
    static const unsigned long late[] = {VHOST_SET_FEATURES, VHOST_SET_MEM_TABLE, VHOST_SET_VRING_NUM, VHOST_SET_VRING_KICK, VHOST_VSOCK_SET_RUNNING};

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        g_autofree char *properties = open_kernel(rows[i].properties);
        g_autoptr(GError) error = NULL;

        kernel.refused = rows[i].request;
        kernel.why = rows[i].why;
        bench_device(&s->bench, "virtio-mmio", "force-legacy=off");
        g_assert_null(device_create_unattached(s->bench.vm, "vhost-vsock-device", properties, &error));
        g_assert_nonnull(strstr(error->message, rows[i].message));
        bench_empty(&s->bench);
        if (!rows[i].request)
            close(kernel.fd);
        g_assert_cmpint(fcntl(kernel.fd, F_GETFD), ==, -1);
        close_kernel();
    }
    for (unsigned i = 0; i < ARRAY_SIZE(late); i++) {
        g_autofree char *properties = open_kernel(";guest-cid=3");

        kernel.refused = late[i];
        kernel.why = EFAULT;
        driver_init(&s->driver, &s->bench, PCI_MODERN, "vhost-vsock", properties);
        make_ready(&s->driver, 2, 3);
        g_assert_true(driver_read(&s->driver, DRIVER_STATUS) & VIRTIO_NEEDS_RESET);
        g_assert_false(kernel.running);
        bench_empty(&s->bench);
        close_kernel();
    }
}

static void messages_apart(struct setup *s, gconstpointer data)
{
    g_autofree char *without = open_kernel(";guest-cid=3;seqpacket=off"), *with = NULL;
    g_autoptr(GError) error = NULL;

    driver_init(&s->driver, &s->bench, PCI_MODERN, "vhost-vsock", without);
    g_assert_cmphex(driver_offered(&s->driver) & 3, ==, 0);
    bench_empty(&s->bench);
    close_kernel();
    with = open_kernel(";guest-cid=3;seqpacket=on");
    kernel.offered &= ~2ull;
    bench_device(&s->bench, "virtio-mmio", "force-legacy=off");
    g_assert_null(device_create_unattached(s->bench.vm, "vhost-vsock-device", with, &error));
    g_assert_nonnull(strstr(error->message, "seqpacket=on: the other side cannot do it"));
    bench_empty(&s->bench);
    close_kernel();
}

int main(int argc, char **argv)
{
    kernel.fd = -1;
    g_test_init(&argc, &argv, NULL);
    SETUP_TEST("/vhost-vsock/there-and-back", there_and_back);
    SETUP_TEST("/vhost-vsock/stop-and-go", stop_and_go);
    SETUP_TEST("/vhost-vsock/refusals", refusals);
    SETUP_TEST("/vhost-vsock/messages-apart", messages_apart);
    return g_test_run();
}
