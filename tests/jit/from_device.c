/*
 * An instruction is fetched out of a device, where nothing is kept of it: a jump into the page before, from the registers of a root port. Driven by
 * tests/functional/test_tier2.py.
 */
#include "tests/jit/lib.h"

enum { ILLEGAL = 2, ROOT_PORT = 0x0604, CODE = 0x28 /* of a register that keeps all of its 32 bits */, BACK = 0x100, TURNS = 100 };

static volatile u64 port, turns;

static u64 place(u64 at)
{
    return 0x30000000 | port << 15 | at;
}

/* Nobody answers there: all ones. */
u64 trap(u64 cause, u64 epc, u64 tval)
{
    if (cause != ILLEGAL || epc != place(CODE) - BACK)
        fail("unexpected trap:", cause, epc, tval);
    if (++turns == TURNS)
        finish(0);
    return place(CODE);
}

void main(u64 hart)
{
    other_harts_wait(hart);
    while (*(volatile u32 *)place(8) >> 16 != ROOT_PORT)
        expect(port++ < 31, 1);
    *(volatile u32 *)place(CODE) = 0xf01ff06f; /* j -BACK */
    expect(*(volatile u32 *)place(CODE), 0xf01ff06fu);
    ((void (*)(void))place(CODE))();
}
