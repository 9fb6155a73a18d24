/*
 * tcg/x86_64/leaf.h - C functions that generated code calls as if they were instructions: they save every register that they change, know
 * general registers alone (leaf.c is compiled so) and call nothing. Guest state stays in its registers around them.
 */
#ifndef TCG_X86_64_LEAF_H
#define TCG_X86_64_LEAF_H

#include "base/types.h"

#define X86_LEAF __attribute__((no_caller_saved_registers))

/* Where the words of leaves have what is not in ir_vector_pack. */
enum { X86_LEAF_NUMBER_SHIFT = 48 };

/* A vector op on groups of lanes: `file` is the vector file, the word is of ir_vector_pack and the op's number (X86_LEAF_NUMBER_SHIFT). */
typedef void x86_leaf_function(u8 *file, u64 word);
X86_LEAF void x86_leaf_sha256_schedule(u8 *file, u64 word);
X86_LEAF void x86_leaf_sha256_low(u8 *file, u64 word);
X86_LEAF void x86_leaf_sha256_high(u8 *file, u64 word);
X86_LEAF void x86_leaf_sha512_schedule(u8 *file, u64 word);
X86_LEAF void x86_leaf_sha512_low(u8 *file, u64 word);
X86_LEAF void x86_leaf_sha512_high(u8 *file, u64 word);
X86_LEAF void x86_leaf_sm3_schedule(u8 *file, u64 word);
X86_LEAF void x86_leaf_sm3_rounds(u8 *file, u64 word);
X86_LEAF void x86_leaf_sm4_keys(u8 *file, u64 word);
X86_LEAF void x86_leaf_sm4_rounds(u8 *file, u64 word);
X86_LEAF void x86_leaf_sm4_rounds_one(u8 *file, u64 word);

#endif
