/* tests/device/nvme_more.c - NVMe: Abort, Copy, Format, what is counted, and queues, lists and data in the controller's own memory. */
#include "tests/device/nvme_driver.h"

enum { FLUSH = 0, WRITE = 1, READ = 2, COMPARE = 5, VERIFY = 12, COPY = 0x19 };
enum { GET_LOG = 2, IDENTIFY = 6, ABORT = 8, EVENT = 12, FORMAT = 0x80 };
enum { CMBLOC = 0x38, CMBSZ = 0x3c, CMBMSC = 0x50, CMBSTS = 0x58, CMB_SHOW = 1, CMB_USE = 2 };
#define NVME_CMB UINT64_C(0x41000000)
#define CMB_CBA  UINT64_C(0x1234567000) /* where no memory is */

static void on(struct nvme_driver *d, struct bench *bench, const char *properties)
{
    nvme_start(d, bench, properties, false);
    nvme_enable(d);
    g_assert_cmphex(nvme_create_pair(d, 1, 0), ==, 0);
}

static void fill(struct nvme_driver *d, u64 at, u64 size, u32 seed)
{
    for (u64 i = 0; i < size; i++)
        nvme_ram(d, at)[i] = (u8)(seed + i * 7 + (i >> 9) * 13);
}

static void file_is(struct nvme_driver *d, u64 offset, const void *data, u64 size)
{
    g_autofree char *content = NULL;
    gsize length;

    g_assert_true(g_file_get_contents(d->path, &content, &length, NULL));
    g_assert_cmpmem(content + offset, size, data, size);
}

static u16 abort_command(struct nvme_driver *d, u32 queue, u16 id)
{
    struct nvme_sqe e = nvme_command(ABORT, 0, 0, 0);

    nvme_put(&e, 10, (u32)id << 16 | queue);
    return nvme_do(d, 0, e);
}

static u16 get_log(struct nvme_driver *d, u32 which)
{
    struct nvme_sqe e = nvme_command(GET_LOG, UINT32_MAX, NVME_PAGE, 0);

    nvme_put(&e, 10, 127 << 16 | which);
    return nvme_do(d, 0, e);
}

/* --- Abort (5.1) --- */

/* It is with the disk: it ends with 07h, then the Abort ends. */
static void abort_with_disk(struct bench *bench, gconstpointer data)
{
    struct nvme_driver d;
    u16 id, status, wanted;

    on(&d, bench, NULL);
    nvme_queue(&d, 1, nvme_rw(COMPARE, 0, 8, NVME_DATA, 0));
    wanted = d.last_id;
    nvme_queue(&d, 1, nvme_rw(VERIFY, 0, 8, 0, 0));
    nvme_ring(&d, 1);
    struct nvme_sqe e = nvme_command(ABORT, 0, 0, 0);
    nvme_put(&e, 10, (u32)wanted << 16 | 1);
    nvme_queue(&d, 0, e);
    nvme_ring(&d, 0);
    g_assert_false(nvme_take(&d, 0, &id, &status));
    g_assert_cmphex(nvme_wait(&d, 1, &id), ==, 7);
    g_assert_cmpuint(id, ==, wanted);
    g_assert_cmphex(nvme_wait(&d, 0, &id), ==, 0);
    g_assert_cmphex(d.result, ==, 0);
    g_assert_cmphex(nvme_wait(&d, 1, &id), ==, 0); /* the other one */
    g_assert_cmphex(abort_command(&d, 1, wanted), ==, 0);
    g_assert_cmphex(d.result, ==, 1); /* too late */
    g_assert_cmphex(abort_command(&d, 9, wanted), ==, 2);
    nvme_finish(&d);
}

