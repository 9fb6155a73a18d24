/*
 * fs/p9.h - a server of the 9P2000.L protocol (as Linux' v9fs speaks it: github.com/chaos/diod/blob/master/protocol.md) for one
 * shared folder and one client.
 *
 * A client can do no more than its share allows, and no more harm than p9_limits: what exceeds them is answered by an error.
 * Threads: one at a time; calls may block as long as the host's file system does.
 */
#ifndef FS_P9_H
#define FS_P9_H

#include "fs/share.h"

enum {
    P9_MESSAGE_MIN = 4096,        /* bytes: smallest and largest msize that is agreed to */
    P9_MESSAGE_MAX = 1024 * 1024,
    P9_FIDS_MAX = 256 * 1024,
    P9_XATTR_BYTES_MAX = 8 * 1024 * 1024, /* in all values that are being read or written */
};

struct p9_server;

/* The share stays the caller's and must outlive the server. */
struct p9_server *p9_server_create(struct fs_share *share);
void p9_server_destroy(struct p9_server *server); /* NULL is fine */
/* The client is gone or starts anew: all its files are closed. */
void p9_server_reset(struct p9_server *server);

/*
 * Carries out one request and makes the answer (emptied first) of at most `room` bytes. False: what came is no message, or there
 * is no room for any answer; the connection cannot go on.
 */
bool p9_server_handle(struct p9_server *server, const u8 *message, u32 size, u32 room, GByteArray *answer);

#endif
