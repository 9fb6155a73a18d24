/* target/riscv/csr_status.c - CSRs with behaviour: status, interrupts, delegation, envcfg, floating point, identity. */
#include "base/bits.h"
#include "target/riscv/aia.h"
#include "target/riscv/csr.h"
#include "target/riscv/mmu.h"
#include "target/riscv/trap.h"

#define S_INTERRUPTS (BIT64(RISCV_INT_SSI) | BIT64(RISCV_INT_STI) | BIT64(RISCV_INT_SEI))
#define M_INTERRUPTS (BIT64(RISCV_INT_MSI) | BIT64(RISCV_INT_MTI) | BIT64(RISCV_INT_MEI))

/* Fetch and access faults, misalignments, illegal, breakpoint, ecall from U and S, page faults: not ecall from M. */
#define DELEGABLE UINT64_C(0xb3ff)

static u64 merge(u64 old, u64 value, u64 mask)
{
    return (old & ~mask) | (value & mask);
}

static u64 s_interrupts(const struct riscv_cpu *cpu)
{
    return riscv_has(cpu, RISCV_EXT_S) ? S_INTERRUPTS : 0;
}

/* Tests */

bool riscv_test_f(struct riscv_cpu *cpu, u32 number)
{
    return riscv_has(cpu, RISCV_EXT_F);
}

bool riscv_test_s(struct riscv_cpu *cpu, u32 number)
{
    return riscv_has(cpu, RISCV_EXT_S);
}

bool riscv_test_u(struct riscv_cpu *cpu, u32 number)
{
    return riscv_has(cpu, RISCV_EXT_U);
}

bool riscv_test_fp_on(struct riscv_cpu *cpu, u32 number)
{
    return riscv_state_of(cpu)->mstatus & MSTATUS_FS;
}

bool riscv_test_satp(struct riscv_cpu *cpu, u32 number)
{
    const struct riscv_state *state = riscv_state_of(cpu);

    return state->privilege == RISCV_M || !(state->mstatus & MSTATUS_TVM);
}

/* mstatus */

u64 riscv_mstatus(const struct riscv_state *state)
{
    u64 status = state->mstatus;

    if (state->vs_dirty && (status & MSTATUS_VS))
        status |= MSTATUS_VS;
    if (state->fp_dirty && (status & MSTATUS_FS))
        status |= MSTATUS_FS;
    return status | ((status & MSTATUS_FS) == MSTATUS_FS || (status & MSTATUS_VS) == MSTATUS_VS ? MSTATUS_SD : 0);
}

static u64 mstatus_mask(const struct riscv_cpu *cpu)
{
    u64 mask = MSTATUS_MIE | MSTATUS_MPIE | MSTATUS_MPP;

    if (riscv_has(cpu, RISCV_EXT_U))
        mask |= MSTATUS_MPRV | MSTATUS_TW;
    if (riscv_has(cpu, RISCV_EXT_S))
        mask |= SSTATUS_WRITE | MSTATUS_TSR;
    if (cpu->sv39) /* satp.MODE is not read-only 0 */
        mask |= MSTATUS_TVM;
    else
        mask &= ~(MSTATUS_SUM | MSTATUS_MXR);
    if (riscv_has(cpu, RISCV_EXT_F))
        mask |= MSTATUS_FS;
    else
        mask &= ~MSTATUS_FS;
    if (riscv_has(cpu, RISCV_EXT_ZVE32X))
        mask |= MSTATUS_VS;
    else
        mask &= ~MSTATUS_VS;
    return mask;
}

static bool has_privilege(const struct riscv_cpu *cpu, u64 privilege)
{
    return privilege == RISCV_M || (privilege == RISCV_S && riscv_has(cpu, RISCV_EXT_S)) ||
           (privilege == RISCV_U && riscv_has(cpu, RISCV_EXT_U));
}

static void write_status(struct riscv_cpu *cpu, u64 value, u64 mask)
{
    struct riscv_state *state = riscv_state_of(cpu);
    u64 old = riscv_mstatus(state) & ~MSTATUS_SD, status = merge(old, value, mask & mstatus_mask(cpu));

    if (!has_privilege(cpu, status >> MSTATUS_MPP_SHIFT & 3))
        status = merge(status, old, MSTATUS_MPP);
    if ((status ^ old) & (MSTATUS_MPRV | MSTATUS_MPP))
        state->reserve_address = RISCV_NO_RESERVATION; /* the address may be another place now */
    state->mstatus = status;
    state->fp_dirty = 0;
    state->vs_dirty = 0;
}

