/*
 * host/socket.h - stream sockets: unix and TCP, listening, connecting, passing descriptors.
 * All descriptors made here are non-blocking and close-on-exec. Any thread.
 */
#ifndef HOST_SOCKET_H
#define HOST_SOCKET_H

#include "base/types.h"
#include <glib.h>
#include <sys/types.h>
#include <sys/uio.h>

/* Where to listen or connect. A unix address has a path, a TCP address host and port. */
struct host_address {
    char *path;
    bool abstract; /* Linux's abstract name space, without a file */
    bool tight;    /* abstract name ends where the string ends, not at the end of sun_path */
    char *host;    /* NULL or "": any on listening, localhost on connecting */
    char *port;    /* number or service name; "0" lets the system choose */
    unsigned to;   /* last port to try when listening, or 0 */
    bool no_ipv4, no_ipv6;
};

void host_address_clear(struct host_address *address);

/* "unix:/tmp/s" or "tcp:localhost:1234". The caller frees. */
char *host_address_print(const struct host_address *address);

/* A port that is a number must be below 65536 (getaddrinfo takes it modulo that). NULL and names are fine. */
bool host_port_check(const char *port, GError **error);

/* A listening socket, or -1. Replaces a stale unix socket file. */
int host_socket_listen(const struct host_address *address, GError **error);

/*
 * A connected socket, or -1. With wait == false the connection may still be under way: poll for
 * output, then call host_socket_connect_result(). Resolving a host name may block.
 */
int host_socket_connect(const struct host_address *address, bool wait, GError **error);
bool host_socket_connect_result(int fd, GError **error);

/* A UDP socket that sends to and hears only `remote`, bound to `local` (any, where host or port is NULL); -1. Resolving may block. */
int host_socket_datagram(const struct host_address *remote, const struct host_address *local, GError **error);

/* The next waiting client, or -1 (none now; errno tells). */
int host_socket_accept(int fd);

/* True for a socket on which listen() was called. */
bool host_socket_is_listening(int fd);

/* "127.0.0.1:1234", "[::1]:1234" or a path; of this end or of the peer. The caller frees. */
char *host_socket_name(int fd, bool peer);

void host_socket_set_nodelay(int fd);

/* As recv() and send() without blocking and without SIGPIPE. Received descriptors are appended to
 * fds (GArray of int), instead of what is there. */
ssize_t host_socket_receive(int fd, void *data, size_t size, GArray *fds);
ssize_t host_socket_send(int fd, const void *data, size_t size);
/* As writev(), likewise. */
ssize_t host_socket_send_pieces(int fd, const struct iovec *iov, size_t count);

/* All of it, in at most that time; descriptors (16 at most) go with it. Waits. */
bool host_socket_send_message(int fd, const void *data, size_t size, const int *fds, unsigned count, unsigned timeout_ms, GError **error);
/* Nothing has come that was not read yet, and the other end is there. */
bool host_socket_is_quiet(int fd);
/* Exactly so many bytes, likewise. */
bool host_socket_receive_message(int fd, void *data, size_t size, unsigned timeout_ms, GError **error);

#endif
