/*
 * tcg/x86_64/enc_sse.h - emitters for scalar floating point in xmm registers (Intel SDM volume 2): one instruction in its
 * legacy SSE form or its VEX form. In the legacy form the first source is the destination. xmm registers are numbered
 * X86_XMM0 and up, so that they share tables with general registers.
 */
#ifndef TCG_X86_64_ENC_SSE_H
#define TCG_X86_64_ENC_SSE_H

#include "tcg/x86_64/enc_control.h"

enum { X86_XMM0 = 16, X86_XMM_COUNT = 16, X86_ALL_REGS = X86_XMM0 + X86_XMM_COUNT };

static inline bool x86_is_xmm(unsigned reg)
{
    return reg - X86_XMM0 < X86_XMM_COUNT;
}

/* An opcode: low byte, and ... */
enum {
    SSE_66 = 1 << 8, SSE_F3 = 2 << 8, SSE_F2 = 3 << 8, SSE_PREFIX = 3 << 8, /* numbered as VEX.pp */
    SSE_0F38 = 1 << 10, SSE_0F3A = 1 << 11,
    SSE_W = 1 << 12, /* REX.W, VEX.W */
    SSE_256 = 1 << 13, /* VEX.L: 32 bytes; VEX form only */
};

enum x86_sse {
    /* scalar arithmetic; the ss forms have F3 instead of F2 */
    SSE_ADDSD = SSE_F2 | 0x58, SSE_MULSD = SSE_F2 | 0x59, SSE_SUBSD = SSE_F2 | 0x5c, SSE_MINSD = SSE_F2 | 0x5d,
    SSE_DIVSD = SSE_F2 | 0x5e, SSE_MAXSD = SSE_F2 | 0x5f, SSE_SQRTSD = SSE_F2 | 0x51, SSE_CMPSD = SSE_F2 | 0xc2,
    SSE_CVTSI2SD = SSE_F2 | 0x2a, SSE_CVTTSD2SI = SSE_F2 | 0x2c, SSE_CVTSD2SI = SSE_F2 | 0x2d, SSE_CVTSD2SS = SSE_F2 | 0x5a,
    SSE_MOVSD = SSE_F2 | 0x10, SSE_MOVSD_STORE = SSE_F2 | 0x11,
    /* ss forms without prefix */
    SSE_UCOMISD = SSE_66 | 0x2e, SSE_COMISD = SSE_66 | 0x2f,
    SSE_MOVAPS = 0x28, SSE_ANDPS = 0x54, SSE_ORPS = 0x56, SSE_XORPS = 0x57,
    SSE_PCMPEQD = SSE_66 | 0x76, SSE_PSHUFD = SSE_66 | 0x70, SSE_PINSRW = SSE_66 | 0xc4,
    SSE_MOVD = SSE_66 | 0x6e, SSE_MOVD_STORE = SSE_66 | 0x7e,
    SSE_PTEST = SSE_66 | SSE_0F38 | 0x17, SSE_ROUNDSS = SSE_66 | SSE_0F3A | 0x0a, SSE_ROUNDSD = SSE_66 | SSE_0F3A | 0x0b,
    SSE_FMA231 = SSE_66 | SSE_0F38 | 0xb9, /* + 2: subtracts the addend; + 4: negates the product */

