/*
 * target/riscv/vector_float.c - floating point (Unprivileged manual, "V", sections 13, 14.3, 14.4), by soft-float: bits of values,
 * flags gathered in v->env.
 */
#include "target/riscv/vector_loops.h"

/* For each format: F, its type, the signed one, bits; and the format twice as wide. */
#define FORMATS(X, ...) X(f16, u16, s16, 16, __VA_ARGS__) X(f32, u32, s32, 32, __VA_ARGS__) X(f64, u64, s64, 64, __VA_ARGS__)
#define CALL_(F, OPERATION) softfloat_##F##_##OPERATION
#define CALL(F, OPERATION)  CALL_(F, OPERATION)
#define E (&v->env)
#define SIGN ((U)1 << (BITS - 1))

/* The expression uses DO(add)(E, a, b). */
#define FLOAT_V_(F, T, TS, WIDTH, NAME, EXPRESSION) VECTOR_LOOP_(NAME##_v##WIDTH, T, TS, WIDTH, , second[i], EXPRESSION(F))
#define FLOAT_X_(F, T, TS, WIDTH, NAME, EXPRESSION) VECTOR_LOOP_(NAME##_x##WIDTH, T, TS, WIDTH, , scalar, EXPRESSION(F))
#define BINARY(NAME, EXPRESSION) FORMATS(FLOAT_V_, NAME, EXPRESSION) FORMATS(FLOAT_X_, NAME, EXPRESSION)
#define SCALAR(NAME, EXPRESSION) FORMATS(FLOAT_X_, NAME, EXPRESSION)
#define UNARY(NAME, EXPRESSION)  FORMATS(FLOAT_V_, NAME, EXPRESSION)

#define ADD(F)  CALL(F, add)(E, a, b)
#define SUB(F)  CALL(F, sub)(E, a, b)
#define RSUB(F) CALL(F, sub)(E, b, a)
#define MUL(F)  CALL(F, mul)(E, a, b)
#define DIV(F)  CALL(F, div)(E, a, b)
#define RDIV(F) CALL(F, div)(E, b, a)
#define MINN(F) CALL(F, min_number)(E, a, b)
#define MAXN(F) CALL(F, max_number)(E, a, b)
#define SGNJ(F)  (a & ~SIGN) | (b & SIGN)
#define SGNJN(F) (a & ~SIGN) | (~b & SIGN)
#define SGNJX(F) a ^ (b & SIGN)
#define MADD(F)  CALL(F, fma)(E, d, b, a)
#define NMADD(F) CALL(F, fma)(E, d ^ SIGN, b, a ^ SIGN)
#define MSUB(F)  CALL(F, fma)(E, d, b, a ^ SIGN)
#define NMSUB(F) CALL(F, fma)(E, d ^ SIGN, b, a)
#define MACC(F)  CALL(F, fma)(E, a, b, d)
#define NMACC(F) CALL(F, fma)(E, a ^ SIGN, b, d ^ SIGN)
#define MSAC(F)  CALL(F, fma)(E, a, b, d ^ SIGN)
#define NMSAC(F) CALL(F, fma)(E, a ^ SIGN, b, d)
#define SQRT(F)  CALL(F, sqrt)(E, a)
#define CLASS(F) CALL(F, classify)(a)
BINARY(fadd, ADD) BINARY(fsub, SUB) SCALAR(frsub, RSUB) BINARY(fmul, MUL) BINARY(fdiv, DIV) SCALAR(frdiv, RDIV)
BINARY(fmin, MINN) BINARY(fmax, MAXN) BINARY(fsgnj, SGNJ) BINARY(fsgnjn, SGNJN) BINARY(fsgnjx, SGNJX)
BINARY(fmadd, MADD) BINARY(fnmadd, NMADD) BINARY(fmsub, MSUB) BINARY(fnmsub, NMSUB)
BINARY(fmacc, MACC) BINARY(fnmacc, NMACC) BINARY(fmsac, MSAC) BINARY(fnmsac, NMSAC)
UNARY(fsqrt, SQRT) UNARY(fclass, CLASS)

/* --- comparisons --- */

