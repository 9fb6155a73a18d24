/*
 * accel/tcg/context.c - translation contexts. The region of one context is
 *   [ host part and architectural state: an alias of the vCPU's arena slot | L1 read | L1 write | jump cache | refill | near | guards | distances of windows ]
 * so that one base pointer reaches all, and another address space is another base pointer. Tables start as untouched zero
 * pages: a zero tag can be matched by page 0 alone, whose entry 0 gets a tag that indexes elsewhere.
 */
#include "accel/tcg/tcg.h"
#include "host/clock.h"
#include "host/map.h"
#include "vm/arena.h"
#include <string.h>

enum {
    L1_BYTES = ((16 << L1_BITS) + TCG_L1_SKEW + 4095) & ~4095,
    BASE_UNIT = 65536, /* of what tcg_base_place() says */
    JUMP_BYTES = (1 << JUMP_BITS) * sizeof(struct tcg_jump_entry),
    REFILL_BYTES = (sizeof(struct tcg_refill) + 4095) & ~4095,
    NEAR_BYTES = (sizeof(struct tcg_near) + 4095) & ~4095,
    WINDOW_BYTES = (sizeof(struct tcg_windows) + 4095) & ~4095,
    GUARD_BYTES = TCG_GUARDS * (sizeof(u64) + sizeof(u16)),
    REST_NS = 1000000000,
};

_Static_assert((VCPU_STATE_PREFIX & 4095) == (L1_BITS << 8 & 4095), "pages of the state can lie where its beginning is at tcg_base_place()");

/*
 * Where all code counts, the budget is worth a host register: in memory, a short loop takes as long as a store needs to be loaded again (sieve:
 * 1.6 times the time). Not the last one: C code changes the budget, so it should be one that calls do not preserve (tcg/x86_64/engine.c).
 */
static void pin_budget(struct code_layout *layout)
{
    u16 budget = (u16)(layout->reg_count - 1);

    if (layout->pinned_count < 2)
        return;
    layout->pinned[layout->pinned_count - 1] = layout->pinned[layout->pinned_count - 2];
    layout->pinned[layout->pinned_count - 2] = budget;
}

bool tcg_layout_init(struct tcg *tcg, const struct cpu_class *cpu)
{
    struct code_layout *layout = &tcg->layout;

    if (cpu->pinned_count > TCG_MAX_PINNED || cpu->pinned_fp_count > TCG_MAX_PINNED || cpu->reg_count >= IR_MAX_REGS)
        return false;
    s32 host = -(s32)sizeof(struct vcpu_host);

    tcg->state_size = vcpu_slot_size(cpu);
    tcg->region_size = BASE_UNIT + tcg->state_size + 2 * L1_BYTES + JUMP_BYTES + REFILL_BYTES + NEAR_BYTES + GUARD_BYTES + WINDOW_BYTES;
    *layout = (struct code_layout){
        .reg = tcg->regs,
        .reg_count = cpu->reg_count + 1,
        .pinned_count = cpu->pinned_count,
        .stack_pointer = cpu->stack_pointer,
        .vcpu = host + (s32)offsetof(struct vcpu_host, vcpu),
        .base = host + (s32)offsetof(struct vcpu_host, base),
        .pc = cpu->state_pc,
        .pc_page = host + (s32)offsetof(struct vcpu_host, pc_page),
        .exit_request = host + (s32)offsetof(struct vcpu_host, exit_request),
        .loop_entries = host + (s32)offsetof(struct vcpu_host, loop_entries),
        .scratch = host + (s32)offsetof(struct vcpu_host, scratch),
        .spill_near = host + (s32)offsetof(struct vcpu_host, spill),
        .spill = host - TCG_SPILL_SLOTS * (s32)sizeof(u64),
        .returns = host + (s32)offsetof(struct vcpu_host, returns),
        .icount = host + (s32)offsetof(struct vcpu_host, icount),
        .fp_rounding = cpu->state_fp_rounding,
        .fp_flags = cpu->state_fp_flags,
        .vectors = cpu->state_vectors,
        .vector_length = cpu->state_vector_length,
        .fp_live = host + (s32)offsetof(struct vcpu_host, fp_live),
        .fp_area = host + (s32)offsetof(struct vcpu_host, fp_area),
        .pinned_fp_count = cpu->pinned_fp_count,
        .l1_read = (s32)(tcg->state_size - VCPU_STATE_PREFIX),
        .l1_bits = L1_BITS,
        .jump_bits = JUMP_BITS,
    };
    layout->l1_write = layout->l1_read + (s32)L1_BYTES;
    layout->jump_cache = layout->l1_write + (s32)L1_BYTES;
    layout->refill = layout->jump_cache + (s32)JUMP_BYTES;
    layout->near = layout->refill + (s32)REFILL_BYTES;
    layout->guards = layout->near + (s32)NEAR_BYTES;
    if (tcg->windows)
        layout->windows = layout->guards + (s32)GUARD_BYTES;
    memcpy(tcg->regs, cpu->regs, cpu->reg_count * sizeof(tcg->regs[0]));
    tcg->regs[cpu->reg_count] = (struct ir_reg){ "icount", IR_I64, layout->icount };
    memcpy(layout->pinned, cpu->pinned, cpu->pinned_count * sizeof(cpu->pinned[0]));
    if (tcg->counts_all)
        pin_budget(layout);
    if (cpu->pinned_fp_count)
        memcpy(layout->pinned_fp, cpu->pinned_fp, cpu->pinned_fp_count * sizeof(cpu->pinned_fp[0]));
    return true;
}

