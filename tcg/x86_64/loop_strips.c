/*
 * tcg/x86_64/loop_strips.c - strip-mined loops of vectors: before the first turn several turns at a time, with the lanes in registers.
 * docs/decisions/vectors.md
 *
 *   head:     a turn that has less than the full length leaves at once (to the careful variant); vl, vtype and the like become what each turn makes them
 *   strips:   how many turns are followed by a full one, in a few turns at a time; arrays that overlap: none
 *   many:     all loads and arithmetic, chunk by chunk; a NaN that C must look at? to top; all stores; registers that move; back to many
 *   top:      the turns that are left, at least one, one by one (loop.c)
 *
 * The turn that follows writes all that each turn writes, so the vector file needs only what turns hand on to each other. Nothing of some turns has
 * been stored when they are given up.
 */
#include "tcg/loop.h"
#include "tcg/x86_64/emit_vector.h"

enum { MAX_GROUPS = 8, MAX_WORK = 12, MAX_CHUNKS = 16, MAX_RETAINED = 16, AT_ONCE = 4, UNORDERED = 3, FIRST_PINNED = X86_XMM0 + X86_XMM_TEMPS };

/* Bytes of the vector file that the loop names. */
struct group {
    u16 at;
    bool carried; /* read before it is written: from the turn before, or from outside */
    bool written, stored;
    u16 writer;   /* the last op that writes it */
    u8 reg[MAX_CHUNKS]; /* carried: where its chunks are in all turns */
};

struct strips {
    struct tcg_engine *e;
    const struct ir_block *b;
    unsigned bytes, width, chunks;
    unsigned turns_log2; /* at a time */
    u16 work[MAX_WORK];  /* loads, arithmetic and stores, in order */
    u8 scalar[MAX_WORK]; /* where the scalar of each is, in all lanes */
    u32 work_count;
    struct group group[MAX_GROUPS];
    u32 group_count;
    u16 avl;             /* the register of the length that is left */
    s32 full, taken;     /* what the first branch compares it with, and what a turn takes from it */
    bool computes;       /* xmm0 to 3 are for arithmetic */
    bool checks;         /* some of it may have to be done by C */
    s32 step[IR_MAX_REGS]; /* of integer registers; 0: they do not move */
    bool written[IR_MAX_REGS], read[IR_MAX_REGS], set[IR_MAX_REGS]; /* set: to a constant */
    u32 free, used;      /* masks of xmm registers */
    bool out_of_registers;
    /* of the turns under way */
    u32 retained;        /* mask: wanted to the end */
    u8 stored[MAX_RETAINED];
    u32 stored_count;
    u8 checked[MAX_RETAINED];
    u32 checked_count;
    struct { u8 to, from; } handed[MAX_RETAINED];
    u32 handed_count;
};

/* --- which loops --- */

static struct group *group_at(struct strips *s, unsigned at)
{
    for (u32 i = 0; i < s->group_count; i++) {
        if (s->group[i].at == at)
            return &s->group[i];
        if (s->group[i].at < at + s->bytes && at < s->group[i].at + s->bytes)
            return NULL;
    }
    if (s->group_count == MAX_GROUPS)
        return NULL;
    s->group[s->group_count] = (struct group){ .at = (u16)at };
    return &s->group[s->group_count++];
}

static bool note_read(struct strips *s, unsigned at)
{
    struct group *g = group_at(s, at);

    if (g)
        g->carried |= !g->written;
    return g;
}

static bool note_write(struct strips *s, unsigned at, u32 i)
{
    struct group *g = group_at(s, at);

    if (!g || g->stored)
        return false;
    g->written = true;
    g->writer = (u16)i;
    return true;
}

static struct vec vec_of(const struct strips *s, const struct ir_op *op)
{
    return (struct vec){ .e = s->e, .c = &s->e->code, .kind = (enum ir_vector_kind)(op->aux & IR_VECTOR_KIND), .type = (enum ir_type)op->type,
                         .lane = ir_vector_lane((enum ir_type)op->type), .at = ir_vector_unpack((u64)op->imm), .vex = s->e->features.vex,
                         .width = s->width, .wide = s->width == 32 ? SSE_256 : 0 };
}

