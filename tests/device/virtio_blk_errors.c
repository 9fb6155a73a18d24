/* tests/device/virtio_blk_errors.c - requests to the block device that fail: what rerror= and werror= make of them. */
#include "tests/device/virtio_blk_desk.h"
#include <errno.h>

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
    g_test_init(&argc, &argv, NULL);
    g_test_add("/virtio-blk/errors/waits-for-room", struct desk, NULL, set_up, waits_for_room, tear_down);
    g_test_add("/virtio-blk/errors/policies", struct desk, NULL, set_up, other_policies, tear_down);
    g_test_add("/virtio-blk/errors/reset", struct desk, "", set_up, reset_while_waiting, tear_down);
    g_test_add("/virtio-blk/errors/machine-reset", struct desk, NULL, set_up, reset_while_waiting, tear_down);
    g_test_add("/virtio-blk/errors/unplug", struct desk, NULL, set_up, unplug_while_waiting, tear_down);
    return g_test_run();
}
