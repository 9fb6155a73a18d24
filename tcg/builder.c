/*
 * tcg/builder.c - how front ends write IR.
 *
 * Folds what one look at the operands shows: constants, identities, conversions of conversions; in a block that tracks guest registers
 * also through these: lui+addi becomes a constant, auipc+addi one pc_add. Back ends name values by registers in the same way, so this
 * lengthens no live range by itself; where folding would (trunc of an extension, idioms of several ops) it is left or asks first.
 */
#include "tcg/builder.h"
#include "tcg/append.h"
#include "tcg/eval.h"
#include "tcg/idioms.h"
#include <string.h>

ir_value ir_const(struct ir_block *b, enum ir_type type, s64 imm)
{
    ir_append(b, IR_CONST, type)->imm = ir_const_wrap(type, imm);
    return ir_last(b);
}

ir_value ir_get(struct ir_block *b, enum ir_type type, unsigned reg)
{
    if (b->tracking && b->current[reg] != IR_NONE)
        return b->current[reg];
    ir_append(b, IR_GET, type)->aux = (u16)reg;
    if (b->tracking)
        b->current[reg] = ir_last(b);
    return ir_last(b);
}

void ir_put(struct ir_block *b, enum ir_type type, unsigned reg, ir_value v)
{
    struct ir_op *op;

    if (b->tracking) {
        if (b->current[reg] == v)
            return;
        b->current[reg] = v;
    }
    op = ir_append(b, IR_PUT, type);
    op->aux = (u16)reg;
    op->arg[0] = v;
}

ir_value ir_pc_add(struct ir_block *b, s64 delta)
{
    ir_append(b, IR_PC_ADD, IR_I64)->imm = delta;
    return ir_last(b);
}

static ir_value convert(struct ir_block *b, enum ir_opcode code, enum ir_type to, enum ir_type from, ir_value v)
{
    struct ir_op *op = ir_append(b, code, to);

    op->arg[0] = v;
    if (code == IR_TRUNC)
        b->truncates |= ir_is_modular(&b->op[v]) || ir_extends_word(&b->op[v]);
    else
        op->aux = (u16)from;
    return ir_last(b);
}

ir_value ir_trunc(struct ir_block *b, enum ir_type to, ir_value v)
{
    const struct ir_op *op = &b->op[v];

    if (ir_value_type(b, v) == to)
        return v;
    switch (op->code) {
    case IR_CONST:
        return ir_const(b, to, op->imm);
    case IR_TRUNC:
        return convert(b, IR_TRUNC, to, IR_VOID, op->arg[0]);
    case IR_ZEXT:
    case IR_SEXT:
        if (b->tracking) /* the extension is where the value lives */
            return convert(b, IR_TRUNC, to, IR_VOID, v);
        if (op->aux == to)
            return op->arg[0];
        return convert(b, op->aux > to ? IR_TRUNC : (enum ir_opcode)op->code, to, (enum ir_type)op->aux,
                       op->arg[0]);
    default:
        return convert(b, IR_TRUNC, to, IR_VOID, v);
    }
}

/* The wide value whose low part v is, when its upper bits are already what extending v would make; or IR_NONE. */
static ir_value already_extended(const struct ir_block *b, enum ir_opcode code, enum ir_type from,
                                 enum ir_type to, ir_value v)
{
    const struct ir_op *wide;

    if (b->op[v].code != IR_TRUNC || ir_value_type(b, b->op[v].arg[0]) != to)
        return IR_NONE;
    wide = &b->op[b->op[v].arg[0]];
    switch (wide->code) {
    case IR_ZEXT:
        if (wide->aux < from || (wide->aux == from && code == IR_ZEXT))
            return b->op[v].arg[0];
        return IR_NONE;
    case IR_SEXT:
        return code == IR_SEXT && wide->aux <= from ? b->op[v].arg[0] : IR_NONE;
    case IR_LD: {
        unsigned bits = 8 * ir_mem_bytes(wide->aux), low = ir_type_bits(from);
        bool is_signed = wide->aux & IR_MEM_SIGNED;

        if ((bits < low && !is_signed) || (bits <= low && is_signed == (code == IR_SEXT)))
            return b->op[v].arg[0];
        return IR_NONE;
    }
    case IR_SETCC:
        return b->op[v].arg[0];
    default:
        return IR_NONE;
    }
}

