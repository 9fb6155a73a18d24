/*
 * gdbstub/gdbstub.h - the GDB server of a machine on a chardev (-gdb, -s, HMP gdbserver).
 * Main thread with the machine lock, which handlers of the main loop hold.
 */
#ifndef GDBSTUB_GDBSTUB_H
#define GDBSTUB_GDBSTUB_H

#include "base/types.h"
#include <glib.h>

struct chardev_set;
struct gdbstub;
struct vm;

/* Runs one line of the human monitor for GDB's "monitor"; the output is freed by the caller. */
typedef char *gdbstub_monitor(void *opaque, const char *line);

/*
 * `where` as after -gdb: "tcp::1234", "unix:PATH", "stdio", "chardev:ID"; sockets listen and nobody
 * waits. monitor may be NULL. "none" gives NULL without error.
 */
struct gdbstub *gdbstub_start(struct vm *vm, struct chardev_set *chardevs, const char *where,
                              gdbstub_monitor *monitor, void *monitor_opaque, GError **error);

/* Lets go of a debugger and of the breakpoints; the machine goes on as it is. Not from within a line that the debugger sent. */
void gdbstub_end(struct gdbstub *stub);

/* Tells a debugger that the machine has ended. Before the chardevs are destroyed. NULL is fine. */
void gdbstub_destroy(struct gdbstub *stub, u8 exit_status);

#endif
