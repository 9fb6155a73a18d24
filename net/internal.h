/* net/internal.h - clients and the set as net/ knows them. Private to net/. */
#ifndef NET_INTERNAL_H
#define NET_INTERNAL_H

#include "net/backend.h"

enum {
    NET_QUEUE_FRAMES = 512,     /* that may wait for a card */
    NET_QUEUE_BYTES = 4 << 20,
};

/* A frame that waits. */
struct net_waiting {
    struct net_waiting *next;
    struct net_offload offload;
    u32 size;
    u8 data[];
};

/* One queue pair: what came for this client, and what it must be told of what it sends. */
struct net_port {
    struct net_client *client;
    u32 number;
    struct net_waiting *first, **last;
    u32 frames, bytes;
    bool posted;         /* a letter is under way */
    bool stalled;        /* the card was BUSY */
    bool waits;          /* this client was told BUSY when it sent from here */
    bool writable_due;   /* the peer has room again: a letter is under way */
    bool shown;          /* the frame that the peer was BUSY for has been seen by filters */
};

struct net_filter {
    struct net_filter *next;
    /* to_peer: the client sends it. */
    void (*frame)(void *opaque, const struct net_frame *frame, bool to_peer);
    void *opaque;
};

struct net_client {
    struct net_set *set;
    char *name, *model, *info;
    struct vm_object *object;    /* cards: whose client it is */
    struct net_backend *backend; /* netdevs */
    const struct net_client_ops *ops;
    void *opaque;
    struct net_client *peer;
    u8 mac[NET_MAC_SIZE];
    u32 accepts;
    u32 queues;
    struct net_port *port;
    struct net_filter *filters;
    u32 inside;       /* netdevs: calls under way that receive() must not interrupt; what comes meanwhile waits */
    bool link_down;
    bool link_news;   /* cards: the machine is stopped; they hear of their link when it goes on */
    bool announce_due; /* cards: likewise, that the guest shall announce itself */
    bool no_carrier;  /* netdevs: nobody is at the other end */
    bool filter_told; /* RX_FILTER_CHANGED was emitted and nobody asked since */
};

struct net_set {
    struct vm *vm;
    GPtrArray *clients;
    GArray *listeners;
    GPtrArray *announcements;
    struct net_streams streams;
    struct net_vhost vhost;
    bool closing; /* net_set_destroy was called; cards that the machine owns are left */
};

struct net_client *net_client_create(struct net_set *set, const char *name, const char *model, u32 queues, const struct net_client_ops *ops,
                                     void *opaque);
void net_connect(struct net_client *a, struct net_client *b);
void net_disconnect(struct net_client *client);
/* Ends a series of announce.c. */
void net_announcements_free(void *data);
/* The hub on whose port a netdev is; -1: none. */
int net_hub_of(const struct net_client *client);
/* link_changed, if it wants to know; a card of a stopped machine hears of it when that goes on. */
void net_tell_link(struct net_client *client);
/* A netdev whose card's queues go to another process. */
bool net_client_is_vhost(const struct net_client *client);
/* Before frames pass. */
void net_client_set_queues(struct net_client *client, u32 queues);
/* The set was destroyed and this was its last card. */
void net_set_free_if_done(struct net_set *set);
void net_filter_add(struct net_client *client, struct net_filter *filter);
void net_filter_remove(struct net_client *client, struct net_filter *filter);

#endif
