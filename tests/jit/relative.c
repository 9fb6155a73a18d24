/*
 * Loads and stores at a constant distance from the code, of the page behind it: which is another one after a fence, in another space, and at the
 * other place where the same code is; which is taken away, made read-only, forbidden, a device, or gets code. Who faults has written its base.
 */
#include "tests/jit/lib.h"

enum { VA = 0x40000000, CODE = VA + 0x1000, OTHER = VA + 0x100000, PAGES = 3, ROUNDS = 30 };
enum { LOAD_FAULT = 13, STORE_FAULT = 15, LOAD_ACCESS = 5, STORE_ACCESS = 7, MTIME_PAGE = 0x200b000, MTIME_AT = 0xff8 };
#define TOP 0xfffffffffffff000ul /* code here has address 0 as the next page */

/* What each way accesses: `at` bytes into the page behind the code. in_mode() saves the registers. */
#define WAYS(X)                                                                                                                                    \
    X(0, a0, ld, 1, 520) X(1, t3, ld, 1, 1024) X(2, s11, lw, 1, 1228) X(3, a5, lwu, 1, 1304) X(4, t0, lb, 1, 777) X(5, gp, lbu, 1, 778)             \
    X(6, tp, lh, 2, 3334) X(7, a1, lhu, 2, 4094) X(8, s0, ld, 1, 0) X(9, ra, ld, 2, 4088) X(10, a0, ld, 2, 4092) X(11, s5, ld, 2, 4095)
enum { LOADS = 12, CROSSING = 10, FLOAT = LOADS, KEPT, TWO, STORE, STORE_FLOAT, OLD, TURNS, ALL, TURN_COUNT = 40 };

#define WAY(k, rd, op, up, at) "way " #k ", " #rd ", " #op ", " #up ", " #at "\n"
__asm__(".option push\n.option norvc\n.option norelax\n"
        ".macro way k, rd, op, up, at\n.balign 64\n mv t6, ra\n auipc \\rd, \\up\n \\op \\rd, (\\at + 4096 - 4096 * \\up - 64 * \\k - 4)(\\rd)\n"
        " mv a0, \\rd\n jr t6\n.endm\n"
        ".balign 4096\ncode:\n" WAYS(WAY)
        ".balign 64\n auipc a5, 1\n fld fa0, (512 - 64 * 12)(a5)\n fmv.x.d a0, fa0\n ret\n"
        ".balign 64\n auipc a5, 1\n ld a0, (512 - 64 * 13)(a5)\n bnez a0, 1f\n nop\n1: sub a0, a0, a5\n ret\n"
        ".balign 64\n auipc a5, 1\n ld a0, (512 - 64 * 14)(a5)\n ld a4, (2048 - 64 * 14)(a5)\n ld a5, (520 - 64 * 14)(a5)\n add a0, a0, a4\n add a0, a0, a5\n ret\n"
        ".balign 64\n auipc a5, 1\n sw a0, (512 - 64 * 15)(a5)\n mv a0, a5\n ret\n"
        ".balign 64\n fmv.d.x fa1, a0\n auipc a5, 1\n fsd fa1, (2048 - 64 * 16 - 4)(a5)\n mv a0, a5\n ret\n"
        ".balign 64\n mv t0, a0\n auipc a0, 1\n ld a0, (512 - 64 * 17 - 4)(a0)\n add a0, a0, t0\n ret\n"
        ".balign 64\n li a4, 40\n li a0, 0\n1: auipc a5, 1\n lwu a5, (512 - 64 * 18 - 8)(a5)\n add a0, a0, a5\n addi a4, a4, -1\n bnez a4, 1b\n ret\n"
        ".balign 4096\n.option pop\n");
extern char code[];

static const struct way {
    char op[4];
    u64 up, at;
} ways[] = {
#define ROW(k, rd, op, up, at) { #op, up, at },
    WAYS(ROW)
    { "fld", 1, 512 }, { "ld", 1, 512 }, { "ld", 1, 512 }, { "sw", 1, 512 }, { "fsd", 1, 2048 }, { "ld", 1, 512 }, { "lwu", 1, 512 },
};

static u64 data[PAGES + 1][512] __attribute__((aligned(4096)));
static u64 *root[PAGES + 1];

/* The code has instructions of four bytes. */
u64 trap(u64 cause, u64 epc, u64 tval)
{
    if (epc == (u64)come_back && (cause == 8 || cause == 9))
        return back_to_m();
    trapped.count++;
    trapped.cause = cause;
    trapped.tval = tval;
    return epc + 4;
}

static u64 by(u64 way, u64 at, u64 arg)
{
    return (u64)in_mode((void *)(at + 64 * way), arg, S);
}

/* The value of the base register at `at`, and of the way's address. */
static u64 base_of(u64 way, u64 at)
{
    return at + 64 * way + (way < LOADS || way == STORE_FLOAT || way == OLD ? 4 : way == TURNS ? 8 : 0) + 4096 * ways[way].up;
}

