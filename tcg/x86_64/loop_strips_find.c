/* tcg/x86_64/loop_strips_find.c - which loops are strip-mined loops of vectors that loop_strips.c does several turns at a time. */
#include "tcg/x86_64/loop_strips.h"

struct x86_strip_group *x86_strips_group(struct x86_strips *s, unsigned at)
{
    for (u32 i = 0; i < s->group_count; i++) {
        if (s->group[i].at == at)
            return &s->group[i];
        if (s->group[i].at < at + s->bytes && at < s->group[i].at + s->bytes)
            return NULL;
    }
    if (s->group_count == MAX_GROUPS)
        return NULL;
    s->group[s->group_count] = (struct x86_strip_group){ .at = (u16)at };
    return &s->group[s->group_count++];
}

static bool note_read(struct x86_strips *s, unsigned at)
{
    struct x86_strip_group *g = x86_strips_group(s, at);

    if (g)
        g->carried |= !g->written;
    return g;
}

/*
 * The turn that follows writes all that is not handed on. One that leaves in the middle has done so only where that is written before the branch, too; the
 * same goes for constants (note_put).
 */
static bool note_write(struct x86_strips *s, unsigned at, u32 i)
{
    struct x86_strip_group *g = x86_strips_group(s, at);

    if (!g || g->stored || (s->leaves && !g->written && !g->carried))
        return false;
    g->written = true;
    g->rough = false;
    g->writer = (u16)i;
    return true;
}

struct vec x86_strips_vec(const struct x86_strips *s, const struct ir_op *op)
{
    return (struct vec){ .e = s->e, .c = &s->e->code, .kind = (enum ir_vector_kind)(op->aux & IR_VECTOR_KIND), .type = (enum ir_type)op->type,
                         .lane = ir_vector_lane((enum ir_type)op->type), .at = ir_vector_unpack((u64)op->imm), .vex = s->e->features.vex,
                         .width = s->width, .wide = s->width == 32 ? SSE_256 : 0 };
}

bool x86_strips_fused(unsigned kind)
{
    return kind >= IR_VECTOR_FMACC && kind <= IR_VECTOR_FNMSUB;
}

static bool has_code(const struct x86_strips *s, const struct vec *v)
{
    bool commutes;

    switch (v->kind) {
    case IR_VECTOR_MV:
    case IR_VECTOR_FADD:
    case IR_VECTOR_FSUB:
    case IR_VECTOR_FMUL:
        return true;
    default:
        return x86_strips_fused(v->kind) ? s->e->features.vex : x86_vec_simple(v, &commutes) != 0;
    }
}

const struct ir_op *x86_strips_steady(const struct x86_strips *s, ir_value v)
{
    const struct ir_op *op = &s->b->op[v];

    if (op->code == IR_UNBOX)
        op = &s->b->op[op->arg[0]];
    return op->code == IR_CONST || op->code == IR_GET ? op : NULL;
}

static bool same_bytes(struct x86_strips *s, unsigned bytes)
{
    if (!s->bytes) {
        s->bytes = bytes;
        s->width = bytes >= 32 && s->e->features.vex ? 32 : 16;
        s->chunks = bytes / s->width;
    }
    return s->bytes == bytes && bytes % s->width == 0 && s->chunks && s->chunks <= MAX_CHUNKS;
}

/* A NaN of the host may be moved, and be an operand of its own type: what is made of its bits may raise flags that what is made of the default NaN's does not. */
static bool note_operand(struct x86_strips *s, const struct vec *v, unsigned at)
{
    return note_read(s, at) && (!x86_strips_group(s, at)->rough || v->kind == IR_VECTOR_MV || (ir_vector_is_fp(v->kind) && v->type == s->fused_type));
}

static bool note_result(struct x86_strips *s, const struct vec *v, u32 i, bool scalar)
{
    bool rough = x86_strips_fused(v->kind) || (v->kind == IR_VECTOR_MV && !scalar && x86_strips_group(s, v->at.s1)->rough);

    if (!note_write(s, v->at.d, i))
        return false;
    x86_strips_group(s, v->at.d)->rough = rough;
    return true;
}

