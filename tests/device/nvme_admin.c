/* tests/device/nvme_admin.c - NVMe by its specification (Base 1.4): identify, features, logs, events, namespaces. */
#include "tests/device/nvme_driver.h"

enum { WRITE = 1, READ = 2 };
enum { GET_LOG = 2, IDENTIFY = 6, SET_FEATURE = 9, GET_FEATURE = 10, EVENT = 12 };

static u16 identify(struct nvme_driver *d, u32 which, u32 space)
{
    struct nvme_sqe e = nvme_command(IDENTIFY, space, NVME_PAGE, 0);

    memset(nvme_ram(d, NVME_PAGE), 0xee, 4096);
    nvme_put(&e, 10, which);
    return nvme_do(d, 0, e);
}

static void identifies(struct bench *bench, gconstpointer data)
{
    struct nvme_driver d;
    const u8 *page;

    nvme_on(&d, bench, "logical_block_size=4096;mdts=5");
    page = nvme_ram(&d, NVME_PAGE);
    g_assert_cmphex(identify(&d, 1, 0), ==, 0);
    g_assert_cmpmem(page + 4, 20, "s1                  ", 20);
    g_assert_cmpuint(page[77], ==, 5);
    g_assert_cmphex(page[512], ==, 0x66);
    g_assert_cmpuint(bits_load_le(page + 516, 4), ==, 256);
    g_assert_cmpstr((const char *)page + 768, ==, "nqn.2019-08.org.qemu:s1");
    g_assert_cmphex(identify(&d, 0, 1), ==, 0);
    g_assert_cmpuint(bits_load_le(page, 8), ==, NVME_DISK / 4096);
    g_assert_cmpuint(page[26], ==, 1);
    g_assert_cmpuint(page[130], ==, 9);
    g_assert_cmpuint(page[134], ==, 12);
    g_assert_cmphex(identify(&d, 0, 2), ==, 0); /* not there: zeros */
    g_assert_cmpuint(bits_load_le(page, 8), ==, 0);
    g_assert_cmphex(identify(&d, 0, 0), ==, 0xb);
    g_assert_cmphex(identify(&d, 0, 257), ==, 0xb);
    g_assert_cmphex(identify(&d, 2, 0), ==, 0);
    g_assert_cmpuint(bits_load_le(page, 8), ==, 1);
    g_assert_cmphex(identify(&d, 2, 1), ==, 0);
    g_assert_cmpuint(bits_load_le(page, 8), ==, 0);
    g_assert_cmphex(identify(&d, 2, UINT32_MAX), ==, 0xb);
    g_assert_cmphex(identify(&d, 3, 1), ==, 0);
    g_assert_cmpuint(page[0], ==, 3);
    g_assert_cmpuint(page[1], ==, 16);
    g_assert_cmphex(page[10] >> 4, ==, 5); /* a UUID made of a name */
    g_assert_cmphex(identify(&d, 0x77, 1), ==, 2);
    nvme_finish(&d);
}

struct granularity {
    const char *properties;
    u32 blocks;
};

/* Preferred granularity and alignment of deallocating, in blocks less one. */
static void deallocates(struct bench *bench, gconstpointer data)
{
    const struct granularity *row = data;
    struct nvme_driver d;

    nvme_on(&d, bench, row->properties);
    g_assert_cmphex(identify(&d, 0, 1), ==, 0);
    g_assert_cmpuint(bits_load_le((u8 *)nvme_ram(&d, NVME_PAGE) + 68, 2), ==, row->blocks - 1);
    g_assert_cmpuint(bits_load_le((u8 *)nvme_ram(&d, NVME_PAGE) + 70, 2), ==, row->blocks - 1);
    nvme_finish(&d);
}

static u16 feature(struct nvme_driver *d, u8 opcode, u32 number, u32 value)
{
    struct nvme_sqe e = nvme_command(opcode, 0, NVME_PAGE, 0);

    nvme_put(&e, 10, number);
    nvme_put(&e, 11, value);
    return nvme_do(d, 0, e);
}

