/*
 * MTIME is written: time shows the same, and both comparators of both harts go by it, also where it went back.
 */
#include "tests/jit/lib.h"

TRAP_HANDLER

#define MTIME       (*(volatile u64 *)0x200bff8)
#define MTIMECMP(n) (*(volatile u64 *)(0x2004000 + 8 * (n)))
#define STCE        (1ul << 63)

enum { MTIP = 1 << 7, STIP = 1 << 5, SOON = 100, TICKS_A_SECOND = 10000000 };
#define NEVER (~0ul)
#define LATER 0x123456789abcul

static volatile u64 asked, told;

static void wait_for(u64 bit)
{
    while (!(csr_read(mip) & bit))
        continue;
}

static void wait(u64 ticks)
{
    for (u64 since = csr_read(time); csr_read(time) - since < ticks;)
        continue;
}

static void set(u64 time)
{
    MTIME = time;
    u64 seen = csr_read(time), there = MTIME;
    expect(seen >= time && there >= seen && there - time < 100ul * TICKS_A_SECOND, 1);
}

/* Hart 1 waits for its own stimecmp. */
static void second(void)
{
    csr_write(menvcfg, STCE);
    csr_write(stimecmp, LATER);
    told = 1;
    while (!asked)
        continue;
    wait_for(STIP);
    told = 2;
    for (;;)
        continue;
}

void main(u64 hart)
{
    if (hart)
        second();
    while (!told)
        continue;
    csr_write(menvcfg, STCE);
    csr_write(stimecmp, NEVER);
    MTIMECMP(0) = NEVER;
    set(LATER / 2);
    set(0); /* back: what the clock is ahead of MTIME goes beyond 2^64 from NEVER */
    wait(20 * SOON);
    expect(csr_read(mip) & (MTIP | STIP), 0);

    csr_write(stimecmp, LATER);
    MTIMECMP(0) = LATER;
    expect(csr_read(mip) & (MTIP | STIP), 0);
    set(LATER - SOON);
    asked = 1;
    wait_for(MTIP);
    wait_for(STIP);
    expect(csr_read(time) >= LATER, 1);
    while (told != 2)
        continue;

    set(LATER / 3);
    expect(csr_read(mip) & (MTIP | STIP), 0);
    finish(0);
}
