/* vm/icount.c - virtual time that runs with instructions: turns of vCPUs, budgets, timers at exact counts, idle time. */
#include "vm/icount.h"
#include "host/clock.h"
#include "vm/arena.h"
#include "vm/internal.h"

enum {
    SLICE = 1 << 18,          /* instructions of a turn, where there are several vCPUs */
    SHORT_SLICE = 1 << 12,    /* of one that waits for others: to give it away costs the host as much as to wait */
    LONGEST = 1 << 28,        /* of a budget */
    AHEAD_NS = 3000000,       /* align: by which vCPUs may be ahead */
    PERIOD_NS = 100000000,    /* adapt: between two looks; the most that virtual time should be off */
    WARNING_NS = 2000000000,  /* align: between two warnings, which begin when the guest is as late as this */
};

/*
 * turn: index of the only vCPU that may execute; its thread owns what is not atomic, or main while the machine is stopped. A vCPU
 * gives the turn away itself; the others sleep in vcpu.c's loop, where they are asked to look again when they get it.
 */
struct vm_icount {
    struct vm_icount_options options;
    u32 turn;          /* atomic */
    u32 shift;         /* atomic; adapt changes it */
    bool dirty;        /* atomic: deadlines changed, so that the budget must be found again */
    u64 executed;      /* atomic: without what `turn` retired since `base` */
    u64 base;          /* atomic: vcpu_retired of `turn` then */
    s64 bias;          /* atomic: ns beside the instructions */
    u64 slice_start, slice_end; /* executed, between which the turn lasts */
    u64 stop_at;       /* atomic; UINT64_MAX: nowhere */
    s64 idle_since;    /* host time at which all vCPUs began to wait; 0: they do not */
    s64 idle_virtual;  /* virtual time then */
    s64 origin;        /* host time at which virtual time 0 would have been: align, adapt */
    s64 next_look, last_off, last_warning; /* adapt, align */
};

static u64 load(const u64 *x)
{
    return __atomic_load_n(x, __ATOMIC_ACQUIRE);
}

static struct vcpu *holder(struct vm *vm)
{
    return vm_vcpu(vm, __atomic_load_n(&vm->icount->turn, __ATOMIC_ACQUIRE));
}

bool vm_icount_on(const struct vm *vm)
{
    return vm->icount != NULL;
}

bool vm_icount_mine(const struct vcpu *vcpu)
{
    return __atomic_load_n(&vcpu->vm->icount->turn, __ATOMIC_ACQUIRE) == vcpu->index;
}

u64 vm_icount_executed(struct vm *vm)
{
    const struct vcpu *vcpu = holder(vm);

    if (!vcpu || (vcpu != vcpu_current() && vm_running(vm)))
        return load(&vm->icount->executed);
    return load(&vm->icount->executed) + (vcpu_retired(vcpu) - load(&vm->icount->base));
}

s64 vm_icount_now(struct vm *vm)
{
    struct vm_icount *ic = vm->icount;

    return __atomic_load_n(&ic->bias, __ATOMIC_ACQUIRE) +
           (s64)(vm_icount_executed(vm) << __atomic_load_n(&ic->shift, __ATOMIC_ACQUIRE));
}

/* Own thread: others see what was executed. */
static void publish(struct vcpu *vcpu)
{
    struct vm_icount *ic = vcpu->vm->icount;
    u64 retired = vcpu_retired(vcpu);

    __atomic_store_n(&ic->executed, ic->executed + (retired - ic->base), __ATOMIC_RELEASE);
    __atomic_store_n(&ic->base, retired, __ATOMIC_RELEASE);
}

static void add_bias(struct vm_icount *ic, s64 ns)
{
    __atomic_store_n(&ic->bias, ic->bias + ns, __ATOMIC_RELEASE);
}

/* The next block finds that it must ask. */
static void end_budget(struct vcpu *vcpu)
{
    vcpu->granted = vcpu_retired(vcpu);
    vcpu->host->icount = 0;
}

void vm_icount_deadline_changed(struct vm *vm)
{
    struct vcpu *vcpu = holder(vm);

    __atomic_store_n(&vm->icount->dirty, true, __ATOMIC_SEQ_CST);
    if (!vcpu)
        return;
    if (vcpu == vcpu_current())
        end_budget(vcpu);
    else
        vcpu_kick(vcpu);
}

