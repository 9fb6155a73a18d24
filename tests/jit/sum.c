/* SUM and MXR decide anew at every access, without a fence. */
#include "tests/jit/lib.h"

TRAP_HANDLER

static u64 data[512] __attribute__((aligned(4096)));

static u64 toggle(u64 va)
{
    u64 sum = 0;

    for (int i = 0; i < 20; i++) {
        csr_set(sstatus, 1 << 18);
        sum += *(volatile u64 *)va;
        *(volatile u64 *)va = 3;
        csr_clear(sstatus, 1 << 18);
        *(volatile u64 *)va; /* faults */
        csr_set(sstatus, 1 << 19);
        sum += *(volatile u64 *)(va + 4096) & 0xff; /* execute-only page: readable with MXR */
        csr_clear(sstatus, 1 << 19);
        *(volatile u64 *)(va + 4096); /* faults */
    }
    return sum;
}

void main(u64 hart)
{
    other_harts_wait(hart);

    u64 *root = new_table(), va = 0x40000000;
    static u64 code[512] __attribute__((aligned(4096)));

    map(root, 3, 0x80000000, 0x80000000, 2, PTE_RWX);
    map(root, 3, va, (u64)data, 0, PTE_RWX | PTE_U);
    map(root, 3, va + 4096, (u64)code, 0, PTE_V | PTE_X | PTE_A);
    csr_write(satp, satp_of(root, 3, 1));
    fence_all();
    data[0] = 3;
    code[0] = 0x1005;
    expect(in_mode(toggle, va, S), 20 * (3 + 5));
    expect(trapped.count, 40);
    expect(trapped.cause, 13);
}
