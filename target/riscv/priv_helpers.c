/*
 * target/riscv/priv_helpers.c - the control functions of helpers.def: exceptions, returns from traps, waiting, fences,
 * cache blocks (Privileged manual, sections 3.3 and 12.2; chapters "Svinval", "CMO", "Zawrs").
 */
#include "base/log.h"
#include "target/riscv/csr.h"
#include "target/riscv/helpers.h"
#include "target/riscv/mmu.h"
#include "target/riscv/trap.h"
#include "vm/icount.h"
#include "vm/vm.h"
#include <string.h>

enum { LEFT = true, STAYED = false };

static u64 illegal(struct riscv_cpu *cpu, u64 raw)
{
    riscv_trap(cpu, RISCV_ILLEGAL_INSTRUCTION, (u32)raw);
    return LEFT;
}

u64 riscv_helper_raise(void *vcpu, u64 cause, u64 tval)
{
    riscv_trap(riscv_cpu_of(vcpu), cause, tval);
    return LEFT;
}

u64 riscv_helper_illegal(void *vcpu, u64 raw)
{
    return illegal(riscv_cpu_of(vcpu), raw);
}

u64 riscv_helper_ecall(void *vcpu)
{
    struct riscv_cpu *cpu = riscv_cpu_of(vcpu);

    riscv_trap(cpu, RISCV_ECALL_U + riscv_state_of(cpu)->privilege, 0);
    return LEFT;
}

u64 riscv_helper_mret(void *vcpu, u64 raw)
{
    struct riscv_cpu *cpu = riscv_cpu_of(vcpu);
    struct riscv_state *state = riscv_state_of(cpu);
    u64 status = state->mstatus, to = status >> MSTATUS_MPP_SHIFT & 3;

    if (state->privilege != RISCV_M)
        return illegal(cpu, raw);
    status &= ~(MSTATUS_MIE | MSTATUS_MPP);
    status |= status & MSTATUS_MPIE ? MSTATUS_MIE : 0;
    status |= MSTATUS_MPIE | (u64)(riscv_has(cpu, RISCV_EXT_U) ? RISCV_U : RISCV_M) << MSTATUS_MPP_SHIFT;
    if (to != RISCV_M)
        status &= ~MSTATUS_MPRV;
    state->mstatus = status;
    state->privilege = to;
    state->pc = riscv_read_epc(cpu, NULL, 0x341);
    state->reserve_address = RISCV_NO_RESERVATION;
    return LEFT;
}

u64 riscv_helper_sret(void *vcpu, u64 raw)
{
    struct riscv_cpu *cpu = riscv_cpu_of(vcpu);
    struct riscv_state *state = riscv_state_of(cpu);
    u64 status = state->mstatus;

    if (state->privilege < RISCV_S || (state->privilege == RISCV_S && (status & MSTATUS_TSR)))
        return illegal(cpu, raw);
    state->privilege = status & MSTATUS_SPP ? RISCV_S : RISCV_U;
    status &= ~(MSTATUS_SIE | MSTATUS_SPP | MSTATUS_MPRV);
    status |= status & MSTATUS_SPIE ? MSTATUS_SIE : 0;
    state->mstatus = status | MSTATUS_SPIE;
    state->pc = riscv_read_epc(cpu, NULL, 0x141);
    state->reserve_address = RISCV_NO_RESERVATION;
    return LEFT;
}

/*
 * DEVIATION RISC-V | `wfi` | in U mode illegal where S mode exists, with `mstatus.TW` illegal below M; both at once instead of after
 * a time | the time limit is the implementation's, and may be 0
 */
u64 riscv_helper_wfi(void *vcpu, u64 raw, u64 next)
{
    struct riscv_cpu *cpu = riscv_cpu_of(vcpu);
    struct riscv_state *state = riscv_state_of(cpu);
    bool trapped = state->privilege < RISCV_M && (state->mstatus & MSTATUS_TW);

    if (trapped || (state->privilege == RISCV_U && riscv_has(cpu, RISCV_EXT_S)))
        return illegal(cpu, raw);
    state->pc += next;
    if (riscv_wait(cpu))
        vcpu_halt(vcpu);
    return LEFT;
}

/* DEVIATION RISC-V | `wrs.nto`, `wrs.sto` | end at once | a wait may end for any reason */