static s64 next_deadline(struct vm *vm)
{
    s64 next = vm_clock_first_virtual(vm);

    for (u32 i = 0; i < vm_vcpu_count(vm); i++)
        next = MIN(next, vcpu_next_deadline(vm_vcpu(vm, i)));
    return next;
}

/* Those of all vCPUs: the others are parked. */
static void run_timers(struct vm *vm)
{
    s64 now = vm_icount_now(vm);

    if (vm_clock_first_virtual(vm) <= now) {
        bool locked = vm_lock_if_needed(vm);

        vm_clock_run_virtual(vm, now);
        vm_unlock_if(vm, locked);
    }
    for (u32 i = 0; i < vm_vcpu_count(vm); i++)
        vcpu_timers_expire(vm_vcpu(vm, i), now);
}

/* --- turns --- */

static bool may_run(struct vcpu *vcpu)
{
    return !vcpu->held && (!__atomic_load_n(&vcpu->halted, __ATOMIC_ACQUIRE) || vcpu->cpu->has_work(vcpu));
}

static void give_turn(struct vcpu *from, struct vcpu *to)
{
    struct vm_icount *ic = from->vm->icount;

    publish(from);
    ic->slice_start = ic->executed;
    ic->slice_end = ic->executed + SLICE;
    if (from == to)
        return;
    __atomic_store_n(&ic->base, vcpu_retired(to), __ATOMIC_RELEASE);
    ic->idle_since = 0;
    if (to->cpu->lose_reservation) /* others stored meanwhile; it is parked */
        to->cpu->lose_reservation(to);
    __atomic_store_n(&ic->turn, to->index, __ATOMIC_SEQ_CST);
    vcpu_kick(to);
}

/* The next one in the circle that may run, perhaps itself; NULL: none. */
static struct vcpu *successor(struct vcpu *vcpu)
{
    u32 count = vm_vcpu_count(vcpu->vm);

    for (u32 i = 1; i <= count; i++) {
        struct vcpu *next = vm_vcpu(vcpu->vm, (vcpu->index + i) % count);

        if (may_run(next))
            return next;
    }
    return NULL;
}

/* The host's time that virtual time should have, at most as far ahead. */
static s64 behind_host(struct vm *vm)
{
    return host_clock_monotonic() - vm->icount->origin - vm_icount_now(vm);
}

/* Virtual time went on with the host's while all waited, but not behind a deadline. Returns what it is. */
static s64 count_idle_time(struct vm *vm, s64 deadline)
{
    struct vm_icount *ic = vm->icount;
    s64 now = vm_icount_now(vm), due = ic->idle_virtual + (host_clock_monotonic() - ic->idle_since);

    if (MIN(due, deadline) <= now)
        return now;
    add_bias(ic, MIN(due, deadline) - now);
    return MIN(due, deadline);
}

static void end_idle(struct vm *vm)
{
    if (!vm->icount->idle_since)
        return;
    count_idle_time(vm, next_deadline(vm));
    vm->icount->idle_since = 0;
}

void vm_icount_begin(struct vcpu *vcpu)
{
    end_idle(vcpu->vm);
    end_budget(vcpu);
}

/* All wait: virtual time goes to the next deadline. Host time to sleep until; 0: not at all. */
static s64 pass_idle_time(struct vm *vm)
{
    struct vm_icount *ic = vm->icount;
    s64 deadline = next_deadline(vm), now = vm_icount_now(vm);

    if (!ic->options.sleep) {
        if (deadline == INT64_MAX)
            return INT64_MAX;
        add_bias(ic, MAX(deadline - now, 0));
        run_timers(vm);
        return 0;
    }
    if (!ic->idle_since) {
        ic->idle_since = host_clock_monotonic();
        ic->idle_virtual = now;
    }
    if (count_idle_time(vm, deadline) < deadline)
        return deadline == INT64_MAX ? INT64_MAX : ic->idle_since + (deadline - ic->idle_virtual);
    ic->idle_since = 0;
    run_timers(vm);
    return 0;
}

