/* block/overlay.h - temporary images above others: what -snapshot and snapshot=on write to. */
#ifndef BLOCK_OVERLAY_H
#define BLOCK_OVERLAY_H

#include "block/node.h"

/*
 * Opens what the options describe for reading, and above it a new image that goes when it is closed; it lies in $TMPDIR or /var/tmp.
 * "node-name" and "detect-zeroes" are the upper one's. The caller's reference. NULL with *error set. Fiber of the graph's loop.
 */
struct block_node *block_open_overlay(struct block_graph *graph, struct json_object *options, GError **error);

#endif
