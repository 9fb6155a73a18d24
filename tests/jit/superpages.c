/*
 * Leaves of every size in Sv39, Sv48 and Sv57: pages of a large leaf are touched, the leaf is remapped or split, one address in
 * it is fenced: no other page of it may keep its old translation, for data and for code.
 */
#include "tests/jit/lib.h"

TRAP_HANDLER

enum { PAGES = 8 };
static u64 area[2][512 * 512] __attribute__((aligned(0x200000)));

static u64 load_all(u64 va)
{
    u64 sum = 0;

    for (u64 i = 0; i < PAGES; i++)
        sum = sum * 16 + *(volatile u64 *)(va + i * 37 * 4096);
    return sum;
}

static u64 store_all(u64 va)
{
    for (u64 i = 0; i < PAGES; i++)
        *(volatile u64 *)(va + i * 37 * 4096) = 7;
    return 0;
}

static u64 run(u64 va)
{
    u64 (*fn)(void) = (u64 (*)(void))va;

    return fn();
}

/* "li a0, n; ret" */
static void put_code(u64 *at, u64 n)
{
    ((volatile u16 *)at)[0] = (u16)(0x4501 | n << 2);
    ((volatile u16 *)at)[1] = 0x8082;
}

static void fill(void)
{
    for (u64 a = 0; a < 2; a++) {
        for (u64 i = 0; i < PAGES; i++) {
            area[a][i * 37 * 512] = a + 1;
            put_code(&area[a][i * 37 * 512 + 64], a + 5);
        }
    }
    fence_i();
}

static u64 pattern(u64 n)
{
    u64 sum = 0;

    for (int i = 0; i < PAGES; i++)
        sum = sum * 16 + n;
    return sum;
}

static void remap_large(int levels)
{
    u64 *root = new_table(), va = 0x40000000;

    map(root, levels, 0x80000000, 0x80000000, 2, PTE_RWX);
    map(root, levels, va, (u64)area[0], 1, PTE_RWX);
    csr_write(satp, satp_of(root, levels, 3));
    fence_all();
    expect(in_mode(load_all, va, S), pattern(1));
    expect(in_mode(run, va + 512, S), 5);
    expect(in_mode(run, va + 37 * 4096 + 512, S), 5);
    /* remapped as a whole; a fence for one address of it counts for the leaf */
    map(root, levels, va, (u64)area[1], 1, PTE_RWX);
    fence_page(va + 5 * 37 * 4096);
    expect(in_mode(load_all, va, S), pattern(2));
    expect(in_mode(run, va + 512, S), 6);
    expect(in_mode(run, va + 37 * 4096 + 512, S), 6);
    /* made read-only: stores were fast before */
    expect(in_mode(store_all, va, S), 0);
    fill();
    map(root, levels, va, (u64)area[1], 1, PTE_V | PTE_R | PTE_X | PTE_A | PTE_D);
    fence_page(va);
    trapped.count = 0;
    in_mode(store_all, va, S);
    expect(trapped.count, PAGES);
    expect(trapped.cause, 15);
    expect(trapped.tval, va + (PAGES - 1) * 37 * 4096);
}

static void split(int levels)
{
    u64 *root = new_table(), va = 0x40000000;

    map(root, levels, 0x80000000, 0x80000000, 2, PTE_RWX);
    map(root, levels, va, (u64)area[0], 1, PTE_RWX);
    csr_write(satp, satp_of(root, levels, 4));
    fence_all();
    expect(in_mode(load_all, va, S), pattern(1));
    *pte_of(root, levels, va, 1) = 0;
    for (u64 i = 0; i < 512; i++)
        map(root, levels, va + i * 4096, (u64)area[1] + i * 4096, 0, PTE_RWX);
    fence_page(va + 37 * 4096);
    expect(in_mode(load_all, va, S), pattern(2));
    /* small leaves are fenced one by one */
    for (u64 i = 0; i < PAGES; i++) {
        map(root, levels, va + i * 37 * 4096, (u64)area[0] + i * 37 * 4096, 0, PTE_RWX);
        fence_page(va + i * 37 * 4096);
    }
    expect(in_mode(load_all, va, S), pattern(1));
}

static void remap_huge(int levels)
{
    u64 *root = new_table(), va = 0x40000000;

    map(root, levels, 0x80000000, 0x80000000, 2, PTE_RWX);
    map(root, levels, va, 0x80000000, 2, PTE_RWX);
    csr_write(satp, satp_of(root, levels, 5));
    fence_all();
    u64 alias = va + (u64)area[0] - 0x80000000;
    expect(in_mode(load_all, alias, S), pattern(1));
    *pte_of(root, levels, va, 2) = 0;
    fence_page(va);
    trapped.count = 0;
    in_mode(load_all, alias, S);
    expect(trapped.count, PAGES);
    expect(trapped.cause, 13);
}

void main(u64 hart)
{
    other_harts_wait(hart);
    for (int levels = 3; levels <= 5; levels++) {
        pool_used = 0;
        fill();
        remap_large(levels);
        fill();
        split(levels);
        fill();
        remap_huge(levels);
    }
}
