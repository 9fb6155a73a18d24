/*
 * target/riscv/vector_loops.h - functions over all elements, one for each width: what the chapters vector_*.c are written with.
 *
 * An expression names the elements a (of vs2), b (of vs1, or the scalar) and d (the destination's old value, of the result's type), the
 * types U and S of the elements, and BITS. Wide ones have W and WS besides, twice as wide.
 */
#ifndef TARGET_RISCV_VECTOR_LOOPS_H
#define TARGET_RISCV_VECTOR_LOOPS_H

#include "target/riscv/vector.h"

/* Sources and results of the same width. SECOND: how b comes about. */
#define VECTOR_LOOP_(NAME, TU, TS, WIDTH, HINT, SECOND, EXPRESSION)                                                              \
    static void NAME(struct vector *v)                                                                                          \
    {                                                                                                                           \
        typedef TU U;                                                                                                           \
        typedef TS S __attribute__((unused));                                                                                   \
        enum { BITS = WIDTH };                                                                                                  \
        U *to = (U *)v->d;                                                                                                      \
        const U *second __attribute__((unused)) = (const U *)v->s1, *first = (const U *)v->s2;                                  \
        const U scalar __attribute__((unused)) = (U)v->x;                                                                       \
                                                                                                                                \
        (void)BITS;                                                                                                             \
        VECTOR_EACH(v, HINT, U a = first[i]; U b __attribute__((unused)) = SECOND; U d __attribute__((unused)) = to[i];         \
                    to[i] = (U)(EXPRESSION););                                                                                  \
    }
