/*
 * Loops whose accesses move by no constant remember the page that each found last, also from one entry to the next: what takes the page
 * away, or some of its rights, must be noticed all the same. So do base registers of code that is no loop, in hot pages, and the stack pointer
 * everywhere.
 */
#include "tests/jit/lib.h"

enum { VA = 0x40000000, ROUNDS = 60, TURNS = 20000, CALLS = 12000, FAULT_LOAD = 13, FAULT_STORE = 15 };

static u64 first[512] __attribute__((aligned(4096))), second[512] __attribute__((aligned(4096)));
static u64 zeros[512] __attribute__((aligned(4096)));
static u32 code[1024] __attribute__((aligned(4096)));
static u64 *root;
static volatile u64 traps, last_cause, last_tval;

u64 trap(u64 cause, u64 epc, u64 tval)
{
    if (epc == (u64)come_back && (cause == 8 || cause == 9))
        return back_to_m();
    traps++;
    last_cause = cause;
    last_tval = tval;
    return epc + ((*(u16 *)epc & 3) == 3 ? 4 : 2);
}

/* The sum of the 512 words at VA, each read count / 512 times, in an order that is no stream. */
static u64 read_page(u64 count)
{
    u64 sum = 0, base = VA;

    __asm__ volatile("1: slli t0, %1, 3\n slli t1, t0, 1\n add t0, t0, t1\n and t0, t0, %3\n add t0, t0, %2\n ld t1, 0(t0)\n add %0, %0, t1\n"
                     "addi %1, %1, -1\n bnez %1, 1b\n"
                     : "+r"(sum), "+r"(count) : "r"(base), "r"(4088ul) : "t0", "t1", "memory");
    return sum;
}

static __attribute__((noinline)) u64 load_at(u64 address)
{
    u64 value;

    __asm__ volatile("ld %0, 0(%1)" : "=r"(value) : "r"(address) : "memory");
    return value;
}

static __attribute__((noinline)) void add_at(u64 address)
{
    __asm__ volatile("ld t0, 0(%0)\n addi t0, t0, 1\n sd t0, 0(%0)" ::"r"(address) : "t0", "memory");
}

/* A frame of 32 bytes at the address; in a block of its own, which knows the stack pointer by that name alone. */
static __attribute__((noinline)) u64 load_frame(u64 address)
{
    u64 value;

    __asm__ volatile("mv t0, sp\n mv sp, %1\n bnez sp, 1f\n 1: ld %0, 0(sp)\n ld t1, 24(sp)\n mv sp, t0\n add %0, %0, t1" : "=&r"(value) : "r"(address) : "t0", "t1", "memory");
    return value;
}

/* The same by calls, of which no loop is made. */
static u64 read_by_calls(u64 count)
{
    u64 sum = 0;

    while (count--)
        sum += load_at(VA + (count * 24 & 4088));
    return sum;
}

static u64 add_by_calls(u64 count)
{
    while (count--)
        add_at(VA + (count * 24 & 4088));
    return 0;
}

/* In two pages in turn, of which one has zeros: the page before the last is known as well. */
static u64 read_by_frames(u64 count)
{
    u64 sum = 0;

    while (count--) {
        sum += load_frame(VA + (count * 32 & 4095));
        sum += load_frame((u64)zeros + (count * 32 & 4095));
    }
    return sum;
}

/* Adds 1 to each of the words, likewise. */
static u64 add_page(u64 count)
{
    u64 base = VA;

    __asm__ volatile("1: slli t0, %0, 3\n slli t1, t0, 1\n add t0, t0, t1\n and t0, t0, %2\n add t0, t0, %1\n ld t1, 0(t0)\n addi t1, t1, 1\n"
                     "sd t1, 0(t0)\n addi %0, %0, -1\n bnez %0, 1b\n"
                     : "+r"(count) : "r"(base), "r"(4088ul) : "t0", "t1", "memory");
    return count;
}

/* The sum of count words, from VA + 2048 on, each two bytes behind the one before. */
static u64 read_halves(u64 count)
{
    u64 sum = 0, base = VA + 2048, at = 0;

    __asm__ volatile("1: slli t1, %1, 1\n add t1, t1, %2\n ld t1, 0(t1)\n add %0, %0, t1\n addi %1, %1, 1\n bne %1, %3, 1b\n"
                     : "+r"(sum), "+r"(at) : "r"(base), "r"(count) : "t1", "memory");
    return sum;
}

enum { ROW_MASK = 0xfd8, ROW_TURNS = 4 }; /* where rows begin, and how many words they have */

