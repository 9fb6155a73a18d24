/*
 * tests/device/disk_desk.h - a bench with disks: a file of the size that the test says, and nodes over it. Each test program includes
 * this once.
 */
#ifndef TESTS_DEVICE_DISK_DESK_H
#define TESTS_DEVICE_DISK_DESK_H

#include "block/disk.h"
#include "tests/device/virtio_driver.h"
#include "vm/machine.h"
#include <glib/gstdio.h>
#include <json-c/json.h>
#include <string.h>

struct disk_desk {
    struct bench bench;
    struct disk_set *disks;
    char *path;
};

static inline void disk_desk_set_up(struct disk_desk *desk, gconstpointer data, u64 bytes)
{
    g_autofree u8 *zeros = g_malloc0(bytes);
    GError *error = NULL;
    int fd;

    bench_set_up(&desk->bench, data);
    fd = g_file_open_tmp("mynah-disk-XXXXXX", &desk->path, NULL);
    g_assert_cmpint(fd, >=, 0);
    close(fd);
    g_file_set_contents(desk->path, (char *)zeros, (gssize)bytes, NULL);
    desk->disks = disk_set_create(vm_context(desk->bench.vm), &error);
    g_assert_no_error(error);
    vm_set_backend(desk->bench.vm, "disks", 0, desk->disks);
}

/* JSON; %s is the file. */
static inline void disk_desk_open(struct disk_desk *desk, const char *text)
{
    g_autoptr(GString) full = g_string_new(text);
    GError *error = NULL;

    g_string_replace(full, "%s", desk->path, 0);
    struct json_object *options = json_tokener_parse(full->str);
    g_assert_true(disk_set_open(desk->disks, options, &error));
    g_assert_no_error(error);
    json_object_put(options);
}

static inline void disk_desk_tear_down(struct disk_desk *desk, gconstpointer data)
{
    bench_empty(&desk->bench);
    disk_set_destroy(desk->disks);
    bench_tear_down(&desk->bench, data);
    g_unlink(desk->path);
    g_free(desk->path);
}

#endif
