/*
 * tcg/x86_64/store_code.c - stores to a page that has code (tcg_near.written): such a page has no write tag, so each of its stores comes to the stubs. What
 * generates code does little else there, and calls C only for those to lines that have code.
 */
#include "tcg/x86_64/value.h"

#define WRITTEN(e, field) x86_base((e)->layout->near + (s32)offsetof(struct tcg_near, written.field))

enum { LINE_SHIFT = 6 };

bool x86_store_code_can(const struct tcg_engine *e)
{
    return e->layout->near && !e->layout->windows && e->runtime->stored; /* who faulted in a window says so to C */
}

x86_fixup x86_store_code_ask(struct tcg_engine *e, enum host_reg temp)
{
    x86_mov_rr(&e->code, true, temp, RCX);
    x86_alu_rm(&e->code, X86_XOR, true, temp, WRITTEN(e, page));
    x86_alu_ri(&e->code, X86_CMP, true, temp, TCG_PAGE_SIZE - 1);
    return x86_jcc(&e->code, CC_BE);
}

/* rcx: the address. Jumps when its line has code; rdi is lost. */
static x86_fixup ask_line(struct x86_code *c, enum host_reg lines)
{
    x86_mov_rr(c, true, RDI, RCX);
    x86_shift_ri(c, X86_SHR, true, RDI, LINE_SHIFT);
    x86_bt_rr(c, true, lines, RDI);
    return x86_jcc(c, CC_B);
}

/* rdx: the offset in the page; rsi is lost. Jumps when the bytes lie in two lines, which may be in two pages. */
static x86_fixup ask_end(struct x86_code *c, u32 bytes)
{
    x86_lea(c, false, RSI, x86_mem(RDX, (s32)bytes - 1));
    x86_alu_rr(c, X86_XOR, false, RSI, RDX);
    x86_alu_ri(c, X86_CMP, false, RSI, (1 << LINE_SHIFT) - 1);
    return x86_jcc(c, CC_A);
}

static const u8 borrowed[] = {RDX, RSI, RDI};

static void give_back(struct x86_code *c)
{
    for (u32 i = ARRAY_SIZE(borrowed); i-- > 0;)
        x86_pop_r(c, borrowed[i]);
}

struct ways {
    x86_fixup fail[8], done[4];
    u32 fails;
};

/* rdx = the offset in the page. */
static void ask_page(struct tcg_engine *e, struct ways *ways)
{
    struct x86_code *c = &e->code;

    x86_alu_mi(c, X86_CMP, false, x86_base(e->layout->fp_live), 0); /* C would take them to the state, from where the caller has them back */
    ways->fail[ways->fails++] = x86_jcc(c, CC_NE);
    x86_mov_rr(c, true, RDX, RCX);
    x86_alu_rm(c, X86_XOR, true, RDX, WRITTEN(e, page));
    x86_alu_ri(c, X86_CMP, true, RDX, TCG_PAGE_SIZE - 1);
    ways->fail[ways->fails++] = x86_jcc(c, CC_A);
    x86_mov_rm(c, true, RDI, WRITTEN(e, lines));
    x86_mov_rm(c, true, RSI, x86_mem(RDI, 0));
    x86_test_rr(c, true, RSI, RSI);
    ways->fail[ways->fails++] = x86_jcc(c, CC_E); /* no code at all: it can have a write tag */
}

static void store(struct tcg_engine *e, struct ways *ways)
{
    enum { VALUE = sizeof(u64) * (ARRAY_SIZE(borrowed) + 1) };
    struct x86_code *c = &e->code;
    u8 *next;

    x86_extend_rr(c, 1, false, false, RDI, RAX);
    for (u32 size = 0; size < 4; size++) {
        x86_alu_ri(c, X86_CMP, false, RDI, (s32)size); /* the word has nothing else in it */
        next = x86_jcc8(c, CC_NE);
        ways->fail[ways->fails++] = ask_end(c, 1u << size);
        x86_alu_rm(c, X86_ADD, true, RDX, WRITTEN(e, host));
        x86_mov_rm(c, true, RSI, x86_mem(RSP, VALUE));
        x86_mov_mr(c, size, x86_mem(RDX, 0), RSI);
        ways->done[size] = x86_jmp(c);
        x86_fix8(c, next);
    }
}

/*
 * At the beginning of the stub for stores; rcx: the address; ax: the mem word; the value above the return address. Returns from the stub when all is done; ends up
 * behind this code when nothing was done; or at the stub `stored`, when the line has code. rax and flags may be lost.
 */
void x86_store_code_emit(struct tcg_engine *e)
{
    struct x86_code *c = &e->code;
    struct ways ways = { .fails = 0 };
    x86_fixup fails, has_code;

    for (u32 i = 0; i < ARRAY_SIZE(borrowed); i++)
        x86_push_r(c, borrowed[i]);
    ask_page(e, &ways);
    store(e, &ways);
    fails = x86_jmp(c);
    for (u32 i = 0; i < ARRAY_SIZE(ways.done); i++)
        x86_fix(ways.done[i], c->p);
    /* A translator sets the lines before it reads the bytes: whether the line had code before or gets it now, one of both notices the other. */
    x86_lock_alu_mi(c, X86_OR, false, x86_mem(RSP, 0), 0);
    x86_mov_rm(c, true, RDI, WRITTEN(e, lines));
    x86_mov_rm(c, true, RSI, x86_mem(RDI, 0));
    has_code = ask_line(c, RSI);
    give_back(c);
    x86_ret_pop(c, sizeof(u64));
    x86_fix(has_code, c->p);
    give_back(c);
    x86_jmp_to(c, x86_at(e, e->stubs.stored));
    x86_fix(fails, c->p);
    for (u32 i = 0; i < ways.fails; i++)
        x86_fix(ways.fail[i], c->p);
    give_back(c);
}
