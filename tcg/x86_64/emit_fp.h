/*
 * tcg/x86_64/emit_fp.h - what the emitters of floating point share: emit_fp.c has arithmetic, NaNs and flags, emit_fp_convert.c conversions and bits.
 */
#ifndef TCG_X86_64_EMIT_FP_H
#define TCG_X86_64_EMIT_FP_H

#include "base/softfloat/softfloat.h"
#include "tcg/fp.h"
#include "tcg/x86_64/value.h"

static inline void rr(struct tcg_engine *e, u32 op, unsigned reg, unsigned v, unsigned rm)
{
    x86_sse_rr(&e->code, e->features.vex, op, reg, v, rm);
}

static inline void with_constant(struct tcg_engine *e, u32 op, unsigned reg, unsigned v, const void *constant)
{
    x86_sse_rc(&e->code, e->features.vex, op, reg, v, constant);
    x86_note(e);
}

/* reg <op> operand, for instructions of two operands */
static inline void two(struct tcg_engine *e, u32 op, unsigned reg, struct x86_operand o)
{
    if (o.place == PLACE_REG)
        rr(e, op, reg, 0, o.reg);
    else
        x86_sse_rm(&e->code, e->features.vex, op, reg, 0, x86_operand_mem(o));
}

/* d = a <op> b. Without VEX, d must not be b's register unless it is a. */
static inline void three(struct tcg_engine *e, u32 op, unsigned d, unsigned a, struct x86_operand b)
{
    if (!e->features.vex && d != a)
        rr(e, SSE_MOVAPS, d, 0, a);
    if (b.place == PLACE_REG)
        rr(e, op, d, a, b.reg);
    else
        x86_sse_rm(&e->code, e->features.vex, op, d, a, x86_operand_mem(b));
}

static inline struct x86_operand in_reg(unsigned reg)
{
    return (struct x86_operand){.place = PLACE_REG, .reg = (u8)reg};
}

/* Zeros or ones in all of d. */
static inline void zero(struct tcg_engine *e, unsigned d)
{
    rr(e, SSE_XORPS, d, d, d);
}

static inline void ones(struct tcg_engine *e, unsigned d)
{
    rr(e, SSE_PCMPEQD, d, d, d);
}

static inline void define(struct tcg_engine *e, unsigned d, enum x86_nan nan)
{
    x86_define(e, d);
    e->value[e->index].nan = (u8)nan;
}

static inline enum x86_nan nan_of(unsigned type)
{
    return type == IR_F64 ? NAN_64 : NAN_32;
}

static inline u32 unordered_op(bool is_double)
{
    return x86_sse_scalar(SSE_UCOMISD, is_double) & ~(is_double ? 0 : (u32)SSE_PREFIX);
}

static inline bool is_static(const struct ir_op *op)
{
    return (op->aux & IR_FP_ROUNDING) != IR_FP_DYNAMIC;
}

static inline bool is_away(const struct ir_op *op)
{
    return (op->aux & IR_FP_ROUNDING) == SOFTFLOAT_RMM;
}

/* --- emit_fp.c --- */

/* An operand whose bits matter: a NaN of the host's is made the default one. avoid: mask of registers that keep what they have. */
struct x86_operand x86_fp_take_clean(struct tcg_engine *e, ir_value arg, u32 avoid);
/* The op in place by soft-float: what the host cannot do. */
void x86_fp_exact(struct tcg_engine *e, const struct ir_op *op);
/* The same out of line, when cold->from jumps there. */
struct x86_cold *x86_fp_cold_exact(struct tcg_engine *e, const struct ir_op *op, struct x86_operand a, struct x86_operand b, unsigned result);
/* Around an instruction with a static rounding mode. Flags are clobbered. */
void x86_fp_begin_rounding(struct tcg_engine *e, const struct ir_op *op);
void x86_fp_end_rounding(struct tcg_engine *e, const struct ir_op *op);

#endif
