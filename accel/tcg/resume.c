/*
 * accel/tcg/resume.c - what generated code asks on its way from one block to the next, without coming back to the dispatcher:
 * the address space after a trap or a return from one, the code behind an indirect jump. The vCPU's own thread.
 */
#include "accel/tcg/tcg.h"
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

/* Steps, watchpoints and budgets are the dispatcher's; so is everything that asks for a safepoint. */
void *tcg_resume(void *vcpu)
{
    struct tcg_vcpu *v = tcg_of(vcpu);

    if (__atomic_load_n(&v->vcpu->host->exit_request, __ATOMIC_ACQUIRE) || v->one_insn || v->watch_pending ||
        v->vcpu->counting)
        return NULL;
    v->vcpu->cpu->take_interrupt(v->vcpu);
    if (!tcg_enter_context(v))
        return NULL;
    v->resumes++;
    return v->context->base;
}

/* --- the L2 jump cache --- */

enum { JUMP2_BYTES = JUMP2_GROUPS * JUMP2_GROUP * sizeof(struct jump2) };

bool tcg_jump2_create(struct tcg_vcpu *v)
{
    return (v->jump2 = host_map_anonymous(JUMP2_BYTES, false, NULL)) != NULL;
}

void tcg_jump2_destroy(struct tcg_vcpu *v)
{
    host_map_free(v->jump2, JUMP2_BYTES);
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
    memset(v->jump2, 0, JUMP2_BYTES);
    memset(v->jump2_pages, 0, sizeof(v->jump2_pages));
}

/* Code that was killed is found patched: its entry leads here again. */
static const void *remembered(struct tcg_vcpu *v, u64 va)
{
    const struct jump2 *jump = place_of(v, va);
    const struct tcg_refill *refill = v->context->refill;

    if (jump->va != va || jump->mode != tcg_code_mode(v) || !v->context->space ||
        (jump->number != refill->space && jump->number != refill->shared))
        return NULL;
    return v->tcg->backend->alive(v->tcg->engine, jump->entry) ? jump->entry : NULL;
}

static void remember(struct tcg_vcpu *v, u64 va, const void *entry, bool global)
{
    u32 bit = filter_bit(va);

    if (!v->context->space)
        return;
    *place_of(v, va) = (struct jump2){
        .va = va, .number = global ? v->context->refill->shared : v->context->refill->space, .mode = tcg_code_mode(v), .entry = entry,
    };
    v->jump2_pages[bit / 64] |= BIT64(bit % 64);
}

/* Pages with breakpoints run one instruction at a time, and logs want to see every entry: the dispatcher does that. */
const void *tcg_find(void *vcpu, u64 va)
{
    struct tcg_vcpu *v = tcg_of(vcpu);
    struct vm *vm = v->vcpu->vm;
    const void *entry;

    if (v->one_insn || v->vcpu->counting || vm_has_breakpoints(vm) || log_wants(vm_log(vm), LOG_EXEC | LOG_CPU))
        return NULL;
    entry = remembered(v, va);
    if (entry) {
        v->finds2++;
    } else {
        bool global;
        struct block *block = tcg_block_known(v, va, &global);

        if (!block)
            return NULL;
        v->finds++;
        entry = block->code.indirect_entry;
        remember(v, va, entry, global);
    }
    tcg_jump_fill(v, va, entry);
    return entry;
}