/* Commands that wait in the ring end at once, and are never carried out. */
static void abort_unfetched(struct bench *bench, gconstpointer data)
{
    static const u8 zeros[512];
    struct nvme_driver d;
    u16 first, id;
    u32 seen = 0;

    on(&d, bench, NULL);
    fill(&d, NVME_DATA, 0x4000, 3);
    for (u32 i = 0; i < NVME_ENTRIES - 1; i++)
        nvme_queue(&d, 1, nvme_rw(READ, 0, 1, NVME_DATA + 0x8000, 0));
    nvme_ring(&d, 1);
    first = (u16)(d.last_id + 1);
    for (u32 i = 0; i < 5; i++) /* the first is fetched, and the queue is full then */
        nvme_queue(&d, 1, nvme_rw(WRITE, 100 + i, 1, NVME_DATA + 512 * i, 0));
    nvme_ring(&d, 1);
    g_assert_cmphex(abort_command(&d, 1, (u16)(first + 3)), ==, 0);
    g_assert_cmphex(d.result, ==, 0);
    g_assert_cmphex(abort_command(&d, 1, (u16)(first + 3)), ==, 0);
    g_assert_cmphex(d.result, ==, 1); /* twice */
    for (u32 i = 0; i < NVME_ENTRIES - 1 + 5; i++) {
        u16 status = nvme_wait(&d, 1, &id);

        g_assert_cmphex(status, ==, id == first + 3 ? 7 : 0);
        seen += id == first + 3;
    }
    g_assert_cmpuint(seen, ==, 1);
    file_is(&d, 102 * 512, nvme_ram(&d, NVME_DATA + 2 * 512), 512);
    file_is(&d, 103 * 512, zeros, 512);
    file_is(&d, 104 * 512, nvme_ram(&d, NVME_DATA + 4 * 512), 512);
    for (u32 i = 0; i < 3 * NVME_ENTRIES; i++) /* its place in the ring is used again */
        g_assert_cmphex(nvme_do(&d, 1, nvme_rw(READ, 0, 1, NVME_DATA, 0)), ==, 0);
    nvme_finish(&d);
}

/* Whatever is under way: afterwards the controller works as before. */
static void disable_and_use_again(struct nvme_driver *d)
{
    nvme_set(d, CC, 0);
    while (nvme_get(d, CSTS) & READY)
        nvme_settle(d);
    nvme_enable(d);
    g_assert_cmphex(nvme_create_pair(d, 1, 0), ==, 0);
    g_assert_cmphex(nvme_do(d, 1, nvme_rw(READ, 0, 1, NVME_DATA, 0)), ==, 0);
}

static void abort_events_and_resets(struct bench *bench, gconstpointer data)
{
    struct nvme_driver d;
    u16 id, event;

    on(&d, bench, NULL);
    nvme_queue(&d, 0, nvme_command(EVENT, 0, 0, 0));
    nvme_ring(&d, 0);
    event = d.last_id;
    struct nvme_sqe e = nvme_command(ABORT, 0, 0, 0);
    nvme_put(&e, 10, (u32)event << 16);
    nvme_queue(&d, 0, e);
    nvme_ring(&d, 0);
    g_assert_cmphex(nvme_wait(&d, 0, &id), ==, 7);
    g_assert_cmpuint(id, ==, event);
    g_assert_cmphex(nvme_wait(&d, 0, &id), ==, 0);
    g_assert_cmphex(d.result, ==, 0);
    for (u32 i = 0; i < 6; i++) { /* more Aborts than may wait, and the controller is disabled under them */
        nvme_queue(&d, 1, nvme_rw(READ, 0, 1, NVME_DATA, 0));
        nvme_ring(&d, 1);
        nvme_put(&e, 10, (u32)d.last_id << 16 | 1);
        nvme_queue(&d, 0, e);
        nvme_ring(&d, 0);
    }
    g_assert_cmphex(nvme_wait(&d, 0, &id) & 0x3fff, ==, 0x103);
    disable_and_use_again(&d);
    nvme_finish(&d);
}

/* --- Copy --- */

static u16 copy(struct nvme_driver *d, u64 to, u32 ranges, u32 dword12)
{
    struct nvme_sqe e = nvme_command(COPY, 1, NVME_LISTS, 0);

    nvme_put(&e, 10, (u32)to);
    nvme_put(&e, 12, (ranges - 1) | dword12);
    return nvme_do(d, 1, e);
}

static void set_range(struct nvme_driver *d, u32 n, u64 first, u32 blocks)
{
    u8 *range = nvme_ram(d, NVME_LISTS + 32 * n);

    memset(range, 0, 32);
    bits_store_le(range + 8, 8, first);
    bits_store_le(range + 16, 2, blocks - 1);
}

