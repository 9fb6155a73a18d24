/*
 * accel/tcg/memory.c - what generated code calls when an access misses its L1 entry: walks, refills, devices, page crossings,
 * code pages, watchpoints, faults. The vCPU's own thread.
 */
#include "accel/tcg/tcg.h"
#include "base/bits.h"
#include "host/exchange.h"
#include <string.h>

/* One page's part of an access. */
struct part {
    u8 *host;               /* RAM; NULL: a device */
    struct ram_block *ram;
    u64 ram_offset;
    u64 physical;
};

static void set_pc(struct tcg_vcpu *v, s64 where)
{
    v->vcpu->cpu->set_pc(v->vcpu, v->vcpu->host->pc_page + (u64)where);
}

static void take_fault(struct tcg_vcpu *v, u64 va, enum mmu_access access, const struct mmu_page *page, s64 where)
{
    set_pc(v, where);
    v->vcpu->cpu->fault(v->vcpu, va, access, page);
}

static void bus_error(struct tcg_vcpu *v, u64 va, enum mmu_access access, s64 where)
{
    struct mmu_page page = { 0 };

    v->vcpu->cpu->bus_error(v->vcpu, va, access, &page);
    take_fault(v, va, access, &page, where);
}

/* A page of code that fast stores may go to: what they do to lines with code is told. */
static void note_written(struct tcg_vcpu *v, u64 va, const struct walk *walk)
{
    struct tcg_near *near = v->context->near;
    const struct code_page *page = tcg_code_page(v->tcg, walk->ram, walk->ram_offset, false);

    near->written.page = va & ~UINT64_C(4095);
    near->written.host = (u64)(uintptr_t)walk->host;
    near->written.lines = &page->lines;
}

/* Puts the page into the L1 where fast accesses to it are right. */
static void refill(struct tcg_vcpu *v, u64 va, bool write, const struct walk *walk)
{
    struct vm *vm = v->vcpu->vm;

    if (!walk->host || walk->page.uncached || v->one_insn || vm_has_watchpoint_in_page(vm, va & ~UINT64_C(4095)))
        return;
    if (walk->page.read)
        tcg_context_fill(v->context, va, false, walk->host);
    if (!walk->page.write || !walk->writable)
        return;
    if (!tcg_has_code(walk->ram, walk->ram_offset, 4096))
        tcg_context_fill(v->context, va, true, walk->host);
    else if (write)
        note_written(v, va, walk);
}

/*
 * Counting: an interrupt that an access to a device raises is taken right behind the instruction, whatever the block, so such an instruction
 * is a block of its own. Helpers that make several accesses go on where they are.
 */
static bool must_be_alone(const struct tcg_vcpu *v)
{
    return v->vcpu->counting && !v->one_insn && !v->in_helper;
}

/* Resolves the bytes of an access that lie in one page. False: a fault was taken. */
static bool resolve(struct tcg_vcpu *v, u64 va, unsigned size, enum mmu_access access, s64 where, struct part *part)
{
    struct walk walk;

    if (!tcg_walk(v, va, size, access, &walk)) {
        take_fault(v, va, access, &walk.page, where);
        return false;
    }
    refill(v, va, access == MMU_WRITE, &walk);
    if (unlikely(v->window_faults.pending))
        tcg_window_faulted(v, va, access == MMU_WRITE, &walk, where);
    part->physical = walk.page.physical | (va & 4095);
    bool direct = walk.host && (access != MMU_WRITE || walk.writable);
    part->host = direct ? walk.host + (va & 4095) : NULL;
    if (unlikely(!part->host && must_be_alone(v))) {
        v->device_pending = true;
        set_pc(v, where);
        return false;
    }
    part->ram = walk.ram;
    part->ram_offset = walk.ram_offset + (va & 4095);
    return true;
}

static bool may_be_watched(const struct vm *vm, u64 va, u64 size)
{
    u64 first = va & ~UINT64_C(4095), last = (va + size - 1) & ~UINT64_C(4095);

    return vm_has_watchpoint_in_page(vm, first) || (last != first && vm_has_watchpoint_in_page(vm, last));
}

/* A watchpoint: leaves before the instruction, which the dispatcher then runs alone and stops. */
static bool watched(struct tcg_vcpu *v, u64 va, u64 size, enum mmu_access access, s64 where)
{
    struct vcpu *vcpu = v->vcpu;
    struct vcpu_stop *stop = &v->watch_hit;

    if (v->watch_off || likely(!may_be_watched(vcpu->vm, va, size)))
        return false;
    if (!vm_watchpoint_hit(vcpu->vm, va, size, access, &stop->address, &stop->watch))
        return false;
    stop->kind = VCPU_STOP_WATCHPOINT;
    v->watch_pending = true;
    set_pc(v, where);
    return true;
}

