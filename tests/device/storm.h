/*
 * tests/device/storm.h - what the storms share: how long one goes on, where it begins, and what devices are connected to. Each test program
 * includes this once. MYNAH_STORM_SECONDS: CPU time for each test instead of a few rounds; MYNAH_STORM_SEED: another beginning.
 */
#ifndef TESTS_DEVICE_STORM_H
#define TESTS_DEVICE_STORM_H

#include "api/keyval.h"
#include "block/disk.h"
#include "chardev/chardev.h"
#include "fs/devices.h"
#include "net/net.h"
#include "tests/device/bench.h"
#include "ui/ui.h"
#include "vm/internal.h"
#include "vm/machine.h"
#include <glib/gstdio.h>
#include <json-c/json.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* CPU seconds of the process at which a storm that begins now ends; 0: it has its rounds. */
static inline double storm_end(void)
{
    const char *seconds = g_getenv("MYNAH_STORM_SECONDS");

    return seconds ? (double)clock() / CLOCKS_PER_SEC + g_ascii_strtod(seconds, NULL) : 0;
}

static inline bool storm_goes_on(double end, u32 round, u32 rounds)
{
    return end != 0 ? (double)clock() / CLOCKS_PER_SEC < end : round < rounds;
}

/* The caller's. Every name has numbers of its own. */
static inline GRand *storm_rand(const char *name)
{
    const char *seed = g_getenv("MYNAH_STORM_SEED");

    return g_rand_new_with_seed((guint32)(g_str_hash(name) + (seed ? g_ascii_strtoull(seed, NULL, 10) : 0)));
}

/* A folder "share", somebody who looks, a disk "disk" and a slow one "slow", ring buffers "r0" and "r1", a cable
   "n0" whose other end is fd. */
struct storm_backends {
    struct bench *bench;
    char *folder;
    struct fs_devices *folders;
    struct ui *ui;
    struct disk_set *disks;
    struct chardev_set *chardevs;
    int fd;
};

static inline void storm_add_disk(struct storm_backends *backends, const char *name, u64 latency)
{
    g_autofree char *text = g_strdup_printf("{\"driver\":\"null-co\",\"read-zeroes\":true,\"size\":1048576,\"node-name\":\"%s\",\"latency-ns\":%" G_GUINT64_FORMAT "}",
                                            name, latency);
    struct json_object *disk = json_tokener_parse(text);

    g_assert_true(disk_set_open(backends->disks, disk, NULL));
    json_object_put(disk);
}

static inline void storm_add_ring(struct storm_backends *backends, const char *id)
{
    g_autoptr(GHashTable) options = chardev_parse_options("ringbuf", NULL);

    g_hash_table_insert(options, g_strdup("id"), g_strdup(id));
    g_assert_nonnull(chardev_create(backends->chardevs, options, NULL));
}

static inline void storm_add_cable(struct storm_backends *backends)
{
    struct net_set *set = net_set_create(backends->bench->vm);
    g_autoptr(api_keyval) list = api_keyval_create();
    int pair[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair), ==, 0);
    backends->fd = pair[1];
    g_autofree char *text = g_strdup_printf("%d", pair[0]);
    api_keyval_set(list, "type", "dgram");
    api_keyval_set(list, "id", "n0");
    api_keyval_set(list, "local.type", "fd");
    api_keyval_set(list, "local.str", text);
    net_netdev_add_keyval(set, list, NULL);
}

static inline void storm_backends_init(struct storm_backends *backends, struct bench *bench)
{
    struct fs_options options = { .id = (char *)"share", .readonly = true };

    *backends = (struct storm_backends){ .bench = bench };
    options.path = backends->folder = g_dir_make_tmp("mynah-storm-XXXXXX", NULL);
    backends->folders = fs_devices_create();
    fs_devices_add(backends->folders, &options, NULL);
    backends->ui = ui_create();
    backends->disks = disk_set_create(vm_context(bench->vm), NULL);
    vm_set_backend(bench->vm, "fsdevs", 0, backends->folders);
    vm_set_backend(bench->vm, "ui", 0, backends->ui);
    vm_set_backend(bench->vm, "disks", 0, backends->disks);
    storm_add_disk(backends, "disk", 0);
    storm_add_disk(backends, "slow", 1000000);
    backends->chardevs = chardev_set_create(vm_context(bench->vm), NULL);
    vm_set_backend(bench->vm, "chardevs", 0, backends->chardevs);
    storm_add_ring(backends, "r0");
    storm_add_ring(backends, "r1");
    storm_add_cable(backends);
    vm_cont(bench->vm);
}

/* Frames that nobody asked for arrive, and those that were sent are taken. */
static inline void storm_frames(struct storm_backends *backends, GRand *rand)
{
    u8 frame[1600];
    u32 size = (u32)g_rand_int_range(rand, 0, sizeof(frame));

    for (u32 i = 0; i < size; i++)
        frame[i] = i < 6 ? 0xff : (u8)g_rand_int(rand);
    if (size > 64 && g_rand_boolean(rand)) /* IPv4 with TCP, perhaps too short for what it says */
        memcpy(frame + 12, (u8[]){ 8, 0, (u8)(0x40 | g_rand_int_range(rand, 0, 16)), 0, (u8)g_rand_int_range(rand, 0, 8) }, 5);
    (void)!send(backends->fd, frame, size, MSG_DONTWAIT);
    while (recv(backends->fd, frame, sizeof(frame), MSG_DONTWAIT) > 0)
        ;
}

/* The devices are gone. */
static inline void storm_backends_finish(struct storm_backends *backends)
{
    vm_stop(backends->bench->vm, VM_PAUSED);
    net_set_destroy(net_set_of(backends->bench->vm));
    close(backends->fd);
    chardev_set_destroy(backends->chardevs);
    fs_devices_destroy(backends->folders);
    ui_destroy(backends->ui);
    disk_set_destroy(backends->disks);
    g_rmdir(backends->folder);
    g_free(backends->folder);
}

#endif
