/*
 * Loops that begin in one page and end in the next: by a jump, a branch, an instruction that crosses, with loops inside in either part. The second page is another one after a fence, in
 * another space, at the other place of the first; it is taken away, written, or exchanged by an interrupt in the middle of turns; accesses fault in either part.
 */
#include "tests/jit/lib.h"

enum { VA = 0x40000000, CODE = VA, APART = 0x4000, OTHER = VA + 0x100000, DATA = VA + 0x200000, OUT = VA + 0x300000, HARTS = 2, PAGES = 3 };
enum { JUMP, BRANCH, INNER_BEHIND, INNER_BEFORE, STORE, TABLE, CROSSING, KINDS };
enum { FETCH_FAULT = 12, LOAD_FAULT = 13, STORE_FAULT = 15, TIMER = 7, ITEMS = 16384, INNER = 5, SHORT = 40, LONG = 2500, LEFT = 1000000 };

/*
 * Each kind has a page of its own where it begins and PAGES where it ends. a0: turns, a1: items, a2: the sum, a3: where sums are stored. The second page's
 * number plus 1 is added in each turn.
 */
#define BEGIN ".balign 4096\n0: .zero 4096 - 128\n lui a1, 0x40200\n li a2, 0\n lui a3, 0x40300\n1:"
#define OVER " j 0b + 4096 + 64\n"
#define ITEM " lw t0, 0(a1)\n addi a1, a1, 4\n"
#define TURN ITEM " add a2, a2, t0\n"
#define SECOND(name, text) ".macro second_" name " n\n.balign 4096\n0: .zero 64\n" text ".endm\n"
#define AGAIN " addi a2, a2, \\n + 1\n addi a0, a0, -1\n"
#define BACK " bnez a0, 0b - 128 + 12\n mv a0, a2\n ret\n"
#define SECONDS(name) " second_" name " 0\n second_" name " 1\n second_" name " 2\n"
__asm__(".option push\n.option norvc\n.option norelax\n.balign 4096\nfirsts:\n"
        BEGIN TURN OVER
        BEGIN TURN " andi t1, a0, 1\n bnez t1, 0b + 4096 + 64\n addi a2, a2, 3\n" OVER
        BEGIN ITEM OVER
        BEGIN " li t2, 5\n 2: lw t0, 0(a1)\n add a2, a2, t0\n addi t2, t2, -1\n bnez t2, 2b\n addi a1, a1, 4\n" OVER
        BEGIN TURN OVER
        BEGIN ITEM OVER
        ".balign 4096\n .zero 4096 - 22\n lui a1, 0x40200\n li a2, 0\n lw t0, 0(a1)\n addi a1, a1, 4\n nop\n .half 0x0633\n" /* add a2, a2, t0 */
        SECOND("end", AGAIN BACK)
        SECOND("inner", " li t2, 5\n 2: add a2, a2, t0\n addi t2, t2, -1\n bnez t2, 2b\n" AGAIN BACK)
        SECOND("store", AGAIN " sw a2, 0(a3)\n addi a3, a3, 4\n beqz t0, 3f\n" BACK " 3: lui t1, 244\n addi t1, t1, 576\n add a0, a2, t1\n ret\n")
        SECOND("table", " andi t1, t0, 255\n slli t1, t1, 2\n lui t2, 0x40200\n add t1, t1, t2\n lw t3, 4(t1)\n add a2, a2, t3\n" AGAIN BACK)
        ".macro second_crossing n\n.balign 4096\n0: .half 0x0056\n .option rvc\n addi a2, a2, \\n + 1\n addi a0, a0, -1\n .option norvc\n bnez a0, 0b - 14\n mv a0, a2\n ret\n.endm\n"
        "seconds:\n" SECONDS("end") SECONDS("end") SECONDS("inner") SECONDS("end") SECONDS("store") SECONDS("table") SECONDS("crossing") ".balign 4096\n"
        ".option pop\n");
extern char firsts[], seconds[];

static u64 *root[1 + PAGES];
static u32 items[ITEMS] __attribute__((aligned(4096)));
static volatile u32 out[ITEMS] __attribute__((aligned(4096)));

static u64 second(u64 kind, u64 n)
{
    return (u64)seconds + 4096 * (PAGES * kind + n);
}

static u64 begin_of(u64 kind)
{
    return APART * kind + 4096 - (kind == CROSSING ? 22 : 128);
}

