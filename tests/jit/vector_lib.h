/* tests/jit/vector_lib.h - what programs with strip-mined loops share: numbers at random, and elements in memory. */
#ifndef JIT_VECTOR_LIB_H
#define JIT_VECTOR_LIB_H

#include "tests/jit/lib.h"

static u64 seed = 1;

static u64 next(void)
{
    seed = seed * 6364136223846793005ul + 1442695040888963407ul;
    return seed >> 24;
}

static void move(u8 *d, const u8 *s, u64 bytes)
{
    for (u64 i = 0; i < bytes; i++)
        d[i] = s[i];
}

static u64 number_at(const u8 *p, u64 bytes)
{
    u64 x = 0;

    move((u8 *)&x, p, bytes);
    return x;
}

#endif
