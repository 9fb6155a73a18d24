/* vm/vm.c - one machine: creation, the machine lock, the main loop, stop, reset, shut-down. */
#include "vm/vm.h"
#include "base/error.h"
#include "host/epoch.h"
#include "host/loop.h"
#include "vm/arena.h"
#include "vm/internal.h"
#include <json-c/json.h>

enum { ARENA_SIZE = 256 << 20 };

static const char *const state_names[] = {
    [VM_PRELAUNCH] = "prelaunch", [VM_RUNNING] = "running", [VM_PAUSED] = "paused", [VM_SHUTDOWN] = "shutdown",
    [VM_GUEST_PANICKED] = "guest-panicked", [VM_INTERNAL_ERROR] = "internal-error", [VM_DEBUG] = "debug", [VM_IO_ERROR] = "io-error",
    [VM_WATCHDOG] = "watchdog",
};

static const char *const cause_names[] = {
    [VM_CAUSE_NONE] = "none", [VM_CAUSE_HOST_ERROR] = "host-error", [VM_CAUSE_HOST_QMP_QUIT] = "host-qmp-quit",
    [VM_CAUSE_HOST_QMP_SYSTEM_RESET] = "host-qmp-system-reset", [VM_CAUSE_HOST_SIGNAL] = "host-signal",
    [VM_CAUSE_HOST_UI] = "host-ui", [VM_CAUSE_GUEST_SHUTDOWN] = "guest-shutdown", [VM_CAUSE_GUEST_RESET] = "guest-reset",
    [VM_CAUSE_GUEST_PANIC] = "guest-panic", [VM_CAUSE_SUBSYSTEM_RESET] = "subsystem-reset",
};

const char *vm_run_state_name(enum vm_run_state state)
{
    return state_names[state];
}

enum vm_panic vm_panic_action(const struct vm *vm)
{
    const struct vm_actions *actions = &vm->actions;

    return actions->panic == VM_PANIC_SHUTDOWN && actions->shutdown == VM_SHUTDOWN_PAUSE ? VM_PANIC_PAUSE : actions->panic;
}

const char *vm_cause_name(enum vm_cause cause)
{
    return cause_names[cause];
}

bool vm_cause_is_guest(enum vm_cause cause)
{
    return cause == VM_CAUSE_GUEST_SHUTDOWN || cause == VM_CAUSE_GUEST_RESET || cause == VM_CAUSE_GUEST_PANIC;
}

static GArray *listeners(void)
{
    return g_array_new(FALSE, FALSE, sizeof(struct vm_listener));
}

static void drop_event(void *opaque, const char *name, struct json_object *data)
{
    json_object_put(data);
}

struct vm *vm_create(u32 guest, GError **error)
{
    struct vm *vm = g_new0(struct vm, 1);

    vm->guest = guest;
    vm->log = log_create();
    vm->epoch = epoch_create();
    vm->context = g_main_context_new();
    host_lock_init(&vm->lock, LOCK_RANK_MACHINE);
    host_lock_init(&vm->request_lock, LOCK_RANK_LEAF);
    host_lock_init(&vm->exclusive_lock, LOCK_RANK_VCPU);
    host_cond_init(&vm->exclusive_cond);
    vm->event_listeners = listeners();
    vm->reset_listeners = listeners();
    vm->load_listeners = listeners();
    vm->complete_listeners = listeners();
    vm->vcpus = g_ptr_array_new();
    vm_set_events(vm, NULL);
    vm->lines = g_ptr_array_new();
    vm->main_reader = epoch_reader_add(vm->epoch);
    vm_inbox_init(vm);
    vm_clock_init(vm);
    vm_object_tree_init(vm);
    vm_memory_init(vm);
    vm_debug_init(vm);
    vm->arena = vm_arena_create(ARENA_SIZE, error);
    if (vm->arena)
        return vm;
    vm_destroy(vm);
    return NULL;
}

void vm_destroy(struct vm *vm)
{
    if (!vm)
        return;
    vm->ending = true;
    vm_vcpus_quit(vm);
    vm_object_tree_finish(vm);
    vm_memory_finish(vm);
    vm_debug_finish(vm);
    vm_clock_finish(vm);
    vm_inbox_finish(vm);
    g_ptr_array_unref(vm->vcpus);
    g_ptr_array_unref(vm->lines);
    g_array_unref(vm->event_listeners);
    g_array_unref(vm->reset_listeners);
    g_array_unref(vm->load_listeners);
    g_array_unref(vm->complete_listeners);
    epoch_reader_remove(vm->epoch, vm->main_reader);
    epoch_destroy(vm->epoch);
    vm_arena_destroy(vm->arena);
    host_lock_finish(&vm->lock);
    host_lock_finish(&vm->request_lock);
    host_lock_finish(&vm->exclusive_lock);
    host_cond_finish(&vm->exclusive_cond);
    g_main_context_unref(vm->context);
    log_destroy(vm->log);
    g_free(vm->name);
    g_free(vm->uuid);
    g_free(vm);
}

