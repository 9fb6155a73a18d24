/* tcg/x86_64/emit_vector_groups.c - vector ops on groups of lanes: AES by AES-NI (32 bytes at a time with VAES), SHA-256 by SHA, GHASH by PCLMULQDQ; leaves for the others. */
#include "tcg/x86_64/emit_vector.h"
#include "tcg/x86_64/leaf.h"

static void load_at(const struct vec *v, unsigned d, unsigned place)
{
    x86_sse_rm(v->c, v->vex, SSE_MOVDQU | v->wide, d, 0, file(v, place));
}

static void store_at(const struct vec *v, unsigned place, unsigned s)
{
    x86_sse_rm(v->c, v->vex, SSE_MOVDQU_STORE | v->wide, s, 0, file(v, place));
}

/* d = an op of x with a constant of 16 bytes. */
static void with_constant(const struct vec *v, u32 op, unsigned d, size_t constant)
{
    x86_sse_rc(v->c, v->vex, op, d, d, v->e->buffer->write + v->e->stubs.constants + constant);
    x86_note(v->e);
}

/* --- AES --- */

/* The key for all groups in X1. What mixes backwards adds its key behind that: the key is mixed, too. */
static void take_key(struct vec *v, bool unmix)
{
    u32 wide = v->wide;

    v->wide = 0;
    load_at(v, X1, v->at.s2);
    if (unmix)
        x86_sse_rr(v->c, v->vex, SSE_AESIMC, X1, 0, X1);
    v->wide = wide;
    if (wide) { /* the low half to both */
        x86_sse_rr(v->c, true, SSE_PERMQ | wide, X1, 0, X1);
        x86_imm8(v->c, 0x44);
    }
}

static bool emit_aes(struct vec *v, u32 op, bool one, bool unmix)
{
    if (!v->e->features.aes)
        return false;
    if (!v->e->features.wide_aes || (unmix && !one)) {
        v->width = 16;
        v->wide = 0;
    }
    if (one)
        take_key(v, unmix);
    for (v->off = 0; v->off < v->at.bytes; v->off += v->width) {
        load(v, X0, v->at.d);
        if (!one)
            load(v, X1, v->at.s2);
        if (!one && unmix)
            x86_sse_rr(v->c, v->vex, SSE_AESIMC, X1, 0, X1);
        rr(v, op, X0, X0, X1);
        store_at(v, v->at.d + v->off, X0);
    }
    return true;
}

static bool emit_whitening(struct vec *v)
{
    v->width = 16;
    v->wide = 0;
    load_at(v, X1, v->at.s2);
    for (v->off = 0; v->off < v->at.bytes; v->off += 16) {
        load(v, X0, v->at.d);
        rr(v, SSE_PXOR, X0, X0, X1);
        store_at(v, v->at.d + v->off, X0);
    }
    return true;
}

/* --- SHA-256; the host's instruction takes words and constants from xmm0 --- */

static bool emit_sha_rounds(struct vec *v, unsigned from)
{
    if (!v->e->features.sha || v->lane != 2)
        return false;
    v->wide = 0;
    for (v->off = 0; v->off < v->at.bytes; v->off += 16) {
        x86_sse_rm(v->c, v->vex, SSE_MOVQ_LOAD, X0, 0, file(v, v->at.s1 + v->off + from));
        load(v, X1, v->at.d);
        load(v, X2, v->at.s2);
        x86_sse_rr(v->c, false, SSE_SHA256RNDS2, X1, 0, X2);
        store_at(v, v->at.d + v->off, X1);
    }
    return true;
}

static bool emit_sha_schedule(struct vec *v)
{
    if (!v->e->features.sha || v->lane != 2)
        return false;
    v->wide = 0;
    for (v->off = 0; v->off < v->at.bytes; v->off += 16) {
        load(v, X1, v->at.d);
        load(v, X2, v->at.s2);
        load(v, X3, v->at.s1);
        x86_sse_rr(v->c, false, SSE_SHA256MSG1, X1, 0, X2);
        rr(v, SSE_PALIGNR, X0, X3, X2); /* W9 to W12 */
        x86_imm8(v->c, 4);
        rr(v, SSE_PADDD, X1, X1, X0);
        x86_sse_rr(v->c, false, SSE_SHA256MSG2, X1, 0, X3);
        store_at(v, v->at.d + v->off, X1);
    }
    return true;
}

/* --- SHA-512's schedule with AVX2 --- */

/* d = a rotated right by `one` ^ a rotated by `other` ^ a shifted right; X3 is clobbered. */
static void mix_quads(const struct vec *v, unsigned d, unsigned a, unsigned one, unsigned other, unsigned by)
{
    enum { RIGHT = 2, LEFT = 6 };

    if (v->e->features.masks) {
        x86_rotate_k0_rr(v->c, v->wide, 3, false, d, a, (u8)one);
        x86_rotate_k0_rr(v->c, v->wide, 3, false, X3, a, (u8)other);
        rr(v, SSE_PXOR, d, d, X3);
    } else {
        shift_imm(v, RIGHT, 3, d, a, one);
        for (unsigned i = 0; i < 3; i++) {
            shift_imm(v, i == 1 ? RIGHT : LEFT, 3, X3, a, i == 0 ? 64 - one : i == 1 ? other : 64 - other);
            rr(v, SSE_PXOR, d, d, X3);
        }
    }
    shift_imm(v, RIGHT, 3, X3, a, by);
    rr(v, SSE_PXOR, d, d, X3);
}