static ir_value extend(struct ir_block *b, enum ir_opcode code, enum ir_type to, ir_value v)
{
    enum ir_type from = ir_value_type(b, v);
    const struct ir_op *op = &b->op[v];
    ir_value wide;

    if (from == to)
        return v;
    if (op->code == IR_CONST)
        return ir_const(b, to, code == IR_ZEXT ? ir_eval_zext(from, op->imm) : op->imm);
    if (op->code == IR_ZEXT || op->code == code)
        return convert(b, (enum ir_opcode)op->code, to, (enum ir_type)op->aux, op->arg[0]);
    wide = already_extended(b, code, from, to, v);
    if (wide != IR_NONE)
        return wide;
    return convert(b, code, to, from, v);
}

ir_value ir_zext(struct ir_block *b, enum ir_type to, ir_value v)
{
    return extend(b, IR_ZEXT, to, v);
}

ir_value ir_sext(struct ir_block *b, enum ir_type to, ir_value v)
{
    return extend(b, IR_SEXT, to, v);
}

ir_value ir_unary(struct ir_block *b, enum ir_opcode code, ir_value x)
{
    const struct ir_op *op = &b->op[x];
    enum ir_type type = ir_value_type(b, x);

    if (op->code == IR_CONST)
        return ir_const(b, type, ir_eval_unary(code, type, op->imm));
    if ((code == IR_NOT || code == IR_NEG) && op->code == code)
        return op->arg[0];
    ir_append(b, code, type)->arg[0] = x;
    return ir_last(b);
}

static ir_value append_binary(struct ir_block *b, enum ir_opcode code, enum ir_type type, ir_value x, ir_value y)
{
    struct ir_op *op = ir_append(b, code, type);

    op->arg[0] = x;
    op->arg[1] = y;
    return ir_last(b);
}

/*
 * x <code> imm without an op for it, or IR_NONE. y is a value that holds imm, or IR_NONE.
 * pc_page ends in 12 zeros, so masks of up to that many low bits go into a pc_add.
 */
static ir_value fold_imm(struct ir_block *b, enum ir_opcode code, enum ir_type type, ir_value x, s64 imm)
{
    const struct ir_op *op = &b->op[x];

    if (op->code == IR_CONST)
        return ir_const(b, type, ir_eval_binary(code, type, op->imm, imm));
    switch (code) {
    case IR_ADD:
    case IR_SUB:
        if (imm == 0)
            return x;
        if (op->code == IR_PC_ADD)
            return ir_pc_add(b, (s64)(code == IR_ADD ? (u64)op->imm + (u64)imm : (u64)op->imm - (u64)imm));
        return IR_NONE;
    case IR_OR:
        return imm == 0 ? x : imm == -1 ? ir_const(b, type, -1) : IR_NONE;
    case IR_AND:
        if (imm == -1)
            return x;
        if (op->code == IR_PC_ADD && imm < 0 && imm >= -4096)
            return ir_pc_add(b, op->imm & imm);
        return imm == 0 ? ir_const(b, type, 0) : IR_NONE;
    case IR_XOR:
        return imm == 0 ? x : imm == -1 ? ir_unary(b, IR_NOT, x) : IR_NONE;
    case IR_SHL:
    case IR_SHR:
    case IR_SAR:
    case IR_ROL:
    case IR_ROR:
        return (imm & (ir_type_bits(type) - 1)) == 0 ? x : IR_NONE;
    case IR_MUL:
        return imm == 1 ? x : imm == 0 ? ir_const(b, type, 0) : IR_NONE;
    default:
        return IR_NONE;
    }
}

static bool commutes(enum ir_opcode code)
{
    switch (code) {
    case IR_ADD:
    case IR_AND:
    case IR_OR:
    case IR_XOR:
    case IR_XNOR:
    case IR_MUL:
    case IR_MULHU:
    case IR_MULHS:
    case IR_MINS:
    case IR_MAXS:
    case IR_MINU:
    case IR_MAXU:
        return true;
    default:
        return false;
    }
}

