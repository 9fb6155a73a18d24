/* tcg/x86_64/emit_vector.h - a vector op being emitted, and the pieces its code is made of. docs/decisions/vectors.md */
#ifndef TCG_X86_64_EMIT_VECTOR_H
#define TCG_X86_64_EMIT_VECTOR_H

#include "tcg/vector.h"
#include "tcg/x86_64/value.h"

enum { X0 = X86_XMM0, X1, X2, X3 };

/* One op being emitted. */
struct vec {
    struct tcg_engine *e;
    struct x86_code *c;
    enum ir_vector_kind kind;
    enum ir_type type;
    unsigned lane;  /* log2 of its bytes */
    struct ir_vector_place at;
    bool scalar, vex, known; /* known: the scalar is imm */
    s64 imm;
    unsigned width; /* bytes at a time */
    u32 wide;       /* SSE_256 or 0 */
    unsigned off;   /* of the chunk */
    bool some, masked; /* IR_VECTOR_SOME, IR_VECTOR_MASKED */
    u8 in_y, in_d; /* registers that hold the chunk of the second source, and of the destination before; 0: they are in the file */
    bool counted; /* what lanes are taken is a number of the first ones, not bits */
    x86_fixup done[IR_VECTOR_FILE / 16]; /* jumps to the end, where no lanes are left */
    u32 done_count;
};

/* --- emit_vector_lanes.c: code for the chunk at `off`, whose second operand is in X0 and whose scalar is in X1 --- */

/* The result's register; 0: there is no code. */
unsigned x86_vec_integer(const struct vec *v);
unsigned x86_vec_floating(const struct vec *v);
/* All of a sum of floating-point lanes. False: there is no code. */
bool x86_vec_sum(struct vec *v);
/* Lanes of X0 become all ones or zeros; *inverted: the other way. False: there is no code. */
bool x86_vec_compare(const struct vec *v, bool *inverted);

/* --- emit_vector_fold.c: all of an op on integers that makes one lane. False: there is no code. --- */

bool x86_vec_fold(struct vec *v);

/* --- emit_vector_wide.c: all of an op on lanes of two widths. The scalar is in X1, in all lanes of half d's width. False: there is no code. --- */

bool x86_vec_widen(struct vec *v);
bool x86_vec_narrow(struct vec *v);
bool x86_vec_gather(struct vec *v); /* of lanes of one width */

/* --- emit_vector_groups.c: all of an op on groups of lanes. False: there is no code. --- */

bool x86_vec_groups(struct vec *v);
/* By a leaf (leaf.h): rax is clobbered. False: there is none. */
bool x86_vec_leaf(const struct vec *v);
const struct ir_helper *x86_vec_leaf_helper(u32 i); /* NULL behind the last */

/* --- emit_vector_some.c: as many lanes as the length says, or the mask; rax and rcx are clobbered --- */

/* An op on integers, of some or masked. False: there is no code. */
bool x86_vec_some_lanes(struct vec *v);
/* An op on floating point, of some. False: there is no code. */
bool x86_vec_some_floats(struct vec *v, const struct ir_op *op);
/* X1, the scalar in all lanes, is kept for the chunks to come. */
void x86_vec_keep_scalar(const struct vec *v);
/* A NaN in `sum`: C does this chunk, and goes on at `back`, for the caller to fill in. emit_vector.c */
struct x86_cold *x86_vec_check_exact(const struct vec *v, unsigned sum, const struct ir_op *op);
/* Collected bits in rax, as put_bits; x86_vec_done must follow the last. */
void x86_vec_put_some(struct vec *v, unsigned at, unsigned count);
void x86_vec_done(struct vec *v);
/* rax: a bit's number, or -1 when it is none of the length's. */
void x86_vec_first_of_some(struct tcg_engine *e);
/* The lowest lane of d, of 1 << lane bytes, in all lanes. emit_vector.c */
void x86_vec_broadcast(const struct vec *v, unsigned d, unsigned lane);
/* vld and vst of IR_VECTOR_PART, at the host address in rcx. */
void x86_vec_move_part(struct tcg_engine *e, const struct ir_op *op);
/* The same of IR_VECTOR_UNDER, where x86_vec_has_under says that there is code. */
void x86_vec_move_under(struct tcg_engine *e, const struct ir_op *op);
bool x86_vec_has_under(const struct tcg_engine *e, const struct ir_op *op);

