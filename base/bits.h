/* base/bits.h - bit fields, sign extension, alignment, unaligned little- and big-endian access. */
#ifndef BASE_BITS_H
#define BASE_BITS_H

#include "base/types.h"
#include <string.h>

/* Bits [low, low+width) of x; width 1..64. */
static inline u64 bits_get(u64 x, unsigned low, unsigned width)
{
    return (x >> low) & (~UINT64_C(0) >> (64 - width));
}

/* x with bits [low, low+width) replaced by the low bits of field. */
static inline u64 bits_set(u64 x, unsigned low, unsigned width, u64 field)
{
    u64 mask = (~UINT64_C(0) >> (64 - width)) << low;
    return (x & ~mask) | ((field << low) & mask);
}

/* The low `width` bits of x (1..64) as a signed number. */
static inline s64 bits_sign_extend(u64 x, unsigned width)
{
    return (s64)(x << (64 - width)) >> (64 - width);
}

/* align is a power of two. */
static inline u64 bits_align_down(u64 x, u64 align)
{
    return x & ~(align - 1);
}

static inline u64 bits_align_up(u64 x, u64 align)
{
    return (x + align - 1) & ~(align - 1);
}

static inline bool bits_is_power_of_2(u64 x)
{
    return x && !(x & (x - 1));
}

/* Little-endian loads and stores of 1, 2, 4 or 8 bytes at any alignment. */
static inline u64 bits_load_le(const void *p, unsigned size)
{
    u64 v = 0;

    for (unsigned i = 0; i < size; i++)
        v |= (u64)((const u8 *)p)[i] << (8 * i);
    return v;
}

static inline void bits_store_le(void *p, unsigned size, u64 v)
{
    for (unsigned i = 0; i < size; i++)
        ((u8 *)p)[i] = (u8)(v >> (8 * i));
}

static inline u64 bits_load_be(const void *p, unsigned size)
{
    u64 v = 0;

    for (unsigned i = 0; i < size; i++)
        v = v << 8 | ((const u8 *)p)[i];
    return v;
}

static inline void bits_store_be(void *p, unsigned size, u64 v)
{
    for (unsigned i = 0; i < size; i++)
        ((u8 *)p)[size - 1 - i] = (u8)(v >> (8 * i));
}

#endif