static bool is_fused(unsigned kind)
{
    return kind >= IR_VECTOR_FMACC && kind <= IR_VECTOR_FNMSUB;
}

static bool has_code(const struct strips *s, const struct vec *v)
{
    bool commutes;

    switch (v->kind) {
    case IR_VECTOR_MV:
    case IR_VECTOR_FADD:
    case IR_VECTOR_FSUB:
    case IR_VECTOR_FMUL:
        return true;
    default:
        return is_fused(v->kind) ? s->e->features.vex : x86_vec_simple(v, &commutes) != 0;
    }
}

/* A scalar that is the same in all turns: a constant, or a register. NULL: it is none. */
static const struct ir_op *steady(const struct strips *s, ir_value v)
{
    const struct ir_op *op = &s->b->op[v];

    if (op->code == IR_UNBOX)
        op = &s->b->op[op->arg[0]];
    return op->code == IR_CONST || op->code == IR_GET ? op : NULL;
}

static bool same_bytes(struct strips *s, unsigned bytes)
{
    if (!s->bytes) {
        s->bytes = bytes;
        s->width = bytes >= 32 && s->e->features.vex ? 32 : 16;
        s->chunks = bytes / s->width;
    }
    return s->bytes == bytes && bytes % s->width == 0 && s->chunks && s->chunks <= MAX_CHUNKS;
}

static bool note_arithmetic(struct strips *s, u32 i, const struct ir_op *op)
{
    struct vec v = vec_of(s, op);
    bool scalar = op->aux & IR_VECTOR_SCALAR;

    if (op->aux & (IR_VECTOR_SOME | IR_VECTOR_MASKED) || !same_bytes(s, v.at.bytes) || !has_code(s, &v) || (scalar && !steady(s, op->arg[0])))
        return false;
    s->computes |= v.kind != IR_VECTOR_MV;
    s->checks |= is_fused(v.kind);
    return (v.kind == IR_VECTOR_MV || note_read(s, v.at.s2)) && (scalar || note_read(s, v.at.s1)) && (!is_fused(v.kind) || note_read(s, v.at.d)) &&
           note_write(s, v.at.d, i);
}

/* All of a stream's bytes are accessed, one group with each turn, at one place. */
static bool note_transfer(struct strips *s, u32 i, const struct ir_op *op)
{
    const struct ir_loop *found = &s->e->loop.found;
    u32 k = found->stream_of[i];
    struct group *g;

    if (op->aux & (IR_VECTOR_PART | IR_VECTOR_UNDER) || k == IR_NO_STREAM || !same_bytes(s, ir_vector_bytes(op->aux)))
        return false;
    if (found->stream[k].step_low != (s32)s->bytes || found->stream[k].step_high != (s32)s->bytes || found->stream[k].high - found->stream[k].low != (s32)s->bytes)
        return false;
    if (op->code == IR_VLD)
        return note_write(s, ir_vector_at(op->aux), i);
    if (!note_read(s, ir_vector_at(op->aux)))
        return false;
    g = group_at(s, ir_vector_at(op->aux));
    g->stored = true;
    return true;
}

static bool note_work(struct strips *s, u32 i, const struct ir_op *op, bool *stores)
{
    if (s->work_count == MAX_WORK || !s->full || (op->code == IR_VLD && *stores))
        return false;
    *stores |= op->code == IR_VST;
    s->work[s->work_count++] = (u16)i;
    return op->code == IR_VEC ? note_arithmetic(s, i, op) : note_transfer(s, i, op);
}

static bool note_put(struct strips *s, const struct ir_op *op)
{
    const struct ir_loop *found = &s->e->loop.found;
    ir_value v = op->arg[0];

    if (op->type != IR_I64)
        return false;
    if (s->b->op[v].code == IR_CONST) {
        s->set[op->aux] = true;
        return true;
    }
    s->written[op->aux] = true;
    s->step[op->aux] = found->low[v];
    return found->root[v] == op->aux && found->low[v] == found->high[v];
}

