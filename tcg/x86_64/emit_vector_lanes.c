/* tcg/x86_64/emit_vector_lanes.c - what vector ops do to a chunk: integers, floating point, comparisons. */
#include "tcg/x86_64/emit_vector.h"

/* Opcodes by log2 of a lane's bytes; 0: none. From `late` (of four bits) on: SSE 4. */
struct by_lane {
    u32 op[4];
    u8 late;
};

static const struct by_lane adds = {{SSE_PADDB, SSE_PADDW, SSE_PADDD, SSE_PADDQ}}, subs = {{SSE_PSUBB, SSE_PSUBW, SSE_PSUBD, SSE_PSUBQ}},
                            minus = {{SSE_PMINUB, SSE_PMINUW, SSE_PMINUD}, 6}, mins = {{SSE_PMINSB, SSE_PMINSW, SSE_PMINSD}, 5},
                            maxus = {{SSE_PMAXUB, SSE_PMAXUW, SSE_PMAXUD}, 6}, maxs = {{SSE_PMAXSB, SSE_PMAXSW, SSE_PMAXSD}, 5},
                            muls = {{0, SSE_PMULLW, SSE_PMULLD}, 4}, equals = {{SSE_PCMPEQB, SSE_PCMPEQW, SSE_PCMPEQD, SSE_PCMPEQQ}, 8},
                            greaters = {{SSE_PCMPGTB, SSE_PCMPGTW, SSE_PCMPGTD, SSE_PCMPGTQ}, 8},
                            ands = {{SSE_PAND, SSE_PAND, SSE_PAND, SSE_PAND}}, ors = {{SSE_POR, SSE_POR, SSE_POR, SSE_POR}},
                            xors = {{SSE_PXOR, SSE_PXOR, SSE_PXOR, SSE_PXOR}};

static u32 by_lane(const struct vec *v, const struct by_lane *rows)
{
    return rows->late >> v->lane & 1 && !v->e->features.sse41 ? 0 : rows->op[v->lane];
}

/* --- integers: the result's register, 0 when there is no code --- */

static unsigned binary(const struct vec *v, const struct by_lane *rows)
{
    u32 op = by_lane(v, rows);

    if (op)
        with_y(v, op, X0, X0);
    return op ? X0 : 0;
}

/* 1 << (bits - 1) in all lanes of two bytes and more. */
static void sign_bits(const struct vec *v, unsigned d)
{
    ones(v, d);
    shift_imm(v, 6, v->lane, d, d, (8u << v->lane) - 1);
}

/* The smaller or greater by a comparison, where the host lacks the one: x ^ ((x ^ y) & mask). Unsigned numbers are compared less half of their range. */
static unsigned extreme(const struct vec *v, const struct by_lane *rows, bool is_max, bool is_unsigned)
{
    u32 greater = by_lane(v, &greaters);

    if (by_lane(v, rows))
        return binary(v, rows);
    if (!greater)
        return 0;
    load_y(v, X3);
    if (is_unsigned) {
        sign_bits(v, X2);
        rr(v, SSE_PXOR, X0, X0, X2);
        rr(v, SSE_PXOR, X3, X3, X2);
    }
    rr(v, greater, X2, is_max ? X3 : X0, is_max ? X0 : X3);
    rr(v, SSE_PXOR, X3, X3, X0);
    rr(v, SSE_PAND, X3, X3, X2);
    rr(v, SSE_PXOR, X0, X0, X3);
    if (is_unsigned) {
        sign_bits(v, X2);
        rr(v, SSE_PXOR, X0, X0, X2);
    }
    return X0;
}

static unsigned inverted(const struct vec *v, const struct by_lane *rows)
{
    binary(v, rows);
    invert(v, X0, X2);
    return X0;
}

static unsigned subtract_from(const struct vec *v)
{
    load_y(v, X2);
    rr(v, by_lane(v, &subs), X2, X2, X0);
    return X2;
}

static unsigned and_not(const struct vec *v, bool is_or)
{
    load_y(v, X2);
    if (is_or) {
        invert(v, X2, X3);
        rr(v, SSE_POR, X2, X2, X0);
    } else {
        rr(v, SSE_PANDN, X2, X2, X0);
    }
    return X2;
}