static u64 address_of(u64 way, u64 at)
{
    return at + 4096 + ways[way].at;
}

static u64 byte_of(u64 n, u64 at)
{
    return ((u8 *)data[at < 4096 ? n : PAGES])[at % 4096];
}

static u64 loaded(u64 way, u64 n)
{
    const char *op = ways[way].op;
    u64 bytes = op[1] == 'd' || op[2] == 'd' ? 8 : op[1] == 'w' ? 4 : op[1] == 'h' ? 2 : 1, value = 0;

    for (u64 i = bytes; i-- > 0;)
        value = value << 8 | byte_of(n, ways[way].at + i);
    return bytes == 8 || op[2] == 'u' ? value : (u64)((s64)(value << (64 - 8 * bytes)) >> (64 - 8 * bytes));
}

static u64 word(u64 n, u64 at)
{
    return data[n][at / 8];
}

static u64 result(u64 way, u64 at, u64 n, u64 arg)
{
    switch (way) {
    case OLD:
        return loaded(way, n) + arg;
    case TURNS:
        return loaded(way, n) * TURN_COUNT;
    case KEPT:
        return word(n, 512) - base_of(way, at);
    case TWO:
        return word(n, 512) + word(n, 520) + word(n, 2048);
    case STORE:
    case STORE_FLOAT:
        return base_of(way, at);
    default:
        return loaded(way, n);
    }
}

static void expect_stored(u64 way, u64 n, u64 value)
{
    if (way == STORE)
        expect(word(n, 512) & 0xffffffff, value & 0xffffffff);
    else if (way == STORE_FLOAT)
        expect(word(n, 2048), value);
}

static void expect_page(u64 at, u64 n)
{
    static u64 value = 1;

    trapped.count = 0;
    for (int again = 0; again < 2; again++) {
        for (u64 way = 0; way < ALL; way++) {
            value = value * 6364136223846793005 + 1442695040888963407;
            u64 wanted = result(way, at, n, value);

            expect(by(way, at, value), wanted);
            expect_stored(way, n, value);
        }
    }
    expect(trapped.count, 0);
}

/* Loads that lie in the page alone. */
static void expect_fault(u64 way, u64 at, u64 cause)
{
    enum { ARG = 12345 };

    trapped.count = 0;
    u64 got = by(way, at, ARG);

    expect(trapped.count, way == TWO ? 3 : way == TURNS ? TURN_COUNT : 1);
    expect(trapped.cause, cause);
    if (way != TWO)
        expect(trapped.tval, address_of(way, at));
    if (way < LOADS || way == STORE || way == STORE_FLOAT)
        expect(got, base_of(way, at));
    else if (way == OLD)
        expect(got, base_of(way, at) + ARG);
    else if (way == KEPT)
        expect(got, ARG - base_of(way, at));
    else if (way == TURNS)
        expect(got, base_of(way, at) * TURN_COUNT);
}

static void expect_load_faults(u64 at, u64 cause)
{
    for (u64 way = 0; way < CROSSING; way++)
        expect_fault(way, at, cause);
    expect_fault(FLOAT, at, cause);
    expect_fault(KEPT, at, cause);
    expect_fault(TWO, at, cause);
    expect_fault(OLD, at, cause);
    expect_fault(TURNS, at, cause);
}

static void expect_store_faults(u64 at, u64 cause)
{
    expect_fault(STORE, at, cause);
    expect_fault(STORE_FLOAT, at, cause);
}

static void map_behind(u64 *table, u64 at, u64 n, u64 flags)
{
    map(table, 3, at + 4096, (u64)data[n], 0, flags);
    map(table, 3, at + 8192, (u64)data[PAGES], 0, PTE_RWX);
}

static void fence(u64 at, u64 how)
{
    if (how & 1)
        fence_all();
    else
        fence_page(at + 4096);
}

static void remapped(void)
{
    for (u64 i = 0; i < ROUNDS; i++) {
        map_behind(root[0], CODE, i % PAGES, PTE_RWX);
        fence(CODE, i);
        expect_page(CODE, i % PAGES);
    }
}

static void switched(void)
{
    for (u64 i = 0; i < ROUNDS; i++) {
        u64 n = (i ^ i >> 2) % PAGES;

        csr_write(satp, satp_of(root[1 + n], 3, 2 + n));
        expect_page(CODE, n);
    }
    csr_write(satp, satp_of(root[0], 3, 1));
}

