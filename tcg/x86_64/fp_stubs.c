/*
 * tcg/x86_64/fp_stubs.c - shared code around floating point: constants; loading and storing the guest's registers and MXCSR; other
 * rounding modes for a while; calls of the exact soft-float. All preserve general registers and clobber flags.
 */
#include "base/softfloat/softfloat.h"
#include "tcg/fp.h"
#include "tcg/x86_64/value.h"

/* Words of code_layout.fp_area behind the four temporaries. */
enum { AREA_MXCSR = 4 * 8, AREA_SAVED_MXCSR = 5 * 8 };
/* MXCSR: all exceptions masked, no flags; the field of the rounding mode. */
enum { MXCSR_DEFAULT = 0x1f80, MXCSR_ROUNDING_SHIFT = 13, MXCSR_ROUNDING = 3 << MXCSR_ROUNDING_SHIFT, MXCSR_FLAGS = 0x3f };

static u32 here(const struct tcg_engine *e)
{
    return (u32)(e->code.p - e->buffer->write);
}

static u32 mxcsr_of(unsigned rounding)
{
    static const u8 field[] = {[SOFTFLOAT_RNE] = 0, [SOFTFLOAT_RDN] = 1, [SOFTFLOAT_RUP] = 2, [SOFTFLOAT_RTZ] = 3};

    return MXCSR_DEFAULT | (rounding < ARRAY_SIZE(field) ? (u32)field[rounding] << MXCSR_ROUNDING_SHIFT : 0);
}

/* SDM volume 1, "MXCSR": invalid, denormal operand (not a flag of ours), division by zero, overflow, underflow, precision. */
static u8 flags_of(unsigned mxcsr)
{
    return (mxcsr & 1 ? SOFTFLOAT_INVALID : 0) | (mxcsr & 4 ? SOFTFLOAT_DIVBYZERO : 0) | (mxcsr & 8 ? SOFTFLOAT_OVERFLOW : 0) |
           (mxcsr & 16 ? SOFTFLOAT_UNDERFLOW : 0) | (mxcsr & 32 ? SOFTFLOAT_INEXACT : 0);
}

static void place_constants(struct tcg_engine *e)
{
    struct x86_constants k = {
        .sign64 = {UINT64_C(1) << 63}, .sign32 = {UINT64_C(1) << 31},
        .magnitude64 = {~(UINT64_C(1) << 63), ~UINT64_C(0)}, .magnitude32 = {~(UINT64_C(1) << 31), ~UINT64_C(0)},
        .box = {UINT64_C(0xffffffff00000000)},
        .infinity64 = {UINT64_C(0x7ff0000000000000)}, .infinity32 = {UINT64_C(0x7f800000)},
        .nan64 = UINT64_C(0x7ff8000000000000), .nan32 = UINT64_C(0xffffffff7fc00000),
        .limit_u32_64 = UINT64_C(0x41efffffffe00000), .limit_u64_64 = UINT64_C(0x43e0000000000000),
        .limit_u32_32 = 0x4f7fffff, .limit_u64_32 = 0x5f000000, .layout = (u64)(uintptr_t)e->layout, .ghash_fold = {UINT64_C(0xc200000000000000)},
    };

    for (unsigned i = 0; i < ARRAY_SIZE(k.mxcsr); i++)
        k.mxcsr[i] = mxcsr_of(i);
    for (unsigned i = 0; i < ARRAY_SIZE(k.flags); i++)
        k.flags[i] = flags_of(i);
    for (unsigned i = 0; i < 64; i++)
        k.swap[i / 16][i % 16] = (u8)(i % 16 ^ ((1u << i / 16) - 1));
    for (unsigned i = 0; i < 8; i++) {
        k.nans32[i] = (u32)k.nan32;
        k.nans64[i / 2] = k.nan64;
    }
    for (unsigned i = 0; i < 96; i++)
        k.rotate32[i / 32][i % 32] = (u8)((i % 16 & ~3u) | ((i - i / 32 - 1) & 3));
    for (unsigned i = 0; i < 32; i++) {
        k.spread[i] = (u8)(i / 8);
        k.reversed[i % 16] = (u8)(15 - i % 16);
        k.number8[i] = (u8)i;
        k.sixteens[i % 16] = 16;
        k.to_128[i % 16] = 112;
        k.number16[i / 2] = (u16)(i / 2);
        k.number32[i / 4] = i / 4;
        k.number64[i / 4] = i / 8;
        k.lane_bit8[i] = (u8)(1 << i % 8);
        k.lane_bit16[i / 2] = (u16)(1 << i / 2);
        k.lane_bit32[i / 4] = 1u << i / 4;
        k.lane_bit64[i / 8] = UINT64_C(1) << i / 8;
    }
    e->code.p = (u8 *)(((uintptr_t)e->code.p + 15) & ~(uintptr_t)15);
    e->stubs.constants = here(e);
    memcpy(e->code.p, &k, sizeof(k));
    e->code.p += sizeof(k);
}