ir_value ir_binary_imm(struct ir_block *b, enum ir_opcode code, ir_value x, s64 imm)
{
    enum ir_type type = ir_value_type(b, x);
    ir_value folded, value;

    imm = ir_const_wrap(type, imm);
    folded = fold_imm(b, code, type, x, imm);
    if (folded != IR_NONE)
        return folded;
    if (code == IR_SUB) {
        code = IR_ADD;
        imm = ir_const_wrap(type, (s64)(0 - (u64)imm));
    }
    value = ir_const(b, type, imm);
    if (b->tracking && (code == IR_SHR || code == IR_SAR)) {
        folded = ir_idiom_shift(b, code, type, x, value);
        if (folded != IR_NONE)
            return folded;
    }
    return append_binary(b, code, type, x, value);
}

static ir_value find_idiom(struct ir_block *b, enum ir_opcode code, enum ir_type type, ir_value x, ir_value y)
{
    switch (code) {
    case IR_SHR:
    case IR_SAR:
        return ir_idiom_shift(b, code, type, x, y);
    case IR_ADD:
    case IR_OR:
    case IR_XOR:
        return ir_idiom_rotate(b, type, x, y);
    default:
        return IR_NONE;
    }
}

ir_value ir_binary(struct ir_block *b, enum ir_opcode code, ir_value x, ir_value y)
{
    enum ir_type type = ir_value_type(b, x);

    if (unlikely(ir_is_const(b, x)) && !ir_is_const(b, y) && commutes(code)) {
        ir_value swap = x;

        x = y;
        y = swap;
    }
    if (b->tracking) {
        ir_value idiom = find_idiom(b, code, type, x, y);

        if (idiom != IR_NONE)
            return idiom;
    }
    if (unlikely(ir_is_const(b, y))) {
        ir_value folded;

        if (code == IR_SUB)
            return ir_binary_imm(b, code, x, b->op[y].imm);
        folded = fold_imm(b, code, type, x, b->op[y].imm);
        if (folded != IR_NONE)
            return folded;
    } else if (unlikely(x == y)) {
        if (code == IR_AND || code == IR_OR)
            return x;
        if (code == IR_XOR || code == IR_SUB)
            return ir_const(b, type, 0);
    }
    return append_binary(b, code, type, x, y);
}

/* Unsigned comparisons with 0 and 1 that are really == 0 or != 0. */
static enum ir_cond order_by_zero(struct ir_block *b, enum ir_cond cond, ir_value *y)
{
    s64 imm = b->op[*y].imm;

    if (imm == 0)
        return cond == IR_GTU ? IR_NE : cond == IR_LEU ? IR_EQ : cond;
    if (imm != 1 || (cond != IR_LTU && cond != IR_GEU))
        return cond;
    *y = ir_const(b, (enum ir_type)b->op[*y].type, 0);
    return cond == IR_LTU ? IR_EQ : IR_NE;
}

/* Constants stand on the right of a comparison. */
static enum ir_cond order_operands(struct ir_block *b, enum ir_cond cond, ir_value *x, ir_value *y)
{
    if (unlikely(ir_is_const(b, *x) && !ir_is_const(b, *y))) {
        ir_value swap = *x;

        *x = *y;
        *y = swap;
        cond = ir_cond_swap(cond);
    }
    return unlikely(ir_is_const(b, *y)) ? order_by_zero(b, cond, y) : cond;
}

/* 1 or 0 when a comparison is decided, -1 when it is not. */
static int decide(const struct ir_block *b, enum ir_cond cond, ir_value x, ir_value y)
{
    if (unlikely(x == y))
        return ir_cond_holds(cond, IR_I64, 0, 0);
    if (likely(!ir_is_const(b, y)))
        return -1;
    if (ir_is_const(b, x))
        return ir_cond_holds(cond, ir_value_type(b, x), (u64)b->op[x].imm, (u64)b->op[y].imm);
    if (b->op[y].imm == 0 && (cond == IR_LTU || cond == IR_GEU))
        return cond == IR_GEU;
    return -1;
}

int ir_fold_compare(struct ir_block *b, enum ir_cond *cond, ir_value *x, ir_value *y)
{
    *cond = order_operands(b, *cond, x, y);
    return decide(b, *cond, *x, *y);
}

