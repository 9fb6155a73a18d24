/*
 * tcg/x86_64/emit_vector.c - vector ops: 16 or 32 bytes of the vector file at a time, through xmm0-3; what has no code here calls
 * ir_vector_run. docs/decisions/vectors.md
 */
#include "tcg/x86_64/emit.h"
#include "tcg/x86_64/emit_vector.h"

/* --- the scalar --- */

void x86_vec_broadcast(const struct vec *v, unsigned d, unsigned lane)
{
    static const u32 ops[] = {SSE_PBROADCASTB, SSE_PBROADCASTW, SSE_PBROADCASTD, SSE_PBROADCASTQ};

    if (v->vex) {
        x86_sse_rr(v->c, true, ops[lane] | v->wide, d, 0, d);
        return;
    }
    if (lane == 3) {
        x86_sse_rr(v->c, false, SSE_PUNPCKLQDQ, d, 0, d);
        return;
    }
    if (lane == 0)
        x86_sse_rr(v->c, false, SSE_PUNPCKLBW, d, 0, d);
    if (lane <= 1) {
        x86_sse_rr(v->c, false, SSE_PSHUFLW, d, 0, d);
        x86_imm8(v->c, 0);
    }
    x86_sse_rr(v->c, false, SSE_PSHUFD, d, 0, d);
    x86_imm8(v->c, 0);
}

/* Frees xmm0-3; values that live on move out, and their bits stay for now. */
static void take_xmm(struct tcg_engine *e)
{
    for (unsigned r = X0; r <= X3; r++)
        x86_xmm_temp(e, ~(1u << r));
}

/* To all lanes of X1: those of the second operand. */
static void load_scalar(const struct vec *op, struct x86_operand o)
{
    struct tcg_engine *e = op->e;
    unsigned shape = ir_vector_rows[op->kind].shape;
    struct vec as = *op;
    const struct vec *v = &as;

    as.lane -= shape == IR_VECTOR_WIDE || shape == IR_VECTOR_WIDER;
    if (o.place == PLACE_CONST && (o.imm == 0 || o.imm == -1)) {
        x86_sse_rr(v->c, v->vex, (o.imm ? SSE_PCMPEQD : SSE_PXOR) | v->wide, X1, X1, X1);
        return;
    }
    if (o.place == PLACE_CONST) {
        enum host_reg t = x86_temp(e, 0);

        x86_mov_ri(v->c, t, (u64)o.imm);
        o = (struct x86_operand){.place = PLACE_REG, .reg = (u8)t};
    }
    x86_load(e, true, (enum host_reg)X1, o);
    x86_vec_broadcast(v, X1, v->lane);
}

/* --- calling C --- */

static u64 run_helper(void *vcpu, u64 layout, u64 base, u64 word, u64 scalar)
{
    ir_vector_run((const struct code_layout *)(uintptr_t)layout, (u8 *)(uintptr_t)base, word, scalar);
    return 0;
}

static u64 to_helper(void *vcpu, u64 layout, u64 base, u64 word)
{
    return ir_vector_to((const struct code_layout *)(uintptr_t)layout, (const u8 *)(uintptr_t)base, word);
}

static const struct ir_helper run_row = {"ir_vector_run", (void *)run_helper, 4, IR_VOID, IR_HELPER_FLAGS};
static const struct ir_helper to_row = {"ir_vector_to", (void *)to_helper, 3, IR_I64, IR_HELPER_FLAGS};

const struct ir_helper *x86_vector_helper(u32 i)
{
    static const struct ir_helper *const all[] = {&run_row, &to_row};

    return i < ARRAY_SIZE(all) ? all[i] : x86_vec_leaf_helper(i - (u32)ARRAY_SIZE(all));
}

/* The temporaries rax and rcx are free; a scalar is in scratch[1]. */
static void call(struct tcg_engine *e, const struct ir_helper *helper, u64 word)
{
    struct x86_code *c = &e->code;

    x86_mov_ri(c, RAX, word);
    x86_mov_mr(c, 3, x86_base(e->layout->scratch), RAX);
    x86_mov_constant(c, RAX, (const u8 *)&x86_constants_at(e)->layout);
    x86_note(e);
    x86_lea(c, true, RCX, x86_base(0));
    x86_call_helper(e, helper);
    x86_fp_reload(e);
}