#define TEST_V_(F, T, TS, WIDTH, NAME, EXPRESSION)                                                    \
    static void NAME##_v##WIDTH(struct vector *v)                                                     \
    {                                                                                                 \
        const T *first = (const T *)v->s2, *second = (const T *)v->s1;                                \
                                                                                                      \
        VECTOR_EACH(v, , T a = first[i]; T b = second[i]; vector_set_bit(v->d, i, EXPRESSION(F));); \
    }
#define TEST_X_(F, T, TS, WIDTH, NAME, EXPRESSION)                                                    \
    static void NAME##_x##WIDTH(struct vector *v)                                                     \
    {                                                                                                 \
        const T *first = (const T *)v->s2;                                                            \
        T b = (T)v->x;                                                                                \
                                                                                                      \
        VECTOR_EACH(v, , T a = first[i]; vector_set_bit(v->d, i, EXPRESSION(F)););                    \
    }
#define EQ(F) CALL(F, compare)(E, a, b, true) == SOFTFLOAT_EQUAL
#define NE(F) CALL(F, compare)(E, a, b, true) != SOFTFLOAT_EQUAL
#define LT(F) CALL(F, compare)(E, a, b, false) == SOFTFLOAT_LESS
#define LE(F) CALL(F, compare)(E, a, b, false) <= SOFTFLOAT_EQUAL
#define GT(F) CALL(F, compare)(E, b, a, false) == SOFTFLOAT_LESS
#define GE(F) CALL(F, compare)(E, b, a, false) <= SOFTFLOAT_EQUAL
#define TEST(NAME, EXPRESSION) FORMATS(TEST_V_, NAME, EXPRESSION) FORMATS(TEST_X_, NAME, EXPRESSION)
TEST(mfeq, EQ) TEST(mfne, NE) TEST(mflt, LT) TEST(mfle, LE) FORMATS(TEST_X_, mfgt, GT) FORMATS(TEST_X_, mfge, GE)

/* --- estimates (sections 13.9, 13.10): seven bits of the result, by table --- */

static const u8 reciprocal[128] = {
    127, 125, 123, 121, 119, 117, 116, 114, 112, 110, 109, 107, 105, 104, 102, 100,
    99, 97, 96, 94, 93, 91, 90, 88, 87, 85, 84, 83, 81, 80, 79, 77,
    76, 75, 74, 72, 71, 70, 69, 68, 66, 65, 64, 63, 62, 61, 60, 59,
    58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43,
    42, 41, 40, 40, 39, 38, 37, 36, 35, 35, 34, 33, 32, 31, 31, 30,
    29, 28, 28, 27, 26, 25, 25, 24, 23, 23, 22, 21, 21, 20, 19, 19,
    18, 17, 17, 16, 15, 15, 14, 14, 13, 12, 12, 11, 11, 10, 9, 9,
    8, 8, 7, 7, 6, 5, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0,
};
static const u8 reciprocal_root[128] = {
    52, 51, 50, 48, 47, 46, 44, 43, 42, 41, 40, 39, 38, 36, 35, 34,
    33, 32, 31, 30, 30, 29, 28, 27, 26, 25, 24, 23, 23, 22, 21, 20,
    19, 19, 18, 17, 16, 16, 15, 14, 14, 13, 12, 12, 11, 10, 10, 9,
    9, 8, 7, 7, 6, 6, 5, 4, 4, 3, 3, 2, 2, 1, 1, 0,
    127, 125, 123, 121, 119, 118, 116, 114, 113, 111, 109, 108, 106, 105, 103, 102,
    100, 99, 97, 96, 95, 93, 92, 91, 90, 88, 87, 86, 85, 84, 83, 82,
    80, 79, 78, 77, 76, 75, 74, 73, 72, 71, 70, 70, 69, 68, 67, 66,
    65, 64, 63, 63, 62, 61, 60, 59, 59, 58, 57, 56, 56, 55, 54, 53,
};

/* A format's parts. */
struct format {
    unsigned bits, fraction;
};

static u64 infinity(struct format f)
{
    return ((UINT64_C(1) << (f.bits - 1 - f.fraction)) - 1) << f.fraction;
}

static u64 default_nan(struct format f)
{
    return infinity(f) | UINT64_C(1) << (f.fraction - 1);
}

