/*
 * target/riscv/pmp.h - physical memory protection (Privileged manual, section 3.7). The vCPU's own thread.
 */
#ifndef TARGET_RISCV_PMP_H
#define TARGET_RISCV_PMP_H

#include "target/riscv/cpu.h"

enum riscv_pmp { RISCV_PMP_R = 1, RISCV_PMP_W = 2, RISCV_PMP_X = 4, RISCV_PMP_ALL = 7 };

/* The entries changed other than by a CSR (reset): forgets what was cached of them. */
void riscv_pmp_forget(struct riscv_cpu *cpu);

/* What `privilege` may do with all of [address, address + size): enum riscv_pmp bits. */
u8 riscv_pmp_check(struct riscv_cpu *cpu, u64 address, u64 size, enum riscv_privilege privilege);
/* The same for a whole 4 KiB page; *split: parts of it differ, check each access. */
u8 riscv_pmp_check_page(struct riscv_cpu *cpu, u64 address, enum riscv_privilege privilege, bool *split);

#endif
