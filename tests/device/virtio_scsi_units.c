/* tests/device/virtio_scsi_units.c - the SCSI host device: addressing, events, task management, resets, stops and unplugging in mid-air. */
#include "tests/device/virtio_scsi_desk.h"
#include "tests/device/gate.h"

static u32 take_event(struct desk *s, u8 *target, u8 *lun, u32 *reason)
{
    const u8 *event = s->d.bench.ram->host + 0x60000;

    wait(s, EVENTS);
    *target = event[5];
    *lun = event[7];
    *reason = (u32)bits_load_le(event + 12, 4);
    return (u32)bits_load_le(event, 4);
}

static void come_and_go(struct desk *s, gconstpointer data)
{
    u8 target, lun;
    u32 reason;
    GError *error = NULL;

    begin(s, PCI_MODERN, "scsi-hd", "drive=d");
    g_assert_true(vm_complete(s->d.bench.vm, NULL));
    after_power_on(s);
    open_null(s, "n", 0);
    offer_event(s);
    s->unit[1] = add_unit(s, "scsi-hd", "unit1", "drive=n;scsi-id=0;lun=3");
    g_assert_cmphex(take_event(s, &target, &lun, &reason), ==, 1);
    g_assert_true(target == 0 && lun == 3 && reason == 1);
    g_assert_cmphex(RUN(s, 0, 0, 0), ==, SCSI_LUNS_CHANGED);
    g_assert_cmphex(RUN(s, 0, 64, 0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 64), ==, 0);
    g_assert_cmpmem(data_of(s), 24, "\0\0\0\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\3\0\0\0\0\0\0", 24);
    g_assert_cmphex(run_on(s, 0, 3, CDB(0), 0, 0), ==, SCSI_RESET_OCCURRED);
    g_assert_cmphex(run_on(s, 0, 3, CDB(0), 0, 0), ==, 0);
    /* it goes, and nobody has a buffer for the event: the next one says so */
    vm_object_destroy(&s->unit[1]->object);
    g_assert_cmphex(run_on(s, 0, 3, CDB(0), 0, 0), ==, SCSI_NO_SUCH_UNIT);
    offer_event(s);
    g_assert_cmphex(take_event(s, &target, &lun, &reason), ==, 0x80000000);
    g_assert_cmphex(RUN(s, 0, 64, 0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 64), ==, 0); /* tells the attention's news */
    g_assert_cmphex(RUN(s, 0, 0, 0), ==, 0);
    struct bus *bus = bus_find(s->d.bench.vm, "scsi.0");
    g_assert_null(device_create_on(bus, "scsi-hd", vm_root(s->d.bench.vm), "unit2", "drive=n;scsi-id=0;lun=0", &error));
    g_assert_nonnull(strstr(error->message, "lun already used"));
    g_clear_error(&error);
    g_assert_null(device_create_on(bus, "scsi-hd", vm_root(s->d.bench.vm), "unit2", "drive=n;scsi-id=256", &error));
    g_assert_nonnull(strstr(error->message, "bad scsi device id: 256"));
    g_clear_error(&error);
}

static void order(struct desk *s, u32 type, u8 id, u16 lun, u64 tag)
{
    const struct driver_buffer buffers[] = { { BENCH_RAM + 0x61000, 24, false }, { BENCH_RAM + 0x61100, 1, true } };
    u8 *request = s->d.bench.ram->host + 0x61000;

    memset(request, 0, 24);
    request[0x100] = 0xee;
    bits_store_le(request + 4, 4, type);
    memcpy(request + 8, (u8[]){ 1, id, (u8)(0x40 | lun >> 8), (u8)lun }, 4);
    bits_store_le(request + 16, 8, tag);
    driver_submit(&s->driver, s->queue[CONTROL], buffers, 2);
    driver_kick(&s->driver, s->queue[CONTROL]);
}

/* gate: opened when the device has taken the order. */
static u8 manage_at(struct desk *s, struct block_node *gate, u32 type, u8 id, u16 lun, u64 tag)
{
    order(s, type, id, lun, tag);
    if (gate)
        gate_set(gate, true);
    wait(s, CONTROL);
    return s->d.bench.ram->host[0x61100];
}

static u8 manage(struct desk *s, u32 type, u8 id, u16 lun, u64 tag)
{
    return manage_at(s, NULL, type, id, lun, tag);
}

static void count_one(struct scsi_request *request, void *count)
{
    ++*(u32 *)count;
}

