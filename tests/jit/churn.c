/*
 * Four harts call small functions all over three megabytes of code and rewrite their own share of them meanwhile: translations are made,
 * linked, invalidated and, in a code buffer as small as it can be (tb-size=4), recycled all the time. A call returns what was
 * written last before it began, or something written since.
 */
#include "tests/jit/lib.h"

TRAP_HANDLER

#ifndef CALLS
#define CALLS 12000 /* of each hart */
#endif
#ifndef FUNCTIONS
#define FUNCTIONS 12288
#endif
#ifndef CALM
#define CALM 0 /* 1: nothing is rewritten, so that nothing dies but what is in the way of what is new */
#endif
enum { HARTS = 4, WORDS = 64, LI_A0 = 0x00000513, NOP = 0x00158593 /* addi a1, a1, 1 */, RET = 0x00008067 };

static u32 code[FUNCTIONS][WORDS] __attribute__((aligned(4096)));
static volatile u64 generation[FUNCTIONS]; /* of what the function returns, set after it was rewritten */

#define fence(set) __asm__ volatile("fence " set ::: "memory")

static u32 value_of(u64 function, u64 which)
{
    return (function * 7 + which) & 0x7ff;
}

static void write_function(u64 function, u64 which)
{
    *(volatile u32 *)&code[function][0] = LI_A0 | value_of(function, which) << 20;
    fence("rw, rw");
    generation[function] = which;
}

static void make(u64 function)
{
    /* jumps over a part, so that there are several blocks and links between them */
    for (u64 i = 1; i < WORDS - 1; i++)
        code[function][i] = i % 16 == 8 ? 0x0080006f /* j 2 words on */ : NOP;
    code[function][WORDS - 1] = RET;
    write_function(function, 0);
}

static u64 call(u64 function)
{
    register u64 result __asm__("a0");

    __asm__ volatile("jalr %1" : "=r"(result) : "r"(code[function]) : "ra", "a1", "memory");
    return result;
}

static void check(u64 function)
{
    u64 before = generation[function];

    fence("rw, rw");
    fence_i();
    u64 got = call(function), since;
    fence("rw, rw");
    since = generation[function] + 1 - before; /* the next one may be there before it is told */
    u64 age = (got - value_of(function, before)) & 0x7ff;
    if (age > since)
        fail("churn: function, got, wanted:", function, got, value_of(function, before));
}

void main(u64 hart)
{
    u64 random = 88172645463325252u + hart * 7919;
    u32 times = 0;

    for (u64 i = hart; i < FUNCTIONS; i += HARTS)
        make(i);
    fence_i();
    meet(&times, HARTS);
    for (u64 i = 0; i < CALLS; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        u64 function = random % FUNCTIONS;
        check(function);
        if (i % 4 == 0 && !CALM) {
            function = (random >> 32) % (FUNCTIONS / HARTS) * HARTS + hart;
            write_function(function, generation[function] + 1);
            fence_i();
            check(function);
        }
    }
    meet(&times, HARTS);
    if (hart)
        for (;;)
            __asm__ volatile("wfi");
}
