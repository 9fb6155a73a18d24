/* base/softfloat/compare.c - relations, minima and maxima, classes. */
#include "base/softfloat/parts.h"

/* Bits of a number that is no NaN as a signed integer that orders likewise, -0 below +0. */
INLINE s64 order(struct format f, u64 bits)
{
    u64 sign = UINT64_C(1) << (f.exponent_bits + f.fraction_bits);

    return bits & sign ? ~(s64)(bits & (sign - 1)) : (s64)bits;
}

INLINE enum softfloat_relation compare(struct softfloat_env *env, struct format f, u64 x, u64 y, bool quiet)
{
    struct parts a = unpack(f, x), b = unpack(f, y);

    if (is_nan(a) || is_nan(b)) {
        if (!quiet || a.kind == SIGNALLING || b.kind == SIGNALLING)
            env->flags |= SOFTFLOAT_INVALID;
        return SOFTFLOAT_UNORDERED;
    }
    if (x == y || (a.kind == ZERO && b.kind == ZERO))
        return SOFTFLOAT_EQUAL;
    return order(f, x) < order(f, y) ? SOFTFLOAT_LESS : SOFTFLOAT_GREATER;
}

INLINE u64 extreme(struct softfloat_env *env, struct format f, u64 x, u64 y, bool maximum, bool prefer_number)
{
    struct parts a = unpack(f, x), b = unpack(f, y);

    if (is_nan(a) || is_nan(b)) {
        u64 nan = propagate(env, f, a, b);

        return prefer_number && !is_nan(a) ? x : prefer_number && !is_nan(b) ? y : nan;
    }
    return (order(f, x) < order(f, y)) == maximum ? y : x;
}

INLINE enum softfloat_class classify(struct format f, u64 bits)
{
    bool sign = bits >> (f.exponent_bits + f.fraction_bits) & 1, normal = bits >> f.fraction_bits & exponent_mask(f);

    switch (unpack(f, bits).kind) {
    case ZERO:
        return sign ? SOFTFLOAT_NEGATIVE_ZERO : SOFTFLOAT_POSITIVE_ZERO;
    case INFINITE:
        return sign ? SOFTFLOAT_NEGATIVE_INFINITY : SOFTFLOAT_POSITIVE_INFINITY;
    case QUIET:
        return SOFTFLOAT_QUIET_NAN;
    case SIGNALLING:
        return SOFTFLOAT_SIGNALLING_NAN;
    default:
        if (normal)
            return sign ? SOFTFLOAT_NEGATIVE_NORMAL : SOFTFLOAT_POSITIVE_NORMAL;
        return sign ? SOFTFLOAT_NEGATIVE_SUBNORMAL : SOFTFLOAT_POSITIVE_SUBNORMAL;
    }
}

#define X(F, T, ...)                                                                                 \
    enum softfloat_relation softfloat_##F##_compare(struct softfloat_env *env, T a, T b, bool quiet) \
    {                                                                                                \
        return compare(env, F, a, b, quiet);                                                         \
    }                                                                                                \
    T softfloat_##F##_min_number(struct softfloat_env *env, T a, T b)                                \
    {                                                                                                \
        return extreme(env, F, a, b, false, true);                                                   \
    }                                                                                                \
    T softfloat_##F##_max_number(struct softfloat_env *env, T a, T b)                                \
    {                                                                                                \
        return extreme(env, F, a, b, true, true);                                                    \
    }                                                                                                \
    T softfloat_##F##_minimum(struct softfloat_env *env, T a, T b)                                   \
    {                                                                                                \
        return extreme(env, F, a, b, false, false);                                                  \
    }                                                                                                \
    T softfloat_##F##_maximum(struct softfloat_env *env, T a, T b)                                   \
    {                                                                                                \
        return extreme(env, F, a, b, true, false);                                                   \
    }                                                                                                \
    enum softfloat_class softfloat_##F##_classify(T a)                                               \
    {                                                                                                \
        return classify(F, a);                                                                       \
    }
SOFTFLOAT_FORMATS(X)
#undef X
