/* target/riscv/translate_vector.h - what the translation of vectors shares (translate_vector_length.c has it). */
#ifndef TARGET_RISCV_TRANSLATE_VECTOR_H
#define TARGET_RISCV_TRANSLATE_VECTOR_H

#include "base/bits.h"
#include "target/riscv/translate.h"
#include "target/riscv/vector.h"
#include "tcg/vector.h"

/* This variant may leave for the careful one, too. */
bool translate_vector_may_inline(const struct translation *t);
/* Lanes that an op is about, at most; some: how many there are is not known. 0: it is to be a call. */
u64 translate_vector_lanes(const struct translation *t, bool *some);
/* vtype from here on; vl is not known. */
void translate_vector_know(struct translation *t, bool known, u64 vtype);
/* What the hart has now it mostly has whenever it comes here. */
void translate_vector_assume(struct translation *t);
/*
 * The careful variant of a block without vsetvli before its first op, which is a call and leaves behind itself when vtype is not what the hart has
 * now: then the ops behind it know vtype, as behind a vsetvli. RISCV_VTYPE_ANY: it is not to be so.
 */
u64 translate_vector_expect(struct translation *t);
/* A constant into a register of the state; VS = Dirty. */
void translate_vector_put(struct translation *t, unsigned reg, u64 value);
void translate_vector_dirty(struct translation *t);

#endif