static void copies(struct bench *bench, gconstpointer data)
{
    struct nvme_driver d;

    on(&d, bench, NULL);
    fill(&d, NVME_DATA, 0x2000, 9);
    g_assert_cmphex(nvme_do(&d, 1, nvme_rw(WRITE, 0, 8, NVME_DATA, 0)), ==, 0);
    set_range(&d, 0, 6, 2);
    set_range(&d, 1, 0, 3);
    g_assert_cmphex(copy(&d, 50, 2, 0), ==, 0);
    file_is(&d, 50 * 512, nvme_ram(&d, NVME_DATA + 6 * 512), 1024);
    file_is(&d, 52 * 512, nvme_ram(&d, NVME_DATA), 3 * 512);
    set_range(&d, 0, 0, 8); /* onto itself, shifted */
    g_assert_cmphex(copy(&d, 2, 1, 0), ==, 0);
    file_is(&d, 2 * 512, nvme_ram(&d, NVME_DATA), 8 * 512);
    g_assert_cmphex(copy(&d, 2041, 1, 0), ==, 0x80);
    g_assert_cmphex(copy(&d, 60, 1, 1 << 8), ==, 2); /* another format of descriptors */
    g_assert_cmphex(copy(&d, 60, 129, 0), ==, 0x183);
    set_range(&d, 0, 2044, 8);
    g_assert_cmphex(copy(&d, 60, 1, 0), ==, 0x80);
    set_range(&d, 0, UINT64_MAX, 2);
    g_assert_cmphex(copy(&d, 60, 1, 0), ==, 0x80);
    set_range(&d, 0, 0, 129);
    g_assert_cmphex(copy(&d, 60, 1, 0), ==, 0x183);
    set_range(&d, 0, 0, 100);
    set_range(&d, 1, 0, 29);
    g_assert_cmphex(copy(&d, 200, 2, 0), ==, 0x183); /* together */
    set_range(&d, 1, 0, 28);
    g_assert_cmphex(copy(&d, 200, 2, 0), ==, 0);
    nvme_finish(&d);
}

/* --- Format NVM (5.23) --- */

static u16 format(struct nvme_driver *d, u32 space, u32 settings)
{
    struct nvme_sqe e = nvme_command(FORMAT, space, 0, 0);

    nvme_put(&e, 10, settings);
    return nvme_do(d, 0, e);
}

static void formats(struct bench *bench, gconstpointer data)
{
    static const u8 zeros[8192];
    struct nvme_driver d;
    u16 id;

    on(&d, bench, NULL);
    fill(&d, NVME_DATA, 0x2000, 9);
    g_assert_cmphex(nvme_do(&d, 1, nvme_rw(WRITE, 8, 8, NVME_DATA, 0)), ==, 0);
    g_assert_cmphex(format(&d, 1, 2), ==, 0x10a);
    g_assert_cmphex(format(&d, 1, 1 << 5), ==, 0x10a); /* protection information */
    g_assert_cmphex(format(&d, 1, 2 << 9), ==, 2);     /* keys */
    g_assert_cmphex(format(&d, 7, 0), ==, 0xb);
    file_is(&d, 8 * 512, nvme_ram(&d, NVME_DATA), 4096);
    nvme_queue(&d, 1, nvme_rw(READ, 0, 1, NVME_DATA + 0x8000, 0));
    nvme_ring(&d, 1);
    struct nvme_sqe e = nvme_command(FORMAT, 1, 0, 0);
    nvme_queue(&d, 0, e);
    nvme_ring(&d, 0);
    g_assert_cmphex(nvme_wait(&d, 0, &id), ==, 0xc); /* while it is in use */
    g_assert_cmphex(nvme_wait(&d, 1, &id), ==, 0);
    nvme_put(&e, 10, 1 | 1 << 9);
    nvme_queue(&d, 0, e);
    nvme_ring(&d, 0);
    g_assert_cmphex(nvme_do(&d, 1, nvme_rw(READ, 0, 1, NVME_DATA, 0)) & 0x3fff, ==, 0x84); /* while it is formatted */
    g_assert_cmphex(nvme_wait(&d, 0, &id), ==, 0);
    file_is(&d, 8 * 512, zeros, 8192);
    e = nvme_command(IDENTIFY, 1, NVME_PAGE, 0);
    g_assert_cmphex(nvme_do(&d, 0, e), ==, 0);
    g_assert_cmpuint(bits_load_le(nvme_ram(&d, NVME_PAGE), 8), ==, NVME_DISK / 4096);
    g_assert_cmpuint(nvme_ram(&d, NVME_PAGE)[26], ==, 1);
    g_assert_cmphex(bits_load_le(nvme_ram(&d, NVME_PAGE) + 64, 2), ==, 0);
    g_assert_cmphex(nvme_do(&d, 1, nvme_rw(WRITE, 255, 1, NVME_DATA, 0)), ==, 0);
    file_is(&d, 255 * 4096, nvme_ram(&d, NVME_DATA), 4096);
    g_assert_cmphex(nvme_do(&d, 1, nvme_rw(READ, 256, 1, NVME_DATA, 0)), ==, 0x80);
    g_assert_cmphex(format(&d, UINT32_MAX, 0), ==, 0);
    g_assert_cmphex(nvme_do(&d, 1, nvme_rw(READ, 2047, 1, NVME_DATA, 0)), ==, 0);
    nvme_put(&e, 10, 1);
    e.bytes[0] = FORMAT;
    nvme_queue(&d, 0, e); /* disabled under it: the namespace is not locked for ever */
    nvme_ring(&d, 0);
    disable_and_use_again(&d);
    nvme_finish(&d);
}

