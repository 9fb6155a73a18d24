/* tests/device/virtio_blk.c - the block device: transfers on every transport, flushes, discards, errors, resets in mid-air, resizes. */
#include "block/disk.h"
#include "block/driver.h"
#include "tests/device/virtio_driver.h"
#include "vm/machine.h"
#include <glib/gstdio.h>
#include <errno.h>
#include <json-c/json.h>
#include <string.h>

enum { DISK_BYTES = 1 << 20, AT = BENCH_RAM + 0x80000, STATUS_AT = AT - 16, HEADER_AT = AT - 64 };
enum { IN = 0, OUT = 1, FLUSH = 4, GET_ID = 8, DISCARD = 11, ZEROES = 13 };

struct desk {
    struct bench bench;
    struct disk_set *disks;
    struct driver driver;
    struct driver_queue *queue;
    char *path;
};

static void set_up(struct desk *s, gconstpointer data)
{
    g_autofree u8 *zeros = g_malloc0(DISK_BYTES);
    GError *error = NULL;
    int fd;

    bench_set_up(&s->bench, data);
    fd = g_file_open_tmp("mynah-blk-XXXXXX", &s->path, NULL);
    g_assert_cmpint(fd, >=, 0);
    close(fd);
    g_file_set_contents(s->path, (char *)zeros, DISK_BYTES, NULL);
    s->disks = disk_set_create(vm_context(s->bench.vm), &error);
    g_assert_no_error(error);
    vm_set_backend(s->bench.vm, "disks", 0, s->disks);
}

static void open_disk(struct desk *s, const char *text)
{
    g_autofree char *full = g_strdup_printf(text, s->path);
    struct json_object *options = json_tokener_parse(full);
    GError *error = NULL;

    g_assert_true(disk_set_open(s->disks, options, &error));
    g_assert_no_error(error);
    json_object_put(options);
}

static void tear_down(struct desk *s, gconstpointer data)
{
    struct vm *vm = s->bench.vm;

    bench_empty(&s->bench);
    disk_set_destroy(s->disks);
    bench_tear_down(&s->bench, data);
    (void)vm;
    g_unlink(s->path);
    g_free(s->path);
}

static void begin(struct desk *s, enum driver_transport transport, const char *properties, u64 features)
{
    driver_init(&s->driver, &s->bench, transport, "virtio-blk", properties);
    g_assert_true(driver_negotiate(&s->driver, features));
    s->queue = driver_queue(&s->driver, 0, 0);
    driver_ok(&s->driver);
}

/* Header, data, status; the data is at AT. */
static void send(struct desk *s, u32 type, u64 sector, u32 size, bool device_writes)
{
    const struct driver_buffer buffers[] = { { HEADER_AT, 16, false }, { AT, size, device_writes }, { STATUS_AT, 1, true } };

    bench_write(&s->bench, HEADER_AT, 8, type);
    bench_write(&s->bench, HEADER_AT + 8, 8, sector);
    bench_write(&s->bench, STATUS_AT, 1, 0xee);
    if (size) {
        driver_submit(&s->driver, s->queue, buffers, 3);
    } else {
        const struct driver_buffer two[] = { buffers[0], buffers[2] };

        driver_submit(&s->driver, s->queue, two, 2);
    }
    driver_kick(&s->driver, s->queue);
}

static u8 wait_status(struct desk *s, u32 *written)
{
    u32 id;
    s64 end = g_get_monotonic_time() + 20 * G_USEC_PER_SEC;

    while (!driver_take(&s->driver, s->queue, 3, &id, written)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        g_main_context_iteration(vm_context(s->bench.vm), FALSE);
        vm_inbox_deliver(s->bench.vm);
    }
    return (u8)bench_read(&s->bench, STATUS_AT, 1);
}

static u8 request(struct desk *s, u32 type, u64 sector, u32 size, bool device_writes)
{
    u32 written;

    send(s, type, sector, size, device_writes);
    return wait_status(s, &written);
}

static void fill(struct desk *s, u8 value, u32 size)
{
    memset(s->bench.ram->host + (AT - BENCH_RAM), value, size);
}