/* The sum of rows, by a loop inside that has streams of its own, with ends of the page near and far. */
static u64 read_rows(u64 count)
{
    u64 sum = 0, base = VA;

    __asm__ volatile("1: slli t0, %1, 3\n slli t1, t0, 1\n add t0, t0, t1\n and t0, t0, %3\n add t0, t0, %2\n addi t2, t0, 32\n"
                     "2: ld t1, 0(t0)\n addi t0, t0, 8\n add %0, %0, t1\n bne t0, t2, 2b\n addi %1, %1, -1\n bnez %1, 1b\n"
                     : "+r"(sum), "+r"(count) : "r"(base), "r"((u64)ROW_MASK) : "t0", "t1", "t2", "memory");
    return sum;
}

/* Adds 1 to each of their words. */
static u64 add_rows(u64 count)
{
    u64 base = VA;

    __asm__ volatile("1: slli t0, %0, 3\n slli t1, t0, 1\n add t0, t0, t1\n and t0, t0, %2\n add t0, t0, %1\n addi t2, t0, 32\n"
                     "2: ld t1, 0(t0)\n addi t0, t0, 8\n addi t1, t1, 1\n sd t1, -8(t0)\n bne t0, t2, 2b\n addi %0, %0, -1\n bnez %0, 1b\n"
                     : "+r"(count) : "r"(base), "r"((u64)ROW_MASK) : "t0", "t1", "t2", "memory");
    return count;
}

static u64 rows_of(const u64 *page, u64 count)
{
    u64 sum = 0;

    for (; count; count--)
        for (u64 k = 0; k < ROW_TURNS; k++)
            sum += page[(count * 24 & ROW_MASK) / 8 + k];
    return sum;
}

static u64 sum_of(const u64 *page)
{
    u64 sum = 0;

    for (u64 i = 0; i < 512; i++)
        sum += page[i];
    return sum;
}

/* What read_by_frames finds. */
static u64 frames_of(const u64 *page, u64 count)
{
    u64 sum = 0;

    while (count--)
        sum += page[count * 4 & 511] + page[(count * 4 & 511) + 3];
    return sum;
}

static void map_first(u64 rights)
{
    map(root, 3, VA, (u64)first, 0, rights);
    fence_page(VA);
}

/* From the other mode, and by the hart's fence for all or for one. */
static void remapped(void)
{
    for (u64 n = 0; n < ROUNDS; n++) {
        u64 *page = n & 1 ? second : first;

        map(root, 3, VA, (u64)page, 0, PTE_RWX);
        if (n & 2)
            fence_all();
        else
            fence_page(VA);
        expect(in_mode(read_page, 512 * (n + 2), S), sum_of(page) * (n + 2));
        expect(in_mode(read_rows, 500, S), rows_of(page, 500));
    }
}

/* The same for code that is no loop. */
static void remapped_calls(void)
{
    for (u64 n = 0; n < ROUNDS; n++) {
        u64 *page = n & 1 ? second : first;

        map(root, 3, VA, (u64)page, 0, PTE_RWX);
        if (n & 2)
            fence_all();
        else
            fence_page(VA);
        expect(in_mode(read_by_calls, 512 * 3, S), sum_of(page) * 3);
        expect(in_mode(read_by_frames, 300, S), frames_of(page, 300));
    }
}

static u64 remap_calls_inside(u64 rounds)
{
    u64 wrong = 0, sums[2] = { sum_of(first), sum_of(second) };

    for (u64 n = 0; n < rounds; n++) {
        map(root, 3, VA, (u64)(n & 1 ? second : first), 0, PTE_RWX);
        fence_page(VA);
        wrong += read_by_calls(512 * 3) != sums[n & 1] * 3;
        wrong += read_by_frames(300) != frames_of(n & 1 ? second : first, 300);
    }
    return wrong;
}

/* Each access faults without the right to write; what loads went before them had led their base to the page. */
static void protected_calls(void)
{
    for (u64 n = 0; n < 6; n++) {
        map_first(PTE_RWX);
        in_mode(add_by_calls, 512, S);
        u64 sum = sum_of(first);
        map_first(PTE_RWX & ~PTE_W);
        traps = 0;
        in_mode(add_by_calls, 512, S);
        expect(traps, 512);
        expect(last_cause, FAULT_STORE);
        expect(sum_of(first), sum);
        map_first(0);
        traps = 0;
        in_mode(read_by_calls, 512, S);
        expect(traps, 512);
        expect(last_cause, FAULT_LOAD);
    }
    map_first(PTE_RWX);
}

/* In the mode of the loop itself: how often a sum was wrong. */
static u64 remap_inside(u64 rounds)
{
    u64 wrong = 0, sums[2] = { sum_of(first), sum_of(second) };

    for (u64 n = 0; n < rounds; n++) {
        map(root, 3, VA, (u64)(n & 1 ? second : first), 0, PTE_RWX);
        fence_page(VA);
        wrong += read_page(512 * 20) != sums[n & 1] * 20;
        wrong += read_rows(500) != rows_of(n & 1 ? second : first, 500);
    }
    return wrong;
}