static void keep_scalar(struct tcg_engine *e, struct x86_operand o)
{
    struct x86_mem m = x86_base(e->layout->scratch + 8);

    if (o.place == PLACE_REG) {
        x86_store64(e, m, o.reg);
        return;
    }
    x86_load(e, true, RAX, o);
    x86_mov_mr(&e->code, 3, m, RAX);
}

static void run_in_c(const struct vec *v, const struct ir_op *op, struct x86_operand o)
{
    x86_flush_temps(v->e, X86_TEMPS);
    if (v->scalar)
        keep_scalar(v->e, o);
    call(v->e, &run_row, ir_vector_word(op));
}

/* --- comparisons: a bit a lane --- */

/* The lanes' bits of X0 in a general register. */
static void lane_bits(const struct vec *v, enum host_reg r)
{
    static const u32 ops[] = {SSE_PMOVMSKB, SSE_PMOVMSKB, SSE_MOVMSKPS, SSE_MOVMSKPD};

    if (v->lane == 1)
        rr(v, SSE_PACKSSWB, X0, X0, X0);
    x86_sse_rr(v->c, v->vex, ops[v->lane] | v->wide, r, 0, X0);
    if (v->lane == 1)
        x86_extend_rr(v->c, 0, false, false, r, r); /* both halves tell the same */
}

/* Collected bits in rax go to the file, `count` from bit `at` of the destination on. */
static void put_bits(struct vec *v, unsigned at, unsigned count)
{
    struct x86_mem m = file(v, v->at.d + at / 8);

    if (v->some) {
        x86_vec_put_some(v, at, count);
        return;
    }
    if (count >= 8) {
        x86_mov_mr(v->c, (unsigned)__builtin_ctz(count / 8), m, RAX);
        return;
    }
    x86_rm(v->c, 0x80, false, X86_AND, m);
    x86_imm8(v->c, (u8)(0xff << count));
    x86_rm(v->c, 0x08 | X86_BYTE_REG, false, RAX, m); /* or */
}

/* How many of the bits that are left are stored at once: what reads them reads up to 64, and hosts do not forward two stores to one load. */
static unsigned bits_together(const struct vec *v, unsigned done)
{
    unsigned left = (v->at.bytes >> v->lane) - done;

    return v->some || left < 8 ? MIN(left, 8) : MIN(64, 1u << (31 - __builtin_clz(left)));
}

/* The lowest `count` of rax, above which there are none. */
static void invert_bits(const struct vec *v, unsigned count)
{
    if (count == 64)
        x86_unary_r(v->c, X86_NOT, true, RAX);
    else
        x86_alu_ri(v->c, X86_XOR, false, RAX, count == 32 ? -1 : (s32)((1u << count) - 1));
}

static bool emit_bits(struct vec *v)
{
    unsigned have = 0, bits, done = 0;
    bool inverted;

    if (v->at.bytes % 16)
        return false;
    if (v->lane == 1) {
        v->width = 16;
        v->wide = 0;
    }
    bits = v->width >> v->lane;
    for (v->off = 0; v->off < v->at.bytes; v->off += v->width) {
        enum host_reg r = have ? RCX : RAX;

        load(v, X0, v->at.s2);
        if (!x86_vec_compare(v, &inverted))
            return false; /* at the first chunk: what was emitted is harmless */
        lane_bits(v, r);
        if (have) {
            x86_shift_ri(v->c, X86_SHL, true, RCX, have);
            x86_alu_rr(v->c, X86_OR, true, RAX, RCX);
        }
        have += bits;
        if (have >= bits_together(v, done)) {
            if (inverted)
                invert_bits(v, have);
            put_bits(v, done, have);
            done += have;
            have = 0;
        }
    }
    x86_vec_done(v);
    return true;
}

/* --- vec --- */