static bool all(struct desk *s, u8 value, u32 size)
{
    const u8 *p = s->bench.ram->host + (AT - BENCH_RAM);

    for (u32 i = 0; i < size; i++)
        if (p[i] != value)
            return false;
    return true;
}

static void transfers(struct desk *s, gconstpointer data)
{
    open_disk(s, "{\"driver\":\"file\",\"filename\":\"%s\",\"node-name\":\"d\",\"discard\":\"unmap\"}");
    begin(s, GPOINTER_TO_UINT(data), "drive=d;serial=abc", BIT64(9) | BIT64(13) | BIT64(14));
    g_assert_cmpuint(bench_read(&s->bench, driver_config_at(&s->driver, 0), 4), ==, DISK_BYTES / 512);
    g_assert_cmpuint(bench_read(&s->bench, driver_config_at(&s->driver, 20), 4), ==, 512);
    fill(s, 0x5a, 8192);
    g_assert_cmpuint(request(s, OUT, 8, 8192, false), ==, 0);
    g_assert_cmpuint(request(s, FLUSH, 0, 0, false), ==, 0);
    fill(s, 0, 16384);
    u32 written;
    send(s, IN, 4, 16384, true);
    g_assert_cmpuint(wait_status(s, &written), ==, 0);
    g_assert_cmpuint(written, ==, 16385);
    g_assert_cmpuint(bench_read(&s->bench, AT + 2047, 1), ==, 0);
    g_assert_cmpuint(bench_read(&s->bench, AT + 2048, 1), ==, 0x5a);
    g_assert_cmpuint(bench_read(&s->bench, AT + 2048 + 8191, 1), ==, 0x5a);
    g_assert_cmpuint(bench_read(&s->bench, AT + 2048 + 8192, 1), ==, 0);
    g_assert_cmpuint(request(s, GET_ID, 0, 20, true), ==, 0);
    g_assert_cmphex(bench_read(&s->bench, AT, 4), ==, 'a' | 'b' << 8 | 'c' << 16);
    /* zeros over the middle, then what lies around */
    bench_write(&s->bench, AT, 8, 12);
    bench_write(&s->bench, AT + 8, 8, 4 | UINT64_C(1) << 32);
    g_assert_cmpuint(request(s, ZEROES, 0, 16, false), ==, 0);
    g_assert_cmpuint(request(s, IN, 12, 2048, true), ==, 0);
    g_assert_true(all(s, 0, 2048));
    g_assert_cmpuint(request(s, IN, 16, 512, true), ==, 0);
    g_assert_true(all(s, 0x5a, 512));
    bench_write(&s->bench, AT, 8, 16);
    bench_write(&s->bench, AT + 8, 8, 8);
    g_assert_cmpuint(request(s, DISCARD, 0, 16, false), ==, 0);
}

/* EDK2's legacy driver sets up its queue before it writes its features. */
static void features_last(struct desk *s, gconstpointer data)
{
    open_disk(s, "{\"driver\":\"file\",\"filename\":\"%s\",\"node-name\":\"d\"}");
    driver_init(&s->driver, &s->bench, GPOINTER_TO_UINT(data), "virtio-blk", "drive=d");
    driver_write(&s->driver, DRIVER_STATUS, 0);
    driver_write(&s->driver, DRIVER_STATUS, VIRTIO_ACKNOWLEDGE | VIRTIO_DRIVER);
    s->queue = driver_queue(&s->driver, 0, 0);
    driver_accept_word(&s->driver, 0, BIT64(9) | BIT64(VIRTIO_F_EVENT_IDX));
    driver_ok(&s->driver);
    fill(s, 0x5a, 1024);
    g_assert_cmpuint(request(s, OUT, 8, 1024, false), ==, 0);
    g_assert_cmpuint(request(s, FLUSH, 0, 0, false), ==, 0);
    fill(s, 0, 1024);
    g_assert_cmpuint(request(s, IN, 8, 1024, true), ==, 0);
    g_assert_true(all(s, 0x5a, 1024));
}

