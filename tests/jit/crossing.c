/* An instruction on two pages, of which the second alone is remapped or taken away, or is another one in another space, or the first one again. Reached by a call, by a jump inside its page. */
#include "tests/jit/lib.h"

TRAP_HANDLER

static u16 code[3][2048] __attribute__((aligned(4096)));

static u64 run(u64 va)
{
    u64 (*fn)(void) = (u64 (*)(void))va;

    return fn();
}

enum { STEP = 6, CALLED = 4094, JUMPED_TO = CALLED - STEP };

/* The second page is where the instruction's upper half and a return come from. */
static void second_page(u64 *root, u64 va, int which)
{
    map(root, 3, va + 4096, (u64)code[1 + which], 0, PTE_RWX);
}

static void expect_fault(u64 entry, u64 va)
{
    in_mode(run, entry, S);
    expect(trapped.cause, 12);
    expect(trapped.epc, va + CALLED);
    expect(trapped.tval, va + 4096);
    trapped.cause = 0;
}

static void remapped(u64 *root, u64 va, u64 entry)
{
    for (int i = 0; i < 30; i++) {
        second_page(root, va, i % 2);
        fence_page(va + 4096);
        for (int again = 0; again < 3; again++)
            expect(in_mode(run, entry, S), i % 2 ? 0x222 : 0x111);
    }
    *pte_of(root, 3, va + 4096, 0) = 0;
    fence_page(va + 4096);
    expect_fault(entry, va);
    expect_fault(entry, va);
    second_page(root, va, 0);
    fence_page(va + 4096);
    for (int again = 0; again < 3; again++)
        expect(in_mode(run, entry, S), 0x111);
    *pte_of(root, 3, va + 4096, 0) &= ~(u64)PTE_X;
    fence_all();
    expect_fault(entry, va);
    second_page(root, va, 1);
    fence_all();
}

/* Another space has the same first page: without a fence. */
static void in_two_spaces(u64 *const root[2], u64 va, u64 entry)
{
    second_page(root[1], va, 0);
    fence_all();
    for (int i = 0; i < 30; i++) {
        csr_write(satp, satp_of(root[i % 2], 3, 1 + (u64)(i % 2)));
        for (int again = 0; again < 3; again++)
            expect(in_mode(run, entry, S), i % 2 ? 0x111 : 0x222);
    }
    csr_write(satp, satp_of(root[0], 3, 1));
}

/* The next page is the same page of RAM: the upper half lies at its begin, and is rewritten there. */
static void followed_by_itself(u64 *root, u64 va)
{
    static u16 page[2048] __attribute__((aligned(4096)));
    u32 li[2] = { 0x00000513 | 0x333 << 20, 0x00000513 | 0x444 << 20 };

    page[2047] = (u16)li[0];
    page[1] = 0x8082;
    map(root, 3, va, (u64)page, 0, PTE_RWX);
    map(root, 3, va + 4096, (u64)page, 0, PTE_RWX);
    fence_all();
    for (int i = 0; i < 10; i++) {
        *(volatile u16 *)page = (u16)(li[i & 1] >> 16);
        fence_i();
        for (int again = 0; again < 3; again++)
            expect(in_mode(run, va + CALLED, S), i & 1 ? 0x444 : 0x333);
    }
}

void main(u64 hart)
{
    other_harts_wait(hart);

    u64 *root[2] = { new_table(), new_table() }, va = 0x40000000;
    u32 first = 0x00000513 | 0x111 << 20, second = 0x00000513 | 0x222 << 20; /* li a0, imm */

    code[0][JUMPED_TO / 2] = 0xa001 | (STEP >> 1 & 7) << 3; /* c.j */
    code[0][2047] = (u16)first;
    code[1][0] = first >> 16;
    code[1][1] = 0x8082;
    code[2][0] = second >> 16;
    code[2][1] = 0x8082;
    fence_i();
    for (int i = 0; i < 2; i++) {
        map(root[i], 3, 0x80000000, 0x80000000, 2, PTE_RWX);
        map(root[i], 3, va, (u64)code[0], 0, PTE_RWX);
    }
    csr_write(satp, satp_of(root[0], 3, 1));
    fence_all();
    remapped(root[0], va, va + CALLED);
    remapped(root[0], va, va + JUMPED_TO);
    in_two_spaces(root, va, va + JUMPED_TO);
    in_two_spaces(root, va, va + CALLED);
    followed_by_itself(root[0], va + 0x10000);
}