s64 vm_icount_wait(struct vcpu *vcpu)
{
    struct vcpu *next;

    run_timers(vcpu->vm);
    next = successor(vcpu);
    if (next && next != vcpu) {
        end_idle(vcpu->vm);
        give_turn(vcpu, next);
    }
    if (next)
        return 0;
    if (vcpu->held)
        return INT64_MAX;
    return pass_idle_time(vcpu->vm);
}

void vm_icount_want_turn(struct vcpu *vcpu)
{
    struct vcpu *other = holder(vcpu->vm);

    if (other && other != vcpu)
        vcpu_kick(other);
}

/* Machine stopped, before vCPUs are let go: gdb may hold the one whose turn it is. */
void vm_icount_before_resume(struct vm *vm)
{
    struct vm_icount *ic = vm->icount;
    struct vcpu *vcpu = holder(vm);

    ic->origin = host_clock_monotonic() - vm_icount_now(vm);
    ic->idle_since = 0;
    ic->next_look = 0;
    for (u32 i = 0; vcpu && vcpu->held && i < vm_vcpu_count(vm); i++) {
        struct vcpu *other = vm_vcpu(vm, i);

        if (!other->held) {
            give_turn(vcpu, other);
            return;
        }
    }
}

/* --- following the host --- */

/* More or less time for an instruction: when it is off by more than a period and going on that way. */
static void adapt(struct vm *vm)
{
    struct vm_icount *ic = vm->icount;
    s64 now = vm_icount_now(vm), off = -behind_host(vm);
    u32 shift = ic->shift;

    if (off > PERIOD_NS && off > ic->last_off && shift > 0)
        shift--;
    else if (off < -PERIOD_NS && off < ic->last_off && shift < VM_ICOUNT_MAX_SHIFT)
        shift++;
    ic->last_off = off;
    ic->next_look = now + PERIOD_NS;
    if (shift == ic->shift)
        return;
    __atomic_store_n(&ic->shift, shift, __ATOMIC_RELEASE);
    add_bias(ic, now - vm_icount_now(vm));
}

static void align(struct vcpu *vcpu)
{
    struct vm_icount *ic = vcpu->vm->icount;
    s64 late = behind_host(vcpu->vm);

    if (late < -AHEAD_NS)
        vcpu_doze(vcpu, host_clock_monotonic() - late);
    if (late > WARNING_NS && late > ic->last_warning + WARNING_NS) {
        g_printerr("warning: the guest is late by %.1f seconds: -icount shift= asks for more than this host can do\n", (double)late / 1e9);
        ic->last_warning = late;
    }
}

static void follow_host(struct vcpu *vcpu)
{
    struct vm_icount *ic = vcpu->vm->icount;

    if (ic->options.adapt && vm_icount_now(vcpu->vm) >= ic->next_look)
        adapt(vcpu->vm);
    if (ic->options.align)
        align(vcpu);
}

/* --- budgets --- */

static u64 until_deadline(struct vm *vm)
{
    s64 deadline = next_deadline(vm), now = vm_icount_now(vm);
    u32 shift = vm->icount->shift;

    if (deadline == INT64_MAX)
        return LONGEST;
    if (deadline <= now) /* another thread set it meanwhile */
        return 0;
    return ((u64)(deadline - now) + (UINT64_C(1) << shift) - 1) >> shift;
}

static void grant(struct vcpu *vcpu)
{
    struct vm_icount *ic = vcpu->vm->icount;
    bool watch = ic->options.adapt || ic->options.align;
    u64 stop_at = load(&ic->stop_at), budget = MIN(until_deadline(vcpu->vm), stop_at - MIN(ic->executed, stop_at));

    budget = MIN(budget, watch ? SLICE : LONGEST);
    if (vm_vcpu_count(vcpu->vm) > 1)
        budget = MIN(budget, ic->slice_end - ic->executed);
    vcpu->granted = vcpu_retired(vcpu) + budget;
    vcpu->host->icount = (s64)budget;
}

