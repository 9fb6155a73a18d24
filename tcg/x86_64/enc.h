/*
 * tcg/x86_64/enc.h - one typed emitter per x86-64 machine instruction (Intel SDM volume 2; VEX forms: BMI1/BMI2). Control: enc_control.h; vectors: enc_sse.h.
 *
 * Emitters return nothing: running out of room sets code->overflow, and the cursor starts again at the beginning of
 * the area, so that everything stays inside it. `wide` chooses 64-bit operands, otherwise 32-bit ones (which clear the
 * upper half of a destination register). Memory operands are base + (index << shift) + disp.
 */
#ifndef TCG_X86_64_ENC_H
#define TCG_X86_64_ENC_H

#include "base/types.h"
#include <string.h>

enum host_reg {
    RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15,
    X86_REG_COUNT,
    X86_NO_REG = 0xff
};

enum x86_cc {
    CC_O, CC_NO, CC_B, CC_AE, CC_E, CC_NE, CC_BE, CC_A, CC_S, CC_NS, CC_P, CC_NP, CC_L, CC_GE, CC_LE, CC_G
};

/* The /digit of the group-1 instructions; opcodes follow from it. */
enum x86_alu { X86_ADD, X86_OR, X86_ADC, X86_SBB, X86_AND, X86_SUB, X86_XOR, X86_CMP };
/* The /digit of the shift group. */
enum x86_shift { X86_ROL = 0, X86_ROR = 1, X86_SHL = 4, X86_SHR = 5, X86_SAR = 7 };
/* The /digit of group 3. */
enum x86_unary { X86_NOT = 2, X86_NEG = 3, X86_MUL = 4, X86_IMUL = 5, X86_DIV = 6, X86_IDIV = 7 };

enum { X86_MAX_INSN = 16 }; /* room that every emitter may take: 15 bytes at most, and one to spare */

struct x86_code {
    u8 *p;          /* cursor, in the writable mapping */
    u8 *start;      /* of the area */
    u8 *limit;      /* no instruction begins at or behind it; X86_MAX_INSN less than the real end */
    bool overflow;
};

struct x86_mem {
    u8 base, index, shift;
    s32 disp;
};

static inline struct x86_mem x86_mem(enum host_reg base, s32 disp)
{
    return (struct x86_mem){base, X86_NO_REG, 0, disp};
}

static inline struct x86_mem x86_mem_index(enum host_reg base, enum host_reg index, unsigned shift, s32 disp)
{
    return (struct x86_mem){base, index, shift, disp};
}

static inline bool x86_fits8(s64 v)
{
    return v == (s8)v;
}

static inline bool x86_fits32(s64 v)
{
    return v == (s32)v;
}

/* --- pieces --- */

static inline u8 *x86_begin(struct x86_code *c)
{
    if (unlikely(c->p >= c->limit)) {
        c->overflow = true;
        c->p = c->start;
    }
    return c->p;
}

static inline u8 *x86_put32(u8 *p, u32 v)
{
    memcpy(p, &v, 4);
    return p + 4;
}

static inline u8 *x86_put64(u8 *p, u64 v)
{
    memcpy(p, &v, 8);
    return p + 8;
}

enum { X86_0F = 0x100, X86_F3 = 0x200, X86_66 = 0x400, X86_LOCK = 0x800, X86_BYTE_REG = 0x1000, X86_BYTE_RM = 0x2000 };

/* Prefixes, REX, escape and opcode byte. x, b, r: REX extension registers (0..15). */
static inline u8 *x86_head(u8 *p, u32 opcode, bool wide, unsigned r, unsigned x, unsigned b)
{
    u8 rex = 0x40 | wide << 3 | (r >> 3) << 2 | (x >> 3) << 1 | b >> 3;
    bool need = rex != 0x40 || (opcode & X86_BYTE_REG && r >= 4) || (opcode & X86_BYTE_RM && b >= 4);

    if (unlikely(opcode & (X86_F3 | X86_66 | X86_LOCK))) {
        if (opcode & X86_LOCK)
            *p++ = 0xf0;
        if (opcode & X86_66)
            *p++ = 0x66;
        if (opcode & X86_F3)
            *p++ = 0xf3;
    }
    if (need)
        *p++ = rex;
    if (opcode & X86_0F)
        *p++ = 0x0f;
    *p++ = (u8)opcode;
    return p;
}