    /* all lanes of a register; the ps forms of arithmetic, pd forms have 66 */
    SSE_MOVDQA = SSE_66 | 0x6f, SSE_MOVDQA_STORE = SSE_66 | 0x7f, SSE_MOVDQU = SSE_F3 | 0x6f, SSE_MOVDQU_STORE = SSE_F3 | 0x7f,
    SSE_PADDB = SSE_66 | 0xfc, SSE_PADDW = SSE_66 | 0xfd, SSE_PADDD = SSE_66 | 0xfe, SSE_PADDQ = SSE_66 | 0xd4,
    SSE_PADDUSB = SSE_66 | 0xdc, SSE_PSUBB = SSE_66 | 0xf8, SSE_PSUBW = SSE_66 | 0xf9, SSE_PSUBD = SSE_66 | 0xfa, SSE_PSUBQ = SSE_66 | 0xfb,
    SSE_PAND = SSE_66 | 0xdb, SSE_PANDN = SSE_66 | 0xdf, SSE_POR = SSE_66 | 0xeb, SSE_PXOR = SSE_66 | 0xef,
    SSE_PMINUB = SSE_66 | 0xda, SSE_PMAXUB = SSE_66 | 0xde, SSE_PMINSW = SSE_66 | 0xea, SSE_PMAXSW = SSE_66 | 0xee,
    SSE_PMINSB = SSE_66 | SSE_0F38 | 0x38, SSE_PMINSD = SSE_66 | SSE_0F38 | 0x39, SSE_PMINUW = SSE_66 | SSE_0F38 | 0x3a,
    SSE_PMINUD = SSE_66 | SSE_0F38 | 0x3b, SSE_PMAXSB = SSE_66 | SSE_0F38 | 0x3c, SSE_PMAXSD = SSE_66 | SSE_0F38 | 0x3d,
    SSE_PMAXUW = SSE_66 | SSE_0F38 | 0x3e, SSE_PMAXUD = SSE_66 | SSE_0F38 | 0x3f,
    SSE_PMOVSXBW = SSE_66 | SSE_0F38 | 0x20, SSE_PMOVSXWD = SSE_66 | SSE_0F38 | 0x23, SSE_PMOVSXDQ = SSE_66 | SSE_0F38 | 0x25,
    SSE_PMOVZXBW = SSE_66 | SSE_0F38 | 0x30, SSE_PMOVZXWD = SSE_66 | SSE_0F38 | 0x33, SSE_PMOVZXDQ = SSE_66 | SSE_0F38 | 0x35,
    SSE_PMULUDQ = SSE_66 | 0xf4, SSE_PMULDQ = SSE_66 | SSE_0F38 | 0x28, SSE_PACKUSWB = SSE_66 | 0x67, SSE_PACKSSDW = SSE_66 | 0x6b, SSE_SHUFPS = 0xc6,
    SSE_PMULLW = SSE_66 | 0xd5, SSE_PMULLD = SSE_66 | SSE_0F38 | 0x40,
    SSE_PCMPEQB = SSE_66 | 0x74, SSE_PCMPEQW = SSE_66 | 0x75, SSE_PCMPEQQ = SSE_66 | SSE_0F38 | 0x29,
    SSE_PCMPGTB = SSE_66 | 0x64, SSE_PCMPGTW = SSE_66 | 0x65, SSE_PCMPGTD = SSE_66 | 0x66, SSE_PCMPGTQ = SSE_66 | SSE_0F38 | 0x37,
    SSE_PSLLW = SSE_66 | 0xf1, SSE_PSRLW = SSE_66 | 0xd1, SSE_PSRAW = SSE_66 | 0xe1, /* + 1, + 2: double and quad words */
    SSE_SHIFT_IMM = SSE_66 | 0x71, /* + 1, + 2, likewise; /2 right, /4 right with sign, /6 left */
    SSE_PSLLV = SSE_66 | SSE_0F38 | 0x47, SSE_PSRLV = SSE_66 | SSE_0F38 | 0x45, SSE_PSRAV = SSE_66 | SSE_0F38 | 0x46, /* SSE_W: quad words */
    SSE_PMOVMSKB = SSE_66 | 0xd7, SSE_MOVMSKPS = 0x50, SSE_MOVMSKPD = SSE_66 | 0x50, SSE_PACKSSWB = SSE_66 | 0x63,
    SSE_PSHUFB = SSE_66 | SSE_0F38 | 0x00, SSE_PUNPCKLBW = SSE_66 | 0x60, SSE_PSHUFLW = SSE_F2 | 0x70, SSE_PUNPCKLQDQ = SSE_66 | 0x6c,
    SSE_PBROADCASTB = SSE_66 | SSE_0F38 | 0x78, SSE_PBROADCASTW = SSE_66 | SSE_0F38 | 0x79, SSE_PBROADCASTD = SSE_66 | SSE_0F38 | 0x58,
    SSE_PBROADCASTQ = SSE_66 | SSE_0F38 | 0x59, SSE_BROADCAST128 = SSE_66 | SSE_0F38 | 0x5a,
    SSE_ADDPS = 0x58, SSE_MULPS = 0x59, SSE_SUBPS = 0x5c, SSE_DIVPS = 0x5e, SSE_SQRTPS = 0x51, SSE_CMPPS = 0xc2,
    SSE_EXTRACT128 = SSE_66 | SSE_0F3A | 0x39, SSE_INSERT128 = SSE_66 | SSE_0F3A | 0x38, SSE_PBLENDD = SSE_66 | SSE_0F3A | 0x02, SSE_PBLENDVB = SSE_66 | SSE_0F3A | 0x4c, SSE_BZHI = SSE_0F38 | 0xf5, SSE_KMOVD = SSE_F2 | 0x92, /* VEX forms only */
    SSE_AESENC = SSE_66 | SSE_0F38 | 0xdc, SSE_AESENCLAST = SSE_66 | SSE_0F38 | 0xdd, SSE_AESDEC = SSE_66 | SSE_0F38 | 0xde,
    SSE_AESDECLAST = SSE_66 | SSE_0F38 | 0xdf, SSE_AESIMC = SSE_66 | SSE_0F38 | 0xdb, SSE_AESKEYGENASSIST = SSE_66 | SSE_0F3A | 0xdf,
    SSE_PCLMULQDQ = SSE_66 | SSE_0F3A | 0x44, SSE_MOVQ_LOAD = SSE_F3 | 0x7e, SSE_PALIGNR = SSE_66 | SSE_0F3A | 0x0f, SSE_PERMQ = SSE_66 | SSE_0F3A | SSE_W | 0x00,
    SSE_SHA256RNDS2 = SSE_0F38 | 0xcb, SSE_SHA256MSG1 = SSE_0F38 | 0xcc, SSE_SHA256MSG2 = SSE_0F38 | 0xcd, /* without VEX */
    SSE_MOVD_LOAD = SSE_66 | 0x6e, SSE_MOVQ_STORE = SSE_66 | 0xd6, SSE_PEXTRB = SSE_66 | SSE_0F3A | 0x14,
};

