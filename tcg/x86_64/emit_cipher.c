/* tcg/x86_64/emit_cipher.c - calls of pure helpers that AES-NI and PCLMULQDQ do (enum ir_inline): two xmm registers, no call. */
#include "tcg/x86_64/value.h"

/* From general registers, memory or a constant. `avoid`: general registers that are still needed. */
static void load_low(struct tcg_engine *e, unsigned d, struct x86_operand o, u32 avoid)
{
    if (o.place == PLACE_CONST) {
        enum host_reg t = x86_temp(e, avoid);

        x86_mov_ri(&e->code, t, (u64)o.imm);
        o = (struct x86_operand){.place = PLACE_REG, .reg = (u8)t};
    }
    x86_load(e, true, (enum host_reg)d, o);
}

static void two(struct tcg_engine *e, u32 op, unsigned d, unsigned s)
{
    x86_sse_rr(&e->code, e->features.vex, op, d, d, s);
}

static void one(struct tcg_engine *e, u32 op, unsigned d, unsigned s, u8 imm)
{
    x86_sse_rr(&e->code, e->features.vex, op, d, 0, s);
    x86_imm8(&e->code, imm);
}

/* By a constant count; quad words, or the whole register in bytes. */
static void shift(struct tcg_engine *e, unsigned digit, unsigned x, u8 count)
{
    x86_sse_rr(&e->code, e->features.vex, SSE_SHIFT_IMM + 2, digit, x, x);
    x86_imm8(&e->code, count);
}

enum { SHIFT_RIGHT = 2, SHIFT_RIGHT_BYTES = 3, SHIFT_LEFT = 6 };

static void multiply(struct tcg_engine *e, enum ir_inline what, unsigned x, unsigned y)
{
    two(e, SSE_PCLMULQDQ, x, y);
    x86_imm8(&e->code, 0);
    if (what == IR_INLINE_CLMUL)
        return;
    one(e, SSE_PSHUFD, y, x, 0xee); /* the upper half */
    if (what == IR_INLINE_CLMULH) {
        x86_sse_rr(&e->code, e->features.vex, SSE_MOVDQA, x, 0, y);
        return;
    }
    shift(e, SHIFT_RIGHT, x, 63);
    shift(e, SHIFT_LEFT, y, 1);
    two(e, SSE_POR, x, y);
}

/* b: the upper columns. */
static void round_of(struct tcg_engine *e, enum ir_inline what, unsigned x, unsigned y)
{
    static const u32 ops[] = {[IR_INLINE_AES_ENCRYPT - IR_INLINE_AES_ENCRYPT] = SSE_AESENC,
                              [IR_INLINE_AES_ENCRYPT_LAST - IR_INLINE_AES_ENCRYPT] = SSE_AESENCLAST,
                              [IR_INLINE_AES_DECRYPT - IR_INLINE_AES_ENCRYPT] = SSE_AESDEC,
                              [IR_INLINE_AES_DECRYPT_LAST - IR_INLINE_AES_ENCRYPT] = SSE_AESDECLAST};

    two(e, SSE_PUNPCKLQDQ, x, y);
    two(e, SSE_PXOR, y, y);
    two(e, ops[what - IR_INLINE_AES_ENCRYPT], x, y);
}

/* The host's instruction makes the word without rotation and constant, and beside it the one with both, of the second word. */
static void round_key(struct tcg_engine *e, unsigned x, u64 round)
{
    static const u8 constants[] = {0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x1b, 0x36, 0};

    one(e, SSE_AESKEYGENASSIST, x, x, constants[round]);
    one(e, SSE_PSHUFD, x, x, round == 10 ? 0 : 0x55);
}

/* Whether this host has an instruction for the call. */
static bool may_inline(const struct tcg_engine *e, enum ir_inline what, struct x86_operand b)
{
    if (what <= IR_INLINE_CLMULR)
        return e->features.clmul;
    return e->features.aes && (what != IR_INLINE_AES_KEY || (b.place == PLACE_CONST && (u64)b.imm <= 10));
}

bool x86_emit_inlined(struct tcg_engine *e, const struct ir_op *op)
{
    enum ir_inline what = (enum ir_inline)op->helper->inlined;
    bool has_second = what != IR_INLINE_AES_UNMIX && what != IR_INLINE_AES_KEY;
    struct x86_operand a, b = {0};
    unsigned x, y = 0;
    enum host_reg d;

    if (op->helper->arg_count > 1)
        b = x86_operand_of(e, x86_root(e, op->arg[1]));
    if (!may_inline(e, what, b))
        return false;
    a = x86_take(e, op->arg[0]);
    if (op->helper->arg_count > 1)
        b = x86_take(e, op->arg[1]);
    x = x86_xmm_temp(e, x86_operand_mask(a) | x86_operand_mask(b));
    if (has_second) {
        y = x86_xmm_temp(e, 1u << x | x86_operand_mask(a));
        load_low(e, y, b, x86_operand_mask(a));
    }
    load_low(e, x, a, 0);
    if (what <= IR_INLINE_CLMULR)
        multiply(e, what, x, y);
    else if (what == IR_INLINE_AES_UNMIX)
        x86_sse_rr(&e->code, e->features.vex, SSE_AESIMC, x, 0, x);
    else if (what == IR_INLINE_AES_KEY)
        round_key(e, x, (u64)b.imm);
    else
        round_of(e, what, x, y);
    d = x86_result(e, 0, RAX);
    x86_sse_rr(&e->code, e->features.vex, SSE_MOVD_STORE | SSE_W, x, 0, d);
    x86_define(e, d);
    return true;
}
