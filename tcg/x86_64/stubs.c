/*
 * tcg/x86_64/stubs.c - shared code at the start of the buffer: into and out of generated code, slow paths of memory
 * accesses. Every way into C goes through here or thunks.c: pinned registers are stored to the state first.
 */
#include "tcg/x86_64/stubs.h"
#include "tcg/x86_64/value.h"
#include "base/error.h"

/*
 * The host stack: six saved registers, 8 bytes that keep rsp 16-byte aligned in generated code, END frames that no return matches, and
 * from there on the frames of the guest's calls, at most DEPTH and what fits until the next poll. A return whose frame is not the last
 * one looks at FAR more.
 */
enum { DEPTH = 4096, FAR = 4, END = FAR + 1, FRAME = 16 };

/* What no guest returns to: not canonical. */
#define NO_RETURN INT64_MIN
#define RETURNS(e, field) x86_base((e)->layout->returns + (s32)offsetof(struct tcg_returns, field))

static const u8 saved_regs[] = {RBP, RBX, R12, R13, R14, R15};

static u32 here(const struct tcg_engine *e)
{
    return (u32)(e->code.p - e->buffer->write);
}

void x86_store_pinned(struct tcg_engine *e, u32 mask)
{
    for (unsigned r = 0; r < X86_REG_COUNT; r++)
        if (e->pinned_mask & mask & 1u << r)
            x86_mov_mr(&e->code, 3, x86_state_of(e, e->map_guest_of[r]), r);
}

void x86_load_pinned(struct tcg_engine *e, u32 mask)
{
    for (unsigned r = 0; r < X86_REG_COUNT; r++)
        if (e->pinned_mask & mask & 1u << r)
            x86_mov_rm(&e->code, true, r, x86_state_of(e, e->map_guest_of[r]));
}

/* --- in and out --- */

static void emit_enter(struct tcg_engine *e)
{
    struct x86_code *c = &e->code;

    e->stubs.enter = here(e);
    for (unsigned i = 0; i < ARRAY_SIZE(saved_regs); i++)
        x86_push_r(c, saved_regs[i]);
    x86_lea(c, true, RBP, x86_mem(RDI, X86_BIAS));
    x86_alu_ri(c, X86_SUB, true, RSP, 8);
    x86_mov_ri(c, RDI, (u64)NO_RETURN);
    x86_mov_ri(c, RBX, (u64)(uintptr_t)(e->buffer->exec + e->stubs.no_return));
    for (unsigned i = 0; i < END; i++) {
        x86_push_r(c, RDI);
        x86_push_r(c, RBX);
    }
    x86_lea(c, true, RBX, x86_mem(RSP, -DEPTH * FRAME));
    x86_mov_mr(c, 3, RETURNS(e, low), RSP);
    x86_mov_mr(c, 3, RETURNS(e, bottom), RSP);
    x86_mov_mr(c, 3, RETURNS(e, limit), RBX);
    x86_mov_rr(c, true, RCX, RSI);
    x86_mov_rr(c, true, RAX, RDX);
    x86_load_pinned(e, ~0u);
    x86_jmp_r(c, RCX);
}

static void forget_frames(struct tcg_engine *e)
{
    x86_mov_rm(&e->code, true, RSP, RETURNS(e, bottom));
    x86_mov_mr(&e->code, 3, RETURNS(e, low), RSP);
}

void x86_note_frames(struct tcg_engine *e, s32 above, enum host_reg temp)
{
    if (above)
        x86_lea(&e->code, true, temp, x86_mem(RSP, above));
    x86_mov_mr(&e->code, 3, RETURNS(e, low), above ? temp : RSP);
}

/* Back to C: pinned registers are stored already; rcx is the link. */
static void emit_return(struct tcg_engine *e, enum tcg_leave why)
{
    struct x86_code *c = &e->code;

    x86_mov_ri(c, RAX, why);
    x86_mov_rr(c, true, RDX, RCX);
    forget_frames(e);
    x86_alu_ri(c, X86_ADD, true, RSP, END * FRAME + 8);
    for (unsigned i = ARRAY_SIZE(saved_regs); i-- > 0;)
        x86_pop_r(c, saved_regs[i]);
    x86_ret(c);
}

