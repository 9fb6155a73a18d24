/* target/riscv/vector.c - vtype and vl, which vector instructions are legal (sections 3.4, 5.2, 5.3, 6), and how one is run. */
#include "target/riscv/vector.h"
#include "target/riscv/csr.h"
#include "target/riscv/helpers.h"
#include "target/riscv/mode.h"
#include "target/riscv/trap.h"
#include <string.h>

enum { INTEGER, WIDE, FIXED, FLOAT, MOVE, CRYPTO };
enum { KEY_BITS = 128 };
#define chapter_integer INTEGER
#define chapter_wide    WIDE
#define chapter_fixed   FIXED
#define chapter_float   FLOAT
#define chapter_move    MOVE
#define chapter_crypto  CRYPTO

const struct riscv_vector_info riscv_vector_info[RISCV_V_OP_COUNT] = {
#define VECTOR(id, chapter, d, s2, s1, rules) { VECTOR_##d, VECTOR_##s2, VECTOR_##s1, chapter_##chapter, rules },
#include "target/riscv/vector_ops.def"
#undef VECTOR
};

/* --- vtype --- */

static unsigned max_element(const struct riscv_cpu *cpu)
{
    return riscv_has(cpu, RISCV_EXT_ZVE64X) ? cpu->elen : MIN(cpu->elen, 32);
}

/*
 * DEVIATION RISC-V | vectors | `vlen` is at most 512 (QEMU: 1024); a fractional LMUL allows elements up to that part of ELEN, others
 * set `vill` | enough for hosts of today; the manual demands no more
 */

/* With a fractional LMUL elements are at most that part of ELEN; more is allowed (section 3.4.2), and not there in QEMU either. */
bool riscv_vector_type_legal(const struct riscv_cpu *cpu, u64 vtype)
{
    int lmul = riscv_vector_lmul(vtype);
    unsigned bits = 8u << riscv_vector_sew(vtype);

    if ((vtype & ~(u64)VTYPE_DEFINED) || bits > max_element(cpu) || lmul == -4)
        return false;
    return lmul >= 0 || max_element(cpu) >> -lmul >= bits;
}

u64 riscv_vector_limit(const struct riscv_cpu *cpu, u64 vtype, u64 avl)
{
    u64 max = riscv_vector_max(cpu, vtype);

    if (avl <= max)
        return avl;
    return cpu->rvv_vl_half_avl && avl < 2 * max ? (avl + 1) / 2 : max;
}

u64 riscv_vector_configure(struct riscv_cpu *cpu, u64 vtype, u64 avl, bool keep)
{
    struct riscv_state *state = riscv_state_of(cpu);
    bool legal = riscv_vector_type_legal(cpu, vtype);

    if (legal && keep && cpu->rvv_vsetvl_x0_vill)
        legal = !(state->vtype & VTYPE_VILL) && riscv_vector_max(cpu, state->vtype) == riscv_vector_max(cpu, vtype);
    state->vtype = legal ? vtype : VTYPE_VILL;
    state->vl = legal ? riscv_vector_limit(cpu, vtype, keep ? state->vl : avl) : 0;
    state->vstart = 0;
    state->vs_dirty = 1;
    return state->vl;
}

u64 riscv_helper_vsetvl(void *vcpu, u64 vtype, u64 avl, u64 keep)
{
    return riscv_vector_configure(riscv_cpu_of(vcpu), vtype, avl, keep);
}

/* --- legality --- */

/* A group: registers, log2 of their number (EMUL, perhaps fractional), log2 of an element's bits. */
struct group {
    unsigned first;
    int emul;
    unsigned eew;
    bool checked; /* takes part in the rules about overlaps */
};

static unsigned span(const struct group *g)
{
    return g->emul > 0 ? 1u << g->emul : 1;
}

static bool overlap(const struct group *a, const struct group *b)
{
    return a->first < b->first + span(b) && b->first < a->first + span(a);
}

/* Section 5.2: narrower results in the lowest part, wider ones with the source in the highest part, of whole registers. */
static bool may_overlap(const struct group *d, const struct group *s)
{
    if (!overlap(d, s))
        return true;
    if (d->eew == s->eew)
        return d->first == s->first;
    if (d->eew < s->eew)
        return d->first == s->first;
    return s->emul >= 0 && d->first + span(d) == s->first + span(s) && span(d) > span(s);
}

static bool aligned(const struct group *g)
{
    return g->emul >= -3 && g->emul <= 3 && !(g->first & (span(g) - 1));
}

