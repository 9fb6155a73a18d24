/*
 * tcg/x86_64/emit_vector_some.c - vector ops on as many lanes as the guest's length says, which is not known here, or on those of the guest's mask:
 * other lanes of a chunk are kept by a mask in k1 (AVX-512), or by one in a register that is made of its bits (AVX2, SSE2); bits by BZHI or shifts.
 */
#include "tcg/x86_64/emit_vector.h"

static struct x86_mem length(const struct tcg_engine *e)
{
    return x86_base(e->layout->vector_length);
}

/* r: of the length's units of 1 << shift, how many of `most` lie behind the first `at`. None, but at the begin: to done. */
static void count_left(struct vec *v, enum host_reg r, unsigned shift, unsigned at, unsigned most)
{
    u8 *enough;

    x86_mov_rm(v->c, false, r, length(v->e));
    if (shift)
        x86_shift_ri(v->c, X86_SHL, false, r, shift);
    if (at) {
        x86_alu_ri(v->c, X86_SUB, false, r, (s32)at);
        v->done[v->done_count++] = x86_jcc(v->c, CC_BE);
    }
    x86_alu_ri(v->c, X86_CMP, false, r, (s32)most);
    enough = x86_jcc8(v->c, CC_B);
    x86_mov_ri(v->c, r, most);
    x86_fix8(v->c, enough);
}

static unsigned in_chunk(const struct vec *v, unsigned bytes)
{
    return MIN(v->width, bytes - v->off);
}

void x86_vec_done(struct vec *v)
{
    while (v->done_count)
        x86_fix(v->done[--v->done_count], v->c->p);
}

/* A chunk's bytes lie in the file, also where it is longer than the place. */
static bool has_room(const struct vec *v, unsigned at)
{
    return at + ((v->at.bytes + v->width - 1) & ~(v->width - 1)) <= IR_VECTOR_FILE;
}

static void with_constant(const struct vec *v, u32 op, unsigned r, size_t constant)
{
    x86_sse_rc(v->c, v->vex, op | v->wide, r, r, v->e->buffer->write + v->e->stubs.constants + constant);
    x86_note(v->e);
}

/* Bits of a general register to all lanes, as far as their own ones are among them: SSE2. */
static void spread_narrow(const struct vec *v, unsigned d, enum host_reg bits)
{
    x86_sse_rr(v->c, false, SSE_MOVD, d, 0, bits);
    if (v->lane == 3) {
        x86_sse_rr(v->c, false, SSE_PUNPCKLQDQ, d, 0, d);
        return;
    }
    if (v->lane == 0)
        x86_sse_rr(v->c, false, SSE_PUNPCKLBW, d, 0, d);
    if (v->lane <= 1) {
        x86_sse_rr(v->c, false, SSE_PSHUFLW, d, 0, d);
        x86_imm8(v->c, v->lane ? 0 : 0x50); /* of bytes: four times the first, the second */
    }
    x86_sse_rr(v->c, false, SSE_PSHUFD, d, 0, d);
    x86_imm8(v->c, v->lane ? 0 : 0x50);
}

/* Lanes of d become all ones where their bits in a general register are 1, else zeros. */
static void spread_bits(const struct vec *v, unsigned d, enum host_reg bits)
{
    static const struct {
        u32 broadcast, equal;
        size_t lane_bits;
    } rows[] = {
        { SSE_PBROADCASTD, SSE_PCMPEQB, offsetof(struct x86_constants, lane_bit8) }, { SSE_PBROADCASTW, SSE_PCMPEQW, offsetof(struct x86_constants, lane_bit16) },
        { SSE_PBROADCASTD, SSE_PCMPEQD, offsetof(struct x86_constants, lane_bit32) }, { SSE_PBROADCASTQ, SSE_PCMPEQQ, offsetof(struct x86_constants, lane_bit64) },
    };

    if (v->vex) {
        x86_sse_rr(v->c, true, SSE_MOVD, d, 0, bits);
        x86_sse_rr(v->c, true, rows[v->lane].broadcast | v->wide, d, 0, d);
        if (v->lane == 0)
            with_constant(v, SSE_PSHUFB, d, offsetof(struct x86_constants, spread));
    } else {
        spread_narrow(v, d, bits);
    }
    with_constant(v, SSE_PAND, d, rows[v->lane].lane_bits);
    if (v->lane < 3 || v->vex) {
        with_constant(v, rows[v->lane].equal, d, rows[v->lane].lane_bits);
        return;
    }
    with_constant(v, SSE_PCMPEQD, d, rows[v->lane].lane_bits);
    x86_sse_rr(v->c, false, SSE_PSHUFD, d, 0, d); /* the lower halves tell */
    x86_imm8(v->c, 0xa0);
}

