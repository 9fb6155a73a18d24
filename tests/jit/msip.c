/* One hart sends another one an interrupt while that one takes the one before away: what MSIP holds is what mip shows. */
#include "tests/jit/lib.h"

TRAP_HANDLER

#define MSIP(n) (*(volatile u32 *)(0x2000000 + 4 * (n)))

enum { HARTS = 2, MSIP_SHIFT = 3, ROUNDS = 20000, SPREAD = 64 };

static void pause(u64 times)
{
    while (times--)
        __asm__ volatile("nop");
}

void main(u64 hart)
{
    u64 random = 88172645463325252u + hart * 7919, kept = 0;
    u32 times = 0;

    for (u64 i = 0; i < ROUNDS; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        meet(&times, HARTS);
        pause(random % SPREAD);
        MSIP(1) = !hart;
        meet(&times, HARTS);
        if (hart) {
            expect(csr_read(mip) >> MSIP_SHIFT & 1, MSIP(1));
            kept += MSIP(1);
        }
    }
    if (hart) {
        expect(kept > 0 && kept < ROUNDS, 1);
        finish(0);
    }
    for (;;)
        __asm__ volatile("wfi");
}
