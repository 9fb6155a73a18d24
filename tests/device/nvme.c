/* tests/device/nvme.c - NVMe by its specification (Base 1.4): enabling, queues, I/O, doorbells, resets. */
#include "tests/device/nvme_driver.h"

enum { FLUSH = 0, WRITE = 1, READ = 2, COMPARE = 5, ZEROES = 8, MANAGE = 9, VERIFY = 12 };
enum { DELETE_SQ = 0, CREATE_SQ = 1, GET_LOG = 2, DELETE_CQ = 4, CREATE_CQ = 5, IDENTIFY = 6, ABORT = 8, SET_FEATURE = 9, GET_FEATURE = 10, EVENT = 12,
       DOORBELL_BUFFER = 0x7c };

static void registers(struct bench *bench, gconstpointer data)
{
    struct nvme_driver d;

    nvme_start(&d, bench, NULL, false);
    g_assert_cmphex(bench_read(bench, NVME_ECAM, 4), ==, 0x00101b36);
    g_assert_cmphex(bench_read(bench, NVME_ECAM + 8, 4) >> 8, ==, 0x010802);
    g_assert_cmphex(bench_read(bench, NVME_BAR + CAP, 8), ==, UINT64_C(0x004000200f0107ff));
    g_assert_cmphex(nvme_get(&d, CAP + 4), ==, 0x00400020);
    g_assert_cmphex(nvme_get(&d, VS), ==, 0x00010400);
    g_assert_cmphex(nvme_get(&d, CSTS), ==, 0);
    nvme_set(&d, INTMS, 5);
    g_assert_cmphex(nvme_get(&d, INTMC), ==, 5);
    nvme_set(&d, INTMC, 1);
    g_assert_cmphex(nvme_get(&d, INTMS), ==, 4);
    nvme_set(&d, CC, CC_ON); /* no queues */
    g_assert_cmphex(nvme_get(&d, CSTS), ==, FATAL);
    nvme_set(&d, CC, 0);
    g_assert_cmphex(nvme_get(&d, CSTS), ==, 0);
    nvme_enable(&d);
    nvme_set(&d, CC, CC_ON | 1 << 14); /* shut down */
    while ((nvme_get(&d, CSTS) >> 2 & 3) == 1)
        nvme_settle(&d);
    g_assert_cmphex(nvme_get(&d, CSTS), ==, READY | 2 << 2);
    nvme_set(&d, CC, 0);
    g_assert_cmphex(nvme_get(&d, CSTS), ==, 0);
    nvme_enable(&d);
    nvme_finish(&d);
}

static void queues(struct bench *bench, gconstpointer data)
{
    static const struct { u8 opcode; u32 dword10, dword11; u64 address; u16 status; } bad[] = {
        { CREATE_CQ, 15 << 16 | 1, 1, NVME_CQ(1), 0x101 },             /* there already */
        { CREATE_CQ, 15 << 16 | 0, 1, NVME_CQ(1), 0x101 },
        { CREATE_CQ, 15 << 16 | 65, 1, NVME_CQ(1), 0x101 },            /* beyond max_ioqpairs */
        { CREATE_CQ, 15 << 16 | 0xffff, 1, NVME_CQ(1), 0x101 },
        { CREATE_CQ, 0 << 16 | 2, 1, NVME_CQ(2), 0x102 },              /* one entry */
        { CREATE_CQ, 2048u << 16 | 2, 1, NVME_CQ(2), 0x102 },
        { CREATE_CQ, 15 << 16 | 2, 1, NVME_CQ(2) + 16, 0x13 },
        { CREATE_CQ, 15 << 16 | 2, 0, NVME_CQ(2), 2 },                 /* not contiguous */
        { CREATE_CQ, 15 << 16 | 2, 7 << 16 | 3, NVME_CQ(2), 0x108 },   /* the pin is vector 0 */
        { CREATE_SQ, 15 << 16 | 2, 9 << 16 | 1, NVME_SQ(2), 0x100 },
        { CREATE_SQ, 15 << 16 | 2, 0 << 16 | 1, NVME_SQ(2), 0x100 },
        { CREATE_SQ, 15 << 16 | 1, 1 << 16 | 1, NVME_SQ(1), 0x101 },
        { DELETE_CQ, 1, 0, 0, 0x10c },                                 /* in use */
        { DELETE_CQ, 3, 0, 0, 0x101 },
        { DELETE_CQ, 0, 0, 0, 0x101 },
        { DELETE_SQ, 0, 0, 0, 0x101 },
        { DELETE_SQ, 0xffff, 0, 0, 0x101 },
        { 0x99, 0, 0, 0, 1 },
    };
    struct nvme_driver d;

    nvme_on(&d, bench, NULL);
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        struct nvme_sqe e = nvme_command(bad[i].opcode, 0, bad[i].address, 0);

        nvme_put(&e, 10, bad[i].dword10);
        nvme_put(&e, 11, bad[i].dword11);
        g_assert_cmphex(nvme_do(&d, 0, e), ==, bad[i].status);
    }
    struct nvme_sqe e = nvme_command(DELETE_SQ, 0, 0, 0);
    nvme_put(&e, 10, 1);
    g_assert_cmphex(nvme_do(&d, 0, e), ==, 0);
    e.bytes[0] = DELETE_CQ;
    g_assert_cmphex(nvme_do(&d, 0, e), ==, 0);
    memset(nvme_ram(&d, NVME_CQ(1)), 0, 4096);
    d.pair[1] = (struct nvme_pair){ .phase = 1 };
    g_assert_cmphex(nvme_create_pair(&d, 1, 0), ==, 0);
    g_assert_cmphex(nvme_do(&d, 1, nvme_command(FLUSH, 1, 0, 0)), ==, 0);
    e = nvme_command(ABORT, 0, 0, 0);
    nvme_put(&e, 10, 5 << 16 | 1);
    g_assert_cmphex(nvme_do(&d, 0, e), ==, 0);
    g_assert_cmphex(d.result, ==, 1);
    nvme_finish(&d);
}

