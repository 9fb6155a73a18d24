/*
 * tcg/x86_64/loop_prepare.c - which blocks become loops in one piece, and what their host registers hold meanwhile: guest registers
 * that the loop does not touch lend theirs to streams and to guest registers that have none. docs/decisions/tier-2.md
 */
#include "tcg/opt/passes.h"
#include "tcg/x86_64/value.h"

/* How much is gained by a host register for it: how often the loop reads or writes it, where a loop inside counts as some turns. */
struct weights {
    u32 of[IR_MAX_REGS]; /* guest registers; 0: it is not named */
    u32 turns, inner_turns; /* the numbers of turns left */
    bool written[IR_MAX_REGS];
};

enum { INNER_TURNS_LOG2 = 2, DEEPEST = 3 };

/* Per op: how many loops inside it is in. NULL: there are none. */
static u8 *find_depths(const struct ir_block *b)
{
    u8 *depth = NULL;

    for (u32 last = 0; last < b->count; last++) {
        if (!ir_is_inner_edge(b, &b->op[last]))
            continue;
        if (!depth)
            depth = g_new0(u8, b->count);
        for (u32 i = last; i > 0; i--) {
            depth[i] += depth[i] < DEEPEST;
            if (b->op[i].code == IR_LABEL && b->op[i].imm == b->exit[b->op[last].imm].pc)
                break;
        }
    }
    return depth;
}

static void weigh(const struct tcg_engine *e, const struct ir_block *b, struct weights *w)
{
    g_autofree u8 *depth = find_depths(b);

    for (u32 i = 0; i < b->count; i++) {
        const struct ir_op *op = &b->op[i];
        u32 times = 1u << (depth ? depth[i] * INNER_TURNS_LOG2 : 0);

        if (ir_is_inner_edge(b, op) && x86_inner_at(e, b->exit[op->imm].pc))
            w->inner_turns += 2 * times; /* read and written */
        else if (ir_is_inner_edge(b, op) || ir_is_back_edge(b, op))
            w->turns += 2 * times;
        if (op->code != IR_GET && op->code != IR_PUT)
            continue;
        w->of[op->aux] += times * (op->code == IR_GET ? MAX(op->uses, 1u) : 1); /* who reads it has it from memory else */
        w->written[op->aux] |= op->code == IR_PUT;
    }
}

/* --- guards: registers that get the same constant in every turn --- */

struct constant_put {
    bool seen, bad;
    s64 imm;
};

static void note_puts(const struct ir_block *b, struct constant_put *put)
{
    for (u32 i = 0; i < b->count; i++) {
        const struct ir_op *op = &b->op[i];
        struct constant_put *p = &put[op->aux];

        if (op->code == IR_GET)
            p->bad = true;
        if (op->code != IR_PUT)
            continue;
        s64 imm = b->op[op->arg[0]].imm;

        p->bad |= op->type != IR_I64 || b->op[op->arg[0]].code != IR_CONST || !x86_fits32(imm) || (p->seen && p->imm != imm);
        p->seen = true;
        p->imm = imm;
    }
}

/* With the constant there before the first turn its puts are nothing. */
static void find_guards(struct tcg_engine *e, struct ir_block *b)
{
    struct constant_put put[IR_MAX_REGS] = {{0}};
    struct x86_loop *l = &e->loop;

    l->guard_count = 0;
    note_puts(b, put);
    for (u32 r = 0; r < e->layout->reg_count && l->guard_count < X86_MAX_GUARDS; r++) {
        if (!put[r].seen || put[r].bad || e->map_pin_of[r] != X86_NO_REG)
            continue;
        l->guard[l->guard_count].reg = (u16)r;
        l->guard[l->guard_count++].imm = (s32)put[r].imm;
        for (u32 i = 0; i < b->count; i++)
            if (b->op[i].code == IR_PUT && b->op[i].aux == r)
                b->op[i] = (struct ir_op){.code = IR_NOP, .arg = {IR_NONE, IR_NONE, IR_NONE, IR_NONE}};
        b->live_count = 0; /* the list of what lives names them */
    }
}

/* --- singles that are there before the loop --- */

bool x86_loop_is_boxed(const struct tcg_engine *e, u16 reg)
{
    for (u32 i = 0; i < e->loop.boxed_count; i++)
        if (e->loop.boxed[i] == reg)
            return true;
    return false;
}

/* Registers that are only read, one of them as a single: one look at their boxes will do for all turns. */
static void find_boxed(struct tcg_engine *e, const struct ir_block *b, const bool *written)
{
    e->loop.boxed_count = 0;
    for (u32 i = 0; i < b->count && e->loop.boxed_count < X86_MAX_BOXED; i++) {
        const struct ir_op *from = &b->op[b->op[i].code == IR_UNBOX ? b->op[i].arg[0] : 0];

        if (b->op[i].code == IR_UNBOX && from->code == IR_GET && !written[from->aux] && !x86_loop_is_boxed(e, from->aux))
            e->loop.boxed[e->loop.boxed_count++] = from->aux;
    }
}

