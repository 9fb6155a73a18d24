/*
 * target/riscv/fp_helpers.c - the floating-point functions of helpers.def (Unprivileged manual, chapters "F", "D", "Zfh",
 * "Zfa"): NaN boxes, rounding modes, flags; exact by soft-float, quick by the host where that gives the same.
 */
#include "base/softfloat/softfloat.h"
#include "target/riscv/fp_fast.h"
#include "target/riscv/helpers.h"
#include "target/riscv/state.h"
#include "vm/vcpu.h"

enum { RM_DYNAMIC = 7 };

/* Narrow values live in f registers with all higher bits set; anything else reads as the canonical NaN. */
static inline u16 unbox_h(u64 f)
{
    return f >> 16 == UINT64_MAX >> 16 ? (u16)f : 0x7e00;
}

static inline u32 unbox_s(u64 f)
{
    return f >> 32 == UINT32_MAX ? (u32)f : 0x7fc00000;
}

static inline u64 unbox_d(u64 f)
{
    return f;
}

static inline u64 box_h(u16 bits)
{
    return bits | ~UINT64_C(0xffff);
}

static inline u64 box_s(u32 bits)
{
    return bits | ~UINT64_C(0xffffffff);
}

static inline u64 box_d(u64 bits)
{
    return bits;
}

static inline struct riscv_state *state_of(void *vcpu)
{
    return ((struct vcpu *)vcpu)->state;
}

static inline unsigned rounding(const struct riscv_state *state, u64 rm)
{
    return rm == RM_DYNAMIC ? state->frm : rm;
}

/* Whether neither rounding nor flags keep the host from doing it. */
static inline bool ordinary(const struct riscv_state *state, u64 rm)
{
    return rounding(state, rm) == SOFTFLOAT_RNE && (state->fflags & SOFTFLOAT_INEXACT);
}

static inline struct softfloat_env begin(const struct riscv_state *state, u64 rm)
{
    return (struct softfloat_env){ .rounding = rounding(state, rm) };
}

static inline void end(struct riscv_state *state, const struct softfloat_env *env)
{
    if (env->flags & ~state->fflags) {
        state->fflags |= env->flags;
        state->fp_dirty = 1;
    }
}

