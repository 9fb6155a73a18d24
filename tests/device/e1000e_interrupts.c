/* tests/device/e1000e_interrupts.c - interrupts of the 82574L by its datasheet: moderation, what clears and masks itself, the pin, MSI, MSI-X, capabilities. */
#include "base/bits.h"
#include "hw/pci/gpex.h"
#include "net/net.h"
#include "tests/device/bench.h"
#include "vm/internal.h"

#define ECAM    UINT64_C(0x30008000) /* 01.0 */
#define BAR     UINT64_C(0x40000000)
#define TABLE   UINT64_C(0x40040000)
#define MESSAGE ((u64)BENCH_RAM)
enum { CTRL = 0, CTRL_EXT = 0x18, ICR = 0xc0, ITR = 0xc4, ICS = 0xc8, IMS = 0xd0, IMC = 0xd8, EIAC = 0xdc, IAM = 0xe0, IVAR = 0xe4, EITR = 0xe8 };
enum { TXDW = 1 << 0, LSC = 1 << 2, RXT0 = 1 << 7, RXQ0 = 1 << 20, TXQ0 = 1 << 22 };
enum { EIAME = 1 << 24, IAME = 1 << 27 };
enum { MSIX_AT = 0xa0, POWER_AT = 0xc8, MSI_AT = 0xd0, EXPRESS_AT = 0xe0 };

struct card {
    struct bench *bench;
    s64 now;
};

static u32 get(struct card *c, u32 offset)
{
    return (u32)bench_read(c->bench, BAR + offset, 4);
}

static void set(struct card *c, u32 offset, u32 value)
{
    bench_write(c->bench, BAR + offset, 4, value);
}

static bool pin(struct card *c)
{
    return line_level(&c->bench->line[1]);
}

static void advance(struct card *c, s64 ns)
{
    vm_clock_advance(c->bench->vm, c->now += ns);
}

/* What was sent since the last look; 0: nothing. */
static u32 message(struct card *c)
{
    u32 data = (u32)bench_read(c->bench, MESSAGE, 4);

    bench_write(c->bench, MESSAGE, 4, 0);
    return data;
}

static void start(struct card *c, struct bench *bench)
{
    net_set_create(bench->vm);
    struct device *host = bench_device(bench, "gpex-pcihost",
                                       "x-ecam-base=0x30000000;x-ecam-size=256M;x-pio-base=0x3000000;x-pio-size=64k;"
                                       "x-below-4g-mmio-base=0x40000000;x-below-4g-mmio-size=1G");

    *c = (struct card){ .bench = bench };
    for (u32 i = 0; i < 4; i++) {
        g_autofree char *line = g_strdup_printf("irq%u", i);
        device_connect(host, line, &bench->line[i]);
    }
    gpex_map(host);
    gpex_bus(host)->msi = true;
    bench_device(bench, "e1000e", "mac=52:54:00:12:34:56");
    vm_reset(bench->vm, VM_CAUSE_NONE);
    bench_write(bench, ECAM + 0x10, 4, BAR);
    bench_write(bench, ECAM + 0x1c, 4, TABLE);
    bench_write(bench, ECAM + 4, 2, 7);
    vm_cont(bench->vm);
    set(c, ICR, UINT32_MAX);
}

static void finish(struct card *c)
{
    vm_stop(c->bench->vm, VM_PAUSED);
    net_set_destroy(net_set_of(c->bench->vm));
}

static void use_msi(struct card *c)
{
    bench_write(c->bench, ECAM + MSI_AT + 4, 4, (u32)MESSAGE);
    bench_write(c->bench, ECAM + MSI_AT + 8, 4, (u32)(MESSAGE >> 32));
    bench_write(c->bench, ECAM + MSI_AT + 12, 2, 0x77);
    bench_write(c->bench, ECAM + MSI_AT + 2, 2, 1);
}

/* Vector n sends 0x10 + n. Queue 0 in: vector 0, out: vector 2; others: vector 4. */
static void use_msix(struct card *c)
{
    for (u32 i = 0; i < 5; i++) {
        bench_write(c->bench, TABLE + 16 * i, 4, (u32)MESSAGE);
        bench_write(c->bench, TABLE + 16 * i + 4, 4, (u32)(MESSAGE >> 32));
        bench_write(c->bench, TABLE + 16 * i + 8, 4, 0x10 + i);
        bench_write(c->bench, TABLE + 16 * i + 12, 4, 0);
    }
    bench_write(c->bench, ECAM + MSIX_AT + 2, 2, 0x8000);
    set(c, IVAR, 8 | (8 | 2) << 8 | (8 | 4) << 16);
}

