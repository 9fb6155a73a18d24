/* target/riscv/vector_fixed.c - fixed point: saturation, averages, scaled products and shifts (Unprivileged manual, "V", section 12). */
#include "target/riscv/vector_loops.h"

enum { ROUND_UP, ROUND_EVEN, ROUND_DOWN, ROUND_ODD };

/* What rounding adds to x >> shift (section 3.8). */
static inline unsigned increment(u128 x, unsigned shift, unsigned mode)
{
    unsigned half;
    bool odd, rest;

    if (shift == 0)
        return 0;
    half = x >> (shift - 1) & 1;
    odd = x >> shift & 1;
    switch (mode) {
    case ROUND_UP:
        return half;
    case ROUND_EVEN:
        rest = shift > 1 && x << (128 - (shift - 1));
        return half && (rest || odd);
    case ROUND_DOWN:
        return 0;
    default:
        return !odd && x << (128 - shift);
    }
}

static inline u128 shift_unsigned(u128 x, unsigned shift, unsigned mode)
{
    return (x >> shift) + increment(x, shift, mode);
}

static inline s128 shift_signed(s128 x, unsigned shift, unsigned mode)
{
    return (x >> shift) + increment((u128)x, shift, mode);
}

static inline u64 clip_unsigned(struct vector *v, u128 x, unsigned bits)
{
    u64 most = UINT64_MAX >> (64 - bits);

    if (x <= most)
        return (u64)x;
    v->saturated = true;
    return most;
}

static inline u64 clip_signed(struct vector *v, s128 x, unsigned bits)
{
    s64 most = INT64_MAX >> (64 - bits);

    if (x >= -(s128)most - 1 && x <= most)
        return (u64)(s64)x;
    v->saturated = true;
    return (u64)(x < 0 ? -most - 1 : most);
}

/* The saturation flag is common to all elements. */
#define PLAIN(NAME, EXPRESSION)                     \
    VECTOR_LOOPS_(NAME, v, , second[i], EXPRESSION) \
    VECTOR_LOOPS_(NAME, x, , scalar, EXPRESSION)

PLAIN(saddu, clip_unsigned(v, (u128)a + b, BITS))
PLAIN(sadd, clip_signed(v, (s128)(S)a + (S)b, BITS))
PLAIN(ssubu, a >= b ? a - b : (v->saturated = true, 0))
PLAIN(ssub, clip_signed(v, (s128)(S)a - (S)b, BITS))
PLAIN(aaddu, shift_unsigned((u128)a + b, 1, v->vxrm))
PLAIN(aadd, shift_signed((s128)(S)a + (S)b, 1, v->vxrm))
PLAIN(asubu, shift_signed((s128)a - (s128)b, 1, v->vxrm))
PLAIN(asub, shift_signed((s128)(S)a - (S)b, 1, v->vxrm))
PLAIN(smul, clip_signed(v, shift_signed((s128)(S)a * (S)b, BITS - 1, v->vxrm), BITS))
PLAIN(ssrl, shift_unsigned(a, b & (BITS - 1), v->vxrm))
PLAIN(ssra, shift_signed((S)a, b & (BITS - 1), v->vxrm))
VECTOR_MIXED(nclipu, U, W, clip_unsigned(v, shift_unsigned(a, b & (2 * BITS - 1), v->vxrm), BITS))
VECTOR_MIXED(nclip, U, W, clip_signed(v, shift_signed((WS)a, b & (2 * BITS - 1), v->vxrm), BITS))

riscv_vector_functions riscv_vector_fixed[RISCV_V_OP_COUNT] = {
    [RISCV_V_SADDU] = VECTOR_ALL(saddu), [RISCV_V_SADD] = VECTOR_ALL(sadd),   [RISCV_V_SSUBU] = VECTOR_ALL(ssubu), [RISCV_V_SSUB] = VECTOR_ALL(ssub),
    [RISCV_V_AADDU] = VECTOR_ALL(aaddu), [RISCV_V_AADD] = VECTOR_ALL(aadd),   [RISCV_V_ASUBU] = VECTOR_ALL(asubu), [RISCV_V_ASUB] = VECTOR_ALL(asub),
    [RISCV_V_SMUL] = VECTOR_ALL(smul),   [RISCV_V_SSRL] = VECTOR_ALL(ssrl),   [RISCV_V_SSRA] = VECTOR_ALL(ssra),
    [RISCV_V_NCLIPU] = VECTOR_UP_TO_32(nclipu), [RISCV_V_NCLIP] = VECTOR_UP_TO_32(nclip),
};
