/*
 * target/riscv/csr_counter.c - counters and time (Privileged manual, sections 3.1.10 to 3.1.12, chapter "Sstc").
 *
 * cycle and instret run with the virtual clock at 1 GHz; on a vCPU that counts (vcpu_count) both are the number of instructions retired.
 * The others count no event.
 */
#include "target/riscv/csr.h"
#include "target/riscv/trap.h"
#include "vm/clock.h"

/* DEVIATION RISC-V | `mhpmcounter3`-`18` | can be written, count no event | there is no event that translated code could count cheaply */
static u64 implemented(const struct riscv_cpu *cpu)
{
    return 5 | ((UINT64_C(1) << cpu->pmu_counters) - 1) << 3;
}

bool riscv_test_zicntr(struct riscv_cpu *cpu, u32 number)
{
    return riscv_has(cpu, RISCV_EXT_ZICNTR);
}

bool riscv_test_zihpm(struct riscv_cpu *cpu, u32 number)
{
    return riscv_has(cpu, RISCV_EXT_ZIHPM);
}

bool riscv_test_sstc(struct riscv_cpu *cpu, u32 number)
{
    return riscv_has(cpu, RISCV_EXT_SSTC);
}

/* mcounteren opens a counter to S (and to U where there is no S), scounteren to U below S. */
bool riscv_test_counter(struct riscv_cpu *cpu, u32 number)
{
    const struct riscv_state *state = riscv_state_of(cpu);
    u32 bit = 1u << (number & 31);

    if (state->privilege == RISCV_M)
        return true;
    if (!(state->mcounteren & bit))
        return false;
    return state->privilege == RISCV_S || !riscv_has(cpu, RISCV_EXT_S) || (state->scounteren & bit);
}

bool riscv_test_stimecmp(struct riscv_cpu *cpu, u32 number)
{
    const struct riscv_state *state = riscv_state_of(cpu);

    return state->privilege == RISCV_M || ((state->mcounteren & 2) && (state->menvcfg & ENVCFG_STCE));
}

/*
 * DEVIATION RISC-V | `mcycle`, `minstret` | both run with the virtual clock, 1 GHz | counting instructions costs time; with
 * `-icount` both count
 */

/* What a counter that runs is relative to, behind the instruction that is under way, if any. */
static u64 running(struct riscv_cpu *cpu, u32 index)
{
    if (riscv_state_of(cpu)->mcountinhibit >> index & 1)
        return 0;
    if (cpu->vcpu.counting)
        return (u64)cpu->vcpu.counting_since + vcpu_retired(&cpu->vcpu);
    return (u64)vm_clock_now(cpu->vcpu.vm, VM_CLOCK_VIRTUAL);
}

/* A counter shows what was before the instruction that reads it, which does not count what it writes (Zicntr; section 3.1.10). */
static u64 under_way(const struct riscv_cpu *cpu, u32 index)
{
    bool inhibited = riscv_state_of((struct riscv_cpu *)cpu)->mcountinhibit >> index & 1;

    return cpu->vcpu.counting && !inhibited && vcpu_current() == &cpu->vcpu;
}

u64 riscv_read_counter(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number)
{
    return riscv_state_of(cpu)->counter[number & 31] + running(cpu, number & 31) - under_way(cpu, number & 31);
}

void riscv_write_counter(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number, u64 value, u64 mask)
{
    u64 clock = running(cpu, number & 31), *counter = &riscv_state_of(cpu)->counter[number & 31];

    *counter = (((*counter + clock - under_way(cpu, number & 31)) & ~mask) | (value & mask)) - clock;
}

static u64 time_delta(const struct riscv_cpu *cpu)
{
    return cpu->vcpu.time_delta ? __atomic_load_n(cpu->vcpu.time_delta, __ATOMIC_ACQUIRE) : 0;
}

u64 riscv_read_time(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number)
{
    return vm_clock_ticks(cpu->vcpu.vm, RISCV_TIMEBASE_HZ) + time_delta(cpu);
}

u64 riscv_read_hpmcounter(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number)
{
    return riscv_state_of(cpu)->counter[number & 31];
}

static void write_implemented(struct riscv_cpu *cpu, u64 *field, u32 index, u64 value, u64 mask)
{
    if (implemented(cpu) >> index & 1)
        *field = (*field & ~mask) | (value & mask);
}

void riscv_write_hpmcounter(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number, u64 value, u64 mask)
{
    write_implemented(cpu, &riscv_state_of(cpu)->counter[number & 31], number & 31, value, mask);
}

u64 riscv_read_hpmevent(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number)
{
    return riscv_state_of(cpu)->event[number & 31];
}

void riscv_write_hpmevent(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number, u64 value, u64 mask)
{
    write_implemented(cpu, &riscv_state_of(cpu)->event[number & 31], number & 31, value, mask);
}

/* mcounteren, scounteren and mcountinhibit: one bit a counter. */
static u32 *counter_bits(struct riscv_state *state, u32 number)
{
    return number == 0x106 ? &state->scounteren : number == 0x306 ? &state->mcounteren : &state->mcountinhibit;
}

u64 riscv_read_counteren(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number)
{
    return *counter_bits(riscv_state_of(cpu), number);
}

/* A counter that stops keeps its value; one that starts again goes on from it. */
static void set_inhibit(struct riscv_cpu *cpu, u32 bits)
{
    struct riscv_state *state = riscv_state_of(cpu);
    u64 value[3] = { state->counter[0] + running(cpu, 0), 0, state->counter[2] + running(cpu, 2) };

    state->mcountinhibit = bits;
    state->counter[0] = value[0] - running(cpu, 0);
    state->counter[2] = value[2] - running(cpu, 2);
}

void riscv_write_counteren(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number, u64 value, u64 mask)
{
    struct riscv_state *state = riscv_state_of(cpu);
    u32 *field = counter_bits(state, number);
    bool inhibit = field == &state->mcountinhibit;

    mask &= implemented(cpu) | (inhibit ? 0 : 2);
    u32 bits = (*field & ~mask) | (value & mask);
    if (inhibit)
        set_inhibit(cpu, bits);
    else
        *field = bits;
}

void riscv_write_stimecmp(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number, u64 value, u64 mask)
{
    struct riscv_state *state = riscv_state_of(cpu);

    state->stimecmp = (state->stimecmp & ~mask) | (value & mask);
    riscv_timer_update(cpu);
}

void riscv_timer_update(struct riscv_cpu *cpu)
{
    struct riscv_state *state = riscv_state_of(cpu);
    u64 ticks = vm_clock_ticks(cpu->vcpu.vm, RISCV_TIMEBASE_HZ), delta = time_delta(cpu);
    bool on = state->menvcfg & ENVCFG_STCE, due = on && ticks + delta >= state->stimecmp;

    if (due)
        __atomic_fetch_or(&state->lines, BIT64(RISCV_INT_STI), __ATOMIC_SEQ_CST);
    else
        __atomic_fetch_and(&state->lines, ~BIT64(RISCV_INT_STI), __ATOMIC_SEQ_CST);
    vcpu_timer_set(&cpu->vcpu, RISCV_TIMER_S, on && !due ? vm_clock_ticks_due(ticks, delta, state->stimecmp, RISCV_TIMEBASE_HZ) : INT64_MAX);
}
