/*
 * net/watch.h - waiting for a descriptor of a back end in the main loop. Hooks run there, with the machine lock.
 * Thread: machine lock.
 */
#ifndef NET_WATCH_H
#define NET_WATCH_H

#include "base/types.h"
#include <glib.h>

struct net_watch {
    GMainContext *context;
    int fd; /* -1: none; not owned */
    void (*readable)(void *opaque);
    void (*writable)(void *opaque);
    void *opaque;
    GSource *in, *out;
};

/* From now on; both directions off. */
void net_watch_init(struct net_watch *watch, GMainContext *context, int fd, void (*readable)(void *opaque), void (*writable)(void *opaque),
                    void *opaque);
void net_watch_finish(struct net_watch *watch);
void net_watch_read(struct net_watch *watch, bool on);
void net_watch_write(struct net_watch *watch, bool on);
/* Calls fn(opaque) once after a while; *source becomes NULL before that, and net_watch_cancel ends it earlier. */
void net_watch_later(GSource **source, GMainContext *context, u32 milliseconds, GSourceFunc fn, void *opaque);
void net_watch_cancel(GSource **source);

#endif
