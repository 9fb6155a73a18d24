/* tools/image_opts.h - images described by options instead of named: --image-opts. */
#ifndef TOOLS_IMAGE_OPTS_H
#define TOOLS_IMAGE_OPTS_H

#include "block/node.h"

/* "driver=qcow2,file.filename=a.qcow2" with flags of block_open_flags. Fiber of the graph's loop. */
struct block_node *tool_open_options(struct block_graph *graph, const char *text, unsigned flags, GError **error);

/* The BlockdevOptions that it describes, to be completed (block_options_complete); the caller's. */
struct json_object *tool_image_options(const char *text, unsigned flags, GError **error);

#endif
