/* vm/vcpu.c - life cycle of vCPUs: threads, halting, stopping, handshakes, exclusives, timers. */
#include "vm/vcpu.h"
#include "base/error.h"
#include "host/alarm.h"
#include "host/clock.h"
#include "host/epoch.h"
#include "vm/arena.h"
#include "vm/icount.h"
#include "vm/internal.h"
#include <string.h>

/* The vCPU whose thread this is: on the allow-list of mutable data. */
static _Thread_local struct vcpu *current_vcpu;

VM_CLASS(cpu) { .name = "cpu", .parent = "device", .abstract = true, .size = sizeof(struct vcpu), .description = "a virtual CPU" };
VM_CLASS(device) { .name = "device", .abstract = true, .size = sizeof(struct vm_object), .description = "anything that a machine is built of" };

struct work {
    void (*fn)(struct vcpu *vcpu, void *opaque);
    void *opaque;
    GDestroyNotify free_opaque;
    u32 *pending; /* handshakes: counted down when done */
};

struct vcpu *vcpu_current(void)
{
    return current_vcpu;
}

static void input_changed(void *opaque, u32 number, u32 level)
{
    struct vcpu *vcpu = opaque;

    vcpu->cpu->line_changed(vcpu, number, level);
    vcpu_kick(vcpu);
}

static bool allocate(struct vcpu *vcpu, GError **error)
{
    g_autofree char *name = g_strdup_printf("cpu.%u", vcpu->index);
    u64 size = VCPU_STATE_PREFIX + ((vcpu->cpu->state_size + 4095) & ~UINT64_C(4095));
    u8 *slot = vm_arena_alloc(vcpu->vm->arena, name, size, 4096, VCPU_STATE_PREFIX, error);

    if (!slot)
        return false;
    vcpu->state = slot + VCPU_STATE_PREFIX;
    vcpu->host = (struct vcpu_host *)vcpu->state - 1;
    vcpu->host->vcpu = vcpu;
    return true;
}

bool vcpu_init(struct vcpu *vcpu, const struct cpu_class *cpu, GError **error)
{
    vcpu->vm = vcpu->object.vm;
    vcpu->cpu = cpu;
    vcpu->index = vcpu->vm->vcpus->len;
    host_lock_init(&vcpu->lock, LOCK_RANK_VCPU);
    host_cond_init(&vcpu->wake);
    g_queue_init(&vcpu->work);
    vcpu->outside = true;
    vcpu->stop = vcpu->stopped = true;
    vcpu->armed = INT64_MAX;
    for (unsigned i = 0; i < VCPU_MAX_TIMERS; i++)
        vcpu->timer_deadline[i] = INT64_MAX;
    vcpu->line = g_new0(struct line, cpu->line_count);
    for (u32 i = 0; i < cpu->line_count; i++)
        line_init(&vcpu->line[i], &vcpu->object, "irq", i, input_changed, vcpu);
    if (!allocate(vcpu, error))
        return false;
    g_ptr_array_add(vcpu->vm->vcpus, vcpu);
    return true;
}

static void finish_work(struct vcpu *vcpu, struct work *work)
{
    if (work->pending) {
        /* The waiter watches its own counter under exclusive_lock. */
        host_lock_take(&vcpu->vm->exclusive_lock);
        __atomic_sub_fetch(work->pending, 1, __ATOMIC_SEQ_CST);
        host_cond_wake_all(&vcpu->vm->exclusive_cond);
        host_lock_drop(&vcpu->vm->exclusive_lock);
    }
    if (work->free_opaque)
        work->free_opaque(work->opaque);
    g_free(work);
}

void vcpu_finish(struct vcpu *vcpu)
{
    struct accel *accel;

    if (!vcpu->line)
        return; /* never initialised: nothing is set, not even vm */
    accel = vcpu->vm->accel;
    if (accel && vcpu->accel && accel->accel_class->vcpu_destroy)
        accel->accel_class->vcpu_destroy(vcpu);
    g_ptr_array_remove(vcpu->vm->vcpus, vcpu);
    for (struct work *work; (work = g_queue_pop_head(&vcpu->work));)
        finish_work(vcpu, work);
    vm_arena_free(vcpu->vm->arena, (u8 *)vcpu->state - VCPU_STATE_PREFIX);
    host_lock_finish(&vcpu->lock);
    host_cond_finish(&vcpu->wake);
    g_free(vcpu->line);
    vcpu->line = NULL;
}

u32 vm_vcpu_count(const struct vm *vm)
{
    return vm->vcpus->len;
}

