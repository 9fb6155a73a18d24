/* tcg/x86_64/emit_vector_fold.c - a vector op's integer lanes into one: chunk by chunk, then halves of halves. */
#include "tcg/x86_64/emit_vector.h"

/* The op of lanes that folds them, in any order; 0: there is no code. */
static u32 fold_op(const struct vec *v)
{
    static const u8 lanes[] = {[IR_VECTOR_REDSUM - IR_VECTOR_REDSUM] = IR_VECTOR_ADD, [IR_VECTOR_REDAND - IR_VECTOR_REDSUM] = IR_VECTOR_AND,
                               [IR_VECTOR_REDOR - IR_VECTOR_REDSUM] = IR_VECTOR_OR, [IR_VECTOR_REDXOR - IR_VECTOR_REDSUM] = IR_VECTOR_XOR,
                               [IR_VECTOR_REDMINU - IR_VECTOR_REDSUM] = IR_VECTOR_MINU, [IR_VECTOR_REDMIN - IR_VECTOR_REDSUM] = IR_VECTOR_MIN,
                               [IR_VECTOR_REDMAXU - IR_VECTOR_REDSUM] = IR_VECTOR_MAXU, [IR_VECTOR_REDMAX - IR_VECTOR_REDSUM] = IR_VECTOR_MAX};
    struct vec as = *v;
    bool commutes;

    as.kind = (enum ir_vector_kind)lanes[v->kind - IR_VECTOR_REDSUM];
    return x86_vec_simple(&as, &commutes);
}

/* X0 = X0 op X2, whose low bytes count. */
static void fold(const struct vec *v, u32 op)
{
    rr(v, op, X0, X0, X2);
}

/* All chunks into X0, one of 16 bytes. */
static void fold_chunks(struct vec *v, u32 op)
{
    v->off = 0;
    load(v, X0, v->at.s2);
    for (v->off = v->width; v->off < v->at.bytes; v->off += v->width) {
        load(v, X2, v->at.s2);
        fold(v, op);
    }
    if (v->wide) {
        v->wide = 0;
        x86_sse_rr(v->c, true, SSE_EXTRACT128 | SSE_256, X0, 0, X2);
        x86_imm8(v->c, 1);
        fold(v, op);
    }
}

/* Lanes of X0 into its lowest. */
static void fold_lanes(const struct vec *v, u32 op)
{
    for (unsigned half = 8; half >> v->lane; half /= 2) {
        if (half >= 4) {
            x86_sse_rr(v->c, v->vex, SSE_PSHUFD, X2, 0, X0);
            x86_imm8(v->c, half == 8 ? 0x4e : 0x55);
        } else {
            shift_imm(v, 2, 2, X2, X0, 8 * half);
        }
        fold(v, op);
    }
}

/* Lane 0 of a place into X2. */
static void load_lane(const struct vec *v, unsigned place)
{
    if (v->lane >= 2) {
        x86_sse_rm(v->c, v->vex, v->lane == 3 ? SSE_MOVQ_LOAD : SSE_MOVD, X2, 0, file(v, place));
        return;
    }
    x86_extend_rm(v->c, v->lane, false, false, RAX, file(v, place));
    x86_sse_rr(v->c, v->vex, SSE_MOVD, X2, 0, RAX);
}

static void store_lane(const struct vec *v)
{
    if (v->lane >= 2) {
        x86_sse_rm(v->c, v->vex, v->lane == 3 ? SSE_MOVQ_STORE : SSE_MOVD_STORE, X0, 0, file(v, v->at.d));
        return;
    }
    x86_sse_rr(v->c, v->vex, SSE_MOVD_STORE, X0, 0, RAX);
    x86_mov_mr(v->c, v->lane, file(v, v->at.d), RAX);
}

bool x86_vec_fold(struct vec *v)
{
    u32 op = fold_op(v);

    if (!op || v->at.bytes % 16)
        return false;
    fold_chunks(v, op);
    fold_lanes(v, op);
    load_lane(v, v->at.s1);
    fold(v, op);
    store_lane(v);
    return true;
}
