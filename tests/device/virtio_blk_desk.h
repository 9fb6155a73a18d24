/*
 * tests/device/virtio_blk_desk.h - a bench with a virtio-blk device, its disk (a file of 1 MiB, nodes over it) and its driver. Each test
 * program includes this once.
 */
#ifndef TESTS_DEVICE_VIRTIO_BLK_DESK_H
#define TESTS_DEVICE_VIRTIO_BLK_DESK_H

#include "block/disk.h"
#include "block/driver.h"
#include "tests/device/virtio_driver.h"
#include "vm/machine.h"
#include <glib/gstdio.h>
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

static inline void set_up(struct desk *s, gconstpointer data)
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

static inline void open_disk(struct desk *s, const char *text)
{
    g_autofree char *full = g_strdup_printf(text, s->path);
    struct json_object *options = json_tokener_parse(full);
    GError *error = NULL;

    g_assert_true(disk_set_open(s->disks, options, &error));
    g_assert_no_error(error);
    json_object_put(options);
}

static inline void tear_down(struct desk *s, gconstpointer data)
{
    bench_empty(&s->bench);
    disk_set_destroy(s->disks);
    bench_tear_down(&s->bench, data);
    g_unlink(s->path);
    g_free(s->path);
}

static inline void begin(struct desk *s, enum driver_transport transport, const char *properties, u64 features)
{
    driver_init(&s->driver, &s->bench, transport, "virtio-blk", properties);
    g_assert_true(driver_negotiate(&s->driver, features));
    s->queue = driver_queue(&s->driver, 0, 0);
    driver_ok(&s->driver);
}

/* Header, data, status; the data is at AT. */
static inline void send(struct desk *s, u32 type, u64 sector, u32 size, bool device_writes)
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

static inline u8 wait_status(struct desk *s, u32 *written)
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

static inline u8 request(struct desk *s, u32 type, u64 sector, u32 size, bool device_writes)
{
    u32 written;

    send(s, type, sector, size, device_writes);
    return wait_status(s, &written);
}

static inline void fill(struct desk *s, u8 value, u32 size)
{
    memset(s->bench.ram->host + (AT - BENCH_RAM), value, size);
}

static inline bool all(struct desk *s, u8 value, u32 size)
{
    const u8 *p = s->bench.ram->host + (AT - BENCH_RAM);

    for (u32 i = 0; i < size; i++)
        if (p[i] != value)
            return false;
    return true;
}

#endif
