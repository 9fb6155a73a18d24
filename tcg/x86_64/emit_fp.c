/*
 * tcg/x86_64/emit_fp.c - floating-point arithmetic: one scalar instruction of the host in the common case; what differs between
 * it and IEEE's default goes out of line (docs/decisions/floating-point.md).
 *
 * Singles are kept in NaN boxes, also in xmm registers: every instruction here leaves the bits above them alone.
 */
#include "tcg/x86_64/emit_fp.h"

/* --- NaNs of the host --- */

/* Goes out of line when one of two registers is a NaN. Those are quiet here, so no flag is raised. */
static void check_nans(struct tcg_engine *e, unsigned a, unsigned b, bool is_double)
{
    struct x86_cold *cold = x86_cold_add(e, COLD_NAN);

    rr(e, unordered_op(is_double), a, 0, b);
    cold->extra = a | b << 8 | (u32)is_double << 16;
    cold->from = x86_jcc(&e->code, CC_P);
    cold->back = e->code.p;
}

void x86_clean_one(struct tcg_engine *e, unsigned reg, bool is_double)
{
    u8 *number;

    rr(e, unordered_op(is_double), reg, 0, reg);
    number = x86_jcc8(&e->code, CC_NP);
    with_constant(e, SSE_MOVSD, reg, 0, is_double ? &x86_constants_at(e)->nan64 : &x86_constants_at(e)->nan32);
    x86_fix8(&e->code, number);
}

void x86_clean_cold(struct tcg_engine *e, u32 nan32, u32 nan64)
{
    for (; nan32; nan32 &= nan32 - 1)
        x86_clean_one(e, X86_XMM0 + (unsigned)__builtin_ctz(nan32), false);
    for (; nan64; nan64 &= nan64 - 1)
        x86_clean_one(e, X86_XMM0 + (unsigned)__builtin_ctz(nan64), true);
}

void x86_clean_value(struct tcg_engine *e, ir_value v, struct x86_operand *o, u32 avoid)
{
    struct x86_value *x = &e->value[v];
    unsigned reg;

    if (!x->nan)
        return;
    reg = x86_in_xmm(e, *o, avoid);
    check_nans(e, reg, reg, x->nan == NAN_64);
    if (o->place == PLACE_REG) {
        u16 others = (u16)~(1u << (reg - X86_XMM0));

        x->nan = NAN_CLEAN;
        e->nan32 &= others;
        e->nan64 &= others;
    }
    *o = in_reg(reg);
}

static void clean_pins_of(struct tcg_engine *e, u32 mask, bool is_double)
{
    while (mask) {
        unsigned a = (unsigned)__builtin_ctz(mask), b;

        mask &= mask - 1;
        b = mask ? (unsigned)__builtin_ctz(mask) : a;
        mask &= mask - 1;
        check_nans(e, X86_XMM0 + a, X86_XMM0 + b, is_double);
    }
}

void x86_clean_pins_but(struct tcg_engine *e, u32 kept)
{
    u32 both = (e->nan32 | e->nan64) & ~kept;

    if (likely(!both))
        return;
    clean_pins_of(e, e->nan32 & both, false);
    clean_pins_of(e, e->nan64 & both, true);
    e->nan32 &= (u16)kept;
    e->nan64 &= (u16)kept;
    for (; both; both &= both - 1) {
        unsigned reg = X86_XMM0 + (unsigned)__builtin_ctz(both);
        u16 v = e->owner[reg];

        if (v != IR_NONE && e->value[v].place == PLACE_REG && e->value[v].reg == reg)
            e->value[v].nan = NAN_CLEAN;
    }
}

void x86_clean_pins(struct tcg_engine *e)
{
    x86_clean_pins_but(e, 0);
}

/* An operand whose bits matter. */
struct x86_operand x86_fp_take_clean(struct tcg_engine *e, ir_value arg, u32 avoid)
{
    ir_value v = x86_root(e, arg);
    struct x86_operand o = x86_operand_of(e, v);

    x86_clean_value(e, v, &o, avoid);
    x86_release(e, v);
    return o;
}

/* --- the exact way --- */

