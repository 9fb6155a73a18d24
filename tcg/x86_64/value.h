/*
 * tcg/x86_64/value.h - where the values of a block are while it is emitted: constants, pinned registers, the two
 * temporaries rax and rcx, guest registers in the state, spill slots.
 *
 * Invariants: a live value in a pinned register is the guest register's value (home_of) or about to be put there;
 * owner[] names at most one live value per host register.
 */
#ifndef TCG_X86_64_VALUE_H
#define TCG_X86_64_VALUE_H

#include "tcg/x86_64/engine.h"

enum { X86_TEMPS = 1 << RAX | 1 << RCX };

static inline struct x86_value *x86_value(struct tcg_engine *e, ir_value v)
{
    return &e->value[v];
}

static inline ir_value x86_root(const struct tcg_engine *e, ir_value v)
{
    return e->value[v].root;
}

static inline bool x86_live(const struct tcg_engine *e, u16 v)
{
    return v != IR_NONE && e->value[v].left != 0;
}

/* A register that no guest register lives in, of either class. */
static inline bool x86_is_temp(unsigned reg)
{
    return reg <= RCX || reg - X86_XMM0 < X86_XMM_TEMPS;
}

/* A type whose guest registers can be pinned: get and put of it move whole registers. */
static inline bool x86_is_full(unsigned type)
{
    return type == IR_I64 || type == IR_F64;
}

static inline bool x86_wide(enum ir_type type)
{
    return type == IR_I64;
}

/* What to encode for a root value, where it is now. */
struct x86_operand x86_operand_elsewhere(const struct tcg_engine *e, ir_value v); /* not in a register */
static inline struct x86_operand x86_operand_of(const struct tcg_engine *e, ir_value v)
{
    const struct x86_value *x = &e->value[v];

    if (likely(x->place == PLACE_REG))
        return (struct x86_operand){.place = PLACE_REG, .reg = x->reg};
    return x86_operand_elsewhere(e, v);
}

/* One reader of a root value is done; its place may be reused when it was the last. */
static inline void x86_release(struct tcg_engine *e, ir_value v)
{
    struct x86_value *x = &e->value[v];

    x->left--;
    if (unlikely((x->left == 0) & (x->place == PLACE_STACK))) /* one branch, hardly ever taken */
        e->dying_slot[e->dying_count++] = x->slot;
}

/* operand + release, of an op's argument */
static inline struct x86_operand x86_take(struct tcg_engine *e, ir_value arg)
{
    ir_value v = x86_root(e, arg);
    struct x86_operand o = x86_operand_of(e, v);

    x86_release(e, v);
    return o;
}

/* rax or rcx outside `avoid` (mask), preferring a free one; a live value in it is saved elsewhere first (its bits stay in the register until it is written). */
enum host_reg x86_temp(struct tcg_engine *e, u32 avoid);
/* xmm0-3, likewise. */
unsigned x86_xmm_temp(struct tcg_engine *e, u32 avoid);
unsigned x86_xmm_result(struct tcg_engine *e, u32 avoid, unsigned prefer);
/* The operand in an xmm register: its own, or a temporary outside `avoid`. */
unsigned x86_in_xmm(struct tcg_engine *e, struct x86_operand o, u32 avoid);
void x86_store64(struct tcg_engine *e, struct x86_mem m, unsigned reg);

/* --- NaNs of the host, emit_fp.c --- */
/* Before a root value is seen as bits: makes NaNs in its place the default one. May load it into a temporary that replaces *o. */
void x86_clean_value(struct tcg_engine *e, ir_value v, struct x86_operand *o, u32 avoid);
/* The same for all pinned registers: before the block is left. */
void x86_clean_pins(struct tcg_engine *e);
/* ... but those of the mask of xmm registers. */
void x86_clean_pins_but(struct tcg_engine *e, u32 kept);
/* In cold code. Clobbers flags. */
void x86_clean_cold(struct tcg_engine *e, u32 nan32, u32 nan64);
/* ... of one register. */
void x86_clean_one(struct tcg_engine *e, unsigned reg, bool is_double);

/* Saves live values out of the temporaries of the mask. Values in xmm0-3 outlive stubs. */
void x86_flush_temps(struct tcg_engine *e, u32 mask);
/* Like flush, but also values in pinned registers and in the state: before a helper that writes guest registers. */
void x86_flush_homes(struct tcg_engine *e);

/* Host addresses of groups: out of rcx to a slot (for good), back into rcx, no more needed. */
void x86_save_pointer(struct tcg_engine *e);
void x86_load_pointer(struct tcg_engine *e, u32 group);
void x86_end_group(struct tcg_engine *e, u32 group);

/*
 * A register for the result of the current op: the pinned one that it will be put into when that is possible now and
 * not in `avoid`, else a temporary outside `avoid`. prefer: a register to take when it is a free temporary.
 */
enum host_reg x86_result(struct tcg_engine *e, u32 avoid, unsigned prefer);
/* As x86_result, but never the hint: a temporary. */
enum host_reg x86_result_temp(struct tcg_engine *e, u32 avoid, unsigned prefer);
/* The current op's value is in reg from here on. */
static inline void x86_define(struct tcg_engine *e, enum host_reg reg)
{
    struct x86_value *x = &e->value[e->index];

    x->place = PLACE_REG;
    x->reg = (u8)reg;
    e->owner[reg] = (u16)e->index;
}

/* mov reg, operand (as many bits as the width needs). Never touches flags. */
void x86_load(struct tcg_engine *e, bool wide, enum host_reg reg, struct x86_operand o);
/* The operand in a register: its own, or the temporary given. */
enum host_reg x86_in_reg(struct tcg_engine *e, bool wide, struct x86_operand o, enum host_reg temp);

/* Forgets that guest register g holds a (dead or otherwise placed) value. */
static inline void x86_disown_home(struct tcg_engine *e, unsigned g)
{
    u16 v = e->home_of[g];

    if (v == IR_NONE)
        return;
    if (e->value[v].home == g)
        e->value[v].home = IR_NONE;
    e->home_of[g] = IR_NONE;
}

/* Value v, an operand being released, is where guest register g lives and is its value from here on. */
static inline void x86_adopt_home(struct tcg_engine *e, unsigned g, ir_value v)
{
    x86_disown_home(e, g);
    e->home_of[g] = v;
    e->value[v].home = (u16)g;
    x86_release(e, v);
}
/* Guest register g is about to get another value: whoever lives there moves out. avoid: registers not to move to. */
void x86_evict_home(struct tcg_engine *e, unsigned g, ir_value incoming, u32 avoid);

/* Something in the state. */
static inline struct x86_operand x86_operand_at(struct x86_mem m)
{
    return (struct x86_operand){ .place = PLACE_STATE, .reg = m.base, .disp = m.disp };
}

/* PLACE_STATE, PLACE_STACK */
static inline struct x86_mem x86_operand_mem(struct x86_operand o)
{
    return x86_mem(o.reg, o.disp);
}

static inline bool x86_operand_uses(struct x86_operand o, unsigned reg)
{
    return o.place == PLACE_REG && o.reg == reg;
}

static inline u32 x86_operand_mask(struct x86_operand o)
{
    return o.place == PLACE_REG ? 1u << o.reg : 0;
}

static inline bool x86_is_imm32(struct x86_operand o)
{
    return o.place == PLACE_CONST && x86_fits32(o.imm);
}

static inline bool x86_is_mem(struct x86_operand o)
{
    return o.place == PLACE_STATE || o.place == PLACE_STACK;
}

#endif