static inline u8 *x86_modrm_mem(u8 *p, unsigned reg, struct x86_mem m)
{
    unsigned base = m.base & 7;
    unsigned mod = m.disp == 0 && base != 5 ? 0 : x86_fits8(m.disp) ? 1 : 2;

    if (m.index != X86_NO_REG || base == 4) {
        unsigned index = m.index == X86_NO_REG ? 4 : m.index & 7;

        *p++ = mod << 6 | (reg & 7) << 3 | 4;
        *p++ = m.shift << 6 | index << 3 | base;
    } else {
        *p++ = mod << 6 | (reg & 7) << 3 | base;
    }
    if (mod == 1)
        *p++ = (u8)m.disp;
    else if (mod == 2)
        p = x86_put32(p, m.disp);
    return p;
}

static inline void x86_rr(struct x86_code *c, u32 opcode, bool wide, unsigned reg, unsigned rm)
{
    u8 *p = x86_head(x86_begin(c), opcode, wide, reg, 0, rm);

    *p++ = 0xc0 | (reg & 7) << 3 | (rm & 7);
    c->p = p;
}

static inline void x86_rm(struct x86_code *c, u32 opcode, bool wide, unsigned reg, struct x86_mem m)
{
    u8 *p = x86_head(x86_begin(c), opcode, wide, reg, m.index == X86_NO_REG ? 0 : m.index, m.base);

    c->p = x86_modrm_mem(p, reg, m);
}

/* VEX, map 0f38 (2) or 0f3a (3); pp: 0 none, 1 66, 2 f3, 3 f2; v is the extra operand. */
static inline u8 *x86_vex(u8 *p, unsigned map, unsigned pp, bool wide, unsigned r, unsigned x, unsigned b,
                          unsigned v, u8 opcode)
{
    *p++ = 0xc4;
    *p++ = (~r & 8) << 4 | (~x & 8) << 3 | (~b & 8) << 2 | map;
    *p++ = wide << 7 | (~v & 15) << 3 | pp;
    *p++ = opcode;
    return p;
}

static inline void x86_vex_rr(struct x86_code *c, unsigned map, unsigned pp, bool wide, u8 opcode, unsigned reg,
                              unsigned v, unsigned rm)
{
    u8 *p = x86_vex(x86_begin(c), map, pp, wide, reg, 0, rm, v, opcode);

    *p++ = 0xc0 | (reg & 7) << 3 | (rm & 7);
    c->p = p;
}

static inline void x86_vex_rm(struct x86_code *c, unsigned map, unsigned pp, bool wide, u8 opcode, unsigned reg,
                              unsigned v, struct x86_mem m)
{
    u8 *p = x86_vex(x86_begin(c), map, pp, wide, reg, m.index == X86_NO_REG ? 0 : m.index, m.base, v, opcode);

    c->p = x86_modrm_mem(p, reg, m);
}

/* --- moves --- */

static inline void x86_mov_rr(struct x86_code *c, bool wide, enum host_reg dst, enum host_reg src)
{
    x86_rr(c, 0x8b, wide, dst, src);
}

static inline void x86_mov_rm(struct x86_code *c, bool wide, enum host_reg dst, struct x86_mem src)
{
    x86_rm(c, 0x8b, wide, dst, src);
}

static inline void x86_xchg_rr(struct x86_code *c, enum host_reg a, enum host_reg b)
{
    x86_rr(c, 0x87, true, a, b);
}

/* size: log2 of the bytes stored */
static inline void x86_mov_mr(struct x86_code *c, unsigned size, struct x86_mem dst, enum host_reg src)
{
    static const u32 opcode[4] = {0x88 | X86_BYTE_REG, 0x89 | X86_66, 0x89, 0x89};

    x86_rm(c, opcode[size], size == 3, src, dst);
}

