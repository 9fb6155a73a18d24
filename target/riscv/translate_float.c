/*
 * target/riscv/translate_float.c - F, D, Zfh, Zfa. What only moves bits is inline; arithmetic is a call.
 *
 * An f register holds 64 bits; narrower values are NaN-boxed: the bits above are ones, and a register without them
 * reads as the canonical NaN (Unprivileged manual, "NaN Boxing of Narrower Values").
 */
#include "target/riscv/translate.h"

/* Zfa, table "Immediate values loaded by the FLI instructions". */
static const u16 fli_h[32] = {
    0xbc00, 0x0400, 0x0100, 0x0200, 0x1c00, 0x2000, 0x2c00, 0x3000,
    0x3400, 0x3500, 0x3600, 0x3700, 0x3800, 0x3900, 0x3a00, 0x3b00,
    0x3c00, 0x3d00, 0x3e00, 0x3f00, 0x4000, 0x4100, 0x4200, 0x4400,
    0x4800, 0x4c00, 0x5800, 0x5c00, 0x7800, 0x7c00, 0x7c00, 0x7e00,
};
static const u32 fli_s[32] = {
    0xbf800000, 0x00800000, 0x37800000, 0x38000000, 0x3b800000, 0x3c000000, 0x3d800000, 0x3e000000,
    0x3e800000, 0x3ea00000, 0x3ec00000, 0x3ee00000, 0x3f000000, 0x3f200000, 0x3f400000, 0x3f600000,
    0x3f800000, 0x3fa00000, 0x3fc00000, 0x3fe00000, 0x40000000, 0x40200000, 0x40400000, 0x40800000,
    0x41000000, 0x41800000, 0x43000000, 0x43800000, 0x47000000, 0x47800000, 0x7f800000, 0x7fc00000,
};
static const u64 fli_d[32] = {
    0xbff0000000000000, 0x0010000000000000, 0x3ef0000000000000, 0x3f00000000000000,
    0x3f70000000000000, 0x3f80000000000000, 0x3fb0000000000000, 0x3fc0000000000000,
    0x3fd0000000000000, 0x3fd4000000000000, 0x3fd8000000000000, 0x3fdc000000000000,
    0x3fe0000000000000, 0x3fe4000000000000, 0x3fe8000000000000, 0x3fec000000000000,
    0x3ff0000000000000, 0x3ff4000000000000, 0x3ff8000000000000, 0x3ffc000000000000,
    0x4000000000000000, 0x4004000000000000, 0x4008000000000000, 0x4010000000000000,
    0x4020000000000000, 0x4030000000000000, 0x4060000000000000, 0x4070000000000000,
    0x40e0000000000000, 0x40f0000000000000, 0x7ff0000000000000, 0x7ff8000000000000,
};

/* Ones above a value of so many bits. */
static s64 box_of(unsigned bits)
{
    return bits == 64 ? 0 : (s64)(~UINT64_C(0) << bits);
}

static s64 canonical_nan(unsigned bits)
{
    return bits == 64 ? INT64_C(0x7ff8000000000000) : box_of(bits) | (bits == 32 ? 0x7fc00000 : 0x7e00);
}

static s64 sign_bit(unsigned bits)
{
    return (s64)BIT64(bits - 1);
}

static ir_value get_f(struct translation *t, unsigned reg)
{
    return ir_get(t->b, IR_I64, RISCV_REG_F + reg);
}

/* Any write of the floating-point state makes FS Dirty; once in a block is enough. */
static void mark_dirty(struct translation *t)
{
    if (!t->fp_dirty)
        ir_put(t->b, IR_I64, RISCV_REG_FP_DIRTY, translate_const(t, 1));
    t->fp_dirty = true;
}

static void set_f(struct translation *t, unsigned reg, ir_value value)
{
    ir_put(t->b, IR_I64, RISCV_REG_F + reg, value);
    mark_dirty(t);
}

/* An operand, still boxed; the canonical NaN when it was not. */
static ir_value get_boxed(struct translation *t, unsigned reg, unsigned bits)
{
    ir_value value = get_f(t, reg), high;

    if (bits == 64)
        return value;
    high = ir_binary_imm(t->b, IR_SAR, value, bits);
    return ir_select(t->b, IR_EQ, high, translate_const(t, -1), value, translate_const(t, canonical_nan(bits)));
}