void x86_exact_call(struct tcg_engine *e, u32 word, const struct x86_operand o[3], unsigned result)
{
    struct x86_code *c = &e->code;

    x86_push_i(c, (s32)word);
    for (unsigned i = 3; i-- > 0;)
        x86_push_operand(e, o[i]);
    x86_call_stub(e, e->stubs.fp_exact);
    x86_load(e, true, result, (struct x86_operand){.place = PLACE_STACK, .reg = RSP});
    x86_lea(c, true, RSP, x86_mem(RSP, 32));
}

/* In place: what the host cannot do. */
void x86_fp_exact(struct tcg_engine *e, const struct ir_op *op)
{
    struct x86_operand o[3] = {{0}, {0}, {0}};
    enum ir_type type = op->code == IR_FCMP ? IR_I64 : (enum ir_type)op->type;
    unsigned d;

    for (unsigned i = 0; i < ir_op_operands(op); i++) {
        o[i] = x86_take(e, op->arg[i]);
        if (o[i].place == PLACE_CONST && !x86_fits32(o[i].imm)) {
            unsigned t = x86_temp(e, 0);

            x86_load(e, true, t, o[i]);
            o[i] = in_reg(t);
        }
    }
    d = ir_type_is_fp(type) ? x86_xmm_result(e, 0, X86_NO_REG) : x86_result(e, 0, X86_NO_REG);
    x86_exact_call(e, ir_fp_word(op), o, d);
    define(e, d, NAN_CLEAN);
}

struct x86_cold *x86_fp_cold_exact(struct tcg_engine *e, const struct ir_op *op, struct x86_operand a, struct x86_operand b, unsigned result)
{
    struct x86_cold *cold = x86_cold_add(e, COLD_EXACT);

    cold->extra = ir_fp_word(op);
    cold->value = a;
    cold->value2 = b;
    cold->value3 = (struct x86_operand){.place = PLACE_NONE};
    cold->result = (u8)result;
    return cold;
}

/* Code generators write "to the nearest" into every instruction: mostly that is what MXCSR has. */
static void unless_dynamic_is(struct tcg_engine *e, unsigned rounding, u32 stub)
{
    u8 *same;

    x86_cmp8_mi(&e->code, x86_base(e->layout->fp_rounding), (s8)rounding);
    same = x86_jcc8(&e->code, CC_E);
    x86_call_stub(e, stub);
    x86_fix8(&e->code, same);
}

void x86_fp_begin_rounding(struct tcg_engine *e, const struct ir_op *op)
{
    unsigned rounding = op->aux & IR_FP_ROUNDING;

    if (is_static(op))
        unless_dynamic_is(e, rounding, e->stubs.fp_round[rounding]);
}

void x86_fp_end_rounding(struct tcg_engine *e, const struct ir_op *op)
{
    if (is_static(op))
        unless_dynamic_is(e, op->aux & IR_FP_ROUNDING, e->stubs.fp_round_end);
}

/* --- arithmetic --- */

void x86_emit_fp_binary(struct tcg_engine *e, const struct ir_op *op)
{
    static const u32 codes[] = {SSE_ADDSD, SSE_SUBSD, SSE_MULSD, SSE_DIVSD};
    struct x86_operand a, b;
    unsigned x, d;

    if (is_away(op)) {
        x86_fp_exact(e, op);
        return;
    }
    a = x86_take(e, op->arg[0]);
    b = x86_take(e, op->arg[1]);
    x = x86_in_xmm(e, a, x86_operand_mask(b));
    d = x86_xmm_result(e, e->features.vex || x86_operand_uses(b, x) ? 0 : x86_operand_mask(b), x);
    x86_fp_begin_rounding(e, op);
    three(e, x86_sse_scalar(codes[op->code - IR_FADD], op->type == IR_F64), d, x, b);
    x86_fp_end_rounding(e, op);
    define(e, d, nan_of(op->type));
}

void x86_emit_fp_sqrt(struct tcg_engine *e, const struct ir_op *op)
{
    unsigned x, d;

    if (is_away(op)) {
        x86_fp_exact(e, op);
        return;
    }
    x = x86_in_xmm(e, x86_take(e, op->arg[0]), 0);
    d = x86_xmm_result(e, 0, x);
    x86_fp_begin_rounding(e, op);
    three(e, x86_sse_scalar(SSE_SQRTSD, op->type == IR_F64), d, x, in_reg(e->features.vex ? x : d));
    x86_fp_end_rounding(e, op);
    define(e, d, nan_of(op->type));
}

