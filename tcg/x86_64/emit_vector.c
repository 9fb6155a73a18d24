/*
 * tcg/x86_64/emit_vector.c - vector ops: 16 or 32 bytes of the vector file at a time, through xmm0-3; what has no code here calls
 * ir_vector_run. docs/decisions/vectors.md
 */
#include "tcg/vector.h"
#include "tcg/x86_64/value.h"

enum { X0 = X86_XMM0, X1, X2, X3 };

/* One op being emitted. */
struct vec {
    struct tcg_engine *e;
    struct x86_code *c;
    enum ir_vector_kind kind;
    enum ir_type type;
    unsigned lane;  /* log2 of its bytes */
    struct ir_vector_place at;
    bool scalar, vex, known; /* known: the scalar is imm */
    s64 imm;
    unsigned width; /* bytes at a time */
    u32 wide;       /* SSE_256 or 0 */
    unsigned off;   /* of the chunk */
};

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

/* --- pieces --- */

static struct x86_mem file(const struct vec *v, unsigned at)
{
    return x86_base(v->e->layout->vectors + (s32)at);
}

/* d = a op b; without VEX b may not be d unless a is. */
static void rr(const struct vec *v, u32 op, unsigned d, unsigned a, unsigned b)
{
    if (!v->vex && d != a)
        x86_sse_rr(v->c, false, SSE_MOVDQA, d, 0, a);
    x86_sse_rr(v->c, v->vex, op | v->wide, d, a, b);
}

static void move(const struct vec *v, unsigned d, unsigned s)
{
    x86_sse_rr(v->c, v->vex, SSE_MOVDQA | v->wide, d, 0, s);
}

static void load(const struct vec *v, unsigned d, unsigned place)
{
    x86_sse_rm(v->c, v->vex, SSE_MOVDQU | v->wide, d, 0, file(v, place + v->off));
}

/* d = a op y, the second source. */
static void with_y(const struct vec *v, u32 op, unsigned d, unsigned a)
{
    if (v->scalar) {
        rr(v, op, d, a, X1);
        return;
    }
    if (!v->vex && d != a)
        x86_sse_rr(v->c, false, SSE_MOVDQA, d, 0, a);
    x86_sse_rm(v->c, v->vex, op | v->wide, d, a, file(v, v->at.s1 + v->off));
}

static void load_y(const struct vec *v, unsigned d)
{
    if (v->scalar)
        move(v, d, X1);
    else
        load(v, d, v->at.s1);
}

static void ones(const struct vec *v, unsigned d)
{
    x86_sse_rr(v->c, v->vex, SSE_PCMPEQD | v->wide, d, d, d);
}

static void invert(const struct vec *v, unsigned d, unsigned temp)
{
    ones(v, temp);
    rr(v, SSE_PXOR, d, d, temp);
}

/* By a constant: digit of the opcode group, 2 right, 4 right with sign, 6 left. Lanes of two bytes and more. */
static void shift_imm(const struct vec *v, unsigned digit, unsigned lane, unsigned d, unsigned s, unsigned count)
{
    if (!v->vex && d != s)
        move(v, d, s);
    x86_sse_rr(v->c, v->vex, (SSE_SHIFT_IMM + lane - 1) | v->wide, digit, d, d == s || !v->vex ? d : s);
    x86_imm8(v->c, (u8)count);
}

/* --- the scalar --- */

static void broadcast(const struct vec *v, unsigned d)
{
    static const u32 ops[] = {SSE_PBROADCASTB, SSE_PBROADCASTW, SSE_PBROADCASTD, SSE_PBROADCASTQ};

    if (v->vex) {
        x86_sse_rr(v->c, true, ops[v->lane] | v->wide, d, 0, d);
        return;
    }
    if (v->lane == 3) {
        x86_sse_rr(v->c, false, SSE_PUNPCKLQDQ, d, 0, d);
        return;
    }
    if (v->lane == 0)
        x86_sse_rr(v->c, false, SSE_PUNPCKLBW, d, 0, d);
    if (v->lane <= 1) {
        x86_sse_rr(v->c, false, SSE_PSHUFLW, d, 0, d);
        x86_imm8(v->c, 0);
    }
    x86_sse_rr(v->c, false, SSE_PSHUFD, d, 0, d);
    x86_imm8(v->c, 0);
}

