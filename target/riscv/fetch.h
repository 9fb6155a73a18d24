/*
 * target/riscv/fetch.h - reading instructions from a page of code, for those who translate.
 *
 * Thread: whoever holds the translation lock of accel/tcg.
 */
#ifndef TARGET_RISCV_FETCH_H
#define TARGET_RISCV_FETCH_H

#include "base/types.h"
#include "vm/vcpu.h"
#include <glib.h>

/* Instruction parcels are little-endian on every hart. Another one may be storing there: then this translation is invalidated. */
static inline u32 riscv_load_half(const u8 *bytes)
{
    return GUINT16_FROM_LE(__atomic_load_n((const u16 *)bytes, __ATOMIC_RELAXED));
}

static inline u32 riscv_load_word(const u8 *bytes)
{
    return riscv_load_half(bytes) | riscv_load_half(bytes + 2) << 16;
}

enum { CODE_PAGE = 4096 };
enum riscv_fetch { RISCV_FETCH_OK, RISCV_FETCH_CROSSES };

/* Behind the last byte that there is. */
static inline u32 riscv_fetch_end(const struct code_source *source)
{
    return CODE_PAGE + source->more;
}

/* The instruction at an offset; crosses: its second half lies behind the last byte that there is, *raw is the first. */
static inline enum riscv_fetch riscv_fetch(const struct code_source *source, u32 offset, u32 *raw)
{
    const u8 *bytes = source->page + offset;

    if (likely(offset + 4 <= riscv_fetch_end(source))) {
        *raw = riscv_load_word(bytes);
        return RISCV_FETCH_OK;
    }
    *raw = riscv_load_half(bytes);
    return (*raw & 3) == 3 ? RISCV_FETCH_CROSSES : RISCV_FETCH_OK;
}

/* Whether code_source wants the block to end before this offset. */
static inline bool riscv_stops_before(const struct code_source *source, u32 offset)
{
    if (source->stops && !(source->stops[offset >> 7] >> (offset >> 1 & 63) & 1))
        return false;
    return source->stop_before && source->stop_before(source->opaque, offset);
}

#endif