/* Lanes of d become all ones below the count in a general register, at most those of the chunk, else zeros. */
static void spread_count(const struct vec *v, unsigned d, enum host_reg count)
{
    static const struct {
        u32 greater;
        size_t numbers;
    } rows[] = {
        { SSE_PCMPGTB, offsetof(struct x86_constants, number8) }, { SSE_PCMPGTW, offsetof(struct x86_constants, number16) },
        { SSE_PCMPGTD, offsetof(struct x86_constants, number32) }, { SSE_PCMPGTD, offsetof(struct x86_constants, number64) },
    };

    x86_sse_rr(v->c, v->vex, SSE_MOVD, d, 0, count);
    x86_vec_broadcast(v, d, MIN(v->lane, 2)); /* of lanes of 8 bytes each half is compared */
    with_constant(v, rows[v->lane].greater, d, rows[v->lane].numbers);
}

/* What take_lanes has said. */
static void spread_taken(const struct vec *v, unsigned d, enum host_reg taken)
{
    if (v->counted)
        spread_count(v, d, taken);
    else
        spread_bits(v, d, taken);
}

/* d becomes `result` where the lanes that are taken are. */
static void blend(const struct vec *v, unsigned d, unsigned result, unsigned temp, enum host_reg taken)
{
    if (v->e->features.masks) {
        x86_move_k1_rr(v->c, v->wide, v->lane, d, result);
        return;
    }
    spread_taken(v, temp, taken);
    if (!v->vex) { /* what differs and is not taken changes back */
        rr(v, SSE_PXOR, d, d, result);
        rr(v, SSE_PANDN, temp, temp, d);
        rr(v, SSE_PXOR, temp, temp, result);
        move(v, d, temp);
        return;
    }
    x86_sse_rr(v->c, true, SSE_PBLENDVB | v->wide, d, d, result);
    x86_imm8(v->c, (u8)((temp & 15) << 4));
}

static void keep_rest(const struct vec *v, unsigned result)
{
    unsigned old = result == X3 ? X0 : X3, temp = result == X2 ? X0 : X2;

    load(v, old, v->at.d);
    blend(v, old, result, temp, RCX);
    x86_sse_rm(v->c, v->vex, SSE_MOVDQU_STORE | v->wide, old, 0, file(v, v->at.d + v->off));
}

/* Of rax as many low bits stay as rcx says, 0 to 32. */
static void keep_low(const struct vec *v)
{
    if (v->e->features.bmi) {
        x86_sse_rr(v->c, true, SSE_BZHI, RAX, RCX, RAX);
        return;
    }
    x86_alu_ri(v->c, X86_XOR, false, RCX, 63); /* 63 less that */
    x86_shift_cl(v->c, X86_SHL, true, RAX);
    x86_shift_ri(v->c, X86_SHL, true, RAX, 1);
    x86_shift_ri(v->c, X86_SHR, true, RAX, 1);
    x86_shift_cl(v->c, X86_SHR, true, RAX);
}

/* Of rcx as many as rax says. */
static void keep_first(const struct vec *v)
{
    if (v->e->features.bmi) {
        x86_sse_rr(v->c, true, SSE_BZHI, RCX, RAX, RCX);
        return;
    }
    x86_xchg_rr(v->c, RAX, RCX);
    keep_low(v);
    x86_mov_rr(v->c, false, RCX, RAX);
}

/* k1, or rcx, bits or a count: the lanes of the chunk that are computed. */
static void take_lanes(struct vec *v)
{
    unsigned first = v->off >> v->lane, count = in_chunk(v, v->at.bytes) >> v->lane;

    v->counted = v->some && !v->masked && !v->e->features.masks;
    if (v->some)
        count_left(v, v->counted ? RCX : RAX, 0, first, count);
    if (v->counted)
        return;
    if (v->masked)
        x86_mov_rm(v->c, false, RCX, file(v, first / 8));
    else
        x86_mov_ri(v->c, RCX, UINT32_MAX);
    if (v->masked && first % 8)
        x86_shift_ri(v->c, X86_SHR, false, RCX, first % 8);
    if (v->some)
        keep_first(v);
    else if (v->at.bytes < v->width)
        x86_alu_ri(v->c, X86_AND, false, RCX, (s32)((1u << count) - 1));
    if (v->e->features.masks)
        x86_sse_rr(v->c, true, SSE_KMOVD, 1, 0, RCX);
}

