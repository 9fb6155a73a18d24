/* tcg/x86_64/emit_wide.c - multiplication to the high half, division (rax, rdx), bit scans, byte swap, calls of pure C. */
#include "tcg/x86_64/value.h"

/* Results of instructions and calls that leave them in rax. */
static void define_rax(struct tcg_engine *e)
{
    enum host_reg d = x86_result(e, 0, RAX);

    if (d != RAX)
        x86_mov_rr(&e->code, true, d, RAX);
    x86_define(e, d);
}

/* a to rax, b to rcx, whatever they overlap. Both temporaries are free otherwise. */
static void load_rax_rcx(struct tcg_engine *e, bool wide, struct x86_operand a, struct x86_operand b)
{
    if (x86_operand_uses(b, RAX)) {
        if (x86_operand_uses(a, RCX)) {
            x86_xchg_rr(&e->code, RAX, RCX);
            return;
        }
        x86_load(e, wide, RCX, b);
        x86_load(e, wide, RAX, a);
        return;
    }
    x86_load(e, wide, RAX, a);
    x86_load(e, wide, RCX, b);
}

void x86_emit_pure_call(struct tcg_engine *e, const struct ir_helper *helper, struct x86_operand a, struct x86_operand b)
{

    x86_flush_temps(e, X86_TEMPS);
    if (b.place == PLACE_NONE)
        x86_load(e, true, RAX, a);
    else
        load_rax_rcx(e, true, a, b);
    x86_call_helper(e, helper);
    x86_fp_reload(e);
    define_rax(e);
}

/* --- rdx is pinned: it waits in its guest register's slot while mul and div use it --- */

static void save_rdx(struct tcg_engine *e)
{
    if (e->guest_of[RDX] != IR_NONE)
        x86_mov_mr(&e->code, 3, x86_state_of(e, e->guest_of[RDX]), RDX);
}

static void restore_rdx(struct tcg_engine *e)
{
    if (e->guest_of[RDX] != IR_NONE)
        x86_mov_rm(&e->code, true, RDX, x86_state_of(e, e->guest_of[RDX]));
}

/* --- high halves --- */

static u64 sign_extend(enum ir_type type, u64 x)
{
    return type == IR_I8 ? (u64)(s8)x : type == IR_I16 ? (u64)(s16)x : type == IR_I32 ? (u64)(s32)x : x;
}

static u64 zero_extend(enum ir_type type, u64 x)
{
    return type == IR_I8 ? (u8)x : type == IR_I16 ? (u16)x : type == IR_I32 ? (u32)x : x;
}

static u64 mul_high(enum ir_type type, bool a_signed, bool b_signed, u64 a, u64 b)
{
    unsigned bits = 8u << (type - IR_I8);
    s128 x = a_signed ? (s128)(s64)sign_extend(type, a) : (s128)zero_extend(type, a);
    s128 y = b_signed ? (s128)(s64)sign_extend(type, b) : (s128)zero_extend(type, b);

    return (u64)((u128)x * (u128)y >> bits);
}

static u64 div_any(unsigned code, enum ir_type type, u64 a, u64 b)
{
    s64 x = (s64)sign_extend(type, a), y = (s64)sign_extend(type, b);
    u64 ux = zero_extend(type, a), uy = zero_extend(type, b);

    switch (code) {
    case IR_DIVU:
        return uy ? ux / uy : ~UINT64_C(0);
    case IR_REMU:
        return uy ? ux % uy : ux;
    case IR_DIVS:
        return y == 0 ? ~UINT64_C(0) : y == -1 ? -(u64)x : (u64)(x / y);
    default:
        return y == 0 ? (u64)x : y == -1 ? 0 : (u64)(x % y);
    }
}

