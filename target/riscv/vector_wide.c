/* target/riscv/vector_wide.c - integers of two widths (Unprivileged manual, "V", sections 11.2, 11.3, 11.7, 11.12, 11.14, 14.2; Zvbb). */
#include "target/riscv/vector_loops.h"

VECTOR_MIXED(waddu, W, U, (W)a + b)
VECTOR_MIXED(wadd, W, U, (WS)(S)a + (S)b)
VECTOR_MIXED(wsubu, W, U, (W)a - b)
VECTOR_MIXED(wsub, W, U, (WS)(S)a - (S)b)
VECTOR_MIXED(waddu_w, W, W, a + b)
VECTOR_MIXED(wadd_w, W, W, a + (W)(S)b)
VECTOR_MIXED(wsubu_w, W, W, a - b)
VECTOR_MIXED(wsub_w, W, W, a - (W)(S)b)
VECTOR_MIXED(wmulu, W, U, (u64)a * b)
VECTOR_MIXED(wmul, W, U, (s64)(S)a * (S)b)
VECTOR_MIXED(wmulsu, W, U, (s64)(S)a * (s64)b)
VECTOR_MIXED(wmaccu, W, U, d + (u64)a * b)
VECTOR_MIXED(wmacc, W, U, d + (u64)((s64)(S)a * (S)b))
VECTOR_MIXED(wmaccsu, W, U, d + (u64)((s64)a * (S)b)) /* vs1 is signed, vs2 unsigned */
VECTOR_MIXED(wmaccus, W, U, d + (u64)((s64)(S)a * (s64)b))
VECTOR_MIXED(wsll, W, U, (W)a << (b & (2 * BITS - 1)))
VECTOR_MIXED(nsrl, U, W, a >> (b & (2 * BITS - 1)))
VECTOR_MIXED(nsra, U, W, (WS)a >> (b & (2 * BITS - 1)))

#define EXTEND(NAME, TO, FROM)                                               \
    static void NAME(struct vector *v)                                       \
    {                                                                        \
        TO *to = (TO *)v->d;                                                 \
        const FROM *from = (const FROM *)v->s2;                              \
                                                                             \
        VECTOR_EACH(v, , to[i] = (TO)from[i];);                              \
    }
EXTEND(zext2_16, u16, u8) EXTEND(zext2_32, u32, u16) EXTEND(zext2_64, u64, u32)
EXTEND(sext2_16, s16, s8) EXTEND(sext2_32, s32, s16) EXTEND(sext2_64, s64, s32)
EXTEND(zext4_32, u32, u8) EXTEND(zext4_64, u64, u16) EXTEND(sext4_32, s32, s8) EXTEND(sext4_64, s64, s16)
EXTEND(zext8_64, u64, u8) EXTEND(sext8_64, s64, s8)

#define REDUCE(NAME, TO, FROM)                                               \
    static void NAME(struct vector *v)                                       \
    {                                                                        \
        const FROM *from = (const FROM *)v->s2;                              \
        TO sum = *(const TO *)v->s1;                                         \
                                                                             \
        VECTOR_EACH(v, , sum = (TO)(sum + from[i]););                        \
        if (v->vl)                                                           \
            *(TO *)v->d = sum;                                               \
    }
REDUCE(redsumu_8, u16, u8) REDUCE(redsumu_16, u32, u16) REDUCE(redsumu_32, u64, u32)
REDUCE(redsum_8, u16, s8) REDUCE(redsum_16, u32, s16) REDUCE(redsum_32, u64, s32)

riscv_vector_functions riscv_vector_wide[RISCV_V_OP_COUNT] = {
    [RISCV_V_WADDU] = VECTOR_UP_TO_32(waddu),     [RISCV_V_WADD] = VECTOR_UP_TO_32(wadd),       [RISCV_V_WSUBU] = VECTOR_UP_TO_32(wsubu),
    [RISCV_V_WSUB] = VECTOR_UP_TO_32(wsub),       [RISCV_V_WADDU_W] = VECTOR_UP_TO_32(waddu_w), [RISCV_V_WADD_W] = VECTOR_UP_TO_32(wadd_w),
    [RISCV_V_WSUBU_W] = VECTOR_UP_TO_32(wsubu_w), [RISCV_V_WSUB_W] = VECTOR_UP_TO_32(wsub_w),   [RISCV_V_WMULU] = VECTOR_UP_TO_32(wmulu),
    [RISCV_V_WMUL] = VECTOR_UP_TO_32(wmul),       [RISCV_V_WMULSU] = VECTOR_UP_TO_32(wmulsu),   [RISCV_V_WMACCU] = VECTOR_UP_TO_32(wmaccu),
    [RISCV_V_WMACC] = VECTOR_UP_TO_32(wmacc),     [RISCV_V_WMACCSU] = VECTOR_UP_TO_32(wmaccsu), [RISCV_V_WMACCUS] = VECTOR_UP_TO_32(wmaccus),
    [RISCV_V_WSLL] = VECTOR_UP_TO_32(wsll),       [RISCV_V_NSRL] = VECTOR_UP_TO_32(nsrl),       [RISCV_V_NSRA] = VECTOR_UP_TO_32(nsra),
    [RISCV_V_ZEXT2] = { { NULL, zext2_16, zext2_32, zext2_64 } },
    [RISCV_V_SEXT2] = { { NULL, sext2_16, sext2_32, sext2_64 } },
    [RISCV_V_ZEXT4] = { { NULL, NULL, zext4_32, zext4_64 } },
    [RISCV_V_SEXT4] = { { NULL, NULL, sext4_32, sext4_64 } },
    [RISCV_V_ZEXT8] = { { NULL, NULL, NULL, zext8_64 } },
    [RISCV_V_SEXT8] = { { NULL, NULL, NULL, sext8_64 } },
    [RISCV_V_WREDSUMU] = { { redsumu_8, redsumu_16, redsumu_32, NULL } },
    [RISCV_V_WREDSUM] = { { redsum_8, redsum_16, redsum_32, NULL } },
};