static void protected_rows(void)
{
    for (u64 n = 0; n < 6; n++) {
        map_first(PTE_RWX);
        in_mode(add_rows, 512, S);
        u64 sum = sum_of(first);
        map_first(PTE_RWX & ~PTE_W);
        traps = 0;
        in_mode(add_rows, 512, S);
        expect(traps, 512 * ROW_TURNS);
        expect(last_cause, FAULT_STORE);
        expect(sum_of(first), sum);
        expect(in_mode(read_rows, 500, S), rows_of(first, 500));
        map_first(0);
        traps = 0;
        in_mode(read_rows, 512, S);
        expect(traps, 512 * ROW_TURNS);
        expect(last_cause, FAULT_LOAD);
    }
    map_first(PTE_RWX);
}

static void protected(void)
{
    for (u64 n = 0; n < 6; n++) {
        u64 sum = sum_of(first);

        map_first(PTE_RWX);
        in_mode(add_page, TURNS / 512 * 512, S);
        sum += TURNS / 512 * 512;
        expect(sum_of(first), sum);
        map_first(PTE_RWX & ~PTE_W);
        traps = 0;
        in_mode(add_page, 512, S);
        expect(traps, 512);
        expect(last_cause, FAULT_STORE);
        expect(sum_of(first), sum);
        expect(in_mode(read_page, 512, S), sum);
        map_first(0);
        traps = 0;
        in_mode(read_page, 512, S);
        expect(traps, 512);
        expect(last_cause, FAULT_LOAD);
    }
    map_first(PTE_RWX);
}

/* Words on two pages that do not lie behind each other. */
static void crossing(void)
{
    map_first(PTE_RWX);
    map(root, 3, VA + 4096, (u64)second, 0, PTE_RWX);
    fence_all();
    for (u64 n = 0; n < 20; n++) {
        u64 sum = 0;

        for (u64 i = 0; i < 2000; i++) {
            for (u64 k = 0; k < 8; k++) {
                u64 at = 2048 + 2 * i + k;

                sum += (u64)((const u8 *)(at < 4096 ? first : second))[at & 4095] << 8 * k;
            }
        }
        expect(in_mode(read_halves, 2000, S), sum);
    }
}

/*
 * addi a0, a0, step, by a loop that first writes 64 bytes behind it, since the first turn may be that of ordinary code. When it runs for
 * the first time, the page has no code yet.
 */
static void write_step(u64 step, u64 turns)
{
    u64 base = (u64)code, word = step << 20 | 0x00050513;

    __asm__ volatile("1: and t0, %0, %3\n add t0, t0, %1\n sw %2, 0(t0)\n addi %0, %0, -1\n bnez %0, 1b\n"
                     : "+r"(turns) : "r"(base), "r"(word), "r"(64ul) : "t0", "memory");
    fence_i();
}

static void rewritten(void)
{
    code[1] = 0x00008067;
    for (u64 step = 1; step < 40; step++) {
        register u64 a0 __asm__("a0") = 0;

        write_step(step, step == 1 ? 150 * TURNS : 100);
        __asm__ volatile("jalr ra, %1\n" : "+r"(a0) : "r"(code) : "ra", "memory");
        expect(a0, step);
    }
}

void main(u64 hart)
{
    other_harts_wait(hart);
    root = new_table();
    map(root, 3, 0x80000000, 0x80000000, 2, PTE_RWX);
    map_first(PTE_RWX);
    for (u64 i = 0; i < 512; i++) {
        first[i] = i * 0x123456789abcdef;
        second[i] = ~i * 0x123456789;
    }
    csr_write(satp, satp_of(root, 3, 1));
    fence_all();
    expect(in_mode(read_page, 512 * 2000, S), sum_of(first) * 2000); /* long enough to become one piece */
    in_mode(add_page, 512 * 2000, S);
    expect(in_mode(read_by_calls, 512 * CALLS, S), sum_of(first) * CALLS); /* long enough to be hot, and then some */
    in_mode(read_by_frames, 512 * CALLS, S);
    expect(in_mode(read_rows, 500000, S), rows_of(first, 500000)); /* long enough for its loops to be found short, and to become one */
    in_mode(add_rows, 500000, S);
    remapped_calls();
    expect(in_mode(remap_calls_inside, ROUNDS, S), 0);
    protected_calls();
    remapped();
    expect(in_mode(remap_inside, ROUNDS, S), 0);
    protected();
    protected_rows();
    crossing();
    rewritten();
}
