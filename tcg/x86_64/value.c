/* tcg/x86_64/value.c - where values are while a block is emitted. */
#include "tcg/x86_64/value.h"

static void in_memory(struct x86_operand *o, enum x86_place place, struct x86_mem m)
{
    o->place = (u8)place;
    o->reg = m.base;
    o->disp = m.disp;
}

struct x86_operand x86_operand_elsewhere(const struct tcg_engine *e, ir_value v)
{
    const struct x86_value *x = &e->value[v];
    struct x86_operand o = {.place = x->place, .reg = x->reg, .imm = x->imm};

    if (x->place == PLACE_STATE)
        in_memory(&o, PLACE_STATE, x86_state_of(e, x->home));
    else if (x->place == PLACE_STACK)
        in_memory(&o, PLACE_STACK, x86_slot(e, x->slot));
    else if (x->place == PLACE_CONST && !x86_fits32(x->imm) && x->home != IR_NONE && e->home_of[x->home] == v) {
        /* a long constant that some guest register holds */
        if (e->pin_of[x->home] != X86_NO_REG)
            o = (struct x86_operand){.place = PLACE_REG, .reg = e->pin_of[x->home]};
        else
            in_memory(&o, PLACE_STATE, x86_state_of(e, x->home));
    }
    return o;
}

static unsigned take_slot(struct tcg_engine *e)
{
    for (unsigned i = 0; i < ARRAY_SIZE(e->slot_free); i++) {
        if (e->slot_free[i]) {
            unsigned bit = (unsigned)__builtin_ctzll(e->slot_free[i]);

            e->slot_free[i] &= e->slot_free[i] - 1;
            e->slot_words = MAX(e->slot_words, i + 1);
            return i * 64 + bit;
        }
    }
    e->code.overflow = true;
    return 0;
}

/* The value's home in place of where it is; false when it has none. */
static bool move_home(struct tcg_engine *e, ir_value v)
{
    struct x86_value *x = &e->value[v];
    unsigned pin;

    if (x->home == IR_NONE || e->home_of[x->home] != v)
        return false;
    pin = e->pin_of[x->home];
    if (pin == X86_NO_REG) {
        x->place = PLACE_STATE;
    } else {
        x->place = PLACE_REG;
        x->reg = (u8)pin;
        e->owner[pin] = v;
    }
    return true;
}

void x86_store64(struct tcg_engine *e, struct x86_mem m, unsigned reg)
{
    if (x86_is_xmm(reg))
        x86_sse_rm(&e->code, e->features.vex, SSE_MOVSD_STORE, reg, 0, m);
    else
        x86_mov_mr(&e->code, 3, m, reg);
}

static void save_to_slot(struct tcg_engine *e, ir_value v, enum host_reg from)
{
    struct x86_value *x = &e->value[v];

    x->slot = (u16)take_slot(e);
    x->place = PLACE_STACK;
    x86_store64(e, x86_slot(e, x->slot), from);
}

static void spill(struct tcg_engine *e, enum host_reg reg)
{
    u16 v = e->owner[reg];

    e->owner[reg] = IR_NONE;
    if (x86_live(e, v) && !move_home(e, v))
        save_to_slot(e, v, reg);
}

void x86_save_pointer(struct tcg_engine *e)
{
    struct x86_group *g;

    if (e->rcx_group == IR_NONE)
        return;
    g = &e->group[e->rcx_group];
    e->rcx_group = IR_NONE;
    if (g->slot != X86_NO_SLOT)
        return;
    g->slot = (u16)take_slot(e);
    x86_mov_mr(&e->code, 3, x86_slot(e, g->slot), RCX);
}

void x86_load_pointer(struct tcg_engine *e, u32 group)
{
    if (e->rcx_group == group)
        return;
    x86_flush_temps(e, 1 << RCX);
    x86_mov_rm(&e->code, true, RCX, x86_slot(e, e->group[group].slot));
    e->rcx_group = (u16)group;
}

