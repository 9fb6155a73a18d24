/*
 * vm/vm.h - one machine: the root of everything. Passed down; two can live in one process.
 *
 * Threads: the main loop (vm_context), one per vCPU. Device hooks run under the machine lock. vm_request_* may be called
 * from any thread and act in the main loop.
 */
#ifndef VM_VM_H
#define VM_VM_H

#include "base/log.h"
#include "base/types.h"
#include "vm/object.h"
#include <glib.h>

struct epoch;
struct vcpu;
struct vm_arena;
struct accel;

/* As QMP's RunState; vm_run_state_name spells them. */
enum vm_run_state {
    VM_PRELAUNCH, VM_RUNNING, VM_PAUSED, VM_SHUTDOWN, VM_GUEST_PANICKED, VM_INTERNAL_ERROR, VM_DEBUG, VM_IO_ERROR, VM_WATCHDOG,
    VM_RUN_STATE_COUNT
};

/* As QMP's ShutdownCause. */
enum vm_cause {
    VM_CAUSE_NONE, VM_CAUSE_HOST_ERROR, VM_CAUSE_HOST_QMP_QUIT, VM_CAUSE_HOST_QMP_SYSTEM_RESET, VM_CAUSE_HOST_SIGNAL,
    VM_CAUSE_HOST_UI, VM_CAUSE_GUEST_SHUTDOWN, VM_CAUSE_GUEST_RESET, VM_CAUSE_GUEST_PANIC, VM_CAUSE_SUBSYSTEM_RESET,
    VM_CAUSE_COUNT
};
bool vm_cause_is_guest(enum vm_cause cause);
const char *vm_cause_name(enum vm_cause cause);
const char *vm_run_state_name(enum vm_run_state state);

/* What -no-reboot, -no-shutdown and -action choose. */
struct vm_actions {
    enum { VM_REBOOT_RESET, VM_REBOOT_SHUTDOWN } reboot;
    enum { VM_SHUTDOWN_POWEROFF, VM_SHUTDOWN_PAUSE } shutdown;
    enum vm_panic { VM_PANIC_SHUTDOWN, VM_PANIC_PAUSE, VM_PANIC_EXIT_FAILURE, VM_PANIC_NONE } panic;
    enum { VM_WATCHDOG_RESET, VM_WATCHDOG_SHUTDOWN, VM_WATCHDOG_POWEROFF, VM_WATCHDOG_PAUSE, VM_WATCHDOG_DEBUG,
           VM_WATCHDOG_NONE, VM_WATCHDOG_INJECT_NMI } watchdog;
};

struct vm_event {
    enum {
        VM_EVENT_STOP,  /* no vCPU runs any more: devices begin nothing */
        VM_EVENT_STILL, /* all have heard of that: what is under way is waited for (vm_serve) */
        VM_EVENT_SERVE, /* of vm_serve: devices take what back ends have done */
        VM_EVENT_RESUME, VM_EVENT_RESET, VM_EVENT_SHUTDOWN, VM_EVENT_POWERDOWN, VM_EVENT_DEBUG,
    } kind;
    enum vm_cause cause; /* RESET, SHUTDOWN */
    struct vcpu *vcpu;   /* DEBUG: which one stopped at a breakpoint, watchpoint or after a step */
};

struct vm *vm_create(u32 guest, GError **error); /* enum vm_guest */
void vm_destroy(struct vm *vm);                  /* stops the vCPUs first */

u32 vm_guest(const struct vm *vm);
const char *vm_guest_name(const struct vm *vm); /* "riscv64" */
const char *vm_guest_cpu_suffix(u32 guest);      /* "-riscv-cpu": what follows the model in the name of a CPU's class */
struct log *vm_log(struct vm *vm);
struct epoch *vm_epoch(struct vm *vm);
struct vm_arena *vm_arena(struct vm *vm);
GMainContext *vm_context(struct vm *vm);
struct vm_actions *vm_actions(struct vm *vm);
/* What a crash of the guest leads to: actions.panic, but -no-shutdown keeps crashed guests, too, for who wants to look at them. */
enum vm_panic vm_panic_action(const struct vm *vm);
const char *vm_name(const struct vm *vm);
void vm_set_name(struct vm *vm, const char *name); /* -name; NULL: none */
const char *vm_uuid(const struct vm *vm);          /* text; NULL: none given */
void vm_set_uuid(struct vm *vm, const char *uuid);