/* --- lending --- */

struct lender {
    struct tcg_engine *e;
    struct weights *weights;
    u32 taken;     /* mask of host registers */
    u16 next_slot;
};

static u16 new_slot(struct lender *d)
{
    return d->next_slot++;
}

/* A host register, not xmm unless fp, whose guest register the loop leaves alone; X86_NO_REG: none is left. */
static unsigned find_free(const struct lender *d, bool fp)
{
    const struct tcg_engine *e = d->e;

    for (unsigned r = fp ? X86_XMM0 : 0; r < (fp ? X86_ALL_REGS : X86_XMM0); r++)
        if (e->map_guest_of[r] != IR_NONE && !(d->taken >> r & 1) && !d->weights->of[e->map_guest_of[r]])
            return r;
    return X86_NO_REG;
}

static unsigned lend(struct lender *d, unsigned reg, u16 guest, u16 from)
{
    struct x86_loop *l = &d->e->loop;

    if (reg == X86_NO_REG || l->lent_count == X86_MAX_LENT)
        return X86_NO_REG;
    d->taken |= 1u << reg;
    l->lent[l->lent_count++] = (struct x86_lent){
        .reg = (u8)reg, .guest = guest, .owner = d->e->map_guest_of[reg], .slot = new_slot(d), .from = from,
        .written = guest != IR_NONE && d->weights->written[guest],
    };
    return reg;
}

static void lend_to_streams(struct lender *d)
{
    struct x86_loop *l = &d->e->loop;

    for (u32 s = 0; s < l->found.stream_count; s++) {
        l->stream[s].slot = new_slot(d);
        l->stream[s].reg = X86_NO_REG;
        if (l->found.stream[s].high > l->found.stream[s].low)
            l->stream[s].reg = (u8)lend(d, find_free(d, false), IR_NONE, l->stream[s].slot);
    }
}

/* The heaviest of those that have no host register yet, or IR_NONE. */
static u16 find_heaviest(const struct lender *d, unsigned type, const bool *done)
{
    const struct tcg_engine *e = d->e;
    u16 best = IR_NONE;

    for (u32 r = 0; r < e->layout->reg_count; r++)
        if (d->weights->of[r] && !done[r] && e->map_pin_of[r] == X86_NO_REG && e->layout->reg[r].type == type &&
            (best == IR_NONE || d->weights->of[r] > d->weights->of[best]))
            best = (u16)r;
    return best;
}

/* Numbers of turns that weigh as much. */
static void lend_to_turns(struct lender *d, u32 weight)
{
    struct x86_loop *l = &d->e->loop;

    if (l->nest_count && l->inner_turns_reg == X86_NO_REG && d->weights->inner_turns >= weight)
        l->inner_turns_reg = (u8)lend(d, find_free(d, false), IR_NONE, l->inner_turns);
    if (l->turns_reg == X86_NO_REG && d->weights->turns >= weight)
        l->turns_reg = (u8)lend(d, find_free(d, false), IR_NONE, l->turns);
}

/* The heaviest first; the numbers of turns are some of them. */
static void lend_to_registers(struct lender *d, unsigned type)
{
    bool done[IR_MAX_REGS] = {false};

    for (;;) {
        u16 best = find_heaviest(d, type, done);

        if (type == IR_I64)
            lend_to_turns(d, best == IR_NONE ? 0 : d->weights->of[best]);
        if (best == IR_NONE || lend(d, find_free(d, type == IR_F64), best, IR_NONE) == X86_NO_REG)
            return;
        done[best] = true;
    }
}

static bool wants_rdx(const struct ir_block *b)
{
    for (u32 i = 0; i < b->count; i++)
        if (b->op[i].code >= IR_MULHU && b->op[i].code <= IR_REMS)
            return true;
    return false;
}

/* rdx for nobody, where it is wanted for multiplications: it need not be saved around each. */
static void free_rdx(struct lender *d, const struct ir_block *b)
{
    u16 owner = d->e->map_guest_of[RDX];

    if (owner != IR_NONE && !d->weights->of[owner] && wants_rdx(b))
        lend(d, RDX, IR_NONE, IR_NONE);
}

static void lend_all(struct tcg_engine *e, const struct ir_block *b)
{
    struct weights w = {.turns = 0};
    struct lender d = {e, &w, 0, X86_LOOP_SLOTS};

    e->loop.lent_count = 0;
    weigh(e, b, &w);
    find_boxed(e, b, w.written);
    if (b->prepaid && e->budget != IR_NONE && e->map_pin_of[e->budget] != X86_NO_REG)
        w.of[e->budget]++; /* its host register is not free */
    e->loop.turns = new_slot(&d);
    e->loop.inner_turns = new_slot(&d);
    e->loop.inner_offset = new_slot(&d);
    e->loop.turns_reg = e->loop.inner_turns_reg = X86_NO_REG;
    free_rdx(&d, b);
    lend_to_streams(&d);
    lend_to_registers(&d, IR_I64);
    lend_to_registers(&d, IR_F64);
}

