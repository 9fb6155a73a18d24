/* vm/vcpu_timers.c - a vCPU's own timers: deadlines in virtual time, the earliest of which has the host's alarm. */
#include "host/alarm.h"
#include "vm/icount.h"
#include "vm/internal.h"

/* Sets the host alarm for the earliest deadline. A later one is left for when the earlier alarm goes off. */
static void arm(struct vcpu *vcpu, s64 deadline)
{
    if (vcpu->vm->icount)
        return; /* budgets end at deadlines */
    if (deadline >= vcpu->armed && vcpu->armed != INT64_MAX)
        return;
    vcpu->armed = deadline;
    if (vcpu->alarm)
        host_alarm_set(vcpu->alarm, vm_clock_to_host(vcpu->vm, deadline));
}

s64 vcpu_next_deadline(const struct vcpu *vcpu)
{
    s64 next = INT64_MAX;

    for (u32 i = 0; i < vcpu->cpu->timer_count; i++)
        next = MIN(next, __atomic_load_n(&vcpu->timer_deadline[i], __ATOMIC_ACQUIRE));
    return next;
}

void vcpu_timers_expire(struct vcpu *vcpu, s64 now)
{
    for (u32 i = 0; i < vcpu->cpu->timer_count; i++) {
        s64 deadline = __atomic_load_n(&vcpu->timer_deadline[i], __ATOMIC_ACQUIRE);

        if (deadline <= now && __atomic_compare_exchange_n(&vcpu->timer_deadline[i], &deadline, INT64_MAX, false,
                                                           __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
            vcpu->cpu->timer_expired(vcpu, i);
    }
}

s64 vcpu_timers_run(struct vcpu *vcpu)
{
    s64 next = vcpu_next_deadline(vcpu);

    if (next == INT64_MAX && vcpu->armed == INT64_MAX)
        return next;
    s64 now = vm_clock_now(vcpu->vm, VM_CLOCK_VIRTUAL);
    if (vcpu->armed <= now)
        vcpu->armed = INT64_MAX; /* that alarm has gone off */
    vcpu_timers_expire(vcpu, now);
    next = vcpu_next_deadline(vcpu);
    if (next != INT64_MAX)
        arm(vcpu, next);
    return next;
}

void vcpu_timer_set(struct vcpu *vcpu, u32 slot, s64 deadline)
{
    __atomic_store_n(&vcpu->timer_deadline[slot], deadline, __ATOMIC_RELEASE);
    if (vcpu->vm->icount) {
        vm_icount_deadline_changed(vcpu->vm);
        return;
    }
    if (deadline == INT64_MAX)
        return;
    if (vcpu == vcpu_current())
        arm(vcpu, deadline);
    else
        vcpu_kick(vcpu);
}