static u16 read_of(struct nvme_driver *d, u32 space)
{
    struct nvme_sqe e = nvme_rw(READ, 0, 1, NVME_DATA, 0);

    nvme_put(&e, 1, space);
    return nvme_do(d, 1, e);
}

/* Of all namespaces: none of them takes commands from the start to the end of its turn, nor for ever, whatever becomes of the Format. */
static void formats_all(struct bench *bench, gconstpointer data)
{
    struct nvme_sqe e = nvme_command(FORMAT, UINT32_MAX, 0, 0);
    struct nvme_driver d;
    struct device *other;
    u16 id;

    nvme_start(&d, bench, NULL, false);
    other = bench_device(bench, "nvme-ns", "drive=e;nsid=7");
    nvme_enable(&d);
    g_assert_cmphex(nvme_create_pair(&d, 1, 0), ==, 0);
    nvme_put(&e, 10, 1);
    nvme_queue(&d, 0, e);
    nvme_ring(&d, 0);
    g_assert_cmphex(read_of(&d, 7), ==, 0x84); /* the first one's turn */
    g_assert_cmphex(nvme_wait(&d, 0, &id), ==, 0);
    g_assert_cmphex(read_of(&d, 7), ==, 0);
    nvme_queue(&d, 0, e);
    nvme_ring(&d, 0);
    u16 aborted = d.last_id;
    struct nvme_sqe abort = nvme_command(ABORT, 0, 0, 0);
    nvme_put(&abort, 10, (u32)aborted << 16);
    nvme_queue(&d, 0, abort);
    nvme_ring(&d, 0);
    g_assert_cmphex(nvme_wait(&d, 0, &id), ==, 7);
    g_assert_cmphex(nvme_wait(&d, 0, &id), ==, 0);
    g_assert_cmphex(read_of(&d, 1), ==, 0);
    g_assert_cmphex(read_of(&d, 7), ==, 0);
    nvme_queue(&d, 0, e);
    nvme_ring(&d, 0);
    disable_and_use_again(&d);
    g_assert_cmphex(read_of(&d, 7), ==, 0);
    nvme_queue(&d, 0, e);
    nvme_ring(&d, 0);
    vm_object_destroy(&other->object);
    other = bench_device(bench, "nvme-ns", "drive=e;nsid=8;logical_block_size=4096"); /* it came too late to be meant */
    g_assert_cmphex(nvme_wait(&d, 0, &id), ==, 0);
    g_assert_cmphex(read_of(&d, 7), ==, 0xb);
    g_assert_cmphex(read_of(&d, 8), ==, 0);
    nvme_finish(&d);
}

/* --- the end of a queue (5.6) --- */

