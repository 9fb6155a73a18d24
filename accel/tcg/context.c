/*
 * accel/tcg/context.c - translation contexts. The region of one context is
 *   [ host part and architectural state: an alias of the vCPU's arena slot | L1 read | L1 write | jump cache ]
 * so that one base pointer reaches all, and another address space is another base pointer. Tables start as untouched zero
 * pages: a zero tag can be matched by page 0 alone, whose entry 0 gets a tag that indexes elsewhere.
 */
#include "accel/tcg/tcg.h"
#include "host/map.h"
#include "vm/arena.h"
#include <string.h>

enum { L1_BYTES = (1 << L1_BITS) * sizeof(struct tcg_tlb_entry), JUMP_BYTES = (1 << JUMP_BITS) * sizeof(struct tcg_jump_entry) };

bool tcg_layout_init(struct tcg *tcg, const struct cpu_class *cpu)
{
    struct code_layout *layout = &tcg->layout;
    s32 host = -(s32)sizeof(struct vcpu_host);

    tcg->state_size = VCPU_STATE_PREFIX + ((cpu->state_size + 4095) & ~UINT64_C(4095));
    tcg->region_size = tcg->state_size + 2 * L1_BYTES + JUMP_BYTES;
    *layout = (struct code_layout){
        .reg = cpu->regs,
        .reg_count = cpu->reg_count,
        .pinned_count = cpu->pinned_count,
        .vcpu = host + (s32)offsetof(struct vcpu_host, vcpu),
        .pc = cpu->state_pc,
        .pc_page = host + (s32)offsetof(struct vcpu_host, pc_page),
        .exit_request = host + (s32)offsetof(struct vcpu_host, exit_request),
        .scratch = host + (s32)offsetof(struct vcpu_host, scratch),
        .icount = host + (s32)offsetof(struct vcpu_host, icount),
        .l1_read = (s32)(tcg->state_size - VCPU_STATE_PREFIX),
        .l1_bits = L1_BITS,
        .jump_bits = JUMP_BITS,
    };
    layout->l1_write = layout->l1_read + (s32)L1_BYTES;
    layout->jump_cache = layout->l1_write + (s32)L1_BYTES;
    memcpy(layout->pinned, cpu->pinned, cpu->pinned_count * sizeof(cpu->pinned[0]));
    return cpu->pinned_count <= TCG_MAX_PINNED;
}

/* Entry 0 alone could match when zero. */
static void seal(struct tcg *tcg, struct context *context)
{
    context->l1_read[0].tag = context->l1_write[0].tag = tcg_tlb_never(0);
    context->jump[0].code = tcg->backend->jump_miss(tcg->engine);
}

static struct context *create(struct tcg_vcpu *v)
{
    struct tcg *tcg = v->tcg;
    struct context *context = g_new0(struct context, 1);
    u8 *slot = (u8 *)v->vcpu->state - VCPU_STATE_PREFIX;

    context->region = host_map_anonymous(tcg->region_size, false, NULL);
    if (!context->region || !vm_arena_alias(vm_arena(v->vcpu->vm), slot, tcg->state_size, context->region, NULL)) {
        host_map_free(context->region, tcg->region_size);
        g_free(context);
        return NULL;
    }
    context->base = (u8 *)context->region + VCPU_STATE_PREFIX;
    context->l1_read = (struct tcg_tlb_entry *)(context->base + tcg->layout.l1_read);
    context->l1_write = (struct tcg_tlb_entry *)(context->base + tcg->layout.l1_write);
    context->jump = (struct tcg_jump_entry *)(context->base + tcg->layout.jump_cache);
    seal(tcg, context);
    return context;
}

void tcg_contexts_destroy(struct tcg_vcpu *v)
{
    for (u32 i = 0; i < v->context_count; i++) {
        host_map_free(v->contexts[i]->region, v->tcg->region_size);
        g_free(v->contexts[i]);
    }
    v->context_count = 0;
    v->context = NULL;
    memset(v->recent, 0, sizeof(v->recent));
}

static void note(struct fill_log *log, u32 index)
{
    if (log->count < FILL_LOG)
        log->index[log->count] = (u16)index;
    if (log->count <= FILL_LOG)
        log->count++;
}

static void clear_table(struct fill_log *log, void *table, u32 entries)
{
    struct tcg_tlb_entry *entry = table;

    if (log->count > FILL_LOG)
        memset(table, 0, entries * sizeof(*entry));
    for (u32 i = 0; i < log->count && log->count <= FILL_LOG; i++)
        entry[log->index[i]] = (struct tcg_tlb_entry){ 0 };
    log->count = 0;
}

