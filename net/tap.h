/* net/tap.h - what opening a tap consists of; tap.c decides, tap_linux.c does. Private to net/. Thread: machine lock. */
#ifndef NET_TAP_H
#define NET_TAP_H

#include "net/backend.h"
#include "net/watch.h"

struct tap;

struct tap_queue {
    struct tap *tap;
    u32 number;
    int fd;
    struct net_watch watch;
};

struct tap {
    struct net_backend base;
    struct tap_queue *queue;
    u32 count;
    bool header; /* each frame has a struct virtio_net_hdr before it */
    char *name;
    char *down_script;
    u8 *input;   /* header and frame */
};

extern const struct net_client_ops tap_ops;

/* header: ask the host for headers, when it can. */
struct tap *tap_begin(struct net_backend *backend, bool header);
/* Opens `queues` queues of a tap; NULL: a new one that the kernel names. */
bool tap_open_named(struct tap *tap, const char *name, u32 queues, GError **error);
/* One more queue, opened by somebody else; taken over, also on failure. */
bool tap_add_fd(struct tap *tap, int fd, GError **error);
bool tap_limit_buffer(struct tap *tap, u64 bytes, GError **error);
void tap_start(struct tap *tap);
void tap_close(struct net_backend *backend);

/* Runs SCRIPT NAME and waits for its end. */
bool tap_run_script(const char *script, const char *name, GError **error);

#endif
