/* tests/isa/layout.h - a hart's registers and tables as the back ends want them described, for programs without accelerator. */
#ifndef TESTS_ISA_LAYOUT_H
#define TESTS_ISA_LAYOUT_H

#include "target/riscv/cpu.h"
#include "target/riscv/regs.h"
#include "tcg/backend.h"
#include <string.h>

enum { ISA_L1_BITS = 6, ISA_JUMP_BITS = 4, ISA_TABLES = 64 * 1024 };

/* The base pointer is the struct riscv_state; the tables lie ISA_TABLES bytes behind it. reg: RISCV_REG_COUNT rows. */
static inline void isa_describe_layout(struct code_layout *l, struct ir_reg *reg)
{
    static const u16 pinned[] = { 2, 1, 10, 11, 12, 13, 14, 15, 8, 9, 18, 19 };
    const s32 host = -(s32)sizeof(struct vcpu_host);

    for (unsigned i = 0; i < 64; i++) {
        char name[8];

        g_snprintf(name, sizeof(name), "%c%u", i < 32 ? 'x' : 'f', i % 32);
        reg[i] = (struct ir_reg){ g_intern_string(name), i < 32 ? IR_I64 : IR_F64, (s32)(8 * i) };
    }
    reg[RISCV_REG_RESERVE_ADDRESS] = (struct ir_reg){ "reserve_address", IR_I64, offsetof(struct riscv_state, reserve_address) };
    reg[RISCV_REG_RESERVE_VALUE] = (struct ir_reg){ "reserve_value", IR_I64, offsetof(struct riscv_state, reserve_value) };
    reg[RISCV_REG_FP_DIRTY] = (struct ir_reg){ "fp_dirty", IR_I64, offsetof(struct riscv_state, fp_dirty) };
    reg[RISCV_REG_SSCRATCH] = (struct ir_reg){ "sscratch", IR_I64, offsetof(struct riscv_state, sscratch) };
    reg[RISCV_REG_SEPC] = (struct ir_reg){ "sepc", IR_I64, offsetof(struct riscv_state, sepc) };
    reg[RISCV_REG_SCAUSE] = (struct ir_reg){ "scause", IR_I64, offsetof(struct riscv_state, scause) };
    reg[RISCV_REG_STVAL] = (struct ir_reg){ "stval", IR_I64, offsetof(struct riscv_state, stval) };
    reg[RISCV_REG_FRM] = (struct ir_reg){ "frm", IR_I8, offsetof(struct riscv_state, frm) };
    reg[RISCV_REG_VL] = (struct ir_reg){ "vl", IR_I64, offsetof(struct riscv_state, vl) };
    reg[RISCV_REG_VTYPE] = (struct ir_reg){ "vtype", IR_I64, offsetof(struct riscv_state, vtype) };
    reg[RISCV_REG_VSTART] = (struct ir_reg){ "vstart", IR_I64, offsetof(struct riscv_state, vstart) };
    reg[RISCV_REG_VS_DIRTY] = (struct ir_reg){ "vs_dirty", IR_I64, offsetof(struct riscv_state, vs_dirty) };
    l->vectors = offsetof(struct riscv_state, v);
    l->vector_length = offsetof(struct riscv_state, vl);
    l->reg = reg;
    l->reg_count = RISCV_REG_COUNT;
    l->pinned_count = ARRAY_SIZE(pinned);
    memcpy(l->pinned, pinned, sizeof(pinned));
    l->vcpu = host + (s32)offsetof(struct vcpu_host, vcpu);
    l->pc = offsetof(struct riscv_state, pc);
    l->pc_page = host + (s32)offsetof(struct vcpu_host, pc_page);
    l->exit_request = host + (s32)offsetof(struct vcpu_host, exit_request);
    l->scratch = host + (s32)offsetof(struct vcpu_host, scratch);
    l->spill_near = host + (s32)offsetof(struct vcpu_host, spill);
    l->spill = host - TCG_SPILL_SLOTS * (s32)sizeof(u64);
    l->returns = host + (s32)offsetof(struct vcpu_host, returns);
    for (u16 i = 0; i < 12; i++)
        l->pinned_fp[i] = RISCV_REG_F + 8 + i;
    l->pinned_fp_count = 12;
    l->fp_rounding = offsetof(struct riscv_state, frm);
    l->fp_flags = offsetof(struct riscv_state, fflags);
    l->fp_live = host + (s32)offsetof(struct vcpu_host, fp_live);
    l->fp_area = host + (s32)offsetof(struct vcpu_host, fp_area);
    l->icount = host + (s32)offsetof(struct vcpu_host, icount);
    l->l1_bits = ISA_L1_BITS;
    l->jump_bits = ISA_JUMP_BITS;
    l->l1_read = ISA_TABLES;
    l->l1_write = l->l1_read + (s32)tcg_l1_bytes(ISA_L1_BITS);
    l->jump_cache = l->l1_write + (s32)tcg_l1_bytes(ISA_L1_BITS);
}

#endif