static u64 page_behind(u64 kind)
{
    return APART * kind + 4096;
}

static u64 behind_of(u64 kind)
{
    return page_behind(kind) + (kind == CROSSING ? 0 : 64);
}

static u64 turn_of(u64 kind, u64 i, u64 turns)
{
    u64 item = (u64)(s64)(int)items[i];

    switch (kind) {
    case BRANCH:
        return item + ((turns - i) & 1 ? 0 : 3);
    case INNER_BEHIND:
    case INNER_BEFORE:
        return INNER * item;
    case TABLE:
        return (u64)(s64)(int)items[(item & 255) + 1];
    default:
        return item;
    }
}

static u64 result(u64 kind, u64 turns, u64 n)
{
    u64 sum = 0;

    for (u64 i = 0; i < turns; i++) {
        sum += turn_of(kind, i, turns) + n + 1;
        if (kind == STORE && !items[i])
            return sum + LEFT;
    }
    return sum;
}

/* --- traps --- */

static volatile u64 epc_seen, cause_seen, tval_seen, timers, rounds;
static volatile u64 bring; /* who faults at a fetch gets page `bring` - 1 there, and goes on; accesses get what they want */
static volatile u64 swaps; /* the timer, or with `bring` an item's page that is missing, exchanges the second page, at most so many times; 0: the timer just rings */

static void set_timer(u64 hart, u64 ticks)
{
    u64 now = *(volatile u64 *)0x200bff8;

    *(volatile u64 *)(0x2004000 + 8 * hart) = ticks ? now + ticks : -1ul;
}

enum { SWAPS = 300 };
static struct { u32 done; u32 n; } swap_at[SWAPS + 1];

/* How many sums were stored, at least `least`. */
static u32 stored(u32 least)
{
    while (least < ITEMS && out[least] != ~0u)
        least++;
    return least;
}

static void swap_pages(void)
{
    u64 n = (rounds + 1) % 2, index = rounds;

    map(root[0], 3, CODE + page_behind(STORE), second(STORE, n), 0, PTE_RWX);
    if (rounds % 3)
        fence_page(CODE + page_behind(STORE));
    else
        fence_all();
    swap_at[index].done = stored(index ? swap_at[index - 1].done : 0);
    swap_at[index].n = (u32)n;
    rounds++;
    set_timer(0, !bring && rounds < swaps ? 40 : 0);
}

static u64 trap_of_access(u64 cause, u64 epc, u64 tval)
{
    u64 va = tval & -4096ul;

    if (swaps)
        swap_pages();
    map(root[0], 3, va, cause == LOAD_FAULT ? (u64)items + (va - DATA) : (u64)out + (va - OUT), 0, PTE_RWX);
    fence_page(va);
    return epc;
}

u64 trap(u64 cause, u64 epc, u64 tval)
{
    if (epc == (u64)come_back && (cause == 8 || cause == 9 || cause == FETCH_FAULT))
        return back_to_m();
    if (cause >> 63 && swaps) {
        swap_pages();
        return epc;
    }
    if (cause >> 63) {
        set_timer(csr_read(mhartid), 0);
        timers++;
        return epc;
    }
    cause_seen = cause;
    epc_seen = epc;
    tval_seen = tval;
    if (bring && cause == FETCH_FAULT) {
        map(root[0], 3, tval & -4096ul, second((tval - CODE) / APART, bring - 1), 0, PTE_RWX);
        fence_page(tval);
        return epc;
    }
    if (bring && (cause == LOAD_FAULT || cause == STORE_FAULT))
        return trap_of_access(cause, epc, tval);
    return back_to_m();
}

/* --- one hart --- */

static u64 run(u64 at, u64 kind, u64 turns)
{
    return (u64)in_mode((void *)(at + begin_of(kind)), turns, S);
}

/* All kinds go on in their second page n. */
static void map_next(u64 *table, u64 at, u64 n, u64 flags)
{
    for (u64 kind = 0; kind < KINDS; kind++)
        map(table, 3, at + page_behind(kind), second(kind, n), 0, flags);
}

static void map_first(u64 *table, u64 at)
{
    for (u64 kind = 0; kind < KINDS; kind++)
        map(table, 3, at + APART * kind, (u64)firsts + 4096 * kind, 0, PTE_RWX);
}

static void fence_next(u64 at)
{
    for (u64 kind = 0; kind < KINDS; kind++)
        fence_page(at + page_behind(kind));
}