/* --- emit_vector_kept.c: lanes in registers from one op to the next --- */

/* At the block's entry: whether lanes are to be kept in it. */
void x86_kept_begin(struct tcg_engine *e);
void x86_kept_forget_all(struct tcg_engine *e);
/* Bytes of the file that have changed. */
void x86_kept_forget(struct tcg_engine *e, unsigned at, unsigned bytes);
/* An op on all integer lanes of its place, as far as it has code for that; scalars are in X1. False: nothing was emitted. */
bool x86_vec_kept_lanes(struct vec *v);
/* The opcode of lanes that are x op y, and whether that is y op x; 0: none. emit_vector_lanes.c */
u32 x86_vec_simple(const struct vec *v, bool *commutes);
/* d = a, shifted or rotated by an immediate; d may be a, and is no temporary. False: nothing was emitted. emit_vector_lanes.c */
bool x86_vec_shift_known(const struct vec *v, unsigned d, unsigned a);

/* --- pieces --- */

static inline struct x86_mem file(const struct vec *v, unsigned at)
{
    return x86_base(v->e->layout->vectors + (s32)at);
}

/* d = a op b; without VEX b may not be d unless a is. */
static inline void rr(const struct vec *v, u32 op, unsigned d, unsigned a, unsigned b)
{
    if (!v->vex && d != a)
        x86_sse_rr(v->c, false, SSE_MOVDQA, d, 0, a);
    x86_sse_rr(v->c, v->vex, op | v->wide, d, a, b);
}

static inline void move(const struct vec *v, unsigned d, unsigned s)
{
    x86_sse_rr(v->c, v->vex, SSE_MOVDQA | v->wide, d, 0, s);
}

static inline void load(const struct vec *v, unsigned d, unsigned place)
{
    x86_sse_rm(v->c, v->vex, SSE_MOVDQU | v->wide, d, 0, file(v, place + v->off));
}

/* d = a op y, the second source. */
static inline void with_y(const struct vec *v, u32 op, unsigned d, unsigned a)
{
    if (v->scalar || v->in_y) {
        rr(v, op, d, a, v->in_y ? v->in_y : X1);
        return;
    }
    if (!v->vex && d != a)
        x86_sse_rr(v->c, false, SSE_MOVDQA, d, 0, a);
    x86_sse_rm(v->c, v->vex, op | v->wide, d, a, file(v, v->at.s1 + v->off));
}

static inline void load_y(const struct vec *v, unsigned d)
{
    if (v->scalar || v->in_y)
        move(v, d, v->in_y ? v->in_y : X1);
    else
        load(v, d, v->at.s1);
}

static inline void ones(const struct vec *v, unsigned d)
{
    x86_sse_rr(v->c, v->vex, SSE_PCMPEQD | v->wide, d, d, d);
}

static inline void invert(const struct vec *v, unsigned d, unsigned temp)
{
    ones(v, temp);
    rr(v, SSE_PXOR, d, d, temp);
}

/* By a constant: digit of the opcode group, 2 right, 4 right with sign, 6 left. Lanes of two bytes and more. */
static inline void shift_imm(const struct vec *v, unsigned digit, unsigned lane, unsigned d, unsigned s, unsigned count)
{
    if (!v->vex && d != s)
        move(v, d, s);
    x86_sse_rr(v->c, v->vex, (SSE_SHIFT_IMM + lane - 1) | v->wide, digit, d, d == s || !v->vex ? d : s);
    x86_imm8(v->c, (u8)count);
}

/* Of an operation on floats, the one on v's type. */
static inline u32 packed(const struct vec *v, u32 op)
{
    return v->type == IR_F64 ? op | SSE_66 : op;
}

#endif
