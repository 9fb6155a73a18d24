/* One code page at two virtual addresses: auipc, calls and returns go by the address that is run, not the one that was translated. */
#include "tests/jit/lib.h"

TRAP_HANDLER

/* A page of position-independent code: returns its own address, through a call inside the page. */
__asm__(".balign 4096\n.globl page\npage:\n"
        "mv t0, ra\n call 1f\n mv ra, t0\n ret\n"
        "1: auipc a0, 0\n addi a1, ra, 0\n ret\n .balign 4096\n");
extern char page[];

static u64 run(u64 va)
{
    u64 (*fn)(void) = (u64 (*)(void))va;

    return fn();
}

void main(u64 hart)
{
    other_harts_wait(hart);

    u64 *root = new_table();
    u64 first = 0x40000000, second = 0x7ffff000;

    map(root, 3, 0x80000000, 0x80000000, 2, PTE_RWX);
    map(root, 3, first, (u64)page, 0, PTE_RWX);
    map(root, 3, second, (u64)page, 0, PTE_RWX);
    csr_write(satp, satp_of(root, 3, 0));
    fence_all();
    u64 offset = run((u64)page) - (u64)page;
    for (int i = 0; i < 50; i++) {
        expect(in_mode(run, first, S), first + offset);
        expect(in_mode(run, second, S), second + offset);
        expect(in_mode(run, (u64)page, S), (u64)page + offset);
    }
}