/* Requests of the first unit. */
static u32 active(struct desk *s)
{
    struct scsi_bus *bus = (struct scsi_bus *)bus_find(s->d.bench.vm, "scsi.0");
    u32 count = 0;

    bus->ops->hold(bus, true);
    scsi_unit_each_request(scsi_bus_unit(bus, 0), count_one, &count);
    bus->ops->hold(bus, false);
    vm_inbox_deliver(s->d.bench.vm);
    return count;
}

/* Until it has one, or has had it: an iothread takes them when it likes. */
static void wait_active(struct desk *s)
{
    const struct driver_queue *queue = s->queue[REQUESTS];

    while (!active(s) && bench_read(&s->d.bench, queue->used + 2, 2) == queue->last_used)
        ;
}

static void settle(struct desk *s, s64 microseconds)
{
    s64 end = g_get_monotonic_time() + microseconds;

    while (g_get_monotonic_time() < end) {
        g_main_context_iteration(vm_context(s->d.bench.vm), FALSE);
        vm_inbox_deliver(s->d.bench.vm);
    }
}

static enum mem_result count_message(void *opaque, u64 offset, unsigned size, u64 value)
{
    ++*(u32 *)opaque;
    return MEM_OK;
}

/* Messages to a register, for which an iothread does not have the machine lock: before somebody sends the first one, others need not be noted. */
static void many_messages(struct desk *s, gconstpointer data)
{
    enum { MESSAGES = 0x70000000 };
    static const struct region_ops ops = { .write = count_message, .max_access = 4 };
    struct bench *bench = &s->d.bench;
    struct region region;
    u32 id, written, seen = 0;

    begin(s, PCI_MSIX, "scsi-hd", "drive=d");
    after_power_on(s);
    region_init_mmio(&region, bench->vm, "messages", 0x1000, &ops, &seen);
    region_add(space_root(vm_memory(bench->vm)), MESSAGES, &region, 0);
    bench_write(bench, DRIVER_MSIX + 16 * REQUESTS, 8, MESSAGES);
    bench_write(bench, DRIVER_MSIX + 16 * REQUESTS + 12, 4, 0);
    g_assert_cmpuint(seen, ==, 1); /* what was pending */
    seen = 0;
    for (u32 i = 0; i < 20; i++) {
        put_to(s, 0, 0, CDB(0x28, 0, 0, 0, 0, 0, 0, 0, 1), 0, 512);
        driver_notify(&s->driver, s->queue[REQUESTS]);
        while (!driver_take(&s->driver, s->queue[REQUESTS], 1, &id, &written))
            g_usleep(10);
    }
    g_assert_cmpuint(seen, ==, 0);
    settle(s, 20000);
    g_assert_cmpuint(seen, >, 0);
    g_assert_cmpuint(seen, <=, 2); /* the last one may have been noted after the letter was read */
    bench_empty(bench);
    region_finish(&region);
}

/* A vCPU notifies the control queue again and again while the main loop has no time for it. */
static void many_notifications(struct desk *s, gconstpointer data)
{
    u64 before;

    begin(s, PCI_MODERN, "scsi-hd", "drive=d");
    after_power_on(s);
    vm_unlock(s->d.bench.vm);
    before = bench_heap();
    for (u32 i = 0; i < 100000; i++)
        driver_notify(&s->driver, s->queue[CONTROL]);
    g_assert_cmpuint(bench_heap(), <, before + MIB);
    vm_lock(s->d.bench.vm);
    vm_inbox_deliver(s->d.bench.vm);
    g_assert_cmpuint(manage(s, 6, 0, 0, 77), ==, 0);
}

/* VERIFY of 2 MiB with a pattern of one block: few bytes of the driver's do not become many of ours. */
static void little_memory(struct desk *s, gconstpointer data)
{
    enum { COUNT = 16, MOST = COUNT * (512 << 10) };
    struct block_node *gate = gate_create(disk_set_graph(s->d.disks), "slow", DISK_BYTES);

    begin(s, PCI_MODERN, "scsi-hd", "drive=slow");
    after_power_on(s);
    fill(s, 0x77, 512);
    gate_set(gate, false);
    u64 before = bench_heap();
    for (u32 i = 1; i <= COUNT; i++) {
        send_to(s, 0, 0, CDB(0x2f, 6, 0, 0, 0, 0, 0, 0x10), 512, 0);
        while (active(s) < i)
            ;
    }
    g_assert_cmpuint(bench_heap(), <, before + MOST);
    gate_set(gate, true);
    for (u32 i = 0; i < COUNT; i++)
        wait(s, REQUESTS);
    read_response(s);
    g_assert_cmpuint(s->status | s->response, ==, 0);
    bench_empty(&s->d.bench);
    disk_set_unref_node(s->d.disks, gate);
}

