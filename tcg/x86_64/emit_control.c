/* tcg/x86_64/emit_control.c - exits of a block, calls and returns of the guest, the jump cache, calls of helpers. */
#include "tcg/x86_64/value.h"
#include "tcg/append.h"

enum { POP_BYTES = 1 };
enum { RETURN_REACH = 6 }; /* ops between an instruction's put of the return address and its exit */

/* --- exits --- */

static void poll(struct tcg_engine *e)
{
    x86_alu_mi(&e->code, X86_CMP, false, x86_base(e->layout->exit_request), 0);
}

/* rax: guest virtual address, whose lowest bit goes when `even`. Where its code is found in the jump cache. */
static struct x86_mem look_up(struct tcg_engine *e, bool even)
{
    struct x86_code *c = &e->code;
    unsigned bits = e->layout->jump_bits;
    s32 cache = e->layout->jump_cache;

    poll(e);
    x86_jcc_stub(e, CC_NE, even ? e->stubs.leave_rax_even : e->stubs.leave_rax);
    if (e->features.bmi) {
        x86_rorx_rr(c, true, RCX, RAX, bits);
    } else {
        x86_mov_rr(c, true, RCX, RAX);
        x86_shift_ri(c, X86_SHR, true, RCX, bits);
    }
    x86_alu_rr(c, X86_XOR, false, RCX, RAX);
    x86_alu_ri(c, X86_AND, false, RCX, (s32)(((1u << bits) - 1) << 1));
    x86_alu_rm(c, X86_CMP, true, RAX, x86_base_index(RCX, 3, cache));
    x86_jcc_stub(e, CC_NE, even ? e->stubs.leave_miss_even : e->stubs.leave_miss);
    return x86_base_index(RCX, 3, cache + 8);
}

void x86_emit_probe(struct tcg_engine *e)
{
    x86_jmp_m(&e->code, look_up(e, false));
}

static void load_target(struct tcg_engine *e, const struct ir_exit *exit)
{
    x86_mov_rm(&e->code, true, RAX, x86_base(e->layout->pc_page));
    x86_alu_ri(&e->code, X86_ADD, true, RAX, exit->pc);
}

/* An exit to the careful variant of the same place is no way round: that goes on ahead. */
static bool needs_poll(const struct tcg_engine *e, const struct ir_op *op, const struct ir_exit *exit)
{
    return op->snapshot >= e->block->snapshot_count || (!exit->single && ir_is_backward(e->block, e->block->snapshot[op->snapshot].pc, exit->pc));
}

/* In front of an instruction: as prefixes of it, which need no slot of their own, if that will do. */
static void pad(struct tcg_engine *e, unsigned bytes)
{
    if (bytes && bytes <= X86_MAX_PREFIXES)
        x86_prefixes(&e->code, bytes);
    else if (bytes)
        x86_nop(&e->code, bytes);
}

/* --- calls and returns of the guest: docs/decisions/returns.md --- */

/* The guest register that holds the call's return address, or IR_NONE: what is put last in this block. */
static u16 return_register(const struct tcg_engine *e, s32 return_pc)
{
    const struct ir_op *ops = e->block->op;

    for (u32 i = e->index, end = i > RETURN_REACH ? i - RETURN_REACH : 0; i-- > end;) {
        if (ops[i].code == IR_PUT && ops[ops[i].arg[0]].code == IR_PC_ADD && ops[ops[i].arg[0]].imm == return_pc)
            return ops[i].aux;
    }
    return IR_NONE;
}

/* The exit that prepare made for where the call's return goes on. */
static const struct ir_exit *continuation(const struct ir_block *b)
{
    const struct ir_exit *exit = &b->exit[b->exit_count - 1];

    return exit->continues ? exit : NULL;
}

void x86_prepare_return(struct ir_block *b, const struct ir_exit *exit)
{
    if (exit->hint != IR_HINT_CALL || !x86_in_page(exit->return_pc) || b->exit_count == IR_MAX_EXITS)
        return;
    b->exit[b->exit_count++] = (struct ir_exit){ .kind = IR_EXIT_DIRECT, .continues = true, .icount = exit->icount, .pc = exit->return_pc };
}