static void fill(struct nvme_driver *d, u64 address, u32 size, u32 seed)
{
    for (u32 i = 0; i < size; i++)
        nvme_ram(d, address)[i] = (u8)(seed + i * 7 + i / 251);
}

/* Pages of data in reverse order behind a list; the first begins inside its page. */
static void prps(struct bench *bench, gconstpointer data)
{
    enum { BLOCKS = 40, BYTES = BLOCKS * 512, SKIP = 512 * 3 };
    struct nvme_driver d;
    u8 *list;

    nvme_on(&d, bench, NULL);
    fill(&d, NVME_DATA, 0x10000, 3);
    list = nvme_ram(&d, NVME_LISTS);
    for (u32 i = 0; i < 6; i++)
        bits_store_le(list + 8 * i, 8, NVME_DATA + 0x1000 * (5 - i));
    g_assert_cmphex(nvme_do(&d, 1, nvme_rw(WRITE, 8, BLOCKS, NVME_DATA + 0x8000 + SKIP, NVME_LISTS)), ==, 0);
    memset(nvme_ram(&d, NVME_DATA + 0x20000), 0, BYTES);
    /* The same list in two: the last entry of a page leads to the next. */
    bits_store_le(list + 4096 - 16, 8, NVME_DATA + 0x21000);
    bits_store_le(list + 4096 - 8, 8, NVME_LISTS + 0x1000);
    for (u32 i = 0; i < 4; i++)
        bits_store_le(list + 4096 + 8 * i, 8, NVME_DATA + 0x22000 + 0x1000 * i);
    g_assert_cmphex(nvme_do(&d, 1, nvme_rw(READ, 8, BLOCKS, NVME_DATA + 0x20000, NVME_LISTS + 4096 - 16)), ==, 0);
    u8 *got = nvme_ram(&d, NVME_DATA + 0x20000);
    g_assert_cmpmem(got, 0x1000 - SKIP, nvme_ram(&d, NVME_DATA + 0x8000 + SKIP), 0x1000 - SKIP);
    for (u32 i = 0; i < 4; i++)
        g_assert_cmpmem(got + 0x1000 - SKIP + 0x1000 * i, 0x1000, nvme_ram(&d, NVME_DATA + 0x1000 * (5 - i)), 0x1000);
    g_assert_cmphex(nvme_do(&d, 1, nvme_rw(READ, 0, 16, NVME_DATA, NVME_DATA + 8)), ==, 0x13);   /* second page inside a page */
    g_assert_cmphex(nvme_do(&d, 1, nvme_rw(READ, 0, 32, NVME_DATA, NVME_LISTS + 4)), ==, 0x13);  /* list not of words */
    g_assert_cmphex(nvme_do(&d, 1, nvme_rw(READ, 0, 1, 0x10, 0)), ==, 4);                        /* no memory */
    g_assert_cmphex(nvme_do(&d, 1, nvme_rw(READ, 0, 1, NVME_BAR, 0)), ==, 4);                    /* its own registers */
    g_assert_cmphex(nvme_do(&d, 1, nvme_rw(READ, 0, 32, NVME_DATA, 0x10)), ==, 0x4);
    g_assert_cmphex(nvme_do(&d, 1, nvme_rw(READ, 0, 32, NVME_DATA, 0)), ==, 0x4);                /* likewise at address 0 */
    g_assert_cmphex(nvme_do(&d, 1, nvme_rw(COMPARE, 0, 32, NVME_DATA, 0)), ==, 0x4);
    bits_store_le(list + 4096 - 8, 8, NVME_LISTS + 4096 - 8); /* a list that leads to itself */
    g_assert_cmphex(nvme_do(&d, 1, nvme_rw(READ, 0, 64, NVME_DATA, NVME_LISTS + 4096 - 8)), ==, 0x13);
    nvme_finish(&d);
}