/*
 * The host misses that infinity * 0 + NaN is invalid, so every NaN is looked at again: with the product's factors, which d
 * must leave alone, and a quiet NaN for the addend.
 */
void x86_emit_fp_fma(struct tcg_engine *e, const struct ir_op *op)
{
    u32 form = SSE_FMA231 | (op->type == IR_F64 ? SSE_W : 0);
    struct x86_operand a, b, c;
    struct x86_cold *cold;
    unsigned x, d;

    if (is_away(op) || !e->features.vex) {
        x86_fp_exact(e, op);
        return;
    }
    form += (op->aux & IR_FP_NEGATE_ADDEND ? 2 : 0) + (op->aux & IR_FP_NEGATE_PRODUCT ? 4 : 0);
    a = x86_take(e, op->arg[0]);
    b = x86_take(e, op->arg[1]);
    c = x86_take(e, op->arg[2]);
    x = x86_in_xmm(e, a, x86_operand_mask(b) | x86_operand_mask(c));
    d = x86_xmm_result(e, 1u << x | x86_operand_mask(b), c.place == PLACE_REG ? c.reg : X86_NO_REG);
    x86_fp_begin_rounding(e, op);
    x86_load(e, true, d, c);
    three(e, form, d, x, b);
    x86_fp_end_rounding(e, op);
    cold = x86_fp_cold_exact(e, op, in_reg(x), b, d);
    cold->value3 = (struct x86_operand){.place = PLACE_CONST, .imm = -1};
    rr(e, unordered_op(op->type == IR_F64), d, 0, d);
    cold->from = x86_jcc(&e->code, CC_P);
    cold->back = e->code.p;
    define(e, d, NAN_CLEAN);
}

/* Without NaNs: both orders together tell -0 from +0. */
void x86_emit_fp_min_max(struct tcg_engine *e, const struct ir_op *op)
{
    bool is_double = op->type == IR_F64, is_min = op->code == IR_FMIN;
    u32 form = x86_sse_scalar(is_min ? SSE_MINSD : SSE_MAXSD, is_double), avoid;
    struct x86_operand a, b;
    struct x86_cold *cold;
    unsigned x, y, t, d;

    if (op->aux & IR_FP_NAN_WINS) {
        x86_fp_exact(e, op);
        return;
    }
    a = x86_take(e, op->arg[0]);
    b = x86_take(e, op->arg[1]);
    x = x86_in_xmm(e, a, x86_operand_mask(b));
    y = x86_in_xmm(e, b, 1u << x);
    avoid = 1u << x | 1u << y;
    t = x86_xmm_temp(e, avoid);
    d = x86_xmm_result(e, avoid | 1u << t, X86_NO_REG);
    cold = x86_fp_cold_exact(e, op, in_reg(x), in_reg(y), d);
    rr(e, unordered_op(is_double), x, 0, y);
    cold->from = x86_jcc(&e->code, CC_P);
    three(e, form, t, x, in_reg(y));
    three(e, form, d, y, in_reg(x));
    three(e, is_min ? SSE_ORPS : SSE_ANDPS, d, d, in_reg(t));
    cold->back = e->code.p;
    define(e, d, NAN_CLEAN);
}

static void compare_equal(struct tcg_engine *e, const struct ir_op *op, struct x86_operand a, struct x86_operand b)
{
    unsigned x = x86_in_xmm(e, a, x86_operand_mask(b)), t = x86_xmm_temp(e, 1u << x | x86_operand_mask(b));
    enum host_reg d = x86_result(e, 0, X86_NO_REG);

    b = in_reg(x86_in_xmm(e, b, 1u << x | 1u << t));
    three(e, x86_sse_scalar(SSE_CMPSD, op->type == IR_F64), t, x, b);
    x86_imm8(&e->code, 0); /* equal, quiet */
    rr(e, SSE_MOVD_STORE, t, 0, d);
    x86_alu_ri(&e->code, X86_AND, false, d, 1);
    x86_define(e, d);
}