static struct x86_mem area(const struct tcg_engine *e, s32 at)
{
    return x86_base(e->layout->fp_area + at);
}

static void move_all(struct tcg_engine *e, bool store)
{
    u32 op = store ? SSE_MOVSD_STORE : SSE_MOVSD;

    for (unsigned r = X86_XMM0; r < X86_ALL_REGS; r++) {
        if (r - X86_XMM0 < X86_XMM_TEMPS)
            x86_sse_rm(&e->code, e->features.vex, op, r, 0, area(e, 8 * (s32)(r - X86_XMM0)));
        else if (e->map_guest_of[r] != IR_NONE)
            x86_sse_rm(&e->code, e->features.vex, op, r, 0, x86_state_of(e, e->map_guest_of[r]));
    }
}

static void emit_load(struct tcg_engine *e)
{
    struct x86_code *c = &e->code;
    x86_fixup there;

    e->stubs.fp_load = here(e);
    x86_alu_mi(c, X86_CMP, false, x86_base(e->layout->fp_live), 0);
    there = x86_jcc(c, CC_NE); /* behind a call that came to no C */
    x86_push_r(c, RAX);
    x86_push_r(c, RCX);
    x86_extend_rm(c, 0, false, false, RAX, x86_base(e->layout->fp_rounding));
    x86_alu_ri(c, X86_AND, false, RAX, 7);
    x86_lea_constant(c, RCX, (const u8 *)x86_constants_at(e)->mxcsr);
    x86_ldmxcsr(c, x86_mem_index(RCX, RAX, 2, 0));
    move_all(e, false);
    x86_mov_mi(c, 2, x86_base(e->layout->fp_live), 1);
    x86_pop_r(c, RCX);
    x86_pop_r(c, RAX);
    x86_fix(there, c->p);
    x86_ret(c);
}

/* eax = the flags in MXCSR, as softfloat has them; clobbers rcx. */
static void read_flags(struct tcg_engine *e)
{
    struct x86_code *c = &e->code;

    x86_stmxcsr(c, area(e, AREA_MXCSR));
    x86_mov_rm(c, false, RAX, area(e, AREA_MXCSR));
    x86_alu_ri(c, X86_AND, false, RAX, MXCSR_FLAGS);
    x86_lea_constant(c, RCX, x86_constants_at(e)->flags);
    x86_extend_rm(c, 0, false, false, RAX, x86_mem_index(RCX, RAX, 0, 0));
}

static void emit_save(struct tcg_engine *e)
{
    struct x86_code *c = &e->code;

    e->stubs.fp_save = here(e);
    x86_push_r(c, RAX);
    x86_push_r(c, RCX);
    move_all(e, true);
    read_flags(e);
    x86_rm(c, 0x08 | X86_BYTE_REG, false, RAX, x86_base(e->layout->fp_flags)); /* or [flags], al */
    x86_lea_constant(c, RCX, (const u8 *)&x86_constants_at(e)->mxcsr[SOFTFLOAT_RNE]);
    x86_ldmxcsr(c, x86_mem(RCX, 0));
    x86_mov_mi(c, 2, x86_base(e->layout->fp_live), 0);
    x86_pop_r(c, RCX);
    x86_pop_r(c, RAX);
    x86_ret(c);
}

static void emit_flags_get(struct tcg_engine *e)
{
    struct x86_code *c = &e->code;

    e->stubs.fp_flags_get = here(e);
    x86_push_r(c, RCX);
    read_flags(e);
    x86_extend_rm(c, 0, false, false, RCX, x86_base(e->layout->fp_flags));
    x86_alu_rr(c, X86_OR, false, RAX, RCX);
    x86_pop_r(c, RCX);
    x86_ret(c);
}

/* Loading MXCSR is slow, and needed only when it has flags that the new ones lack: flags are added up when they are read. */
static void emit_flags_set(struct tcg_engine *e)
{
    struct x86_code *c = &e->code;
    u8 *none;

    e->stubs.fp_flags_set = here(e);
    x86_push_r(c, RCX);
    x86_push_r(c, RDX);
    x86_alu_ri(c, X86_AND, false, RAX, 31);
    x86_mov_mr(c, 0, x86_base(e->layout->fp_flags), RAX);
    x86_mov_rr(c, false, RDX, RAX);
    x86_unary_r(c, X86_NOT, false, RDX);
    read_flags(e);
    x86_test_rr(c, false, RAX, RDX);
    none = x86_jcc8(c, CC_E);
    x86_alu_mi(c, X86_AND, false, area(e, AREA_MXCSR), ~MXCSR_FLAGS);
    x86_ldmxcsr(c, area(e, AREA_MXCSR));
    x86_fix8(c, none);
    x86_pop_r(c, RDX);
    x86_pop_r(c, RCX);
    x86_ret(c);
}

