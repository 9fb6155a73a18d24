/* gdbstub/internal.h - the server's state and what its files share. Private to gdbstub/. */
#ifndef GDBSTUB_INTERNAL_H
#define GDBSTUB_INTERNAL_H

#include "gdbstub/packet.h"
#include "gdbstub/server.h"

/* Error numbers are GDB's business only as far as they are not zero. */
enum gdb_error { GDB_ERROR_BAD_ADDRESS = 14, GDB_ERROR_INVALID = 22 };

struct gdb_server {
    const struct gdb_target_ops *ops;
    void *target;
    void (*send)(void *opaque, const void *data, size_t length);
    void *send_opaque;
    struct gdb_reader reader;
    GString *reply; /* of the packet in work */
    GString *last;  /* frame sent last, for a NAK */
    bool attached;  /* between connecting and D, k or the end of the connection */
    bool gone;      /* the connection has ended, perhaps while what came by it is worked on: no more of that */
    bool no_ack;
    bool ack_soon_off;               /* QStartNoAckMode: its own reply is still acknowledged */
    bool waiting;                    /* the debugger awaits a stop reply */
    bool no_reply;                   /* the packet in work is answered later or never */
    bool physical;                   /* PhyMemMode */
    unsigned general, resume_thread; /* Hg, Hc */
    bool resume_all;                 /* Hc-1, Hc0 */
    struct gdb_stop stop;            /* the last */
    bool exited;
    u8 status;
    char *description; /* target.xml, made when first asked for */
};

/* A row: packets that begin with `name`. Commands fill server->reply; nothing means "not
 * supported". */
struct gdb_command {
    const char *name;
    void (*run)(struct gdb_server *server, const char *args, size_t length);
};

/* Tables end with a NULL name. */
extern const struct gdb_command gdb_data_commands[], gdb_run_commands[], gdb_query_commands[];

void gdb_reply(struct gdb_server *server, const char *format, ...) PRINTF_LIKE(2, 3);
void gdb_reply_error(struct gdb_server *server, enum gdb_error error);
/* A frame of its own before the reply (console output). */
void gdb_send_frame(struct gdb_server *server, const char *data, size_t length);

/* "1", "-1" (all), "0" (any); also "p1.2". False when malformed. -1: all; -2: any. */
bool gdb_parse_thread(const char **text, s64 *thread);
/* The thread exists. */
bool gdb_thread_valid(const struct gdb_server *server, s64 thread);

/* Appends the stop reply of server->stop or the exit. */
void gdb_append_stop(struct gdb_server *server);
/* The debugger lets go: breakpoints removed, target runs. */
void gdb_detach(struct gdb_server *server);

/* XML of the registers; owned by the server. "" when the target has none. */
const char *gdb_description(struct gdb_server *server);
/* XML of the threads; the caller frees. */
char *gdb_threads_xml(struct gdb_server *server);

#endif
