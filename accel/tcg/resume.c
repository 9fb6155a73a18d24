/*
 * accel/tcg/resume.c - what generated code asks on its way from one block to the next, without coming back to the dispatcher:
 * the address space after a trap or a return from one, the code behind an indirect jump. The vCPU's own thread.
 */
#include "accel/tcg/kept.h"
#include "host/map.h"
#include <string.h>

bool tcg_enter_context(struct tcg_vcpu *v)
{
    struct mmu_context key;

    v->vcpu->cpu->context(v->vcpu, &key);
    if (likely(v->context && v->context->key.mode == key.mode && v->context->key.root == key.root &&
               v->context->key.asid == key.asid && !v->context->stale))
        return true;
    return tcg_context_activate(v, &key) != NULL;
}

/* Behind the last instruction of its budget: what is due then comes before interrupts. */
static bool counted_all(const struct vcpu *vcpu)
{
    return unlikely(vcpu->counting) && vcpu->host->icount <= 0;
}

/* Steps, watchpoints and devices of a counting vCPU are the dispatcher's; so is everything that asks for a safepoint. */
void *tcg_resume(void *vcpu)
{
    struct tcg_vcpu *v = tcg_of(vcpu);

    if (counted_all(v->vcpu))
        return NULL;
    if (__atomic_load_n(&v->vcpu->host->exit_request, __ATOMIC_ACQUIRE) || v->one_insn || v->watch_pending || v->device_pending)
        return NULL;
    v->vcpu->cpu->take_interrupt(v->vcpu);
    if (!tcg_enter_context(v))
        return NULL;
    v->resumes++;
    return v->context->base;
}

/* --- the L2 jump cache --- */

enum { JUMP2_BYTES = JUMP2_GROUPS * JUMP2_GROUP * sizeof(struct jump2), JUMP3_BYTES = sizeof(struct jump3) << JUMP3_BITS };

bool tcg_jump2_create(struct tcg_vcpu *v)
{
    v->jump2 = host_map_anonymous(JUMP2_BYTES, false, NULL);
    v->jump3 = host_map_anonymous(JUMP3_BYTES, false, NULL);
    return v->jump2 && v->jump3;
}

void tcg_jump2_destroy(struct tcg_vcpu *v)
{
    host_map_free(v->jump2, JUMP2_BYTES);
    host_map_free(v->jump3, JUMP3_BYTES);
}

static struct jump2 *group_of(struct tcg_vcpu *v, u64 va)
{
    u64 page = va >> 12;

    return &v->jump2[((page ^ page >> 8 ^ page >> 16) & (JUMP2_GROUPS - 1)) * JUMP2_GROUP];
}

static struct jump2 *place_of(struct tcg_vcpu *v, u64 va)
{
    return &group_of(v, va)[(va >> 1 ^ va >> 7) & (JUMP2_GROUP - 1)];
}

static u32 filter_bit(u64 va)
{
    return (va >> 12 ^ va >> 24) & 4095;
}

void tcg_jump2_drop_page(struct tcg_vcpu *v, u64 va)
{
    struct jump2 *group = group_of(v, va);
    u32 bit = filter_bit(va);

    if (!(v->jump2_pages[bit / 64] & BIT64(bit % 64)))
        return;
    for (u32 i = 0; i < JUMP2_GROUP; i++) {
        if ((group[i].va ^ va) >> 12 == 0)
            group[i] = (struct jump2){ 0 };
    }
}

void tcg_jump2_drop_all(struct tcg_vcpu *v)
{
    /* Untouched pages stay unbacked: a hart that does nothing costs nothing. */
    if (v->jump2_used) {
        memset(v->jump2, 0, JUMP2_BYTES);
        memset(v->jump2_pages, 0, sizeof(v->jump2_pages));
    }
    if (v->jump3_used)
        memset(v->jump3, 0, JUMP3_BYTES);
    v->jump2_used = v->jump3_used = false;
}