/* Frees xmm0-3; values that live on move out, and their bits stay for now. */
static void take_xmm(struct tcg_engine *e)
{
    for (unsigned r = X0; r <= X3; r++)
        x86_xmm_temp(e, ~(1u << r));
}

static void load_scalar(const struct vec *v, struct x86_operand o)
{
    struct tcg_engine *e = v->e;

    if (o.place == PLACE_CONST && (o.imm == 0 || o.imm == -1)) {
        x86_sse_rr(v->c, v->vex, (o.imm ? SSE_PCMPEQD : SSE_PXOR) | v->wide, X1, X1, X1);
        return;
    }
    if (o.place == PLACE_CONST) {
        enum host_reg t = x86_temp(e, 0);

        x86_mov_ri(v->c, t, (u64)o.imm);
        o = (struct x86_operand){.place = PLACE_REG, .reg = (u8)t};
    }
    x86_load(e, true, (enum host_reg)X1, o);
    broadcast(v, X1);
}

/* --- calling C --- */

static u64 run_helper(void *vcpu, u64 layout, u64 base, u64 word, u64 scalar)
{
    ir_vector_run((const struct code_layout *)(uintptr_t)layout, (u8 *)(uintptr_t)base, word, scalar);
    return 0;
}

static u64 to_helper(void *vcpu, u64 layout, u64 base, u64 word)
{
    return ir_vector_to((const struct code_layout *)(uintptr_t)layout, (const u8 *)(uintptr_t)base, word);
}

static const struct ir_helper run_row = {"ir_vector_run", (void *)run_helper, 4, IR_VOID, IR_HELPER_FLAGS};
static const struct ir_helper to_row = {"ir_vector_to", (void *)to_helper, 3, IR_I64, IR_HELPER_FLAGS};

/* The temporaries rax and rcx are free; a scalar is in scratch[1]. */
static void call(struct tcg_engine *e, const struct ir_helper *helper, u64 word)
{
    struct x86_code *c = &e->code;

    x86_mov_ri(c, RAX, word);
    x86_mov_mr(c, 3, x86_base(e->layout->scratch), RAX);
    x86_mov_ri(c, RAX, (u64)(uintptr_t)e->layout);
    x86_mov_rr(c, true, RCX, RBP);
    x86_call_to(c, x86_at(e, x86_thunk_for(e, helper)));
    x86_fp_reload(e);
}

static void keep_scalar(struct tcg_engine *e, struct x86_operand o)
{
    struct x86_mem m = x86_base(e->layout->scratch + 8);

    if (o.place == PLACE_REG) {
        x86_store64(e, m, o.reg);
        return;
    }
    x86_load(e, true, RAX, o);
    x86_mov_mr(&e->code, 3, m, RAX);
}

static void run_in_c(const struct vec *v, const struct ir_op *op, struct x86_operand o)
{
    x86_flush_temps(v->e, X86_TEMPS);
    if (v->scalar)
        keep_scalar(v->e, o);
    call(v->e, &run_row, ir_vector_word(op));
}

/* --- integers: the result's register, 0 when there is no code --- */

