/* block/graph.c - nodes by name; opening from options, children, the end. */
#include "block/driver.h"
#include "base/error.h"
#include "block/throttle.h"
#include <string.h>

struct block_graph {
    struct block_loop *loop;
    GPtrArray *nodes;
    unsigned counter; /* of generated names */
    bool checking, committing, lost;
    struct host_fdsets *fdsets;
    GPtrArray *throttle_groups;
    struct throttle_clock throttle_clock;
};

const struct block_driver *const block_drivers[] = {
    &block_driver_blkdebug, &block_driver_copy_on_read, &block_driver_file, &block_driver_host_device, &block_driver_null_aio,
    &block_driver_null_co,  &block_driver_qcow2,        &block_driver_raw,  &block_driver_throttle,
    NULL,
};

const char *const block_roles[] = { "file", "image", "backing", "data-file", NULL };

const struct block_driver *block_driver_find(const char *name)
{
    for (unsigned i = 0; block_drivers[i]; i++)
        if (!strcmp(block_drivers[i]->name, name))
            return block_drivers[i];
    return NULL;
}

const char *block_strerror(int ret)
{
    return g_strerror(-ret);
}

struct block_graph *block_graph_create(struct block_loop *loop)
{
    struct block_graph *graph = g_new0(struct block_graph, 1);

    graph->loop = loop;
    graph->nodes = g_ptr_array_new();
    graph->throttle_groups = g_ptr_array_new();
    return graph;
}

void block_graph_destroy(struct block_graph *graph)
{
    if (!graph)
        return;
    g_ptr_array_unref(graph->nodes);
    g_ptr_array_unref(graph->throttle_groups);
    g_free(graph);
}

struct block_loop *block_graph_loop(struct block_graph *graph)
{
    return graph->loop;
}

void block_graph_set_checking(struct block_graph *graph, bool checking)
{
    graph->checking = checking;
}

void block_graph_set_committing(struct block_graph *graph, bool committing)
{
    graph->committing = committing;
}

void block_graph_set_fdsets(struct block_graph *graph, struct host_fdsets *fdsets)
{
    graph->fdsets = fdsets;
}

struct host_fdsets *block_graph_fdsets(const struct block_graph *graph)
{
    return graph->fdsets;
}

struct throttle_clock *block_graph_throttle_clock(struct block_graph *graph)
{
    return &graph->throttle_clock;
}

GPtrArray *block_graph_throttle_groups(struct block_graph *graph)
{
    return graph->throttle_groups;
}

void block_graph_note_loss(struct block_graph *graph)
{
    graph->lost = true;
}

bool block_graph_has_lost(const struct block_graph *graph)
{
    return graph->lost;
}

bool block_graph_is_committing(const struct block_graph *graph)
{
    return graph->committing;
}

bool block_graph_is_checking(const struct block_graph *graph)
{
    return graph->checking;
}

struct block_node *block_graph_find(struct block_graph *graph, const char *name)
{
    for (unsigned i = 0; i < graph->nodes->len; i++) {
        struct block_node *node = graph->nodes->pdata[i];

        if (!strcmp(node->name, name))
            return node;
    }
    return NULL;
}

GList *block_graph_list(struct block_graph *graph)
{
    GList *list = NULL;

    for (unsigned i = graph->nodes->len; i-- > 0;)
        list = g_list_prepend(list, graph->nodes->pdata[i]);
    return list;
}

struct block_node *block_node_create(struct block_graph *graph, const struct block_driver *driver, const char *name, void *state)
{
    struct block_node *node = g_new0(struct block_node, 1);

    node->graph = graph;
    node->loop = graph->loop;
    node->driver = driver;
    node->refs = 1;
    node->alignment = 1;
    node->shared = BLOCK_ALL;
    node->filename = g_strdup("");
    node->parents = g_ptr_array_new();
    node->children = g_ptr_array_new();
    node->state = state ? state : g_malloc0(driver->state_size + 1);
    node->name = name ? g_strdup(name) : g_strdup_printf("#block%03u", graph->counter++);
    g_ptr_array_add(graph->nodes, node);
    return node;
}

static void free_node(struct block_node *node)
{
    while (node->children->len)
        block_remove_child(node->children->pdata[node->children->len - 1]);
    g_ptr_array_remove(node->graph->nodes, node);
    g_ptr_array_unref(node->parents);
    g_ptr_array_unref(node->children);
    json_object_put(node->options);
    g_free(node->filename);
    g_free(node->name);
    g_free(node->state);
    g_free(node);
}

void block_ref(struct block_node *node)
{
    node->refs++;
}

void block_unref(struct block_node *node)
{
    if (!node || --node->refs)
        return;
    node->refs = 1; /* closing flushes, which is a request like any other */
    block_drain(node);
    if (node->driver->close)
        node->driver->close(node);
    free_node(node);
}

