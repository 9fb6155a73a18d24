/*
 * tcg/interp/handlers.h - the interpreter's instructions: which there are and what they compute. Lists (X-macros) from which
 * exec.c makes its code and emit.c its choice.
 */
#ifndef TCG_INTERP_HANDLERS_H
#define TCG_INTERP_HANDLERS_H

#include "base/types.h"

/* Low bits do not depend on the operands' high bits: one handler for every type. x, y: u64. Forms: _R register, _I immediate. */
#define BINARY_ANY(X)                                                                                                              \
    X(ADD, x + y) X(SUB, x - y) X(AND, x & y) X(OR, x | y) X(XOR, x ^ y) X(ANDN, x & ~y) X(ORN, x | ~y) X(XNOR, ~(x ^ y))          \
    X(MUL, x * y)

/* One handler for each type T of B bits: ux, uy unsigned, sx, sy signed. */
#define BINARY_TYPED(X, B)                                                                                                         \
    X(SHL, B, ux << (uy & (B - 1)))                                                                                                \
    X(SHR, B, ux >> (uy & (B - 1)))                                                                                                \
    X(SAR, B, (u64)(s64)(sx >> (uy & (B - 1))))                                                                                    \
    X(ROL, B, (u64)ux << (uy & (B - 1)) | (u64)ux >> (-uy & (B - 1)))                                                              \
    X(ROR, B, (u64)ux >> (uy & (B - 1)) | (u64)ux << (-uy & (B - 1)))                                                              \
    X(MULHU, B, (u64)((u128)ux * uy >> B))                                                                                         \
    X(MULHS, B, (u64)((s128)sx * sy >> B))                                                                                         \
    X(MULHSU, B, (u64)((s128)sx * (s128)uy >> B))                                                                                  \
    X(DIVU, B, uy ? (u64)(ux / uy) : ~UINT64_C(0))                                                                                 \
    X(DIVS, B, sy == 0 ? ~UINT64_C(0) : sy == -1 ? 0 - (u64)sx : (u64)(s64)(sx / sy))                                              \
    X(REMU, B, uy ? (u64)(ux % uy) : (u64)ux)                                                                                      \
    X(REMS, B, sy == 0 ? (u64)sx : sy == -1 ? 0 : (u64)(s64)(sx % sy))                                                             \
    X(MINS, B, (u64)(s64)(sx < sy ? sx : sy))                                                                                      \
    X(MAXS, B, (u64)(s64)(sx > sy ? sx : sy))                                                                                      \
    X(MINU, B, ux < uy ? ux : uy)                                                                                                  \
    X(MAXU, B, ux > uy ? ux : uy)

#define UNARY_ANY(X) X(NOT, ~x) X(NEG, 0 - x)

#define UNARY_TYPED(X, B)                                                                                                          \
    X(CLZ, B, ux ? (u64)__builtin_clzll(ux) - (64 - B) : B)                                                                        \
    X(CTZ, B, ux ? (u64)__builtin_ctzll(ux) : B)                                                                                   \
    X(POPCNT, B, (u64)__builtin_popcountll(ux))                                                                                    \
    X(BSWAP, B, __builtin_bswap64(ux) >> (64 - B))                                                                                 \
    X(ZEXT, B, ux)                                                                                                                 \
    X(SEXT, B, (u64)(s64)sx)                                                                                                       \
    X(GET, B, *(u##B *)at(base, ip->x))                                                                                            \
    X(PUT, B, put##B(at(base, ip->x), x))

/* In the order of enum ir_cond. */
#define CONDS(X, B)                                                                                                                \
    X(EQ, B, ux == uy) X(NE, B, ux != uy) X(LT, B, sx < sy) X(GE, B, sx >= sy) X(LTU, B, ux < uy) X(GEU, B, ux >= uy)              \
    X(GT, B, sx > sy) X(LE, B, sx <= sy) X(GTU, B, ux > uy) X(LEU, B, ux <= uy)

#define OTHERS(X)                                                                                                                  \
    X(CONST) X(PC_ADD)                                                                                                             \
    X(LD_U8) X(LD_U16) X(LD_U32) X(LD_U64) X(LD_S8) X(LD_S16) X(LD_S32) X(LD_S64) X(LD_ANY)                                        \
    X(ST_8) X(ST_16) X(ST_32) X(ST_64) X(ST_ANY)                                                                                   \
    X(AMO) X(CAS) X(FENCE) X(COUNT) X(UNCOUNT) X(CALL) X(FP) X(FENV_GET) X(FENV_SET) X(VEC) X(VEC_TO)                                                                                                 \
    X(ENTER) X(EXIT) X(EXIT_POLL) X(EXIT_PAGE) X(EXIT_TO) X(LEAVE) X(UNLINKED) X(MISS) X(DEAD) X(DEAD_ENTER)

enum interp_code {
#define X(name, ...) INTERP_##name##_R, INTERP_##name##_I,
    BINARY_ANY(X)
#undef X
#define X(name, B, ...) INTERP_##name##_R##B, INTERP_##name##_I##B,
    BINARY_TYPED(X, 8) BINARY_TYPED(X, 16) BINARY_TYPED(X, 32) BINARY_TYPED(X, 64)
#undef X
#define X(name, ...) INTERP_##name,
    UNARY_ANY(X)
#undef X
#define X(name, B, ...) INTERP_##name##_##B,
    UNARY_TYPED(X, 8) UNARY_TYPED(X, 16) UNARY_TYPED(X, 32) UNARY_TYPED(X, 64)
#undef X
#define X(name, B, ...)                                                                                                            \
    INTERP_SETCC_##name##_R##B, INTERP_SETCC_##name##_I##B, INTERP_EXIT_IF_##name##_R##B, INTERP_EXIT_IF_##name##_I##B,            \
        INTERP_SELECT_##name##_R##B, INTERP_SELECT_##name##_I##B,
    CONDS(X, 8) CONDS(X, 16) CONDS(X, 32) CONDS(X, 64)
#undef X
#define X(name) INTERP_##name,
    OTHERS(X)
#undef X
    INTERP_CODE_COUNT
};

#endif
