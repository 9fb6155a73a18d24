/* tests/device/nvme_driver.h - a driver of NVMe controllers for tests: one controller at 01.0, disks of files, queues in RAM. Included once. */
#ifndef TESTS_DEVICE_NVME_DRIVER_H
#define TESTS_DEVICE_NVME_DRIVER_H

#include "base/bits.h"
#include "block/disk.h"
#include "hw/pci/gpex.h"
#include "hw/pci/pci.h"
#include "tests/device/bench.h"
#include "vm/internal.h"
#include "vm/machine.h"
#include <glib/gstdio.h>
#include <json-c/json.h>
#include <string.h>

#define NVME_ECAM UINT64_C(0x30008000) /* 01.0 */
#define NVME_BAR  UINT64_C(0x40000000)
#define NVME_MSIX UINT64_C(0x40010000)

enum { CAP = 0, VS = 8, INTMS = 0x0c, INTMC = 0x10, CC = 0x14, CSTS = 0x1c, AQA = 0x24, ASQ = 0x28, ACQ = 0x30, DOORBELLS = 0x1000 };
enum { CC_ON = 4 << 20 | 6 << 16 | 1, READY = 1, FATAL = 2 };
enum { NVME_ENTRIES = 16, NVME_DISK = 1 << 20, NVME_PAIRS = 3 };
/* Where things lie in RAM: queue pair n's rings, a page to look at, lists, data. */
#define NVME_SQ(n) (BENCH_RAM + 0x1000 + 0x2000 * (u64)(n))
#define NVME_CQ(n) (BENCH_RAM + 0x2000 + 0x2000 * (u64)(n))
#define NVME_PAGE  (BENCH_RAM + 0x10000)
#define NVME_LISTS (BENCH_RAM + 0x11000)
#define NVME_DATA  (BENCH_RAM + 0x40000)

struct nvme_pair {
    u32 tail, head, phase;
};

struct nvme_driver {
    struct bench *bench;
    struct disk_set *disks;
    struct device *device;
    char *path;
    struct nvme_pair pair[NVME_PAIRS];
    u16 last_id;
    u32 result;
};

/* A command under construction. */
struct nvme_sqe {
    u8 bytes[64];
};

static inline u8 *nvme_ram(struct nvme_driver *d, u64 address)
{
    return d->bench->ram->host + (address - BENCH_RAM);
}

static inline void nvme_set(struct nvme_driver *d, u32 offset, u32 value)
{
    bench_write(d->bench, NVME_BAR + offset, 4, value);
}

static inline u32 nvme_get(struct nvme_driver *d, u32 offset)
{
    return (u32)bench_read(d->bench, NVME_BAR + offset, 4);
}

static inline void nvme_settle(struct nvme_driver *d)
{
    while (g_main_context_iteration(vm_context(d->bench->vm), FALSE))
        ;
    vm_inbox_deliver(d->bench->vm);
}

static inline void nvme_open_node(struct nvme_driver *d, const char *format, const char *name)
{
    g_autofree char *text = g_strdup_printf(format, name, d->path);
    struct json_object *options = json_tokener_parse(text);
    GError *error = NULL;

    g_assert_true(disk_set_open(d->disks, options, &error));
    g_assert_no_error(error);
    json_object_put(options);
}

static inline void nvme_open_disks(struct nvme_driver *d, struct bench *bench)
{
    g_autofree u8 *zeros = g_malloc0(NVME_DISK);
    int fd = g_file_open_tmp("mynah-nvme-XXXXXX", &d->path, NULL);

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    g_assert_true(g_file_set_contents(d->path, (char *)zeros, NVME_DISK, NULL));
    d->disks = disk_set_create(vm_context(bench->vm), NULL);
    vm_set_backend(bench->vm, "disks", 0, d->disks);
    nvme_open_node(d, "{\"driver\":\"file\",\"node-name\":\"%s\",\"filename\":\"%s\",\"discard\":\"unmap\"}", "d");
    nvme_open_node(d, "{\"driver\":\"null-co\",\"node-name\":\"%s\",\"size\":65536,\"read-zeroes\":true}", "e");
}

/* A controller whose BARs are mapped. msi: somebody takes messages. */
static inline void nvme_start(struct nvme_driver *d, struct bench *bench, const char *properties, bool msi)
{
    struct device *host = bench_device(bench, "gpex-pcihost",
                                       "x-ecam-base=0x30000000;x-ecam-size=256M;x-pio-base=0x3000000;x-pio-size=64k;"
                                       "x-below-4g-mmio-base=0x40000000;x-below-4g-mmio-size=1G");
    g_autofree char *all = g_strconcat("serial=s1;drive=d", properties ? ";" : NULL, properties, NULL);

    *d = (struct nvme_driver){ .bench = bench };
    nvme_open_disks(d, bench);
    for (u32 i = 0; i < 4; i++) {
        g_autofree char *line = g_strdup_printf("irq%u", i);
        device_connect(host, line, &bench->line[i]);
    }
    gpex_map(host);
    ((struct pci_bus *)bus_find(bench->vm, "pcie.0"))->msi = msi;
    d->device = bench_device(bench, "nvme", all);
    vm_reset(bench->vm, VM_CAUSE_NONE);
    bench_write(bench, NVME_ECAM + 0x10, 4, NVME_BAR);
    bench_write(bench, NVME_ECAM + 0x14, 4, 0);
    if (msi)
        bench_write(bench, NVME_ECAM + 0x20, 4, NVME_MSIX);
    bench_write(bench, NVME_ECAM + 4, 2, 6);
}

