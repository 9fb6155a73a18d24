/*
 * target/riscv/translate.c - the loop over the instructions of a block, and what all chapters share.
 *
 * A block ends at control flow, at the page's end, before known entries, and after MAX_INSNS. An instruction that
 * crosses into the next page is a block of its own.
 */
#include "target/riscv/fetch.h"
#include "target/riscv/translate.h"
#include "target/riscv/vector.h"

enum { MAX_INSNS = 256 };

ir_value translate_const(struct translation *t, s64 value)
{
    return ir_const(t->b, IR_I64, value);
}

ir_value translate_x(struct translation *t, unsigned reg)
{
    if (reg == 0)
        return translate_const(t, 0);
    return ir_get(t->b, IR_I64, RISCV_REG_X + reg);
}

void translate_set_x(struct translation *t, unsigned reg, ir_value value)
{
    if (reg != 0)
        ir_put(t->b, IR_I64, RISCV_REG_X + reg, value);
}

ir_value translate_w(struct translation *t, unsigned reg)
{
    return ir_trunc(t->b, IR_I32, translate_x(t, reg));
}

void translate_set_w(struct translation *t, unsigned reg, ir_value value)
{
    translate_set_x(t, reg, ir_sext(t->b, IR_I64, value));
}

ir_value translate_length(struct translation *t)
{
    return translate_const(t, t->next - t->pc);
}

void translate_call(struct translation *t, const struct ir_helper *helper, ir_value a, ir_value b, ir_value c,
                    ir_value d)
{
    ir_call(t->b, helper, a, b, c, d);
}

void translate_leave(struct translation *t)
{
    ir_leave(t->b);
    t->done = true;
}

void translate_next_block(struct translation *t)
{
    translate_fp_note(t);
    ir_exit(t->b, t->next, IR_HINT_NONE, 0);
    t->done = true;
}

void translate_illegal(struct translation *t, const struct riscv_insn *i)
{
    translate_call(t, &riscv_ir_illegal, translate_const(t, i->raw), IR_NONE, IR_NONE, IR_NONE);
    translate_leave(t);
}

void translate_exit_careful_if(struct translation *t, enum ir_cond cond, ir_value x, ir_value y)
{
    u32 exit = t->b->exit_count;

    ir_exit_if(t->b, cond, x, y, t->pc);
    if (t->b->exit_count == exit)
        return; /* never taken, or the block is void */
    t->b->exit[exit].single = true;
    t->b->exit[exit].icount--;
}

#include "target/riscv/actions.h"

static void translate_row(struct translation *t, const struct riscv_insn *i)
{
    switch (i->row) {
#include "target/riscv/dispatch.h"
    default:
        translate_illegal(t, i);
    }
}

/* Extensions, FS and rounding modes (Unprivileged manual, "Floating-Point Control and Status Register"). */
static bool is_legal(const struct translation *t, const struct riscv_insn *i)
{
    if (!(t->guards >> i->guard & 1))
        return false;
    if (likely(!i->flags))
        return true;
    if ((i->flags & RISCV_ROW_VECTORS) && (t->mode & RISCV_MODE_V_OFF))
        return false;
    if ((i->flags & RISCV_ROW_FLOATS) && (t->mode & RISCV_MODE_FP_OFF))
        return false;
    if (i->flags & RISCV_ROW_ROUNDS)
        return i->rm < 5 || (i->rm == 7 && !(t->mode & RISCV_MODE_FRM_INVALID));
    return true;
}

static inline void translate_insn(struct translation *t, u32 raw)
{
    struct riscv_insn insn;
    bool known = riscv_decode(raw, &insn);

    t->next = t->pc + insn.length;
    if (unlikely(t->fp_writes))
        translate_fp_note(t);
    ir_insn(t->b, t->pc, insn.length);
    if (likely(known && is_legal(t, &insn)))
        translate_row(t, &insn);
    else
        translate_illegal(t, &insn);
}

static inline bool goes_on(const struct translation *t, const struct code_source *source)
{
    return t->next < (s32)riscv_fetch_end(source) && t->b->insn_count < MAX_INSNS && t->b->insn_count < source->max_insns &&
           (t->unfactoring || likely(!riscv_stops_before(source, (u32)t->next)));
}

/* Others lead here: what the code before this place knew does not hold. */
static void begin_part(struct translation *t)
{
    if (!t->done)
        translate_fp_note(t);
    ir_label(t->b, t->next);
    t->fp_dirty = t->fp_writes = t->vtype_known = t->vl_known = false;
    t->configured = true;
}

s32 translate_next_part(const struct translation *t, s32 pc)
{
    s32 label = ir_next_label(t->b, pc), end = (s32)riscv_fetch_end(t->source);

    for (s32 at = (pc + 2) & ~1; at < end && at < label; at += 2)
        if (t->source->heads[at >> 7] >> (at >> 1 & 63) & 1)
            return at;
    return label;
}

/* At t->next, or where one of several ways has ended: whether there is more. */
static bool next_part(struct translation *t)
{
    s32 label = translate_next_part(t, t->done ? t->pc : t->next - 1);

    if (t->done && label != IR_NO_LABEL)
        t->next = label;
    if (label == t->next) {
        begin_part(t);
        t->done = false;
    }
    return !t->done;
}

enum translate_result riscv_translate(struct ir_block *block, const struct code_source *source, u64 guards, const struct riscv_cpu *cpu)
{
    struct translation t = { .b = block, .source = source, .guards = guards, .cpu = cpu, .mode = source->mode, .careful = source->single_memory };
    u32 raw;

    block->total_order = cpu && riscv_has(cpu, RISCV_EXT_ZTSO);
    ir_block_track(block, RISCV_REG_COUNT);
    t.next = (s32)(source->offset & ~1u); /* only a debugger can make it odd */
    if (riscv_fetch(source, (u32)t.next, &raw) == RISCV_FETCH_CROSSES) {
        if (!source->next_page)
            return TRANSLATE_NEEDS_NEXT_PAGE;
        raw |= riscv_load_half(source->next_page) << 16;
        t.pc = t.next;
        translate_insn(&t, raw);
    } else {
        do {
            t.pc = t.next;
            if (unlikely(riscv_fetch(source, (u32)t.pc, &raw) == RISCV_FETCH_CROSSES))
                break;
            translate_insn(&t, raw);
        } while ((likely(!source->follow) ? !t.done : next_part(&t)) && goes_on(&t, source));
    }
    if (!t.done)
        translate_next_block(&t);
    if (unlikely(source->follow))
        ir_block_resolve(block);
    return TRANSLATE_OK;
}
