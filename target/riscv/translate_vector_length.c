/*
 * target/riscv/translate_vector_length.c - what is known of vtype and vl while translating, and the instructions that set them.
 *
 * They are known behind a vsetvli of the same block, if vl is as long as vtype allows: a shorter one goes to the careful variant of the block,
 * which calls (the end of a strip-mined loop). Elsewhere what the hart has now is assumed, and checked. Then vstart is 0, too.
 */
#include "target/riscv/translate_vector.h"

/* Agnostic elements stay as they are, and registers lie where hosts want 16 bytes to lie. */
static bool has_plain_vectors(const struct riscv_cpu *cpu)
{
    return cpu && !cpu->rvv_ta_all_1s && !cpu->rvv_ma_all_1s && cpu->vlen >= 128;
}

bool translate_vector_may_inline(const struct translation *t)
{
    return !t->careful && has_plain_vectors(t->cpu);
}

/*
 * The careful variant, behind a vsetvli of the same block: vtype is known, vl is in the state and vstart is 0. Ops on integers and
 * loads and stores of elements in a row work on as many lanes as vl says.
 */
static bool may_do_some(const struct translation *t)
{
    return t->careful && t->vtype_known && has_plain_vectors(t->cpu);
}

u64 translate_vector_lanes(const struct translation *t, bool *some)
{
    *some = may_do_some(t);
    if (*some)
        return riscv_vector_max(t->cpu, t->vtype);
    return t->vl_known && translate_vector_may_inline(t) ? t->vl : 0;
}

void translate_vector_know(struct translation *t, bool known, u64 vtype)
{
    t->vtype_known = known && t->cpu;
    t->vtype = vtype;
    t->vl_known = false;
    t->configured = true;
}

void translate_vector_put(struct translation *t, unsigned reg, u64 value)
{
    ir_put(t->b, IR_I64, reg, translate_const(t, (s64)value));
}

void translate_vector_dirty(struct translation *t)
{
    translate_vector_put(t, RISCV_REG_VS_DIRTY, 1);
}

static ir_value differs(struct translation *t, unsigned reg, u64 value)
{
    return ir_binary(t->b, IR_XOR, ir_get(t->b, IR_I64, reg), translate_const(t, (s64)value));
}

/* A length that looks like the end of a loop is taken for a whole one. */
void translate_vector_assume(struct translation *t)
{
    u64 vtype, vl, max;
    ir_value differ;

    if (t->vtype_known || t->configured || !translate_vector_may_inline(t))
        return;
    t->configured = true;
    vtype = ((const struct riscv_state *)t->cpu->vcpu.state)->vtype;
    vl = ((const struct riscv_state *)t->cpu->vcpu.state)->vl;
    t->b->momentary = true;
    if (!riscv_vector_type_legal(t->cpu, vtype))
        return;
    max = riscv_vector_max(t->cpu, vtype);
    if (vl > max || vl << riscv_vector_sew(vtype) < 16 || !bits_is_power_of_2(vl))
        vl = max;
    differ = ir_binary(t->b, IR_OR, differs(t, RISCV_REG_VTYPE, vtype), differs(t, RISCV_REG_VL, vl));
    differ = ir_binary(t->b, IR_OR, differ, ir_get(t->b, IR_I64, RISCV_REG_VSTART));
    translate_exit_careful_if(t, IR_NE, differ, translate_const(t, 0));
    translate_vector_know(t, true, vtype);
    t->vl_known = true;
    t->vl = vl;
}

