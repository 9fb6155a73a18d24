/* tcg/x86_64/cold.c - code behind a block: slow paths of memory accesses, stubs of exits. */
#include "tcg/x86_64/emit.h"
#include "tcg/x86_64/value.h"

struct x86_cold *x86_cold_add(struct tcg_engine *e, enum x86_cold_kind kind)
{
    struct x86_cold *cold;

    if (e->cold_count == e->cold_capacity) {
        e->cold_capacity = e->cold_capacity ? e->cold_capacity * 2 : 64;
        e->cold = g_renew(struct x86_cold, e->cold, e->cold_capacity);
    }
    cold = &e->cold[e->cold_count++];
    memset(cold, 0, offsetof(struct x86_cold, recheck));
    cold->compare.size = 0;
    cold->near_back = NULL;
    cold->base = 0;
    cold->kind = (u8)kind;
    cold->result = cold->address = X86_NO_REG;
    cold->rest.put = cold->rest.note = cold->exit = cold->waiting = IR_NONE;
    return cold;
}

void x86_push_operand(struct tcg_engine *e, struct x86_operand o)
{
    struct x86_code *c = &e->code;

    if (o.place == PLACE_NONE) {
        x86_push_i(c, 0);
    } else if (o.place == PLACE_REG && x86_is_xmm(o.reg)) {
        x86_lea(c, true, RSP, x86_mem(RSP, -8));
        x86_store64(e, x86_mem(RSP, 0), o.reg);
    } else if (o.place == PLACE_REG) {
        x86_push_r(c, o.reg);
    } else if (o.place == PLACE_CONST && x86_fits32(o.imm)) {
        x86_push_i(c, (s32)o.imm);
    } else if (o.place == PLACE_CONST) {
        x86_mov_ri(c, RAX, (u64)o.imm);
        x86_push_r(c, RAX);
    } else {
        x86_push_m(c, x86_operand_mem(o));
    }
}

/* Leaves by a link: told by four bytes when it lies near the first link that there was, as nearly all do. */
static void name_link(struct tcg_engine *e, const struct tcg_link *link)
{
    const struct x86_stubs *stubs = &e->stubs;
    u64 *near = &((struct x86_constants *)x86_at(e, stubs->constants))->links;
    s64 from;

    if (!*near)
        *near = (u64)(uintptr_t)link;
    from = (s64)((u64)(uintptr_t)link - *near);
    if (x86_fits32(from)) {
        x86_call_stub(e, link->continues ? stubs->leave_continuation : stubs->leave_link);
        e->code.p = x86_put32(x86_begin(&e->code), (u32)from);
    } else {
        x86_call_stub(e, link->continues ? stubs->leave_far_continuation : stubs->leave_far_link);
        e->code.p = x86_put64(x86_begin(&e->code), (u64)(uintptr_t)link);
        e->places.fixed = true;
    }
}

void x86_link_stub(struct tcg_engine *e, u32 exit, x86_fixup site)
{
    struct tcg_link *link = &e->out->link[e->link_of[exit]];

    x86_fix(site, e->code.p);
    link->site = (u32)(site - e->buffer->write);
    link->unlinked = (u32)(e->code.p - e->buffer->write);
    name_link(e, link);
}

/* rcx: address of the group's low end. The jump is taken when its bytes lie in two pages; rcx becomes the access's address. */
static x86_fixup split_crossing(struct tcg_engine *e, const struct x86_cold *cold)
{
    struct x86_code *c = &e->code;
    x86_fixup site;

    x86_mov_rr(c, false, RAX, RCX);
    x86_alu_ri(c, X86_AND, false, RAX, TCG_PAGE_SIZE - 1);
    x86_alu_ri(c, X86_CMP, false, RAX, TCG_PAGE_SIZE - (cold->high - cold->low));
    site = x86_jcc(c, CC_A);
    if (cold->disp != cold->low)
        x86_alu_ri(c, X86_ADD, true, RCX, cold->disp - cold->low);
    return site;
}