static unsigned shift(const struct vec *v, unsigned digit)
{
    static const u32 by_vector[] = {[2] = SSE_PSRLV, [4] = SSE_PSRAV, [6] = SSE_PSLLV};
    unsigned bits = 8u << v->lane;

    if (v->lane == 0 || (digit == 4 && v->lane == 3))
        return 0;
    if (v->scalar && v->known) {
        shift_imm(v, digit, v->lane, X0, X0, (unsigned)v->imm & (bits - 1));
        return X0;
    }
    if (v->lane < 2 || !v->vex)
        return 0;
    ones(v, X2);
    shift_imm(v, 2, v->lane, X2, X2, bits - 3 - v->lane); /* bits - 1 */
    with_y(v, SSE_PAND, X2, X2);
    rr(v, by_vector[digit] | (v->lane == 3 ? SSE_W : 0), X0, X0, X2);
    return X0;
}

/* Left, by a constant: one instruction where there is one. X2 is clobbered. */
static void rotate_known(const struct vec *v, unsigned d, unsigned a, unsigned count)
{
    unsigned bits = 8u << v->lane;

    if (v->e->features.masks && v->lane >= 2) {
        x86_rotate_k0_rr(v->c, v->wide, v->lane, true, d, a, (u8)count);
        return;
    }
    if (v->lane == 2 && v->e->features.sse41 && count && count % 8 == 0) {
        if (!v->vex && d != a)
            move(v, d, a);
        x86_sse_rc(v->c, v->vex, SSE_PSHUFB | v->wide, d, v->vex ? a : d, (const u8 *)&x86_constants_at(v->e)->rotate32[count / 8 - 1]);
        x86_note(v->e);
        return;
    }
    shift_imm(v, 2, v->lane, X2, a, bits - count);
    shift_imm(v, 6, v->lane, d, a, count);
    rr(v, SSE_POR, d, d, X2);
}

static unsigned rotate(const struct vec *v, bool left)
{
    if (v->lane == 0 || !v->known)
        return 0;
    rotate_known(v, X0, X0, (unsigned)(left ? v->imm : -v->imm) & ((8u << v->lane) - 1));
    return X0;
}

bool x86_vec_shift_known(const struct vec *v, unsigned d, unsigned a)
{
    unsigned bits = 8u << v->lane, count = (unsigned)v->imm & (bits - 1), digit = v->kind == IR_VECTOR_SLL ? 6 : v->kind == IR_VECTOR_SRL ? 2 : 4;

    if (v->lane == 0 || !v->scalar || !v->known)
        return false;
    switch (v->kind) {
    case IR_VECTOR_ROL:
    case IR_VECTOR_ROR:
        rotate_known(v, d, a, v->kind == IR_VECTOR_ROL ? count : -count & (bits - 1));
        return true;
    case IR_VECTOR_SRA:
    case IR_VECTOR_SLL:
    case IR_VECTOR_SRL:
        if (digit == 4 && v->lane == 3)
            return false;
        shift_imm(v, digit, v->lane, d, a, count);
        return true;
    default:
        return false;
    }
}

u32 x86_vec_simple(const struct vec *v, bool *commutes)
{
    *commutes = v->kind != IR_VECTOR_SUB;
    switch (v->kind) {
    case IR_VECTOR_ADD: return by_lane(v, &adds);
    case IR_VECTOR_SUB: return by_lane(v, &subs);
    case IR_VECTOR_AND: return by_lane(v, &ands);
    case IR_VECTOR_OR: return by_lane(v, &ors);
    case IR_VECTOR_XOR: return by_lane(v, &xors);
    case IR_VECTOR_MINU: return by_lane(v, &minus);
    case IR_VECTOR_MIN: return by_lane(v, &mins);
    case IR_VECTOR_MAXU: return by_lane(v, &maxus);
    case IR_VECTOR_MAX: return by_lane(v, &maxs);
    case IR_VECTOR_MUL: return by_lane(v, &muls);
    default: return 0;
    }
}

