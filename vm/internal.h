/* vm/internal.h - struct vm, known to vm/ alone. */
#ifndef VM_INTERNAL_H
#define VM_INTERNAL_H

#include "api/marshal.h"
#include "host/lock.h"
#include "vm/clock.h"
#include "vm/inbox.h"
#include "vm/memory.h"
#include "vm/vcpu.h"
#include "vm/vm.h"

struct flat_view;

struct space {
    struct vm *vm;
    char *name;
    struct region *root;
    struct flat_view *view; /* atomic */
};

struct vm {
    u32 guest;
    struct log *log;
    struct epoch *epoch;
    struct vm_arena *arena;
    GMainContext *context;
    GMainLoop *loop;
    char *name, *uuid;
    struct host_lock lock; /* the machine lock */

    /* objects */
    struct vm_object *root;
    GSList *globals;   /* struct vm_global */
    GHashTable *backends;
    GPtrArray *lines;  /* inputs of objects */

    /* memory */
    GPtrArray *ram_blocks;
    u32 next_ram_index;
    GPtrArray *spaces;
    struct space *memory;
    struct region *system;
    u32 memory_generation; /* atomic */
    unsigned batch_depth;
    bool batch_dirty;
    GArray *memory_listeners;

    /* time */
    struct vm_timers *timers;

    struct vm_icount *icount; /* NULL: virtual time is the host's */
    struct vm_seed *seed;     /* NULL: random bytes are the host's */

    /* inbox */
    struct vm_inbox *inbox;

    /* run control */
    enum vm_run_state state; /* atomic */
    struct vm_actions actions;
    struct {
        bool reset, shutdown, powerdown, stop, debug; /* under request_lock */
        enum vm_cause reset_cause, shutdown_cause;
        enum vm_run_state stop_state;
        struct vcpu *debug_vcpu;
        int exit_status;
    } request;
    struct host_lock request_lock;
    bool complete;
    bool ending;   /* vm_destroy has begun */
    struct api_event_sink events;
    GArray *event_listeners, *reset_listeners, *load_listeners, *complete_listeners;
    int exit_status;
    bool finished;

    /* vCPUs */
    GPtrArray *vcpus;
    struct accel *accel;
    u32 exclusive; /* atomic: a thread wants or holds all vCPUs parked */
    struct host_lock exclusive_lock; /* guards exclusive_holder */
    struct host_cond exclusive_cond;
    bool exclusive_taken;
    struct vm_debug *debug;
    struct epoch_reader *main_reader;
};

void vm_memory_init(struct vm *vm);
void vm_memory_finish(struct vm *vm);
void vm_clock_init(struct vm *vm);
void vm_clock_finish(struct vm *vm);
void vm_inbox_init(struct vm *vm);
void vm_inbox_finish(struct vm *vm);
void vm_object_tree_init(struct vm *vm);
void vm_object_tree_finish(struct vm *vm);
/* A debug stop was asked for, and vm_run has not come to it yet. */
bool vm_debug_stop_waits(struct vm *vm);
void vm_debug_init(struct vm *vm);
void vm_debug_finish(struct vm *vm);
void vm_vcpus_quit(struct vm *vm);
void vm_vcpus_reset(struct vm *vm);
/* What has come so far. */
void vm_inbox_deliver(struct vm *vm);
/* Letters that have an owner, those of devices, with those that come of them. */
void vm_inbox_deliver_owned(struct vm *vm);
void vm_wake_main_loop(struct vm *vm);

/* clock.c, for icount.c: of the devices' timers on the virtual clock. Any thread; machine lock. */
s64 vm_clock_first_virtual(struct vm *vm);
void vm_clock_run_virtual(struct vm *vm, s64 now);

/* icount.c, where it is on */
s64 vm_icount_now(struct vm *vm);
/* A timer was armed or disarmed. Any thread. */
void vm_icount_deadline_changed(struct vm *vm);
/* Whether it is this vCPU's turn. */
bool vm_icount_mine(const struct vcpu *vcpu);
/* It is, and the vCPU goes on: with a new budget, for time and turns went on while it slept. Own thread. */
void vm_icount_begin(struct vcpu *vcpu);
/* It is, and the vCPU waits for an interrupt: lets others go, or time. Own thread, inside. Host time to sleep until; 0: look again. */
s64 vm_icount_wait(struct vcpu *vcpu);
/* It is not, and something came that the vCPU waited for: the one whose turn it is may sleep until a deadline, and looks again. Own thread. */
void vm_icount_want_turn(struct vcpu *vcpu);
/* Machine stopped; it will go on. */
void vm_icount_before_resume(struct vm *vm);
void vm_icount_finish(struct vm *vm);

/* vcpu_work.c, for vcpu.c. Own thread and inside, or main while it is stopped: vcpu->lock is held, and dropped around each function. */
void vcpu_run_posted(struct vcpu *vcpu);
void vcpu_drop_posted(struct vcpu *vcpu); /* without running it */

/* vcpu_timers.c and vcpu.c, for icount.c */
s64 vcpu_next_deadline(const struct vcpu *vcpu);
/* Timers that are due at `now`. Of another vCPU: while it is parked and its thread does not. */
void vcpu_timers_expire(struct vcpu *vcpu, s64 now);
/* Own thread, inside: sleeps until host time, a kick, or a reason to stop. */
void vcpu_doze(struct vcpu *vcpu, s64 host_time);
/* Own thread: vcpu_run must return, and the machine will be stopped. */
void vcpu_stop_at_once(struct vcpu *vcpu);

/* A listener list of (fn, opaque). */
struct vm_listener {
    void (*fn)(void);
    void *opaque;
};

#endif
