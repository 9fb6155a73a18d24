/*
 * block/node.h - block nodes: disk images and what they are made of. A node has a driver (a kind: file, raw, qcow2 ...), options
 * as blockdev-add takes them, and children. Requests go from a user through a tree of nodes down to files.
 *
 * Threads: nodes belong to a loop (block/loop.h). Functions marked "fiber" are called in a fiber of the node's loop; the others
 * in the graph's thread. Requests return 0 or -errno.
 */
#ifndef BLOCK_NODE_H
#define BLOCK_NODE_H

#include "block/data.h"
#include "block/loop.h"

struct block_node;
struct block_graph;
struct block_edge;
struct json_object;

/* What a user of a node may do, and what it lets others do. The numbers are those of QEMU's byte locks on image files. */
enum block_perm {
    BLOCK_READ = 1, /* data is what was written */
    BLOCK_WRITE = 2,
    BLOCK_WRITE_UNCHANGED = 4, /* write what is there already */
    BLOCK_RESIZE = 8,
    BLOCK_ALL = 15,
};

enum block_flags {
    BLOCK_FUA = 1,          /* write: on stable storage before it ends */
    BLOCK_MAY_UNMAP = 2,    /* write zeroes: storage may be given back */
    BLOCK_NO_FALLBACK = 4,  /* write zeroes: fail with -ENOTSUP rather than write a buffer of zeros */
    BLOCK_COMPRESSED = 8,   /* write: compress */
};

/* What lies at a place. */
enum block_status_flags {
    BLOCK_DATA = 1,
    BLOCK_ZERO = 2,        /* reads as zero */
    BLOCK_OFFSET = 4,      /* `map` is valid in `file` */
    BLOCK_ALLOCATED = 8,   /* here, not in a backing file */
    BLOCK_IS_COMPRESSED = 16,
    BLOCK_EOF = 32,
    BLOCK_RECURSE = 64, /* of drivers: what is data here may be a hole in `file` */
    BLOCK_BEHIND = 128, /* of block_status_above: the backing file that would be asked next ends before; depth is that of the image above it */
};

struct block_status {
    u32 flags;
    u64 size; /* bytes for which this holds; at least 1 */
    u64 map;
    struct block_node *file;
};

/* --- the graph: all nodes of a machine or a tool by name --- */

/* The loop is where new nodes live. */
struct block_graph *block_graph_create(struct block_loop *loop);
/* No node is left. NULL is fine. */
void block_graph_destroy(struct block_graph *graph);
struct block_loop *block_graph_loop(struct block_graph *graph);
/* Images opened from now on are going to be checked: damage is no reason to refuse, and nothing is mended unasked. */
void block_graph_set_checking(struct block_graph *graph, bool checking);
bool block_graph_is_checking(const struct block_graph *graph);
/* Backing files opened from now on may be written by somebody who knows what is above them. */
void block_graph_set_committing(struct block_graph *graph, bool committing);
bool block_graph_is_committing(const struct block_graph *graph);
/* Whether a node could not write all of its metadata when it was closed; a message has said which one. */
bool block_graph_has_lost(const struct block_graph *graph);
/* Where files named /dev/fdset/N are opened from; NULL: such a name is a path like others. They outlive the graph's opening of nodes. */
struct host_fdsets;
void block_graph_set_fdsets(struct block_graph *graph, struct host_fdsets *fdsets);
struct host_fdsets *block_graph_fdsets(const struct block_graph *graph);
/* NULL when there is none. */
struct block_node *block_graph_find(struct block_graph *graph, const char *name);
/* All nodes in the order of opening; the caller frees the list. */
GList *block_graph_list(struct block_graph *graph);

/*
 * Opens what BlockdevOptions describe, children included. The caller's reference. Options are checked against the schema.
 * Fiber of the graph's loop.
 */
struct block_node *block_open(struct block_graph *graph, struct json_object *options, GError **error);
/* A file name as people type it ("a.img", "json:{...}") with a format or NULL (probed); flags of block_open_flags. Fiber. */
enum block_open_flags {
    BLOCK_OPEN_WRITE = 1,
    BLOCK_OPEN_NO_BACKING = 2,
    BLOCK_OPEN_FORCE_SHARE = 4,
    BLOCK_OPEN_DIRECT = 8,   /* cache=none */
    BLOCK_OPEN_NO_FLUSH = 16, /* cache=unsafe */
    BLOCK_OPEN_UNMAP = 32,
    BLOCK_OPEN_WRITE_THROUGH = 64, /* nothing here: for who opens, and block_set_write_through */
};
struct block_node *block_open_name(struct block_graph *graph, const char *name, const char *format, unsigned flags, GError **error);
/* The options that block_open_name would use; the caller's. No format: {"driver": null} is left to probing. */
struct json_object *block_name_options(const char *name, const char *format, unsigned flags, GError **error);
/* Probes the format if options have {"driver": null}. Fiber. */
bool block_options_complete(struct block_graph *graph, struct json_object *options, GError **error);
/* `name` as a file in the folder of the file `image`, unless it is absolute or has a protocol ("file:" too). g_free. */
char *block_path_beside(const char *image, const char *name);
/* The name of the format that the first bytes of the node look like. Fiber. */
const char *block_probe(struct block_node *node);

