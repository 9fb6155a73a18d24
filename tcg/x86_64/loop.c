/*
 * tcg/x86_64/loop.c - a block that leads back to its own start, as one stretch of code (docs/decisions/tier-2.md).
 *
 *   head:   check the page of each stream, find how many turns stay inside all of them; take over lent registers
 *   top:    the turn: no checks for streams, no poll; at its end back to top while turns are left
 *   cold:   turns are used up: give registers back, poll, head. Side exits: give back, leave
 *
 * Nothing between a check and the last turn it serves can take a translation away: no poll, no C code that could, and an access of no
 * stream that is not in the L1 nor the L2 leaves to ordinary code at its own instruction, as does a stream that is not there.
 */
#include "tcg/x86_64/value.h"

enum { MAX_TURNS = 512, MAX_TURNS_AROUND = 128, DIVIDE_BITS = 24 }; /* the second of loops whose loops inside count their own turns */

/* Where a guest register is outside the loop. */
static struct x86_operand outside(const struct tcg_engine *e, unsigned g)
{
    if (e->map_pin_of[g] != X86_NO_REG)
        return (struct x86_operand){.place = PLACE_REG, .reg = e->map_pin_of[g]};
    return x86_operand_at(x86_state_of(e, g));
}

/* --- the head --- */

/* eax /= step; below 4096 before. */
static void divide(struct tcg_engine *e, u32 step)
{
    if (!(step & (step - 1))) {
        if (step > 1)
            x86_shift_ri(&e->code, X86_SHR, false, RAX, (unsigned)__builtin_ctz(step));
        return;
    }
    x86_imul_rri(&e->code, true, RAX, RAX, (s32)((1u << DIVIDE_BITS) / step + 1));
    x86_shift_ri(&e->code, X86_SHR, true, RAX, DIVIDE_BITS);
}

/* eax: how many times `step` fit; no more turns than that. */
static void at_most(struct tcg_engine *e, u32 step, unsigned reg, u16 slot)
{
    struct x86_code *c = &e->code;
    u8 *enough;

    divide(e, step);
    if (reg != X86_NO_REG)
        x86_alu_rr(c, X86_CMP, false, RAX, reg);
    else
        x86_alu_rm(c, X86_CMP, false, RAX, x86_slot(e, slot));
    enough = x86_jcc8(c, CC_AE);
    if (reg != X86_NO_REG)
        x86_mov_rr(c, false, reg, RAX);
    else
        x86_mov_mr(c, 2, x86_slot(e, slot), RAX);
    x86_fix8(c, enough);
}

void x86_loop_limit(struct tcg_engine *e, const struct ir_stream *s, struct x86_mem offset, unsigned reg, u16 slot)
{
    struct x86_code *c = &e->code;

    if (s->step_high > 0) {
        x86_mov_ri(c, RAX, (u64)(TCG_PAGE_SIZE - (s->high - s->low)));
        x86_alu_rm(c, X86_SUB, false, RAX, offset);
        at_most(e, (u32)s->step_high, reg, slot);
    }
    if (s->step_low < 0) {
        x86_mov_rm(c, false, RAX, offset);
        at_most(e, (u32)-s->step_low, reg, slot);
    }
}

static void check_stream(struct tcg_engine *e, const struct ir_stream *s, struct x86_mem slot)
{
    struct x86_code *c = &e->code;
    struct x86_operand base = outside(e, s->reg);
    struct x86_cold *cold = x86_cold_add(e, COLD_STREAM);

    cold->table = s->write ? e->layout->l1_write : e->layout->l1_read;
    x86_address(e, base, s->low);
    cold->check = c->p;
    cold->from = x86_check_tag(e, cold->table, (unsigned)(s->high - s->low));
    if (s->step_low || s->step_high)
        x86_mov_mr(c, 2, slot, RCX);
    x86_alu_rm(c, X86_ADD, true, RCX, x86_l1_host(e, cold->table));
    if (base.place == PLACE_REG)
        x86_alu_rr(c, X86_SUB, true, RCX, base.reg);
    else
        x86_alu_rm(c, X86_SUB, true, RCX, x86_operand_mem(base));
    if (s->step_low || s->step_high)
        x86_loop_limit(e, s, slot, X86_NO_REG, e->loop.turns);
    x86_mov_mr(c, 3, slot, RCX);
}

