/* tests/device/virtio_blk_slow.c - the block device on storage that takes its time: resets and stops of the machine. */
#include "tests/device/virtio_blk_desk.h"
#include "tests/device/gate.h"
#include "vm/user.h"
#include "vm/vcpu.h"
#include <errno.h>

/* Who translates the guest's code hears which of its bytes change. */
struct listener {
    struct accel accel;
    u64 changed; /* bytes of the data */
};

static void note_change(struct vm *vm, struct ram_block *block, u64 offset, u64 size)
{
    if (offset == AT - BENCH_RAM)
        ((struct listener *)vm_accel(vm))->changed += size;
}

static const struct accel_class listener_class = { .name = "listener", .ram_changed = note_change };

static struct gate *begin_slow_read(struct desk *s, enum driver_transport transport, const char *properties, struct block_node **node)
{
    *node = gate_create(disk_set_graph(s->disks), "n", DISK_BYTES);
    begin(s, transport, properties, BIT64(9) | BIT64(40) /* RING_RESET */);
    fill(s, 0xa5, 4096);
    gate_set(*node, false);
    struct listener *listener = g_new0(struct listener, 1);
    listener->accel.accel_class = &listener_class;
    vm_set_accel(s->bench.vm, &listener->accel);
    send(s, IN, 0, 4096, true);
    g_assert_cmpuint(((struct gate *)(*node)->state)->reads, ==, 0);
    return (*node)->state;
}

static void turns(struct desk *s)
{
    for (unsigned i = 0; i < 10; i++) {
        g_main_context_iteration(vm_context(s->bench.vm), FALSE);
        vm_inbox_deliver(s->bench.vm);
    }
}

/* How many bytes were told of. */
static u64 stop_listening(struct desk *s)
{
    g_autofree struct listener *listener = (struct listener *)vm_accel(s->bench.vm);

    vm_set_accel(s->bench.vm, NULL);
    return listener->changed;
}

static void end_slow_read(struct desk *s, struct block_node *node)
{
    struct gate *gate = node->state;

    g_assert_cmpuint(gate->reads, ==, 1); /* memory is the driver's */
    g_assert_cmpuint(stop_listening(s), ==, 4096); /* all that was read, though nobody gets it */
    fill(s, 0xa5, 4096);
    turns(s);
    g_assert_true(all(s, 0xa5, 4096));
    g_assert_true(driver_negotiate(&s->driver, BIT64(9)));
    s->queue = driver_queue(&s->driver, 0, 0);
    driver_ok(&s->driver);
    g_assert_cmpuint(request(s, IN, 0, 4096, true), ==, 0);
    g_assert_true(all(s, 0x77, 4096));
    bench_empty(&s->bench);
    disk_set_unref_node(s->disks, node);
}

/* 2.4.2: the driver sees that the reset is not done before back ends have let go of its memory, and nobody waits meanwhile. */
static void lazy_reset(struct desk *s, gconstpointer data)
{
    struct block_node *node;

    begin_slow_read(s, PCI_MODERN, "drive=n", &node);
    for (unsigned i = 0; i < 3; i++) {
        driver_write(&s->driver, DRIVER_STATUS, 0);
        g_assert_cmpuint(driver_read(&s->driver, DRIVER_STATUS) & VIRTIO_DRIVER_OK, !=, 0);
    }
    g_assert_true(all(s, 0xa5, 4096));
    gate_set(node, true);
    while (driver_read(&s->driver, DRIVER_STATUS))
        turns(s);
    end_slow_read(s, node);
}

static void lazy_queue_reset(struct desk *s, gconstpointer data)
{
    struct block_node *node;
    u64 at = 0x3a;

    begin_slow_read(s, PCI_MODERN, "drive=n", &node);
    bench_write(&s->bench, s->driver.pci.common + at, 2, 1);
    g_assert_cmpuint(bench_read(&s->bench, s->driver.pci.common + at, 2), ==, 1);
    gate_set(node, true);
    while (bench_read(&s->bench, s->driver.pci.common + at, 2))
        turns(s);
    end_slow_read(s, node);
}

/* Drivers of other transports go on at once: the reset itself waits. So does the next step of a driver that should have looked. */
static void waiting_reset(struct desk *s, gconstpointer data)
{
    struct block_node *node;

    begin_slow_read(s, GPOINTER_TO_UINT(data), "drive=n", &node);
    driver_write(&s->driver, DRIVER_STATUS, 0);
    if (GPOINTER_TO_UINT(data) == PCI_MODERN)
        driver_write(&s->driver, DRIVER_STATUS, VIRTIO_ACKNOWLEDGE);
    end_slow_read(s, node);
}

static void machine_reset(struct desk *s, gconstpointer data)
{
    struct block_node *node;

    begin_slow_read(s, MMIO_MODERN, "drive=n", &node);
    vm_reset(s->bench.vm, VM_CAUSE_NONE);
    end_slow_read(s, node);
}

static void unplug(struct desk *s, gconstpointer data)
{
    struct block_node *node;

    begin_slow_read(s, PCI_MODERN, "drive=n", &node);
    bench_empty(&s->bench);
    g_assert_cmpuint(stop_listening(s), ==, 4096);
    disk_set_unref_node(s->disks, node);
}

/* ---- The machine stops: what is under way comes to its end first, and then nothing moves ---- */

static void be_still(const struct vm_event *event, void *opaque)
{
    struct desk *s = opaque;

    if (event->kind == VM_EVENT_STILL)
        disk_set_still(s->disks, s->bench.vm, NULL, NULL);
}

