/* target/riscv/translate_integer.c - RV64I and M: arithmetic, logic, shifts, comparisons, multiplication. */
#include "target/riscv/translate.h"

void translate_lui(struct translation *t, const struct riscv_insn *i)
{
    translate_set_x(t, i->rd, translate_const(t, i->imm));
}

void translate_auipc(struct translation *t, const struct riscv_insn *i)
{
    translate_set_x(t, i->rd, ir_pc_add(t->b, (s64)t->pc + i->imm));
}

/* Hints (rd = x0) are dropped here, since no integer instruction has another effect. */
void translate_arith(struct translation *t, const struct riscv_insn *i, enum ir_opcode op)
{
    ir_value x, y;

    if (i->rd == 0)
        return;
    if (i->rs2 == 0 && op <= IR_SUB) {
        translate_set_x(t, i->rd, translate_x(t, i->rs1));
        return;
    }
    x = translate_x(t, i->rs1);
    y = i->rs2 == i->rs1 ? x : translate_x(t, i->rs2);
    translate_set_x(t, i->rd, i->rs1 == 0 && op == IR_ADD ? y : ir_binary(t->b, op, x, y));
}

void translate_arith_imm(struct translation *t, const struct riscv_insn *i, enum ir_opcode op)
{
    if (i->rd != 0)
        translate_set_x(t, i->rd, ir_binary_imm(t->b, op, translate_x(t, i->rs1), i->imm));
}

void translate_arith_w(struct translation *t, const struct riscv_insn *i, enum ir_opcode op)
{
    ir_value x, y;

    if (i->rd == 0)
        return;
    x = translate_w(t, i->rs1);
    y = translate_w(t, i->rs2);
    translate_set_w(t, i->rd, ir_binary(t->b, op, x, y));
}

void translate_arith_imm_w(struct translation *t, const struct riscv_insn *i, enum ir_opcode op)
{
    if (i->rd != 0)
        translate_set_w(t, i->rd, ir_binary_imm(t->b, op, translate_w(t, i->rs1), i->imm));
}

void translate_compare(struct translation *t, const struct riscv_insn *i, enum ir_cond cond)
{
    ir_value x, y;

    if (i->rd == 0)
        return;
    x = translate_x(t, i->rs1);
    y = i->rs2 == i->rs1 ? x : translate_x(t, i->rs2);
    translate_set_x(t, i->rd, ir_setcc(t->b, cond, x, y));
}

void translate_compare_imm(struct translation *t, const struct riscv_insn *i, enum ir_cond cond)
{
    if (i->rd != 0)
        translate_set_x(t, i->rd, ir_setcc(t->b, cond, translate_x(t, i->rs1), translate_const(t, i->imm)));
}