static void mistakes(struct desk *s, gconstpointer data)
{
    open_disk(s, "{\"driver\":\"file\",\"filename\":\"%s\",\"node-name\":\"d\"}");
    begin(s, PCI_MODERN, "drive=d", BIT64(9) | BIT64(13) | BIT64(14));
    g_assert_cmpuint(request(s, OUT, DISK_BYTES / 512, 512, false), ==, 1);
    g_assert_cmpuint(request(s, IN, DISK_BYTES / 512 - 1, 1024, true), ==, 1);
    g_assert_cmpuint(request(s, IN, UINT64_MAX, 512, true), ==, 1);
    g_assert_cmpuint(request(s, IN, 0, 100, true), ==, 1); /* no whole sectors */
    g_assert_cmpuint(request(s, 99, 0, 512, true), ==, 2);
    bench_write(&s->bench, AT, 8, 0);
    bench_write(&s->bench, AT + 8, 8, 1 | UINT64_C(2) << 32); /* reserved flag */
    g_assert_cmpuint(request(s, ZEROES, 0, 16, false), ==, 2);
    bench_write(&s->bench, AT + 8, 8, 0xffffffff);
    g_assert_cmpuint(request(s, DISCARD, 0, 16, false), ==, 1);
    /* no room for a status: the device says that it needs a reset */
    const struct driver_buffer bad = { HEADER_AT, 16, false };
    driver_submit(&s->driver, s->queue, &bad, 1);
    driver_kick(&s->driver, s->queue);
    g_assert_true(driver_read(&s->driver, DRIVER_STATUS) & VIRTIO_NEEDS_RESET);
}

static void read_only(struct desk *s, gconstpointer data)
{
    open_disk(s, "{\"driver\":\"file\",\"filename\":\"%s\",\"node-name\":\"d\",\"read-only\":true}");
    driver_init(&s->driver, &s->bench, MMIO_MODERN, "virtio-blk", "drive=d");
    g_assert_true(driver_offered(&s->driver) & BIT64(5));
    g_assert_false(driver_offered(&s->driver) & (BIT64(13) | BIT64(14)));
    g_assert_true(driver_negotiate(&s->driver, BIT64(5)));
    s->queue = driver_queue(&s->driver, 0, 0);
    driver_ok(&s->driver);
    g_assert_cmpuint(request(s, OUT, 0, 512, false), ==, 1);
    g_assert_cmpuint(request(s, IN, 0, 512, true), ==, 0);
}

/* What was under way when the driver reset the device is not reported, and harms nothing. */
static void reset_in_mid_air(struct desk *s, gconstpointer data)
{
    u32 id, written;

    open_disk(s, "{\"driver\":\"null-co\",\"latency-ns\":20000000,\"read-zeroes\":true,\"size\":1048576,\"node-name\":\"d\"}");
    begin(s, PCI_MODERN, "drive=d", BIT64(9));
    for (unsigned i = 0; i < 8; i++)
        send(s, IN, i, 512, true);
    driver_write(&s->driver, DRIVER_STATUS, 0);
    g_assert_true(driver_negotiate(&s->driver, BIT64(9)));
    s->queue = driver_queue(&s->driver, 0, 0);
    driver_ok(&s->driver);
    s64 end = g_get_monotonic_time() + G_USEC_PER_SEC / 5;
    while (g_get_monotonic_time() < end) {
        g_main_context_iteration(vm_context(s->bench.vm), FALSE);
        vm_inbox_deliver(s->bench.vm);
    }
    g_assert_false(driver_take(&s->driver, s->queue, 3, &id, &written));
    g_assert_cmpuint(request(s, IN, 0, 512, true), ==, 0);
}

/* The device goes while requests are under way. */
static void unplug_in_mid_air(struct desk *s, gconstpointer data)
{
    open_disk(s, "{\"driver\":\"null-co\",\"latency-ns\":20000000,\"size\":1048576,\"node-name\":\"d\"}");
    begin(s, PCI_MODERN, "drive=d", BIT64(9));
    for (unsigned i = 0; i < 8; i++)
        send(s, IN, i, 512, true);
    bench_empty(&s->bench);
}