static unsigned multiply_add(const struct vec *v)
{
    u32 mul = by_lane(v, &muls);
    bool to_product = v->kind == IR_VECTOR_MACC || v->kind == IR_VECTOR_NMSAC; /* else the destination is a factor */
    bool subtracts = v->kind == IR_VECTOR_NMSAC || v->kind == IR_VECTOR_NMSUB;

    if (!mul)
        return 0;
    load(v, X2, v->at.d);
    with_y(v, mul, to_product ? X0 : X2, to_product ? X0 : X2);
    if (to_product) {
        rr(v, by_lane(v, subtracts ? &subs : &adds), X2, X2, X0);
        return X2;
    }
    rr(v, by_lane(v, subtracts ? &subs : &adds), X0, X0, X2);
    return X0;
}

static unsigned reverse_bytes(const struct vec *v)
{
    if (v->lane == 0)
        return X0;
    if (!v->e->features.sse41)
        return 0;
    x86_sse_rc(v->c, v->vex, v->wide ? SSE_BROADCAST128 | v->wide : SSE_MOVDQA, X2, 0, v->e->buffer->write + v->e->stubs.constants +
               offsetof(struct x86_constants, swap) + 16 * v->lane);
    x86_note(v->e);
    rr(v, SSE_PSHUFB, X0, X0, X2);
    return X0;
}

unsigned x86_vec_integer(const struct vec *v)
{
    switch (v->kind) {
    case IR_VECTOR_ADD: return binary(v, &adds);
    case IR_VECTOR_SUB: return binary(v, &subs);
    case IR_VECTOR_AND: return binary(v, &ands);
    case IR_VECTOR_OR: return binary(v, &ors);
    case IR_VECTOR_XOR: return binary(v, &xors);
    case IR_VECTOR_MINU: return extreme(v, &minus, false, true);
    case IR_VECTOR_MIN: return extreme(v, &mins, false, false);
    case IR_VECTOR_MAXU: return extreme(v, &maxus, true, true);
    case IR_VECTOR_MAX: return extreme(v, &maxs, true, false);
    case IR_VECTOR_MUL: return binary(v, &muls);
    case IR_VECTOR_NAND: return inverted(v, &ands);
    case IR_VECTOR_NOR: return inverted(v, &ors);
    case IR_VECTOR_XNOR: return inverted(v, &xors);
    case IR_VECTOR_RSUB: return subtract_from(v);
    case IR_VECTOR_ANDN: return and_not(v, false);
    case IR_VECTOR_ORN: return and_not(v, true);
    case IR_VECTOR_SLL: return shift(v, 6);
    case IR_VECTOR_SRL: return shift(v, 2);
    case IR_VECTOR_SRA: return shift(v, 4);
    case IR_VECTOR_ROL: return rotate(v, true);
    case IR_VECTOR_ROR: return rotate(v, false);
    case IR_VECTOR_REV8: return reverse_bytes(v);
    case IR_VECTOR_MACC:
    case IR_VECTOR_NMSAC:
    case IR_VECTOR_MADD:
    case IR_VECTOR_NMSUB: return multiply_add(v);
    case IR_VECTOR_MV: load_y(v, X0); return X0;
    default: return 0;
    }
}

/* --- floating point: the host's flags are the guest's, NaNs become the default one --- */

static void canonical(const struct vec *v, unsigned d)
{
    const u8 *constants = v->e->buffer->write + v->e->stubs.constants;
    size_t nans = v->type == IR_F64 ? offsetof(struct x86_constants, nans64) : offsetof(struct x86_constants, nans32);

    rr(v, packed(v, SSE_CMPPS), X2, d, d);
    x86_imm8(v->c, 3); /* unordered */
    x86_sse_rr(v->c, v->vex, SSE_MOVDQA | v->wide, X3, 0, X2);
    x86_sse_rc(v->c, v->vex, SSE_PAND | v->wide, X3, X3, constants + nans);
    x86_note(v->e);
    rr(v, SSE_PANDN, X2, X2, d);
    rr(v, SSE_POR, X2, X2, X3);
    move(v, d, X2);
}

static unsigned arithmetic(const struct vec *v, u32 op)
{
    with_y(v, packed(v, op), X0, X0);
    canonical(v, X0);
    return X0;
}

