/* net/announce.h - announce-self: cards tell switches where they are, a number of times. Thread: machine lock. */
#ifndef NET_ANNOUNCE_H
#define NET_ANNOUNCE_H

#include "net/net.h"

struct net_announcing {
    s64 initial, max, step; /* milliseconds */
    s64 rounds;             /* 0: ends the series */
    const char *id;         /* of the series; a new one of the same name takes its place. NULL: "" */
    const char *const *cards; /* names, NULL-terminated; NULL: all */
};

/* False with error: numbers out of range (QEMU's: 1-100000 ms, 0-10000 ms, 1-1000 rounds). */
bool net_announce(struct net_set *set, const struct net_announcing *how, GError **error);

#endif
