/*
 * tcg/x86_64/refill.c - stubs that refill one entry of an L1 from the L2 (struct tcg_l2_entry in tcg/backend.h).
 *
 * Cold code calls them with what a failed check leaves behind: in rax the entry's index, in rcx the address xor the entry's tag.
 * They come back with the address in rcx; "equal" when the entry is good now and the check shall be repeated, else the slow path is
 * to go on: not in the L2, not allowed, a device, code in the page, or an access that crosses the page. Only rax and flags are lost.
 */
#include "tcg/x86_64/value.h"

enum { WAYS = TCG_L2_WAYS, MAX_FAILS = 8 };

struct refill {
    struct tcg_engine *e;
    s32 table;                 /* of the L1 */
    u32 may, log;              /* offsets in struct tcg_refill */
    bool write;
    x86_fixup fail[MAX_FAILS];
    u32 fail_count;
};

#define FIELD(name)   ((s32)offsetof(struct tcg_refill, name))
#define ENTRY(name)   ((s32)offsetof(struct tcg_l2_entry, name))
#define LOG(r, name)  ((s32)((r)->log + offsetof(struct tcg_fill_log, name)))

static const u8 borrowed[] = { RDX, RSI, RDI, R8 };

static struct x86_mem field(const struct refill *r, s32 offset)
{
    return x86_base(r->e->layout->refill + offset);
}

static void fail_if(struct refill *r, enum x86_cc cc)
{
    r->fail[r->fail_count++] = x86_jcc(&r->e->code, cc);
}

/* rsi = page; rdx = its set. */
static void find_set(struct refill *r)
{
    struct x86_code *c = &r->e->code;

    x86_mov_rr(c, true, RSI, RCX);
    x86_alu_ri(c, X86_AND, true, RSI, -TCG_PAGE_SIZE);
    x86_alu_rm(c, X86_CMP, true, RSI, x86_l1_tag(r->table));
    fail_if(r, CC_E); /* it was the right page: the access crosses its end */
    x86_alu_mi(c, X86_CMP, true, field(r, FIELD(l2)), 0);
    fail_if(r, CC_E);
    x86_mov_rr(c, true, RDX, RCX);
    x86_shift_ri(c, X86_SAR, true, RDX, 63);
    x86_unary_r(c, X86_NOT, true, RDX);
    x86_alu_rm(c, X86_AND, true, RDX, field(r, FIELD(salt)));
    x86_mov_rr(c, true, RDI, RCX);
    x86_shift_ri(c, X86_SHR, true, RDI, TCG_PAGE_BITS);
    x86_alu_rr(c, X86_XOR, false, RDX, RDI);
    x86_alu_ri(c, X86_AND, false, RDX, (1 << TCG_L2_BITS) - 1);
    x86_imul_rri(c, true, RDX, RDX, WAYS * sizeof(struct tcg_l2_entry));
    x86_alu_rm(c, X86_ADD, true, RDX, field(r, FIELD(l2)));
}

/* rdx = the entry, rdi = its enum tcg_l2_bits. */
static void find_way(struct refill *r)
{
    struct x86_code *c = &r->e->code;
    x86_fixup hit[2 * WAYS];
    u8 *next;

    for (u32 way = 0; way < WAYS; way++) {
        if (way)
            x86_alu_ri(c, X86_ADD, true, RDX, sizeof(struct tcg_l2_entry));
        x86_mov_rm(c, true, RDI, x86_mem(RDX, ENTRY(va)));
        x86_alu_rr(c, X86_XOR, true, RDI, RSI);
        x86_alu_ri(c, X86_CMP, true, RDI, TCG_PAGE_SIZE - 1);
        next = x86_jcc8(c, CC_A);
        x86_mov_rm(c, true, R8, x86_mem(RDX, ENTRY(space)));
        x86_alu_rm(c, X86_CMP, true, R8, field(r, FIELD(space)));
        hit[2 * way] = x86_jcc(c, CC_E);
        x86_alu_rm(c, X86_CMP, true, R8, field(r, FIELD(shared)));
        hit[2 * way + 1] = x86_jcc(c, CC_E);
        x86_fix8(c, next);
    }
    r->fail[r->fail_count++] = x86_jmp(c);
    for (u32 i = 0; i < 2 * WAYS; i++)
        x86_fix(hit[i], c->p);
}