/* The first leaves where less than the full length is left, before anything else; the other one goes round while there is some. */
static bool note_branch(struct strips *s, u32 i, const struct ir_op *op)
{
    const struct ir_loop *found = &s->e->loop.found;
    const struct ir_exit *exit = &s->b->exit[op->imm];
    ir_value v = op->arg[0];
    const struct ir_op *bound = &s->b->op[op->arg[1]];

    if (op->type != IR_I64 || bound->code != IR_CONST || found->root[v] == IR_NONE || found->low[v] != found->high[v])
        return false;
    if (!s->full) {
        s->avl = found->root[v];
        s->full = (s32)bound->imm;
        return exit->single && exit->pc == (s32)s->b->first_pc && op->aux == IR_LTU && !found->low[v] && bound->imm > 0 && bound->imm <= 8 * IR_VECTOR_FILE && !s->work_count;
    }
    s->taken = -found->low[v];
    return ir_is_back_edge(s->b, op) && i + 2 == s->b->count && op->aux == IR_NE && bound->imm == 0 && found->root[v] == s->avl;
}

static bool note(struct strips *s, u32 i, bool *stores)
{
    const struct ir_op *op = &s->b->op[i];

    switch (op->code) {
    case IR_VLD:
    case IR_VST:
    case IR_VEC:
        return note_work(s, i, op, stores);
    case IR_PUT:
        return note_put(s, op);
    case IR_GET:
        s->read[op->aux] = true;
        return true;
    case IR_EXIT_IF:
        return note_branch(s, i, op);
    case IR_EXIT:
        return i + 1 == s->b->count;
    default:
        return !ir_op_effects((enum ir_opcode)op->code);
    }
}

/* What C may have to look at is there when all else is done. */
static bool may_check(struct strips *s)
{
    for (u32 k = 0; k < s->work_count; k++) {
        const struct ir_op *op = &s->b->op[s->work[k]];

        if (op->code != IR_VEC || !is_fused(op->aux & IR_VECTOR_KIND))
            continue;
        const struct group *g = group_at(s, ir_vector_unpack((u64)op->imm).d);
        if (g->writer != s->work[k] || !(g->stored || g->carried))
            return false;
    }
    return true;
}

static bool moves_alone(const struct strips *s)
{
    for (u32 k = 0; k < s->work_count; k++) {
        const struct ir_op *op = &s->b->op[s->work[k]], *from = op->code == IR_VEC && op->aux & IR_VECTOR_SCALAR ? steady(s, op->arg[0]) : NULL;

        if (from && from->code == IR_GET && (s->written[from->aux] || s->set[from->aux]))
            return false;
    }
    for (u32 r = 0; r < s->e->layout->reg_count; r++)
        if ((s->set[r] && (s->read[r] || s->written[r])))
            return false;
    return true;
}

static bool find(struct strips *s)
{
    bool stores = false;

    if (s->b->prepaid)
        return false;
    for (u32 i = 0; i < s->b->count; i++)
        if (!note(s, i, &stores))
            return false;
    if (!s->work_count || s->taken <= 0 || s->taken & (s->taken - 1) || s->full < s->taken || s->step[s->avl] != -s->taken)
        return false;
    return moves_alone(s) && may_check(s);
}

bool x86_strips_find(struct tcg_engine *e, const struct ir_block *b)
{
    struct strips s = { .e = e, .b = b };

    if (!find(&s))
        return false;
    e->loop.strips = true;
    e->loop.strip_length = s.avl;
    e->loop.strip_full = s.full;
    return true;
}

/* --- registers --- */

static u8 take(struct strips *s)
{
    u8 reg;

    if (!s->free) {
        s->out_of_registers = true;
        return FIRST_PINNED; /* what is emitted with it comes to nothing */
    }
    reg = (u8)(X86_XMM0 + __builtin_ctz(s->free));
    s->free &= s->free - 1;
    s->used |= 1u << (reg - X86_XMM0);
    return reg;
}

static void give(struct strips *s, u8 reg)
{
    s->free |= 1u << (reg - X86_XMM0);
}

static void retain(struct strips *s, u8 *list, u32 *count, u8 reg)
{
    if (*count == MAX_RETAINED) {
        s->out_of_registers = true;
        return;
    }
    list[(*count)++] = reg;
    s->retained |= 1u << (reg - X86_XMM0);
}

