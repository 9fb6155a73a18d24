/*
 * target/riscv/aia.h - the hart's part of the advanced interrupt architecture (RISC-V AIA 1.0, chapters 2, 3.8-3.9, 5): priorities of
 * major interrupts, virtual interrupts for supervisor level, and the way to the interrupt files of an IMSIC.
 *
 * The vCPU's own thread, or the machine stopped. Without Smaia and Ssaia all of it is zero.
 */
#ifndef TARGET_RISCV_AIA_H
#define TARGET_RISCV_AIA_H

#include "target/riscv/cpu.h"

enum riscv_level { RISCV_LEVEL_M, RISCV_LEVEL_S }; /* also numbers of vCPU ports and of iprio arrays */

static inline bool riscv_aia_present(const struct riscv_cpu *cpu)
{
    return riscv_has(cpu, RISCV_EXT_SMAIA) || riscv_has(cpu, RISCV_EXT_SSAIA);
}

/* As riscv_interrupt_pending: the interrupt to take now, by the priorities that are configured. */
int riscv_aia_pending(struct riscv_cpu *cpu);

/* Bits of sip and sie that are mvip's and their own (section 5.3): mideleg's is zero, mvien's is one. */
u64 riscv_aia_virtual_pending(struct riscv_cpu *cpu);
u64 riscv_aia_virtual_enabled(struct riscv_cpu *cpu);
void riscv_aia_write_sip(struct riscv_cpu *cpu, u64 value, u64 mask);
void riscv_aia_write_sie(struct riscv_cpu *cpu, u64 value, u64 mask);
/*
 * After a change of mideleg, mvien, mvip, or sie: bit 0 of struct riscv_state.software, which is no interrupt's, says that a virtual
 * interrupt is pending and enabled. So whoever looks for work sees it by the same test as all others.
 */
void riscv_aia_update(struct riscv_cpu *cpu);

#endif
