/* An access over a page's edge whose second page faults stores nothing; the fault names the second page. */
#include "tests/jit/lib.h"

TRAP_HANDLER

static u8 data[8192] __attribute__((aligned(4096)));

static u64 store8(u64 va)
{
    *(volatile u64 *)va = 0x1122334455667788;
    return 0;
}

static u64 load8(u64 va)
{
    return *(volatile u64 *)va;
}

void main(u64 hart)
{
    other_harts_wait(hart);

    u64 *root = new_table(), va = 0x40000000;

    map(root, 3, 0x80000000, 0x80000000, 2, PTE_RWX);
    map(root, 3, va, (u64)data, 0, PTE_RWX);
    csr_write(satp, satp_of(root, 3, 1));
    fence_all();
    for (u64 back = 1; back < 8; back++) {
        for (int i = 0; i < 16; i++)
            data[4088 + i] = (u8)i;
        in_mode(store8, va, S);
        trapped.count = 0;
        in_mode(store8, va + 4096 - back, S);
        expect(trapped.count, 1);
        expect(trapped.cause, 15);
        expect(trapped.tval, va + 4096);
        for (int i = 0; i < 8; i++)
            expect(data[4088 + i], i);
        in_mode(load8, va + 4096 - back, S);
        expect(trapped.cause, 13);
        expect(trapped.tval, va + 4096);
    }
    /* behind the end of RAM is nothing: access faults, which name the part that was refused */
    map(root, 3, va + 4096, 0x84000000, 0, PTE_RWX);
    fence_page(va + 4096);
    in_mode(load8, va + 4093, S);
    expect(trapped.cause, 5);
    expect(trapped.tval, va + 4096);
    in_mode(store8, va + 4093, S);
    expect(trapped.cause, 7);
    expect(trapped.tval, va + 4096);
    map(root, 3, va + 4096, (u64)data + 4096, 0, PTE_RWX);
    fence_page(va + 4096);
    trapped.count = 0;
    in_mode(store8, va + 4093, S);
    expect(trapped.count, 0);
    expect(in_mode(load8, va + 4093, S), 0x1122334455667788);
    expect(data[4093], 0x88);
    expect(data[4100], 0x11);
}