u32 vm_guest(const struct vm *vm)
{
    return vm->guest;
}

const char *vm_guest_name(const struct vm *vm)
{
    return vm->guest == VM_GUEST_AARCH64 ? "aarch64" : vm->guest == VM_GUEST_X86_64 ? "x86_64" : "riscv64";
}

const char *vm_guest_cpu_suffix(u32 guest)
{
    return guest == VM_GUEST_AARCH64 ? "-arm-cpu" : guest == VM_GUEST_X86_64 ? "-x86_64-cpu" : "-riscv-cpu";
}

struct log *vm_log(struct vm *vm)
{
    return vm->log;
}

struct epoch *vm_epoch(struct vm *vm)
{
    return vm->epoch;
}

struct vm_arena *vm_arena(struct vm *vm)
{
    return vm->arena;
}

GMainContext *vm_context(struct vm *vm)
{
    return vm->context;
}

struct vm_actions *vm_actions(struct vm *vm)
{
    return &vm->actions;
}

const char *vm_name(const struct vm *vm)
{
    return vm->name;
}

void vm_set_name(struct vm *vm, const char *name)
{
    g_free(vm->name);
    vm->name = g_strdup(name);
}

const char *vm_uuid(const struct vm *vm)
{
    return vm->uuid;
}

void vm_set_uuid(struct vm *vm, const char *uuid)
{
    g_free(vm->uuid);
    vm->uuid = g_strdup(uuid);
}

void vm_lock(struct vm *vm)
{
    struct vcpu *vcpu = vcpu_current();

    if (vcpu)
        vcpu_enter_outside(vcpu);
    host_lock_take(&vm->lock);
    if (vcpu)
        epoch_enter(vm->epoch, vcpu->reader);
}

void vm_unlock(struct vm *vm)
{
    struct vcpu *vcpu = vcpu_current();

    if (vcpu)
        epoch_leave(vcpu->reader);
    host_lock_drop(&vm->lock);
    if (vcpu)
        vcpu_leave_outside(vcpu);
}

bool vm_lock_mine(const struct vm *vm)
{
    return host_lock_mine(&vm->lock);
}

bool vm_lock_if_needed(struct vm *vm)
{
    if (vm_lock_mine(vm))
        return false;
    vm_lock(vm);
    return true;
}

void vm_unlock_if(struct vm *vm, bool taken)
{
    if (taken)
        vm_unlock(vm);
}

enum vm_run_state vm_run_state(const struct vm *vm)
{
    return __atomic_load_n(&vm->state, __ATOMIC_ACQUIRE);
}

bool vm_running(const struct vm *vm)
{
    return vm_run_state(vm) == VM_RUNNING;
}

static void emit(struct vm *vm, const struct vm_event *event)
{
    for (guint i = 0; i < vm->event_listeners->len; i++) {
        struct vm_listener *listener = &g_array_index(vm->event_listeners, struct vm_listener, i);

        ((void (*)(const struct vm_event *, void *))listener->fn)(event, listener->opaque);
    }
}

static void set_state(struct vm *vm, enum vm_run_state state)
{
    __atomic_store_n(&vm->state, state, __ATOMIC_RELEASE);
}

/* Only a reset leads out of these. */
static bool is_end(enum vm_run_state state)
{
    return state == VM_SHUTDOWN || state == VM_INTERNAL_ERROR;
}

void vm_stop(struct vm *vm, enum vm_run_state why)
{
    bool was_running = vm_running(vm);

    if (!was_running) { /* it stands for what stopped it first, until it ends */
        if (is_end(why) && vm->state != VM_PRELAUNCH && !is_end(vm->state))
            set_state(vm, why);
        return;
    }
    set_state(vm, why);
    vm_vcpus_stop(vm);
    vm_clock_stop(vm);
    emit(vm, &(struct vm_event){ .kind = VM_EVENT_STOP });
    emit(vm, &(struct vm_event){ .kind = VM_EVENT_STILL });
}

void vm_serve(struct vm *vm)
{
    emit(vm, &(struct vm_event){ .kind = VM_EVENT_SERVE });
    vm_inbox_deliver_owned(vm);
}

bool vm_debug_stop_waits(struct vm *vm)
{
    host_lock_take(&vm->request_lock);
    bool waits = vm->request.debug;
    host_lock_drop(&vm->request_lock);
    return waits;
}

/* A vCPU that came to a breakpoint while the machine was about to stop comes to it again: it would stop the machine twice. */
static void forget_debug_stop(struct vm *vm)
{
    host_lock_take(&vm->request_lock);
    vm->request.debug = false;
    host_lock_drop(&vm->request_lock);
}