/* ---- Storage that takes its time ---- */

/* A node whose reads wait until they are let go, or somebody is in a hurry. */
struct gate {
    struct block_queue queue;
    bool open;
    u32 reads;
};

static int gate_read(struct block_node *node, u64 offset, struct block_data data)
{
    struct gate *gate = node->state;

    while (!gate->open)
        block_queue_wait(&gate->queue, block_loop_of(node));
    block_data_fill(data, 0x77);
    gate->reads++;
    return 0;
}

static void open_gate(struct block_node *node)
{
    struct gate *gate = node->state;

    gate->open = true;
    block_queue_wake_all(&gate->queue);
}

static void gate_hurry(struct block_node *node, bool on)
{
    if (on)
        open_gate(node);
}

static const struct block_driver gate_driver = { .name = "gate", .read = gate_read, .hurry = gate_hurry };

static struct gate *begin_slow_read(struct desk *s, enum driver_transport transport, struct block_node **node)
{
    *node = block_node_create(disk_set_graph(s->disks), &gate_driver, "n", g_new0(struct gate, 1));
    (*node)->size = DISK_BYTES;
    begin(s, transport, "drive=n", BIT64(9) | BIT64(40) /* RING_RESET */);
    fill(s, 0xa5, 4096);
    ((struct gate *)(*node)->state)->open = false;
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

static void end_slow_read(struct desk *s, struct block_node *node)
{
    struct gate *gate = node->state;

    g_assert_cmpuint(gate->reads, ==, 1); /* memory is the driver's */
    fill(s, 0xa5, 4096);
    turns(s);
    g_assert_true(all(s, 0xa5, 4096));
    g_assert_true(driver_negotiate(&s->driver, BIT64(9)));
    s->queue = driver_queue(&s->driver, 0, 0);
    driver_ok(&s->driver);
    g_assert_cmpuint(request(s, IN, 0, 4096, true), ==, 0);
    g_assert_true(all(s, 0x77, 4096));
    bench_empty(&s->bench);
    disk_set_unref_node(node);
}

/* 2.4.2: the driver sees that the reset is not done before back ends have let go of its memory, and nobody waits meanwhile. */
static void lazy_reset(struct desk *s, gconstpointer data)
{
    struct block_node *node;

    begin_slow_read(s, PCI_MODERN, &node);
    for (unsigned i = 0; i < 3; i++) {
        driver_write(&s->driver, DRIVER_STATUS, 0);
        g_assert_cmpuint(driver_read(&s->driver, DRIVER_STATUS) & VIRTIO_DRIVER_OK, !=, 0);
    }
    g_assert_true(all(s, 0xa5, 4096));
    open_gate(node);
    while (driver_read(&s->driver, DRIVER_STATUS))
        turns(s);
    end_slow_read(s, node);
}

static void lazy_queue_reset(struct desk *s, gconstpointer data)
{
    struct block_node *node;
    u64 at = 0x3a;

    begin_slow_read(s, PCI_MODERN, &node);
    bench_write(&s->bench, s->driver.pci.common + at, 2, 1);
    g_assert_cmpuint(bench_read(&s->bench, s->driver.pci.common + at, 2), ==, 1);
    open_gate(node);
    while (bench_read(&s->bench, s->driver.pci.common + at, 2))
        turns(s);
    end_slow_read(s, node);
}

/* Drivers of other transports go on at once: the reset itself waits. So does the next step of a driver that should have looked. */
static void waiting_reset(struct desk *s, gconstpointer data)
{
    struct block_node *node;

    begin_slow_read(s, GPOINTER_TO_UINT(data), &node);
    driver_write(&s->driver, DRIVER_STATUS, 0);
    if (GPOINTER_TO_UINT(data) == PCI_MODERN)
        driver_write(&s->driver, DRIVER_STATUS, VIRTIO_ACKNOWLEDGE);
    end_slow_read(s, node);
}

static void machine_reset(struct desk *s, gconstpointer data)
{
    struct block_node *node;

    begin_slow_read(s, MMIO_MODERN, &node);
    vm_reset(s->bench.vm, VM_CAUSE_NONE);
    end_slow_read(s, node);
}

static void claimed_once(struct desk *s, gconstpointer data)
{
    GError *error = NULL;

    open_disk(s, "{\"driver\":\"file\",\"filename\":\"%s\",\"node-name\":\"d\"}");
    begin(s, PCI_MODERN, "drive=d", BIT64(9));
    g_assert_null(disk_claim(s->disks, "d", true, false, "second", &error));
    g_assert_nonnull(error);
    g_clear_error(&error);
    g_assert_false(disk_set_close(s->disks, "d", &error));
    g_assert_nonnull(strstr(error->message, "in use"));
    g_clear_error(&error);
}

/* A node that counts. */
struct counts {
    u32 writes, flushes;
};

static int count_write(struct block_node *node, u64 offset, struct block_data data, u32 flags)
{
    ((struct counts *)node->state)->writes++;
    return 0;
}

static int count_flush(struct block_node *node)
{
    ((struct counts *)node->state)->flushes++;
    return 0;
}

static const struct block_driver counting = { .name = "counting", .write = count_write, .flush = count_flush };

/* Without a write cache each write is on stable storage before the driver hears of it. */
static void write_cache(struct desk *s, gconstpointer data)
{
    const char *property = data;
    bool cached = !strcmp(property, "on");
    struct block_node *node = block_node_create(disk_set_graph(s->disks), &counting, "n", g_new0(struct counts, 1));
    struct counts *counts = node->state;
    g_autofree char *properties = g_strconcat("drive=n;write-cache=", property, NULL);

    node->size = DISK_BYTES;
    begin(s, PCI_MODERN, properties, cached ? BIT64(9) : 0);
    g_assert_cmpuint(driver_offered(&s->driver) >> 9 & 1, ==, cached);
    g_assert_cmpuint(request(s, OUT, 0, 512, false), ==, 0);
    g_assert_cmpuint(counts->writes, ==, 1);
    g_assert_cmpuint(counts->flushes, ==, cached ? 0 : 1);
    g_assert_cmpuint(request(s, FLUSH, 0, 0, false), ==, 0);
    g_assert_cmpuint(counts->flushes, ==, cached ? 1 : 2);
    bench_empty(&s->bench);
    disk_set_unref_node(node);
}

/* ---- Requests that fail: rerror and werror ---- */

/* What disks said about failures; in this thread, which runs their loop. */
struct failures {
    unsigned count[3]; /* by enum disk_error_action */
    int error;
    bool read;
};

static void note(void *opaque, struct disk *disk, bool read, enum disk_error_action action, int error)
{
    struct failures *f = opaque;

    f->count[action]++;
    f->error = error;
    f->read = read;
}

/* Each of `rules` is a rule of blkdebug. */
static void open_failing(struct desk *s, struct failures *f, const char *rules)
{
    g_autofree char *text = g_strdup_printf("{\"driver\":\"blkdebug\",\"node-name\":\"d\",\"image\":{\"driver\":\"file\",\"filename\":\"%%s\"},"
                                            "\"inject-error\":[%s]}", rules);

    open_disk(s, text);
    disk_set_on_failed(s->disks, note, f);
}

#define ONCE(kind_, errno_) "{\"event\":\"none\",\"iotype\":\"" kind_ "\",\"errno\":" #errno_ ",\"once\":true}"

static void turn(struct desk *s)
{
    g_main_context_iteration(vm_context(s->bench.vm), FALSE);
    vm_inbox_deliver(s->bench.vm);
}

static void wait_stops(struct desk *s, struct failures *f, unsigned count)
{
    s64 end = g_get_monotonic_time() + 20 * G_USEC_PER_SEC;

    while (f->count[DISK_ERROR_STOP] < count) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        turn(s);
    }
    for (unsigned i = 0; i < 20; i++)
        turn(s);
}