static bool note_arithmetic(struct x86_strips *s, u32 i, const struct ir_op *op)
{
    struct vec v = x86_strips_vec(s, op);
    bool scalar = op->aux & IR_VECTOR_SCALAR;

    if (op->aux & (IR_VECTOR_SOME | IR_VECTOR_MASKED) || !same_bytes(s, v.at.bytes) || !has_code(s, &v) || (scalar && !x86_strips_steady(s, op->arg[0])))
        return false;
    if (x86_strips_fused(v.kind) && s->fuses && s->fused_type != op->type)
        return false;
    s->computes |= v.kind != IR_VECTOR_MV;
    s->raises |= ir_vector_is_fp(v.kind);
    s->fuses |= x86_strips_fused(v.kind);
    if (x86_strips_fused(v.kind))
        s->fused_type = op->type;
    return (v.kind == IR_VECTOR_MV || note_operand(s, &v, v.at.s2)) && (scalar || note_operand(s, &v, v.at.s1)) &&
           (!x86_strips_fused(v.kind) || note_operand(s, &v, v.at.d)) && note_result(s, &v, i, scalar);
}

/* Of integers: those of floating point raise flags, as arithmetic does, which a turn that is not reached may not. */
static bool is_comparison(const struct ir_op *op)
{
    unsigned kind = op->aux & IR_VECTOR_KIND;

    return op->code == IR_VEC && kind >= IR_VECTOR_SEQ && kind <= IR_VECTOR_SGT;
}

static bool note_comparison(struct x86_strips *s, u32 i, const struct ir_op *op)
{
    struct vec v = x86_strips_vec(s, op);
    bool scalar = op->aux & IR_VECTOR_SCALAR;

    if (s->searches || op->aux & (IR_VECTOR_SOME | IR_VECTOR_MASKED) || !same_bytes(s, v.at.bytes) || (scalar && !x86_strips_steady(s, op->arg[0])))
        return false;
    s->searches = s->computes = true;
    s->comparison = (u16)i;
    return note_read(s, v.at.s2) && (scalar || note_read(s, v.at.s1));
}

/* The first lane that was found: a turn leaves when there is one. */
static bool note_first(struct x86_strips *s, u32 i, const struct ir_op *op)
{
    struct ir_vector_place bits = ir_vector_unpack((u64)op->imm), of = ir_vector_unpack((u64)s->b->op[s->comparison].imm);

    if (op->aux != IR_VECTOR_FIRST || !s->searches || s->first || bits.s2 != of.d || bits.bytes != of.bytes >> ir_vector_lane((enum ir_type)s->b->op[s->comparison].type))
        return false;
    s->first = (u16)i;
    return true;
}

/* All of a stream's bytes are accessed, one group with each turn, at one place. */
static bool note_transfer(struct x86_strips *s, u32 i, const struct ir_op *op)
{
    const struct ir_loop *found = &s->e->loop.found;
    u32 k = found->stream_of[i];
    struct x86_strip_group *g;

    if (op->aux & (IR_VECTOR_PART | IR_VECTOR_UNDER) || k == IR_NO_STREAM || !same_bytes(s, ir_vector_bytes(op->aux)))
        return false;
    if (found->stream[k].step_low != (s32)s->bytes || found->stream[k].step_high != (s32)s->bytes || found->stream[k].high - found->stream[k].low != (s32)s->bytes)
        return false;
    if (op->code == IR_VLD)
        return note_write(s, ir_vector_at(op->aux), i);
    if (!note_read(s, ir_vector_at(op->aux)))
        return false;
    g = x86_strips_group(s, ir_vector_at(op->aux));
    g->stored = true;
    return true;
}

static bool note_work(struct x86_strips *s, u32 i, const struct ir_op *op, bool *stores)
{
    if (s->work_count == MAX_WORK || !s->full || (op->code == IR_VLD && *stores))
        return false;
    *stores |= op->code == IR_VST;
    s->work[s->work_count++] = (u16)i;
    if (op->code != IR_VEC)
        return note_transfer(s, i, op);
    return is_comparison(op) ? note_comparison(s, i, op) : note_arithmetic(s, i, op);
}

