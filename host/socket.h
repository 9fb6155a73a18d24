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

struct addrinfo;
struct host_naming;

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

/*
 * What host and port stand for, by getaddrinfo(3), with its hints; the family is the address's unless they have one. The caller frees by
 * freeaddrinfo(). NULL: nothing. Waits, unless AI_NUMERICHOST and AI_NUMERICSERV say that both are numbers.
 */
struct addrinfo *host_address_resolve(const struct host_address *address, const struct addrinfo *hints, GError **error);

/* Before a socket is bound to a path: removes one that was left there. False with error: what is there is something else, and stays. */
bool host_socket_make_room(const struct host_address *address, GError **error);

/* A listening socket, or -1. Replaces a stale unix socket file: host_socket_file_note() then, so that it can be removed in the end. */
int host_socket_listen(const struct host_address *address, GError **error);

/* A connected socket, or -1. Waits. */
int host_socket_connect(const struct host_address *address, GError **error);

/*
 * A connection that is made without waiting, nor for the host's name: its addresses are tried one after another.
 * fd: to poll for output, then ask host_connecting_check(), after which it may be another one; -1: nothing is under way.
 */
struct host_connecting {
    int fd;
    struct host_naming *naming; /* its name is looked up; fd tells when it is found */
    struct addrinfo *list, *next;
};
enum host_connect { HOST_CONNECT_DONE, HOST_CONNECT_UNDER_WAY, HOST_CONNECT_FAILED };

/* False: failed already. */
bool host_connecting_start(struct host_connecting *connecting, const struct host_address *address, GError **error);
/* DONE: host_connecting_take() gives the descriptor. FAILED: nothing is under way any more. */
enum host_connect host_connecting_check(struct host_connecting *connecting);
int host_connecting_take(struct host_connecting *connecting);
/* Nothing is under way afterwards. */
void host_connecting_stop(struct host_connecting *connecting);

/*
 * The file of a unix socket that was bound, so that who ends removes his own and not that of somebody who took the path over. Zeroed:
 * there is none.
 */
struct host_socket_file {
    char *path;
    u64 device, inode;
};
/* Right after binding to that address; if it has no file, there is none. */
void host_socket_file_note(struct host_socket_file *file, const struct host_address *address);
/* Before the socket is closed: until then no other file can have its number. */
void host_socket_file_remove(struct host_socket_file *file);

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
