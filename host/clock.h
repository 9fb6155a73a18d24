/* host/clock.h - the host's clocks in nanoseconds. Any thread. */
#ifndef HOST_CLOCK_H
#define HOST_CLOCK_H

#include "base/types.h"

s64 host_clock_monotonic(void); /* since some point in the past; never steps */
s64 host_clock_realtime(void);  /* since 1970-01-01 UTC */
s64 host_clock_thread_cpu(void);

#endif