/* --- exits --- */

static u16 add_single(struct ir_block *b, s32 pc, u16 icount)
{
    b->exit[b->exit_count] = (struct ir_exit){.kind = IR_EXIT_DIRECT, .single = true, .icount = icount, .pc = pc};
    return (u16)b->exit_count++;
}

/* Where loops inside are left when turns are used up. */
static bool add_inner(struct tcg_engine *e, struct ir_block *b)
{
    u32 labels = 0;

    for (u32 i = 0; i < b->count; i++) {
        labels += b->op[i].code == IR_LABEL;
        if (labels > IR_MAX_EXITS)
            return false;
        if (!ir_is_inner_edge(b, &b->op[i]))
            continue;
        if (b->exit_count == IR_MAX_EXITS)
            return false;
        const struct ir_exit *exit = &b->exit[b->op[i].imm];
        e->loop.inner[b->op[i].imm] = (u16)b->exit_count;
        b->exit[b->exit_count++] = (struct ir_exit){.kind = IR_EXIT_DIRECT, .icount = exit->icount, .pc = exit->pc};
    }
    return true;
}

static bool has_streams(const struct ir_loop *found)
{
    for (u32 s = 0; s < found->stream_count; s++)
        if (found->stream[s].high > found->stream[s].low && (found->stream[s].step_low || found->stream[s].step_high))
            return true;
    return false;
}

/* Accesses of no stream leave at their own instruction when they cannot be done: nothing of it may have happened. */
static bool add_exits(struct tcg_engine *e, struct ir_block *b)
{
    struct x86_loop *l = &e->loop;

    if (b->exit_count == IR_MAX_EXITS)
        return false;
    l->again = add_single(b, (s32)b->first_pc, 0);
    for (u32 i = 0; i < b->count; i++) {
        const struct ir_op *op = &b->op[i];
        const struct ir_snapshot *at = &b->snapshot[op->snapshot];

        l->single[i] = IR_NONE;
        if ((op->code != IR_LD && op->code != IR_ST) || l->found.stream_of[i] != IR_NO_STREAM)
            continue;
        if (b->exit_count == IR_MAX_EXITS || !x86_is_clean(b, i))
            return false;
        l->single[i] = add_single(b, at->pc, at->icount);
    }
    return true;
}

static bool has_vectors(const struct ir_block *b)
{
    for (u32 i = 0; i < b->count; i++)
        if (b->op[i].code == IR_VEC || b->op[i].code == IR_VEC_TO || b->op[i].code == IR_VLD || b->op[i].code == IR_VST)
            return true;
    return false;
}

bool x86_loop_may_reorder(const struct ir_block *b)
{
    u32 loads = 0, stores = 0;

    for (u32 i = 0; b->total_order && i < b->count; i++) {
        loads += b->op[i].code == IR_LD || b->op[i].code == IR_VLD;
        stores += b->op[i].code == IR_ST || b->op[i].code == IR_VST;
    }
    return loads <= 1 && stores <= 1;
}

void x86_loop_prepare(struct tcg_engine *e, struct ir_block *b)
{
    x86_loop_find_flags(e, b);
    e->loop.strips = false;
    b->loop = ir_loop_find(&e->loop.found, b, e->layout->reg_count) && (!has_vectors(b) || x86_strips_find(e, b)) && add_inner(e, b) && add_exits(e, b);
    if (!b->loop)
        return;
    b->streams = has_streams(&e->loop.found);
    find_guards(e, b);
    if (!has_vectors(b))
        opt_dead_code_of_loop(b, e->layout, e->loop.found.stream_of);
    x86_inner_prepare(e, b);
    lend_all(e, b);
}

void x86_loop_enter_map(struct tcg_engine *e)
{
    for (u32 i = 0; i < e->loop.lent_count; i++) {
        const struct x86_lent *n = &e->loop.lent[i];

        if (n->from != IR_NONE)
            continue; /* as if it were its owner's: it is saved where that is saved */
        e->pin_of[n->owner] = X86_NO_REG;
        e->guest_of[n->reg] = n->guest;
        if (n->guest != IR_NONE)
            e->pin_of[n->guest] = n->reg;
    }
}

void x86_loop_leave_map(struct tcg_engine *e)
{
    memcpy(e->pin_of, e->map_pin_of, e->layout->reg_count);
    memcpy(e->guest_of, e->map_guest_of, sizeof(e->guest_of));
}