static void emit_leave_to(struct tcg_engine *e, enum tcg_leave why, bool pc_in_rax)
{
    if (pc_in_rax)
        x86_mov_mr(&e->code, 3, x86_base(e->layout->pc), RAX);
    x86_store_pinned(e, ~0u);
    x86_fp_flush(e);
    emit_return(e, why);
}

static void make_even(struct tcg_engine *e)
{
    x86_alu_ri(&e->code, X86_AND, true, RAX, -2);
}

/* rax: address whose entry is not in the jump cache. Asks the runtime before it leaves. */
static void emit_leave_miss(struct tcg_engine *e)
{
    struct x86_code *c = &e->code;
    x86_fixup none;

    e->stubs.leave_miss_even = here(e);
    make_even(e);
    e->stubs.leave_miss = here(e);
    x86_mov_mr(c, 3, x86_base(e->layout->pc), RAX);
    if (!e->runtime->find) {
        emit_leave_to(e, TCG_LEAVE_MISS, false);
        return;
    }
    x86_store_pinned(e, X86_CALLER_SAVED);
    x86_fp_flush(e);
    x86_note_frames(e, 0, RDI);
    x86_mov_rm(c, true, RDI, x86_base(e->layout->vcpu));
    x86_mov_rr(c, true, RSI, RAX);
    x86_mov_ri(c, RAX, (u64)(uintptr_t)e->runtime->find);
    x86_call_r(c, RAX);
    x86_test_rr(c, true, RAX, RAX);
    none = x86_jcc(c, CC_E);
    x86_mov_rr(c, true, RCX, RAX);
    x86_load_pinned(e, X86_CALLER_SAVED);
    x86_mov_rm(c, true, RAX, x86_base(e->layout->pc));
    x86_jmp_r(c, RCX);
    x86_fix(none, c->p);
    x86_store_pinned(e, ~(u32)X86_CALLER_SAVED);
    emit_return(e, TCG_LEAVE_MISS);
}

/* Pinned registers and the pc are in the state: goes on there, in the context that the runtime names, or leaves. */
static void emit_leave_saved(struct tcg_engine *e)
{
    struct x86_code *c = &e->code;
    x86_fixup none;

    e->stubs.leave_saved = here(e);
    if (!e->runtime->resume) {
        emit_return(e, TCG_LEAVE_PC);
        return;
    }
    forget_frames(e);
    x86_mov_rm(c, true, RDI, x86_base(e->layout->vcpu));
    x86_mov_ri(c, RAX, (u64)(uintptr_t)e->runtime->resume);
    x86_call_r(c, RAX);
    x86_test_rr(c, true, RAX, RAX);
    none = x86_jcc(c, CC_E);
    x86_lea(c, true, RBP, x86_mem(RAX, X86_BIAS));
    x86_load_pinned(e, ~0u);
    x86_mov_rm(c, true, RAX, x86_base(e->layout->pc));
    x86_emit_probe(e);
    x86_fix(none, c->p);
    emit_return(e, TCG_LEAVE_PC);
}