/* --- a chunk of a turn --- */

struct cell {
    u32 turn;
    unsigned off;
    u8 now[MAX_GROUPS]; /* where the group's chunk is; 0: nowhere */
};

static struct x86_mem in_memory(const struct strips *s, u32 i, const struct cell *c)
{
    const struct ir_loop *found = &s->e->loop.found;
    u32 k = found->stream_of[i];

    return x86_mem_index(s->e->pin_of[found->stream[k].reg], s->e->loop.stream[k].reg, 0, (s32)(c->turn * s->bytes + c->off));
}

static u32 index_of(struct strips *s, unsigned at)
{
    return (u32)(group_at(s, at) - s->group);
}

/* Where a write to the group goes. What turns hand on stays as it was while they may be given up. */
static u8 target(struct strips *s, struct cell *c, u32 g)
{
    const struct group *group = &s->group[g];
    u8 own = group->carried ? group->reg[c->off / s->width] : 0, reg;

    if (c->now[g] && c->now[g] != own)
        return c->now[g];
    if (own && !s->checks)
        return own;
    reg = take(s);
    if (own && s->handed_count < MAX_RETAINED) {
        s->handed[s->handed_count].to = own;
        s->handed[s->handed_count++].from = reg;
        s->retained |= 1u << (reg - X86_XMM0);
    }
    return reg;
}

static void compute(struct strips *s, struct cell *c, u32 k, const struct ir_op *op)
{
    struct vec v = vec_of(s, op);
    bool scalar = op->aux & IR_VECTOR_SCALAR, commutes;
    u32 d = index_of(s, v.at.d);
    u8 y = scalar ? s->scalar[k] : c->now[index_of(s, v.at.s1)], x = v.kind == IR_VECTOR_MV ? y : c->now[index_of(s, v.at.s2)], to;
    unsigned result = x;

    if (v.kind != IR_VECTOR_MV) {
        v.in_y = y;
        v.in_d = is_fused(v.kind) ? c->now[d] : 0;
        move(&v, X0, x);
        result = ir_vector_is_fp(v.kind) ? x86_vec_floating(&v) : X0;
        if (!ir_vector_is_fp(v.kind))
            rr(&v, x86_vec_simple(&v, &commutes), X0, X0, y);
    }
    to = target(s, c, d);
    move(&v, to, result);
    c->now[d] = to;
    if (is_fused(v.kind))
        retain(s, s->checked, &s->checked_count, to);
}

static void begin_cell(const struct strips *s, struct cell *c)
{
    for (u32 g = 0; g < s->group_count; g++)
        c->now[g] = s->group[g].carried ? s->group[g].reg[c->off / s->width] : 0;
}

static void end_cell(struct strips *s, const struct cell *c)
{
    for (u32 g = 0; g < s->group_count; g++) {
        u8 own = s->group[g].carried ? s->group[g].reg[c->off / s->width] : 0;

        if (c->now[g] && c->now[g] != own && !(s->retained >> (c->now[g] - X86_XMM0) & 1))
            give(s, c->now[g]);
    }
}

static void emit_cell(struct strips *s, u32 turn, unsigned chunk)
{
    struct cell c = { .turn = turn, .off = chunk * s->width };

    begin_cell(s, &c);
    for (u32 k = 0; k < s->work_count; k++) {
        u32 i = s->work[k];
        const struct ir_op *op = &s->b->op[i];

        if (op->code == IR_VEC) {
            compute(s, &c, k, op);
        } else if (op->code == IR_VLD) {
            u32 g = index_of(s, ir_vector_at(op->aux));

            c.now[g] = target(s, &c, g);
            x86_sse_rm(&s->e->code, s->e->features.vex, SSE_MOVDQU | (s->width == 32 ? SSE_256 : 0), c.now[g], 0, in_memory(s, i, &c));
        } else {
            retain(s, s->stored, &s->stored_count, c.now[index_of(s, ir_vector_at(op->aux))]);
        }
    }
    end_cell(s, &c);
}

/* --- some turns --- */

struct ways_out {
    x86_fixup jump[1 + IR_MAX_STREAMS * IR_MAX_STREAMS];
    u32 count;
};

