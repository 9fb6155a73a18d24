/* target/riscv/pmp.c - physical memory protection: pmpcfg, pmpaddr, checks. */
#include "target/riscv/pmp.h"
#include "target/riscv/csr.h"
#include "target/riscv/mmu.h"

enum { CONFIG_A_SHIFT = 3, CONFIG_LOCKED = 0x80, CONFIG_WRITABLE = 0x9f };
enum { MATCH_OFF, MATCH_TOR, MATCH_NA4, MATCH_NAPOT };

#define ADDRESS_BITS (BIT64(54) - 1)

static unsigned match_of(const struct riscv_pmp_entry *entry)
{
    return entry->config >> CONFIG_A_SHIFT & 3;
}

/* pmpaddr's value as the granularity leaves it, 2^(G+2) bytes (section 3.7.1.1): low bits are zeros, or ones for NAPOT. */
static u64 coarse(struct riscv_cpu *cpu, unsigned i, unsigned match)
{
    u64 below = (cpu->pmp_granularity >> 2) - 1, address = riscv_state_of(cpu)->pmpaddr[i];

    return match == MATCH_NAPOT ? address | below >> 1 : address & ~below;
}

/*
 * DEVIATION RISC-V | PMP | granularity of 4 bytes unless `pmp-granularity=` says otherwise; an entry with W and without R is not taken
 * over, nor is NA4 where the granularity is more | WARL
 */

/* The range that entry i covers (section 3.7.1.1). */
static void compute_range(struct riscv_cpu *cpu, unsigned i)
{
    struct riscv_state *state = riscv_state_of(cpu);
    struct riscv_pmp_entry *entry = &state->pmp[i];
    u64 address = coarse(cpu, i, match_of(entry)), below = i ? coarse(cpu, i - 1, MATCH_TOR) : 0;

    entry->active = match_of(entry) != MATCH_OFF;
    switch (match_of(entry)) {
    case MATCH_TOR:
        entry->active = address > below;
        entry->first = below << 2;
        entry->last = (address << 2) - 1;
        break;
    case MATCH_NA4:
        entry->first = address << 2;
        entry->last = entry->first + 3;
        break;
    case MATCH_NAPOT:
        /* The lowest zero bit and the ones below it say the size; all ones: everything. */
        entry->first = (address & (address + 1)) << 2;
        entry->last = ((address | (address + 1)) << 2) | 3;
        break;
    }
}

static void update(struct riscv_cpu *cpu)
{
    struct riscv_state *state = riscv_state_of(cpu);

    riscv_pmp_forget(cpu);
    state->pmp_used = 0;
    for (unsigned i = 0; i < cpu->pmp_regions; i++) {
        compute_range(cpu, i);
        if (state->pmp[i].active)
            state->pmp_used = i + 1;
    }
    riscv_mmu_flush_all(cpu);
}

/* 0, 16 or 64 entries exist; those beyond the configured number are read-only zero. */
bool riscv_test_pmp(struct riscv_cpu *cpu, u32 number)
{
    u32 entry = number >= 0x3b0 ? number - 0x3b0 : (number - 0x3a0) * 4;
    u32 existing = cpu->pmp_regions > 16 ? 64 : cpu->pmp_regions ? 16 : 0;

    return entry < existing && (number >= 0x3b0 || !(number & 1));
}

u64 riscv_read_pmpcfg(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number)
{
    const struct riscv_state *state = riscv_state_of(cpu);
    u64 value = 0;

    for (unsigned i = 0; i < 8; i++)
        value |= (u64)state->pmp[(number - 0x3a0) * 4 + i].config << (8 * i);
    return value;
}