/* Called by an exit that is not linked; which link that is lies behind the call. Some of them go by the jump cache (tcg_link.probes). */
static void emit_leave_link(struct tcg_engine *e, bool far)
{
    struct x86_code *c = &e->code;
    u8 *asked;

    *(far ? &e->stubs.leave_far_continuation : &e->stubs.leave_continuation) = here(e);
    x86_alu_ri(c, X86_AND, true, RAX, -TCG_PAGE_SIZE);
    x86_mov_mr(c, 3, x86_base(e->layout->pc_page), RAX);
    *(far ? &e->stubs.leave_far_link : &e->stubs.leave_link) = here(e);
    x86_pop_r(c, RCX);
    if (far) {
        x86_mov_rm(c, true, RCX, x86_mem(RCX, 0));
    } else {
        x86_extend_rm(c, 2, true, true, RCX, x86_mem(RCX, 0));
        x86_lea_constant(c, RAX, (const u8 *)&x86_constants_at(e)->links);
        x86_alu_rm(c, X86_ADD, true, RCX, x86_mem(RAX, 0));
    }
    x86_extend_rm(c, 2, true, true, RAX, x86_mem(RCX, offsetof(struct tcg_link, pc)));
    x86_alu_rm(c, X86_ADD, true, RAX, x86_base(e->layout->pc_page));
    x86_alu_mi(c, X86_CMP, false, x86_base(e->layout->exit_request), 0); /* who asks wants to know which way was gone */
    asked = x86_jcc8(c, CC_NE);
    x86_cmp8_mi(c, x86_mem(RCX, offsetof(struct tcg_link, probes)), 0);
    x86_jcc_to(c, CC_NE, x86_at(e, e->stubs.probe));
    x86_fix8(c, asked);
    emit_leave_to(e, TCG_LEAVE_LINK, true);
}

/*
 * rax: address of a return whose call's frame is not the last one. It may be one of the next: something in between did not return, as
 * behind longjmp. What is not found there goes by the jump cache, and the frames stay: another task's.
 */
static void emit_return_miss(struct tcg_engine *e)
{
    struct x86_code *c = &e->code;
    x86_fixup found[FAR];

    e->stubs.no_return = here(e);
    x86_mov_rm(c, true, RSP, RETURNS(e, bottom));
    e->stubs.probe = here(e);
    x86_emit_probe(e);
    e->stubs.return_miss_even = here(e);
    make_even(e);
    e->stubs.return_miss = here(e);
    for (unsigned i = 0; i < FAR; i++) {
        x86_alu_rm(c, X86_CMP, true, RAX, x86_mem(RSP, (s32)(i + 1) * FRAME + 8));
        found[i] = x86_jcc(c, CC_E);
    }
    x86_emit_probe(e);
    for (unsigned i = 0; i < FAR; i++) {
        x86_fix(found[i], c->p);
        x86_lea(c, true, RSP, x86_mem(RSP, (s32)(i + 1) * FRAME));
        x86_ret(c);
    }
}

/* --- slow paths --- */

/* eax is snapshot pc << 16 | mem word: mem to `mem`, pc to `where`. */
static void split_info(struct tcg_engine *e, enum host_reg mem, enum host_reg where)
{
    x86_extend_rr(&e->code, 1, false, false, mem, RAX);
    x86_shift_ri(&e->code, X86_SAR, false, RAX, 16);
    x86_extend_rr(&e->code, 2, true, true, where, RAX);
}

/* Arguments behind vcpu and va; `first` is the displacement of the value that was pushed last. */
typedef void slow_arguments(struct tcg_engine *e, s32 first);

static void load_arguments(struct tcg_engine *e, s32 first)
{
    split_info(e, RDX, RCX);
}

static void store_arguments(struct tcg_engine *e, s32 first)
{
    x86_mov_rm(&e->code, true, RDX, x86_mem(RSP, first));
    split_info(e, RCX, R8);
}

static void amo_arguments(struct tcg_engine *e, s32 first)
{
    x86_mov_rm(&e->code, true, RDX, x86_mem(RSP, first));
    split_info(e, RCX, R8);
    x86_mov_rm(&e->code, false, RAX, x86_mem(RSP, first + 8));
    x86_shift_ri(&e->code, X86_SHL, false, RAX, 16);
    x86_alu_rr(&e->code, X86_OR, false, RCX, RAX);
}

static void cas_arguments(struct tcg_engine *e, s32 first)
{
    x86_mov_rm(&e->code, true, RDX, x86_mem(RSP, first + 8));
    x86_mov_rm(&e->code, true, RCX, x86_mem(RSP, first));
    x86_extend_rr(&e->code, 2, true, true, R8, RAX);
}

