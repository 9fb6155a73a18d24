/*
 * tests/unit/softfloat.c - soft-float against the host's own arithmetic, results and flags: binary64 and binary32 directly
 * in four rounding modes, ties-away and binary16 through a wider format rounded to odd (exact by Figueroa's theorem).
 */
#include "base/softfloat/softfloat.h"
#include <fenv.h>
#include <glib.h>
#include <math.h>
#include <string.h>

enum { ROUNDS = 40000 };

static const int host_rounding[] = { FE_TONEAREST, FE_TOWARDZERO, FE_DOWNWARD, FE_UPWARD };

static u64 next_random(u64 *seed)
{
    u64 z = *seed += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* Random bits of a format, with many specials, subnormals, near-ties and exponents close to one another. */
static u64 operand(u64 *seed, int exponent_bits, int fraction_bits)
{
    u64 r = next_random(seed), fraction = next_random(seed) & (BIT64(fraction_bits) - 1);
    u64 top = BIT64(exponent_bits) - 1, exponent = next_random(seed) & top;

    switch (r & 15) {
    case 0: exponent = 0; break;
    case 1: exponent = top; break;
    case 2: fraction = 0; break;
    case 3: fraction = BIT64(fraction_bits) - 1; break;
    case 4: exponent = 0; fraction = r >> 4 & 1; break;
    case 5: exponent = top; fraction = (r >> 4 & 1) * BIT64(fraction_bits - 1); break;
    case 6: exponent = 1; fraction &= 3; break;
    case 7: exponent = top - 1; break;
    case 8: fraction &= ~UINT64_C(0) << (r >> 8 & 31); break;
    case 9: fraction = BIT64(r >> 8 & 31) & (BIT64(fraction_bits) - 1); break;
    case 10: exponent = top / 2 + (r >> 8 & 63) - 4; break;
    default: exponent = r & 16 ? exponent : top / 2 + (r >> 8 & 7) - 4;
    }
    return (r >> 63) << (exponent_bits + fraction_bits) | (exponent & top) << fraction_bits | fraction;
}

static unsigned host_flags(void)
{
    int raised = fetestexcept(FE_ALL_EXCEPT);

    return (raised & FE_INEXACT ? SOFTFLOAT_INEXACT : 0) | (raised & FE_UNDERFLOW ? SOFTFLOAT_UNDERFLOW : 0) |
           (raised & FE_OVERFLOW ? SOFTFLOAT_OVERFLOW : 0) | (raised & FE_DIVBYZERO ? SOFTFLOAT_DIVBYZERO : 0) |
           (raised & FE_INVALID ? SOFTFLOAT_INVALID : 0);
}

static double d_of(u64 bits)
{
    double d;

    memcpy(&d, &bits, 8);
    return d;
}

static u64 bits_d(double d)
{
    u64 bits;

    memcpy(&bits, &d, 8);
    return bits;
}

static float f_of(u32 bits)
{
    float f;

    memcpy(&f, &bits, 4);
    return f;
}

static u32 bits_f(float f)
{
    u32 bits;

    memcpy(&bits, &f, 4);
    return bits;
}

static bool nan64(u64 a)
{
    return (a & ~BIT64(63)) > UINT64_C(0x7ff) << 52;
}

static bool nan32(u32 a)
{
    return (a & 0x7fffffff) > 0x7f800000;
}

enum op { ADD, SUB, MUL, DIV, SQRT, FMA, OPS };

static const char *const op_names[] = { "add", "sub", "mul", "div", "sqrt", "fma" };

static double host_op64(enum op op, u64 x, u64 y, u64 z)
{
    volatile double a = d_of(x), b = d_of(y), c = d_of(z), r = 0;

    switch (op) {
    case ADD: r = a + b; break;
    case SUB: r = a - b; break;
    case MUL: r = a * b; break;
    case DIV: r = a / b; break;
    case SQRT: r = sqrt(a); break;
    default: r = fma(a, b, c);
    }
    return r;
}

static float host_op32(enum op op, u32 x, u32 y, u32 z)
{
    volatile float a = f_of(x), b = f_of(y), c = f_of(z), r = 0;

    switch (op) {
    case ADD: r = a + b; break;
    case SUB: r = a - b; break;
    case MUL: r = a * b; break;
    case DIV: r = a / b; break;
    case SQRT: r = sqrtf(a); break;
    default: r = fmaf(a, b, c);
    }
    return r;
}

#define SOFT(F, T)                                                                     \
    static T soft_##F(struct softfloat_env *env, enum op op, T a, T b, T c)            \
    {                                                                                  \
        switch (op) {                                                                  \
        case ADD: return softfloat_##F##_add(env, a, b);                               \
        case SUB: return softfloat_##F##_sub(env, a, b);                               \
        case MUL: return softfloat_##F##_mul(env, a, b);                               \
        case DIV: return softfloat_##F##_div(env, a, b);                               \
        case SQRT: return softfloat_##F##_sqrt(env, a);                                \
        default: return softfloat_##F##_fma(env, a, b, c);                             \
        }                                                                              \
    }
SOFT(f16, u16)
SOFT(f32, u32)
SOFT(f64, u64)

/* SSE does not signal infinity * 0 + quiet NaN: the operand combination is left out. */
static bool fma_differs(bool nan_c, double a, double b)
{
    return nan_c && ((isinf(a) && b == 0) || (isinf(b) && a == 0));
}

static void check(const char *format, enum op op, unsigned rounding, const u64 *in, u64 got, const struct softfloat_env *env,
                  u64 want, unsigned want_flags)
{
    unsigned got_flags = env ? env->flags : want_flags;

    if (got == want && got_flags == want_flags)
        return;
    g_test_message("%s %s rounding %u: %016lx %016lx %016lx = %016lx flags %02x, expected %016lx flags %02x", format,
                   op_names[op], rounding, in[0], in[1], in[2], got, got_flags, want, want_flags);
    g_test_fail();
}

static void test_f64(void)
{
    u64 seed = 1;

    for (int i = 0; i < ROUNDS * OPS; i++) {
        u64 in[3] = { operand(&seed, 11, 52), operand(&seed, 11, 52), operand(&seed, 11, 52) };
        unsigned rounding = i / OPS & 3;
        struct softfloat_env env = { .rounding = rounding };

        if (i % OPS == FMA && fma_differs(nan64(in[2]), d_of(in[0]), d_of(in[1])))
            continue;
        u64 got = soft_f64(&env, i % OPS, in[0], in[1], in[2]);
        fesetround(host_rounding[rounding]);
        feclearexcept(FE_ALL_EXCEPT);
        u64 want = bits_d(host_op64(i % OPS, in[0], in[1], in[2]));
        unsigned flags = host_flags();
        fesetround(FE_TONEAREST);
        check("f64", i % OPS, rounding, in, got, &env, nan64(want) ? UINT64_C(0x7ff8) << 48 : want, flags);
    }
}

static void test_f32(void)
{
    u64 seed = 2;

    for (int i = 0; i < ROUNDS * OPS; i++) {
        u64 in[3] = { operand(&seed, 8, 23), operand(&seed, 8, 23), operand(&seed, 8, 23) };
        unsigned rounding = i / OPS & 3;
        struct softfloat_env env = { .rounding = rounding };

        if (i % OPS == FMA && fma_differs(nan32(in[2]), f_of(in[0]), f_of(in[1])))
            continue;
        u64 got = soft_f32(&env, i % OPS, in[0], in[1], in[2]);
        fesetround(host_rounding[rounding]);
        feclearexcept(FE_ALL_EXCEPT);
        u32 want = bits_f(host_op32(i % OPS, in[0], in[1], in[2]));
        unsigned flags = host_flags();
        fesetround(FE_TONEAREST);
        check("f32", i % OPS, rounding, in, got, &env, nan32(want) ? 0x7fc00000 : want, flags);
    }
}

/*
 * The reference for what the host lacks: an exact value, given as a wider number rounded to odd, is rounded by choosing
 * between its two neighbours in the narrow format. Neighbours and ties are found in integers scaled to the last place.
 */
struct exact {
    bool sign;
    int exponent;  /* value = magnitude * 2^exponent */
    u128 magnitude;
};

static u64 reference_round(struct exact x, int exponent_bits, int fraction_bits, unsigned rounding, unsigned *flags)
{
    int bias = (1 << (exponent_bits - 1)) - 1, least = 1 - bias - fraction_bits;
    u64 sign = (u64)x.sign << (exponent_bits + fraction_bits), infinite = (BIT64(exponent_bits) - 1) << fraction_bits;

    if (!x.magnitude)
        return sign;
    while (!(x.magnitude >> 126)) {
        x.magnitude <<= 1;
        x.exponent--;
    }
    int place[2] = { x.exponent + 126 - fraction_bits, x.exponent + 126 - fraction_bits };
    u64 rounded[2];
    bool inexact = false;
    if (place[0] < least)
        place[0] = least;
    for (int unbounded = 0; unbounded < 2; unbounded++) {
        int drop = place[unbounded] - x.exponent;
        u128 low = drop > 127 ? 0 : x.magnitude >> drop, rest = drop > 127 ? 1 : x.magnitude - (low << drop);
        u128 half = drop > 127 ? 2 : (u128)1 << (drop - 1);
        bool up = rounding == SOFTFLOAT_RNE   ? rest > half || (rest == half && (low & 1))
                  : rounding == SOFTFLOAT_RMM ? rest >= half
                  : rounding == SOFTFLOAT_RDN ? x.sign && rest
                  : rounding == SOFTFLOAT_RUP ? !x.sign && rest
                                              : false;
        rounded[unbounded] = (u64)low + up;
        if (!unbounded)
            inexact = rest != 0;
    }
    /* value = rounded * 2^place */
    int top = 63 - (rounded[0] ? __builtin_clzll(rounded[0]) : 63);
    if (rounded[0] && place[0] + top > bias) {
        bool away = rounding == SOFTFLOAT_RNE || rounding == SOFTFLOAT_RMM || rounding == (x.sign ? SOFTFLOAT_RDN : SOFTFLOAT_RUP);

        *flags = SOFTFLOAT_OVERFLOW | SOFTFLOAT_INEXACT;
        return sign | (away ? infinite : infinite - 1);
    }
    if (inexact) {
        int unbounded_top = 63 - __builtin_clzll(rounded[1]);

        *flags |= SOFTFLOAT_INEXACT | (place[1] + unbounded_top < 1 - bias ? SOFTFLOAT_UNDERFLOW : 0);
    }
    if (!(rounded[0] >> fraction_bits))
        return sign | rounded[0];
    int carry = rounded[0] >> (fraction_bits + 1) != 0;
    return sign | (u64)(place[0] + carry + fraction_bits + bias) << fraction_bits |
           (rounded[0] >> carry & (BIT64(fraction_bits) - 1));
}

static struct exact exact_of_double(double d, bool odd)
{
    u64 bits = bits_d(d), fraction = bits & (BIT64(52) - 1);
    int exponent = bits >> 52 & 2047;

    if (odd)
        bits |= 1, fraction |= 1;
    return (struct exact){ bits >> 63, (exponent ? exponent : 1) - 1075, exponent ? fraction | BIT64(52) : fraction };
}

static double wide_op(enum op op, double a, double b, double c, bool *inexact)
{
    fesetround(FE_TOWARDZERO);
    feclearexcept(FE_ALL_EXCEPT);
    double r = host_op64(op, bits_d(a), bits_d(b), bits_d(c));
    *inexact = fetestexcept(FE_INEXACT);
    fesetround(FE_TONEAREST);
    return r;
}

/* Narrow formats in all five modes by way of double, rounded to odd. */
static void narrow(const char *name, int exponent_bits, int fraction_bits, u64 (*soft)(struct softfloat_env *, enum op, u64, u64, u64),
                   double (*value)(u64))
{
    u64 seed = 3, quiet_nan = (BIT64(exponent_bits + 1) - 1) << (fraction_bits - 1);

    for (int i = 0; i < ROUNDS * OPS; i++) {
        u64 in[3];
        unsigned rounding = i / OPS % 5, flags = 0;
        struct softfloat_env env = { .rounding = rounding };
        bool inexact;

        for (int k = 0; k < 3; k++)
            in[k] = operand(&seed, exponent_bits, fraction_bits);
        u64 got = soft(&env, i % OPS, in[0], in[1], in[2]);
        double r = wide_op(i % OPS, value(in[0]), value(in[1]), value(in[2]), &inexact);
        if (!isfinite(r) || (r == 0 && !inexact)) {
            /* Specials: their flags were compared with the host's in the formats that it has. Exact zeros of sums depend on the mode. */
            if (isnan(r) ? got != quiet_nan : isinf(r) ? got << (64 - exponent_bits - fraction_bits) != (BIT64(exponent_bits) - 1) << (64 - exponent_bits)
                                                       : (u64)(got << (64 - exponent_bits - fraction_bits)) != 0)
                check(name, i % OPS, rounding, in, got, NULL, bits_d(r), 0);
            continue;
        }
        u64 want = reference_round(exact_of_double(r, inexact), exponent_bits, fraction_bits, rounding, &flags);
        check(name, i % OPS, rounding, in, got, &env, want, flags);
    }
}

static u64 soft32(struct softfloat_env *env, enum op op, u64 a, u64 b, u64 c)
{
    return soft_f32(env, op, a, b, c);
}

static u64 soft16(struct softfloat_env *env, enum op op, u64 a, u64 b, u64 c)
{
    return soft_f16(env, op, a, b, c);
}

static double value32(u64 bits)
{
    return f_of(bits);
}

static double value16(u64 bits)
{
    int exponent = bits >> 10 & 31;
    double fraction = bits & 1023, magnitude;

    if (exponent == 31)
        magnitude = fraction ? NAN : INFINITY;
    else
        magnitude = exponent ? ldexp(fraction + 1024, exponent - 25) : ldexp(fraction, -24);
    return bits >> 15 ? -magnitude : magnitude;
}

static void test_narrow(void)
{
    narrow("f32", 8, 23, soft32, value32);
    narrow("f16", 5, 10, soft16, value16);
}

/* Sums and products of doubles are exact in 128-bit integers when their exponents are close: ties-away for binary64. */
static void test_f64_ties_away(void)
{
    u64 seed = 4;

    for (int i = 0; i < ROUNDS; i++) {
        u64 a = (next_random(&seed) & (BIT64(53) - 1)) | BIT64(52), b = (next_random(&seed) & (BIT64(53) - 1)) | BIT64(52);
        int gap = next_random(&seed) % 56;
        unsigned rounding = i % 5, flags = 0;
        struct softfloat_env env = { .rounding = rounding };
        u64 in[3] = { bits_d(ldexp((double)a, gap)), bits_d((double)b), 0 };

        if (i & 8) /* ties are rare by chance */
            b = BIT64(52) | BIT64(next_random(&seed) % 52), in[1] = bits_d((double)b);
        u64 got = softfloat_f64_add(&env, in[0], in[1]);
        struct exact sum = { false, 0, ((u128)a << gap) + b };
        u64 want = reference_round(sum, 11, 52, rounding, &flags);
        check("f64", ADD, rounding, in, got, &env, want, flags);

        env.flags = flags = 0;
        got = softfloat_f64_mul(&env, in[0], in[1]);
        want = reference_round((struct exact){ false, gap, (u128)a * b }, 11, 52, rounding, &flags);
        check("f64", MUL, rounding, in, got, &env, want, flags);

        /* Down among the subnormals. */
        int down = -(int)(next_random(&seed) % 80) - 1070;
        env.flags = flags = 0;
        in[0] = bits_d((double)a);
        in[1] = bits_d(ldexp(1, down < -1074 ? -1074 : down));
        got = softfloat_f64_mul(&env, in[0], in[1]);
        want = reference_round((struct exact){ false, down < -1074 ? -1074 : down, a }, 11, 52, rounding, &flags);
        check("f64", MUL, rounding, in, got, &env, want, flags);
    }
}

static void test_convert(void)
{
    u64 seed = 5;

    for (int i = 0; i < ROUNDS * 4; i++) {
        u64 in[3] = { operand(&seed, 11, 52) };
        unsigned rounding = i & 3, flags;
        struct softfloat_env env = { .rounding = rounding };
        u64 got = softfloat_f64_to_f32(&env, in[0]);
        volatile double d = d_of(in[0]);
        fesetround(host_rounding[rounding]);
        feclearexcept(FE_ALL_EXCEPT);
        volatile float narrowed = (float)d;
        flags = host_flags();
        fesetround(FE_TONEAREST);
        u32 want = bits_f(narrowed);
        check("f64 to f32", ADD, rounding, in, got, &env, nan32(want) ? 0x7fc00000 : want, flags);

        /* f64 -> f16 against the integer reference */
        if (isfinite(d)) {
            unsigned mode = i % 5;
            env = (struct softfloat_env){ .rounding = mode };
            flags = 0;
            got = softfloat_f64_to_f16(&env, in[0]);
            want = reference_round(exact_of_double(d, false), 5, 10, mode, &flags);
            check("f64 to f16", ADD, mode, in, got, &env, want, flags);
            env.flags = flags = 0;
            double rounded = d_of(softfloat_f64_round_to_int(&env, in[0], true));
            double integral = mode == SOFTFLOAT_RNE ? nearbyint(d) : mode == SOFTFLOAT_RTZ ? trunc(d)
                            : mode == SOFTFLOAT_RDN ? floor(d) : mode == SOFTFLOAT_RUP ? ceil(d) : round(d);
            check("f64 round", ADD, mode, in, bits_d(rounded), &env, bits_d(integral), integral != d ? SOFTFLOAT_INEXACT : 0);
            /* every integer width, from the integral value */
            for (int k = 0; k < 4; k++) {
                double top = k == 0 ? 0x1p31 : k == 1 ? 0x1p32 : k == 2 ? 0x1p63 : 0x1p64, bottom = k & 1 ? 0 : -top;
                bool out = integral >= top || integral < bottom;
                env.flags = 0;
                u64 wanted = !out ? (k == 3 ? (u64)integral : (u64)(s64)integral)
                             : k == 0 ? (d < 0 ? (u64)INT32_MIN : INT32_MAX) : k == 1 ? (d < 0 ? 0 : UINT32_MAX)
                             : k == 2 ? (d < 0 ? (u64)INT64_MIN : INT64_MAX) : (d < 0 ? 0 : UINT64_MAX);
                u64 made = k == 0 ? (u64)softfloat_f64_to_s32(&env, in[0]) : k == 1 ? softfloat_f64_to_u32(&env, in[0])
                           : k == 2 ? (u64)softfloat_f64_to_s64(&env, in[0]) : softfloat_f64_to_u64(&env, in[0]);
                check("f64 to int", k, mode, in, made, &env, wanted, out ? SOFTFLOAT_INVALID : integral != d ? SOFTFLOAT_INEXACT : 0);
            }
            env.flags = 0;
            s64 modular = fabs(trunc(d)) < 0x1p62 ? (s32)(u32)(u64)(s64)trunc(d)
                          : (s32)(u32)(u64)(s64)fmod(trunc(d), 0x1p32);
            bool out = trunc(d) < -0x1p31 || trunc(d) > 0x1p31 - 1;
            check("f64 mod", ADD, 1, in, (u64)(s64)softfloat_f64_to_s32_modular(&env, in[0]), &env, (u64)modular,
                  out ? SOFTFLOAT_INVALID : trunc(d) != d ? SOFTFLOAT_INEXACT : 0);
        }
        /* f32 -> f64 and f16 -> f64 are exact */
        env.flags = 0;
        u32 s = operand(&seed, 8, 23);
        in[0] = s;
        got = softfloat_f32_to_f64(&env, s);
        want = nan32(s);
        check("f32 to f64", ADD, 0, in, got, &env, want ? UINT64_C(0x7ff8) << 48 : bits_d(f_of(s)),
              want && !(s >> 22 & 1) ? SOFTFLOAT_INVALID : 0);
        u16 h = (u16)i;
        if (!isnan(value16(h))) {
            in[0] = h;
            env.flags = 0;
            check("f16 to f64", ADD, 0, in, softfloat_f16_to_f64(&env, h), &env, bits_d(value16(h)), 0);
            check("f16 to f32", ADD, 0, in, softfloat_f16_to_f32(&env, h), &env, bits_f((float)value16(h)), 0);
        }
    }
}

static void test_from_int(void)
{
    u64 seed = 6;

    for (int i = 0; i < ROUNDS; i++) {
        u64 n = next_random(&seed) >> (next_random(&seed) & 63), in[3] = { n };
        unsigned rounding = i % 5, flags = 0;
        struct softfloat_env env = { .rounding = rounding };
        u64 got = softfloat_f64_from_u64(&env, n);
        u64 want = reference_round((struct exact){ false, 0, n }, 11, 52, rounding, &flags);
        check("f64 from u64", ADD, rounding, in, got, &env, want, flags);
        env.flags = flags = 0;
        bool sign = (s64)n < 0;
        got = softfloat_f32_from_s64(&env, n);
        want = n ? reference_round((struct exact){ sign, 0, sign ? -n : n }, 8, 23, rounding, &flags) : 0;
        check("f32 from s64", ADD, rounding, in, got, &env, want, flags);
        env.flags = flags = 0;
        got = softfloat_f16_from_s64(&env, n);
        want = n ? reference_round((struct exact){ sign, 0, sign ? -n : n }, 5, 10, rounding, &flags) : 0;
        check("f16 from s64", ADD, rounding, in, got, &env, want, flags);
    }
}

static void test_compare(void)
{
    u64 seed = 7;

    for (int i = 0; i < ROUNDS; i++) {
        u64 in[3] = { operand(&seed, 11, 52), operand(&seed, 11, 52) };
        if (i % 7 == 0)
            in[1] = in[0];
        volatile double a = d_of(in[0]), b = d_of(in[1]);
        bool signalling = (nan64(in[0]) && !(in[0] >> 51 & 1)) || (nan64(in[1]) && !(in[1] >> 51 & 1));
        bool nan = nan64(in[0]) || nan64(in[1]);
        s64 want = nan ? SOFTFLOAT_UNORDERED : a < b ? SOFTFLOAT_LESS : a > b ? SOFTFLOAT_GREATER : SOFTFLOAT_EQUAL;
        struct softfloat_env env = { 0 };
        s64 got = softfloat_f64_compare(&env, in[0], in[1], true);
        check("compare quiet", ADD, 0, in, got, &env, want, signalling ? SOFTFLOAT_INVALID : 0);
        env.flags = 0;
        got = softfloat_f64_compare(&env, in[0], in[1], false);
        check("compare", ADD, 0, in, got, &env, want, nan ? SOFTFLOAT_INVALID : 0);

        u64 canonical = UINT64_C(0x7ff8) << 48, small, large;
        small = nan64(in[0]) ? in[1] : nan64(in[1]) ? in[0] : a < b || (a == b && in[0] >> 63) ? in[0] : in[1];
        large = nan64(in[0]) ? in[1] : nan64(in[1]) ? in[0] : small == in[0] ? in[1] : in[0];
        if (nan64(in[0]) && nan64(in[1]))
            small = large = canonical;
        env.flags = 0;
        check("min", ADD, 0, in, softfloat_f64_min_number(&env, in[0], in[1]), &env, small, signalling ? SOFTFLOAT_INVALID : 0);
        check("max", ADD, 0, in, softfloat_f64_max_number(&env, in[0], in[1]), &env, large, signalling ? SOFTFLOAT_INVALID : 0);
        check("minimum", ADD, 0, in, softfloat_f64_minimum(&env, in[0], in[1]), &env, nan ? canonical : small, signalling ? SOFTFLOAT_INVALID : 0);
        check("maximum", ADD, 0, in, softfloat_f64_maximum(&env, in[0], in[1]), &env, nan ? canonical : large, signalling ? SOFTFLOAT_INVALID : 0);
    }
}

static void test_classify(void)
{
    static const struct {
        u64 bits;
        enum softfloat_class class;
    } rows[] = {
        { UINT64_C(0xfff0000000000000), SOFTFLOAT_NEGATIVE_INFINITY }, { UINT64_C(0xffe0000000000000), SOFTFLOAT_NEGATIVE_NORMAL },
        { UINT64_C(0x8010000000000000), SOFTFLOAT_NEGATIVE_NORMAL },   { UINT64_C(0x800fffffffffffff), SOFTFLOAT_NEGATIVE_SUBNORMAL },
        { UINT64_C(0x8000000000000000), SOFTFLOAT_NEGATIVE_ZERO },     { 0, SOFTFLOAT_POSITIVE_ZERO },
        { 1, SOFTFLOAT_POSITIVE_SUBNORMAL },                           { UINT64_C(0x0010000000000000), SOFTFLOAT_POSITIVE_NORMAL },
        { UINT64_C(0x7ff0000000000000), SOFTFLOAT_POSITIVE_INFINITY }, { UINT64_C(0x7ff0000000000001), SOFTFLOAT_SIGNALLING_NAN },
        { UINT64_C(0xfff8000000000000), SOFTFLOAT_QUIET_NAN },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        g_assert_cmphex(softfloat_f64_classify(rows[i].bits), ==, rows[i].class);
    g_assert_cmphex(softfloat_f16_classify(0x7c01), ==, SOFTFLOAT_SIGNALLING_NAN);
    g_assert_cmphex(softfloat_f32_classify(0x80000001), ==, SOFTFLOAT_NEGATIVE_SUBNORMAL);
}

/* The conventions of other guests: payloads kept, tininess judged before rounding. */
static void test_conventions(void)
{
    u64 quiet = UINT64_C(0x7ff8000000000123), signalling = UINT64_C(0xfff0000000000456), one = UINT64_C(0x3ff0000000000000);
    struct softfloat_env sse = { .nan_rule = SOFTFLOAT_NAN_FIRST }, arm = { .nan_rule = SOFTFLOAT_NAN_SIGNALLING_FIRST };

    g_assert_cmphex(softfloat_f64_add(&sse, quiet, signalling), ==, quiet);
    g_assert_cmphex(sse.flags, ==, SOFTFLOAT_INVALID);
    g_assert_cmphex(softfloat_f64_add(&arm, quiet, signalling), ==, UINT64_C(0xfff8000000000456));
    g_assert_cmphex(softfloat_f64_sub(&sse, one, quiet), ==, quiet);
    g_assert_cmphex(softfloat_f64_mul(&sse, 0, UINT64_C(0x7ff0000000000000)), ==, UINT64_C(0xfff8000000000000));
    g_assert_cmphex(softfloat_f64_mul(&arm, 0, UINT64_C(0x7ff0000000000000)), ==, UINT64_C(0x7ff8000000000000));

    /* Both round up to the smallest normal number; with an unbounded exponent only the second does. */
    u64 a = UINT64_C(0x3fffffffffffffff), b = UINT64_C(0x0008000000000000);
    struct softfloat_env after = { 0 }, before = { .tininess_before = true };
    g_assert_cmphex(softfloat_f64_mul(&after, a, b), ==, UINT64_C(0x0010000000000000));
    g_assert_cmphex(after.flags, ==, SOFTFLOAT_INEXACT | SOFTFLOAT_UNDERFLOW);
    a = UINT64_C(0x3ff0000000000001), b = UINT64_C(0x000fffffffffffff);
    after.flags = 0;
    g_assert_cmphex(softfloat_f64_mul(&after, a, b), ==, UINT64_C(0x0010000000000000));
    g_assert_cmphex(after.flags, ==, SOFTFLOAT_INEXACT);
    g_assert_cmphex(softfloat_f64_mul(&before, a, b), ==, UINT64_C(0x0010000000000000));
    g_assert_cmphex(before.flags, ==, SOFTFLOAT_INEXACT | SOFTFLOAT_UNDERFLOW);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/softfloat/f64", test_f64);
    g_test_add_func("/softfloat/f32", test_f32);
    g_test_add_func("/softfloat/narrow", test_narrow);
    g_test_add_func("/softfloat/f64-ties-away", test_f64_ties_away);
    g_test_add_func("/softfloat/convert", test_convert);
    g_test_add_func("/softfloat/from-int", test_from_int);
    g_test_add_func("/softfloat/compare", test_compare);
    g_test_add_func("/softfloat/classify", test_classify);
    g_test_add_func("/softfloat/conventions", test_conventions);
    return g_test_run();
}
