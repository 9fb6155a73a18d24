/*
 * block/throttle.h - limits of how much a disk may do: leaky buckets, shared by the members of a group. A member is a disk, or a node of
 * driver `throttle`; each has its turn, so that one with many requests does not keep the others waiting.
 */
#ifndef BLOCK_THROTTLE_H
#define BLOCK_THROTTLE_H

#include "block/node.h"

enum throttle_kind { THROTTLE_TOTAL, THROTTLE_READ, THROTTLE_WRITE, THROTTLE_KINDS };

struct throttle_limit {
    u64 average; /* units per second; 0: no limit */
    u64 max;     /* units per second of a burst; 0: bursts are short ones at any rate */
    u64 length;  /* seconds that a burst may last; 1 without one */
};

struct throttle_limits {
    struct throttle_limit bytes[THROTTLE_KINDS], requests[THROTTLE_KINDS];
    u64 request_size; /* bytes; a longer request counts as several, in fractions; 0: as one */
};

/* No limits, bursts of one second. */
struct throttle_limits throttle_limits_none(void);
bool throttle_limits_any(const struct throttle_limits *limits);
/* By the name that QMP's ThrottleLimits gives a limit. False: there is no such limit. */
bool throttle_limits_set(struct throttle_limits *limits, const char *name, s64 value);
/* Whether they make sense together. */
bool throttle_limits_check(const struct throttle_limits *limits, GError **error);

/* ---- The arithmetic; no thread ---- */

struct throttle_bucket {
    double level, burst; /* units above what may pass at the average rate, at the burst's rate */
};

struct throttle {
    struct throttle_limits limits;
    struct throttle_bucket bytes[THROTTLE_KINDS], requests[THROTTLE_KINDS];
    s64 then; /* ns: when the levels held */
};

/* Counts a request that comes now (ns, never less than before), and gives back when it may start. */
s64 throttle_admit(struct throttle *throttle, bool write, u64 bytes, s64 now);

/* ---- Groups: by name in a graph. Graph's thread ---- */

struct throttle_group;

/* What limits go by: ns, never less than before; any thread. now NULL: host_clock_monotonic. */
struct throttle_clock {
    s64 (*now)(void *opaque);
    void *opaque;
};
/* Nobody waits yet. */
void throttle_set_clock(struct block_graph *graph, struct throttle_clock clock);

/* The group with this name, made if there is none; the caller's reference. */
struct throttle_group *throttle_group_get(struct block_graph *graph, const char *name);
/* NULL when there is none; no reference. */
struct throttle_group *throttle_group_find(struct block_graph *graph, const char *name);
/* A count of references to keep up to date from now on; NULL: none. */
void throttle_group_count_users(struct throttle_group *group, u32 *users);
void throttle_group_put(struct throttle_group *group); /* NULL is fine */
const char *throttle_group_name(const struct throttle_group *group);
void throttle_group_set(struct throttle_group *group, const struct throttle_limits *limits); /* those who wait begin anew */
struct throttle_limits throttle_group_limits(struct throttle_group *group);

/* ---- Members ---- */

struct throttle_member {
    struct throttle_group *group; /* a reference; NULL: no limits */
    struct block_mutex turn[2];   /* of reads, of writes: one of the member's requests waits for the group */
    unsigned hurry;               /* atomic: nobody waits */
};

/* Until the request may start, or is not wanted any more: false. cancelled: says so (atomic), or NULL. Fiber of the member's loop. */
bool throttle_wait(struct throttle_member *member, struct block_loop *loop, bool write, u64 bytes, const bool *cancelled);
/* From now on (and until the other call) requests do not wait: somebody waits for them. Any thread. */
void throttle_hurry(struct throttle_member *member, bool on);

#endif
