/*
 * block/reopen.c - blockdev-reopen: nodes get new options, all of them or none. A node is closed and opened again in its place, so that
 * its users keep it: first everybody is closed, parents before children, then opened, children before parents.
 */
#include "block/driver.h"
#include "base/error.h"
#include <errno.h>
#include <string.h>

struct step {
    struct block_node *node;
    struct json_object *wanted, *old; /* options; children are named, not described */
};

struct reopen {
    struct block_graph *graph;
    GArray *steps;    /* of struct step, children before parents */
    GPtrArray *kept;  /* nodes with a reference of ours: children must not go while nobody is above them */
};

/* Members that may change, beside the children `file` and `backing`. */
static const char *const changeable[] = {
    "read-only", "auto-read-only", "cache", "discard", "detect-zeroes", "file", "backing", "lazy-refcounts", "overlap-check",
    "pass-discard-request", "pass-discard-snapshot", "pass-discard-other", "cache-size", "l2-cache-size", "refcount-cache-size",
    "offset", "size", "throttle-group",
};

static bool may_change(const struct block_node *node, const char *key)
{
    for (unsigned i = 0; i < ARRAY_SIZE(changeable); i++)
        if (!strcmp(changeable[i], key))
            return strcmp(key, "size") != 0 || node->driver->is_filter;
    return false;
}

static struct block_edge *child_of(const struct block_node *node, const char *role)
{
    for (unsigned i = 0; i < node->children->len; i++) {
        struct block_edge *edge = node->children->pdata[i];

        if (!strcmp(edge->role, role))
            return edge;
    }
    return NULL;
}

static void set_name(struct json_object *options, const char *role, const struct block_node *child)
{
    json_object_object_add(options, role, child ? json_object_new_string(child->name) : NULL);
}

/* Flat copy. */
static struct json_object *copy(struct json_object *from)
{
    struct json_object *out = json_object_new_object();

    json_object_object_foreach(from, key, value)
        json_object_object_add(out, key, json_object_get(value));
    return out;
}

struct json_object *block_present_options(const struct block_node *node)
{
    struct json_object *out = copy(node->options);

    for (unsigned i = 0; block_roles[i]; i++) {
        struct block_edge *edge = child_of(node, block_roles[i]);

        if (edge)
            set_name(out, block_roles[i], edge->node);
    }
    if (node->driver->is_format && !node->driver->is_filter && !node->backing)
        set_name(out, "backing", NULL);
    return out;
}

static bool refuse_change(const char *key, GError **error)
{
    return error_set(error, "Cannot change the option '%s'", key);
}

static bool check_unchanged(const struct block_node *node, struct json_object *wanted, struct json_object *old, GError **error)
{
    struct json_object *other;

    json_object_object_foreach(wanted, key, value)
        if (!may_change(node, key) && strcmp(key, "node-name") != 0 &&
            (!json_object_object_get_ex(old, key, &other) || !json_object_equal(value, other)))
            return refuse_change(key, error);
    json_object_object_foreach(old, gone, unused) {
        (void)unused;
        if (!may_change(node, gone) && strcmp(gone, "node-name") != 0 && !json_object_object_get_ex(wanted, gone, NULL))
            return refuse_change(gone, error);
    }
    return true;
}

static bool add_step(struct reopen *all, struct block_node *node, struct json_object *wanted, GError **error);

/* A child that is described has to be the one that was described before; it is reopened first. */
static bool add_child_step(struct reopen *all, struct block_node *node, struct json_object *wanted, const char *role, GError **error)
{
    struct block_edge *edge = child_of(node, role);
    struct json_object *given, *inherited;
    bool ok;

    if (!json_object_object_get_ex(wanted, role, &given) || !json_object_is_type(given, json_type_object))
        return true;
    if (!edge || json_object_object_get_ex(given, "node-name", NULL) != json_object_object_get_ex(edge->node->options, "node-name", NULL)) {
        error_set(error, "'%s' of node '%s' is another node", role, node->name);
        return error_hint(error, "open it with blockdev-add, and name it here");
    }
    inherited = block_inherit(wanted, given, role);
    ok = add_step(all, edge->node, inherited, error);
    json_object_put(inherited);
    set_name(wanted, role, edge->node);
    return ok;
}