void vm_cont(struct vm *vm)
{
    if (vm_running(vm) || vm->finished || is_end(vm->state))
        return;
    forget_debug_stop(vm);
    set_state(vm, VM_RUNNING);
    emit(vm, &(struct vm_event){ .kind = VM_EVENT_RESUME });
    vm_clock_start(vm);
    vm_vcpus_resume(vm);
}

static void call(GArray *listeners)
{
    for (guint i = 0; i < listeners->len; i++) {
        struct vm_listener *listener = &g_array_index(listeners, struct vm_listener, i);

        ((void (*)(void *))listener->fn)(listener->opaque);
    }
}

void vm_reset(struct vm *vm, enum vm_cause cause)
{
    bool running = vm_running(vm);

    if (running)
        vm_vcpus_stop(vm);
    call(vm->reset_listeners);
    call(vm->load_listeners);
    vm_vcpus_reset(vm);
    if (cause != VM_CAUSE_NONE)
        emit(vm, &(struct vm_event){ .kind = VM_EVENT_RESET, .cause = cause });
    if (running)
        vm_vcpus_resume(vm);
}

void vm_wake_main_loop(struct vm *vm)
{
    g_main_context_wakeup(vm->context);
}

/* What a vCPU of a run that can be repeated asks for happens behind the instruction that it is at, not when the main loop comes to it. */
static void stop_if_repeatable(struct vm *vm)
{
    struct vcpu *vcpu = vcpu_current();

    if (vm->icount && vcpu)
        vcpu_stop_at_once(vcpu);
}

void vm_request_reset(struct vm *vm, enum vm_cause cause)
{
    stop_if_repeatable(vm);
    host_lock_take(&vm->request_lock);
    vm->request.reset = true;
    vm->request.reset_cause = cause;
    host_lock_drop(&vm->request_lock);
    vm_wake_main_loop(vm);
}

void vm_request_shutdown(struct vm *vm, enum vm_cause cause)
{
    vm_request_shutdown_status(vm, cause, 0);
}

void vm_request_shutdown_status(struct vm *vm, enum vm_cause cause, int exit_status)
{
    stop_if_repeatable(vm);
    host_lock_take(&vm->request_lock);
    vm->request.shutdown = true;
    vm->request.shutdown_cause = cause;
    vm->request.exit_status = exit_status;
    host_lock_drop(&vm->request_lock);
    vm_wake_main_loop(vm);
}

void vm_request_powerdown(struct vm *vm)
{
    host_lock_take(&vm->request_lock);
    vm->request.powerdown = true;
    host_lock_drop(&vm->request_lock);
    vm_wake_main_loop(vm);
}

void vm_request_stop(struct vm *vm, enum vm_run_state why)
{
    stop_if_repeatable(vm);
    host_lock_take(&vm->request_lock);
    vm->request.stop = true;
    vm->request.stop_state = why;
    host_lock_drop(&vm->request_lock);
    vm_wake_main_loop(vm);
}

void vm_request_debug_stop(struct vm *vm, struct vcpu *vcpu)
{
    host_lock_take(&vm->request_lock);
    vm->request.debug = true;
    vm->request.debug_vcpu = vcpu;
    host_lock_drop(&vm->request_lock);
    vm_wake_main_loop(vm);
}

struct deferred {
    void (*fn)(void *opaque);
    void *opaque;
};

static void run_deferred(void *opaque, const void *payload, u32 size)
{
    const struct deferred *deferred = payload;

    (void)opaque;
    (void)size;
    deferred->fn(deferred->opaque);
}

void vm_defer(struct vm *vm, void (*fn)(void *opaque), void *opaque)
{
    struct deferred deferred = { fn, opaque };

    inbox_post(vm, NULL, run_deferred, NULL, &deferred, sizeof(deferred));
}

static void shut_down(struct vm *vm, enum vm_cause cause, int exit_status)
{
    bool forced = cause == VM_CAUSE_HOST_QMP_QUIT || cause == VM_CAUSE_HOST_SIGNAL || cause == VM_CAUSE_HOST_UI;

    if (cause == VM_CAUSE_GUEST_PANIC)
        vm_stop(vm, VM_GUEST_PANICKED);
    emit(vm, &(struct vm_event){ .kind = VM_EVENT_SHUTDOWN, .cause = cause });
    if (vm->actions.shutdown == VM_SHUTDOWN_PAUSE && !forced) {
        vm_stop(vm, VM_SHUTDOWN);
        return;
    }
    if (vm_running(vm)) {
        set_state(vm, VM_SHUTDOWN);
        vm_vcpus_stop(vm);
    }
    vm->finished = true;
    vm->exit_status = exit_status;
}

