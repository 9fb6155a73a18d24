/*
 * Blocks that end in a call, and those behind them, so large that both together often do not fit the rest of a chunk of the code buffer, in a buffer that is
 * recycled all the time (tb-size=4).
 */
#include "tests/jit/lib.h"

TRAP_HANDLER

enum { PAIRS = 900, EACH = 15, ROUNDS = 3 };

/* a0: what is added to, in the second of four instructions; the others are long. */
void pairs(u64 *sum);
__asm__(".option push\n.option norvc\n.option norelax\n"
        ".balign 4096\n3: ret\n"
        ".globl pairs\npairs: mv t1, ra\n addi a1, a0, 8\n li t0, 1\n j 1f\n"
        ".macro half\n.rept 15\n amomax.w t2, t2, (a1)\n amoadd.d zero, t0, (a0)\n amoxor.d t2, t2, (a1)\n amominu.d t2, t2, (a1)\n.endr\n.endm\n"
        ".balign 1024\n1:\n"
        ".rept 900\n half\n jal ra, 3b\n half\n nop\n j 2f\n.balign 1024\n2:\n.endr\n"
        " jr t1\n.option pop\n");

void main(u64 hart)
{
    static u64 sum[2];

    other_harts_wait(hart);
    for (u64 i = 1; i <= ROUNDS; i++) {
        pairs(sum);
        expect(sum[0], i * PAIRS * EACH * 2);
    }
    finish(0);
}
