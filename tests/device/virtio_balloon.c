/* tests/device/virtio_balloon.c - memory balloon: pages go back to the host, wishes outlive drivers, statistics. */
#include "hw/virtio/balloon.h"
#include "tests/device/virtio_driver.h"
#include "vm/machine.h"
#include <string.h>

enum { STATS = 2, REPORTING = 3, F_STATS = 1, F_REPORTING = 5 };

static struct vm_object *start(struct driver *d, struct bench *bench)
{
    struct vm_object *machine = vm_object_create(bench->vm, "none-machine", vm_root(bench->vm), "machine", NULL);

    ((struct machine *)machine)->ram_size = BENCH_RAM_SIZE;
    driver_init(d, bench, MMIO_MODERN, "virtio-balloon", "free-page-reporting=on");
    g_assert_true(driver_negotiate(d, BIT64(F_STATS) | BIT64(F_REPORTING) | BIT64(VIRTIO_F_RING_RESET)));
    for (u16 i = 0; i < 4; i++)
        driver_queue(d, i, 16);
    driver_ok(d);
    return &d->device->object;
}

static void send(struct driver *d, u32 queue, struct driver_buffer buffer)
{
    u32 id, written;

    driver_submit(d, &d->queue[queue], &buffer, 1);
    driver_kick(d, &d->queue[queue]);
    if (queue != STATS)
        g_assert_true(driver_take(d, &d->queue[queue], 1, &id, &written));
}

static void gives_pages(struct bench *bench, gconstpointer data)
{
    struct driver d;
    u64 list = BENCH_RAM + 0x80000, page = BENCH_RAM + 0xc0000;
    const u32 pages[] = { (u32)(page >> 12), (u32)((page >> 12) + 2), 0, (u32)(DRIVER_MMIO >> 12), UINT32_MAX };

    start(&d, bench);
    memset(bench->ram->host + 0xc0000, 0xaa, 0x4000);
    memcpy(bench->ram->host + 0x80000, pages, sizeof(pages));
    send(&d, 0, (struct driver_buffer){ list, sizeof(pages), false });
    g_assert_cmphex(bench_read(bench, page, 8), ==, 0);
    g_assert_cmphex(bench_read(bench, page + 0x1000, 8), ==, 0xaaaaaaaaaaaaaaaa);
    g_assert_cmphex(bench_read(bench, page + 0x2000, 8), ==, 0);
    bench_write(bench, page, 8, 1);
    send(&d, 1, (struct driver_buffer){ list, sizeof(pages), false }); /* taken back: stays as it is */
    g_assert_cmphex(bench_read(bench, page, 8), ==, 1);
    send(&d, REPORTING, (struct driver_buffer){ page + 0x800, 0x2000, true }); /* whole pages only */
    g_assert_cmphex(bench_read(bench, page, 8), ==, 1);
    g_assert_cmphex(bench_read(bench, page + 0x1000, 8), ==, 0);
}

/* A list so long that others would wait for the machine lock is done in turns, and stays where it is when its queue is reset. */
static void takes_turns(struct bench *bench, gconstpointer data)
{
    enum { PAGES = 4000 };
    struct driver d;
    u64 list = BENCH_RAM + 0x80000, page = BENCH_RAM + 0xc0000;
    const struct driver_buffer pages = { list, PAGES * 4, false };
    u32 id, written;

    start(&d, bench);
    for (u32 i = 0; i < PAGES; i++)
        bench_write(bench, list + 4 * i, 4, (i + 1 < PAGES ? 0x1000 : page) >> 12);
    for (u32 reset = 0; reset < 2; reset++) {
        bench_write(bench, page, 8, 1);
        driver_submit(&d, &d.queue[0], &pages, 1);
        driver_kick(&d, &d.queue[0]);
        g_assert_false(driver_take(&d, &d.queue[0], 1, &id, &written));
        g_assert_cmphex(bench_read(bench, page, 8), ==, 1);
        if (reset) {
            driver_write(&d, DRIVER_QUEUE_SELECT, 0);
            bench_write(bench, DRIVER_MMIO + 0xc0, 4, 1);
        }
        vm_clock_advance(bench->vm, 1000000 * (1 + reset));
        g_assert_cmpint(driver_take(&d, &d.queue[0], 1, &id, &written), ==, !reset);
        g_assert_cmphex(bench_read(bench, page, 8), ==, reset);
    }
}

static void keeps_wishes(struct bench *bench, gconstpointer data)
{
    struct driver d;
    GError *error = NULL;
    u64 bytes;

    g_assert_false(balloon_get(bench->vm, &bytes, &error));
    g_clear_error(&error);
    start(&d, bench);
    g_assert_true(balloon_set(bench->vm, BENCH_RAM_SIZE - 0x10000, NULL));
    g_assert_cmpuint(driver_interrupts(&d), ==, 2);
    driver_negotiate(&d, 0);
    g_assert_cmpuint(bench_read(bench, driver_config_at(&d, 0), 4), ==, 16);
    bench_write(bench, driver_config_at(&d, 4), 4, 16);
    g_assert_true(balloon_get(bench->vm, &bytes, NULL));
    g_assert_cmpuint(bytes, ==, BENCH_RAM_SIZE - 0x10000);
    bench_write(bench, driver_config_at(&d, 4), 4, UINT32_MAX);
    g_assert_true(balloon_get(bench->vm, &bytes, NULL));
    g_assert_cmpuint(bytes, ==, 0);
    g_assert_null(device_create_unattached(bench->vm, "virtio-balloon-device", NULL, &error));
    g_clear_error(&error);
}

static void tells_statistics(struct bench *bench, gconstpointer data)
{
    struct driver d;
    struct vm_object *balloon = start(&d, bench);
    u64 buffer = BENCH_RAM + 0x80000;
    u32 id, written;

    g_assert_true(vm_object_set(balloon, "guest-stats-polling-interval", "2", NULL));
    bench_write(bench, buffer, 2, 4); /* free memory */
    bench_write(bench, buffer + 2, 2, 1234);
    bench_write(bench, buffer + 4, 4, 0);
    bench_write(bench, buffer + 8, 2, 0);
    bench_write(bench, buffer + 10, 2, 999); /* no such tag */
    send(&d, STATS, (struct driver_buffer){ buffer, 25, false });
    g_autofree char *text = vm_object_get(balloon, "guest-stats", NULL);
    g_assert_nonnull(strstr(text, "\"stat-free-memory\": 1234,"));
    g_assert_nonnull(strstr(text, "\"stat-swap-in\": 18446744073709551615,"));
    g_assert_false(driver_take(&d, &d.queue[STATS], 1, &id, &written));
    vm_clock_advance(bench->vm, 2000000000);
    g_assert_true(driver_take(&d, &d.queue[STATS], 1, &id, &written)); /* the question */
    g_assert_false(vm_object_set(balloon, "guest-stats-polling-interval", "-1", NULL));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    BENCH_TEST("/virtio-balloon/pages", gives_pages);
    BENCH_TEST("/virtio-balloon/turns", takes_turns);
    BENCH_TEST("/virtio-balloon/wishes", keeps_wishes);
    BENCH_TEST("/virtio-balloon/statistics", tells_statistics);
    return g_test_run();
}
