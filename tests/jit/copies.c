/*
 * An instruction in front of a call is written again and again: each time the block that ends in the call is made anew, and not each time
 * the one behind it, which is another line. tests/functional/test_pairs.py asks how many there are at the end.
 */
#include "tests/jit/lib.h"

TRAP_HANDLER

enum { TURNS = 20000, ONE = 0x00150513, TWO = 0x00250513 }; /* addi a0, a0, 1 or 2 */

extern u32 slot[];
u64 sum(u64 start);

__asm__(".balign 64\n"
        ".option push\n.option norvc\n"
        "sum: mv t0, ra\n"
        ".balign 64\n"
        ".globl slot\n"
        "slot: addi a0, a0, 1\n"
        ".rept 14\n"
        "addi a0, a0, 1\n"
        ".endr\n"
        "jal ra, leaf\n"
        /* the next line */
        "addi a0, a0, 4\n"
        "mv ra, t0\n"
        "ret\n"
        "leaf: addi a0, a0, 3\n"
        "ret\n"
        ".option pop\n");

void main(u64 hart)
{
    other_harts_wait(hart);
    for (u32 i = 0; i < TURNS; i++) {
        *(volatile u32 *)slot = i & 1 ? TWO : ONE;
        fence_i();
        expect(sum(i), i + 22 + (i & 1));
    }
    put('c');
    put('\n');
    for (;;)
        ;
}