static bool complete(struct block_node *node, struct json_object *wanted, GError **error)
{
    if (!json_object_object_get_ex(wanted, "backing", NULL) && node->backing)
        return error_set(error, "backing is missing for '%s'", node->name);
    if (!json_object_object_get_ex(wanted, "backing", NULL) && node->driver->is_format && !node->driver->is_filter)
        set_name(wanted, "backing", NULL);
    if (!json_object_object_get_ex(wanted, "data-file", NULL) && child_of(node, "data-file"))
        set_name(wanted, "data-file", child_of(node, "data-file")->node);
    return true;
}

static struct step *find_step(const struct reopen *all, const struct block_node *node)
{
    for (guint i = 0; i < all->steps->len; i++)
        if (g_array_index(all->steps, struct step, i).node == node)
            return &g_array_index(all->steps, struct step, i);
    return NULL;
}

static bool add_step(struct reopen *all, struct block_node *node, struct json_object *wanted, GError **error)
{
    struct step step = { .node = node, .wanted = copy(wanted) };
    bool ok = !find_step(all, node) || error_set(error, "Node '%s' is reopened twice", node->name);

    for (unsigned i = 0; block_roles[i] && ok; i++)
        ok = add_child_step(all, node, step.wanted, block_roles[i], error);
    step.old = block_present_options(node);
    ok = ok && complete(node, step.wanted, error) && check_unchanged(node, step.wanted, step.old, error);
    g_array_append_val(all->steps, step);
    return ok;
}

static bool is_read_only(struct json_object *options)
{
    struct json_object *value;

    return json_object_object_get_ex(options, "read-only", &value) && json_object_get_boolean(value);
}

/* Writers that stay writers. */
static bool check_writers(const struct reopen *all, GError **error)
{
    for (guint i = 0; i < all->steps->len; i++) {
        const struct step *step = &g_array_index(all->steps, struct step, i);

        for (unsigned k = 0; is_read_only(step->wanted) && k < step->node->parents->len; k++) {
            const struct block_edge *edge = step->node->parents->pdata[k];
            const struct step *above = edge->parent ? find_step(all, edge->parent) : NULL;

            if ((edge->perm & (BLOCK_WRITE | BLOCK_RESIZE)) && !(above && is_read_only(above->wanted)))
                return error_set(error, "Cannot make block node read-only, there is a writer on it");
        }
    }
    return true;
}

static bool flush_all(const struct reopen *all, GError **error)
{
    for (guint i = all->steps->len; i-- > 0;) {
        struct block_node *node = g_array_index(all->steps, struct step, i).node;
        int ret = node->read_only ? 0 : block_flush(node);

        if (ret < 0)
            return error_set(error, "Error flushing drive '%s': %s", node->name, block_strerror(ret));
    }
    return true;
}

static void drop_children(struct reopen *all, struct block_node *node)
{
    while (node->children->len) {
        struct block_edge *edge = node->children->pdata[node->children->len - 1];

        block_ref(edge->node);
        g_ptr_array_add(all->kept, edge->node);
        block_remove_child(edge);
    }
}

static void close_node(struct reopen *all, struct block_node *node)
{
    block_drain(node);
    if (node->driver->close)
        node->driver->close(node);
    drop_children(all, node);
    memset(node->state, 0, node->driver->state_size);
}

static bool open_api(struct reopen *all, struct block_node *node, struct block_open_context *context, GError **error)
{
    u64 size = node->size;
    bool ok;

    node->alignment = 1;
    node->zero_align = node->max_transfer = 0;
    node->cache_direct = node->no_flush = false;
    block_apply_common(node, context->api);
    ok = node->driver->open(node, context, error);
    if (!ok) {
        drop_children(all, node);
        memset(node->state, 0, node->driver->state_size);
        return false;
    }
    if (!block_update_perms(node, error)) {
        close_node(all, node);
        return false;
    }
    u64 now = node->size;
    node->size = size;
    block_set_size(node, now);
    return true;
}