static void make_thread(struct desk *s)
{
    const struct vm_user_request request = { .ancestor = "user-creatable", .type = "iothread", .id = "t", .parent = vm_object_child(vm_root(s->bench.vm), "objects") };

    g_assert_nonnull(vm_user_create(s->bench.vm, &request, NULL));
}

static u32 load(const u32 *at)
{
    return __atomic_load_n(at, __ATOMIC_ACQUIRE);
}

static void stop(struct desk *s, gconstpointer data)
{
    struct block_node *node;
    u32 id, written;

    if (data)
        make_thread(s);
    vm_on_event(s->bench.vm, be_still, s);
    vm_cont(s->bench.vm);
    struct gate *gate = begin_slow_read(s, PCI_MODERN, data ? "drive=n;iothread=t" : "drive=n", &node);
    while (!load(&gate->waiting)) /* until the request is with the back end */
        turns(s);
    g_assert_cmpuint(load(&gate->reads), ==, 0);
    vm_stop(s->bench.vm, VM_PAUSED);
    g_assert_cmpuint(load(&gate->reads), ==, 1);
    g_assert_cmpuint(load(&gate->flushes), ==, 1);
    g_assert_true(all(s, 0x77, 4096));
    g_assert_true(driver_take(&s->driver, s->queue, 3, &id, &written));
    g_assert_cmpuint(bench_read(&s->bench, STATUS_AT, 1), ==, 0);
    fill(s, 0xa5, 4096);
    turns(s);
    g_assert_true(all(s, 0xa5, 4096));
    vm_cont(s->bench.vm);
    vm_stop(s->bench.vm, VM_PAUSED); /* nothing happened meanwhile */
    g_assert_cmpuint(load(&gate->flushes), ==, 1);
    vm_cont(s->bench.vm);
    g_assert_cmpuint(request(s, IN, 0, 4096, true), ==, 0);
    g_assert_true(all(s, 0x77, 4096));
    vm_off_event(s->bench.vm, be_still, s);
    g_assert_cmpuint(stop_listening(s), ==, 2 * 4096);
    bench_empty(&s->bench);
    disk_set_unref_node(s->disks, node);
}

/* What cannot be brought onto the disk at a stop is told, and tried again at the next one. */
struct watcher {
    struct desk *desk;
    int told, error;
};

static void unflushed(void *opaque, struct disk *disk, int error)
{
    struct watcher *w = opaque;

    w->told++;
    w->error = error;
    g_assert_nonnull(disk_node(disk));
}

static void watch_stop(const struct vm_event *event, void *opaque)
{
    struct watcher *w = opaque;

    if (event->kind == VM_EVENT_STILL)
        disk_set_still(w->desk->disks, w->desk->bench.vm, unflushed, w);
}

static void stop_without_room(struct desk *s, gconstpointer data)
{
    struct watcher watcher = { .desk = s };
    struct block_node *node;

    vm_on_event(s->bench.vm, watch_stop, &watcher);
    vm_cont(s->bench.vm);
    struct gate *gate = begin_slow_read(s, PCI_MODERN, "drive=n", &node);
    gate_set(node, true);
    gate->flush_error = -ENOSPC;
    for (int i = 1; i <= 2; i++) {
        vm_stop(s->bench.vm, VM_PAUSED);
        g_assert_cmpint(watcher.told, ==, i);
        g_assert_cmpint(watcher.error, ==, -ENOSPC);
        vm_cont(s->bench.vm);
    }
    gate->flush_error = 0;
    for (int i = 0; i < 2; i++) {
        vm_stop(s->bench.vm, VM_PAUSED);
        vm_cont(s->bench.vm);
    }
    g_assert_cmpint(watcher.told, ==, 2);
    g_assert_cmpuint(load(&gate->flushes), ==, 3); /* the last one found nothing to do */
    vm_off_event(s->bench.vm, watch_stop, &watcher);
    g_assert_cmpuint(stop_listening(s), ==, 4096);
    bench_empty(&s->bench);
    disk_set_unref_node(s->disks, node);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/virtio-blk/slow/reset", struct desk, NULL, set_up, lazy_reset, tear_down);
    g_test_add("/virtio-blk/slow/queue-reset", struct desk, NULL, set_up, lazy_queue_reset, tear_down);
    g_test_add("/virtio-blk/slow/reset-mmio", struct desk, GUINT_TO_POINTER(MMIO_MODERN), set_up, waiting_reset, tear_down);
    g_test_add("/virtio-blk/slow/reset-legacy", struct desk, GUINT_TO_POINTER(PCI_LEGACY), set_up, waiting_reset, tear_down);
    g_test_add("/virtio-blk/slow/impatient", struct desk, GUINT_TO_POINTER(PCI_MODERN), set_up, waiting_reset, tear_down);
    g_test_add("/virtio-blk/slow/machine-reset", struct desk, NULL, set_up, machine_reset, tear_down);
    g_test_add("/virtio-blk/slow/unplug", struct desk, NULL, set_up, unplug, tear_down);
    g_test_add("/virtio-blk/slow/stop", struct desk, NULL, set_up, stop, tear_down);
    g_test_add("/virtio-blk/slow/stop-iothread", struct desk, "", set_up, stop, tear_down);
    g_test_add("/virtio-blk/slow/stop-without-room", struct desk, NULL, set_up, stop_without_room, tear_down);
    return g_test_run();
}
