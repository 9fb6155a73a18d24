/*
 * tcg/x86_64/loop_lanes.c - loops that do the same floating-point arithmetic to each element of arrays: before the first turn, several turns at a
 * time in the lanes of 32 bytes. docs/decisions/tier-2.md
 *
 *   lanes:        how many times all lanes are turns that another one follows; arrays that overlap, a budget that does not suffice: none
 *   many:         load all lanes of each stream; arithmetic; a NaN among results? to top; store; registers that move; back to many
 *   top:          the turns that are left, at least one, one by one (loop.c)
 *
 * So what a turn leaves in registers is that of a turn done by itself, and lanes need only what goes to memory and raise flags. A NaN, which must become
 * the default one, leaves before anything is stored: its lanes are done again.
 */
#include "tcg/x86_64/value.h"

enum { BYTES = 32, NO_REG = 0xff, FOREVER = 0xffff, MAX_CHECKS = 8, CHECK_TEMP = X86_XMM0, UNORDERED = 3 };

struct lanes {
    struct tcg_engine *e;
    const struct ir_block *b;
    u32 size_log2;            /* of an element */
    u32 free;                 /* mask of xmm registers */
    u16 check[MAX_CHECKS];    /* values that must be no NaN */
    u32 check_count;
    const struct ir_op *back; /* the branch back */
    s32 counted;              /* instructions that a turn takes from the budget; 0: they are not counted */
    s32 step[IR_MAX_REGS];    /* of integer registers; 0: they do not move */
    bool written[IR_MAX_REGS];
    u8 kept_in[IR_MAX_REGS];  /* registers of floating point that the loop only reads: where all lanes have them */
    u8 reg[IR_MAX_OPS];       /* results */
    u16 last[IR_MAX_OPS];     /* the last arithmetic that reads them */
};

/* --- which loops --- */

static bool is_arithmetic(const struct ir_op *op)
{
    return op->code >= IR_FADD && op->code <= IR_FMA;
}

static bool fits(const struct lanes *l, u32 bytes_log2)
{
    return bytes_log2 == l->size_log2;
}

static bool may_compute(const struct lanes *l, const struct ir_op *op)
{
    return fits(l, op->type == IR_F64 ? 3 : 2) && (op->aux & IR_FP_ROUNDING) == IR_FP_DYNAMIC;
}

/* A whole element of a stream that moves by one with each turn, and is nothing else. */
static bool may_access(const struct lanes *l, u32 i)
{
    const struct tcg_engine *e = l->e;
    const struct ir_op *op = &l->b->op[i];
    u32 k = e->loop.found.stream_of[i];
    s32 size = 1 << l->size_log2;
    bool plain = !(op->aux & ~(u32)(IR_MEM_SIZE | IR_MEM_SIGNED | IR_MEM_ONES));

    if (!plain || k == IR_NO_STREAM || !fits(l, op->aux & IR_MEM_SIZE) || (op->code == IR_LD && op->type != IR_F64))
        return false;
    const struct ir_stream *s = &e->loop.found.stream[k];
    return s->high - s->low == size && s->step_low == size && s->step_high == size && e->pin_of[s->reg] != X86_NO_REG && e->loop.stream[k].reg != X86_NO_REG;
}

/* What the lanes have of a value: made from loads in this turn, or a register that stays what it is. */
static bool is_lanes_value(const struct lanes *l, ir_value v)
{
    const struct ir_op *op = &l->b->op[x86_root(l->e, v)];

    return is_arithmetic(op) || op->code == IR_LD || (op->code == IR_GET && op->type == IR_F64);
}

static bool note_put(struct lanes *l, const struct ir_op *op)
{
    const struct ir_loop *found = &l->e->loop.found;
    ir_value v = op->arg[0];

    l->written[op->aux] = true;
    if (op->type == IR_F64)
        return is_lanes_value(l, v);
    if (op->type != IR_I64 || found->root[v] != op->aux || found->low[v] != found->high[v])
        return false;
    l->step[op->aux] = found->low[v];
    return true;
}

static bool add_check(struct lanes *l, ir_value v)
{
    v = x86_root(l->e, v);
    if (!is_arithmetic(&l->b->op[v]))
        return true; /* moved as it is */
    if (l->check_count == MAX_CHECKS)
        return false;
    l->check[l->check_count++] = (u16)v;
    return true;
}