/* Entry 0 alone could match when zero. */
static void seal(struct tcg *tcg, struct context *context)
{
    context->l1_read[0] = context->l1_write[0] = tcg_tlb_never(0);
    context->jump[0].code = tcg->backend->jump_miss(tcg->engine);
}

/* The first place in the region for a base pointer with all that lies below. */
static u8 *place_base(u8 *region)
{
    u32 first = (u32)(uintptr_t)(region + VCPU_STATE_PREFIX);

    return region + VCPU_STATE_PREFIX + ((tcg_base_place(L1_BITS) - first) & (BASE_UNIT - 1));
}

static struct context *create(struct tcg_vcpu *v)
{
    struct tcg *tcg = v->tcg;
    struct context *context = g_new0(struct context, 1);
    u8 *slot = (u8 *)v->vcpu->state - VCPU_STATE_PREFIX;

    context->region = host_map_anonymous(tcg->region_size, false, NULL);
    context->base = context->region ? place_base(context->region) : NULL;
    if (!context->region || !vm_arena_alias(vm_arena(v->vcpu->vm), slot, tcg->state_size, context->base - VCPU_STATE_PREFIX, NULL)) {
        host_map_free(context->region, tcg->region_size);
        g_free(context);
        return NULL;
    }
    context->l1_read = (u64 *)(context->base + tcg->layout.l1_read);
    context->l1_write = (u64 *)(context->base + tcg->layout.l1_write);
    context->jump = (struct tcg_jump_entry *)(context->base + tcg->layout.jump_cache);
    context->refill = (struct tcg_refill *)(context->base + tcg->layout.refill);
    context->near = (struct tcg_near *)(context->base + tcg->layout.near);
    tcg_near_init(context->near);
    context->guard = (u64 *)(context->base + tcg->layout.guards);
    context->guard_next = (u16 *)(context->guard + TCG_GUARDS);
    tcg_window_init(tcg, context);
    context->stale = true;
    context->index = v->context_count;
    return context;
}

void tcg_contexts_destroy(struct tcg_vcpu *v)
{
    for (u32 i = 0; i < v->context_count; i++) {
        tcg_window_destroy(v, v->contexts[i]);
        host_map_free(v->contexts[i]->region, v->tcg->region_size);
        g_free(v->contexts[i]);
    }
    v->context_count = 0;
    v->context = NULL;
    memset(v->recent, 0, sizeof(v->recent));
}

static void note(struct tcg_fill_log *log, u32 index)
{
    if (log->count < TCG_FILL_LOG)
        log->index[log->count] = (u16)index;
    if (log->count <= TCG_FILL_LOG)
        log->count++;
}

/* Which entries to clear; *all: every one. */
static u32 take_log(struct tcg_fill_log *log, bool *all)
{
    u32 count = log->count;

    *all = count > TCG_FILL_LOG;
    log->count = 0;
    return *all ? 0 : count;
}

static void clear_l1(struct tcg_fill_log *log, u64 *table)
{
    bool all;
    u32 count = take_log(log, &all);

    if (all)
        memset(table, 0, tcg_l1_bytes(L1_BITS));
    for (u32 i = 0; i < count; i++)
        table[log->index[i]] = *tcg_l1_host(&table[log->index[i]], L1_BITS) = 0;
}

/* What a frame of an expected return stands for may not be there any more: all of them, or those of one page, become ones that nothing matches. */
static void drop_returns(struct tcg_vcpu *v, bool all, u64 page)
{
    const struct tcg_returns *returns = (const struct tcg_returns *)v->vcpu->host->returns;
    struct frame {
        u64 host, va;
    } *bottom = (struct frame *)(uintptr_t)returns->bottom, *low = (struct frame *)(uintptr_t)returns->low;

    for (struct frame *frame = bottom; frame > low;) {
        frame--;
        if (all || (frame->va & ~UINT64_C(4095)) == page)
            *frame = *bottom;
    }
}

