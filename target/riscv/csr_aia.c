/* target/riscv/csr_aia.c - advanced interrupt architecture: CSRs, priorities, virtual interrupts (RISC-V AIA 1.0, chapters 2 and 5). */
#include "base/bits.h"
#include "target/riscv/aia.h"
#include "target/riscv/csr.h"
#include "target/riscv/trap.h"

/* Indirectly accessed registers. With XLEN = 64 odd ones do not exist, but for the reserved ones between eidelivery and eip0. */
enum { SELECT_IPRIO = 0x30, SELECT_IPRIO_END = 0x40, SELECT_FILE = 0x70, SELECT_EIP = 0x80, SELECT_END = 0x100 };

/* DEVIATION RISC-V | AIA: `mvien` | bits 1, 9 and 13 to 63 can be set; no local interrupt occurs by itself | WARL */

/* Interrupts that mvien can make virtual: SSI, SEI, and all local and custom ones, of which none occurs by itself. */
#define LOCAL  (~UINT64_C(0) << 13)
#define VIRTUAL (BIT64(RISCV_INT_SSI) | BIT64(RISCV_INT_SEI) | LOCAL)
#define SEI    BIT64(RISCV_INT_SEI)

enum { LOWEST = 4096 }; /* below every priority number */

static u64 merge(u64 old, u64 value, u64 mask)
{
    return (old & ~mask) | (value & mask);
}

/* 0x1xx is supervisor level, 0x3xx machine level. */
static enum riscv_level level_of(u32 number)
{
    return (number >> 8 & 3) == RISCV_M ? RISCV_LEVEL_M : RISCV_LEVEL_S;
}

static const struct vcpu_port *file_of(const struct riscv_cpu *cpu, enum riscv_level level)
{
    const struct vcpu_port *port = &cpu->vcpu.port[level];

    return port->access ? port : NULL;
}

/* Virtual interrupts */

/* mvip as it reads where mvien's bit is one. */
static u64 virtual_bits(const struct riscv_state *state)
{
    return (state->mvip & ~SEI) | (state->software & SEI);
}

u64 riscv_aia_virtual_pending(struct riscv_cpu *cpu)
{
    const struct riscv_state *state = riscv_state_of(cpu);

    return virtual_bits(state) & state->mvien & ~state->mideleg;
}

u64 riscv_aia_virtual_enabled(struct riscv_cpu *cpu)
{
    const struct riscv_state *state = riscv_state_of(cpu);

    return state->virtual_sie & state->mvien & ~state->mideleg;
}

void riscv_aia_update(struct riscv_cpu *cpu)
{
    u64 *software = &riscv_state_of(cpu)->software;

    if (riscv_aia_virtual_pending(cpu) & riscv_aia_virtual_enabled(cpu))
        __atomic_fetch_or(software, 1, __ATOMIC_SEQ_CST);
    else if (*software & 1)
        __atomic_fetch_and(software, ~UINT64_C(1), __ATOMIC_SEQ_CST);
}

/* SEIP is read-only there, as it is without mvien. */
void riscv_aia_write_sip(struct riscv_cpu *cpu, u64 value, u64 mask)
{
    struct riscv_state *state = riscv_state_of(cpu);

    state->mvip = merge(state->mvip, value, mask & state->mvien & ~state->mideleg & ~SEI);
    riscv_aia_update(cpu);
}

void riscv_aia_write_sie(struct riscv_cpu *cpu, u64 value, u64 mask)
{
    struct riscv_state *state = riscv_state_of(cpu);

    state->virtual_sie = merge(state->virtual_sie, value, mask & state->mvien & ~state->mideleg);
    riscv_aia_update(cpu);
}

void riscv_write_mvien(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number, u64 value, u64 mask)
{
    struct riscv_state *state = riscv_state_of(cpu);

    state->mvien = merge(state->mvien, value, mask & VIRTUAL);
    riscv_aia_update(cpu);
}

/* Bits that are mip's: SSIP without mvien's bit, STIP while it is writable there, SEIP as software wrote it. */
static u64 mip_aliases(const struct riscv_state *state)
{
    bool timer = state->menvcfg & ENVCFG_STCE;

    return (BIT64(RISCV_INT_SSI) & ~state->mvien) | (timer ? 0 : BIT64(RISCV_INT_STI)) | SEI;
}

u64 riscv_read_mvip(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number)
{
    const struct riscv_state *state = riscv_state_of(cpu);
    u64 own = (BIT64(RISCV_INT_SSI) & state->mvien) | LOCAL;

    return (state->mvip & own) | (__atomic_load_n(&state->software, __ATOMIC_ACQUIRE) & mip_aliases(state));
}