/* FMA: the host misses an invalid operation when the result is a NaN (emit_fp.c). */
static bool may_be_lanes(struct lanes *l, u32 i, bool *stored)
{
    const struct ir_op *op = &l->b->op[i];

    if (is_arithmetic(op)) {
        for (unsigned k = 0; k < ir_op_operands(op); k++)
            if (!is_lanes_value(l, op->arg[k]))
                return false;
        return may_compute(l, op) && (op->code != IR_FMA || add_check(l, (ir_value)i));
    }
    switch (op->code) {
    case IR_LD:
        return !*stored && may_access(l, i);
    case IR_ST:
        *stored = true;
        return may_access(l, i) && op->type == IR_F64 && is_lanes_value(l, op->arg[1]) && add_check(l, op->arg[1]);
    case IR_PUT:
        return note_put(l, op);
    case IR_EXIT_IF:
        l->back = op;
        return ir_is_back_edge(l->b, op) && i + 2 == l->b->count && op->type == IR_I64 && op->aux == IR_NE;
    case IR_EXIT:
        return i + 1 == l->b->count && l->back;
    case IR_COUNT:
        if (l->counted || !l->b->prepaid)
            return false; /* a turn is one piece */
        l->counted = (s32)op->imm;
        return true;
    case IR_BOX:
    case IR_UNBOX:
        return x86_root(l->e, (ir_value)i) != i;
    default:
        return !(ir_op_effects((enum ir_opcode)op->code) & ~(u32)IR_EFFECT_GET) && op->type != IR_F32;
    }
}

/* Nothing goes from one turn to the next but by registers that move. */
static bool is_carried(const struct lanes *l)
{
    for (u32 i = 0; i < l->b->count; i++)
        if (l->b->op[i].code == IR_GET && l->b->op[i].type == IR_F64 && l->written[l->b->op[i].aux])
            return true;
    return false;
}

/* Hosts read the elements of one load in any order, and do so where they lie in two lines of the cache: not where others see the order. */
static bool find_lanes(struct lanes *l)
{
    const struct ir_loop *found = &l->e->loop.found;
    bool stored = false;

    if (!l->e->features.vex || !found->stream_count || !l->b->count || l->b->total_order)
        return false;
    for (u32 i = 0; i < l->b->count; i++)
        if (l->b->op[i].code == IR_LD)
            l->size_log2 = l->b->op[i].aux & IR_MEM_SIZE;
    for (u32 i = 0; i < l->b->count; i++)
        if (!may_be_lanes(l, i, &stored))
            return false;
    return (l->size_log2 == 2 || l->size_log2 == 3) && stored && l->back && !is_carried(l);
}

/* --- registers --- */

static u8 take(struct lanes *l)
{
    u8 reg = NO_REG;

    if (l->free) {
        reg = (u8)(X86_XMM0 + __builtin_ctz(l->free));
        l->free &= l->free - 1;
    }
    return reg;
}

static void find_last_readers(struct lanes *l)
{
    for (u32 i = 0; i < l->b->count; i++) {
        const struct ir_op *op = &l->b->op[i];

        for (unsigned k = 0; is_arithmetic(op) && k < ir_op_operands(op); k++)
            l->last[x86_root(l->e, op->arg[k])] = (u16)i;
    }
    for (u32 i = 0; i < l->b->count; i++)
        if (l->b->op[i].code == IR_ST)
            l->last[x86_root(l->e, l->b->op[i].arg[1])] = FOREVER;
    for (u32 i = 0; i < l->check_count; i++)
        l->last[l->check[i]] = FOREVER;
}

static bool keep(struct lanes *l, ir_value v)
{
    const struct ir_op *op = &l->b->op[x86_root(l->e, v)];

    if (op->code == IR_GET && l->kept_in[op->aux] == NO_REG) {
        l->kept_in[op->aux] = take(l);
        return l->kept_in[op->aux] != NO_REG;
    }
    return true;
}

static u8 in_lanes(const struct lanes *l, ir_value v)
{
    const struct ir_op *op = &l->b->op[x86_root(l->e, v)];

    return op->code == IR_GET ? l->kept_in[op->aux] : l->reg[x86_root(l->e, v)];
}

static void release(struct lanes *l, const struct ir_op *op, u32 i)
{
    for (unsigned k = 0; k < ir_op_operands(op); k++) {
        ir_value v = x86_root(l->e, op->arg[k]);

        if (l->b->op[v].code != IR_GET && l->last[v] == i)
            l->free |= 1u << (l->reg[v] - X86_XMM0);
    }
}

