/* tcg/x86_64/thunks.c - calls of C helpers: a thunk for each, made when the first block wants it. */
#include "tcg/x86_64/stubs.h"
#include "tcg/x86_64/value.h"

static void thunk_arguments(struct tcg_engine *e, const struct ir_helper *helper)
{
    struct x86_code *c = &e->code;
    s32 scratch = e->layout->scratch;

    if (helper->effects & (IR_HELPER_NEEDS_PC | IR_HELPER_MAY_LEAVE)) {
        x86_extend_rm(c, 2, true, true, R9, x86_base(scratch + 16));
        x86_alu_rm(c, X86_ADD, true, R9, x86_base(e->layout->pc_page));
        x86_mov_mr(c, 3, x86_base(e->layout->pc), R9);
    }
    x86_mov_rr(c, true, RSI, RAX);
    x86_mov_rr(c, true, RDX, RCX);
    if (helper->arg_count > 2)
        x86_mov_rm(c, true, RCX, x86_base(scratch));
    if (helper->arg_count > 3)
        x86_mov_rm(c, true, R8, x86_base(scratch + 8));
    x86_mov_rm(c, true, RDI, x86_base(e->layout->vcpu));
}

/* leaf.h: rax is the word. */
static void emit_leaf_thunk(struct tcg_engine *e, const struct ir_helper *helper)
{
    struct x86_code *c = &e->code;

    x86_push_r(c, RDI);
    x86_push_r(c, RSI);
    x86_lea(c, true, RDI, x86_base(e->layout->vectors));
    x86_mov_rr(c, true, RSI, RAX);
    x86_mov_ri(c, RAX, (u64)(uintptr_t)helper->function);
    x86_call_r(c, RAX);
    x86_pop_r(c, RSI);
    x86_pop_r(c, RDI);
    x86_ret(c);
}

/* tcg/attempt.h: true returns at once, with every register as it was. */
static void emit_attempt(struct tcg_engine *e, const struct ir_helper *helper)
{
    static const enum host_reg saved[] = {RDI, RSI, RDX, R8, RCX};
    struct x86_code *c = &e->code;
    u8 *refused;

    for (unsigned i = 0; i < ARRAY_SIZE(saved); i++)
        x86_push_r(c, saved[i]);
    x86_push_r(c, RAX);
    x86_mov_rr(c, true, RSI, RAX);
    x86_mov_rr(c, true, RDX, RCX);
    if (helper->arg_count > 2)
        x86_mov_rm(c, true, RCX, x86_base(e->layout->scratch));
    x86_lea(c, true, RDI, x86_base(0));
    x86_mov_ri(c, R8, (u64)(uintptr_t)e->layout);
    x86_mov_ri(c, RAX, (u64)(uintptr_t)helper->attempt);
    x86_call_r(c, RAX);
    x86_rr(c, 0x84, false, RAX, RAX); /* test al, al */
    x86_pop_r(c, RAX);
    for (unsigned i = ARRAY_SIZE(saved); i-- > 0;)
        x86_pop_r(c, saved[i]);
    refused = x86_jcc8(c, CC_E);
    x86_ret(c);
    x86_fix8(c, refused);
}

static void emit_thunk(struct tcg_engine *e, const struct ir_helper *helper)
{
    struct x86_code *c = &e->code;
    bool may_leave = helper->effects & IR_HELPER_MAY_LEAVE;
    bool writes = may_leave || helper->effects & IR_HELPER_WRITES;
    bool reads = writes || helper->effects & IR_HELPER_READS;
    u8 *leaves = NULL;

    if (helper->effects == X86_HELPER_LEAF) {
        emit_leaf_thunk(e, helper);
        return;
    }
    if (helper->attempt)
        emit_attempt(e, helper);
    x86_store_pinned(e, reads ? ~0u : X86_CALLER_SAVED);
    x86_fp_flush(e);
    if (helper->effects)
        x86_note_frames(e, 8, R9);
    x86_alu_ri(c, X86_SUB, true, RSP, 8);
    thunk_arguments(e, helper);
    x86_mov_ri(c, RAX, (u64)(uintptr_t)helper->function);
    x86_call_r(c, RAX);
    x86_alu_ri(c, X86_ADD, true, RSP, 8);
    if (may_leave) {
        x86_rr(c, 0x84, false, RAX, RAX); /* test al, al: the result is a bool */
        leaves = x86_jcc8(c, CC_NE);
    }
    if (helper->effects & IR_HELPER_SWITCHES && e->layout->base) {
        x86_mov_rm(c, true, RBP, x86_base(e->layout->base));
        x86_alu_ri(c, X86_ADD, true, RBP, X86_BIAS);
    }
    x86_load_pinned(e, writes ? ~0u : X86_CALLER_SAVED);
    x86_ret(c);
    if (leaves) {
        x86_fix8(c, leaves);
        x86_jmp_to(c, x86_at(e, e->stubs.leave_saved));
    }
}

static u32 make_thunk(struct tcg_engine *e, struct x86_thunk *row, const struct ir_helper *helper)
{
    struct x86_code block = e->code;
    u32 at = e->stub_end;
    bool fits;

    e->code = (struct x86_code){
        .p = x86_at(e, at), .start = x86_at(e, at), .limit = x86_at(e, X86_STUB_AREA - X86_MAX_INSN)
    };
    emit_thunk(e, helper);
    fits = !e->code.overflow;
    if (fits) {
        e->stub_end = ((u32)(e->code.p - e->buffer->write) + 15) & ~15u;
        *row = (struct x86_thunk){helper->function, at, x86_helper_number(e, helper)};
        e->thunk_count++;
    }
    e->code = block;
    return fits ? at : 0;
}

static struct x86_thunk *thunk_row(struct tcg_engine *e, const struct ir_helper *helper)
{
    u32 i = (u32)((uintptr_t)helper->function >> 4) & (X86_MAX_THUNKS - 1);

    while (e->thunk[i].function && e->thunk[i].function != helper->function)
        i = (i + 1) & (X86_MAX_THUNKS - 1);
    if (!e->thunk[i].function && (e->thunk_count >= X86_MAX_THUNKS * 3 / 4 || !make_thunk(e, &e->thunk[i], helper)))
        return NULL;
    return &e->thunk[i];
}

u32 x86_thunk_for(struct tcg_engine *e, const struct ir_helper *helper)
{
    const struct x86_thunk *row = thunk_row(e, helper);

    return row ? row->at : 0;
}

void x86_call_helper(struct tcg_engine *e, const struct ir_helper *helper)
{
    const struct x86_thunk *row = thunk_row(e, helper);
    struct x86_places *places = &e->places;
    u32 at = (u32)(e->code.p - e->code.start) + 1;

    if (!row) {
        e->code.overflow = true;
        return;
    }
    x86_call_to(&e->code, x86_at(e, row->at));
    places->fixed |= at > UINT16_MAX || places->call_count == X86_MAX_CALLS || row->number == X86_NO_NUMBER;
    if (!places->fixed)
        places->call[places->call_count++] = (struct x86_place_call){(u16)at, row->number};
}
