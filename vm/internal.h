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
    GArray *event_listeners, *reset_listeners, *complete_listeners;
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
void vm_debug_init(struct vm *vm);
void vm_debug_finish(struct vm *vm);
void vm_vcpus_quit(struct vm *vm);
void vm_vcpus_reset(struct vm *vm);
void vm_inbox_deliver(struct vm *vm);
void vm_wake_main_loop(struct vm *vm);

/* A listener list of (fn, opaque). */
struct vm_listener {
    void (*fn)(void);
    void *opaque;
};

#endif
