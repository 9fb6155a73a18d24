/*
 * Windows (docs/decisions/windows.md): pages that get code after they were written by a window, at two addresses and inside a large leaf; addresses that differ in
 * high bits alone; accesses over the ends of regions of 2^38 bytes; more regions and more address spaces than there are windows for; pages taken
 * away, and rights, by each kind of fence.
 */
#include "tests/jit/lib.h"

enum { LEVELS = 5, ROUNDS = 50, SPACES = 12, PAGE = 4096 };
#define REGION    (1ul << 38)
#define HERE      (3 * REGION + 0x5000)
#define THERE     (5 * REGION + 0x7000)
#define LARGE     (7 * REGION + 0x200000)
#define SMALL     (8 * REGION + 0x200000)
#define LARGE_RAM 0x83000000ul
#define SMALL_RAM 0x83800000ul /* no code is there */
#define OTHER_RAM 0x83a00000ul
#define FAULT_LOAD 13
#define FAULT_STORE 15

TRAP_HANDLER

static u64 pages[4][512] __attribute__((aligned(4096)));
static u64 own[SPACES][512] __attribute__((aligned(4096)));
static u64 *root, *spaces[SPACES], small; /* the PTE of the table of SMALL's pages */

static __attribute__((noinline)) u64 load_at(u64 address)
{
    u64 value = 0;

    __asm__ volatile("ld %0, 0(%1)" : "+r"(value) : "r"(address) : "memory");
    return value;
}

static __attribute__((noinline)) void store_at(u64 address, u64 value)
{
    __asm__ volatile("sd %0, 0(%1)" ::"r"(value), "r"(address) : "memory");
}

static __attribute__((noinline)) void store_word(u64 address, u64 value)
{
    __asm__ volatile("sw %0, 0(%1)" ::"r"(value), "r"(address) : "memory");
}

/* Both of a group. */
static __attribute__((noinline)) u64 load_two(u64 address)
{
    u64 a = 0, b = 0;

    __asm__ volatile("ld %0, -8(%2)\n ld %1, 8(%2)" : "+r"(a), "+r"(b) : "r"(address) : "memory");
    return a * 3 + b;
}

static u64 call(u64 address)
{
    register u64 a0 __asm__("a0") = 0;

    __asm__ volatile("jalr ra, %1" : "+r"(a0) : "r"(address) : "ra", "memory");
    return a0;
}

/* addi a0, a0, step; ret */
static void write_code(u64 address, u64 step)
{
    store_word(address, step << 20 | 0x00050513);
    store_word(address + 4, 0x00008067);
}

/* Written by a window before it has code; then code, then written by the other address and by its own. */
static long becomes_code(u64 arg)
{
    u64 here = HERE + 0x10000 * arg, there = THERE + 0x10000 * arg;

    write_code(here, 1);
    write_code(there, 2);
    fence_i();
    expect(call(here), 2);
    write_code(there, 3);
    fence_i();
    expect(call(here), 3);
    write_code(here, 4);
    fence_i();
    expect(call(there), 4);
    return 0;
}

static long becomes_code_inside(u64 at)
{
    for (u64 i = 0; i < 16; i++)
        store_at(LARGE + i * PAGE, i);
    write_code(LARGE + at, 5);
    fence_i();
    expect(call(LARGE + at), 5);
    write_code(LARGE + at, 6);
    fence_i();
    expect(call(LARGE + at), 6);
    for (u64 i = 1; i < 16; i++)
        if (i != at / PAGE)
            expect(load_at(LARGE + i * PAGE), i);
    return 0;
}