static void clear_jumps(struct tcg *tcg, struct context *context)
{
    bool all;

    if (context->jump_log.count)
        memset(context->jump_pages, 0, sizeof(context->jump_pages));
    u32 count = take_log(&context->jump_log, &all);

    if (all)
        memset(context->jump, 0, JUMP_BYTES);
    for (u32 i = 0; i < count; i++)
        context->jump[context->jump_log.index[i]] = (struct tcg_jump_entry){ 0 };
    seal(tcg, context);
}

static void clear(struct tcg_vcpu *v, struct context *context)
{
    tcg_near_forget(context->near);
    clear_l1(&context->refill->read_log, context->l1_read);
    clear_l1(&context->refill->write_log, context->l1_write);
    clear_jumps(v->tcg, context);
    tcg_guard_drop_all(context);
    drop_returns(v, true, 0);
    context->generation = ++v->last_number;
    context->stale = false;
    tcg_window_begin(v, context);
}

static bool same(const struct mmu_context *a, const struct mmu_context *b)
{
    return a->root == b->root && a->asid == b->asid && a->mode == b->mode;
}

static struct context **recent(struct tcg_vcpu *v, const struct mmu_context *key)
{
    return &v->recent[tcg_recent(key->root, key->asid, key->mode)];
}

/* The context for a key: the one that has it, a new one while there is room, the one that was not used for longest. */
static struct context *search(struct tcg_vcpu *v, const struct mmu_context *key)
{
    u32 oldest = 0;

    for (u32 i = 0; i < v->context_count; i++) {
        if (same(&v->slot[i].key, key))
            return v->contexts[i];
        if (v->slot[i].last_use < v->slot[oldest].last_use)
            oldest = i;
    }
    struct context *context = v->context_count < MAX_CONTEXTS ? create(v) : NULL;
    if (context)
        v->contexts[v->context_count++] = context;
    else if (v->context_count)
        context = v->contexts[oldest];
    if (!context)
        return NULL;
    tcg_window_leave(v, context);
    context->stale = true;
    context->key = v->slot[context->index].key = *key;
    return context;
}

struct context *tcg_context_activate(struct tcg_vcpu *v, const struct mmu_context *key)
{
    struct context **guess = recent(v, key), *context = *guess;

    if (!context || !same(&context->key, key)) {
        context = search(v, key);
        if (!context)
            return NULL;
        *guess = context;
    }
    v->slot[context->index].last_use = ++v->tick;
    if (context->stale) {
        clear(v, context);
        tcg_space_enter(v, context);
    }
    if (context->space)
        context->space->last_use = v->tick;
    v->vcpu->host->base = context->base;
    return v->context = context;
}

void tcg_context_drop(struct tcg_vcpu *v, struct context *context)
{
    if (context == v->context)
        clear(v, context);
    else
        context->stale = true;
    tcg_window_empty(v, context);
    drop_returns(v, true, 0);
}

/* The tables go back to the host. */
static void discard(struct tcg_vcpu *v, struct context *context)
{
    struct tcg_refill *refill = context->refill;

    tcg_context_drop(v, context);
    host_map_discard(context->l1_read, 2 * (u64)L1_BYTES + JUMP_BYTES);
    memset(context->jump_pages, 0, sizeof(context->jump_pages));
    refill->read_log.count = refill->write_log.count = context->jump_log.count = 0;
}

/* Their process sleeps, too, or is gone. What is asked for again comes from the L2 TLB and jump2. Windows take longer to come back and keep theirs. */
void tcg_contexts_rest(struct tcg_vcpu *v)
{
    s64 now = host_clock_monotonic();

    if (now < v->rest.next)
        return;
    for (u32 i = 0; i < v->context_count; i++) {
        struct context *context = v->contexts[i];
        bool touched = context->refill->read_log.count || context->refill->write_log.count || context->jump_log.count;

        if (context != v->context && touched && v->slot[i].last_use <= v->rest.tick && !context->use.window)
            discard(v, context);
    }
    v->rest.tick = v->tick;
    v->rest.next = now + REST_NS;
}

void tcg_context_change_code(struct tcg_vcpu *v, struct context *context)
{
    clear_jumps(v->tcg, context);
    drop_returns(v, true, 0);
}

static unsigned jump_page_bit(u64 page)
{
    return (page >> 12 ^ page >> 24) & 4095;
}