/* The temporaries, and the registers that the turn to come writes. The result of a fused op must be none of its factors. */
static bool assign(struct lanes *l)
{
    l->free = (1u << X86_XMM_TEMPS) - 2; /* but CHECK_TEMP */
    for (u32 r = 0; r < l->e->layout->reg_count; r++)
        if (l->written[r] && l->e->pin_of[r] != X86_NO_REG && x86_is_xmm(l->e->pin_of[r]))
            l->free |= 1u << (l->e->pin_of[r] - X86_XMM0);
    for (u32 i = 0; i < l->b->count; i++) {
        const struct ir_op *op = &l->b->op[i];

        for (unsigned k = op->code == IR_ST; k < ir_op_operands(op); k++)
            if ((is_arithmetic(op) || op->code == IR_ST) && !keep(l, op->arg[k]))
                return false;
    }
    for (u32 i = 0; i < l->b->count; i++) {
        const struct ir_op *op = &l->b->op[i];

        if (!is_arithmetic(op) && op->code != IR_LD)
            continue;
        if (is_arithmetic(op) && op->code != IR_FMA)
            release(l, op, i);
        l->reg[i] = take(l);
        if (l->reg[i] == NO_REG)
            return false;
        if (op->code == IR_FMA)
            release(l, op, i);
    }
    return true;
}

/* --- how many turns --- */

static bool is_steady(const struct lanes *l, ir_value v)
{
    const struct ir_loop *found = &l->e->loop.found;
    const struct ir_op *op = &l->b->op[v];

    return (op->code == IR_CONST && x86_fits32(op->imm)) || (found->root[v] != IR_NONE && !l->written[found->root[v]] && !found->low[v] && !found->high[v]);
}

static struct x86_operand steady(const struct lanes *l, ir_value v)
{
    u16 reg = l->e->loop.found.root[v];

    if (l->b->op[v].code == IR_CONST)
        return (struct x86_operand){.place = PLACE_CONST, .imm = l->b->op[v].imm};
    if (l->e->pin_of[reg] != X86_NO_REG)
        return (struct x86_operand){.place = PLACE_REG, .reg = l->e->pin_of[reg]};
    return x86_operand_at(x86_state_of(l->e, reg));
}

/* What the branch compares: a register that moves by a power of two in a host register, and what stays the same. */
struct bound {
    ir_value moves, stays;
    s32 step;
};

static bool find_bound(const struct lanes *l, struct bound *bound)
{
    const struct ir_loop *found = &l->e->loop.found;

    for (unsigned k = 0; k < 2; k++) {
        ir_value v = l->back->arg[k], other = l->back->arg[1 - k];
        u16 reg = found->root[v];

        if (reg == IR_NONE || !l->written[reg] || found->low[v] != found->high[v] || l->e->pin_of[reg] == X86_NO_REG || !is_steady(l, other))
            continue;
        *bound = (struct bound){ v, other, l->step[reg] };
        u32 size = (u32)ABS(bound->step);
        return size && !(size & (size - 1));
    }
    return false;
}

/*
 * rax: how many turns another one follows, or fewer. The branch compares reg + low with the bound, in turn number k reg + low + (k - 1) * step: with
 * d = (bound - reg - low) / step + 1 the last turn is number d, if it is whole and no more than that otherwise.
 */
static void count_following(struct lanes *l, const struct bound *bound)
{
    struct x86_code *c = &l->e->code;
    const struct ir_loop *found = &l->e->loop.found;
    struct x86_operand stays = steady(l, bound->stays), moves = {.place = PLACE_REG, .reg = l->e->pin_of[found->root[bound->moves]]};
    bool up = bound->step > 0;
    struct x86_operand from = up ? stays : moves, less = up ? moves : stays;
    s32 size = ABS(bound->step), low = found->low[bound->moves];

    x86_load(l->e, true, RAX, from);
    if (less.place == PLACE_REG)
        x86_alu_rr(c, X86_SUB, true, RAX, less.reg);
    else if (less.place == PLACE_CONST)
        x86_alu_ri(c, X86_SUB, true, RAX, (s32)less.imm);
    else
        x86_alu_rm(c, X86_SUB, true, RAX, x86_operand_mem(less));
    x86_alu_ri(c, X86_ADD, true, RAX, size - 1 + (up ? -low : low));
    if (size > 1)
        x86_shift_ri(c, X86_SHR, true, RAX, (unsigned)__builtin_ctz((u32)size));
}

static struct x86_mem turns_slot(const struct lanes *l)
{
    return x86_slot(l->e, l->e->loop.turns);
}