static bool check_name(struct block_graph *graph, const char *name, GError **error)
{
    if (!name)
        return true;
    if (!g_ascii_isalpha(*name) && *name != '_')
        return error_set(error, "Invalid node-name: '%s'", name);
    for (const char *p = name; *p; p++)
        if (!g_ascii_isalnum(*p) && !strchr("-._", *p))
            return error_set(error, "Invalid node-name: '%s'", name);
    if (strlen(name) > 31)
        return error_set(error, "Node name too long");
    return !block_graph_find(graph, name) || error_set(error, "Duplicate nodes with node-name='%s'", name);
}

void block_apply_common(struct block_node *node, const struct api_blockdev_options *api)
{
    node->read_only = api->read_only || (api->auto_read_only && api->has_read_only && api->read_only);
    node->discard_unmap = api->has_discard && api->discard == API_BLOCKDEV_DISCARD_OPTIONS_UNMAP;
    node->detect_zeroes = api->detect_zeroes;
    node->force_share = api->force_share;
    if (api->cache) {
        node->cache_direct = api->cache->direct;
        node->no_flush = api->cache->no_flush;
    }
}

static struct block_node *open_checked(struct block_graph *graph, struct block_open_context *context, GError **error)
{
    const struct api_blockdev_options *api = context->api;
    const struct block_driver *driver = block_driver_find(api_type_blockdev_driver.values[api->driver]);
    struct block_node *node;

    if (!driver) {
        error_set(error, "Unknown driver '%s'", api_type_blockdev_driver.values[api->driver]);
        return NULL;
    }
    if (context->depth > BLOCK_MAX_DEPTH) {
        error_set(error, "more than %d nodes above each other", BLOCK_MAX_DEPTH);
        error_hint(error, "does a backing file lead back to itself?");
        return NULL;
    }
    if (!check_name(graph, api->node_name, error))
        return NULL;
    node = block_node_create(graph, driver, api->node_name, NULL);
    node->options = json_object_get(context->json);
    block_apply_common(node, api);
    if (!driver->open(node, context, error)) {
        free_node(node);
        return NULL;
    }
    return node;
}

static struct block_node *open_json(struct block_graph *graph, struct json_object *json, unsigned depth, GError **error)
{
    struct block_open_context context = { .json = json, .depth = depth };
    struct api_blockdev_options *api = NULL;
    struct block_node *node;

    if (!api_from_json(&api_type_blockdev_options, "", json, &api, error))
        return NULL;
    context.api = api;
    node = open_checked(graph, &context, error);
    api_free(&api_type_blockdev_options, api);
    return node;
}

struct block_node *block_open(struct block_graph *graph, struct json_object *options, GError **error)
{
    return open_json(graph, options, 0, error);
}

/* Members that children take over from the node above unless they say otherwise. */
struct json_object *block_inherit(struct json_object *above, struct json_object *child, const char *role)
{
    static const char *const inherited[] = { "cache", "discard", "read-only", "auto-read-only", "force-share", NULL };
    struct json_object *out = json_object_new_object();
    bool backing = !strcmp(role, "backing");

    json_object_object_foreach(child, key, value)
        json_object_object_add(out, key, json_object_get(value));
    for (unsigned i = 0; inherited[i]; i++) {
        struct json_object *member;

        if (json_object_object_get_ex(out, inherited[i], NULL) || (backing && strstr(inherited[i], "read-only")))
            continue;
        if (json_object_object_get_ex(above, inherited[i], &member))
            json_object_object_add(out, inherited[i], json_object_get(member));
    }
    if (backing && !json_object_object_get_ex(out, "read-only", NULL))
        json_object_object_add(out, "read-only", json_object_new_boolean(true));
    return out;
}

struct block_edge *block_add_child(struct block_node *node, struct block_node *child, const char *role)
{
    struct block_edge *edge = g_new0(struct block_edge, 1);

    *edge = (struct block_edge){ .node = child, .parent = node, .role = role, .shared = BLOCK_ALL };
    edge->who = g_strdup_printf("node '%s'", node->name);
    g_ptr_array_add(node->children, edge);
    g_ptr_array_add(child->parents, edge);
    if (!strcmp(role, "file"))
        node->file = edge;
    else if (!strcmp(role, "backing"))
        node->backing = edge;
    return edge;
}

void block_remove_child(struct block_edge *edge)
{
    struct block_node *node = edge->parent, *child = edge->node;

    if (node->file == edge)
        node->file = NULL;
    if (node->backing == edge)
        node->backing = NULL;
    g_ptr_array_remove(node->children, edge);
    g_ptr_array_remove(child->parents, edge);
    g_free(edge->who);
    g_free(edge);
    block_update_perms(child, NULL); /* fewer users never conflict */
    block_unref(child);
}

static bool reaches(struct block_node *from, struct block_node *to)
{
    if (from == to)
        return true;
    for (unsigned i = 0; i < from->children->len; i++)
        if (reaches(((struct block_edge *)from->children->pdata[i])->node, to))
            return true;
    return false;
}

/* The caller's reference of the child is the edge's, or gone. */
static struct block_edge *connect(struct block_node *node, struct block_node *child, const char *role, GError **error)
{
    struct block_edge *edge = block_add_child(node, child, role);

