/*
 * Pages that are seen running again and again, but never soon after each other, and then one for long: tests/functional/test_quick.py counts those that are
 * translated with more thought.
 */
#include "tests/jit/lib.h"

enum { PAGES = 128, PAGE = 4096, TURNS = 10000, TICKS_PER_MS = 10000, VISIT = TICKS_PER_MS * 3 / 10, ROUNDS = 12, LONG = 1000 * TICKS_PER_MS };
#define CODE  0x81000000ul
#define TIMER 0x200bff8ul

TRAP_HANDLER

static u64 now(void)
{
    return *(volatile u64 *)TIMER;
}

static void stay(u64 page, u64 ticks)
{
    u64 until = now() + ticks;

    while (now() < until)
        ((void (*)(u64))(CODE + page * PAGE))(TURNS);
}

static void make_code(u64 page)
{
    u32 *code = (u32 *)(CODE + page * PAGE);

    code[0] = 0xfff50513; /* addi a0, a0, -1 */
    code[1] = 0xfe051ee3; /* bnez a0, . - 4 */
    code[2] = 0x00008067; /* ret */
}

void main(u64 hart)
{
    other_harts_wait(hart);
    for (u64 page = 0; page <= PAGES; page++)
        make_code(page);
    fence_i();
    for (u64 round = 0; round < ROUNDS; round++)
        for (u64 page = 0; page < PAGES; page++)
            stay(page, VISIT);
    print("seldom\n");
    for (u64 until = now() + LONG; now() < until;) /* the test counts meanwhile */
        ;
    stay(PAGES, LONG);
    print("for long\n");
    for (;;)
        ;
}
