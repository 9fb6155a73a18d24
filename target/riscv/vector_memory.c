/* target/riscv/vector_memory.c - vector loads and stores (Unprivileged manual, "V", section 7). A fault leaves vstart at its element. */
#include "target/riscv/helpers.h"
#include "target/riscv/trap.h"
#include "target/riscv/vector.h"
#include "target/riscv/vector_attempt.h"
#include <string.h>

enum { PAGE = 4096 };

/* One instruction under way. */
struct transfer {
    struct riscv_cpu *cpu;
    struct riscv_state *state;
    enum riscv_vector_access access;
    bool load, masked;
    u64 base, stride;
    u64 count;         /* elements of a field: vl, or as many as there are bytes */
    unsigned bytes;    /* of an element in memory */
    unsigned fields;
    u8 *group;         /* of the first field */
    u64 group_bytes;   /* from one field's group to the next */
    const u8 *index;
    unsigned index_bytes;
    u64 page;          /* whose host address is `host`, while nothing but elements are moved; NO_PAGE: none */
    u8 *host;
};

enum { NO_PAGE = 1 }; /* not the address of any */

static void copy_element(void *to, const void *from, unsigned bytes)
{
    switch (bytes) {
    case 1: memcpy(to, from, 1); break;
    case 2: memcpy(to, from, 2); break;
    case 4: memcpy(to, from, 4); break;
    default: memcpy(to, from, 8); break;
    }
}

/* To guest memory: each element by one store where the host can, and by no other one (memcpy may store bytes twice). */
#define STORE_ELEMENTS(T)                                                                        \
    for (u64 i = 0; i < size; i += sizeof(T)) {                                                  \
        T element;                                                                               \
                                                                                                 \
        memcpy(&element, from + i, sizeof(T));                                                   \
        if (likely(!((uintptr_t)to & (sizeof(T) - 1))))                                          \
            __atomic_store_n((T *)(to + i), element, __ATOMIC_RELAXED);                          \
        else                                                                                     \
            memcpy(to + i, &element, sizeof(T));                                                 \
    }
static void store_elements(u8 *to, const u8 *from, u64 size, unsigned bytes)
{
    switch (bytes) {
    case 1: STORE_ELEMENTS(u8) break;
    case 2: STORE_ELEMENTS(u16) break;
    case 4: STORE_ELEMENTS(u32) break;
    default: STORE_ELEMENTS(u64)
    }
}

/* False: left. */
static bool slow_element(const struct transfer *t, u8 *element, u64 address)
{
    struct vcpu *vcpu = &t->cpu->vcpu;
    u64 value = 0;

    if (t->load) {
        if (!vcpu->memory->load(vcpu, address, t->bytes, &value))
            return false;
        copy_element(element, &value, t->bytes);
        return true;
    }
    copy_element(&value, element, t->bytes);
    return vcpu->memory->store(vcpu, address, t->bytes, value);
}

/* Host bytes at address, of a page that is looked up once for elements that follow each other in it. NULL: not to be had. */
static inline __attribute__((always_inline)) u8 *place_of(struct transfer *t, u64 address, u64 bytes)
{
    struct vcpu *vcpu = &t->cpu->vcpu;
    u64 page = address & -(u64)PAGE;

    if (address - page > PAGE - bytes)
        return NULL;
    if (unlikely(page != t->page)) {
        t->host = vcpu->memory->direct(vcpu, page, PAGE, !t->load);
        t->page = t->host ? page : NO_PAGE;
    }
    return likely(t->host) ? t->host + (address - page) : NULL;
}

static inline u64 index_of(const struct transfer *t, u64 i)
{
    u64 index = 0;

    copy_element(&index, t->index + i * t->index_bytes, t->index_bytes);
    return index;
}

/* All elements from i on at equal distances in one page of memory, field by field. False: they are not so, and nothing happened. */
static inline __attribute__((always_inline)) bool move_regular(struct transfer *t, u64 i, unsigned bytes, bool load, u64 step, u64 span)
{
    u64 first = t->base + i * step, reach = (t->count - 1 - i) * step + span;
    u8 *element = t->group + i * bytes, *place;

    if (step > PAGE || reach > PAGE || (!load && step < span && t->fields > 1)) /* what is stored twice is in the order of elements */
        return false;
    place = place_of(t, first, reach);
    if (!place)
        return false;
    for (unsigned field = 0; field < t->fields; field++, place += bytes, element += t->group_bytes)
        for (u64 n = 0; n < t->count - i; n++)
            load ? copy_element(element + n * bytes, place + n * step, bytes) : copy_element(place + n * step, element + n * bytes, bytes);
    return true;
}