static void taken_away(void)
{
    for (u64 i = 0; i < ROUNDS; i++) {
        u64 n = i % PAGES;

        map_behind(root[0], CODE, n, PTE_RWX);
        fence(CODE, i);
        expect_page(CODE, n);
        map_behind(root[0], CODE, n, i % 3 ? PTE_RWX & ~PTE_W : 0);
        fence(CODE, i >> 1);
        if (i % 3 == 0)
            expect_load_faults(CODE, LOAD_FAULT);
        expect_store_faults(CODE, STORE_FAULT);
        if (i % 3)
            expect(by(0, CODE, 0), result(0, CODE, n, 0));
    }
    map_behind(root[0], CODE, 0, PTE_RWX);
    fence_all();
}

static void forbidden(void)
{
    for (u64 i = 0; i < 3; i++) {
        expect_page(CODE, 0);
        csr_write(pmpaddr0, (u64)data[0] >> 2 | 0x1ff);
        csr_write(pmpcfg0, 0x18); /* NAPOT, nothing */
        fence_all();
        expect_load_faults(CODE, LOAD_ACCESS);
        expect_store_faults(CODE, STORE_ACCESS);
        csr_write(pmpaddr0, ((u64)data[0] + 512) >> 2); /* 8 bytes */
        csr_write(pmpcfg0, 0x18);
        fence_all();
        expect_fault(FLOAT, CODE, LOAD_ACCESS);
        expect(by(0, CODE, 0), result(0, CODE, 0, 0));
        expect_fault(STORE, CODE, STORE_ACCESS);
        csr_write(pmpcfg0, 0);
        fence_all();
    }
}

/* The code at two addresses, with different pages behind it; and at a third, behind which is address 0. */
static void two_places(void)
{
    map_behind(root[0], CODE, 0, PTE_RWX);
    map(root[0], 3, OTHER, (u64)code, 0, PTE_RWX);
    map_behind(root[0], OTHER, 1, PTE_RWX);
    map(root[0], 3, TOP, (u64)code, 0, PTE_RWX);
    map_behind(root[0], TOP, 2, PTE_RWX);
    fence_all();
    for (u64 i = 0; i < ROUNDS; i++) {
        expect_page(CODE, 0);
        expect_page(OTHER, 1);
        expect_page(TOP, 2);
        map_behind(root[0], i & 1 ? OTHER : TOP, i & 1 ? 1 : 2, 0);
        fence(i & 1 ? OTHER : TOP, i >> 1);
        expect_load_faults(i & 1 ? OTHER : TOP, LOAD_FAULT);
        expect_page(CODE, 0);
        map_behind(root[0], i & 1 ? OTHER : TOP, i & 1 ? 1 : 2, PTE_RWX);
        fence(i & 1 ? OTHER : TOP, i >> 1);
    }
}

/* MTIME lies in the last eight bytes of its page but one access. */
static void device(void)
{
    map(root[0], 3, CODE + 4096, MTIME_PAGE, 0, PTE_RWX & ~PTE_X);
    fence_all();
    trapped.count = 0;
    for (u64 i = 0; i < ROUNDS; i++) {
        u64 before = *(volatile u64 *)(MTIME_PAGE + MTIME_AT), now = by(9, CODE, 0);

        expect(before <= now && now <= *(volatile u64 *)(MTIME_PAGE + MTIME_AT), 1);
        expect(by(OLD, CODE, i), i + *(volatile u64 *)(MTIME_PAGE + 512));
    }
    expect(trapped.count, 0);
    map_behind(root[0], CODE, 0, PTE_RWX);
    fence_all();
}

/* Code where the way stores. */
static void written(void)
{
    u64 saved = data[1][64];

    map_behind(root[0], CODE, 1, PTE_RWX);
    fence_all();
    for (u64 i = 0; i < ROUNDS; i++) {
        data[1][64] = 0x8067ul << 32; /* ret */
        by(STORE, CODE, i << 20 | 0x513); /* li a0, i */
        fence_i();
        expect(by(0, CODE + 4096 + 512, 0), i);
        expect(by(KEPT, CODE, 0), data[1][64] - base_of(KEPT, CODE));
        expect(by(STORE_FLOAT, CODE, i), base_of(STORE_FLOAT, CODE));
        expect(data[1][256], i);
    }
    data[1][64] = saved;
    fence_i();
    expect_page(CODE, 1);
}

void main(u64 hart)
{
    other_harts_wait(hart);
    for (u64 i = 0; i < sizeof(data) / 8; i++)
        ((u64 *)data)[i] = (i + 1) * 0x9e3779b97f4a7c15;
    for (u64 i = 0; i <= PAGES; i++) {
        root[i] = new_table();
        map(root[i], 3, 0x80000000, 0x80000000, 2, PTE_RWX);
        map(root[i], 3, CODE, (u64)code, 0, PTE_RWX);
        map_behind(root[i], CODE, i ? i - 1 : 0, PTE_RWX);
    }
    csr_write(satp, satp_of(root[0], 3, 1));
    fence_all();
    expect_page(CODE, 0);
    remapped();
    switched();
    taken_away();
    forbidden();
    two_places();
    device();
    written();
}