u64 translate_vector_expect(struct translation *t)
{
    u64 vtype;

    if (!t->careful || t->configured || !has_plain_vectors(t->cpu))
        return RISCV_VTYPE_ANY;
    t->configured = true;
    t->b->momentary = true;
    vtype = ((const struct riscv_state *)t->cpu->vcpu.state)->vtype;
    return riscv_vector_type_legal(t->cpu, vtype) ? vtype : RISCV_VTYPE_ANY;
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

static bool type_known(const struct translation *t, u64 vtype, bool keep)
{
    return t->cpu && riscv_vector_type_legal(t->cpu, vtype) && !(keep && t->cpu->rvv_vsetvl_x0_vill);
}

static void set_length(struct translation *t, const struct riscv_insn *i, u64 vtype, u64 vl)
{
    translate_vector_put(t, RISCV_REG_VL, vl);
    translate_vector_put(t, RISCV_REG_VTYPE, vtype);
    translate_vector_put(t, RISCV_REG_VSTART, 0);
    translate_vector_dirty(t);
    translate_set_x(t, i->rd, translate_const(t, (s64)vl));
    translate_vector_know(t, true, vtype);
    t->vl_known = true;
    t->vl = vl;
}

/* A value of AVL: vl is all that vtype allows, or this goes on in the careful variant. */
static void set_full_length(struct translation *t, const struct riscv_insn *i, u64 vtype)
{
    u64 max = riscv_vector_max(t->cpu, vtype);
    ir_value avl = translate_x(t, i->rs1);

    if (t->b->op[avl].code == IR_CONST) {
        set_length(t, i, vtype, riscv_vector_limit(t->cpu, vtype, (u64)t->b->op[avl].imm));
        return;
    }
    translate_exit_careful_if(t, IR_LTU, avl, translate_const(t, (s64)(t->cpu->rvv_vl_half_avl ? 2 * max : max)));
    set_length(t, i, vtype, max);
}

/* In the careful variant: vl is a value. False: it is to be a call. */
static bool set_some_length(struct translation *t, const struct riscv_insn *i, u64 vtype, ir_value avl)
{
    ir_value vl;

    if (!t->careful || t->cpu->rvv_vl_half_avl)
        return false;
    vl = ir_binary(t->b, IR_MINU, avl, translate_const(t, (s64)riscv_vector_max(t->cpu, vtype)));
    ir_put(t->b, IR_I64, RISCV_REG_VL, vl);
    translate_vector_put(t, RISCV_REG_VTYPE, vtype);
    translate_vector_put(t, RISCV_REG_VSTART, 0);
    translate_vector_dirty(t);
    translate_set_x(t, i->rd, vl);
    translate_vector_know(t, true, vtype);
    return true;
}

void translate_vsetvli(struct translation *t, const struct riscv_insn *i)
{
    bool keep = !i->rs1 && !i->rd, known = type_known(t, (u64)i->imm, keep);
    u64 vtype = (u64)i->imm;

    if (known && keep)
        translate_vector_assume(t);
    if (known && translate_vector_may_inline(t) && i->rs1) {
        set_full_length(t, i, vtype);
    } else if (known && translate_vector_may_inline(t) && (!keep || t->vl_known)) {
        set_length(t, i, vtype, riscv_vector_limit(t->cpu, vtype, keep ? t->vl : UINT64_MAX));
    } else if (!known || keep || !set_some_length(t, i, vtype, i->rs1 ? translate_x(t, i->rs1) : translate_const(t, -1))) {
        configure_x(t, i, translate_const(t, i->imm));
        translate_vector_know(t, known, vtype);
    }
}

void translate_vsetivli(struct translation *t, const struct riscv_insn *i)
{
    u64 vtype = (u64)i->imm;
    bool known = type_known(t, vtype, false);

    if (known && translate_vector_may_inline(t)) {
        set_length(t, i, vtype, riscv_vector_limit(t->cpu, vtype, i->rs1));
        return;
    }
    if (known && set_some_length(t, i, vtype, translate_const(t, i->rs1)))
        return;
    configure(t, i, translate_const(t, i->imm), translate_const(t, i->rs1), false);
    translate_vector_know(t, known, vtype);
}

void translate_vsetvl(struct translation *t, const struct riscv_insn *i)
{
    configure_x(t, i, translate_x(t, i->rs2));
    translate_vector_know(t, false, 0);
}

bool translate_vector_csr(struct translation *t, const struct riscv_insn *i)
{
    enum { VL = 0xc20 };

    if (i->csr != VL || !t->vl_known)
        return false;
    translate_set_x(t, i->rd, translate_const(t, (s64)t->vl));
    return true;
}
