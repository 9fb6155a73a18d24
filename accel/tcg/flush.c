/*
 * accel/tcg/flush.c - what the guest's fences drop. The L2 drops a whole space by giving it another number; contexts forget by
 * their logs of what they filled. One page is dropped exactly, unless a larger leaf may lie there: its other fragments can be
 * anywhere in the tables, so then the space goes. The vCPU's own thread, or the machine stopped.
 */
#include "accel/tcg/tcg.h"

/* --- spaces --- */

static struct tlb_space *unused_space(struct tcg_vcpu *v)
{
    struct tlb_space *oldest = &v->space[0];

    if (v->space_count < MAX_SPACES)
        return &v->space[v->space_count++];
    for (u32 i = 1; i < MAX_SPACES; i++) {
        if (v->space[i].last_use < oldest->last_use)
            oldest = &v->space[i];
    }
    for (u32 i = 0; i < v->context_count; i++) {
        if (v->contexts[i]->space == oldest) {
            v->contexts[i]->space = NULL;
            v->contexts[i]->stale = true;
        }
    }
    return oldest;
}

static bool is_space(const struct tlb_space *space, const struct mmu_context *key)
{
    return space && space->root == key->root && space->asid == key->asid;
}

static struct tlb_space *find_space(struct tcg_vcpu *v, const struct mmu_context *key)
{
    struct tlb_space **guess = &v->recent_space[tcg_recent(key->root, key->asid, 0)];

    if (is_space(*guess, key))
        return *guess;
    for (u32 i = 0; i < v->space_count; i++) {
        if (is_space(&v->space[i], key))
            return *guess = &v->space[i];
    }
    *guess = unused_space(v);
    **guess = (struct tlb_space){
        .root = key->root, .asid = key->asid, .number = ++v->last_number,
        .salt = (u64)(*guess - v->space) * UINT64_C(0x9e3779b1) >> 3,
    };
    v->fractures[*guess - v->space].count = 0;
    return *guess;
}

static void set_masks(struct tcg_vcpu *v, struct context *context)
{
    u32 may[3] = { 0 };

    if (context->has_masks && context->masks_mode == context->key.mode)
        return;
    if (v->vcpu->cpu->permissions)
        v->vcpu->cpu->permissions(context->key.mode, may);
    context->refill->may_read = may[MMU_READ];
    context->refill->may_write = may[MMU_WRITE];
    context->refill->may_fetch = may[MMU_FETCH];
    context->masks_mode = context->key.mode;
    context->has_masks = true;
}

void tcg_space_enter(struct tcg_vcpu *v, struct context *context)
{
    struct tcg_refill *refill = context->refill;

    context->space = context->key.root ? find_space(v, &context->key) : NULL;
    refill->l2 = context->space ? v->l2 : NULL;
    refill->shared = v->shared;
    if (!context->space)
        return;
    set_masks(v, context);
    refill->space = context->space->number;
    refill->salt = context->space->salt;
    context->space->last_use = v->tick;
}

/* --- large leaves --- */

static bool in_range(const struct fractures *fractures, u64 va)
{
    for (u32 i = 0; i < fractures->count; i++) {
        if (va >= fractures->range[i].first && va <= fractures->range[i].last)
            return true;
    }
    return false;
}

/* The nearest range grows when there is no room for another. */
static void add_range(struct fractures *fractures, u64 first, u64 last)
{
    u32 nearest = 0;
    u64 least = UINT64_MAX;

    for (u32 i = 0; i < fractures->count; i++) {
        u64 low = MIN(first, fractures->range[i].first), high = MAX(last, fractures->range[i].last);

        if (low == fractures->range[i].first && high == fractures->range[i].last)
            return;
        if (high - low < least) {
            least = high - low;
            nearest = i;
        }
    }
    bool grows = fractures->count == FRACTURES || least < 1 * GIB;
    if (!grows)
        nearest = fractures->count++;
    fractures->range[nearest].first = grows ? MIN(first, fractures->range[nearest].first) : first;
    fractures->range[nearest].last = grows ? MAX(last, fractures->range[nearest].last) : last;
}

