/* accel/tcg/run.c - the dispatcher: what happens between two stretches of generated code. The vCPU's own thread. */
#include "accel/tcg/tier2.h"
#include "host/clock.h"
#include "vm/icount.h"

static void set_probes(struct tcg_link *link, bool probes)
{
    __atomic_store_n(&link->probes, probes, __ATOMIC_RELAXED);
}

/*
 * An exit into another page leads to the page of code that it met first, in contexts where that one is there. translate_lock held. False: to
 * another one, or one that cannot be told.
 */
static bool guard_link(struct tcg_link *link, const struct block *to)
{
    if (!link->guarded || !to->page->guard || (link->guard && link->guard != to->page->guard))
        return false;
    link->guard = to->page->guard;
    return true;
}

void tcg_set_link(struct tcg_vcpu *v, struct tcg_link *link, struct block *to)
{
    link->to = &to->code;
    link->next_in = to->incoming;
    to->incoming = link;
    v->tcg->backend->set_link(v->tcg->engine, link, &to->code);
    v->links++;
}

/*
 * Links a direct exit to the block it wanted. One that wants an instruction on two pages, which is where it is in this context alone, finds it in the
 * jump cache from now on.
 */
static void link_blocks(struct tcg_vcpu *v, struct tcg_link *link, struct block *to, u64 pc)
{
    struct tcg *tcg = v->tcg;
    struct block *from = container_of(link->from, struct block, code);

    if (from->mode & MODE_ONE_INSN || (from->mode ^ to->mode) & MODE_WINDOW || (link->same_page && (tcg_is_split(from) || from->page != to->page)) || log_wants(vm_log(tcg->vm), LOG_NOCHAIN))
        return;
    if (link->single ? !tcg_may_cache(to) : !tcg_may_jump(v, to))
        return;
    if ((!link->same_page && !link->single) || !tcg_may_cache(to)) /* not the careful variant: all would get it */
        tcg_jump_fill(v, pc, to->code.indirect_entry, to->page->guard);
    if (!tcg_may_cache(to)) {
        set_probes(link, true);
        return;
    }
    tcg_translate_lock(v);
    if (!from->dead && !to->dead && !link->to) {
        if (!link->same_page && !link->single)
            set_probes(link, true);
        if (link->same_page || guard_link(link, to))
            tcg_set_link(v, link, to);
    }
    tcg_translate_unlock(v);
}

/* What left for pc finds the block there the next time. */
static void remember_way(struct tcg_vcpu *v, enum tcg_leave left, struct tcg_link *link, struct block *block, u64 pc)
{
    if (link)
        link_blocks(v, link, block, pc);
    else if (left == TCG_LEAVE_MISS && tcg_may_jump(v, block))
        tcg_jump_fill(v, pc, block->code.indirect_entry, block->page->guard);
}

static void log_entry(struct tcg_vcpu *v, const struct block *block, u64 pc)
{
    struct log *log = vm_log(v->vcpu->vm);

    if (!log_in_filter(log, pc))
        return;
    if (log_wants(log, LOG_CPU) && v->vcpu->cpu->describe) {
        g_autofree char *text = v->vcpu->cpu->describe(v->vcpu);

        log_print(log, LOG_CPU, "%s", text);
    }
    if (log_wants(log, LOG_EXEC))
        log_print(log, LOG_EXEC, "Trace %u: %p [%016" G_GINT64_MODIFIER "x/%08x]", v->vcpu->index, (const void *)block, pc, block->mode);
}

static bool stop_at_breakpoint(struct tcg_vcpu *v, u64 pc)
{
    struct vcpu *vcpu = v->vcpu;

    if (!vm_has_breakpoint(vcpu->vm, pc) || (vcpu->told && vcpu->told_pc == pc))
        return false;
    vcpu_debug_stop(vcpu, &(struct vcpu_stop){ .kind = VCPU_STOP_BREAKPOINT, .address = pc });
    return true;
}

