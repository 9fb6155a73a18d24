/* tcg/opt/idioms.c - what several instructions of a guest mean together. Used by forward. */
#include "tcg/opt/passes.h"
#include "tcg/append.h"
#include "tcg/builder.h"

static const struct ir_op *op_of(const struct forward *f, ir_value v)
{
    return &f->b->op[v];
}

/* v is x <code> constant, the operation on the given type. */
static bool match_imm(const struct forward *f, ir_value v, enum ir_opcode code, enum ir_type type, ir_value *x, s64 *imm)
{
    const struct ir_op *op = op_of(f, v);

    if (op->code != code || op->type != type || !ir_is_const(f->b, op->arg[1]))
        return false;
    *x = op->arg[0];
    *imm = op_of(f, op->arg[1])->imm & (ir_type_bits(type) - 1);
    return true;
}

static enum ir_type type_of_bits(s64 bits)
{
    return bits == 8 ? IR_I8 : bits == 16 ? IR_I16 : bits == 32 ? IR_I32 : IR_VOID;
}

/* slli+srli and slli+srai by the same count of 32, 48 or 56: zero and sign extension. */
ir_value opt_idiom_shift(struct forward *f, enum ir_opcode code, enum ir_type type, ir_value x, ir_value y)
{
    enum ir_type narrow;
    ir_value source;
    s64 left;

    if (type != IR_I64 || !ir_is_const(f->b, y) || !match_imm(f, x, IR_SHL, IR_I64, &source, &left))
        return IR_NONE;
    narrow = type_of_bits(64 - left);
    if (narrow == IR_VOID || op_of(f, y)->imm != left || !opt_is_at_hand(f, source, x))
        return IR_NONE;
    source = ir_trunc(f->b, narrow, source);
    return code == IR_SHR ? ir_zext(f->b, IR_I64, source) : ir_sext(f->b, IR_I64, source);
}

/* What v is the low part of. */
static ir_value widest(const struct forward *f, ir_value v)
{
    while (op_of(f, v)->code == IR_TRUNC)
        v = op_of(f, v)->arg[0];
    return v;
}

/* left is source << n and right is source >> (width - n): the rotation to the left, or IR_NONE. */
static ir_value match_rotation(struct forward *f, enum ir_type type, ir_value left, ir_value right)
{
    ir_value a, b;
    s64 up, down;

    if (!match_imm(f, left, IR_SHL, type, &a, &up) || !match_imm(f, right, IR_SHR, type, &b, &down))
        return IR_NONE;
    if (up + down != (s64)ir_type_bits(type) || widest(f, a) != widest(f, b))
        return IR_NONE;
    if (!opt_is_at_hand(f, widest(f, a), MIN(left, right)))
        return IR_NONE;
    return ir_binary_imm(f->b, IR_ROL, a, up);
}

/* The 32-bit value that v is the sign extension of, or IR_NONE. */
static ir_value peel_word(const struct forward *f, ir_value v)
{
    const struct ir_op *op = op_of(f, v);

    return op->code == IR_SEXT && op->aux == IR_I32 ? op->arg[0] : IR_NONE;
}

/* x | y, x + y or x ^ y of two shifts of one value; also of sign-extended 32-bit shifts (slliw, srliw, or). */
ir_value opt_idiom_rotate(struct forward *f, enum ir_type type, ir_value x, ir_value y)
{
    bool is_word = false;
    ir_value v;

    if (type == IR_I64 && op_of(f, x)->code == IR_SEXT && op_of(f, y)->code == IR_SEXT) {
        x = peel_word(f, x);
        y = peel_word(f, y);
        if (x == IR_NONE || y == IR_NONE)
            return IR_NONE;
        type = IR_I32;
        is_word = true;
    }
    if (op_of(f, x)->code == IR_SHL)
        v = match_rotation(f, type, x, y);
    else if (op_of(f, y)->code == IR_SHL)
        v = match_rotation(f, type, y, x);
    else
        return IR_NONE;
    return v != IR_NONE && is_word ? ir_sext(f->b, IR_I64, v) : v;
}

/* slt+bnez, seqz+beqz and the like. */
void opt_idiom_compare(struct forward *f, enum ir_cond *cond, ir_value *x, ir_value *y)
{
    const struct ir_op *set = op_of(f, *x);

    if (set->code != IR_SETCC || !ir_is_const(f->b, *y) || op_of(f, *y)->imm != 0)
        return;
    if (*cond != IR_EQ && *cond != IR_NE)
        return;
    if (!opt_is_at_hand(f, set->arg[0], *x) || !opt_is_at_hand(f, set->arg[1], *x))
        return;
    *cond = *cond == IR_NE ? (enum ir_cond)set->aux : ir_cond_invert((enum ir_cond)set->aux);
    *x = set->arg[0];
    *y = set->arg[1];
}