static void tasks(struct desk *s, gconstpointer data)
{
    struct block_node *gate = gate_create(disk_set_graph(s->d.disks), "slow", DISK_BYTES);

    begin(s, PCI_MODERN, "scsi-hd", "drive=slow");
    after_power_on(s);
    gate_set(gate, false);
    g_assert_cmpuint(manage(s, 6, 0, 0, 77), ==, 0); /* QUERY TASK: not here */
    send_to(s, 0, 0, CDB(0x28, 0, 0, 0, 0, 0, 0, 0, 1), 0, 512);
    wait_active(s);
    g_assert_cmpuint(manage(s, 6, 0, 0, s->tags), ==, 10);
    g_assert_cmpuint(manage(s, 7, 0, 0, 0), ==, 10);
    g_assert_cmpuint(manage_at(s, gate, 0, 0, 0, s->tags), ==, 0); /* ABORT TASK ends after the task */
    wait(s, REQUESTS);
    read_response(s);
    g_assert_cmpuint(s->response, ==, 2);
    gate_set(gate, false);
    send_to(s, 0, 0, CDB(0x28, 0, 0, 0, 0, 0, 0, 0, 1), 0, 512);
    wait_active(s);
    g_assert_cmpuint(manage_at(s, gate, 5, 0, 0, 0), ==, 0); /* LOGICAL UNIT RESET */
    wait(s, REQUESTS);
    read_response(s);
    g_assert_cmpuint(s->response, ==, 4);
    g_assert_cmphex(RUN(s, 0, 0, 0), ==, SCSI_RESET_OCCURRED);
    g_assert_cmpuint(manage(s, 4, 0, 0, 0), ==, 0);
    g_assert_cmphex(RUN(s, 0, 0, 0), ==, SCSI_RESET_OCCURRED);
    g_assert_cmpuint(manage(s, 5, 0, 9, 0), ==, 12); /* INCORRECT_LUN */
    g_assert_cmpuint(manage(s, 5, 9, 0, 0), ==, 3);  /* BAD_TARGET */
    g_assert_cmpuint(manage(s, 2, 0, 0, 0), ==, 11); /* CLEAR ACA: rejected */
    bench_empty(&s->d.bench);
    disk_set_unref_node(s->d.disks, gate);
}

/* What cancels a command that is cancelled already waits for it all the same; orders for another target do not. */
static void tasks_for_one_command(struct desk *s, gconstpointer data)
{
    struct block_node *gate = gate_create(disk_set_graph(s->d.disks), "slow", DISK_BYTES);
    u32 id, written;

    begin(s, PCI_MODERN, "scsi-hd", "drive=slow");
    s->unit[1] = add_unit(s, "scsi-hd", "unit1", "drive=d;scsi-id=1");
    after_power_on(s);
    gate_set(gate, false);
    send_to(s, 0, 0, CDB(0x28, 0, 0, 0, 0, 0, 0, 0, 1), 0, 512);
    wait_active(s);
    order(s, 0, 0, 0, s->tags); /* ABORT TASK */
    order(s, 0, 0, 0, s->tags);
    order(s, 1, 0, 0, 0); /* ABORT TASK SET */
    order(s, 5, 0, 0, 0); /* LOGICAL UNIT RESET */
    g_assert_false(driver_take(&s->driver, s->queue[CONTROL], 1, &id, &written));
    g_assert_cmpuint(manage(s, 5, 1, 0, 0), ==, 0);
    g_assert_false(driver_take(&s->driver, s->queue[CONTROL], 1, &id, &written));
    gate_set(gate, true);
    for (u32 i = 0; i < 4; i++)
        wait(s, CONTROL);
    g_assert_true(driver_take(&s->driver, s->queue[REQUESTS], 1, &id, &written)); /* before them */
    g_assert_cmpuint(manage(s, 0, 0, 0, s->tags), ==, 0);
    bench_empty(&s->d.bench);
    disk_set_unref_node(s->d.disks, gate);
}

static void be_still(const struct vm_event *event, void *opaque)
{
    struct desk *s = opaque;

    if (event->kind == VM_EVENT_STILL)
        disk_set_still(s->d.disks, s->d.bench.vm, NULL, NULL);
}