static void clear_jumps(struct tcg *tcg, struct context *context)
{
    clear_table(&context->jump_log, context->jump, 1 << JUMP_BITS);
    memset(context->jump_pages, 0, sizeof(context->jump_pages));
    seal(tcg, context);
}

static void clear(struct tcg *tcg, struct context *context)
{
    clear_table(&context->read_log, context->l1_read, 1 << L1_BITS);
    clear_table(&context->write_log, context->l1_write, 1 << L1_BITS);
    clear_jumps(tcg, context);
    memset(context->itlb, 0, sizeof(context->itlb));
    for (u32 i = 0; i < WALK_SIZE; i++)
        context->walk[i].va = 0;
    context->fracture_count = 0;
    context->stale = false;
}

static bool same(const struct mmu_context *a, const struct mmu_context *b)
{
    return a->root == b->root && a->asid == b->asid && a->mode == b->mode;
}

static struct context **recent(struct tcg_vcpu *v, const struct mmu_context *key)
{
    u64 mixed = (key->root ^ (u64)key->mode << 40 ^ (u64)key->asid << 20) * UINT64_C(0x9e3779b97f4a7c15);

    return &v->recent[mixed >> 58];
}

static struct context *find(struct tcg_vcpu *v, const struct mmu_context *key)
{
    for (u32 i = 0; i < v->context_count; i++) {
        if (same(&v->contexts[i]->key, key))
            return v->contexts[i];
    }
    return NULL;
}

/* A new context while there is room, then the one that was not used for longest. */
static struct context *take(struct tcg_vcpu *v)
{
    struct context *oldest = NULL;

    if (v->context_count < MAX_CONTEXTS) {
        struct context *context = create(v);

        if (context)
            return v->contexts[v->context_count++] = context;
    }
    for (u32 i = 0; i < v->context_count; i++) {
        if (!oldest || v->contexts[i]->last_use < oldest->last_use)
            oldest = v->contexts[i];
    }
    if (oldest)
        oldest->stale = true;
    return oldest;
}

struct context *tcg_context_activate(struct tcg_vcpu *v, const struct mmu_context *key)
{
    struct context **guess = recent(v, key), *context = *guess;

    if (!context || !same(&context->key, key)) {
        context = find(v, key);
        if (!context) {
            context = take(v);
            if (!context)
                return NULL;
            context->key = *key;
        }
        *guess = context;
    }
    if (context->stale)
        clear(v->tcg, context);
    context->last_use = ++v->tick;
    return v->context = context;
}

void tcg_context_mark_stale(struct context *context)
{
    context->stale = true;
}

void tcg_flush_all(struct tcg_vcpu *v)
{
    v->flushes++;
    for (u32 i = 0; i < v->context_count; i++)
        v->contexts[i]->stale = true;
    if (v->context)
        clear(v->tcg, v->context);
}

static unsigned jump_page_bit(u64 page)
{
    return (page >> 12 ^ page >> 24) & 4095;
}

/* Jump-cache entries of one page of code. */
static void flush_jump_page(struct tcg *tcg, struct context *context, u64 page)
{
    unsigned bit = jump_page_bit(page);

    if (!(context->jump_pages[bit / 64] & BIT64(bit % 64)))
        return;
    for (u32 i = 0; i < 1 << JUMP_BITS; i++) {
        if ((context->jump[i].va & ~UINT64_C(4095)) == page)
            context->jump[i] = (struct tcg_jump_entry){ 0 };
    }
    seal(tcg, context);
    context->jump_pages[bit / 64] &= ~BIT64(bit % 64);
    for (u32 i = 0; i < 1 << JUMP_BITS; i++) {
        if (context->jump[i].code && jump_page_bit(context->jump[i].va & ~UINT64_C(4095)) == bit && context->jump[i].va) {
            context->jump_pages[bit / 64] |= BIT64(bit % 64);
            break;
        }
    }
}

static bool in_fracture(const struct context *context, u64 va)
{
    for (u32 i = 0; i < context->fracture_count; i++) {
        if (va >= context->fracture[i].first && va <= context->fracture[i].last)
            return true;
    }
    return false;
}