static u32 mem_of(unsigned bits)
{
    return bits == 64 ? IR_MEM_64 : bits == 32 ? IR_MEM_32 : IR_MEM_16;
}

void translate_fload(struct translation *t, const struct riscv_insn *i, unsigned bits)
{
    ir_value value = ir_load(t->b, IR_I64, mem_of(bits), translate_x(t, i->rs1), i->imm);

    set_f(t, i->rd, ir_binary_imm(t->b, IR_OR, value, box_of(bits)));
}

void translate_fstore(struct translation *t, const struct riscv_insn *i, unsigned bits)
{
    ir_value value = get_f(t, i->rs2);

    ir_store(t->b, mem_of(bits), translate_x(t, i->rs1), i->imm, value);
}

void translate_fp_sign(struct translation *t, const struct riscv_insn *i, enum fp_sign how, unsigned bits)
{
    ir_value x = get_boxed(t, i->rs1, bits), y, sign;

    if (i->rs1 == i->rs2) { /* fmv, fneg, fabs */
        set_f(t, i->rd,
              how == FP_SIGN_COPY     ? x
              : how == FP_SIGN_NEGATE ? ir_binary_imm(t->b, IR_XOR, x, sign_bit(bits))
                                      : ir_binary_imm(t->b, IR_AND, x, ~sign_bit(bits)));
        return;
    }
    y = get_boxed(t, i->rs2, bits);
    sign = ir_binary_imm(t->b, IR_AND, y, sign_bit(bits));
    if (how == FP_SIGN_NEGATE)
        sign = ir_binary_imm(t->b, IR_XOR, sign, sign_bit(bits));
    if (how != FP_SIGN_XOR)
        x = ir_binary_imm(t->b, IR_AND, x, ~sign_bit(bits));
    set_f(t, i->rd, ir_binary(t->b, IR_XOR, x, sign));
}

/* The bits as they are, boxed or not, sign-extended. */
void translate_fp_move_to_integer(struct translation *t, const struct riscv_insn *i, unsigned bits)
{
    ir_value value = get_f(t, i->rs1);

    if (bits != 64)
        value = ir_sext(t->b, IR_I64, ir_trunc(t->b, bits == 32 ? IR_I32 : IR_I16, value));
    translate_set_x(t, i->rd, value);
}

void translate_fp_move_from_integer(struct translation *t, const struct riscv_insn *i, unsigned bits)
{
    set_f(t, i->rd, ir_binary_imm(t->b, IR_OR, translate_x(t, i->rs1), box_of(bits)));
}

void translate_fp_constant(struct translation *t, const struct riscv_insn *i, unsigned bits)
{
    u64 value = bits == 64 ? fli_d[i->rs1] : bits == 32 ? fli_s[i->rs1] : fli_h[i->rs1];

    set_f(t, i->rd, translate_const(t, (s64)value | box_of(bits)));
}

/* Operand letters: S T R floating-point rs1 rs2 rs3, s integer rs1, r rounding mode. */
static ir_value fp_operand(struct translation *t, const struct riscv_insn *i, char letter)
{
    switch (letter) {
    case 'S':
        return get_f(t, i->rs1);
    case 'T':
        return get_f(t, i->rs2);
    case 'R':
        return get_f(t, i->rs3);
    case 's':
        return translate_x(t, i->rs1);
    case 'r':
        return translate_const(t, i->rm);
    default:
        return IR_NONE;
    }
}

/* D: the result goes to f[rd], d: to x[rd] (which may be x0; the flags stay). */
void translate_fp_call(struct translation *t, const struct riscv_insn *i, const struct ir_helper *helper,
                       const char *operands)
{
    ir_value argument[4] = { IR_NONE, IR_NONE, IR_NONE, IR_NONE }, result;

    for (unsigned n = 0; n < 4 && operands[n + 1]; n++)
        argument[n] = fp_operand(t, i, operands[n + 1]);
    result = ir_call(t->b, helper, argument[0], argument[1], argument[2], argument[3]);
    if (operands[0] == 'D') {
        set_f(t, i->rd, result);
    } else {
        translate_set_x(t, i->rd, result);
        if (helper->effects & IR_HELPER_FLAGS)
            mark_dirty(t);
    }
}