static void descriptor(u8 *to, u64 address, u32 size, u8 type)
{
    memset(to, 0, 16);
    bits_store_le(to, 8, address);
    bits_store_le(to + 8, 4, size);
    to[15] = (u8)(type << 4);
}

static struct nvme_sqe with_sgl(u8 opcode, u64 lba, u32 blocks, u64 address, u32 size, u8 type)
{
    struct nvme_sqe e = nvme_rw(opcode, lba, blocks, 0, 0);

    e.bytes[1] = 1 << 6;
    descriptor(e.bytes + 24, address, size, type);
    return e;
}

static void sgls(struct bench *bench, gconstpointer data)
{
    struct nvme_driver d;
    u8 *list;

    nvme_on(&d, bench, NULL);
    list = nvme_ram(&d, NVME_LISTS);
    fill(&d, NVME_DATA, 0x8000, 9);
    descriptor(list, NVME_DATA + 3, 509, 0); /* data anywhere */
    descriptor(list + 16, NVME_DATA + 0x2000, 0, 0);
    descriptor(list + 32, NVME_LISTS + 0x1000, 32, 3);
    descriptor(list + 0x1000, NVME_DATA + 0x3000, 1000, 0);
    descriptor(list + 0x1010, NVME_DATA + 0x4001, 1024 + 512 - 1000 + 512 - 509, 0);
    g_assert_cmphex(nvme_do(&d, 1, with_sgl(WRITE, 0, 4, NVME_LISTS, 48, 2)), ==, 0);
    g_assert_cmphex(nvme_do(&d, 1, with_sgl(READ, 0, 4, NVME_DATA + 0x20000, 2048, 0)), ==, 0);
    u8 *got = nvme_ram(&d, NVME_DATA + 0x20000);
    g_assert_cmpmem(got, 509, nvme_ram(&d, NVME_DATA + 3), 509);
    g_assert_cmpmem(got + 509, 1000, nvme_ram(&d, NVME_DATA + 0x3000), 1000);
    g_assert_cmpmem(got + 1509, 539, nvme_ram(&d, NVME_DATA + 0x4001), 539);
    descriptor(list, 0, 512, 1); /* a bucket takes the first half */
    descriptor(list + 16, NVME_DATA + 0x30000, 512, 0);
    g_assert_cmphex(nvme_do(&d, 1, with_sgl(READ, 0, 2, NVME_LISTS, 32, 3)), ==, 0);
    g_assert_cmpmem(nvme_ram(&d, NVME_DATA + 0x30000), 512, got + 512, 512);
    g_assert_cmphex(nvme_do(&d, 1, with_sgl(READ, 0, 2, NVME_DATA, 512, 0)), ==, 0x0f);
    g_assert_cmphex(nvme_do(&d, 1, with_sgl(READ, 0, 2, NVME_DATA, 2048, 0)), ==, 0x0f);
    g_assert_cmphex(nvme_do(&d, 1, with_sgl(READ, 0, 2, NVME_LISTS, 40, 2)), ==, 0x0d);
    g_assert_cmphex(nvme_do(&d, 1, with_sgl(READ, 0, 2, NVME_LISTS, 0xfffffff0, 2)), ==, 0x0e);
    g_assert_cmphex(nvme_do(&d, 1, with_sgl(READ, 0, 2, NVME_DATA, 1024, 5)), ==, 0x11);
    descriptor(list, NVME_LISTS, 16, 2); /* leads to itself */
    g_assert_cmphex(nvme_do(&d, 1, with_sgl(READ, 0, 2, NVME_LISTS, 16, 2)), ==, 0x0e);
    nvme_finish(&d);
}

