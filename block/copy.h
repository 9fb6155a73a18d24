/* block/copy.h - moving the content of nodes. Fiber. */
#ifndef BLOCK_COPY_H
#define BLOCK_COPY_H

#include "block/node.h"

/*
 * Writes what `top` and the nodes between have, down to but without `base`, into `base`, which is as large or larger, and
 * flushes it: afterwards the nodes above are no longer needed for it. `progress` may be NULL.
 */
int block_commit(struct block_node *top, struct block_node *base, void (*progress)(void *opaque, u64 done, u64 total), void *opaque);

#endif