static bool note_put(struct x86_strips *s, const struct ir_op *op)
{
    const struct ir_loop *found = &s->e->loop.found;
    ir_value v = op->arg[0];

    if (op->type != IR_I64)
        return false;
    if (s->b->op[v].code == IR_CONST || (s->first && v == s->first)) {
        bool late = s->leaves && !s->set[op->aux];

        s->set[op->aux] = true;
        return !late;
    }
    s->written[op->aux] = true;
    s->step[op->aux] = found->low[v];
    return found->root[v] == op->aux && found->low[v] == found->high[v];
}

/* The first leaves where less than the full length is left, before anything else; the last one goes round while there is some; one between may leave with what was found. */
static bool note_branch(struct x86_strips *s, u32 i, const struct ir_op *op)
{
    const struct ir_loop *found = &s->e->loop.found;
    const struct ir_exit *exit = &s->b->exit[op->imm];
    ir_value v = op->arg[0];
    const struct ir_op *bound = &s->b->op[op->arg[1]];

    if (s->first && v == s->first) {
        s->leaves = true;
        return op->type == IR_I64 && bound->code == IR_CONST && !bound->imm && op->aux == IR_GE && exit->kind == IR_EXIT_DIRECT && !ir_is_back_edge(s->b, op);
    }
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

static bool note(struct x86_strips *s, u32 i, bool *stores)
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
    case IR_VEC_TO:
        return note_first(s, i, op);
    case IR_EXIT_IF:
        return note_branch(s, i, op);
    case IR_EXIT:
        return i + 1 == s->b->count;
    default:
        return !ir_op_effects((enum ir_opcode)op->code);
    }
}

/* What C may have to look at is there when all else is done. */
static bool may_check(struct x86_strips *s)
{
    for (u32 k = 0; k < s->work_count; k++) {
        const struct ir_op *op = &s->b->op[s->work[k]];

        if (op->code != IR_VEC || !x86_strips_fused(op->aux & IR_VECTOR_KIND))
            continue;
        const struct x86_strip_group *g = x86_strips_group(s, ir_vector_unpack((u64)op->imm).d);
        if (g->writer != s->work[k] || !(g->stored || g->carried))
            return false;
    }
    return true;
}

/* The bits of a comparison are nobody's but those of who asks for the first of them. */
static bool finds_alone(struct x86_strips *s)
{
    struct ir_vector_place at = ir_vector_unpack((u64)s->b->op[s->comparison].imm);
    u32 lanes = at.bytes >> ir_vector_lane((enum ir_type)s->b->op[s->comparison].type), end = at.d + (lanes + 7) / 8;

    for (u32 i = 0; i < s->group_count; i++)
        if (s->group[i].at < end && at.d < s->group[i].at + s->bytes)
            return false;
    return s->leaves;
}

static bool moves_alone(const struct x86_strips *s)
{
    for (u32 k = 0; k < s->work_count; k++) {
        const struct ir_op *op = &s->b->op[s->work[k]], *from = op->code == IR_VEC && op->aux & IR_VECTOR_SCALAR ? x86_strips_steady(s, op->arg[0]) : NULL;

        if (from && from->code == IR_GET && (s->written[from->aux] || s->set[from->aux]))
            return false;
    }
    for (u32 r = 0; r < s->e->layout->reg_count; r++)
        if ((s->set[r] && (s->read[r] || s->written[r])))
            return false;
    return true;
}

bool x86_strips_look(struct x86_strips *s)
{
    bool stores = false;

    if (s->b->prepaid || !x86_loop_may_reorder(s->b))
        return false;
    for (u32 i = 0; i < s->b->count; i++)
        if (!note(s, i, &stores))
            return false;
    if (!s->work_count || s->taken <= 0 || s->taken & (s->taken - 1) || s->full < s->taken || s->step[s->avl] != -s->taken)
        return false;
    s->checks = s->fuses || s->searches;
    return moves_alone(s) && may_check(s) && (!s->searches || (finds_alone(s) && !s->raises));
}

bool x86_strips_find(struct tcg_engine *e, const struct ir_block *b)
{
    struct x86_strips s = { .e = e, .b = b };

    if (!x86_strips_look(&s))
        return false;
    e->loop.strips = true;
    e->loop.strip_length = s.avl;
    e->loop.strip_full = s.full;
    return true;
}
