/*
 * accel/tcg/settle.c - where base registers are asked which page they led to last (struct tcg_base): in pages of code in which samples found a vCPU
 * often, all but the instructions that found another page all the time since the last sample. docs/decisions/jit-memory.md
 */
#include "accel/tcg/tcg.h"

enum {
    MISS_NS = 128,  /* between two misses, on average, when that was not worth it for those that missed */
    GRAIN_SHIFT = 4
};

struct code_page *tcg_settle_page(const struct tcg_vcpu *v, u64 va)
{
    const struct itlb_entry *entry = &v->context->itlb[(va >> 12) % ITLB_SIZE];

    return entry->va == (va & ~UINT64_C(4095)) && entry->generation == v->context->generation ? entry->page : NULL;
}

struct range {
    u32 first, end; /* page offsets */
};

static bool is_ordinary(const struct block *block)
{
    return !block->quick && block->tier != 2;
}

static bool meets(const struct range *range, const struct block *block)
{
    u32 end = block->offset + block->byte_count;

    return is_ordinary(block) && ((block->offset - block->below < range->end && end > range->first) || (block->calls && end == range->first));
}

/* By blocks that have some of it, and by those that were emitted together with them: a block that calls, and the one behind it. True: it grew. */
static bool grow(struct range *range, const struct code_page *page)
{
    struct range before = *range;
    bool calls = false;

    for (u32 i = 0; i < CODE_BUCKETS; i++) {
        for (const struct block *block = page->bucket[i]; block; block = block->next) {
            if (!meets(range, block))
                continue;
            u32 end = block->offset + block->byte_count;

            range->first = MIN(range->first, block->offset - block->below);
            calls = end > range->end ? block->calls : calls || (end == range->end && block->calls);
            range->end = MAX(range->end, end);
        }
    }
    range->end += calls; /* so that the next one meets it */
    return range->first < before.first || range->end > before.end;
}

static void kill_blocks(struct tcg *tcg, struct code_page *page, const struct range *range)
{
    for (u32 i = 0; i < CODE_BUCKETS; i++) {
        for (struct block *block = page->bucket[i], *next; block; block = next) {
            next = block->next;
            if (meets(range, block))
                tcg_block_kill(tcg, block);
        }
    }
}

void tcg_settle_kill(struct tcg *tcg, struct code_page *page, u32 offset)
{
    struct range range = { offset & ~((1u << GRAIN_SHIFT) - 1), offset | ((1u << GRAIN_SHIFT) - 1) };

    while (grow(&range, page))
        continue;
    kill_blocks(tcg, page, &range);
}

/* From now on this instruction asks the tables at once. */
static void let_roam(struct tcg_vcpu *v, struct code_page *page, u32 offset)
{
    u64 *word = &page->stays[offset >> 10], bit = BIT64(offset >> GRAIN_SHIFT & 63);

    if (!(*word & bit))
        return;
    *word &= ~bit;
    tcg_settle_kill(v->tcg, page, offset);
    v->tcg->roaming++;
}

/* Where the last misses were. */
static void blame(struct tcg_vcpu *v, const struct tcg_near *near)
{
    tcg_translate_lock(v);
    for (u32 i = 0; i < MIN(near->base_misses, TCG_BASE_MISSED); i++) {
        s32 offset = (s16)(near->base_missed[i].where >> 16);
        struct code_page *page = tcg_settle_page(v, near->base_missed[i].page);

        if (page && offset >= 0 && offset < TCG_PAGE_SIZE)
            let_roam(v, page, (u32)offset);
    }
    tcg_translate_unlock(v);
}

/* translate_lock held. */
static void settle(struct tcg *tcg, struct code_page *page)
{
    memset(page->stays, 0xff, sizeof(page->stays));
    kill_blocks(tcg, page, &(struct range){ 0, TCG_PAGE_SIZE });
    tcg->settled_pages++;
}

/* True: with this visit there were enough. */
static bool visit(struct tcg_vcpu *v, struct code_page *page)
{
    bool enough;

    if (!page || __atomic_load_n(&page->visits, __ATOMIC_RELAXED) >= v->tcg->settle_threshold)
        return false;
    tcg_translate_lock(v);
    enough = page->visits + 1u == v->tcg->settle_threshold;
    if (page->visits < v->tcg->settle_threshold)
        __atomic_store_n(&page->visits, page->visits + 1, __ATOMIC_RELAXED);
    if (enough)
        settle(v->tcg, page);
    tcg_translate_unlock(v);
    return enough;
}

bool tcg_settle_sampled(struct tcg_vcpu *v, const struct block *block, s64 spent)
{
    struct tcg_near *near = v->context->near;
    bool often = v->sampled_context == v->context && (s64)near->base_misses * MISS_NS > spent;

    v->sampled_context = v->context;
    if (often)
        blame(v, near);
    near->base_misses = 0;
    return visit(v, block->page) || often;
}