static void load_turns(const struct lanes *l)
{
    if (l->e->loop.turns_reg != X86_NO_REG)
        x86_mov_rr(&l->e->code, false, RCX, l->e->loop.turns_reg);
    else
        x86_mov_rm(&l->e->code, false, RCX, turns_slot(l));
}

static unsigned lanes_log2(const struct lanes *l)
{
    return 5 - l->size_log2;
}

/* rcx: how many turns it is to do all lanes rax times. */
static void count_turns(const struct lanes *l)
{
    x86_mov_rr(&l->e->code, false, RCX, RAX);
    x86_shift_ri(&l->e->code, X86_SHL, false, RCX, lanes_log2(l));
}

/* rcx: the instructions of so many turns. */
static void count_insns(const struct lanes *l)
{
    count_turns(l);
    x86_imul_rri(&l->e->code, true, RCX, RCX, l->counted);
}

/* --- emission --- */

struct ways_out {
    x86_fixup jump[2 + IR_MAX_STREAMS * IR_MAX_STREAMS];
    u32 count;
};

/*
 * Streams must not have bytes in common within the lanes, wherever the pages are: what is stored in one turn is loaded in the next, and loads of the same
 * bytes keep their order.
 */
static void check_overlap(struct lanes *l, struct ways_out *out)
{
    const struct ir_loop *found = &l->e->loop.found;
    struct x86_code *c = &l->e->code;

    for (u32 s = 0; s < found->stream_count; s++) {
        for (u32 t = 0; t < s; t++) {
            x86_lea(c, true, RCX, x86_mem_index(l->e->pin_of[found->stream[s].reg], l->e->loop.stream[s].reg, 0, BYTES - 1));
            x86_alu_rr(c, X86_SUB, true, RCX, l->e->pin_of[found->stream[t].reg]);
            x86_alu_rr(c, X86_SUB, true, RCX, l->e->loop.stream[t].reg);
            x86_alu_ri(c, X86_CMP, true, RCX, 2 * (BYTES - 1));
            out->jump[out->count++] = x86_jcc(c, CC_BE);
        }
    }
}

static void wide_rr(struct lanes *l, u32 op, unsigned d, unsigned a, unsigned b)
{
    x86_sse_rr(&l->e->code, true, op | SSE_256, d, a, b);
}

static void spread(struct lanes *l)
{
    u32 op = (l->size_log2 == 3 ? SSE_PBROADCASTQ : SSE_PBROADCASTD) | SSE_256;

    for (u32 r = 0; r < l->e->layout->reg_count; r++) {
        if (l->kept_in[r] == NO_REG)
            continue;
        if (l->e->pin_of[r] != X86_NO_REG)
            x86_sse_rr(&l->e->code, true, op, l->kept_in[r], 0, l->e->pin_of[r]);
        else
            x86_sse_rm(&l->e->code, true, op, l->kept_in[r], 0, x86_state_of(l->e, r));
    }
}

static struct x86_mem element(const struct lanes *l, u32 i)
{
    u32 k = l->e->loop.found.stream_of[i];

    return x86_mem_index(l->e->pin_of[l->e->loop.found.stream[k].reg], l->e->loop.stream[k].reg, 0, 0);
}

static void compute(struct lanes *l, u32 i)
{
    static const u32 codes[] = {[IR_FADD - IR_FADD] = SSE_ADDPS, [IR_FSUB - IR_FADD] = SSE_SUBPS, [IR_FMUL - IR_FADD] = SSE_MULPS, [IR_FDIV - IR_FADD] = SSE_DIVPS};
    const struct ir_op *op = &l->b->op[i];
    u32 type = l->size_log2 == 3 ? SSE_66 : 0, form;
    u8 a = in_lanes(l, op->arg[0]);

    if (op->code == IR_FMA) {
        form = (SSE_FMA231 - 1) | (l->size_log2 == 3 ? SSE_W : 0);
        form += (op->aux & IR_FP_NEGATE_ADDEND ? 2 : 0) + (op->aux & IR_FP_NEGATE_PRODUCT ? 4 : 0);
        wide_rr(l, SSE_MOVAPS, l->reg[i], 0, in_lanes(l, op->arg[2]));
        wide_rr(l, form, l->reg[i], a, in_lanes(l, op->arg[1]));
    } else if (op->code == IR_FSQRT) {
        wide_rr(l, SSE_SQRTPS | type, l->reg[i], 0, a);
    } else {
        wide_rr(l, codes[op->code - IR_FADD] | type, l->reg[i], a, in_lanes(l, op->arg[1]));
    }
}