/* Rare widths: one helper per op and width. */
#define NARROW_TYPES(X, name) X(name, I8) X(name, I16) X(name, I32)
#define MULHU_FN(name, t)  static u64 mulhu_##t(void *v, u64 a, u64 b) { return mul_high(IR_##t, false, false, a, b); }
#define MULHS_FN(name, t)  static u64 mulhs_##t(void *v, u64 a, u64 b) { return mul_high(IR_##t, true, true, a, b); }
#define MULHSU_FN(name, t) static u64 mulhsu_##t(void *v, u64 a, u64 b) { return mul_high(IR_##t, true, false, a, b); }
#define DIVU_FN(name, t)   static u64 divu_##t(void *v, u64 a, u64 b) { return div_any(IR_DIVU, IR_##t, a, b); }
#define DIVS_FN(name, t)   static u64 divs_##t(void *v, u64 a, u64 b) { return div_any(IR_DIVS, IR_##t, a, b); }
#define REMU_FN(name, t)   static u64 remu_##t(void *v, u64 a, u64 b) { return div_any(IR_REMU, IR_##t, a, b); }
#define REMS_FN(name, t)   static u64 rems_##t(void *v, u64 a, u64 b) { return div_any(IR_REMS, IR_##t, a, b); }
NARROW_TYPES(MULHU_FN, mulhu)
NARROW_TYPES(MULHS_FN, mulhs)
NARROW_TYPES(MULHSU_FN, mulhsu)
MULHSU_FN(mulhsu, I64)
DIVU_FN(divu, I8) DIVU_FN(divu, I16)
DIVS_FN(divs, I8) DIVS_FN(divs, I16)
REMU_FN(remu, I8) REMU_FN(remu, I16)
REMS_FN(rems, I8) REMS_FN(rems, I16)

#define PURE_2(f) {.name = #f, .function = (void *)f, .arg_count = 2, .result = IR_I64, .effects = IR_HELPER_PURE}
static const struct ir_helper wide_helper[][IR_TYPE_COUNT] = {
    [IR_MULHU] = {[IR_I8] = PURE_2(mulhu_I8), [IR_I16] = PURE_2(mulhu_I16), [IR_I32] = PURE_2(mulhu_I32)},
    [IR_MULHS] = {[IR_I8] = PURE_2(mulhs_I8), [IR_I16] = PURE_2(mulhs_I16), [IR_I32] = PURE_2(mulhs_I32)},
    [IR_MULHSU] = {[IR_I8] = PURE_2(mulhsu_I8), [IR_I16] = PURE_2(mulhsu_I16), [IR_I32] = PURE_2(mulhsu_I32),
                   [IR_I64] = PURE_2(mulhsu_I64)},
    [IR_DIVU] = {[IR_I8] = PURE_2(divu_I8), [IR_I16] = PURE_2(divu_I16)},
    [IR_DIVS] = {[IR_I8] = PURE_2(divs_I8), [IR_I16] = PURE_2(divs_I16)},
    [IR_REMU] = {[IR_I8] = PURE_2(remu_I8), [IR_I16] = PURE_2(remu_I16)},
    [IR_REMS] = {[IR_I8] = PURE_2(rems_I8), [IR_I16] = PURE_2(rems_I16)},
};

/* The high half of rax * b. What is in rdx waits in rcx, where that is free: through memory the next who reads it would wait for a store. */
static void multiply_rax(struct tcg_engine *e, enum x86_unary mul, struct x86_operand b)
{
    bool by_memory = x86_operand_uses(b, RCX), waits;
    enum host_reg d = x86_result(e, by_memory ? 0 : 1u << RCX, RAX);

    waits = e->guest_of[RDX] != IR_NONE && d != RDX;
    if (waits && by_memory)
        save_rdx(e);
    else if (waits)
        x86_mov_rr(&e->code, true, RCX, RDX);
    if (b.place == PLACE_REG)
        x86_unary_r(&e->code, mul, true, b.reg);
    else
        x86_unary_m(&e->code, mul, true, x86_operand_mem(b));
    if (d != RDX)
        x86_mov_rr(&e->code, true, d, RDX);
    if (waits && by_memory)
        restore_rdx(e);
    else if (waits)
        x86_mov_rr(&e->code, true, RDX, RCX);
    x86_define(e, d);
}

