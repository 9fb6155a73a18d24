/*
 * A loop whose word lies over a page's end ('a'), so that no turn can be done without looking at both pages, and the same loop with one that does not ('b'):
 * tests/functional/test_tier2.py says by the serial line which, and asks what became of the loop.
 */
#include "tests/jit/lib.h"

TRAP_HANDLER

enum { TURNS = 20000 };

static u8 pages[2 * 4096] __attribute__((aligned(4096)));

static u64 sum(const u8 *word, u64 turns)
{
    u64 total = 0;

    __asm__ volatile("1: ld t0, 0(%2)\n add %0, %0, t0\n addi %1, %1, -1\n bnez %1, 1b\n" : "+r"(total), "+r"(turns) : "r"(word) : "t0", "memory");
    return total;
}

/* The next character of the serial line, or what it was before. */
static char wanted(char before)
{
    volatile u8 *uart = (volatile u8 *)0x10000000;

    return uart[5] & 1 ? (char)uart[0] : before;
}

void main(u64 hart)
{
    char where = 'a', told = 0;

    other_harts_wait(hart);
    pages[4096] = 1;
    for (;;) {
        const u8 *word = where == 'a' ? pages + 4096 - 4 : pages + 4096;

        expect(sum(word, TURNS), where == 'a' ? (u64)TURNS << 32 : TURNS);
        if (told != where) {
            put(where);
            put('\n');
            told = where;
        }
        where = wanted(where);
    }
}