/* False: there is no such operand under this vtype. */
static bool make_group(const struct riscv_cpu *cpu, enum riscv_vector_operand operand, unsigned first, u64 vtype, struct group *g)
{
    int shift = operand == VECTOR_WIDE ? 1 : operand == VECTOR_HALF ? -1 : operand == VECTOR_QUARTER ? -2 : operand == VECTOR_EIGHTH ? -3 : 0;
    int eew = 3 + (int)riscv_vector_sew(vtype) + shift;

    *g = (struct group){ .first = first, .checked = true };
    if (operand == VECTOR_NONE || operand == VECTOR_SCALAR) {
        g->checked = false;
        return true;
    }
    if (operand == VECTOR_BITS)
        return true; /* eew 0: one bit */
    if (operand == VECTOR_KEY) {
        g->emul = cpu->vlen < KEY_BITS ? __builtin_ctz(KEY_BITS / cpu->vlen) : 0;
        return aligned(g);
    }
    if (operand == VECTOR_16) {
        shift = 4 - eew;
        eew = 4;
    }
    g->eew = (unsigned)eew;
    g->emul = riscv_vector_lmul(vtype) + shift;
    return eew >= 3 && aligned(g);
}

static bool has_float(const struct riscv_cpu *cpu, unsigned bits, bool min)
{
    switch (bits) {
    case 16:
        return riscv_has(cpu, min ? RISCV_EXT_ZVFHMIN : RISCV_EXT_ZVFH);
    case 32:
        return riscv_has(cpu, RISCV_EXT_ZVE32F);
    case 64:
        return riscv_has(cpu, RISCV_EXT_ZVE64D);
    default:
        return false;
    }
}

static bool widths_legal(const struct riscv_cpu *cpu, const struct riscv_vector_info *info, enum riscv_vector_form form, u64 vtype)
{
    unsigned bits = 8u << riscv_vector_sew(vtype), rules = info->rules;
    bool wide = info->d == VECTOR_WIDE || info->s2 == VECTOR_WIDE || (rules & VECTOR_SUM_WIDE);

    if (wide && 2 * bits > max_element(cpu))
        return false;
    if (((rules & VECTOR_FP) || (form == RISCV_V_F && !(rules & VECTOR_FP_WIDE))) && !has_float(cpu, bits, rules & VECTOR_FP_MIN))
        return false;
    if ((rules & VECTOR_FP_WIDE) && !has_float(cpu, 2 * bits, false))
        return false;
    if ((rules & VECTOR_HIGH) && bits == 64 && !riscv_has(cpu, RISCV_EXT_V))
        return false;
    if ((rules & VECTOR_SEW_32) && bits != 32)
        return false;
    if ((rules & VECTOR_SHA2) && bits != 32 && !(bits == 64 && riscv_has(cpu, RISCV_EXT_ZVKNHB)))
        return false;
    return !(rules & VECTOR_SEW_64) || bits == 64;
}

/* Whole registers are moved whatever LMUL is (section 16.6). */
static bool move_legal(enum riscv_vector_op op, u32 raw)
{
    u32 mask = (1u << (op - RISCV_V_MV1R)) - 1;

    return !((raw >> 7 | raw >> 20) & mask);
}

/*
 * DEVIATION RISC-V | vectors: a source that overlaps the mask, or another source of another width | illegal but in comparisons,
 * reductions, carries and stores, where QEMU allowed it (11.1 does no longer in masked reductions and indexed stores) | reserved
 */

/*
 * No register may be read as elements of two widths (section 5.2); the mask counts as one-bit elements. Where results are masks or scalars,
 * and for carries, the mask may be a source, as QEMU had it.
 */
static bool sources_legal(const struct riscv_vector_info *info, enum riscv_vector_op op, bool masked, const struct group *s2, const struct group *s1)
{
    bool carry = op == RISCV_V_ADC || op == RISCV_V_SBC;

    if (masked && !carry && info->d != VECTOR_BITS && ((s2->eew && s2->first == 0) || (s1->eew && s1->first == 0)))
        return false;
    return !s2->eew || !s1->eew || s2->eew == s1->eew || !overlap(s2, s1);
}

