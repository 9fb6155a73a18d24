/* tests/device/nvme_load.c - NVMe: many commands at one time take neither the machine lock for long nor much memory. */
#include "tests/device/nvme_driver.h"

enum { READ = 2, COPY = 0x19, GET_LOG = 2, SMART = 2 };
enum { QUEUE = 2, ENTRIES = 128, LONG = 8192 };
static const u64 ring = NVME_DATA + 0x20000, long_list = NVME_DATA + 0x40000;

/* A pair of queues beside the first one, whose submission queue has ENTRIES. */
static void make_pair(struct nvme_driver *d, u32 completions)
{
    struct nvme_sqe cq = nvme_command(5, 0, NVME_CQ(QUEUE), 0), sq = nvme_command(1, 0, ring, 0);

    nvme_put(&cq, 10, (completions - 1) << 16 | QUEUE);
    nvme_put(&cq, 11, 3);
    nvme_put(&sq, 10, (ENTRIES - 1) << 16 | QUEUE);
    nvme_put(&sq, 11, QUEUE << 16 | 1);
    g_assert_cmphex(nvme_do(d, 0, cq), ==, 0);
    g_assert_cmphex(nvme_do(d, 0, sq), ==, 0);
}

/* --- completions that wait for room --- */

static u64 commands_that_wrote(struct nvme_driver *d)
{
    struct nvme_sqe e = nvme_command(GET_LOG, UINT32_MAX, NVME_PAGE, 0);

    nvme_put(&e, 10, 127 << 16 | SMART);
    g_assert_cmphex(nvme_do(d, 0, e), ==, 0);
    return bits_load_le(nvme_ram(d, NVME_PAGE) + 80, 8);
}

/* Copies whose completions the driver does not take hold no memory: others go on (64 MiB is what all may hold). */
static void copies_that_wait(struct bench *bench, gconstpointer data)
{
    enum { BATCH = 40 };
    struct nvme_sqe e = nvme_command(COPY, 1, NVME_LISTS, 0); /* of block 0 to itself */
    struct nvme_driver d;
    u64 wrote;

    nvme_on(&d, bench, "logical_block_size=1M");
    make_pair(&d, 2);
    memset(nvme_ram(&d, NVME_LISTS), 0, 32);
    wrote = commands_that_wrote(&d);
    for (u32 i = 1; i <= 2 * BATCH; i++) {
        memcpy(nvme_ram(&d, ring + 64 * (i - 1)), e.bytes, 64);
        if (i % BATCH)
            continue;
        nvme_set(&d, DOORBELLS + 8 * QUEUE, i);
        for (s64 end = g_get_monotonic_time() + 5 * G_USEC_PER_SEC; commands_that_wrote(&d) < wrote + i; nvme_settle(&d))
            g_assert_cmpint(g_get_monotonic_time(), <, end);
    }
    g_assert_cmphex(nvme_do(&d, 1, e), ==, 0);
    nvme_finish(&d);
}

/* --- long lists --- */

/* Reads that fill the queue, with lists of as many descriptors as there may be, of `size` bytes each. */
static void begin_long_reads(struct nvme_driver *d, u32 size)
{
    struct nvme_sqe e = nvme_rw(READ, 0, 1024, long_list, 0);

    make_pair(d, ENTRIES);
    for (u32 i = 0; i < LONG; i++) {
        bits_store_le(nvme_ram(d, long_list + 16 * i), 8, NVME_DATA + (i & 1) * 0x1000);
        bits_store_le(nvme_ram(d, long_list + 16 * i) + 8, 8, size);
    }
    e.bytes[1] = 1 << 6;
    bits_store_le(e.bytes + 32, 8, LONG * 16 | UINT64_C(0x30) << 56); /* the last segment */
    for (u32 i = 0; i + 1 < ENTRIES; i++)
        memcpy(nvme_ram(d, ring + 64 * i), e.bytes, 64);
    nvme_set(d, DOORBELLS + 8 * QUEUE, ENTRIES - 1);
}

static u32 completed(struct nvme_driver *d)
{
    u32 count = 0;

    while (count < ENTRIES && nvme_ram(d, NVME_CQ(QUEUE) + 16 * count)[14] & 1)
        count++;
    return count;
}

/* One doorbell does not look at a million descriptors: what is left comes by letters. */
static void turns(struct bench *bench, gconstpointer data)
{
    struct nvme_driver d;

    nvme_on(&d, bench, NULL);
    begin_long_reads(&d, 0); /* in vain: no bytes at all */
    g_assert_cmpuint(completed(&d), >, 0);
    g_assert_cmpuint(completed(&d), <=, 16);
    for (u32 i = 0; i < 16; i++)
        vm_inbox_deliver(bench->vm);
    g_assert_cmpuint(completed(&d), ==, ENTRIES - 1);
    g_assert_cmphex(bits_load_le(nvme_ram(&d, NVME_CQ(QUEUE)) + 14, 2) >> 1, ==, 0x400f);
    nvme_finish(&d);
}

/* Nor are a million pieces noted at one time. */
static void pieces(struct bench *bench, gconstpointer data)
{
    struct nvme_driver d;
    u64 before;

    nvme_on(&d, bench, NULL);
    before = bench_heap();
    begin_long_reads(&d, 64);
    for (u32 i = 0; i < 64; i++) /* without a turn of the disk's */
        vm_inbox_deliver(bench->vm);
    g_assert_cmpuint(bench_heap(), <, before + 24 * MIB);
    while (completed(&d) < ENTRIES - 1)
        nvme_settle(&d);
    nvme_finish(&d);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    BENCH_TEST("/nvme/copies-that-wait", copies_that_wait);
    BENCH_TEST("/nvme/turns", turns);
    BENCH_TEST("/nvme/pieces", pieces);
    return g_test_run();
}