/* Shortest form for any 64-bit constant; does not touch flags. */
static inline void x86_mov_ri(struct x86_code *c, enum host_reg dst, u64 imm)
{
    u8 *p = x86_begin(c);

    if (imm == (u32)imm) {
        if (dst >= 8)
            *p++ = 0x41;
        *p++ = 0xb8 | (dst & 7);
        p = x86_put32(p, (u32)imm);
    } else if (x86_fits32((s64)imm)) {
        *p++ = 0x48 | dst >> 3;
        *p++ = 0xc7;
        *p++ = 0xc0 | (dst & 7);
        p = x86_put32(p, (u32)imm);
    } else {
        *p++ = 0x48 | dst >> 3;
        *p++ = 0xb8 | (dst & 7);
        p = x86_put64(p, imm);
    }
    c->p = p;
}

/* imm is sign-extended for size 3 */
static inline void x86_mov_mi(struct x86_code *c, unsigned size, struct x86_mem dst, s32 imm)
{
    static const u32 opcode[4] = {0xc6, 0xc7 | X86_66, 0xc7, 0xc7};

    x86_rm(c, opcode[size], size == 3, 0, dst);
    if (size == 0) {
        *c->p++ = (u8)imm;
    } else if (size == 1) {
        *c->p++ = (u8)imm;
        *c->p++ = (u8)(imm >> 8);
    } else {
        c->p = x86_put32(c->p, imm);
    }
}

/* Opcode of a load or move that extends from 1 << size bytes. wide: of the destination. */
static inline u32 x86_extend_opcode(unsigned size, bool is_signed, bool *wide)
{
    if (size >= 3)
        return 0x8b;
    if (size == 2) {
        *wide = is_signed && *wide;
        return *wide ? 0x63 : 0x8b;
    }
    *wide = is_signed && *wide;
    return X86_0F | (size ? 0xb7 : 0xb6) | (is_signed ? 8 : 0);
}

static inline void x86_extend_rr(struct x86_code *c, unsigned size, bool is_signed, bool wide, enum host_reg dst,
                                 enum host_reg src)
{
    bool w = wide;
    u32 opcode = x86_extend_opcode(size, is_signed, &w);

    x86_rr(c, size == 0 ? opcode | X86_BYTE_RM : opcode, size >= 3 ? wide : w, dst, src);
}

static inline void x86_extend_rm(struct x86_code *c, unsigned size, bool is_signed, bool wide, enum host_reg dst,
                                 struct x86_mem src)
{
    bool w = wide;
    u32 opcode = x86_extend_opcode(size, is_signed, &w);

    x86_rm(c, opcode, size >= 3 ? wide : w, dst, src);
}

static inline void x86_lea(struct x86_code *c, bool wide, enum host_reg dst, struct x86_mem m)
{
    x86_rm(c, 0x8d, wide, dst, m);
}

static inline void x86_cmov_rr(struct x86_code *c, enum x86_cc cc, bool wide, enum host_reg dst, enum host_reg src)
{
    x86_rr(c, X86_0F | 0x40 | cc, wide, dst, src);
}

static inline void x86_cmov_rm(struct x86_code *c, enum x86_cc cc, bool wide, enum host_reg dst, struct x86_mem src)
{
    x86_rm(c, X86_0F | 0x40 | cc, wide, dst, src);
}

static inline void x86_setcc(struct x86_code *c, enum x86_cc cc, enum host_reg dst)
{
    x86_rr(c, X86_0F | X86_BYTE_RM | 0x90 | cc, false, 0, dst);
}

static inline void x86_bswap(struct x86_code *c, bool wide, enum host_reg r)
{
    u8 *p = x86_head(x86_begin(c), X86_0F | 0xc8 | (r & 7), wide, 0, 0, r);

    c->p = p;
}

/* --- arithmetic --- */

static inline void x86_alu_rr(struct x86_code *c, enum x86_alu op, bool wide, enum host_reg dst, enum host_reg src)
{
    x86_rr(c, op << 3 | 3, wide, dst, src);
}