static u8 byte_of_file(struct desk *s, size_t at)
{
    g_autofree char *content = NULL;
    gsize size;

    g_assert_true(g_file_get_contents(s->path, &content, &size, NULL));
    return (u8)content[at];
}

static enum disk_io_status status_of(struct desk *s)
{
    g_autoptr(GList) list = disk_set_list(s->disks);
    enum disk_io_status status;

    g_assert_true(disk_io_status(list->data, &status));
    return status;
}

/* No room, twice: it waits each time, and is done once in the end. */
static void waits_for_room(struct desk *s, gconstpointer data)
{
    struct failures f = { 0 };
    u32 id, written;

    open_failing(s, &f, ONCE("write", 28) "," ONCE("write", 28) "," ONCE("write", 5));
    begin(s, PCI_MODERN, "drive=d", BIT64(9));
    fill(s, 0x77, 512);
    send(s, OUT, 3, 512, false);
    for (unsigned stop = 1; stop <= 2; stop++) {
        wait_stops(s, &f, stop);
        g_assert_false(driver_take(&s->driver, s->queue, 3, &id, &written));
        g_assert_cmpint(f.error, ==, -ENOSPC);
        g_assert_false(f.read);
        g_assert_cmpint(status_of(s), ==, DISK_IO_NO_SPACE);
        g_assert_cmpuint(byte_of_file(s, 3 * 512), ==, 0);
        disk_set_retry(s->disks);
        g_assert_cmpint(status_of(s), ==, DISK_IO_OK);
    }
    /* The third try meets another error, which enospc does not stop for. */
    g_assert_cmpuint(wait_status(s, &written), ==, 1);
    g_assert_cmpuint(f.count[DISK_ERROR_REPORT], ==, 1);
    g_assert_cmpuint(request(s, OUT, 3, 512, false), ==, 0);
    g_assert_cmpuint(byte_of_file(s, 3 * 512), ==, 0x77);
    g_assert_cmpuint(f.count[DISK_ERROR_STOP], ==, 2);
}

