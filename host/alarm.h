/*
 * host/alarm.h - sets a flag at a time, whatever the thread is doing: how a vCPU in generated code learns that its timer
 * expired. One per thread.
 */
#ifndef HOST_ALARM_H
#define HOST_ALARM_H

#include "base/types.h"
#include <glib.h>

struct host_alarm;

/* Called in the thread that shall be interrupted. *flag = 1 when it goes off. */
struct host_alarm *host_alarm_create(u32 *flag, GError **error);
void host_alarm_destroy(struct host_alarm *alarm);
/* deadline in ns of host_clock_monotonic(); INT64_MAX: off. Own thread. */
void host_alarm_set(struct host_alarm *alarm, s64 deadline);

#endif
