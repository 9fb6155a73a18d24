/* net/socket_address.h - addresses of sockets in netdev options. Private to net/. Thread: machine lock. */
#ifndef NET_SOCKET_ADDRESS_H
#define NET_SOCKET_ADDRESS_H

#include "host/socket.h"
#include "net/backend.h"
#include <sys/socket.h>

/* Fills in the address (the caller clears it), or *fd for one that is open already. */
bool net_socket_address(struct net_set *set, const struct api_socket_address *from, struct host_address *to, int *fd, GError **error);
/* "HOST:PORT", "[V6]:PORT" or ":PORT". */
bool net_socket_host_port(const char *text, struct host_address *to, GError **error);
/* Of a datagram socket; the size or 0 with error. passive: for binding. */
socklen_t net_socket_resolve(const struct host_address *address, bool passive, struct sockaddr_storage *to, GError **error);

#endif
