/* host/daemon.h - going to the background (-daemonize). Before any thread or main context exists. */
#ifndef HOST_DAEMON_H
#define HOST_DAEMON_H

#include "base/types.h"
#include <glib.h>

struct host_daemon;

/*
 * Forks. The parent waits: it ends with status 0 when the child calls host_daemon_ready(), with 1 when the child ends before.
 * Returns in the child, which has its own session. NULL with error when there is no fork.
 */
struct host_daemon *host_daemon_fork(GError **error);
/* Lets the parent go and moves standard streams to /dev/null. NULL is fine. */
void host_daemon_ready(struct host_daemon *daemon);
void host_daemon_free(struct host_daemon *daemon);

#endif