/* Its commands are with the disk: the driver's memory is its own again when Delete has completed, and not earlier. */
static void delete_queue(struct bench *bench, gconstpointer data)
{
    struct nvme_driver d;
    u16 id, status;

    on(&d, bench, NULL);
    fill(&d, NVME_DATA, 0x1000, 5);
    for (u32 round = 0; round < 2; round++) {
        for (u32 i = 0; i < 8; i++)
            nvme_queue(&d, 1, nvme_rw(READ, 0, 8, NVME_DATA + 0x1000 * i, 0));
        nvme_ring(&d, 1);
        struct nvme_sqe e = nvme_command(0, 0, 0, 0);
        nvme_put(&e, 10, 1);
        nvme_queue(&d, 0, e);
        nvme_ring(&d, 0);
        g_assert_false(nvme_take(&d, 0, &id, &status));
        if (round) { /* disabled under it */
            disable_and_use_again(&d);
            break;
        }
        g_assert_cmphex(nvme_do(&d, 0, e) & 0xfff, ==, 0x101); /* it is no queue any more; this answer came first */
        g_assert_cmphex(nvme_wait(&d, 0, &id), ==, 0);
        memset(nvme_ram(&d, NVME_DATA), 0xee, 0x8000);
        nvme_settle(&d);
        for (u32 i = 0; i < 0x8000; i++)
            g_assert_cmphex(nvme_ram(&d, NVME_DATA)[i], ==, 0xee);
        g_assert_false(nvme_take(&d, 1, &id, &status));
        d.pair[1].tail = 0;
        e = nvme_command(1, 0, NVME_SQ(1), 0);
        nvme_put(&e, 10, 15 << 16 | 1);
        nvme_put(&e, 11, 1 << 16 | 1);
        g_assert_cmphex(nvme_do(&d, 0, e), ==, 0);
        g_assert_cmphex(nvme_do(&d, 1, nvme_rw(READ, 0, 1, NVME_DATA, 0)), ==, 0);
    }
    nvme_finish(&d);
}

/* --- what is counted (5.14.1) --- */

static void counters(struct bench *bench, gconstpointer data)
{
    struct nvme_driver d;
    const u8 *page;

    on(&d, bench, NULL);
    page = nvme_ram(&d, NVME_PAGE);
    g_assert_cmphex(get_log(&d, 1), ==, 0);
    g_assert_cmpuint(bits_load_le(page, 8), ==, 0);
    g_assert_cmphex(nvme_do(&d, 1, nvme_rw(READ, 5000, 1, NVME_DATA, 0)), ==, 0x80);
    u16 first = d.last_id;
    g_assert_cmphex(nvme_do(&d, 0, nvme_command(0x99, 3, 0, 0)), ==, 1);
    g_assert_cmphex(get_log(&d, 1), ==, 0);
    g_assert_cmpuint(bits_load_le(page, 8), ==, 2); /* the last one first */
    g_assert_cmpuint(bits_load_le(page + 8, 2), ==, 0);
    g_assert_cmpuint(bits_load_le(page + 24, 4), ==, 3);
    g_assert_cmphex(bits_load_le(page + 12, 2) >> 1, ==, 0x4001);
    g_assert_cmpuint(bits_load_le(page + 64, 8), ==, 1);
    g_assert_cmpuint(bits_load_le(page + 72, 2), ==, 1);
    g_assert_cmpuint(bits_load_le(page + 74, 2), ==, first);
    g_assert_cmphex(bits_load_le(page + 76, 2), ==, 0x4080 << 1 | 1);
    g_assert_cmpuint(bits_load_le(page + 80, 8), ==, 5000);
    g_assert_cmpuint(bits_load_le(page + 88, 4), ==, 1);
    g_assert_cmpuint(bits_load_le(page + 128, 8), ==, 0);
    for (u32 i = 0; i < 100; i++)
        g_assert_cmphex(nvme_do(&d, 1, nvme_rw(READ, 5000 + i, 1, NVME_DATA, 0)), ==, 0x80);
    g_assert_cmphex(nvme_do(&d, 1, nvme_rw(WRITE, 0, 8, NVME_DATA, 0)), ==, 0);
    g_assert_cmphex(nvme_do(&d, 1, nvme_rw(COMPARE, 0, 8, NVME_DATA, 0)), ==, 0);
    g_assert_cmphex(get_log(&d, 2), ==, 0);
    g_assert_cmpuint(bits_load_le(page + 32, 8), ==, 1);
    g_assert_cmpuint(bits_load_le(page + 48, 8), ==, 1);
    g_assert_cmpuint(bits_load_le(page + 64, 8), ==, 1);
    g_assert_cmpuint(bits_load_le(page + 80, 8), ==, 1);
    g_assert_cmpuint(bits_load_le(page + 176, 8), ==, 102);
    nvme_finish(&d);
}

