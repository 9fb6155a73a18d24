/* tools/object.h - --object of the tools: what nodes refer to by id. */
#ifndef TOOLS_OBJECT_H
#define TOOLS_OBJECT_H

#include "block/node.h"

struct tool_objects; /* NULL: none */

/* "secret,id=s0,data=abc", also as JSON, or "help" and "TYPE,help", which set *helped. Graph's thread. */
bool tool_object_add(struct tool_objects **objects, struct block_graph *graph, const char *text, bool *helped, GError **error);
/* Before the graph is destroyed, after its nodes. NULL is fine. */
void tool_objects_destroy(struct tool_objects *objects);

#endif