/* y op x */
static unsigned reversed(const struct vec *v, u32 op)
{
    load_y(v, X3);
    rr(v, packed(v, op), X3, X3, X0);
    move(v, X0, X3);
    canonical(v, X0);
    return X0;
}

static unsigned square_root(const struct vec *v)
{
    x86_sse_rr(v->c, v->vex, packed(v, SSE_SQRTPS) | v->wide, X0, 0, X0);
    canonical(v, X0);
    return X0;
}

static unsigned signs(const struct vec *v)
{
    load_y(v, X3);
    ones(v, X2);
    shift_imm(v, 6, v->lane, X2, X2, (8u << v->lane) - 1);
    if (v->kind == IR_VECTOR_FSGNJN)
        rr(v, SSE_PXOR, X3, X3, X2);
    rr(v, SSE_PAND, X3, X3, X2);
    if (v->kind != IR_VECTOR_FSGNJX) {
        rr(v, SSE_PANDN, X2, X2, X0);
        rr(v, SSE_POR, X3, X3, X2);
    } else {
        rr(v, SSE_PXOR, X3, X3, X0);
    }
    return X3;
}

/* An infinity times zero is invalid even with a NaN as addend, which the host does not say: any NaN goes to C, for this chunk. */
static unsigned multiply_add_fp(const struct vec *v)
{
    static const u8 opcode[] = {[IR_VECTOR_FMACC - IR_VECTOR_FMACC] = 0xb8,  [IR_VECTOR_FNMACC - IR_VECTOR_FMACC] = 0xbe,
                                [IR_VECTOR_FMSAC - IR_VECTOR_FMACC] = 0xba,  [IR_VECTOR_FNMSAC - IR_VECTOR_FMACC] = 0xbc,
                                [IR_VECTOR_FMADD - IR_VECTOR_FMACC] = 0xb8,  [IR_VECTOR_FNMADD - IR_VECTOR_FMACC] = 0xbe,
                                [IR_VECTOR_FMSUB - IR_VECTOR_FMACC] = 0xba,  [IR_VECTOR_FNMSUB - IR_VECTOR_FMACC] = 0xbc};
    u32 op = SSE_66 | SSE_0F38 | opcode[v->kind - IR_VECTOR_FMACC] | (v->type == IR_F64 ? SSE_W : 0);
    bool to_product = v->kind <= IR_VECTOR_FNMSAC;
    unsigned sum = to_product ? X2 : X0, factor = to_product ? X0 : X2;

    if (!v->vex)
        return 0;
    if (v->in_d)
        move(v, X2, v->in_d);
    else if (!v->some)
        load(v, X2, v->at.d);
    with_y(v, op, sum, factor);
    return sum;
}

_Static_assert(IR_VECTOR_FNMSUB == IR_VECTOR_FMACC + 7 && IR_VECTOR_FNMSAC == IR_VECTOR_FMACC + 3, "the order of multiply-add");

unsigned x86_vec_floating(const struct vec *v)
{
    switch (v->kind) {
    case IR_VECTOR_FADD: return arithmetic(v, SSE_ADDPS);
    case IR_VECTOR_FSUB: return arithmetic(v, SSE_SUBPS);
    case IR_VECTOR_FMUL: return arithmetic(v, SSE_MULPS);
    case IR_VECTOR_FDIV: return arithmetic(v, SSE_DIVPS);
    case IR_VECTOR_FRSUB: return reversed(v, SSE_SUBPS);
    case IR_VECTOR_FRDIV: return reversed(v, SSE_DIVPS);
    case IR_VECTOR_FSQRT: return square_root(v);
    case IR_VECTOR_FSGNJ:
    case IR_VECTOR_FSGNJN:
    case IR_VECTOR_FSGNJX: return signs(v);
    case IR_VECTOR_FMIN:
    case IR_VECTOR_FMAX: return 0;
    default: return multiply_add_fp(v);
    }
}