static void file_is(struct nvme_driver *d, u64 offset, const void *expected, size_t size)
{
    g_autofree char *contents = NULL;
    gsize length;

    g_assert_true(g_file_get_contents(d->path, &contents, &length, NULL));
    g_assert_cmpmem(contents + offset, size, expected, size);
}

static void commands(struct bench *bench, gconstpointer data)
{
    static const u8 zeros[4096];
    struct nvme_driver d;
    struct nvme_sqe e;

    nvme_on(&d, bench, NULL);
    fill(&d, NVME_DATA, 0x4000, 1);
    g_assert_cmphex(nvme_do(&d, 1, nvme_rw(WRITE, 16, 8, NVME_DATA, 0)), ==, 0);
    file_is(&d, 16 * 512, nvme_ram(&d, NVME_DATA), 4096);
    g_assert_cmphex(nvme_do(&d, 1, nvme_rw(COMPARE, 16, 8, NVME_DATA, 0)), ==, 0);
    nvme_ram(&d, NVME_DATA)[4095] ^= 1;
    g_assert_cmphex(nvme_do(&d, 1, nvme_rw(COMPARE, 16, 8, NVME_DATA, 0)), ==, 0x285);
    g_assert_cmphex(nvme_do(&d, 1, nvme_rw(VERIFY, 0, 1024, 0, 0)), ==, 0);
    g_assert_cmphex(nvme_do(&d, 1, nvme_rw(VERIFY, 0, 1025, 0, 0)), ==, 2); /* vsl */
    g_assert_cmphex(nvme_do(&d, 1, nvme_rw(READ, 0, 1025, NVME_DATA, NVME_LISTS)), ==, 2); /* mdts */
    g_assert_cmphex(nvme_do(&d, 1, nvme_rw(ZEROES, 20, 2, 0, 0)), ==, 0);
    file_is(&d, 20 * 512, zeros, 1024);
    file_is(&d, 19 * 512, nvme_ram(&d, NVME_DATA + 3 * 512), 512);
    g_assert_cmphex(nvme_do(&d, 1, nvme_command(FLUSH, 1, 0, 0)), ==, 0);
    g_assert_cmphex(nvme_do(&d, 1, nvme_command(FLUSH, UINT32_MAX, 0, 0)), ==, 0);
    g_assert_cmphex(nvme_do(&d, 1, nvme_command(FLUSH, 2, 0, 0)), ==, 0xb);
    bits_store_le(nvme_ram(&d, NVME_LISTS) + 4, 4, 4); /* two ranges: 4 blocks at 16, none */
    bits_store_le(nvme_ram(&d, NVME_LISTS) + 8, 8, 16);
    bits_store_le(nvme_ram(&d, NVME_LISTS) + 20, 4, 0);
    e = nvme_command(MANAGE, 1, NVME_LISTS, 0);
    nvme_put(&e, 10, 1);
    nvme_put(&e, 11, 4);
    g_assert_cmphex(nvme_do(&d, 1, e), ==, 0);
    bits_store_le(nvme_ram(&d, NVME_LISTS) + 24, 8, 5000);
    bits_store_le(nvme_ram(&d, NVME_LISTS) + 20, 4, 1);
    g_assert_cmphex(nvme_do(&d, 1, e), ==, 0x80);
    static const struct { u64 lba; u32 blocks; u16 status; } ranges[] = {
        { 2047, 1, 0 }, { 2047, 2, 0x80 }, { 2048, 1, 0x80 }, { UINT64_MAX, 1, 0x80 }, { UINT64_MAX - 3, 8, 0x80 },
    };
    for (unsigned i = 0; i < ARRAY_SIZE(ranges); i++)
        g_assert_cmphex(nvme_do(&d, 1, nvme_rw(READ, ranges[i].lba, ranges[i].blocks, NVME_DATA, 0)), ==, ranges[i].status);
    e = nvme_rw(READ, 0, 1, NVME_DATA, 0);
    nvme_put(&e, 1, 9);
    g_assert_cmphex(nvme_do(&d, 1, e), ==, 0xb);
    e.bytes[1] = 1; /* fused */
    g_assert_cmphex(nvme_do(&d, 1, e), ==, 2);
    nvme_finish(&d);
}