/*
 * Elements from i on, those of the mask, with all their fields, which lie one behind the other in memory and group_bytes apart in the file. The
 * first one that is not to be had so, or how many there are. The last arguments are for the compiler.
 */
static inline __attribute__((always_inline)) u64 move_elements(struct transfer *t, u64 i, unsigned bytes, bool load, unsigned index_bytes, bool single)
{
    const u8 *mask = t->masked ? t->state->v : NULL;
    u64 count = t->count, fields = single ? 1 : t->fields, span = fields * bytes, step = t->access == RISCV_VMEM_STRIDED ? t->stride : span, index = 0;

    if (!index_bytes && !mask && i < count && move_regular(t, i, bytes, load, step, span))
        return count;
    for (; i < count; i++) {
        u8 *element = t->group + i * bytes, *place;

        if (mask && !vector_bit(mask, i))
            continue;
        if (index_bytes)
            copy_element(&index, t->index + i * index_bytes, index_bytes);
        place = place_of(t, t->base + (index_bytes ? index : i * step), span);
        if (unlikely(!place))
            break;
        for (u64 field = 0; field < fields; field++, place += bytes, element += t->group_bytes)
            load ? copy_element(element, place, bytes) : copy_element(place, element, bytes);
    }
    return i;
}

#define MOVE_BY(bytes, load, index_bytes) \
    (t->fields == 1 ? move_elements(t, i, bytes, load, index_bytes, true) : move_elements(t, i, bytes, load, index_bytes, false))
#define MOVE(bytes, load)                                                                             \
    (!t->index ? MOVE_BY(bytes, load, 0) : t->index_bytes == 1 ? MOVE_BY(bytes, load, 1) :            \
     t->index_bytes == 2 ? MOVE_BY(bytes, load, 2) : t->index_bytes == 4 ? MOVE_BY(bytes, load, 4) : MOVE_BY(bytes, load, 8))
static u64 move_some(struct transfer *t, u64 i)
{
    switch (t->bytes | (unsigned)t->load << 4) {
    case 1: return MOVE(1, false);
    case 2: return MOVE(2, false);
    case 4: return MOVE(4, false);
    case 8: return MOVE(8, false);
    case 1 | 16: return MOVE(1, true);
    case 2 | 16: return MOVE(2, true);
    case 4 | 16: return MOVE(4, true);
    default: return MOVE(8, true);
    }
}

/* Field by field, each in the memory that it lies in. False: left. */
static bool move_slowly(struct transfer *t, u8 *element, u64 address)
{
    struct vcpu *vcpu = &t->cpu->vcpu;

    for (unsigned field = 0; field < t->fields; field++, element += t->group_bytes, address += t->bytes) {
        u8 *place = vcpu->memory->direct(vcpu, address, t->bytes, !t->load);

        if (place)
            t->load ? copy_element(element, place, t->bytes) : copy_element(place, element, t->bytes);
        else if (!slow_element(t, element, address))
            return false;
    }
    t->page = NO_PAGE; /* what came in between may have changed translations */
    return true;
}

static u64 element_address(const struct transfer *t, u64 i)
{
    if (t->access == RISCV_VMEM_STRIDED)
        return t->base + i * t->stride;
    return t->base + (t->index ? index_of(t, i) : i * t->fields * t->bytes);
}

static bool readable(const struct transfer *t, u64 i)
{
    struct vcpu *vcpu = &t->cpu->vcpu;
    u64 address = element_address(t, i);

    for (unsigned field = 0; field < t->fields; field++)
        if (!vcpu->memory->readable(vcpu, address + field * t->bytes, t->bytes))
            return false;
    return true;
}

static bool left(const struct transfer *t, u64 i)
{
    t->state->vstart = i;
    t->state->vs_dirty = 1;
    vcpu_not_retired(&t->cpu->vcpu);
    return true;
}