static void call_slow(struct tcg_engine *e, const struct x86_cold *cold)
{
    static const u8 stub_of[] = {[COLD_LOAD] = 0, [COLD_STORE] = 1, [COLD_AMO] = 2, [COLD_CAS] = 3};
    const u32 stub[] = {e->stubs.load, e->stubs.store, e->stubs.amo, e->stubs.cas};

    if (cold->kind == COLD_AMO)
        x86_push_i(&e->code, (s32)cold->extra);
    if (cold->kind != COLD_LOAD)
        x86_push_operand(e, cold->value);
    if (cold->kind == COLD_CAS)
        x86_push_operand(e, cold->value2);
    x86_mov_ri(&e->code, RAX, (u32)cold->where << 16 | cold->mem);
    x86_call_stub(e, stub[stub_of[cold->kind]]);
}

/* Leaves behind the instruction: a group's page is no longer what its check saw. The loaded value waits in scratch[3]. */
static void leave_behind(struct tcg_engine *e, const struct x86_cold *cold)
{
    struct x86_code *c = &e->code;

    if (cold->rest.put != IR_NONE) {
        unsigned pin = e->pin_of[cold->rest.put];
        bool in_state = pin == X86_NO_REG || x86_is_xmm(pin); /* after C, floating-point registers are there */

        x86_mov_rm(c, true, in_state ? RAX : pin, x86_base(e->layout->scratch + 24));
        if (in_state)
            x86_mov_mr(c, 3, x86_state_of(e, cold->rest.put), RAX);
    }
    if (cold->rest.note != IR_NONE) {
        unsigned pin = e->pin_of[cold->rest.note];

        if (pin == X86_NO_REG)
            x86_mov_mi(c, 3, x86_state_of(e, cold->rest.note), cold->rest.imm);
        else
            x86_mov_ri(c, pin, (u64)(s64)cold->rest.imm);
    }
    if (cold->unretired)
        x86_budget_give(e, cold->unretired - 1);
    x86_mov_rm(c, true, RAX, x86_base(e->layout->pc_page));
    x86_alu_ri(c, X86_ADD, true, RAX, cold->next);
    x86_jmp_stub(e, e->stubs.leave_rax);
}

/* Repeats the checks of open groups; the last one is of the group that begins here, if any. */
static void repeat_checks(struct tcg_engine *e, const struct x86_cold *cold)
{
    x86_fixup fails[X86_OPEN_GROUPS + 1];
    struct x86_code *c = &e->code;
    bool result = cold->result != X86_NO_REG;

    if (result)
        x86_mov_mr(c, 3, x86_base(e->layout->scratch + 24), RAX);
    for (unsigned i = 0; i < cold->recheck_count; i++) {
        const struct x86_recheck *r = &e->recheck[cold->recheck + i];

        x86_address(e, r->base, r->low);
        fails[i] = x86_check(e, r->write ? e->layout->l1_write : e->layout->l1_read, (unsigned)(r->high - r->low));
        if (r->slot != X86_NO_SLOT)
            x86_mov_mr(c, 3, x86_slot(e, r->slot), RCX);
    }
    x86_fp_reload(e);
    if (result)
        x86_load(e, true, cold->result, x86_operand_at(x86_base(e->layout->scratch + 24)));
    x86_jmp_to(c, cold->back);
    for (unsigned i = 0; i < cold->recheck_count; i++)
        x86_fix(fails[i], c->p);
    leave_behind(e, cold);
}

/* A group begins while none is open, so that a stub can do it all. */
static bool fits_stub(const struct tcg_engine *e, const struct x86_cold *cold)
{
    return cold->exit != IR_NONE && cold->recheck_count == 1 && !e->uses_fp && cold->rest.note == IR_NONE &&
           (cold->rest.put == IR_NONE || e->layout->reg[cold->rest.put].offset == (s16)e->layout->reg[cold->rest.put].offset);
}

/* Here the check's jump leads. Returns where to go, with the address in rcx, for a new check. */
static u8 *arrive(struct tcg_engine *e, const struct x86_cold *cold)
{
    if (cold->relative)
        return x86_relative_cold(e, cold);
    x86_fix(cold->from, e->code.p);
    return cold->base ? x86_base_cold(e, cold, NULL) : cold->check;
}

