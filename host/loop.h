/*
 * host/loop.h - additions to GLib's main loop: a timer with nanosecond deadlines and one iteration that lets go of a lock while it polls.
 * The loop's thread.
 */
#ifndef HOST_LOOP_H
#define HOST_LOOP_H

#include "base/types.h"
#include <glib.h>

struct host_loop_timer;

/* fn runs in the loop when the deadline (ns of host_clock_monotonic) has passed. */
struct host_loop_timer *host_loop_timer_create(GMainContext *context, void (*fn)(void *opaque), void *opaque, GError **error);
void host_loop_timer_destroy(struct host_loop_timer *timer);
/* INT64_MAX: off. */
void host_loop_timer_set(struct host_loop_timer *timer, s64 deadline);

/* One iteration of the loop: before_poll and after_poll are called around the sleep. */
void host_loop_iterate(GMainContext *context, void (*before_poll)(void *opaque), void (*after_poll)(void *opaque), void *opaque);

#endif
