/*
 * Jumps, calls, branches and the end of a page lead into the next page, which is another one after a fence, in another space, at the other place
 * where the same code is, in another mode; which is taken away, made not executable, or written; and round and round through two pages.
 */
#include "tests/jit/lib.h"

enum { VA = 0x40000000, CODE = VA + 0x1000, NEXT = VA + 0x2000, OTHER = VA + 0x100000, HARTS = 2, PAGES = 3, TURNS = 2000 };
enum { FALL, JUMP, CALL, FAR_CALL, BRANCH, TAIL, BACK, WAYS, ROUND = WAYS, ROUND_CALLS, ROUND_BRANCH };
enum { FAULT = 12, ACCESS_FAULT = 1, RETURNED = 100, TIMER = 7 };
#define TOP 0xfffffffffffff000ul /* code here has address 0 as the next page */

/* Each way begins at a multiple of 64 bytes, its target likewise. */
__asm__(".option push\n.option norvc\n.option norelax\n"
        ".balign 4096\ncode:\n"
        ".balign 64\n j code + 4096 - 16\n" /* FALL: nops are there */
        ".balign 64\n j code + 4096 + 64\n"
        ".balign 64\n mv t1, ra\n jal ra, code + 4096 + 128\n addi a0, a0, 100\n jr t1\n"
        ".balign 64\n mv t1, ra\n1: auipc ra, 1\n jalr ra, (192 - 196)(ra)\n addi a0, a0, 100\n jr t1\n"
        ".balign 64\n nop\n nop\n bnez a0, code + 4096 + 256\n li a0, -1\n ret\n"
        ".balign 64\n auipc t1, 1\n jr 0(t1)\n"
        ".balign 64\n j code - 4096 + 384\n"
        ".balign 64\n j code + 4096 + 448\n"
        ".balign 64\n jal ra, code + 4096 + 512\n"
        ".balign 64\n nop\n nop\n bnez a0, code + 4096 + 576\n"
        ".zero 4096 - 16 - (. - code)\n nop\n nop\n nop\n nop\n"
        ".macro target n\n.balign 4096\n"
        " li a0, 16 * \\n\n ret\n.balign 64\n li a0, 16 * \\n + 1\n ret\n.balign 64\n li a0, 16 * \\n + 2\n ret\n.balign 64\n li a0, 16 * \\n + 3\n ret\n"
        ".balign 64\n li a0, 16 * \\n + 4\n ret\n.balign 64\n li a0, 16 * \\n + 5\n ret\n.balign 64\n li a0, 16 * \\n + 6\n ret\n"
        ".balign 64\n1: j 1b - 4096\n.balign 64\n2: jal ra, 2b - 4096\n.balign 64\n3: bnez a0, 3b - 4096\n.balign 4096\n.endm\n"
        "targets: target 0\n target 1\n target 2\n"
        ".option pop\n");
extern char code[], targets[];

static u64 *root[4];
static volatile u64 epc_seen, cause_seen, tval_seen, timers;

static void set_timer(u64 hart, u64 ticks)
{
    u64 now = *(volatile u64 *)0x200bff8;

    *(volatile u64 *)(0x2004000 + 8 * hart) = ticks ? now + ticks : -1ul;
}

u64 trap(u64 cause, u64 epc, u64 tval)
{
    if (epc == (u64)come_back && (cause == 8 || cause == 9 || cause == FAULT)) /* a fault: U may not run what comes back */
        return back_to_m();
    if (cause >> 63) {
        set_timer(csr_read(mhartid), 0);
        timers++;
    } else {
        cause_seen = cause;
        epc_seen = epc;
        tval_seen = tval;
    }
    return back_to_m();
}

static u64 page(u64 n)
{
    return (u64)targets + 4096 * n;
}

static u64 result(u64 way, u64 n)
{
    return 16 * n + way + (way == CALL || way == FAR_CALL ? RETURNED : 0);
}

static u64 by(u64 way, u64 at, u64 mode)
{
    return (u64)in_mode((void *)(at + 64 * way), 1, mode);
}

static u64 run(u64 va)
{
    u64 (*fn)(u64) = (u64 (*)(u64))va;

    return fn(1);
}

static void map_around(u64 *table, u64 at, u64 n, u64 flags)
{
    map(table, 3, at + 4096, page(n), 0, flags);
    map(table, 3, at - 4096, page(n), 0, flags);
}

/* Both sides of the code at `at` are page n. */
static void expect_page(u64 at, u64 n, u64 mode)
{
    for (int again = 0; again < 2; again++) {
        for (u64 way = 0; way < WAYS; way++)
            expect(by(way, at, mode), result(way, n));
    }
}

static void fence_around(u64 at)
{
    fence_page(at + 4096);
    fence_page(at - 4096);
}

