/*
 * target/riscv/translate_float.c - F, D, Zfh, Zfa. Single and double precision are ops of the IR, half precision is calls.
 *
 * An f register holds 64 bits, f64 to the IR; narrower values are NaN-boxed: the bits above are ones, and a register without them
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

static enum ir_type type_of(unsigned bits)
{
    return bits == 64 ? IR_F64 : IR_F32;
}

static ir_value get_f(struct translation *t, unsigned reg)
{
    return ir_get(t->b, IR_F64, RISCV_REG_F + reg);
}

/* Any write of the floating-point state makes FS Dirty; once in a block is enough. It is the last that the instruction does (translate_fp_note): what may fault or leave comes before. */
static void mark_dirty(struct translation *t)
{
    t->fp_writes |= !t->fp_dirty;
    t->fp_dirty = true;
}

void translate_fp_note(struct translation *t)
{
    if (likely(!t->fp_writes))
        return;
    ir_put(t->b, IR_I64, RISCV_REG_FP_DIRTY, translate_const(t, 1));
    t->fp_writes = false;
}

static void set_f(struct translation *t, unsigned reg, ir_value value)
{
    ir_put(t->b, IR_F64, RISCV_REG_F + reg, value);
    mark_dirty(t);
}

void translate_set_f(struct translation *t, unsigned reg, ir_value value)
{
    set_f(t, reg, value);
}

/* Operand and result of 32 or 64 bits. */
static ir_value get_value(struct translation *t, unsigned reg, unsigned bits)
{
    return bits == 64 ? get_f(t, reg) : ir_unbox(t->b, get_f(t, reg));
}

static void set_value(struct translation *t, unsigned reg, unsigned bits, ir_value value)
{
    set_f(t, reg, bits == 64 ? value : ir_box(t->b, value));
}

/* The instruction's rounding mode; frm's is left to the host but for the one mode that it lacks. */
static u32 rounding(const struct translation *t, const struct riscv_insn *i)
{
    enum { DYNAMIC = 7, AWAY = 4 };

    if (i->rm != DYNAMIC)
        return i->rm;
    return t->mode & RISCV_MODE_FRM_AWAY ? AWAY : IR_FP_DYNAMIC;
}

static ir_value fp_op(struct translation *t, enum ir_opcode op, unsigned bits, u32 aux, ir_value a, ir_value b, ir_value c)
{
    return ir_fp(t->b, op, type_of(bits), aux, a, b, c);
}

static u32 mem_of(unsigned bits)
{
    return bits == 64 ? IR_MEM_64 : bits == 32 ? IR_MEM_32 : IR_MEM_16;
}

void translate_fload(struct translation *t, const struct riscv_insn *i, unsigned bits)
{
    u32 mem = mem_of(bits) | (bits == 64 ? 0 : IR_MEM_ONES);

    set_f(t, i->rd, ir_load(t->b, IR_F64, mem, translate_x(t, i->rs1), i->imm));
}

void translate_fstore(struct translation *t, const struct riscv_insn *i, unsigned bits)
{
    ir_value value = get_f(t, i->rs2);

    ir_store(t->b, mem_of(bits), translate_x(t, i->rs1), i->imm, value);
}

/* --- signs --- */

/* Half precision: whole registers as integers. An operand, still boxed; the canonical NaN when it was not. */
static ir_value get_half(struct translation *t, unsigned reg)
{
    ir_value value = ir_bits(t->b, get_f(t, reg)), high = ir_binary_imm(t->b, IR_SAR, value, 16);

    return ir_select(t->b, IR_EQ, high, translate_const(t, -1), value, translate_const(t, box_of(16) | 0x7e00));
}

static ir_value half_sign(struct translation *t, const struct riscv_insn *i, enum fp_sign how)
{
    enum { SIGN = 0x8000 };
    ir_value x = get_half(t, i->rs1), sign = ir_binary_imm(t->b, IR_AND, get_half(t, i->rs2), SIGN);

    if (how == FP_SIGN_NEGATE)
        sign = ir_binary_imm(t->b, IR_XOR, sign, SIGN);
    if (how != FP_SIGN_XOR)
        x = ir_binary_imm(t->b, IR_AND, x, ~SIGN);
    return ir_from_bits(t->b, ir_binary(t->b, IR_XOR, x, sign));
}

