/*
 * tcg/x86_64/loop_strips.c - strip-mined loops of vectors: before the first turn several turns at a time, with the lanes in registers.
 * docs/decisions/vectors.md
 *
 *   head:     a turn that has less than the full length leaves at once (to the careful variant); vl, vtype and the like become what each turn makes them
 *   strips:   how many turns are followed by a full one, in a few turns at a time; arrays that overlap: none
 *   many:     all loads and arithmetic, chunk by chunk; a NaN that C must look at, or a lane that was looked for? to top; all stores; registers that move; back to many
 *   top:      the turns that are left, at least one, one by one (loop.c)
 *
 * The turn that follows writes all that each turn writes, even if it leaves in the middle, so the vector file needs only what turns hand on to each
 * other. Nothing of some turns has been stored, and no flag raised that they may not raise, when they are given up.
 */
#include "tcg/x86_64/loop_strips.h"

/* --- registers --- */

static u8 take(struct x86_strips *s)
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

static void give(struct x86_strips *s, u8 reg)
{
    s->free |= 1u << (reg - X86_XMM0);
}

static void retain(struct x86_strips *s, u8 *list, u32 *count, u8 reg)
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

static struct x86_mem in_memory(const struct x86_strips *s, u32 i, const struct cell *c)
{
    const struct ir_loop *found = &s->e->loop.found;
    u32 k = found->stream_of[i];

    return x86_mem_index(s->e->pin_of[found->stream[k].reg], s->e->loop.stream[k].reg, 0, (s32)(c->turn * s->bytes + c->off));
}

static u32 index_of(struct x86_strips *s, unsigned at)
{
    return (u32)(x86_strips_group(s, at) - s->group);
}