/* The pin is high while there is something that the driver has not taken, and the mask leaves it alone. */
static void pin(struct bench *bench, gconstpointer data)
{
    struct nvme_driver d;
    u16 id, status;
    u32 line = 1; /* slot 1, INTA: (1 + 0) mod 4 */

    nvme_on(&d, bench, NULL);
    g_assert_cmpuint(line_level(&bench->line[line]), ==, 0);
    nvme_queue(&d, 1, nvme_command(FLUSH, 1, 0, 0));
    nvme_ring(&d, 1);
    while (!nvme_take(&d, 1, &id, &status))
        nvme_settle(&d);
    g_assert_cmpuint(line_level(&bench->line[line]), ==, 1);
    nvme_set(&d, INTMS, 1);
    g_assert_cmpuint(line_level(&bench->line[line]), ==, 0);
    nvme_set(&d, INTMC, 1);
    g_assert_cmpuint(line_level(&bench->line[line]), ==, 1);
    nvme_set(&d, DOORBELLS + 12, d.pair[1].head);
    g_assert_cmpuint(line_level(&bench->line[line]), ==, 0);
    nvme_finish(&d);
}

/* Messages are writes: here into RAM. */
static void messages(struct bench *bench, gconstpointer data)
{
    struct nvme_driver d;
    u64 target = NVME_DATA;
    u32 capability = 0;

    nvme_start(&d, bench, NULL, true);
    for (u32 at = (u32)bench_read(bench, NVME_ECAM + 0x34, 1); at; at = (u32)bench_read(bench, NVME_ECAM + at + 1, 1))
        capability = bench_read(bench, NVME_ECAM + at, 1) == 0x11 ? at : capability;
    g_assert_cmpuint(bench_read(bench, NVME_ECAM + capability + 2, 2), ==, 64);
    bench_write(bench, NVME_ECAM + capability + 2, 2, 1 << 15);
    for (u32 i = 0; i < 2; i++) {
        bench_write(bench, NVME_MSIX + 16 * i, 4, target + 4 * i);
        bench_write(bench, NVME_MSIX + 16 * i + 4, 4, 0);
        bench_write(bench, NVME_MSIX + 16 * i + 8, 4, 0x100 + i);
        bench_write(bench, NVME_MSIX + 16 * i + 12, 4, 0);
    }
    nvme_enable(&d);
    g_assert_cmphex(nvme_create_pair(&d, 1, 1), ==, 0);
    g_assert_cmphex(nvme_create_pair(&d, 2, 65), ==, 0x108);
    g_assert_cmphex(bench_read(bench, target, 4), ==, 0x100);
    g_assert_cmphex(bench_read(bench, target + 4, 4), ==, 0);
    g_assert_cmphex(nvme_do(&d, 1, nvme_command(FLUSH, 1, 0, 0)), ==, 0);
    g_assert_cmphex(bench_read(bench, target + 4, 4), ==, 0x101);
    nvme_finish(&d);
}