static void check_rights(struct refill *r)
{
    struct x86_code *c = &r->e->code;
    u8 *none;

    x86_test8_ri(c, RDI, r->write ? TCG_L2_DEVICE | TCG_L2_READ_ONLY : TCG_L2_DEVICE);
    fail_if(r, CC_NE);
    x86_mov_rm(c, false, R8, field(r, (s32)r->may));
    x86_bt_rr(c, false, R8, RDI);
    fail_if(r, CC_AE);
    if (!r->write)
        return;
    x86_mov_rm(c, true, R8, x86_mem(RDX, ENTRY(code)));
    x86_mov_rm(c, true, R8, x86_mem(R8, 0));
    x86_test_rr(c, true, R8, R8);
    none = x86_jcc8(c, CC_E);
    x86_alu_mi(c, X86_CMP, true, x86_mem(R8, 0), 0);
    fail_if(r, CC_NE);
    x86_fix8(c, none);
}

/* An entry that was empty is noted; a host address that is there says that it was noted before. */
static void note(struct refill *r)
{
    struct x86_code *c = &r->e->code;
    u8 *known, *full, *over;

    x86_alu_mi(c, X86_CMP, true, x86_l1_host(r->e, r->table), 0);
    known = x86_jcc8(c, CC_NE);
    x86_mov_rm(c, false, RDI, field(r, LOG(r, count)));
    x86_alu_ri(c, X86_CMP, false, RDI, TCG_FILL_LOG);
    over = x86_jcc8(c, CC_A);
    full = x86_jcc8(c, CC_E);
    x86_mov_mr(c, 1, x86_base_index(RDI, 1, r->e->layout->refill + LOG(r, index)), RAX);
    x86_fix8(c, full);
    x86_alu_mi(c, X86_ADD, false, field(r, LOG(r, count)), 1);
    x86_fix8(c, over);
    x86_fix8(c, known);
}

static void fill(struct refill *r)
{
    struct x86_code *c = &r->e->code;

    note(r);
    x86_mov_rm(c, true, R8, x86_mem(RDX, ENTRY(host)));
    x86_mov_mr(c, 3, x86_l1_host(r->e, r->table), R8);
    x86_mov_mr(c, 3, x86_l1_tag(r->table), RSI);
}

static void give_back(struct x86_code *c)
{
    for (u32 i = ARRAY_SIZE(borrowed); i-- > 0;)
        x86_pop_r(c, borrowed[i]);
}

static u32 emit_refill(struct refill r)
{
    struct x86_code *c = &r.e->code;
    u32 at = (u32)(c->p - r.e->buffer->write);

    x86_alu_rm(c, X86_XOR, true, RCX, x86_l1_tag(r.table));
    for (u32 i = 0; i < ARRAY_SIZE(borrowed); i++)
        x86_push_r(c, borrowed[i]);
    if (r.write && x86_store_code_can(r.e))
        r.fail[r.fail_count++] = x86_store_code_ask(r.e, R8);
    find_set(&r);
    find_way(&r);
    check_rights(&r);
    fill(&r);
    give_back(c);
    x86_alu_rr(c, X86_CMP, false, RAX, RAX);
    x86_ret(c);
    for (u32 i = 0; i < r.fail_count; i++)
        x86_fix(r.fail[i], c->p);
    give_back(c);
    x86_test_rr(c, true, RSP, RSP); /* "not equal" */
    x86_ret(c);
    return at;
}

void x86_refill_emit(struct tcg_engine *e)
{
    const struct code_layout *l = e->layout;

    if (!l->refill)
        return;
    e->stubs.refill_read = emit_refill((struct refill){ .e = e, .table = l->l1_read, .may = FIELD(may_read), .log = FIELD(read_log) });
    e->stubs.refill_write = emit_refill((struct refill){ .e = e, .table = l->l1_write, .may = FIELD(may_write), .log = FIELD(write_log), .write = true });
}