static u64 host_load(const void *host, unsigned size)
{
    switch (size) {
    case 1:
        return *(const u8 *)host;
    case 2:
        return ((uintptr_t)host & 1) ? bits_load_le(host, 2) : __atomic_load_n((const u16 *)host, __ATOMIC_RELAXED);
    case 4:
        return ((uintptr_t)host & 3) ? bits_load_le(host, 4) : __atomic_load_n((const u32 *)host, __ATOMIC_RELAXED);
    case 8:
        return ((uintptr_t)host & 7) ? bits_load_le(host, 8) : __atomic_load_n((const u64 *)host, __ATOMIC_RELAXED);
    default:
        return bits_load_le(host, size);
    }
}

static void host_store(void *host, unsigned size, u64 value)
{
    switch (((uintptr_t)host & (size - 1)) ? 0 : size) {
    case 1:
        *(u8 *)host = (u8)value;
        break;
    case 2:
        __atomic_store_n((u16 *)host, (u16)value, __ATOMIC_RELAXED);
        break;
    case 4:
        __atomic_store_n((u32 *)host, (u32)value, __ATOMIC_RELAXED);
        break;
    case 8:
        __atomic_store_n((u64 *)host, value, __ATOMIC_RELAXED);
        break;
    default:
        bits_store_le(host, size, value);
    }
}

static u64 extend(u64 value, u32 mem)
{
    unsigned bits = 8 * ir_mem_bytes(mem);

    if (mem & IR_MEM_BIG)
        value = __builtin_bswap64(value) >> (64 - bits);
    if (unlikely(mem & IR_MEM_ONES))
        return value | ~(~UINT64_C(0) >> (64 - bits));
    return mem & IR_MEM_SIGNED ? (u64)bits_sign_extend(value, bits) : value;
}

static bool read_part(struct tcg_vcpu *v, const struct part *part, unsigned size, u64 *value)
{
    if (part->host) {
        *value = host_load(part->host, size);
        return true;
    }
    v->mmio++;
    return space_read(vm_memory(v->vcpu->vm), part->physical, size, value) == MEM_OK;
}

/* Device accesses must be sizes of powers of two: a part of a crossing access is done by bytes. */
static bool read_bytes(struct tcg_vcpu *v, const struct part *part, unsigned size, u64 *value)
{
    *value = 0;
    if (part->host) {
        *value = bits_load_le(part->host, size);
        return true;
    }
    for (unsigned i = 0; i < size; i++) {
        u64 byte;

        if (space_read(vm_memory(v->vcpu->vm), part->physical + i, 1, &byte) != MEM_OK)
            return false;
        *value |= byte << (8 * i);
    }
    return true;
}

/* Both parts as one map of memory has them: a walk that sets A where page tables share a line with code may wait outside, where the map changes. */
static bool resolve_both(struct tcg_vcpu *v, u64 va, unsigned size, unsigned first, s64 where, struct part *low, struct part *high)
{
    u64 generation;

    do {
        generation = v->context->generation;
        if (!resolve(v, va, first, MMU_READ, where, low) || !resolve(v, va + first, size - first, MMU_READ, where, high))
            return false;
    } while (unlikely(v->context->generation != generation));
    return true;
}

static struct tcg_result load_crossing(struct tcg_vcpu *v, u64 va, u32 mem, s64 where)
{
    unsigned size = ir_mem_bytes(mem), first = 4096 - (unsigned)(va & 4095);
    struct part low, high;
    u64 a = 0, b = 0;

    if (!resolve_both(v, va, size, first, where, &low, &high))
        return (struct tcg_result){ 0, 1 };
    /* RAM comes before a device, which is waited for outside, where RAM may go. */
    bool high_read = high.host && read_bytes(v, &high, size - first, &b), low_read = read_bytes(v, &low, first, &a);
    if (!low_read || (!high_read && !read_bytes(v, &high, size - first, &b))) {
        bus_error(v, low_read ? va + first : va, MMU_READ, where);
        return (struct tcg_result){ 0, 1 };
    }
    return (struct tcg_result){ extend(a | b << (8 * first), mem), 0 };
}

static struct tcg_result load(struct tcg_vcpu *v, u64 va, u64 mem, s64 where)
{
    unsigned size = ir_mem_bytes((u32)mem);
    enum mmu_access access = mem & IR_MEM_WRITE_INTENT ? MMU_WRITE : MMU_READ;
    struct part part;
    u64 value;