static void remapped(void)
{
    for (u64 i = 0; i < 48; i++) {
        u64 n = i % PAGES, asid = 1;

        map_around(root[0], CODE, n, PTE_RWX);
        switch (i / PAGES % 4) {
        case 0:
            fence_around(CODE);
            break;
        case 1:
            fence_all();
            break;
        case 2:
            fence_space(asid);
            break;
        default:
            __asm__ volatile("sfence.vma %0, %1\n sfence.vma %2, %1" ::"r"((u64)NEXT), "r"(asid), "r"((u64)VA) : "memory");
        }
        expect_page(CODE, n, S);
    }
}

/* Without leaving the mode: what was wrong. */
static u64 remap_inside(u64 rounds)
{
    u64 wrong = 0;

    for (u64 i = 0; i < rounds; i++) {
        u64 n = i * 7 / 3 % PAGES;

        map_around(root[0], CODE, n, PTE_RWX);
        if (i & 1)
            fence_all();
        else
            fence_around(CODE);
        for (u64 way = 0; way < WAYS; way++)
            wrong += run(CODE + 64 * way) != result(way, n);
    }
    return wrong;
}

static void switched(void)
{
    for (u64 i = 0; i < 40; i++) {
        u64 n = (i ^ i >> 2) % PAGES;

        csr_write(satp, satp_of(root[1 + n], 3, 2 + n));
        expect_page(CODE, n, S);
    }
    csr_write(satp, satp_of(root[0], 3, 1));
}

static void expect_fault(u64 at, u64 way, u64 mode, u64 cause)
{
    u64 va = (way == BACK ? at - 4096 : at + 4096) + 64 * way;

    cause_seen = 0;
    by(way, at, mode);
    expect(cause_seen, cause);
    expect(epc_seen, va);
    expect(tval_seen, va);
}

static void expect_faults(u64 at, u64 mode, u64 cause)
{
    for (int again = 0; again < 2; again++) {
        for (u64 way = 0; way < WAYS; way++)
            expect_fault(at, way, mode, cause);
    }
}

static void taken_away(void)
{
    static const u64 flags[] = { 0, PTE_RWX & ~PTE_X, PTE_RWX | PTE_U, PTE_RWX & ~PTE_V };

    for (u64 i = 0; i < 12; i++) {
        u64 n = i % PAGES;

        map_around(root[0], CODE, n, PTE_RWX);
        fence_around(CODE);
        expect_page(CODE, n, S);
        map_around(root[0], CODE, n, flags[i % 4]);
        if (i & 1)
            fence_all();
        else
            fence_around(CODE);
        expect_faults(CODE, S, FAULT);
    }
    map_around(root[0], CODE, 0, PTE_RWX);
    fence_around(CODE);
}

/* What U may run S may not, and the other way round; so each has the code to itself. */
static void other_mode(void)
{
    for (u64 i = 0; i < 8; i++) {
        u64 mode = i & 1 ? U : S, user = i & 1 ? PTE_U : 0, n = i % PAGES;

        map(root[0], 3, CODE, (u64)code, 0, PTE_RWX | user);
        map_around(root[0], CODE, n, PTE_RWX | user);
        fence_all();
        expect_page(CODE, n, mode);
        map_around(root[0], CODE, n, PTE_RWX | (user ^ PTE_U));
        fence_all();
        expect_faults(CODE, mode, FAULT);
    }
    map(root[0], 3, CODE, (u64)code, 0, PTE_RWX);
}

/* Physical memory protection: of a page, and of a part of one. The page is the one that all exits here met first: these are linked to it. */
static void forbidden(void)
{
    for (int i = 0; i < 3; i++) {
        map_around(root[0], CODE, 0, PTE_RWX);
        fence_all();
        expect_page(CODE, 0, S);
        csr_write(pmpaddr0, page(0) >> 2 | 0x1ff);
        csr_write(pmpcfg0, 0x1b); /* NAPOT, no X */
        fence_all();
        expect_faults(CODE, S, ACCESS_FAULT);
        csr_write(pmpaddr0, (page(0) + 64 * CALL) >> 2 | 7); /* 64 bytes */
        fence_all();
        for (int again = 0; again < 3; again++) {
            expect(by(JUMP, CODE, S), result(JUMP, 0));
            expect_fault(CODE, CALL, S, ACCESS_FAULT);
            expect(by(BRANCH, CODE, S), result(BRANCH, 0));
        }
        csr_write(pmpcfg0, 0);
        fence_all();
    }
}