/* X1: lanes 1 to 3 of a group at one place, then lane 0 of that at another. */
static void load_later_quads(const struct vec *v, unsigned place, unsigned next)
{
    load(v, X1, place);
    x86_sse_rm(v->c, true, SSE_PBLENDD | v->wide, X1, X1, file(v, next + v->off));
    x86_imm8(v->c, 0x03);
    x86_sse_rr(v->c, true, SSE_PERMQ | v->wide, X1, 0, X1);
    x86_imm8(v->c, 0x39);
}

/* All four lanes but what comes of W14 and later ones, in X0; then W16 and W17, in X2, of W14 and W15, and W18 and W19 of those. */
static void schedule_quads(struct vec *v)
{
    v->wide = SSE_256;
    load_later_quads(v, v->at.d, v->at.s2);
    mix_quads(v, X2, X1, 1, 8, 7);
    load(v, X0, v->at.d);
    rr(v, SSE_PADDQ, X0, X0, X2);
    load_later_quads(v, v->at.s2, v->at.s1);
    rr(v, SSE_PADDQ, X0, X0, X1);
    v->wide = 0;
    x86_sse_rm(v->c, true, SSE_MOVDQU, X1, 0, file(v, v->at.s1 + v->off + 16));
    mix_quads(v, X2, X1, 19, 61, 6);
    rr(v, SSE_PADDQ, X2, X2, X0);
    x86_sse_rr(v->c, true, SSE_EXTRACT128 | SSE_256, X0, 0, X0);
    x86_imm8(v->c, 1);
    mix_quads(v, X1, X2, 19, 61, 6);
    rr(v, SSE_PADDQ, X0, X0, X1);
    v->wide = SSE_256;
    x86_sse_rr(v->c, true, SSE_INSERT128 | v->wide, X2, X2, X0);
    x86_imm8(v->c, 1);
}

static bool emit_sha512_schedule(struct vec *v)
{
    if (!v->vex)
        return false;
    for (v->off = 0; v->off < v->at.bytes; v->off += 32) {
        schedule_quads(v);
        store_at(v, v->at.d + v->off, X2);
    }
    return true;
}

/* --- GHASH: see host/cipher_x86_64.c for what is computed --- */

static void multiply(const struct vec *v, unsigned d, unsigned a, unsigned b, u8 halves)
{
    rr(v, SSE_PCLMULQDQ, d, a, b);
    x86_imm8(v->c, halves);
}

enum { BYTES_RIGHT = 3, BYTES_LEFT = 7, BITS_RIGHT = 2, BITS_LEFT = 6 };

static void shift_quads(const struct vec *v, unsigned digit, unsigned d, unsigned s, unsigned count)
{
    shift_imm(v, digit, 3, d, s, count);
}

/* X3, X2: the product of X0 and X1, 255 bits. The high half waits in memory while there are no registers. */
static void product(const struct vec *v)
{
    struct x86_mem aside = x86_base(v->e->layout->scratch);

    multiply(v, X2, X0, X1, 0);
    multiply(v, X3, X0, X1, 0x11);
    x86_sse_rm(v->c, v->vex, SSE_MOVDQU_STORE, X3, 0, aside);
    multiply(v, X3, X0, X1, 0x01);
    multiply(v, X0, X0, X1, 0x10);
    rr(v, SSE_PXOR, X0, X0, X3);
    x86_sse_rm(v->c, v->vex, SSE_MOVDQU, X3, 0, aside);
    shift_quads(v, BYTES_LEFT, X1, X0, 8);
    rr(v, SSE_PXOR, X2, X2, X1);
    shift_quads(v, BYTES_RIGHT, X0, X0, 8);
    rr(v, SSE_PXOR, X3, X3, X0);
}

static void double_it(const struct vec *v)
{
    shift_quads(v, BITS_RIGHT, X0, X3, 63);
    shift_quads(v, BITS_LEFT, X3, X3, 1);
    shift_quads(v, BYTES_LEFT, X0, X0, 8);
    rr(v, SSE_POR, X3, X3, X0);
    shift_quads(v, BITS_RIGHT, X0, X2, 63);
    shift_quads(v, BITS_LEFT, X2, X2, 1);
    shift_quads(v, BYTES_LEFT, X1, X0, 8);
    rr(v, SSE_POR, X2, X2, X1);
    shift_quads(v, BYTES_RIGHT, X0, X0, 8);
    rr(v, SSE_POR, X3, X3, X0);
}