static bool is_narrow(unsigned bytes)
{
    return bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8;
}

static void store(const struct vec *v, unsigned reg)
{
    struct x86_mem m = file(v, v->at.d + v->off);

    if (v->at.bytes >= 16)
        x86_sse_rm(v->c, v->vex, SSE_MOVDQU_STORE | v->wide, reg, 0, m);
    else if (v->at.bytes == 8)
        x86_sse_rm(v->c, v->vex, SSE_MOVQ_STORE, reg, 0, m);
    else if (v->at.bytes == 4)
        x86_sse_rm(v->c, v->vex, SSE_MOVD_STORE, reg, 0, m);
    if (v->at.bytes >= 4)
        return;
    x86_sse_rr(v->c, v->vex, SSE_MOVD_STORE, reg, 0, RAX);
    x86_mov_mr(v->c, v->at.bytes == 2 ? 1 : 0, m, RAX);
}

static bool needs_exact(const struct vec *v)
{
    return v->kind >= IR_VECTOR_FMACC && v->kind <= IR_VECTOR_FNMSUB;
}

struct x86_cold *x86_vec_check_exact(const struct vec *v, unsigned sum, const struct ir_op *op)
{
    struct x86_cold *cold = x86_cold_add(v->e, COLD_VECTOR);
    struct ir_op chunk = *op;
    struct ir_vector_place at = v->at;

    at.d += (u16)v->off;
    at.s2 += (u16)v->off;
    at.s1 += v->scalar ? 0 : (u16)v->off;
    at.bytes = (u16)v->width;
    chunk.imm = (s64)ir_vector_pack(at);
    rr(v, packed(v, SSE_CMPPS), X3, sum, sum);
    x86_imm8(v->c, 3);
    x86_sse_rr(v->c, v->vex, packed(v, SSE_MOVMSKPS) | v->wide, RAX, 0, X3);
    x86_test_rr(v->c, false, RAX, RAX);
    cold->from = x86_jcc(v->c, CC_NE);
    cold->value.imm = (s64)ir_vector_word(&chunk);
    cold->extra = v->scalar;
    cold->low = (s32)v->lane;
    cold->high = (s32)v->wide;
    cold->where = v->some ? (s32)(v->off >> v->lane) : -1; /* lanes before the chunk */
    return cold;
}

static void store_exact(const struct vec *v, unsigned sum, const struct ir_op *op)
{
    struct x86_cold *cold = x86_vec_check_exact(v, sum, op);

    store(v, sum);
    cold->back = v->c->p;
}

static bool emit_lanes(struct vec *v, const struct ir_op *op)
{
    bool is_fp = ir_vector_is_fp(v->kind), narrow = v->at.bytes < 16;

    if (narrow ? is_fp || !is_narrow(v->at.bytes) || v->at.s2 + 16 > IR_VECTOR_FILE || v->at.s1 + 16 > IR_VECTOR_FILE || v->at.d + 16 > IR_VECTOR_FILE
               : v->at.bytes % 16)
        return false;
    for (v->off = 0; v->off < v->at.bytes; v->off += v->width) {
        unsigned result;

        if (v->kind != IR_VECTOR_MV)
            load(v, X0, v->at.s2);
        if (v->kind == IR_VECTOR_MV && v->scalar)
            result = X1;
        else
            result = is_fp ? x86_vec_floating(v) : x86_vec_integer(v);
        if (!result)
            return false; /* at the first chunk */
        if (needs_exact(v))
            store_exact(v, result, op);
        else
            store(v, result);
    }
    return true;
}