struct vcpu *vm_vcpu(const struct vm *vm, u32 index)
{
    return index < vm->vcpus->len ? g_ptr_array_index(vm->vcpus, index) : NULL;
}

struct accel *vm_accel(struct vm *vm)
{
    return vm->accel;
}

void vm_set_accel(struct vm *vm, struct accel *accel)
{
    vm->accel = accel;
}

void vcpu_kick(struct vcpu *vcpu)
{
    __atomic_store_n(&vcpu->host->exit_request, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&vcpu->sleeping, __ATOMIC_SEQ_CST)) {
        host_lock_take(&vcpu->lock);
        host_cond_wake_all(&vcpu->wake);
        host_lock_drop(&vcpu->lock);
    }
}

void vcpu_halt(struct vcpu *vcpu)
{
    __atomic_store_n(&vcpu->halted, true, __ATOMIC_RELEASE);
    __atomic_store_n(&vcpu->host->exit_request, 1, __ATOMIC_SEQ_CST);
}

/* Own thread and inside, or main while it is stopped. vcpu->lock held, dropped around each function. */
static void run_posted(struct vcpu *vcpu)
{
    struct work *work;

    while ((work = g_queue_pop_head(&vcpu->work))) {
        host_lock_drop(&vcpu->lock);
        work->fn(vcpu, work->opaque);
        finish_work(vcpu, work);
        host_lock_take(&vcpu->lock);
    }
}

void vcpu_enter_outside(struct vcpu *vcpu)
{
    host_lock_take(&vcpu->lock);
    run_posted(vcpu);
    epoch_leave(vcpu->reader);
    vcpu->outside = true;
    if (__atomic_load_n(&vcpu->vm->exclusive, __ATOMIC_SEQ_CST))
        host_cond_wake_all(&vcpu->wake);
    host_lock_drop(&vcpu->lock);
}

static void wait_for_exclusive(struct vm *vm)
{
    host_lock_take(&vm->exclusive_lock);
    while (__atomic_load_n(&vm->exclusive, __ATOMIC_SEQ_CST))
        host_cond_wait(&vm->exclusive_cond, &vm->exclusive_lock);
    host_lock_drop(&vm->exclusive_lock);
}

/*
 * Inside first, then what was posted: it works on what handshakes and exclusives work on while the vCPU is outside. The question is
 * asked under the lock under which an exclusive looks at `outside`: it has said so before, or will find this vCPU inside.
 */
void vcpu_leave_outside(struct vcpu *vcpu)
{
    struct vm *vm = vcpu->vm;

    host_lock_take(&vcpu->lock);
    while (__atomic_load_n(&vm->exclusive, __ATOMIC_SEQ_CST)) {
        host_lock_drop(&vcpu->lock);
        wait_for_exclusive(vm);
        host_lock_take(&vcpu->lock);
    }
    vcpu->outside = false;
    epoch_enter(vm->epoch, vcpu->reader);
    run_posted(vcpu);
    host_lock_drop(&vcpu->lock);
}

bool vcpu_safepoint(struct vcpu *vcpu)
{
    if (!__atomic_exchange_n(&vcpu->host->exit_request, 0, __ATOMIC_SEQ_CST))
        return true;
    host_lock_take(&vcpu->lock);
    run_posted(vcpu);
    bool leave = vcpu->stop || vcpu->quit;
    host_lock_drop(&vcpu->lock);
    if (__atomic_load_n(&vcpu->vm->exclusive, __ATOMIC_SEQ_CST)) {
        vcpu_enter_outside(vcpu);
        vcpu_leave_outside(vcpu);
    }
    epoch_quiesce(vcpu->vm->epoch, vcpu->reader);
    vcpu_timers_run(vcpu);
    return !leave && !__atomic_load_n(&vcpu->halted, __ATOMIC_ACQUIRE);
}

void vcpu_post(struct vcpu *vcpu, void (*fn)(struct vcpu *vcpu, void *opaque), void *opaque, GDestroyNotify free_opaque)
{
    struct work *work = g_new(struct work, 1);

    *work = (struct work){ .fn = fn, .opaque = opaque, .free_opaque = free_opaque };
    host_lock_take(&vcpu->lock);
    g_queue_push_tail(&vcpu->work, work);
    host_lock_drop(&vcpu->lock);
    vcpu_kick(vcpu);
}

enum service { SERVED, POSTED, NOT_NOW };

/*
 * Outside vCPUs are served here and now: their lock keeps them from coming in. Others get the work posted, under the same lock:
 * a vCPU that goes outside afterwards finds it first. Not now: an exclusive has them all.
 */