static void count_entry(struct tcg_engine *e, enum x86_alu by)
{
    if (e->layout->loop_entries)
        x86_alu_mi(&e->code, by, false, x86_base(e->layout->loop_entries), 1);
}

/* A turn that is not of the full length is for the variant that knows how. */
static void check_length(struct tcg_engine *e)
{
    if (!e->loop.strips)
        return;
    x86_load(e, true, RAX, outside(e, e->loop.strip_length));
    x86_alu_ri(&e->code, X86_CMP, true, RAX, e->loop.strip_full);
    x86_cold_add(e, COLD_STREAM)->from = x86_jcc(&e->code, CC_B);
}

/* There is a turn now: what it makes of these is so from here on. */
static void set_guards(struct tcg_engine *e)
{
    for (u32 i = 0; e->loop.strips && i < e->loop.guard_count; i++)
        x86_mov_mi(&e->code, 3, x86_state_of(e, e->loop.guard[i].reg), e->loop.guard[i].imm);
}

static void check_guards(struct tcg_engine *e)
{
    if (e->loop.strips)
        return;
    for (u32 i = 0; i < e->loop.guard_count; i++) {
        x86_alu_mi(&e->code, X86_CMP, true, x86_state_of(e, e->loop.guard[i].reg), e->loop.guard[i].imm);
        x86_cold_add(e, COLD_STREAM)->from = x86_jcc(&e->code, CC_NE);
    }
}

/* The loop goes on in the page behind: it is the one whose code was translated. */
static void check_next_page(struct tcg_engine *e)
{
    if (!e->block->next_guard)
        return;
    x86_mov_rm(&e->code, true, RAX, x86_base(e->layout->pc_page));
    x86_alu_ri(&e->code, X86_ADD, true, RAX, TCG_PAGE_SIZE + TCG_GUARD_SET);
    x86_alu_rm(&e->code, X86_CMP, true, RAX, x86_guard_at(e, e->block->next_guard));
    x86_cold_add(e, COLD_STREAM)->from = x86_jcc(&e->code, CC_NE);
}

static void check_boxes(struct tcg_engine *e)
{
    for (u32 i = 0; i < e->loop.boxed_count; i++) {
        x86_load(e, true, RAX, outside(e, e->loop.boxed[i]));
        x86_shift_ri(&e->code, X86_SHR, true, RAX, 32);
        x86_alu_ri(&e->code, X86_CMP, false, RAX, -1);
        x86_cold_add(e, COLD_STREAM)->from = x86_jcc(&e->code, CC_NE);
    }
}

static bool may_leave(const struct tcg_engine *e, u32 i)
{
    enum ir_opcode code = (enum ir_opcode)e->block->op[i].code;

    if (code == IR_LD || code == IR_ST)
        return e->loop.found.stream_of[i] == IR_NO_STREAM;
    return code == IR_LABEL || ir_op_effects(code) & (IR_EFFECT_LEAVE | IR_EFFECT_END | IR_EFFECT_CALL);
}

/* Each turn's last value of these is nobody's when there is another turn. */
static u16 find_late_nans(const struct tcg_engine *e)
{
    bool read[IR_MAX_REGS] = {false};
    u16 late = 0;

    for (u32 i = 0; i < e->block->count && !may_leave(e, i); i++) {
        const struct ir_op *op = &e->block->op[i];
        u32 pin = op->code == IR_PUT ? e->pin_of[op->aux] : X86_NO_REG;

        if (op->code == IR_GET)
            read[op->aux] = true;
        else if (pin != X86_NO_REG && x86_is_xmm(pin) && !read[op->aux])
            late |= (u16)(1u << (pin - X86_XMM0));
    }
    return late;
}

static void take_over(struct tcg_engine *e)
{
    for (u32 i = 0; i < e->loop.lent_count; i++) {
        const struct x86_lent *n = &e->loop.lent[i];

        x86_store64(e, x86_slot(e, n->slot), n->reg);
        if (n->from != IR_NONE)
            x86_mov_rm(&e->code, true, n->reg, x86_slot(e, n->from));
        else if (n->guest != IR_NONE)
            x86_load(e, true, n->reg, x86_operand_at(x86_state_of(e, n->guest)));
    }
}

