/* host/socket_internal.h - what the files of sockets share. Private to host/. */
#ifndef HOST_SOCKET_INTERNAL_H
#define HOST_SOCKET_INTERNAL_H

#include "host/socket.h"

/* Closes fd, if it is one, and says that `what` (as "connect to") failed by errno. Always -1. */
int host_socket_fail(int fd, GError **error, const struct host_address *address, const char *what);
/* A stream socket at a path, non-blocking; -1. wait: for the listener whose queue is full, which is an error otherwise. */
int host_socket_unix(const struct host_address *address, bool listening, bool wait, GError **error);
/* A connection to host and port, or -1. Waits. */
int host_socket_connect_tcp(const struct host_address *address, GError **error);

#endif