void translate_fp_sign(struct translation *t, const struct riscv_insn *i, enum fp_sign how, unsigned bits)
{
    ir_value x, y;

    if (bits == 16) {
        set_f(t, i->rd, half_sign(t, i, how));
        return;
    }
    x = get_value(t, i->rs1, bits);
    if (i->rs1 == i->rs2) { /* fmv, fneg, fabs */
        if (how != FP_SIGN_COPY)
            x = fp_op(t, how == FP_SIGN_NEGATE ? IR_FNEG : IR_FABS, bits, 0, x, IR_NONE, IR_NONE);
        set_value(t, i->rd, bits, x);
        return;
    }
    y = get_value(t, i->rs2, bits);
    if (how == FP_SIGN_NEGATE)
        y = fp_op(t, IR_FNEG, bits, 0, y, IR_NONE, IR_NONE);
    set_value(t, i->rd, bits, fp_op(t, how == FP_SIGN_XOR ? IR_FXORSIGN : IR_FCOPYSIGN, bits, 0, x, y, IR_NONE));
}

/* --- moves --- */

/* The bits as they are, boxed or not, sign-extended. */
void translate_fp_move_to_integer(struct translation *t, const struct riscv_insn *i, unsigned bits)
{
    ir_value value = ir_bits(t->b, get_f(t, i->rs1));

    if (bits != 64)
        value = ir_sext(t->b, IR_I64, ir_trunc(t->b, bits == 32 ? IR_I32 : IR_I16, value));
    translate_set_x(t, i->rd, value);
}

void translate_fp_move_from_integer(struct translation *t, const struct riscv_insn *i, unsigned bits)
{
    set_f(t, i->rd, ir_from_bits(t->b, ir_binary_imm(t->b, IR_OR, translate_x(t, i->rs1), box_of(bits))));
}

void translate_fp_constant(struct translation *t, const struct riscv_insn *i, unsigned bits)
{
    u64 value = bits == 64 ? fli_d[i->rs1] : bits == 32 ? fli_s[i->rs1] : fli_h[i->rs1];

    set_f(t, i->rd, ir_from_bits(t->b, translate_const(t, (s64)value | box_of(bits))));
}

/* --- single and double precision --- */

void translate_fp_arith(struct translation *t, const struct riscv_insn *i, enum ir_opcode op, unsigned bits)
{
    ir_value a = get_value(t, i->rs1, bits), b = op == IR_FSQRT ? IR_NONE : get_value(t, i->rs2, bits);

    set_value(t, i->rd, bits, fp_op(t, op, bits, rounding(t, i), a, b, IR_NONE));
}

void translate_fp_fused(struct translation *t, const struct riscv_insn *i, u32 negate, unsigned bits)
{
    ir_value a = get_value(t, i->rs1, bits), b = get_value(t, i->rs2, bits), c = get_value(t, i->rs3, bits);

    set_value(t, i->rd, bits, fp_op(t, IR_FMA, bits, rounding(t, i) | negate, a, b, c));
}

void translate_fp_min_max(struct translation *t, const struct riscv_insn *i, enum ir_opcode op, u32 flags, unsigned bits)
{
    ir_value a = get_value(t, i->rs1, bits), b = get_value(t, i->rs2, bits);

    set_value(t, i->rd, bits, fp_op(t, op, bits, IR_FP_DYNAMIC | flags, a, b, IR_NONE));
}

/* To x registers, but the flags are floating-point state. */
static void set_integer(struct translation *t, unsigned reg, ir_value value)
{
    translate_set_x(t, reg, value);
    mark_dirty(t);
}

void translate_fp_relation(struct translation *t, const struct riscv_insn *i, u32 relation, unsigned bits)
{
    ir_value a = get_value(t, i->rs1, bits), b = get_value(t, i->rs2, bits);

    set_integer(t, i->rd, fp_op(t, IR_FCMP, bits, IR_FP_DYNAMIC | relation, a, b, IR_NONE));
}