void riscv_write_pmpcfg(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number, u64 value, u64 mask)
{
    struct riscv_state *state = riscv_state_of(cpu);

    for (unsigned i = 0; i < 8; i++) {
        unsigned index = (number - 0x3a0) * 4 + i;
        struct riscv_pmp_entry *entry = &state->pmp[index];
        u8 bits = mask >> (8 * i), config = (entry->config & ~bits) | ((value >> (8 * i)) & bits & CONFIG_WRITABLE);
        bool reserved = ((config & RISCV_PMP_W) && !(config & RISCV_PMP_R)) ||
                        ((config >> CONFIG_A_SHIFT & 3) == MATCH_NA4 && cpu->pmp_granularity > 4);

        if (index < cpu->pmp_regions && !(entry->config & CONFIG_LOCKED) && !reserved)
            entry->config = config;
    }
    update(cpu);
}

u64 riscv_read_pmpaddr(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number)
{
    u32 i = number - 0x3b0;

    return coarse(cpu, i, match_of(&riscv_state_of(cpu)->pmp[i]));
}

/* A locked entry locks its address, and the one below it when it is the top of a range. */
static bool address_locked(const struct riscv_cpu *cpu, const struct riscv_state *state, u32 index)
{
    const struct riscv_pmp_entry *entry = &state->pmp[index], *next = entry + 1;

    if (entry->config & CONFIG_LOCKED)
        return true;
    return index + 1 < cpu->pmp_regions && (next->config & CONFIG_LOCKED) && match_of(next) == MATCH_TOR;
}

void riscv_write_pmpaddr(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number, u64 value, u64 mask)
{
    struct riscv_state *state = riscv_state_of(cpu);
    u32 index = number - 0x3b0;

    if (index >= cpu->pmp_regions || address_locked(cpu, state, index))
        return;
    mask &= ADDRESS_BITS;
    state->pmpaddr[index] = (state->pmpaddr[index] & ~mask) | (value & mask);
    update(cpu);
}

void riscv_pmp_forget(struct riscv_cpu *cpu)
{
    cpu->pmp_window = (struct riscv_pmp_window){ .first = 1 };
}

/* The lowest entry that contains the address decides; the window ends where an entry before it begins or ends. */
static void find_window(struct riscv_cpu *cpu, u64 address)
{
    const struct riscv_state *state = riscv_state_of(cpu);
    struct riscv_pmp_window w = { .last = UINT64_MAX };

    for (unsigned i = 0; i < state->pmp_used && !w.matched; i++) {
        const struct riscv_pmp_entry *entry = &state->pmp[i];

        if (!entry->active)
            continue;
        if (entry->last < address) {
            w.first = MAX(w.first, entry->last + 1);
        } else if (entry->first > address) {
            w.last = MIN(w.last, entry->first - 1);
        } else {
            w.matched = true;
            w.config = entry->config;
            w.first = MAX(w.first, entry->first);
            w.last = MIN(w.last, entry->last);
        }
    }
    cpu->pmp_window = w;
}

static u8 allowed_by(const struct riscv_cpu *cpu, const struct riscv_pmp_window *w, enum riscv_privilege privilege)
{
    if (!w->matched)
        return privilege == RISCV_M || !cpu->pmp_regions ? RISCV_PMP_ALL : 0;
    return privilege == RISCV_M && !(w->config & CONFIG_LOCKED) ? RISCV_PMP_ALL : w->config & RISCV_PMP_ALL;
}

/* An access that leaves the window is matched by some entry in part, whichever that is: refused. */
static u8 check(struct riscv_cpu *cpu, u64 first, u64 last, enum riscv_privilege privilege, bool *split)
{
    const struct riscv_pmp_window *w = &cpu->pmp_window;

    if (unlikely(first < w->first || first > w->last))
        find_window(cpu, first);
    *split = last > w->last;
    return *split ? 0 : allowed_by(cpu, w, privilege);
}

u8 riscv_pmp_check(struct riscv_cpu *cpu, u64 address, u64 size, enum riscv_privilege privilege)
{
    bool split;

    return check(cpu, address, address + size - 1, privilege, &split);
}

u8 riscv_pmp_check_page(struct riscv_cpu *cpu, u64 address, enum riscv_privilege privilege, bool *split)
{
    return check(cpu, address & ~UINT64_C(4095), address | 4095, privilege, split);
}