/* A subnormal's digits are moved up; its exponent is 0 or negative then. */
static void normalise(struct format f, s64 *exponent, u64 *digits)
{
    if (*exponent != 0)
        return;
    while (!(*digits >> (f.fraction - 1) & 1)) {
        (*exponent)--;
        *digits <<= 1;
    }
    *digits = *digits << 1 & ((UINT64_C(1) << f.fraction) - 1);
}

static u64 estimate_root(struct softfloat_env *env, u64 x, unsigned class, struct format f)
{
    const s64 bias = (1 << (f.bits - 2 - f.fraction)) - 1;
    u64 digits = x & ((UINT64_C(1) << f.fraction) - 1);
    s64 exponent = (s64)(x >> f.fraction & ((1u << (f.bits - 1 - f.fraction)) - 1));

    if (class & (SOFTFLOAT_NEGATIVE_ZERO | SOFTFLOAT_POSITIVE_ZERO)) {
        env->flags |= SOFTFLOAT_DIVBYZERO;
        return infinity(f) | (x >> (f.bits - 1)) << (f.bits - 1);
    }
    if (class & SOFTFLOAT_POSITIVE_INFINITY)
        return 0;
    if (!(class & (SOFTFLOAT_POSITIVE_NORMAL | SOFTFLOAT_POSITIVE_SUBNORMAL))) {
        if (class != SOFTFLOAT_QUIET_NAN)
            env->flags |= SOFTFLOAT_INVALID;
        return default_nan(f);
    }
    normalise(f, &exponent, &digits);
    unsigned at = (unsigned)(exponent & 1) << 6 | (unsigned)(digits >> (f.fraction - 6));
    return (u64)((3 * bias - 1 - exponent) / 2) << f.fraction | (u64)reciprocal_root[at] << (f.fraction - 7);
}

/* Too large a result: infinity or the largest number, by the rounding mode. */
static u64 overflowed(struct softfloat_env *env, u64 sign, struct format f)
{
    bool largest = env->rounding == SOFTFLOAT_RTZ || env->rounding == (sign ? SOFTFLOAT_RUP : SOFTFLOAT_RDN);

    env->flags |= SOFTFLOAT_OVERFLOW | SOFTFLOAT_INEXACT;
    return sign | (infinity(f) - largest);
}

static u64 estimate_reciprocal(struct softfloat_env *env, u64 x, unsigned class, struct format f)
{
    const s64 bias = (1 << (f.bits - 2 - f.fraction)) - 1;
    u64 sign = x & UINT64_C(1) << (f.bits - 1), digits = x & ((UINT64_C(1) << f.fraction) - 1), result;
    s64 exponent = (s64)(x >> f.fraction & ((1u << (f.bits - 1 - f.fraction)) - 1));

    if (class & (SOFTFLOAT_NEGATIVE_INFINITY | SOFTFLOAT_POSITIVE_INFINITY))
        return sign;
    if (class & (SOFTFLOAT_NEGATIVE_ZERO | SOFTFLOAT_POSITIVE_ZERO)) {
        env->flags |= SOFTFLOAT_DIVBYZERO;
        return sign | infinity(f);
    }
    if (class & (SOFTFLOAT_SIGNALLING_NAN | SOFTFLOAT_QUIET_NAN)) {
        env->flags |= class == SOFTFLOAT_SIGNALLING_NAN ? SOFTFLOAT_INVALID : 0;
        return default_nan(f);
    }
    if (exponent == 0 && !(digits >> (f.fraction - 2)))
        return overflowed(env, sign, f);
    normalise(f, &exponent, &digits);
    exponent = 2 * bias - 1 - exponent;
    result = (u64)reciprocal[digits >> (f.fraction - 7)] << (f.fraction - 7);
    if (exponent <= 0) { /* subnormal: the leading one shows */
        result = (result | UINT64_C(1) << f.fraction) >> (1 - exponent);
        exponent = 0;
    }
    return sign | (u64)exponent << f.fraction | result;
}

#define FRACTION(WIDTH) ((WIDTH) == 16 ? 10 : (WIDTH) == 32 ? 23 : 52)
#define RSQRT7(F) (U)estimate_root(E, a, CALL(F, classify)(a), (struct format){ BITS, FRACTION(BITS) })
#define REC7(F)   (U)estimate_reciprocal(E, a, CALL(F, classify)(a), (struct format){ BITS, FRACTION(BITS) })
UNARY(frsqrt7, RSQRT7) UNARY(frec7, REC7)