static void begin_slow(struct tcg_engine *e, const struct x86_cold *cold, s32 disp, u8 *check)
{
    struct x86_code *c = &e->code;
    bool write = cold->table == e->layout->l1_write;

    if (e->layout->refill) {
        x86_call_stub(e, write ? e->stubs.refill_write : e->stubs.refill_read);
        x86_jcc_to(c, CC_E, check);
    } else if (cold->address != X86_NO_REG) {
        x86_lea(c, true, RCX, x86_mem(cold->address, disp));
    } else {
        x86_alu_rm(c, X86_XOR, true, RCX, x86_l1_tag(cold->table));
    }
}

void x86_begin_slow(struct tcg_engine *e, const struct x86_cold *cold, s32 disp)
{
    u8 *check = arrive(e, cold);

    begin_slow(e, cold, disp, check);
}

/* A link has one field: who leaves by the same exit joins the first jump that did. */
void x86_jump_to_link(struct tcg_engine *e, u32 exit)
{
    const struct tcg_link *link = &e->out->link[e->link_of[exit]];
    bool crosses = !x86_in_page(e->block->exit[exit].pc);
    unsigned pad = x86_padding(e->code.p, 1);

    if (link->site) {
        x86_jmp_to(&e->code, crosses ? e->loop.cross[exit] : e->buffer->write + link->site - 1);
        return;
    }
    if (crosses) { /* out of a loop on two pages */
        e->loop.cross[exit] = e->code.p;
        x86_emit_cross(e, exit);
        return;
    }
    if (pad)
        x86_nop(&e->code, pad);
    x86_link_stub(e, exit, x86_jmp(&e->code));
}

/* Where a group's check failed. The jumps in `right` are taken when its page was the right one: stack frames that reach into the next page come here with each call. */
static u8 *arrive_group(struct tcg_engine *e, const struct x86_cold *cold, struct x86_right *right)
{
    u8 *check = cold->check;

    if (cold->relative)
        return x86_relative_cold(e, cold); /* crosses no end of a page */
    x86_fix(cold->from, e->code.p);
    if (cold->base)
        check = x86_base_cold(e, cold, right);
    x86_right_ask(e, right);
    return check;
}

static void fix_right(struct tcg_engine *e, const struct x86_right *right)
{
    for (u32 i = 0; i < right->count; i++)
        x86_fix(right->jump[i], e->code.p);
}

static void emit_group(struct tcg_engine *e, const struct x86_cold *cold)
{
    struct x86_code *c = &e->code;
    const struct x86_stubs *stubs = &e->stubs;
    bool store = cold->kind == COLD_STORE, put = cold->rest.put != IR_NONE;
    struct x86_group_call call = {
        .mem = cold->mem, .where = (s16)cold->where, .ahead = (u16)(cold->disp - cold->low),
        .bytes = (u16)(cold->high - cold->low), .put = put ? (s16)e->layout->reg[cold->rest.put].offset : 0,
        .length = (u8)(cold->next - cold->where), .has_put = put,
    };
    struct x86_right right = { .count = 0 };
    u8 *check = arrive_group(e, cold, &right);
    x86_fixup crossing;
    unsigned pad;

    begin_slow(e, cold, cold->low, check);
    if (store)
        x86_push_operand(e, cold->value);
    x86_budget_give(e, cold->unretired);
    pad = x86_padding(c->p, 5 + sizeof(call) + 2);
    if (pad)
        x86_nop(c, pad);
    x86_call_stub(e, store ? stubs->group_store : stubs->group_load[cold->table == e->layout->l1_write]);
    memcpy(x86_begin(c), &call, sizeof(call));
    c->p += sizeof(call);
    crossing = x86_jcc(c, CC_A);
    x86_budget_give(e, -cold->unretired);
    if (cold->result != X86_NO_REG && cold->result != RAX)
        x86_mov_rr(c, true, cold->result, RAX);
    x86_jmp_to(c, cold->back);
    fix_right(e, &right);
    x86_budget_give(e, cold->unretired);
    x86_fix(crossing, c->p);
    x86_jump_to_link(e, cold->exit);
}