static void emit_checks(struct strips *s, struct ways_out *nans)
{
    struct x86_code *c = &s->e->code;
    u32 wide = s->width == 32 ? SSE_256 : 0;

    if (!s->checks)
        return;
    for (u32 i = 0; i < s->checked_count; i += 2) {
        u8 to = i ? X3 : X2, other = s->checked[MIN(i + 1, s->checked_count - 1)];
        bool is_double = false;

        for (u32 k = 0; k < s->work_count; k++)
            is_double |= s->b->op[s->work[k]].code == IR_VEC && s->b->op[s->work[k]].type == IR_F64;
        x86_sse_rr(c, true, SSE_CMPPS | (is_double ? SSE_66 : 0) | wide, to, s->checked[i], other);
        x86_imm8(c, UNORDERED);
        if (i)
            x86_sse_rr(c, true, SSE_POR | wide, X2, X2, X3);
    }
    x86_sse_rr(c, true, SSE_PTEST | wide, X2, 0, X2);
    nans->jump[nans->count++] = x86_jcc(c, CC_NE);
}

static void emit_stores(struct strips *s)
{
    u32 wide = s->width == 32 ? SSE_256 : 0, at = 0;

    for (u32 turn = 0; turn < 1u << s->turns_log2; turn++)
        for (unsigned chunk = 0; chunk < s->chunks; chunk++)
            for (u32 k = 0; k < s->work_count; k++)
                if (s->b->op[s->work[k]].code == IR_VST && at < s->stored_count)
                    x86_sse_rm(&s->e->code, s->e->features.vex, SSE_MOVDQU_STORE | wide, s->stored[at++], 0,
                               in_memory(s, s->work[k], &(struct cell){ .turn = turn, .off = chunk * s->width }));
}

static void emit_turns(struct strips *s, struct ways_out *nans)
{
    struct x86_code *c = &s->e->code;
    u32 wide = s->width == 32 ? SSE_256 : 0;

    s->retained = s->stored_count = s->checked_count = s->handed_count = 0;
    for (u32 turn = 0; turn < 1u << s->turns_log2; turn++)
        for (unsigned chunk = 0; chunk < s->chunks; chunk++)
            emit_cell(s, turn, chunk);
    emit_checks(s, nans);
    emit_stores(s);
    for (u32 i = 0; i < s->handed_count; i++)
        x86_sse_rr(c, s->e->features.vex, SSE_MOVDQA | wide, s->handed[i].to, 0, s->handed[i].from);
    for (u32 r = 0; r < s->e->layout->reg_count; r++) {
        s32 by = s->step[r] * (1 << s->turns_log2);

        if (by && s->e->pin_of[r] != X86_NO_REG)
            x86_alu_ri(c, X86_ADD, true, s->e->pin_of[r], by);
        else if (by)
            x86_alu_mi(c, X86_ADD, true, x86_state_of(s->e, r), by);
    }
}

/* --- before and behind them --- */

static struct x86_mem turns_slot(const struct strips *s)
{
    return x86_slot(s->e, s->e->loop.turns);
}

/* The number of turns that are left changes by that in rcx. */
static void change_turns(const struct strips *s, enum x86_alu op)
{
    if (s->e->loop.turns_reg != X86_NO_REG)
        x86_alu_rr(&s->e->code, op, false, s->e->loop.turns_reg, RCX);
    else
        x86_alu_mr(&s->e->code, op, false, turns_slot(s), RCX);
}

/* rax: how often some turns are done, of those that a full one follows, in the page too. The length that is left is at least full. */
static void count_turns(const struct strips *s, struct ways_out *none)
{
    struct x86_code *c = &s->e->code;

    if (s->e->pin_of[s->avl] != X86_NO_REG)
        x86_mov_rr(c, true, RAX, s->e->pin_of[s->avl]);
    else
        x86_mov_rm(c, true, RAX, x86_state_of(s->e, s->avl));
    x86_alu_ri(c, X86_SUB, true, RAX, s->full);
    x86_shift_ri(c, X86_SHR, true, RAX, (unsigned)__builtin_ctz((u32)s->taken));
    if (s->e->loop.turns_reg != X86_NO_REG)
        x86_mov_rr(c, false, RCX, s->e->loop.turns_reg);
    else
        x86_mov_rm(c, false, RCX, turns_slot(s));
    x86_alu_rr(c, X86_CMP, true, RAX, RCX);
    x86_cmov_rr(c, CC_A, true, RAX, RCX);
    x86_shift_ri(c, X86_SHR, false, RAX, s->turns_log2);
    x86_test_rr(c, false, RAX, RAX);
    none->jump[none->count++] = x86_jcc(c, CC_E);
}

