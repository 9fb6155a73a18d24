/*
 * tcg/x86_64/base_page.c - accesses of ordinary blocks ask first whether their base register still leads to the page that it led to last
 * (struct tcg_base), and the tables only when it does not. docs/decisions/jit-memory.md
 *
 *   lea rcx, [base + low]; xor rcx, [page]; cmp rcx, [limit]; jae cold; add rcx, [host]
 *
 * That is one instruction less than with the tables, and the host address waits for nothing but the base register. Who finds another page
 * each time pays twice: so the stack pointer is asked everywhere, others where the code is hot and did not miss (ir_block.stays, accel/tcg/settle.c).
 *
 * A stack whose hot level lies at a page's end leads to two pages in turn, so of the stack pointer the page before the last is known as well: cold code asks
 * for it before the tables.
 */
#include "tcg/x86_64/value.h"

enum { BEFORE_TIMES = 32 };

#define NEAR(e, field) x86_base((e)->layout->near + (s32)offsetof(struct tcg_near, field))
#define FIELD(name) ((s32)offsetof(struct tcg_base, name))

static bool stays(const struct tcg_engine *e, const struct ir_op *op, struct x86_operand base)
{
    const struct ir_block *b = e->block;
    s32 at = b->snapshot[op->snapshot].pc;

    if (base.place == PLACE_REG && e->guest_of[base.reg] == e->layout->stack_pointer)
        return true;
    return at >= 0 && at < TCG_PAGE_SIZE && b->stays[at >> 10] >> (at >> 4 & 63) & 1;
}

/* Pinned registers have the first half, those in the state share the other. */
static bool number_of(const struct tcg_engine *e, struct x86_operand base, u32 *number)
{
    if (base.place == PLACE_REG && !x86_is_temp(base.reg))
        *number = base.reg % (TCG_BASES / 2);
    else if (base.place == PLACE_STATE && base.reg == RBP)
        *number = TCG_BASES / 2 + (u32)base.disp / 8 % (TCG_BASES / 2);
    else
        return false;
    return e->layout->near;
}

static bool find_reach(unsigned bytes, u32 *reach)
{
    for (*reach = 0; *reach < TCG_REACHES; ++*reach)
        if (bytes <= tcg_reach(*reach))
            return true;
    return false;
}

bool x86_base_check(struct tcg_engine *e, struct x86_cold *cold, const struct ir_op *op, struct x86_operand base, unsigned bytes)
{
    struct x86_code *c = &e->code;
    u32 number, reach, entry;

    if (e->loop.on || e->block->single_memory || op->aux & IR_MEM_ALIGNED || !number_of(e, base, &number) || !stays(e, op, base) ||
        !find_reach(bytes, &reach))
        return false;
    entry = (number * 2 + (cold->table == e->layout->l1_write)) * TCG_REACHES + reach;
    cold->base = e->layout->near + (s32)(offsetof(struct tcg_near, base) + entry * sizeof(struct tcg_base));
    cold->bytes = (u16)bytes;
    x86_alu_rm(c, X86_XOR, true, RCX, x86_base(cold->base + FIELD(page)));
    x86_alu_rm(c, X86_CMP, true, RCX, x86_base(cold->base + FIELD(limit)));
    cold->from = x86_jcc(c, CC_AE);
    x86_alu_rm(c, X86_ADD, true, RCX, x86_base(cold->base + FIELD(host)));
    cold->near_back = c->p;
    return true;
}

/* From the struct tcg_base of the stack pointer to that of the page before; 0: the base is another register's. */
static s32 to_before(const struct tcg_engine *e, s32 base, bool write)
{
    u16 reg = e->layout->stack_pointer;
    s32 first;

    if (reg == IR_NONE || e->pin_of[reg] == X86_NO_REG)
        return 0;
    first = e->layout->near + (s32)offsetof(struct tcg_near, base[e->pin_of[reg] % (TCG_BASES / 2)][write]);
    if (base < first || base >= first + (s32)sizeof(((struct tcg_near *)NULL)->base[0][0]))
        return 0;
    return e->layout->near + (s32)offsetof(struct tcg_near, before[write]) - first;
}

