/* An instruction on two pages, of which the second alone is remapped or taken away. */
#include "tests/jit/lib.h"

TRAP_HANDLER

static u16 code[3][2048] __attribute__((aligned(4096)));

static u64 run(u64 va)
{
    u64 (*fn)(void) = (u64 (*)(void))va;

    return fn();
}

void main(u64 hart)
{
    u64 *root = new_table(), va = 0x40000000;
    u32 first = 0x00000513 | 0x111 << 20, second = 0x00000513 | 0x222 << 20; /* li a0, imm */

    if (hart)
        for (;;)
            ;
    code[0][2047] = (u16)first;
    code[1][0] = first >> 16;
    code[1][1] = 0x8082;
    code[2][0] = second >> 16;
    code[2][1] = 0x8082;
    fence_i();
    map(root, 3, 0x80000000, 0x80000000, 2, PTE_RWX);
    map(root, 3, va, (u64)code[0], 0, PTE_RWX);
    map(root, 3, va + 4096, (u64)code[1], 0, PTE_RWX);
    csr_write(satp, satp_of(root, 3, 1));
    fence_all();
    for (int i = 0; i < 30; i++) {
        map(root, 3, va + 4096, (u64)code[1 + i % 2], 0, PTE_RWX);
        fence_page(va + 4096);
        expect(in_mode(run, va + 4094, S), i % 2 ? 0x222 : 0x111);
        expect(in_mode(run, va + 4094, S), i % 2 ? 0x222 : 0x111);
    }
    *pte_of(root, 3, va + 4096, 0) = 0;
    fence_page(va + 4096);
    in_mode(run, va + 4094, S);
    expect(trapped.cause, 12);
    expect(trapped.epc, va + 4094);
    expect(trapped.tval, va + 4096);
}
