/*
 * net/framed.h - frames in a byte stream, each behind its length (32 bits, big-endian), over one connection that may come and go.
 * The kinds `stream` and `socket` are made of it. Private to net/. Thread: machine lock.
 */
#ifndef NET_FRAMED_H
#define NET_FRAMED_H

#include "host/socket.h"
#include "net/backend.h"
#include "net/watch.h"

struct net_framed {
    struct net_backend base;
    struct host_address address;
    bool server;
    u32 reconnect_ms; /* 0: a lost connection stays lost */
    int listen_fd, fd;
    struct host_socket_file file; /* of listen_fd */
    struct host_connecting attempt;
    struct net_watch listening, connecting, connection;
    GSource *retry;
    u8 *input;        /* what came and was not yet handed on */
    u32 input_start, input_end;
    GByteArray *output; /* what could not go at once */
    bool flushing;
};

/* Takes over what was filled in: address, server, reconnect_ms; fd: a connected (or listening) one, or -1. */
bool net_framed_start(struct net_framed *framed, int fd, GError **error);
void net_framed_close(struct net_backend *backend);
extern const struct net_client_ops net_framed_ops;

#endif