/* Not canonical for 57 bits, or other places: nothing of what the page at HERE has may be found there. */
static long high_bits(u64 arg)
{
    (void)arg;
    for (u64 n = 0; n < ROUNDS; n++) {
        expect(load_at(HERE), 0x1234);
        for (u64 bit = 47; bit < 64; bit++) {
            u64 before = trapped.count, at = HERE | 1ul << bit;

            expect(load_at(at), bit == 50 ? 0x5678 : 0);
            expect(trapped.count - before, bit != 50);
            if (bit != 50) {
                expect(trapped.cause, FAULT_LOAD);
                expect(trapped.tval, at);
            }
            before = trapped.count;
            if (bit != 50)
                store_at(at, 1);
            expect(trapped.count - before, bit != 50);
        }
        expect(load_at(-REGION + 0x5000), 0x9abc);
    }
    return 0;
}

/* The last page of a region and the first of the next. */
static long edges(u64 arg)
{
    u64 edge = 4 * REGION;

    (void)arg;
    for (u64 n = 0; n < ROUNDS; n++) {
        store_at(edge - 8, n);
        store_at(edge, n * 7);
        store_at(edge + 8, n * 11);
        expect(load_two(edge), n * 14);
        expect(load_two(edge + 8), n * 3 * 7 + pages[1][2]);
        store_at(edge - 4, 0x1122334455667788 + n);
        expect(load_at(edge - 4), 0x1122334455667788 + n);
        expect(load_at(edge) & 0xffffffff, 0x11223344);
    }
    return 0;
}

static long many_regions(u64 arg)
{
    (void)arg;
    for (u64 n = 0; n < ROUNDS; n++)
        for (u64 i = 0; i < 20; i++) {
            store_at((20 + i) * REGION + 8 * i, n * i + 1);
            expect(load_at((20 + i) * REGION + 8 * i), n * i + 1);
            expect(load_at((276 + i) * REGION + 8 * i), i == 7 ? 0xfeed : 0); /* the same in the low eight bits */
        }
    return 0;
}

static long read_here(u64 address)
{
    return (long)load_at(address);
}

static void many_spaces(void)
{
    for (u64 n = 0; n < ROUNDS; n++)
        for (u64 i = 0; i < SPACES; i++) {
            csr_write(satp, satp_of(spaces[i], LEVELS, 0)); /* one ASID: everything is forgotten each time */
            fence_all();
            expect(in_mode(read_here, HERE + 8, S), 2000 + i);
        }
    for (u64 n = 0; n < ROUNDS; n++)
        for (u64 i = 0; i < SPACES; i++) {
            csr_write(satp, satp_of(spaces[i], LEVELS, i + 1));
            expect(in_mode(read_here, HERE + 8, S), 2000 + i);
        }
    csr_write(satp, satp_of(root, LEVELS, 0));
    fence_all();
}

/* By the tables, since it is atomic. */
static long add_nothing(u64 address)
{
    u64 value;

    __asm__ volatile("amoadd.d %0, x0, (%1)" : "=r"(value) : "r"(address) : "memory");
    return (long)value;
}

static long write_77(u64 address)
{
    store_at(address, 77);
    return 0;
}

static void fence_asid(u64 asid)
{
    __asm__ volatile("sfence.vma x0, %0" ::"r"(asid) : "memory");
}

/* Another page, a read-only one, none. */
static void taken_away(void)
{
    for (u64 n = 0; n < ROUNDS; n++) {
        u64 *page = pages[n & 3], before = trapped.count;

        page[1] = n;
        map(root, LEVELS, HERE, (u64)page, 0, n % 5 == 4 ? 0 : n % 5 == 3 ? PTE_V | PTE_R | PTE_A : PTE_RWX);
        if (n % 3 == 0)
            fence_all();
        else if (n % 3 == 1)
            fence_page(HERE);
        else
            fence_asid(0);
        expect(in_mode(read_here, HERE + 8, S), n % 5 == 4 ? 0 : n);
        expect(trapped.count - before, n % 5 == 4);
        before = trapped.count;
        in_mode(write_77, HERE + 16, S);
        expect(trapped.count - before, n % 5 >= 3);
        if (n % 5 < 3)
            expect(page[2], 77);
        page[2] = 0;
    }
}