bool riscv_vector_legal(const struct riscv_cpu *cpu, enum riscv_vector_op op, enum riscv_vector_form form, u32 raw, u64 vtype)
{
    const struct riscv_vector_info *info = &riscv_vector_info[op];
    bool masked = !(raw >> 25 & 1), apart = info->rules & VECTOR_APART;
    struct group d, s[2];

    if (vtype & VTYPE_VILL)
        return false;
    if (op >= RISCV_V_MV1R && op <= RISCV_V_MV8R)
        return move_legal(op, raw);
    if (riscv_vector_max(cpu, vtype) < riscv_vector_together(op) || !widths_legal(cpu, info, form, vtype) || !make_group(cpu, info->d, raw >> 7 & 31, vtype, &d) ||
        !make_group(cpu, info->s2, raw >> 20 & 31, vtype, &s[0]) ||
        !make_group(cpu, form == RISCV_V_V ? info->s1 : VECTOR_NONE, raw >> 15 & 31, vtype, &s[1]))
        return false;
    if (masked && d.checked && d.first == 0 && (info->d != VECTOR_BITS || (info->rules & VECTOR_NOT_V0)))
        return false;
    if (d.checked && !sources_legal(info, op, masked, &s[0], &s[1]))
        return false;
    for (unsigned i = 0; i < 2 && d.checked; i++)
        if (s[i].checked && (apart || (i == 0 && info->rules & VECTOR_APART_2) ? overlap(&d, &s[i]) : !may_overlap(&d, &s[i])))
            return false;
    return true;
}

bool riscv_vector_memory_legal(const struct riscv_cpu *cpu, enum riscv_vector_access access, unsigned eew, bool load, u32 raw, u64 vtype)
{
    unsigned fields = (raw >> 29) + 1, sew = riscv_vector_sew(vtype) + 3, width = (unsigned)__builtin_ctz(eew);
    bool masked = !(raw >> 25 & 1), indexed = access == RISCV_VMEM_INDEXED;
    struct group d = { .first = raw >> 7 & 31 }, index = { .first = raw >> 20 & 31 };
    int emul = riscv_vector_lmul(vtype) + (int)width - (int)sew;

    if (access == RISCV_VMEM_WHOLE)
        return eew <= max_element(cpu) && !(d.first & (fields - 1));
    if (vtype & VTYPE_VILL)
        return false;
    if (access == RISCV_VMEM_MASK)
        return true;
    d.emul = indexed ? riscv_vector_lmul(vtype) : emul;
    d.eew = indexed ? sew : width;
    index.emul = emul;
    index.eew = width;
    if (eew > max_element(cpu) || !aligned(&d) || (fields << MAX(d.emul, 0)) > 8 || d.first + (fields << MAX(d.emul, 0)) > 32)
        return false;
    if (masked && load && d.first == 0)
        return false;
    if (!indexed)
        return true;
    if (!aligned(&index) || (masked && index.first == 0))
        return false;
    for (unsigned i = 0; i < fields; i++, d.first += span(&d)) {
        bool fine = load ? fields == 1 && may_overlap(&d, &index) : d.eew == index.eew;

        if (!fine && overlap(&d, &index))
            return false;
    }
    return true;
}

/* --- one operation --- */

static riscv_vector_function *find(enum riscv_vector_op op, bool scalar, unsigned sew)
{
    static riscv_vector_functions *const chapters[] = { [INTEGER] = riscv_vector_integer, [WIDE] = riscv_vector_wide, [FIXED] = riscv_vector_fixed,
                                                        [FLOAT] = riscv_vector_float, [MOVE] = riscv_vector_move, [CRYPTO] = riscv_vector_crypto };

    return chapters[riscv_vector_info[op].chapter][op][scalar][sew];
}

/* Agnostic elements become ones where the options ask for that; otherwise nothing is written there. */
static void fill_agnostic(const struct riscv_cpu *cpu, const struct riscv_state *state, const struct riscv_vector_info *info, struct vector *v,
                          unsigned sew)
{
    unsigned bytes = 1u << (sew + (info->d == VECTOR_WIDE || info->rules & VECTOR_SUM_WIDE));
    bool tail = cpu->rvv_ta_all_1s && (state->vtype & VTYPE_TA), mask = cpu->rvv_ma_all_1s && v->masked && (state->vtype & VTYPE_MA);
    u64 total = MAX(v->vlmax, v->vlenb / bytes);

    if (info->d == VECTOR_BITS) {
        for (u64 i = v->vl; cpu->rvv_ta_all_1s && i < 8 * v->vlenb; i++)
            vector_set_bit(v->d, i, true);
        return;
    }
    if (info->d == VECTOR_SCALAR) {
        total = v->vlenb / bytes;
        mask = false;
    }
    for (u64 i = v->start; mask && i < v->vl; i++) /* behind what vslideup leaves alone */
        if (!vector_bit(v->v0, i))
            memset(v->d + i * bytes, 0xff, bytes);
    for (u64 i = info->d == VECTOR_SCALAR ? 1 : v->vl; tail && i < total; i++)
        memset(v->d + i * bytes, 0xff, bytes);
}