static void doorbells_in_memory(struct bench *bench, gconstpointer data)
{
    const u64 shadow = NVME_LISTS, index = NVME_LISTS + 0x1000;
    struct nvme_driver d;
    u16 id;

    nvme_on(&d, bench, NULL);
    g_assert_cmphex(nvme_do(&d, 0, nvme_command(DOORBELL_BUFFER, 0, shadow + 8, index)), ==, 2);
    g_assert_cmphex(nvme_do(&d, 0, nvme_command(DOORBELL_BUFFER, 0, shadow, index)), ==, 0);
    nvme_queue(&d, 1, nvme_command(FLUSH, 1, 0, 0));
    bench_write(bench, shadow + 8, 4, d.pair[1].tail);
    g_assert_cmpuint(bench_read(bench, index + 8, 4), ==, 0); /* it wants to hear of the first one */
    nvme_set(&d, DOORBELLS + 8, d.pair[1].tail);
    nvme_queue(&d, 1, nvme_rw(READ, 0, 1, NVME_DATA, 0));
    nvme_queue(&d, 1, nvme_rw(READ, 5000, 1, NVME_DATA, 0));
    bench_write(bench, shadow + 8, 4, d.pair[1].tail);
    nvme_set(&d, DOORBELLS + 8, 1); /* any value: memory counts */
    g_assert_cmphex(nvme_wait(&d, 1, &id) & 0x3fff, ==, 0x80); /* refused at once, the disk is asked first */
    g_assert_cmphex(nvme_wait(&d, 1, &id), ==, 0);
    g_assert_cmphex(nvme_wait(&d, 1, &id), ==, 0);
    g_assert_cmpuint(bench_read(bench, index + 8, 4), ==, 3);
    bench_write(bench, shadow + 8, 4, 0x12345); /* nonsense is left alone */
    nvme_set(&d, DOORBELLS + 8, 3);
    nvme_settle(&d);
    g_assert_cmphex(nvme_get(&d, CSTS), ==, READY);
    nvme_finish(&d);
}

/* NVM Express 1.3, 5.7, with Linux's rule: the register is written when the step from the old value to the new one passes the index. */
static void take_one(struct nvme_driver *d, u64 shadow, u64 index)
{
    u16 old = (u16)d->pair[1].head, id, status;

    g_assert_true(nvme_take(d, 1, &id, &status));
    bench_write(d->bench, shadow + 12, 4, d->pair[1].head);
    u16 wanted = (u16)bench_read(d->bench, index + 12, 4), new = (u16)d->pair[1].head;
    if ((u16)(new - wanted - 1) < (u16)(new - old))
        nvme_set(d, DOORBELLS + 12, new);
}

/* The pin is up while there are entries, and down when the last is taken, however the driver takes them. */
static void pin_and_doorbells_in_memory(struct bench *bench, gconstpointer data)
{
    const u64 shadow = NVME_LISTS, index = NVME_LISTS + 0x1000;
    struct nvme_driver d;

    nvme_on(&d, bench, NULL);
    g_assert_cmphex(nvme_do(&d, 0, nvme_command(DOORBELL_BUFFER, 0, shadow, index)), ==, 0);
    for (u32 round = 0; round < 20; round++) { /* the ring wraps */
        for (u32 i = 0; i < 3; i++)
            nvme_queue(&d, 1, nvme_rw(READ, 5000, 1, NVME_DATA, 0)); /* refused at once */
        bench_write(bench, shadow + 8, 4, d.pair[1].tail);
        nvme_set(&d, DOORBELLS + 8, d.pair[1].tail);
        nvme_settle(&d);
        for (u32 i = 0; i < 3; i++) {
            g_assert_true(line_level(&bench->line[1]));
            take_one(&d, shadow, index);
        }
        g_assert_false(line_level(&bench->line[1]));
    }
    /* Taken while nobody had asked for a word: the next look sees it. */
    nvme_queue(&d, 1, nvme_rw(READ, 5000, 1, NVME_DATA, 0));
    bench_write(bench, shadow + 8, 4, d.pair[1].tail);
    nvme_set(&d, DOORBELLS + 8, d.pair[1].tail);
    nvme_settle(&d);
    g_assert_true(line_level(&bench->line[1]));
    bench_write(bench, shadow + 12, 4, d.pair[1].tail);
    nvme_set(&d, 0xc, 1); /* any write that makes it look: the mask */
    nvme_set(&d, 0x10, 1);
    g_assert_false(line_level(&bench->line[1]));
    nvme_finish(&d);
}

/* More commands than entries: those that find no room are told later, and none is lost. */
static void full_queue(struct bench *bench, gconstpointer data)
{
    struct nvme_driver d;
    u32 seen = 0;
    u16 id, status;

    nvme_on(&d, bench, NULL);
    for (u32 round = 0; round < 3; round++) {
        for (u32 i = 0; i < NVME_ENTRIES - 1; i++)
            nvme_queue(&d, 1, nvme_rw(READ, i, 1, NVME_DATA + 512 * i, 0));
        nvme_ring(&d, 1);
        nvme_settle(&d);
    }
    for (s64 end = g_get_monotonic_time() + 20 * G_USEC_PER_SEC; seen < 3 * (NVME_ENTRIES - 1);) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
        while (nvme_take(&d, 1, &id, &status)) {
            g_assert_cmphex(status, ==, 0);
            seen++;
        }
        nvme_set(&d, DOORBELLS + 12, d.pair[1].head);
        nvme_settle(&d);
    }
    nvme_settle(&d);
    g_assert_false(nvme_take(&d, 1, &id, &status));
    nvme_finish(&d);
}

