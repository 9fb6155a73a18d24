/*
 * A loop whose branch back is the last instruction of its page, and in whose upper half a branch begins that leads to the next page: what tier 2 asks of the links around a loop is about its page.
 */
#include "tests/jit/lib.h"

TRAP_HANDLER

enum { LOOP = 0xefc, BRANCH = 0xffc, INSIDE = 0xffe, TURNS = 3000000 };

static u16 code[2][2048] __attribute__((aligned(4096)));

/* Comes back by t0; s6: turns. */
static u64 run(u64 at, u64 turns)
{
    register u64 count __asm__("t1") = 0;
    register u64 most __asm__("s6") = turns;

    __asm__ volatile("mv t2, %2\n la t0, 1f\n jr t2\n 1:" : "+r"(count) : "r"(most), "r"(at) : "t0", "t2", "ra", "memory");
    return count;
}

void main(u64 hart)
{
    other_harts_wait(hart);

    u16 *c = code[0];
    u32 over = BRANCH - (LOOP + 2), back = 0xf1630000u | 1u << 12 | 1u << 7 | 0x63; /* bne t1, s6, .-256; the upper half begins bgeu a1, a1, .+2 */

    c[LOOP / 2] = 0x0305; /* c.addi t1, 1 */
    c[LOOP / 2 + 1] = (u16)(0xa001 | (over >> 11 & 1) << 12 | (over >> 4 & 1) << 11 | (over >> 8 & 3) << 9 | (over >> 10 & 1) << 8 | (over >> 6 & 1) << 7 |
                            (over >> 7 & 1) << 6 | (over >> 1 & 7) << 3 | (over >> 5 & 1) << 2); /* c.j */
    c[BRANCH / 2] = (u16)back;
    c[INSIDE / 2] = (u16)(back >> 16);
    code[1][0] = 0x00b5; /* c.addi ra, 13; the rest of the bgeu */
    code[1][1] = 0x8282; /* c.jr t0 */
    fence_i();
    for (int i = 0; i < 10; i++)
        run((u64)c + INSIDE, 0);
    for (int i = 0; i < 3; i++)
        expect(run((u64)c + LOOP, TURNS), TURNS);
    finish(0);
}
