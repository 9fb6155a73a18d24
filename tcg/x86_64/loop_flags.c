/*
 * tcg/x86_64/loop_flags.c - loops that compare without raising flags: frflags, flt, fsflags. Reading the flags waits for all arithmetic
 * before it, so nobody reads them as long as nobody wants them: the comparison raises nothing by itself, and what frflags has put into a
 * register is made where the loop is left, if it is overwritten on all other ways. docs/decisions/floating-point.md
 */
#include "tcg/x86_64/value.h"

/* --- the search --- */

struct late {
    u32 get, put, compare, restore; /* ops; put 0: nobody has the flags but restore */
};

static bool is_comparison(const struct ir_op *op)
{
    return op->code == IR_FCMP && (op->aux & IR_FP_LESS);
}

/* From the fenv_get on: true when there is a comparison between it and a fenv_set that takes its flags back, and nothing else that matters. */
static bool find_pattern(const struct ir_block *b, struct late *late)
{
    for (u32 i = late->get + 1; i < b->count; i++) {
        const struct ir_op *op = &b->op[i];
        u32 effects = ir_op_effects((enum ir_opcode)op->code);

        if (op->code == IR_FENV_SET) {
            late->restore = i;
            return late->compare && op->arg[0] == late->get;
        }
        if (op->code == IR_PUT && op->arg[0] == late->get) {
            if (late->put)
                return false;
            late->put = i;
        } else if (is_comparison(op) && !late->compare) {
            late->compare = i;
        } else if (effects & (IR_EFFECT_FENV | IR_EFFECT_CALL | IR_EFFECT_LEAVE | IR_EFFECT_END) || op->code == IR_LABEL) {
            return false;
        }
    }
    return false;
}

static u32 count_readers(const struct ir_block *b, u32 value)
{
    u32 readers = 0;

    for (u32 i = value + 1; i < b->count; i++)
        for (unsigned k = 0; k < ir_op_operands(&b->op[i]); k++)
            readers += b->op[i].arg[k] == value;
    return readers;
}

static bool is_plain_exit(const struct ir_block *b, const struct ir_op *op)
{
    if (op->code != IR_EXIT_IF || ir_is_back_edge(b, op))
        return false;
    return b->exit[op->imm].kind == IR_EXIT_DIRECT && !b->exit[op->imm].single;
}

/*
 * What may lie between the put of the flags and the next one of that register: nothing that reads it, no way out but exits before which no
 * flag was raised. Those are told when `late_of` is there.
 */
static bool is_overwritten(const struct ir_block *b, const struct late *late, u16 *late_of)
{
    u16 reg = b->op[late->put].aux;
    bool raised = false;

    for (u32 i = late->put + 1; i < b->count; i++) {
        const struct ir_op *op = &b->op[i];
        u32 effects = ir_op_effects((enum ir_opcode)op->code);

        if (op->code == IR_PUT && op->aux == reg)
            return true;
        if (i == late->compare || i == late->restore)
            continue;
        if ((op->code == IR_GET && op->aux == reg) || op->code == IR_LABEL)
            return false;
        raised |= (effects & IR_EFFECT_FENV) != 0;
        if (!(effects & (IR_EFFECT_LEAVE | IR_EFFECT_END | IR_EFFECT_CALL)))
            continue;
        if (raised || !is_plain_exit(b, op))
            return false;
        if (late_of)
            late_of[op->imm] = reg;
    }
    return false;
}

static void drop(struct ir_block *b, u32 i)
{
    b->op[i] = (struct ir_op){.code = IR_NOP, .arg = {IR_NONE, IR_NONE, IR_NONE, IR_NONE}};
}

