/*
 * base/softfloat/parts.h - a value taken apart, and put together again with rounding. Internal to softfloat.
 *
 * The format is passed as a constant to functions that are always inlined, so each is compiled once per format.
 */
#ifndef BASE_SOFTFLOAT_PARTS_H
#define BASE_SOFTFLOAT_PARTS_H

#include "base/softfloat/softfloat.h"

#define INLINE static inline __attribute__((always_inline))

struct format {
    int exponent_bits, fraction_bits;
};

#define X(F, T, E, S) static const struct format F = { E, S };
SOFTFLOAT_FORMATS(X)
#undef X

enum kind { ZERO, FINITE, INFINITE, QUIET, SIGNALLING };

struct parts {
    enum kind kind;
    bool sign;
    int exponent;    /* FINITE: value = significand * 2^(exponent - 63) */
    u64 significand; /* FINITE: bit 63 set; NaN: the fraction, in its place */
};

INLINE int bias_of(struct format f)
{
    return (1 << (f.exponent_bits - 1)) - 1;
}

INLINE u64 exponent_mask(struct format f)
{
    return (1u << f.exponent_bits) - 1;
}

INLINE u64 fraction_mask(struct format f)
{
    return (UINT64_C(1) << f.fraction_bits) - 1;
}

INLINE u64 quiet_bit(struct format f)
{
    return UINT64_C(1) << (f.fraction_bits - 1);
}

INLINE u64 assemble(struct format f, bool sign, u64 exponent, u64 fraction)
{
    return (u64)sign << (f.exponent_bits + f.fraction_bits) | ((exponent << f.fraction_bits) + fraction);
}

INLINE u64 infinity(struct format f, bool sign)
{
    return assemble(f, sign, exponent_mask(f), 0);
}

INLINE bool is_nan(struct parts p)
{
    return p.kind >= QUIET;
}

INLINE struct parts unpack(struct format f, u64 bits)
{
    u64 fraction = bits & fraction_mask(f), exponent = bits >> f.fraction_bits & exponent_mask(f);
    struct parts p = { .sign = bits >> (f.exponent_bits + f.fraction_bits) & 1, .significand = fraction };

    if (exponent == exponent_mask(f)) {
        p.kind = !fraction ? INFINITE : fraction & quiet_bit(f) ? QUIET : SIGNALLING;
    } else if (exponent) {
        p.kind = FINITE;
        p.exponent = (int)exponent - bias_of(f);
        p.significand = BIT64(63) | fraction << (63 - f.fraction_bits);
    } else if (fraction) {
        int shift = __builtin_clzll(fraction);

        p.kind = FINITE;
        p.exponent = 1 - bias_of(f) + (63 - f.fraction_bits) - shift;
        p.significand = fraction << shift;
    }
    return p;
}

/* Right shifts that keep in the lowest bit whether anything was lost. */
INLINE u64 shift_right_jam(u64 x, unsigned count)
{
    if (!count)
        return x;
    if (count > 63)
        return x != 0;
    return x >> count | ((x << (64 - count)) != 0);
}

INLINE u128 shift_right_jam128(u128 x, unsigned count)
{
    if (!count)
        return x;
    if (count > 127)
        return x != 0;
    return x >> count | ((x << (128 - count)) != 0);
}

/* Whether a magnitude whose kept part is odd or even, with `rest` below it, goes up; half is the weight of the top bit lost. */
INLINE bool rounds_up(unsigned rounding, bool sign, bool odd, u64 rest, u64 half)
{
    switch (rounding) {
    case SOFTFLOAT_RNE:
        return rest > half || (rest == half && odd);
    case SOFTFLOAT_RMM:
        return rest >= half;
    case SOFTFLOAT_RDN:
        return sign && rest;
    case SOFTFLOAT_RUP:
        return !sign && rest;
    default:
        return false;
    }
}

/* x / 2^count rounded, count 1..63; *inexact says whether anything was lost. */
INLINE u64 round_shift(unsigned rounding, bool sign, u64 x, unsigned count, bool *inexact)
{
    u64 rest = x & (BIT64(count) - 1), kept = x >> count;

    *inexact = rest != 0;
    return kept + rounds_up(rounding, sign, kept & 1, rest, BIT64(count - 1));
}