ir_value ir_setcc(struct ir_block *b, enum ir_cond cond, ir_value x, ir_value y)
{
    int known;

    if (b->tracking)
        ir_idiom_compare(b, &cond, &x, &y);
    known = ir_fold_compare(b, &cond, &x, &y);
    if (known >= 0)
        return ir_const(b, IR_I64, known);
    append_binary(b, IR_SETCC, ir_value_type(b, x), x, y);
    b->op[ir_last(b)].aux = (u16)cond;
    return ir_last(b);
}

ir_value ir_select(struct ir_block *b, enum ir_cond cond, ir_value x, ir_value y, ir_value yes, ir_value no)
{
    struct ir_op *op;
    int known;

    if (b->tracking)
        ir_idiom_compare(b, &cond, &x, &y);
    known = ir_fold_compare(b, &cond, &x, &y);
    if (known >= 0)
        return known ? yes : no;
    if (yes == no)
        return yes;
    op = ir_append(b, IR_SELECT, ir_value_type(b, x));
    op->arg[0] = x;
    op->arg[1] = y;
    op->arg[2] = yes;
    op->arg[3] = no;
    op->aux = (u16)(cond | ir_value_type(b, yes) << 8);
    return ir_last(b);
}

ir_value ir_fp(struct ir_block *b, enum ir_opcode code, enum ir_type type, u32 aux, ir_value x, ir_value y, ir_value z)
{
    struct ir_op *op = ir_append(b, code, type);

    op->aux = (u16)aux;
    op->arg[0] = x;
    op->arg[1] = y;
    op->arg[2] = z;
    return ir_last(b);
}

ir_value ir_fenv_get(struct ir_block *b)
{
    ir_append(b, IR_FENV_GET, IR_I64);
    return ir_last(b);
}

void ir_fenv_set(struct ir_block *b, ir_value flags)
{
    ir_append(b, IR_FENV_SET, IR_I64)->arg[0] = flags;
}

ir_value ir_box(struct ir_block *b, ir_value f32)
{
    return ir_fp(b, IR_BOX, IR_F64, 0, f32, IR_NONE, IR_NONE);
}

ir_value ir_unbox(struct ir_block *b, ir_value f64)
{
    if (b->op[f64].code == IR_BOX)
        return b->op[f64].arg[0];
    return ir_fp(b, IR_UNBOX, IR_F32, 0, f64, IR_NONE, IR_NONE);
}

ir_value ir_bits(struct ir_block *b, ir_value f64)
{
    if (b->op[f64].code == IR_FROM_BITS)
        return b->op[f64].arg[0];
    return ir_fp(b, IR_BITS, IR_I64, 0, f64, IR_NONE, IR_NONE);
}

ir_value ir_from_bits(struct ir_block *b, ir_value i64)
{
    if (b->op[i64].code == IR_BITS)
        return b->op[i64].arg[0];
    return ir_fp(b, IR_FROM_BITS, IR_F64, 0, i64, IR_NONE, IR_NONE);
}

ir_value ir_load(struct ir_block *b, enum ir_type type, u32 mem, ir_value base, s64 disp)
{
    struct ir_op *op;

    ir_note_leave(b);
    op = ir_append(b, IR_LD, type);
    op->aux = (u16)mem;
    op->arg[0] = base;
    op->imm = disp;
    return ir_last(b);
}

void ir_store(struct ir_block *b, u32 mem, ir_value base, s64 disp, ir_value v)
{
    struct ir_op *op;

    ir_note_leave(b);
    op = ir_append(b, IR_ST, ir_value_type(b, v));
    op->aux = (u16)mem;
    op->arg[0] = base;
    op->arg[1] = v;
    op->imm = disp;
}

ir_value ir_amo(struct ir_block *b, enum ir_amo amo, u32 mem, ir_value address, ir_value v)
{
    struct ir_op *op;

    ir_note_leave(b);
    op = ir_append(b, IR_AMO, ir_value_type(b, v));
    op->aux = (u16)mem;
    op->arg[0] = address;
    op->arg[1] = v;
    op->imm = amo;
    return ir_last(b);
}

ir_value ir_cas(struct ir_block *b, u32 mem, ir_value address, ir_value expected, ir_value desired)
{
    struct ir_op *op;

    ir_note_leave(b);
    op = ir_append(b, IR_CAS, ir_value_type(b, desired));
    op->aux = (u16)mem;
    op->arg[0] = address;
    op->arg[1] = expected;
    op->arg[2] = desired;
    return ir_last(b);
}

