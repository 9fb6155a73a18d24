/*
 * tcg/x86_64/loop_inner.c - loops inside a loop that have streams of their own: where such a loop begins, the page of all that its next turns access is
 * looked at, as accesses of no stream look at theirs (loop_near.c), and the turns do without. docs/decisions/tier-2.md
 *
 *   begin:  turns = 16; per stream: lea rax, [base + low]; xor rax, [page]; cmp rax, [limit]; jae cold
 *   label:  one turn; turns left? branch back to the label
 *   cold:   another page: what the tables say of it; its end is near: as many turns as stay inside. None are left: begin
 */
#include "tcg/x86_64/value.h"

enum { MOST_TURNS = 16, FEWEST_TURNS = 4 };

/* --- which --- */

static bool is_exit(const struct ir_op *op)
{
    return op->code == IR_EXIT_IF || op->code == IR_EXIT || op->code == IR_LABEL;
}

static bool is_far(const struct ir_block *b, s32 pc)
{
    for (u32 i = 0; i < b->far_count && i < IR_MAX_FAR; i++)
        if (b->far[i] == pc)
            return true;
    return b->far_count > IR_MAX_FAR;
}

/* Bytes in one page that `turns` turns access, whichever way they take; of streams that have accesses: others' steps say nothing. */
static u32 bytes_of(const struct ir_stream *s, u32 turns)
{
    return (u32)(s->high - s->low + (s32)(turns - 1) * (MAX(s->step_high, 0) - MIN(s->step_low, 0)));
}

/* Pc of an access that each turn does, before it could leave, and that has to be looked at otherwise; -1: there is none. */
static s32 find_sure(const struct tcg_engine *e, const struct ir_block *b, const struct ir_inner *ops, u32 stream)
{
    for (u32 i = ops->first + 1; i <= ops->last && !is_exit(&b->op[i]); i++)
        if (e->loop.found_inner.stream_of[i] == stream && e->loop.found.stream_of[i] == IR_NO_STREAM)
            return b->snapshot[b->op[i].snapshot].pc;
    return -1;
}

static void add_stream(struct tcg_engine *e, const struct ir_block *b, struct x86_inner *n, u32 stream)
{
    struct x86_loop *l = &e->loop;
    const struct ir_stream *s = &l->found_inner.stream[stream];
    s32 where = s->high > s->low ? find_sure(e, b, &n->ops, stream) : -1;
    u32 turns = n->turns;

    if (where < 0 || is_far(b, where) || l->ahead_count == X86_MAX_AHEAD)
        return;
    while (turns > FEWEST_TURNS && bytes_of(s, turns) > IR_STREAM_SPAN)
        turns /= 2;
    if (bytes_of(s, turns) > IR_STREAM_SPAN)
        return;
    n->turns = turns;
    for (u32 i = n->ops.first; i <= n->ops.last; i++)
        if (l->found_inner.stream_of[i] == stream && l->found.stream_of[i] == IR_NO_STREAM)
            l->ahead_of[i] = (u8)l->ahead_count;
    l->ahead[l->ahead_count++] = (struct x86_ahead){.stream = *s, .where = where, .nest = (u8)l->nest_count};
    n->count++;
}

void x86_inner_prepare(struct tcg_engine *e, const struct ir_block *b)
{
    struct x86_loop *l = &e->loop;
    struct ir_inner inner[X86_MAX_INNER];
    u32 count = e->layout->near ? ir_loop_innermost(b, inner, X86_MAX_INNER) : 0;

    l->nest_count = l->ahead_count = 0;
    memset(l->ahead_of, X86_NO_NEAR, b->count);
    for (u32 k = 0; k < count; k++) {
        struct x86_inner *n = &l->nest[l->nest_count];

        *n = (struct x86_inner){.ops = inner[k], .label = (s32)b->op[inner[k].first].imm, .turns = MOST_TURNS, .first = l->ahead_count};
        if (!ir_loop_find_inner(&l->found_inner, b, e->layout->reg_count, &inner[k]))
            continue;
        for (u32 s = 0; s < l->found_inner.stream_count; s++)
            add_stream(e, b, n, s);
        l->nest_count += n->count > 0;
    }
}

const struct x86_inner *x86_inner_at(const struct tcg_engine *e, s64 label)
{
    for (u32 k = 0; k < e->loop.nest_count; k++)
        if (e->loop.nest[k].label == label)
            return &e->loop.nest[k];
    return NULL;
}

/* --- where it begins --- */