void x86_end_group(struct tcg_engine *e, u32 group)
{
    struct x86_group *g = &e->group[group];

    g->active = false;
    if (e->rcx_group == group)
        e->rcx_group = IR_NONE;
    if (g->slot != X86_NO_SLOT)
        e->dying_slot[e->dying_count++] = g->slot;
}

static bool rcx_is_free(const struct tcg_engine *e)
{
    return !x86_live(e, e->owner[RCX]) && e->rcx_group == IR_NONE;
}

/* Giving up the pointer in rcx costs nothing when it was saved before. */
static bool rcx_is_cheap(const struct tcg_engine *e)
{
    return e->rcx_group != IR_NONE && e->group[e->rcx_group].slot != X86_NO_SLOT;
}

enum host_reg x86_temp(struct tcg_engine *e, u32 avoid)
{
    bool rax = !(avoid & 1 << RAX), rcx = !(avoid & 1 << RCX);

    if (rax && !x86_live(e, e->owner[RAX]))
        return RAX;
    if (!rax || (rcx && (rcx_is_free(e) || rcx_is_cheap(e)))) {
        x86_flush_temps(e, 1 << RCX);
        return RCX;
    }
    spill(e, RAX);
    return RAX;
}

unsigned x86_xmm_temp(struct tcg_engine *e, u32 avoid)
{
    unsigned last = X86_NO_REG;

    for (unsigned r = X86_XMM0; r < X86_XMM0 + X86_XMM_TEMPS; r++) {
        if (avoid & 1u << r)
            continue;
        if (!x86_live(e, e->owner[r]))
            return r;
        if (last == X86_NO_REG)
            last = r;
    }
    spill(e, last);
    return last;
}

unsigned x86_in_xmm(struct tcg_engine *e, struct x86_operand o, u32 avoid)
{
    unsigned t;

    if (o.place == PLACE_REG && x86_is_xmm(o.reg))
        return o.reg;
    t = x86_xmm_temp(e, avoid);
    x86_load(e, true, t, o);
    return t;
}

void x86_flush_temps(struct tcg_engine *e, u32 mask)
{
    if (mask & 1 << RAX)
        spill(e, RAX);
    if (mask & 1 << RCX) {
        x86_save_pointer(e);
        spill(e, RCX);
    }
}

void x86_flush_homes(struct tcg_engine *e)
{
    x86_flush_temps(e, X86_TEMPS);
    for (u32 g = 0; g < e->layout->reg_count; g++) {
        u16 v = e->home_of[g];
        struct x86_value *x;

        if (v == IR_NONE)
            continue;
        x = &e->value[v];
        e->home_of[g] = IR_NONE;
        if (x->home == g)
            x->home = IR_NONE;
        if (!x->left)
            continue;
        if (x->place == PLACE_REG && x->reg == e->pin_of[g]) {
            e->owner[x->reg] = IR_NONE;
            save_to_slot(e, v, x->reg);
        } else if (x->place == PLACE_STATE && x->home == IR_NONE) {
            x->slot = (u16)take_slot(e); /* without a register: rax and rcx may hold arguments */
            x->place = PLACE_STACK;
            x86_push_m(&e->code, x86_state_of(e, g));
            x86_pop_m(&e->code, x86_slot(e, x->slot));
        }
    }
}

enum host_reg x86_result_temp(struct tcg_engine *e, u32 avoid, unsigned prefer)
{
    if (prefer != X86_NO_REG && x86_is_temp(prefer) && !(avoid >> prefer & 1) && !x86_live(e, e->owner[prefer]) &&
        (prefer != RCX || e->rcx_group == IR_NONE))
        return prefer;
    return x86_temp(e, avoid);
}

enum host_reg x86_result(struct tcg_engine *e, u32 avoid, unsigned prefer)
{
    unsigned hint = e->value[e->index].hint;