    v->slow_loads++;
    if (watched(v, va, size, MMU_READ, where))
        return (struct tcg_result){ 0, 1 };
    if ((mem & IR_MEM_ALIGNED) && (va & (size - 1))) {
        struct mmu_page page = { 0 };

        v->vcpu->cpu->misaligned(v->vcpu, va, access, &page);
        take_fault(v, va, access, &page, where);
        return (struct tcg_result){ 0, 1 };
    }
    if ((va & 4095) + size > 4096)
        return load_crossing(v, va, (u32)mem, where);
    if (!resolve(v, va, size, access, where, &part))
        return (struct tcg_result){ 0, 1 };
    if ((mem & IR_MEM_EXCLUSIVE) && !part.host) {
        bus_error(v, va, access, where);
        return (struct tcg_result){ 0, 1 };
    }
    if (!read_part(v, &part, size, &value)) {
        bus_error(v, va, access, where);
        return (struct tcg_result){ 0, 1 };
    }
    return (struct tcg_result){ extend(value, (u32)mem), 0 };
}

static struct tcg_result tcg_load(void *vcpu, u64 va, u64 mem, s64 where)
{
    struct tcg_vcpu *v = tcg_of(vcpu);
    struct tcg_result result = load(v, va, mem, where);

    v->window_faults.pending = false;
    return result;
}

/*
 * For a store to a line with code: the translation lock, so that no translator reads the bytes between the invalidation and the store. Waiting for it
 * is done outside. False: the map changed meanwhile, so the place may be gone; this left before the instruction.
 */
static bool lock_code(struct tcg_vcpu *v, const struct part *part, unsigned size, s64 where)
{
    u64 generation = v->context->generation;

    tcg_translate_lock(v);
    if (unlikely(v->context->generation != generation)) {
        tcg_translate_unlock(v);
        set_pc(v, where);
        return false;
    }
    tcg_invalidate_range(v->tcg, part->ram, part->ram_offset, size);
    return true;
}

static bool store_to_code(struct tcg_vcpu *v, const struct part *part, unsigned size, u64 value, s64 where)
{
    if (!lock_code(v, part, size, where))
        return false;
    host_store(part->host, size, value);
    tcg_translate_unlock(v);
    return true;
}

/*
 * After a store to lines without code in a page that has other code: a translator that took the lines meanwhile shook no hands. It sets
 * them before it reads the bytes, and here the bytes were stored before the lines are asked: one of both notices.
 */
static void check_code_again(struct tcg_vcpu *v, const struct part *part, unsigned size)
{
    if (likely(!tcg_has_code(part->ram, part->ram_offset & ~UINT64_C(4095), 4096)))
        return;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (likely(!tcg_has_code(part->ram, part->ram_offset, size)))
        return;
    vm_ram_pin(part->ram); /* it may be removed while this waits */
    tcg_translate_lock(v);
    tcg_invalidate_range(v->tcg, part->ram, part->ram_offset, size);
    tcg_translate_unlock(v);
    vm_ram_unpin(part->ram);
}

static bool store_in_page(struct tcg_vcpu *v, u64 va, unsigned size, u64 value, s64 where)
{
    struct part part;

    if (!resolve(v, va, size, MMU_WRITE, where, &part))
        return false;
    if (!part.host) {
        v->mmio++;
        if (space_write(vm_memory(v->vcpu->vm), part.physical, size, value) == MEM_OK)
            return true;
        bus_error(v, va, MMU_WRITE, where);
        return false;
    }
    if (tcg_has_code(part.ram, part.ram_offset, size))
        return store_to_code(v, &part, size, value, where);
    host_store(part.host, size, value);
    check_code_again(v, &part, size);
    return true;
}

/* Both pages are checked before a byte is stored; then byte by byte, each with its own code check. */
static u64 store_crossing(struct tcg_vcpu *v, u64 va, unsigned size, u64 value, s64 where)
{
    unsigned first = 4096 - (unsigned)(va & 4095);
    struct part part;

    if (!resolve(v, va, first, MMU_WRITE, where, &part) || !resolve(v, va + first, size - first, MMU_WRITE, where, &part))
        return 1;
    for (unsigned i = 0; i < size; i++) {
        if (!store_in_page(v, va + i, 1, value >> (8 * i) & 0xff, where))
            return 1;
    }
    return 0;
}

static bool may_store_block(struct tcg_vcpu *v, u64 va, s64 where)
{
    enum { BLOCK = 64 };
    struct walk walk;

    if (tcg_walk(v, va & ~(u64)(BLOCK - 1), BLOCK, MMU_WRITE, &walk))
        return true;
    take_fault(v, va, MMU_WRITE, &walk.page, where);
    return false;
}