static bool emit_inline(struct vec *v, const struct ir_op *op)
{
    if ((v->some || v->masked) && ir_vector_rows[v->kind].shape == IR_VECTOR_LANES)
        return x86_vec_some_lanes(v);
    if (v->some && ir_vector_rows[v->kind].shape == IR_VECTOR_FLANES)
        return x86_vec_some_floats(v, op);
    switch (ir_vector_rows[v->kind].shape) {
    case IR_VECTOR_LANES:
    case IR_VECTOR_FLANES:
        return emit_lanes(v, op);
    case IR_VECTOR_BITS:
    case IR_VECTOR_FBITS:
        return emit_bits(v);
    case IR_VECTOR_FOLD:
        return x86_vec_fold(v);
    case IR_VECTOR_WIDE:
    case IR_VECTOR_WIDER:
        return x86_vec_widen(v);
    case IR_VECTOR_NARROW:
        return x86_vec_narrow(v);
    case IR_VECTOR_PICK:
        return x86_vec_gather(v);
    case IR_VECTOR_FFOLD:
        return x86_vec_sum(v);
    case IR_VECTOR_GROUPS:
        return x86_vec_groups(v) || x86_vec_leaf(v);
    default:
        return false;
    }
}

void x86_emit_vector(struct tcg_engine *e, const struct ir_op *op)
{
    struct vec v = { .e = e, .c = &e->code, .kind = (enum ir_vector_kind)(op->aux & IR_VECTOR_KIND), .type = (enum ir_type)op->type,
                     .lane = ir_vector_lane((enum ir_type)op->type), .at = ir_vector_unpack((u64)op->imm), .scalar = op->aux & IR_VECTOR_SCALAR, .some = op->aux & IR_VECTOR_SOME, .masked = op->aux & IR_VECTOR_MASKED,
                     .vex = e->features.vex };
    ir_value a = x86_root(e, op->arg[0]);
    struct x86_operand o = x86_operand_of(e, a);
    u32 noted;
    u8 *before;

    if (v.scalar && ir_type_is_fp(op->type))
        x86_clean_value(e, a, &o, 0);
    x86_release(e, a);
    v.known = v.scalar && e->value[a].place == PLACE_CONST;
    v.imm = e->value[a].imm;
    v.width = v.vex && v.at.bytes % 32 == 0 ? 32 : 16;
    v.wide = v.width == 32 ? SSE_256 : 0;
    take_xmm(e);
    x86_flush_temps(e, X86_TEMPS);
    before = e->code.p;
    noted = e->places.count;
    if (v.scalar && !ir_vector_has_number(v.kind))
        load_scalar(&v, o);
    if (e->kept.on && x86_vec_kept_lanes(&v))
        return;
    if (emit_inline(&v, op)) {
        x86_kept_forget(e, v.at.d, v.at.bytes);
        return;
    }
    e->code.p = before; /* and what was noted of that code */
    e->places.count = noted;
    run_in_c(&v, op, o);
    x86_kept_forget_all(e);
}

/* --- vec_to --- */

static struct x86_mem bits_at(const struct tcg_engine *e, const struct ir_vector_place *p, unsigned at)
{
    return x86_base(e->layout->vectors + p->s2 + (s32)at / 8);
}

/* Up to 64 bits of a mask from bit `at` on, in a register; the others are 0. */
static void load_bits(struct tcg_engine *e, const struct ir_vector_place *p, unsigned at, enum host_reg r)
{
    unsigned left = p->bytes - at;
    struct x86_mem m = bits_at(e, p, at);

    if (left >= 64) {
        x86_mov_rm(&e->code, true, r, m);
        return;
    }
    x86_extend_rm(&e->code, left > 32 ? 3 : left > 16 ? 2 : left > 8 ? 1 : 0, false, left > 32, r, m);
    if (left < 32 && left != 16 && left != 8) {
        x86_alu_ri(&e->code, X86_AND, false, r, (s32)((1u << left) - 1));
    } else if (left > 32) {
        x86_shift_ri(&e->code, X86_SHL, true, r, 64 - left);
        x86_shift_ri(&e->code, X86_SHR, true, r, 64 - left);
    }
}

