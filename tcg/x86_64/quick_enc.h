/*
 * tcg/x86_64/quick_enc.h - the few instruction forms that quick code is made of, encoded with as little code as possible: what the host has not in
 * its caches costs more than what it executes. enc.h has everything else.
 *
 * Every function writes at p, where there is room, and returns the end. A REX prefix is always there.
 */
#ifndef TCG_X86_64_QUICK_ENC_H
#define TCG_X86_64_QUICK_ENC_H

#include "tcg/x86_64/enc_control.h"

/* opcode reg, rm: registers. */
static inline u8 *q_rr(u8 *p, u8 opcode, bool wide, unsigned reg, unsigned rm)
{
    u32 insn = (u32)(0x40 | wide << 3 | (reg >> 3) << 2 | rm >> 3) | (u32)opcode << 8 | (u32)(0xc0 | (reg & 7) << 3 | (rm & 7)) << 16;

    memcpy(p, &insn, 4);
    return p + 3;
}

/* The same of two opcode bytes, 0f and this one. */
static inline u8 *q_0f_rr(u8 *p, u8 opcode, bool wide, unsigned reg, unsigned rm)
{
    u32 insn = (u32)(0x40 | wide << 3 | (reg >> 3) << 2 | rm >> 3) | 0x0f00 | (u32)opcode << 16 | (u32)(0xc0 | (reg & 7) << 3 | (rm & 7)) << 24;

    memcpy(p, &insn, 4);
    return p + 4;
}

/* opcode reg, [base + disp]; opcode as enc.h has it, without the flags for bytes: REX is there. */
static inline u8 *q_rm(u8 *p, u32 opcode, bool wide, unsigned reg, unsigned base, s32 disp)
{
    unsigned sib = (base & 7) == 4, near = x86_fits8(disp);

    *p = 0x66;
    p += opcode >> 10 & 1; /* X86_66 */
    *p++ = (u8)(0x40 | wide << 3 | (reg >> 3) << 2 | base >> 3);
    *p = 0x0f;
    p += opcode >> 8 & 1; /* X86_0F */
    *p++ = (u8)opcode;
    *p++ = (u8)((near ? 0x40 : 0x80) | (reg & 7) << 3 | (base & 7));
    *p = 0x24;
    p += sib;
    p = x86_put32(p, (u32)disp);
    return near ? p - 3 : p;
}

static inline u8 *q_mov(u8 *p, unsigned dst, unsigned src)
{
    return q_rr(p, 0x8b, true, dst, src);
}

/* op reg, imm: op is an enum x86_alu. */
static inline u8 *q_alu_imm(u8 *p, unsigned op, bool wide, unsigned reg, s32 imm)
{
    bool near = x86_fits8(imm);

    p = q_rr(p, near ? 0x83 : 0x81, wide, op, reg);
    p = x86_put32(p, (u32)imm);
    return near ? p - 3 : p;
}

/* dst = src + imm, without flags. */
static inline u8 *q_lea(u8 *p, bool wide, unsigned dst, unsigned src, s32 imm)
{
    return q_rm(p, 0x8d, wide, dst, src, imm);
}

/* A jump or call of one opcode byte, to `target` or to be fixed. */
static inline u8 *q_jump(u8 *p, u8 opcode, const u8 *target)
{
    *p++ = opcode;
    return x86_put32(p, (u32)(target - (p + 4)));
}

static inline u8 *q_jcc(u8 *p, enum x86_cc cc, const u8 *target)
{
    *p++ = 0x0f;
    *p++ = (u8)(0x80 | cc);
    return x86_put32(p, (u32)(target - (p + 4)));
}

#endif