_Static_assert(JUMP_BITS == 12, "addresses in one page agree in the highest bit of their index");

/* Jump-cache entries of one page of code: they are in one half of the cache. */
static void flush_jump_page(struct tcg *tcg, struct context *context, u64 page)
{
    unsigned bit = jump_page_bit(page);
    u32 first = tcg_jump_index(page, JUMP_BITS) & (1u << (JUMP_BITS - 1));

    if (!(context->jump_pages[bit / 64] & BIT64(bit % 64)))
        return;
    for (u32 i = first; i < first + (1u << (JUMP_BITS - 1)); i++) {
        if ((context->jump[i].va & ~UINT64_C(4095)) == page)
            context->jump[i] = (struct tcg_jump_entry){ 0 };
    }
    seal(tcg, context);
}

/* The same for instructions that begin in the page before and reach into this one. */
static void flush_jumps_into(struct tcg *tcg, struct context *context, u64 page)
{
    unsigned bit = jump_page_bit(page - 4096);

    if (!(context->jump_pages[bit / 64] & BIT64(bit % 64)))
        return;
    for (u64 va = page - MAX_INSN_BYTES + 1; va != page; va++) {
        struct tcg_jump_entry *jump = &context->jump[tcg_jump_index(va, JUMP_BITS)];

        if (jump->va == va)
            *jump = (struct tcg_jump_entry){ 0 };
    }
    seal(tcg, context);
}

void tcg_context_drop_page(struct tcg_vcpu *v, struct context *context, u64 va)
{
    u64 page = va & ~UINT64_C(4095);
    u32 index = tcg_l1_index(va, L1_BITS);
    struct itlb_entry *itlb = &context->itlb[(va >> 12) % ITLB_SIZE];

    tcg_near_forget(context->near);
    tcg_window_drop_page(v, context, page);
    if (context->l1_read[index] == page)
        context->l1_read[index] = index ? 0 : tcg_tlb_never(0);
    if (context->l1_write[index] == page)
        context->l1_write[index] = index ? 0 : tcg_tlb_never(0);
    if (itlb->va == page)
        itlb->generation = 0;
    flush_jump_page(v->tcg, context, page);
    flush_jumps_into(v->tcg, context, page);
    tcg_guard_drop_page(context, page);
    drop_returns(v, false, page);
}

void tcg_context_fill(struct context *context, u64 va, bool write, const u8 *host)
{
    u32 index = tcg_l1_index(va, L1_BITS);
    u64 *tag = write ? &context->l1_write[index] : &context->l1_read[index], *to = tcg_l1_host(tag, L1_BITS);
    struct tcg_fill_log *log = write ? &context->refill->write_log : &context->refill->read_log;

    if (!*to)
        note(log, index);
    *tag = va & ~UINT64_C(4095);
    *to = (u64)(uintptr_t)host;
}

void tcg_jump_fill(struct tcg_vcpu *v, u64 va, const void *entry, u32 guard)
{
    struct context *context = v->context;
    u32 index = tcg_jump_index(va, JUMP_BITS);
    unsigned bit = jump_page_bit(va & ~UINT64_C(4095));

    if (!context->jump[index].code || !context->jump[index].va)
        note(&context->jump_log, index);
    context->jump[index].va = va;
    context->jump[index].code = (u64)(uintptr_t)entry;
    context->jump_pages[bit / 64] |= BIT64(bit % 64);
    tcg_guard_fill(context, guard, va);
}

void tcg_jump_flush_all(struct tcg_vcpu *v)
{
    drop_returns(v, true, 0);
    for (u32 i = 0; i < v->context_count; i++)
        clear_jumps(v->tcg, v->contexts[i]);
    tcg_jump2_drop_all(v);
}

void tcg_drop_write_tags(struct tcg_vcpu *v, const u8 *host_page)
{
    for (u32 c = 0; c < v->context_count; c++) {
        struct context *context = v->contexts[c];
        u64 *table = context->l1_write;
        u32 count = context->refill->write_log.count;

        if (context->stale)
            continue;
        tcg_near_forget(context->near);
        tcg_window_drop_writes(v, context, host_page);
        if (count > TCG_FILL_LOG) {
            /* Too many to know: drop them all, they come back one by one. */
            clear_l1(&context->refill->write_log, table);
            table[0] = tcg_tlb_never(0);
            continue;
        }
        for (u32 i = 0; i < count; i++) {
            u32 index = context->refill->write_log.index[i];

            if (*tcg_l1_host(&table[index], L1_BITS) == (u64)(uintptr_t)host_page)
                table[index] = index ? 0 : tcg_tlb_never(0);
        }
    }
}