static void features(struct bench *bench, gconstpointer data)
{
    struct nvme_driver d;

    nvme_on(&d, bench, "max_ioqpairs=4");
    g_assert_cmphex(feature(&d, SET_FEATURE, 7, 99 << 16 | 99), ==, 0);
    g_assert_cmphex(d.result, ==, 3 << 16 | 3);
    g_assert_cmphex(feature(&d, SET_FEATURE, 7, 0xffff), ==, 2);
    g_assert_cmphex(feature(&d, GET_FEATURE, 6, 0), ==, 0);
    g_assert_cmphex(d.result, ==, 1);
    g_assert_cmphex(feature(&d, SET_FEATURE, 6, 0), ==, 0);
    g_assert_cmphex(feature(&d, GET_FEATURE, 6, 0), ==, 0);
    g_assert_cmphex(d.result, ==, 0);
    g_assert_cmphex(feature(&d, GET_FEATURE, 1 << 8 | 6, 0), ==, 0); /* the default */
    g_assert_cmphex(d.result, ==, 1);
    g_assert_cmphex(feature(&d, GET_FEATURE, 3 << 8 | 6, 0), ==, 0); /* what can be done with it */
    g_assert_cmphex(d.result, ==, 4);
    g_assert_cmphex(feature(&d, SET_FEATURE, 1u << 31 | 6, 0), ==, 0x10d);
    g_assert_cmphex(feature(&d, SET_FEATURE, 4, 300), ==, 0);
    g_assert_cmphex(feature(&d, GET_FEATURE, 4, 0), ==, 0);
    g_assert_cmphex(d.result, ==, 300);
    g_assert_cmphex(feature(&d, GET_FEATURE, 0x55, 0), ==, 2);
    bits_store_le(nvme_ram(&d, NVME_PAGE), 8, 1000);
    g_assert_cmphex(feature(&d, SET_FEATURE, 0xe, 0), ==, 0);
    vm_clock_advance(bench->vm, 5000000);
    g_assert_cmphex(feature(&d, GET_FEATURE, 0xe, 0), ==, 0);
    g_assert_cmphex(bits_load_le(nvme_ram(&d, NVME_PAGE), 8), ==, (UINT64_C(1) << 49) + 1005);
    nvme_finish(&d);
}

static u16 get_log(struct nvme_driver *d, u32 page, u32 bytes, u32 offset)
{
    struct nvme_sqe e = nvme_command(GET_LOG, UINT32_MAX, NVME_PAGE, 0);

    nvme_put(&e, 10, (bytes / 4 - 1) << 16 | page);
    nvme_put(&e, 12, offset);
    return nvme_do(d, 0, e);
}

static void ask_for_event(struct nvme_driver *d)
{
    nvme_queue(d, 0, nvme_command(EVENT, 0, 0, 0));
    nvme_ring(d, 0);
}

static void logs_and_events(struct bench *bench, gconstpointer data)
{
    struct nvme_driver d;
    const u8 *page;
    u16 id, status;

    nvme_on(&d, bench, NULL);
    page = nvme_ram(&d, NVME_PAGE);
    g_assert_cmphex(get_log(&d, 2, 512, 0), ==, 0);
    g_assert_cmpuint(bits_load_le(page + 1, 2), ==, 323);
    g_assert_cmphex(get_log(&d, 3, 512, 0), ==, 0);
    g_assert_cmphex(get_log(&d, 1, 64, 0), ==, 0);
    g_assert_cmphex(get_log(&d, 5, 4096, 0), ==, 0);
    g_assert_cmphex(page[1024 + 4 * WRITE], ==, 3);
    g_assert_cmphex(get_log(&d, 5, 8, 1024), ==, 0);
    g_assert_cmphex(page[4], ==, 3);
    g_assert_cmphex(get_log(&d, 5, 8, 8192), ==, 2);
    g_assert_cmphex(get_log(&d, 0x70, 64, 0), ==, 0x109);
    for (u32 i = 0; i < 4; i++)
        ask_for_event(&d);
    g_assert_false(nvme_take(&d, 0, &id, &status));
    ask_for_event(&d);
    g_assert_cmphex(nvme_wait(&d, 0, &id) & 0x3fff, ==, 0x105); /* one too many */
    nvme_set(&d, DOORBELLS + 8 * 7, 1); /* a queue that is not there */
    g_assert_cmphex(nvme_wait(&d, 0, &id), ==, 0);
    g_assert_cmphex(d.result, ==, 1 << 16);
    nvme_set(&d, DOORBELLS + 8, 4000); /* out of range: not told until the log has been read */
    g_assert_false(nvme_take(&d, 0, &id, &status));
    nvme_queue(&d, 0, nvme_command(GET_LOG, 0, NVME_PAGE, 0));
    nvme_put((struct nvme_sqe *)(void *)(nvme_ram(&d, NVME_SQ(0)) + 64 * (d.pair[0].tail - 1)), 10, 15 << 16 | 1);
    nvme_ring(&d, 0);
    nvme_wait(&d, 0, &id);
    g_assert_cmphex(d.result, ==, 1 << 16 | 1 << 8);
    nvme_wait(&d, 0, &id);
    g_assert_cmpuint(id, ==, d.last_id);
    nvme_finish(&d);
}