static inline void x86_alu_rm(struct x86_code *c, enum x86_alu op, bool wide, enum host_reg dst, struct x86_mem src)
{
    x86_rm(c, op << 3 | 3, wide, dst, src);
}

static inline void x86_cmp16_rm(struct x86_code *c, enum host_reg a, struct x86_mem b)
{
    x86_rm(c, X86_66 | X86_CMP << 3 | 3, false, a, b);
}

static inline void x86_alu_mr(struct x86_code *c, enum x86_alu op, bool wide, struct x86_mem dst, enum host_reg src)
{
    x86_rm(c, op << 3 | 1, wide, src, dst);
}

static inline void x86_alu_ri(struct x86_code *c, enum x86_alu op, bool wide, enum host_reg dst, s32 imm)
{
    if (x86_fits8(imm)) {
        x86_rr(c, 0x83, wide, op, dst);
        *c->p++ = (u8)imm;
    } else if (dst == RAX) {
        c->p = x86_put32(x86_head(x86_begin(c), op << 3 | 5, wide, 0, 0, 0), imm);
    } else {
        x86_rr(c, 0x81, wide, op, dst);
        c->p = x86_put32(c->p, imm);
    }
}

static inline void x86_alu_mi(struct x86_code *c, enum x86_alu op, bool wide, struct x86_mem dst, s32 imm)
{
    if (x86_fits8(imm)) {
        x86_rm(c, 0x83, wide, op, dst);
        *c->p++ = (u8)imm;
    } else {
        x86_rm(c, 0x81, wide, op, dst);
        c->p = x86_put32(c->p, imm);
    }
}

static inline void x86_cmp8_mi(struct x86_code *c, struct x86_mem a, s8 imm)
{
    x86_rm(c, 0x80, false, X86_CMP, a);
    *c->p++ = (u8)imm;
}

static inline void x86_test_rr(struct x86_code *c, bool wide, enum host_reg a, enum host_reg b)
{
    x86_rr(c, 0x85, wide, b, a);
}

/* CF = the bit of a that b names */
static inline void x86_bt_rr(struct x86_code *c, bool wide, enum host_reg a, enum host_reg b)
{
    x86_rr(c, X86_0F | 0xa3, wide, b, a);
}

/* test of the low byte with a constant */
static inline void x86_test8_ri(struct x86_code *c, enum host_reg a, u8 imm)
{
    x86_rr(c, 0xf6 | X86_BYTE_RM, false, 0, a);
    *c->p++ = imm;
}

static inline void x86_unary_r(struct x86_code *c, enum x86_unary op, bool wide, enum host_reg r)
{
    x86_rr(c, 0xf7, wide, op, r);
}

static inline void x86_unary_m(struct x86_code *c, enum x86_unary op, bool wide, struct x86_mem m)
{
    x86_rm(c, 0xf7, wide, op, m);
}

static inline void x86_imul_rr(struct x86_code *c, bool wide, enum host_reg dst, enum host_reg src)
{
    x86_rr(c, X86_0F | 0xaf, wide, dst, src);
}

static inline void x86_imul_rm(struct x86_code *c, bool wide, enum host_reg dst, struct x86_mem src)
{
    x86_rm(c, X86_0F | 0xaf, wide, dst, src);
}

static inline void x86_imul_rri(struct x86_code *c, bool wide, enum host_reg dst, enum host_reg src, s32 imm)
{
    if (x86_fits8(imm)) {
        x86_rr(c, 0x6b, wide, dst, src);
        *c->p++ = (u8)imm;
    } else {
        x86_rr(c, 0x69, wide, dst, src);
        c->p = x86_put32(c->p, imm);
    }
}

/* cqo (wide) or cdq: the sign of rax into rdx */
static inline void x86_sign_rdx(struct x86_code *c, bool wide)
{
    c->p = x86_head(x86_begin(c), 0x99, wide, 0, 0, 0);
}

static inline void x86_shift_ri(struct x86_code *c, enum x86_shift op, bool wide, enum host_reg r, unsigned count)
{
    if (count == 1) {
        x86_rr(c, 0xd1, wide, op, r);
        return;
    }
    x86_rr(c, 0xc1, wide, op, r);
    *c->p++ = (u8)count;
}

