/*
 * accel/tcg/resume.c - what generated code asks on its way from one block to the next, without coming back to the dispatcher:
 * the address space after a trap or a return from one, the code behind an indirect jump. The vCPU's own thread.
 */
#include "accel/tcg/tcg.h"

bool tcg_enter_context(struct tcg_vcpu *v)
{
    struct mmu_context key;

    v->vcpu->cpu->context(v->vcpu, &key);
    if (likely(v->context && v->context->key.mode == key.mode && v->context->key.root == key.root &&
               v->context->key.asid == key.asid && !v->context->stale))
        return true;
    return tcg_context_activate(v, &key) != NULL;
}

/* Steps and watchpoints are the dispatcher's; so is everything that asks for a safepoint. */
void *tcg_resume(void *vcpu)
{
    struct tcg_vcpu *v = tcg_of(vcpu);

    if (__atomic_load_n(&v->vcpu->host->exit_request, __ATOMIC_ACQUIRE) || v->one_insn || v->watch_pending)
        return NULL;
    v->vcpu->cpu->take_interrupt(v->vcpu);
    if (!tcg_enter_context(v))
        return NULL;
    v->resumes++;
    return v->context->base;
}

/* Pages with breakpoints run one instruction at a time, and logs want to see every entry: the dispatcher does that. */
const void *tcg_find(void *vcpu, u64 va)
{
    struct tcg_vcpu *v = tcg_of(vcpu);
    struct vm *vm = v->vcpu->vm;
    struct block *block;

    if (v->one_insn || vm_has_breakpoints(vm) || log_wants(vm_log(vm), LOG_EXEC | LOG_CPU))
        return NULL;
    block = tcg_block_known(v, va);
    if (!block)
        return NULL;
    v->finds++;
    tcg_jump_fill(v, va, block);
    return block->code.indirect_entry;
}
