/* tcg/x86_64/emit_fp_convert.c - conversions between formats and integers, and ops on the bits of floating-point numbers. */
#include "tcg/x86_64/emit_fp.h"

/* --- conversions --- */

/* Values that a signed 64-bit conversion does right, or out of line. */
static void check_unsigned(struct tcg_engine *e, const struct ir_op *op, struct x86_cold *cold, unsigned x, unsigned t)
{
    const struct x86_constants *k = x86_constants_at(e);
    bool is_double = ir_fp_from(op->aux) == IR_F64, is_word = op->type == IR_I32;
    const void *limit = is_double ? (is_word ? &k->limit_u32_64 : &k->limit_u64_64)
                                  : (is_word ? (const void *)&k->limit_u32_32 : &k->limit_u64_32);

    with_constant(e, unordered_op(is_double), x, 0, limit);
    cold->from = x86_jcc(&e->code, is_word ? CC_A : CC_AE);
    zero(e, t);
    rr(e, unordered_op(is_double), x, 0, t);
    cold->from_unaligned = x86_jcc(&e->code, CC_B); /* below, or unordered */
}

void x86_emit_fp_to_integer(struct tcg_engine *e, const struct ir_op *op)
{
    bool is_unsigned = op->aux & IR_FP_UNSIGNED, wide = op->type == IR_I64 || is_unsigned;
    bool cuts = (op->aux & IR_FP_ROUNDING) == SOFTFLOAT_RTZ;
    u32 form = x86_sse_scalar(cuts ? SSE_CVTTSD2SI : SSE_CVTSD2SI, ir_fp_from(op->aux) == IR_F64) | (wide ? SSE_W : 0);
    struct x86_cold *cold;
    enum host_reg d;
    unsigned x;

    if (is_away(op)) {
        x86_fp_exact(e, op);
        return;
    }
    x = x86_in_xmm(e, x86_take(e, op->arg[0]), 0);
    d = x86_result(e, 0, X86_NO_REG);
    cold = x86_fp_cold_exact(e, op, in_reg(x), (struct x86_operand){0}, d);
    if (is_unsigned)
        check_unsigned(e, op, cold, x, x86_xmm_temp(e, 1u << x));
    if (!cuts)
        x86_fp_begin_rounding(e, op);
    rr(e, form, d, 0, x);
    if (!cuts)
        x86_fp_end_rounding(e, op);
    if (!is_unsigned) { /* the most negative number says "invalid" */
        x86_alu_ri(&e->code, X86_CMP, wide, d, 1);
        cold->from = x86_jcc(&e->code, CC_O);
    }
    cold->back = e->code.p;
    x86_define(e, d);
}

void x86_emit_fp_from_integer(struct tcg_engine *e, const struct ir_op *op)
{
    bool is_unsigned = op->aux & IR_FP_UNSIGNED, is_word = ir_fp_from(op->aux) == IR_I32;
    u32 form = x86_sse_scalar(SSE_CVTSI2SD, op->type == IR_F64) | (!is_word || is_unsigned ? SSE_W : 0);
    struct x86_operand a;
    struct x86_cold *cold = NULL;
    unsigned d;

    if (is_away(op)) {
        x86_fp_exact(e, op);
        return;
    }
    a = x86_take(e, op->arg[0]);
    d = x86_xmm_result(e, 0, X86_NO_REG);
    if (a.place != PLACE_REG || (is_word && is_unsigned)) {
        enum host_reg t = x86_result_temp(e, 0, a.place == PLACE_REG ? a.reg : X86_NO_REG);

        if (a.place == PLACE_REG)
            x86_mov_rr(&e->code, false, t, a.reg);
        else
            x86_load(e, !is_word, t, a);
        a = in_reg(t);
    }
    if (is_unsigned && !is_word) {
        cold = x86_fp_cold_exact(e, op, a, (struct x86_operand){0}, d);
        x86_test_rr(&e->code, true, a.reg, a.reg);
        cold->from = x86_jcc(&e->code, CC_S);
    }
    x86_fp_begin_rounding(e, op);
    if (op->type == IR_F64)
        zero(e, d);
    else
        ones(e, d);
    rr(e, form, d, d, a.reg);
    x86_fp_end_rounding(e, op);
    if (cold)
        cold->back = e->code.p;
    define(e, d, NAN_CLEAN);
}

void x86_emit_fp_convert(struct tcg_engine *e, const struct ir_op *op)
{
    bool widens = op->type == IR_F64;
    unsigned x, d;

    if (is_away(op)) {
        x86_fp_exact(e, op);
        return;
    }
    x = x86_in_xmm(e, x86_take(e, op->arg[0]), 0);
    d = x86_xmm_result(e, widens ? 0 : 1u << x, widens ? x : X86_NO_REG);
    x86_fp_begin_rounding(e, op);
    if (!widens)
        ones(e, d);
    rr(e, x86_sse_scalar(SSE_CVTSD2SS, !widens), d, widens ? x : d, x);
    x86_fp_end_rounding(e, op);
    define(e, d, nan_of(op->type));
}