/* What is with the disk when the controller is disabled is nobody's; ready goes away only when it is back. */
static void reset_in_mid_air(struct bench *bench, gconstpointer data)
{
    struct nvme_driver d;
    u16 id, status;

    nvme_on(&d, bench, NULL);
    for (u32 i = 0; i < 8; i++)
        nvme_queue(&d, 1, nvme_rw(READ, i, 1, NVME_DATA + 512 * i, 0));
    nvme_ring(&d, 1);
    nvme_set(&d, CC, 0);
    g_assert_cmphex(nvme_get(&d, CSTS) & READY, ==, READY);
    while (nvme_get(&d, CSTS) & READY)
        nvme_settle(&d);
    memset(nvme_ram(&d, NVME_DATA), 0x5a, 4096);
    nvme_settle(&d);
    g_assert_cmphex(nvme_ram(&d, NVME_DATA)[100], ==, 0x5a);
    nvme_enable(&d);
    g_assert_false(nvme_take(&d, 1, &id, &status));
    g_assert_cmphex(nvme_create_pair(&d, 1, 0), ==, 0);
    g_assert_cmphex(nvme_do(&d, 1, nvme_rw(READ, 0, 1, NVME_DATA, 0)), ==, 0);
    for (u32 i = 0; i < 8; i++)
        nvme_queue(&d, 1, nvme_rw(READ, i, 1, NVME_DATA + 512 * i, 0));
    nvme_ring(&d, 1);
    vm_reset(bench->vm, VM_CAUSE_GUEST_RESET); /* the machine's, and then it goes while commands are under way */
    nvme_settle(&d);
    bench_write(bench, NVME_ECAM + 0x10, 4, NVME_BAR);
    bench_write(bench, NVME_ECAM + 4, 2, 6);
    nvme_enable(&d);
    g_assert_cmphex(nvme_create_pair(&d, 1, 0), ==, 0);
    for (u32 i = 0; i < 8; i++)
        nvme_queue(&d, 1, nvme_rw(READ, i, 1, NVME_DATA + 512 * i, 0));
    nvme_ring(&d, 1);
    nvme_finish(&d);
}

static void mistakes(struct bench *bench, gconstpointer data)
{
    static const struct { const char *properties, *text; } bad[] = {
        { "drive=d", "serial property not set" }, { "serial=123456789012345678901", "can be at most '20' characters" },
        { "serial=a;max_ioqpairs=0", "max_ioqpairs must be between 1 and 65535" }, { "serial=a;msix_qsize=0", "msix_qsize must be between 1 and 2048" },
        { "serial=a;mqes=0", "mqes property cannot be less than 1" }, { "serial=a;drive=d;logical_block_size=1000", "must be a power of 2 between 512 and 2097152" },
        { "serial=a;drive=nothing", "can't find value 'nothing'" }, { "serial=a;drive=d", "use" },
    };
    struct nvme_driver d;

    nvme_start(&d, bench, NULL, false); /* takes the disk */
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(device_create_unattached(bench->vm, "nvme", bad[i].properties, &error));
        if (!strstr(error->message, bad[i].text))
            g_error("%s: %s", bad[i].properties, error->message);
    }
    nvme_finish(&d);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    BENCH_TEST("/nvme/registers", registers);
    BENCH_TEST("/nvme/queues", queues);
    BENCH_TEST("/nvme/pin-and-doorbells-in-memory", pin_and_doorbells_in_memory);
    BENCH_TEST("/nvme/prps", prps);
    BENCH_TEST("/nvme/sgls", sgls);
    BENCH_TEST("/nvme/commands", commands);
    BENCH_TEST("/nvme/pin", pin);
    BENCH_TEST("/nvme/messages", messages);
    BENCH_TEST("/nvme/doorbells-in-memory", doorbells_in_memory);
    BENCH_TEST("/nvme/full-queue", full_queue);
    BENCH_TEST("/nvme/reset", reset_in_mid_air);
    BENCH_TEST("/nvme/mistakes", mistakes);
    return g_test_run();
}
