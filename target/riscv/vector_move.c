/* target/riscv/vector_move.c - moves, merges, masks, slides, gathers (Unprivileged manual, "V", sections 11.15, 11.16, 13.15, 15, 16). */
#include "target/riscv/vector_loops.h"
#include <string.h>

/* For each width, type T. */
#define WIDTHS(X, NAME) X(NAME##8, u8) X(NAME##16, u16) X(NAME##32, u32) X(NAME##64, u64)
#define ROW(V, X) { V, X }
#define FOUR(NAME) { NAME##8, NAME##16, NAME##32, NAME##64 }
#define SAME(F)    { F, F, F, F }

/* --- copies --- */

VECTOR_BINARY(merge, vector_bit(v->v0, i) ? b : a)

#define MV_V(NAME, T)                                                                                      \
    static void NAME(struct vector *v)                                                                     \
    {                                                                                                      \
        if (v->start < v->vl)                                                                              \
            memmove(v->d + v->start * sizeof(T), v->s1 + v->start * sizeof(T), (v->vl - v->start) * sizeof(T)); \
    }
#define MV_X(NAME, T)                                  \
    static void NAME(struct vector *v)                 \
    {                                                  \
        T *to = (T *)v->d, x = (T)v->x;                \
                                                       \
        for (u64 i = v->start; i < v->vl; i++)         \
            to[i] = x;                                 \
    }
#define MV_S(NAME, T)                                  \
    static void NAME(struct vector *v)                 \
    {                                                  \
        if (v->start < v->vl)                          \
            *(T *)v->d = (T)v->x;                      \
    }
WIDTHS(MV_V, mv_v) WIDTHS(MV_X, mv_x) WIDTHS(MV_S, mv_s)

#define TO_X(NAME, T)                                  \
    static void NAME(struct vector *v)                 \
    {                                                  \
        v->result = (u64)(s64)*(const T *)v->s2;       \
    }
TO_X(to_x8, s8) TO_X(to_x16, s16) TO_X(to_x32, s32) TO_X(to_x64, s64)

#define TO_F(NAME, T)                                                                                       \
    static void NAME(struct vector *v)                                                                      \
    {                                                                                                       \
        v->result = sizeof(T) == 8 ? *(const u64 *)v->s2 : *(const T *)v->s2 | ~UINT64_C(0) << (8 * sizeof(T) & 63); \
    }
TO_F(to_f16, u16) TO_F(to_f32, u32) TO_F(to_f64, u64)

/* Whole registers: the elements are those of SEW, from vstart on (section 16.6). */
static void move_whole(struct vector *v, unsigned registers, unsigned bytes)
{
    u64 all = (u64)registers * v->vlenb, from = v->start * bytes;

    if (from < all)
        memmove(v->d + from, v->s2 + from, all - from);
}
#define MOVE_WHOLE(N)                                                                     \
    static void mv##N##r8(struct vector *v) { move_whole(v, N, 1); }                      \
    static void mv##N##r16(struct vector *v) { move_whole(v, N, 2); }                     \
    static void mv##N##r32(struct vector *v) { move_whole(v, N, 4); }                     \
    static void mv##N##r64(struct vector *v) { move_whole(v, N, 8); }
MOVE_WHOLE(1) MOVE_WHOLE(2) MOVE_WHOLE(4) MOVE_WHOLE(8)

/* --- masks --- */

static inline u8 logic(enum riscv_vector_op op, u8 a, u8 b)
{
    switch (op) {
    case RISCV_V_MANDN: return a & ~b;
    case RISCV_V_MAND:  return a & b;
    case RISCV_V_MOR:   return a | b;
    case RISCV_V_MXOR:  return a ^ b;
    case RISCV_V_MORN:  return (u8)(a | ~b);
    case RISCV_V_MNAND: return (u8) ~(a & b);
    case RISCV_V_MNOR:  return (u8) ~(a | b);
    default:            return (u8) ~(a ^ b);
    }
}