void x86_emit_fp_round(struct tcg_engine *e, const struct ir_op *op)
{
    static const u8 mode[] = {[SOFTFLOAT_RNE] = 0, [SOFTFLOAT_RDN] = 1, [SOFTFLOAT_RUP] = 2, [SOFTFLOAT_RTZ] = 3};
    unsigned x, d;

    if (is_away(op) || !e->features.sse41) {
        x86_fp_exact(e, op);
        return;
    }
    x = x86_in_xmm(e, x86_take(e, op->arg[0]), 0);
    d = x86_xmm_result(e, 0, x);
    three(e, op->type == IR_F64 ? SSE_ROUNDSD : SSE_ROUNDSS, d, x, in_reg(e->features.vex ? x : d));
    x86_imm8(&e->code, (op->aux & IR_FP_EXACT ? 0 : 8) | (is_static(op) ? mode[op->aux & IR_FP_ROUNDING] : 4));
    define(e, d, nan_of(op->type));
}

/* --- bits --- */

static void mask(struct tcg_engine *e, u32 form, unsigned d, unsigned a, const void *constant)
{
    if (!e->features.vex && d != a)
        rr(e, SSE_MOVAPS, d, 0, a);
    with_constant(e, form, d, a, constant);
}

void x86_emit_fp_sign(struct tcg_engine *e, const struct ir_op *op)
{
    const struct x86_constants *k = x86_constants_at(e);
    bool is_double = op->type == IR_F64;
    unsigned x = x86_in_xmm(e, x86_fp_take_clean(e, op->arg[0], 0), 0), d = x86_xmm_result(e, 0, x);

    if (op->code == IR_FNEG)
        mask(e, SSE_XORPS, d, x, is_double ? k->sign64 : k->sign32);
    else
        mask(e, SSE_ANDPS, d, x, is_double ? k->magnitude64 : k->magnitude32);
    define(e, d, NAN_CLEAN);
}

void x86_emit_fp_copy_sign(struct tcg_engine *e, const struct ir_op *op)
{
    const struct x86_constants *k = x86_constants_at(e);
    bool is_double = op->type == IR_F64, copy = op->code == IR_FCOPYSIGN;
    unsigned x = x86_in_xmm(e, x86_fp_take_clean(e, op->arg[0], 0), 0);
    unsigned y = x86_in_xmm(e, x86_fp_take_clean(e, op->arg[1], 1u << x), 1u << x);
    unsigned t = x86_xmm_temp(e, 1u << x | 1u << y), d = x86_xmm_result(e, 1u << t, x);

    mask(e, SSE_ANDPS, t, y, is_double ? k->sign64 : k->sign32);
    if (copy)
        mask(e, SSE_ANDPS, d, x, is_double ? k->magnitude64 : k->magnitude32);
    three(e, copy ? SSE_ORPS : SSE_XORPS, d, copy ? d : x, in_reg(t));
    define(e, d, NAN_CLEAN);
}

void x86_emit_fp_bits(struct tcg_engine *e, const struct ir_op *op)
{
    struct x86_operand o = x86_fp_take_clean(e, op->arg[0], 0);
    enum host_reg d = x86_result(e, 0, X86_NO_REG);

    x86_load(e, true, d, o);
    x86_define(e, d);
}

void x86_emit_fp_from_bits(struct tcg_engine *e, const struct ir_op *op)
{
    struct x86_operand a = x86_take(e, op->arg[0]);
    unsigned d = x86_xmm_result(e, 0, X86_NO_REG);

    if (a.place == PLACE_CONST && a.imm == 0) {
        zero(e, d);
    } else if (a.place == PLACE_CONST) {
        enum host_reg t = x86_temp(e, 0);

        x86_load(e, true, t, a);
        x86_load(e, true, d, in_reg(t));
    } else {
        x86_load(e, true, d, a);
    }
    define(e, d, NAN_CLEAN);
}

/* No box reads as the default NaN. */
void x86_emit_fp_unbox(struct tcg_engine *e, const struct ir_op *op)
{
    struct x86_operand a = x86_fp_take_clean(e, op->arg[0], 0);
    unsigned d = x86_xmm_result(e, 0, a.place == PLACE_REG ? a.reg : X86_NO_REG);
    struct x86_cold *cold = x86_cold_add(e, COLD_UNBOX);

    x86_load(e, true, d, a);
    if (e->features.sse41) {
        with_constant(e, SSE_PTEST, d, 0, x86_constants_at(e)->box);
        cold->from = x86_jcc(&e->code, CC_AE);
    } else {
        unsigned t = x86_xmm_temp(e, 1u << d);
        enum host_reg r = x86_temp(e, 0);

        rr(e, SSE_PSHUFD, t, 0, d);
        x86_imm8(&e->code, 0x55);
        rr(e, SSE_MOVD_STORE, t, 0, r);
        x86_alu_ri(&e->code, X86_CMP, false, r, -1);
        cold->from = x86_jcc(&e->code, CC_NE);
    }
    cold->extra = d;
    cold->back = e->code.p;
    define(e, d, NAN_CLEAN);
}