void x86_loop_find_flags(struct tcg_engine *e, struct ir_block *b)
{
    memset(e->loop.late_of, 0xff, sizeof(e->loop.late_of)); /* IR_NONE */
    if (!e->features.sse41)
        return;
    for (u32 i = 0; i < b->count; i++) {
        struct late late = {.get = i};

        if (b->op[i].code != IR_FENV_GET || !find_pattern(b, &late) || count_readers(b, i) != 1u + (late.put != 0))
            continue;
        if (late.put && !is_overwritten(b, &late, NULL))
            continue;
        if (late.put) {
            is_overwritten(b, &late, e->loop.late_of);
            drop(b, late.put);
        }
        b->op[late.compare].aux |= IR_FP_SILENT;
        drop(b, late.get);
        drop(b, late.restore);
        b->live_count = 0; /* the list of what lives names them */
    }
}

/* --- emission --- */

/* Into the cold way when a register holds an infinity or a NaN. */
static x86_fixup test(struct tcg_engine *e, unsigned reg, bool is_double)
{
    const struct x86_constants *k = x86_constants_at(e);

    x86_sse_rc(&e->code, e->features.vex, SSE_PTEST, reg, 0, (const u8 *)(is_double ? k->infinity64 : k->infinity32));
    x86_note(e);
    return x86_jcc(&e->code, CC_B);
}

static void compare(struct tcg_engine *e, unsigned x, unsigned y, bool is_double)
{
    x86_sse_rr(&e->code, e->features.vex, SSE_UCOMISD & ~(is_double ? 0 : (u32)SSE_PREFIX), x, 0, y);
}

/* a < b is "above" of b compared with a: false when unordered. Numbers raise nothing here but the host's own flag for subnormals. */
void x86_loop_compare(struct tcg_engine *e, const struct ir_op *op)
{
    bool is_double = op->type == IR_F64, equal = op->aux & IR_FP_EQUAL;
    struct x86_operand a = x86_take(e, op->arg[0]), b = x86_take(e, op->arg[1]);
    unsigned x = x86_in_xmm(e, b, x86_operand_mask(a)), y = x86_in_xmm(e, a, 1u << x);
    enum host_reg d = x86_result(e, 1 << RAX, X86_NO_REG);
    struct x86_cold *cold = x86_cold_add(e, COLD_SILENT);

    cold->extra = x | y << 8 | (u32)is_double << 16 | (u32)equal << 17;
    cold->result = (u8)d;
    cold->from = test(e, x, is_double);
    cold->from_unaligned = test(e, y, is_double);
    compare(e, x, y, is_double);
    x86_setcc(&e->code, equal ? CC_AE : CC_A, d);
    x86_extend_rr(&e->code, 0, false, false, d, d);
    cold->back = e->code.p;
    x86_define(e, d);
}

/* Infinities and NaNs: with the flags read before and taken back. Both jumps here lead to this place already. */
void x86_loop_compare_cold(struct tcg_engine *e, const struct x86_cold *cold)
{
    struct x86_code *c = &e->code;
    u8 *unordered;

    x86_push_r(c, RAX);
    x86_call_stub(e, e->stubs.fp_flags_get);
    x86_push_r(c, RAX);
    compare(e, cold->extra & 0xff, cold->extra >> 8 & 0xff, cold->extra >> 16 & 1);
    x86_mov_ri(c, RAX, 0);
    unordered = x86_jcc8(c, CC_P);
    x86_setcc(c, cold->extra >> 17 ? CC_AE : CC_A, RAX);
    x86_fix8(c, unordered);
    x86_xchg_mr(c, true, x86_mem(RSP, 0), RAX);
    x86_call_stub(e, e->stubs.fp_flags_set);
    x86_pop_r(c, cold->result);
    x86_pop_r(c, RAX);
}

void x86_loop_late_flags(struct tcg_engine *e, u32 exit)
{
    u16 reg = e->loop.late_of[exit];
    unsigned pin;

    if (reg == IR_NONE)
        return;
    pin = e->map_pin_of[reg];
    x86_call_stub(e, e->stubs.fp_flags_get);
    if (pin != X86_NO_REG)
        x86_mov_rr(&e->code, true, pin, RAX);
    else
        x86_mov_mr(&e->code, 3, x86_state_of(e, reg), RAX);
}
