/*
 * target/riscv/trap.h - traps and interrupts of a hart (Privileged manual 1.13, sections 3.1 and 3.3).
 *
 * The vCPU's own thread (or the machine stopped), unless said otherwise. x, f and pc are in the state.
 */
#ifndef TARGET_RISCV_TRAP_H
#define TARGET_RISCV_TRAP_H

#include "target/riscv/cpu.h"

enum riscv_cause {
    RISCV_FETCH_MISALIGNED = 0,
    RISCV_FETCH_ACCESS = 1,
    RISCV_ILLEGAL_INSTRUCTION = 2,
    RISCV_BREAKPOINT = 3,
    RISCV_LOAD_MISALIGNED = 4,
    RISCV_LOAD_ACCESS = 5,
    RISCV_STORE_MISALIGNED = 6,
    RISCV_STORE_ACCESS = 7,
    RISCV_ECALL_U = 8,
    RISCV_ECALL_S = 9,
    RISCV_ECALL_M = 11,
    RISCV_FETCH_PAGE_FAULT = 12,
    RISCV_LOAD_PAGE_FAULT = 13,
    RISCV_STORE_PAGE_FAULT = 15,
};

/* With an enum riscv_interrupt: as riscv_trap takes it. */
#define RISCV_CAUSE_INTERRUPT (UINT32_C(1) << 31)
/* An interrupt for supervisor level whatever mideleg says (mvien). */
#define RISCV_CAUSE_VIRTUAL (UINT32_C(1) << 30)

/* Numbers of interrupts, of mip's bits and of a vCPU's input lines. */
enum riscv_interrupt {
    RISCV_INT_SSI = 1,
    RISCV_INT_MSI = 3,
    RISCV_INT_STI = 5,
    RISCV_INT_MTI = 7,
    RISCV_INT_SEI = 9,
    RISCV_INT_MEI = 11,
    RISCV_INT_COUNT = 16,
};

/* Takes the trap: privilege, CSRs and pc become those of the handler. */
void riscv_trap(struct riscv_cpu *cpu, u32 cause, u64 tval);

/* mip as it reads. Any thread. */
u64 riscv_mip(struct riscv_cpu *cpu);
/* The number of the interrupt to take now, perhaps with RISCV_CAUSE_VIRTUAL, or -1. */
int riscv_interrupt_pending(struct riscv_cpu *cpu);
/* STIP follows time, stimecmp and menvcfg.STCE; arms the timer for the next change. */
void riscv_timer_update(struct riscv_cpu *cpu);

/* wfi: whether to halt until riscv_has_work. The vCPU's own thread. */
bool riscv_wait(struct riscv_cpu *cpu);

/* struct cpu_class hooks. */
bool riscv_has_work(struct vcpu *vcpu); /* the vCPU's own thread */
bool riscv_take_interrupt(struct vcpu *vcpu);
void riscv_line_changed(struct vcpu *vcpu, u32 number, u32 level); /* any thread */
void riscv_time_changed(struct vcpu *vcpu);
void riscv_timer_expired(struct vcpu *vcpu, u32 slot);
/* The cause of an access that nothing or a device refused, and of a misaligned atomic one. */
void riscv_bus_error(struct vcpu *vcpu, u64 address, enum mmu_access access, struct mmu_page *page);
void riscv_misaligned(struct vcpu *vcpu, u64 address, enum mmu_access access, struct mmu_page *page);
void riscv_fault(struct vcpu *vcpu, u64 address, enum mmu_access access, const struct mmu_page *page);

#endif
