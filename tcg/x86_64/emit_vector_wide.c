/*
 * tcg/x86_64/emit_vector_wide.c - vector ops whose lanes are not those of their sources: of two widths, where halves are extended as they are loaded
 * (SSE 4), and packed before they are stored; from anywhere.
 */
#include "tcg/x86_64/emit_vector.h"

struct wide_row {
    u8 kind;            /* enum ir_vector_kind */
    u8 op;              /* enum ir_vector_kind of lanes as wide as d; IR_VECTOR_MV: s2 alone */
    bool x_sign, y_sign; /* extended by its sign */
    bool adds;          /* to d */
};

static const struct wide_row rows[] = {
    { IR_VECTOR_ZEXT2, IR_VECTOR_MV, false, false, false },  { IR_VECTOR_SEXT2, IR_VECTOR_MV, true, false, false },
    { IR_VECTOR_WADDU, IR_VECTOR_ADD, false, false, false }, { IR_VECTOR_WADD, IR_VECTOR_ADD, true, true, false },
    { IR_VECTOR_WSUBU, IR_VECTOR_SUB, false, false, false }, { IR_VECTOR_WSUB, IR_VECTOR_SUB, true, true, false },
    { IR_VECTOR_WMULU, IR_VECTOR_MUL, false, false, false }, { IR_VECTOR_WMUL, IR_VECTOR_MUL, true, true, false },
    { IR_VECTOR_WMULSU, IR_VECTOR_MUL, true, false, false }, { IR_VECTOR_WMACCU, IR_VECTOR_MUL, false, false, true },
    { IR_VECTOR_WMACC, IR_VECTOR_MUL, true, true, true },    { IR_VECTOR_WMACCSU, IR_VECTOR_MUL, false, true, true },
    { IR_VECTOR_WMACCUS, IR_VECTOR_MUL, true, false, true }, { IR_VECTOR_WADDU_W, IR_VECTOR_ADD, false, false, false },
    { IR_VECTOR_WADD_W, IR_VECTOR_ADD, false, true, false }, { IR_VECTOR_WSUBU_W, IR_VECTOR_SUB, false, false, false },
    { IR_VECTOR_WSUB_W, IR_VECTOR_SUB, false, true, false },
};

static const struct wide_row *row_of(const struct vec *v)
{
    for (u32 i = 0; i < ARRAY_SIZE(rows); i++)
        if (rows[i].kind == v->kind)
            return &rows[i];
    return NULL;
}

static u32 extend_op(const struct vec *v, bool by_sign)
{
    static const u32 ops[2][3] = { { SSE_PMOVZXBW, SSE_PMOVZXWD, SSE_PMOVZXDQ }, { SSE_PMOVSXBW, SSE_PMOVSXWD, SSE_PMOVSXDQ } };

    return ops[by_sign][v->lane - 1] | v->wide;
}

/* The chunk's halves of a place, extended. */
static void load_half(const struct vec *v, unsigned d, unsigned place, bool by_sign)
{
    x86_sse_rm(v->c, v->vex, extend_op(v, by_sign), d, 0, file(v, place + v->off / 2));
}

/* The op on lanes of d's width; 0: none. Products of 64 bits are made of the lower halves. */
static u32 op_of(const struct vec *v, const struct wide_row *row)
{
    struct vec as = *v;
    bool commutes;

    if (row->op == IR_VECTOR_MUL && v->lane == 3)
        return row->x_sign != row->y_sign ? 0 : row->x_sign ? SSE_PMULDQ : SSE_PMULUDQ;
    as.kind = (enum ir_vector_kind)row->op;
    return x86_vec_simple(&as, &commutes);
}

static void emit_chunk(const struct vec *v, const struct wide_row *row, u32 op)
{
    if (ir_vector_rows[v->kind].shape == IR_VECTOR_WIDER)
        load(v, X0, v->at.s2);
    else
        load_half(v, X0, v->at.s2, row->x_sign);
    if (row->op != IR_VECTOR_MV) {
        if (!v->scalar)
            load_half(v, X1, v->at.s1, row->y_sign);
        rr(v, op, X0, X0, X1);
    }
    if (row->adds) {
        static const u32 adds[] = { 0, SSE_PADDW, SSE_PADDD, SSE_PADDQ };

        load(v, X2, v->at.d);
        rr(v, adds[v->lane], X0, X0, X2);
    }
    x86_sse_rm(v->c, v->vex, SSE_MOVDQU_STORE | v->wide, X0, 0, file(v, v->at.d + v->off));
}

