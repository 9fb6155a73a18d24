/* tcg/interp/atomic.c - read-modify-write operations on host memory. */
#include "tcg/interp/memory.h"

static u64 combine(enum ir_amo op, unsigned bits, u64 old, u64 v)
{
    s64 x = (s64)(old << (64 - bits)), y = (s64)(v << (64 - bits));

    switch (op) {
    case IR_AMO_ADD:
        return old + v;
    case IR_AMO_AND:
        return old & v;
    case IR_AMO_OR:
        return old | v;
    case IR_AMO_XOR:
        return old ^ v;
    case IR_AMO_MINS:
        return x < y ? old : v;
    case IR_AMO_MAXS:
        return x > y ? old : v;
    case IR_AMO_MINU:
        return (u64)x < (u64)y ? old : v;
    case IR_AMO_MAXU:
        return (u64)x > (u64)y ? old : v;
    default:
        return v;
    }
}

#define ATOMIC(B)                                                                                                                  \
    static u64 amo##B(enum ir_amo op, u##B *p, u64 v)                                                                              \
    {                                                                                                                              \
        u##B old = __atomic_load_n(p, __ATOMIC_RELAXED);                                                                           \
                                                                                                                                   \
        while (!__atomic_compare_exchange_n(p, &old, (u##B)combine(op, B, old, v), false, __ATOMIC_SEQ_CST,                        \
                                            __ATOMIC_RELAXED))                                                                     \
            ;                                                                                                                      \
        return (u64)(s64)(s##B)old;                                                                                                \
    }                                                                                                                              \
    static u64 cas##B(u##B *p, u64 expected, u64 desired)                                                                          \
    {                                                                                                                              \
        u##B old = (u##B)expected;                                                                                                 \
                                                                                                                                   \
        __atomic_compare_exchange_n(p, &old, (u##B)desired, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);                            \
        return (u64)(s64)(s##B)old;                                                                                                \
    }
ATOMIC(8) ATOMIC(16) ATOMIC(32) ATOMIC(64)
#undef ATOMIC

u64 interp_amo(enum ir_amo op, u32 mem, void *p, u64 v)
{
    switch (mem & IR_MEM_SIZE) {
    case IR_MEM_8:
        return amo8(op, p, v);
    case IR_MEM_16:
        return amo16(op, p, v);
    case IR_MEM_32:
        return amo32(op, p, v);
    default:
        return amo64(op, p, v);
    }
}

u64 interp_cas(u32 mem, void *p, u64 expected, u64 desired)
{
    switch (mem & IR_MEM_SIZE) {
    case IR_MEM_8:
        return cas8(p, expected, desired);
    case IR_MEM_16:
        return cas16(p, expected, desired);
    case IR_MEM_32:
        return cas32(p, expected, desired);
    default:
        return cas64(p, expected, desired);
    }
}
