/* tests/block/crash.h - a qcow2 image that loses its power: the world that a workload (crash.c) changes and crash_check.c looks at. One thread. */
#ifndef TESTS_BLOCK_CRASH_H
#define TESTS_BLOCK_CRASH_H

#include "block/node.h"
#include "block/qcow2/image.h"

enum { MAX_SECTORS = 4096, MAX_SNAPSHOTS = 4, MAX_BITMAPS = 3, GRANULARITY = 65536 /* of all bitmaps here */ };

/* What the guest may find in a sector: bytes (each sector is filled with one) that it wrote. */
struct model {
    u64 sectors, old_sectors; /* size now, and what it may still be after a failure */
    u8 flushed[MAX_SECTORS];
    u8 since[MAX_SECTORS][32]; /* bitmap of values since the flush */
    u8 now[MAX_SECTORS];
};

struct saved {
    char name[8];
    bool certain; /* its creation has returned */
    u64 sectors;
    u8 content[MAX_SECTORS];
};

/* A bitmap as it is, and as it will be when the change under way has been made. */
struct marks {
    bool exists, enabled;
    u64 set; /* its first 64 bits */
};

struct world {
    struct block_graph *graph;
    struct block_node *file, *disk, *base;
    GRand *rand;
    struct model model;
    const struct saved *applying; /* the disk may be this as a whole */
    struct saved snapshots[MAX_SNAPSHOTS];
    const char *backing_name; /* that the header names; NULL: of no interest */
    bool two_sectors; /* the header's word about bitmaps stands in two sectors: there are none while it changes */
    struct marks bitmaps[MAX_BITMAPS], changed[MAX_BITMAPS];
    bool lazy, leaks_only; /* leaks_only: this workload must leave nothing worse */
    unsigned every, crashes, bad;
    const char *why;
    bool quiet;
};

/* From now on the sector may hold bytes of this value. */
void crash_allow(struct model *m, u64 sector, u8 value);
/* What was written is there from now on. */
void crash_flush(struct model *m);
/* What a bitmap of the image says. */
struct marks crash_marks(struct block_node *node, const struct qcow2_bitmap_info *info);
/* A power failure at this instant; what is wrong behind it is counted. */
void crash_now(struct world *w);
/* One, in so many calls; `opaque` is the world. For struct memory's hook. */
void crash_maybe(void *opaque);

#endif