bool x86_vec_widen(struct vec *v)
{
    const struct wide_row *row = row_of(v);
    u32 op = row->op == IR_VECTOR_MV ? 0 : op_of(v, row);

    if (!v->e->features.sse41 || v->at.bytes % 16 || (row->op != IR_VECTOR_MV && !op))
        return false;
    if (v->scalar)
        x86_sse_rr(v->c, v->vex, extend_op(v, row->y_sign), X1, 0, X1);
    for (v->off = 0; v->off < v->at.bytes; v->off += v->width)
        emit_chunk(v, row, op);
    return true;
}

/* --- narrow: by constants --- */

/* 16 bytes of wide lanes from `from` on into x, shifted right, so that packing keeps what counts. False: there is no code. */
static bool load_shifted(const struct vec *v, unsigned x, unsigned from, unsigned count)
{
    unsigned bits = 8u << v->lane, wide = v->lane + 1, digit = v->kind == IR_VECTOR_NSRA && count > bits ? 4 : 2;

    if (digit == 4 && wide == 3)
        return false;
    x86_sse_rm(v->c, v->vex, SSE_MOVDQU, x, 0, file(v, from));
    if (wide == 3 || count > bits) {
        shift_imm(v, digit, wide, x, x, count);
        count = 0;
    }
    if (wide < 3) { /* what is above goes, but for copies of the sign */
        shift_imm(v, 6, wide, x, x, bits - count);
        shift_imm(v, v->lane == 1 ? 4 : 2, wide, x, x, bits);
    }
    return true;
}

bool x86_vec_narrow(struct vec *v)
{
    static const u32 packs[] = { SSE_PACKUSWB, SSE_PACKSSDW, SSE_SHUFPS };
    unsigned count = (unsigned)v->imm & ((16u << v->lane) - 1);

    if (!v->scalar || !v->known || v->at.bytes % 16)
        return false;
    v->width = 16;
    v->wide = 0;
    for (v->off = 0; v->off < v->at.bytes; v->off += 16) {
        if (!load_shifted(v, X0, v->at.s2 + 2 * v->off, count) || !load_shifted(v, X2, v->at.s2 + 2 * v->off + 16, count))
            return false; /* at the first chunk */
        rr(v, packs[v->lane], X0, X0, X2);
        if (v->lane == 2)
            x86_imm8(v->c, 0x88);
        x86_sse_rm(v->c, v->vex, SSE_MOVDQU_STORE, X0, 0, file(v, v->at.d + v->off));
    }
    return true;
}

/* --- gather: bytes by shuffles, each of 16 bytes of the source --- */

enum { GATHER_MOST = 64 }; /* bytes: each 16 of them are looked for in all */

static void with_bytes(const struct vec *v, u32 op, unsigned d, size_t constant)
{
    x86_sse_rc(v->c, v->vex, op, d, d, v->e->buffer->write + v->e->stubs.constants + constant);
    x86_note(v->e);
}

/* X3: bytes by the indices in X0, of the source; what is not among a shuffle's 16 has the highest bit, which makes zeros. */
static void gather_chunk(const struct vec *v)
{
    for (unsigned from = 0; from < v->at.bytes; from += 16) {
        if (from)
            with_bytes(v, SSE_PSUBB, X0, offsetof(struct x86_constants, sixteens));
        move(v, X1, X0);
        with_bytes(v, SSE_PADDUSB, X1, offsetof(struct x86_constants, to_128));
        x86_sse_rm(v->c, v->vex, SSE_MOVDQU, X2, 0, file(v, v->at.s2 + from));
        rr(v, SSE_PSHUFB, X2, X2, X1);
        if (from)
            rr(v, SSE_POR, X3, X3, X2);
        else
            move(v, X3, X2);
    }
}

bool x86_vec_gather(struct vec *v)
{
    if (v->lane != 0 || v->scalar || !v->e->features.sse41 || v->at.bytes % 16 || v->at.bytes > GATHER_MOST)
        return false;
    v->width = 16;
    v->wide = 0;
    for (v->off = 0; v->off < v->at.bytes; v->off += 16) {
        load(v, X0, v->at.s1);
        gather_chunk(v);
        x86_sse_rm(v->c, v->vex, SSE_MOVDQU_STORE, X3, 0, file(v, v->at.d + v->off));
    }
    return true;
}