static void other_policies(struct desk *s, gconstpointer data)
{
    struct failures f = { 0 };
    u32 written;

    open_failing(s, &f, ONCE("write", 28) "," ONCE("read", 5) "," ONCE("flush", 5) "," ONCE("flush", 5));
    begin(s, PCI_MODERN, "drive=d;werror=ignore;rerror=stop", BIT64(9));
    g_assert_cmpuint(request(s, OUT, 0, 512, false), ==, 0);
    g_assert_cmpuint(request(s, FLUSH, 0, 0, false), ==, 0);
    g_assert_cmpuint(request(s, FLUSH, 0, 0, false), ==, 0);
    g_assert_cmpuint(f.count[DISK_ERROR_IGNORE], ==, 3);
    fill(s, 0x11, 512);
    send(s, IN, 0, 512, true);
    wait_stops(s, &f, 1);
    g_assert_true(f.read);
    g_assert_cmpint(status_of(s), ==, DISK_IO_FAILED);
    disk_set_retry(s->disks);
    g_assert_cmpuint(wait_status(s, &written), ==, 0);
    g_assert_true(all(s, 0, 512));
}

/* What waits when the driver resets the device is neither done later nor reported. */
static void reset_while_waiting(struct desk *s, gconstpointer data)
{
    struct failures f = { 0 };
    u32 id, written;

    open_failing(s, &f, ONCE("write", 28) "," ONCE("write", 28));
    begin(s, PCI_MODERN, "drive=d", BIT64(9));
    fill(s, 0x77, 1024);
    send(s, OUT, 0, 512, false);
    send(s, OUT, 1, 512, false);
    wait_stops(s, &f, 2);
    if (data)
        driver_write(&s->driver, DRIVER_STATUS, 0);
    else
        disk_set_drain(s->disks); /* the machine is reset: devices come later */
    driver_write(&s->driver, DRIVER_STATUS, 0);
    g_assert_true(driver_negotiate(&s->driver, BIT64(9)));
    s->queue = driver_queue(&s->driver, 0, 0);
    driver_ok(&s->driver);
    disk_set_retry(s->disks);
    for (unsigned i = 0; i < 20; i++)
        turn(s);
    g_assert_false(driver_take(&s->driver, s->queue, 3, &id, &written));
    g_assert_cmpuint(request(s, OUT, 4, 512, false), ==, 0);
    g_assert_cmpuint(byte_of_file(s, 4 * 512), ==, 0x77);
    g_assert_cmpuint(byte_of_file(s, 0) | byte_of_file(s, 512), ==, 0);
}

