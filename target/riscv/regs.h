/*
 * target/riscv/regs.h - the guest registers that translated code names in get and put (cpu_class.regs, in this order;
 * i64 members of struct riscv_state, f registers f64).
 */
#ifndef TARGET_RISCV_REGS_H
#define TARGET_RISCV_REGS_H

enum riscv_reg {
    RISCV_REG_X = 0,               /* x0..x31; x0 is never named */
    RISCV_REG_F = 32,              /* f0..f31, NaN-boxed raw bits */
    RISCV_REG_RESERVE_ADDRESS = 64, /* of the last LR; -1: no reservation. xRET, traps and SC set -1 */
    RISCV_REG_RESERVE_VALUE,       /* what that LR read, sign-extended */
    RISCV_REG_FP_DIRTY,            /* non-zero: floating-point state was written since FS was last made Clean or Initial:
                                      reads of mstatus/sstatus then show FS (and SD) as Dirty; a write of FS clears it */
    /* CSRs that a trap handler touches at every entry; inline for S and M mode. */
    RISCV_REG_SSCRATCH,
    RISCV_REG_SEPC,
    RISCV_REG_SCAUSE,
    RISCV_REG_STVAL,
    /* For sstatus.SIE. The lines change at any time: a value read earlier in the block is as good, the change asks for a poll. */
    RISCV_REG_MSTATUS,             /* struct riscv_state.mstatus: FS and SD need fp_dirty */
    RISCV_REG_LINES,
    RISCV_REG_SOFTWARE,
    RISCV_REG_MIE,
    RISCV_REG_FRM,                 /* i8; only read */
    /* What vector instructions depend on. Helpers change them behind the translator's back, to what it knows already or leaving. */
    RISCV_REG_VL,
    RISCV_REG_VTYPE,
    RISCV_REG_VSTART,
    RISCV_REG_VS_DIRTY,            /* as fp_dirty, for VS */
    RISCV_REG_COUNT
};

#endif