static inline void nvme_finish(struct nvme_driver *d)
{
    bench_empty(d->bench);
    disk_set_destroy(d->disks);
    g_unlink(d->path);
    g_free(d->path);
}

static inline void nvme_enable(struct nvme_driver *d)
{
    memset(d->pair, 0, sizeof(d->pair));
    for (u32 i = 0; i < NVME_PAIRS; i++)
        d->pair[i].phase = 1;
    memset(nvme_ram(d, BENCH_RAM), 0, 0x10000);
    nvme_set(d, AQA, (NVME_ENTRIES - 1) << 16 | (NVME_ENTRIES - 1));
    nvme_set(d, ASQ, (u32)NVME_SQ(0));
    nvme_set(d, ASQ + 4, 0);
    nvme_set(d, ACQ, (u32)NVME_CQ(0));
    nvme_set(d, ACQ + 4, 0);
    nvme_set(d, CC, CC_ON);
    g_assert_cmphex(nvme_get(d, CSTS), ==, READY);
}

static inline struct nvme_sqe nvme_command(u8 opcode, u32 space, u64 prp1, u64 prp2)
{
    struct nvme_sqe e = { { opcode } };

    bits_store_le(e.bytes + 4, 4, space);
    bits_store_le(e.bytes + 24, 8, prp1);
    bits_store_le(e.bytes + 32, 8, prp2);
    return e;
}

static inline void nvme_put(struct nvme_sqe *e, unsigned dword, u32 value)
{
    bits_store_le(e->bytes + 4 * dword, 4, value);
}

/* Into the ring, without telling. */
static inline void nvme_queue(struct nvme_driver *d, u32 queue, struct nvme_sqe e)
{
    struct nvme_pair *pair = &d->pair[queue];

    bits_store_le(e.bytes + 2, 2, ++d->last_id);
    memcpy(nvme_ram(d, NVME_SQ(queue)) + 64 * pair->tail, e.bytes, 64);
    pair->tail = (pair->tail + 1) % NVME_ENTRIES;
}

static inline void nvme_ring(struct nvme_driver *d, u32 queue)
{
    nvme_set(d, DOORBELLS + 8 * queue, d->pair[queue].tail);
}

/* The next completion, if there is one; its doorbell is the caller's. */
static inline bool nvme_take(struct nvme_driver *d, u32 queue, u16 *id, u16 *status)
{
    struct nvme_pair *pair = &d->pair[queue];
    const u8 *entry = nvme_ram(d, NVME_CQ(queue)) + 16 * pair->head;

    if ((entry[14] & 1) != pair->phase)
        return false;
    d->result = (u32)bits_load_le(entry, 4);
    g_assert_cmpuint(bits_load_le(entry + 10, 2), ==, queue);
    *id = (u16)bits_load_le(entry + 12, 2);
    *status = (u16)(bits_load_le(entry + 14, 2) >> 1);
    pair->head = (pair->head + 1) % NVME_ENTRIES;
    pair->phase ^= pair->head == 0;
    return true;
}

static inline u16 nvme_wait(struct nvme_driver *d, u32 queue, u16 *id)
{
    s64 end = g_get_monotonic_time() + 20 * G_USEC_PER_SEC;
    u16 status;

    while (!nvme_take(d, queue, id, &status)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        nvme_settle(d);
    }
    nvme_set(d, DOORBELLS + 8 * queue + 4, d->pair[queue].head);
    return status;
}

/* One command, its status without "do not retry". */
static inline u16 nvme_do(struct nvme_driver *d, u32 queue, struct nvme_sqe e)
{
    u16 id, status;

    nvme_queue(d, queue, e);
    nvme_ring(d, queue);
    status = nvme_wait(d, queue, &id);
    g_assert_cmpuint(id, ==, d->last_id);
    return status & 0x3fff;
}

static inline u16 nvme_create_pair(struct nvme_driver *d, u32 queue, u32 vector)
{
    struct nvme_sqe cq = nvme_command(5, 0, NVME_CQ(queue), 0), sq = nvme_command(1, 0, NVME_SQ(queue), 0);
    u16 status;

    nvme_put(&cq, 10, (NVME_ENTRIES - 1) << 16 | queue);
    nvme_put(&cq, 11, vector << 16 | 3);
    nvme_put(&sq, 10, (NVME_ENTRIES - 1) << 16 | queue);
    nvme_put(&sq, 11, queue << 16 | 1);
    status = nvme_do(d, 0, cq);
    return status ? status : nvme_do(d, 0, sq);
}

static inline struct nvme_sqe nvme_rw(u8 opcode, u64 lba, u32 blocks, u64 prp1, u64 prp2)
{
    struct nvme_sqe e = nvme_command(opcode, 1, prp1, prp2);

    nvme_put(&e, 10, (u32)lba);
    nvme_put(&e, 11, (u32)(lba >> 32));
    nvme_put(&e, 12, blocks - 1);
    return e;
}

/* A controller that is on, with a pair of queues for I/O. */
static inline void nvme_on(struct nvme_driver *d, struct bench *bench, const char *properties)
{
    nvme_start(d, bench, properties, false);
    nvme_enable(d);
    g_assert_cmphex(nvme_create_pair(d, 1, 0), ==, 0);
}

#endif
