/* tests/device/virtio_9p.c - 9P over a queue: on every transport, reset and unplug in mid-air, nonsense. */
#include "fs/devices.h"
#include "tests/device/virtio_driver.h"
#include "vm/machine.h"
#include <glib/gstdio.h>
#include <string.h>

/* A machine with a shared folder; the folder is empty. */
struct shared {
    struct bench bench;
    char *dir;
    struct fs_devices *devices;
};

static void set_up(struct shared *s, gconstpointer data)
{
    struct fs_options options = {.id = (char *)"share", .security = FS_NONE};

    bench_set_up(&s->bench, data);
    s->dir = g_dir_make_tmp("mynah-9p-XXXXXX", NULL);
    options.path = s->dir;
    s->devices = fs_devices_create();
    g_assert_true(fs_devices_add(s->devices, &options, NULL));
    g_assert_false(fs_devices_add(s->devices, &options, NULL));
    vm_set_backend(s->bench.vm, "fsdevs", 0, s->devices);
}

static void tear_down(struct shared *s, gconstpointer data)
{
    bench_tear_down(&s->bench, data);
    fs_devices_destroy(s->devices);
    g_assert_cmpint(g_rmdir(s->dir), ==, 0);
    g_free(s->dir);
}

static void put(struct bench *bench, u64 at, const char *hex)
{
    for (; *hex; hex += 2)
        bench->ram->host[at++ - BENCH_RAM] = (u8)(g_ascii_xdigit_value(hex[0]) * 16 + g_ascii_xdigit_value(hex[1]));
}

/* size[4] Tversion tag[2] msize[4] version[s] */
#define TVERSION "15000000" "64" "ffff" "00000100" "0800" "3950323030302e4c"

static void submit(struct driver *d, struct driver_queue *q, u32 size, u32 room)
{
    const struct driver_buffer buffers[] = {{BENCH_RAM, size, false}, {BENCH_RAM + 4096, room, true}};

    put(d->bench, BENCH_RAM, TVERSION);
    memset(d->bench->ram->host + 4096, 0xee, 64);
    driver_submit(d, q, buffers, 2);
    driver_kick(d, q);
}

/* The worker answers some time. */
static bool answered(struct driver *d, struct driver_queue *q, u32 *written)
{
    u32 id;

    for (unsigned i = 0; i < 20000; i++) {
        if (driver_take(d, q, 2, &id, written))
            return true;
        g_usleep(500);
        driver_settle(d);
    }
    return false;
}

static struct driver_queue *begin(struct driver *d, struct bench *bench, enum driver_transport transport)
{
    driver_init(d, bench, transport, "virtio-9p", "fsdev=share;mount_tag=tag");
    g_assert_true(driver_negotiate(d, 1));
    struct driver_queue *q = driver_queue(d, 0, 0);
    driver_ok(d);
    return q;
}

static void all_transports(struct shared *s, gconstpointer data)
{
    for (enum driver_transport transport = 0; transport < TRANSPORTS; transport++) {
        struct driver d;
        struct driver_queue *q = begin(&d, &s->bench, transport);
        u32 written = 0;

        g_assert_cmpuint(driver_offered(&d) & 1, ==, 1);
        g_assert_cmpuint(bench_read(&s->bench, driver_config_at(&d, 0), 2), ==, 3);
        g_assert_cmpuint(bench_read(&s->bench, driver_config_at(&d, 2), 1), ==, 't');
        g_assert_cmpuint(bench_read(&s->bench, driver_config_at(&d, 5), 1), ==, 0);
        submit(&d, q, 21, 4096);
        g_assert_true(answered(&d, q, &written));
        g_assert_cmpuint(written, ==, 21);
        g_assert_cmpuint(s->bench.ram->host[4096 + 4], ==, 0x65);
        g_assert_cmpmem(s->bench.ram->host + 4096 + 13, 8, "9P2000.L", 8);
        g_assert_cmpuint(s->bench.ram->host[4096 + 21], ==, 0xee);
        bench_empty(&s->bench);
    }
}

/* Requests of before a reset never come back, and the session is a new one. */
static void reset_in_mid_air(struct shared *s, gconstpointer data)
{
    struct driver d;
    struct driver_queue *q = begin(&d, &s->bench, PCI_MODERN);
    u32 written;

    for (unsigned i = 0; i < 20; i++)
        submit(&d, q, 21, 4096);
    d.heap = BENCH_RAM + 0x10000;
    g_assert_true(driver_negotiate(&d, 1));
    q = driver_queue(&d, 0, 0);
    driver_ok(&d);
    submit(&d, q, 21, 4096);
    g_assert_true(answered(&d, q, &written));
    driver_settle(&d);
    g_assert_cmpuint(bench_read(&s->bench, q->used + 2, 2), ==, 1);
}