/* Element by element. True: left. */
static bool transfer_elements(struct transfer *t, u64 i)
{
    while ((i = move_some(t, i)) < t->count) {
        if (t->access == RISCV_VMEM_FIRST && i > 0 && !readable(t, i)) {
            t->state->vl = i;
            break;
        }
        if (!move_slowly(t, t->group + i * t->bytes, element_address(t, i)))
            return left(t, i);
        i++;
    }
    t->state->vstart = 0;
    return false;
}

/* One field, all elements, one behind the other: as many bytes at once as lie in a page. */
static bool transfer_run(const struct transfer *t, u64 i)
{
    struct vcpu *vcpu = &t->cpu->vcpu;
    u64 at = i * t->bytes, end = t->count * t->bytes;

    while (at < end) {
        u64 address = t->base + at, size = MIN(end - at, PAGE - address % PAGE) & ~(u64)(t->bytes - 1);
        u8 *place = size ? vcpu->memory->direct(vcpu, address, size, !t->load) : NULL;

        if (likely(place)) {
            if (t->load)
                memcpy(t->group + at, place, size);
            else
                store_elements(place, t->group + at, size, t->bytes);
            at += size;
        } else {
            if (t->access == RISCV_VMEM_FIRST && at > 0 && !readable(t, at / t->bytes)) {
                t->state->vl = at / t->bytes;
                break;
            }
            if (!slow_element(t, t->group + at, address))
                return left(t, at / t->bytes);
            at += t->bytes;
        }
    }
    t->state->vstart = 0;
    return false;
}

/* what: raw | enum riscv_vector_access << 32 | element bits << 40 | load << 48 | is known to be legal << 49 | more for vector_attempt.c. */
u64 riscv_helper_vector_memory(void *vcpu, u64 what, u64 base, u64 stride)
{
    struct riscv_cpu *cpu = riscv_cpu_of(vcpu);
    struct riscv_state *state = riscv_state_of(cpu);
    u32 raw = (u32)what, vlenb = cpu->vlen / 8;
    unsigned width = what >> 40 & 0xff, sew = riscv_vector_sew(state->vtype);
    struct transfer t = { .cpu = cpu, .state = state, .access = what >> 32 & 0xff, .load = what >> 48 & 1, .masked = !(raw >> 25 & 1), .base = base,
                          .stride = stride, .count = state->vl, .bytes = width / 8, .fields = (raw >> 29) + 1, .group = state->v + (raw >> 7 & 31) * vlenb, .page = NO_PAGE };

    if (!(what >> 49 & 1) && !riscv_vector_memory_legal(cpu, t.access, width, t.load, raw, state->vtype)) {
        riscv_trap(cpu, RISCV_ILLEGAL_INSTRUCTION, raw);
        return true;
    }
    if (t.access == RISCV_VMEM_WHOLE) {
        t.count = (u64)t.fields * vlenb / t.bytes;
        t.fields = 1;
    } else if (t.access == RISCV_VMEM_MASK) {
        t.count = (t.count + 7) / 8;
    } else {
        int lmul = riscv_vector_lmul(state->vtype);

        if (t.access == RISCV_VMEM_INDEXED) {
            t.index = state->v + (raw >> 20 & 31) * vlenb;
            t.index_bytes = t.bytes;
            t.bytes = 1u << sew;
        } else {
            lmul += __builtin_ctz(t.bytes) - (int)sew;
        }
        t.group_bytes = (u64)vlenb << MAX(lmul, 0);
    }
    state->vs_dirty |= t.load || (state->vstart && !(state->vstart & RISCV_VSTART_ATTEMPTED)); /* which becomes 0 */
    state->vstart &= ~RISCV_VSTART_ATTEMPTED;
    if (!t.masked && t.fields == 1 && t.access != RISCV_VMEM_STRIDED && t.access != RISCV_VMEM_INDEXED)
        return transfer_run(&t, state->vstart);
    return transfer_elements(&t, state->vstart);
}

/* For vld and vst: the translator goes on with the vl that it knows, so a shorter one (section 7.7) leaves behind the instruction. */
u64 riscv_helper_vector_transfer(void *vcpu, u64 base, u64 what)
{
    struct riscv_state *state = riscv_state_of(riscv_cpu_of(vcpu));
    u64 vl = state->vl;

    if (riscv_helper_vector_memory(vcpu, what, base, 0))
        return true;
    if (likely(state->vl == vl))
        return false;
    state->pc += 4;
    return true;
}