static void fold(const struct vec *v)
{
    x86_sse_rc(v->c, v->vex, SSE_MOVDQU, X1, 0, v->e->buffer->write + v->e->stubs.constants + offsetof(struct x86_constants, ghash_fold));
    x86_note(v->e);
    for (unsigned i = 0; i < 2; i++) {
        multiply(v, X0, X2, X1, 0);
        x86_sse_rr(v->c, v->vex, SSE_PSHUFD, X2, 0, X2);
        x86_imm8(v->c, 0x4e);
        rr(v, SSE_PXOR, X2, X2, X0);
    }
    rr(v, SSE_PXOR, X3, X3, X2);
}

static bool emit_ghash(struct vec *v, bool adds)
{
    if (!v->e->features.clmul)
        return false;
    v->wide = 0;
    for (v->off = 0; v->off < v->at.bytes; v->off += 16) {
        load(v, X0, v->at.d);
        if (adds) {
            load(v, X1, v->at.s1);
            rr(v, SSE_PXOR, X0, X0, X1);
        }
        load(v, X1, v->at.s2);
        with_constant(v, SSE_PSHUFB, X0, offsetof(struct x86_constants, reversed));
        with_constant(v, SSE_PSHUFB, X1, offsetof(struct x86_constants, reversed));
        product(v);
        double_it(v);
        fold(v);
        with_constant(v, SSE_PSHUFB, X3, offsetof(struct x86_constants, reversed));
        store_at(v, v->at.d + v->off, X3);
    }
    return true;
}

bool x86_vec_groups(struct vec *v)
{
    switch (v->kind) {
    case IR_VECTOR_AESEM: return emit_aes(v, SSE_AESENC, false, false);
    case IR_VECTOR_AESEF: return emit_aes(v, SSE_AESENCLAST, false, false);
    case IR_VECTOR_AESDM: return emit_aes(v, SSE_AESDEC, false, true);
    case IR_VECTOR_AESDF: return emit_aes(v, SSE_AESDECLAST, false, false);
    case IR_VECTOR_AESEM_ONE: return emit_aes(v, SSE_AESENC, true, false);
    case IR_VECTOR_AESEF_ONE: return emit_aes(v, SSE_AESENCLAST, true, false);
    case IR_VECTOR_AESDM_ONE: return emit_aes(v, SSE_AESDEC, true, true);
    case IR_VECTOR_AESDF_ONE: return emit_aes(v, SSE_AESDECLAST, true, false);
    case IR_VECTOR_AESZ_ONE: return emit_whitening(v);
    case IR_VECTOR_SHA2MS: return v->type == IR_I64 ? emit_sha512_schedule(v) : emit_sha_schedule(v);
    case IR_VECTOR_SHA2CH: return emit_sha_rounds(v, 8);
    case IR_VECTOR_SHA2CL: return emit_sha_rounds(v, 0);
    case IR_VECTOR_GHSH: return emit_ghash(v, true);
    case IR_VECTOR_GMUL: return emit_ghash(v, false);
    default: return false;
    }
}

/* --- leaves --- */

#define LEAF(function) { #function, (void *)function, 1, IR_VOID, X86_HELPER_LEAF, IR_INLINE_NONE }
static const struct leaf_row {
    struct ir_helper helper;
    u8 kind, type;
} leaves[] = {
    { LEAF(x86_leaf_sha256_schedule), IR_VECTOR_SHA2MS, IR_I32 }, { LEAF(x86_leaf_sha256_high), IR_VECTOR_SHA2CH, IR_I32 },
    { LEAF(x86_leaf_sha256_low), IR_VECTOR_SHA2CL, IR_I32 }, { LEAF(x86_leaf_sha512_schedule), IR_VECTOR_SHA2MS, IR_I64 },
    { LEAF(x86_leaf_sha512_high), IR_VECTOR_SHA2CH, IR_I64 }, { LEAF(x86_leaf_sha512_low), IR_VECTOR_SHA2CL, IR_I64 },
    { LEAF(x86_leaf_sm3_schedule), IR_VECTOR_SM3ME, IR_I32 }, { LEAF(x86_leaf_sm3_rounds), IR_VECTOR_SM3C, IR_I32 },
    { LEAF(x86_leaf_sm4_keys), IR_VECTOR_SM4K, IR_I32 }, { LEAF(x86_leaf_sm4_rounds), IR_VECTOR_SM4R, IR_I32 },
    { LEAF(x86_leaf_sm4_rounds_one), IR_VECTOR_SM4R_ONE, IR_I32 },
};

const struct ir_helper *x86_vec_leaf_helper(u32 i)
{
    return i < ARRAY_SIZE(leaves) ? &leaves[i].helper : NULL;
}

bool x86_vec_leaf(const struct vec *v)
{
    if (v->scalar && !v->known)
        return false;
    for (u32 i = 0; i < ARRAY_SIZE(leaves); i++)
        if (leaves[i].kind == v->kind && leaves[i].type == v->type) {
            x86_mov_ri(v->c, RAX, ir_vector_pack(v->at) | (u64)(v->known ? v->imm & 31 : 0) << X86_LEAF_NUMBER_SHIFT);
            x86_call_helper(v->e, &leaves[i].helper);
            return true;
        }
    return false;
}