/* The device takes so many requests, and the main loop, by which answers come, has not run since. */
static void submit_quietly(struct driver *d, struct driver_queue *q, unsigned count)
{
    const struct driver_buffer buffers[] = {{BENCH_RAM, 21, false}, {BENCH_RAM + 4096, 4096, true}};

    put(d->bench, BENCH_RAM, TVERSION);
    memset(d->bench->ram->host + 4096, 0xee, 64);
    while (count--)
        driver_submit(d, q, buffers, 2);
    bench_write(d->bench, d->pci.notify + q->index * d->pci.notify_stride, 2, q->index);
}

/* Nothing of the guest's memory changes while the machine is stopped; the answers are there once it goes on. */
static void stop_in_mid_air(struct shared *s, gconstpointer data)
{
    struct driver d;
    u32 written;

    vm_cont(s->bench.vm);
    struct driver_queue *q = begin(&d, &s->bench, PCI_MODERN);
    for (unsigned turn = 0; turn < 2; turn++) {
        submit_quietly(&d, q, 20);
        vm_stop(s->bench.vm, VM_PAUSED);
        g_assert_cmpuint(bench_read(&s->bench, q->used + 2, 2), ==, 20 * turn);
        for (unsigned i = 0; i < 100; i++) {
            g_usleep(500);
            driver_settle(&d);
        }
        g_assert_cmpuint(s->bench.ram->host[4096 + 4], ==, 0xee);
        g_assert_cmpuint(bench_read(&s->bench, q->used + 2, 2), ==, 20 * turn);
        vm_cont(s->bench.vm);
        for (unsigned i = 0; i < 20; i++) {
            g_assert_true(answered(&d, q, &written));
            g_assert_cmpuint(written, ==, 21);
        }
        g_assert_cmpuint(s->bench.ram->host[4096 + 4], ==, 0x65);
    }
    submit_quietly(&d, q, 20);
    vm_stop(s->bench.vm, VM_PAUSED);
    bench_empty(&s->bench); /* unplugged while it is stopped */
}

static void unplug_in_mid_air(struct shared *s, gconstpointer data)
{
    struct driver d;
    struct driver_queue *q = begin(&d, &s->bench, MMIO_MODERN);

    for (unsigned i = 0; i < 20; i++)
        submit(&d, q, 21, 4096);
    bench_empty(&s->bench);
    driver_settle(&d);
}

/* What is no message breaks the session; a reset mends it. */
static void nonsense(struct shared *s, gconstpointer data)
{
    static const u32 sizes[][2] = {{6, 4096}, {20, 4096}, {21, 10}};

    for (unsigned i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct driver d;
        struct driver_queue *q = begin(&d, &s->bench, PCI_MODERN);
        u32 written = 1;

        submit(&d, q, sizes[i][0], sizes[i][1]);
        g_assert_true(answered(&d, q, &written));
        g_assert_cmpuint(written, ==, 0);
        g_assert_true(driver_read(&d, DRIVER_STATUS) & VIRTIO_NEEDS_RESET);
        g_assert_true(driver_negotiate(&d, 1));
        d.heap = BENCH_RAM + 0x10000;
        q = driver_queue(&d, 0, 0);
        driver_ok(&d);
        submit(&d, q, 21, 4096);
        g_assert_true(answered(&d, q, &written));
        g_assert_cmpuint(written, ==, 21);
        bench_empty(&s->bench);
    }
}

static void bad_properties(struct shared *s, gconstpointer data)
{
    static const struct {
        const char *properties, *message;
    } rows[] = {
        {"mount_tag=a", "property 'fsdev' is needed: the id of -fsdev local,id=ID,path=FOLDER,security_model=none"},
        {"fsdev=share", "property 'mount_tag' is needed: the name by which the guest mounts it"},
        {"fsdev=shar;mount_tag=a", "fsdev=shar: there is no shared folder 'shar'"},
        {"fsdev=share;mount_tag=a-name-that-has-more-than-thirty-two", "mount_tag 'a-name-that-has-more-than-thirty-two' has more than 32 bytes"},
    };

    bench_device(&s->bench, "virtio-mmio", NULL);
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(device_create_unattached(s->bench.vm, "virtio-9p-device", rows[i].properties, &error));
        g_assert_nonnull(strstr(error->message, rows[i].message));
    }
}

#define SHARED_TEST(path, fn) g_test_add(path, struct shared, NULL, set_up, fn, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    SHARED_TEST("/virtio-9p/all-transports", all_transports);
    SHARED_TEST("/virtio-9p/reset-in-mid-air", reset_in_mid_air);
    SHARED_TEST("/virtio-9p/stop-in-mid-air", stop_in_mid_air);
    SHARED_TEST("/virtio-9p/unplug-in-mid-air", unplug_in_mid_air);
    SHARED_TEST("/virtio-9p/nonsense", nonsense);
    SHARED_TEST("/virtio-9p/bad-properties", bad_properties);
    return g_test_run();
}