void x86_loop_restore(struct tcg_engine *e)
{
    for (u32 i = 0; i < e->loop.lent_count; i++) {
        const struct x86_lent *n = &e->loop.lent[i];

        if (n->written)
            x86_store64(e, x86_state_of(e, n->guest), n->reg);
        x86_load(e, true, n->reg, (struct x86_operand){.place = PLACE_STACK, .reg = RBP, .disp = x86_slot(e, n->slot).disp});
    }
}

static void align_top(struct tcg_engine *e)
{
    unsigned bytes = -(uintptr_t)e->code.p & 15;

    for (; bytes > 8; bytes -= 8)
        x86_nop(&e->code, 8);
    if (bytes)
        x86_nop(&e->code, bytes);
}

void x86_loop_begin(struct tcg_engine *e)
{
    struct x86_loop *l = &e->loop;

    e->slot_free[X86_LOOP_SLOTS / 64] = 0;
    e->slot_words = MAX(e->slot_words, X86_LOOP_SLOTS / 64 + 1);
    l->head = e->code.p;
    l->fail_count = 0;
    count_entry(e, X86_ADD);
    check_next_page(e);
    check_length(e);
    check_guards(e);
    check_boxes(e);
    l->late_nans = find_late_nans(e);
    x86_mov_mi(&e->code, 3, x86_slot(e, l->turns), (l->nest_count ? MAX_TURNS_AROUND : MAX_TURNS) - 1);
    for (u32 s = 0; s < l->found.stream_count; s++)
        if (l->found.stream[s].high > l->found.stream[s].low)
            check_stream(e, &l->found.stream[s], x86_slot(e, l->stream[s].slot));
    x86_cold_add(e, COLD_STREAM_END);
    set_guards(e);
    x86_near_begin(e);
    take_over(e);
    l->has_lanes = x86_loop_lanes(e);
    x86_loop_strips(e);
    align_top(e);
    l->top = e->code.p;
}

/* --- accesses --- */

struct x86_mem x86_loop_place(struct tcg_engine *e, struct x86_operand base, s64 imm)
{
    struct x86_code *c = &e->code;
    const struct x86_stream *stream = &e->loop.stream[e->loop.found.stream_of[e->index]];
    s32 disp = (s32)imm - e->loop.found.stream[e->loop.found.stream_of[e->index]].low;

    if (base.place != PLACE_REG || base.reg == RAX || stream->reg == X86_NO_REG)
        x86_flush_temps(e, 1 << RCX);
    if (base.place != PLACE_REG || base.reg == RAX) {
        x86_load(e, true, RCX, base);
        base.reg = RCX;
    }
    if (stream->reg != X86_NO_REG)
        return x86_mem_index(base.reg, stream->reg, 0, disp);
    if (base.reg == RCX) {
        x86_alu_rm(c, X86_ADD, true, RCX, x86_slot(e, stream->slot));
        return x86_mem(RCX, disp);
    }
    x86_mov_rm(c, true, RCX, x86_slot(e, stream->slot));
    return x86_mem_index(base.reg, RCX, 0, disp);
}

bool x86_loop_access(struct tcg_engine *e, const struct ir_op *op, struct x86_operand base, struct x86_mem *m)
{
    if (x86_near_member(e, op, base, m))
        return true;
    if (x86_loop_has(e))
        *m = x86_loop_place(e, base, op->imm);
    return x86_loop_has(e);
}

/* --- ways out, and around --- */

static void poll(struct tcg_engine *e)
{
    x86_alu_mi(&e->code, X86_CMP, false, x86_base(e->layout->exit_request), 0);
}

static void leave_at(struct tcg_engine *e, s32 pc)
{
    x86_mov_rm(&e->code, true, RAX, x86_base(e->layout->pc_page));
    x86_alu_ri(&e->code, X86_ADD, true, RAX, pc);
    x86_jmp_stub(e, e->stubs.leave_rax);
}

