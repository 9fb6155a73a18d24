/* vm/clock.c - the clocks of a machine and the timers of its devices. */
#include "vm/clock.h"
#include "host/clock.h"
#include "host/loop.h"
#include "host/random.h"
#include "vm/icount.h"
#include "vm/internal.h"
#include <string.h>

struct heap {
    GPtrArray *timers; /* struct timer; [0] is the earliest; position = index + 1 */
};

struct vm_timers {
    struct heap heap[VM_CLOCK_COUNT];
    struct host_loop_timer *alarm;
    /* Virtual time: now = running ? monotonic - origin : frozen. Read without a lock: sequence is odd while it changes. */
    u32 sequence;
    bool running, manual;
    s64 origin, frozen;
    s64 first_virtual; /* atomic: deadline of the earliest virtual timer */
    s64 rtc_offset;
    enum vm_clock rtc_clock;
};

s64 vm_clock_now(struct vm *vm, enum vm_clock clock)
{
    const struct vm_timers *t = vm->timers;

    if (clock == VM_CLOCK_REALTIME)
        return host_clock_monotonic();
    if (clock == VM_CLOCK_HOST)
        return host_clock_realtime();
    if (vm->icount)
        return vm_icount_now(vm);
    for (;;) {
        u32 before = __atomic_load_n(&t->sequence, __ATOMIC_ACQUIRE);
        bool running = __atomic_load_n(&t->running, __ATOMIC_RELAXED);
        s64 origin = __atomic_load_n(&t->origin, __ATOMIC_RELAXED);
        s64 frozen = __atomic_load_n(&t->frozen, __ATOMIC_RELAXED);
        s64 now = running ? host_clock_monotonic() - origin : frozen;

        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        if (!(before & 1) && __atomic_load_n(&t->sequence, __ATOMIC_RELAXED) == before)
            return now;
    }
}

u64 vm_clock_ticks(struct vm *vm, u64 hz)
{
    return (u64)((u128)(u64)vm_clock_now(vm, VM_CLOCK_VIRTUAL) * hz / 1000000000);
}

s64 vm_clock_ticks_to_ns(u64 ticks, u64 hz)
{
    u128 ns = ((u128)ticks * 1000000000 + hz - 1) / hz;

    return ns > INT64_MAX ? INT64_MAX : (s64)ns;
}

s64 vm_clock_ticks_due(u64 ticks, u64 delta, u64 value, u64 hz)
{
    u64 at = ticks + (value - (ticks + delta));

    return at < ticks ? INT64_MAX : vm_clock_ticks_to_ns(at, hz);
}

static void set_virtual(struct vm_timers *t, bool running, s64 origin, s64 frozen)
{
    __atomic_add_fetch(&t->sequence, 1, __ATOMIC_ACQ_REL);
    __atomic_store_n(&t->running, running, __ATOMIC_RELAXED);
    __atomic_store_n(&t->origin, origin, __ATOMIC_RELAXED);
    __atomic_store_n(&t->frozen, frozen, __ATOMIC_RELAXED);
    __atomic_add_fetch(&t->sequence, 1, __ATOMIC_ACQ_REL);
}

/* Host time at which a timer of a clock is due. */
static s64 host_deadline(struct vm *vm, enum vm_clock clock, s64 deadline)
{
    const struct vm_timers *t = vm->timers;

    if (clock == VM_CLOCK_VIRTUAL)
        return t->running && !t->manual && !vm->icount && deadline < INT64_MAX - t->origin ? deadline + t->origin : INT64_MAX;
    if (clock == VM_CLOCK_HOST)
        return deadline - host_clock_realtime() + host_clock_monotonic();
    return deadline;
}

static struct timer *first(struct vm *vm, enum vm_clock clock)
{
    GPtrArray *timers = vm->timers->heap[clock].timers;

    return timers->len ? g_ptr_array_index(timers, 0) : NULL;
}

