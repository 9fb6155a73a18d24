/* A reservation: gone after SC, a trap's return and a store by the other hart in between; SC elsewhere fails. */
#include "tests/jit/lib.h"

TRAP_HANDLER

static volatile u64 place __attribute__((aligned(64))), other __attribute__((aligned(64)));
static volatile u64 turn;

static u64 lr(volatile u64 *at)
{
    u64 v;

    __asm__ volatile("lr.d %0, (%1)" : "=r"(v) : "r"(at) : "memory");
    return v;
}

static u64 sc(volatile u64 *at, u64 v)
{
    u64 failed;

    __asm__ volatile("sc.d %0, %1, (%2)" : "=r"(failed) : "r"(v), "r"(at) : "memory");
    return failed;
}

void main(u64 hart)
{
    if (hart) {
        for (u64 i = 1; i <= 50; i++) {
            while (turn != 2 * i - 1)
                ;
            place = 1000 + i;
            fence_i();
            turn = 2 * i;
        }
        for (;;)
            ;
    }
    place = 5;
    expect(lr(&place), 5);
    expect(sc(&place, 6), 0);
    expect(place, 6);
    expect(sc(&place, 7) != 0, 1); /* no reservation any more */
    expect(place, 6);
    lr(&place);
    expect(sc(&other, 7) != 0, 1); /* another address */
    expect(other, 0);
    lr(&place);
    __asm__ volatile("ebreak"); /* a trap and its return in between */
    expect(sc(&place, 8) != 0, 1);
    expect(place, 6);
    /* word pairs: SC.W to the other half fails */
    for (u64 i = 1; i <= 50; i++) {
        lr(&place);
        turn = 2 * i - 1;
        while (turn != 2 * i)
            ;
        expect(sc(&place, 9) != 0, 1); /* the other hart stored another value */
        expect(place, 1000 + i);
    }
}
