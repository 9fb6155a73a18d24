/* net/user.h - what the files of user networking share. Private to net/. */
#ifndef NET_USER_H
#define NET_USER_H

#include "net/backend.h"
#include "net/coalesce.h"
#include <libslirp.h>

struct user_forward;

struct user {
    struct net_backend base;
    Slirp *slirp;
    struct net_coalesce coalesce;
    u8 *scratch;           /* NET_FRAME_MAX bytes */
    char *smb_folder;      /* of smbd's configuration */
    GPtrArray *forwards;   /* struct user_forward: guestfwd to streams */
    u32 full_forwards;     /* of them */
    /* The main loop's side (user_poll.c). */
    GSource *source;
    GArray *polls;         /* of GPollFD *, in the order in which libslirp names them */
    guint used;            /* of them in this round */
    s64 deadline;          /* of libslirp's timers: ns of g_get_monotonic_time * 1000; INT64_MAX: none */
    bool woken;            /* the main loop knows that there is something new to poll */
};

/* user_poll.c */
void user_poll_start(struct user *user);
void user_poll_stop(struct user *user);
/* Sockets or timers changed outside of the loop. Machine lock. */
void user_poll_wake(struct user *user);
/*
 * Around each call of libslirp that may make frames. In the end these go out, and streams for which it has room again go on. What comes
 * for it meanwhile waits: it must not be called from its own callbacks.
 */
void user_enter(struct user *user);
void user_leave(struct user *user);

/* user_forward.c */
bool user_hostfwd_add(struct user *user, const char *text, GError **error);
bool user_guestfwd_add(struct user *user, const char *text, GError **error);
void user_forwards_remove(struct user *user);
/* Streams that the guest had no room for go on if it has now. */
void user_forwards_resume(struct user *user);
/* A segment for a stream that has no room for it: it shall be lost, TCP sends it again. */
bool user_forwards_are_full_for(struct user *user, const u8 *frame, u32 size);

/* user_smb.c */
bool user_smb_start(struct user *user, const char *folder, struct in_addr *address, GError **error);
void user_smb_stop(struct user *user);

#endif