static bool stop_here(struct vcpu *vcpu)
{
    struct vm_icount *ic = vcpu->vm->icount;

    if (likely(ic->executed < load(&ic->stop_at)))
        return false;
    __atomic_store_n(&ic->stop_at, UINT64_MAX, __ATOMIC_RELEASE);
    vcpu_stop_at_once(vcpu);
    vm_request_stop(vcpu->vm, VM_PAUSED);
    return true;
}

static bool end_slice(struct vcpu *vcpu)
{
    struct vm_icount *ic = vcpu->vm->icount;

    if (vm_vcpu_count(vcpu->vm) == 1 || ic->executed < ic->slice_end)
        return false;
    struct vcpu *next = successor(vcpu);
    give_turn(vcpu, next ? next : vcpu);
    return next && next != vcpu;
}

bool vm_icount_go_on(struct vcpu *vcpu)
{
    struct vm_icount *ic = vcpu->vm->icount;

    if (likely(vcpu->host->icount > 0 && !__atomic_load_n(&ic->dirty, __ATOMIC_ACQUIRE)))
        return true;
    __atomic_store_n(&ic->dirty, false, __ATOMIC_SEQ_CST); /* what changes from here on is looked at the next time, if not now */
    publish(vcpu);
    if (ic->options.adapt || ic->options.align)
        follow_host(vcpu);
    while (next_deadline(vcpu->vm) <= vm_icount_now(vcpu->vm))
        run_timers(vcpu->vm);
    if (stop_here(vcpu) || end_slice(vcpu))
        return false;
    grant(vcpu);
    return true;
}

void vm_icount_yield(struct vcpu *vcpu)
{
    struct vm_icount *ic = vcpu->vm->icount;
    u64 executed = vm_icount_executed(vcpu->vm);

    if (vm_vcpu_count(vcpu->vm) == 1 || executed < ic->slice_start + SHORT_SLICE)
        return;
    ic->slice_end = executed;
    end_budget(vcpu);
}

bool vm_icount_stop_at(struct vm *vm, u64 executed)
{
    if (executed <= vm_icount_executed(vm))
        return false;
    __atomic_store_n(&vm->icount->stop_at, executed, __ATOMIC_RELEASE);
    vm_icount_deadline_changed(vm);
    return true;
}

void vm_icount_enable(struct vm *vm, const struct vm_icount_options *options)
{
    vm->icount = g_new0(struct vm_icount, 1);
    vm->icount->options = *options;
    vm->icount->shift = options->shift;
    vm->icount->stop_at = UINT64_MAX;
    vm->icount->slice_end = SLICE;
    vm->icount->dirty = true;
}

void vm_icount_finish(struct vm *vm)
{
    g_clear_pointer(&vm->icount, g_free);
}

/* --- for comparing runs --- */

static u64 mix(u64 hash, u64 word)
{
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 29;
}

/* Pages of zeroes count as nothing: most are. */
static u64 mix_pages(u64 hash, const u64 *words, u64 size)
{
    enum { WORDS = 512 };

    for (u64 at = 0; at + WORDS <= size / 8; at += WORDS) {
        u64 any = 0;

        for (unsigned i = 0; i < WORDS; i++)
            any |= words[at + i];
        if (!any)
            continue;
        hash = mix(hash, at);
        for (unsigned i = 0; i < WORDS; i++)
            hash = mix(hash, words[at + i]);
    }
    return hash;
}

static void mix_ram(struct ram_block *ram, void *opaque)
{
    u64 *hash = opaque;

    *hash = mix_pages(mix(*hash, ram->size), (const u64 *)(const void *)ram->host, ram->size);
}

u64 vm_state_hash(struct vm *vm)
{
    u64 hash = vm_arena_hash(vm_arena(vm));

    hash = mix(hash, (u64)vm_clock_now(vm, VM_CLOCK_VIRTUAL));
    hash = mix(hash, (u64)vm_clock_next_deadline(vm));
    for (u32 i = 0; i < vm_vcpu_count(vm); i++) {
        struct vcpu *vcpu = vm_vcpu(vm, i);

        hash = mix(hash, vcpu->halted);
        hash = mix(hash, vcpu->counting ? vcpu_retired(vcpu) : 0);
        hash = mix(hash, (u64)vcpu_next_deadline(vcpu));
    }
    vm_ram_foreach(vm, mix_ram, &hash);
    return hash;
}
