/* hw/intc/aclint_mtimer.c - machine-level timer. Comparators fire in the hart's own thread. */
#define DEVICE      aclint_mtimer
#define DEVICE_ROWS "hw/intc/aclint_mtimer.dev"
#include "hw/core/declare.inc"
#include "base/error.h"
#include "vm/icount.h"
#include "vm/vcpu.h"

/* Interrupt number in mip (privileged specification, 3.1.9); the timer slot whose expiry makes the CPU raise that line. */
enum { LINE_MTIP = 7, TIMER_SLOT = 1 };

static u32 harts(void *device)
{
    return ((struct aclint_mtimer *)device)->num_harts;
}

static u64 delta(const struct aclint_mtimer *timer)
{
    return __atomic_load_n(&timer->state->time_delta, __ATOMIC_ACQUIRE);
}

static u64 read_time(void *device, u32 index)
{
    struct aclint_mtimer *timer = device;

    return vm_clock_ticks(timer->device.object.vm, timer->hz) + delta(timer);
}

static void compare(struct aclint_mtimer *timer, struct vcpu *vcpu, u64 value)
{
    /* Off before the line falls: an expiry of the old comparator in between must not raise it again. */
    vcpu_timer_set(vcpu, TIMER_SLOT, INT64_MAX);
    u64 ticks = vm_clock_ticks(timer->device.object.vm, timer->hz);
    bool due = ticks + delta(timer) >= value;
    line_set(&vcpu->line[LINE_MTIP], due);
    if (!due)
        vcpu_timer_set(vcpu, TIMER_SLOT, vm_clock_ticks_due(ticks, delta(timer), value, timer->hz));
}

static void compare_now(struct vcpu *vcpu, void *opaque)
{
    struct aclint_mtimer *timer = opaque;

    if (vcpu == vcpu_current()) /* else it was reset since */
        compare(timer, vcpu, __atomic_load_n(&timer->state->timecmp[vcpu->index - timer->hartid_base], __ATOMIC_ACQUIRE));
}

/* In the thread of the hart that it is for, which may be about to raise the line for the old comparator. With -icount that one is parked. */
static void write_timecmp(void *device, u32 index, u64 value)
{
    struct aclint_mtimer *timer = device;
    struct vcpu *vcpu = vm_vcpu(timer->device.object.vm, timer->hartid_base + index);

    if (!vcpu)
        return;
    if (!vcpu_current() || vcpu == vcpu_current() || vm_icount_on(vcpu->vm))
        compare(timer, vcpu, value);
    else
        vcpu_post(vcpu, compare_now, timer, NULL);
}

static void time_changed(struct vcpu *vcpu, void *opaque)
{
    (void)opaque;
    vcpu->cpu->time_changed(vcpu);
}

/*
 * The time CSR is MTIME's shadow (privileged specification, 3.1.10), and so is what stimecmp is compared with. With -icount harts other than the one that
 * writes are parked, and one of them that sleeps would come to nothing that is posted before its old deadline.
 */
static void tell(struct vcpu *vcpu)
{
    if (!vcpu || !vcpu->cpu->time_changed)
        return;
    if (vcpu == vcpu_current() || (vcpu_current() && vm_icount_on(vcpu->vm)))
        vcpu->cpu->time_changed(vcpu);
    else
        vcpu_post(vcpu, time_changed, NULL, NULL);
}

static void write_time(void *device, u32 index, u64 value)
{
    struct aclint_mtimer *timer = device;

    __atomic_store_n(&timer->state->time_delta, value - vm_clock_ticks(timer->device.object.vm, timer->hz), __ATOMIC_RELEASE);
    for (u32 i = 0; i < timer->num_harts; i++) {
        write_timecmp(timer, i, __atomic_load_n(&timer->state->timecmp[i], __ATOMIC_ACQUIRE));
        tell(vm_vcpu(timer->device.object.vm, timer->hartid_base + i));
    }
}

static void reset(void *device)
{
    struct aclint_mtimer *timer = device;

    /* The specification leaves MTIMECMP open: zero in memory, but silent until it is written. */
    for (u32 i = 0; i < timer->num_harts; i++) {
        struct vcpu *vcpu = vm_vcpu(timer->device.object.vm, timer->hartid_base + i);

        if (!vcpu)
            continue;
        vcpu->time_delta = &timer->state->time_delta;
        vcpu_timer_set(vcpu, TIMER_SLOT, INT64_MAX);
        line_set(&vcpu->line[LINE_MTIP], 0);
    }
}

static bool realize(void *device, GError **error)
{
    return !((struct aclint_mtimer *)device)->timecmp_base || error_set(error, "timecmp-base must be 0");
}

#include "hw/core/define.inc"
