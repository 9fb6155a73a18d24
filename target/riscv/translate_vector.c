/*
 * target/riscv/translate_vector.c - vectors: calls. Behind a vsetvli of the same block vtype is known, so that what is legal is decided here
 * and the call is a plain one; elsewhere the helper checks.
 */
#include "target/riscv/translate.h"
#include "target/riscv/vector.h"

static void set_known(struct translation *t, bool known, u64 vtype)
{
    t->vtype_known = known && t->cpu;
    t->vtype = vtype;
}

static void configure(struct translation *t, const struct riscv_insn *i, ir_value vtype, ir_value avl, bool keep)
{
    translate_set_x(t, i->rd, ir_call(t->b, &riscv_ir_vsetvl, vtype, avl, translate_const(t, keep), IR_NONE));
}

/* AVL (section 6.2): x[rs1]; VLMAX for x0 with another rd; what vl is when both are x0. */
static void configure_x(struct translation *t, const struct riscv_insn *i, ir_value vtype)
{
    configure(t, i, vtype, i->rs1 ? translate_x(t, i->rs1) : translate_const(t, -1), !i->rs1 && !i->rd);
}

static void note_type(struct translation *t, u64 vtype, bool keep)
{
    set_known(t, t->cpu && riscv_vector_type_legal(t->cpu, vtype) && !(keep && t->cpu->rvv_vsetvl_x0_vill), vtype);
}

void translate_vsetvli(struct translation *t, const struct riscv_insn *i)
{
    configure_x(t, i, translate_const(t, i->imm));
    note_type(t, (u64)i->imm, !i->rs1 && !i->rd);
}

void translate_vsetivli(struct translation *t, const struct riscv_insn *i)
{
    configure(t, i, translate_const(t, i->imm), translate_const(t, i->rs1), false);
    note_type(t, (u64)i->imm, false);
}

void translate_vsetvl(struct translation *t, const struct riscv_insn *i)
{
    configure_x(t, i, translate_x(t, i->rs2));
    set_known(t, false, 0);
}

static ir_value scalar(struct translation *t, const struct riscv_insn *i, unsigned form)
{
    switch (form) {
    case RISCV_V_X:
        return translate_x(t, i->rs1);
    case RISCV_V_F:
        return ir_bits(t->b, ir_get(t->b, IR_F64, RISCV_REG_F + i->rs1));
    case RISCV_V_I:
        return translate_const(t, i->imm);
    default:
        return translate_const(t, 0);
    }
}

/* False: illegal, whatever vtype is. */
static bool may_run(const struct translation *t, unsigned op, unsigned form)
{
    bool rounds = (riscv_vector_info[op].rules & VECTOR_FRM) || form == RISCV_V_F;

    return !(rounds && (t->mode & RISCV_MODE_FRM_INVALID));
}

/* The call; its result when vtype is known, IR_NONE when the helper wrote it or the instruction is illegal. */
static ir_value call(struct translation *t, const struct riscv_insn *i, unsigned op, unsigned form)
{
    ir_value what = translate_const(t, (s64)(i->raw | (u64)op << 32 | (u64)form << 48));

    if (!may_run(t, op, form) || (t->vtype_known && !riscv_vector_legal(t->cpu, op, form, i->raw, t->vtype))) {
        translate_illegal(t, i);
        return IR_NONE;
    }
    if (t->vtype_known)
        return ir_call(t->b, &riscv_ir_vector, what, scalar(t, i, form), IR_NONE, IR_NONE);
    translate_call(t, &riscv_ir_vector_checked, what, scalar(t, i, form), IR_NONE, IR_NONE);
    return IR_NONE;
}

void translate_vector(struct translation *t, const struct riscv_insn *i, unsigned op, unsigned form)
{
    call(t, i, op, form);
}

void translate_vector_to_x(struct translation *t, const struct riscv_insn *i, unsigned op)
{
    ir_value result = call(t, i, op, RISCV_V_V);

    if (result != IR_NONE)
        translate_set_x(t, i->rd, result);
}

void translate_vector_to_f(struct translation *t, const struct riscv_insn *i, unsigned op)
{
    ir_value result = call(t, i, op, RISCV_V_V);

    if (result != IR_NONE)
        translate_set_f(t, i->rd, ir_from_bits(t->b, result));
}

void translate_vector_memory(struct translation *t, const struct riscv_insn *i, unsigned access, unsigned bits, bool load)
{
    u64 known = t->vtype_known;

    if (known && !riscv_vector_memory_legal(t->cpu, access, bits, load, i->raw, t->vtype)) {
        translate_illegal(t, i);
        return;
    }
    translate_call(t, &riscv_ir_vector_memory, translate_const(t, (s64)(i->raw | (u64)access << 32 | (u64)bits << 40 | (u64)load << 48 | known << 49)),
                   translate_x(t, i->rs1), access == RISCV_VMEM_STRIDED ? translate_x(t, i->rs2) : translate_const(t, 0), IR_NONE);
}
