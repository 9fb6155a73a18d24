/*
 * target/riscv/fp_helpers.c - the floating-point functions of helpers.def (Unprivileged manual, chapters "F", "D", "Zfh", "Zfa"): half
 * precision, classification and fcvtmod, by soft-float. The rest is ops of the IR.
 */
#include "base/softfloat/softfloat.h"
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

static inline struct softfloat_env begin(const struct riscv_state *state, u64 rm)
{
    return (struct softfloat_env){ .rounding = rm == RM_DYNAMIC ? state->frm : rm };
}

static inline void end(struct riscv_state *state, const struct softfloat_env *env)
{
    if (env->flags & ~state->fflags) {
        state->fflags |= env->flags;
        state->fp_dirty = 1;
    }
}

/* A function of so many operands, each u64; RM: the rounding mode's argument. RESULT reads env, a, b, c. */
#define FUNCTION(NAME, PARAMETERS, RM, RESULT)                         \
    u64 riscv_helper_##NAME PARAMETERS                                 \
    {                                                                  \
        struct riscv_state *state = state_of(vcpu);                    \
        struct softfloat_env env = begin(state, RM);                   \
        u64 result = (RESULT);                                         \
                                                                       \
        end(state, &env);                                              \
        return result;                                                 \
    }
#define ONE(NAME, RESULT)       FUNCTION(NAME, (void *vcpu, u64 a), SOFTFLOAT_RTZ, RESULT)
#define ONE_RM(NAME, RESULT)    FUNCTION(NAME, (void *vcpu, u64 a, u64 rm), rm, RESULT)
#define TWO(NAME, RESULT)       FUNCTION(NAME, (void *vcpu, u64 a, u64 b), SOFTFLOAT_RNE, RESULT)
#define TWO_RM(NAME, RESULT)    FUNCTION(NAME, (void *vcpu, u64 a, u64 b, u64 rm), rm, RESULT)
#define THREE_RM(NAME, RESULT)  FUNCTION(NAME, (void *vcpu, u64 a, u64 b, u64 c, u64 rm), rm, RESULT)

enum { SIGN = 0x8000 };

#define A unbox_h(a)
#define B unbox_h(b)
#define C unbox_h(c)
TWO_RM(fadd_h, box_h(softfloat_f16_add(&env, A, B)))
TWO_RM(fsub_h, box_h(softfloat_f16_sub(&env, A, B)))
TWO_RM(fmul_h, box_h(softfloat_f16_mul(&env, A, B)))
TWO_RM(fdiv_h, box_h(softfloat_f16_div(&env, A, B)))
ONE_RM(fsqrt_h, box_h(softfloat_f16_sqrt(&env, A)))
THREE_RM(fmadd_h, box_h(softfloat_f16_fma(&env, A, B, C)))
THREE_RM(fmsub_h, box_h(softfloat_f16_fma(&env, A, B, C ^ SIGN)))
THREE_RM(fnmsub_h, box_h(softfloat_f16_fma(&env, A ^ SIGN, B, C)))
THREE_RM(fnmadd_h, box_h(softfloat_f16_fma(&env, A ^ SIGN, B, C ^ SIGN)))
TWO(fmin_h, box_h(softfloat_f16_min_number(&env, A, B)))
TWO(fmax_h, box_h(softfloat_f16_max_number(&env, A, B)))
TWO(fminm_h, box_h(softfloat_f16_minimum(&env, A, B)))
TWO(fmaxm_h, box_h(softfloat_f16_maximum(&env, A, B)))
TWO(feq_h, softfloat_f16_compare(&env, A, B, true) == SOFTFLOAT_EQUAL)
TWO(flt_h, softfloat_f16_compare(&env, A, B, false) == SOFTFLOAT_LESS)
TWO(fle_h, softfloat_f16_compare(&env, A, B, false) <= SOFTFLOAT_EQUAL)
TWO(fltq_h, softfloat_f16_compare(&env, A, B, true) == SOFTFLOAT_LESS)
TWO(fleq_h, softfloat_f16_compare(&env, A, B, true) <= SOFTFLOAT_EQUAL)
ONE_RM(fround_h, box_h(softfloat_f16_round_to_int(&env, A, false)))
ONE_RM(froundnx_h, box_h(softfloat_f16_round_to_int(&env, A, true)))
ONE_RM(fcvt_w_h, (u64)(s64)softfloat_f16_to_s32(&env, A))
ONE_RM(fcvt_wu_h, (u64)(s64)(s32)softfloat_f16_to_u32(&env, A))
ONE_RM(fcvt_l_h, (u64)softfloat_f16_to_s64(&env, A))
ONE_RM(fcvt_lu_h, softfloat_f16_to_u64(&env, A))
ONE_RM(fcvt_h_w, box_h(softfloat_f16_from_s64(&env, (s32)a)))
ONE_RM(fcvt_h_wu, box_h(softfloat_f16_from_u64(&env, (u32)a)))
ONE_RM(fcvt_h_l, box_h(softfloat_f16_from_s64(&env, (s64)a)))
ONE_RM(fcvt_h_lu, box_h(softfloat_f16_from_u64(&env, a)))
ONE_RM(fcvt_s_h, box_s(softfloat_f16_to_f32(&env, A)))
ONE_RM(fcvt_d_h, box_d(softfloat_f16_to_f64(&env, A)))
#undef A
#undef B
#undef C
ONE_RM(fcvt_h_s, box_h(softfloat_f32_to_f16(&env, unbox_s(a))))
ONE_RM(fcvt_h_d, box_h(softfloat_f64_to_f16(&env, unbox_d(a))))
ONE(fcvtmod_w_d, (u64)(s64)softfloat_f64_to_s32_modular(&env, unbox_d(a)))

u64 riscv_helper_fclass_h(void *vcpu, u64 a)
{
    return softfloat_f16_classify(unbox_h(a));
}

u64 riscv_helper_fclass_s(void *vcpu, u64 a)
{
    return softfloat_f32_classify(unbox_s(a));
}

u64 riscv_helper_fclass_d(void *vcpu, u64 a)
{
    return softfloat_f64_classify(unbox_d(a));
}
