/*
 * target/riscv/quick.h - from guest code to quick code (tcg/quick.h).
 *
 * Thread: whoever holds the translation lock of accel/tcg.
 */
#ifndef TARGET_RISCV_QUICK_H
#define TARGET_RISCV_QUICK_H

#include "tcg/quick.h"
#include "vm/vcpu.h"

/* What is done with an instruction. */
enum riscv_quick_action {
    RISCV_QUICK_NEVER,     /* it ends the stretch */
    RISCV_QUICK_SKIP,      /* it does nothing */
    RISCV_QUICK_PLAIN,     /* its entry is always the same */
    RISCV_QUICK_INCREMENT, /* addi or addiw rd, rd */
    RISCV_QUICK_AUIPC, RISCV_QUICK_BRANCH, RISCV_QUICK_JAL, RISCV_QUICK_JALR,
};

enum { RISCV_QUICK_BITS = 11 };

/* What instructions mean, by a hash of their bits. All zero: nothing is known (0 is no instruction). Of one CPU's extensions. */
struct riscv_quick_memo {
    struct riscv_quick_insn {
        u32 raw;
        u8 action;              /* enum riscv_quick_action */
        u8 hint;                /* enum ir_exit_hint */
        struct quick_insn insn; /* but for the places and numbers that depend on where it stands */
    } insn[1 << RISCV_QUICK_BITS];
};

/*
 * As much as quick code can be of, at the source's offset, into QUICK_MAX entries; their number, 0: the first instruction is nothing for it. guards:
 * riscv_guards() of the CPU. Not for the variants of a block (max_insns 1, single_memory), nor with code_source.follow.
 */
u32 riscv_quick(struct ir_block *block, const struct code_source *source, u64 guards, struct riscv_quick_memo *memo, struct quick_insn *out);

#endif