void x86_prepare_call(struct ir_block *b)
{
    const struct ir_op *end = &b->op[b->count - 1];

    if (end->code == IR_EXIT || end->code == IR_EXIT_TO)
        x86_prepare_return(b, &b->exit[end->imm]);
}

/* A new frame must fit: all are forgotten else. (A conditional move of rsp would cost more than the call.) Clobbers flags. */
static void make_room(struct tcg_engine *e)
{
    struct x86_cold *cold = x86_cold_add(e, COLD_ROOM);

    x86_alu_rm(&e->code, X86_CMP, true, RSP, x86_base(e->layout->returns + (s32)offsetof(struct tcg_returns, limit)));
    cold->from = x86_jcc(&e->code, CC_B);
    cold->back = e->code.p;
}

static void push_return(struct tcg_engine *e, u16 reg)
{
    if (e->pin_of[reg] != X86_NO_REG)
        x86_push_r(&e->code, e->pin_of[reg]);
    else
        x86_push_m(&e->code, x86_state_of(e, reg));
}

static struct x86_cold *cold_link(struct tcg_engine *e, u32 exit);

/* Behind the host call: the guest came back to the return address, which is on the stack. */
static void go_on(struct tcg_engine *e)
{
    const struct ir_exit *exit = continuation(e->block);
    struct x86_cold *cold;

    x86_pop_r(&e->code, RAX);
    if (!exit) {
        x86_jmp_stub(e, e->stubs.probe);
        return;
    }
    e->tail = e->code.p;
    e->tail_cold = e->cold_count;
    cold = cold_link(e, (u32)(exit - e->block->exit));
    pad(e, x86_padding(e->code.p, 1));
    cold->from = x86_jmp(&e->code);
}

/* Before a host call of `bytes`, whose field is `field` bytes behind its begin if that may be patched: what comes behind it is entered like a block. */
static void align_call(struct tcg_engine *e, unsigned bytes, unsigned field)
{
    unsigned n = 0;

    while ((field && x86_padding(e->code.p + n, field)) || !x86_is_entry(e->code.p + n + bytes + POP_BYTES))
        n++;
    pad(e, n);
}

/* rax: the address. The frame is that of the call: the host's own prediction of returns works. */
static void return_to(struct tcg_engine *e, bool even)
{
    x86_alu_rm(&e->code, X86_CMP, true, RAX, x86_mem(RSP, 8));
    x86_jcc_stub(e, CC_NE, even ? e->stubs.return_miss_even : e->stubs.return_miss);
    x86_ret(&e->code);
}

/* rax: the address. */
static void jump_or_call(struct tcg_engine *e, u16 reg, bool even)
{
    struct x86_mem entry;

    if (reg == IR_NONE) {
        x86_jmp_m(&e->code, look_up(e, even));
        return;
    }
    make_room(e);
    entry = look_up(e, even);
    push_return(e, reg);
    align_call(e, 7, 0);
    x86_call_m(&e->code, entry);
    go_on(e);
}

static struct x86_cold *cold_link(struct tcg_engine *e, u32 exit)
{
    struct x86_cold *cold = x86_cold_add(e, COLD_LINK);

    cold->extra = exit;
    return cold;
}

/* Compare and conditional jump with a patchable field; the compare has no position-dependent part. */
static void compare_and_branch(struct tcg_engine *e, const struct x86_compare *compare, struct x86_cold *cold)
{
    u8 *before = e->code.p;
    unsigned bytes;

    x86_compare_emit(e, compare);
    bytes = x86_padding(e->code.p, 2);
    if (bytes) {
        e->code.p = before;
        pad(e, bytes);
        x86_compare_emit(e, compare);
    }
    cold->from = x86_jcc(&e->code, x86_cc_of(compare->cond));
}

/* --- exits into other pages: docs/decisions/cross-page-jumps.md --- */

struct guard {
    x86_fixup poll, other; /* jumps to where it is not taken */
};

/* rax becomes the address of the page that the exit leads to, when that is the one it was linked to. */
static struct guard guard(struct tcg_engine *e, u32 exit)
{
    struct tcg_link *link = &e->out->link[e->link_of[exit]];
    struct x86_code *c = &e->code;
    struct guard g;

