/* target/riscv/trap.c - taking traps and interrupts. */
#include "target/riscv/trap.h"
#include "base/log.h"
#include "target/riscv/aia.h"
#include "target/riscv/csr.h"
#include "vm/clock.h"
#include "vm/vm.h"

static const char *cause_name(u32 cause)
{
    static const char *const exceptions[] = {
        "fetch misaligned", "fetch access fault", "illegal instruction", "breakpoint", "load misaligned", "load access fault",
        "store misaligned", "store access fault", "ecall from U", "ecall from S", "?", "ecall from M", "fetch page fault",
        "load page fault", "?", "store page fault",
    };
    static const char *const interrupts[RISCV_INT_COUNT] = {
        [RISCV_INT_SSI] = "supervisor software interrupt", [RISCV_INT_MSI] = "machine software interrupt",
        [RISCV_INT_STI] = "supervisor timer interrupt",    [RISCV_INT_MTI] = "machine timer interrupt",
        [RISCV_INT_SEI] = "supervisor external interrupt", [RISCV_INT_MEI] = "machine external interrupt",
    };
    u32 code = cause & 63;

    return code >= 16 ? "?" : cause & RISCV_CAUSE_INTERRUPT ? interrupts[code] : exceptions[code];
}

static u64 vector(u64 tvec, u32 cause)
{
    bool vectored = (tvec & 1) && (cause & RISCV_CAUSE_INTERRUPT);

    return (tvec & ~UINT64_C(3)) + (vectored ? 4 * (u64)(cause & 63) : 0);
}

static u64 cause_register(u32 cause)
{
    return cause & RISCV_CAUSE_INTERRUPT ? BIT64(63) | (cause & 63) : cause;
}

static void enter_s(struct riscv_state *state, u32 cause, u64 tval)
{
    u64 status = state->mstatus & ~(MSTATUS_SPP | MSTATUS_SPIE | MSTATUS_SIE);

    status |= state->mstatus & MSTATUS_SIE ? MSTATUS_SPIE : 0;
    status |= state->privilege == RISCV_S ? MSTATUS_SPP : 0;
    state->mstatus = status;
    state->scause = cause_register(cause);
    state->sepc = state->pc;
    state->stval = tval;
    state->pc = vector(state->stvec, cause);
    state->privilege = RISCV_S;
}

static void enter_m(struct riscv_state *state, u32 cause, u64 tval)
{
    u64 status = state->mstatus & ~(MSTATUS_MPP | MSTATUS_MPIE | MSTATUS_MIE);

    status |= state->mstatus & MSTATUS_MIE ? MSTATUS_MPIE : 0;
    status |= (u64)state->privilege << MSTATUS_MPP_SHIFT;
    state->mstatus = status;
    state->mcause = cause_register(cause);
    state->mepc = state->pc;
    state->mtval = tval;
    state->pc = vector(state->mtvec, cause);
    state->privilege = RISCV_M;
}

static void take(struct riscv_cpu *cpu, u32 cause, u64 tval)
{
    struct riscv_state *state = riscv_state_of(cpu);
    u64 delegated = cause & RISCV_CAUSE_INTERRUPT ? state->mideleg : state->medeleg;
    bool to_s = state->privilege <= RISCV_S && (cause & RISCV_CAUSE_VIRTUAL || delegated >> (cause & 63) & 1);

    log_line(vm_log(cpu->vcpu.vm), LOG_INT, "hart %u: %s to %c mode, pc %016lx, tval %016lx", cpu->vcpu.index,
             cause_name(cause), to_s ? 'S' : 'M', state->pc, tval);
    state->reserve_address = RISCV_NO_RESERVATION;
    cpu->doze.vain_waits = 0;
    if (to_s)
        enter_s(state, cause, tval);
    else
        enter_m(state, cause, tval);
}

void riscv_trap(struct riscv_cpu *cpu, u32 cause, u64 tval)
{
    if (!(cause & RISCV_CAUSE_INTERRUPT))
        vcpu_not_retired(&cpu->vcpu);
    take(cpu, cause, tval);
}

/* mip, and bit 0 for what mvip makes pending and enabled. */
static u64 pending_bits(struct riscv_cpu *cpu)
{
    const struct riscv_state *state = riscv_state_of(cpu);
    u64 software = __atomic_load_n(&state->software, __ATOMIC_ACQUIRE);

    /* With menvcfg.STCE, STIP is the comparison alone (chapter "Sstc"); without, the line's bit is never set. */
    if (state->menvcfg & ENVCFG_STCE)
        software &= ~BIT64(RISCV_INT_STI);
    /* With mvien's bit, SEIP is the controller's signal alone (AIA specification, section 5.3). */
    software &= ~(state->mvien & BIT64(RISCV_INT_SEI));
    return software | __atomic_load_n(&state->lines, __ATOMIC_ACQUIRE);
}

u64 riscv_mip(struct riscv_cpu *cpu)
{
    return pending_bits(cpu) & ~UINT64_C(1);
}

