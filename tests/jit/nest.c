/*
 * Short loops in others that spend their time in front of them, one pair after the other: nearly every sample meets the short one.
 * tests/functional/test_tier2.py asks what became of them.
 */
#include "tests/jit/lib.h"

TRAP_HANDLER

enum { TURNS = 800000, INNER = 2 };

static const u64 words[INNER] = { 3, 5 };

#define NEST(name)                                                     \
    static u64 __attribute__((noinline, aligned(1024))) name(u64 turns) \
    {                                                                  \
        u64 total = 0;                                                 \
                                                                       \
        __asm__ volatile("1: mv t0, %1\n"                              \
                         ".rept 90\n"                                  \
                         "add t0, t0, %1\n"                            \
                         "xor t0, t0, %0\n"                            \
                         ".endr\n"                                     \
                         "mv t1, %2\n"                                 \
                         "li t2, %3\n"                                 \
                         "2: ld t3, 0(t1)\n"                           \
                         "add %0, %0, t3\n"                            \
                         "addi t1, t1, 8\n"                            \
                         "addi t2, t2, -1\n"                           \
                         "bnez t2, 2b\n"                               \
                         "addi %1, %1, -1\n"                           \
                         "bnez %1, 1b\n"                               \
                         : "+r"(total), "+r"(turns)                    \
                         : "r"(words), "i"(INNER)                      \
                         : "t0", "t1", "t2", "t3", "memory");          \
        return total;                                                  \
    }

NEST(nest1) NEST(nest2) NEST(nest3) NEST(nest4) NEST(nest5) NEST(nest6) NEST(nest7) NEST(nest8)
NEST(nest9) NEST(nest10) NEST(nest11) NEST(nest12) NEST(nest13) NEST(nest14) NEST(nest15) NEST(nest16)

void main(u64 hart)
{
    u64 (*const nests[])(u64) = { nest1, nest2, nest3, nest4, nest5, nest6, nest7, nest8, nest9, nest10, nest11, nest12, nest13, nest14, nest15, nest16 };

    other_harts_wait(hart);
    for (unsigned i = 0; i < sizeof(nests) / sizeof(nests[0]); i++)
        expect(nests[i](TURNS), (u64)TURNS * 8);
    put('n');
    put('\n');
    for (;;)
        continue;
}
