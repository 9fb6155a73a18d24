/* The other hart stores another value and puts the old one back: with exact exclusives the SC in between fails (ABA). */
#include "tests/jit/lib.h"

TRAP_HANDLER

static volatile u64 place __attribute__((aligned(64)));
static volatile u64 turn;

void main(u64 hart)
{
    u64 value, failed;

    if (hart) {
        for (u64 i = 1; i <= 20; i++) {
            while (turn != 2 * i - 1)
                ;
            place = 7;
            place = 5;
            turn = 2 * i;
        }
        for (;;)
            ;
    }
    place = 5;
    for (u64 i = 1; i <= 20; i++) {
        __asm__ volatile("lr.d %0, (%1)" : "=r"(value) : "r"(&place) : "memory");
        expect(value, 5);
        turn = 2 * i - 1;
        while (turn != 2 * i)
            ;
        __asm__ volatile("sc.d %0, %1, (%2)" : "=r"(failed) : "r"(9ul), "r"(&place) : "memory");
        expect(failed != 0, 1);
        expect(place, 5);
    }
}