void riscv_write_mvip(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number, u64 value, u64 mask)
{
    struct riscv_state *state = riscv_state_of(cpu);
    u64 aliases = mask & mip_aliases(state);

    __atomic_fetch_and(&state->software, ~aliases | value, __ATOMIC_SEQ_CST);
    __atomic_fetch_or(&state->software, aliases & value, __ATOMIC_SEQ_CST);
    state->mvip = merge(state->mvip, value, mask & ((BIT64(RISCV_INT_SSI) & state->mvien) | LOCAL));
    riscv_aia_update(cpu);
}

/* Priorities */

/* Default order (table in section 5.1), then the custom ones and 14, 15, which have no place there. Above 11 (machine) or 9 (supervisor):
 * before external interrupts. */
static const u8 order[] = { 47, 23, 46, 45, 22, 44, 43, 21, 42, 41, 20, 40, 11, 3,  7,  9,  1,  5,  12, 10, 2,  6,  13, 39, 19, 38, 37, 18, 36, 35,
                            17, 34, 33, 16, 32, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63 };

static unsigned external_of(enum riscv_level level)
{
    return level == RISCV_LEVEL_M ? RISCV_INT_MEI : RISCV_INT_SEI;
}

/* Priority numbers can be set where they can be compared with external interrupts': with an IMSIC. */
static bool has_priority(struct riscv_cpu *cpu, enum riscv_level level, unsigned number)
{
    const struct riscv_state *state = riscv_state_of(cpu);
    u64 enables = level == RISCV_LEVEL_M ? UINT64_C(0xaaa) : state->mideleg | state->mvien;

    return file_of(cpu, level) && enables >> number & 1 && number != external_of(level);
}

/* Of the external interrupt that the file reports; 256 when software alone made it pending (section 5.4.1). */
static u32 external_priority(struct riscv_cpu *cpu, enum riscv_level level)
{
    const struct vcpu_port *file = file_of(cpu, level);
    u64 top = 0;

    if (file)
        file->access(file->opaque, VCPU_PORT_TOP, &top, 0, 0);
    return top ? (u32)top & 0x7ff : 256;
}

/* The best of a set: its number in *number; its place among priority numbers, 0 highest. */
static u32 best(struct riscv_cpu *cpu, enum riscv_level level, u64 set, unsigned *number)
{
    u32 highest = LOWEST + 1;
    bool before_external = true;

    for (unsigned i = 0; i < ARRAY_SIZE(order); i++) {
        unsigned n = order[i], external = external_of(level);
        u32 priority = before_external ? 0 : LOWEST;

        before_external &= n != external;
        if (!(set >> n & 1))
            continue;
        if (n == external)
            priority = external_priority(cpu, level);
        else if (has_priority(cpu, level, n) && riscv_state_of(cpu)->iprio[level][n])
            priority = riscv_state_of(cpu)->iprio[level][n];
        if (priority >= highest)
            continue;
        highest = priority;
        *number = n;
    }
    return highest;
}

static u64 candidates(struct riscv_cpu *cpu, enum riscv_level level)
{
    const struct riscv_state *state = riscv_state_of(cpu);
    u64 real = riscv_mip(cpu) & state->mie;

    if (level == RISCV_LEVEL_M)
        return real & ~state->mideleg;
    return (real & state->mideleg) | (riscv_aia_virtual_pending(cpu) & riscv_aia_virtual_enabled(cpu));
}

int riscv_aia_pending(struct riscv_cpu *cpu)
{
    const struct riscv_state *state = riscv_state_of(cpu);
    bool m_enabled = state->privilege < RISCV_M || (state->mstatus & MSTATUS_MIE);
    bool s_enabled = state->privilege < RISCV_S || (state->privilege == RISCV_S && (state->mstatus & MSTATUS_SIE));
    u64 to_m = m_enabled ? candidates(cpu, RISCV_LEVEL_M) : 0, to_s = s_enabled ? candidates(cpu, RISCV_LEVEL_S) : 0;
    unsigned number = 0;

    if (!to_m && !to_s)
        return -1;
    best(cpu, to_m ? RISCV_LEVEL_M : RISCV_LEVEL_S, to_m ? to_m : to_s, &number);
    return (int)(number | (!to_m && !(state->mideleg >> number & 1) ? RISCV_CAUSE_VIRTUAL : 0));
}

/* Without an IMSIC no priority number can be set, and IPRIO is 1 (sections 5.2.2 and 5.4.2). */
u64 riscv_read_topi(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number)
{
    enum riscv_level level = level_of(number);
    u64 set = candidates(cpu, level);
    unsigned top = 0;

    if (!set)
        return 0;
    u32 priority = best(cpu, level, set, &top);
    return (u64)top << 16 | (file_of(cpu, level) ? MIN(priority, 255) : 1);
}

/* Indirect access */

static u64 *select_of(struct riscv_cpu *cpu, enum riscv_level level)
{
    return level == RISCV_LEVEL_M ? &riscv_state_of(cpu)->miselect : &riscv_state_of(cpu)->siselect;
}