/* Bits from start to vl, by bytes; the others stay. */
static inline void mask_logic(struct vector *v, enum riscv_vector_op op)
{
    for (u64 at = v->start / 8; 8 * at < v->vl; at++) {
        u8 keep = 8 * at < v->start ? (u8)((1 << (v->start - 8 * at)) - 1) : 0;

        keep |= v->vl < 8 * at + 8 ? (u8)(0xff << (v->vl - 8 * at)) : 0;
        v->d[at] = (u8)((v->d[at] & keep) | (logic(op, v->s2[at], v->s1[at]) & ~keep));
    }
}
#define MASK_LOGIC(NAME, OP) static void NAME(struct vector *v) { mask_logic(v, RISCV_V_##OP); }
MASK_LOGIC(mandn, MANDN) MASK_LOGIC(mand, MAND) MASK_LOGIC(mor, MOR) MASK_LOGIC(mxor, MXOR)
MASK_LOGIC(morn, MORN) MASK_LOGIC(mnand, MNAND) MASK_LOGIC(mnor, MNOR) MASK_LOGIC(mxnor, MXNOR)

/* 64 bits of a mask, active ones, from a multiple of 64; beyond vl zeros. Registers may be shorter than the word. */
static u64 active_bits(const struct vector *v, u64 at)
{
    u64 bits = 0, mask = UINT64_MAX, left = v->vl - at;
    size_t bytes = MIN(8, v->vlenb - at / 8);

    memcpy(&bits, v->s2 + at / 8, bytes);
    if (v->masked)
        memcpy(&mask, v->v0 + at / 8, bytes);
    return bits & mask & (left < 64 ? (UINT64_C(1) << left) - 1 : UINT64_MAX);
}

static void count(struct vector *v)
{
    for (u64 at = 0; at < v->vl; at += 64)
        v->result += (u64)__builtin_popcountll(active_bits(v, at));
}

static void first(struct vector *v)
{
    for (u64 at = 0; at < v->vl; at += 64) {
        u64 bits = active_bits(v, at);

        if (bits) {
            v->result = at + (u64)__builtin_ctzll(bits);
            return;
        }
    }
    v->result = UINT64_MAX;
}

/* Ones before the first one; at it: `here`. only: at it alone. */
static inline void set_before(struct vector *v, bool before, bool here)
{
    bool seen = false;

    for (u64 i = v->start; i < v->vl; i++) {
        if (!vector_active(v, i))
            continue;
        bool one = vector_bit(v->s2, i), is_first = one && !seen;

        seen |= one;
        vector_set_bit(v->d, i, is_first ? here : before && !seen);
    }
}
static void msbf(struct vector *v) { set_before(v, true, false); }
static void msif(struct vector *v) { set_before(v, true, true); }
static void msof(struct vector *v) { set_before(v, false, true); }

#define IOTA(NAME, T)                                  \
    static void NAME(struct vector *v)                 \
    {                                                  \
        T *to = (T *)v->d, sum = 0;                    \
                                                       \
        for (u64 i = v->start; i < v->vl; i++) {       \
            if (!vector_active(v, i))                  \
                continue;                              \
            to[i] = sum;                               \
            sum = (T)(sum + vector_bit(v->s2, i));     \
        }                                              \
    }
#define ID(NAME, T)                                    \
    static void NAME(struct vector *v)                 \
    {                                                  \
        T *to = (T *)v->d;                             \
                                                       \
        VECTOR_EACH(v, , to[i] = (T)i;);               \
    }
WIDTHS(IOTA, iota) WIDTHS(ID, id)

/* --- slides, gathers --- */

#define SLIDE(NAME, T)                                                                        \
    static void NAME##_up(struct vector *v)                                                   \
    {                                                                                         \
        T *to = (T *)v->d;                                                                    \
        const T *from = (const T *)v->s2;                                                     \
                                                                                              \
        v->start = MAX(v->start, MIN(v->x, v->vl));                                           \
        VECTOR_EACH(v, , to[i] = from[i - v->x];);                                            \
    }                                                                                         \
    static void NAME##_down(struct vector *v)                                                 \
    {                                                                                         \
        T *to = (T *)v->d;                                                                    \
        const T *from = (const T *)v->s2;                                                     \
        u64 left = v->x < v->vlmax ? v->vlmax - v->x : 0; /* elements that there are */       \
                                                                                              \
        VECTOR_EACH(v, , to[i] = i < left ? from[i + v->x] : 0;);                             \
    }                                                                                         \
    static void NAME##_1up(struct vector *v)                                                  \
    {                                                                                         \
        T *to = (T *)v->d;                                                                    \
        const T *from = (const T *)v->s2;                                                     \
                                                                                              \
        VECTOR_EACH(v, , to[i] = i ? from[i - 1] : (T)v->x;);                                 \
    }                                                                                         \
    static void NAME##_1down(struct vector *v)                                                \
    {                                                                                         \
        T *to = (T *)v->d;                                                                    \
        const T *from = (const T *)v->s2;                                                     \
                                                                                              \
        VECTOR_EACH(v, , to[i] = i + 1 < v->vl ? from[i + 1] : (T)v->x;);                     \
    }
