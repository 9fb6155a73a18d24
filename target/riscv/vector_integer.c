/* target/riscv/vector_integer.c - integers of one width (Unprivileged manual, "V", sections 11, 14.1; Zvbb, Zvbc). */
#ifndef __clang__
#pragma GCC optimize("O3")
#endif
#include "host/cipher.h"
#include "target/riscv/vector_loops.h"

#define SHIFT (b & (BITS - 1))

VECTOR_BINARY(add, a + b)
VECTOR_BINARY(sub, a - b)
VECTOR_LOOPS_(rsub, x, VECTOR_INDEPENDENT, scalar, b - a)
VECTOR_BINARY(minu, a < b ? a : b)
VECTOR_BINARY(min, (S)a < (S)b ? a : b)
VECTOR_BINARY(maxu, a > b ? a : b)
VECTOR_BINARY(max, (S)a > (S)b ? a : b)
VECTOR_BINARY(and, a & b)
VECTOR_BINARY(or, a | b)
VECTOR_BINARY(xor, a ^ b)
VECTOR_BINARY(andn, a & ~b)
VECTOR_BINARY(sll, a << SHIFT)
VECTOR_BINARY(srl, a >> SHIFT)
VECTOR_BINARY(sra, (S)a >> SHIFT)
VECTOR_BINARY(rol, a << SHIFT | a >> (-(unsigned)b & (BITS - 1)))
VECTOR_BINARY(ror, a >> SHIFT | a << (-(unsigned)b & (BITS - 1)))
VECTOR_BINARY(mul, (u64)a * b)
VECTOR_BINARY(macc, d + (u64)a * b)
VECTOR_BINARY(nmsac, d - (u64)a * b)
VECTOR_BINARY(madd, (u64)d * b + a)
VECTOR_BINARY(nmsub, a - (u64)d * b)

/* --- comparisons, carries --- */

VECTOR_TEST(mseq, a == b)
VECTOR_TEST(msne, a != b)
VECTOR_TEST(msltu, a < b)
VECTOR_TEST(mslt, (S)a < (S)b)
VECTOR_TEST(msleu, a <= b)
VECTOR_TEST(msle, (S)a <= (S)b)
VECTOR_TEST(msgtu, a > b)
VECTOR_TEST(msgt, (S)a > (S)b)
VECTOR_TEST(madc, (U)(a + b) < a)
VECTOR_TEST(msbc, a < b)

#define CARRY vector_bit(v->v0, i)
VECTOR_BINARY(adc, a + b + CARRY)
VECTOR_BINARY(sbc, a - b - CARRY)

/* The mask may be the destination: each carry is read before its bit is written. */
#define VECTOR_TEST_CARRY_(NAME, TU, SECOND, EXPRESSION)                                           \
    static void NAME(struct vector *v)                                                             \
    {                                                                                              \
        typedef TU U;                                                                              \
        const U *second __attribute__((unused)) = (const U *)v->s1, *first = (const U *)v->s2;     \
        const U scalar __attribute__((unused)) = (U)v->x;                                          \
                                                                                                   \
        for (u64 i = v->start; i < v->vl; i++) {                                                   \
            U a = first[i], b = SECOND, c = CARRY;                                                 \
            vector_set_bit(v->d, i, (EXPRESSION));                                                 \
        }                                                                                          \
    }