/* rcx: the address; it is the host's when the stack pointer is back where it was before. */
static void ask_before(struct tcg_engine *e, const struct x86_cold *cold, s32 before, struct x86_right *right)
{
    struct x86_code *c = &e->code;
    u8 *other, *often;

    x86_alu_rm(c, X86_XOR, true, RCX, x86_base(before + FIELD(page)));
    x86_alu_rm(c, X86_CMP, true, RCX, x86_base(before + FIELD(limit)));
    other = x86_jcc8(c, CC_AE);
    x86_alu_mi(c, X86_SUB, false, NEAR(e, before_left), 1);
    often = x86_jcc8(c, CC_S);
    x86_alu_rm(c, X86_ADD, true, RCX, x86_base(before + FIELD(host)));
    x86_jmp_to(c, cold->near_back);
    x86_fix8(c, other);
    x86_right_ask(e, right);
    x86_fix8(c, often);
    x86_alu_rm(c, X86_XOR, true, RCX, x86_base(before + FIELD(page)));
}

void x86_right_ask(struct tcg_engine *e, struct x86_right *right)
{
    if (!right)
        return;
    x86_alu_ri(&e->code, X86_CMP, true, RCX, TCG_PAGE_SIZE - 1);
    right->jump[right->count++] = x86_jcc(&e->code, CC_BE);
}

u8 *x86_base_cold(struct tcg_engine *e, const struct x86_cold *cold, struct x86_right *right)
{
    struct x86_code *c = &e->code;
    bool write = cold->table == e->layout->l1_write;
    s32 before = to_before(e, cold->base, write);
    u32 stub = write ? e->stubs.base_write : e->stubs.base_read;
    u8 *again;

    x86_right_ask(e, right);
    x86_alu_rm(c, X86_XOR, true, RCX, x86_base(cold->base + FIELD(page)));
    if (before) {
        ask_before(e, cold, cold->base + before, right);
        stub = write ? e->stubs.stack_write : e->stubs.stack_read;
    }
    again = c->p;
    x86_push_i(c, cold->base);
    x86_mov_ri(c, RAX, (u32)cold->where << 16 | (TCG_PAGE_SIZE - cold->bytes));
    x86_call_stub(e, stub);
    x86_jcc_to(c, CC_E, cold->near_back);
    return again;
}

/* rsi: a struct tcg_base, `delta` from here, gets its limit and is listed, unless it has one. Clobbers rdx. */
static void make_known(struct tcg_engine *e, s32 delta)
{
    struct x86_code *c = &e->code;
    u8 *known;

    x86_alu_mi(c, X86_CMP, true, x86_base_index(RSI, 0, delta + FIELD(limit)), 0);
    known = x86_jcc8(c, CC_NE);
    x86_mov_rm(c, true, RDX, x86_base_index(RSI, 0, delta + FIELD(page_limit)));
    x86_mov_mr(c, 3, x86_base_index(RSI, 0, delta + FIELD(limit)), RDX);
    x86_mov_rm(c, false, RDX, NEAR(e, known_count));
    x86_alu_ri(c, X86_ADD, true, RSI, delta - e->layout->near);
    x86_mov_mr(c, 1, x86_base_index(RDX, 1, e->layout->near + (s32)offsetof(struct tcg_near, known)), RSI);
    x86_alu_ri(c, X86_SUB, true, RSI, delta - e->layout->near);
    x86_alu_mi(c, X86_ADD, false, NEAR(e, known_count), 1);
    x86_fix8(c, known);
}

/* rsi: the struct tcg_base, which is about to get another page. Clobbers rdx. */
static void keep_before(struct tcg_engine *e, s32 before)
{
    struct x86_code *c = &e->code;
    u8 *unknown;

    x86_alu_mi(c, X86_CMP, true, x86_base_index(RSI, 0, FIELD(limit)), 0);
    unknown = x86_jcc8(c, CC_E);
    x86_mov_rm(c, true, RDX, x86_base_index(RSI, 0, FIELD(page)));
    x86_mov_mr(c, 3, x86_base_index(RSI, 0, before + FIELD(page)), RDX);
    x86_mov_rm(c, true, RDX, x86_base_index(RSI, 0, FIELD(host)));
    x86_mov_mr(c, 3, x86_base_index(RSI, 0, before + FIELD(host)), RDX);
    x86_mov_mi(c, 2, NEAR(e, before_left), BEFORE_TIMES);
    make_known(e, before);
    x86_fix8(c, unknown);
}