    poll(e);
    g.poll = x86_jcc(c, CC_NE);
    x86_mov_rm(c, true, RAX, x86_base(e->layout->pc_page));
    x86_alu_ri(c, X86_ADD, true, RAX, (e->block->exit[exit].pc & -TCG_PAGE_SIZE) + TCG_GUARD_SET);
    pad(e, x86_padding(c->p, 3));
    x86_alu_rm(c, X86_CMP, true, RAX, x86_base(e->layout->guards));
    link->guarded = (u32)(c->p - 4 - e->buffer->write);
    g.other = x86_jcc(c, CC_NE);
    x86_alu_ri(c, X86_SUB, true, RAX, TCG_GUARD_SET);
    return g;
}

void x86_emit_cross(struct tcg_engine *e, u32 exit)
{
    struct guard g;
    x86_fixup site;

    if (!e->layout->guards) {
        load_target(e, &e->block->exit[exit]);
        x86_emit_probe(e);
        return;
    }
    g = guard(e, exit);
    pad(e, x86_padding(e->code.p, 1));
    site = x86_jmp(&e->code);
    x86_fix(g.poll, e->code.p);
    x86_fix(g.other, e->code.p);
    x86_link_stub(e, exit, site);
}

/* By the field that the link fills; reg: as in x86_jump. */
static void jump_by_link(struct tcg_engine *e, struct x86_cold *cold, u16 reg)
{
    if (reg == IR_NONE) {
        pad(e, x86_to_entry(e->code.p));
        cold->from = x86_jmp(&e->code);
        e->fall.end = e->code.p;
        e->fall.pc = e->block->exit[cold->extra].pc;
        return;
    }
    push_return(e, reg);
    align_call(e, 5, 1);
    cold->from = x86_call(&e->code);
    cold->back = e->code.p;
    go_on(e);
}

/* The same in hot code; reg: as in x86_jump. */
static void jump_guarded(struct tcg_engine *e, u32 exit, u16 reg)
{
    struct x86_cold *cold;
    struct guard g;

    if (reg != IR_NONE)
        make_room(e);
    g = guard(e, exit);
    cold = x86_cold_add(e, COLD_GUARD);
    cold->extra = exit;
    cold->rest.put = reg;
    cold->from_unaligned = g.poll;
    cold->check = g.other;
    jump_by_link(e, cold, reg);
}

/* Into the page that is there in this context; a call comes back to where it would have. */
void x86_guard_cold(struct tcg_engine *e, const struct x86_cold *cold)
{
    x86_fix(cold->check, e->code.p);
    if (cold->rest.put != IR_NONE) {
        x86_fixup call;

        push_return(e, cold->rest.put);
        call = x86_call(&e->code);
        x86_jmp_to(&e->code, cold->back);
        x86_fix(call, e->code.p);
    }
    x86_fix(cold->from_unaligned, e->code.p);
    x86_link_stub(e, cold->extra, cold->from);
}

/* --- labels --- */

static bool is_local(const struct tcg_engine *e, const struct ir_op *op)
{
    return e->block->exit[op->imm].kind == IR_EXIT_LOCAL;
}

static void jump_local(struct tcg_engine *e, const struct ir_op *op, x86_fixup from)
{
    e->local[e->local_count].pc = e->block->exit[op->imm].pc;
    e->local[e->local_count++].from = from;
}

/* Where a local exit leads back to; NULL: it leads on. */
static u8 *label_behind(const struct tcg_engine *e, const struct ir_op *op)
{
    for (u32 i = 0; i < e->label_count; i++)
        if (e->label[i].pc == e->block->exit[op->imm].pc)
            return e->label[i].at;
    return NULL;
}

/* All values have been read, registers are where they live, and without NaNs of the host: whichever way was taken. */
void x86_emit_label(struct tcg_engine *e, const struct ir_op *op)
{
    u32 left = 0;

    x86_clean_pins(e);
    for (u32 i = 0; i < e->local_count; i++) {
        if (e->local[i].pc == op->imm)
            x86_fix(e->local[i].from, e->code.p);
        else
            e->local[left++] = e->local[i];
    }
    e->local_count = left;
    memset(e->home_of, 0xff, e->layout->reg_count * sizeof(e->home_of[0])); /* IR_NONE */
    memset(e->owner, 0xff, sizeof(e->owner));
    e->rcx_group = IR_NONE;
    if (e->loop.on)
        x86_inner_begin(e, op->imm);
    if (e->label_count == IR_MAX_EXITS) /* never a loop: nothing leads back to this one */
        return;
    e->label[e->label_count].pc = (s32)op->imm;
    e->label[e->label_count++].at = e->code.p;
}