static void set_alarm(struct vm *vm)
{
    s64 soonest = INT64_MAX;

    for (unsigned clock = 0; clock < VM_CLOCK_COUNT; clock++) {
        const struct timer *timer = first(vm, clock);

        if (timer)
            soonest = MIN(soonest, host_deadline(vm, clock, timer->deadline));
    }
    host_loop_timer_set(vm->timers->alarm, soonest);
    s64 virtual = vm_clock_next_deadline(vm);
    if (virtual == __atomic_load_n(&vm->timers->first_virtual, __ATOMIC_RELAXED))
        return;
    __atomic_store_n(&vm->timers->first_virtual, virtual, __ATOMIC_RELEASE);
    if (vm->icount)
        vm_icount_deadline_changed(vm);
}

static void place(GPtrArray *timers, guint at, struct timer *timer)
{
    timers->pdata[at] = timer;
    timer->position = at + 1;
}

static void sift(GPtrArray *timers, guint at)
{
    struct timer *timer = timers->pdata[at];

    while (at && ((struct timer *)timers->pdata[(at - 1) / 2])->deadline > timer->deadline) {
        place(timers, at, timers->pdata[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    for (;;) {
        guint child = 2 * at + 1;

        if (child + 1 < timers->len &&
            ((struct timer *)timers->pdata[child + 1])->deadline < ((struct timer *)timers->pdata[child])->deadline)
            child++;
        if (child >= timers->len || ((struct timer *)timers->pdata[child])->deadline >= timer->deadline)
            break;
        place(timers, at, timers->pdata[child]);
        at = child;
    }
    place(timers, at, timer);
}

static void take_out(struct timer *timer)
{
    GPtrArray *timers = timer->vm->timers->heap[timer->clock].timers;
    guint at = timer->position - 1;
    struct timer *last = timers->pdata[timers->len - 1];

    g_ptr_array_set_size(timers, (gint)timers->len - 1);
    timer->position = 0;
    if (last != timer) {
        timers->pdata[at] = last;
        sift(timers, at);
    }
}

void timer_init(struct timer *timer, struct vm *vm, enum vm_clock clock, void (*hook)(void *opaque), void *opaque)
{
    *timer = (struct timer){ .vm = vm, .clock = clock, .deadline = INT64_MAX, .hook = hook, .opaque = opaque };
}

void timer_finish(struct timer *timer)
{
    if (timer->position)
        timer_disarm(timer);
}

void timer_arm(struct timer *timer, s64 deadline)
{
    GPtrArray *timers = timer->vm->timers->heap[timer->clock].timers;

    if (timer->position)
        take_out(timer);
    timer->deadline = deadline;
    if (deadline != INT64_MAX) {
        g_ptr_array_add(timers, timer);
        sift(timers, timers->len - 1);
    }
    set_alarm(timer->vm);
}

void timer_disarm(struct timer *timer)
{
    if (!timer->position)
        return;
    take_out(timer);
    timer->deadline = INT64_MAX;
    set_alarm(timer->vm);
}

/* Not more hooks than there are timers: one that always wants to be called at once does not keep the others from their turn. */
static void run_due(struct vm *vm, enum vm_clock clock, s64 now)
{
    struct timer *timer;

    for (guint left = vm->timers->heap[clock].timers->len; left && (timer = first(vm, clock)) && timer->deadline <= now; left--) {
        take_out(timer);
        timer->deadline = INT64_MAX;
        timer->hook(timer->opaque);
    }
}

s64 vm_clock_first_virtual(struct vm *vm)
{
    return __atomic_load_n(&vm->timers->first_virtual, __ATOMIC_ACQUIRE);
}

void vm_clock_run_virtual(struct vm *vm, s64 now)
{
    run_due(vm, VM_CLOCK_VIRTUAL, now);
    set_alarm(vm);
}

static void alarm_fired(void *opaque)
{
    struct vm *vm = opaque;

    for (unsigned clock = 0; clock < VM_CLOCK_COUNT; clock++) {
        if (clock != VM_CLOCK_VIRTUAL || (vm->timers->running && !vm->timers->manual && !vm->icount))
            run_due(vm, clock, vm_clock_now(vm, clock));
    }
    set_alarm(vm);
}

void vm_clock_start(struct vm *vm)
{
    struct vm_timers *t = vm->timers;

    if (t->running || t->manual)
        return;
    set_virtual(t, true, host_clock_monotonic() - t->frozen, t->frozen);
    set_alarm(vm);
}

void vm_clock_stop(struct vm *vm)
{
    struct vm_timers *t = vm->timers;

    if (!t->running)
        return;
    set_virtual(t, false, t->origin, vm_clock_now(vm, VM_CLOCK_VIRTUAL));
    set_alarm(vm);
}

void vm_clock_set_manual(struct vm *vm, bool manual)
{
    vm_clock_stop(vm);
    vm->timers->manual = manual;
}

s64 vm_clock_next_deadline(struct vm *vm)
{
    const struct timer *timer = first(vm, VM_CLOCK_VIRTUAL);

    return timer ? timer->deadline : INT64_MAX;
}

void vm_clock_advance(struct vm *vm, s64 to)
{
    struct vm_timers *t = vm->timers;

    while (vm_clock_next_deadline(vm) <= to) {
        s64 now = MAX(t->frozen, vm_clock_next_deadline(vm));

        set_virtual(t, false, t->origin, now);
        run_due(vm, VM_CLOCK_VIRTUAL, now);
    }
    if (to > t->frozen)
        set_virtual(t, false, t->origin, to);
    for (u32 i = 0; i < vm_vcpu_count(vm); i++)
        vcpu_kick(vm_vcpu(vm, i));
}

s64 vm_clock_to_host(struct vm *vm, s64 deadline)
{
    return deadline == INT64_MAX ? INT64_MAX : host_deadline(vm, VM_CLOCK_VIRTUAL, deadline);
}

s64 vm_rtc_now(struct vm *vm)
{
    return vm_clock_now(vm, vm->timers->rtc_clock) + vm->timers->rtc_offset;
}

void vm_rtc_configure(struct vm *vm, s64 offset_ns, enum vm_clock clock)
{
    vm->timers->rtc_offset = offset_ns;
    vm->timers->rtc_clock = clock;
}

struct vm_seed {
    struct host_lock lock;
    u64 at;
};

/* SplitMix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014). Lock held. */
static u64 next_random(struct vm_seed *seed)
{
    u64 z = seed->at += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

void vm_random(struct vm *vm, void *to, u64 size)
{
    struct vm_seed *seed = vm->seed;

    if (!seed) {
        host_random(to, size);
        return;
    }
    host_lock_take(&seed->lock);
    for (u64 i = 0; i < size; i += 8) {
        u64 word = next_random(seed);

        memcpy((u8 *)to + i, &word, MIN(size - i, 8));
    }
    host_lock_drop(&seed->lock);
}

void vm_random_seed(struct vm *vm, u64 seed)
{
    if (!vm->seed) {
        vm->seed = g_new0(struct vm_seed, 1);
        host_lock_init(&vm->seed->lock, LOCK_RANK_LEAF);
    }
    vm->seed->at = seed;
}

void vm_clock_init(struct vm *vm)
{
    vm->timers = g_new0(struct vm_timers, 1);
    vm->timers->rtc_clock = VM_CLOCK_HOST;
    vm->timers->first_virtual = INT64_MAX;
    for (unsigned clock = 0; clock < VM_CLOCK_COUNT; clock++)
        vm->timers->heap[clock].timers = g_ptr_array_new();
    vm->timers->alarm = host_loop_timer_create(vm->context, alarm_fired, vm, NULL);
}

void vm_clock_finish(struct vm *vm)
{
    host_loop_timer_destroy(vm->timers->alarm);
    for (unsigned clock = 0; clock < VM_CLOCK_COUNT; clock++)
        g_ptr_array_unref(vm->timers->heap[clock].timers);
    g_free(vm->timers);
    vm_icount_finish(vm);
    if (vm->seed)
        host_lock_finish(&vm->seed->lock);
    g_free(vm->seed);
}
