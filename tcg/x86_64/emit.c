/* tcg/x86_64/emit.c - a block of IR to host code: one row per op, one pass forward. */
#include "tcg/x86_64/emit.h"
#include "tcg/x86_64/emit_vector.h"
#include "tcg/x86_64/value.h"

/* How an op becomes code. */
struct rule {
    x86_emit_fn *emit;
    bool pure; /* nothing is emitted when nobody reads the result */
    bool calls; /* may call C, or control comes from elsewhere: what is kept of vectors is so no more */
};

static const struct rule rules[IR_OPCODE_COUNT] = {
    [IR_GET] = {x86_emit_get, true},
    [IR_PUT] = {x86_emit_put},
    [IR_PC_ADD] = {x86_emit_pc_add, true},
    [IR_ZEXT] = {x86_emit_extend, true},
    [IR_SEXT] = {x86_emit_extend, true},
    [IR_ADD] = {x86_emit_binary, true},
    [IR_SUB] = {x86_emit_binary, true},
    [IR_AND] = {x86_emit_binary, true},
    [IR_OR] = {x86_emit_binary, true},
    [IR_XOR] = {x86_emit_binary, true},
    [IR_ANDN] = {x86_emit_and_not, true},
    [IR_ORN] = {x86_emit_and_not, true},
    [IR_XNOR] = {x86_emit_xnor, true},
    [IR_NOT] = {x86_emit_not_neg, true},
    [IR_NEG] = {x86_emit_not_neg, true},
    [IR_SHL] = {x86_emit_shift, true},
    [IR_SHR] = {x86_emit_shift, true},
    [IR_SAR] = {x86_emit_shift, true},
    [IR_ROL] = {x86_emit_shift, true},
    [IR_ROR] = {x86_emit_shift, true},
    [IR_MUL] = {x86_emit_mul, true},
    [IR_MULHU] = {x86_emit_mul_high, true, true},
    [IR_MULHS] = {x86_emit_mul_high, true, true},
    [IR_MULHSU] = {x86_emit_mul_high, true, true},
    [IR_DIVU] = {x86_emit_div, true, true},
    [IR_DIVS] = {x86_emit_div, true, true},
    [IR_REMU] = {x86_emit_div, true, true},
    [IR_REMS] = {x86_emit_div, true, true},
    [IR_CLZ] = {x86_emit_scan, true, true},
    [IR_CTZ] = {x86_emit_scan, true, true},
    [IR_POPCNT] = {x86_emit_scan, true, true},
    [IR_BSWAP] = {x86_emit_bswap, true},
    [IR_SETCC] = {x86_emit_setcc, true},
    [IR_SELECT] = {x86_emit_select, true},
    [IR_MINS] = {x86_emit_min_max, true},
    [IR_MAXS] = {x86_emit_min_max, true},
    [IR_MINU] = {x86_emit_min_max, true},
    [IR_MAXU] = {x86_emit_min_max, true},
    [IR_FADD] = {x86_emit_fp_binary, false, true},
    [IR_FSUB] = {x86_emit_fp_binary, false, true},
    [IR_FMUL] = {x86_emit_fp_binary, false, true},
    [IR_FDIV] = {x86_emit_fp_binary, false, true},
    [IR_FSQRT] = {x86_emit_fp_sqrt, false, true},
    [IR_FMA] = {x86_emit_fp_fma, false, true},
    [IR_FMIN] = {x86_emit_fp_min_max, false, true},
    [IR_FMAX] = {x86_emit_fp_min_max, false, true},
    [IR_FCMP] = {x86_emit_fp_compare, false, true},
    [IR_FTOI] = {x86_emit_fp_to_integer, false, true},
    [IR_ITOF] = {x86_emit_fp_from_integer, false, true},
    [IR_FCVT] = {x86_emit_fp_convert, false, true},
    [IR_FROUND] = {x86_emit_fp_round, false, true},
    [IR_FNEG] = {x86_emit_fp_sign, true, true},
    [IR_FABS] = {x86_emit_fp_sign, true, true},
    [IR_FCOPYSIGN] = {x86_emit_fp_copy_sign, true, true},
    [IR_FXORSIGN] = {x86_emit_fp_copy_sign, true, true},
    [IR_UNBOX] = {x86_emit_fp_unbox, true, true},
    [IR_BITS] = {x86_emit_fp_bits, true, true},
    [IR_FROM_BITS] = {x86_emit_fp_from_bits, true, true},
    [IR_FENV_GET] = {x86_emit_fenv_get, false, true},
    [IR_FENV_SET] = {x86_emit_fenv_set, false, true},
    [IR_LD] = {x86_emit_load, false, true},
    [IR_ST] = {x86_emit_store, false, true},
    [IR_AMO] = {x86_emit_amo, false, true},
    [IR_CAS] = {x86_emit_cas, false, true},
    [IR_FENCE] = {x86_emit_fence, false, true},
    [IR_VEC] = {x86_emit_vector},
    [IR_VEC_TO] = {x86_emit_vector_number, true, true},
    [IR_COUNT] = {x86_emit_count, false, true},
    [IR_UNCOUNT] = {x86_emit_uncount, false, true},
    [IR_CALL] = {x86_emit_call, false, true},
    [IR_VLD] = {x86_emit_vector_transfer, false, true},
    [IR_VST] = {x86_emit_vector_transfer, false, true},
    [IR_LABEL] = {x86_emit_label, false, true},
    [IR_EXIT_IF] = {x86_emit_exit_if},
    [IR_EXIT] = {x86_emit_exit, false, true},
    [IR_EXIT_TO] = {x86_emit_exit_to, false, true},
    [IR_LEAVE] = {x86_emit_leave, false, true},
    /* const, trunc, box, insn and nop emit nothing */
};

