/* A loop of floating point whose counted piece ends where registers may hold NaNs of the host, behind as much cold code as FUSED says (tests/functional/test_icount.py). */
#include "tests/jit/lib.h"

TRAP_HANDLER

enum { TURNS = 200000 };

/* 64 instructions, `fused` of them with more cold code, and some in the next piece. */
__asm__(".macro to_one_of_three op:vararg\n.if number % 3 == 0\n \\op fa0, fa4, fa5\n.elseif number % 3 == 1\n \\op fa1, fa4, fa5\n.else\n \\op fa2, fa4, fa5\n.endif\n"
        ".set number, number + 1\n.endm\n"
        ".macro piece fused\n.set number, 0\n.rept \\fused\n.if number % 3 == 0\n fmadd.d fa0, fa4, fa5, fa6\n.elseif number % 3 == 1\n fmadd.d fa1, fa4, fa5, fa6\n.else\n"
        " fmadd.d fa2, fa4, fa5, fa6\n.endif\n.set number, number + 1\n.endr\n.set number, 0\n.rept 64 - \\fused\n to_one_of_three fadd.d\n.endr\n"
        ".rept 4\n fadd.d fa3, fa4, fa5\n.endr\n.endm\n");
#ifndef FUSED
#define FUSED 58
#endif
#define TEXT_OF(x) #x
#define LOOP(fused)                                                                                                                               \
    ({                                                                                                                                            \
        u64 turns_ = TURNS;                                                                                                                       \
        __asm__ volatile("fmv.d.x fa4, zero\n fmv.d.x fa5, zero\n fmv.d.x fa6, zero\n.balign 256\n1: piece " TEXT_OF(fused) "\n addi %0, %0, -1\n bnez %0, 1b"   \
                         : "+r"(turns_)::"fa0", "fa1", "fa2", "fa3", "fa4", "fa5", "fa6");                                                       \
    })

void main(u64 hart)
{
    other_harts_wait(hart);
    LOOP(FUSED);
}