void x86_emit_mul_high(struct tcg_engine *e, const struct ir_op *op)
{
    struct x86_operand a = x86_take(e, op->arg[0]), b = x86_take(e, op->arg[1]), t;
    enum x86_unary mul = op->code == IR_MULHU ? X86_MUL : X86_IMUL;

    if (wide_helper[op->code][op->type].function) {
        x86_emit_pure_call(e, &wide_helper[op->code][op->type], a, b);
        return;
    }
    x86_flush_temps(e, X86_TEMPS);
    if (x86_operand_uses(b, RAX) || a.place == PLACE_CONST) {
        t = a;
        a = b;
        b = t;
    }
    if (b.place == PLACE_CONST) {
        load_rax_rcx(e, true, a, b);
        b = (struct x86_operand){.place = PLACE_REG, .reg = RCX};
    } else {
        x86_load(e, true, RAX, a);
    }
    multiply_rax(e, mul, b);
}

/* --- division --- */

/* rax by a divisor that is neither 0 nor (signed) -1; quotient in rax, remainder in rdx */
static void divide(struct tcg_engine *e, bool is_signed, bool wide, enum host_reg by)
{
    if (is_signed)
        x86_sign_rdx(&e->code, wide);
    else
        x86_alu_rr(&e->code, X86_XOR, false, RDX, RDX);
    x86_unary_r(&e->code, is_signed ? X86_IDIV : X86_DIV, wide, by);
}

/* Divide with every case of the divisor; result in rax. */
static void divide_checked(struct tcg_engine *e, unsigned code, bool wide, enum host_reg by)
{
    struct x86_code *c = &e->code;
    bool is_signed = code == IR_DIVS || code == IR_REMS, rem = code == IR_REMU || code == IR_REMS;
    u8 *zero, *minus_one = NULL, *done, *done2 = NULL;

    x86_test_rr(c, wide, by, by);
    zero = x86_jcc8(c, CC_E);
    if (is_signed) {
        x86_alu_ri(c, X86_CMP, wide, by, -1);
        minus_one = x86_jcc8(c, CC_E);
    }
    divide(e, is_signed, wide, by);
    if (rem)
        x86_mov_rr(c, wide, RAX, RDX);
    done = x86_jmp8(c);
    if (is_signed) {
        x86_fix8(c, minus_one);
        if (rem)
            x86_alu_rr(c, X86_XOR, false, RAX, RAX);
        else
            x86_unary_r(c, X86_NEG, wide, RAX);
        done2 = x86_jmp8(c);
    }
    x86_fix8(c, zero);
    if (!rem)
        x86_alu_ri(c, X86_OR, wide, RAX, -1);
    if (done2)
        x86_fix8(c, done2);
    x86_fix8(c, done);
}

void x86_emit_div(struct tcg_engine *e, const struct ir_op *op)
{
    struct x86_operand a = x86_take(e, op->arg[0]), b = x86_take(e, op->arg[1]);
    bool wide = x86_wide(op->type);

    if (op->type < IR_I32) {
        x86_emit_pure_call(e, &wide_helper[op->code][op->type], a, b);
        return;
    }
    x86_flush_temps(e, X86_TEMPS);
    save_rdx(e);
    if (b.place == PLACE_REG && !x86_is_temp(b.reg) && b.reg != RDX) {
        x86_load(e, wide, RAX, a);
    } else {
        load_rax_rcx(e, wide, a, b);
        b.reg = RCX;
    }
    divide_checked(e, op->code, wide, b.reg);
    restore_rdx(e);
    define_rax(e);
}

/* --- bits --- */

static u64 popcount(void *vcpu, u64 x)
{
    return (u64)__builtin_popcountll(x);
}

static const struct ir_helper popcount_helper = {
    .name = "popcount", .function = (void *)popcount, .arg_count = 1, .result = IR_I64, .effects = IR_HELPER_PURE
};

