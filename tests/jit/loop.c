/* Loops that run long enough to be translated as one piece: faults, remapped pages, interrupts, code that changes in the middle of one. */
#include "tests/jit/lib.h"

enum { PAGES = 4, WORDS = PAGES * 512, VA = 0x40000000, OTHER = 0x50000000, FAULT_STORE = 15, FAULT_LOAD = 13 };

static u64 from[WORDS] __attribute__((aligned(4096))), to[WORDS] __attribute__((aligned(4096)));
static u64 other[512] __attribute__((aligned(4096)));
static u32 code[1024] __attribute__((aligned(4096)));
static volatile u64 ticks, wanted_ticks;
static u64 *root;

static volatile u64 traps, last_cause, last_tval, first_tval;

u64 trap(u64 cause, u64 epc, u64 tval)
{
    if (epc == (u64)come_back && (cause == 8 || cause == 9))
        return back_to_m();
    if (cause == (1ul << 63 | 7)) {
        ticks++;
        *(volatile u64 *)0x2004000 = ticks < wanted_ticks ? *(volatile u64 *)0x200bff8 + 1000 : ~0ul;
        return epc;
    }
    if (!traps++)
        first_tval = tval;
    last_cause = cause;
    last_tval = tval;
    return epc + ((*(u16 *)epc & 3) == 3 ? 4 : 2);
}

/* to[i] = from[i] + i; the sum comes back. */
static u64 copy(u64 count)
{
    u64 sum = 0, a = VA, b = VA + sizeof(from);

    __asm__ volatile("li t3, 0\n"
                     "1: ld t4, 0(%1)\n addi %1, %1, 8\n add t4, t4, t3\n addi t3, t3, 1\n sd t4, 0(%2)\n addi %2, %2, 8\n add %0, %0, t4\n"
                     "bne t3, %3, 1b\n"
                     : "+r"(sum), "+r"(a), "+r"(b) : "r"(count) : "t3", "t4", "memory");
    expect(a, VA + 8 * count);
    expect(b, VA + sizeof(from) + 8 * count);
    return sum;
}

static void map_all(void)
{
    for (u64 i = 0; i < PAGES; i++) {
        map(root, 3, VA + i * 4096, (u64)from + i * 4096, 0, PTE_RWX);
        map(root, 3, VA + sizeof(from) + i * 4096, (u64)to + i * 4096, 0, PTE_RWX);
    }
    fence_all();
}

static u64 expected_sum(u64 count)
{
    u64 sum = 0;

    for (u64 i = 0; i < count; i++)
        sum += from[i] + i;
    return sum;
}

static void copies(void)
{
    for (u64 n = 1; n < WORDS; n += n / 4 + 1) {
        to[n] = 77;
        expect(in_mode(copy, n, S), expected_sum(n));
        expect(to[n - 1], from[n - 1] + n - 1);
        expect(to[n], 77);
    }
}

/* A page of the loop is not there, or may not be written: each of its turns faults, at its own address, and nothing else changes. */
static void faults(void)
{
    for (u64 page = 0; page < PAGES; page++) {
        u64 at = VA + sizeof(from) + page * 4096;

        for (u64 i = 0; i < WORDS; i++)
            to[i] = ~i;
        map(root, 3, at, (u64)to + page * 4096, 0, PTE_RWX & ~PTE_W);
        fence_page(at);
        traps = 0;
        expect(in_mode(copy, WORDS, S), expected_sum(WORDS));
        expect(traps, 512);
        expect(last_cause, FAULT_STORE);
        expect(first_tval, at);
        expect(last_tval, at + 4088);
        for (u64 i = 0; i < WORDS; i++)
            expect(to[i], i / 512 == page ? ~i : from[i] + i);
        map(root, 3, at, (u64)to + page * 4096, 0, PTE_RWX);
        fence_page(at);

        map(root, 3, VA + page * 4096, 0, 0, 0);
        fence_page(VA + page * 4096);
        traps = 0;
        in_mode(copy, WORDS, S);
        expect(traps, 512);
        expect(last_cause, FAULT_LOAD);
        expect(last_tval, VA + page * 4096 + 4088);
        map_all();
    }
}

static void remapped(void)
{
    for (u64 n = 0; n < 50; n++) {
        u64 *page = n & 1 ? other : from + 512;

        map(root, 3, VA + 4096, (u64)page, 0, PTE_RWX);
        fence_page(VA + 4096);
        in_mode(copy, WORDS, S);
        for (u64 i = 0; i < 512; i++)
            expect(to[512 + i], page[i] + 512 + i);
    }
    map_all();
}

/* A loop that nothing but an interrupt ends, at whatever place. */
static u64 wait(u64 count)
{
    u64 turns = 0;

    ticks = 0;
    wanted_ticks = count;
    *(volatile u64 *)0x2004000 = 0;
    csr_set(mie, 0x80);
    csr_set(mstatus, 8);
    while (ticks < count)
        turns++;
    csr_clear(mstatus, 8);
    return turns;
}

/* addi a0, a0, step; addi a1, a1, -1; bnez a1, back; ret */
static void write_loop(u32 step)
{
    code[0] = step << 20 | 0x00050513;
    code[1] = 0xfff58593;
    code[2] = 0xfe059ce3;
    code[3] = 0x00008067;
    fence_i();
}