/*
 * Gives nodes new options (BlockdevOptions with node-name), all or none: read-only, cache, discard, detect-zeroes, the child `file`
 * or `backing`, and what kinds of nodes can change. No request is in flight in the whole graph, and all is in the graph's loop. Fiber.
 */
bool block_reopen(struct block_graph *graph, struct json_object *const *options, unsigned count, GError **error);
/* What would open the node as it is now, its children by their names; the caller's. */
struct json_object *block_present_options(const struct block_node *node);
void block_ref(struct block_node *node);
/* The last one closes the node: metadata is written, then the children go. Fiber. NULL is fine. */
void block_unref(struct block_node *node);

/* --- users --- */

/* A user's hold on a node. `who` is for messages ("block device 'hd0'"). NULL with *error set when others do not allow it. Fiber. */
struct block_edge *block_attach(struct block_node *node, u32 perm, u32 shared, const char *who, GError **error);
bool block_edge_set(struct block_edge *edge, u32 perm, u32 shared, GError **error);
void block_detach(struct block_edge *edge); /* fiber; drops a reference that the edge took; NULL is fine */
u32 block_edge_perm(const struct block_edge *edge);
struct block_node *block_edge_node(const struct block_edge *edge);
/* Somebody holds it or stands above it. */
bool block_is_used(const struct block_node *node);
/* Called in the loop after the size has changed. */
void block_edge_on_resize(struct block_edge *edge, void (*resized)(void *opaque), void *opaque);

/* --- looking at a node --- */

const char *block_name(const struct block_node *node);
const char *block_driver_name(const struct block_node *node);
const char *block_filename(const struct block_node *node); /* of the image, "" without one */
struct block_loop *block_loop_of(const struct block_node *node);
u64 block_size(const struct block_node *node); /* bytes */
u32 block_alignment(const struct block_node *node);
bool block_is_read_only(const struct block_node *node);
u32 block_detect_zeroes(const struct block_node *node); /* enum api_blockdev_detect_zeroes_options */
void block_cache_mode(const struct block_node *node, bool *direct, bool *no_flush);
struct block_node *block_backing(const struct block_node *node); /* NULL: none */
struct block_node *block_file(const struct block_node *node);    /* NULL: none */
/* The child of that number with its role ("file", "backing" ...; the node's), in the order of opening. NULL: there are no more. */
struct block_node *block_child(const struct block_node *node, unsigned index, const char **role);
/* Below filters and raw windows without offset: the node that has the data. */
struct block_node *block_skip_filters(struct block_node *node);
/* Bytes of storage that the image takes, -ENOTSUP when unknown. */
s64 block_allocated_size(struct block_node *node);

/* --- requests (fiber) --- */

/* Past the end of the node there are zeros. */
int block_read(struct block_node *node, u64 offset, struct block_data data);
int block_write(struct block_node *node, u64 offset, struct block_data data, u32 flags);
int block_read_buffer(struct block_node *node, u64 offset, void *buffer, size_t size);
int block_write_buffer(struct block_node *node, u64 offset, const void *buffer, size_t size);
int block_write_zeroes(struct block_node *node, u64 offset, u64 size, u32 flags);
int block_discard(struct block_node *node, u64 offset, u64 size);
int block_flush(struct block_node *node);
/* What this node says, backing files left out. size > 0. */
int block_status(struct block_node *node, u64 offset, u64 size, struct block_status *out);
/* The same through backing files down to `base` (not included; NULL: all); *depth counts them. */
int block_status_above(struct block_node *node, struct block_node *base, u64 offset, u64 size, struct block_status *out, unsigned *depth);

enum block_prealloc { BLOCK_PREALLOC_OFF, BLOCK_PREALLOC_METADATA, BLOCK_PREALLOC_FALLOC, BLOCK_PREALLOC_FULL };
bool block_truncate(struct block_node *node, u64 size, enum block_prealloc prealloc, GError **error);

/* Whether reads leave in the node what they got from its backing files. */
void block_set_copy_on_read(struct block_node *node, bool on);
/* Whether each write is on stable storage before it ends. */
void block_set_write_through(struct block_node *node, bool on);
/* Waits until no request is in flight in the node and its children. Fiber. */
void block_drain(struct block_node *node);
/* Somebody waits for the requests in flight: limits do not hold until the other call. Any thread. */
void block_hurry(struct block_node *node, bool on);

/* --- where nodes live (graph's thread, not in a fiber) --- */

/*
 * This user wants the node in `loop`, until block_detach: it goes there, and so do all that are connected with it. Another user may have
 * wanted them elsewhere, then false with *error set. Nobody has sent requests yet.
 */
bool block_edge_choose_loop(struct block_edge *edge, struct block_loop *loop, GError **error);
/* All nodes come to the graph's loop, whoever wants them elsewhere; nothing is in flight. */
void block_graph_gather(struct block_graph *graph);
/* Each goes where its users want it, and to the graph's loop if nobody does; nothing is in flight in those that are elsewhere. */
void block_graph_spread(struct block_graph *graph);
/* Whether options name a child that is not in the graph's loop. */
bool block_options_reach_away(struct block_graph *graph, struct json_object *options);

#endif
