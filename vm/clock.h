/*
 * vm/clock.h - guest-visible time and timers. The virtual clock stands still while the machine is stopped; the host
 * clock is wall time (-rtc base); real time runs always. Nanoseconds.
 */
#ifndef VM_CLOCK_H
#define VM_CLOCK_H

#include "base/types.h"

struct vm;
struct vm_object;

enum vm_clock { VM_CLOCK_VIRTUAL, VM_CLOCK_REALTIME, VM_CLOCK_HOST, VM_CLOCK_COUNT };

/* Any thread, no lock; virtual time is monotonic over all vCPUs. */
s64 vm_clock_now(struct vm *vm, enum vm_clock clock);
/* Ticks of a counter of `hz` that runs with the virtual clock; exact (128-bit). */
u64 vm_clock_ticks(struct vm *vm, u64 hz);
/* The first virtual ns at which a counter of `hz` reads at least `ticks`; INT64_MAX when out of range. */
s64 vm_clock_ticks_to_ns(u64 ticks, u64 hz);
/* The same of one that software may set: that reads `ticks` of the clock plus `delta`, modulo 2^64, and does not read `value` yet. */
s64 vm_clock_ticks_due(u64 ticks, u64 delta, u64 value, u64 hz);

/* Machine lock: started by cont, stopped by stop. */
void vm_clock_start(struct vm *vm);
void vm_clock_stop(struct vm *vm);
/* -accel qtest, deterministic modes: virtual time moves only by this. */
void vm_clock_set_manual(struct vm *vm, bool manual);
/* Moves virtual time to `to` (>= now) and runs the timers on the way, in order. Machine lock. */
void vm_clock_advance(struct vm *vm, s64 to);
s64 vm_clock_next_deadline(struct vm *vm); /* of virtual timers; INT64_MAX: none */

/* Timers of devices: embedded; hooks run in the main loop under the machine lock. */
struct timer {
    struct vm *vm;
    enum vm_clock clock;
    s64 deadline;           /* ns of its clock; INT64_MAX: not armed */
    void (*hook)(void *opaque);
    void *opaque;
    struct vm_object *owner; /* whose busy token guards the hook */
    unsigned position;       /* in the heap, 1-based; 0: not armed */
};

void timer_init(struct timer *timer, struct vm *vm, enum vm_clock clock, void (*hook)(void *opaque), void *opaque);
void timer_finish(struct timer *timer);
/* Machine lock. Arming again moves it. deadline in the past fires soon. */
void timer_arm(struct timer *timer, s64 deadline);
void timer_disarm(struct timer *timer);
static inline bool timer_armed(const struct timer *timer)
{
    return timer->position != 0;
}

/* Host time (host_clock_monotonic) of a virtual deadline; INT64_MAX while virtual time stands still. Any thread. */
s64 vm_clock_to_host(struct vm *vm, s64 deadline);

/* -rtc base=utc|localtime|DATE, clock=host|rt|vm: wall-clock time that RTC devices show, ns since 1970. */
s64 vm_rtc_now(struct vm *vm);
void vm_rtc_configure(struct vm *vm, s64 offset_ns, enum vm_clock clock);

/* Random bytes for guest-visible use: the host's, or after vm_random_seed a sequence that the seed alone decides. Any thread. */
void vm_random(struct vm *vm, void *to, u64 size);
/* -seed. Main thread, before the machine is created. */
void vm_random_seed(struct vm *vm, u64 seed);

#endif