/* A machine that stands does so at its beginning afterwards: whatever stopped it is of no matter any more, and cont starts it. */
static void serve_reset(struct vm *vm, enum vm_cause cause)
{
    if (vm->actions.reboot == VM_REBOOT_SHUTDOWN && cause != VM_CAUSE_SUBSYSTEM_RESET) {
        shut_down(vm, cause, 0);
        return;
    }
    vm_reset(vm, cause);
    if (!vm_running(vm))
        set_state(vm, VM_PRELAUNCH);
}

static void serve_requests(struct vm *vm)
{
    host_lock_take(&vm->request_lock);
    typeof(vm->request) request = vm->request;
    vm->request.reset = vm->request.shutdown = vm->request.powerdown = vm->request.stop = vm->request.debug = false;
    host_lock_drop(&vm->request_lock);
    if (request.debug) {
        emit(vm, &(struct vm_event){ .kind = VM_EVENT_DEBUG, .vcpu = request.debug_vcpu });
        vm_stop(vm, VM_DEBUG);
    }
    if (request.reset)
        serve_reset(vm, request.reset_cause);
    if (request.powerdown)
        emit(vm, &(struct vm_event){ .kind = VM_EVENT_POWERDOWN });
    if (request.stop)
        vm_stop(vm, request.stop_state);
    if (request.shutdown)
        shut_down(vm, request.shutdown_cause, request.exit_status);
}

static void before_poll(void *opaque)
{
    struct vm *vm = opaque;

    epoch_leave(vm->main_reader);
    host_lock_drop(&vm->lock);
    epoch_reclaim(vm->epoch);
}

static void after_poll(void *opaque)
{
    struct vm *vm = opaque;

    host_lock_take(&vm->lock);
    epoch_enter(vm->epoch, vm->main_reader);
}

int vm_run(struct vm *vm)
{
    after_poll(vm);
    while (!vm->finished) {
        host_loop_iterate(vm->context, before_poll, after_poll, vm);
        vm_inbox_deliver(vm);
        serve_requests(vm);
    }
    before_poll(vm);
    return vm->exit_status;
}

void vm_signal_shutdown(struct vm *vm, int signal_number)
{
    (void)signal_number;
    vm_request_shutdown(vm, VM_CAUSE_HOST_SIGNAL);
}

static void listen(GArray *list, void (*fn)(void), void *opaque)
{
    struct vm_listener listener = { fn, opaque };

    g_array_append_val(list, listener);
}

void vm_on_event(struct vm *vm, void (*fn)(const struct vm_event *event, void *opaque), void *opaque)
{
    listen(vm->event_listeners, (void (*)(void))fn, opaque);
}

void vm_on_reset(struct vm *vm, void (*fn)(void *opaque), void *opaque)
{
    listen(vm->reset_listeners, (void (*)(void))fn, opaque);
}

static void unlisten(GArray *listeners, void (*fn)(void), void *opaque)
{
    for (guint i = 0; i < listeners->len; i++) {
        const struct vm_listener *listener = &g_array_index(listeners, struct vm_listener, i);

        if (listener->fn == fn && listener->opaque == opaque) {
            g_array_remove_index(listeners, i);
            return;
        }
    }
}

void vm_off_event(struct vm *vm, void (*fn)(const struct vm_event *event, void *opaque), void *opaque)
{
    unlisten(vm->event_listeners, (void (*)(void))fn, opaque);
}

void vm_off_reset(struct vm *vm, void (*fn)(void *opaque), void *opaque)
{
    unlisten(vm->reset_listeners, (void (*)(void))fn, opaque);
}

void vm_on_load(struct vm *vm, void (*fn)(void *opaque), void *opaque)
{
    listen(vm->load_listeners, (void (*)(void))fn, opaque);
}

void vm_off_load(struct vm *vm, void (*fn)(void *opaque), void *opaque)
{
    unlisten(vm->load_listeners, (void (*)(void))fn, opaque);
}

void vm_on_complete(struct vm *vm, bool (*fn)(void *opaque, GError **error), void *opaque)
{
    listen(vm->complete_listeners, (void (*)(void))fn, opaque);
}

bool vm_complete(struct vm *vm, GError **error)
{
    for (guint i = 0; i < vm->complete_listeners->len; i++) {
        struct vm_listener *listener = &g_array_index(vm->complete_listeners, struct vm_listener, i);

        if (!((bool (*)(void *, GError **))listener->fn)(listener->opaque, error))
            return false;
    }
    vm->complete = true;
    return true;
}

bool vm_is_complete(const struct vm *vm)
{
    return vm->complete;
}

bool vm_is_ending(const struct vm *vm)
{
    return vm->ending;
}

const struct api_event_sink *vm_events(struct vm *vm)
{
    return &vm->events;
}

void vm_set_events(struct vm *vm, const struct api_event_sink *sink)
{
    vm->events = sink ? *sink : (struct api_event_sink){ drop_event, NULL };
}