/* Where a write to the group goes. What turns hand on stays as it was while they may be given up. */
static u8 target(struct x86_strips *s, struct cell *c, u32 g)
{
    const struct x86_strip_group *group = &s->group[g];
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

static void compute(struct x86_strips *s, struct cell *c, u32 k, const struct ir_op *op)
{
    struct vec v = x86_strips_vec(s, op);
    bool scalar = op->aux & IR_VECTOR_SCALAR, commutes;
    u32 d = index_of(s, v.at.d);
    u8 y = scalar ? s->scalar[k] : c->now[index_of(s, v.at.s1)], x = v.kind == IR_VECTOR_MV ? y : c->now[index_of(s, v.at.s2)], to;
    unsigned result = x;

    if (v.kind != IR_VECTOR_MV) {
        v.in_y = y;
        v.in_d = x86_strips_fused(v.kind) ? c->now[d] : 0;
        move(&v, X0, x);
        result = ir_vector_is_fp(v.kind) ? x86_vec_floating(&v) : X0;
        if (!ir_vector_is_fp(v.kind))
            rr(&v, x86_vec_simple(&v, &commutes), X0, X0, y);
    }
    to = target(s, c, d);
    move(&v, to, result);
    c->now[d] = to;
    if (x86_strips_fused(v.kind))
        retain(s, s->checked, &s->checked_count, to);
}

/* Bits of a comparison: nobody wants to know more than whether there are any. */
static void compare(struct x86_strips *s, const struct cell *c, u32 k, const struct ir_op *op)
{
    struct vec v = x86_strips_vec(s, op);

    v.in_y = op->aux & IR_VECTOR_SCALAR ? s->scalar[k] : c->now[index_of(s, v.at.s1)];
    move(&v, X0, c->now[index_of(s, v.at.s2)]);
    if (!x86_vec_compare(&v, &s->inverted)) {
        s->out_of_registers = true; /* there is no code for it on this host */
        return;
    }
    if (s->bits) {
        rr(&v, s->inverted ? SSE_PAND : SSE_POR, s->bits, s->bits, X0);
        return;
    }
    s->bits = take(s);
    s->retained |= 1u << (s->bits - X86_XMM0);
    move(&v, s->bits, X0);
}

static void begin_cell(const struct x86_strips *s, struct cell *c)
{
    for (u32 g = 0; g < s->group_count; g++)
        c->now[g] = s->group[g].carried ? s->group[g].reg[c->off / s->width] : 0;
}

static void end_cell(struct x86_strips *s, const struct cell *c)
{
    for (u32 g = 0; g < s->group_count; g++) {
        u8 own = s->group[g].carried ? s->group[g].reg[c->off / s->width] : 0;

        if (c->now[g] && c->now[g] != own && !(s->retained >> (c->now[g] - X86_XMM0) & 1))
            give(s, c->now[g]);
    }
}

static void emit_cell(struct x86_strips *s, u32 turn, unsigned chunk)
{
    struct cell c = { .turn = turn, .off = chunk * s->width };

    begin_cell(s, &c);
    for (u32 k = 0; k < s->work_count; k++) {
        u32 i = s->work[k];
        const struct ir_op *op = &s->b->op[i];

        if (s->searches && i == s->comparison) {
            compare(s, &c, k, op);
        } else if (op->code == IR_VEC) {
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

/* Whether some lane was found. */
static void check_bits(struct x86_strips *s, struct ways_out *give_up)
{
    struct x86_code *c = &s->e->code;
    bool wide = s->width == 32;

    x86_sse_rr(c, s->e->features.vex, SSE_PMOVMSKB | (wide ? SSE_256 : 0), RCX, 0, s->bits);
    if (s->inverted)
        x86_alu_ri(c, X86_CMP, false, RCX, wide ? -1 : 0xffff);
    else
        x86_test_rr(c, false, RCX, RCX);
    give_up->jump[give_up->count++] = x86_jcc(c, CC_NE);
}

static void check_numbers(struct x86_strips *s, struct ways_out *give_up)
{
    struct x86_code *c = &s->e->code;
    u32 wide = s->width == 32 ? SSE_256 : 0;

    for (u32 i = 0; i < s->checked_count; i += 2) {
        u8 to = i ? X3 : X2, other = s->checked[MIN(i + 1, s->checked_count - 1)];

        x86_sse_rr(c, true, SSE_CMPPS | (s->fused_type == IR_F64 ? SSE_66 : 0) | wide, to, s->checked[i], other);
        x86_imm8(c, UNORDERED);
        if (i)
            x86_sse_rr(c, true, SSE_POR | wide, X2, X2, X3);
    }
    x86_sse_rr(c, true, SSE_PTEST | wide, X2, 0, X2);
    give_up->jump[give_up->count++] = x86_jcc(c, CC_NE);
}

static void emit_stores(struct x86_strips *s)
{
    u32 wide = s->width == 32 ? SSE_256 : 0, at = 0;

    for (u32 turn = 0; turn < 1u << s->turns_log2; turn++)
        for (unsigned chunk = 0; chunk < s->chunks; chunk++)
            for (u32 k = 0; k < s->work_count; k++)
                if (s->b->op[s->work[k]].code == IR_VST && at < s->stored_count)
                    x86_sse_rm(&s->e->code, s->e->features.vex, SSE_MOVDQU_STORE | wide, s->stored[at++], 0,
                               in_memory(s, s->work[k], &(struct cell){ .turn = turn, .off = chunk * s->width }));
}

static void emit_turns(struct x86_strips *s, struct ways_out *give_up)
{
    struct x86_code *c = &s->e->code;
    u32 wide = s->width == 32 ? SSE_256 : 0;

    s->retained = s->stored_count = s->checked_count = s->handed_count = s->bits = 0;
    for (u32 turn = 0; turn < 1u << s->turns_log2; turn++)
        for (unsigned chunk = 0; chunk < s->chunks; chunk++)
            emit_cell(s, turn, chunk);
    if (s->fuses)
        check_numbers(s, give_up);
    if (s->bits)
        check_bits(s, give_up);
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

static struct x86_mem turns_slot(const struct x86_strips *s)
{
    return x86_slot(s->e, s->e->loop.turns);
}

/* rax: how often some turns are done, of those that a full one follows, in the page too. The length that is left is at least full. */
static void count_turns(const struct x86_strips *s, struct ways_out *none)
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
static void check_overlap(const struct x86_strips *s, struct ways_out *none)
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
static void move_pinned(const struct x86_strips *s, u32 used, bool save)
{
    for (unsigned r = FIRST_PINNED; r < X86_ALL_REGS; r++) {
        u16 owner = s->e->map_guest_of[r];

        if (!(used >> (r - X86_XMM0) & 1) || owner == IR_NONE)
            continue;
        if (save)
            x86_store64(s->e, x86_state_of(s->e, owner), r);
        else
            x86_load(s->e, true, (enum host_reg)r, x86_operand_at(x86_state_of(s->e, owner)));
    }
}

static void save_pinned(const struct x86_strips *s, u32 used)
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
static struct x86_operand where(const struct x86_strips *s, u16 reg, u32 used)
{
    u8 pin = s->e->pin_of[reg];
    bool taken = pin != X86_NO_REG && x86_is_xmm(pin) && used >> (pin - X86_XMM0) & 1;
    u16 at = taken ? s->e->map_guest_of[pin] : reg;

    return pin != X86_NO_REG && !taken ? (struct x86_operand){ .place = PLACE_REG, .reg = pin } : x86_operand_at(x86_state_of(s->e, at));
}

static void load_scalars(struct x86_strips *s, u32 used)
{
    for (u32 k = 0; k < s->work_count; k++) {
        const struct ir_op *op = &s->b->op[s->work[k]], *from;
        struct vec v = x86_strips_vec(s, op);
        struct x86_operand o = { .place = PLACE_REG, .reg = RCX };

        if (op->code != IR_VEC || !(op->aux & IR_VECTOR_SCALAR))
            continue;
        from = x86_strips_steady(s, op->arg[0]);
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
static void move_carried(struct x86_strips *s, bool load)
{
    u32 wide = s->width == 32 ? SSE_256 : 0;

    for (u32 g = 0; g < s->group_count; g++) {
        struct x86_strip_group *group = &s->group[g];

        for (unsigned chunk = 0; group->carried && (load || group->written) && chunk < s->chunks; chunk++) {
            struct x86_mem m = x86_base(s->e->layout->vectors + (s32)(group->at + chunk * s->width));

            if (load)
                group->reg[chunk] = take(s);
            x86_sse_rm(&s->e->code, s->e->features.vex, (load ? SSE_MOVDQU : SSE_MOVDQU_STORE) | wide, group->reg[chunk], 0, m);
        }
    }
}

static void fix_all(struct x86_strips *s, const struct ways_out *out)
{
    for (u32 i = 0; i < out->count; i++)
        x86_fix(out->jump[i], s->e->code.p);
}

/* used: what lanes take, in all. */
static void emit(struct x86_strips *s, u32 used)
{
    struct x86_code *c = &s->e->code;
    struct ways_out none = { .count = 0 }, give_up = { .count = 0 };
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
    x86_loop_change_turns(s->e, X86_SUB);
    many = c->p;
    emit_turns(s, &give_up);
    x86_alu_ri(c, X86_SUB, false, RAX, 1);
    x86_jcc_to(c, CC_NE, many);
    done = x86_jcc8(c, CC_E);
    fix_all(s, &give_up);
    x86_mov_rr(c, false, RCX, RAX);
    x86_shift_ri(c, X86_SHL, false, RCX, s->turns_log2);
    x86_loop_change_turns(s->e, X86_ADD);
    x86_fix8(c, done);
    move_carried(s, false);
    if (s->width == 32)
        x86_vzeroupper(c);
    if (s->e->uses_fp)
        move_pinned(s, used, false);
    fix_all(s, &none);
}

static bool has_places(const struct x86_strips *s)
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

/* Something of a group that is carried is stored, and the next turn may write it before; or it would have to be there twice, to be given up. */
static bool one_at_a_time(const struct x86_strips *s)
{
    for (u32 g = 0; g < s->group_count; g++)
        if (s->group[g].carried && s->group[g].written && (s->group[g].stored || s->searches))
            return true;
    return s->fuses;
}

void x86_loop_strips(struct tcg_engine *e)
{
    struct x86_strips s = { .e = e, .b = e->block };
    u8 *begin = e->code.p;
    u32 cold = e->cold_count, noted = e->places.count;

    if (!e->loop.strips || !x86_strips_look(&s) || !has_places(&s))
        return;
    for (unsigned turns = one_at_a_time(&s) ? 1 : MAX(1, AT_ONCE / s.chunks); turns > 1; turns /= 2)
        s.turns_log2++;
    emit(&s, 0); /* to learn what is used */
    e->code.p = begin;
    e->cold_count = cold;
    e->places.count = noted;
    if (!s.out_of_registers)
        emit(&s, s.used);
}