static void unplug_while_waiting(struct desk *s, gconstpointer data)
{
    struct failures f = { 0 };

    open_failing(s, &f, "{\"event\":\"none\",\"iotype\":\"write\",\"errno\":28}");
    begin(s, PCI_MODERN, "drive=d", BIT64(9));
    for (unsigned i = 0; i < 4; i++)
        send(s, OUT, i, 512, false);
    wait_stops(s, &f, 4);
    send(s, OUT, 4, 512, false); /* fails while the device goes */
    bench_empty(&s->bench);
    disk_set_retry(s->disks);
    g_assert_cmpuint(byte_of_file(s, 0), ==, 0);
}

int main(int argc, char **argv)
{
    static const char *const transports[] = { "mmio-legacy", "mmio-modern", "pci-legacy", "pci-modern", "pci-msix" };

    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < TRANSPORTS; i++) {
        g_autofree char *name = g_strdup_printf("/virtio-blk/transfers/%s", transports[i]);

        g_test_add(name, struct desk, GUINT_TO_POINTER(i), set_up, transfers, tear_down);
    }
    g_test_add("/virtio-blk/features-last/mmio", struct desk, GUINT_TO_POINTER(MMIO_LEGACY), set_up, features_last, tear_down);
    g_test_add("/virtio-blk/features-last/pci", struct desk, GUINT_TO_POINTER(PCI_LEGACY), set_up, features_last, tear_down);
    g_test_add("/virtio-blk/mistakes", struct desk, NULL, set_up, mistakes, tear_down);
    g_test_add("/virtio-blk/read-only", struct desk, NULL, set_up, read_only, tear_down);
    g_test_add("/virtio-blk/reset", struct desk, NULL, set_up, reset_in_mid_air, tear_down);
    g_test_add("/virtio-blk/slow/reset", struct desk, NULL, set_up, lazy_reset, tear_down);
    g_test_add("/virtio-blk/slow/queue-reset", struct desk, NULL, set_up, lazy_queue_reset, tear_down);
    g_test_add("/virtio-blk/slow/reset-mmio", struct desk, GUINT_TO_POINTER(MMIO_MODERN), set_up, waiting_reset, tear_down);
    g_test_add("/virtio-blk/slow/reset-legacy", struct desk, GUINT_TO_POINTER(PCI_LEGACY), set_up, waiting_reset, tear_down);
    g_test_add("/virtio-blk/slow/impatient", struct desk, GUINT_TO_POINTER(PCI_MODERN), set_up, waiting_reset, tear_down);
    g_test_add("/virtio-blk/slow/machine-reset", struct desk, NULL, set_up, machine_reset, tear_down);
    g_test_add("/virtio-blk/unplug", struct desk, NULL, set_up, unplug_in_mid_air, tear_down);
    g_test_add("/virtio-blk/claimed", struct desk, NULL, set_up, claimed_once, tear_down);
    g_test_add("/virtio-blk/write-cache", struct desk, "on", set_up, write_cache, tear_down);
    g_test_add("/virtio-blk/no-write-cache", struct desk, "off", set_up, write_cache, tear_down);
    g_test_add("/virtio-blk/errors/waits-for-room", struct desk, NULL, set_up, waits_for_room, tear_down);
    g_test_add("/virtio-blk/errors/policies", struct desk, NULL, set_up, other_policies, tear_down);
    g_test_add("/virtio-blk/errors/reset", struct desk, "", set_up, reset_while_waiting, tear_down);
    g_test_add("/virtio-blk/errors/machine-reset", struct desk, NULL, set_up, reset_while_waiting, tear_down);
    g_test_add("/virtio-blk/errors/unplug", struct desk, NULL, set_up, unplug_while_waiting, tear_down);
    return g_test_run();
}