/* An access by a window that faulted, while the guest's state was what it is before the access. */
static void emit_by_window(struct tcg_engine *e, const struct x86_cold *cold)
{
    struct x86_code *c = &e->code;
    bool has_result = cold->result != X86_NO_REG;

    x86_window_other(e, cold);
    e->fault[cold->fault].cold = (u32)(c->p - e->buffer->write);
    x86_clean_cold(e, cold->nan32, cold->nan64);
    x86_address(e, cold->value3, cold->disp);
    x86_budget_give(e, cold->unretired);
    call_slow(e, cold);
    x86_budget_give(e, -cold->unretired);
    if (cold->pointer) {
        if (has_result)
            x86_push_r(c, RAX);
        x86_address(e, cold->value3, cold->low);
        x86_window_pointer(e);
        if (has_result)
            x86_pop_r(c, RAX);
    }
    x86_fp_reload(e);
    if (has_result)
        x86_load(e, true, cold->result, (struct x86_operand){.place = PLACE_REG, .reg = RAX});
    x86_jmp_to(c, cold->back);
}

static void emit_access(struct tcg_engine *e, const struct x86_cold *cold)
{
    struct x86_code *c = &e->code;
    bool group = cold->exit != IR_NONE;
    struct x86_right right = { .count = 0 };
    x86_fixup crossing = NULL;

    if (fits_stub(e, cold)) {
        emit_group(e, cold);
        return;
    }
    if (group) {
        begin_slow(e, cold, cold->low, arrive_group(e, cold, &right));
    } else if (cold->from) {
        x86_begin_slow(e, cold, cold->disp);
    }
    if (cold->from_unaligned)
        x86_fix(cold->from_unaligned, c->p);
    x86_clean_cold(e, cold->nan32, cold->nan64);
    if (group)
        crossing = split_crossing(e, cold);
    x86_relative_put(e, cold);
    x86_budget_give(e, cold->unretired);
    call_slow(e, cold);
    x86_budget_give(e, -cold->unretired);
    if (cold->recheck_count) {
        repeat_checks(e, cold);
    } else {
        x86_fp_reload(e);
        if (cold->result != X86_NO_REG)
            x86_load(e, true, cold->result, (struct x86_operand){.place = PLACE_REG, .reg = RAX});
        x86_jmp_to(c, cold->back);
    }
    if (!group)
        return;
    fix_right(e, &right);
    x86_clean_cold(e, cold->nan32, cold->nan64);
    x86_fix(crossing, c->p);
    x86_budget_give(e, cold->unretired); /* the instruction is done elsewhere */
    x86_jump_to_link(e, cold->exit);
}

/* Fills the exit's link: leaving while it is not linked, or when a poll says so. */
static void emit_link(struct tcg_engine *e, const struct x86_cold *cold)
{
    struct x86_code *c = &e->code;

    if (cold->from_unaligned) {
        x86_fix(cold->from_unaligned, c->p);
        if (cold->compare.size) {
            x86_compare_emit(e, &cold->compare);
            x86_jcc_to(c, x86_cc_of(ir_cond_invert(cold->compare.cond)), cold->back);
        }
    }
    x86_link_stub(e, cold->extra, cold->from);
}

void x86_fp_reload(struct tcg_engine *e)
{
    if (e->uses_fp)
        x86_call_stub(e, e->stubs.fp_load);
}

static void emit_nan(struct tcg_engine *e, const struct x86_cold *cold)
{
    unsigned a = cold->extra & 0xff, b = cold->extra >> 8 & 0xff;
    bool is_double = cold->extra >> 16;

    x86_clean_one(e, a, is_double);
    if (b != a)
        x86_clean_one(e, b, is_double);
}

