/* target/riscv/vector_attempt.h - what is tried before the helpers of vector loads and stores: their arguments. tcg/attempt.h */
#ifndef TARGET_RISCV_VECTOR_ATTEMPT_H
#define TARGET_RISCV_VECTOR_ATTEMPT_H

#include "tcg/attempt.h"

/* In what the helpers of vector_memory.c take: log2 of vlenb, where the instruction is known to be legal. */
enum { RISCV_VMEM_VLENB_SHIFT = 50 };

/* In vstart, for the helper that comes next: where it goes on, the attempt began with element 0. */
#define RISCV_VSTART_ATTEMPTED (1ull << 63)

IR_ATTEMPT bool riscv_attempt_vector_memory(u8 *state, u64 what, u64 address, u64 stride, const struct code_layout *layout);
IR_ATTEMPT bool riscv_attempt_vector_transfer(u8 *state, u64 address, u64 what, u64 unused, const struct code_layout *layout);

#endif