void ir_fence(struct ir_block *b, u32 orders)
{
    ir_append(b, IR_FENCE, IR_VOID)->imm = orders;
}

void ir_track_call(struct ir_block *b, const struct ir_helper *helper)
{
    u8 effects = helper->effects;

    if (effects & (IR_HELPER_READS | IR_HELPER_WRITES | IR_HELPER_NEEDS_PC | IR_HELPER_MAY_LEAVE))
        ir_note_leave(b);
    if (b->tracking && effects & (IR_HELPER_WRITES | IR_HELPER_MAY_LEAVE))
        ir_block_track(b, b->tracked);
}

ir_value ir_call(struct ir_block *b, const struct ir_helper *helper, ir_value a0, ir_value a1, ir_value a2,
                 ir_value a3)
{
    struct ir_op *op;

    ir_track_call(b, helper);
    op = ir_append(b, IR_CALL, (enum ir_type)helper->result);
    op->arg[0] = a0;
    op->arg[1] = a1;
    op->arg[2] = a2;
    op->arg[3] = a3;
    op->helper = helper;
    return helper->result == IR_VOID ? IR_NONE : ir_last(b);
}

void ir_insn(struct ir_block *b, s32 pc, unsigned length)
{
    struct ir_op *op;

    if (unlikely(b->snapshot_count >= IR_MAX_SNAPSHOTS)) {
        b->overflow = true;
        return;
    }
    b->winds |= b->snapshot_count && pc < b->snapshot[b->snapshot_count - 1].pc;
    b->snapshot[b->snapshot_count++] =
        (struct ir_snapshot){ .pc = pc, .icount = (u16)b->insn_count, .length = (u16)length };
    op = ir_append(b, IR_INSN, IR_VOID);
    op->imm = pc;
    op->aux = (u16)length;
    b->insn_count++;
    if (likely(pc >= (s32)b->first_pc))
        b->byte_count = MAX(b->byte_count, (u32)pc + length - b->first_pc);
    else
        b->below = MAX(b->below, b->first_pc - (u32)pc);
}

void ir_label(struct ir_block *b, s32 pc)
{
    ir_note_leave(b);
    ir_append(b, IR_LABEL, IR_VOID)->imm = pc;
    if (b->tracking)
        ir_block_track(b, b->tracked);
}

void ir_exit_if(struct ir_block *b, enum ir_cond cond, ir_value x, ir_value y, s32 pc)
{
    struct ir_op *op;

    if (b->tracking)
        ir_idiom_compare(b, &cond, &x, &y);
    if (ir_fold_compare(b, &cond, &x, &y) == 0)
        return;
    ir_note_leave(b);
    op = ir_append(b, IR_EXIT_IF, ir_value_type(b, x));
    op->aux = (u16)cond;
    op->arg[0] = x;
    op->arg[1] = y;
    op->imm = ir_append_exit(b, IR_EXIT_DIRECT, pc, IR_HINT_NONE, 0);
}

void ir_exit(struct ir_block *b, s32 pc, enum ir_exit_hint hint, s32 return_pc)
{
    struct ir_op *op = ir_append(b, IR_EXIT, IR_VOID);

    op->imm = ir_append_exit(b, IR_EXIT_DIRECT, pc, hint, return_pc);
}

void ir_exit_to(struct ir_block *b, ir_value address, u16 clear, enum ir_exit_hint hint, s32 return_pc)
{
    const struct ir_op *target = &b->op[address];
    struct ir_op *op;

    if (b->tracking && target->code == IR_PC_ADD && target->imm == (s32)target->imm) {
        ir_exit(b, (s32)target->imm & ~(s32)clear, hint, return_pc); /* auipc+jalr: known relative to the page after all */
        return;
    }
    op = ir_append(b, IR_EXIT_TO, IR_I64);
    op->aux = clear;
    op->arg[0] = address;
    op->imm = ir_append_exit(b, IR_EXIT_INDIRECT, 0, hint, return_pc);
}

void ir_leave(struct ir_block *b)
{
    ir_append(b, IR_LEAVE, IR_VOID);
}