static void flush_page(struct tcg *tcg, struct context *context, u64 va)
{
    u64 page = va & ~UINT64_C(4095);
    u32 index = (va >> 12) & ((1 << L1_BITS) - 1);
    struct itlb_entry *itlb = &context->itlb[(va >> 12) % ITLB_SIZE];
    struct walk_entry *walk = &context->walk[(va >> 12) % WALK_SIZE];

    if (in_fracture(context, va)) {
        /* The leaf is larger than a page: its other fragments may lie anywhere in the tables. */
        clear(tcg, context);
        return;
    }
    if (context->l1_read[index].tag == page)
        context->l1_read[index].tag = index ? 0 : tcg_tlb_never(0);
    if (context->l1_write[index].tag == page)
        context->l1_write[index].tag = index ? 0 : tcg_tlb_never(0);
    if (itlb->va == (page | 1))
        itlb->va = 0;
    if ((walk->va & ~UINT64_C(4095)) == page)
        walk->va = 0;
    flush_jump_page(tcg, context, page);
}

void tcg_flush(struct tcg_vcpu *v, const struct mmu_flush *flush)
{
    if (flush->one_address)
        v->page_flushes++;
    else
        v->flushes++;
    for (u32 i = 0; i < v->context_count; i++) {
        struct context *context = v->contexts[i];

        if (context->stale || (flush->one_asid && context->key.asid != flush->asid))
            continue;
        if (flush->one_address)
            flush_page(v->tcg, context, flush->address);
        else if (context == v->context)
            clear(v->tcg, context);
        else
            context->stale = true;
    }
}

void tcg_context_fill(struct context *context, u64 va, bool write, const u8 *host)
{
    u32 index = (va >> 12) & ((1 << L1_BITS) - 1);
    struct tcg_tlb_entry *entry = write ? &context->l1_write[index] : &context->l1_read[index];
    struct fill_log *log = write ? &context->write_log : &context->read_log;

    if (!entry->host)
        note(log, index);
    entry->tag = va & ~UINT64_C(4095);
    entry->host = (u64)(uintptr_t)host;
}

void tcg_context_fracture(struct context *context, u64 va, u64 leaf_size)
{
    u64 first = va & ~(leaf_size - 1), last = first + (leaf_size - 1);
    u32 nearest = 0;
    u64 least = UINT64_MAX;

    for (u32 i = 0; i < context->fracture_count; i++) {
        u64 low = MIN(first, context->fracture[i].first), high = MAX(last, context->fracture[i].last);

        if (low == context->fracture[i].first && high == context->fracture[i].last)
            return;
        if (high - low < least) {
            least = high - low;
            nearest = i;
        }
    }
    /* Ranges that are close grow together; far ones get their own while there is room. */
    if (context->fracture_count < FRACTURES && least > 64 * GIB) {
        context->fracture[context->fracture_count].first = first;
        context->fracture[context->fracture_count++].last = last;
        return;
    }
    context->fracture[nearest].first = MIN(first, context->fracture[nearest].first);
    context->fracture[nearest].last = MAX(last, context->fracture[nearest].last);
}

void tcg_jump_fill(struct tcg_vcpu *v, u64 va, const struct block *block)
{
    struct context *context = v->context;
    u32 index = tcg_jump_index(va, JUMP_BITS);
    unsigned bit = jump_page_bit(va & ~UINT64_C(4095));

    if (!context->jump[index].code || !context->jump[index].va)
        note(&context->jump_log, index);
    context->jump[index].va = va;
    context->jump[index].code = (u64)(uintptr_t)block->code.indirect_entry;
    context->jump_pages[bit / 64] |= BIT64(bit % 64);
}

void tcg_jump_flush_all(struct tcg_vcpu *v)
{
    for (u32 i = 0; i < v->context_count; i++)
        clear_jumps(v->tcg, v->contexts[i]);
}

void tcg_drop_write_tags(struct tcg_vcpu *v, const u8 *host_page)
{
    for (u32 c = 0; c < v->context_count; c++) {
        struct context *context = v->contexts[c];
        struct tcg_tlb_entry *table = context->l1_write;
        u32 count = context->write_log.count;

        if (context->stale)
            continue;
        if (count > FILL_LOG) {
            /* Too many to know: drop them all, they come back one by one. */
            clear_table(&context->write_log, table, 1 << L1_BITS);
            table[0].tag = tcg_tlb_never(0);
            continue;
        }
        for (u32 i = 0; i < count; i++) {
            u32 index = context->write_log.index[i];

            if (table[index].host == (u64)(uintptr_t)host_page)
                table[index].tag = index ? 0 : tcg_tlb_never(0);
        }
    }
}