/* Out of the loop by an exit of the block. */
static void leave_by(struct tcg_engine *e, u32 i, bool backward)
{
    const struct ir_exit *exit = &e->block->exit[i];

    x86_budget_give(e, MAX(exit->paid - exit->icount, 0));
    x86_loop_restore(e);
    x86_loop_late_flags(e, i);
    if (backward && x86_in_page(exit->pc)) { /* others poll by themselves */
        u8 *none;

        poll(e);
        none = x86_jcc8(&e->code, CC_E);
        leave_at(e, exit->pc);
        x86_fix8(&e->code, none);
    }
    x86_jump_to_link(e, i);
}

void x86_loop_leave(struct tcg_engine *e, u32 exit)
{
    leave_by(e, exit, true);
}

static bool is_backward(const struct tcg_engine *e, const struct ir_op *op)
{
    return e->block->exit[op->imm].pc <= e->block->snapshot[op->snapshot].pc;
}

void x86_loop_change_turns(struct tcg_engine *e, enum x86_alu op)
{
    if (e->loop.turns_reg != X86_NO_REG)
        x86_alu_rr(&e->code, op, false, e->loop.turns_reg, RCX);
    else
        x86_alu_mr(&e->code, op, false, x86_slot(e, e->loop.turns), RCX);
}

static void subtract_turn(struct tcg_engine *e, unsigned reg, u16 slot)
{
    if (reg != X86_NO_REG)
        x86_alu_ri(&e->code, X86_SUB, false, reg, 1);
    else
        x86_alu_mi(&e->code, X86_SUB, false, x86_slot(e, slot), 1);
}

/* One turn less, of the loop or one inside; the cold way when none is left. */
static struct x86_cold *count_turn(struct tcg_engine *e, enum x86_cold_kind kind, const struct x86_inner *inner)
{
    struct x86_cold *cold = x86_cold_add(e, kind);

    cold->nan32 = e->nan32;
    cold->nan64 = e->nan64;
    cold->inner = inner;
    if (inner)
        subtract_turn(e, e->loop.inner_turns_reg, e->loop.inner_turns);
    else
        subtract_turn(e, e->loop.turns_reg, e->loop.turns);
    cold->from = x86_jcc(&e->code, CC_S);
    return cold;
}

void x86_loop_exit_if(struct tcg_engine *e, const struct ir_op *op)
{
    struct x86_compare compare = x86_compare_prepare(e, op->type, op->aux, op->arg[0], op->arg[1]);
    struct x86_cold *cold;

    if (ir_is_back_edge(e->block, op)) {
        x86_clean_pins_but(e, e->loop.late_nans);
        cold = count_turn(e, COLD_TURN, NULL);
        cold->compare = compare;
        x86_compare_emit(e, &compare);
        x86_jcc_to(&e->code, x86_cc_of(compare.cond), e->loop.top);
        cold->back = e->code.p;
        return;
    }
    cold = x86_cold_add(e, COLD_LINK);
    cold->extra = (u32)op->imm;
    cold->address = is_backward(e, op);
    cold->nan32 = e->nan32;
    cold->nan64 = e->nan64;
    x86_compare_emit(e, &compare);
    cold->from = x86_jcc(&e->code, x86_cc_of(compare.cond));
}

void x86_loop_exit(struct tcg_engine *e, const struct ir_op *op)
{
    if (!ir_is_back_edge(e->block, op)) {
        x86_clean_pins(e);
        leave_by(e, (u32)op->imm, is_backward(e, op));
        return;
    }
    x86_clean_pins_but(e, e->loop.late_nans);
    count_turn(e, COLD_TURN, NULL);
    x86_jmp_to(&e->code, e->loop.top);
}

void x86_loop_inner(struct tcg_engine *e, const struct ir_op *op, u8 *to)
{
    struct x86_compare compare = {.size = 0};
    struct x86_cold *cold = NULL;

    if (op->code == IR_EXIT_IF)
        compare = x86_compare_prepare(e, op->type, op->aux, op->arg[0], op->arg[1]);
    if (e->loop.on) {
        cold = count_turn(e, COLD_INNER, x86_inner_at(e, e->block->exit[op->imm].pc));
        cold->extra = e->loop.inner[op->imm];
        cold->compare = compare;
    }
    if (op->code == IR_EXIT_IF) {
        x86_compare_emit(e, &compare);
        x86_jcc_to(&e->code, x86_cc_of(compare.cond), to);
    } else {
        x86_jmp_to(&e->code, to);
    }
    if (cold)
        cold->back = e->code.p;
}