/* Each word's jump lands where as many 64s are added as words come before it. */
static void first_bit(struct tcg_engine *e, const struct ir_vector_place *p)
{
    struct x86_code *c = &e->code;
    u8 *found[IR_VECTOR_FILE / 64], *none;
    unsigned words = (p->bytes + 63u) / 64;

    for (unsigned i = 0; i < words; i++) {
        load_bits(e, p, 64 * i, RCX);
        x86_scan_rr(c, X86_BSF, true, RAX, RCX);
        found[i] = x86_jcc(c, CC_NE);
    }
    x86_mov_ri(c, RAX, UINT64_MAX);
    none = x86_jmp(c);
    while (words-- > 0) {
        x86_fix(found[words], c->p);
        if (words)
            x86_alu_ri(c, X86_ADD, true, RAX, 64);
    }
    x86_fix(none, c->p);
}

static void count_bits(struct tcg_engine *e, const struct ir_vector_place *p)
{
    for (unsigned at = 0; at < p->bytes; at += 64) {
        enum host_reg r = at ? RCX : RAX;

        load_bits(e, p, at, r);
        x86_scan_rr(&e->code, X86_POPCNT, true, r, r);
        if (at)
            x86_alu_rr(&e->code, X86_ADD, true, RAX, RCX);
    }
}

void x86_emit_vector_number(struct tcg_engine *e, const struct ir_op *op)
{
    struct ir_vector_place p = ir_vector_unpack((u64)op->imm);
    unsigned number = op->aux & IR_VECTOR_KIND;
    enum host_reg d;

    x86_flush_temps(e, X86_TEMPS);
    if (number == IR_VECTOR_LANE0)
        x86_extend_rm(&e->code, ir_vector_lane((enum ir_type)op->type), true, true, RAX, bits_at(e, &p, 0));
    else if (p.bytes && p.bytes <= 512 && number == IR_VECTOR_FIRST && p.s2 + 8 * ((p.bytes + 63) / 64) <= IR_VECTOR_FILE) {
        first_bit(e, &p);
        if (op->aux & IR_VECTOR_SOME)
            x86_vec_first_of_some(e);
    } else if (p.bytes && p.bytes <= 512 && e->features.popcnt && number == IR_VECTOR_COUNT && p.s2 + 8 * ((p.bytes + 63) / 64) <= IR_VECTOR_FILE)
        count_bits(e, &p);
    else
        call(e, &to_row, ir_vector_word(op));
    d = x86_result(e, 0, RAX);
    if (d != RAX)
        x86_mov_rr(&e->code, true, d, RAX);
    x86_define(e, d);
}

/* --- vld, vst --- */

/* at: in guest memory. */
static void move_bytes(struct tcg_engine *e, const struct ir_op *op, struct x86_mem place_of)
{
    struct vec v = { .e = e, .c = &e->code, .vex = e->features.vex };
    unsigned bytes = ir_vector_bytes(op->aux), at = ir_vector_at(op->aux);
    bool is_load = op->code == IR_VLD;

    if (bytes < 16) { /* through a general register: rcx is the address, so rax */
        unsigned size = (unsigned)__builtin_ctz(bytes);

        x86_extend_rm(&e->code, size, false, true, RAX, is_load ? place_of : file(&v, at));
        x86_mov_mr(&e->code, size, is_load ? file(&v, at) : place_of, RAX);
        return;
    }
    v.width = v.vex && bytes >= 32 ? 32 : 16;
    v.wide = v.width == 32 ? SSE_256 : 0;
    for (unsigned off = 0; off < bytes; off += v.width) {
        struct x86_mem memory = place_of, place = file(&v, at + off);
        unsigned r = X0 + off / v.width % 4;

        memory.disp += (s32)off;

        x86_sse_rm(v.c, v.vex, SSE_MOVDQU | v.wide, r, 0, is_load ? memory : place);
        x86_sse_rm(v.c, v.vex, SSE_MOVDQU_STORE | v.wide, r, 0, is_load ? place : memory);
    }
}

/* By the helper in any case. What a prepaid block has not retired is not the helper's. */
static void call_transfer(struct tcg_engine *e, const struct ir_op *op)
{
    s32 unretired = x86_unretired(e, e->block->snapshot[op->snapshot].icount, true);

    x86_budget_give(e, unretired);
    x86_emit_call(e, op);
    x86_budget_give(e, -unretired);
}