struct slow_path {
    const void *function;
    slow_arguments *arguments;
    u8 pushed;     /* values above the return address; popped here */
    u8 leave;      /* register of the C result that says "leave" */
};

/* rcx: guest virtual address. The value comes back in rax, or the state is that of a trap and the dispatcher goes on. */
static void emit_slow_from(struct tcg_engine *e, const struct slow_path *slow)
{
    struct x86_code *c = &e->code;
    s32 room = slow->pushed & 1 ? 0 : 8; /* keeps rsp aligned */
    u8 *leaves;

    x86_store_pinned(e, ~0u);
    x86_fp_flush(e);
    x86_note_frames(e, 8 + slow->pushed * 8, RSI);
    if (room)
        x86_alu_ri(c, X86_SUB, true, RSP, room);
    x86_mov_rr(c, true, RSI, RCX);
    x86_mov_rm(c, true, RDI, x86_base(e->layout->vcpu));
    slow->arguments(e, room + 8);
    x86_mov_ri(c, RAX, (u64)(uintptr_t)slow->function);
    x86_call_r(c, RAX);
    x86_test_rr(c, true, slow->leave, slow->leave);
    leaves = x86_jcc8(c, CC_NE);
    x86_load_pinned(e, X86_CALLER_SAVED);
    if (room)
        x86_alu_ri(c, X86_ADD, true, RSP, room);
    if (slow->pushed)
        x86_ret_pop(c, slow->pushed * 8);
    else
        x86_ret(c);
    x86_fix8(c, leaves);
    x86_jmp_to(c, x86_at(e, e->stubs.leave_saved));
}

static u32 emit_slow(struct tcg_engine *e, const struct slow_path *slow)
{
    u32 at = here(e);

    emit_slow_from(e, slow);
    return at;
}

static void emit_store(struct tcg_engine *e)
{
    if (x86_store_code_can(e))
        e->stubs.stored = emit_slow(e, &(struct slow_path){(const void *)e->runtime->stored, store_arguments, 1, RAX});
    e->stubs.store = here(e);
    if (x86_store_code_can(e))
        x86_store_code_emit(e);
    emit_slow_from(e, &(struct slow_path){(const void *)e->runtime->store, store_arguments, 1, RAX});
}

static void emit_slow_paths(struct tcg_engine *e)
{
    const struct tcg_runtime *r = e->runtime;

    e->stubs.load = emit_slow(e, &(struct slow_path){(const void *)r->load, load_arguments, 0, RDX});
    emit_store(e);
    e->stubs.amo = emit_slow(e, &(struct slow_path){(const void *)r->amo, amo_arguments, 2, RDX});
    e->stubs.cas = emit_slow(e, &(struct slow_path){(const void *)r->cas, cas_arguments, 2, RDX});
}

/* --- slow paths of a group's first access --- */

/*
 * rcx: address of the group's low end; struct x86_group_call behind the call; a store's value above the return address.
 * Returns "above" when the bytes lie in two pages (nothing was done), else with the value in rax and the host address of
 * the low end in rcx. When the page has no tag even now, leaves behind the instruction.
 */
struct group_stub {
    const void *function;
    s32 table, room; /* room: locals, keeps rsp aligned */
    bool store;
};

enum { LOCAL_LOW = 0, LOCAL_VALUE = 8 };

#define CALL_FIELD(name) ((s32)offsetof(struct x86_group_call, name))

/* rdx: the struct. Jumps when the group crosses a page. */
static x86_fixup group_crosses(struct tcg_engine *e)
{
    struct x86_code *c = &e->code;

    x86_mov_rr(c, false, RAX, RCX);
    x86_alu_ri(c, X86_AND, false, RAX, TCG_PAGE_SIZE - 1);
    x86_extend_rm(c, 1, false, false, RSI, x86_mem(RDX, CALL_FIELD(bytes)));
    x86_alu_rr(c, X86_ADD, false, RAX, RSI);
    x86_alu_ri(c, X86_CMP, false, RAX, TCG_PAGE_SIZE);
    return x86_jcc(c, CC_A);
}

