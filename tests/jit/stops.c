/*
 * Where a debugger wants each arrival: behind a wfi that nothing but its interrupt's pending bit ends, at a trap's first instruction while the hart
 * sleeps, and, from then on, in a loop that two harts run.
 */
#include "tests/jit/lib.h"

enum { ROUNDS = 3, TIME = 500000 /* 50 ms */, MTIP = 0x80, MIE = 8 };
#define MTIMECMP ((volatile u64 *)0x2004000)
#define MTIME    ((volatile u64 *)0x200bff8)

volatile u64 wakings, traps, turns[2];

u64 trap(u64 cause, u64 epc, u64 tval)
{
    (void)cause, (void)tval;
    *MTIMECMP = ~0ul;
    traps++;
    return epc;
}

static void sleep_twice(void)
{
    csr_set(mie, MTIP);
    *MTIMECMP = *MTIME + TIME;
    __asm__ volatile("wfi\n.globl behind_wfi\nbehind_wfi: nop" ::: "memory");
    wakings++;
    *MTIMECMP = *MTIME + TIME;
    csr_set(mstatus, MIE);
    for (u64 before = traps; traps == before;)
        __asm__ volatile("wfi" ::: "memory");
    csr_clear(mstatus, MIE);
}

u64 main(u64 hart)
{
    for (u64 i = 0; hart == 0 && i < ROUNDS; i++)
        sleep_twice();
    for (;;) {
        turns[hart]++;
        __asm__ volatile("nop\n.globl the_place\nthe_place: nop" ::: "memory");
    }
    return 0;
}