    if (block_check_place(node, error) && block_update_perms(node, error))
        return edge;
    block_remove_child(edge);
    return NULL;
}

struct block_edge *block_open_child(struct block_node *node, struct block_open_context *context, const char *role, GError **error)
{
    struct json_object *value;
    struct block_node *child;

    if (!json_object_object_get_ex(context->json, role, &value) || !value) {
        error_set(error, "Parameter '%s' is missing", role);
        return NULL;
    }
    if (json_object_is_type(value, json_type_string)) {
        child = block_graph_find(node->graph, json_object_get_string(value));
        if (!child) {
            error_set(error, "Cannot find device='%s' nor node-name='%s'", json_object_get_string(value), json_object_get_string(value));
            return NULL;
        }
        if (reaches(child, node)) {
            error_set(error, "node '%s' cannot be its own '%s'", node->name, role);
            return NULL;
        }
        block_ref(child);
    } else {
        struct json_object *options = block_inherit(node->options, value, role);

        child = open_json(node->graph, options, context->depth + 1, error);
        json_object_put(options);
        if (!child)
            return NULL;
    }
    return connect(node, child, role, error);
}

static struct block_edge *adopt(struct block_node *node, struct json_object *options, const char *role, unsigned depth, GError **error)
{
    struct json_object *inherited = block_inherit(node->options, options, role);
    struct block_node *child = open_json(node->graph, inherited, depth + 1, error);

    json_object_put(inherited);
    return child ? connect(node, child, role, error) : NULL;
}

bool block_open_backing(struct block_node *node, struct json_object *options, unsigned depth, GError **error)
{
    if (depth >= BLOCK_MAX_DEPTH) {
        error_set(error, "more than %d nodes above each other", BLOCK_MAX_DEPTH);
        return error_hint(error, "does a backing file lead back to itself?");
    }
    return block_options_complete(node->graph, options, error) && adopt(node, options, "backing", depth, error);
}

struct block_edge *block_open_data_file(struct block_node *node, const char *name, unsigned depth, GError **error)
{
    g_autofree char *path = block_path_beside(block_filename(node), name);
    struct json_object *options = json_object_new_object();
    struct block_edge *edge;

    json_object_object_add(options, "driver", json_object_new_string("file"));
    json_object_object_add(options, "filename", json_object_new_string(path));
    edge = adopt(node, options, "data-file", depth, error);
    json_object_put(options);
    return edge;
}

const char *block_name(const struct block_node *node)
{
    return node->name;
}

const char *block_driver_name(const struct block_node *node)
{
    return node->driver->name;
}

const char *block_filename(const struct block_node *node)
{
    while (!*node->filename && node->file)
        node = node->file->node;
    return node->filename;
}

struct block_loop *block_loop_of(const struct block_node *node)
{
    return node->loop;
}

u64 block_size(const struct block_node *node)
{
    return __atomic_load_n(&node->size, __ATOMIC_RELAXED); /* other threads look while it changes */
}

u32 block_alignment(const struct block_node *node)
{
    return node->alignment;
}

bool block_is_read_only(const struct block_node *node)
{
    return node->read_only;
}

u32 block_detect_zeroes(const struct block_node *node)
{
    return node->detect_zeroes;
}

void block_cache_mode(const struct block_node *node, bool *direct, bool *no_flush)
{
    *direct = node->cache_direct;
    *no_flush = node->no_flush;
}

bool block_is_used(const struct block_node *node)
{
    return node->parents->len != 0;
}

struct block_node *block_edge_node(const struct block_edge *edge)
{
    return edge->node;
}

struct block_node *block_backing(const struct block_node *node)
{
    return node->backing ? node->backing->node : NULL;
}

struct block_node *block_file(const struct block_node *node)
{
    return node->file ? node->file->node : NULL;
}

struct block_node *block_child(const struct block_node *node, unsigned index, const char **role)
{
    const struct block_edge *edge = index < node->children->len ? node->children->pdata[index] : NULL;

    if (edge)
        *role = edge->role;
    return edge ? edge->node : NULL;
}

struct block_node *block_skip_filters(struct block_node *node)
{
    while (node->driver->is_filter && node->file)
        node = node->file->node;
    return node;
}

s64 block_allocated_size(struct block_node *node)
{
    s64 total = 0;

    if (node->driver->allocated_size)
        return node->driver->allocated_size(node);
    if (!node->file)
        return -ENOTSUP;
    for (unsigned i = 0; i < node->children->len; i++) {
        struct block_edge *edge = node->children->pdata[i];
        s64 size = edge == node->backing ? 0 : block_allocated_size(edge->node);

        if (size < 0)
            return size;
        total += size;
    }
    return total;
}

void block_set_size(struct block_node *node, u64 size)
{
    if (node->size == size)
        return;
    __atomic_store_n(&node->size, size, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < node->parents->len; i++) {
        struct block_edge *edge = node->parents->pdata[i];

        if (edge->resized)
            edge->resized(edge->opaque);
    }
}
