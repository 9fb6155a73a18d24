/* gdbstub/machine.h - a machine as target of the GDB server. Private to gdbstub/. */
#ifndef GDBSTUB_MACHINE_H
#define GDBSTUB_MACHINE_H

#include "gdbstub/gdbstub.h"
#include "gdbstub/target.h"

struct gdb_machine {
    struct vm *vm;
    gdbstub_monitor *monitor;
    void *monitor_opaque;
};

/* The target is a struct gdb_machine. */
extern const struct gdb_target_ops gdb_machine_ops;

/* After the machine stopped: nobody steps or is held any more. */
void gdb_machine_settle(struct gdb_machine *machine);
/* The debugger hears where this thread stopped; others may have come to a breakpoint at the same time, and come to it again. Machine stopped. */
void gdb_machine_told(struct gdb_machine *machine, unsigned thread);

#endif