/* --- cold code --- */

static void emit_stream(struct tcg_engine *e, const struct x86_cold *cold)
{
    struct x86_loop *l = &e->loop;

    if (!cold->check) { /* a guard */
        l->fails[l->fail_count++] = cold->from;
        return;
    }
    x86_fix(cold->from, e->code.p);
    if (e->layout->refill) {
        x86_call_stub(e, cold->table == e->layout->l1_write ? e->stubs.refill_write : e->stubs.refill_read);
        x86_jcc_to(&e->code, CC_E, cold->check);
    }
    l->fails[l->fail_count++] = x86_jmp(&e->code);
}

/* Turns are used up; unless the comparison says that there is no other. */
static void begin_last(struct tcg_engine *e, const struct x86_cold *cold)
{
    x86_fix(cold->from, e->code.p);
    if (!cold->compare.size)
        return;
    x86_compare_emit(e, &cold->compare);
    x86_jcc_to(&e->code, x86_cc_of(ir_cond_invert(cold->compare.cond)), cold->back);
}

/* Of a loop inside: those that are looked at next, and one turn less of the whole. */
static void emit_inner(struct tcg_engine *e, const struct x86_cold *cold)
{
    begin_last(e, cold);
    if (cold->inner) {
        subtract_turn(e, e->loop.turns_reg, e->loop.turns);
        x86_jcc_to(&e->code, CC_NS, cold->inner->begin);
    }
    leave_by(e, cold->extra, true);
}

/* Other pages, or the same ones after a poll. */
static void emit_turn(struct tcg_engine *e, const struct x86_cold *cold)
{
    begin_last(e, cold);
    x86_clean_cold(e, cold->nan32, cold->nan64);
    x86_loop_restore(e);
    if (!e->loop.has_lanes) /* with them it has been taken off */
        count_entry(e, X86_SUB); /* it goes on */
    poll(e);
    x86_jcc_to(&e->code, CC_E, e->loop.head);
    leave_at(e, (s32)e->block->first_pc);
}

/* An access of no stream that is not in the tables: the ordinary code does the instruction. */
static void emit_access(struct tcg_engine *e, const struct x86_cold *cold)
{
    if (cold->near_back)
        x86_near_cold(e, cold);
    else
        x86_begin_slow(e, cold, cold->disp);
    x86_near_split(e);
    x86_clean_cold(e, cold->nan32, cold->nan64);
    x86_budget_give(e, cold->unretired);
    x86_loop_restore(e);
    x86_jump_to_link(e, cold->exit);
}

void x86_loop_cold(struct tcg_engine *e, const struct x86_cold *cold)
{
    switch (cold->kind) {
    case COLD_STREAM:
        emit_stream(e, cold);
        break;
    case COLD_STREAM_END:
        if (!e->loop.fail_count)
            break;
        for (u32 i = 0; i < e->loop.fail_count; i++)
            x86_fix(e->loop.fails[i], e->code.p);
        x86_near_split(e);
        count_entry(e, X86_SUB); /* there was no turn */
        x86_jump_to_link(e, e->loop.again);
        break;
    case COLD_NEAR:
        x86_near_reset(e, cold);
        break;
    case COLD_VECTOR:
        x86_vector_cold(e, cold);
        break;
    case COLD_TURN:
        emit_turn(e, cold);
        break;
    case COLD_INNER:
        emit_inner(e, cold);
        break;
    case COLD_AHEAD:
        x86_inner_cold(e, cold);
        break;
    case COLD_COUNT:
        x86_count_cold(e, cold);
        break;
    case COLD_LINK:
        x86_fix(cold->from, e->code.p);
        x86_clean_cold(e, cold->nan32, cold->nan64);
        leave_by(e, cold->extra, cold->address);
        break;
    default:
        emit_access(e, cold);
    }
}
