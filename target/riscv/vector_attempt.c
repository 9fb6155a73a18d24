/*
 * target/riscv/vector_attempt.c - loads and stores that move element by element (vector_memory.c), where the L1 has their pages: strides, segments,
 * indices, masks. What it has not, what crosses pages and all that may fault is the helper's, which goes on from vstart. tcg/attempt.h
 */
#include "target/riscv/state.h"
#include "target/riscv/vector.h"
#include "target/riscv/vector_attempt.h"
#include <string.h>

#define INLINE static inline __attribute__((always_inline))
enum { PAGE = TCG_PAGE_SIZE };

struct moves {
    u8 *state;
    const struct code_layout *layout;
    u64 address, step, span; /* of element 0; from one to the next; bytes of one with all its fields */
    u64 count;
    u8 *group;               /* of the first field */
    u64 group_bytes, fields;
    const u8 *index, *mask;  /* NULL: none */
    u64 page;                /* whose host address is `host` */
    u8 *host;                /* NULL: none yet */
};

/* One element by one move; memcpy of a constant length is that. */
INLINE void copy(u8 *to, const u8 *from, unsigned bytes)
{
    switch (bytes) {
    case 1: memcpy(to, from, 1); break;
    case 2: memcpy(to, from, 2); break;
    case 4: memcpy(to, from, 4); break;
    default: memcpy(to, from, 8); break;
    }
}

INLINE u64 take(const u8 *from, unsigned bytes)
{
    u64 value = 0;

    copy((u8 *)&value, from, bytes);
    return value;
}

/* --- equal distances --- */

/* Into the file eight bytes at a time: what is read of them soon is wider than an element. */
INLINE void load_row(u8 *to, const u8 *from, u64 step, u64 count, unsigned bytes)
{
    const unsigned together = 8 / bytes;

    for (; count >= together; count -= together, to += 8) {
        u64 word = 0;

        for (unsigned k = 0; k < together; k++, from += step)
            word |= take(from, bytes) << (8 * bytes * k % 64);
        memcpy(to, &word, 8);
    }
    for (; count; count--, to += bytes, from += step)
        copy(to, from, bytes);
}

INLINE void store_row(u8 *to, const u8 *from, u64 step, u64 count, unsigned bytes)
{
    for (; count; count--, to += step, from += bytes)
        copy(to, from, bytes);
}

/* Elements from i on, all in one page. */
INLINE void move_rows(const struct moves *m, u64 i, u64 count, u8 *place, unsigned bytes, bool load)
{
    u8 *group = m->group + i * bytes;

    for (u64 field = 0; field < m->fields; field++, group += m->group_bytes, place += bytes)
        load ? load_row(group, place, m->step, count, bytes) : store_row(place, group, m->step, count, bytes);
}

/* How many elements from that at an offset in a page on lie there, of those that are left. 0: not even the first. */
static u64 count_in_page(const struct moves *m, u64 offset, u64 left)
{
    bool down = (s64)m->step < 0;
    u64 distance = down ? -m->step : m->step, room;

    if (offset + m->span > PAGE)
        return 0;
    room = down ? offset : PAGE - m->span - offset;
    if (distance > PAGE)
        return 1;
    return distance * (left - 1) <= room ? left : room / distance + 1;
}

/* The first element that was not moved. */
INLINE u64 move_regular(struct moves *m, unsigned bytes, bool load)
{
    u64 i = 0;

    while (i < m->count) {
        u64 va = m->address + i * m->step, here = count_in_page(m, va & (PAGE - 1), m->count - i);
        u8 *place = here ? ir_attempt_host(m->state, m->layout, va, m->span, !load) : NULL;

        if (!place)
            break;
        move_rows(m, i, here, place, bytes, load);
        i += here;
    }
    return i;
}

/* --- indices and masks --- */

/* False: it is to be had otherwise. */
INLINE bool move_one(struct moves *m, u64 i, unsigned bytes, bool load, unsigned index_bytes)
{
    u64 va = m->address + (index_bytes ? take(m->index + i * index_bytes, index_bytes) : i * m->step);
    u8 *group = m->group + i * bytes, *place;

    if (unlikely(!m->host || (va ^ m->page) > PAGE - m->span)) {
        place = ir_attempt_host(m->state, m->layout, va, m->span, !load);
        if (!place)
            return false;
        m->page = va & -(u64)PAGE;
        m->host = place - (va & (PAGE - 1));
    }
    place = m->host + (va & (PAGE - 1));
    for (u64 field = 0; field < m->fields; field++, group += m->group_bytes, place += bytes)
        load ? copy(group, place, bytes) : copy(place, group, bytes);
    return true;
}

/* 64 bits of the mask from element `at` on, those of elements that there are. */
INLINE u64 mask_word(const struct moves *m, u64 at)
{
    u64 left = m->count - at, word = 0;

    if (left >= 64)
        return take(m->mask + at / 8, 8);
    for (u64 k = 0; k < 64 && k < left; k += 8)
        word |= (u64)m->mask[(at + k) / 8] << k;
    return word & ((UINT64_C(1) << left) - 1);
}

/* Elements of one field, one behind the other in one page. False: they are not, and nothing happened. */
INLINE bool move_row_under(const struct moves *m, unsigned bytes, bool load)
{
    u8 *place = m->count * bytes <= PAGE ? ir_attempt_host(m->state, m->layout, m->address, m->count * bytes, !load) : NULL;

    if (m->fields > 1 || m->step != bytes || !place)
        return false;
    for (u64 at = 0; at < m->count; at += 64) {
        u8 *memory = place + at * bytes, *group = m->group + at * bytes;

        for (u64 bits = mask_word(m, at); bits; bits &= bits - 1) {
            u64 by = (u64)__builtin_ctzll(bits) * bytes;

            load ? copy(group + by, memory + by, bytes) : copy(memory + by, group + by, bytes);
        }
    }
    return true;
}

