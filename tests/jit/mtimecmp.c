/* One hart writes the other's MTIMECMP just when it expires: what was compared before must not be pending for good. */
#include "tests/jit/lib.h"

TRAP_HANDLER

#define MTIMECMP(n) (*(volatile u64 *)(0x2004000 + 8 * (n)))
#define NEVER       (~0ul)

enum { MTIP = 1 << 7, ROUNDS = 3000, SOON = 100, SHORT = 300, LONG = 100000 };

static volatile u64 asked, told, pending;

static void wait(u64 ticks)
{
    for (u64 since = csr_read(time); csr_read(time) - since < ticks;)
        continue;
}

static void second(void)
{
    for (u64 i = 1;; i++) {
        while (asked != i)
            continue;
        wait(SHORT);
        if (csr_read(mip) & MTIP)
            wait(LONG);
        pending = csr_read(mip) & MTIP;
        told = i;
    }
}

void main(u64 hart)
{
    u64 random = 88172645463325252u;

    if (hart)
        second();
    for (u64 i = 1; i <= ROUNDS; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        MTIMECMP(1) = csr_read(time) + SOON;
        wait(SOON);
        for (volatile u64 k = 0; k < random % 3000; k++)
            continue;
        MTIMECMP(1) = NEVER;
        asked = i;
        while (told != i)
            continue;
        expect(pending, 0);
    }
    MTIMECMP(1) = 0;
    asked = ROUNDS + 1;
    while (told != ROUNDS + 1)
        continue;
    expect(pending, MTIP);
    finish(0);
}