/* One addition after the other, as the guest's ordered sum; what is above lane 0 is zeros. */
bool x86_vec_sum(struct vec *v)
{
    enum { MOST = 64 };
    bool is_double = v->type == IR_F64;
    unsigned lanes = v->at.bytes >> v->lane;

    if (lanes > MOST)
        return false;
    v->wide = 0;
    x86_sse_rm(v->c, v->vex, x86_sse_scalar(SSE_MOVSD, is_double), X0, 0, file(v, v->at.s1));
    for (unsigned i = 0; i < lanes; i++)
        x86_sse_rm(v->c, v->vex, x86_sse_scalar(SSE_ADDSD, is_double), X0, X0, file(v, v->at.s2 + (i << v->lane)));
    canonical(v, X0);
    x86_sse_rm(v->c, v->vex, x86_sse_scalar(SSE_MOVSD_STORE, is_double), X0, 0, file(v, v->at.d));
    return true;
}

/* --- comparisons: a bit a lane --- */

/* Lanes of X0 become all ones or zeros; *inverted: the other way. False: no code. */
static bool compare_unsigned(const struct vec *v, bool *inverted)
{
    u32 min = by_lane(v, &minus), eq = by_lane(v, &equals), gt = by_lane(v, &greaters);
    bool less = v->kind == IR_VECTOR_SLTU;

    *inverted = v->kind == IR_VECTOR_SLTU || v->kind == IR_VECTOR_SGTU;
    if (min) { /* x <= y: the smaller is x; x < y: not y <= x */
        load_y(v, X3);
        rr(v, min, X2, X0, X3);
        rr(v, eq, X0, less ? X3 : X0, X2);
        return true;
    }
    if (!gt)
        return false;
    load_y(v, X3);
    ones(v, X2);
    shift_imm(v, 6, v->lane, X2, X2, (8u << v->lane) - 1);
    rr(v, SSE_PXOR, X3, X3, X2);
    rr(v, SSE_PXOR, X0, X0, X2);
    if (less) {
        rr(v, gt, X3, X3, X0);
        move(v, X0, X3);
    } else {
        rr(v, gt, X0, X0, X3);
    }
    *inverted = v->kind == IR_VECTOR_SLEU;
    return true;
}

static bool compare_fp(const struct vec *v)
{
    static const u8 predicate[] = {[IR_VECTOR_MFEQ - IR_VECTOR_MFEQ] = 0, [IR_VECTOR_MFNE - IR_VECTOR_MFEQ] = 4, [IR_VECTOR_MFLT - IR_VECTOR_MFEQ] = 1,
                                   [IR_VECTOR_MFLE - IR_VECTOR_MFEQ] = 2, [IR_VECTOR_MFGT - IR_VECTOR_MFEQ] = 1, [IR_VECTOR_MFGE - IR_VECTOR_MFEQ] = 2};

    load_y(v, X3);
    if (v->kind >= IR_VECTOR_MFGT) {
        rr(v, packed(v, SSE_CMPPS), X3, X3, X0);
        x86_imm8(v->c, predicate[v->kind - IR_VECTOR_MFEQ]);
        move(v, X0, X3);
    } else {
        rr(v, packed(v, SSE_CMPPS), X0, X0, X3);
        x86_imm8(v->c, predicate[v->kind - IR_VECTOR_MFEQ]);
    }
    return true;
}

bool x86_vec_compare(const struct vec *v, bool *inverted)
{
    u32 eq = by_lane(v, &equals), gt = by_lane(v, &greaters);

    *inverted = v->kind == IR_VECTOR_SNE || v->kind == IR_VECTOR_SLE;
    switch (v->kind) {
    case IR_VECTOR_SEQ:
    case IR_VECTOR_SNE:
        if (eq)
            with_y(v, eq, X0, X0);
        return eq;
    case IR_VECTOR_SGT:
    case IR_VECTOR_SLE:
        if (gt)
            with_y(v, gt, X0, X0);
        return gt;
    case IR_VECTOR_SLT:
        if (!gt)
            return false;
        load_y(v, X3);
        rr(v, gt, X3, X3, X0);
        move(v, X0, X3);
        return true;
    case IR_VECTOR_SLTU:
    case IR_VECTOR_SLEU:
    case IR_VECTOR_SGTU:
        return compare_unsigned(v, inverted);
    default:
        return compare_fp(v);
    }
}
