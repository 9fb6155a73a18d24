/* tcg/interp/memory.h - guest memory as the interpreter reaches it: the L1, host accesses, atomics. For exec.c alone. */
#ifndef TCG_INTERP_MEMORY_H
#define TCG_INTERP_MEMORY_H

#include "tcg/interp/interp.h"
#include <string.h>

static inline void *at(void *base, s64 offset)
{
    return (u8 *)base + offset;
}

/* The host address of the access, or NULL when the slow path has to do it. */
static inline void *look_up(const struct tcg_engine *engine, void *base, s32 table, u64 va, unsigned bytes)
{
    return tcg_l1_look_up(at(base, table), engine->layout.l1_bits, va, bytes);
}

/* Single-copy atomic when aligned. */
#define HOST_ACCESS(B, SWAP)                                                                                                       \
    static inline u##B host_load##B(const void *p)                                                                                 \
    {                                                                                                                              \
        u##B v;                                                                                                                    \
                                                                                                                                   \
        if (likely(((uintptr_t)p & (B / 8 - 1)) == 0))                                                                             \
            v = __atomic_load_n((const u##B *)p, __ATOMIC_RELAXED);                                                                \
        else                                                                                                                       \
            memcpy(&v, p, sizeof v);                                                                                               \
        return HOST_IS_BIG ? (u##B)SWAP(v) : v;                                                                                    \
    }                                                                                                                              \
    static inline void host_store##B(void *p, u##B v)                                                                              \
    {                                                                                                                              \
        if (HOST_IS_BIG)                                                                                                           \
            v = (u##B)SWAP(v);                                                                                                     \
        if (likely(((uintptr_t)p & (B / 8 - 1)) == 0))                                                                             \
            __atomic_store_n((u##B *)p, v, __ATOMIC_RELAXED);                                                                      \
        else                                                                                                                       \
            memcpy(p, &v, sizeof v);                                                                                               \
    }
HOST_ACCESS(8, )
HOST_ACCESS(16, __builtin_bswap16)
HOST_ACCESS(32, __builtin_bswap32)
HOST_ACCESS(64, __builtin_bswap64)
#undef HOST_ACCESS

static inline bool is_misaligned(u32 mem, u64 va)
{
    return (mem & IR_MEM_ALIGNED) && (va & (ir_mem_bytes(mem) - 1));
}

static inline u64 extend_loaded(u32 mem, u64 v)
{
    unsigned shift = 64 - 8 * ir_mem_bytes(mem);

    if (mem & IR_MEM_ONES)
        return v | ~(~UINT64_C(0) >> shift);
    return mem & IR_MEM_SIGNED ? (u64)((s64)(v << shift) >> shift) : v << shift >> shift;
}

static inline u64 host_load_any(u32 mem, const void *p)
{
    unsigned shift = 64 - 8 * ir_mem_bytes(mem);
    u64 v;

    switch (mem & IR_MEM_SIZE) {
    case IR_MEM_8:
        v = host_load8(p);
        break;
    case IR_MEM_16:
        v = host_load16(p);
        break;
    case IR_MEM_32:
        v = host_load32(p);
        break;
    default:
        v = host_load64(p);
    }
    if (mem & IR_MEM_BIG)
        v = __builtin_bswap64(v) >> shift;
    return extend_loaded(mem, v);
}

static inline void host_store_any(u32 mem, void *p, u64 v)
{
    if (mem & IR_MEM_BIG)
        v = __builtin_bswap64(v) >> (64 - 8 * ir_mem_bytes(mem));
    switch (mem & IR_MEM_SIZE) {
    case IR_MEM_8:
        host_store8(p, (u8)v);
        break;
    case IR_MEM_16:
        host_store16(p, (u16)v);
        break;
    case IR_MEM_32:
        host_store32(p, (u32)v);
        break;
    default:
        host_store64(p, v);
    }
}

#define PUT(B)                                                                                                                     \
    static inline u64 put##B(void *p, u64 v)                                                                                       \
    {                                                                                                                              \
        *(u##B *)p = (u##B)v;                                                                                                      \
        return v;                                                                                                                  \
    }
PUT(8) PUT(16) PUT(32) PUT(64)
#undef PUT

/* Read-modify-write of aligned host memory; the old value, sign-extended. Only for the host's own byte order. */
u64 interp_amo(enum ir_amo op, u32 mem, void *p, u64 v);
u64 interp_cas(u32 mem, void *p, u64 expected, u64 desired);

#endif