/* 7.4.4: the interval is in units of 256 ns, 16 bits of it; the second interrupt comes when it is over, to the nanosecond. */
static void moderation(struct bench *bench, gconstpointer data)
{
    static const struct { u32 written, read; s64 ns; } rows[] = {
        { 1, 1, 256 }, { 195, 195, 49920 }, { 0xffff, 0xffff, 16776960 }, { 0x10002, 2, 512 },
    };
    struct card c;

    start(&c, bench);
    set(&c, IMS, LSC);
    for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
        advance(&c, 100000000);
        set(&c, ITR, rows[i].written);
        g_assert_cmphex(get(&c, ITR), ==, rows[i].read);
        set(&c, ICS, LSC);
        g_assert_true(pin(&c)); /* nothing was before: at once */
        g_assert_cmphex(get(&c, ICR) & LSC, ==, LSC);
        set(&c, ICS, LSC);
        g_assert_false(pin(&c));
        advance(&c, rows[i].ns - 1);
        g_assert_false(pin(&c));
        advance(&c, 1);
        g_assert_true(pin(&c));
        g_assert_cmphex(get(&c, ICR) & LSC, ==, LSC);
    }
    set(&c, ICS, LSC);
    g_assert_false(pin(&c));
    get(&c, ICR); /* what is read before its time causes nothing */
    advance(&c, 10000);
    g_assert_false(pin(&c));
    set(&c, ITR, 1000);
    set(&c, ICS, LSC);
    get(&c, ICR);
    set(&c, ICS, LSC);
    g_assert_false(pin(&c));
    set(&c, ITR, 0); /* no moderation any more */
    g_assert_true(pin(&c));
    get(&c, ICR);
    set(&c, ICS, LSC);
    g_assert_true(pin(&c));
    finish(&c);
}

static void message_signalled(struct bench *bench, gconstpointer data)
{
    struct card c;

    start(&c, bench);
    use_msi(&c);
    message(&c);
    set(&c, ICS, LSC);
    g_assert_cmphex(message(&c), ==, 0);
    set(&c, IMS, LSC | RXT0);
    g_assert_cmphex(message(&c), ==, 0x77);
    set(&c, ICS, LSC);
    g_assert_cmphex(message(&c), ==, 0); /* that one is known */
    set(&c, ICS, RXT0);
    g_assert_cmphex(message(&c), ==, 0x77);
    g_assert_false(pin(&c));
    get(&c, ICR);
    set(&c, ICS, LSC);
    g_assert_cmphex(message(&c), ==, 0x77);
    get(&c, ICR);
    set(&c, ITR, 4);
    set(&c, ICS, LSC);
    g_assert_cmphex(message(&c), ==, 0x77);
    get(&c, ICR);
    set(&c, ICS, LSC);
    advance(&c, 1023);
    g_assert_cmphex(message(&c), ==, 0);
    advance(&c, 1);
    g_assert_cmphex(message(&c), ==, 0x77);
    set(&c, ICS, RXT0); /* waits; LSC goes and comes again, and RXT0 goes: LSC waits now */
    set(&c, ICR, LSC);
    set(&c, ICS, LSC);
    set(&c, ICR, RXT0);
    g_assert_cmphex(message(&c), ==, 0);
    advance(&c, 1024);
    g_assert_cmphex(message(&c), ==, 0x77);
    get(&c, ICR);
    set(&c, ICS, RXT0);
    set(&c, CTRL, 1 << 26); /* reset: what waited is gone */
    g_assert_cmphex(get(&c, IMS), ==, 0);
    set(&c, IMS, RXT0);
    advance(&c, 10000);
    g_assert_cmphex(message(&c), ==, 0);
    bench_write(bench, ECAM + MSI_AT + 2, 2, 0);
    set(&c, ICS, RXT0);
    g_assert_cmphex(message(&c), ==, 0);
    g_assert_true(pin(&c));
    finish(&c);
}

/* Each vector has its interval; a cause in EIAC clears itself when its message goes, with EIAME one in IAM masks itself. */
static void vectors(struct bench *bench, gconstpointer data)
{
    struct card c;

    start(&c, bench);
    use_msix(&c);
    set(&c, EITR, 2);
    set(&c, IMS, RXQ0 | TXQ0);
    message(&c);
    set(&c, ICS, RXQ0);
    g_assert_cmphex(message(&c), ==, 0x10);
    g_assert_false(pin(&c));
    set(&c, ICS, RXQ0);
    g_assert_cmphex(message(&c), ==, 0);
    set(&c, ICS, TXQ0); /* another vector, without an interval */
    g_assert_cmphex(message(&c), ==, 0x12);
    get(&c, ICR);
    set(&c, ICS, RXQ0);
    set(&c, ICS, TXQ0);
    g_assert_cmphex(message(&c), ==, 0x12);
    advance(&c, 511);
    g_assert_cmphex(message(&c), ==, 0);
    advance(&c, 1);
    g_assert_cmphex(message(&c), ==, 0x10);
    advance(&c, 10000);
    g_assert_cmphex(message(&c), ==, 0);
    get(&c, ICR);
    set(&c, EITR, 0);
    set(&c, EIAC, RXQ0);
    set(&c, ICS, RXQ0);
    g_assert_cmphex(message(&c), ==, 0x10);
    set(&c, ICS, TXQ0);
    g_assert_cmphex(message(&c), ==, 0x12);
    g_assert_cmphex(get(&c, ICR), ==, 0x80000000 | TXQ0);
    g_assert_cmphex(get(&c, IMS), ==, RXQ0 | TXQ0);
    set(&c, IAM, RXQ0);
    set(&c, CTRL_EXT, EIAME);
    set(&c, ICS, RXQ0);
    set(&c, ICS, TXQ0);
    g_assert_cmphex(message(&c), ==, 0x12);
    g_assert_cmphex(get(&c, IMS), ==, TXQ0);
    message(&c);
    set(&c, ICS, RXQ0);
    g_assert_cmphex(message(&c), ==, 0);
    set(&c, IMS, RXQ0); /* it is there still */
    g_assert_cmphex(message(&c), ==, 0x10);
    finish(&c);
}

