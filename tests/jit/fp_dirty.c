/*
 * A load into a floating-point register whose check it shares with stores that the page does not allow: the load is done, FS says so, and
 * the stores fault.
 */
#include "tests/jit/lib.h"

TRAP_HANDLER

enum { FS = 3 << 13, FS_CLEAN = 2 << 13, FS_DIRTY = 3 << 13, CALLS = 300 };

static u64 data[512] __attribute__((aligned(4096)));

static u64 single(u64 at)
{
    __asm__ volatile("flw fa0, 24(%0)\nsb %0, 24(%0)\nsw %0, 32(%0)" ::"r"(at) : "memory", "fa0");
    return 0;
}

static u64 last(u64 at)
{
    __asm__ volatile("ld t0, 16(%0)\nsd t0, 8(%0)\nfld fa1, 24(%0)\n" ::"r"(at) : "memory", "t0", "fa1");
    return 0;
}

static u64 twice(u64 at)
{
    __asm__ volatile("fld fa2, 24(%0)\nfld fa3, 32(%0)\nfsd fa2, 40(%0)" ::"r"(at) : "memory", "fa2", "fa3");
    return 0;
}

static u64 stores_only(u64 at)
{
    __asm__ volatile("fsw fa0, 24(%0)\nsw %0, 32(%0)" ::"r"(at) : "memory");
    return 0;
}

void main(u64 hart)
{
    static const struct {
        u64 (*run)(u64 at);
        u64 faults, state;
    } rows[] = { { single, 2, FS_DIRTY }, { last, 1, FS_DIRTY }, { twice, 1, FS_DIRTY }, { stores_only, 2, FS_CLEAN } };
    u64 *root, va = 0x40000000;

    other_harts_wait(hart);
    root = new_table();
    map(root, 3, 0x80000000, 0x80000000, 2, PTE_RWX);
    map(root, 3, va, (u64)data, 0, PTE_RWX & ~PTE_W);
    csr_write(satp, satp_of(root, 3, 1));
    fence_all();
    for (u64 i = 0; i < CALLS; i++) {
        for (u64 k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
            csr_clear(mstatus, FS);
            csr_set(mstatus, FS_CLEAN);
            trapped.count = 0;
            in_mode((void *)rows[k].run, va, S);
            expect(csr_read(mstatus) & FS, rows[k].state);
            expect(trapped.count, rows[k].faults);
        }
        if (i % 7 == 0)
            fence_all();
    }
}