static enum service serve_or_post(struct vcpu *vcpu, void (*fn)(struct vcpu *vcpu, void *opaque), void *opaque, u32 *pending)
{
    enum service service = POSTED;

    host_lock_take(&vcpu->lock);
    if (!vcpu->outside) {
        struct work *work = g_new(struct work, 1);

        *work = (struct work){ .fn = fn, .opaque = opaque, .pending = pending };
        __atomic_add_fetch(pending, 1, __ATOMIC_SEQ_CST);
        g_queue_push_tail(&vcpu->work, work);
    } else if (__atomic_load_n(&vcpu->vm->exclusive, __ATOMIC_SEQ_CST)) {
        service = NOT_NOW;
    } else {
        fn(vcpu, opaque);
        service = SERVED;
    }
    host_lock_drop(&vcpu->lock);
    if (service == POSTED)
        vcpu_kick(vcpu);
    return service;
}

/* Lets an exclusive have its way: self is inside, or NULL. */
static void give_way(struct vm *vm, struct vcpu *self)
{
    if (self) {
        vcpu_enter_outside(self);
        vcpu_leave_outside(self);
    } else {
        wait_for_exclusive(vm);
    }
}

static void wait_for(struct vm *vm, u32 *pending)
{
    host_lock_take(&vm->exclusive_lock);
    while (__atomic_load_n(pending, __ATOMIC_SEQ_CST))
        host_cond_wait(&vm->exclusive_cond, &vm->exclusive_lock);
    host_lock_drop(&vm->exclusive_lock);
}

void vm_handshake(struct vm *vm, void (*fn)(struct vcpu *vcpu, void *opaque), void *opaque)
{
    struct vcpu *self = vcpu_current();
    u32 pending = 0;
    bool posted = false;

    for (guint i = 0; i < vm->vcpus->len; i++) {
        struct vcpu *vcpu = g_ptr_array_index(vm->vcpus, i);

        if (vcpu == self) {
            fn(vcpu, opaque);
            continue;
        }
        enum service service;
        while ((service = serve_or_post(vcpu, fn, opaque, &pending)) == NOT_NOW)
            give_way(vm, self);
        posted |= service == POSTED;
    }
    if (!posted)
        return;
    if (self)
        vcpu_enter_outside(self);
    wait_for(vm, &pending);
    if (self)
        vcpu_leave_outside(self);
}

void vm_exclusive(struct vm *vm, void (*fn)(void *opaque), void *opaque)
{
    struct vcpu *self = vcpu_current();

    if (self)
        vcpu_enter_outside(self);
    host_lock_take(&vm->exclusive_lock);
    while (vm->exclusive_taken)
        host_cond_wait(&vm->exclusive_cond, &vm->exclusive_lock);
    vm->exclusive_taken = true;
    __atomic_store_n(&vm->exclusive, 1, __ATOMIC_SEQ_CST);
    host_lock_drop(&vm->exclusive_lock);
    for (guint i = 0; i < vm->vcpus->len; i++) {
        struct vcpu *vcpu = g_ptr_array_index(vm->vcpus, i);

        vcpu_kick(vcpu);
        host_lock_take(&vcpu->lock);
        while (!vcpu->outside)
            host_cond_wait(&vcpu->wake, &vcpu->lock);
        host_lock_drop(&vcpu->lock);
    }
    fn(opaque);
    host_lock_take(&vm->exclusive_lock);
    vm->exclusive_taken = false;
    __atomic_store_n(&vm->exclusive, 0, __ATOMIC_SEQ_CST);
    host_cond_wake_all(&vm->exclusive_cond);
    host_lock_drop(&vm->exclusive_lock);
    if (self)
        vcpu_leave_outside(self);
}

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
    if (vcpu == current_vcpu)
        arm(vcpu, deadline);
    else
        vcpu_kick(vcpu);
}

/* Own thread, lock held: sleeps until a kick or a deadline, unless a kick came already. */
static void sleep_until(struct vcpu *vcpu, s64 host_deadline)
{
    __atomic_store_n(&vcpu->sleeping, 1, __ATOMIC_SEQ_CST);
    if (!__atomic_load_n(&vcpu->host->exit_request, __ATOMIC_SEQ_CST)) {
        if (host_deadline == INT64_MAX)
            host_cond_wait(&vcpu->wake, &vcpu->lock);
        else
            host_cond_wait_until(&vcpu->wake, &vcpu->lock, host_deadline);
    }
    __atomic_store_n(&vcpu->sleeping, 0, __ATOMIC_SEQ_CST);
}

