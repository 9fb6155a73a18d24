/*
 * gdbstub/server.h - the GDB server of one connection over an abstract target and an abstract
 * output. GDB manual, "GDB Remote Serial Protocol". Main thread.
 */
#ifndef GDBSTUB_SERVER_H
#define GDBSTUB_SERVER_H

#include "gdbstub/target.h"

struct gdb_server;

enum gdb_stop_kind { GDB_STOP_INTERRUPT, GDB_STOP_BREAKPOINT, GDB_STOP_STEP, GDB_STOP_WATCHPOINT };

struct gdb_stop {
    enum gdb_stop_kind kind;
    unsigned thread;
    u64 address; /* of a watchpoint hit */
    enum vm_watch watch;
};

struct gdb_server *gdb_server_create(const struct gdb_target_ops *ops, void *target,
                                     void (*send)(void *opaque, const void *data, size_t length),
                                     void *send_opaque);
void gdb_server_destroy(struct gdb_server *server);

/* A debugger connected: forgets the last one's state and stops the target. */
void gdb_server_connected(struct gdb_server *server);
/* It is gone: its breakpoints go too; the target stays as it is. */
void gdb_server_disconnected(struct gdb_server *server);

/* Input of any kind and length. */
void gdb_server_receive(struct gdb_server *server, const u8 *data, size_t length);

/* The target stopped, or ended (exit status). Reported when the debugger waits for it. */
void gdb_server_stopped(struct gdb_server *server, const struct gdb_stop *stop);
void gdb_server_exited(struct gdb_server *server, u8 status);

#endif