/* Streams must have no bytes in common within some turns, wherever the pages are (loop_lanes.c). */
static void check_overlap(const struct strips *s, struct ways_out *none)
{
    const struct ir_loop *found = &s->e->loop.found;
    struct x86_code *c = &s->e->code;
    s32 span = (s32)(s->bytes << s->turns_log2);

    for (u32 k = 0; k < found->stream_count; k++) {
        for (u32 other = 0; other < k; other++) {
            x86_lea(c, true, RCX, x86_mem_index(s->e->pin_of[found->stream[k].reg], s->e->loop.stream[k].reg, 0, span - 1));
            x86_alu_rr(c, X86_SUB, true, RCX, s->e->pin_of[found->stream[other].reg]);
            x86_alu_rr(c, X86_SUB, true, RCX, s->e->loop.stream[other].reg);
            x86_alu_ri(c, X86_CMP, true, RCX, 2 * (span - 1));
            none->jump[none->count++] = x86_jcc(c, CC_BE);
        }
    }
}

/* Registers of floating point that lanes take: in the state while those are there. */
static void move_pinned(const struct strips *s, u32 used, bool save)
{
    for (unsigned r = FIRST_PINNED; r < X86_ALL_REGS; r++) {
        u16 owner = s->e->map_guest_of[r];

        if (!(used >> (r - X86_XMM0) & 1) || owner == IR_NONE)
            continue;
        if (save)
            x86_store64(s->e, x86_state_of(s->e, owner), r);
        else
            x86_load(s->e, true, (enum host_reg)r, (struct x86_operand){ .place = PLACE_STATE, .reg = RBP, .disp = s->e->layout->reg[owner].offset });
    }
}

static void save_pinned(const struct strips *s, u32 used)
{
    struct x86_cold *cold;

    if (!(used >> X86_XMM_TEMPS))
        return;
    if (s->e->uses_fp) {
        move_pinned(s, used, true);
        return;
    }
    cold = x86_cold_add(s->e, COLD_FP_SAVE);
    x86_alu_mi(&s->e->code, X86_CMP, false, x86_base(s->e->layout->fp_live), 0);
    cold->from = x86_jcc(&s->e->code, CC_NE);
    cold->back = s->e->code.p;
}

/* Where a scalar's register is: one that lanes take was saved. */
static struct x86_operand where(const struct strips *s, u16 reg, u32 used)
{
    u8 pin = s->e->pin_of[reg];
    bool taken = pin != X86_NO_REG && x86_is_xmm(pin) && used >> (pin - X86_XMM0) & 1;
    s32 disp = s->e->layout->reg[taken ? s->e->map_guest_of[pin] : reg].offset;

    return pin != X86_NO_REG && !taken ? (struct x86_operand){ .place = PLACE_REG, .reg = pin } : (struct x86_operand){ .place = PLACE_STATE, .reg = RBP, .disp = disp };
}

static void load_scalars(struct strips *s, u32 used)
{
    for (u32 k = 0; k < s->work_count; k++) {
        const struct ir_op *op = &s->b->op[s->work[k]], *from;
        struct vec v = vec_of(s, op);
        struct x86_operand o = { .place = PLACE_REG, .reg = RCX };

        if (op->code != IR_VEC || !(op->aux & IR_VECTOR_SCALAR))
            continue;
        from = steady(s, op->arg[0]);
        s->scalar[k] = take(s);
        if (from->code == IR_CONST)
            x86_mov_ri(&s->e->code, RCX, (u64)from->imm);
        else
            o = where(s, from->aux, used);
        x86_load(s->e, true, (enum host_reg)s->scalar[k], o);
        x86_vec_broadcast(&v, s->scalar[k], v.lane);
    }
}