WIDTHS(SLIDE, slide)

#define GATHER(NAME, T)                                                                       \
    static void NAME##_v(struct vector *v)                                                    \
    {                                                                                         \
        T *to = (T *)v->d;                                                                    \
        const T *from = (const T *)v->s2, *at = (const T *)v->s1;                             \
                                                                                              \
        VECTOR_EACH(v, , to[i] = at[i] < v->vlmax ? from[at[i]] : 0;);                        \
    }                                                                                         \
    static void NAME##_x(struct vector *v)                                                    \
    {                                                                                         \
        T *to = (T *)v->d, x = v->x < v->vlmax ? ((const T *)v->s2)[v->x] : 0;                \
                                                                                              \
        VECTOR_EACH(v, , to[i] = x;);                                                         \
    }                                                                                         \
    static void NAME##_16(struct vector *v)                                                   \
    {                                                                                         \
        T *to = (T *)v->d;                                                                    \
        const T *from = (const T *)v->s2;                                                     \
        const u16 *at = (const u16 *)v->s1;                                                   \
                                                                                              \
        VECTOR_EACH(v, , to[i] = at[i] < v->vlmax ? from[at[i]] : 0;);                        \
    }                                                                                         \
    static void NAME##_compress(struct vector *v)                                             \
    {                                                                                         \
        T *to = (T *)v->d;                                                                    \
        const T *from = (const T *)v->s2;                                                     \
        u64 next = 0;                                                                         \
                                                                                              \
        for (u64 i = v->start; i < v->vl; i++)                                                \
            if (vector_bit(v->s1, i))                                                         \
                to[next++] = from[i];                                                         \
    }
WIDTHS(GATHER, gather)

#define WITH(NAME, SUFFIX) { NAME##8##SUFFIX, NAME##16##SUFFIX, NAME##32##SUFFIX, NAME##64##SUFFIX }

riscv_vector_functions riscv_vector_move[RISCV_V_OP_COUNT] = {
    [RISCV_V_MERGE] = VECTOR_ALL(merge),
    [RISCV_V_MV] = ROW(FOUR(mv_v), FOUR(mv_x)),
    [RISCV_V_MV_S] = ROW({ NULL }, FOUR(mv_s)),
    [RISCV_V_MV_X_S] = { FOUR(to_x) },
    [RISCV_V_MV_F_S] = { { NULL, to_f16, to_f32, to_f64 } },
    [RISCV_V_MV1R] = { FOUR(mv1r) }, [RISCV_V_MV2R] = { FOUR(mv2r) }, [RISCV_V_MV4R] = { FOUR(mv4r) }, [RISCV_V_MV8R] = { FOUR(mv8r) },
    [RISCV_V_MANDN] = { SAME(mandn) }, [RISCV_V_MAND] = { SAME(mand) }, [RISCV_V_MOR] = { SAME(mor) }, [RISCV_V_MXOR] = { SAME(mxor) },
    [RISCV_V_MORN] = { SAME(morn) }, [RISCV_V_MNAND] = { SAME(mnand) }, [RISCV_V_MNOR] = { SAME(mnor) }, [RISCV_V_MXNOR] = { SAME(mxnor) },
    [RISCV_V_CPOP_M] = { SAME(count) }, [RISCV_V_FIRST] = { SAME(first) },
    [RISCV_V_MSBF] = { SAME(msbf) }, [RISCV_V_MSIF] = { SAME(msif) }, [RISCV_V_MSOF] = { SAME(msof) },
    [RISCV_V_IOTA] = { FOUR(iota) }, [RISCV_V_ID] = { FOUR(id) },
    [RISCV_V_SLIDEUP] = ROW({ NULL }, WITH(slide, _up)), [RISCV_V_SLIDEDOWN] = ROW({ NULL }, WITH(slide, _down)),
    [RISCV_V_SLIDE1UP] = ROW({ NULL }, WITH(slide, _1up)), [RISCV_V_SLIDE1DOWN] = ROW({ NULL }, WITH(slide, _1down)),
    [RISCV_V_RGATHER] = ROW(WITH(gather, _v), WITH(gather, _x)),
    [RISCV_V_RGATHEREI16] = { WITH(gather, _16) },
    [RISCV_V_COMPRESS] = { WITH(gather, _compress) },
};
