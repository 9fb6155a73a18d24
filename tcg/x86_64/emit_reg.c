/* tcg/x86_64/emit_reg.c - reads and writes of guest registers, and addresses of the code itself. */
#include "tcg/x86_64/value.h"

void x86_emit_get(struct tcg_engine *e, const struct ir_op *op)
{
    struct x86_value *x = &e->value[e->index];
    unsigned pin = e->pin_of[op->aux];

    if (!x86_is_full(op->type)) {
        enum host_reg d = x86_result(e, 0, X86_NO_REG);

        x86_extend_rm(&e->code, op->type - IR_I8, false, false, d, x86_state_of(e, op->aux));
        x86_define(e, d);
        return;
    }
    x->home = op->aux;
    e->home_of[op->aux] = (u16)e->index;
    if (pin == X86_NO_REG) {
        x->place = PLACE_STATE;
        return;
    }
    x->place = PLACE_REG;
    x->reg = (u8)pin;
    e->owner[pin] = (u16)e->index;
}

static void put_pinned(struct tcg_engine *e, unsigned pin, ir_value v, struct x86_operand o)
{
    struct x86_value *x = &e->value[v];

    if (o.place == PLACE_CONST && o.imm == 0)
        x86_alu_rr(&e->code, X86_XOR, false, pin, pin);
    else
        x86_load(e, true, pin, o);
    if (x->place == PLACE_CONST || (x->place == PLACE_REG && x->reg != pin && !x86_is_temp(x->reg))) {
        e->owner[pin] = IR_NONE;
        return;
    }
    if (x->place == PLACE_REG)
        e->owner[x->reg] = IR_NONE;
    if (x->place == PLACE_STACK && x->left)
        e->slot_free[x->slot / 64] |= BIT64(x->slot % 64);
    x->place = PLACE_REG;
    x->reg = (u8)pin;
    e->owner[pin] = v;
}

static void put_state(struct tcg_engine *e, const struct ir_op *op, struct x86_operand o)
{
    unsigned size = op->type == IR_F64 ? 3 : op->type - IR_I8;
    struct x86_mem m = x86_state_of(e, op->aux);

    if (x86_is_imm32(o) || (o.place == PLACE_CONST && size < 3)) {
        x86_mov_mi(&e->code, size, m, (s32)o.imm);
        return;
    }
    if (o.place != PLACE_REG) {
        enum host_reg t = x86_temp(e, 0);

        x86_load(e, size == 3, t, o);
        o = (struct x86_operand){.place = PLACE_REG, .reg = t};
    }
    if (x86_is_xmm(o.reg))
        x86_store64(e, m, o.reg);
    else
        x86_mov_mr(&e->code, size, m, o.reg);
}

/* Pinned registers may hold NaNs as the host makes them; one value in two places could not be told apart. */
static struct x86_operand take_fp(struct tcg_engine *e, ir_value v, unsigned pin)
{
    struct x86_value *x = &e->value[v];
    struct x86_operand o = x86_operand_of(e, v);

    if (x->nan && (pin == X86_NO_REG || x->home != IR_NONE))
        x86_clean_value(e, v, &o, pin == X86_NO_REG ? 0 : 1u << pin);
    x86_release(e, v);
    return o;
}

static void note_nan(struct tcg_engine *e, unsigned pin, enum x86_nan nan)
{
    u16 bit = (u16)(1u << (pin - X86_XMM0));

    e->nan32 = nan == NAN_32 ? e->nan32 | bit : e->nan32 & ~bit;
    e->nan64 = nan == NAN_64 ? e->nan64 | bit : e->nan64 & ~bit;
}

/* The value is not where the guest register lives. */
static void put_elsewhere(struct tcg_engine *e, const struct ir_op *op, ir_value v)
{
    struct x86_value *x = &e->value[v];
    unsigned g = op->aux, pin = e->pin_of[g];
    struct x86_operand o;

    if (x->place == PLACE_NONE) { /* x86_relative_waits */
        x86_release(e, v);
        return;
    }
    x86_evict_home(e, g, v, x86_operand_mask(x86_operand_of(e, v)));
    o = op->type == IR_F64 ? take_fp(e, v, pin) : x86_take(e, v);
    if (pin == X86_NO_REG)
        put_state(e, op, o);
    else
        put_pinned(e, pin, v, o);
    if (pin != X86_NO_REG && x86_is_xmm(pin))
        note_nan(e, pin, x->nan);
    e->home_of[g] = v;
    x->home = (u16)g;
}

void x86_emit_put(struct tcg_engine *e, const struct ir_op *op)
{
    ir_value v = x86_root(e, op->arg[0]);
    struct x86_value *x = &e->value[v];
    unsigned g = op->aux, pin = e->pin_of[g];

    if (unlikely(!x86_is_full(op->type))) {
        put_state(e, op, x86_take(e, v));
    } else if (e->home_of[g] == v) { /* it is there already */
        x86_release(e, v);
    } else if (x->place == PLACE_REG && x->reg == pin && (!x->nan || x->home == IR_NONE)) { /* computed where it belongs */
        x86_adopt_home(e, g, v);
        if (unlikely(x86_is_xmm(pin)))
            note_nan(e, pin, x->nan);
    } else {
        put_elsewhere(e, op, v);
    }
}

void x86_emit_pc_add(struct tcg_engine *e, const struct ir_op *op)
{
    enum host_reg d;

    if (x86_relative_waits(e, op))
        return;
    d = x86_result(e, 0, X86_NO_REG);
    if (x86_fits32(op->imm)) {
        x86_mov_rm(&e->code, true, d, x86_base(e->layout->pc_page));
        if (op->imm)
            x86_alu_ri(&e->code, X86_ADD, true, d, (s32)op->imm);
    } else {
        x86_mov_ri(&e->code, d, (u64)op->imm);
        x86_alu_rm(&e->code, X86_ADD, true, d, x86_base(e->layout->pc_page));
    }
    x86_define(e, d);
}