static u32 variant_for(struct tcg_vcpu *v, u64 pc)
{
    struct vm *vm = v->vcpu->vm;

    if (v->one_insn || (vm_has_breakpoints(vm) && vm_has_breakpoint_in_page(vm, pc & ~UINT64_C(4095))))
        return MODE_ONE_INSN;
    return 0;
}

/* The flavour of blocks that a counting vCPU runs; the last instructions of its budget one by one. */
static u32 counting_variant(const struct vcpu *vcpu)
{
    if (likely(!vcpu->counting))
        return 0;
    return MODE_COUNT | (vcpu->host->icount < MAX_BLOCK_INSNS ? MODE_ONE_INSN : 0);
}

static bool budget_is_spent(struct vcpu *vcpu)
{
    if (likely(!vcpu->counting) || vcpu->host->icount > 0 || vm_icount_on(vcpu->vm))
        return false;
    vcpu_debug_stop(vcpu, &(struct vcpu_stop){ .kind = VCPU_STOP_BUDGET });
    return true;
}

/* What the pending single step or watchpoint does around one instruction. True: stop now. */
static bool step_done(struct tcg_vcpu *v, enum vcpu_step step, bool watched)
{
    struct vcpu *vcpu = v->vcpu;

    if (watched) {
        v->watch_off = v->watch_pending = false;
        vcpu_debug_stop(vcpu, &v->watch_hit);
        return true;
    }
    if (step != VCPU_STEP_ONE)
        return false;
    vcpu_debug_stop(vcpu, &(struct vcpu_stop){ .kind = VCPU_STOP_STEP });
    return true;
}

/* To be asked behind epoch_quiesce: what this vCPU has to forget before code is freed was posted before the epoch that frees it. */
static bool is_asked(const struct vcpu *vcpu)
{
    return __atomic_load_n(&vcpu->host->exit_request, __ATOMIC_ACQUIRE);
}

/*
 * Does what others ask of this vCPU, until they ask nothing. Quiescing comes behind the safepoint, which takes all requests as answered that
 * came before it, the one to leave an epoch among them; else a vCPU could turn in a loop for good and keep code from being recycled.
 * False: out of guest code.
 */
static bool attend(struct tcg_vcpu *v)
{
    do {
        bool stay = vcpu_safepoint(v->vcpu);

        if (!stay || __atomic_load_n(&v->tcg->turn_over, __ATOMIC_RELAXED))
            return false;
        epoch_quiesce(v->tcg->code_epoch, v->code_reader);
    } while (is_asked(v->vcpu));
    return true;
}

static void run(struct tcg_vcpu *v)
{
    struct vcpu *vcpu = v->vcpu;
    struct tcg *tcg = v->tcg;
    struct tcg_link *link = NULL;
    enum tcg_leave left = TCG_LEAVE_PC;
    enum vcpu_step step = vcpu->step;

    for (;;) {
        struct tier2_seen seen = { 0 };

        if (!link) /* a link keeps its block alive through the code epoch */
            epoch_quiesce(tcg->code_epoch, v->code_reader);
        if (is_asked(vcpu)) {
            seen = tcg_tier2_look(link, true);
            link = NULL; /* else a loop that is linked to itself would never quiesce, and its code never be recycled */
            if (!attend(v))
                return;
        }
        if (unlikely(vcpu->counting) && vm_icount_on(vcpu->vm) && !vm_icount_go_on(vcpu))
            return;
        if (vcpu->cpu->take_interrupt(vcpu) || left == TCG_LEAVE_PC)
            link = NULL;
        if (!tcg_enter_context(v))
            return;
        if (budget_is_spent(vcpu))
            return;
        u64 pc = vcpu->cpu->get_pc(vcpu);
        v->one_insn = step == VCPU_STEP_ONE || v->watch_pending || v->device_pending;
        v->device_pending = false;
        v->watch_off = v->watch_pending;
        u32 variant = variant_for(v, pc);
        if (variant && !v->one_insn && stop_at_breakpoint(v, pc))
            return;
        variant |= counting_variant(vcpu);
        v->dispatches++;
        u64 generation = v->context->generation;
        struct block *block = tcg_block_get(v, pc, variant | (link && link->single ? MODE_SINGLE : 0));
        if (block && tcg->tier2) {
            if (link)
                seen = tcg_tier2_look(link, false);
            block = tcg_tier2_note(v, block, pc, &seen);
        }
        /* Getting it may have waited outside, where the map of memory changes: nothing may remember what was at pc before. Linking may wait, too. */
        if (block && likely(v->context->generation == generation))
            remember_way(v, left, link, block, pc);
        if (!block || unlikely(v->context->generation != generation)) {
            link = NULL;
            left = TCG_LEAVE_PC;
            continue;
        }
        if (log_wants(vm_log(tcg->vm), LOG_EXEC | LOG_CPU))
            log_entry(v, block, pc);
        bool watched = v->watch_off;
        if (v->one_insn || v->follows) /* polled where the instruction goes elsewhere, before the jump cache is asked */
            __atomic_store_n(&vcpu->host->exit_request, 1, __ATOMIC_RELEASE);
        link = NULL;
        vcpu->told = false;
        left = tcg->backend->run(tcg->engine, v->context->base, &block->code, pc, &link);
        if (left != TCG_LEAVE_LINK)
            link = NULL;
        if (left == TCG_LEAVE_MISS)
            v->misses++;
        if (v->one_insn && step_done(v, step, watched)) {
            v->one_insn = false;
            return;
        }
    }
}