/* SMART events (5.2, 5.21.1.4): a threshold that the temperature of 323 K has reached, if the driver wants to know of it. */
static void temperature_events(struct bench *bench, gconstpointer data)
{
    static const struct {
        u32 wanted, threshold;
        bool told;
    } rows[] = {
        { 0xff, 300, true }, { 0xff, 323, true }, { 0xff, 324, false }, { 0xff, 1 << 20 | 330, true }, { 0xff, 1 << 20 | 300, false }, { 0xfd, 300, false },
    };

    for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
        struct nvme_driver d;
        u16 id, status;

        nvme_on(&d, bench, NULL);
        g_assert_cmphex(feature(&d, SET_FEATURE, 0xb, rows[i].wanted), ==, 0);
        g_assert_cmphex(feature(&d, SET_FEATURE, 4, rows[i].threshold), ==, 0);
        ask_for_event(&d);
        g_assert_cmpint(nvme_take(&d, 0, &id, &status), ==, rows[i].told);
        if (rows[i].told)
            g_assert_cmphex(d.result, ==, 2 << 16 | 1 << 8 | 1);
        nvme_finish(&d);
        bench_tear_down(bench, NULL);
        bench_set_up(bench, NULL);
    }
}

/* Namespaces that come by nvme-ns, leave, and change their size. */
static void namespaces(struct bench *bench, gconstpointer data)
{
    struct nvme_driver d;
    struct device *ns;
    u16 id;

    nvme_start(&d, bench, NULL, false);
    ns = bench_device(bench, "nvme-ns", "drive=e;nsid=7;eui64=0x1122334455667788");
    nvme_enable(&d);
    g_assert_cmphex(identify(&d, 2, 0), ==, 0);
    g_assert_cmphex(bits_load_le(nvme_ram(&d, NVME_PAGE), 8), ==, UINT64_C(7) << 32 | 1);
    g_assert_cmphex(identify(&d, 0, 7), ==, 0);
    g_assert_cmpuint(bits_load_le(nvme_ram(&d, NVME_PAGE), 8), ==, 128);
    g_assert_cmphex(nvme_ram(&d, NVME_PAGE)[120], ==, 0x11);
    g_assert_cmphex(feature(&d, SET_FEATURE, 0xb, 1 << 8), ==, 0);
    ask_for_event(&d);
    vm_object_destroy(&ns->object);
    g_assert_cmphex(nvme_wait(&d, 0, &id), ==, 0);
    g_assert_cmphex(d.result, ==, 4 << 16 | 2);
    g_assert_cmphex(get_log(&d, 4, 4096, 0), ==, 0);
    g_assert_cmpuint(bits_load_le(nvme_ram(&d, NVME_PAGE), 8), ==, 7);
    g_assert_cmphex(get_log(&d, 4, 4096, 0), ==, 0);
    g_assert_cmpuint(bits_load_le(nvme_ram(&d, NVME_PAGE), 8), ==, 0);
    nvme_finish(&d);
}

int main(int argc, char **argv)
{
    static const struct granularity rows[] = {
        { "mdts=5", 8 }, { "physical_block_size=8192", 16 }, { "logical_block_size=4096", 1 }, { "discard_granularity=65536", 128 },
        { "discard_granularity=512", 1 }, { "discard_granularity=0", 1 }, { "discard_granularity=2147483648", 65536 },
    };

    g_test_init(&argc, &argv, NULL);
    BENCH_TEST("/nvme/identify", identifies);
    for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
        g_autofree char *name = g_strconcat("/nvme/deallocates/", rows[i].properties, NULL);

        g_test_add(name, struct bench, &rows[i], bench_set_up, deallocates, bench_tear_down);
    }
    BENCH_TEST("/nvme/features", features);
    BENCH_TEST("/nvme/logs-events", logs_and_events);
    BENCH_TEST("/nvme/temperature-events", temperature_events);
    BENCH_TEST("/nvme/namespaces", namespaces);
    return g_test_run();
}
