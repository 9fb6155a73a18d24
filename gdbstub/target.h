/*
 * gdbstub/target.h - what the GDB server asks of the thing that is debugged. The machine implements
 * it (machine.c), tests do too. Threads are counted from 0 here; GDB sees them from 1. Main thread.
 * Functions but stop() are called while the target is stopped, unless said otherwise.
 */
#ifndef GDBSTUB_TARGET_H
#define GDBSTUB_TARGET_H

#include "vm/vcpu.h"

enum gdb_resume { GDB_STAY, GDB_CONTINUE, GDB_STEP };

struct gdb_target_ops {
    unsigned (*thread_count)(void *target);
    char *(*thread_text)(void *target, unsigned thread); /* "hart 0 (halted)"; the caller frees */

    const char *(*architecture)(void *target); /* of the target description; NULL: none */
    /* In ascending order of number. */
    const struct cpu_register *(*registers)(void *target, unsigned *count);
    bool (*read_register)(void *target, unsigned thread, const struct cpu_register *reg,
                          void *value);
    bool (*write_register)(void *target, unsigned thread, const struct cpu_register *reg,
                           const void *value);
    void (*set_pc)(void *target, unsigned thread, u64 pc);

    /* Physical addresses or the thread's virtual ones. False: not all of it is there. */
    bool (*read_memory)(void *target, unsigned thread, bool physical, u64 address, void *to,
                        u64 size);
    bool (*write_memory)(void *target, unsigned thread, bool physical, u64 address,
                         const void *from, u64 size);

    /* Adding what is there and removing what is not are no errors. */
    bool (*breakpoint)(void *target, bool add, u64 address);
    bool (*watchpoint)(void *target, bool add, u64 address, u64 size, enum vm_watch kind);
    void (*clear_points)(void *target);

    bool (*running)(void *target); /* any time */
    /* Any time. Returns with the target stopped; calls gdb_server_stopped() if it was running. */
    void (*stop)(void *target);
    /* One action a thread; at least one is not GDB_STAY. False: the target cannot run. */
    bool (*resume)(void *target, const enum gdb_resume *actions);
    /* Any time: a line of the human monitor; its output, which the caller frees. NULL: no monitor.
     */
    char *(*monitor)(void *target, const char *line);
    /* Ends the emulator. */
    void (*kill)(void *target);
};

#endif
