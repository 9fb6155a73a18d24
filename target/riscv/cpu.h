/*
 * target/riscv/cpu.h - a RISC-V hart as an object: its configuration (properties of -cpu) around the generic vCPU.
 *
 * The configuration is constant once realized. Any thread.
 */
#ifndef TARGET_RISCV_CPU_H
#define TARGET_RISCV_CPU_H

#include "target/riscv/extensions.h"
#include "target/riscv/state.h"
#include "vm/vcpu.h"

/* Frequency of the counter that the time CSR shows. */
enum { RISCV_TIMEBASE_HZ = 10000000 };

/* Slots of vcpu_timer_set: stimecmp, and the board's mtimecmp, which raises input line 7 when it expires. */
enum riscv_timer { RISCV_TIMER_S, RISCV_TIMER_M, RISCV_TIMER_DOZE, RISCV_TIMER_COUNT };

/* What the last PTE said about memory: RAM or ROM around it, valid for one generation of the memory map. */
struct riscv_memory_window {
    u64 first, span; /* addresses first .. first + span; span 0: nothing */
    u8 *host;        /* of first */
    u32 generation;
};

/* The last decision of physical memory protection, and the addresses around that it holds for. */
struct riscv_pmp_window {
    u64 first, last; /* first > last: nothing */
    u8 config;       /* pmpcfg byte that decides; 0: no entry matches and `matched` is false */
    bool matched;
};

/* A hart that turns through wfi in vain, though something is pending, dozes (trap.c). The vCPU's own thread but for line_events. */
struct riscv_doze {
    u32 vain_waits;   /* wfi that ended at once, since the last trap or anything new */
    bool dozing;
    u64 pending;      /* what is pending and enabled meanwhile, */
    u32 events;       /* and line_events: until one of them changes, or RISCV_TIMER_DOZE goes off */
    u32 line_events;  /* atomic: how often an input line was set or told again */
};

struct riscv_cpu {
    struct vcpu vcpu;
    bool extension[RISCV_EXT_COUNT]; /* by enum riscv_extension; complete once realized */
    bool chosen[RISCV_EXT_COUNT];    /* set by the user: others go off with what they need */
    bool named[RISCV_EXT_COUNT];     /* the model names it: it needs nobody who implies it */
    u64 guards;                      /* of the decoder: which groups of instructions are legal */
    bool mmu, svbare, sv39, sv48, sv57;
    u8 widest_asked; /* of sv39=on and so on by the user; 0: none, every width is there */
    bool pmp;
    u8 pmp_regions;                  /* 0 when pmp is off */
    u32 pmp_granularity;             /* bytes, a power of two from 4 */
    u8 pmu_counters;                 /* mhpmcounter3.. that can be written */
    u32 mvendorid;
    u64 marchid, mimpid, reset_vector;
    u16 vlen, elen;                  /* bits; vlen a power of 2, at most RISCV_MAX_VLEN */
    char *vext_spec, *priv_spec;
    bool rvv_ta_all_1s, rvv_ma_all_1s;  /* agnostic elements become ones (else they stay) */
    bool rvv_vl_half_avl, rvv_vsetvl_x0_vill;
    bool short_isa_string; /* letters alone */
    u16 cbom_block, cboz_block, cbop_block; /* bytes */
    /* Caches of the vCPU's own thread. */
    struct riscv_memory_window memory_window;
    struct riscv_pmp_window pmp_window;
    struct riscv_doze doze;
    struct riscv_quick_memo *quick;  /* NULL: nothing was translated yet. Translation lock */
    u64 topei_read[2];               /* what mtopei and stopei showed last: a write claims that */
    struct cpu_register *registers;  /* for gdb */
    u32 register_count;
};

/* choice.c: cpu->extension completed, once properties are set. False: what was asked for by name does not go together. */
bool riscv_choose_extensions(struct riscv_cpu *cpu, GError **error);

static inline struct riscv_cpu *riscv_cpu_of(struct vcpu *vcpu)
{
    return container_of(vcpu, struct riscv_cpu, vcpu);
}

static inline struct riscv_state *riscv_state_of(struct riscv_cpu *cpu)
{
    return cpu->vcpu.state;
}

static inline bool riscv_has(const struct riscv_cpu *cpu, enum riscv_extension extension)
{
    return cpu->extension[extension];
}

/* What menvcfg and senvcfg allow (any of these bits) in the mode the hart is in. Without S mode there is no senvcfg. */
static inline bool riscv_envcfg_allows(struct riscv_cpu *cpu, u64 bits)
{
    const struct riscv_state *state = riscv_state_of(cpu);

    return (state->privilege == RISCV_M || (state->menvcfg & bits)) &&
           (state->privilege != RISCV_U || !riscv_has(cpu, RISCV_EXT_S) || (state->senvcfg & bits));
}

/* struct cpu_class hooks made in several files. */
void riscv_reset(struct vcpu *vcpu);
void riscv_registers_init(struct riscv_cpu *cpu);
const struct cpu_register *riscv_registers(struct vcpu *vcpu, u32 *count);
bool riscv_register_read(struct vcpu *vcpu, const struct cpu_register *reg, void *value);
bool riscv_register_write(struct vcpu *vcpu, const struct cpu_register *reg, const void *value);
char *riscv_describe(struct vcpu *vcpu);

#endif
