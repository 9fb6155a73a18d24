/* target/riscv/translate_bits.c - Zba, Zbb, Zbc, Zbs, Zicond (Unprivileged manual, chapters "B", "Zicond"). */
#include "target/riscv/translate.h"

void translate_unary(struct translation *t, const struct riscv_insn *i, enum ir_opcode op)
{
    if (i->rd != 0)
        translate_set_x(t, i->rd, ir_unary(t->b, op, translate_x(t, i->rs1)));
}

void translate_unary_w(struct translation *t, const struct riscv_insn *i, enum ir_opcode op)
{
    if (i->rd != 0)
        translate_set_w(t, i->rd, ir_unary(t->b, op, translate_w(t, i->rs1)));
}

void translate_extend(struct translation *t, const struct riscv_insn *i, enum ir_type from, bool is_signed)
{
    ir_value low;

    if (i->rd == 0)
        return;
    low = ir_trunc(t->b, from, translate_x(t, i->rs1));
    translate_set_x(t, i->rd, is_signed ? ir_sext(t->b, IR_I64, low) : ir_zext(t->b, IR_I64, low));
}

static ir_value zext_w(struct translation *t, unsigned reg)
{
    return ir_zext(t->b, IR_I64, translate_w(t, reg));
}

void translate_shift_add(struct translation *t, const struct riscv_insn *i, unsigned shift, bool is_word)
{
    ir_value index;

    if (i->rd == 0)
        return;
    index = is_word ? zext_w(t, i->rs1) : translate_x(t, i->rs1);
    index = ir_binary_imm(t->b, IR_SHL, index, shift);
    if (i->rs2 != 0)
        index = ir_binary(t->b, IR_ADD, index, translate_x(t, i->rs2));
    translate_set_x(t, i->rd, index);
}

void translate_shift_uw(struct translation *t, const struct riscv_insn *i)
{
    if (i->rd != 0)
        translate_set_x(t, i->rd, ir_binary_imm(t->b, IR_SHL, zext_w(t, i->rs1), i->imm));
}

/* op is what happens with 1 << n: ANDN, OR, XOR. */
void translate_bit(struct translation *t, const struct riscv_insn *i, enum ir_opcode op, bool is_imm)
{
    ir_value x, mask;

    if (i->rd == 0)
        return;
    x = translate_x(t, i->rs1);
    mask = is_imm ? translate_const(t, (s64)BIT64(i->imm))
                  : ir_binary(t->b, IR_SHL, translate_const(t, 1), translate_x(t, i->rs2));
    if (is_imm && op == IR_ANDN)
        translate_set_x(t, i->rd, ir_binary_imm(t->b, IR_AND, x, (s64)~BIT64(i->imm)));
    else
        translate_set_x(t, i->rd, ir_binary(t->b, op, x, mask));
}

void translate_bit_extract(struct translation *t, const struct riscv_insn *i, bool is_imm)
{
    ir_value x;

    if (i->rd == 0)
        return;
    x = translate_x(t, i->rs1);
    x = is_imm ? ir_binary_imm(t->b, IR_SHR, x, i->imm) : ir_binary(t->b, IR_SHR, x, translate_x(t, i->rs2));
    translate_set_x(t, i->rd, ir_binary_imm(t->b, IR_AND, x, 1));
}

/* Each byte that is not zero becomes 255: its top bit is found by a sum which does not carry into the next byte. */
void translate_orc_b(struct translation *t, const struct riscv_insn *i)
{
    const s64 low = 0x7f7f7f7f7f7f7f7f, top = (s64)0x8080808080808080;
    ir_value x, sum;

    if (i->rd == 0)
        return;
    x = translate_x(t, i->rs1);
    sum = ir_binary_imm(t->b, IR_ADD, ir_binary_imm(t->b, IR_AND, x, low), low);
    sum = ir_binary_imm(t->b, IR_AND, ir_binary(t->b, IR_OR, sum, x), top);
    sum = ir_binary_imm(t->b, IR_MUL, ir_binary_imm(t->b, IR_SHR, sum, 7), 255);
    translate_set_x(t, i->rd, sum);
}

/* cond: when rs2 <cond> 0 the result is 0. */
void translate_czero(struct translation *t, const struct riscv_insn *i, enum ir_cond cond)
{
    ir_value zero, x, y;

    if (i->rd == 0)
        return;
    x = translate_x(t, i->rs1);
    y = translate_x(t, i->rs2);
    zero = translate_const(t, 0);
    translate_set_x(t, i->rd, ir_select(t->b, cond, y, zero, zero, x));
}

void translate_integer_helper(struct translation *t, const struct riscv_insn *i, const struct ir_helper *helper)
{
    ir_value x, y = IR_NONE, z = IR_NONE;

    if (i->rd == 0)
        return;
    x = translate_x(t, i->rs1);
    if (helper->arg_count > 1)
        y = translate_x(t, i->rs2);
    if (helper->arg_count > 2)
        z = translate_const(t, i->imm);
    translate_set_x(t, i->rd, ir_call(t->b, helper, x, y, z, IR_NONE));
}

void translate_aes_key(struct translation *t, const struct riscv_insn *i)
{
    enum { LAST_ROUND = 10 };

    if (i->imm > LAST_ROUND)
        translate_illegal(t, i);
    else
        translate_set_x(t, i->rd, ir_call(t->b, &riscv_ir_aes64ks1i, translate_x(t, i->rs1), translate_const(t, i->imm), IR_NONE, IR_NONE));
}

/* w0 = rs1's upper word ^ rs2's lower; w1 = w0 ^ rs2's upper */
void translate_aes_key_next(struct translation *t, const struct riscv_insn *i)
{
    ir_value low, key;

    if (i->rd == 0)
        return;
    key = translate_x(t, i->rs2);
    low = ir_binary_imm(t->b, IR_SHR, translate_x(t, i->rs1), 32);
    low = ir_binary(t->b, IR_XOR, low, key);
    key = ir_binary_imm(t->b, IR_SHL, low, 32);
    translate_set_x(t, i->rd, ir_binary(t->b, IR_XOR, low, key));
}

void translate_xor_rotated(struct translation *t, const struct riscv_insn *i, enum ir_type type, unsigned a, unsigned b, unsigned c, enum ir_opcode last)
{
    ir_value x, sum;

    if (i->rd == 0)
        return;
    x = type == IR_I32 ? translate_w(t, i->rs1) : translate_x(t, i->rs1);
    sum = ir_binary(t->b, IR_XOR, ir_binary_imm(t->b, IR_ROR, x, a), ir_binary_imm(t->b, IR_ROR, x, b));
    sum = ir_binary(t->b, IR_XOR, sum, c ? ir_binary_imm(t->b, last, x, c) : x);
    if (type == IR_I32)
        translate_set_w(t, i->rd, sum);
    else
        translate_set_x(t, i->rd, sum);
}

void translate_pack(struct translation *t, const struct riscv_insn *i, enum ir_type half)
{
    unsigned bits = ir_type_bits(half);
    ir_value low = ir_zext(t->b, IR_I64, ir_trunc(t->b, half, translate_x(t, i->rs1)));
    ir_value high = ir_binary_imm(t->b, IR_SHL, ir_zext(t->b, IR_I64, ir_trunc(t->b, half, translate_x(t, i->rs2))), bits);
    ir_value both = ir_binary(t->b, IR_OR, low, high);

    if (half == IR_I16)
        translate_set_w(t, i->rd, ir_trunc(t->b, IR_I32, both));
    else
        translate_set_x(t, i->rd, both);
}