#define VECTOR_LOOPS_(NAME, SUFFIX, HINT, SECOND, EXPRESSION)               \
    VECTOR_LOOP_(NAME##_##SUFFIX##8, u8, s8, 8, HINT, SECOND, EXPRESSION)   \
    VECTOR_LOOP_(NAME##_##SUFFIX##16, u16, s16, 16, HINT, SECOND, EXPRESSION) \
    VECTOR_LOOP_(NAME##_##SUFFIX##32, u32, s32, 32, HINT, SECOND, EXPRESSION) \
    VECTOR_LOOP_(NAME##_##SUFFIX##64, u64, s64, 64, HINT, SECOND, EXPRESSION)
#define VECTOR_BINARY(NAME, EXPRESSION)                                      \
    VECTOR_LOOPS_(NAME, v, VECTOR_INDEPENDENT, second[i], EXPRESSION)        \
    VECTOR_LOOPS_(NAME, x, VECTOR_INDEPENDENT, scalar, EXPRESSION)
#define VECTOR_UNARY(NAME, EXPRESSION) VECTOR_LOOPS_(NAME, v, VECTOR_INDEPENDENT, 0, EXPRESSION)

/* A bit for each element. The result may lie in a source: bits before those that it was made of. */
#define VECTOR_TEST_(NAME, TU, TS, SECOND, EXPRESSION)                                                       \
    static void NAME(struct vector *v)                                                                       \
    {                                                                                                        \
        typedef TU U;                                                                                        \
        typedef TS S __attribute__((unused));                                                                \
        const U *second __attribute__((unused)) = (const U *)v->s1, *first = (const U *)v->s2;               \
        const U scalar __attribute__((unused)) = (U)v->x;                                                    \
                                                                                                             \
        VECTOR_TEST_WHOLE_(v, SECOND, EXPRESSION)                                                            \
        VECTOR_EACH(v, , U a = first[i]; U b = SECOND; vector_set_bit(v->d, i, (EXPRESSION)););              \
    }
/* Without mask and from the start: eight elements make a byte, the rest bit by bit. */
#define VECTOR_TEST_WHOLE_(v, SECOND, EXPRESSION)                                                            \
    if (!(v)->masked && (v)->start == 0) {                                                                   \
        u64 whole = (v)->vl & ~UINT64_C(7);                                                                  \
        for (u64 at = 0; at < whole; at += 8) {                                                              \
            unsigned bits = 0;                                                                               \
            for (u64 i = at; i < at + 8; i++) {                                                              \
                U a = first[i], b = SECOND;                                                                  \
                bits |= (unsigned)(EXPRESSION) << (i - at);                                                  \
            }                                                                                                \
            (v)->d[at / 8] = (u8)bits;                                                                       \
        }                                                                                                    \
        (v)->start = whole;                                                                                  \
    }
#define VECTOR_TEST(NAME, EXPRESSION)                             \
    VECTOR_TEST_(NAME##_v8, u8, s8, second[i], EXPRESSION)        \
    VECTOR_TEST_(NAME##_v16, u16, s16, second[i], EXPRESSION)     \
    VECTOR_TEST_(NAME##_v32, u32, s32, second[i], EXPRESSION)     \
    VECTOR_TEST_(NAME##_v64, u64, s64, second[i], EXPRESSION)     \
    VECTOR_TEST_(NAME##_x8, u8, s8, scalar, EXPRESSION)           \
    VECTOR_TEST_(NAME##_x16, u16, s16, scalar, EXPRESSION)        \
    VECTOR_TEST_(NAME##_x32, u32, s32, scalar, EXPRESSION)        \
    VECTOR_TEST_(NAME##_x64, u64, s64, scalar, EXPRESSION)

/* Results of type RESULT from elements of types FIRST and SECOND; U, S: of SEW bits; W, WS: twice as wide. */
#define VECTOR_MIXED_(NAME, TU, TS, TW, TWS, WIDTH, RESULT, FIRST, B, EXPRESSION)                                               \
    static void NAME(struct vector *v)                                                                                          \
    {                                                                                                                           \
        typedef TU U __attribute__((unused));                                                                                   \
        typedef TS S __attribute__((unused));                                                                                   \
        typedef TW W __attribute__((unused));                                                                                   \
        typedef TWS WS __attribute__((unused));                                                                                 \
        enum { BITS = WIDTH };                                                                                                  \
        RESULT *to = (RESULT *)v->d;                                                                                            \
        const FIRST *first = (const FIRST *)v->s2;                                                                              \
        const U *second __attribute__((unused)) = (const U *)v->s1;                                                             \
        const U scalar __attribute__((unused)) = (U)v->x;                                                                       \
                                                                                                                                \
        (void)BITS;                                                                                                             \
        VECTOR_EACH(v, , FIRST a = first[i]; U b __attribute__((unused)) = B; RESULT d __attribute__((unused)) = to[i];         \
                    to[i] = (RESULT)(EXPRESSION););                                                                             \
    }
#define VECTOR_MIXED(NAME, RESULT, FIRST, EXPRESSION)                                          \
    VECTOR_MIXED_(NAME##_v8, u8, s8, u16, s16, 8, RESULT, FIRST, second[i], EXPRESSION)        \
    VECTOR_MIXED_(NAME##_v16, u16, s16, u32, s32, 16, RESULT, FIRST, second[i], EXPRESSION)    \
    VECTOR_MIXED_(NAME##_v32, u32, s32, u64, s64, 32, RESULT, FIRST, second[i], EXPRESSION)    \
    VECTOR_MIXED_(NAME##_x8, u8, s8, u16, s16, 8, RESULT, FIRST, scalar, EXPRESSION)           \
    VECTOR_MIXED_(NAME##_x16, u16, s16, u32, s32, 16, RESULT, FIRST, scalar, EXPRESSION)       \
    VECTOR_MIXED_(NAME##_x32, u32, s32, u64, s64, 32, RESULT, FIRST, scalar, EXPRESSION)

/* Rows of the tables. */
#define VECTOR_ALL(NAME)  { { NAME##_v8, NAME##_v16, NAME##_v32, NAME##_v64 }, { NAME##_x8, NAME##_x16, NAME##_x32, NAME##_x64 } }
#define VECTOR_ONLY_V(NAME) { { NAME##_v8, NAME##_v16, NAME##_v32, NAME##_v64 } }
#define VECTOR_ONLY_X(NAME) { { 0 }, { NAME##_x8, NAME##_x16, NAME##_x32, NAME##_x64 } }
#define VECTOR_UP_TO_32(NAME) { { NAME##_v8, NAME##_v16, NAME##_v32, NULL }, { NAME##_x8, NAME##_x16, NAME##_x32, NULL } }

#endif