/* FS becomes Dirty whatever the flags, as inline code has it: which of both runs is a matter of what was assumed when. */
static void accrue(struct riscv_state *state, const struct riscv_vector_info *info, const struct vector *v)
{
    state->vs_dirty = 1;
    state->vstart = 0;
    if (unlikely(v->saturated))
        state->vxsat = 1;
    if (info->chapter == FLOAT) {
        state->fflags |= v->env.flags;
        state->fp_dirty = 1;
    }
}

/* Section 13: a narrower f register operand must be a NaN box. */
static u64 unbox(u64 x, unsigned sew)
{
    if (sew == 1)
        return x >> 16 == UINT64_MAX >> 16 ? x & 0xffff : 0x7e00;
    if (sew == 2)
        return x >> 32 == UINT32_MAX ? x & UINT32_MAX : 0x7fc00000;
    return x;
}

/* what: raw | operation << 32 | form << 48. The instruction is legal. */
static u64 run(struct riscv_cpu *cpu, u64 what, u64 x)
{
    struct riscv_state *state = riscv_state_of(cpu);
    enum riscv_vector_op op = what >> 32 & 0xffff;
    const struct riscv_vector_info *info = &riscv_vector_info[op];
    unsigned sew = riscv_vector_sew(state->vtype), bytes = cpu->vlen / 8;
    u32 raw = (u32)what;
    struct vector v = {
        .d = state->v + (raw >> 7 & 31) * bytes, .s2 = state->v + (raw >> 20 & 31) * bytes, .s1 = state->v + (raw >> 15 & 31) * bytes,
        .v0 = state->v, .start = state->vstart, .vl = state->vl, .x = what >> 48 == RISCV_V_F ? unbox(x, sew) : x, .vlenb = bytes, .vlmax = (u32)riscv_vector_max(cpu, state->vtype),
        .masked = !(raw >> 25 & 1) && !(info->rules & VECTOR_USES_V0), .vxrm = state->vxrm, .env = { .rounding = state->frm },
    };

    find(op, what >> 48 != RISCV_V_V, sew)(&v);
    if (unlikely(cpu->rvv_ta_all_1s || cpu->rvv_ma_all_1s) && info->d != VECTOR_NONE && state->vstart < v.vl)
        fill_agnostic(cpu, state, info, &v, sew);
    accrue(state, info, &v);
    return v.result;
}

u64 riscv_helper_vector(void *vcpu, u64 what, u64 x)
{
    return run(riscv_cpu_of(vcpu), what, x);
}

bool riscv_vector_start_legal(const struct riscv_state *state, enum riscv_vector_op op)
{
    u64 together = riscv_vector_together(op) - 1;

    return !((state->vl | state->vstart) & together) && (state->vstart == 0 || !(riscv_vector_info[op].rules & VECTOR_FROM_0));
}

/*
 * Where vtype is not known to the translator. A result goes to x[rd] or f[rd]. What follows takes `expected` for the vtype, unless that is
 * RISCV_VTYPE_ANY: with another one this leaves behind the instruction.
 */
u64 riscv_helper_vector_checked(void *vcpu, u64 what, u64 x, u64 expected)
{
    struct riscv_cpu *cpu = riscv_cpu_of(vcpu);
    struct riscv_state *state = riscv_state_of(cpu);
    enum riscv_vector_op op = what >> 32 & 0xffff;
    u32 raw = (u32)what, rd = raw >> 7 & 31;

    if (!riscv_vector_legal(cpu, op, what >> 48, raw, state->vtype) || !riscv_vector_start_legal(state, op)) {
        riscv_trap(cpu, RISCV_ILLEGAL_INSTRUCTION, raw);
        return true;
    }
    u64 result = run(cpu, what, x);
    if (op == RISCV_V_MV_F_S) {
        state->f[rd] = result;
        state->fp_dirty = 1;
    } else if (riscv_vector_info[op].d == VECTOR_NONE && op < RISCV_V_MV1R && rd) {
        state->x[rd] = result;
    }
    if (likely(expected == state->vtype || expected == RISCV_VTYPE_ANY))
        return false;
    state->pc += 4;
    return true;
}