int riscv_interrupt_pending(struct riscv_cpu *cpu)
{
    static const u8 priority[] = { RISCV_INT_MEI, RISCV_INT_MSI, RISCV_INT_MTI, RISCV_INT_SEI, RISCV_INT_SSI, RISCV_INT_STI };
    const struct riscv_state *state = riscv_state_of(cpu);
    u64 pending = pending_bits(cpu) & state->mie;

    if (likely(!pending))
        return -1;
    if (riscv_aia_present(cpu))
        return riscv_aia_pending(cpu);
    bool m_enabled = state->privilege < RISCV_M || (state->mstatus & MSTATUS_MIE);
    bool s_enabled = state->privilege < RISCV_S || (state->privilege == RISCV_S && (state->mstatus & MSTATUS_SIE));
    u64 to_m = m_enabled ? pending & ~state->mideleg : 0, to_s = s_enabled ? pending & state->mideleg : 0;
    u64 taken = to_m ? to_m : to_s;

    for (unsigned i = 0; i < ARRAY_SIZE(priority); i++) {
        if (taken >> priority[i] & 1)
            return priority[i];
    }
    return -1;
}

static u64 pending_and_enabled(struct riscv_cpu *cpu)
{
    return pending_bits(cpu) & __atomic_load_n(&riscv_state_of(cpu)->mie, __ATOMIC_RELAXED);
}

static bool nothing_new(struct riscv_doze *doze, u64 pending)
{
    return pending == doze->pending && __atomic_load_n(&doze->line_events, __ATOMIC_ACQUIRE) == doze->events;
}

bool riscv_has_work(struct vcpu *vcpu)
{
    struct riscv_cpu *cpu = riscv_cpu_of(vcpu);
    u64 pending = pending_and_enabled(cpu);

    return pending && !(cpu->doze.dozing && nothing_new(&cpu->doze, pending));
}

/*
 * What is pending is not taken, and the guest waits in a loop for something else. It must not burn a host core meanwhile, nor look so
 * often: OpenSBI before 1.2 lets a hart go before it has written where to (an interrupt that is pending is what it waits with). So
 * after a few turns without anything new it dozes, until there is something or for 5 ms.
 */
bool riscv_wait(struct riscv_cpu *cpu)
{
    enum { PATIENCE = 32, DOZE_NS = 5000000 };
    struct riscv_doze *doze = &cpu->doze;
    u32 events = __atomic_load_n(&doze->line_events, __ATOMIC_ACQUIRE); /* first: what comes behind it is new */
    u64 pending = pending_and_enabled(cpu);

    doze->vain_waits = pending && nothing_new(doze, pending) ? doze->vain_waits + 1 : 0;
    doze->pending = pending;
    doze->events = events;
    doze->dozing = doze->vain_waits >= PATIENCE && !cpu->vcpu.counting && riscv_interrupt_pending(cpu) < 0;
    if (doze->dozing)
        vcpu_timer_set(&cpu->vcpu, RISCV_TIMER_DOZE, vm_clock_now(cpu->vcpu.vm, VM_CLOCK_VIRTUAL) + DOZE_NS);
    return !pending || doze->dozing;
}

bool riscv_take_interrupt(struct vcpu *vcpu)
{
    struct riscv_cpu *cpu = riscv_cpu_of(vcpu);
    int number = riscv_interrupt_pending(cpu);

    if (number < 0)
        return false;
    riscv_trap(cpu, RISCV_CAUSE_INTERRUPT | (u32)number, 0);
    return true;
}

void riscv_line_changed(struct vcpu *vcpu, u32 number, u32 level)
{
    struct riscv_state *state = vcpu->state;
    u64 bit = BIT64(number);

    /* The ACLINT's SSWI device makes an edge: software clears SSIP itself. */
    if (number == RISCV_INT_SSI) {
        if (level)
            __atomic_fetch_or(&state->software, bit, __ATOMIC_SEQ_CST);
    } else if (level) {
        __atomic_fetch_or(&state->lines, bit, __ATOMIC_SEQ_CST);
    } else {
        __atomic_fetch_and(&state->lines, ~bit, __ATOMIC_SEQ_CST);
    }
    __atomic_fetch_add(&riscv_cpu_of(vcpu)->doze.line_events, 1, __ATOMIC_SEQ_CST);
}

void riscv_time_changed(struct vcpu *vcpu)
{
    riscv_timer_update(riscv_cpu_of(vcpu));
}

void riscv_timer_expired(struct vcpu *vcpu, u32 slot)
{
    if (slot == RISCV_TIMER_S)
        riscv_timer_update(riscv_cpu_of(vcpu));
    else if (slot == RISCV_TIMER_DOZE)
        riscv_cpu_of(vcpu)->doze.dozing = false;
    else
        line_set(&vcpu->line[RISCV_INT_MTI], 1);
}

void riscv_bus_error(struct vcpu *vcpu, u64 address, enum mmu_access access, struct mmu_page *page)
{
    static const char *const names[] = { [MMU_READ] = "load from", [MMU_WRITE] = "store to", [MMU_FETCH] = "fetch from" };

    log_line(vm_log(vcpu->vm), LOG_GUEST_ERRORS, "hart %u: %s %016lx: nothing is there, or it refused", vcpu->index, names[access], address);
    page->fault = access == MMU_FETCH ? RISCV_FETCH_ACCESS : access == MMU_WRITE ? RISCV_STORE_ACCESS : RISCV_LOAD_ACCESS;
}

void riscv_misaligned(struct vcpu *vcpu, u64 address, enum mmu_access access, struct mmu_page *page)
{
    page->fault = access == MMU_WRITE ? RISCV_STORE_MISALIGNED : RISCV_LOAD_MISALIGNED;
}

void riscv_fault(struct vcpu *vcpu, u64 address, enum mmu_access access, const struct mmu_page *page)
{
    take(riscv_cpu_of(vcpu), page->fault, address);
}