/* Code that was killed is found patched: its entry leads here again. */
static bool alive(struct tcg_vcpu *v, const void *entry)
{
    return v->tcg->backend->alive(v->tcg->engine, entry);
}

static const void *remembered(struct tcg_vcpu *v, u64 va, u32 *guard)
{
    const struct jump2 *jump = place_of(v, va);
    const struct tcg_refill *refill = v->context->refill;

    if (jump->va != va || jump->mode != tcg_block_mode(v) || !v->context->space ||
        (jump->number != refill->space && jump->number != refill->shared))
        return NULL;
    if (!alive(v, jump->entry))
        return NULL;
    *guard = jump->guard;
    return jump->entry;
}

static void remember(struct tcg_vcpu *v, u64 va, const void *entry, bool global, u32 guard)
{
    u32 bit = filter_bit(va);

    if (!v->context->space)
        return;
    *place_of(v, va) = (struct jump2){
        .va = va, .number = global ? v->context->refill->shared : v->context->refill->space, .mode = tcg_block_mode(v),
        .guard = guard, .entry = entry,
    };
    v->jump2_pages[bit / 64] |= BIT64(bit % 64);
    v->jump2_used = true;
}

/* Whatever address the page of code has here. NULL: there is no such block yet, or jump caches may not have it. */
static const void *find_in_page(struct tcg_vcpu *v, const struct code_page *page, u32 offset)
{
    u64 mixed = ((u64)(uintptr_t)page ^ (u64)offset << 48) * UINT64_C(0x9e3779b97f4a7c15);
    struct jump3 *jump = &v->jump3[mixed >> (64 - JUMP3_BITS)];
    u32 mode = tcg_block_mode(v);

    if (jump->page == page && jump->offset == offset && jump->mode == mode && alive(v, jump->entry))
        return jump->entry;
    struct block *block = tcg_page_find(page, offset, mode);
    if (!block || !tcg_may_cache(block))
        return NULL;
    tcg_kept_met(v->tcg, block);
    *jump = (struct jump3){ page, offset, mode, block->code.indirect_entry };
    v->jump3_used = true;
    return jump->entry;
}

/*
 * Code that was killed because its bytes were written is made again on the way: what generates code need not come back to the dispatcher for each piece.
 * It does so now and then, since what is dead is freed there. NULL: no room, a safepoint is due, the map of memory changed, or something else that the dispatcher looks at.
 */
static const void *make_in_page(struct tcg_vcpu *v, u64 va)
{
    struct tcg *tcg = v->tcg;
    u64 generation = v->context->generation;
    struct block *block;

    if (unlikely(v->vcpu->counting || (va & 4095) + MAX_INSN_BYTES > 4096 || epoch_waits(tcg->code_epoch) || tcg->one_insn_per_tb))
        return NULL;
    block = tcg_block_get(v, va, 0);
    return block && tcg_may_cache(block) && v->context->generation == generation ? block->code.indirect_entry : NULL;
}

/* Pages with breakpoints run one instruction at a time, and logs want to see every entry: the dispatcher does that. */
const void *tcg_find(void *vcpu, u64 va)
{
    struct tcg_vcpu *v = tcg_of(vcpu);
    struct vm *vm = v->vcpu->vm;
    const void *entry;
    u32 guard;

    if (v->one_insn || vm_has_breakpoints(vm) || log_wants(vm_log(vm), LOG_EXEC | LOG_CPU))
        return NULL;
    entry = remembered(v, va, &guard);
    if (entry) {
        v->finds2++;
    } else {
        bool global;
        const struct code_page *page = tcg_code_known(v, va, &global);

        entry = page ? find_in_page(v, page, va & 4095) : NULL;
        if (!entry && page)
            entry = make_in_page(v, va);
        if (!entry)
            return NULL;
        v->finds++;
        guard = page->guard;
        remember(v, va, entry, global, guard);
    }
    tcg_jump_fill(v, va, entry, guard);
    return entry;
}
