/* block/qcow2/check_internal.h - what the two halves of the check share: counting, and mending. */
#ifndef BLOCK_QCOW2_CHECK_INTERNAL_H
#define BLOCK_QCOW2_CHECK_INTERNAL_H

#include "block/qcow2/image.h"
#include "block/qcow2/qcow2.h"

enum { CHUNK_BITS = 10 };

/* One check: how often each cluster of the file was met. */
struct qcow2_walk {
    struct qcow2 *s;
    struct qcow2_check *check;
    u32 **chunks; /* of 1 << CHUNK_BITS counts, made at first use */
    u64 clusters, memory, limit;
    u64 last_data; /* for fragmentation */
    bool rebuild;  /* refcount blocks cannot be trusted */
};

u32 qcow2_walk_count(const struct qcow2_walk *walk, u64 cluster);
/* Counts the clusters of a range. 0, or -ENOMEM when that is too much. */
int qcow2_walk_add(struct qcow2_walk *walk, u64 offset, u64 size);
void qcow2_walk_say(struct qcow2_walk *walk, const char *format, ...) PRINTF_LIKE(2, 3);

/* Compares with what the image says, and corrects it as far as wanted. */
int qcow2_compare_counts(struct qcow2_walk *walk);
/* New refcount blocks and table from what was counted. */
int qcow2_rebuild_counts(struct qcow2_walk *walk);
/* block/qcow2/bitmap.c: counts the clusters of bitmaps. */
int qcow2_walk_bitmaps(struct qcow2_walk *walk);
/* COPIED flags. */
int qcow2_check_copied(struct qcow2_walk *walk);

#endif
