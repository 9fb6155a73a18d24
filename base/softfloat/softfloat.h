/*
 * base/softfloat/softfloat.h - exact IEEE 754-2008 binary arithmetic in integers: binary16, binary32, binary64.
 *
 * Values are their bits. No global state: rounding, flags and NaN conventions live in the environment that every
 * function takes. Any thread. Negated forms (fnmsub ...) are sign flips of the operands by the caller.
 */
#ifndef BASE_SOFTFLOAT_SOFTFLOAT_H
#define BASE_SOFTFLOAT_SOFTFLOAT_H

#include "base/types.h"

/* IEEE 754-2008 section 4.3; numbered as RISC-V's frm. */
enum softfloat_rounding {
    SOFTFLOAT_RNE, /* nearest, ties to even */
    SOFTFLOAT_RTZ, /* towards zero */
    SOFTFLOAT_RDN, /* towards -infinity */
    SOFTFLOAT_RUP, /* towards +infinity */
    SOFTFLOAT_RMM, /* nearest, ties away from zero */
};

/* IEEE 754-2008 section 7; bits as RISC-V's fflags. */
enum softfloat_flag {
    SOFTFLOAT_INEXACT = 1,
    SOFTFLOAT_UNDERFLOW = 2,
    SOFTFLOAT_OVERFLOW = 4,
    SOFTFLOAT_DIVBYZERO = 8,
    SOFTFLOAT_INVALID = 16,
};

enum softfloat_nan_rule {
    SOFTFLOAT_NAN_DEFAULT,          /* always the positive quiet NaN without payload (RISC-V, Arm FPCR.DN) */
    SOFTFLOAT_NAN_FIRST,            /* first NaN operand, quieted; made ones are negative (SSE) */
    SOFTFLOAT_NAN_SIGNALLING_FIRST, /* first signalling, else first quiet operand, quieted (Arm) */
};

struct softfloat_env {
    u8 rounding;          /* enum softfloat_rounding */
    u8 flags;             /* accumulates enum softfloat_flag */
    u8 nan_rule;          /* enum softfloat_nan_rule */
    bool tininess_before; /* underflow is judged before rounding (Arm) rather than after (RISC-V, SSE) */
};

enum softfloat_relation { SOFTFLOAT_LESS = -1, SOFTFLOAT_EQUAL, SOFTFLOAT_GREATER, SOFTFLOAT_UNORDERED };

/* One bit each, as RISC-V's fclass. */
enum softfloat_class {
    SOFTFLOAT_NEGATIVE_INFINITY = 1 << 0,
    SOFTFLOAT_NEGATIVE_NORMAL = 1 << 1,
    SOFTFLOAT_NEGATIVE_SUBNORMAL = 1 << 2,
    SOFTFLOAT_NEGATIVE_ZERO = 1 << 3,
    SOFTFLOAT_POSITIVE_ZERO = 1 << 4,
    SOFTFLOAT_POSITIVE_SUBNORMAL = 1 << 5,
    SOFTFLOAT_POSITIVE_NORMAL = 1 << 6,
    SOFTFLOAT_POSITIVE_INFINITY = 1 << 7,
    SOFTFLOAT_SIGNALLING_NAN = 1 << 8,
    SOFTFLOAT_QUIET_NAN = 1 << 9,
};

/* name, type of the bits, exponent bits, fraction bits */
#define SOFTFLOAT_FORMATS(X) \
    X(f16, u16, 5, 10)       \
    X(f32, u32, 8, 23)       \
    X(f64, u64, 11, 52)

/*
 * For each format F with bits T:
 *
 * add sub mul div sqrt fma    fma is a * b + c rounded once; infinity * 0 + NaN is invalid
 * min_number max_number       a quiet NaN loses against a number; a signalling one is invalid; -0 < +0 (RISC-V fmin, fmax)
 * minimum maximum             a NaN wins (RISC-V fminm, fmaxm)
 * compare                     quiet: invalid for signalling NaNs only; otherwise for any NaN
 * round_to_int                an integral value in the format; exact: raises inexact when it differs
 * to_s32 .. to_u64            saturate with invalid; NaN gives the most positive value
 * from_s64 from_u64           32-bit integers fit in these
 * classify                    one enum softfloat_class bit, no flags
 */
#define X(F, T, ...)                                                                            \
    T softfloat_##F##_add(struct softfloat_env *env, T a, T b);                                 \
    T softfloat_##F##_sub(struct softfloat_env *env, T a, T b);                                 \
    T softfloat_##F##_mul(struct softfloat_env *env, T a, T b);                                 \
    T softfloat_##F##_div(struct softfloat_env *env, T a, T b);                                 \
    T softfloat_##F##_sqrt(struct softfloat_env *env, T a);                                     \
    T softfloat_##F##_fma(struct softfloat_env *env, T a, T b, T c);                            \
    T softfloat_##F##_min_number(struct softfloat_env *env, T a, T b);                          \
    T softfloat_##F##_max_number(struct softfloat_env *env, T a, T b);                          \
    T softfloat_##F##_minimum(struct softfloat_env *env, T a, T b);                             \
    T softfloat_##F##_maximum(struct softfloat_env *env, T a, T b);                             \
    enum softfloat_relation softfloat_##F##_compare(struct softfloat_env *env, T a, T b, bool quiet); \
    T softfloat_##F##_round_to_int(struct softfloat_env *env, T a, bool exact);                 \
    s32 softfloat_##F##_to_s32(struct softfloat_env *env, T a);                                 \
    u32 softfloat_##F##_to_u32(struct softfloat_env *env, T a);                                 \
    s64 softfloat_##F##_to_s64(struct softfloat_env *env, T a);                                 \
    u64 softfloat_##F##_to_u64(struct softfloat_env *env, T a);                                 \
    T softfloat_##F##_from_s64(struct softfloat_env *env, s64 a);                               \
    T softfloat_##F##_from_u64(struct softfloat_env *env, u64 a);                               \
    enum softfloat_class softfloat_##F##_classify(T a);
SOFTFLOAT_FORMATS(X)
#undef X

/* Between formats: rounds when narrowing, quiets signalling NaNs (invalid). */
u32 softfloat_f16_to_f32(struct softfloat_env *env, u16 a);
u64 softfloat_f16_to_f64(struct softfloat_env *env, u16 a);
u16 softfloat_f32_to_f16(struct softfloat_env *env, u32 a);
u64 softfloat_f32_to_f64(struct softfloat_env *env, u32 a);
u16 softfloat_f64_to_f16(struct softfloat_env *env, u64 a);
u32 softfloat_f64_to_f32(struct softfloat_env *env, u64 a);

/* Towards zero, modulo 2^32 (RISC-V fcvtmod.w.d, Arm FJCVTZS): invalid out of range and for NaN and infinity, which give 0. */
s32 softfloat_f64_to_s32_modular(struct softfloat_env *env, u64 a);

#endif
