/*
 * vm/line.h - wires: interrupt lines and other levels between devices, boards and vCPUs. A line has one receiver;
 * setting it calls the receiver's hook when the level changes. Atomic: any thread may set one; hooks of receivers that
 * declare themselves lockless run in the setter's thread, others only under the machine lock.
 */
#ifndef VM_LINE_H
#define VM_LINE_H

#include "base/types.h"
#include "host/lock.h"

struct vm;
struct vm_object;

typedef void line_hook(void *opaque, u32 number, u32 level);

/* A receiver's input, made by the receiver. */
struct line {
    line_hook *hook;
    void *opaque;
    u32 number;            /* passed to the hook: which input of the receiver */
    u32 level;             /* atomic */
    struct vm_object *owner;
    const char *name;
    bool lockless;         /* the hook may run in any thread */
    /* -qtest irq_intercept: called before the hook. */
    line_hook *tap;
    void *tap_opaque;
};

/* Machine lock, or before the machine runs. owner may be NULL: then line_foreach does not know it. */
void line_init(struct line *line, struct vm_object *owner, const char *name, u32 number, line_hook *hook, void *opaque);
/* Whether a thread without the machine lock may set it. NULL is fine. */
bool line_is_lockless(const struct line *line);
/* NULL is an unconnected wire: nothing happens. level 0 or 1 (or a count, where both sides agree). */
void line_set(struct line *line, u32 level);
static inline u32 line_level(const struct line *line)
{
    return line ? __atomic_load_n(&line->level, __ATOMIC_ACQUIRE) : 0;
}
/* An edge, from a line that is low: the hook sees 1, then 0. Edges of several threads at a time are none lost: the level stays 0. */
void line_pulse(struct line *line);
/* As line_set, but the receiver hears of the same level again: the guest wrote what drives it once more. */
void line_repeat(struct line *line, u32 level);

/*
 * For levels that several threads change without a lock: runs show(opaque), which sets a line to what it finds; one thread at a time. What
 * others ask for meanwhile, or show itself, makes that one look again, so the last level set is the right one. It may be set a little after
 * this returns, when another thread is at it.
 */
static inline void line_update(u32 *requests, void (*show)(void *opaque), void *opaque)
{
    u32 seen;

    if (__atomic_fetch_add(requests, 1, __ATOMIC_SEQ_CST))
        return;
    do {
        seen = __atomic_load_n(requests, __ATOMIC_SEQ_CST);
        show(opaque);
    } while (!__atomic_compare_exchange_n(requests, &seen, 0, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
}

/*
 * Where it must have been set when this returns: who acknowledges an interrupt would see it again. A line that other threads set too has to be
 * lockless, as line_is_lockless says; of others the hook may do anything, also come back here.
 */
struct line_keeper {
    struct host_lock lock;
    u32 requests;
};
void line_keeper_init(struct line_keeper *keeper, enum lock_rank rank);
void line_keeper_finish(struct line_keeper *keeper);
void line_keeper_show(struct line_keeper *keeper, bool lockless, void (*show)(void *opaque), void *opaque);

/* Tests and the monitor; machine lock. fn for each input of the object (NULL: of all), in order of line_init. */
void line_foreach(struct vm *vm, const struct vm_object *owner, void (*fn)(struct line *line, void *opaque), void *opaque);
/* The line still exists. */
bool line_is_known(struct vm *vm, const struct line *line);
/* The owner goes (vm/object.c). */
void line_forget(struct vm *vm, const struct vm_object *owner);

#endif