/*
 * thread=single: one vCPU at a time, in the order in which they asked; the next in line asks the holder to come out after a
 * time slice. Other reasons to come to a safepoint do not end a turn.
 */
enum { SLICE_NS = 1000000 };

/* Turn lock held. */
static void end_turn(struct tcg *tcg)
{
    if (!tcg->turn_holder)
        return;
    __atomic_store_n(&tcg->turn_over, true, __ATOMIC_RELAXED);
    __atomic_store_n(&tcg->turn_holder->vcpu->host->exit_request, 1, __ATOMIC_RELEASE);
}

static void take_turn(struct tcg_vcpu *v)
{
    struct tcg *tcg = v->tcg;

    vcpu_enter_outside(v->vcpu);
    host_lock_take(&tcg->turn_lock);
    u64 ticket = tcg->next_ticket++;
    while (tcg->serving != ticket) {
        if (tcg->serving + 1 != ticket)
            host_cond_wait(&tcg->turn_cond, &tcg->turn_lock);
        else if (!host_cond_wait_until(&tcg->turn_cond, &tcg->turn_lock, host_clock_monotonic() + SLICE_NS))
            end_turn(tcg);
    }
    tcg->turn_over = false;
    tcg->turn_holder = v;
    bool others = tcg->last_holder != v;
    tcg->last_holder = v;
    host_lock_drop(&tcg->turn_lock);
    vcpu_leave_outside(v->vcpu);
    /* Exclusives compare by value; what others did to the place in between would go unnoticed if they put it back. */
    if (others && v->vcpu->cpu->lose_reservation)
        v->vcpu->cpu->lose_reservation(v->vcpu);
}

static void give_turn(struct tcg_vcpu *v)
{
    host_lock_take(&v->tcg->turn_lock);
    v->tcg->turn_holder = NULL;
    v->tcg->serving++;
    host_cond_wake_all(&v->tcg->turn_cond);
    host_lock_drop(&v->tcg->turn_lock);
}

void tcg_vcpu_run(struct vcpu *vcpu)
{
    struct tcg_vcpu *v = tcg_of(vcpu);
    /* With -icount the machine itself gives turns. */
    bool turns = (v->tcg->thread == TCG_THREAD_SINGLE || v->tcg->exact_exclusives) && !vm_icount_on(vcpu->vm);

    if (turns)
        take_turn(v);
    epoch_enter(v->tcg->code_epoch, v->code_reader);
    run(v);
    epoch_leave(v->code_reader);
    if (turns)
        give_turn(v);
    if (__atomic_load_n(&vcpu->halted, __ATOMIC_RELAXED))
        tcg_contexts_rest(v);
}