u64 riscv_read_mstatus(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number)
{
    return riscv_mstatus(riscv_state_of(cpu));
}

void riscv_write_mstatus(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number, u64 value, u64 mask)
{
    write_status(cpu, value, mask);
}

u64 riscv_read_sstatus(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number)
{
    return riscv_mstatus(riscv_state_of(cpu)) & SSTATUS_READ;
}

void riscv_write_sstatus(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number, u64 value, u64 mask)
{
    write_status(cpu, value, mask & SSTATUS_WRITE);
}

/* Interrupts */

u64 riscv_read_mip(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number)
{
    return riscv_mip(cpu) & (s_interrupts(cpu) | M_INTERRUPTS); /* boards drive S mode's lines though there may be none */
}

/* A read-modify-write of SEIP works on what software wrote, not on the line that it is ored with (section 3.1.9). */
static void write_pending(struct riscv_cpu *cpu, u64 value, u64 mask)
{
    struct riscv_state *state = riscv_state_of(cpu);

    __atomic_fetch_and(&state->software, ~mask | value, __ATOMIC_SEQ_CST);
    __atomic_fetch_or(&state->software, mask & value, __ATOMIC_SEQ_CST);
}

void riscv_write_mip(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number, u64 value, u64 mask)
{
    bool timer = riscv_state_of(cpu)->menvcfg & ENVCFG_STCE;
    u64 external = riscv_state_of(cpu)->mvien & BIT64(RISCV_INT_SEI);

    write_pending(cpu, value, mask & s_interrupts(cpu) & ~(timer ? BIT64(RISCV_INT_STI) : 0) & ~external);
}

u64 riscv_read_sip(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number)
{
    return (riscv_mip(cpu) & riscv_state_of(cpu)->mideleg) | riscv_aia_virtual_pending(cpu);
}

void riscv_write_sip(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number, u64 value, u64 mask)
{
    write_pending(cpu, value, mask & riscv_state_of(cpu)->mideleg & BIT64(RISCV_INT_SSI));
    riscv_aia_write_sip(cpu, value, mask);
}

u64 riscv_read_mie(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number)
{
    return riscv_state_of(cpu)->mie & ~UINT64_C(1);
}

void riscv_write_mie(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number, u64 value, u64 mask)
{
    struct riscv_state *state = riscv_state_of(cpu);

    state->mie = merge(state->mie, value, mask & (s_interrupts(cpu) | M_INTERRUPTS));
}

u64 riscv_read_sie(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number)
{
    return (riscv_state_of(cpu)->mie & riscv_state_of(cpu)->mideleg) | riscv_aia_virtual_enabled(cpu);
}

void riscv_write_sie(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number, u64 value, u64 mask)
{
    riscv_write_mie(cpu, row, number, value, mask & riscv_state_of(cpu)->mideleg);
    riscv_aia_write_sie(cpu, value, mask);
}

void riscv_write_mideleg(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number, u64 value, u64 mask)
{
    struct riscv_state *state = riscv_state_of(cpu);

    state->mideleg = merge(state->mideleg, value, mask & s_interrupts(cpu));
    riscv_aia_update(cpu);
}

void riscv_write_medeleg(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number, u64 value, u64 mask)
{
    struct riscv_state *state = riscv_state_of(cpu);

    state->medeleg = merge(state->medeleg, value, mask & DELEGABLE);
}

u64 riscv_read_epc(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number)
{
    const struct riscv_state *state = riscv_state_of(cpu);
    u64 epc = number == 0x141 ? state->sepc : state->mepc;

    return riscv_has(cpu, RISCV_EXT_ZCA) ? epc : epc & ~UINT64_C(3);
}

/* Address translation */

static bool satp_mode_supported(const struct riscv_cpu *cpu, u64 mode)
{
    return mode == SATP_BARE || (mode == SATP_SV39 && cpu->sv39) || (mode == SATP_SV48 && cpu->sv48) ||
           (mode == SATP_SV57 && cpu->sv57);
}

/* An unsupported mode leaves the whole register as it was (section 12.1.11). */
void riscv_write_satp(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number, u64 value, u64 mask)
{
    struct riscv_state *state = riscv_state_of(cpu);
    u64 satp = merge(state->satp, value, mask);

    if (!satp_mode_supported(cpu, satp >> SATP_MODE_SHIFT))
        return;
    state->satp = satp;
    state->reserve_address = RISCV_NO_RESERVATION; /* the address may be another place now */
}