bool x86_vec_some_lanes(struct vec *v)
{
    if ((v->at.bytes > 16 && v->at.bytes % 16) || !has_room(v, v->at.d) || !has_room(v, v->at.s2) ||
        (!v->scalar && !has_room(v, v->at.s1)))
        return false;
    for (v->off = 0; v->off < v->at.bytes; v->off += v->width) {
        unsigned result = X1;

        take_lanes(v);
        if (v->kind != IR_VECTOR_MV)
            load(v, X0, v->at.s2);
        if (v->kind != IR_VECTOR_MV || !v->scalar)
            result = x86_vec_integer(v);
        if (!result)
            return false; /* at the first chunk */
        keep_rest(v, result);
    }
    x86_vec_done(v);
    return true;
}

/* --- floating point: lanes that are not computed are zeros, which raise nothing --- */

static struct x86_mem scalar_aside(const struct vec *v)
{
    return x86_base(v->e->layout->scratch);
}

void x86_vec_keep_scalar(const struct vec *v)
{
    x86_sse_rm(v->c, v->vex, SSE_MOVDQU_STORE | v->wide, X1, 0, scalar_aside(v));
}

static void load_zeroed(const struct vec *v, unsigned d, struct x86_mem from)
{
    x86_sse_rm(v->c, v->vex, SSE_MOVDQU | v->wide, d, 0, from);
    rr(v, SSE_PAND, d, d, X3);
}

/* X0, X1, X2: the chunk's operands; X2 is the destination before, of multiply-adds. */
static void load_operands(const struct vec *v, bool is_scalar)
{
    spread_taken(v, X3, RCX);
    load_zeroed(v, X0, file(v, v->at.s2 + v->off));
    load_zeroed(v, X1, is_scalar ? scalar_aside(v) : file(v, v->at.s1 + v->off));
    if (v->kind >= IR_VECTOR_FMACC && v->kind <= IR_VECTOR_FNMSUB)
        load_zeroed(v, X2, file(v, v->at.d + v->off));
}

bool x86_vec_some_floats(struct vec *v, const struct ir_op *op)
{
    bool is_scalar = v->scalar;

    if (v->at.bytes % 16 || v->kind == IR_VECTOR_FDIV || v->kind == IR_VECTOR_FRDIV) /* zeros by zeros do raise something */
        return false;
    if (is_scalar)
        x86_vec_keep_scalar(v);
    for (v->off = 0; v->off < v->at.bytes; v->off += v->width) {
        struct x86_cold *cold = NULL;
        unsigned result;

        take_lanes(v);
        load_operands(v, is_scalar);
        v->scalar = true; /* the second operand is in X1 */
        result = x86_vec_floating(v);
        v->scalar = is_scalar;
        if (!result)
            return false; /* at the first chunk */
        if (v->kind >= IR_VECTOR_FMACC && v->kind <= IR_VECTOR_FNMSUB)
            cold = x86_vec_check_exact(v, result, op);
        keep_rest(v, result);
        if (cold)
            cold->back = v->c->p;
    }
    x86_vec_done(v);
    return true;
}

void x86_vec_put_some(struct vec *v, unsigned at, unsigned count)
{
    struct x86_mem m = file(v, v->at.d + at / 8);
    u32 prefix = count == 16 ? X86_66 : 0, is_wide = count > 8;

    x86_rm(v->c, is_wide ? 0x33 | prefix : 0x32 | X86_BYTE_REG, false, RAX, m); /* xor: what is going to change */
    count_left(v, RCX, 0, at, count);
    keep_low(v);
    x86_rm(v->c, is_wide ? 0x31 | prefix : 0x30 | X86_BYTE_REG, false, RAX, m);
}

void x86_vec_first_of_some(struct tcg_engine *e)
{
    struct x86_code *c = &e->code;
    u8 *inside;

    x86_mov_rm(c, false, RCX, length(e));
    x86_alu_rr(c, X86_CMP, true, RAX, RCX);
    inside = x86_jcc8(c, CC_B);
    x86_mov_ri(c, RAX, UINT64_MAX);
    x86_fix8(c, inside);
}

/* --- a short vld of a part without masks: moves of 8, 4, 2 bytes from the begin and, overlapping, up to the end; a vst --- */