/* The single-precision form of a scalar op. */
static inline u32 x86_sse_scalar(u32 op, bool is_double)
{
    return is_double ? op : (op & SSE_PREFIX) == SSE_F2 ? op ^ (SSE_F2 ^ SSE_F3) : op & ~(u32)SSE_PREFIX;
}

static inline u8 *x86_sse_head(u8 *p, bool vex, u32 op, unsigned reg, unsigned x, unsigned b, unsigned v)
{
    static const u8 prefix[] = { 0, 0x66, 0xf3, 0xf2 };
    unsigned pp = (op & SSE_PREFIX) >> 8 | (op & SSE_256 ? 4 : 0), map = op & SSE_0F38 ? 2 : op & SSE_0F3A ? 3 : 1;
    u8 rex = 0x40 | (op & SSE_W ? 8 : 0) | (reg >> 3) << 2 | (x >> 3) << 1 | b >> 3;

    if (vex && map == 1 && !(x & 8) && !(b & 8) && !(op & SSE_W)) {
        *p++ = 0xc5;
        *p++ = (~reg & 8) << 4 | (~v & 15) << 3 | pp;
        *p++ = (u8)op;
        return p;
    }
    if (vex)
        return x86_vex(p, map, pp, op & SSE_W, reg, x, b, v, (u8)op);
    if (pp)
        *p++ = prefix[pp];
    if (rex != 0x40)
        *p++ = rex;
    *p++ = 0x0f;
    if (map != 1)
        *p++ = map == 2 ? 0x38 : 0x3a;
    *p++ = (u8)op;
    return p;
}

/* v: the first source of the three-operand form, or 0 where there is none. Operands are xmm or general registers. */
static inline void x86_sse_rr(struct x86_code *c, bool vex, u32 op, unsigned reg, unsigned v, unsigned rm)
{
    u8 *p = x86_sse_head(x86_begin(c), vex, op, reg & 15, 0, rm & 15, v & 15);

    *p++ = 0xc0 | (reg & 7) << 3 | (rm & 7);
    c->p = p;
}

static inline void x86_sse_rm(struct x86_code *c, bool vex, u32 op, unsigned reg, unsigned v, struct x86_mem m)
{
    u8 *p = x86_sse_head(x86_begin(c), vex, op, reg & 15, m.index == X86_NO_REG ? 0 : m.index, m.base, v & 15);

    c->p = x86_modrm_mem(p, reg & 15, m);
}