static bool is_iprio(u64 select)
{
    return select >= SELECT_IPRIO && select < SELECT_IPRIO_END;
}

static bool is_file(u64 select)
{
    return select >= SELECT_FILE && select < SELECT_END;
}

/* While M mode has supervisor external interrupts to itself (mvien), S mode does not reach the file (section 5.3). */
bool riscv_test_s_file(struct riscv_cpu *cpu, u32 number)
{
    const struct riscv_state *state = riscv_state_of(cpu);

    return state->privilege != RISCV_S || !(state->mvien & SEI);
}

bool riscv_test_ireg(struct riscv_cpu *cpu, u32 number)
{
    enum riscv_level level = level_of(number);
    u64 select = *select_of(cpu, level);

    if (is_iprio(select))
        return !(select & 1);
    return is_file(select) && file_of(cpu, level) && !(select >= SELECT_EIP && select & 1) &&
           (level == RISCV_LEVEL_M || riscv_test_s_file(cpu, number));
}

/*
 * DEVIATION RISC-V | AIA: priorities | with an IMSIC all bytes of the `iprio` arrays for interrupts that can be enabled can be set;
 * otherwise none, and IPRIO reads 1. Custom interrupts and 14, 15 come last by default, in order of their numbers | WARL
 */
static u64 iprio_mask(struct riscv_cpu *cpu, enum riscv_level level, unsigned first)
{
    u64 mask = 0;

    for (unsigned i = 0; i < 8; i++)
        mask |= has_priority(cpu, level, first + i) ? UINT64_C(0xff) << 8 * i : 0;
    return mask;
}

/* Numbers of the eight priorities of a register. */
static unsigned iprio_first(u64 select)
{
    return (unsigned)(select - SELECT_IPRIO) / 2 * 8;
}

u64 riscv_read_ireg(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number)
{
    enum riscv_level level = level_of(number);
    u64 select = *select_of(cpu, level), value = 0;
    const struct vcpu_port *file = file_of(cpu, level);

    if (is_iprio(select))
        return bits_load_le(&riscv_state_of(cpu)->iprio[level][iprio_first(select)], 8) & iprio_mask(cpu, level, iprio_first(select));
    if (file && is_file(select))
        file->access(file->opaque, (u32)select, &value, 0, 0);
    return value;
}

void riscv_write_ireg(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number, u64 value, u64 mask)
{
    enum riscv_level level = level_of(number);
    u64 select = *select_of(cpu, level), old;
    const struct vcpu_port *file = file_of(cpu, level);

    if (is_iprio(select)) {
        unsigned first = iprio_first(select);
        u8 *iprio = &riscv_state_of(cpu)->iprio[level][first];

        bits_store_le(iprio, 8, merge(bits_load_le(iprio, 8), value, mask & iprio_mask(cpu, level, first)));
    } else if (file && is_file(select)) {
        file->access(file->opaque, (u32)select, &old, value, mask);
    }
}

u64 riscv_read_topei(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number)
{
    const struct vcpu_port *file = file_of(cpu, level_of(number));
    u64 *top = &cpu->topei_read[level_of(number)];

    file->access(file->opaque, VCPU_PORT_TOP, top, 0, 0);
    return *top;
}

/* A claim of what the same instruction read: something better may have arrived in between, which must not be lost (section 3.9). */
void riscv_write_topei(struct riscv_cpu *cpu, const struct riscv_csr *row, u32 number, u64 value, u64 mask)
{
    const struct vcpu_port *file = file_of(cpu, level_of(number));
    u64 identity = cpu->topei_read[level_of(number)] >> 16, old;

    if (identity)
        file->access(file->opaque, SELECT_EIP + (u32)(identity / 64 * 2), &old, 0, BIT64(identity % 64));
}

/* Tests */

bool riscv_test_smaia(struct riscv_cpu *cpu, u32 number)
{
    return riscv_has(cpu, RISCV_EXT_SMAIA);
}

/* Smaia encompasses the registers of all levels that there are (section 1.6). */
bool riscv_test_ssaia(struct riscv_cpu *cpu, u32 number)
{
    return riscv_aia_present(cpu) && riscv_has(cpu, RISCV_EXT_S);
}

bool riscv_test_mvien(struct riscv_cpu *cpu, u32 number)
{
    return riscv_has(cpu, RISCV_EXT_SMAIA) && riscv_has(cpu, RISCV_EXT_S);
}

bool riscv_test_topei(struct riscv_cpu *cpu, u32 number)
{
    enum riscv_level level = level_of(number);

    return file_of(cpu, level) && (level == RISCV_LEVEL_M ? riscv_test_smaia(cpu, number) : riscv_test_ssaia(cpu, number));
}
