/* target/riscv/vector_csr.c - the CSRs of the vector extension (Unprivileged manual, "V", section 3). */
#include "target/riscv/csr.h"
#include "target/riscv/vector.h"

enum { VSTART = 0x008, VXSAT = 0x009, VXRM = 0x00a, VCSR = 0x00f, VL = 0xc20, VTYPE = 0xc21 };

bool riscv_test_v(struct riscv_cpu *cpu, u32 number)
{
    return riscv_has(cpu, RISCV_EXT_ZVE32X);
}

bool riscv_test_v_on(struct riscv_cpu *cpu, u32 number)
{
    return riscv_state_of(cpu)->mstatus & MSTATUS_VS;
}

u64 riscv_read_vector(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number)
{
    const struct riscv_state *state = riscv_state_of(cpu);

    switch (number) {
    case VSTART:
        return state->vstart;
    case VXSAT:
        return state->vxsat;
    case VXRM:
        return state->vxrm;
    case VCSR:
        return state->vxsat | state->vxrm << 1;
    case VL:
        return state->vl;
    case VTYPE:
        return state->vtype;
    default:
        return cpu->vlen / 8;
    }
}

/* vstart holds any element of the longest vector (section 3.7). */
void riscv_write_vector(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number, u64 value, u64 mask)
{
    struct riscv_state *state = riscv_state_of(cpu);
    u64 merged = (riscv_read_vector(cpu, row, number) & ~mask) | (value & mask);

    state->vs_dirty = 1;
    switch (number) {
    case VSTART:
        state->vstart = merged & (cpu->vlen - 1u);
        break;
    case VXSAT:
        state->vxsat = merged & 1;
        break;
    case VXRM:
        state->vxrm = merged & 3;
        break;
    default:
        state->vxsat = merged & 1;
        state->vxrm = merged >> 1 & 3;
    }
}