    if (hint != X86_NO_REG && !(avoid >> hint & 1) && !x86_live(e, e->owner[hint])) {
        x86_disown_home(e, e->guest_of[hint]);
        return hint;
    }
    return x86_result_temp(e, avoid, prefer);
}

unsigned x86_xmm_result(struct tcg_engine *e, u32 avoid, unsigned prefer)
{
    unsigned hint = e->value[e->index].hint;

    if (hint != X86_NO_REG && x86_is_xmm(hint) && !(avoid >> hint & 1) && !x86_live(e, e->owner[hint])) {
        x86_disown_home(e, e->guest_of[hint]);
        return hint;
    }
    if (x86_is_xmm(prefer) && x86_is_temp(prefer) && !(avoid >> prefer & 1) && !x86_live(e, e->owner[prefer]))
        return prefer;
    return x86_xmm_temp(e, avoid);
}

static void load_xmm(struct tcg_engine *e, unsigned reg, struct x86_operand o)
{
    bool vex = e->features.vex;

    if (o.place != PLACE_REG)
        x86_sse_rm(&e->code, vex, SSE_MOVSD, reg, 0, x86_operand_mem(o));
    else if (x86_is_xmm(o.reg))
        x86_sse_rr(&e->code, vex, SSE_MOVAPS, reg, 0, o.reg);
    else
        x86_sse_rr(&e->code, vex, SSE_MOVD | SSE_W, reg, 0, o.reg);
}

void x86_load(struct tcg_engine *e, bool wide, enum host_reg reg, struct x86_operand o)
{
    if (x86_is_xmm(reg)) {
        if (o.place != PLACE_REG || o.reg != reg)
            load_xmm(e, reg, o);
        return;
    }
    if (o.place == PLACE_REG && x86_is_xmm(o.reg)) {
        x86_sse_rr(&e->code, e->features.vex, wide ? SSE_MOVD_STORE | SSE_W : SSE_MOVD_STORE, o.reg, 0, reg);
        return;
    }
    switch (o.place) {
    case PLACE_CONST:
        x86_mov_ri(&e->code, reg, wide ? (u64)o.imm : (u32)o.imm);
        break;
    case PLACE_REG:
        if (o.reg != reg)
            x86_mov_rr(&e->code, wide, reg, o.reg);
        break;
    default:
        x86_mov_rm(&e->code, wide, reg, x86_operand_mem(o));
        break;
    }
}

enum host_reg x86_in_reg(struct tcg_engine *e, bool wide, struct x86_operand o, enum host_reg temp)
{
    if (o.place == PLACE_REG)
        return o.reg;
    x86_load(e, wide, temp, o);
    return temp;
}

void x86_evict_home(struct tcg_engine *e, unsigned g, ir_value incoming, u32 avoid)
{
    u16 v = e->home_of[g];
    struct x86_value *x;
    struct x86_operand from;
    unsigned pin = e->pin_of[g];
    bool inside;

    if (v == IR_NONE || v == incoming)
        return;
    from = pin == X86_NO_REG ? x86_operand_at(x86_state_of(e, g))
                             : (struct x86_operand){.place = PLACE_REG, .reg = (u8)pin};
    x = &e->value[v];
    inside = pin == X86_NO_REG ? x->place == PLACE_STATE && x->home == g : x->place == PLACE_REG && x->reg == pin;
    x86_disown_home(e, g);
    if (!x->left || !inside)
        return;
    if (pin != X86_NO_REG)
        e->owner[pin] = IR_NONE;
    if (move_home(e, v))
        return;
    {
        unsigned t = e->layout->reg[g].type == IR_F64 ? x86_xmm_temp(e, avoid) : x86_temp(e, avoid);

        x86_load(e, true, t, from);
        x->place = PLACE_REG;
        x->reg = (u8)t;
        e->owner[t] = v;
    }
}