/* Whether nothing between the ops can have raised a flag. */
static bool keeps_flags(const struct ir_block *b, u32 from, u32 to)
{
    for (u32 i = from + 1; i < to; i++)
        if (ir_op_effects((enum ir_opcode)b->op[i].code) & (IR_EFFECT_FENV | IR_EFFECT_CALL))
            return false;
    return true;
}

/*
 * Compilers write a comparison that raises nothing as frflags, flt, fsflags. The fenv_set that takes back what the comparison at the
 * index may raise, when flags are then what they were before it; 0: there is none.
 */
static u32 find_restore(const struct tcg_engine *e)
{
    const struct ir_block *b = e->block;

    for (u32 i = e->index + 1; i < b->count; i++) {
        u32 effects = ir_op_effects((enum ir_opcode)b->op[i].code);

        if (b->op[i].code == IR_FENV_SET) {
            u32 get = x86_root(e, b->op[i].arg[0]);

            return get < e->index && b->op[get].code == IR_FENV_GET && keeps_flags(b, get, e->index) ? i : 0;
        }
        if (effects & (IR_EFFECT_LEAVE | IR_EFFECT_FENV | IR_EFFECT_CALL))
            break;
    }
    return 0;
}

/* Behind ucomis, in the place of a fenv_set: only a signalling NaN raised something. d becomes 0, the result of unordered operands. */
static struct x86_cold *mute(struct tcg_engine *e, u32 restore, enum host_reg d)
{
    struct x86_cold *cold = x86_cold_add(e, COLD_MUTE);

    e->muted = restore;
    cold->value = x86_operand_of(e, x86_root(e, e->block->op[restore].arg[0]));
    cold->result = (u8)d;
    cold->from = x86_jcc(&e->code, CC_P);
    return cold;
}

/* a < b is "above" of b compared with a: false when unordered. */
void x86_emit_fp_compare(struct tcg_engine *e, const struct ir_op *op)
{
    u32 less = op->aux & (IR_FP_LESS | IR_FP_EQUAL), restore;
    bool is_double = op->type == IR_F64, quiet = op->aux & IR_FP_QUIET;
    struct x86_cold *cold = NULL;
    struct x86_operand a, b;
    enum host_reg d;
    unsigned y;

    if (op->aux & IR_FP_SILENT) {
        x86_loop_compare(e, op);
        return;
    }
    if (less == IR_FP_EQUAL && !quiet) {
        x86_fp_exact(e, op);
        return;
    }
    a = x86_take(e, op->arg[0]);
    b = x86_take(e, op->arg[1]);
    if (less == IR_FP_EQUAL) {
        compare_equal(e, op, a, b);
        return;
    }
    y = x86_in_xmm(e, b, x86_operand_mask(a));
    d = x86_result(e, 0, X86_NO_REG);
    restore = find_restore(e);
    quiet |= restore != 0;
    two(e, (quiet ? SSE_UCOMISD : SSE_COMISD) & ~(is_double ? 0 : (u32)SSE_PREFIX), y, a);
    if (restore)
        cold = mute(e, restore, d);
    x86_setcc(&e->code, less & IR_FP_EQUAL ? CC_AE : CC_A, d);
    x86_extend_rr(&e->code, 0, false, false, d, d);
    if (cold)
        cold->back = e->code.p;
    x86_define(e, d);
}

/* --- flags --- */

void x86_emit_fenv_get(struct tcg_engine *e, const struct ir_op *op)
{
    enum host_reg d;

    x86_flush_temps(e, 1 << RAX);
    x86_call_stub(e, e->stubs.fp_flags_get);
    d = x86_result(e, 0, RAX);
    x86_load(e, true, d, in_reg(RAX));
    x86_define(e, d);
}

void x86_emit_fenv_set(struct tcg_engine *e, const struct ir_op *op)
{
    struct x86_operand a = x86_take(e, op->arg[0]);

    if (e->muted == e->index)
        return;
    x86_flush_temps(e, 1 << RAX);
    x86_load(e, false, RAX, a);
    x86_call_stub(e, e->stubs.fp_flags_set);
}
