/* base/softfloat/convert.c - between formats, to and from integers, to integral values. */
#include "base/softfloat/parts.h"

INLINE u64 convert(struct softfloat_env *env, struct format from, struct format to, u64 bits)
{
    struct parts p = unpack(from, bits);
    int shift = to.fraction_bits - from.fraction_bits;

    switch (p.kind) {
    case ZERO:
        return assemble(to, p.sign, 0, 0);
    case INFINITE:
        return infinity(to, p.sign);
    case FINITE:
        return round_pack(env, to, p.sign, p.exponent, p.significand);
    default:
        if (p.kind == SIGNALLING)
            env->flags |= SOFTFLOAT_INVALID;
        if (env->nan_rule == SOFTFLOAT_NAN_DEFAULT)
            return default_nan(env, to);
        p.significand = shift > 0 ? p.significand << shift : p.significand >> -shift;
        return quieted(to, p);
    }
}

/* The magnitude of a finite value rounded to an integer; false: 2^64 or more. */
INLINE bool to_magnitude(unsigned rounding, struct parts p, u64 *magnitude, bool *inexact)
{
    *inexact = false;
    if (p.exponent > 63)
        return false;
    if (p.exponent == 63) {
        *magnitude = p.significand;
        return true;
    }
    /* Two bits below the integer are enough: half, and a sticky one. Bit 0 of the significand is such a bit too. */
    if (p.exponent < -1) {
        *magnitude = rounds_up(rounding, p.sign, false, 1, 2);
        *inexact = true;
        return true;
    }
    if (p.exponent == -1) {
        *magnitude = rounds_up(rounding, p.sign, false, p.significand, BIT64(63));
        *inexact = true;
        return true;
    }
    *magnitude = round_shift(rounding, p.sign, p.significand, 63 - p.exponent, inexact);
    return true;
}

/* An integer of `bits` bits, saturating. */
INLINE u64 to_int(struct softfloat_env *env, struct format f, u64 x, unsigned bits, bool is_signed)
{
    struct parts p = unpack(f, x);
    u64 most = ~UINT64_C(0) >> (64 - bits + is_signed), least = is_signed ? ~most : 0;
    u64 limit = p.sign ? (is_signed ? most + 1 : 0) : most, magnitude;
    bool inexact;

    if (p.kind == ZERO)
        return 0;
    if (p.kind == FINITE && to_magnitude(env->rounding, p, &magnitude, &inexact) && magnitude <= limit) {
        env->flags |= inexact ? SOFTFLOAT_INEXACT : 0;
        return p.sign ? -magnitude : magnitude;
    }
    env->flags |= SOFTFLOAT_INVALID;
    return p.sign && !is_nan(p) ? least : most;
}

INLINE u64 from_int(struct softfloat_env *env, struct format f, u64 magnitude, bool sign)
{
    if (!magnitude)
        return 0;
    int shift = __builtin_clzll(magnitude);
    return round_pack(env, f, sign, 63 - shift, magnitude << shift);
}

INLINE u64 round_to_int(struct softfloat_env *env, struct format f, u64 x, bool exact)
{
    struct parts p = unpack(f, x);
    u64 magnitude;
    bool inexact;

    if (is_nan(p))
        return propagate(env, f, p, p);
    if (p.kind != FINITE || p.exponent >= f.fraction_bits)
        return x;
    to_magnitude(env->rounding, p, &magnitude, &inexact);
    if (inexact && exact)
        env->flags |= SOFTFLOAT_INEXACT;
    if (!magnitude)
        return assemble(f, p.sign, 0, 0);
    int shift = __builtin_clzll(magnitude);
    struct softfloat_env scratch = { 0 };
    return round_pack(&scratch, f, p.sign, 63 - shift, magnitude << shift);
}

s32 softfloat_f64_to_s32_modular(struct softfloat_env *env, u64 x)
{
    struct parts p = unpack(f64, x);

    if (p.kind == ZERO)
        return 0;
    if (p.kind != FINITE) {
        env->flags |= SOFTFLOAT_INVALID;
        return 0;
    }
    /* The lowest set bit of a double is at exponent - 52: beyond 2^84 nothing is left modulo 2^32. */
    int shift = 63 - p.exponent;
    u64 magnitude = shift > 63 ? 0 : shift >= 0 ? p.significand >> shift : -shift < 32 ? p.significand << -shift : 0;
    bool in_range = p.exponent < 63 && magnitude <= INT32_MAX + (u64)p.sign;
    bool inexact = shift > 63 || (shift > 0 && p.significand << (64 - shift));
    env->flags |= !in_range ? SOFTFLOAT_INVALID : inexact ? SOFTFLOAT_INEXACT : 0;
    return (s32)(u32)(p.sign ? -magnitude : magnitude);
}

#define X(F, T, ...)                                                           \
    T softfloat_##F##_round_to_int(struct softfloat_env *env, T a, bool exact) \
    {                                                                          \
        return round_to_int(env, F, a, exact);                                 \
    }                                                                          \
    s32 softfloat_##F##_to_s32(struct softfloat_env *env, T a)                 \
    {                                                                          \
        return (s32)to_int(env, F, a, 32, true);                               \
    }                                                                          \
    u32 softfloat_##F##_to_u32(struct softfloat_env *env, T a)                 \
    {                                                                          \
        return (u32)to_int(env, F, a, 32, false);                              \
    }                                                                          \
    s64 softfloat_##F##_to_s64(struct softfloat_env *env, T a)                 \
    {                                                                          \
        return (s64)to_int(env, F, a, 64, true);                               \
    }                                                                          \
    u64 softfloat_##F##_to_u64(struct softfloat_env *env, T a)                 \
    {                                                                          \
        return to_int(env, F, a, 64, false);                                   \
    }                                                                          \
    T softfloat_##F##_from_s64(struct softfloat_env *env, s64 a)               \
    {                                                                          \
        return from_int(env, F, a < 0 ? -(u64)a : (u64)a, a < 0);              \
    }                                                                          \
    T softfloat_##F##_from_u64(struct softfloat_env *env, u64 a)               \
    {                                                                          \
        return from_int(env, F, a, false);                                     \
    }
SOFTFLOAT_FORMATS(X)
#undef X

#define CONVERT(A, TA, B, TB)                                    \
    TB softfloat_##A##_to_##B(struct softfloat_env *env, TA a)   \
    {                                                            \
        return convert(env, A, B, a);                            \
    }
CONVERT(f16, u16, f32, u32)
CONVERT(f16, u16, f64, u64)
CONVERT(f32, u32, f16, u16)
CONVERT(f32, u32, f64, u64)
CONVERT(f64, u64, f16, u16)
CONVERT(f64, u64, f32, u32)