static u64 cache_block_mask(const struct riscv_cpu *cpu)
{
    return (riscv_has(cpu, RISCV_EXT_ZICBOM) ? ENVCFG_CBIE | ENVCFG_CBCFE : 0) | (riscv_has(cpu, RISCV_EXT_ZICBOZ) ? ENVCFG_CBZE : 0);
}


u64 riscv_menvcfg_mask(const struct riscv_cpu *cpu)
{
    return (riscv_has(cpu, RISCV_EXT_S) ? ENVCFG_FIOM : 0) | cache_block_mask(cpu) | (riscv_has(cpu, RISCV_EXT_SVADU) ? ENVCFG_ADUE : 0) |
           (riscv_has(cpu, RISCV_EXT_SVPBMT) ? ENVCFG_PBMTE : 0) | (riscv_has(cpu, RISCV_EXT_SSTC) ? ENVCFG_STCE : 0);
}

u64 riscv_menvcfg_reset(const struct riscv_cpu *cpu)
{
    u64 value = ENVCFG_PBMTE | (riscv_has(cpu, RISCV_EXT_SVADE) ? 0 : ENVCFG_ADUE);

    return value & riscv_menvcfg_mask(cpu);
}

/* CBIE = 2 is reserved: it stays what it was. */
static u64 merge_envcfg(u64 old, u64 value, u64 mask)
{
    u64 merged = merge(old, value, mask);

    return (merged & ENVCFG_CBIE) == UINT64_C(2) << 4 ? merge(merged, old, ENVCFG_CBIE) : merged;
}

void riscv_write_menvcfg(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number, u64 value, u64 mask)
{
    struct riscv_state *state = riscv_state_of(cpu);
    u64 old = state->menvcfg;

    state->menvcfg = merge_envcfg(old, value, mask & riscv_menvcfg_mask(cpu));
    if ((state->menvcfg ^ old) & (ENVCFG_ADUE | ENVCFG_PBMTE))
        riscv_mmu_flush_all(cpu);
    if ((state->menvcfg ^ old) & ENVCFG_STCE)
        riscv_timer_update(cpu);
}

void riscv_write_senvcfg(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number, u64 value, u64 mask)
{
    struct riscv_state *state = riscv_state_of(cpu);

    state->senvcfg = merge_envcfg(state->senvcfg, value, mask & (ENVCFG_FIOM | cache_block_mask(cpu)));
}

/* Floating point */

static void write_fp(struct riscv_cpu *cpu, u8 *field, u64 value, u64 mask)
{
    *field = merge(*field, value, mask);
    riscv_state_of(cpu)->fp_dirty = 1;
}

u64 riscv_read_fflags(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number)
{
    return riscv_state_of(cpu)->fflags;
}

void riscv_write_fflags(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number, u64 value, u64 mask)
{
    write_fp(cpu, &riscv_state_of(cpu)->fflags, value, mask & 0x1f);
}

u64 riscv_read_frm(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number)
{
    return riscv_state_of(cpu)->frm;
}

void riscv_write_frm(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number, u64 value, u64 mask)
{
    write_fp(cpu, &riscv_state_of(cpu)->frm, value, mask & 7);
}

u64 riscv_read_fcsr(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number)
{
    return riscv_state_of(cpu)->fflags | riscv_state_of(cpu)->frm << 5;
}

void riscv_write_fcsr(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number, u64 value, u64 mask)
{
    riscv_write_fflags(cpu, row, number, value, mask);
    riscv_write_frm(cpu, row, number, value >> 5, mask >> 5);
}

/* Identity */

u64 riscv_read_id(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number)
{
    switch (number) {
    case 0xf11:
        return cpu->mvendorid;
    case 0xf12:
        return cpu->marchid;
    case 0xf13:
        return cpu->mimpid;
    case 0xf14:
        return cpu->vcpu.index;
    case 0x7a4:
        return 1;
    default:
        return 0;
    }
}

/* DEVIATION RISC-V | `misa` | ignores writes | WARL */
u64 riscv_read_misa(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number)
{
    return UINT64_C(2) << 62 | riscv_extensions_misa(cpu->extension);
}

void riscv_write_ignore(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number, u64 value, u64 mask)
{
}