void x86_note_page(struct tcg_engine *e)
{
    x86_alu_ri(&e->code, X86_AND, true, RAX, -TCG_PAGE_SIZE);
    x86_mov_mr(&e->code, 3, x86_base(e->layout->pc_page), RAX);
}

/*
 * Two entries: the indirect one takes the guest address in rax and notes its page; the direct one follows, but where the jump before the
 * block runs into it: then the indirect one is cold code (COLD_ENTRY). Its first instruction is six bytes, of which the first five lie in
 * one word, so that kill can replace it by a jump in one store.
 */
void x86_emit_entries(struct tcg_engine *e)
{
    s64 to_exec = e->buffer->exec - e->buffer->write;
    struct tcg_code *out = e->out;

    out->indirect_entry = e->code.p + to_exec;
    if (e->falls)
        x86_cold_add(e, COLD_ENTRY)->back = e->code.p;
    else
        x86_note_page(e);
    out->entry = e->code.p + to_exec;
    out->fp_live = e->uses_fp;
    out->fp_check = 0;
    out->near = 0;
    if (e->uses_fp) {
        struct x86_cold *cold = x86_cold_add(e, COLD_FP_LOAD);

        x86_alu_mi(&e->code, X86_CMP, false, x86_base(e->layout->fp_live), 0);
        cold->from = x86_jcc(&e->code, CC_E);
        cold->back = e->code.p;
        out->fp_check = (u8)(e->code.p + to_exec - (const u8 *)out->entry);
    }
    x86_kept_begin(e);
}

static void drop_unread(struct tcg_engine *e, const struct ir_op *op)
{
    for (unsigned k = 0; k < 4 && op->arg[k] != IR_NONE; k++)
        x86_release(e, x86_root(e, op->arg[k]));
}

static void free_dying_slots(struct tcg_engine *e)
{
    for (u32 i = 0; i < e->dying_count; i++)
        e->slot_free[e->dying_slot[i] / 64] |= BIT64(e->dying_slot[i] % 64);
    e->dying_count = 0;
}

static void emit_ops(struct tcg_engine *e)
{
    const struct ir_op *ops = e->block->op;
    const struct x86_value *value = e->value;

    for (const u16 *at = e->work, *end = at + e->work_count; at < end; at++) {
        u32 i = *at;
        const struct ir_op *op = &ops[i];
        const struct rule *rule = &rules[op->code];

        e->index = i;
        if (unlikely(rule->pure & !value[i].left)) /* one branch, hardly ever taken */
            drop_unread(e, op);
        else
            rule->emit(e, op);
        if (unlikely(e->kept.on & rule->calls))
            x86_kept_forget_all(e);
        if (unlikely(e->dying_count))
            free_dying_slots(e);
    }
}

static void number_links(struct tcg_engine *e, struct tcg_code *out)
{
    u32 n = 0;

    for (u32 i = 0; i < e->block->exit_count; i++) {
        const struct ir_exit *exit = &e->block->exit[i];

        e->link_of[i] = IR_NONE;
        if (exit->kind != IR_EXIT_DIRECT)
            continue;
        out->link[n].pc = exit->pc;
        out->link[n].continues = exit->continues;
        out->link[n].site = out->link[n].unlinked = out->link[n].guarded = 0;
        e->link_of[i] = (u16)n++;
    }
}

static void begin_groups(struct tcg_engine *e)
{
    e->rcx_group = IR_NONE;
    e->dying_count = 0;
    e->waiting = e->muted = e->local_count = e->label_count = 0;
    if (!e->prepared)
        e->group_count = 0;
    for (u32 i = 0; i < e->group_count; i++) {
        e->group[i].active = false;
        e->group[i].slot = X86_NO_SLOT;
    }
}

static void begin_block(struct tcg_engine *e, const struct ir_block *block, struct tcg_code *out)
{
    e->block = block;
    e->out = out;
    e->tail = NULL;
    out->start = (u32)(e->code.p - e->buffer->write);
    number_links(e, out);
}

/* Everything but cold code. */
static void emit_body(struct tcg_engine *e, const struct ir_block *block, struct tcg_code *out)
{
    begin_block(e, block, out);
    if (!e->analysed)
        x86_analyse(e);
    e->analysed = false;
    begin_groups(e);
    x86_emit_entries(e);
    if (e->loop.on)
        x86_loop_begin(e);
    emit_ops(e);
}

