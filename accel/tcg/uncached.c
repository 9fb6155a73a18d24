/* accel/tcg/uncached.c - code outside RAM, in devices or flash in command mode: read as data, executed once, forgotten. The vCPU's own thread. */
#include "accel/tcg/tcg.h"
#include "base/bits.h"
#include <string.h>

/* Reads the next bytes of an instruction at va as data, through the translation of their own page. Their number; 0: a fault was taken. */
static u32 fetch_parcel(struct tcg_vcpu *v, u64 va, u8 *to)
{
    const struct cpu_class *cpu = v->vcpu->cpu;
    u32 size = va & 1 ? 1 : 2;
    struct walk walk;
    bool walked = tcg_walk(v, va, size, MMU_FETCH, &walk);
    u64 value = 0;

    if (walked && space_read(vm_memory(v->vcpu->vm), walk.page.physical | (va & 4095), size, &value) == MEM_OK) {
        bits_store_le(to, size, value);
        return size;
    }
    if (walked) {
        walk.page = (struct mmu_page){ 0 };
        cpu->bus_error(v->vcpu, va, MMU_FETCH, &walk.page);
    }
    cpu->fault(v->vcpu, va, MMU_FETCH, &walk.page);
    return 0;
}

/* Whether `count` bytes are a whole instruction: put at the end of a page, they make the front end ask for more otherwise. */
static bool is_whole(struct tcg_vcpu *v, u8 *probe_page, const u8 *bytes, u32 count)
{
    struct code_source source = { .page = probe_page, .offset = 4096 - count, .mode = tcg_code_mode(v), .max_insns = 1 };

    memcpy(probe_page + source.offset, bytes, count);
    ir_block_reset(v->ir, source.offset);
    return v->vcpu->cpu->translate(v->vcpu, v->ir, &source) == TRANSLATE_OK;
}

/* The instruction at pc, into `page` at pc's offset in its page (and on behind it). Not a byte more than it has is read. */
static bool fetch_insn(struct tcg_vcpu *v, u64 pc, u8 *page)
{
    g_autofree u8 *probe_page = g_malloc0(4096);
    u8 *bytes = page + (pc & 4095);

    for (u32 count = 0, got; count < MAX_INSN_BYTES; count += got) {
        got = fetch_parcel(v, pc + count, bytes + count);
        if (!got)
            return false;
        if (is_whole(v, probe_page, bytes, count + got))
            return true;
    }
    return true;
}

struct block *tcg_translate_uncached(struct tcg_vcpu *v, u64 pc, u32 variant)
{
    struct tcg *tcg = v->tcg;
    g_autofree u8 *bytes = g_malloc0(8192);
    u32 offset = pc & 4095;
    struct code_source source = { .page = bytes, .offset = offset, .next_page = bytes + 4096, .mode = tcg_code_mode(v), .max_insns = 1 };

    if (!fetch_insn(v, pc, bytes))
        return NULL;
    tcg_translate_lock(v);
    struct block *block = NULL;
    if (tcg_front_end(v, &source, variant)) {
        tcg_run_passes(tcg, v->ir);
        block = tcg_block_new(tcg, v->ir);
        block->offset = offset;
        block->byte_count = (u16)v->ir->byte_count;
        block->insn_count = (u16)v->ir->insn_count;
        block->mode = tcg_code_mode(v) | MODE_ONE_INSN | (variant & MODE_COUNT);
        if (!tcg_block_emit(tcg, v->ir, NULL, block)) {
            tcg_pool_give(&tcg->pool, block);
            block = NULL;
        } else {
            /* In no page: nobody finds it. Retired at once, freed when this vCPU has left the code. */
            block->dead = true;
            tcg_block_retire(tcg, block);
        }
    }
    tcg_translate_unlock(v);
    return block;
}
