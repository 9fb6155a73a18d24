/*
 * target/riscv/mmu.h - address translation of a hart: Sv39, Sv48, Sv57 or none, then physical memory protection
 * (Privileged manual 1.13, sections 3.1.6.3, 3.7, 12.3 to 12.6; Svnapot, Svpbmt, Svadu).
 *
 * The vCPU's own thread inside the epoch, or the machine stopped.
 */
#ifndef TARGET_RISCV_MMU_H
#define TARGET_RISCV_MMU_H

#include "target/riscv/cpu.h"

/* struct cpu_class hooks. */
void riscv_mmu_context(struct vcpu *vcpu, struct mmu_context *context);
void riscv_mmu_walk(struct vcpu *vcpu, u64 address, unsigned size, enum mmu_access access, bool debug, struct mmu_page *page);
void riscv_mmu_permissions(u32 mode, u32 may[3]);
char *riscv_describe_mem(struct vcpu *vcpu);
char *riscv_describe_tlb(struct vcpu *vcpu);

/* Everything cached of this hart's translations and protections is dropped (through the accelerator). */
void riscv_mmu_flush_all(struct riscv_cpu *cpu);

#endif
