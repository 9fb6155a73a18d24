/* base/softfloat/arith.c - add, subtract, multiply, divide, square root, fused multiply-add. */
#include "base/softfloat/parts.h"

INLINE u64 zero_sum(const struct softfloat_env *env, struct format f)
{
    return assemble(f, env->rounding == SOFTFLOAT_RDN, 0, 0);
}

/* a + b of magnitudes given as 128 bits with bit 127 clear: value = wide * 2^(exponent - 126). */
struct wide {
    bool sign;
    int exponent;
    u128 wide;
};

INLINE u64 add_wide(struct softfloat_env *env, struct format f, struct wide a, struct wide b)
{
    if (a.exponent < b.exponent || (a.exponent == b.exponent && a.wide < b.wide)) {
        struct wide swap = a;

        a = b;
        b = swap;
    }
    b.wide = shift_right_jam128(b.wide, a.exponent - b.exponent);
    u128 sum = a.sign == b.sign ? a.wide + b.wide : a.wide - b.wide;
    if (!sum)
        return zero_sum(env, f);
    return normalize_pack(env, f, a.sign, a.exponent + 1, sum);
}

INLINE struct wide widen(struct parts p)
{
    return (struct wide){ p.sign, p.exponent, (u128)p.significand << 63 };
}

INLINE u64 repack(struct softfloat_env *env, struct format f, struct parts p)
{
    return p.kind == FINITE ? round_pack(env, f, p.sign, p.exponent, p.significand) : assemble(f, p.sign, 0, 0);
}

INLINE u64 add(struct softfloat_env *env, struct format f, u64 x, u64 y, bool negate)
{
    struct parts a = unpack(f, x), b = unpack(f, y);

    if (is_nan(a) || is_nan(b))
        return propagate(env, f, a, b);
    b.sign ^= negate;
    if (a.kind == INFINITE)
        return b.kind == INFINITE && a.sign != b.sign ? invalid(env, f) : infinity(f, a.sign);
    if (b.kind == INFINITE)
        return infinity(f, b.sign);
    if (a.kind == ZERO && b.kind == ZERO)
        return a.sign == b.sign ? assemble(f, a.sign, 0, 0) : zero_sum(env, f);
    if (a.kind == ZERO)
        return repack(env, f, b);
    if (b.kind == ZERO)
        return repack(env, f, a);
    return add_wide(env, f, widen(a), widen(b));
}

INLINE u64 mul(struct softfloat_env *env, struct format f, u64 x, u64 y)
{
    struct parts a = unpack(f, x), b = unpack(f, y);
    bool sign = a.sign ^ b.sign;

    if (is_nan(a) || is_nan(b))
        return propagate(env, f, a, b);
    if (a.kind == INFINITE || b.kind == INFINITE)
        return a.kind == ZERO || b.kind == ZERO ? invalid(env, f) : infinity(f, sign);
    if (a.kind == ZERO || b.kind == ZERO)
        return assemble(f, sign, 0, 0);
    return normalize_pack(env, f, sign, a.exponent + b.exponent + 1, (u128)a.significand * b.significand);
}

INLINE u64 div(struct softfloat_env *env, struct format f, u64 x, u64 y)
{
    struct parts a = unpack(f, x), b = unpack(f, y);
    bool sign = a.sign ^ b.sign;

    if (is_nan(a) || is_nan(b))
        return propagate(env, f, a, b);
    if (a.kind == INFINITE)
        return b.kind == INFINITE ? invalid(env, f) : infinity(f, sign);
    if (b.kind == INFINITE)
        return assemble(f, sign, 0, 0);
    if (b.kind == ZERO) {
        if (a.kind == ZERO)
            return invalid(env, f);
        env->flags |= SOFTFLOAT_DIVBYZERO;
        return infinity(f, sign);
    }
    if (a.kind == ZERO)
        return assemble(f, sign, 0, 0);
    bool below = a.significand < b.significand;
    u128 dividend = (u128)a.significand << (63 + below);
    u64 quotient = dividend / b.significand;
    bool rest = (u128)quotient * b.significand != dividend;
    return round_pack(env, f, sign, a.exponent - b.exponent - below, quotient | rest);
}