/* --- conversions of one width --- */

#define BITS_OF(F) BITS
static inline s64 saturate(struct softfloat_env *env, s64 x, u8 before, s64 least, s64 most)
{
    if (x >= least && x <= most)
        return x;
    env->flags = before | SOFTFLOAT_INVALID; /* not inexact */
    return x < least ? least : most;
}

/* Soft-float has 32 and 64 bits; narrower integers saturate behind that. */
#define TO_SIGNED(F, BITS_TO)                                                                                     \
    static inline s64 F##_to_s##BITS_TO##_(struct softfloat_env *env, u64 x)                                      \
    {                                                                                                             \
        u8 before = env->flags;                                                                                   \
                                                                                                                  \
        return saturate(env, softfloat_##F##_to_s32(env, (__typeof__(softfloat_##F##_add(env, 0, 0)))x), before, -(1 << (BITS_TO - 1)), (1 << (BITS_TO - 1)) - 1); \
    }                                                                                                             \
    static inline s64 F##_to_u##BITS_TO##_(struct softfloat_env *env, u64 x)                                      \
    {                                                                                                             \
        u8 before = env->flags;                                                                                   \
                                                                                                                  \
        return saturate(env, softfloat_##F##_to_u32(env, (__typeof__(softfloat_##F##_add(env, 0, 0)))x), before, 0, (1 << BITS_TO) - 1); \
    }
TO_SIGNED(f16, 8) TO_SIGNED(f16, 16) TO_SIGNED(f32, 16)

#define TOWARDS_ZERO(EXPRESSION)                        \
    ({                                                  \
        u8 mode_ = v->env.rounding;                     \
        v->env.rounding = SOFTFLOAT_RTZ;                \
        __typeof__(EXPRESSION) value_ = (EXPRESSION);   \
        v->env.rounding = mode_;                        \
        value_;                                         \
    })

/* NAME_BITS: from elements of one type to those of another. */
#define CONVERT(NAME, TO, FROM, EXPRESSION)                                 \
    static void NAME(struct vector *v)                                      \
    {                                                                       \
        TO *to = (TO *)v->d;                                                \
        const FROM *from = (const FROM *)v->s2;                             \
                                                                            \
        VECTOR_EACH(v, , FROM a = from[i]; to[i] = (TO)(EXPRESSION););      \
    }
#define CONVERT_RTZ(NAME, TO, FROM, EXPRESSION) CONVERT(NAME, TO, FROM, EXPRESSION) CONVERT(NAME##z, TO, FROM, TOWARDS_ZERO(EXPRESSION))

CONVERT_RTZ(to_xu_16, u16, u16, f16_to_u16_(E, a)) CONVERT_RTZ(to_x_16, u16, u16, f16_to_s16_(E, a))
CONVERT_RTZ(to_xu_32, u32, u32, softfloat_f32_to_u32(E, a)) CONVERT_RTZ(to_x_32, u32, u32, softfloat_f32_to_s32(E, a))
CONVERT_RTZ(to_xu_64, u64, u64, softfloat_f64_to_u64(E, a)) CONVERT_RTZ(to_x_64, u64, u64, softfloat_f64_to_s64(E, a))
CONVERT(from_xu_16, u16, u16, softfloat_f16_from_u64(E, a)) CONVERT(from_x_16, u16, s16, softfloat_f16_from_s64(E, a))
CONVERT(from_xu_32, u32, u32, softfloat_f32_from_u64(E, a)) CONVERT(from_x_32, u32, s32, softfloat_f32_from_s64(E, a))
CONVERT(from_xu_64, u64, u64, softfloat_f64_from_u64(E, a)) CONVERT(from_x_64, u64, s64, softfloat_f64_from_s64(E, a))

/* --- wider and narrower; the number is SEW --- */

CONVERT_RTZ(wide_xu_16, u32, u16, softfloat_f16_to_u32(E, a)) CONVERT_RTZ(wide_x_16, u32, u16, softfloat_f16_to_s32(E, a))
CONVERT_RTZ(wide_xu_32, u64, u32, softfloat_f32_to_u64(E, a)) CONVERT_RTZ(wide_x_32, u64, u32, softfloat_f32_to_s64(E, a))
CONVERT(wide_f_xu_8, u16, u8, softfloat_f16_from_u64(E, a)) CONVERT(wide_f_x_8, u16, s8, softfloat_f16_from_s64(E, a))
CONVERT(wide_f_xu_16, u32, u16, softfloat_f32_from_u64(E, a)) CONVERT(wide_f_x_16, u32, s16, softfloat_f32_from_s64(E, a))
CONVERT(wide_f_xu_32, u64, u32, softfloat_f64_from_u64(E, a)) CONVERT(wide_f_x_32, u64, s32, softfloat_f64_from_s64(E, a))
CONVERT(wide_f_16, u32, u16, softfloat_f16_to_f32(E, a)) CONVERT(wide_f_32, u64, u32, softfloat_f32_to_f64(E, a))

CONVERT_RTZ(narrow_xu_8, u8, u16, f16_to_u8_(E, a)) CONVERT_RTZ(narrow_x_8, u8, u16, f16_to_s8_(E, a))
CONVERT_RTZ(narrow_xu_16, u16, u32, f32_to_u16_(E, a)) CONVERT_RTZ(narrow_x_16, u16, u32, f32_to_s16_(E, a))
CONVERT_RTZ(narrow_xu_32, u32, u64, softfloat_f64_to_u32(E, a)) CONVERT_RTZ(narrow_x_32, u32, u64, softfloat_f64_to_s32(E, a))
CONVERT(narrow_f_xu_16, u16, u32, softfloat_f16_from_u64(E, a)) CONVERT(narrow_f_x_16, u16, s32, softfloat_f16_from_s64(E, a))
CONVERT(narrow_f_xu_32, u32, u64, softfloat_f32_from_u64(E, a)) CONVERT(narrow_f_x_32, u32, s64, softfloat_f32_from_s64(E, a))
CONVERT(narrow_f_16, u16, u32, softfloat_f32_to_f16(E, a)) CONVERT(narrow_f_32, u32, u64, softfloat_f64_to_f32(E, a))

/* Round to odd (section 13.19): towards zero, with the last digit set when something was lost. */
static u64 to_odd(struct softfloat_env *env, u64 narrow, u8 before)
{
    return narrow | ((env->flags & SOFTFLOAT_INEXACT) && !(before & SOFTFLOAT_INEXACT));
}
#define ROUND_TO_ODD(NAME, TO, FROM, FUNCTION)                                  \
    static void NAME(struct vector *v)                                          \
    {                                                                           \
        TO *to = (TO *)v->d;                                                    \
        const FROM *from = (const FROM *)v->s2;                                 \
        u8 flags = 0;                                                           \
                                                                                \
        v->env.rounding = SOFTFLOAT_RTZ;                                        \
        VECTOR_EACH(v, , v->env.flags = 0; to[i] = FUNCTION(E, from[i]);        \
                    to[i] = (TO)to_odd(E, to[i], 0); flags |= v->env.flags;);   \
        v->env.flags = flags;                                                   \
    }
ROUND_TO_ODD(narrow_odd_16, u16, u32, softfloat_f32_to_f16) ROUND_TO_ODD(narrow_odd_32, u32, u64, softfloat_f64_to_f32)

/* --- arithmetic of twice the width: exact operands, one rounding --- */

#define WIDE_(NAME, TU, TW, WIDTH, FIRST, B, EXPRESSION)                                                \
    static void NAME(struct vector *v)                                                                  \
    {                                                                                                   \
        enum { BITS = 2 * WIDTH };                                                                      \
        typedef TW U;                                                                                   \
        U *to = (U *)v->d;                                                                              \
        const FIRST *first = (const FIRST *)v->s2;                                                      \
        const TU *second __attribute__((unused)) = (const TU *)v->s1;                                   \
        const TU scalar __attribute__((unused)) = (TU)v->x;                                             \
                                                                                                        \
        (void)BITS;                                                                                     \
        VECTOR_EACH(v, , U d __attribute__((unused)) = to[i]; U a = WIDEN_##FIRST##_##TW(first[i]); U b = WIDEN_##TU##_##TW(B); to[i] = EXPRESSION;); \
    }
#define WIDEN_u16_u32(x) softfloat_f16_to_f32(E, x)
#define WIDEN_u32_u64(x) softfloat_f32_to_f64(E, x)
#define WIDEN_u32_u32(x) (x)
#define WIDEN_u64_u64(x) (x)
#define WIDE(NAME, EXPRESSION)                                                                                          \
    WIDE_(NAME##_v16, u16, u32, 16, u16, second[i], EXPRESSION(f32)) WIDE_(NAME##_x16, u16, u32, 16, u16, scalar, EXPRESSION(f32)) \
    WIDE_(NAME##_v32, u32, u64, 32, u32, second[i], EXPRESSION(f64)) WIDE_(NAME##_x32, u32, u64, 32, u32, scalar, EXPRESSION(f64))
#define WIDE_W(NAME, EXPRESSION)                                                                                        \
    WIDE_(NAME##_v16, u16, u32, 16, u32, second[i], EXPRESSION(f32)) WIDE_(NAME##_x16, u16, u32, 16, u32, scalar, EXPRESSION(f32)) \
    WIDE_(NAME##_v32, u32, u64, 32, u64, second[i], EXPRESSION(f64)) WIDE_(NAME##_x32, u32, u64, 32, u64, scalar, EXPRESSION(f64))
WIDE(fwadd, ADD) WIDE(fwsub, SUB) WIDE(fwmul, MUL) WIDE_W(fwadd_w, ADD) WIDE_W(fwsub_w, SUB)
WIDE(fwmacc, MACC) WIDE(fwnmacc, NMACC) WIDE(fwmsac, MSAC) WIDE(fwnmsac, NMSAC)

/* --- reductions, in order --- */

#define REDUCE_(NAME, TO, FROM, EXPRESSION)                                     \
    static void NAME(struct vector *v)                                          \
    {                                                                           \
        const FROM *from = (const FROM *)v->s2;                                 \
        TO b = *(const TO *)v->s1;                                              \
                                                                                \
        VECTOR_EACH(v, , TO a = WIDEN_##FROM##_##TO(from[i]); b = EXPRESSION;); \
        if (v->vl)                                                              \
            *(TO *)v->d = b;                                                    \
    }
#define WIDEN_u16_u16(x) (x)
#define REDUCE(NAME, EXPRESSION) \
    REDUCE_(NAME##_v16, u16, u16, EXPRESSION(f16)) REDUCE_(NAME##_v32, u32, u32, EXPRESSION(f32)) REDUCE_(NAME##_v64, u64, u64, EXPRESSION(f64))
REDUCE(fredsum, ADD) REDUCE(fredmin, MINN) REDUCE(fredmax, MAXN)
REDUCE_(fwredsum_v16, u32, u16, ADD(f32)) REDUCE_(fwredsum_v32, u64, u32, ADD(f64))

#define V(NAME)  { NULL, NAME##_v16, NAME##_v32, NAME##_v64 }
#define X(NAME)  { NULL, NAME##_x16, NAME##_x32, NAME##_x64 }
#define BOTH(NAME) { V(NAME), X(NAME) }
#define HALF(NAME) { { NULL, NAME##_v16, NAME##_v32, NULL }, { NULL, NAME##_x16, NAME##_x32, NULL } }
#define SAME(NAME, Z) { { NULL, NAME##_16##Z, NAME##_32##Z, NAME##_64##Z } }
#define TO_WIDE(NAME, Z) { { NULL, NAME##_16##Z, NAME##_32##Z, NULL } }
#define FROM_8(NAME, Z) { { NAME##_8##Z, NAME##_16##Z, NAME##_32##Z, NULL } }

riscv_vector_functions riscv_vector_float[RISCV_V_OP_COUNT] = {
    [RISCV_V_FADD] = BOTH(fadd), [RISCV_V_FSUB] = BOTH(fsub), [RISCV_V_FRSUB] = { { NULL }, X(frsub) }, [RISCV_V_FMUL] = BOTH(fmul),
    [RISCV_V_FDIV] = BOTH(fdiv), [RISCV_V_FRDIV] = { { NULL }, X(frdiv) }, [RISCV_V_FMIN] = BOTH(fmin), [RISCV_V_FMAX] = BOTH(fmax),
    [RISCV_V_FSGNJ] = BOTH(fsgnj), [RISCV_V_FSGNJN] = BOTH(fsgnjn), [RISCV_V_FSGNJX] = BOTH(fsgnjx),
    [RISCV_V_FMADD] = BOTH(fmadd), [RISCV_V_FNMADD] = BOTH(fnmadd), [RISCV_V_FMSUB] = BOTH(fmsub), [RISCV_V_FNMSUB] = BOTH(fnmsub),
    [RISCV_V_FMACC] = BOTH(fmacc), [RISCV_V_FNMACC] = BOTH(fnmacc), [RISCV_V_FMSAC] = BOTH(fmsac), [RISCV_V_FNMSAC] = BOTH(fnmsac),
    [RISCV_V_FSQRT] = { V(fsqrt) }, [RISCV_V_FRSQRT7] = { V(frsqrt7) }, [RISCV_V_FREC7] = { V(frec7) }, [RISCV_V_FCLASS] = { V(fclass) },
    [RISCV_V_MFEQ] = BOTH(mfeq), [RISCV_V_MFNE] = BOTH(mfne), [RISCV_V_MFLT] = BOTH(mflt), [RISCV_V_MFLE] = BOTH(mfle),
    [RISCV_V_MFGT] = { { NULL }, X(mfgt) }, [RISCV_V_MFGE] = { { NULL }, X(mfge) },
    [RISCV_V_FCVT_XU_F] = SAME(to_xu, ), [RISCV_V_FCVT_X_F] = SAME(to_x, ), [RISCV_V_FCVT_F_XU] = SAME(from_xu, ), [RISCV_V_FCVT_F_X] = SAME(from_x, ),
    [RISCV_V_FCVT_RTZ_XU_F] = SAME(to_xu, z), [RISCV_V_FCVT_RTZ_X_F] = SAME(to_x, z),
    [RISCV_V_FWCVT_XU_F] = TO_WIDE(wide_xu, ), [RISCV_V_FWCVT_X_F] = TO_WIDE(wide_x, ), [RISCV_V_FWCVT_RTZ_XU_F] = TO_WIDE(wide_xu, z),
    [RISCV_V_FWCVT_RTZ_X_F] = TO_WIDE(wide_x, z), [RISCV_V_FWCVT_F_XU] = FROM_8(wide_f_xu, ), [RISCV_V_FWCVT_F_X] = FROM_8(wide_f_x, ),
    [RISCV_V_FWCVT_F_F] = TO_WIDE(wide_f, ),
    [RISCV_V_FNCVT_XU_F] = FROM_8(narrow_xu, ), [RISCV_V_FNCVT_X_F] = FROM_8(narrow_x, ), [RISCV_V_FNCVT_RTZ_XU_F] = FROM_8(narrow_xu, z),
    [RISCV_V_FNCVT_RTZ_X_F] = FROM_8(narrow_x, z), [RISCV_V_FNCVT_F_XU] = TO_WIDE(narrow_f_xu, ), [RISCV_V_FNCVT_F_X] = TO_WIDE(narrow_f_x, ),
    [RISCV_V_FNCVT_F_F] = TO_WIDE(narrow_f, ), [RISCV_V_FNCVT_ROD_F_F] = TO_WIDE(narrow_odd, ),
    [RISCV_V_FWADD] = HALF(fwadd), [RISCV_V_FWSUB] = HALF(fwsub), [RISCV_V_FWMUL] = HALF(fwmul), [RISCV_V_FWADD_W] = HALF(fwadd_w),
    [RISCV_V_FWSUB_W] = HALF(fwsub_w), [RISCV_V_FWMACC] = HALF(fwmacc), [RISCV_V_FWNMACC] = HALF(fwnmacc), [RISCV_V_FWMSAC] = HALF(fwmsac),
    [RISCV_V_FWNMSAC] = HALF(fwnmsac),
    [RISCV_V_FREDUSUM] = { V(fredsum) }, [RISCV_V_FREDOSUM] = { V(fredsum) }, [RISCV_V_FREDMIN] = { V(fredmin) }, [RISCV_V_FREDMAX] = { V(fredmax) },
    [RISCV_V_FWREDUSUM] = { { NULL, fwredsum_v16, fwredsum_v32, NULL } }, [RISCV_V_FWREDOSUM] = { { NULL, fwredsum_v16, fwredsum_v32, NULL } },
};
