/*
 * net/backend.h - what a kind of netdev provides. Private to net/.
 * Instances begin with struct net_backend; net_kind.size is the whole.
 */
#ifndef NET_BACKEND_H
#define NET_BACKEND_H

#include "api/types.h"
#include "net/net.h"

struct net_backend;

struct net_kind {
    enum api_net_client_driver driver;
    size_t size;
    const struct net_client_ops *ops; /* opaque is the backend */
    /* Makes it work: sets `queues` and `accepts` if not 1 and 0. On failure close() is called too. */
    bool (*open)(struct net_backend *backend, const struct api_netdev *options, GError **error);
    void (*close)(struct net_backend *backend);
    /* -netdev id of what a hub port connects to; NULL: the kind has no such thing. */
    const char *(*connects)(const struct api_netdev *options);
};

struct net_backend {
    const struct net_kind *kind;
    struct net_set *set;
    struct net_client *client;
    GMainContext *context;
    u32 queues;
    u32 accepts;
};

extern const struct net_kind net_kind_user, net_kind_tap, net_kind_bridge, net_kind_socket, net_kind_stream, net_kind_dgram,
    net_kind_hubport, net_kind_vhost_user;

/* A frame of this back end for its peer; true: the peer takes more. After false writable() follows. */
bool net_backend_send(struct net_backend *backend, u32 queue, const struct net_frame *frame);
/* One complete frame in one piece. */
bool net_backend_send_bytes(struct net_backend *backend, u32 queue, const void *data, u32 size);
/* The peer would take a frame now. */
bool net_backend_may_send(const struct net_backend *backend, u32 queue);
/*
 * Around calls of what may send, and would not bear to receive meanwhile: the answer may come from within, over a hub. Around receive() that
 * is done already. They nest.
 */
void net_backend_enter(struct net_backend *backend);
void net_backend_leave(struct net_backend *backend);
/* The card's writable() is due: this back end has room again after it was BUSY. */
void net_backend_writable(struct net_backend *backend, u32 queue);
void net_emit(struct net_set *set, const struct net_event *event);
const struct net_streams *net_streams_of(const struct net_set *set);

/* What the descriptor of an option means: a number that was inherited, or a name from getfd. -1 with error. */
int net_take_fd(struct net_set *set, const char *text, GError **error);

/* Hub ports: makes two clients peers. */
void net_connect(struct net_client *a, struct net_client *b);

#endif