static x86_fixup group_access(struct tcg_engine *e, const struct group_stub *g)
{
    struct x86_code *c = &e->code;

    x86_extend_rm(c, 1, false, false, RSI, x86_mem(RDX, CALL_FIELD(ahead)));
    x86_alu_rr(c, X86_ADD, true, RSI, RCX);
    x86_mov_rm(c, true, RDI, x86_base(e->layout->vcpu));
    if (g->store) {
        x86_extend_rm(c, 1, false, false, RCX, x86_mem(RDX, CALL_FIELD(mem)));
        x86_extend_rm(c, 1, true, true, R8, x86_mem(RDX, CALL_FIELD(where)));
        x86_mov_rm(c, true, RDX, x86_mem(RSP, g->room + 8));
    } else {
        x86_extend_rm(c, 1, true, true, RCX, x86_mem(RDX, CALL_FIELD(where)));
        x86_extend_rm(c, 1, false, false, RDX, x86_mem(RDX, CALL_FIELD(mem)));
    }
    x86_mov_ri(c, RAX, (u64)(uintptr_t)g->function);
    x86_call_r(c, RAX);
    x86_test_rr(c, true, g->store ? RAX : RDX, g->store ? RAX : RDX);
    x86_mov_mr(c, 3, x86_mem(RSP, LOCAL_VALUE), RAX);
    return x86_jcc(c, CC_NE);
}

/* rcx becomes the host address; rdx the struct. Jumps when there is no tag. */
static x86_fixup group_check(struct tcg_engine *e, const struct group_stub *g)
{
    struct x86_code *c = &e->code;
    x86_fixup fails;

    x86_mov_rm(c, true, RCX, x86_mem(RSP, LOCAL_LOW));
    x86_mov_rm(c, true, RDX, x86_mem(RSP, g->room));
    x86_l1_index(e);
    x86_alu_rm(c, X86_XOR, true, RCX, x86_l1_tag(g->table));
    x86_mov_ri(c, RSI, TCG_PAGE_SIZE);
    x86_extend_rm(c, 1, false, false, RDI, x86_mem(RDX, CALL_FIELD(bytes)));
    x86_alu_rr(c, X86_SUB, false, RSI, RDI);
    x86_alu_rr(c, X86_CMP, true, RCX, RSI);
    fails = x86_jcc(c, CC_A);
    x86_alu_rm(c, X86_ADD, true, RCX, x86_l1_host(e, g->table));
    return fails;
}

static void group_return(struct tcg_engine *e, const struct group_stub *g, bool crosses)
{
    struct x86_code *c = &e->code;

    x86_load_pinned(e, X86_CALLER_SAVED);
    x86_alu_ri(c, X86_ADD, true, RSP, g->room);
    x86_alu_mi(c, X86_ADD, true, x86_mem(RSP, 0), sizeof(struct x86_group_call)); /* "above" */
    if (!crosses)
        x86_alu_rr(c, X86_CMP, false, RAX, RAX);
    if (g->store)
        x86_ret_pop(c, 8);
    else
        x86_ret(c);
}

/* The instruction is done: its result goes to the state, the pc is the next one. rdx: the struct. */
static void group_leave_behind(struct tcg_engine *e)
{
    struct x86_code *c = &e->code;
    u8 *none;

    x86_alu_mi(c, X86_SUB, true, x86_base(e->layout->icount), 1); /* retired, where somebody counts */
    x86_extend_rm(c, 0, false, false, RAX, x86_mem(RDX, CALL_FIELD(has_put)));
    x86_test_rr(c, false, RAX, RAX);
    none = x86_jcc8(c, CC_E);
    x86_extend_rm(c, 1, true, true, RAX, x86_mem(RDX, CALL_FIELD(put)));
    x86_mov_rm(c, true, RCX, x86_mem(RSP, LOCAL_VALUE));
    x86_mov_mr(c, 3, x86_base_index(RAX, 0, 0), RCX);
    x86_fix8(c, none);
    x86_extend_rm(c, 0, false, false, RAX, x86_mem(RDX, CALL_FIELD(length)));
    x86_extend_rm(c, 1, true, true, RCX, x86_mem(RDX, CALL_FIELD(where)));
    x86_alu_rr(c, X86_ADD, true, RAX, RCX);
    x86_alu_rm(c, X86_ADD, true, RAX, x86_base(e->layout->pc_page));
    x86_mov_mr(c, 3, x86_base(e->layout->pc), RAX);
}