static void expect_page(u64 at, u64 n, u64 turns)
{
    for (u64 kind = 0; kind < KINDS; kind++)
        expect(run(at, kind, turns), result(kind, turns, n));
}

static void remapped(void)
{
    for (u64 i = 0; i < 24; i++) {
        u64 n = i % PAGES, asid = 1;

        map_next(root[0], CODE, n, PTE_RWX);
        switch (i / PAGES % 3) {
        case 0:
            fence_next(CODE);
            break;
        case 1:
            fence_all();
            break;
        default:
            fence_space(asid);
        }
        expect_page(CODE, n, i & 4 ? LONG : SHORT);
    }
}

static void switched(void)
{
    for (u64 i = 0; i < 24; i++) {
        u64 n = (i ^ i >> 2) % PAGES;

        csr_write(satp, satp_of(root[1 + n], 3, 2 + n));
        expect_page(CODE, n, SHORT);
    }
    csr_write(satp, satp_of(root[0], 3, 1));
}

/* The first page at two addresses, with different ones behind it. */
static void two_places(void)
{
    map_first(root[0], OTHER);
    for (u64 i = 0; i < 8; i++) {
        map_next(root[0], CODE, i % PAGES, PTE_RWX);
        map_next(root[0], OTHER, i / 2 % PAGES, PTE_RWX);
        fence_next(CODE);
        fence_next(OTHER);
        for (u64 kind = 0; kind < KINDS; kind++) {
            expect(run(CODE, kind, SHORT), result(kind, SHORT, i % PAGES));
            expect(run(OTHER, kind, SHORT), result(kind, SHORT, i / 2 % PAGES));
            expect(run(CODE, kind, LONG), result(kind, LONG, i % PAGES));
        }
    }
}

static void expect_fault(u64 kind, u64 where)
{
    cause_seen = 0;
    run(CODE, kind, SHORT);
    expect(cause_seen, FETCH_FAULT);
    expect(epc_seen, kind == CROSSING ? where - 2 : where);
    expect(tval_seen, where);
}

static void taken_away(void)
{
    static const u64 flags[] = { 0, PTE_RWX & ~PTE_X, PTE_RWX | PTE_U };

    for (u64 i = 0; i < 9; i++) {
        u64 n = i % PAGES;

        map_next(root[0], CODE, n, PTE_RWX);
        fence_next(CODE);
        expect_page(CODE, n, SHORT);
        map_next(root[0], CODE, n, flags[i / 3]);
        fence_next(CODE);
        for (u64 kind = 0; kind < KINDS; kind++)
            expect_fault(kind, CODE + behind_of(kind));
        bring = n + 1; /* by who faults */
        for (u64 kind = 0; kind < KINDS; kind++) {
            map_next(root[0], CODE, n, flags[i / 3]);
            fence_next(CODE);
            expect(run(CODE, kind, LONG), result(kind, LONG, n));
        }
        bring = 0;
    }
}

/* addi a2, a2, value in the second page */
static void write_second(u64 kind, u64 value)
{
    *(volatile u32 *)(second(kind, 0) + 64) = (u32)(value << 20 | 0x60613);
    fence_i();
}

static void written(void)
{
    map_next(root[0], CODE, 0, PTE_RWX);
    fence_next(CODE);
    for (u64 i = 1; i < 20; i++) {
        for (u64 kind = 0; kind <= BRANCH; kind++) {
            write_second(kind, i);
            expect(run(CODE, kind, i & 1 ? SHORT : LONG), result(kind, i & 1 ? SHORT : LONG, i - 1));
        }
    }
    for (u64 kind = 0; kind <= BRANCH; kind++)
        write_second(kind, 1);
}

static void map_data(u64 *table)
{
    for (u64 at = 0; at < sizeof(items); at += 4096) {
        map(table, 3, DATA + at, (u64)items + at, 0, PTE_RWX);
        map(table, 3, OUT + at, (u64)out + at, 0, PTE_RWX);
    }
}

/* Items and sums in pages that come when they are wanted, by the part of the loop that wants them. */
static void faults(void)
{
    for (u64 i = 0; i < 6; i++) {
        for (u64 at = 0; at < sizeof(items); at += 4096) {
            map(root[0], 3, DATA + at, 0, 0, 0);
            map(root[0], 3, OUT + at, 0, 0, 0);
        }
        fence_all();
        bring = 1;
        for (u64 kind = 0; kind < KINDS; kind++)
            expect(run(CODE, kind, LONG), result(kind, LONG, 0));
        for (u64 k = 0, sum = 0; k < LONG; k++) {
            sum += turn_of(STORE, k, LONG) + 1;
            expect(out[k], (u32)sum);
        }
        expect(cause_seen, STORE_FAULT); /* of STORE, the only one that stores; pages of items were there before it */
        expect(epc_seen, CODE + behind_of(STORE) + 8);
        bring = 0;
    }
    map_data(root[0]);
    fence_all();
}

