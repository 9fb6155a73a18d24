/* target/riscv/translate_csr.c - CSR instructions (Unprivileged manual, chapter "Zicsr"): inline where nothing else depends on them. */
#include "target/riscv/csr.h"
#include "target/riscv/translate.h"

/* csrrs and csrrc with x0 (or 0) do not write (Zicsr). */
static bool writes_csr(const struct riscv_insn *i, bool is_imm)
{
    bool is_swap = i->row == RISCV_CSRRW || i->row == RISCV_CSRRWI;

    return is_swap || (is_imm ? i->imm != 0 : i->rs1 != 0);
}

/*
 * The helper leaves when something changed that matters to translation or interrupts. fflags, counters and scratch
 * registers never do, so that the block goes on behind them; other writes end it, because they leave often.
 */
static bool is_harmless(u16 number)
{
    switch (number) {
    case 0x001:                         /* fflags */
    case 0x140: case 0x141: case 0x142: case 0x143: /* sscratch, sepc, scause, stval */
    case 0x340: case 0x341: case 0x342: /* mscratch, mepc, mcause */
        return true;
    default:
        return false;
    }
}

static bool has_supervisor(const struct translation *t)
{
    return t->guards >> riscv_row_info[RISCV_SRET].guard & 1;
}

/* The register of a CSR that is plain storage in this mode, or RISCV_REG_COUNT. */
static unsigned plain_csr(const struct translation *t, u16 number)
{
    if (!has_supervisor(t) || translate_may_misalign(t) || (t->mode & RISCV_MODE_PRIVILEGE) == 0)
        return RISCV_REG_COUNT;
    switch (number) {
    case 0x140:
        return RISCV_REG_SSCRATCH;
    case 0x141:
        return RISCV_REG_SEPC;
    case 0x142:
        return RISCV_REG_SCAUSE;
    case 0x143:
        return RISCV_REG_STVAL;
    default:
        return RISCV_REG_COUNT;
    }
}

static void access_plain_csr(struct translation *t, const struct riscv_insn *i, unsigned reg, ir_value value, bool writes)
{
    unsigned function = i->raw >> 12 & 3; /* 1 write, 2 set, 3 clear */
    ir_value old = ir_get(t->b, IR_I64, reg);

    if (function == 2)
        value = ir_binary(t->b, IR_OR, old, value);
    else if (function == 3)
        value = ir_binary(t->b, IR_ANDN, old, value);
    if (writes)
        ir_put(t->b, IR_I64, reg, reg == RISCV_REG_SEPC ? ir_binary_imm(t->b, IR_AND, value, -2) : value);
    translate_set_x(t, i->rd, old);
}

/* --- sstatus: what interrupt handlers and locks of kernels do all the time --- */

static ir_value both(struct translation *t, enum ir_opcode op, ir_value x, u64 imm)
{
    return ir_binary(t->b, op, x, translate_const(t, (s64)imm));
}

/* FS is Dirty when this code said so since it was last written; SD sums up (sections 3.1.6.6 and 12.1.1). */
static ir_value read_sstatus(struct translation *t)
{
    ir_value status = ir_get(t->b, IR_I64, RISCV_REG_MSTATUS), dirty, fs, zero = translate_const(t, 0);

    if (t->mode & RISCV_MODE_FP_OFF)
        return both(t, IR_AND, status, SSTATUS_READ & ~MSTATUS_SD);
    dirty = ir_get(t->b, IR_I64, RISCV_REG_FP_DIRTY);
    fs = translate_const(t, MSTATUS_FS);
    status = ir_binary(t->b, IR_OR, both(t, IR_AND, status, SSTATUS_READ & ~MSTATUS_SD), ir_select(t->b, IR_NE, dirty, zero, fs, zero));
    return ir_binary(t->b, IR_OR, status,
                     ir_select(t->b, IR_EQ, both(t, IR_AND, status, MSTATUS_FS), fs, translate_const(t, (s64)MSTATUS_SD), zero));
}

/* Interrupts that are pending and enabled, whatever the modes: more than those that SIE would let through, never less. */
static ir_value pending(struct translation *t)
{
    ir_value lines = ir_get(t->b, IR_I64, RISCV_REG_LINES), software = ir_get(t->b, IR_I64, RISCV_REG_SOFTWARE);

    return ir_binary(t->b, IR_AND, ir_binary(t->b, IR_OR, lines, software), ir_get(t->b, IR_I64, RISCV_REG_MIE));
}

/* VS may be Dirty by what only helpers know. */
static bool has_live_vectors(const struct translation *t)
{
    return t->guards >> riscv_row_info[RISCV_VSETVL].guard & 1 && !(t->mode & RISCV_MODE_V_OFF);
}

/*
 * Reads, and changes of SIE alone. Setting it goes to the helper when an interrupt may be due, and when the value, if not a constant,
 * has other bits. False: not such a one.
 */
static bool access_sstatus(struct translation *t, const struct riscv_insn *i, ir_value value, bool writes)
{
    unsigned function = i->raw >> 12 & 3; /* 1 write, 2 set, 3 clear */
    const struct ir_op *op = &t->b->op[value];
    bool is_const = op->code == IR_CONST, only_sie = is_const && !((u64)op->imm & ~MSTATUS_SIE);

    if (t->careful || !has_supervisor(t) || has_live_vectors(t) || (t->mode & RISCV_MODE_PRIVILEGE) == 0)
        return false;
    if (writes && (function == 1 || (function == 3 && !only_sie) || (is_const && !only_sie)))
        return false;
    if (writes && function == 2) {
        ir_value others = is_const ? pending(t) : ir_binary(t->b, IR_OR, pending(t), both(t, IR_AND, value, ~MSTATUS_SIE));

        translate_exit_careful_if(t, IR_NE, others, translate_const(t, 0));
    }
    ir_value old = i->rd ? read_sstatus(t) : IR_NONE, status = ir_get(t->b, IR_I64, RISCV_REG_MSTATUS);
    if (writes)
        ir_put(t->b, IR_I64, RISCV_REG_MSTATUS, ir_binary(t->b, function == 2 ? IR_OR : IR_ANDN, status, value));
    if (i->rd)
        translate_set_x(t, i->rd, old);
    return true;
}

void translate_csr(struct translation *t, const struct riscv_insn *i, bool is_imm)
{
    ir_value value = is_imm ? translate_const(t, i->imm) : translate_x(t, i->rs1);
    unsigned plain = plain_csr(t, i->csr);

    if (plain != RISCV_REG_COUNT) {
        access_plain_csr(t, i, plain, value, writes_csr(i, is_imm));
        return;
    }
    if (i->csr == 0x100 && access_sstatus(t, i, value, writes_csr(i, is_imm)))
        return;
    if (translate_fp_csr(t, i, value, writes_csr(i, is_imm)) || (!writes_csr(i, is_imm) && translate_vector_csr(t, i)))
        return;
    translate_call(t, &riscv_ir_csr, value, translate_const(t, i->raw), translate_length(t), IR_NONE);
    if (writes_csr(i, is_imm) && !is_harmless(i->csr))
        translate_next_block(t);
}