void x86_branch(struct tcg_engine *e, const struct x86_compare *compare, u32 exit, bool polls)
{
    struct x86_cold *cold;

    if (!x86_in_page(e->block->exit[exit].pc)) {
        cold = x86_cold_add(e, COLD_CROSS);
        cold->extra = exit;
        x86_compare_emit(e, compare);
        cold->from = x86_jcc(&e->code, x86_cc_of(compare->cond));
        return;
    }
    cold = cold_link(e, exit);
    if (polls) {
        poll(e);
        cold->from_unaligned = x86_jcc(&e->code, CC_NE);
        cold->compare = *compare;
    }
    compare_and_branch(e, compare, cold);
    cold->back = e->code.p;
}

/* Cold code looks for NaNs where a loop is left or begins another turn. */
static bool leaves_loop(const struct tcg_engine *e, const struct ir_op *op)
{
    return e->loop.on && !is_local(e, op);
}

void x86_emit_exit_if(struct tcg_engine *e, const struct ir_op *op)
{
    const struct ir_exit *exit = &e->block->exit[op->imm];
    if (!leaves_loop(e, op))
        x86_clean_pins(e);
    u8 *behind = is_local(e, op) ? label_behind(e, op) : NULL;

    if (behind) {
        x86_loop_inner(e, op, behind);
        return;
    }
    if (is_local(e, op)) {
        struct x86_compare compare = x86_compare_prepare(e, op->type, op->aux, op->arg[0], op->arg[1]);

        x86_compare_emit(e, &compare);
        jump_local(e, op, x86_jcc(&e->code, x86_cc_of(compare.cond)));
        return;
    }
    if (e->loop.on) {
        x86_loop_exit_if(e, op);
        return;
    }
    struct x86_compare compare = x86_compare_prepare(e, op->type, op->aux, op->arg[0], op->arg[1]);

    x86_branch(e, &compare, (u32)op->imm, needs_poll(e, op, exit));
}

void x86_jump(struct tcg_engine *e, u32 exit, u16 reg, bool polls)
{
    struct x86_cold *cold;

    if (!x86_in_page(e->block->exit[exit].pc) && e->layout->guards) {
        jump_guarded(e, exit, reg);
        return;
    }
    if (!x86_in_page(e->block->exit[exit].pc)) {
        load_target(e, &e->block->exit[exit]);
        jump_or_call(e, reg, false);
        return;
    }
    if (reg != IR_NONE)
        make_room(e);
    cold = cold_link(e, exit);
    if (reg != IR_NONE || polls) { /* calls forward and returns alone could take forever */
        poll(e);
        cold->from_unaligned = x86_jcc(&e->code, CC_NE);
    }
    jump_by_link(e, cold, reg);
}

void x86_emit_exit(struct tcg_engine *e, const struct ir_op *op)
{
    const struct ir_exit *exit = &e->block->exit[op->imm];
    u16 reg;

    if (!leaves_loop(e, op))
        x86_clean_pins(e);
    u8 *behind = is_local(e, op) ? label_behind(e, op) : NULL;

    if (behind) {
        x86_loop_inner(e, op, behind);
        return;
    }
    if (is_local(e, op)) {
        jump_local(e, op, x86_jmp(&e->code));
        return;
    }
    if (e->loop.on) {
        x86_loop_exit(e, op);
        return;
    }
    reg = exit->hint == IR_HINT_CALL ? return_register(e, exit->return_pc) : IR_NONE;
    x86_jump(e, (u32)op->imm, reg, needs_poll(e, op, exit));
}

void x86_jump_to_rax(struct tcg_engine *e, const struct ir_exit *exit, u16 reg, bool even)
{
    if (exit->hint == IR_HINT_RETURN)
        return_to(e, even);
    else
        jump_or_call(e, reg, even);
}