/* A comparison without flags, of NaNs. */
static void emit_mute(struct tcg_engine *e, const struct x86_cold *cold)
{
    x86_push_r(&e->code, RAX);
    x86_load(e, false, RAX, cold->value);
    x86_call_stub(e, e->stubs.fp_flags_set);
    x86_pop_r(&e->code, RAX);
    x86_mov_ri(&e->code, cold->result, 0);
}

/* Floating point: what does not leave the block. */
static void emit_fp(struct tcg_engine *e, const struct x86_cold *cold)
{
    x86_fix(cold->from, e->code.p);
    if (cold->from_unaligned)
        x86_fix(cold->from_unaligned, e->code.p);
    switch (cold->kind) {
    case COLD_FP_LOAD:
        x86_fp_reload(e);
        break;
    case COLD_FP_SAVE:
        x86_call_stub(e, e->stubs.fp_save);
        break;
    case COLD_NAN:
        emit_nan(e, cold);
        break;
    case COLD_UNBOX:
        x86_sse_rc(&e->code, e->features.vex, SSE_MOVSD, cold->extra, 0, (const u8 *)&x86_constants_at(e)->nan32);
        x86_note(e);
        break;
    case COLD_MUTE:
        emit_mute(e, cold);
        break;
    case COLD_SILENT:
        x86_loop_compare_cold(e, cold);
        break;
    default:
        x86_exact_call(e, cold->extra, (const struct x86_operand[]){cold->value, cold->value2, cold->value3}, cold->result);
    }
    x86_jmp_to(&e->code, cold->back);
}

static bool is_fp(unsigned kind)
{
    return kind == COLD_FP_LOAD || kind == COLD_FP_SAVE || kind == COLD_NAN || kind == COLD_UNBOX || kind == COLD_EXACT || kind == COLD_MUTE || kind == COLD_SILENT;
}

/* The oldest frames are far away: all are forgotten. */
static void emit_room(struct tcg_engine *e, const struct x86_cold *cold)
{
    x86_fix(cold->from, e->code.p);
    x86_mov_rm(&e->code, true, RSP, x86_base(e->layout->returns + (s32)offsetof(struct tcg_returns, bottom)));
    x86_jmp_to(&e->code, cold->back);
}

/* What comes by the jump cache to a block that the one before it runs into. */
static void emit_entry(struct tcg_engine *e, const struct x86_cold *cold)
{
    if (!x86_is_entry(e->code.p))
        x86_nop(&e->code, x86_to_entry(e->code.p));
    e->out->indirect_entry = e->code.p + (e->buffer->exec - e->buffer->write);
    x86_note_page(e);
    x86_jmp_to(&e->code, cold->back);
}

void x86_cold_emit(struct tcg_engine *e, u32 first, u32 end)
{
    for (u32 i = first; i < end; i++) {
        const struct x86_cold *cold = &e->cold[i];

        if (e->loop.on && !is_fp(cold->kind)) {
            x86_loop_cold(e, cold);
            continue;
        }
        switch (cold->kind) {
        case COLD_LINK:
            emit_link(e, cold);
            break;
        case COLD_CROSS:
            x86_fix(cold->from, e->code.p);
            x86_emit_cross(e, cold->extra);
            break;
        case COLD_GUARD:
            x86_guard_cold(e, cold);
            break;
        case COLD_ROOM:
            emit_room(e, cold);
            break;
        case COLD_ENTRY:
            emit_entry(e, cold);
            break;
        case COLD_NOTHING:
            break;
        case COLD_COUNT:
            x86_count_cold(e, cold);
            break;
        case COLD_FP_LOAD:
        case COLD_FP_SAVE:
        case COLD_NAN:
        case COLD_UNBOX:
        case COLD_EXACT:
        case COLD_MUTE:
        case COLD_SILENT:
            emit_fp(e, cold);
            break;
        case COLD_TRANSFER:
        case COLD_VECTOR:
            x86_vector_cold(e, cold);
            break;
        case COLD_LOAD:
        case COLD_STORE:
            if (cold->extra == X86_BY_WINDOW)
                emit_by_window(e, cold);
            else
                emit_access(e, cold);
            break;
        default:
            emit_access(e, cold);
            break;
        }
    }
}
