/* host/event.h - a descriptor that a loop polls and any thread can make readable. */
#ifndef HOST_EVENT_H
#define HOST_EVENT_H

#include "base/types.h"
#include <glib.h>

/* -1 with *error set. Closed with close(). */
int host_event_create(GError **error);
/* One that is full: a loop that waits until it can write goes on when it is cleared. -1 likewise. */
int host_event_create_full(GError **error);
/* Any thread. */
void host_event_set(int fd);
void host_event_clear(int fd);
/* Sleeps until the event is set or the deadline (ns of host_clock_monotonic; INT64_MAX: none) has passed. */
void host_event_wait(int fd, s64 deadline);

#endif