static void move_in_loop(struct tcg_engine *e, const struct ir_op *op)
{
    struct x86_operand a;

    take_xmm(e);
    x86_flush_temps(e, X86_TEMPS);
    a = x86_take(e, op->arg[0]);
    x86_release(e, x86_root(e, op->arg[1]));
    move_bytes(e, op, x86_loop_place(e, a, 0));
}

void x86_emit_vector_transfer(struct tcg_engine *e, const struct ir_op *op)
{
    struct x86_cold *cold;
    struct x86_operand a;

    if (x86_loop_has(e)) {
        move_in_loop(e, op);
        return;
    }
    if (op->aux & IR_VECTOR_UNDER && !x86_vec_has_under(e, op)) {
        call_transfer(e, op);
        return;
    }
    cold = x86_cold_add(e, COLD_TRANSFER);
    cold->table = op->code == IR_VST ? e->layout->l1_write : e->layout->l1_read;
    cold->where = e->block->snapshot[op->snapshot].pc;
    cold->unretired = x86_unretired(e, e->block->snapshot[op->snapshot].icount, true); /* as for other helpers */
    cold->nan32 = e->nan32;
    cold->nan64 = e->nan64;
    cold->extra = e->index;
    take_xmm(e);
    x86_flush_temps(e, X86_TEMPS);
    a = x86_take(e, op->arg[0]);
    cold->value = x86_take(e, op->arg[1]);
    cold->address = (u8)x86_address(e, a, 0);
    cold->check = e->code.p;
    cold->from = x86_check(e, cold->table, ir_vector_bytes(op->aux));
    if (op->aux & IR_VECTOR_UNDER)
        x86_vec_move_under(e, op);
    else if (op->aux & IR_VECTOR_PART)
        x86_vec_move_part(e, op);
    else
        move_bytes(e, op, x86_mem(RCX, 0));
    cold->back = e->code.p;
}

static void emit_transfer(struct tcg_engine *e, const struct x86_cold *cold)
{
    struct x86_code *c = &e->code;
    const struct ir_op *op = &e->block->op[cold->extra];

    x86_begin_slow(e, cold, 0);
    x86_clean_cold(e, cold->nan32, cold->nan64);
    x86_mov_mi(c, 2, x86_base(e->layout->scratch + 16), cold->where);
    x86_mov_rr(c, true, RAX, RCX);
    x86_load(e, true, RCX, cold->value);
    x86_budget_give(e, cold->unretired);
    x86_call_helper(e, op->helper);
    x86_budget_give(e, -cold->unretired);
    x86_fp_reload(e);
    x86_jmp_to(c, cold->back);
}

/* The length counts from the chunk on while C computes that. */
static void change_length(struct tcg_engine *e, s32 lanes)
{
    struct x86_mem m = x86_base(e->layout->vector_length);

    if (!lanes)
        return;
    x86_mov_rm(&e->code, true, RAX, m);
    x86_alu_ri(&e->code, X86_ADD, true, RAX, lanes);
    x86_mov_mr(&e->code, 3, m, RAX);
}

/* C computes a chunk; of xmm0-3 only the low halves come back. */
static void emit_exact(struct tcg_engine *e, const struct x86_cold *cold)
{
    struct vec v = { .e = e, .c = &e->code, .vex = e->features.vex, .lane = (unsigned)cold->low, .wide = (u32)cold->high };

    x86_fix(cold->from, e->code.p);
    if (cold->extra)
        x86_store64(e, x86_base(e->layout->scratch + 8), X1);
    change_length(e, -MAX(cold->where, 0));
    call(e, &run_row, (u64)cold->value.imm);
    change_length(e, MAX(cold->where, 0));
    if (cold->extra)
        x86_vec_broadcast(&v, X1, v.lane);
    if (cold->extra && cold->where >= 0)
        x86_vec_keep_scalar(&v);
    x86_jmp_to(&e->code, cold->back);
}

void x86_vector_cold(struct tcg_engine *e, const struct x86_cold *cold)
{
    if (cold->kind == COLD_TRANSFER)
        emit_transfer(e, cold);
    else
        emit_exact(e, cold);
}