/* The memory operand is a constant in the code buffer, by its place in the writable mapping; no immediate may follow. */
static inline void x86_sse_rc(struct x86_code *c, bool vex, u32 op, unsigned reg, unsigned v, const u8 *constant)
{
    u8 *p = x86_sse_head(x86_begin(c), vex, op, reg & 15, 0, 0, v & 15);

    *p++ = (reg & 7) << 3 | 5;
    c->p = x86_put32(p, (u32)(constant - (p + 4)));
}

/* vmovdqu8 to 64, by log2 of a lane's bytes, of xmm or (SSE_256) ymm registers below 16: lanes whose bit in k1 is 0 stay. */
static inline u8 *x86_evex_move_head(u8 *p, u32 wide, unsigned lane, unsigned reg, unsigned b, u8 opcode)
{
    *p++ = 0x62;
    *p++ = (~reg & 8) << 4 | 0x40 | (~b & 8) << 2 | 0x10 | 1;
    *p++ = (lane & 1) << 7 | 0x78 | 4 | (lane < 2 ? 3 : 2);
    *p++ = (wide & SSE_256 ? 0x20 : 0) | 8 | 1;
    *p++ = opcode;
    return p;
}

/* vprold, vprorq and so on by a constant, of lanes of 4 and 8 bytes (AVX-512). */
static inline void x86_rotate_k0_rr(struct x86_code *c, u32 wide, unsigned lane, bool left, unsigned d, unsigned s, u8 count)
{
    u8 *p = x86_begin(c);

    *p++ = 0x62;
    *p++ = 0x80 | 0x40 | (~s & 8) << 2 | 0x10 | 1;
    *p++ = (lane & 1) << 7 | (~d & 15) << 3 | 4 | 1;
    *p++ = (wide & SSE_256 ? 0x20 : 0) | 8;
    *p++ = 0x72;
    *p++ = 0xc0 | left << 3 | (s & 7);
    *p++ = count;
    c->p = p;
}

static inline void x86_move_k1_rr(struct x86_code *c, u32 wide, unsigned lane, unsigned d, unsigned s)
{
    u8 *p = x86_evex_move_head(x86_begin(c), wide, lane, d & 15, s & 15, 0x6f);

    *p++ = 0xc0 | (d & 7) << 3 | (s & 7);
    c->p = p;
}

/* m: a base that is not rsp or r12, and a displacement (always of four bytes: those of one byte have another unit here). */
static inline void x86_move_k1_rm(struct x86_code *c, u32 wide, unsigned lane, bool is_store, unsigned reg, struct x86_mem m)
{
    u8 *p = x86_evex_move_head(x86_begin(c), wide, lane, reg & 15, m.base, is_store ? 0x7f : 0x6f);

    *p++ = 0x80 | (reg & 7) << 3 | (m.base & 7);
    c->p = x86_put32(p, (u32)m.disp);
}

static inline void x86_imm8(struct x86_code *c, u8 imm)
{
    *c->p++ = imm;
}

static inline void x86_vzeroupper(struct x86_code *c)
{
    u8 *p = x86_begin(c);

    *p++ = 0xc5;
    *p++ = 0xf8;
    *p++ = 0x77;
    c->p = p;
}

static inline void x86_ldmxcsr(struct x86_code *c, struct x86_mem m)
{
    x86_rm(c, X86_0F | 0xae, false, 2, m);
}

static inline void x86_stmxcsr(struct x86_code *c, struct x86_mem m)
{
    x86_rm(c, X86_0F | 0xae, false, 3, m);
}

/* mov reg, [constant] */
static inline void x86_mov_constant(struct x86_code *c, enum host_reg reg, const u8 *constant)
{
    u8 *p = x86_head(x86_begin(c), 0x8b, true, reg, 0, 0);

    *p++ = (reg & 7) << 3 | 5;
    c->p = x86_put32(p, (u32)(constant - (p + 4)));
}

/* lea reg, [constant] */
static inline void x86_lea_constant(struct x86_code *c, enum host_reg reg, const u8 *constant)
{
    u8 *p = x86_head(x86_begin(c), 0x8d, true, reg, 0, 0);

    *p++ = (reg & 7) << 3 | 5;
    c->p = x86_put32(p, (u32)(constant - (p + 4)));
}

#endif
