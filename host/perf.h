/*
 * host/perf.h - tells Linux's perf about generated code: /tmp/perf-PID.map (names by address) and jit-PID.dump in the
 * working directory (names and code by time; linux/tools/perf/Documentation/jitdump-specification.txt).
 * One thread at a time.
 */
#ifndef HOST_PERF_H
#define HOST_PERF_H

#include "base/types.h"
#include <glib.h>

struct host_perf;

struct host_perf *host_perf_open(bool map, bool dump, GError **error);
void host_perf_close(struct host_perf *perf); /* NULL is fine */
/* Code that was just made; `code` is where it runs. */
void host_perf_add(struct host_perf *perf, const void *code, u64 size, const char *name);

#endif
