/*
 * accel/tcg/pair.c - a block that ends with a call of the guest and the one that is returned to, translated together, so that a return runs
 * on without a jump (docs/decisions/returns.md). translate_lock held.
 */
#include "accel/tcg/kept.h"

enum {
    PAIR_ROOM = 8 * 1024, /* bytes of code that nearly all pairs fit in; one that does not is no pair */
    COPY_INSNS = 8,         /* in a block that had better be there twice, since a loop's first turn had it first */
    COPIES = 4,             /* of it at most: a call that is written again and again would leave one each time */
};

/* The exit at the end when it calls, or NULL. */
static const struct ir_exit *call_of(const struct ir_block *ir)
{
    const struct ir_op *end = &ir->op[ir->count - 1];
    bool leaves = ir->count && (end->code == IR_EXIT || end->code == IR_EXIT_TO);

    return leaves && ir->exit[end->imm].hint == IR_HINT_CALL ? &ir->exit[end->imm] : NULL;
}

bool tcg_pair_calls(const struct ir_block *ir)
{
    return call_of(ir);
}

bool tcg_pair_is_full(const struct block *there)
{
    return tcg_page_copies(there) >= COPIES;
}

u32 tcg_pair_offset(const struct tcg *tcg, const struct ir_block *ir, const struct block *block)
{
    const struct ir_exit *exit = call_of(ir);

    if (!exit || !tcg->backend->open || block->next_page || block->mode & (MODE_ONE_INSN | MODE_SINGLE) || tcg->one_insn_per_tb ||
        (u32)exit->return_pc >= TCG_PAGE_SIZE)
        return TCG_PAGE_SIZE;
    if (tcg->chunk[tcg->current_chunk].limit - tcg->at < PAIR_ROOM || log_wants(vm_log(tcg->vm), LOG_NOCHAIN))
        return TCG_PAGE_SIZE;
    const struct block *there = tcg_page_find(block->page, (u32)exit->return_pc, block->mode);
    if (there && (there->insn_count > COPY_INSNS || tcg_pair_is_full(there)))
        return TCG_PAGE_SIZE;
    return (u32)exit->return_pc;
}

/* The second block of a pair: v->ir is its. NULL: it cannot be had. */
static struct block *translate_second(struct tcg_vcpu *v, struct code_source *source, const struct block *first)
{
    struct code_page *page = first->page;
    u64 lines = page->lines;
    struct block *second;

    tcg_page_protect_source(v, page, source);
    if (v->tcg->cache) /* nobody was told of stores that came here while the first block alone was protected */
        tcg_kept_read(v->tcg->cache, page, source);
    if (!tcg_front_end(v, source, first->mode & MODE_COUNT)) {
        tcg_page_set_lines(page, lines, source->offset, source->offset);
        return NULL;
    }
    tcg_say_places(v->ir, page, first->mode);
    tcg_run_passes(v->tcg, v->ir);
    tcg_page_set_lines_of(page, lines, v->ir);
    second = tcg_block_new(v->tcg, v->ir);
    tcg_block_describe(second, v->ir, page, source->offset, first->mode);
    return second;
}

static void exchange_ir(struct tcg_vcpu *v)
{
    struct ir_block *ir = v->ir;

    v->ir = v->second_ir;
    v->second_ir = ir;
}

bool tcg_pair_emit(struct tcg_vcpu *v, struct block *first, struct block **second, struct code_source *source)
{
    struct tcg *tcg = v->tcg;
    struct chunk *chunk = &tcg->chunk[tcg->current_chunk];
    u32 end;

    if (!tcg->backend->open(tcg->engine, v->ir, &first->code, tcg->at, chunk->limit))
        return false;
    exchange_ir(v);
    *second = translate_second(v, source, first);
    end = tcg->backend->emit_behind(tcg->engine, *second ? v->ir : NULL, *second ? &(*second)->code : NULL);
    exchange_ir(v);
    if (!end) {
        if (*second)
            tcg_pool_give(&tcg->pool, *second);
        *second = NULL;
        return false;
    }
    chunk->used = true;
    tcg_window_note_faults(tcg, chunk);
    first->chunk = (u8)tcg->current_chunk;
    tcg->host_bytes += end - tcg->at;
    tcg->at = end;
    if (*second)
        (*second)->chunk = first->chunk;
    return true;
}
