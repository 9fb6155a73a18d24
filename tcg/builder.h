/*
 * tcg/builder.h - how front ends write IR. Every function appends one op and returns its value; when the block is
 * full it sets block->overflow and returns a valid dummy, so callers need not test. Trivial folding (constants,
 * x+0, ext of const) may be done here, so the returned value need not be a new op.
 */
#ifndef TCG_BUILDER_H
#define TCG_BUILDER_H

#include "tcg/ir.h"

ir_value ir_const(struct ir_block *b, enum ir_type type, s64 imm);
ir_value ir_get(struct ir_block *b, enum ir_type type, unsigned reg);
void ir_put(struct ir_block *b, enum ir_type type, unsigned reg, ir_value v);
ir_value ir_pc_add(struct ir_block *b, s64 delta); /* pc_page + delta */

/* Conversions between integer types; from wider to narrower (trunc) or narrower to wider. */
ir_value ir_trunc(struct ir_block *b, enum ir_type to, ir_value v);
ir_value ir_zext(struct ir_block *b, enum ir_type to, ir_value v);
ir_value ir_sext(struct ir_block *b, enum ir_type to, ir_value v);

/* Any row with one or two operands of one type and a result of it: IR_ADD .. IR_MAXU. */
ir_value ir_unary(struct ir_block *b, enum ir_opcode code, ir_value x);
ir_value ir_binary(struct ir_block *b, enum ir_opcode code, ir_value x, ir_value y);
ir_value ir_binary_imm(struct ir_block *b, enum ir_opcode code, ir_value x, s64 imm);
ir_value ir_setcc(struct ir_block *b, enum ir_cond cond, ir_value x, ir_value y);
/* x <cond> y ? yes : no */
ir_value ir_select(struct ir_block *b, enum ir_cond cond, ir_value x, ir_value y, ir_value yes, ir_value no);

/* IR_FADD .. IR_FROM_BITS; aux is an enum ir_fp word; operands that the op does not have: IR_NONE. */
ir_value ir_fp(struct ir_block *b, enum ir_opcode code, enum ir_type type, u32 aux, ir_value x, ir_value y, ir_value z);
/* The accumulated floating-point flags. */
ir_value ir_fenv_get(struct ir_block *b);
void ir_fenv_set(struct ir_block *b, ir_value flags);
/* f64 register to f32 and back: a box that was just made is not opened again. */
ir_value ir_box(struct ir_block *b, ir_value f32);
ir_value ir_unbox(struct ir_block *b, ir_value f64);
ir_value ir_bits(struct ir_block *b, ir_value f64);
ir_value ir_from_bits(struct ir_block *b, ir_value i64);

/* Guest memory at base + disp; mem is an enum ir_mem word. type: IR_I32, IR_I64 or IR_F64. */
ir_value ir_load(struct ir_block *b, enum ir_type type, u32 mem, ir_value base, s64 disp);
void ir_store(struct ir_block *b, u32 mem, ir_value base, s64 disp, ir_value v);
ir_value ir_amo(struct ir_block *b, enum ir_amo op, u32 mem, ir_value address, ir_value v);
ir_value ir_cas(struct ir_block *b, u32 mem, ir_value address, ir_value expected, ir_value desired);
void ir_fence(struct ir_block *b, u32 orders);

/* Where the local exits to pc go on: what registers hold is not known here. */
void ir_label(struct ir_block *b, s32 pc);

/* Unused arguments: IR_NONE. Returns the value, or IR_NONE for a helper without one. */
ir_value ir_call(struct ir_block *b, const struct ir_helper *helper, ir_value a0, ir_value a1, ir_value a2, ir_value a3);

/*
 * Vectors (tcg/vector.h); aux has the kind and may have IR_VECTOR_SCALAR and IR_VECTOR_SOME. scalar: i64, for floating-point lanes f32 or f64; IR_NONE: there is none.
 */
struct ir_vector_place;
void ir_vector(struct ir_block *b, enum ir_type lane, u32 aux, const struct ir_vector_place *place, ir_value scalar);
ir_value ir_vector_number(struct ir_block *b, enum ir_type lane, u32 number, const struct ir_vector_place *place);
/*
 * log2 of the bytes, and where in the file (a multiple of 16). The helper takes (address, what), may leave, and writes no guest register, except when
 * it leaves.
 */
void ir_vector_load(struct ir_block *b, const struct ir_helper *helper, unsigned size, unsigned at, ir_value address, ir_value what);
void ir_vector_store(struct ir_block *b, const struct ir_helper *helper, unsigned size, unsigned at, ir_value address, ir_value what);
/* With IR_VECTOR_PART; element: log2 of its bytes. */
void ir_vector_load_part(struct ir_block *b, const struct ir_helper *helper, unsigned size, unsigned at, unsigned element, ir_value address, ir_value what);
void ir_vector_store_part(struct ir_block *b, const struct ir_helper *helper, unsigned size, unsigned at, unsigned element, ir_value address, ir_value what);

/* With IR_VECTOR_UNDER, and IR_VECTOR_PART if the length counts, too. */
void ir_vector_transfer_masked(struct ir_block *b, bool is_load, const struct ir_helper *helper, unsigned size, unsigned at, unsigned element, bool part,
                               ir_value address, ir_value what);

/* A guest instruction of `length` bytes begins at pc_page + pc. */
void ir_insn(struct ir_block *b, s32 pc, unsigned length);

/* Side exit to pc_page + pc when x <cond> y; icount counts the current instruction as retired. */
void ir_exit_if(struct ir_block *b, enum ir_cond cond, ir_value x, ir_value y, s32 pc);
/* Ends of a block. */
void ir_exit(struct ir_block *b, s32 pc, enum ir_exit_hint hint, s32 return_pc);
/* To the address less the bits in `clear`, which lie within a page. */
void ir_exit_to(struct ir_block *b, ir_value address, u16 clear, enum ir_exit_hint hint, s32 return_pc);
void ir_leave(struct ir_block *b);

#endif