static u64 store(struct tcg_vcpu *v, u64 va, u64 value, u64 mem, s64 where)
{
    unsigned size = ir_mem_bytes((u32)mem);

    v->slow_stores++;
    if (watched(v, va, size, MMU_WRITE, where))
        return 1;
    if (mem & IR_MEM_BIG)
        value = __builtin_bswap64(value) >> (64 - 8 * size);
    if ((mem & IR_MEM_ALIGNED) && (va & (size - 1))) {
        struct mmu_page page = { 0 };

        v->vcpu->cpu->misaligned(v->vcpu, va, MMU_WRITE, &page);
        take_fault(v, va, MMU_WRITE, &page, where);
        return 1;
    }
    if ((mem & IR_MEM_BLOCK) && !may_store_block(v, va, where))
        return 1;
    if ((va & 4095) + size > 4096)
        return store_crossing(v, va, size, value, where);
    return !store_in_page(v, va, size, value, where);
}

static u64 tcg_store(void *vcpu, u64 va, u64 value, u64 mem, s64 where)
{
    struct tcg_vcpu *v = tcg_of(vcpu);
    u64 leave = store(v, va, value, mem, where);

    v->window_faults.pending = false;
    return leave;
}

static u64 tcg_stored(void *vcpu, u64 va, u64 value, u64 mem, s64 where)
{
    struct tcg_vcpu *v = tcg_of(vcpu);
    const struct code_page *page = (const struct code_page *)v->context->near->written.lines;
    const struct part part = { .ram = page->ram, .ram_offset = page->offset + (va & 4095) };

    (void)value;
    (void)where;
    check_code_again(v, &part, ir_mem_bytes((u32)mem));
    return 0;
}

/* Checks that an atomic needs beside those of a store. The place in *part is RAM when this returns true. */
static bool resolve_atomic(struct tcg_vcpu *v, u64 va, unsigned size, s64 where, struct part *part)
{
    if (watched(v, va, size, MMU_WRITE, where))
        return false;
    if (va & (size - 1)) {
        struct mmu_page page = { 0 };

        v->vcpu->cpu->misaligned(v->vcpu, va, MMU_WRITE, &page);
        take_fault(v, va, MMU_WRITE, &page, where);
        return false;
    }
    if (!resolve(v, va, size, MMU_WRITE, where, part))
        return false;
    if (part->host)
        return true;
    bus_error(v, va, MMU_WRITE, where);
    return false;
}

static u64 combine(u64 old, u64 value, enum ir_amo op, unsigned bits)
{
    s64 a = bits_sign_extend(old, bits), b = bits_sign_extend(value, bits);
    u64 ua = bits_get(old, 0, bits), ub = bits_get(value, 0, bits);

    switch (op) {
    case IR_AMO_SWAP:
        return value;
    case IR_AMO_ADD:
        return old + value;
    case IR_AMO_AND:
        return old & value;
    case IR_AMO_OR:
        return old | value;
    case IR_AMO_XOR:
        return old ^ value;
    case IR_AMO_MINS:
        return a < b ? old : value;
    case IR_AMO_MAXS:
        return a > b ? old : value;
    case IR_AMO_MINU:
        return ua < ub ? old : value;
    default:
        return ua > ub ? old : value;
    }
}