/* Some of them are empty rows of the table. */
const struct ir_helper *x86_wide_helper(u32 i)
{
    if (i == 0)
        return &popcount_helper;
    return i - 1 < ARRAY_SIZE(wide_helper) * IR_TYPE_COUNT ? &wide_helper[(i - 1) / IR_TYPE_COUNT][(i - 1) % IR_TYPE_COUNT] : NULL;
}

/* The operand widened (narrow types: zeros above, for ctz a one just above) and in a register that may be clobbered or not. */
static struct x86_operand scan_operand(struct tcg_engine *e, const struct ir_op *op, struct x86_operand a, enum host_reg d)
{
    bool wide = x86_wide(op->type);

    if (op->type < IR_I32) {
        unsigned bits = op->type == IR_I8 ? 8 : 16;

        if (a.place == PLACE_CONST)
            x86_mov_ri(&e->code, d, a.imm & (bits == 8 ? 0xff : 0xffff));
        else if (a.place == PLACE_REG)
            x86_extend_rr(&e->code, op->type - IR_I8, false, false, d, a.reg);
        else
            x86_extend_rm(&e->code, op->type - IR_I8, false, false, d, x86_operand_mem(a));
        if (op->code == IR_CTZ)
            x86_alu_ri(&e->code, X86_OR, false, d, 1 << bits);
    } else if (a.place != PLACE_REG || (x86_is_temp(a.reg) && a.reg != d)) {
        x86_load(e, wide, d, a);
    } else {
        return a;
    }
    return (struct x86_operand){.place = PLACE_REG, .reg = d};
}

/* bsr and bsf leave the destination undefined for 0 (SDM): the width comes from a conditional move. */
static void scan_v1(struct tcg_engine *e, unsigned code, bool wide, enum host_reg d, enum host_reg a)
{
    unsigned bits = wide ? 64 : 32;
    enum host_reg t = x86_temp(e, 1u << d | 1u << a);

    x86_mov_ri(&e->code, t, code == IR_CLZ ? 2 * bits - 1 : bits);
    x86_scan_rr(&e->code, code == IR_CLZ ? X86_BSR : X86_BSF, wide, d, a);
    x86_cmov_rr(&e->code, CC_E, wide, d, t);
    if (code == IR_CLZ)
        x86_alu_ri(&e->code, X86_XOR, wide, d, bits - 1);
}

void x86_emit_scan(struct tcg_engine *e, const struct ir_op *op)
{
    struct x86_operand a = x86_take(e, op->arg[0]);
    bool wide = x86_wide(op->type);
    enum host_reg d;

    d = x86_result(e, 0, a.reg);
    a = scan_operand(e, op, a, d);
    if (op->code == IR_POPCNT && !e->features.popcnt) {
        if (!wide && op->type == IR_I32) {
            x86_mov_rr(&e->code, false, d, a.reg);
            a.reg = d;
        }
        x86_emit_pure_call(e, &popcount_helper, a, (struct x86_operand){0});
        return;
    }
    if (op->code == IR_POPCNT)
        x86_scan_rr(&e->code, X86_POPCNT, wide, d, a.reg);
    else if (e->features.bmi)
        x86_scan_rr(&e->code, op->code == IR_CLZ ? X86_LZCNT : X86_TZCNT, wide, d, a.reg);
    else
        scan_v1(e, op->code, wide, d, a.reg);
    if (op->code == IR_CLZ && op->type < IR_I32)
        x86_alu_ri(&e->code, X86_SUB, false, d, op->type == IR_I8 ? 24 : 16);
    x86_define(e, d);
}

void x86_emit_bswap(struct tcg_engine *e, const struct ir_op *op)
{
    struct x86_operand a = x86_take(e, op->arg[0]);
    bool wide = x86_wide(op->type);
    enum host_reg d = x86_result(e, 0, a.reg);

    x86_load(e, wide, d, a);
    if (op->type != IR_I8)
        x86_bswap(&e->code, wide, d);
    if (op->type == IR_I16)
        x86_shift_ri(&e->code, X86_SHR, false, d, 16);
    x86_define(e, d);
}
