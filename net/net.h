/*
 * net/net.h - the host side of networks: clients, each connected to at most one peer. A network card is a client that hw/
 * makes; a netdev (-netdev) is one that a kind of back end makes. net/ knows no device.
 *
 * From a card to a back end frames go at once, in the caller's thread. To a card they go through a bounded queue of copies and
 * the machine's inbox, so that a back end never calls a device, and nothing arrives while the machine is stopped.
 * What a receiver cannot do itself (checksums, segments) is done on the way (net/frame.h).
 *
 * Thread: machine lock, for everything here.
 */
#ifndef NET_NET_H
#define NET_NET_H

#include "net/frame.h"
#include <glib.h>

struct vm;
struct vm_object;
struct net_client;
struct net_set;
struct api_keyval;
struct api_netdev;

enum { NET_QUEUES_MAX = 256 }; /* queue pairs of a client */

enum net_result {
    NET_DONE, /* sent or dropped */
    NET_BUSY, /* not taken: keep it; writable() follows when it is worth another try */
};

/* As query-rx-filter shows a card's filter. */
struct net_rx_filter {
    bool promiscuous, broadcast, unicast_overflow, multicast_overflow;
    enum { NET_RX_NORMAL, NET_RX_NONE, NET_RX_ALL } unicast, multicast, vlan;
    u8 mac[NET_MAC_SIZE];
    GArray *unicast_table, *multicast_table; /* of u8[6]; of the caller of rx_filter */
    GArray *vlan_table;                      /* of u16 */
};

/* Hooks of one client. All but receive may be NULL. */
struct net_client_ops {
    /* A frame for this client, valid during the call. A card that is BUSY calls net_resume when it has room. */
    enum net_result (*receive)(void *opaque, u32 queue, const struct net_frame *frame);
    /* Cards: the frames of one batch have been received. */
    void (*batch_end)(void *opaque, u32 queue);
    /* The peer takes frames again, after BUSY for that queue of this client. */
    void (*writable)(void *opaque, u32 queue);
    void (*link_changed)(void *opaque, bool up);
    /* The peer can do other things by itself (enum net_accepts), or there is another peer. */
    void (*peer_changed)(void *opaque, u32 accepts);
    /* Cards; fills in what it has. False: the card has no such filter. */
    bool (*rx_filter)(void *opaque, struct net_rx_filter *filter);
    /* Cards that can hand their queues to another process (net_client_wire); they let go when the peer goes (peer_changed). */
    bool takes_wire;
    /* Cards: the guest is asked to tell the network where it is (announce-self). */
    void (*announce)(void *opaque);
};

/* ---- The networks of a machine; vm_backend(vm, "net", 0) ---- */

struct net_set *net_set_create(struct vm *vm);
/* Destroys the netdevs; before the machine goes, whose cards then have no peer. NULL is fine. */
void net_set_destroy(struct net_set *set);
struct net_set *net_set_of(struct vm *vm); /* NULL: none */
struct vm *net_set_vm(const struct net_set *set);

/* -netdev, netdev_add. The options stay the caller's. */
bool net_netdev_add(struct net_set *set, const struct api_netdev *options, GError **error);
/* -netdev: the same from key=value pairs. */
bool net_netdev_add_keyval(struct net_set *set, struct api_keyval *list, GError **error);
bool net_netdev_remove(struct net_set *set, const char *id, GError **error);
/* By netdev id or card name, which may be the same: the one that came first. NULL: there is none. */
struct net_client *net_find(struct net_set *set, const char *name);
struct net_client *net_find_netdev(struct net_set *set, const char *id);
void net_foreach(struct net_set *set, void (*fn)(struct net_client *client, void *opaque), void *opaque);
/* Names of the kinds of netdev, NULL-terminated; constant. */
const char *const *net_kinds(void);
/* `info network`. The caller frees. */
char *net_describe(struct net_set *set);

const char *net_client_name(const struct net_client *client);
bool net_client_is_card(const struct net_client *client);
struct net_client *net_client_peer(const struct net_client *client);
/* False: the card has no filter. The arrays are the caller's: net_rx_filter_clear. */
bool net_client_rx_filter(struct net_client *client, struct net_rx_filter *filter);
void net_rx_filter_clear(struct net_rx_filter *filter);
/* The guest behind a card shall announce itself; one of a stopped machine hears of it when that goes on. */
void net_client_announce(struct net_client *client);
/* set_link: a netdev takes its card with it. */
void net_set_link(struct net_client *client, bool up);

/* ---- Cards ---- */