/* desired == old bytes: nothing changes, the place is only read. Returns the old bytes. */
static u64 exchange_if(void *host, unsigned size, u64 expected, u64 desired)
{
    switch (size) {
    case 1: {
        u8 old = (u8)expected;

        __atomic_compare_exchange_n((u8 *)host, &old, (u8)desired, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
        return old;
    }
    case 2: {
        u16 old = (u16)expected;

        __atomic_compare_exchange_n((u16 *)host, &old, (u16)desired, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
        return old;
    }
    case 4: {
        u32 old = (u32)expected;

        __atomic_compare_exchange_n((u32 *)host, &old, (u32)desired, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
        return old;
    }
    default: {
        u64 old = expected;

        __atomic_compare_exchange_n((u64 *)host, &old, desired, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
        return old;
    }
    }
}

/* Lines with code are invalidated first, and nobody translates meanwhile: *locked. False: left. */
static bool lock_if_code(struct tcg_vcpu *v, const struct part *part, unsigned size, s64 where, bool *locked)
{
    *locked = tcg_has_code(part->ram, part->ram_offset, size);
    return likely(!*locked) || lock_code(v, part, size, where);
}

/* Ends what lock_if_code began. */
static void unlock_or_check(struct tcg_vcpu *v, const struct part *part, unsigned size, bool locked)
{
    if (locked)
        tcg_translate_unlock(v);
    else
        check_code_again(v, part, size);
}

static struct tcg_result tcg_amo(void *vcpu, u64 va, u64 value, u64 mem_and_op, s64 where)
{
    struct tcg_vcpu *v = tcg_of(vcpu);
    u32 mem = mem_and_op & 0xffff;
    enum ir_amo op = (enum ir_amo)(mem_and_op >> 16);
    unsigned size = ir_mem_bytes(mem);
    struct part part;

    v->slow_stores++;
    bool locked;
    if (!resolve_atomic(v, va, size, where, &part) || !lock_if_code(v, &part, size, where, &locked))
        return (struct tcg_result){ 0, 1 };
    u64 old = host_load(part.host, size), seen;
    while ((seen = exchange_if(part.host, size, old, combine(old, value, op, 8 * size))) != old)
        old = seen;
    unlock_or_check(v, &part, size, locked);
    return (struct tcg_result){ (u64)bits_sign_extend(old, 8 * size), 0 };
}

static struct tcg_result tcg_cas(void *vcpu, u64 va, u64 expected, u64 desired, u64 mem_and_where)
{
    struct tcg_vcpu *v = tcg_of(vcpu);
    u32 mem = mem_and_where & 0xffff;
    s64 where = (s64)mem_and_where >> 16;
    unsigned size = ir_mem_bytes(mem);
    struct part part;

    v->slow_stores++;
    bool locked;
    if (!resolve_atomic(v, va, size, where, &part) || !lock_if_code(v, &part, size, where, &locked))
        return (struct tcg_result){ 0, 1 };
    u64 old = exchange_if(part.host, size, expected, desired);
    unlock_or_check(v, &part, size, locked);
    return (struct tcg_result){ (u64)bits_sign_extend(old, 8 * size), 0 };
}

/* --- for helpers --- */

static s64 where_now(struct vcpu *vcpu)
{
    return (s64)(vcpu->cpu->get_pc(vcpu) - vcpu->host->pc_page);
}

static u8 *direct(struct vcpu *vcpu, u64 va, u64 size, bool write)
{
    const struct context *context = tcg_of(vcpu)->context;

    return likely(size <= 4096) ? tcg_l1_look_up(write ? context->l1_write : context->l1_read, L1_BITS, va, size) : NULL;
}

static bool helper_load(struct vcpu *vcpu, u64 va, unsigned size, u64 *value)
{
    struct tcg_vcpu *v = tcg_of(vcpu);

    v->in_helper = true;
    struct tcg_result result = tcg_load(vcpu, va, (u64)__builtin_ctz(size), where_now(vcpu));
    v->in_helper = false;
    *value = result.value;
    return !result.leave;
}

static bool helper_store(struct vcpu *vcpu, u64 va, unsigned size, u64 value)
{
    struct tcg_vcpu *v = tcg_of(vcpu);

    v->in_helper = true;
    bool done = !tcg_store(vcpu, va, value, (u64)__builtin_ctz(size), where_now(vcpu));
    v->in_helper = false;
    return done;
}

static bool helper_cas128(struct vcpu *vcpu, u64 va, const u64 expected[2], const u64 desired[2], u64 old[2])
{
    struct tcg_vcpu *v = tcg_of(vcpu);
    struct part part;

    v->slow_stores++;
    bool locked;
    if (!resolve_atomic(v, va, 16, where_now(vcpu), &part) || !lock_if_code(v, &part, 16, where_now(vcpu), &locked))
        return false;
    host_exchange128(part.host, expected, desired, old);
    unlock_or_check(v, &part, 16, locked);
    return true;
}

static bool readable(struct vcpu *vcpu, u64 va, unsigned size)
{
    unsigned first = MIN(size, 4096 - (unsigned)(va & 4095));
    struct walk walk;

    if (!tcg_walk(tcg_of(vcpu), va, first, MMU_READ, &walk) || !walk.host)
        return false;
    return first == size || (tcg_walk(tcg_of(vcpu), va + first, size - first, MMU_READ, &walk) && walk.host);
}

const struct vcpu_memory tcg_memory = { direct, helper_load, helper_store, readable, helper_cas128 };

void tcg_runtime_init(struct tcg_runtime *runtime)
{
    *runtime = (struct tcg_runtime){ .load = tcg_load, .store = tcg_store, .stored = tcg_stored, .amo = tcg_amo, .cas = tcg_cas, .resume = tcg_resume, .find = tcg_find };
}