/* Virtual time by instructions: one vCPU at a time. Lock held. */
static bool ready_in_turn(struct vcpu *vcpu)
{
    s64 until = INT64_MAX;

    if (vm_icount_mine(vcpu)) {
        bool work = vcpu->cpu->has_work(vcpu);

        if (work)
            __atomic_store_n(&vcpu->halted, false, __ATOMIC_RELEASE);
        if (work || !__atomic_load_n(&vcpu->halted, __ATOMIC_ACQUIRE)) {
            vm_icount_end_idle(vcpu->vm);
            __atomic_store_n(&vcpu->host->exit_request, 1, __ATOMIC_SEQ_CST);
            return true;
        }
        host_lock_drop(&vcpu->lock);
        vcpu_leave_outside(vcpu);
        until = vm_icount_wait(vcpu);
        vcpu_enter_outside(vcpu);
        host_lock_take(&vcpu->lock);
    }
    if (until)
        sleep_until(vcpu, until);
    return false;
}

/* One turn of what a vCPU does when it does not run guest code. True: it may run. Lock held. */
static bool ready(struct vcpu *vcpu)
{
    __atomic_store_n(&vcpu->host->exit_request, 0, __ATOMIC_SEQ_CST);
    if (vcpu->quit)
        return true;
    if (vcpu->stop) {
        if (!vcpu->stopped) {
            vcpu->stopped = true;
            host_cond_wake_all(&vcpu->wake);
        }
        sleep_until(vcpu, INT64_MAX);
        return false;
    }
    vcpu->stopped = false;
    /* While stopped, the alarm went off in vain, or was set for another host time than the deadline now means. */
    vcpu->armed = INT64_MAX;
    if (vcpu->vm->icount)
        return ready_in_turn(vcpu);
    if (!__atomic_load_n(&vcpu->halted, __ATOMIC_ACQUIRE) || !g_queue_is_empty(&vcpu->work)) {
        __atomic_store_n(&vcpu->host->exit_request, 1, __ATOMIC_SEQ_CST); /* the first safepoint runs the timers, or comes back */
        return true;
    }
    host_lock_drop(&vcpu->lock);
    s64 next = vcpu_timers_run(vcpu);
    host_lock_take(&vcpu->lock);
    if (vcpu->cpu->has_work(vcpu)) {
        __atomic_store_n(&vcpu->halted, false, __ATOMIC_RELEASE);
        return true;
    }
    sleep_until(vcpu, vm_clock_to_host(vcpu->vm, next));
    return false;
}

void vcpu_doze(struct vcpu *vcpu, s64 host_time)
{
    vcpu_enter_outside(vcpu);
    host_lock_take(&vcpu->lock);
    sleep_until(vcpu, host_time);
    host_lock_drop(&vcpu->lock);
    vcpu_leave_outside(vcpu);
}

void vcpu_stop_at_once(struct vcpu *vcpu)
{
    host_lock_take(&vcpu->lock);
    vcpu->stop = true;
    host_lock_drop(&vcpu->lock);
    __atomic_store_n(&vcpu->host->exit_request, 1, __ATOMIC_SEQ_CST);
}

static void *run_vcpu(void *opaque)
{
    struct vcpu *vcpu = opaque;
    const struct accel_class *accel = vcpu->vm->accel->accel_class;

    current_vcpu = vcpu;
    vcpu->thread_id = host_thread_id();
    vcpu->alarm = host_alarm_create(&vcpu->host->exit_request, NULL);
    while (true) {
        host_lock_take(&vcpu->lock);
        while (!ready(vcpu))
            ;
        bool quit = vcpu->quit;
        host_lock_drop(&vcpu->lock);
        if (quit)
            break;
        vcpu_leave_outside(vcpu);
        accel->vcpu_run(vcpu);
        vcpu_enter_outside(vcpu);
    }
    host_alarm_destroy(vcpu->alarm);
    vcpu->alarm = NULL;
    return NULL;
}

bool vm_vcpus_start(struct vm *vm, GError **error)
{
    for (guint i = 0; i < vm->vcpus->len; i++) {
        struct vcpu *vcpu = g_ptr_array_index(vm->vcpus, i);
        g_autofree char *name = g_strdup_printf("CPU %u/%s", i, vm->accel->accel_class->name);

        vcpu->reader = epoch_reader_add(vm->epoch);
        if (vm->accel->accel_class->vcpu_create && !vm->accel->accel_class->vcpu_create(vcpu, error))
            return false;
        vcpu->counting = vcpu->counting || vm->icount;
        if (vm->accel->accel_class->vcpu_run && !host_thread_start(&vcpu->thread, name, run_vcpu, vcpu, error))
            return false;
    }
    return true;
}