struct part {
    struct tcg_engine *e;
    bool is_load;
    s32 place; /* from the base */
    x86_fixup done[IR_VECTOR_FILE / 16];
    u32 done_count;
};

/* rcx: the address; rax: bytes. */
static struct x86_mem operand(const struct part *p, bool in_file, bool from_end, s32 off)
{
    struct x86_mem m = in_file ? x86_base(p->place + off) : x86_mem(RCX, off);

    return from_end ? x86_mem_index(m.base, RAX, 0, m.disp) : m;
}

static void move_one(const struct part *p, unsigned width, bool from_end, s32 off)
{
    struct x86_mem from = operand(p, !p->is_load, from_end, off), to = operand(p, p->is_load, from_end, off);
    struct x86_code *c = &p->e->code;
    bool vex = p->e->features.vex;

    if (width >= 4) {
        x86_sse_rm(c, vex, width == 16 ? SSE_MOVDQU : width == 8 ? SSE_MOVQ_LOAD : SSE_MOVD, X0, 0, from);
        x86_sse_rm(c, vex, width == 16 ? SSE_MOVDQU_STORE : width == 8 ? SSE_MOVQ_STORE : SSE_MOVD_STORE, X0, 0, to);
        return;
    }
    x86_extend_rm(c, width - 1, false, false, RDX, from);
    x86_mov_mr(c, width - 1, to, RDX);
}

static void leave_part(struct part *p)
{
    p->done[p->done_count++] = x86_jmp(&p->e->code);
}

/* Of less than four bytes by way of rdx, which others need. */
static void move_small(const struct part *p, unsigned width, bool from_end, s32 off)
{
    struct x86_mem aside = x86_base(p->e->layout->scratch);

    if (width < 4)
        x86_mov_mr(&p->e->code, 3, aside, RDX);
    move_one(p, width, from_end, off);
    if (width < 4)
        x86_mov_rm(&p->e->code, true, RDX, aside);
}

/* `width` to 2 * `width` - 1 bytes. */
static void load_short(struct part *p, unsigned width)
{
    struct x86_code *c = &p->e->code;
    x86_fixup less;

    x86_alu_ri(c, X86_CMP, false, RAX, (s32)width);
    less = x86_jcc(c, CC_B);
    move_small(p, width, false, 0);
    if (width > 1)
        move_small(p, width, true, -(s32)width);
    leave_part(p);
    x86_fix(less, c->p);
}

/* Fewer than 16 bytes. */
static void load_part(struct part *p, unsigned bytes, unsigned least)
{
    for (unsigned width = 8; width >= least; width /= 2)
        if (width <= bytes)
            load_short(p, width);
}

/*
 * Guest memory gets each element once: a second store of the same value would undo what another hart or a device made of the first. So first what
 * is over whole 16s, from the end, smallest first; elements are not split so.
 */
static void store_part(struct part *p, unsigned bytes, unsigned least)
{
    struct x86_code *c = &p->e->code;

    for (unsigned width = least; width <= MIN(bytes, 8); width *= 2) {
        u8 *none;

        x86_test8_ri(c, RAX, (u8)width);
        none = x86_jcc8(c, CC_E);
        move_small(p, width, true, -(s32)width);
        x86_alu_ri(c, X86_SUB, false, RAX, (s32)width);
        x86_fix8(c, none);
    }
    for (unsigned off = 0; off + 16 <= bytes; off += 16) {
        x86_alu_ri(c, X86_CMP, false, RAX, (s32)off + 16);
        p->done[p->done_count++] = x86_jcc(c, CC_B);
        move_one(p, 16, false, (s32)off);
    }
}

static void copy_part(struct tcg_engine *e, const struct ir_op *op)
{
    struct vec v = { .e = e, .c = &e->code };
    unsigned bytes = ir_vector_bytes(op->aux), least = MIN(bytes, 1u << ir_vector_element(op->aux));
    struct part p = { .e = e, .is_load = op->code == IR_VLD, .place = e->layout->vectors + (s32)ir_vector_at(op->aux) };

    count_left(&v, RAX, ir_vector_element(op->aux), 0, bytes);
    (p.is_load ? load_part : store_part)(&p, bytes, least);
    while (p.done_count)
        x86_fix(p.done[--p.done_count], e->code.p);
}

/* Memory may be read behind the last element, where that was checked, and loads make whole chunks of the file, which later loads like better. */
static bool moves_chunks(const struct tcg_engine *e, const struct ir_op *op)
{
    return e->features.masks || (op->code == IR_VLD && ir_vector_bytes(op->aux) >= 16);
}