/* Results are quiet: no flag is raised. */
static void check_nan(struct lanes *l, ir_value v, struct ways_out *nans)
{
    wide_rr(l, SSE_CMPPS | (l->size_log2 == 3 ? SSE_66 : 0), CHECK_TEMP, l->reg[v], l->reg[v]);
    x86_imm8(&l->e->code, UNORDERED);
    wide_rr(l, SSE_PTEST, CHECK_TEMP, 0, CHECK_TEMP);
    nans->jump[nans->count++] = x86_jcc(&l->e->code, CC_NE);
}

static void emit_turns(struct lanes *l, struct ways_out *nans)
{
    struct x86_code *c = &l->e->code;

    for (u32 i = 0; i < l->b->count; i++) {
        if (l->b->op[i].code == IR_LD)
            x86_sse_rm(c, true, SSE_MOVDQU | SSE_256, l->reg[i], 0, element(l, i));
        else if (is_arithmetic(&l->b->op[i]))
            compute(l, i);
    }
    for (u32 i = 0; i < l->check_count; i++)
        check_nan(l, l->check[i], nans);
    for (u32 i = 0; i < l->b->count; i++)
        if (l->b->op[i].code == IR_ST)
            x86_sse_rm(c, true, SSE_MOVDQU_STORE | SSE_256, in_lanes(l, l->b->op[i].arg[1]), 0, element(l, i));
    for (u32 r = 0; r < l->e->layout->reg_count; r++) {
        s32 by = l->step[r] * (1 << lanes_log2(l));

        if (by && l->e->pin_of[r] != X86_NO_REG)
            x86_alu_ri(c, X86_ADD, true, l->e->pin_of[r], by);
        else if (by)
            x86_alu_mi(c, X86_ADD, true, x86_state_of(l->e, r), by);
    }
}

static void fix_all(struct lanes *l, const struct ways_out *out)
{
    for (u32 i = 0; i < out->count; i++)
        x86_fix(out->jump[i], l->e->code.p);
}

/* rax: how often all lanes are done; fewer than are left, so that a turn follows. */
static void emit_lanes(struct lanes *l, const struct bound *bound)
{
    struct x86_code *c = &l->e->code;
    struct ways_out none = {.count = 0}, nans = {.count = 0};
    u8 *many, *done;

    count_following(l, bound);
    load_turns(l);
    x86_alu_rr(c, X86_CMP, true, RAX, RCX);
    x86_cmov_rr(c, CC_A, true, RAX, RCX);
    x86_shift_ri(c, X86_SHR, false, RAX, lanes_log2(l));
    none.jump[none.count++] = x86_jcc(c, CC_E);
    check_overlap(l, &none);
    if (l->counted) {
        count_insns(l);
        x86_alu_ri(c, X86_ADD, true, RCX, l->counted); /* the turn that follows, too */
        x86_budget_alu(l->e, X86_CMP, RCX);
        none.jump[none.count++] = x86_jcc(c, CC_L);
        x86_alu_ri(c, X86_SUB, true, RCX, l->counted);
        x86_budget_alu(l->e, X86_SUB, RCX);
    }
    if (l->e->layout->loop_entries) /* however short it takes, the loop should stay what it is */
        x86_alu_mi(c, X86_SUB, false, x86_base(l->e->layout->loop_entries), 1);
    spread(l);
    count_turns(l);
    x86_loop_change_turns(l->e, X86_SUB);
    many = c->p;
    emit_turns(l, &nans);
    x86_alu_ri(c, X86_SUB, false, RAX, 1);
    x86_jcc_to(c, CC_NE, many);
    done = x86_jcc8(c, CC_E);
    fix_all(l, &nans);
    if (l->counted) {
        count_insns(l);
        x86_budget_alu(l->e, X86_ADD, RCX);
    }
    count_turns(l);
    x86_loop_change_turns(l->e, X86_ADD);
    x86_fix8(c, done);
    x86_vzeroupper(c);
    fix_all(l, &none);
}

bool x86_loop_lanes(struct tcg_engine *e)
{
    struct lanes l = {.e = e, .b = e->block};
    struct bound bound;

    if (!find_lanes(&l) || !find_bound(&l, &bound))
        return false;
    memset(l.kept_in, NO_REG, sizeof(l.kept_in));
    find_last_readers(&l);
    if (!assign(&l))
        return false;
    emit_lanes(&l, &bound);
    return true;
}