/* A wait may end for any reason; another hart gets the host's core meanwhile. */
u64 riscv_helper_wrs(void *vcpu, u64 raw, u64 next)
{
    struct riscv_cpu *cpu = riscv_cpu_of(vcpu);

    if (vm_icount_on(cpu->vcpu.vm))
        vm_icount_yield(&cpu->vcpu);
    else
        g_thread_yield();
    return STAYED;
}

/* raw: rs2[24:20] asid, rs1[19:15] address; x0 means all. */
u64 riscv_helper_sfence_vma(void *vcpu, u64 address, u64 asid, u64 raw, u64 next)
{
    struct riscv_cpu *cpu = riscv_cpu_of(vcpu);
    struct riscv_state *state = riscv_state_of(cpu);
    struct accel *accel = vm_accel(cpu->vcpu.vm);
    struct mmu_flush flush = {
        .one_address = raw >> 15 & 31, .address = address,
        .one_asid = raw >> 20 & 31, .asid = asid & ((1u << SATP_ASID_BITS) - 1),
    };

    if (state->privilege < RISCV_S || (state->privilege == RISCV_S && (state->mstatus & MSTATUS_TVM)))
        return illegal(cpu, raw);
    log_line(vm_log(cpu->vcpu.vm), LOG_MMU, flush.one_address ? "hart %u: sfence.vma of %s, address %016lx" : "hart %u: sfence.vma of %s",
             cpu->vcpu.index, flush.one_asid ? "one space" : "all spaces", address);
    state->pc += next;
    state->reserve_address = RISCV_NO_RESERVATION; /* the address may be another place now */
    if (accel && cpu->vcpu.accel && accel->accel_class->mmu_flush)
        accel->accel_class->mmu_flush(&cpu->vcpu, &flush);
    return LEFT;
}

u64 riscv_helper_sfence_inval(void *vcpu, u64 raw, u64 next)
{
    struct riscv_cpu *cpu = riscv_cpu_of(vcpu);

    return riscv_state_of(cpu)->privilege < RISCV_S ? illegal(cpu, raw) : STAYED;
}

/* Register number 0 stands for a pair of zeros. */
static void read_pair(const struct riscv_state *state, unsigned reg, u64 pair[2])
{
    pair[0] = state->x[reg];
    pair[1] = reg ? state->x[reg + 1] : 0;
}

u64 riscv_helper_amocas_q(void *vcpu, u64 address, u64 raw)
{
    struct vcpu *v = vcpu;
    struct riscv_state *state = riscv_state_of(riscv_cpu_of(vcpu));
    unsigned rd = raw >> 7 & 31, rs2 = raw >> 20 & 31;
    u64 expected[2], desired[2], old[2];

    read_pair(state, rd, expected);
    read_pair(state, rs2, desired);
    if (!v->memory->cas128(v, address, expected, desired, old)) {
        vcpu_not_retired(v);
        return LEFT;
    }
    if (rd)
        memcpy(&state->x[rd], old, sizeof(old));
    return STAYED;
}

/* DEVIATION RISC-V | cache blocks | `cbo.clean`, `cbo.flush`, `cbo.inval` check permissions and do nothing else | there are no caches */

/*
 * There are no caches: what is left are the privilege and the permissions of the whole block, which are those of a load: whatever may be stored to
 * may be loaded. Faults are those of a store (norm:cbm_unperm_fault).
 * cbo.inval is 0, cbo.clean 1, cbo.flush 2 in the immediate.
 */
u64 riscv_helper_cbo(void *vcpu, u64 address, u64 raw)
{
    struct riscv_cpu *cpu = riscv_cpu_of(vcpu);
    u64 block = address & ~(u64)(cpu->cbom_block - 1);
    struct mmu_page page;

    if (!riscv_envcfg_allows(cpu, raw >> 20 & 3 ? ENVCFG_CBCFE : ENVCFG_CBIE))
        return illegal(cpu, raw);
    riscv_mmu_walk(vcpu, block, cpu->cbom_block, MMU_READ, false, &page);
    if (!page.fault)
        return STAYED;
    riscv_trap(cpu, page.fault == RISCV_LOAD_PAGE_FAULT ? RISCV_STORE_PAGE_FAULT : RISCV_STORE_ACCESS, address);
    return LEFT;
}