static inline void x86_shift_cl(struct x86_code *c, enum x86_shift op, bool wide, enum host_reg r)
{
    x86_rr(c, 0xd3, wide, op, r);
}

/* f3-prefixed or plain 0f xx: tzcnt bc, lzcnt bd, popcnt b8 (f3); bsf bc, bsr bd (plain) */
enum x86_scan { X86_POPCNT = X86_F3 | X86_0F | 0xb8, X86_TZCNT = X86_F3 | X86_0F | 0xbc, X86_LZCNT = X86_F3 | X86_0F | 0xbd,
                X86_BSF = X86_0F | 0xbc, X86_BSR = X86_0F | 0xbd };

static inline void x86_scan_rr(struct x86_code *c, enum x86_scan op, bool wide, enum host_reg dst, enum host_reg src)
{
    x86_rr(c, op, wide, dst, src);
}

/* --- BMI1, BMI2 --- */

/* The bits of src from bit control[7:0] on, control[15:8] of them. */
static inline void x86_bextr_rr(struct x86_code *c, bool wide, enum host_reg dst, enum host_reg src, enum host_reg control)
{
    x86_vex_rr(c, 2, 0, wide, 0xf7, dst, control, src);
}

static inline void x86_andn_rr(struct x86_code *c, bool wide, enum host_reg dst, enum host_reg inverted, enum host_reg src)
{
    x86_vex_rr(c, 2, 0, wide, 0xf2, dst, inverted, src);
}

static inline void x86_rorx_rr(struct x86_code *c, bool wide, enum host_reg dst, enum host_reg src, unsigned count)
{
    x86_vex_rr(c, 3, 3, wide, 0xf0, dst, 0, src);
    *c->p++ = (u8)count;
}

static inline void x86_rorx_rm(struct x86_code *c, bool wide, enum host_reg dst, struct x86_mem src, unsigned count)
{
    x86_vex_rm(c, 3, 3, wide, 0xf0, dst, 0, src);
    *c->p++ = (u8)count;
}

/* shlx (66), sarx (f3), shrx (f2) */
static inline unsigned x86_shiftx_prefix(enum x86_shift op)
{
    return op == X86_SHL ? 1 : op == X86_SAR ? 2 : 3;
}

static inline void x86_shiftx_rr(struct x86_code *c, enum x86_shift op, bool wide, enum host_reg dst, enum host_reg src,
                                 enum host_reg count)
{
    x86_vex_rr(c, 2, x86_shiftx_prefix(op), wide, 0xf7, dst, count, src);
}

static inline void x86_shiftx_rm(struct x86_code *c, enum x86_shift op, bool wide, enum host_reg dst, struct x86_mem src,
                                 enum host_reg count)
{
    x86_vex_rm(c, 2, x86_shiftx_prefix(op), wide, 0xf7, dst, count, src);
}

/* --- atomics --- */

static inline void x86_xchg_mr(struct x86_code *c, bool wide, struct x86_mem m, enum host_reg r)
{
    x86_rm(c, 0x87, wide, r, m);
}

static inline void x86_lock_xadd_mr(struct x86_code *c, bool wide, struct x86_mem m, enum host_reg r)
{
    x86_rm(c, X86_LOCK | X86_0F | 0xc1, wide, r, m);
}

static inline void x86_lock_cmpxchg_mr(struct x86_code *c, bool wide, struct x86_mem m, enum host_reg r)
{
    x86_rm(c, X86_LOCK | X86_0F | 0xb1, wide, r, m);
}

static inline void x86_lock_alu_mr(struct x86_code *c, enum x86_alu op, bool wide, struct x86_mem m, enum host_reg r)
{
    x86_rm(c, X86_LOCK | op << 3 | 1, wide, r, m);
}

static inline void x86_lock_alu_mi(struct x86_code *c, enum x86_alu op, bool wide, struct x86_mem m, s8 imm)
{
    x86_rm(c, X86_LOCK | 0x83, wide, op, m);
    *c->p++ = (u8)imm;
}

#endif