static bool open_node(struct reopen *all, struct block_node *node, struct json_object *options, GError **error)
{
    struct block_open_context context = { .json = options };
    struct api_blockdev_options *api = NULL;
    bool ok;

    if (!api_from_json(&api_type_blockdev_options, "", options, &api, error))
        return false;
    json_object_put(node->options);
    node->options = json_object_get(options);
    context.api = api;
    ok = open_api(all, node, &context, error);
    api_free(&api_type_blockdev_options, api);
    return ok;
}

/* The number of steps that went well. */
static guint open_all(struct reopen *all, bool back, GError **error)
{
    for (guint i = 0; i < all->steps->len; i++) {
        struct step *step = &g_array_index(all->steps, struct step, i);

        if (!open_node(all, step->node, back ? step->old : step->wanted, error))
            return i;
    }
    return all->steps->len;
}

static void close_first(struct reopen *all, guint count)
{
    while (count-- > 0)
        close_node(all, g_array_index(all->steps, struct step, count).node);
}

/* ---- A node that could neither be changed nor be as before: the host took away its file meanwhile ---- */

static int fail_read(struct block_node *node, u64 offset, struct block_data data)
{
    return -EIO;
}

static int fail_write(struct block_node *node, u64 offset, struct block_data data, u32 flags)
{
    return -EIO;
}

static int fail_flush(struct block_node *node)
{
    return -EIO;
}

static int fail_status(struct block_node *node, u64 offset, u64 size, struct block_status *out)
{
    return -EIO;
}

static const struct block_driver broken = { .name = "broken", .read = fail_read, .write = fail_write, .flush = fail_flush, .status = fail_status };

static void go_back(struct reopen *all)
{
    GError *error = NULL;

    for (guint i = open_all(all, true, &error); i < all->steps->len; i++)
        g_array_index(all->steps, struct step, i).node->driver = &broken;
    if (error)
        g_printerr("a block node is lost: %s\n", error->message);
    g_clear_error(&error);
}

/* False: everything is as before. */
static bool carry_out(struct reopen *all, GError **error)
{
    guint opened;

    if (!check_writers(all, error) || !flush_all(all, error))
        return false;
    close_first(all, all->steps->len);
    opened = open_all(all, false, error);
    if (opened == all->steps->len)
        return true;
    close_first(all, opened);
    go_back(all);
    return false;
}

static bool add_options(struct reopen *all, struct json_object *options, GError **error)
{
    struct json_object *name;
    struct block_node *node;

    if (!json_object_object_get_ex(options, "node-name", &name))
        return error_set(error, "node-name not specified");
    node = block_graph_find(all->graph, json_object_get_string(name));
    if (!node)
        return error_set(error, "Failed to find node with node-name='%s'", json_object_get_string(name));
    return add_step(all, node, options, error);
}

bool block_reopen(struct block_graph *graph, struct json_object *const *options, unsigned count, GError **error)
{
    struct reopen all = { .graph = graph, .steps = g_array_new(FALSE, FALSE, sizeof(struct step)), .kept = g_ptr_array_new() };
    bool ok = true;

    for (unsigned i = 0; i < count && ok; i++)
        ok = add_options(&all, options[i], error);
    ok = ok && carry_out(&all, error);
    for (guint i = 0; i < all.kept->len; i++)
        block_unref(all.kept->pdata[i]);
    for (guint i = 0; i < all.steps->len; i++) {
        json_object_put(g_array_index(all.steps, struct step, i).wanted);
        json_object_put(g_array_index(all.steps, struct step, i).old);
    }
    g_array_unref(all.steps);
    g_ptr_array_unref(all.kept);
    return ok;
}