#define BINARY_RM(S, F, T, NAME, FAST)                                             \
    u64 riscv_helper_f##NAME##_##S(void *vcpu, u64 a, u64 b, u64 rm)               \
    {                                                                              \
        struct riscv_state *state = state_of(vcpu);                                \
        T result;                                                                  \
                                                                                   \
        if (likely(ordinary(state, rm)) &&                                         \
            fast_binary_##S(FAST, unbox_##S(a), unbox_##S(b), &result))            \
            return box_##S(result);                                                \
        struct softfloat_env env = begin(state, rm);                               \
        result = softfloat_##F##_##NAME(&env, unbox_##S(a), unbox_##S(b));         \
        end(state, &env);                                                          \
        return box_##S(result);                                                    \
    }

/* Bit 0 of NEGATE flips the product, bit 1 the addend. */
#define FMA(S, F, T, NAME, NEGATE)                                                 \
    u64 riscv_helper_##NAME##_##S(void *vcpu, u64 a, u64 b, u64 c, u64 rm)         \
    {                                                                              \
        struct riscv_state *state = state_of(vcpu);                                \
        T sign = (T)((T)1 << (sizeof(T) * 8 - 1)), result;                         \
        T x = unbox_##S(a) ^ (NEGATE & 1 ? sign : 0), y = unbox_##S(b);            \
        T z = unbox_##S(c) ^ (NEGATE & 2 ? sign : 0);                              \
                                                                                   \
        if (likely(ordinary(state, rm)) && fast_fma_##S(x, y, z, &result))         \
            return box_##S(result);                                                \
        struct softfloat_env env = begin(state, rm);                               \
        result = softfloat_##F##_fma(&env, x, y, z);                               \
        end(state, &env);                                                          \
        return box_##S(result);                                                    \
    }

#define BINARY(S, F, NAME, SOFT)                                                   \
    u64 riscv_helper_##NAME##_##S(void *vcpu, u64 a, u64 b)                        \
    {                                                                              \
        struct riscv_state *state = state_of(vcpu);                                \
        struct softfloat_env env = begin(state, 0);                                \
        u64 result = box_##S(softfloat_##F##_##SOFT(&env, unbox_##S(a), unbox_##S(b))); \
                                                                                   \
        end(state, &env);                                                          \
        return result;                                                             \
    }

/* TEST looks at relation, an enum softfloat_relation. */
#define COMPARE(S, F, T, NAME, QUIET, TEST)                                        \
    u64 riscv_helper_##NAME##_##S(void *vcpu, u64 a, u64 b)                        \
    {                                                                              \
        struct riscv_state *state = state_of(vcpu);                                \
        struct softfloat_env env = begin(state, 0);                                \
        int relation;                                                              \
                                                                                   \
        if (likely(fast_compare_##S(unbox_##S(a), unbox_##S(b), &relation)))       \
            return TEST;                                                           \
        relation = softfloat_##F##_compare(&env, unbox_##S(a), unbox_##S(b), QUIET); \
        end(state, &env);                                                          \
        return TEST;                                                               \
    }

#define ROUND(S, F, NAME, EXACT)                                                   \
    u64 riscv_helper_##NAME##_##S(void *vcpu, u64 a, u64 rm)                       \
    {                                                                              \
        struct riscv_state *state = state_of(vcpu);                                \
        struct softfloat_env env = begin(state, rm);                               \
        u64 result = box_##S(softfloat_##F##_round_to_int(&env, unbox_##S(a), EXACT)); \
                                                                                   \
        end(state, &env);                                                          \
        return result;                                                             \
    }

/* Whether fractions may be cut off without further ado. */
static inline bool cuts(const struct riscv_state *state, u64 rm)
{
    return rounding(state, rm) == SOFTFLOAT_RTZ && (state->fflags & SOFTFLOAT_INEXACT);
}

/* RANGE: the integer's own type; EXTEND: the type whose value x registers hold sign-extended. */
#define TO_INTEGER(S, F, NAME, SOFT, RANGE, EXTEND)                                \
    u64 riscv_helper_fcvt_##NAME##_##S(void *vcpu, u64 a, u64 rm)                  \
    {                                                                              \
        struct riscv_state *state = state_of(vcpu);                                \
        s64 exact;                                                                 \
                                                                                   \
        if (likely(fast_to_integer_##S(unbox_##S(a), cuts(state, rm), &exact)) &&  \
            (s128)exact == (RANGE)exact)                                           \
            return (u64)(s64)(EXTEND)exact;                                        \
        struct softfloat_env env = begin(state, rm);                               \
        u64 result = (u64)(s64)(EXTEND)softfloat_##F##_to_##SOFT(&env, unbox_##S(a)); \
                                                                                   \
        end(state, &env);                                                          \
        return result;                                                             \
    }

#define FROM_INTEGER(S, F, T, NAME, SOFT, TYPE)                                       \
    u64 riscv_helper_fcvt_##S##_##NAME(void *vcpu, u64 a, u64 rm)                  \
    {                                                                              \
        struct riscv_state *state = state_of(vcpu);                                \
        T quick;                                                                   \
                                                                                   \
        if (likely((s128)(TYPE)a == (s64)(TYPE)a) &&                               \
            fast_from_integer_##S((s64)(TYPE)a, ordinary(state, rm), &quick))      \
            return box_##S(quick);                                                 \
        struct softfloat_env env = begin(state, rm);                               \
        u64 result = box_##S(softfloat_##F##_from_##SOFT(&env, (TYPE)a));          \
                                                                                   \
        end(state, &env);                                                          \
        return result;                                                             \
    }

#define FORMAT(S, F, T)                                                            \
    BINARY_RM(S, F, T, add, FAST_ADD)                                              \
    BINARY_RM(S, F, T, sub, FAST_SUB)                                              \
    BINARY_RM(S, F, T, mul, FAST_MUL)                                              \
    BINARY_RM(S, F, T, div, FAST_DIV)                                              \
    u64 riscv_helper_fsqrt_##S(void *vcpu, u64 a, u64 rm)                          \
    {                                                                              \
        struct riscv_state *state = state_of(vcpu);                                \
        T result;                                                                  \
                                                                                   \
        if (likely(ordinary(state, rm)) && fast_sqrt_##S(unbox_##S(a), &result))   \
            return box_##S(result);                                                \
        struct softfloat_env env = begin(state, rm);                               \
        result = softfloat_##F##_sqrt(&env, unbox_##S(a));                         \
        end(state, &env);                                                          \
        return box_##S(result);                                                    \
    }                                                                              \
    FMA(S, F, T, fmadd, 0)                                                         \
    FMA(S, F, T, fmsub, 2)                                                         \
    FMA(S, F, T, fnmsub, 1)                                                        \
    FMA(S, F, T, fnmadd, 3)                                                        \
    BINARY(S, F, fmin, min_number)                                                 \
    BINARY(S, F, fmax, max_number)                                                 \
    BINARY(S, F, fminm, minimum)                                                   \
    BINARY(S, F, fmaxm, maximum)                                                   \
    COMPARE(S, F, T, feq, true, relation == SOFTFLOAT_EQUAL)                       \
    COMPARE(S, F, T, flt, false, relation == SOFTFLOAT_LESS)                       \
    COMPARE(S, F, T, fle, false, relation <= SOFTFLOAT_EQUAL)                      \
    COMPARE(S, F, T, fltq, true, relation == SOFTFLOAT_LESS)                       \
    COMPARE(S, F, T, fleq, true, relation <= SOFTFLOAT_EQUAL)                      \
    u64 riscv_helper_fclass_##S(void *vcpu, u64 a)                                 \
    {                                                                              \
        return softfloat_##F##_classify(unbox_##S(a));                             \
    }                                                                              \
    ROUND(S, F, fround, false)                                                     \
    ROUND(S, F, froundnx, true)                                                    \
    TO_INTEGER(S, F, w, s32, s32, s32)                                             \
    TO_INTEGER(S, F, wu, u32, u32, s32)                                            \
    TO_INTEGER(S, F, l, s64, s64, s64)                                             \
    TO_INTEGER(S, F, lu, u64, u64, s64)                                            \
    FROM_INTEGER(S, F, T, w, s64, s32)                                             \
    FROM_INTEGER(S, F, T, wu, u64, u32)                                            \
    FROM_INTEGER(S, F, T, l, s64, s64)                                             \
    FROM_INTEGER(S, F, T, lu, u64, u64)

FORMAT(h, f16, u16)
FORMAT(s, f32, u32)
FORMAT(d, f64, u64)

#define CONVERT(TO, TO_F, FROM, FROM_F)                                            \
    u64 riscv_helper_fcvt_##TO##_##FROM(void *vcpu, u64 a, u64 rm)                 \
    {                                                                              \
        struct riscv_state *state = state_of(vcpu);                                \
        struct softfloat_env env = begin(state, rm);                               \
        u64 result = box_##TO(softfloat_##FROM_F##_to_##TO_F(&env, unbox_##FROM(a))); \
                                                                                   \
        end(state, &env);                                                          \
        return result;                                                             \
    }
CONVERT(s, f32, h, f16)
CONVERT(h, f16, s, f32)
CONVERT(d, f64, h, f16)
CONVERT(h, f16, d, f64)

u64 riscv_helper_fcvt_s_d(void *vcpu, u64 a, u64 rm)
{
    struct riscv_state *state = state_of(vcpu);
    u32 result;

    if (likely(fast_narrow(a, ordinary(state, rm), &result)))
        return box_s(result);
    struct softfloat_env env = begin(state, rm);
    result = softfloat_f64_to_f32(&env, a);
    end(state, &env);
    return box_s(result);
}

u64 riscv_helper_fcvt_d_s(void *vcpu, u64 a, u64 rm)
{
    struct riscv_state *state = state_of(vcpu);

    if (likely(!fast_nan_s(unbox_s(a))))
        return fast_bits_d((double)fast_value_s(unbox_s(a)));
    struct softfloat_env env = begin(state, rm);
    u64 result = softfloat_f32_to_f64(&env, unbox_s(a));
    end(state, &env);
    return result;
}

u64 riscv_helper_fcvtmod_w_d(void *vcpu, u64 a)
{
    struct riscv_state *state = state_of(vcpu);
    struct softfloat_env env = begin(state, SOFTFLOAT_RTZ);
    u64 result = (u64)(s64)softfloat_f64_to_s32_modular(&env, a);

    end(state, &env);
    return result;
}