/* The code at two addresses, with different pages behind it; one of them is 0. */
static void two_places(void)
{
    map_around(root[0], CODE, 0, PTE_RWX);
    map(root[0], 3, OTHER, (u64)code, 0, PTE_RWX);
    map_around(root[0], OTHER, 1, PTE_RWX);
    map(root[0], 3, TOP, (u64)code, 0, PTE_RWX);
    fence_all();
    for (u64 i = 0; i < 6; i++) {
        u64 n = i % PAGES;

        expect_page(CODE, 0, S);
        expect_page(OTHER, 1, S);
        map(root[0], 3, 0, page(n), 0, 0);
        map(root[0], 3, TOP - 4096, page(n), 0, 0);
        fence_all();
        expect_faults(TOP, S, FAULT);
        expect_page(CODE, 0, S);
        map(root[0], 3, 0, page(n), 0, PTE_RWX);
        map(root[0], 3, TOP - 4096, page(n), 0, PTE_RWX);
        fence_all();
        expect_page(TOP, n, S);
    }
    /* the same page behind both */
    map_around(root[0], OTHER, 0, PTE_RWX);
    fence_around(OTHER);
    for (u64 i = 0; i < 6; i++) {
        expect_page(CODE, 0, S);
        expect_page(OTHER, 0, S);
    }
    map_around(root[0], OTHER, 0, 0);
    fence_around(OTHER);
    expect_faults(OTHER, S, FAULT);
    expect_page(CODE, 0, S);
}

/* li a0, value at the way's target */
static void write_target(u64 n, u64 way, u64 value)
{
    *(volatile u32 *)(page(n) + 64 * way) = (u32)value << 20 | 0x513;
    fence_i();
}

static void written(void)
{
    for (u64 i = 0; i < 20; i++) {
        for (u64 way = 0; way < WAYS; way++) {
            write_target(0, way, i);
            expect(by(way, CODE, S), i + (result(way, 0) >= RETURNED ? RETURNED : 0));
        }
    }
    for (u64 way = 0; way < WAYS; way++)
        write_target(0, way, way);
    expect_page(CODE, 0, S);
}

/* A timer gets out of it. */
static void endless(u64 hart)
{
    for (u64 i = 0; i < 3; i++) {
        for (u64 way = ROUND; way <= ROUND_BRANCH; way++) {
            u64 before = timers;

            cause_seen = 0;
            csr_clear(mstatus, 0x88); /* MIE and MPIE: it must not come before the other mode is there */
            set_timer(hart, 5000);
            csr_write(mie, 1 << TIMER);
            by(way, CODE, S);
            csr_write(mie, 0);
            expect(timers, before + 1);
            expect(cause_seen, 0);
        }
    }
}

/* --- two harts --- */

/* Each in a space of its own, at the same code. */
static void in_turns(u64 hart)
{
    for (u64 i = 0; i < TURNS; i++) {
        u64 n = (hart + i / 8) % PAGES, way = i % WAYS;

        csr_write(satp, satp_of(root[1 + n], 3, 2 + n));
        expect(by(way, CODE, S), result(way, n));
    }
    csr_write(satp, satp_of(root[0], 3, 1));
}

/* Hart 0 remaps, the other one is in the code all the time and fences when it is told to. */
static volatile u64 wanted, done;

static void told(void)
{
    for (u64 seen = 0; seen < TURNS / 10;) {
        u64 now = wanted;

        if (now != seen) {
            fence_around(CODE);
            expect(by(now % WAYS, CODE, S), result(now % WAYS, now % PAGES));
            seen = done = now;
        }
        by(seen % WAYS, CODE, S);
    }
}

static void tell(void)
{
    for (u64 i = 1; i <= TURNS / 10; i++) {
        map_around(root[0], CODE, i % PAGES, PTE_RWX);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        wanted = i;
        while (done != i)
            ;
    }
}

static void both(u64 hart)
{
    u32 times = 0;

    meet(&times, HARTS);
    in_turns(hart);
    meet(&times, HARTS);
    if (hart)
        told();
    else
        tell();
    meet(&times, HARTS);
}

static void alone(void)
{
    for (u64 i = 0; i < 4; i++) {
        root[i] = new_table();
        map(root[i], 3, 0x80000000, 0x80000000, 2, PTE_RWX | PTE_G);
        map(root[i], 3, CODE, (u64)code, 0, PTE_RWX);
        map_around(root[i], CODE, i ? i - 1 : 0, PTE_RWX);
    }
    csr_write(satp, satp_of(root[0], 3, 1));
    fence_all();
    expect_page(CODE, 0, S);
    remapped();
    expect(in_mode(remap_inside, 40, S), 0);
    switched();
    taken_away();
    other_mode();
    forbidden();
    two_places();
    map_around(root[0], CODE, 0, PTE_RWX);
    fence_all();
    written();
    endless(0);
}

void main(u64 hart)
{
    static volatile u32 begun;

    if (!hart) {
        alone();
        begun = 1;
    }
    while (!begun)
        ;
    csr_write(satp, satp_of(root[0], 3, 1));
    fence_all();
    both(hart);
    other_harts_wait(hart);
}
