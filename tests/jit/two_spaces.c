/* Two address spaces with different code and data at one address, switched by satp alone, with ASIDs and without fences. */
#include "tests/jit/lib.h"

TRAP_HANDLER

__asm__(".balign 4096\n.globl one\none: ld a0, 0(a0)\n addi a0, a0, 1\n ret\n"
        ".balign 4096\n.globl two\ntwo: ld a0, 0(a0)\n addi a0, a0, 2\n ret\n .balign 4096\n");
extern char one[], two[];
static u64 data[2][512] __attribute__((aligned(4096)));

static u64 run(u64 va)
{
    u64 (*fn)(u64) = (u64 (*)(u64))va;

    return fn(va + 0x1000);
}

void main(u64 hart)
{
    other_harts_wait(hart);

    u64 *root[2] = { new_table(), new_table() }, va = 0x40000000;

    for (int i = 0; i < 2; i++) {
        map(root[i], 3, 0x80000000, 0x80000000, 2, PTE_RWX | PTE_G);
        map(root[i], 3, va, (u64)(i ? two : one), 0, PTE_RWX);
        map(root[i], 3, va + 0x1000, (u64)data[i], 0, PTE_RWX);
        data[i][0] = 100 * (i + 1);
    }
    for (int round = 0; round < 40; round++) {
        for (int i = 0; i < 2; i++) {
            csr_write(satp, satp_of(root[i], 3, (u64)i + 1));
            expect(in_mode(run, va, S), 101 * (u64)(i + 1));
        }
    }
    /* the same ASID for another root needs a fence, and with it works */
    csr_write(satp, satp_of(root[1], 3, 1));
    __asm__ volatile("sfence.vma zero, %0" ::"r"(1ul) : "memory");
    expect(in_mode(run, va, S), 202);
}