INLINE u64 move_under(struct moves *m, unsigned bytes, bool load, unsigned index_bytes)
{
    if (!index_bytes && move_row_under(m, bytes, load))
        return m->count;
    for (u64 at = 0; at < m->count; at += 64) {
        for (u64 bits = mask_word(m, at); bits; bits &= bits - 1) {
            u64 i = at + (u64)__builtin_ctzll(bits);

            if (!move_one(m, i, bytes, load, index_bytes))
                return i;
        }
    }
    return m->count;
}

/* Bytes by indices that are bytes: all of them lie in one page. True: done. */
INLINE bool look_up_bytes(const struct moves *m)
{
    const u8 *table = ir_attempt_host(m->state, m->layout, m->address, 256, false);
    u64 i = 0;

    if (!table)
        return false;
    for (; i + 8 <= m->count; i += 8) {
        u64 index = take(m->index + i, 8), word = 0;

        for (unsigned k = 0; k < 64; k += 8)
            word |= (u64)table[index >> k & 0xff] << k;
        memcpy(m->group + i, &word, 8);
    }
    for (; i < m->count; i++)
        m->group[i] = table[m->index[i]];
    return true;
}

INLINE u64 move_indexed(struct moves *m, unsigned bytes, bool load, unsigned index_bytes)
{
    if (m->mask)
        return move_under(m, bytes, load, index_bytes);
    if (bytes == 1 && index_bytes == 1 && load && m->fields == 1 && look_up_bytes(m))
        return m->count;
    for (u64 i = 0; i < m->count; i++)
        if (!move_one(m, i, bytes, load, index_bytes))
            return i;
    return m->count;
}

/* --- all of them --- */

INLINE u64 move(struct moves *m, unsigned bytes, bool load, unsigned index_bytes)
{
    switch (m->index ? index_bytes : 0) {
    case 1: return move_indexed(m, bytes, load, 1);
    case 2: return move_indexed(m, bytes, load, 2);
    case 4: return move_indexed(m, bytes, load, 4);
    case 8: return move_indexed(m, bytes, load, 8);
    default: return m->mask ? move_under(m, bytes, load, 0) : move_regular(m, bytes, load);
    }
}

INLINE u64 move_all(struct moves *m, unsigned bytes, bool load, unsigned index_bytes)
{
    switch (bytes | (unsigned)load << 4) {
    case 1: return move(m, 1, false, index_bytes);
    case 2: return move(m, 2, false, index_bytes);
    case 4: return move(m, 4, false, index_bytes);
    case 8: return move(m, 8, false, index_bytes);
    case 1 | 16: return move(m, 1, true, index_bytes);
    case 2 | 16: return move(m, 2, true, index_bytes);
    case 4 | 16: return move(m, 4, true, index_bytes);
    default: return move(m, 8, true, index_bytes);
    }
}

/* What is stored twice is in the order of elements, each with all its fields. */
INLINE bool overlaps_itself(const struct moves *m)
{
    u64 distance = (s64)m->step < 0 ? -m->step : m->step;

    return m->fields > 1 && distance < m->span;
}

INLINE bool attempt(u8 *base, u64 what, u64 address, u64 stride, const struct code_layout *layout)
{
    struct riscv_state *state = (struct riscv_state *)(void *)base;
    u32 raw = (u32)what, vlenb = 1u << (what >> RISCV_VMEM_VLENB_SHIFT & 15);
    unsigned bytes = (what >> 40 & 0xff) / 8, index_bytes = bytes, sew = riscv_vector_sew(state->vtype), access = what >> 32 & 0xff;
    bool load = what >> 48 & 1, indexed = access == RISCV_VMEM_INDEXED;
    struct moves m = { .state = base, .layout = layout, .address = address, .count = state->vl, .fields = (raw >> 29) + 1, .group = state->v + (raw >> 7 & 31) * vlenb,
                       .mask = raw >> 25 & 1 ? NULL : state->v };
    int lmul = riscv_vector_lmul(state->vtype);
    u64 done;

    if (!(what >> 49 & 1) || state->vstart || access >= RISCV_VMEM_MASK)
        return false;
    if (indexed) {
        m.index = state->v + (raw >> 20 & 31) * vlenb;
        bytes = 1u << sew;
    } else {
        lmul += __builtin_ctz(bytes) - (int)sew;
    }
    m.group_bytes = (u64)vlenb << MAX(lmul, 0);
    m.span = m.fields * bytes;
    m.step = access == RISCV_VMEM_STRIDED ? stride : m.span;
    if (!load && !indexed && overlaps_itself(&m))
        return false;
    done = move_all(&m, bytes, load, index_bytes);
    if (done == m.count) {
        state->vs_dirty |= load;
        return true;
    }
    state->vstart = done | RISCV_VSTART_ATTEMPTED;
    return false;
}

IR_ATTEMPT bool riscv_attempt_vector_memory(u8 *state, u64 what, u64 address, u64 stride, const struct code_layout *layout)
{
    return attempt(state, what, address, stride, layout);
}

IR_ATTEMPT bool riscv_attempt_vector_transfer(u8 *state, u64 address, u64 what, u64 unused, const struct code_layout *layout)
{
    (void)unused;
    return attempt(state, what, address, 0, layout);
}
