/*
 * tcg/idioms.c - what guest code writes as several instructions and hosts have one for. Used by the builder where it knows what guest
 * registers hold.
 */
#include "tcg/idioms.h"
#include "tcg/append.h"
#include "tcg/builder.h"

static const struct ir_op *op_of(const struct ir_block *b, ir_value v)
{
    return &b->op[v];
}

/*
 * True when using a value here costs no register: a constant, or still in a guest register, or overwritten there by ops from
 * `since` on which all go when their reader does (nothing could leave meanwhile). Linear in registers, but only candidates come here.
 */
static bool is_at_hand(const struct ir_block *b, ir_value v, ir_value since)
{
    if (since > b->last_leave || b->op[v].code == IR_CONST)
        return true;
    for (u32 i = 0; i < b->tracked; i++)
        if (b->current[i] == v)
            return true;
    return false;
}

/* v is x <code> constant, the operation on the given type. */
static bool match_imm(const struct ir_block *b, ir_value v, enum ir_opcode code, enum ir_type type, ir_value *x, s64 *imm)
{
    const struct ir_op *op = op_of(b, v);

    if (op->code != code || op->type != type || !ir_is_const(b, op->arg[1]))
        return false;
    *x = op->arg[0];
    *imm = op_of(b, op->arg[1])->imm & (ir_type_bits(type) - 1);
    return true;
}

static enum ir_type type_of_bits(s64 bits)
{
    return bits == 8 ? IR_I8 : bits == 16 ? IR_I16 : bits == 32 ? IR_I32 : IR_VOID;
}

/* slli+srli and slli+srai by the same count of 32, 48 or 56: zero and sign extension. */
ir_value ir_idiom_shift(struct ir_block *b, enum ir_opcode code, enum ir_type type, ir_value x, ir_value y)
{
    enum ir_type narrow;
    ir_value source;
    s64 left;

    if (type != IR_I64 || !ir_is_const(b, y) || !match_imm(b, x, IR_SHL, IR_I64, &source, &left))
        return IR_NONE;
    narrow = type_of_bits(64 - left);
    if (narrow == IR_VOID || op_of(b, y)->imm != left || !is_at_hand(b, source, x))
        return IR_NONE;
    source = ir_trunc(b, narrow, source);
    return code == IR_SHR ? ir_zext(b, IR_I64, source) : ir_sext(b, IR_I64, source);
}

/* What v is the low part of. */
static ir_value widest(const struct ir_block *b, ir_value v)
{
    while (op_of(b, v)->code == IR_TRUNC)
        v = op_of(b, v)->arg[0];
    return v;
}

/* left is source << n and right is source >> (width - n): the rotation to the left, or IR_NONE. */
static ir_value match_rotation(struct ir_block *b, enum ir_type type, ir_value left, ir_value right)
{
    ir_value source, other;
    s64 up, down;

    if (!match_imm(b, left, IR_SHL, type, &source, &up) || !match_imm(b, right, IR_SHR, type, &other, &down))
        return IR_NONE;
    if (up + down != (s64)ir_type_bits(type) || widest(b, source) != widest(b, other))
        return IR_NONE;
    if (!is_at_hand(b, widest(b, source), MIN(left, right)))
        return IR_NONE;
    return ir_binary_imm(b, IR_ROL, source, up);
}

/* The 32-bit value that v is the sign extension of, or IR_NONE. */
static ir_value peel_word(const struct ir_block *b, ir_value v)
{
    const struct ir_op *op = op_of(b, v);

    return op->code == IR_SEXT && op->aux == IR_I32 ? op->arg[0] : IR_NONE;
}

/* x | y, x + y or x ^ y of two shifts of one value; also of sign-extended 32-bit shifts (slliw, srliw, or). */
ir_value ir_idiom_rotate(struct ir_block *b, enum ir_type type, ir_value x, ir_value y)
{
    bool is_word = false;
    ir_value v;

    if (type == IR_I64 && op_of(b, x)->code == IR_SEXT && op_of(b, y)->code == IR_SEXT) {
        x = peel_word(b, x);
        y = peel_word(b, y);
        if (x == IR_NONE || y == IR_NONE)
            return IR_NONE;
        type = IR_I32;
        is_word = true;
    }
    if (op_of(b, x)->code == IR_SHL)
        v = match_rotation(b, type, x, y);
    else if (op_of(b, y)->code == IR_SHL)
        v = match_rotation(b, type, y, x);
    else
        return IR_NONE;
    return v != IR_NONE && is_word ? ir_sext(b, IR_I64, v) : v;
}

/* slt+bnez, seqz+beqz and the like. */
void ir_idiom_compare(struct ir_block *b, enum ir_cond *cond, ir_value *x, ir_value *y)
{
    const struct ir_op *set = op_of(b, *x);

    if (set->code != IR_SETCC || !ir_is_const(b, *y) || op_of(b, *y)->imm != 0)
        return;
    if (*cond != IR_EQ && *cond != IR_NE)
        return;
    if (!is_at_hand(b, set->arg[0], *x) || !is_at_hand(b, set->arg[1], *x))
        return;
    *cond = *cond == IR_NE ? (enum ir_cond)set->aux : ir_cond_invert((enum ir_cond)set->aux);
    *x = set->arg[0];
    *y = set->arg[1];
}