/* --- controller memory buffer (4.7) --- */

static void start_with_memory(struct nvme_driver *d, struct bench *bench, const char *properties)
{
    nvme_start(d, bench, properties, false);
    bench_write(bench, NVME_ECAM + 0x18, 4, NVME_CMB);
    bench_write(bench, NVME_ECAM + 0x1c, 4, 0);
}

static void memory_registers(struct bench *bench, gconstpointer data)
{
    struct nvme_driver d;

    start_with_memory(&d, bench, "cmb_size_mb=2");
    g_assert_cmphex(bench_read(bench, NVME_ECAM + 0x18, 4), ==, NVME_CMB | 0xc);
    g_assert_cmphex(nvme_get(&d, CAP + 4) >> 25 & 1, ==, 1);
    g_assert_cmphex(nvme_get(&d, CMBLOC), ==, 0);
    nvme_set(&d, CMBMSC, CMB_SHOW);
    g_assert_cmphex(nvme_get(&d, CMBLOC), ==, 0xfa);
    g_assert_cmphex(nvme_get(&d, CMBSZ), ==, 2 << 12 | 2 << 8 | 0x1f);
    bench_write(bench, NVME_BAR + CMBMSC, 8, UINT64_C(0xfffffffffffff000) | CMB_SHOW | CMB_USE);
    g_assert_cmphex(nvme_get(&d, CMBSTS), ==, 1); /* it would wrap */
    bench_write(bench, NVME_BAR + CMBMSC, 8, CMB_CBA | CMB_SHOW | CMB_USE);
    g_assert_cmphex(nvme_get(&d, CMBSTS), ==, 0);
    nvme_enable(&d);
    nvme_set(&d, CC, 0); /* a controller reset keeps it */
    g_assert_cmphex(bench_read(bench, NVME_BAR + CMBMSC, 8), ==, CMB_CBA | CMB_SHOW | CMB_USE);
    nvme_finish(&d);
    bench_tear_down(bench, NULL);
    bench_set_up(bench, NULL);
    start_with_memory(&d, bench, "cmb_size_mb=1;legacy-cmb=on");
    g_assert_cmphex(nvme_get(&d, CMBSZ), ==, 1 << 12 | 2 << 8 | 0x1f);
    nvme_set(&d, CMBMSC, CMB_SHOW);
    g_assert_cmphex(nvme_get(&d, CMBMSC), ==, 0);
    nvme_finish(&d);
    bench_tear_down(bench, NULL);
    bench_set_up(bench, NULL);
    nvme_start(&d, bench, NULL, false);
    nvme_set(&d, CMBMSC, CMB_SHOW | CMB_USE);
    g_assert_cmphex(nvme_get(&d, CMBMSC) | nvme_get(&d, CMBLOC) | nvme_get(&d, CMBSZ), ==, 0);
    nvme_finish(&d);
}