void x86_emit_exit_to(struct tcg_engine *e, const struct ir_op *op)
{
    const struct ir_exit *exit = &e->block->exit[op->imm];
    bool even = op->aux == 1;

    x86_clean_pins(e);
    x86_load(e, true, RAX, x86_take(e, op->arg[0]));
    if (op->aux > 1)
        x86_alu_ri(&e->code, X86_AND, true, RAX, -1 - (s32)op->aux);
    x86_jump_to_rax(e, exit, exit->hint == IR_HINT_CALL ? return_register(e, exit->return_pc) : IR_NONE, even);
}

void x86_emit_leave(struct tcg_engine *e, const struct ir_op *op)
{
    x86_clean_pins(e);
    x86_jmp_stub(e, e->stubs.leave_pc);
}

/* --- calls --- */

static void store_scratch(struct tcg_engine *e, struct x86_operand o, enum ir_type type, s32 at)
{
    struct x86_code *c = &e->code;

    if (o.place == PLACE_CONST) {
        x86_mov_mi(c, 2, x86_base(at), (s32)o.imm);
        x86_mov_mi(c, 2, x86_base(at + 4), type == IR_I64 ? (s32)(o.imm >> 32) : 0);
        return;
    }
    if (o.place == PLACE_REG) {
        x86_mov_mr(c, 3, x86_base(at), o.reg);
    } else {
        x86_push_m(c, x86_operand_mem(o));
        x86_pop_m(c, x86_base(at));
    }
    if (type == IR_I32)
        x86_mov_mi(c, 2, x86_base(at + 4), 0);
    else if (type < IR_I32)
        x86_alu_mi(c, X86_AND, true, x86_base(at), type == IR_I8 ? 0xff : 0xffff);
}

static void clear_above(struct tcg_engine *e, enum host_reg r, enum ir_type type)
{
    if (type < IR_I64)
        x86_extend_rr(&e->code, type - IR_I8, false, false, r, r);
}

/* Arguments 0 and 1 to rax and rcx. */
static void load_first(struct tcg_engine *e, unsigned count, const struct x86_operand *o, const enum ir_type *type)
{
    if (count > 1 && x86_operand_uses(o[1], RAX)) {
        if (x86_operand_uses(o[0], RCX)) {
            x86_xchg_rr(&e->code, RAX, RCX);
        } else {
            x86_load(e, true, RCX, o[1]);
            x86_load(e, true, RAX, o[0]);
        }
    } else {
        if (count > 0)
            x86_load(e, true, RAX, o[0]);
        if (count > 1)
            x86_load(e, true, RCX, o[1]);
    }
    if (count > 0)
        clear_above(e, RAX, type[0]);
    if (count > 1)
        clear_above(e, RCX, type[1]);
}

void x86_emit_call(struct tcg_engine *e, const struct ir_op *op)
{
    const struct ir_helper *helper = op->helper;
    unsigned count = helper->arg_count;
    struct x86_operand o[4];
    enum ir_type type[4];

    if (helper->inlined && x86_emit_inlined(e, op))
        return;
    if (helper->effects & ~(u32)IR_HELPER_FLAGS)
        x86_clean_pins(e);
    for (unsigned i = 0; i < count; i++) {
        type[i] = ir_value_type(e->block, op->arg[i]);
        o[i] = x86_take(e, op->arg[i]);
    }
    if (helper->effects & (IR_HELPER_WRITES | IR_HELPER_MAY_LEAVE))
        x86_flush_homes(e);
    else
        x86_flush_temps(e, X86_TEMPS);
    for (unsigned i = 2; i < count; i++)
        store_scratch(e, o[i], type[i], e->layout->scratch + 8 * ((s32)i - 2));
    if (helper->effects & (IR_HELPER_NEEDS_PC | IR_HELPER_MAY_LEAVE))
        x86_mov_mi(&e->code, 2, x86_base(e->layout->scratch + 16), e->block->snapshot[op->snapshot].pc);
    load_first(e, count, o, type);
    x86_call_helper(e, helper);
    x86_fp_reload(e);
    if (helper->result != IR_VOID && !(helper->effects & IR_HELPER_MAY_LEAVE)) {
        enum host_reg d = x86_result(e, 0, RAX);

        if (d != RAX)
            x86_mov_rr(&e->code, true, d, RAX);
        x86_define(e, d);
    }
}