/* The machine lock. Taking it from a vCPU thread makes that vCPU outside until it is dropped. Not recursive: vm_lock_mine tells. */
void vm_lock(struct vm *vm);
void vm_unlock(struct vm *vm);
bool vm_lock_mine(const struct vm *vm);
/* For code that may run with or without it: returns whether it was taken here; pass that to vm_unlock_if. */
bool vm_lock_if_needed(struct vm *vm);
void vm_unlock_if(struct vm *vm, bool taken);

enum vm_run_state vm_run_state(const struct vm *vm);
bool vm_running(const struct vm *vm);
/* Machine lock (main loop). stop returns when no vCPU executes guest code and requests to disks have come to their end (block/disk_stop.c). */
void vm_stop(struct vm *vm, enum vm_run_state why);
void vm_cont(struct vm *vm); /* not one in VM_SHUTDOWN or VM_INTERNAL_ERROR: that is reset first */
/* Of listeners to VM_EVENT_STILL: what back ends have done reaches devices, and through them the guest's memory, before this returns. */
void vm_serve(struct vm *vm);
/* Resets everything now: devices in the order of their vm_on_reset, then what vm_on_load puts into memory, then vCPUs. Machine lock, main loop. */
void vm_reset(struct vm *vm, enum vm_cause cause);

/* From any thread (guest hooks, signals by way of the main loop, QMP): done soon in the main loop. */
void vm_request_reset(struct vm *vm, enum vm_cause cause);
void vm_request_shutdown(struct vm *vm, enum vm_cause cause);
void vm_request_shutdown_status(struct vm *vm, enum vm_cause cause, int exit_status); /* sifive_test, isa-debug-exit */
void vm_request_powerdown(struct vm *vm);
void vm_request_stop(struct vm *vm, enum vm_run_state why);
void vm_request_debug_stop(struct vm *vm, struct vcpu *vcpu); /* called by a vCPU that hit a breakpoint */
/* Requests that the main loop should do with the machine lock held. Any thread. */
void vm_defer(struct vm *vm, void (*fn)(void *opaque), void *opaque);

/* Runs the main loop until shutdown; returns the exit status. */
int vm_run(struct vm *vm);
/* Signal-safe: asks for a shutdown with cause host-signal. */
void vm_signal_shutdown(struct vm *vm, int signal_number);

/* Listeners, called in the main loop under the machine lock. */
void vm_on_event(struct vm *vm, void (*fn)(const struct vm_event *event, void *opaque), void *opaque);
void vm_off_event(struct vm *vm, void (*fn)(const struct vm_event *event, void *opaque), void *opaque);
/*
 * Where events for management go: api_event_X(vm_events(vm), ...) of api/types.h. Before there are monitors they go nowhere. Machine
 * lock.
 */
struct api_event_sink;
const struct api_event_sink *vm_events(struct vm *vm);
void vm_set_events(struct vm *vm, const struct api_event_sink *sink);

void vm_on_reset(struct vm *vm, void (*fn)(void *opaque), void *opaque);
void vm_off_reset(struct vm *vm, void (*fn)(void *opaque), void *opaque);
/* In each reset, when all devices have been: what they had under way may have gone to memory until then. */
void vm_on_load(struct vm *vm, void (*fn)(void *opaque), void *opaque);
void vm_off_load(struct vm *vm, void (*fn)(void *opaque), void *opaque);
/* When the board and all devices exist, before the first instruction (firmware is loaded here). */
void vm_on_complete(struct vm *vm, bool (*fn)(void *opaque, GError **error), void *opaque);
bool vm_complete(struct vm *vm, GError **error);
/* It has been called: what comes now is plugged into a machine that may be running. */
bool vm_is_complete(const struct vm *vm);
/* vm_destroy has begun: objects go in any order, so that what goes later tells nobody (no interrupts, no events). */
bool vm_is_ending(const struct vm *vm);

#endif