/* The integer square root of x, digit by digit; *rest says whether x is no square. */
INLINE u64 square_root(u128 x, bool *rest)
{
    u64 root = 0;

    for (int bit = 63; bit >= 0; bit--) {
        u64 next = root | BIT64(bit);

        if ((u128)next * next <= x)
            root = next;
    }
    *rest = (u128)root * root != x;
    return root;
}

INLINE u64 root(struct softfloat_env *env, struct format f, u64 x)
{
    struct parts a = unpack(f, x);
    bool rest;

    if (is_nan(a))
        return propagate(env, f, a, a);
    if (a.kind == ZERO)
        return x;
    if (a.sign)
        return invalid(env, f);
    if (a.kind == INFINITE)
        return x;
    bool odd = a.exponent & 1;
    u64 result = square_root((u128)a.significand << (63 + odd), &rest);
    return round_pack(env, f, false, (a.exponent - odd) / 2, result | rest);
}

INLINE u64 fma_nan(struct softfloat_env *env, struct format f, struct parts a, struct parts b, struct parts c, bool undefined)
{
    if (a.kind == SIGNALLING || b.kind == SIGNALLING || c.kind == SIGNALLING || undefined)
        env->flags |= SOFTFLOAT_INVALID;
    if (env->nan_rule == SOFTFLOAT_NAN_DEFAULT || (undefined && !is_nan(c)))
        return default_nan(env, f);
    return quieted(f, choose_nan(env, choose_nan(env, a, b), c));
}

INLINE u64 multiply_add(struct softfloat_env *env, struct format f, u64 x, u64 y, u64 z)
{
    struct parts a = unpack(f, x), b = unpack(f, y), c = unpack(f, z);
    bool sign = a.sign ^ b.sign;
    bool undefined = (a.kind == INFINITE && b.kind == ZERO) || (a.kind == ZERO && b.kind == INFINITE);

    if (is_nan(a) || is_nan(b) || is_nan(c) || undefined)
        return fma_nan(env, f, a, b, c, undefined);
    if (a.kind == INFINITE || b.kind == INFINITE)
        return c.kind == INFINITE && c.sign != sign ? invalid(env, f) : infinity(f, sign);
    if (c.kind == INFINITE)
        return infinity(f, c.sign);
    if (a.kind == ZERO || b.kind == ZERO) {
        if (c.kind == ZERO)
            return c.sign == sign ? z : zero_sum(env, f);
        return repack(env, f, c);
    }
    /* The factors have at most 53 significant bits, so the lowest bit of the product is 0. */
    struct wide product = { sign, a.exponent + b.exponent + 1, (u128)a.significand * b.significand >> 1 };
    if (c.kind == ZERO)
        return normalize_pack(env, f, sign, product.exponent + 1, product.wide);
    /* Normalised, so that the larger exponent belongs to the larger value. */
    if (!(product.wide >> 126)) {
        product.wide <<= 1;
        product.exponent--;
    }
    return add_wide(env, f, product, widen(c));
}

#define X(F, T, ...)                                                  \
    T softfloat_##F##_add(struct softfloat_env *env, T a, T b)        \
    {                                                                 \
        return add(env, F, a, b, false);                              \
    }                                                                 \
    T softfloat_##F##_sub(struct softfloat_env *env, T a, T b)        \
    {                                                                 \
        return add(env, F, a, b, true);                               \
    }                                                                 \
    T softfloat_##F##_mul(struct softfloat_env *env, T a, T b)        \
    {                                                                 \
        return mul(env, F, a, b);                                     \
    }                                                                 \
    T softfloat_##F##_div(struct softfloat_env *env, T a, T b)        \
    {                                                                 \
        return div(env, F, a, b);                                     \
    }                                                                 \
    T softfloat_##F##_sqrt(struct softfloat_env *env, T a)            \
    {                                                                 \
        return root(env, F, a);                                       \
    }                                                                 \
    T softfloat_##F##_fma(struct softfloat_env *env, T a, T b, T c)   \
    {                                                                 \
        return multiply_add(env, F, a, b, c);                         \
    }
SOFTFLOAT_FORMATS(X)
#undef X
