/* One hart sleeps until its stimecmp, the other one writes MTIME, which is there now. Driven by tests/functional/test_icount.py. */
#include "tests/jit/lib.h"

TRAP_HANDLER

#define MTIME (*(volatile u64 *)0x200bff8)
#define STCE  (1ul << 63)
#define LATER 0x123456789abcul

enum { STIP = 1 << 5, TICKS = 100000 };

static volatile u64 sleeps;

static void sleep_on(void)
{
    csr_write(menvcfg, STCE);
    csr_write(stimecmp, LATER);
    csr_write(mie, STIP);
    sleeps = 1;
    while (!(csr_read(mip) & STIP))
        __asm__ volatile("wfi");
    finish(0);
}

void main(u64 hart)
{
    if (hart)
        sleep_on();
    while (!sleeps)
        continue;
    for (u64 since = csr_read(time); csr_read(time) - since < TICKS;)
        continue;
    MTIME = LATER;
    for (;;)
        continue;
}