/* The 2 MiB became a large leaf without a fence, so that some of it is known as single pages still; then it shows other RAM, with a fence for the page that is used. */
static void becomes_large(void)
{
    for (u64 n = 0; n < ROUNDS; n++) {
        u64 at = SMALL + n * PAGE, ram = n % 2 ? OTHER_RAM : SMALL_RAM;

        *pte_of(root, LEVELS, SMALL, 1) = small;
        fence_all();
        expect(in_mode(add_nothing, at, S), n);
        map(root, LEVELS, SMALL, SMALL_RAM, 1, PTE_RWX);
        expect(in_mode(read_here, at, S), n);
        map(root, LEVELS, SMALL, ram, 1, PTE_RWX);
        fence_page(at);
        expect(in_mode(read_here, at, S), n % 2 ? 500 + n : n);
    }
}

static u64 *with_kernel(void)
{
    u64 *table = new_table();

    map(table, LEVELS, 0x80000000, 0x80000000, 2, PTE_RWX);
    return table;
}

void main(u64 hart)
{
    other_harts_wait(hart);
    root = with_kernel();
    for (u64 i = 0; i < SPACES; i++) {
        spaces[i] = with_kernel();
        map(spaces[i], LEVELS, HERE, (u64)own[i], 0, PTE_RWX);
        own[i][1] = 2000 + i;
    }
    csr_write(satp, satp_of(root, LEVELS, 0));
    fence_all();
    many_spaces();
    for (u64 i = 0; i < 8; i++) {
        map(root, LEVELS, HERE + 0x10000 * i, LARGE_RAM + 0x400000 + i * PAGE, 0, PTE_RWX);
        map(root, LEVELS, THERE + 0x10000 * i, LARGE_RAM + 0x400000 + i * PAGE, 0, PTE_RWX);
    }
    map(root, LEVELS, LARGE, LARGE_RAM, 1, PTE_RWX);
    fence_all();
    for (u64 i = 0; i < 8; i++)
        in_mode(becomes_code, i, S);
    for (u64 i = 1; i < 4; i++)
        in_mode(becomes_code_inside, i * PAGE + 64, S);
    taken_away();
    for (u64 i = 0; i < 512; i++) {
        map(root, LEVELS, SMALL + i * PAGE, SMALL_RAM + i * PAGE, 0, PTE_RWX);
        *(u64 *)(SMALL_RAM + i * PAGE) = i;
        *(u64 *)(OTHER_RAM + i * PAGE) = 500 + i;
    }
    small = *pte_of(root, LEVELS, SMALL, 1);
    becomes_large();
    pages[0][0] = 0x1234;
    pages[1][0] = 0x5678;
    pages[2][0] = 0x9abc;
    map(root, LEVELS, HERE, (u64)pages[0], 0, PTE_RWX);
    map(root, LEVELS, HERE | 1ul << 50, (u64)pages[1], 0, PTE_RWX);
    map(root, LEVELS, -REGION + 0x5000, (u64)pages[2], 0, PTE_RWX);
    fence_all();
    in_mode(high_bits, 0, S);
    map(root, LEVELS, 4 * REGION - PAGE, (u64)pages[0], 0, PTE_RWX);
    map(root, LEVELS, 4 * REGION, (u64)pages[1], 0, PTE_RWX);
    for (u64 i = 0; i < 20; i++)
        map(root, LEVELS, (20 + i) * REGION, (u64)pages[i & 3], 0, PTE_RWX);
    map(root, LEVELS, 283 * REGION, LARGE_RAM + PAGE, 0, PTE_RWX);
    *(u64 *)(LARGE_RAM + PAGE + 56) = 0xfeed;
    fence_all();
    pages[1][2] = 0;
    in_mode(edges, 0, S);
    in_mode(many_regions, 0, S);
}