/* A command of several steps comes to its end before the machine stands still. */
static void stop(struct desk *s, gconstpointer data)
{
    u32 id, written;

    disk_desk_open(&s->d, "{\"driver\":\"null-co\",\"latency-ns\":20000000,\"size\":8388608,\"node-name\":\"slow\"}");
    vm_on_event(s->d.bench.vm, be_still, s);
    vm_cont(s->d.bench.vm);
    begin(s, PCI_MODERN, "scsi-hd", "drive=slow");
    after_power_on(s);
    fill(s, 0x5a, 512);
    send_to(s, 0, 0, CDB(0x41, 0, 0, 0, 0, 0, 0, 2), 512, 0); /* WRITE SAME: 256 KiB, in two steps */
    wait_active(s);
    vm_stop(s->d.bench.vm, VM_PAUSED);
    g_assert_true(driver_take(&s->driver, s->queue[REQUESTS], 1, &id, &written));
    read_response(s);
    g_assert_cmpuint(s->status | s->response, ==, 0);
    vm_cont(s->d.bench.vm);
    g_assert_cmphex(RUN(s, 0, 512, 0x28, 0, 0, 0, 0, 0, 0, 0, 1), ==, 0);
    vm_off_event(s->d.bench.vm, be_still, s);
}

/* What was under way is not reported after a reset, and harms nothing. */
static void reset_in_mid_air(struct desk *s, gconstpointer data)
{
    u32 id, written;

    open_null(s, "slow", 20000000);
    begin(s, PCI_MODERN, "scsi-hd", "drive=slow");
    after_power_on(s);
    for (unsigned i = 0; i < 8; i++)
        send_to(s, 0, 0, CDB(0x28, 0, 0, 0, 0, 0, 0, 0, 1), 0, 512);
    driver_write(&s->driver, DRIVER_STATUS, 0);
    negotiate(s);
    settle(s, 200000);
    g_assert_false(driver_take(&s->driver, s->queue[REQUESTS], 1, &id, &written));
    after_power_on(s);
    g_assert_cmphex(RUN(s, 0, 512, 0x28, 0, 0, 0, 0, 0, 0, 0, 1), ==, 0);
}

/* The unit goes while it works: its requests come back first. Then the adapter goes while another unit works. */
static void unplug_in_mid_air(struct desk *s, gconstpointer data)
{
    open_null(s, "slow", 20000000);
    open_null(s, "slow2", 20000000);
    begin(s, PCI_MODERN, "scsi-hd", "drive=slow");
    add_unit(s, "scsi-hd", "unit1", "drive=slow2;lun=1;scsi-id=0");
    after_power_on(s);
    run_on(s, 0, 1, CDB(0), 0, 0);
    for (unsigned i = 0; i < 4; i++)
        send_to(s, 0, 0, CDB(0x28, 0, 0, 0, 0, 0, 0, 0, 1), 0, 512);
    vm_object_destroy(&s->unit[0]->object);
    for (unsigned i = 0; i < 4; i++)
        wait(s, REQUESTS);
    for (unsigned i = 0; i < 4; i++)
        send_to(s, 0, 1, CDB(0x28, 0, 0, 0, 0, 0, 0, 0, 1), 0, 512);
    bench_empty(&s->d.bench);
}

static void grow(void *opaque)
{
    struct block_edge *edge = block_attach(opaque, BLOCK_RESIZE, BLOCK_ALL, "test", NULL);

    g_assert_true(edge && block_truncate(opaque, 2 * DISK_BYTES, BLOCK_PREALLOC_OFF, NULL));
    block_detach(edge);
}

static void resizes(struct desk *s, gconstpointer data)
{
    u8 target, lun;
    u32 reason;

    begin(s, PCI_MODERN, "scsi-hd", "drive=d");
    after_power_on(s);
    offer_event(s);
    struct block_node *node = block_graph_find(disk_set_graph(s->d.disks), "d");
    block_loop_call(block_loop_of(node), grow, node);
    g_assert_cmphex(take_event(s, &target, &lun, &reason), ==, 3);
    g_assert_cmphex(reason, ==, 0x092a);
    g_assert_cmphex(RUN(s, 0, 0, 0), ==, SCSI_CAPACITY_CHANGED);
    g_assert_cmphex(RUN(s, 0, 8, 0x25), ==, 0);
    g_assert_cmphex(bits_load_be(data_of(s), 4), ==, 0x3fff);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    TEST("come-and-go", come_and_go);
    TEST("tasks", tasks);
    TEST("tasks-for-one-command", tasks_for_one_command);
    TEST("reset", reset_in_mid_air);
    TEST("unplug", unplug_in_mid_air);
    TEST("little-memory", little_memory);
    TEST("many-notifications", many_notifications);
    g_test_add("/virtio-scsi/outside/many-messages", struct desk, GUINT_TO_POINTER(OUTSIDE), set_up, many_messages, tear_down);
    TEST("stop", stop);
    TEST("resize", resizes);
    return g_test_run();
}
