/*
 * A hart that waits by wfi while something masked is pending (OpenSBI before 1.2 does) looks now and then, not all the time; but what it
 * waits for wakes it at once: msip written again, another interrupt.
 */
#include "tests/jit/lib.h"

enum { MS = 10000, ROUNDS = 100 };

static volatile u32 *const msip = (u32 *)0x2000000;
static volatile u64 *const mtimecmp = (u64 *)0x2004000;
static volatile u64 turns;
static volatile u32 ready;

u64 trap(u64 cause, u64 epc, u64 tval)
{
    (void)tval;
    fail("unexpected trap: cause, epc:", cause, epc, 0);
    return epc;
}

static u64 now(void)
{
    return csr_read(time);
}

/* Hart 1: msip is pending and enabled, but no interrupt is taken. A message, or the timer, is answered. */
static void wait_by_wfi(void)
{
    csr_write(mie, 0x88); /* MSIE, MTIE */
    ready = 1;
    for (;;) {
        __asm__ volatile("wfi" ::: "memory");
        turns++;
    }
}

/* Until it has just looked, once: the next look is far away, unless something wakes it. Gives back when that was, at the latest. */
static u64 wait_for_a_look(void)
{
    u64 seen, looked;

    do {
        seen = turns;
        do {
            looked = now();
        } while (turns == seen);
        seen++;
        while (now() - looked < MS / 2)
            ;
    } while (turns != seen);
    return looked;
}

/* How long it takes until it turns again; for ever, if this hart was away meanwhile and so cannot tell. */
static u64 answer_to(u64 message)
{
    u64 looked = wait_for_a_look(), seen = turns, from = now();

    if (message)
        msip[1] = 1;
    else
        mtimecmp[1] = 0;
    while (turns == seen)
        ;
    u64 end = now();
    mtimecmp[1] = ~0ul;
    return from - looked < MS ? end - from : ~0ul;
}

void main(u64 hart)
{
    u64 least[2] = { ~0ul, ~0ul }, before, from;

    if (hart == 1)
        wait_by_wfi();
    other_harts_wait(hart);
    mtimecmp[1] = ~0ul;
    msip[1] = 1;
    while (!ready)
        ;
    before = turns;
    from = now();
    while (now() - from < 200 * MS)
        ;
    if (turns - before > 200) /* 32 and then one in 5 ms */
        fail("looked too often in 200 ms: line, got, wanted:", __LINE__, turns - before, 72);
    /* The quickest of many: on a busy host some take long, and some cannot be told. */
    for (int i = 0; i < 2 * ROUNDS && (least[0] > 2 * MS || least[1] > 2 * MS); i++) {
        u64 took = answer_to(i & 1);

        least[i & 1] = took < least[i & 1] ? took : least[i & 1];
    }
    for (int i = 0; i < 2; i++) {
        if (least[i] != ~0ul && least[i] > 2 * MS)
            fail("woken too late: which, got, wanted:", i, least[i], MS);
    }
}
