/*
 * target/riscv/mode.h - the mode word (struct mmu_context.mode): everything of a hart's state that changes how code
 * decodes or what the translator makes of it, and how data addresses are checked. cpu_class.context fills it in.
 */
#ifndef TARGET_RISCV_MODE_H
#define TARGET_RISCV_MODE_H

enum riscv_mode {
    RISCV_MODE_PRIVILEGE = 3,             /* bits 1:0: 0 U, 1 S, 3 M */
    RISCV_MODE_FP_OFF = 1 << 2,           /* mstatus.FS is off: floating point is illegal */
    RISCV_MODE_FRM_INVALID = 1 << 3,      /* frm is 5, 6 or 7: dynamic rounding is illegal */
    RISCV_MODE_DATA_PRIVILEGE_SHIFT = 4,  /* bits 5:4: effective privilege of loads and stores (MPRV) */
    RISCV_MODE_SUM = 1 << 6,
    RISCV_MODE_MXR = 1 << 7,
    RISCV_MODE_CBO_ZERO_OFF = 1 << 8,     /* menvcfg/senvcfg forbid cbo.zero here: it is illegal */
    RISCV_MODE_FRM_AWAY = 1 << 9,         /* frm is RMM, which hosts do not have */
    /* What decoding and translation do not depend on. */
    RISCV_MODE_DATA = 3 << 4 | RISCV_MODE_SUM | RISCV_MODE_MXR,
    RISCV_MODE_V_OFF = 1 << 16,           /* mstatus.VS is off: vectors are illegal */
    /* Bits from 17 up belong to whoever needs more (H, breakpoints). */
};

#endif
