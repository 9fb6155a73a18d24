/* vm/vcpu.c - life cycle of vCPUs: threads, halting, stopping. */
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
    u8 *slot = vm_arena_alloc(vcpu->vm->arena, name, vcpu_slot_size(vcpu->cpu), 4096, VCPU_STATE_PREFIX, error);

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

void vcpu_finish(struct vcpu *vcpu)
{
    struct accel *accel;

    if (!vcpu->line)
        return; /* never initialised: nothing is set, not even vm */
    accel = vcpu->vm->accel;
    if (accel && vcpu->accel && accel->accel_class->vcpu_destroy)
        accel->accel_class->vcpu_destroy(vcpu);
    g_ptr_array_remove(vcpu->vm->vcpus, vcpu);
    vcpu_drop_posted(vcpu);
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
            vm_icount_begin(vcpu);
            __atomic_store_n(&vcpu->host->exit_request, 1, __ATOMIC_SEQ_CST);
            return true;
        }
        host_lock_drop(&vcpu->lock);
        vcpu_leave_outside(vcpu);
        until = vm_icount_wait(vcpu);
        vcpu_enter_outside(vcpu);
        host_lock_take(&vcpu->lock);
    } else if (__atomic_load_n(&vcpu->halted, __ATOMIC_ACQUIRE) && vcpu->cpu->has_work(vcpu)) {
        host_lock_drop(&vcpu->lock); /* the other one's is taken */
        vm_icount_want_turn(vcpu);
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
    host_lock_take(&vcpu->lock);
    vcpu->thread_id = host_thread_id();
    host_cond_wake_all(&vcpu->wake);
    host_lock_drop(&vcpu->lock);
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

/* Until its thread has said which one it is: management programs ask for all of them at once. */
static void wait_for_thread(struct vcpu *vcpu)
{
    host_lock_take(&vcpu->lock);
    while (!vcpu->thread_id)
        host_cond_wait(&vcpu->wake, &vcpu->lock);
    host_lock_drop(&vcpu->lock);
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
    for (guint i = 0; vm->accel->accel_class->vcpu_run && i < vm->vcpus->len; i++)
        wait_for_thread(g_ptr_array_index(vm->vcpus, i));
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
    if (vm_debug_stop_waits(vm))
        return; /* the vCPU that asked for it must not go on before it is served */
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
        vcpu_run_posted(vcpu); /* by devices that were reset before: they mean the vCPU as it is now */
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
    const char *wanted = parts[0] ? parts[0] : ""; /* "" has no parts */
    const char *suffix = vm_guest_cpu_suffix(vm->guest);
    g_autofree char *class_name = g_strconcat(wanted, suffix, NULL);
    struct vm_object *object;

    if (!vm_class_find(class_name, vm->guest)) {
        const char *near = vm_class_nearest(class_name, "cpu", vm->guest);

        error_set(error, "unknown CPU model '%s'", wanted);
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