static struct x86_operand base_of(const struct tcg_engine *e, const struct x86_ahead *a)
{
    u16 g = a->stream.reg;

    if (e->pin_of[g] != X86_NO_REG)
        return (struct x86_operand){.place = PLACE_REG, .reg = e->pin_of[g]};
    return x86_operand_at(x86_state_of(e, g));
}

/* From the base to the lowest byte that the turns may access. */
static s32 lowest(const struct x86_ahead *a, u32 turns)
{
    return a->stream.low + (s32)(turns - 1) * MIN(a->stream.step_low, 0);
}

static void look_at(struct tcg_engine *e, const struct x86_inner *n, u32 k)
{
    struct x86_code *c = &e->code;
    const struct x86_ahead *a = &e->loop.ahead[k];
    struct x86_operand base = base_of(e, a);
    s32 low = lowest(a, n->turns);
    struct x86_cold *cold = x86_cold_add(e, COLD_AHEAD);

    if (base.place == PLACE_REG && low) {
        x86_lea(c, true, RAX, x86_mem(base.reg, low));
    } else {
        x86_load(e, true, RAX, base);
        if (low)
            x86_alu_ri(c, X86_ADD, true, RAX, low);
    }
    x86_alu_rm(c, X86_XOR, true, RAX, x86_near_page(e, a->near));
    x86_alu_rm(c, X86_CMP, true, RAX, x86_near_limit(e, a->near));
    cold->from = x86_jcc(c, CC_AE);
    cold->back = c->p;
    cold->extra = k;
}

void x86_inner_begin(struct tcg_engine *e, s64 label)
{
    struct x86_loop *l = &e->loop;

    for (u32 i = 0; i < l->nest_count; i++) {
        struct x86_inner *n = &l->nest[i];

        if (n->label != label)
            continue;
        n->begin = e->code.p;
        if (l->inner_turns_reg != X86_NO_REG)
            x86_mov_ri(&e->code, l->inner_turns_reg, n->turns - 1);
        else
            x86_mov_mi(&e->code, 2, x86_slot(e, l->inner_turns), (s32)n->turns - 1);
        for (u32 k = n->first; k < n->first + n->count; k++)
            look_at(e, n, k);
    }
}

/* --- cold code --- */

/* rcx: the page's address. */
static void count_miss(struct tcg_engine *e, const struct x86_ahead *a)
{
    struct x86_code *c = &e->code;
    u8 *same;

    x86_alu_rm(c, X86_CMP, true, RCX, x86_near_page(e, a->near));
    same = x86_jcc8(c, CC_E);
    x86_mov_mr(c, 3, x86_near_page(e, a->near), RCX);
    x86_near_missed(e, a->where);
    x86_fix8(c, same);
}

void x86_inner_cold(struct tcg_engine *e, const struct x86_cold *cold)
{
    struct x86_code *c = &e->code;
    const struct x86_ahead *a = &e->loop.ahead[cold->extra];
    const struct x86_inner *n = &e->loop.nest[a->nest];
    s32 table = a->stream.write ? e->layout->l1_write : e->layout->l1_read;
    struct x86_mem offset = x86_slot(e, e->loop.inner_offset);
    x86_fixup absent;
    u8 *again;

    x86_fix(cold->from, c->p);
    x86_address(e, base_of(e, a), a->stream.low);
    again = c->p;
    absent = x86_check_tag(e, table, bytes_of(&a->stream, 1));
    x86_mov_mr(c, 2, offset, RCX);
    x86_mov_rm(c, true, RCX, x86_l1_tag(table));
    count_miss(e, a);
    x86_mov_rm(c, true, RAX, x86_l1_host(e, table));
    x86_alu_rr(c, X86_SUB, true, RAX, RCX);
    x86_mov_mr(c, 3, x86_near_distance(e, a->near), RAX);
    x86_mov_mi(c, 3, x86_near_limit(e, a->near), TCG_PAGE_SIZE + 1 - (s32)bytes_of(&a->stream, n->turns));
    x86_loop_limit(e, &a->stream, offset, e->loop.inner_turns_reg, e->loop.inner_turns);
    x86_jmp_to(c, cold->back);
    x86_fix(absent, c->p);
    if (e->layout->refill) {
        x86_call_stub(e, a->stream.write ? e->stubs.refill_write : e->stubs.refill_read);
        x86_jcc_to(c, CC_E, again);
    }
    x86_near_split(e);
    x86_loop_leave(e, e->loop.inner[e->block->op[n->ops.last].imm]);
}
