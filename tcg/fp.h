/*
 * tcg/fp.h - what floating-point ops compute, exactly: for the interpreter, for the cold paths of back ends, and as the oracle of
 * their tests. Any thread.
 */
#ifndef TCG_FP_H
#define TCG_FP_H

#include "tcg/ir.h"

struct ir_fp_result {
    u64 value; /* f32: in a NaN box */
    u64 flags; /* enum softfloat_flag */
};

/* An op in one word. */
static inline u32 ir_fp_make_word(unsigned code, unsigned type, unsigned aux)
{
    return code | type << 8 | aux << 16;
}

static inline u32 ir_fp_word(const struct ir_op *op)
{
    return ir_fp_make_word(op->code, op->type, op->aux);
}

/* rounding: the dynamic mode, as code_layout.fp_rounding has it. Operands: low bits of their type; above anything. */
struct ir_fp_result ir_fp_compute(u32 word, u64 a, u64 b, u64 c, u64 rounding);

#endif