/* The largest finite value or infinity (IEEE 754-2008 section 7.4). */
INLINE u64 overflow(struct softfloat_env *env, struct format f, bool sign)
{
    bool finite = env->rounding == SOFTFLOAT_RTZ || env->rounding == (sign ? SOFTFLOAT_RUP : SOFTFLOAT_RDN);

    env->flags |= SOFTFLOAT_OVERFLOW | SOFTFLOAT_INEXACT;
    return infinity(f, sign) - finite;
}

/* Below the smallest normal number: fewer bits are kept. */
INLINE u64 round_pack_tiny(struct softfloat_env *env, struct format f, bool sign, int exponent, u64 significand)
{
    int smallest = 1 - bias_of(f);
    unsigned drop = 63 - f.fraction_bits;
    bool inexact, tiny = true;

    /* After rounding to full precision with an unbounded exponent, the value may just reach the normal numbers. */
    if (!env->tininess_before && exponent == smallest - 1)
        tiny = round_shift(env->rounding, sign, significand, drop, &inexact) >> (f.fraction_bits + 1) == 0;
    u64 rounded = round_shift(env->rounding, sign, shift_right_jam(significand, smallest - exponent), drop, &inexact);
    if (inexact)
        env->flags |= SOFTFLOAT_INEXACT | (tiny ? SOFTFLOAT_UNDERFLOW : 0);
    return assemble(f, sign, 0, rounded);
}

/* Rounds significand * 2^(exponent - 63), bit 63 set, lowest bit sticky, to the format. */
INLINE u64 round_pack(struct softfloat_env *env, struct format f, bool sign, int exponent, u64 significand)
{
    bool inexact;

    if (exponent < 1 - bias_of(f))
        return round_pack_tiny(env, f, sign, exponent, significand);
    u64 rounded = round_shift(env->rounding, sign, significand, 63 - f.fraction_bits, &inexact);
    exponent += rounded >> (f.fraction_bits + 1);
    if (exponent > bias_of(f))
        return overflow(env, f, sign);
    if (inexact)
        env->flags |= SOFTFLOAT_INEXACT;
    /* A carry out of the fraction leaves it 0: the hidden bit and the carry are both masked away. */
    return assemble(f, sign, exponent + bias_of(f), rounded & fraction_mask(f));
}

/* The same from 128 bits, which need not be normalised: value = wide * 2^(exponent - 127); wide is not 0. */
INLINE u64 normalize_pack(struct softfloat_env *env, struct format f, bool sign, int exponent, u128 wide)
{
    u64 high = wide >> 64;
    int shift = high ? __builtin_clzll(high) : 64 + __builtin_clzll((u64)wide);

    wide <<= shift;
    return round_pack(env, f, sign, exponent - shift, (u64)(wide >> 64) | ((u64)wide != 0));
}

INLINE u64 default_nan(const struct softfloat_env *env, struct format f)
{
    return assemble(f, env->nan_rule == SOFTFLOAT_NAN_FIRST, exponent_mask(f), quiet_bit(f));
}

/* The result of an operation that has none. */
INLINE u64 invalid(struct softfloat_env *env, struct format f)
{
    env->flags |= SOFTFLOAT_INVALID;
    return default_nan(env, f);
}

INLINE u64 quieted(struct format f, struct parts p)
{
    return assemble(f, p.sign, exponent_mask(f), p.significand | quiet_bit(f));
}

INLINE struct parts choose_nan(const struct softfloat_env *env, struct parts a, struct parts b)
{
    if (env->nan_rule == SOFTFLOAT_NAN_SIGNALLING_FIRST && b.kind == SIGNALLING && a.kind != SIGNALLING)
        return b;
    return is_nan(a) ? a : b;
}

/* At least one operand is a NaN. */
INLINE u64 propagate(struct softfloat_env *env, struct format f, struct parts a, struct parts b)
{
    if (a.kind == SIGNALLING || b.kind == SIGNALLING)
        env->flags |= SOFTFLOAT_INVALID;
    return env->nan_rule == SOFTFLOAT_NAN_DEFAULT ? default_nan(env, f) : quieted(f, choose_nan(env, a, b));
}

#endif
