/* tests/block/memory.h - a node in memory that knows what a power failure could leave of it. */
#ifndef TESTS_BLOCK_MEMORY_H
#define TESTS_BLOCK_MEMORY_H

#include "block/driver.h"

enum { SECTOR = 512, MEMORY_MOST = 1 << 28 };

/* One sector of a write that has not been flushed. */
struct pending {
    u64 sector;
    u8 data[SECTOR];
};

struct memory {
    u8 *now;                  /* as readers see it: MEMORY_MOST bytes, of which `size` are the file */
    u64 size;
    GByteArray *stable;       /* as it is after a power failure without luck; NULL: plain memory */
    GArray *pending;          /* of struct pending, oldest first; NULL likewise */
    bool drop_flushes;        /* the planted bug: flushes do nothing */
    u64 events;               /* writes and flushes so far */
    void (*hook)(void *opaque); /* before each of them */
    void *opaque;
    u64 fail_at;              /* the event of this number is a failure, -ENOSPC; 0: none */
    void (*reads)(void *opaque); /* before each read; may wait */
};

/* The caller's reference. The state (struct memory) is the node's; content (may be NULL) is copied. */
struct block_node *memory_create(struct block_graph *graph, const char *name, const void *content, size_t size);
/* Likewise, without what a power failure needs. */
struct block_node *memory_create_plain(struct block_graph *graph, const char *name, const void *content, size_t size);
struct memory *memory_of(struct block_node *node);
/* Stable content with some of what is pending: each sector in one of its versions. */
GByteArray *memory_crash(struct memory *memory, GRand *rand);
/* A qcow2 node on top of the node with this name. NULL with *error set. */
struct block_node *open_qcow2(struct block_graph *graph, const char *file, const char *backing, bool write, GError **error);

/* Likewise a raw one, read-only. */
struct block_node *open_raw(struct block_graph *graph, const char *file);

#endif