/* Another rounding mode: flags stay. */
static void emit_round(struct tcg_engine *e, unsigned rounding)
{
    struct x86_code *c = &e->code;

    e->stubs.fp_round[rounding] = here(e);
    x86_push_r(c, RAX);
    x86_stmxcsr(c, area(e, AREA_SAVED_MXCSR));
    x86_mov_rm(c, false, RAX, area(e, AREA_SAVED_MXCSR));
    x86_alu_ri(c, X86_AND, false, RAX, ~MXCSR_ROUNDING);
    x86_alu_ri(c, X86_OR, false, RAX, (s32)mxcsr_of(rounding));
    x86_mov_mr(c, 2, area(e, AREA_MXCSR), RAX);
    x86_ldmxcsr(c, area(e, AREA_MXCSR));
    x86_pop_r(c, RAX);
    x86_ret(c);
}

static void emit_round_end(struct tcg_engine *e)
{
    struct x86_code *c = &e->code;

    e->stubs.fp_round_end = here(e);
    x86_push_r(c, RAX);
    x86_stmxcsr(c, area(e, AREA_MXCSR));
    x86_mov_rm(c, false, RAX, area(e, AREA_MXCSR));
    x86_alu_ri(c, X86_AND, false, RAX, ~MXCSR_ROUNDING);
    x86_alu_rm(c, X86_OR, false, RAX, area(e, AREA_SAVED_MXCSR));
    x86_mov_mr(c, 2, area(e, AREA_MXCSR), RAX);
    x86_ldmxcsr(c, area(e, AREA_MXCSR));
    x86_pop_r(c, RAX);
    x86_ret(c);
}

/* Operands a, b, c and the word above the return address, from low to high; the result replaces a. */
static void emit_exact(struct tcg_engine *e)
{
    static const u8 saved[] = {RAX, RCX, RDX, RSI, RDI, R8, R9, R10, R11}; /* with the return address: rsp is aligned */
    const s32 a = 8 * (s32)ARRAY_SIZE(saved) + 8;
    struct x86_code *c = &e->code;

    e->stubs.fp_exact = here(e);
    for (unsigned i = 0; i < ARRAY_SIZE(saved); i++)
        x86_push_r(c, saved[i]);
    x86_call_to(c, x86_at(e, e->stubs.fp_save));
    x86_mov_rm(c, false, RDI, x86_mem(RSP, a + 24));
    x86_mov_rm(c, true, RSI, x86_mem(RSP, a));
    x86_mov_rm(c, true, RDX, x86_mem(RSP, a + 8));
    x86_mov_rm(c, true, RCX, x86_mem(RSP, a + 16));
    x86_extend_rm(c, 0, false, false, R8, x86_base(e->layout->fp_rounding));
    x86_mov_ri(c, RAX, (u64)(uintptr_t)ir_fp_compute);
    x86_call_r(c, RAX);
    x86_mov_mr(c, 3, x86_mem(RSP, a), RAX);
    x86_rm(c, 0x08 | X86_BYTE_REG, false, RDX, x86_base(e->layout->fp_flags)); /* or [flags], dl */
    x86_call_to(c, x86_at(e, e->stubs.fp_load));
    for (unsigned i = ARRAY_SIZE(saved); i-- > 0;)
        x86_pop_r(c, saved[i]);
    x86_ret(c);
}

void x86_fp_flush(struct tcg_engine *e)
{
    struct x86_code *c = &e->code;
    u8 *no;

    if (e->features.vex)
        x86_vzeroupper(c); /* C is compiled for less: mixing costs dearly while upper halves are in use */
    x86_alu_mi(c, X86_CMP, false, x86_base(e->layout->fp_live), 0);
    no = x86_jcc8(c, CC_E);
    x86_call_to(c, x86_at(e, e->stubs.fp_save));
    x86_fix8(c, no);
}

void x86_fp_stubs_emit(struct tcg_engine *e)
{
    place_constants(e);
    emit_load(e);
    emit_save(e);
    for (unsigned i = SOFTFLOAT_RNE; i <= SOFTFLOAT_RUP; i++)
        emit_round(e, i);
    emit_round_end(e);
    emit_flags_get(e);
    emit_flags_set(e);
    emit_exact(e);
}