static unsigned binary(const struct vec *v, const struct by_lane *rows)
{
    u32 op = by_lane(v, rows);

    if (op)
        with_y(v, op, X0, X0);
    return op ? X0 : 0;
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

static unsigned rotate(const struct vec *v, bool left)
{
    unsigned bits = 8u << v->lane, count = (unsigned)(left ? -v->imm : v->imm) & (bits - 1);

    if (v->lane == 0 || !v->known)
        return 0;
    shift_imm(v, 6, v->lane, X2, X0, bits - count);
    shift_imm(v, 2, v->lane, X0, X0, count);
    rr(v, SSE_POR, X0, X0, X2);
    return X0;
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
    rr(v, SSE_PSHUFB, X0, X0, X2);
    return X0;
}

static unsigned integer(const struct vec *v)
{
    switch (v->kind) {
    case IR_VECTOR_ADD: return binary(v, &adds);
    case IR_VECTOR_SUB: return binary(v, &subs);
    case IR_VECTOR_AND: return binary(v, &ands);
    case IR_VECTOR_OR: return binary(v, &ors);
    case IR_VECTOR_XOR: return binary(v, &xors);
    case IR_VECTOR_MINU: return binary(v, &minus);
    case IR_VECTOR_MIN: return binary(v, &mins);
    case IR_VECTOR_MAXU: return binary(v, &maxus);
    case IR_VECTOR_MAX: return binary(v, &maxs);
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

static u32 packed(const struct vec *v, u32 op)
{
    return v->type == IR_F64 ? op | SSE_66 : op;
}

static void canonical(const struct vec *v, unsigned d)
{
    const u8 *constants = v->e->buffer->write + v->e->stubs.constants;
    size_t nans = v->type == IR_F64 ? offsetof(struct x86_constants, nans64) : offsetof(struct x86_constants, nans32);

    rr(v, packed(v, SSE_CMPPS), X2, d, d);
    x86_imm8(v->c, 3); /* unordered */
    x86_sse_rr(v->c, v->vex, SSE_MOVDQA | v->wide, X3, 0, X2);
    x86_sse_rc(v->c, v->vex, SSE_PAND | v->wide, X3, X3, constants + nans);
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
    load(v, X2, v->at.d);
    with_y(v, op, sum, factor);
    return sum;
}

_Static_assert(IR_VECTOR_FNMSUB == IR_VECTOR_FMACC + 7 && IR_VECTOR_FNMSAC == IR_VECTOR_FMACC + 3, "the order of multiply-add");

static unsigned floating(const struct vec *v)
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

static bool needs_exact(const struct vec *v)
{
    return v->kind >= IR_VECTOR_FMACC && v->kind <= IR_VECTOR_FNMSUB;
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

static bool compare(const struct vec *v, bool *inverted)
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

/* The lanes' bits of X0 in a general register. */
static void lane_bits(const struct vec *v, enum host_reg r)
{
    static const u32 ops[] = {SSE_PMOVMSKB, SSE_PMOVMSKB, SSE_MOVMSKPS, SSE_MOVMSKPD};

    if (v->lane == 1)
        rr(v, SSE_PACKSSWB, X0, X0, X0);
    x86_sse_rr(v->c, v->vex, ops[v->lane] | v->wide, r, 0, X0);
}

/* Collected bits in rax go to the file, `count` from bit `at` of the destination on. */
static void put_bits(const struct vec *v, unsigned at, unsigned count)
{
    struct x86_mem m = file(v, v->at.d + at / 8);

    if (count >= 8) {
        x86_mov_mr(v->c, count == 32 ? 2 : count == 16 ? 1 : 0, m, RAX);
        return;
    }
    x86_rm(v->c, 0x80, false, X86_AND, m);
    x86_imm8(v->c, (u8)(0xff << count));
    x86_rm(v->c, 0x08 | X86_BYTE_REG, false, RAX, m); /* or */
}

static bool emit_bits(struct vec *v)
{
    unsigned have = 0, bits, done = 0;
    bool inverted;

    if (v->at.bytes % 16)
        return false;
    if (v->lane == 1) {
        v->width = 16;
        v->wide = 0;
    }
    bits = v->width >> v->lane;
    for (v->off = 0; v->off < v->at.bytes; v->off += v->width) {
        enum host_reg r = have ? RCX : RAX;

        load(v, X0, v->at.s2);
        if (!compare(v, &inverted))
            return false; /* at the first chunk: what was emitted is harmless */
        lane_bits(v, r);
        if (inverted)
            x86_alu_ri(v->c, X86_XOR, false, r, bits == 32 ? -1 : (s32)((1u << bits) - 1));
        if (have) {
            x86_shift_ri(v->c, X86_SHL, false, RCX, have);
            x86_alu_rr(v->c, X86_OR, false, RAX, RCX);
        }
        have += bits;
        if (have >= 8) {
            put_bits(v, done, have);
            done += have;
            have = 0;
        }
    }
    if (have)
        put_bits(v, done, have);
    return true;
}

/* --- vec --- */

static bool is_narrow(unsigned bytes)
{
    return bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8;
}

static void store(const struct vec *v, unsigned reg)
{
    struct x86_mem m = file(v, v->at.d + v->off);

    if (v->at.bytes >= 16)
        x86_sse_rm(v->c, v->vex, SSE_MOVDQU_STORE | v->wide, reg, 0, m);
    else if (v->at.bytes == 8)
        x86_sse_rm(v->c, v->vex, SSE_MOVQ_STORE, reg, 0, m);
    else if (v->at.bytes == 4)
        x86_sse_rm(v->c, v->vex, SSE_MOVD_STORE, reg, 0, m);
    if (v->at.bytes >= 4)
        return;
    x86_sse_rr(v->c, v->vex, SSE_MOVD_STORE, reg, 0, RAX);
    x86_mov_mr(v->c, v->at.bytes == 2 ? 1 : 0, m, RAX);
}

/* A NaN in `sum`: C does this chunk. */
static void check_exact(const struct vec *v, unsigned sum, const struct ir_op *op)
{
    struct x86_cold *cold = x86_cold_add(v->e, COLD_VECTOR);
    struct ir_op chunk = *op;
    struct ir_vector_place at = v->at;

    at.d += (u16)v->off;
    at.s2 += (u16)v->off;
    at.s1 += v->scalar ? 0 : (u16)v->off;
    at.bytes = (u16)v->width;
    chunk.imm = (s64)ir_vector_pack(at);
    rr(v, packed(v, SSE_CMPPS), X3, sum, sum);
    x86_imm8(v->c, 3);
    x86_sse_rr(v->c, v->vex, packed(v, SSE_MOVMSKPS) | v->wide, RAX, 0, X3);
    x86_test_rr(v->c, false, RAX, RAX);
    cold->from = x86_jcc(v->c, CC_NE);
    cold->value.imm = (s64)ir_vector_word(&chunk);
    cold->extra = v->scalar;
    cold->low = (s32)v->lane;
    cold->high = (s32)v->wide;
    store(v, sum);
    cold->back = v->c->p;
}

static bool emit_lanes(struct vec *v, const struct ir_op *op)
{
    bool is_fp = ir_vector_is_fp(v->kind), narrow = v->at.bytes < 16;

    if (narrow ? is_fp || !is_narrow(v->at.bytes) || v->at.s2 + 16 > IR_VECTOR_FILE || v->at.s1 + 16 > IR_VECTOR_FILE || v->at.d + 16 > IR_VECTOR_FILE
               : v->at.bytes % 16)
        return false;
    for (v->off = 0; v->off < v->at.bytes; v->off += v->width) {
        unsigned result;

        if (v->kind != IR_VECTOR_MV)
            load(v, X0, v->at.s2);
        if (v->kind == IR_VECTOR_MV && v->scalar)
            result = X1;
        else
            result = is_fp ? floating(v) : integer(v);
        if (!result)
            return false; /* at the first chunk */
        if (needs_exact(v))
            check_exact(v, result, op);
        else
            store(v, result);
    }
    return true;
}

static bool emit_inline(struct vec *v, const struct ir_op *op)
{
    switch (ir_vector_rows[v->kind].shape) {
    case IR_VECTOR_LANES:
    case IR_VECTOR_FLANES:
        return emit_lanes(v, op);
    case IR_VECTOR_BITS:
    case IR_VECTOR_FBITS:
        return emit_bits(v);
    default:
        return false;
    }
}

void x86_emit_vector(struct tcg_engine *e, const struct ir_op *op)
{
    struct vec v = { .e = e, .c = &e->code, .kind = (enum ir_vector_kind)(op->aux & IR_VECTOR_KIND), .type = (enum ir_type)op->type,
                     .lane = ir_vector_lane((enum ir_type)op->type), .at = ir_vector_unpack((u64)op->imm), .scalar = op->aux & IR_VECTOR_SCALAR,
                     .vex = e->features.vex };
    ir_value a = x86_root(e, op->arg[0]);
    struct x86_operand o = x86_operand_of(e, a);
    u8 *before;

    if (v.scalar && ir_type_is_fp(op->type))
        x86_clean_value(e, a, &o, 0);
    x86_release(e, a);
    v.known = v.scalar && e->value[a].place == PLACE_CONST;
    v.imm = e->value[a].imm;
    v.width = v.vex && v.at.bytes % 32 == 0 ? 32 : 16;
    v.wide = v.width == 32 ? SSE_256 : 0;
    take_xmm(e);
    x86_flush_temps(e, X86_TEMPS);
    before = e->code.p;
    if (v.scalar)
        load_scalar(&v, o);
    if (emit_inline(&v, op))
        return;
    e->code.p = before;
    run_in_c(&v, op, o);
}

/* --- vec_to --- */

static struct x86_mem bits_at(const struct tcg_engine *e, const struct ir_vector_place *p, unsigned at)
{
    return x86_base(e->layout->vectors + p->s2 + (s32)at / 8);
}

/* Up to 64 bits of a mask from bit `at` on, in a register; the others are 0. */
static void load_bits(struct tcg_engine *e, const struct ir_vector_place *p, unsigned at, enum host_reg r)
{
    unsigned left = p->bytes - at;
    struct x86_mem m = bits_at(e, p, at);

    if (left >= 64) {
        x86_mov_rm(&e->code, true, r, m);
        return;
    }
    x86_extend_rm(&e->code, left > 32 ? 3 : left > 16 ? 2 : left > 8 ? 1 : 0, false, left > 32, r, m);
    if (left < 32 && left != 16 && left != 8) {
        x86_alu_ri(&e->code, X86_AND, false, r, (s32)((1u << left) - 1));
    } else if (left > 32) {
        x86_shift_ri(&e->code, X86_SHL, true, r, 64 - left);
        x86_shift_ri(&e->code, X86_SHR, true, r, 64 - left);
    }
}

/* Each word's jump lands where as many 64s are added as words come before it. */
static void first_bit(struct tcg_engine *e, const struct ir_vector_place *p)
{
    struct x86_code *c = &e->code;
    u8 *found[IR_VECTOR_FILE / 64], *none;
    unsigned words = (p->bytes + 63u) / 64;

    for (unsigned i = 0; i < words; i++) {
        load_bits(e, p, 64 * i, RCX);
        x86_scan_rr(c, X86_BSF, true, RAX, RCX);
        found[i] = x86_jcc(c, CC_NE);
    }
    x86_mov_ri(c, RAX, UINT64_MAX);
    none = x86_jmp(c);
    while (words-- > 0) {
        x86_fix(found[words], c->p);
        if (words)
            x86_alu_ri(c, X86_ADD, true, RAX, 64);
    }
    x86_fix(none, c->p);
}

static void count_bits(struct tcg_engine *e, const struct ir_vector_place *p)
{
    for (unsigned at = 0; at < p->bytes; at += 64) {
        enum host_reg r = at ? RCX : RAX;

        load_bits(e, p, at, r);
        x86_scan_rr(&e->code, X86_POPCNT, true, r, r);
        if (at)
            x86_alu_rr(&e->code, X86_ADD, true, RAX, RCX);
    }
}

void x86_emit_vector_number(struct tcg_engine *e, const struct ir_op *op)
{
    struct ir_vector_place p = ir_vector_unpack((u64)op->imm);
    enum host_reg d;

    x86_flush_temps(e, X86_TEMPS);
    if (op->aux == IR_VECTOR_LANE0)
        x86_extend_rm(&e->code, ir_vector_lane((enum ir_type)op->type), true, true, RAX, bits_at(e, &p, 0));
    else if (p.bytes && p.bytes <= 512 && op->aux == IR_VECTOR_FIRST && p.s2 + 8 * ((p.bytes + 63) / 64) <= IR_VECTOR_FILE)
        first_bit(e, &p);
    else if (p.bytes && p.bytes <= 512 && e->features.popcnt && op->aux == IR_VECTOR_COUNT && p.s2 + 8 * ((p.bytes + 63) / 64) <= IR_VECTOR_FILE)
        count_bits(e, &p);
    else
        call(e, &to_row, ir_vector_word(op));
    d = x86_result(e, 0, RAX);
    if (d != RAX)
        x86_mov_rr(&e->code, true, d, RAX);
    x86_define(e, d);
}

/* --- vld, vst --- */

static void move_bytes(struct tcg_engine *e, const struct ir_op *op)
{
    struct vec v = { .e = e, .c = &e->code, .vex = e->features.vex };
    unsigned bytes = ir_vector_bytes(op->aux), at = ir_vector_at(op->aux);
    bool is_load = op->code == IR_VLD;

    if (bytes < 16) { /* through a general register: rcx is the address, so rax */
        unsigned size = (unsigned)__builtin_ctz(bytes);

        x86_extend_rm(&e->code, size, false, true, RAX, is_load ? x86_mem(RCX, 0) : file(&v, at));
        x86_mov_mr(&e->code, size, is_load ? file(&v, at) : x86_mem(RCX, 0), RAX);
        return;
    }
    v.width = v.vex && bytes >= 32 ? 32 : 16;
    v.wide = v.width == 32 ? SSE_256 : 0;
    for (unsigned off = 0; off < bytes; off += v.width) {
        struct x86_mem memory = x86_mem(RCX, (s32)off), place = file(&v, at + off);
        unsigned r = X0 + off / v.width % 4;

        x86_sse_rm(v.c, v.vex, SSE_MOVDQU | v.wide, r, 0, is_load ? memory : place);
        x86_sse_rm(v.c, v.vex, SSE_MOVDQU_STORE | v.wide, r, 0, is_load ? place : memory);
    }
}

void x86_emit_vector_transfer(struct tcg_engine *e, const struct ir_op *op)
{
    struct x86_cold *cold = x86_cold_add(e, COLD_TRANSFER);
    struct x86_operand a;

    cold->table = op->code == IR_VST ? e->layout->l1_write : e->layout->l1_read;
    cold->where = e->block->snapshot[op->snapshot].pc;
    cold->unretired = x86_unretired(e, e->block->snapshot[op->snapshot].icount + 1u); /* as for other helpers */
    cold->nan32 = e->nan32;
    cold->nan64 = e->nan64;
    cold->extra = e->index;
    take_xmm(e);
    x86_flush_temps(e, X86_TEMPS);
    a = x86_take(e, op->arg[0]);
    cold->value = x86_take(e, op->arg[1]);
    cold->address = (u8)x86_address(e, a, 0);
    cold->check = e->code.p;
    cold->from = x86_check(e, cold->table, ir_vector_bytes(op->aux));
    move_bytes(e, op);
    cold->back = e->code.p;
}

static void emit_transfer(struct tcg_engine *e, const struct x86_cold *cold)
{
    struct x86_code *c = &e->code;
    const struct ir_op *op = &e->block->op[cold->extra];

    x86_begin_slow(e, cold, 0);
    x86_clean_cold(e, cold->nan32, cold->nan64);
    x86_mov_mi(c, 2, x86_base(e->layout->scratch + 16), cold->where);
    x86_mov_rr(c, true, RAX, RCX);
    x86_load(e, true, RCX, cold->value);
    x86_budget_give(e, cold->unretired);
    x86_call_to(c, x86_at(e, x86_thunk_for(e, op->helper)));
    x86_budget_give(e, -cold->unretired);
    x86_fp_reload(e);
    x86_jmp_to(c, cold->back);
}

/* C computes a chunk; of xmm0-3 only the low halves come back. */
static void emit_exact(struct tcg_engine *e, const struct x86_cold *cold)
{
    struct vec v = { .e = e, .c = &e->code, .vex = e->features.vex, .lane = (unsigned)cold->low, .wide = (u32)cold->high };

    x86_fix(cold->from, e->code.p);
    if (cold->extra)
        x86_store64(e, x86_base(e->layout->scratch + 8), X1);
    call(e, &run_row, (u64)cold->value.imm);
    if (cold->extra)
        broadcast(&v, X1);
    x86_jmp_to(&e->code, cold->back);
}

void x86_vector_cold(struct tcg_engine *e, const struct x86_cold *cold)
{
    if (cold->kind == COLD_TRANSFER)
        emit_transfer(e, cold);
    else
        emit_exact(e, cold);
}
