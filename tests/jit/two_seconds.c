/* Two harts at the same page of code, which ends in the middle of an instruction, with different pages behind it: each executes its own instruction, whatever the other has just made of it. */
#include "tests/jit/lib.h"

enum { VA = 0x40000000, HARTS = 2, TURNS = 200000 };

/* addi a0, a0, 1 or 2: the immediate is in the second half */
__asm__(".option push\n.option norvc\n.balign 4096\nfirst: .zero 4096 - 2\n .half 0x0513\n"
        "second: .half 1 << 4 | 5\n ret\n.balign 4096\n .half 2 << 4 | 5\n ret\n.balign 4096\n.option pop\n");
extern char first[], second[];

static u64 *root[HARTS];

TRAP_HANDLER

static u64 run(u64 times)
{
    u64 (*fn)(u64) = (u64 (*)(u64))(VA + 4096 - 2), sum = 0;

    for (u64 i = 0; i < times; i++)
        sum = fn(sum);
    return sum;
}

void main(u64 hart)
{
    static u32 met[HARTS];

    for (u64 i = 0; i < HARTS && !hart; i++) {
        root[i] = new_table();
        map(root[i], 3, 0x80000000, 0x80000000, 2, PTE_RWX | PTE_G);
        map(root[i], 3, VA, (u64)first, 0, PTE_RWX);
        map(root[i], 3, VA + 4096, (u64)second + i * 4096, 0, PTE_RWX);
    }
    meet(&met[hart], HARTS);
    csr_write(satp, satp_of(root[hart], 3, hart + 1));
    __asm__ volatile("sfence.vma" ::: "memory");
    expect(in_mode(run, TURNS, S), TURNS * (hart + 1));
    meet(&met[hart], HARTS);
    while (hart)
        ;
}