/* All that is carried is loaded, or what was written of it goes back. */
static void move_carried(struct strips *s, bool load)
{
    u32 wide = s->width == 32 ? SSE_256 : 0;

    for (u32 g = 0; g < s->group_count; g++) {
        struct group *group = &s->group[g];

        for (unsigned chunk = 0; group->carried && (load || group->written) && chunk < s->chunks; chunk++) {
            struct x86_mem m = x86_base(s->e->layout->vectors + (s32)(group->at + chunk * s->width));

            if (load)
                group->reg[chunk] = take(s);
            x86_sse_rm(&s->e->code, s->e->features.vex, (load ? SSE_MOVDQU : SSE_MOVDQU_STORE) | wide, group->reg[chunk], 0, m);
        }
    }
}

static void fix_all(struct strips *s, const struct ways_out *out)
{
    for (u32 i = 0; i < out->count; i++)
        x86_fix(out->jump[i], s->e->code.p);
}

/* used: what lanes take, in all. */
static void emit(struct strips *s, u32 used)
{
    struct x86_code *c = &s->e->code;
    struct ways_out none = { .count = 0 }, nans = { .count = 0 };
    u8 *many, *done;

    s->free = ((1u << X86_XMM_COUNT) - 1) & ~(s->computes ? (1u << X86_XMM_TEMPS) - 1 : 0);
    s->used = 0;
    s->out_of_registers = false;
    count_turns(s, &none);
    check_overlap(s, &none);
    save_pinned(s, used);
    load_scalars(s, used);
    move_carried(s, true);
    x86_mov_rr(c, false, RCX, RAX);
    x86_shift_ri(c, X86_SHL, false, RCX, s->turns_log2);
    change_turns(s, X86_SUB);
    many = c->p;
    emit_turns(s, &nans);
    x86_alu_ri(c, X86_SUB, false, RAX, 1);
    x86_jcc_to(c, CC_NE, many);
    done = x86_jcc8(c, CC_E);
    fix_all(s, &nans);
    x86_mov_rr(c, false, RCX, RAX);
    x86_shift_ri(c, X86_SHL, false, RCX, s->turns_log2);
    change_turns(s, X86_ADD);
    x86_fix8(c, done);
    move_carried(s, false);
    if (s->width == 32)
        x86_vzeroupper(c);
    if (s->e->uses_fp)
        move_pinned(s, used, false);
    fix_all(s, &none);
}

static bool has_places(const struct strips *s)
{
    const struct ir_loop *found = &s->e->loop.found;

    for (u32 k = 0; k < found->stream_count; k++)
        if (s->e->pin_of[found->stream[k].reg] == X86_NO_REG || s->e->loop.stream[k].reg == X86_NO_REG)
            return false;
    for (u32 k = 0; k < s->work_count; k++) {
        const struct ir_op *op = &s->b->op[s->work[k]], *scalar = &s->b->op[op->code == IR_VEC && op->aux & IR_VECTOR_SCALAR ? op->arg[0] : 0];

        if (scalar->code == IR_UNBOX && !x86_loop_is_boxed(s->e, s->b->op[scalar->arg[0]].aux))
            return false;
    }
    return true;
}

/* Something of a group that is carried is stored: the next turn may write it before. */
static bool stores_carried(const struct strips *s)
{
    for (u32 g = 0; g < s->group_count; g++)
        if (s->group[g].carried && s->group[g].written && s->group[g].stored)
            return true;
    return false;
}

void x86_loop_strips(struct tcg_engine *e)
{
    struct strips s = { .e = e, .b = e->block };
    u8 *begin = e->code.p;
    u32 cold = e->cold_count, noted = e->places.count;

    if (!e->loop.strips || !find(&s) || !has_places(&s))
        return;
    for (unsigned turns = s.checks || stores_carried(&s) ? 1 : MAX(1, AT_ONCE / s.chunks); turns > 1; turns /= 2)
        s.turns_log2++;
    emit(&s, 0); /* to learn what is used */
    e->code.p = begin;
    e->cold_count = cold;
    e->places.count = noted;
    if (!s.out_of_registers)
        emit(&s, s.used);
}
