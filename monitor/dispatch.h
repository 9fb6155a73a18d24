/* monitor/dispatch.h - from a QMP request to its answer. Main loop. */
#ifndef MONITOR_DISPATCH_H
#define MONITOR_DISPATCH_H

#include "api/marshal.h"

struct json_object;
struct monitor;

/* A row of the generated table. */
struct monitor_command {
    const char *name;
    const struct api_type *args;    /* a struct; NULL: none */
    const struct api_type *returns; /* NULL: nothing */
    bool open;                      /* takes any arguments: the handler gets the JSON object, borrowed */
    bool early;                     /* before negotiation is over, and only then */
    bool (*call)(struct monitor *monitor, const void *args, void *ret, GError **error);
};

extern const struct monitor_command monitor_commands[]; /* by name */
extern const unsigned monitor_command_count;

/* The answer to a request, an object of "return" or "error" and the request's "id". The caller's. */
struct json_object *monitor_dispatch(struct monitor *monitor, struct json_object *request);
/* The answer to what is no request at all. */
struct json_object *monitor_error_answer(const GError *error);

#endif
