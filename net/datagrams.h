/*
 * net/datagrams.h - a frame in each datagram: UDP, multicast, unix sockets. The kinds `dgram` and `socket` are made of it.
 * Private to net/. Thread: machine lock.
 */
#ifndef NET_DATAGRAMS_H
#define NET_DATAGRAMS_H

#include "net/socket_address.h"
#include "net/watch.h"
#include <netinet/in.h>

struct net_datagrams {
    struct net_backend base;
    int fd;
    int send_fd;    /* multicast: another one, by whose address our own frames are known when they come back; else -1 */
    struct host_socket_file file; /* of fd */
    struct net_watch watch;
    struct sockaddr_storage to;
    socklen_t to_size; /* 0: the socket is connected, or there is nobody to send to */
    struct sockaddr_in self; /* with send_fd: its address */
    u8 *input;
    GSource *pause; /* the peer's queue is full, and nobody tells when it is not: the next try */
    u32 pause_ms;
};

/* Opens what the addresses say; either may be empty (no path, no port). remote multicast: joins its group. */
bool net_datagrams_open(struct net_datagrams *datagrams, const struct host_address *local, const struct host_address *remote, GError **error);
/* An open datagram socket, taken over. */
bool net_datagrams_take(struct net_datagrams *datagrams, int fd, GError **error);
void net_datagrams_close(struct net_datagrams *datagrams);
extern const struct net_client_ops net_datagrams_ops;

#endif