void translate_fp_to_int(struct translation *t, const struct riscv_insn *i, enum ir_type to, u32 flags, unsigned bits)
{
    u32 aux = rounding(t, i) | flags | (u32)type_of(bits) << IR_FP_FROM_SHIFT;
    ir_value v = ir_fp(t->b, IR_FTOI, to, aux, get_value(t, i->rs1, bits), IR_NONE, IR_NONE);

    set_integer(t, i->rd, to == IR_I64 ? v : ir_sext(t->b, IR_I64, v));
}

/* A double holds every 32-bit integer exactly, so nothing is rounded. */
void translate_fp_from_int(struct translation *t, const struct riscv_insn *i, enum ir_type from, u32 flags, unsigned bits)
{
    u32 mode = from == IR_I32 && bits == 64 ? IR_FP_DYNAMIC : rounding(t, i);
    ir_value v = from == IR_I32 ? translate_w(t, i->rs1) : translate_x(t, i->rs1);

    set_value(t, i->rd, bits, fp_op(t, IR_ITOF, bits, mode | flags | (u32)from << IR_FP_FROM_SHIFT, v, IR_NONE, IR_NONE));
}

void translate_fp_resize(struct translation *t, const struct riscv_insn *i, unsigned bits, unsigned from)
{
    u32 aux = (bits > from ? IR_FP_DYNAMIC : rounding(t, i)) | (u32)type_of(from) << IR_FP_FROM_SHIFT;

    set_value(t, i->rd, bits, fp_op(t, IR_FCVT, bits, aux, get_value(t, i->rs1, from), IR_NONE, IR_NONE));
}

void translate_fp_round(struct translation *t, const struct riscv_insn *i, u32 flags, unsigned bits)
{
    set_value(t, i->rd, bits, fp_op(t, IR_FROUND, bits, rounding(t, i) | flags, get_value(t, i->rs1, bits), IR_NONE, IR_NONE));
}

/* --- control and status --- */

static bool has_fp(const struct translation *t)
{
    return t->guards >> riscv_row_info[RISCV_FADD_S].guard & 1 && !(t->mode & RISCV_MODE_FP_OFF);
}

bool translate_fp_csr(struct translation *t, const struct riscv_insn *i, ir_value value, bool writes)
{
    enum { FFLAGS = 1, FRM = 2, SET = 2, CLEAR = 3 };
    unsigned function = i->raw >> 12 & 3;
    ir_value old = IR_NONE;

    if (!has_fp(t) || (i->csr != FFLAGS && (i->csr != FRM || writes)))
        return false;
    if (i->csr == FRM) {
        translate_set_x(t, i->rd, ir_zext(t->b, IR_I64, ir_get(t->b, IR_I8, RISCV_REG_FRM)));
        return true;
    }
    if (i->rd || function == SET || function == CLEAR)
        old = ir_fenv_get(t->b); /* costs: not for a register that nobody reads */
    if (function == SET)
        value = ir_binary(t->b, IR_OR, old, value);
    else if (function == CLEAR)
        value = ir_binary(t->b, IR_ANDN, old, value);
    if (writes) {
        ir_fenv_set(t->b, value);
        mark_dirty(t);
    }
    if (i->rd)
        translate_set_x(t, i->rd, old);
    return true;
}

/* --- calls --- */

/* Operand letters: S T R floating-point rs1 rs2 rs3, s integer rs1, r rounding mode. */
static ir_value fp_operand(struct translation *t, const struct riscv_insn *i, char letter)
{
    switch (letter) {
    case 'S':
        return ir_bits(t->b, get_f(t, i->rs1));
    case 'T':
        return ir_bits(t->b, get_f(t, i->rs2));
    case 'R':
        return ir_bits(t->b, get_f(t, i->rs3));
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
        set_f(t, i->rd, ir_from_bits(t->b, result));
    } else {
        translate_set_x(t, i->rd, result);
        if (helper->effects & IR_HELPER_FLAGS)
            mark_dirty(t);
    }
}
