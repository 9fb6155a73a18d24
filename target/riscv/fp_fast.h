/*
 * target/riscv/fp_fast.h - floating-point operations by the host's own arithmetic where that is certainly right: round to
 * nearest even, operands zero or normal, result zero exactly or safely normal, and inexact already accumulated, so that no
 * flag can change. Everything else returns false and is done in soft-float.
 *
 * The host's rounding mode must be its default (C code is never run under a guest's MXCSR).
 */
#ifndef TARGET_RISCV_FP_FAST_H
#define TARGET_RISCV_FP_FAST_H

#include "base/types.h"
#include <math.h>
#include <string.h>

enum fast_op { FAST_ADD, FAST_SUB, FAST_MUL, FAST_DIV };

#define FAST_FUNCTIONS(S, T, REAL, EXPONENT, FRACTION, FMA, SQRT)                                    \
    static inline REAL fast_value_##S(T bits)                                                        \
    {                                                                                                \
        REAL value;                                                                                  \
                                                                                                     \
        memcpy(&value, &bits, sizeof(value));                                                        \
        return value;                                                                                \
    }                                                                                                \
    static inline T fast_bits_##S(REAL value)                                                        \
    {                                                                                                \
        T bits;                                                                                      \
                                                                                                     \
        memcpy(&bits, &value, sizeof(bits));                                                         \
        return bits;                                                                                 \
    }                                                                                                \
    static inline T fast_magnitude_##S(T bits)                                                       \
    {                                                                                                \
        return bits & (((T)1 << (EXPONENT + FRACTION)) - 1);                                         \
    }                                                                                                \
    static inline bool fast_nan_##S(T bits)                                                          \
    {                                                                                                \
        return fast_magnitude_##S(bits) > (T)((((T)1 << EXPONENT) - 1) << FRACTION);                 \
    }                                                                                                \
    /* Finite, and neither subnormal nor the smallest normal number (where underflow is subtle). */  \
    static inline bool fast_normal_##S(T bits)                                                       \
    {                                                                                                \
        T smallest = (T)1 << FRACTION, infinity = (((T)1 << EXPONENT) - 1) << FRACTION;              \
                                                                                                     \
        return fast_magnitude_##S(bits) - smallest - 1 < infinity - smallest - 1;                    \
    }                                                                                                \
    static inline bool fast_operand_##S(T bits)                                                      \
    {                                                                                                \
        return fast_normal_##S(bits) || !fast_magnitude_##S(bits);                                   \
    }                                                                                                \
    static inline bool fast_binary_##S(enum fast_op op, T a, T b, T *result)                         \
    {                                                                                                \
        REAL x = fast_value_##S(a), y = fast_value_##S(b);                                           \
                                                                                                     \
        if (!fast_operand_##S(a) || !fast_operand_##S(b))                                            \
            return false;                                                                            \
        *result = fast_bits_##S(op == FAST_ADD   ? x + y                                             \
                                : op == FAST_SUB ? x - y                                             \
                                : op == FAST_MUL ? x * y                                             \
                                                 : x / y);                                           \
        if (likely(fast_normal_##S(*result)))                                                        \
            return true;                                                                             \
        bool exact_zero = op == FAST_MUL ? x == 0 || y == 0 : op == FAST_DIV ? x == 0 : true;        \
        return exact_zero && !fast_magnitude_##S(*result);                                           \
    }                                                                                                \
    static inline bool fast_fma_##S(T a, T b, T c, T *result)                                        \
    {                                                                                                \
        if (!fast_operand_##S(a) || !fast_operand_##S(b) || !fast_operand_##S(c))                    \
            return false;                                                                            \
        *result = fast_bits_##S(FMA(fast_value_##S(a), fast_value_##S(b), fast_value_##S(c)));       \
        return fast_normal_##S(*result);                                                             \
    }                                                                                                \
    static inline bool fast_sqrt_##S(T a, T *result)                                                 \
    {                                                                                                \
        if (!fast_normal_##S(a) || a >> (EXPONENT + FRACTION))                                       \
            return false;                                                                            \
        *result = fast_bits_##S(SQRT(fast_value_##S(a)));                                            \
        return true;                                                                                 \
    }                                                                                                \
    /* -1, 0, 1; only without NaNs. */                                                               \
    static inline bool fast_compare_##S(T a, T b, int *relation)                                     \
    {                                                                                                \
        REAL x = fast_value_##S(a), y = fast_value_##S(b);                                           \
                                                                                                     \
        *relation = (x > y) - (x < y);                                                               \
        return !fast_nan_##S(a) && !fast_nan_##S(b);                                                 \
    }                                                                                                \
    /* An integer that is exact, or cut off where that is meant and inexact is set. */               \
    static inline bool fast_to_integer_##S(T a, bool cut, s64 *result)                               \
    {                                                                                                \
        REAL x = fast_value_##S(a);                                                                  \
                                                                                                     \
        if (!(x > -0x1p62 && x < 0x1p62))                                                            \
            return false;                                                                            \
        *result = (s64)x;                                                                            \
        return cut || (REAL)*result == x;                                                            \
    }                                                                                                \
    static inline bool fast_from_integer_##S(s64 a, bool nearest, T *result)                         \
    {                                                                                                \
        *result = fast_bits_##S((REAL)a);                                                            \
        return nearest || (a >= -(INT64_C(2) << FRACTION) && a <= INT64_C(2) << FRACTION);           \
    }

FAST_FUNCTIONS(s, u32, float, 8, 23, fmaf, sqrtf)
FAST_FUNCTIONS(d, u64, double, 11, 52, fma, sqrt)
#undef FAST_FUNCTIONS

/* Half precision is always soft. */
static inline bool fast_nan_h(u16 bits)
{
    return (bits & 0x7fff) > 0x7c00;
}

static inline bool fast_binary_h(enum fast_op op, u16 a, u16 b, u16 *result)
{
    return false;
}

static inline bool fast_fma_h(u16 a, u16 b, u16 c, u16 *result)
{
    return false;
}

static inline bool fast_sqrt_h(u16 a, u16 *result)
{
    return false;
}

static inline bool fast_compare_h(u16 a, u16 b, int *relation)
{
    return false;
}

static inline bool fast_to_integer_h(u16 a, bool cut, s64 *result)
{
    return false;
}

static inline bool fast_from_integer_h(s64 a, bool nearest, u16 *result)
{
    return false;
}

/* Narrowing that is exact, or rounds to nearest while inexact is set. */
static inline bool fast_narrow(u64 a, bool nearest, u32 *result)
{
    *result = fast_bits_s((float)fast_value_d(a));
    return fast_normal_s(*result) && (nearest || fast_bits_d((double)fast_value_s(*result)) == a);
}

#endif
