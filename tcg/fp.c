/* tcg/fp.c - floating-point ops by soft-float. */
#include "tcg/fp.h"
#include "base/softfloat/softfloat.h"

struct fp_op {
    struct softfloat_env env;
    u8 code, type;
    u16 aux;
    u64 a, b, c;
};

#define BOX UINT64_C(0xffffffff00000000)

static bool compare_holds(u32 aux, enum softfloat_relation relation)
{
    return (relation == SOFTFLOAT_LESS && aux & IR_FP_LESS) || (relation == SOFTFLOAT_EQUAL && aux & IR_FP_EQUAL);
}

#define ARITHMETIC(F, T)                                                                                    \
    static u64 to_integer_##F(struct fp_op *o)                                                              \
    {                                                                                                       \
        T a = (T)o->a;                                                                                      \
                                                                                                            \
        if (o->type == IR_I64)                                                                              \
            return o->aux & IR_FP_UNSIGNED ? softfloat_##F##_to_u64(&o->env, a)                             \
                                           : (u64)softfloat_##F##_to_s64(&o->env, a);                       \
        return o->aux & IR_FP_UNSIGNED ? softfloat_##F##_to_u32(&o->env, a)                                 \
                                       : (u32)softfloat_##F##_to_s32(&o->env, a);                           \
    }                                                                                                       \
    static u64 from_integer_##F(struct fp_op *o)                                                            \
    {                                                                                                       \
        bool word = ir_fp_from(o->aux) == IR_I32;                                                           \
                                                                                                            \
        if (o->aux & IR_FP_UNSIGNED)                                                                        \
            return softfloat_##F##_from_u64(&o->env, word ? (u32)o->a : o->a);                              \
        return softfloat_##F##_from_s64(&o->env, word ? (s32)o->a : (s64)o->a);                             \
    }                                                                                                       \
    static u64 minimum_##F(struct fp_op *o)                                                                 \
    {                                                                                                       \
        T a = (T)o->a, b = (T)o->b;                                                                         \
                                                                                                            \
        if (o->code == IR_FMIN)                                                                             \
            return o->aux & IR_FP_NAN_WINS ? softfloat_##F##_minimum(&o->env, a, b)                         \
                                           : softfloat_##F##_min_number(&o->env, a, b);                     \
        return o->aux & IR_FP_NAN_WINS ? softfloat_##F##_maximum(&o->env, a, b)                             \
                                       : softfloat_##F##_max_number(&o->env, a, b);                         \
    }                                                                                                       \
    static u64 arithmetic_##F(struct fp_op *o)                                                              \
    {                                                                                                       \
        const T sign = (T)1 << (8 * sizeof(T) - 1);                                                         \
        T a = (T)o->a, b = (T)o->b, c = (T)o->c;                                                            \
                                                                                                            \
        switch (o->code) {                                                                                  \
        case IR_FADD:                                                                                       \
            return softfloat_##F##_add(&o->env, a, b);                                                      \
        case IR_FSUB:                                                                                       \
            return softfloat_##F##_sub(&o->env, a, b);                                                      \
        case IR_FMUL:                                                                                       \
            return softfloat_##F##_mul(&o->env, a, b);                                                      \
        case IR_FDIV:                                                                                       \
            return softfloat_##F##_div(&o->env, a, b);                                                      \
        case IR_FSQRT:                                                                                      \
            return softfloat_##F##_sqrt(&o->env, a);                                                        \
        case IR_FMA:                                                                                        \
            a ^= o->aux & IR_FP_NEGATE_PRODUCT ? sign : 0;                                                  \
            c ^= o->aux & IR_FP_NEGATE_ADDEND ? sign : 0;                                                   \
            return softfloat_##F##_fma(&o->env, a, b, c);                                                   \
        case IR_FMIN:                                                                                       \
        case IR_FMAX:                                                                                       \
            return minimum_##F(o);                                                                          \
        case IR_FCMP:                                                                                       \
            return compare_holds(o->aux, softfloat_##F##_compare(&o->env, a, b, o->aux & IR_FP_QUIET));     \
        case IR_FROUND:                                                                                     \
            return softfloat_##F##_round_to_int(&o->env, a, o->aux & IR_FP_EXACT);                          \
        case IR_FNEG:                                                                                       \
            return a ^ sign;                                                                                \
        case IR_FABS:                                                                                       \
            return a & (T)~sign;                                                                            \
        case IR_FCOPYSIGN:                                                                                  \
            return (a & (T)~sign) | (b & sign);                                                             \
        case IR_FXORSIGN:                                                                                   \
            return a ^ (b & sign);                                                                          \
        default:                                                                                            \
            return 0;                                                                                       \
        }                                                                                                   \
    }
ARITHMETIC(f32, u32)
ARITHMETIC(f64, u64)
#undef ARITHMETIC

static u64 compute(struct fp_op *o)
{
    switch (o->code) {
    case IR_FTOI:
        return ir_fp_from(o->aux) == IR_F32 ? to_integer_f32(o) : to_integer_f64(o);
    case IR_ITOF:
        return o->type == IR_F32 ? from_integer_f32(o) : from_integer_f64(o);
    case IR_FCVT:
        return o->type == IR_F32 ? softfloat_f64_to_f32(&o->env, o->a) : softfloat_f32_to_f64(&o->env, (u32)o->a);
    case IR_BOX:
        return o->a | BOX;
    case IR_UNBOX:
        return o->a >= BOX ? o->a : 0x7fc00000;
    case IR_BITS:
    case IR_FROM_BITS:
        return o->a;
    default:
        return o->type == IR_F32 ? arithmetic_f32(o) : arithmetic_f64(o);
    }
}

struct ir_fp_result ir_fp_compute(u32 word, u64 a, u64 b, u64 c, u64 rounding)
{
    struct fp_op o = { .code = (u8)word, .type = (u8)(word >> 8), .aux = (u16)(word >> 16), .a = a, .b = b, .c = c };
    unsigned mode = o.aux & IR_FP_ROUNDING;
    u64 value;

    o.env.rounding = mode != IR_FP_DYNAMIC ? mode : rounding < SOFTFLOAT_RMM ? (u8)rounding : SOFTFLOAT_RNE;
    value = compute(&o);
    if (o.type == IR_F32 && o.code != IR_FCMP)
        value |= BOX;
    return (struct ir_fp_result){ value, o.env.flags };
}