/* A store to a page that will not have a write tag: as one that crosses, so that each store asks for itself. */
static void group_ask_code(struct tcg_engine *e)
{
    struct x86_code *c = &e->code;
    x86_fixup written = x86_store_code_ask(e, RAX);
    u8 *other = x86_jmp8(c);

    x86_fix(written, c->p);
    x86_alu_mi(c, X86_ADD, true, x86_mem(RSP, 0), sizeof(struct x86_group_call)); /* "above" */
    x86_ret_pop(c, 8);
    x86_fix8(c, other);
}

static u32 emit_group_stub(struct tcg_engine *e, const struct group_stub *g)
{
    struct x86_code *c = &e->code;
    u32 at = here(e);
    x86_fixup crosses, trap, fails;

    if (g->store && x86_store_code_can(e))
        group_ask_code(e);
    x86_store_pinned(e, ~0u);
    x86_fp_flush(e);
    x86_note_frames(e, g->store ? 16 : 8, RSI);
    x86_alu_ri(c, X86_SUB, true, RSP, g->room);
    x86_mov_mr(c, 3, x86_mem(RSP, LOCAL_LOW), RCX);
    x86_mov_rm(c, true, RDX, x86_mem(RSP, g->room));
    crosses = group_crosses(e);
    trap = group_access(e, g);
    fails = group_check(e, g);
    x86_mov_rm(c, true, RAX, x86_mem(RSP, LOCAL_VALUE));
    group_return(e, g, false);
    x86_fix(fails, c->p);
    group_leave_behind(e);
    x86_fix(trap, c->p);
    x86_jmp_to(c, x86_at(e, e->stubs.leave_saved));
    x86_fix(crosses, c->p);
    group_return(e, g, true);
    return at;
}

static void emit_group_stubs(struct tcg_engine *e)
{
    const struct code_layout *l = e->layout;
    const void *load = (const void *)e->runtime->load, *store = (const void *)e->runtime->store;

    e->stubs.group_load[0] = emit_group_stub(e, &(struct group_stub){load, l->l1_read, 24, false});
    e->stubs.group_load[1] = emit_group_stub(e, &(struct group_stub){load, l->l1_write, 24, false});
    e->stubs.group_store = emit_group_stub(e, &(struct group_stub){store, l->l1_write, 32, true});
}

bool x86_stubs_emit(struct tcg_engine *e, GError **error)
{
    u8 *start = x86_at(e, 64); /* offset 0 means "none" */

    e->code = (struct x86_code){.p = start, .start = start, .limit = x86_at(e, X86_STUB_AREA - X86_MAX_INSN)};
    x86_fp_stubs_emit(e);
    e->stubs.leave_pc = here(e);
    emit_leave_to(e, TCG_LEAVE_PC, false);
    e->stubs.leave_rax_even = here(e);
    make_even(e);
    e->stubs.leave_rax = here(e);
    emit_leave_to(e, TCG_LEAVE_PC, true);
    emit_leave_miss(e);
    emit_return_miss(e);
    emit_enter(e);
    emit_leave_saved(e);
    emit_leave_link(e, false);
    emit_leave_link(e, true);
    x86_refill_emit(e);
    x86_base_stubs(e);
    x86_window_stubs(e);
    emit_slow_paths(e);
    emit_group_stubs(e);
    e->stub_end = (here(e) + 15) & ~15u;
    return !e->code.overflow || error_set(error, "stubs do not fit the code buffer");
}