/* 10.2.4.1: by mask and state, what reading and writing ICR leaves. */
static void clearing(struct bench *bench, gconstpointer data)
{
    static const struct { const char *what; u32 mask, causes, control, iam, read, left, mask_after; } rows[] = {
        { "no mask: reading clears", 0, TXDW | RXT0, 0, 0, TXDW | RXT0, 0, 0 },
        { "not asserted: nothing happens", RXT0, TXDW, 0, 0, TXDW, TXDW, RXT0 },
        { "asserted: all causes go", RXT0, TXDW | RXT0, 0, 0, 0x80000000 | TXDW | RXT0, 0, RXT0 },
        { "IAME: they mask themselves", RXT0 | TXDW, RXT0, IAME, RXT0, 0x80000000 | RXT0, 0, TXDW },
        { "IAME, not asserted: no mask", RXT0, TXDW, IAME, UINT32_MAX, TXDW, TXDW, RXT0 },
        { "EIAME is not about ICR", RXT0, RXT0, EIAME, RXT0, 0x80000000 | RXT0, 0, RXT0 },
    };
    struct card c;

    start(&c, bench);
    for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
        g_test_message("%s", rows[i].what);
        set(&c, IMC, UINT32_MAX);
        set(&c, ICR, UINT32_MAX);
        set(&c, CTRL_EXT, rows[i].control);
        set(&c, IAM, rows[i].iam);
        set(&c, IMS, rows[i].mask);
        set(&c, ICS, rows[i].causes);
        g_assert_cmphex(get(&c, ICR), ==, rows[i].read);
        g_assert_cmphex(get(&c, IMS), ==, rows[i].mask_after);
        set(&c, IMC, UINT32_MAX);
        g_assert_cmphex(get(&c, ICR), ==, rows[i].left);
    }
    finish(&c);
}

/* 9.1: capabilities in their places; extended ones as `lspci -vvv` shows them of the peer. */
static void capabilities(struct bench *bench, gconstpointer data)
{
    static const struct { u32 offset, value; } rows[] = {
        { MSIX_AT, 0x00040011 }, { POWER_AT, 0x0003a001 }, { MSI_AT, 0x0080c805 }, { EXPRESS_AT, 0x0091d010 },
        { 0x100, 0x14020001 }, { 0x108, 0x02400000 }, { 0x10c, 0x00462030 }, { 0x114, 0x0000e000 }, { 0x118, 0x000000a0 },
        { 0x140, 0x00010003 }, { 0x144, 0xff123456 }, { 0x148, 0x525400ff },
    };
    struct card c;

    start(&c, bench);
    g_assert_cmphex(bench_read(bench, ECAM + 0x34, 1), ==, EXPRESS_AT);
    g_assert_cmphex(bench_read(bench, ECAM + MSIX_AT + 4, 4), ==, 3);
    g_assert_cmphex(bench_read(bench, ECAM + MSIX_AT + 8, 4), ==, 0x2003);
    bench_write(bench, ECAM + 0x1c, 4, UINT32_MAX);
    g_assert_cmphex(bench_read(bench, ECAM + 0x1c, 4), ==, 0xffffc000); /* 9.3.1.11: 16 KiB */
    for (u32 turn = 0; turn < 2; turn++) {
        for (u32 i = 0; i < ARRAY_SIZE(rows); i++)
            g_assert_cmphex(bench_read(bench, ECAM + rows[i].offset, 4), ==, rows[i].value);
        bench_write(bench, ECAM + 0x108, 4, 0x3fff030);
        bench_write(bench, ECAM + 0x114, 4, 0);
        g_assert_cmphex(bench_read(bench, ECAM + 0x108, 4), ==, 0x3fff030);
        vm_reset(bench->vm, VM_CAUSE_NONE); /* the masks are what they were */
    }
    finish(&c);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    BENCH_TEST("/e1000e/interrupts/moderation", moderation);
    BENCH_TEST("/e1000e/interrupts/msi", message_signalled);
    BENCH_TEST("/e1000e/interrupts/msix", vectors);
    BENCH_TEST("/e1000e/interrupts/clearing", clearing);
    BENCH_TEST("/e1000e/interrupts/capabilities", capabilities);
    return g_test_run();
}