static u64 call_loop(u64 count)
{
    register u64 a0 __asm__("a0") = 0, a1 __asm__("a1") = count;

    __asm__ volatile("jalr ra, %2\n" : "+r"(a0), "+r"(a1) : "r"(code) : "ra", "memory");
    return a0;
}

static void rewritten(void)
{
    for (u32 step = 1; step < 100; step++) {
        write_loop(step);
        expect(call_loop(1000), 1000 * step);
        code[100 + step] = step; /* data beside it */
        expect(call_loop(5), 5 * step);
    }
}

/*
 * The loop writes its own first instruction in turn 300 of 600, one word in each: words on the way to it are data of the same page.
 * 1: addi a0, a0, 1; sw a2, 0(a3); addi a3, a3, 4; addi a1, a1, -1; bnez a1, 1b; ret
 */
static void rewrites_itself(void)
{
    static const u32 loop[] = { 0x00150513, 0x00c6a023, 0x00468693, 0xfff58593, 0xfe0598e3, 0x00008067 };

    for (u64 n = 0; n < 20; n++) {
        register u64 a0 __asm__("a0") = 0, a1 __asm__("a1") = 300, a2 __asm__("a2") = 0x00750513, a3 __asm__("a3");

        for (u64 i = 0; i < 6; i++)
            code[512 + i] = loop[i];
        fence_i();
        a3 = (u64)&code[512 - 299];
        __asm__ volatile("jalr ra, %4\n" : "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3) : "r"(&code[512]) : "ra", "memory");
        expect(a0, 300); /* the last turn wrote it */
        expect(code[512], 0x00750513);
        fence_i();
        a0 = 0;
        a1 = 3;
        a3 = (u64)code;
        __asm__ volatile("jalr ra, %4\n" : "+r"(a0), "+r"(a1), "+r"(a2), "+r"(a3) : "r"(&code[512]) : "ra", "memory");
        expect(a0, 21);
    }
}

/* --- loops with others inside --- */

/* For each i: to[(i + 512 k) % WORDS] += from[i] for k = 0..3, in an inner loop whose addresses move by no constant. */
static u64 scatter(u64 count)
{
    u64 a = VA, b = VA + sizeof(from), mask = WORDS - 1;

    __asm__ volatile("li t3, 0\n"
                     "1: ld t4, 0(%0)\n addi %0, %0, 8\n mv t5, t3\n li t6, 4\n"
                     "2: and t0, t5, %3\n slli t0, t0, 3\n add t0, t0, %1\n ld t1, 0(t0)\n add t1, t1, t4\n sd t1, 0(t0)\n"
                     "addi t5, t5, 512\n addi t6, t6, -1\n bnez t6, 2b\n"
                     "addi t3, t3, 1\n bne t3, %2, 1b\n"
                     : "+r"(a) : "r"(b), "r"(count), "r"(mask) : "t0", "t1", "t3", "t4", "t5", "t6", "memory");
    return a;
}

static u64 scattered(u64 word, u64 count)
{
    u64 sum = word;

    for (u64 i = 0; i < count; i++)
        if (i % 512 == word % 512)
            sum += from[i];
    return sum;
}

/* One page of four may not be written: each of the turns that would faults, at its own address. */
static void nests(void)
{
    for (u64 page = 0; page <= PAGES; page++) {
        u64 count = page == PAGES ? WORDS : 700 + page;

        for (u64 i = 0; i < WORDS; i++)
            to[i] = i;
        if (page < PAGES)
            map(root, 3, VA + sizeof(from) + page * 4096, (u64)to + page * 4096, 0, PTE_RWX & ~PTE_W);
        fence_all();
        traps = 0;
        expect(in_mode(scatter, count, S), VA + 8 * count);
        expect(traps, page < PAGES ? count : 0);
        for (u64 i = 0; i < WORDS; i++)
            expect(to[i], i / 512 == page ? i : scattered(i, count));
        map_all();
    }
}

/* Inner loops that nothing but an interrupt ends. */
static u64 waits(u64 count)
{
    u64 turns = 0;

    ticks = 0;
    wanted_ticks = count;
    *(volatile u64 *)0x2004000 = 0;
    csr_set(mie, 0x80);
    csr_set(mstatus, 8);
    for (u64 k = 1; k <= count; k++)
        while (ticks < k)
            turns++;
    csr_clear(mstatus, 8);
    return turns;
}

void main(u64 hart)
{
    other_harts_wait(hart);
    root = new_table();
    map(root, 3, 0x80000000, 0x80000000, 2, PTE_RWX);
    map_all();
    for (u64 i = 0; i < WORDS; i++)
        from[i] = i * 0x123456789abcdef;
    for (u64 i = 0; i < 512; i++)
        other[i] = i ^ 0x5555;
    csr_write(satp, satp_of(root, 3, 1));
    fence_all();
    copies();
    faults();
    remapped();
    expect(wait(20) > 0, 1);
    nests();
    expect(waits(20) > 0, 1);
    rewritten();
    rewrites_itself();
    expect(in_mode(copy, WORDS, S), expected_sum(WORDS));
}