void tcg_note_fracture(struct tcg_vcpu *v, u64 va, const struct mmu_page *page)
{
    struct tlb_space *space = v->context->space;
    u64 first = va & ~(page->leaf_size - 1), last = first + (page->leaf_size - 1);

    if (page->global)
        add_range(&v->shared_fractures, first, last);
    else if (space)
        add_range(&v->fractures[space - v->space], first, last);
}

/* --- flushes --- */

static void renumber(struct tcg_vcpu *v, struct tlb_space *space)
{
    space->number = ++v->last_number;
    v->fractures[space - v->space].count = 0;
}

static void renumber_shared(struct tcg_vcpu *v)
{
    v->shared = ++v->last_number;
    v->shared_fractures.count = 0;
}

/* What contexts of a space (NULL: of all) remember goes; their refills get the new numbers. */
static void drop_contexts(struct tcg_vcpu *v, const struct tlb_space *space)
{
    for (u32 i = 0; i < v->context_count; i++) {
        struct context *context = v->contexts[i];

        if (!context->space || (space && context->space != space))
            continue;
        tcg_context_drop(v, context);
        context->refill->shared = v->shared;
        context->refill->space = context->space->number;
    }
}

static void flush_space(struct tcg_vcpu *v, struct tlb_space *space)
{
    renumber(v, space);
    drop_contexts(v, space);
}

static void flush_spaces(struct tcg_vcpu *v)
{
    renumber_shared(v);
    for (u32 i = 0; i < v->space_count; i++)
        renumber(v, &v->space[i]);
    drop_contexts(v, NULL);
}

void tcg_flush_all(struct tcg_vcpu *v)
{
    v->flushes++;
    flush_spaces(v);
    tcg_jump2_drop_all(v); /* pages of code may be about to go */
    for (u32 i = 0; i < v->context_count; i++) {
        if (!v->contexts[i]->space)
            tcg_context_drop(v, v->contexts[i]);
    }
}

static bool is_meant(const struct tlb_space *space, const struct mmu_flush *flush)
{
    return !flush->one_asid || space->asid == flush->asid;
}

/* A fence for one address space leaves global leaves alone (section 12.2.1). */
static void flush_page(struct tcg_vcpu *v, const struct mmu_flush *flush)
{
    u64 va = flush->address;

    if (!flush->one_asid && in_range(&v->shared_fractures, va)) {
        flush_spaces(v);
        return;
    }
    for (u32 i = 0; i < v->space_count; i++) {
        struct tlb_space *space = &v->space[i];

        if (!is_meant(space, flush))
            continue;
        if (in_range(&v->fractures[i], va))
            flush_space(v, space);
        else
            tcg_l2_drop_page(v, space->salt, va, flush->one_asid ? space->number : 0);
    }
    tcg_jump2_drop_page(v, va);
    for (u32 i = 0; i < v->context_count; i++) {
        const struct mmu_context *key = &v->slot[i].key;

        if (key->root && (!flush->one_asid || key->asid == flush->asid) && !v->contexts[i]->stale)
            tcg_context_drop_page(v, v->contexts[i], va);
    }
}

void tcg_flush(struct tcg_vcpu *v, const struct mmu_flush *flush)
{
    if (flush->one_address) {
        v->page_flushes++;
        flush_page(v, flush);
        return;
    }
    if (flush->everything) {
        tcg_flush_all(v);
        return;
    }
    v->flushes++;
    if (!flush->one_asid) {
        flush_spaces(v);
        return;
    }
    for (u32 i = 0; i < v->space_count; i++) {
        if (is_meant(&v->space[i], flush))
            flush_space(v, &v->space[i]);
    }
}
