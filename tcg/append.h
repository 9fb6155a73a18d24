/*
 * tcg/append.h - the raw end of the builder, for tcg/ itself (builder, parser, passes): one op appended as it is.
 * Everything here is inline because the translator has 150 ns for a guest instruction.
 */
#ifndef TCG_APPEND_H
#define TCG_APPEND_H

#include "tcg/ir.h"

/* The type of a value: what reading it gives. */
static inline enum ir_type ir_value_type(const struct ir_block *b, ir_value v)
{
    const struct ir_op *op = &b->op[v];

    if (unlikely(op->code == IR_SETCC || op->code == IR_FCMP || op->code == IR_VEC_TO))
        return IR_I64;
    if (unlikely(op->code == IR_SELECT))
        return (enum ir_type)(op->aux >> 8);
    return (enum ir_type)op->type;
}

static inline bool ir_is_const(const struct ir_block *b, ir_value v)
{
    return b->op[v].code == IR_CONST;
}

/* An op of 64 bits: the low half of the result depends on the low halves of the operands alone. */
static inline bool ir_is_modular(const struct ir_op *op)
{
    switch (op->code) {
    case IR_ADD:
    case IR_SUB:
    case IR_AND:
    case IR_OR:
    case IR_XOR:
    case IR_ANDN:
    case IR_ORN:
    case IR_XNOR:
    case IR_NOT:
    case IR_NEG:
    case IR_MUL:
        return op->type == IR_I64;
    default:
        return false;
    }
}

/* A word in 64 bits. */
static inline bool ir_extends_word(const struct ir_op *op)
{
    return (op->code == IR_SEXT || op->code == IR_ZEXT) && op->aux == IR_I32 && op->type == IR_I64;
}

/* imm as a constant of the type is kept: sign-extended. */
static inline s64 ir_const_wrap(enum ir_type type, s64 imm)
{
    switch (type) {
    case IR_I8:
        return (s8)imm;
    case IR_I16:
        return (s16)imm;
    case IR_I32:
        return (s32)imm;
    default:
        return imm;
    }
}

/* An op without operands yet. When the block is full: overflow, and the last op is used again. */
static inline struct ir_op *ir_append(struct ir_block *b, enum ir_opcode code, enum ir_type type)
{
    struct ir_op *op;

    if (unlikely(b->count >= b->capacity)) {
        b->overflow = true;
        b->count--;
    }
    op = &b->op[b->count++];
    op->code = (u8)code;
    op->type = (u8)type;
    op->aux = 0;
    op->arg[0] = op->arg[1] = op->arg[2] = op->arg[3] = IR_NONE;
    op->snapshot = (u16)(b->snapshot_count - 1);
    op->uses = 0;
    op->imm = 0;
    return op;
}

static inline ir_value ir_last(const struct ir_block *b)
{
    return (ir_value)(b->count - 1);
}

/* The next op can leave, or needs what was put before it. */
static inline void ir_note_leave(struct ir_block *b)
{
    b->last_leave = b->count;
}

/* What calling a helper does to what is known. builder.c */
void ir_track_call(struct ir_block *b, const struct ir_helper *helper);

/* Puts a comparison in order (constants right, fewest conditions). 1 or 0 when it is decided, else -1. builder.c */
int ir_fold_compare(struct ir_block *b, enum ir_cond *cond, ir_value *x, ir_value *y);

/* A new row of the exit table, or 0 and overflow. */
static inline u32 ir_append_exit(struct ir_block *b, enum ir_exit_kind kind, s32 pc,
                                 enum ir_exit_hint hint, s32 return_pc)
{
    if (unlikely(b->exit_count >= IR_MAX_EXITS)) {
        b->overflow = true;
        return 0;
    }
    b->exit[b->exit_count] = (struct ir_exit){
        .kind = (u8)kind, .hint = (u8)hint, .icount = (u16)b->insn_count, .pc = pc, .return_pc = return_pc
    };
    return b->exit_count++;
}

#endif