/* A queue pair, a list and data at its addresses: those that the driver chose, or those of the BAR. */
static void queues_in_memory(struct bench *bench, gconstpointer data)
{
    u64 at = data ? NVME_CMB : CMB_CBA;
    struct nvme_driver d;

    start_with_memory(&d, bench, "cmb_size_mb=1");
    if (!data)
        bench_write(bench, NVME_BAR + CMBMSC, 8, CMB_CBA | CMB_SHOW | CMB_USE);
    nvme_enable(&d);
    struct nvme_sqe cq = nvme_command(5, 0, at + 0x1000, 0), sq = nvme_command(1, 0, at, 0);
    nvme_put(&cq, 10, 15 << 16 | 1);
    nvme_put(&cq, 11, 3);
    nvme_put(&sq, 10, 15 << 16 | 1);
    nvme_put(&sq, 11, 1 << 16 | 1);
    g_assert_cmphex(nvme_do(&d, 0, cq), ==, 0);
    g_assert_cmphex(nvme_do(&d, 0, sq), ==, 0);
    for (u64 i = 0; i < 3 * 4096; i += 8)
        bench_write(bench, NVME_CMB + 0x10000 + i, 8, i * UINT64_C(0x0101010101010101) + 1);
    bench_write(bench, NVME_CMB + 0x2000, 8, at + 0x11000); /* a list */
    bench_write(bench, NVME_CMB + 0x2008, 8, at + 0x12000);
    struct nvme_sqe write = nvme_rw(WRITE, 0, 24, at + 0x10000, at + 0x2000), read = nvme_rw(READ, 0, 24, at + 0x20000, at + 0x3000);
    bench_write(bench, NVME_CMB + 0x3000, 8, at + 0x21000);
    bench_write(bench, NVME_CMB + 0x3008, 8, at + 0x22000);
    for (u32 n = 0; n < 2; n++) {
        const struct nvme_sqe *e = n ? &read : &write;

        for (u32 i = 0; i < 64; i += 8)
            bench_write(bench, NVME_CMB + 64 * n + i, 8, bits_load_le(e->bytes + i, 8));
        nvme_set(&d, DOORBELLS + 8, n + 1);
        for (s64 end = g_get_monotonic_time() + 20 * G_USEC_PER_SEC; !(bench_read(bench, NVME_CMB + 0x1000 + 16 * n + 12, 4) >> 16);) {
            g_assert_cmpint(g_get_monotonic_time(), <, end);
            nvme_settle(&d);
        }
        g_assert_cmphex(bench_read(bench, NVME_CMB + 0x1000 + 16 * n + 12, 4) >> 16, ==, 1);
    }
    for (u64 i = 0; i < 3 * 4096; i += 8)
        g_assert_cmphex(bench_read(bench, NVME_CMB + 0x20000 + i, 8), ==, i * UINT64_C(0x0101010101010101) + 1);
    read.bytes[25] = 0xff; /* data that would leave the memory at its end */
    bits_store_le(read.bytes + 24, 8, at + MIB - 4096);
    bits_store_le(read.bytes + 32, 8, at + MIB);
    nvme_put(&read, 12, 15);
    for (u32 i = 0; i < 64; i += 8)
        bench_write(bench, NVME_CMB + 128 + i, 8, bits_load_le(read.bytes + i, 8));
    nvme_set(&d, DOORBELLS + 8, 3);
    nvme_settle(&d);
    g_assert_cmphex(bench_read(bench, NVME_CMB + 0x1000 + 32 + 12, 4) >> 17 & 0x3fff, ==, 4);
    nvme_finish(&d);
}

static void mistakes(struct bench *bench, gconstpointer data)
{
    static const char *const rows[][2] = {
        { "cmb_size_mb=3", "cmb_size_mb must be a power of two" },
        { "cmb_size_mb=131072", "cmb_size_mb must be a power of two" },
    };
    struct nvme_driver d;

    nvme_start(&d, bench, NULL, false);
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        g_autofree char *properties = g_strconcat("serial=s2;", rows[i][0], NULL);
        g_autoptr(GError) error = NULL;

        g_assert_null(device_create_unattached(bench->vm, "nvme", properties, &error));
        g_assert_nonnull(strstr(error->message, rows[i][1]));
    }
    nvme_finish(&d);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    BENCH_TEST("/nvme/abort/with-disk", abort_with_disk);
    BENCH_TEST("/nvme/abort/unfetched", abort_unfetched);
    BENCH_TEST("/nvme/abort/events-and-resets", abort_events_and_resets);
    BENCH_TEST("/nvme/copy", copies);
    BENCH_TEST("/nvme/format", formats);
    BENCH_TEST("/nvme/format-all", formats_all);
    BENCH_TEST("/nvme/delete-queue", delete_queue);
    BENCH_TEST("/nvme/counters", counters);
    BENCH_TEST("/nvme/memory/registers", memory_registers);
    BENCH_TEST("/nvme/memory/chosen-address", queues_in_memory);
    g_test_add("/nvme/memory/address-of-bar", struct bench, GINT_TO_POINTER(1), bench_set_up, queues_in_memory, bench_tear_down);
    BENCH_TEST("/nvme/memory/mistakes", mistakes);
    return g_test_run();
}
