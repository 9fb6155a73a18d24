/*
 * target/riscv/vector_crypto.c - vector cryptography (Unprivileged manual, "Cryptography Extensions: Vector") as calls: what the vector ops of the
 * same names compute (tcg/vector.def), on groups of four or eight elements. vl and vstart are multiples of that. No masks.
 */
#include "target/riscv/vector.h"
#include "tcg/vector.h"

static void run(struct vector *v, enum ir_vector_kind kind, enum ir_type type)
{
    u64 bytes = type == IR_I64 ? 8 : 4, from = v->start * bytes, shared = ir_vector_has_one(kind) ? 0 : from;

    if (v->start < v->vl)
        ir_vector_groups(kind, type, v->d + from, v->s2 + shared, v->s1 + from, v->x, (u32)((v->vl - v->start) * bytes));
}

#define WORDS(kind) static void words_##kind(struct vector *v) { run(v, IR_VECTOR_##kind, IR_I32); }
#define BOTH(kind) WORDS(kind) static void doubles_##kind(struct vector *v) { run(v, IR_VECTOR_##kind, IR_I64); }
WORDS(AESEM) WORDS(AESEF) WORDS(AESDM) WORDS(AESDF) WORDS(AESEM_ONE) WORDS(AESEF_ONE) WORDS(AESDM_ONE) WORDS(AESDF_ONE) WORDS(AESZ_ONE)
WORDS(AESKF1) WORDS(AESKF2) WORDS(GHSH) WORDS(GMUL) BOTH(SHA2MS) BOTH(SHA2CH) BOTH(SHA2CL) WORDS(SM4K) WORDS(SM4R) WORDS(SM4R_ONE) WORDS(SM3ME)
WORDS(SM3C)

#define V(kind) { { [2] = words_##kind } }
#define I(kind) { { NULL }, { [2] = words_##kind } }
#define SHA2(kind) { { [2] = words_##kind, [3] = doubles_##kind } }

riscv_vector_functions riscv_vector_crypto[RISCV_V_OP_COUNT] = {
    [RISCV_V_AESEM] = V(AESEM), [RISCV_V_AESEF] = V(AESEF), [RISCV_V_AESDM] = V(AESDM), [RISCV_V_AESDF] = V(AESDF),
    [RISCV_V_AESEM_S] = V(AESEM_ONE), [RISCV_V_AESEF_S] = V(AESEF_ONE), [RISCV_V_AESDM_S] = V(AESDM_ONE), [RISCV_V_AESDF_S] = V(AESDF_ONE),
    [RISCV_V_AESZ_S] = V(AESZ_ONE), [RISCV_V_AESKF1] = I(AESKF1), [RISCV_V_AESKF2] = I(AESKF2), [RISCV_V_GHSH] = V(GHSH), [RISCV_V_GMUL] = V(GMUL),
    [RISCV_V_SHA2MS] = SHA2(SHA2MS), [RISCV_V_SHA2CH] = SHA2(SHA2CH), [RISCV_V_SHA2CL] = SHA2(SHA2CL),
    [RISCV_V_SM4K] = I(SM4K), [RISCV_V_SM4R] = V(SM4R), [RISCV_V_SM4R_S] = V(SM4R_ONE), [RISCV_V_SM3ME] = V(SM3ME), [RISCV_V_SM3C] = I(SM3C),
};
