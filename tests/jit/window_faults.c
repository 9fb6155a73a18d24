/*
 * What windows may cost, counted by tests/functional/test_windows.py: pages that are first used by groups of accesses fault once; what C does for other reasons
 * counts as no fault; a page that must not be written by a window gets none on a store.
 */
#include "tests/jit/lib.h"

enum { LEVELS = 5, PAGES = 4096, DEVICE_READS = 20000, CODE_STORES = 1000, PAGE = 4096 };
#define FRESH     (3ul << 38)
#define CODE      (5ul << 38)
#define FRESH_RAM 0x81000000ul
#define CODE_RAM  0x83000000ul
#define TIMER     0x200bff8ul

TRAP_HANDLER

static u64 *root;

static __attribute__((noinline)) u64 load_two(u64 address)
{
    u64 a, b;

    __asm__ volatile("ld %0, 0(%2)\n ld %1, 8(%2)" : "=&r"(a), "=&r"(b) : "r"(address) : "memory");
    return a * 3 + b;
}

static __attribute__((noinline)) void store_two(u64 address, u64 a, u64 b)
{
    __asm__ volatile("sd %1, 0(%0)\n sd %2, 8(%0)" ::"r"(address), "r"(a), "r"(b) : "memory");
}

static long use_groups(u64 arg)
{
    (void)arg;
    for (u64 i = 0; i < PAGES; i++) {
        if (i % 2)
            expect(load_two(FRESH + i * PAGE), i * 4 + 5);
        else
            store_two(FRESH + i * PAGE, i * 7, i * 11);
    }
    return 0;
}

static long write_beside_code(u64 arg)
{
    register u64 a0 __asm__("a0") = 1;

    (void)arg;
    __asm__ volatile("jalr ra, %1" : "+r"(a0) : "r"(CODE) : "ra", "memory");
    expect(a0, 3);
    for (u64 i = 0; i < CODE_STORES; i++)
        store_two(CODE + 1024, i, i);
    return 0;
}

void main(u64 hart)
{
    other_harts_wait(hart);
    root = new_table();
    map(root, LEVELS, 0x80000000, 0x80000000, 2, PTE_RWX);
    for (u64 i = 0; i < PAGES; i++) {
        u64 *ram = (u64 *)(FRESH_RAM + i * PAGE);

        ram[0] = i;
        ram[1] = i + 5;
        map(root, LEVELS, FRESH + i * PAGE, (u64)ram, 0, PTE_RWX);
    }
    *(u32 *)CODE_RAM = 2u << 20 | 0x00050513; /* addi a0, a0, 2; ret */
    *(u32 *)(CODE_RAM + 4) = 0x00008067;
    map(root, LEVELS, CODE, CODE_RAM, 0, PTE_RWX);
    fence_i();
    csr_write(satp, satp_of(root, LEVELS, 0));
    fence_all();
    in_mode(use_groups, 0, S);
    for (u64 i = 0; i < PAGES; i += 2) {
        expect(*(u64 *)(FRESH_RAM + i * PAGE), i * 7);
        expect(*(u64 *)(FRESH_RAM + i * PAGE + 8), i * 11);
    }
    for (u64 i = 0; i < DEVICE_READS; i++)
        *(volatile u64 *)TIMER;
    in_mode(write_beside_code, 0, S);
    print("counted\n");
    for (;;)
        ;
}