/* Guest bytes behind the last element are not written. */
void x86_vec_move_part(struct tcg_engine *e, const struct ir_op *op)
{
    unsigned bytes = ir_vector_bytes(op->aux), place = ir_vector_at(op->aux), width = bytes >= 32 && e->features.vex ? 32 : 16;
    struct vec v = { .e = e, .c = &e->code, .vex = e->features.vex, .width = width, .wide = width == 32 ? SSE_256 : 0, .counted = !e->features.masks };
    const u8 *ones = e->buffer->write + e->stubs.constants + offsetof(struct x86_constants, box) + 4;

    if (!moves_chunks(e, op)) {
        copy_part(e, op);
        return;
    }
    for (v.off = 0; v.off < bytes; v.off += width) {
        struct x86_mem memory = x86_mem(RCX, (s32)v.off);

        count_left(&v, RAX, ir_vector_element(op->aux), v.off, in_chunk(&v, bytes));
        load(&v, X0, place);
        if (e->features.masks) {
            x86_sse_rc(v.c, true, SSE_BZHI, RAX, RAX, ones);
            x86_note(e);
            x86_sse_rr(v.c, true, SSE_KMOVD, 1, 0, RAX);
            x86_move_k1_rm(v.c, v.wide, 0, op->code == IR_VST, X0, memory);
        } else {
            x86_sse_rm(v.c, v.vex, SSE_MOVDQU | v.wide, X1, 0, memory);
            blend(&v, X0, X1, X2, RAX);
        }
        if (op->code == IR_VLD)
            x86_sse_rm(v.c, v.vex, SSE_MOVDQU_STORE | v.wide, X0, 0, file(&v, place + v.off));
    }
    x86_vec_done(&v);
}

/* --- vld and vst under the guest's mask: with AVX-512, and loads with AVX2, as far as others read whole chunks, too --- */

bool x86_vec_has_under(const struct tcg_engine *e, const struct ir_op *op)
{
    return e->features.masks || (e->features.vex && op->code == IR_VLD && ir_vector_bytes(op->aux) >= 16);
}

/* rax: the bits of the chunk's elements that are moved. No others are 1, where the chunk is longer than the place. */
static void take_elements(struct vec *v, unsigned bytes, bool part)
{
    unsigned first = v->off >> v->lane, base = first & ~7u, count = in_chunk(v, bytes) >> v->lane;

    if (part) {
        count_left(v, RAX, 0, base, first - base + count);
        x86_sse_rm(v->c, true, SSE_BZHI, RAX, RAX, file(v, base / 8));
    } else {
        x86_mov_rm(v->c, false, RAX, file(v, base / 8));
    }
    if (first > base)
        x86_shift_ri(v->c, X86_SHR, false, RAX, first - base);
    if (!part && bytes < v->width)
        x86_alu_ri(v->c, X86_AND, false, RAX, (s32)((1u << count) - 1));
}

/* The address is in rcx. */
static void move_under(const struct vec *v, bool is_load, unsigned place)
{
    struct x86_mem memory = x86_mem(RCX, (s32)v->off);

    load(v, X0, place);
    if (v->e->features.masks) {
        x86_sse_rr(v->c, true, SSE_KMOVD, 1, 0, RAX);
        x86_move_k1_rm(v->c, v->wide, v->lane, !is_load, X0, memory);
    } else {
        x86_sse_rm(v->c, true, SSE_MOVDQU | v->wide, X1, 0, memory);
        blend(v, X0, X1, X2, RAX);
    }
    if (is_load)
        x86_sse_rm(v->c, true, SSE_MOVDQU_STORE | v->wide, X0, 0, file(v, place + v->off));
}

void x86_vec_move_under(struct tcg_engine *e, const struct ir_op *op)
{
    unsigned bytes = ir_vector_bytes(op->aux), width = bytes >= 32 ? 32 : 16;
    struct vec v = { .e = e, .c = &e->code, .vex = true, .width = width, .wide = width == 32 ? SSE_256 : 0, .lane = ir_vector_element(op->aux) };

    for (v.off = 0; v.off < bytes; v.off += width) {
        take_elements(&v, bytes, op->aux & IR_VECTOR_PART);
        move_under(&v, op->code == IR_VLD, ir_vector_at(op->aux));
    }
    x86_vec_done(&v);
}
