/*
 * accel/tcg/quick.c - quick code (tcg/quick.h) for what runs for the first time, and when it is over: a page in which samples found a vCPU
 * again soon is hot, loses its quick blocks, and is translated by way of the IR from then on. docs/decisions/quick-code.md
 */
#include "accel/tcg/tcg.h"
#include "host/clock.h"

enum { SOON_MS = 16 }; /* a page seen less often is not worth another translation */

bool tcg_quick_may(const struct tcg *tcg, const struct code_page *page, u32 variant)
{
    /* Samples are tier2.c's; code that is kept should be the better one. */
    return tcg->quick && tcg->tier2 && page->samples < tcg->quick_threshold && !variant && !tcg->one_insn_per_tb && !tcg->cache && tcg->backend->quick_emit &&
           !log_wants(vm_log(tcg->vm), LOG_IR);
}

struct block *tcg_quick_translate(struct tcg_vcpu *v, const struct code_source *source, struct code_page *page, u64 lines, u32 mode)
{
    struct quick_list *list = &v->quick;
    struct tcg *tcg = v->tcg;
    struct ir_block *ir = v->ir;
    struct block *block;

    if (!v->vcpu->cpu->quick)
        return NULL;
    ir_block_reset(ir, source->offset);
    list->count = v->vcpu->cpu->quick(v->vcpu, ir, source, list->insn);
    if (!list->count)
        return NULL;
    tcg->backend->quick_prepare(tcg->engine, ir, list->insn, list->count);
    block = tcg_block_new(tcg, ir);
    tcg_block_describe(block, ir, page, source->offset, mode);
    block->quick = true;
    if (!tcg_block_emit(tcg, ir, list, block)) {
        tcg_pool_give(&tcg->pool, block);
        return NULL; /* all that was protected is read again, by way of the IR */
    }
    tcg_page_set_lines(page, lines, source->offset, source->offset + ir->byte_count - 1);
    tcg->quick_blocks++;
    tcg->quick_insns += block->insn_count;
    return block;
}

static void drop_quick_blocks(struct tcg *tcg, struct code_page *page)
{
    for (u32 i = 0; i < CODE_BUCKETS; i++) {
        for (struct block *block = page->bucket[i], *next; block; block = next) {
            next = block->next;
            if (block->quick)
                tcg_block_kill(tcg, block);
        }
    }
}

/* A sample at `ms`, of any vCPU, met a page that is not hot: how many there were, one soon behind the other. */
static u32 count_sample(const struct tcg *tcg, struct code_page *page, u32 ms)
{
    bool soon = ms - page->sampled_ms <= SOON_MS;

    page->sampled_ms = ms;
    if (page->visits >= tcg->settle_threshold) /* it is seen seldom, but for long */
        return tcg->quick_threshold;
    return soon ? page->samples + 1u : 1;
}

/* True: with this sample it is hot. translate_lock. */
static bool becomes_hot(const struct tcg *tcg, struct code_page *page, s64 now)
{
    u32 samples;

    if (page->samples >= tcg->quick_threshold) /* somebody else's sample made it so meanwhile */
        return false;
    samples = count_sample(tcg, page, (u32)(now / 1000000));
    __atomic_store_n(&page->samples, (u8)samples, __ATOMIC_RELAXED);
    return samples == tcg->quick_threshold;
}

struct block *tcg_quick_sampled(struct tcg_vcpu *v, struct block *block, u64 pc)
{
    struct code_page *page = block->page;
    struct tcg *tcg = v->tcg;
    u8 heat = tcg_heat(block);

    if (!page || !tcg->backend->quick_emit || __atomic_load_n(&page->samples, __ATOMIC_RELAXED) >= tcg->quick_threshold)
        return block;
    tcg_translate_lock(v);
    bool hot = becomes_hot(tcg, page, host_clock_monotonic());
    if (hot) {
        tcg->hot_pages++;
        drop_quick_blocks(tcg, page);
    }
    tcg_translate_unlock(v);
    if (!hot || !block->quick)
        return block;
    block = tcg_block_get(v, pc, 0);
    if (block)
        tcg_set_heat(block, MAX(tcg_heat(block), heat));
    return block;
}