/*
 * Makes the client of a network card: object is the device, or a part of one (the id becomes the client's name), mac the address
 * or zeros, which are then replaced by a free default (52:54:00:12:34:56 and up). netdev: id of the peer, or NULL for none.
 * queues: pairs; 0: as many as the netdev has. NULL with error: no such netdev, it has a card already, too few queues.
 */
struct net_client *net_card_create(struct vm_object *object, const char *netdev, u8 mac[NET_MAC_SIZE], u32 queues,
                                   const struct net_client_ops *ops, void *opaque, GError **error);
/* NULL is fine. */
void net_client_destroy(struct net_client *client);

/* A frame from this client to its peer. */
enum net_result net_send(struct net_client *client, u32 queue, const struct net_frame *frame);
/* Cards: there is room again after BUSY. Cheap when there is nothing to do. */
void net_resume(struct net_client *client, u32 queue);
/* Cards, on reset: forgets what waits for the guest. */
void net_purge(struct net_client *client);
/* What this client takes (enum net_accepts); 0 in the beginning. */
void net_set_accepts(struct net_client *client, u32 accepts);
u32 net_peer_accepts(const struct net_client *client); /* what may go out unfinished at no cost; net_send takes all */
bool net_link_is_up(const struct net_client *client);  /* as the guest should see it: a peer at work, and nobody cut it */
u32 net_queue_count(const struct net_client *client);
/* What `info network` says in brackets behind the name. */
void net_set_info(struct net_client *client, const char *format, ...) PRINTF_LIKE(2, 3);
/* query-rx-filter's answer would differ: NIC_RX_FILTER_CHANGED once until somebody asks. */
void net_rx_filter_changed(struct net_client *client);

/* "52:54:00:12:34:56". */
bool net_mac_parse(const char *text, u8 mac[NET_MAC_SIZE], GError **error);
char *net_mac_print(const u8 mac[NET_MAC_SIZE]); /* the caller frees */

/* ---- User networking ---- */

/* hostfwd_add, hostfwd_remove: netdev NULL takes the only one. */
bool net_hostfwd_add(struct net_set *set, const char *netdev, const char *text, GError **error);
bool net_hostfwd_remove(struct net_set *set, const char *netdev, const char *text, GError **error);
/* `info usernet`. The caller frees. */
char *net_user_describe(struct net_set *set);

/* ---- Cards whose queues another process serves (vhost-user); filled in by hw/, since net/ knows neither chardevs nor the protocol ---- */

struct net_vhost {
    /* The process at the other end of a chardev serves `queues` pairs for the card of a netdev. NULL with error. */
    void *(*open)(void *owner, struct net_client *netdev, const char *chardev, u32 queues, GError **error);
    void (*close)(void *wire);
    void *owner;
};

void net_set_vhost(struct net_set *set, const struct net_vhost *vhost);
/* What open() made for the peer of a card; NULL: the peer is not of that kind. */
void *net_client_wire(const struct net_client *card);
/* The other end of such a netdev came or went; the card is told later, outside of this call. */
void net_set_carrier(struct net_client *netdev, bool on);

/* ---- Events for monitors ---- */

enum net_event_kind { NET_EVENT_STREAM_CONNECTED, NET_EVENT_STREAM_DISCONNECTED, NET_EVENT_RX_FILTER_CHANGED, NET_EVENT_VHOST_CONNECTED,
                      NET_EVENT_VHOST_DISCONNECTED };

struct net_event {
    enum net_event_kind kind;
    struct net_client *client;
    const char *path;          /* RX_FILTER_CHANGED: of the device */
    const char *address;       /* STREAM_CONNECTED: "tcp:host:port", "unix:path" or "fd:N"; VHOST_CONNECTED: the chardev */
};

void net_on_event(struct net_set *set, void (*fn)(const struct net_event *event, void *opaque), void *opaque);

/* ---- Byte streams of other modules (guestfwd): filled in by system/, since net/ knows no chardev ---- */

struct net_stream_user {
    size_t (*can_receive)(void *opaque);
    void (*receive)(void *opaque, const u8 *data, size_t length);
    void (*writable)(void *opaque); /* write() may take more than it did; also when the other end went, and all is taken and lost */
    void *opaque;
};

struct net_streams {
    /* text: a chardev's id, or a specification such as "tcp:localhost:80". NULL with error. */
    void *(*open)(void *owner, const char *text, const struct net_stream_user *user, GError **error);
    void (*close)(void *stream);
    size_t (*write)(void *stream, const u8 *data, size_t length);
    void (*accept_input)(void *stream);
    void *owner;
};

void net_set_streams(struct net_set *set, const struct net_streams *streams);

#endif
