/* host/clock.c - clocks of POSIX hosts. */
#include "host/clock.h"
#include <time.h>

static s64 read_clock(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (s64)t.tv_sec * 1000000000 + t.tv_nsec;
}

s64 host_clock_monotonic(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

s64 host_clock_realtime(void)
{
    return read_clock(CLOCK_REALTIME);
}

s64 host_clock_thread_cpu(void)
{
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}