static void emit_cold(struct tcg_engine *e, u32 first, u32 end)
{
    const u8 *from = e->code.p;

    x86_cold_emit(e, first, end);
    x86_note_apart(e, from);
}

static u32 cold_room(const struct tcg_engine *e)
{
    return 256 + e->cold_count * 160 + e->recheck_count * 64;
}

static bool begin(struct tcg_engine *e, const struct ir_block *block, u32 at, u32 limit)
{
    e->falls = block->behind && e->apart.on && !e->apart.refused && !e->loop.on && e->fall.end == x86_at(e, at) && e->fall.pc == (s32)block->first_pc;
    u32 start = e->falls ? at : at + x86_to_entry(x86_at(e, at));

    if ((u64)start + 256 > limit)
        return false;
    x86_apart_begin(e, at, limit);
    tcg_buffer_prepare(e->buffer, start);
    e->places.count = e->places.call_count = 0;
    e->places.fixed = e->loop.on;
    e->fault_count = 0;
    e->code = (struct x86_code){
        .p = x86_at(e, start), .start = x86_at(e, start), .limit = x86_at(e, limit - X86_MAX_INSN)
    };
    return true;
}

bool x86_emit_begin(struct tcg_engine *e, const struct ir_block *block, struct tcg_code *out, u32 at, u32 limit)
{
    if (!begin(e, block, at, limit))
        return false;
    begin_block(e, block, out);
    return true;
}

u32 x86_emit_end(struct tcg_engine *e)
{
    u32 end;

    e->opened.on = false;
    if (e->code.overflow)
        return 0;
    e->prepared = false;
    end = e->apart.hot_end ? x86_apart_end(e) : (u32)(e->code.p - e->buffer->write);
    e->out->size = (u32)(e->code.p - e->buffer->write) - e->out->start;
    return end;
}

static u32 emit_block(struct tcg_engine *e, const struct ir_block *block, struct tcg_code *out, u32 at, u32 limit)
{
    if (!begin(e, block, at, limit))
        return 0;
    emit_body(e, block, out);
    x86_cold_begin(e, cold_room(e));
    emit_cold(e, 0, e->cold_count);
    return x86_emit_end(e);
}

/* --- a block and the one that its call returns to, without a jump between them --- */

static void emit_opened_cold(struct tcg_engine *e)
{
    const struct x86_opened *o = &e->opened;

    e->block = o->block;
    e->out = o->out;
    e->uses_fp = o->uses_fp;
    memcpy(e->link_of, o->link_of, sizeof(e->link_of));
    emit_cold(e, 0, o->cold_count);
}

bool x86_emit_open(struct tcg_engine *e, const struct ir_block *block, struct tcg_code *out, u32 at, u32 limit)
{
    struct x86_opened *o = &e->opened;

    e->loop.on = false;
    if (block->loop || !begin(e, block, at, limit))
        return false;
    emit_body(e, block, out);
    e->prepared = false;
    if (e->code.overflow || !e->tail)
        return false;
    *o = (struct x86_opened){ .on = true, .uses_fp = e->uses_fp, .block = block, .out = out, .cold_count = e->cold_count };
    memcpy(o->link_of, e->link_of, sizeof(o->link_of));
    out->size = (u32)(e->code.p - e->buffer->write) - out->start;
    return true;
}

u32 x86_emit_behind(struct tcg_engine *e, const struct ir_block *block, struct tcg_code *out)
{
    struct x86_opened *o = &e->opened;
    const struct x86_cold *jump;

    if (!block) {
        x86_cold_begin(e, cold_room(e));
        emit_opened_cold(e);
        return x86_emit_end(e);
    }
    jump = &e->cold[e->tail_cold];
    o->out->link[o->link_of[jump->extra]].site = 0;
    e->cold[e->tail_cold].kind = COLD_NOTHING;
    e->code.p = e->tail;
    o->out->size = (u32)(e->tail - e->buffer->write) - o->out->start;
    e->falls = false;
    emit_body(e, block, out);
    struct x86_opened second = { .uses_fp = e->uses_fp };
    memcpy(second.link_of, e->link_of, sizeof(second.link_of));
    x86_cold_begin(e, cold_room(e));
    emit_opened_cold(e);
    e->block = block;
    e->out = out;
    e->uses_fp = second.uses_fp;
    memcpy(e->link_of, second.link_of, sizeof(e->link_of));
    emit_cold(e, o->cold_count, e->cold_count);
    return x86_emit_end(e);
}

u32 x86_emit_block(struct tcg_engine *e, const struct ir_block *block, struct tcg_code *out, u32 at, u32 limit)
{
    u32 end;

    e->loop.on = block->loop;
    if (!block->loop) {
        end = emit_block(e, block, out, at, limit);
        if (end || !e->apart.hot_end)
            return end;
        e->apart.refused = true; /* more cold code than it looked like */
        end = emit_block(e, block, out, at, limit);
        e->apart.refused = false;
        return end;
    }
    x86_loop_enter_map(e);
    end = emit_block(e, block, out, at, limit);
    x86_loop_leave_map(e);
    return end;
}