static void left(void)
{
    items[77] = 0;
    for (u64 i = 0; i < 4; i++)
        expect(run(CODE, STORE, 50 + 40 * i), result(STORE, 50 + 40 * i, 0));
    items[77] = 77;
}

/* Each turn's part by the second page that was there. Whether what came in a turn came before it is known of faults alone. */
static void expect_turns(u64 turns)
{
    u64 sum = 0, at = 0, n = 0;

    for (u64 i = 0; i < turns; i++) {
        u32 from = out[i] - (u32)sum - items[i] - 1;

        while (at < rounds && swap_at[at].done < i + !!bring)
            n = swap_at[at++].n;
        if (!(at < rounds && swap_at[at].done == i))
            expect(from, n);
        sum = out[i];
    }
}

/* The second page is exchanged in the middle of turns: not one more by the old one. */
static void exchanged(u64 by_faults)
{
    enum { TURNS = ITEMS - 2 };

    for (u64 at = 0; by_faults && at < sizeof(items); at += 4096)
        map(root[0], 3, DATA + at, 0, 0, 0);
    for (u64 i = 0; i < ITEMS; i++)
        out[i] = ~0u;
    map_next(root[0], CODE, 0, PTE_RWX);
    fence_all();
    rounds = 0;
    swaps = SWAPS;
    bring = by_faults;
    csr_clear(mstatus, 0x88);
    csr_write(mie, 1 << TIMER);
    set_timer(0, by_faults ? 0 : 20);
    expect((u32)run(CODE, STORE, TURNS), out[TURNS - 1]);
    csr_write(mie, 0);
    set_timer(0, 0);
    expect_turns(TURNS);
    if (by_faults)
        expect(rounds, sizeof(items) / 4096);
    swaps = bring = 0;
    map_next(root[0], CODE, 0, PTE_RWX);
    fence_next(CODE);
}

/* --- two harts --- */

/* Each in a space of its own, at the same first page. */
static void in_turns(u64 hart)
{
    for (u64 i = 0; i < 300; i++) {
        u64 n = (hart + i / 8) % PAGES, kind = i % KINDS;

        if (kind == STORE) /* both would */
            continue;
        csr_write(satp, satp_of(root[1 + n], 3, 2 + n));
        expect(run(CODE, kind, SHORT), result(kind, SHORT, n));
    }
}

static void prepare(void)
{
    for (u64 i = 0; i < ITEMS; i++)
        items[i] = (u32)(i * i + i);
    items[0] = 5;
    for (u64 i = 0; i <= PAGES; i++) {
        root[i] = new_table();
        map(root[i], 3, 0x80000000, 0x80000000, 2, PTE_RWX | PTE_G);
        map_first(root[i], CODE);
        map_next(root[i], CODE, i ? i - 1 : 0, PTE_RWX);
        map_data(root[i]);
    }
    csr_write(satp, satp_of(root[0], 3, 1));
    fence_all();
}

void main(u64 hart)
{
    static volatile u32 ready;
    u32 times = 0;

    if (!hart) {
        prepare();
#ifdef ROUNDS
        for (u64 i = 0;; i++) {
            expect_page(CODE, 0, LONG);
            if (i == ROUNDS)
                print("n\r\n");
        }
#endif
        expect_page(CODE, 0, LONG);
        remapped();
        switched();
        two_places();
        taken_away();
        written();
        faults();
        left();
        for (u64 i = 0; i < 12; i++)
            exchanged(i & 1);
        ready = 1;
        *(volatile u32 *)0x2000004 = 1; /* msip of hart 1 */
    }
    csr_write(mie, 8);
    while (!ready)
        __asm__ volatile("wfi");
    csr_write(mie, 0);
    csr_write(satp, satp_of(root[0], 3, 1));
    fence_all();
    meet(&times, HARTS);
    in_turns(hart);
    meet(&times, HARTS);
    if (!hart)
        finish(0);
    for (;;)
        ;
}
