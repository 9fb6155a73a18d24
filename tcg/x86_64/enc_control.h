/*
 * tcg/x86_64/enc_control.h - encoders of the stack's instructions, calls, returns and jumps, and of fields that are filled later.
 */
#ifndef TCG_X86_64_ENC_CONTROL_H
#define TCG_X86_64_ENC_CONTROL_H

#include "tcg/x86_64/enc.h"

static inline void x86_push_r(struct x86_code *c, enum host_reg r)
{
    c->p = x86_head(x86_begin(c), 0x50 | (r & 7), false, 0, 0, r);
}

static inline void x86_pop_r(struct x86_code *c, enum host_reg r)
{
    c->p = x86_head(x86_begin(c), 0x58 | (r & 7), false, 0, 0, r);
}

static inline void x86_push_i(struct x86_code *c, s32 imm)
{
    u8 *p = x86_begin(c);

    if (x86_fits8(imm)) {
        *p++ = 0x6a;
        *p++ = (u8)imm;
    } else {
        *p++ = 0x68;
        p = x86_put32(p, imm);
    }
    c->p = p;
}

static inline void x86_push_m(struct x86_code *c, struct x86_mem m)
{
    x86_rm(c, 0xff, false, 6, m);
}

static inline void x86_pop_m(struct x86_code *c, struct x86_mem m)
{
    x86_rm(c, 0x8f, false, 0, m);
}

static inline void x86_call_r(struct x86_code *c, enum host_reg r)
{
    x86_rr(c, 0xff, false, 2, r);
}

static inline void x86_jmp_r(struct x86_code *c, enum host_reg r)
{
    x86_rr(c, 0xff, false, 4, r);
}

static inline void x86_call_m(struct x86_code *c, struct x86_mem m)
{
    x86_rm(c, 0xff, false, 2, m);
}

static inline void x86_jmp_m(struct x86_code *c, struct x86_mem m)
{
    x86_rm(c, 0xff, false, 4, m);
}

static inline void x86_ret(struct x86_code *c)
{
    *x86_begin(c) = 0xc3;
    c->p++;
}

/* Returns and pops `bytes` more. */
static inline void x86_ret_pop(struct x86_code *c, u16 bytes)
{
    u8 *p = x86_begin(c);

    *p++ = 0xc2;
    *p++ = (u8)bytes;
    *p++ = (u8)(bytes >> 8);
    c->p = p;
}

/* A rel32 field still to be filled: its address, or NULL. */
typedef u8 *x86_fixup;

/* Makes the field reach `target` (both in the writable mapping). */
static inline void x86_fix(x86_fixup at, const u8 *target)
{
    x86_put32(at, (u32)(target - (at + 4)));
}

static inline x86_fixup x86_jmp(struct x86_code *c)
{
    u8 *p = x86_begin(c);

    *p++ = 0xe9;
    c->p = x86_put32(p, 0);
    return p;
}

static inline x86_fixup x86_call(struct x86_code *c)
{
    u8 *p = x86_begin(c);

    *p++ = 0xe8;
    c->p = x86_put32(p, 0);
    return p;
}

static inline x86_fixup x86_jcc(struct x86_code *c, enum x86_cc cc)
{
    u8 *p = x86_begin(c);

    *p++ = 0x0f;
    *p++ = 0x80 | cc;
    c->p = x86_put32(p, 0);
    return p;
}

static inline void x86_jmp_to(struct x86_code *c, const u8 *target)
{
    x86_fix(x86_jmp(c), target);
}

static inline void x86_call_to(struct x86_code *c, const u8 *target)
{
    x86_fix(x86_call(c), target);
}

static inline void x86_jcc_to(struct x86_code *c, enum x86_cc cc, const u8 *target)
{
    x86_fix(x86_jcc(c, cc), target);
}

/* Short forward jumps: the field is one byte behind the opcode. */
static inline u8 *x86_jcc8(struct x86_code *c, enum x86_cc cc)
{
    u8 *p = x86_begin(c);

    *p++ = 0x70 | cc;
    *p++ = 0;
    c->p = p;
    return p - 1;
}

static inline u8 *x86_jmp8(struct x86_code *c)
{
    u8 *p = x86_begin(c);

    *p++ = 0xeb;
    *p++ = 0;
    c->p = p;
    return p - 1;
}

static inline void x86_fix8(struct x86_code *c, u8 *at)
{
    s64 d = c->p - (at + 1);

    if (!x86_fits8(d)) {
        c->overflow = true;
        return;
    }
    *at = (u8)d;
}

static inline void x86_ud2(struct x86_code *c)
{
    u8 *p = x86_begin(c);

    *p++ = 0x0f;
    *p++ = 0x0b;
    c->p = p;
}

enum { X86_MAX_PREFIXES = 3, X86_CS = 0x2e };

/* Prefixes of the next instruction that change nothing: segment CS has base 0 in 64-bit mode (SDM 3.4.4), and jumps have no segment. */
static inline void x86_prefixes(struct x86_code *c, unsigned count)
{
    u8 *p = x86_begin(c);

    memset(p, X86_CS, count);
    c->p = p + count;
}

/* One to eight bytes that do nothing, as one instruction (SDM, NOP). */
static inline void x86_nop(struct x86_code *c, unsigned bytes)
{
    static const u8 nops[9][8] = {
        {0},
        {0x90},
        {0x66, 0x90},
        {0x0f, 0x1f, 0x00},
        {0x0f, 0x1f, 0x40, 0x00},
        {0x0f, 0x1f, 0x44, 0x00, 0x00},
        {0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00},
        {0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00},
        {0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00},
    };
    u8 *p = x86_begin(c);

    memcpy(p, nops[bytes], bytes);
    c->p = p + bytes;
}

#endif