#define VECTOR_TEST_CARRY(NAME, EXPRESSION)                      \
    VECTOR_TEST_CARRY_(NAME##_v8, u8, second[i], EXPRESSION)     \
    VECTOR_TEST_CARRY_(NAME##_v16, u16, second[i], EXPRESSION)   \
    VECTOR_TEST_CARRY_(NAME##_v32, u32, second[i], EXPRESSION)   \
    VECTOR_TEST_CARRY_(NAME##_v64, u64, second[i], EXPRESSION)   \
    VECTOR_TEST_CARRY_(NAME##_x8, u8, scalar, EXPRESSION)        \
    VECTOR_TEST_CARRY_(NAME##_x16, u16, scalar, EXPRESSION)      \
    VECTOR_TEST_CARRY_(NAME##_x32, u32, scalar, EXPRESSION)      \
    VECTOR_TEST_CARRY_(NAME##_x64, u64, scalar, EXPRESSION)
VECTOR_TEST_CARRY(madc_m, (U)(a + b + c) < a || (c && (U)(a + b + c) == a))
VECTOR_TEST_CARRY(msbc_m, a < b || (c && a == b))

/* --- products, quotients --- */

/* Upper halves. Signed ones by correcting unsigned ones: GCC 12 takes an unsigned product for the signed one when it vectorises that. */
#define HIGH (BITS == 64 ? (U)((u128)a * b >> 64) : (U)((u64)a * b >> (BITS & 63)))
VECTOR_BINARY(mulhu, HIGH)
VECTOR_BINARY(mulh, HIGH - ((S)a < 0 ? b : 0) - ((S)b < 0 ? a : 0))
VECTOR_BINARY(mulhsu, HIGH - ((S)a < 0 ? b : 0))

#define MOST_NEGATIVE ((S)((U)1 << (BITS - 1)))
#define OVERFLOWS     ((S)a == MOST_NEGATIVE && (S)b == -1)
VECTOR_BINARY(divu, b == 0 ? (U)-1 : (U)(a / b))
VECTOR_BINARY(div, b == 0 ? (U)-1 : OVERFLOWS ? a : (U)((S)a / (S)b))
VECTOR_BINARY(remu, b == 0 ? a : (U)(a % b))
VECTOR_BINARY(rem, b == 0 ? a : OVERFLOWS ? 0 : (U)((S)a % (S)b))

/* --- bits --- */

static inline u64 reverse_in_bytes(u64 x)
{
    x = (x >> 1 & UINT64_C(0x5555555555555555)) | (x & UINT64_C(0x5555555555555555)) << 1;
    x = (x >> 2 & UINT64_C(0x3333333333333333)) | (x & UINT64_C(0x3333333333333333)) << 2;
    return (x >> 4 & UINT64_C(0x0f0f0f0f0f0f0f0f)) | (x & UINT64_C(0x0f0f0f0f0f0f0f0f)) << 4;
}

VECTOR_UNARY(brev8, reverse_in_bytes(a))
VECTOR_UNARY(rev8, __builtin_bswap64(a) >> (64 - BITS))
VECTOR_UNARY(brev, reverse_in_bytes(__builtin_bswap64(a)) >> (64 - BITS))
VECTOR_UNARY(clz, a ? (unsigned)__builtin_clzll(a) - (64 - BITS) : BITS)
VECTOR_UNARY(ctz, a ? (unsigned)__builtin_ctzll(a) : BITS)
VECTOR_UNARY(cpop, (unsigned)__builtin_popcountll(a))

VECTOR_LOOP_(clmul_v64, u64, s64, 64, , second[i], host_carry_less(a, b))
VECTOR_LOOP_(clmul_x64, u64, s64, 64, , scalar, host_carry_less(a, b))
VECTOR_LOOP_(clmulh_v64, u64, s64, 64, , second[i], host_carry_less(a, b) >> 64)
VECTOR_LOOP_(clmulh_x64, u64, s64, 64, , scalar, host_carry_less(a, b) >> 64)

/* --- reductions: vd[0] = vs1[0] and the active elements of vs2 --- */

#define REDUCE_(NAME, TU, TS, EXPRESSION)                                 \
    static void NAME(struct vector *v)                                    \
    {                                                                     \
        typedef TU U;                                                     \
        typedef TS S __attribute__((unused));                             \
        const U *from = (const U *)v->s2;                                 \
        U b = *(const U *)v->s1;                                          \
                                                                          \
        VECTOR_EACH(v, , U a = from[i]; b = (U)(EXPRESSION););            \
        if (v->vl)                                                        \
            *(U *)v->d = b;                                               \
    }
#define REDUCE(NAME, EXPRESSION)                \
    REDUCE_(NAME##_v8, u8, s8, EXPRESSION)      \
    REDUCE_(NAME##_v16, u16, s16, EXPRESSION)   \
    REDUCE_(NAME##_v32, u32, s32, EXPRESSION)   \
    REDUCE_(NAME##_v64, u64, s64, EXPRESSION)
REDUCE(redsum, a + b)
REDUCE(redand, a & b)
REDUCE(redor, a | b)
REDUCE(redxor, a ^ b)
REDUCE(redminu, a < b ? a : b)
REDUCE(redmin, (S)a < (S)b ? a : b)
REDUCE(redmaxu, a > b ? a : b)
REDUCE(redmax, (S)a > (S)b ? a : b)

riscv_vector_functions riscv_vector_integer[RISCV_V_OP_COUNT] = {
    [RISCV_V_ADD] = VECTOR_ALL(add),       [RISCV_V_SUB] = VECTOR_ALL(sub),       [RISCV_V_RSUB] = VECTOR_ONLY_X(rsub),
    [RISCV_V_MINU] = VECTOR_ALL(minu),     [RISCV_V_MIN] = VECTOR_ALL(min),       [RISCV_V_MAXU] = VECTOR_ALL(maxu),
    [RISCV_V_MAX] = VECTOR_ALL(max),       [RISCV_V_AND] = VECTOR_ALL(and),       [RISCV_V_OR] = VECTOR_ALL(or),
    [RISCV_V_XOR] = VECTOR_ALL(xor),       [RISCV_V_ANDN] = VECTOR_ALL(andn),     [RISCV_V_SLL] = VECTOR_ALL(sll),
    [RISCV_V_SRL] = VECTOR_ALL(srl),       [RISCV_V_SRA] = VECTOR_ALL(sra),       [RISCV_V_ROL] = VECTOR_ALL(rol),
    [RISCV_V_ROR] = VECTOR_ALL(ror),       [RISCV_V_MUL] = VECTOR_ALL(mul),       [RISCV_V_MACC] = VECTOR_ALL(macc),
    [RISCV_V_NMSAC] = VECTOR_ALL(nmsac),   [RISCV_V_MADD] = VECTOR_ALL(madd),     [RISCV_V_NMSUB] = VECTOR_ALL(nmsub),
    [RISCV_V_MSEQ] = VECTOR_ALL(mseq),     [RISCV_V_MSNE] = VECTOR_ALL(msne),     [RISCV_V_MSLTU] = VECTOR_ALL(msltu),
    [RISCV_V_MSLT] = VECTOR_ALL(mslt),     [RISCV_V_MSLEU] = VECTOR_ALL(msleu),   [RISCV_V_MSLE] = VECTOR_ALL(msle),
    [RISCV_V_MSGTU] = VECTOR_ALL(msgtu),   [RISCV_V_MSGT] = VECTOR_ALL(msgt),     [RISCV_V_MADC] = VECTOR_ALL(madc),
    [RISCV_V_MSBC] = VECTOR_ALL(msbc),     [RISCV_V_ADC] = VECTOR_ALL(adc),       [RISCV_V_SBC] = VECTOR_ALL(sbc),
    [RISCV_V_MADC_M] = VECTOR_ALL(madc_m), [RISCV_V_MSBC_M] = VECTOR_ALL(msbc_m), [RISCV_V_MULHU] = VECTOR_ALL(mulhu),
    [RISCV_V_MULH] = VECTOR_ALL(mulh),     [RISCV_V_MULHSU] = VECTOR_ALL(mulhsu), [RISCV_V_DIVU] = VECTOR_ALL(divu),
    [RISCV_V_DIV] = VECTOR_ALL(div),       [RISCV_V_REMU] = VECTOR_ALL(remu),     [RISCV_V_REM] = VECTOR_ALL(rem),
    [RISCV_V_BREV8] = VECTOR_ONLY_V(brev8), [RISCV_V_REV8] = VECTOR_ONLY_V(rev8), [RISCV_V_BREV] = VECTOR_ONLY_V(brev),
    [RISCV_V_CLZ] = VECTOR_ONLY_V(clz),    [RISCV_V_CTZ] = VECTOR_ONLY_V(ctz),    [RISCV_V_CPOP] = VECTOR_ONLY_V(cpop),
    [RISCV_V_CLMUL] = { { [3] = clmul_v64 }, { [3] = clmul_x64 } },
    [RISCV_V_CLMULH] = { { [3] = clmulh_v64 }, { [3] = clmulh_x64 } },
    [RISCV_V_REDSUM] = VECTOR_ONLY_V(redsum),   [RISCV_V_REDAND] = VECTOR_ONLY_V(redand),   [RISCV_V_REDOR] = VECTOR_ONLY_V(redor),
    [RISCV_V_REDXOR] = VECTOR_ONLY_V(redxor),   [RISCV_V_REDMINU] = VECTOR_ONLY_V(redminu), [RISCV_V_REDMIN] = VECTOR_ONLY_V(redmin),
    [RISCV_V_REDMAXU] = VECTOR_ONLY_V(redmaxu), [RISCV_V_REDMAX] = VECTOR_ONLY_V(redmax),
};
