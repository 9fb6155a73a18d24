/*
 * target/riscv/helpers.h - prototypes and descriptions of the functions of helpers.def.
 *
 * Called from translated code in the vCPU's thread, inside the epoch, without locks; vcpu is the struct vcpu *.
 */
#ifndef TARGET_RISCV_HELPERS_H
#define TARGET_RISCV_HELPERS_H

#include "tcg/ir.h"

#define HELPER_ARGS_0
#define HELPER_ARGS_1 , u64 a
#define HELPER_ARGS_2 , u64 a, u64 b
#define HELPER_ARGS_3 , u64 a, u64 b, u64 c
#define HELPER_ARGS_4 , u64 a, u64 b, u64 c, u64 d

#define HELPER(name, arguments, result, effects)                                                   \
    u64 riscv_helper_##name(void *vcpu HELPER_ARGS_##arguments);                                    \
    extern const struct ir_helper riscv_ir_##name;
#include "target/riscv/helpers.def"
#undef HELPER

/* All of them, NULL-terminated. */
extern const struct ir_helper *const riscv_ir_helpers[];

#endif