static void ask(struct vcpu *vcpu, bool stop, bool quit)
{
    host_lock_take(&vcpu->lock);
    vcpu->stop = stop;
    if (!stop)
        vcpu->stopped = false;
    vcpu->quit = vcpu->quit || quit;
    host_lock_drop(&vcpu->lock);
    vcpu_kick(vcpu);
}

void vm_vcpus_stop(struct vm *vm)
{
    bool locked = vm_lock_mine(vm);

    for (guint i = 0; i < vm->vcpus->len; i++)
        ask(g_ptr_array_index(vm->vcpus, i), true, false);
    if (locked) {
        epoch_leave(vm->main_reader);
        host_lock_drop(&vm->lock);
    }
    for (guint i = 0; i < vm->vcpus->len; i++) {
        struct vcpu *vcpu = g_ptr_array_index(vm->vcpus, i);

        host_lock_take(&vcpu->lock);
        while (vcpu->thread.running && !vcpu->stopped)
            host_cond_wait(&vcpu->wake, &vcpu->lock);
        host_lock_drop(&vcpu->lock);
    }
    if (locked) {
        host_lock_take(&vm->lock);
        epoch_enter(vm->epoch, vm->main_reader);
    }
}

void vm_vcpus_resume(struct vm *vm)
{
    if (vm->icount)
        vm_icount_before_resume(vm);
    for (guint i = 0; i < vm->vcpus->len; i++) {
        struct vcpu *vcpu = g_ptr_array_index(vm->vcpus, i);

        if (!vcpu->held)
            ask(vcpu, false, false);
    }
}

void vm_vcpus_reset(struct vm *vm)
{
    for (guint i = 0; i < vm->vcpus->len; i++) {
        struct vcpu *vcpu = g_ptr_array_index(vm->vcpus, i);

        __atomic_store_n(&vcpu->halted, false, __ATOMIC_RELEASE);
        vcpu->cpu->reset(vcpu);
        host_lock_take(&vcpu->lock);
        run_posted(vcpu); /* by devices that were reset before: they mean the vCPU as it is now */
        host_lock_drop(&vcpu->lock);
        if (vm->accel && vcpu->accel && vm->accel->accel_class->vcpu_state_changed)
            vm->accel->accel_class->vcpu_state_changed(vcpu);
    }
}

void vm_vcpus_quit(struct vm *vm)
{
    for (guint i = 0; i < vm->vcpus->len; i++)
        ask(g_ptr_array_index(vm->vcpus, i), true, true);
    for (guint i = 0; i < vm->vcpus->len; i++) {
        struct vcpu *vcpu = g_ptr_array_index(vm->vcpus, i);

        host_thread_join(&vcpu->thread);
        epoch_reader_remove(vm->epoch, vcpu->reader);
        vcpu->reader = NULL;
    }
}

struct vcpu *vcpu_create(struct vm *vm, const char *model, struct vm_object *parent, const char *name, GError **error)
{
    g_auto(GStrv) parts = g_strsplit(model, ",", -1);
    const char *suffix = vm_guest_cpu_suffix(vm->guest);
    g_autofree char *class_name = g_strconcat(parts[0], suffix, NULL);
    struct vm_object *object;

    if (!vm_class_find(class_name, vm->guest)) {
        const char *near = vm_class_nearest(class_name, "cpu", vm->guest);

        error_set(error, "unknown CPU model '%s'", parts[0]);
        if (near)
            error_hint(error, "did you mean '%.*s'? '-cpu help' lists the models", (int)(strlen(near) - strlen(suffix)), near);
        return NULL;
    }
    object = vm_object_create(vm, class_name, parent, name, error);
    for (char **part = parts + 1; object && *part; part++) {
        char *equals = strchr(*part, '=');

        if (equals)
            *equals = 0;
        const char *property = **part == '+' || **part == '-' ? *part + 1 : *part;
        const char *value = equals ? equals + 1 : **part == '-' ? "off" : "on";
        if (!vm_object_set(object, property, value, error)) {
            error_prefix(error, "-cpu %s", parts[0]);
            vm_object_destroy(object);
            return NULL;
        }
    }
    if (object && !vm_object_realize(object, error)) {
        vm_object_destroy(object);
        return NULL;
    }
    return object ? container_of(object, struct vcpu, object) : NULL;
}
