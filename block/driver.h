/* block/driver.h - for drivers: what a kind of node is made of. */
#ifndef BLOCK_DRIVER_H
#define BLOCK_DRIVER_H

#include "api/types.h"
#include "block/node.h"
#include <json-c/json.h>

enum { BLOCK_MAX_DEPTH = 200 }; /* nodes from a user down to the last backing file */

/* Options while a node is being opened. */
struct block_open_context {
    struct json_object *json;               /* BlockdevOptions as written */
    const struct api_blockdev_options *api; /* the same, checked */
    unsigned depth;
};

/* A kind of node. Requests are inside of the node's size, aligned to node->alignment, and not empty. */
struct block_driver {
    const char *name;
    bool is_format, is_filter;
    bool grows; /* writes behind the end make it larger; a filter does as the node below, for a node above */
    size_t state_size;
    bool (*open)(struct block_node *node, struct block_open_context *context, GError **error);
    void (*close)(struct block_node *node);
    int (*read)(struct block_node *node, u64 offset, struct block_data data);
    int (*write)(struct block_node *node, u64 offset, struct block_data data, u32 flags);
    bool handles_fua;
    /* NULL or -ENOTSUP: a buffer of zeros is written. */
    int (*write_zeroes)(struct block_node *node, u64 offset, u64 size, u32 flags);
    int (*discard)(struct block_node *node, u64 offset, u64 size);
    int (*flush)(struct block_node *node);
    int (*status)(struct block_node *node, u64 offset, u64 size, struct block_status *out);
    bool (*truncate)(struct block_node *node, u64 size, enum block_prealloc prealloc, GError **error);
    s64 (*allocated_size)(struct block_node *node);
    void (*hurry)(struct block_node *node, bool on); /* requests must not be held up (and may be again); any thread */
    /* What the node needs of a child, given what its own users need. */
    void (*child_perm)(struct block_node *node, struct block_node *child, u32 perm, u32 shared, u32 *child_perm, u32 *child_shared);
    /* Takes what must be taken outside of the process (file locks). */
    bool (*set_perm)(struct block_node *node, u32 perm, u32 shared, GError **error);
    int (*probe)(const u8 *head, size_t size); /* 0..100 */
};

/* A use of a node by another node, or by somebody outside of the graph (parent NULL). */
struct block_edge {
    struct block_node *node, *parent;
    char *who;
    const char *role; /* of block_roles; NULL outside */
    u32 perm, shared;
    void (*resized)(void *opaque);
    void *opaque;
    struct block_loop *loop; /* of one outside of the graph who says where the node lives; NULL otherwise */
};

/* A write, read-modify-write or copy whose range others respect (nodes with an alignment above 1, and those that copy on read). */
struct block_tracked {
    u64 start, end;
    bool serialising;
    struct block_tracked *next;
    struct block_queue waiting;
};

struct block_node {
    struct block_graph *graph;
    struct block_loop *loop;
    const struct block_driver *driver;
    char *name;
    unsigned refs;
    struct json_object *options;
    char *filename;
    bool read_only, discard_unmap, no_flush, force_share, cache_direct, copy_on_read, write_through;
    bool fixed_size;   /* a window of the node below, which does not become larger with it */
    enum api_blockdev_detect_zeroes_options detect_zeroes;
    u64 size;          /* bytes */
    u32 alignment;     /* of requests; a power of two */
    u64 zero_align;    /* preferred alignment of write-zeroes and discards; 0: any */
    u64 max_transfer;  /* bytes; 0: any */
    GPtrArray *parents;  /* of struct block_edge *, uses of this node */
    GPtrArray *children; /* of struct block_edge *, owned */
    struct block_edge *file, *backing;
    u32 perm, shared; /* of all users together */
    unsigned in_flight;
    struct block_queue idle; /* waits for in_flight == 0 */
    struct block_tracked *tracked; /* serialising requests; with an alignment or a backing file: all writes */
    void *state; /* the driver's, driver->state_size bytes */
};

/* What edges to children are called, and members of the options that describe or name them; NULL-terminated. */
extern const char *const block_roles[];

extern const struct block_driver block_driver_blkdebug, block_driver_copy_on_read, block_driver_file, block_driver_host_device, block_driver_null_co,
    block_driver_null_aio, block_driver_raw, block_driver_qcow2, block_driver_throttle;
const struct block_driver *block_driver_find(const char *name);
/* For drivers: the node that is being closed could not write its metadata. */
void block_graph_note_loss(struct block_graph *graph);
/* struct throttle_group, and their clock, for block/throttle_group.c. */
GPtrArray *block_graph_throttle_groups(struct block_graph *graph);
struct throttle_clock *block_graph_throttle_clock(struct block_graph *graph);
/* NULL-terminated. */
extern const struct block_driver *const block_drivers[];

/*
 * A node without options, for drivers of tests; `state` (may be NULL) is taken over, to be freed by g_free. The caller's
 * reference.
 */
struct block_node *block_node_create(struct block_graph *graph, const struct block_driver *driver, const char *name, void *state);
/* Opens the child that the member `role` of the options names or describes. NULL with *error set. */
struct block_edge *block_open_child(struct block_node *node, struct block_open_context *context, const char *role, GError **error);
/* The backing file or data file that an image names. `options` without driver are completed by probing. */
bool block_open_backing(struct block_node *node, struct json_object *options, unsigned depth, GError **error);
struct block_edge *block_open_data_file(struct block_node *node, const char *name, unsigned depth, GError **error);
/* Adds an opened node as a child, without taking permissions yet; takes the reference over. */
struct block_edge *block_add_child(struct block_node *node, struct block_node *child, const char *role);
void block_remove_child(struct block_edge *edge);
/* Nodes that are connected with this one are in the same loop, and nobody wants them in two. */
bool block_check_place(struct block_node *node, GError **error);
/* For block/reopen.c: members of BlockdevOptions that nodes of all kinds have; a child's options with those that it takes over. */
void block_apply_common(struct block_node *node, const struct api_blockdev_options *api);
struct json_object *block_inherit(struct json_object *above, struct json_object *child, const char *role);
/* Recomputes what all users of the node need, and passes it down. */
bool block_update_perms(struct block_node *node, GError **error);
/* Waits for what overlaps: a serialising request for all, another for serialising ones; they wait for this one until block_untrack. Fiber. */
void block_track(struct block_node *node, struct block_tracked *mine, u64 offset, u64 size, bool serialising);
void block_untrack(struct block_node *node, struct block_tracked *mine);
/* What lies in backing files above `base` (NULL: all) is written to the node, in whole clusters; whether that works or not. Fiber; the caller's own request is not begun. */
void block_copy_up(struct block_node *node, struct block_node *base, u64 offset, u64 size);
/* The size has changed: tells users. */
void block_set_size(struct block_node *node, u64 size);

enum { BLOCK_PROBE_SIZE = 512 };
/* As block_probe, of the first bytes. */
const char *block_probe_head(const u8 *head, size_t size);
/* Whether the options' driver was guessed from what the image holds. */
bool block_options_guessed(struct json_object *options);

/* Defaults for child_perm. */
void block_perm_filter(struct block_node *node, struct block_node *child, u32 perm, u32 shared, u32 *child_perm, u32 *child_shared);
void block_perm_format(struct block_node *node, struct block_node *child, u32 perm, u32 shared, u32 *child_perm, u32 *child_shared);

/* "-errno" as text for messages. */
const char *block_strerror(int ret);

#endif