/* rax: index; rsi: the struct tcg_base. */
static void remember(struct tcg_engine *e, s32 table)
{
    struct x86_code *c = &e->code;

    x86_mov_rm(c, true, RDX, x86_l1_tag(table));
    x86_mov_mr(c, 3, x86_base_index(RSI, 0, FIELD(page)), RDX);
    x86_mov_rm(c, true, RDX, x86_l1_host(e, table));
    x86_mov_mr(c, 3, x86_base_index(RSI, 0, FIELD(host)), RDX);
    make_known(e, 0);
}

/* Pushed last: what rax was. */
static void note_miss(struct tcg_engine *e)
{
    struct x86_code *c = &e->code;
    s32 missed = e->layout->near + (s32)offsetof(struct tcg_near, base_missed);

    x86_mov_rm(c, false, RDX, NEAR(e, base_misses));
    x86_alu_mi(c, X86_ADD, false, NEAR(e, base_misses), 1);
    x86_alu_ri(c, X86_AND, false, RDX, TCG_BASE_MISSED - 1);
    x86_shift_ri(c, X86_SHL, false, RDX, 4);
    x86_pop_m(c, x86_base_index(RDX, 0, missed + 8));
    x86_push_m(c, x86_base(e->layout->pc_page));
    x86_pop_m(c, x86_base_index(RDX, 0, missed));
}

/*
 * rcx: the address; rax: what base_missed gets, the greatest offset in its lower half; pushed before the call: where the struct tcg_base is, which may have
 * another for the page before, `before` from there.
 * "Equal": the host address is in rcx; else rcx is the address xor the tag, rax the index. Nothing else is lost.
 */
static u32 emit_stub(struct tcg_engine *e, s32 table, s32 before)
{
    struct x86_code *c = &e->code;
    u32 at = (u32)(c->p - e->buffer->write);
    x86_fixup absent;

    x86_push_r(c, RDX);
    x86_push_r(c, RSI);
    x86_mov_rm(c, true, RSI, x86_mem(RSP, 24));
    x86_extend_rr(c, 1, false, false, RDX, RAX);
    x86_push_r(c, RAX);
    x86_l1_index(e);
    x86_alu_rm(c, X86_XOR, true, RCX, x86_l1_tag(table));
    x86_alu_rr(c, X86_CMP, true, RCX, RDX);
    absent = x86_jcc(c, CC_A);
    if (before)
        keep_before(e, before);
    remember(e, table);
    x86_alu_rm(c, X86_ADD, true, RCX, x86_l1_host(e, table));
    note_miss(e);
    x86_pop_r(c, RSI);
    x86_pop_r(c, RDX);
    x86_alu_rr(c, X86_CMP, false, RAX, RAX);
    x86_ret_pop(c, 8);
    x86_fix(absent, c->p);
    x86_pop_r(c, RDX);
    x86_pop_r(c, RSI);
    x86_pop_r(c, RDX);
    x86_test_rr(c, true, RSP, RSP); /* "not equal" */
    x86_ret_pop(c, 8);
    return at;
}

/* Of the stack pointer's accesses. */
static u32 emit_stack_stub(struct tcg_engine *e, s32 table, bool write)
{
    u16 reg = e->layout->stack_pointer;
    u32 number = reg == IR_NONE ? 0 : e->pin_of[reg] % (TCG_BASES / 2);

    return emit_stub(e, table, to_before(e, e->layout->near + (s32)offsetof(struct tcg_near, base[number][write]), write));
}

void x86_base_stubs(struct tcg_engine *e)
{
    if (!e->layout->near)
        return;
    e->stubs.base_read = emit_stub(e, e->layout->l1_read, 0);
    e->stubs.base_write = emit_stub(e, e->layout->l1_write, 0);
    e->stubs.stack_read = emit_stack_stub(e, e->layout->l1_read, false);
    e->stubs.stack_write = emit_stack_stub(e, e->layout->l1_write, true);
}
