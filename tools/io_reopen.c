/* tools/io_reopen.c - reopen: other options for the image that is open. */
#include "api/keyval.h"
#include "api/types.h"
#include "base/error.h"
#include "tools/io.h"
#include <getopt.h>
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

struct change {
    const char *cache;
    struct json_object *options; /* of -o, nested; NULL: none */
    bool read_only, read_write;
};

/* Members of `from` go into `to`; those of an object join what an object of that name has. */
static void merge(struct json_object *to, struct json_object *from)
{
    struct json_object *there;

    json_object_object_foreach(from, key, value) {
        struct json_object *joined = json_object_is_type(value, json_type_object) ? json_object_new_object() : json_object_get(value);

        if (json_object_is_type(value, json_type_object)) { /* a new object: that one may be the node's */
            if (json_object_object_get_ex(to, key, &there) && json_object_is_type(there, json_type_object))
                merge(joined, there);
            merge(joined, value);
        }
        json_object_object_add(to, key, joined);
    }
}

static void set_bool(struct json_object *to, const char *key, bool value)
{
    json_object_object_add(to, key, json_object_new_boolean(value));
}

/* What the node is to be like; the caller's. `own`: what -o says of it. */
static struct json_object *wanted_options(struct io *io, const struct change *change, struct block_node *node, struct json_object *own)
{
    struct json_object *out = block_present_options(node), *typed, *cache;

    json_object_object_add(out, "node-name", json_object_new_string(block_name(node)));
    if (change->read_only || change->read_write)
        set_bool(out, "read-only", change->read_only);
    if (change->cache) {
        cache = json_object_new_object();
        set_bool(cache, "direct", io->flags & BLOCK_OPEN_DIRECT);
        set_bool(cache, "no-flush", io->flags & BLOCK_OPEN_NO_FLUSH);
        json_object_object_add(out, "cache", cache);
    }
    if (own)
        merge(out, own);
    typed = api_coerce(&api_type_blockdev_options, out);
    json_object_put(out);
    return typed;
}

/* The node, and the files that it stands on: those first. */
static bool reopen(struct io *io, const struct change *change, GError **error)
{
    struct json_object *list[16], *own = change->options, *below;
    struct block_node *nodes[G_N_ELEMENTS(list)];
    unsigned count = 0;
    bool ok;

    for (struct block_node *node = io->node; node && count < G_N_ELEMENTS(list); node = block_file(node))
        nodes[count++] = node;
    for (unsigned i = 0; i < count; i++) {
        below = own && i + 1 < count && json_object_object_get_ex(own, "file", &below) && json_object_is_type(below, json_type_object) ? json_object_get(below) : NULL;
        if (below)
            json_object_object_del(own, "file");
        list[count - 1 - i] = wanted_options(io, change, nodes[i], own);
        if (i)
            json_object_put(own);
        own = below;
    }
    ok = block_reopen(io->graph, list, count, error);
    for (unsigned i = 0; i < count; i++)
        json_object_put(list[i]);
    return ok;
}

static bool check_change(const struct change *change, GError **error)
{
    struct json_object *cache;

    if (change->read_only && change->read_write)
        return error_set(error, "Only one -r/-w option may be given");
    if ((change->read_only || change->read_write) && change->options && json_object_object_get_ex(change->options, "read-only", NULL))
        return error_set(error, "Cannot set both -r/-w and 'read-only'");
    if (change->options && json_object_object_get_ex(change->options, "node-name", NULL))
        return error_set(error, "Cannot change the option 'node-name'");
    if (change->cache && change->options && json_object_object_get_ex(change->options, "cache", &cache))
        return error_set(error, "Cannot set both -c and the cache options");
    return true;
}

static bool set_permissions(struct io *io, bool read_only, GError **error)
{
    u32 perm = BLOCK_READ | (read_only ? 0 : BLOCK_WRITE | BLOCK_RESIZE);

    if (!block_edge_set(io->edge, perm, io->force_share ? BLOCK_ALL : BLOCK_READ, error))
        return false;
    io->read_only = read_only;
    return true;
}

/* Who is not going to write any more says so before, who is going to after. */
static bool carry_out(struct io *io, const struct change *change, GError **error)
{
    bool before = io->read_only, after;
    struct json_object *said;

    after = change->read_only || (!change->read_write && before);
    if (change->options && json_object_object_get_ex(change->options, "read-only", &said))
        after = g_strcmp0(json_object_get_string(said), "on") == 0 || g_strcmp0(json_object_get_string(said), "true") == 0;
    if (after && !before && !set_permissions(io, true, error))
        return false;
    if (!reopen(io, change, error)) {
        set_permissions(io, before, NULL);
        return false;
    }
    block_set_write_through(io->node, io->flags & BLOCK_OPEN_WRITE_THROUGH);
    return after || !before || set_permissions(io, false, error);
}

static bool parse(struct io *io, struct change *change, int argc, char **argv, GError **error)
{
    static const struct api_keys keys = { .open = true };
    g_autoptr(api_keyval) list = NULL;
    int c;

    optind = 0;
    while ((c = getopt(argc, argv, "c:o:rw")) >= 0) {
        change->read_only |= c == 'r';
        change->read_write |= c == 'w';
        if (c == 'c')
            change->cache = optarg;
        if (c == '?' || (c == 'c' && !io_set_cache(io, optarg)))
            return false;
        if (c == 'o') {
            api_keyval_destroy(g_steal_pointer(&list));
            list = api_keyval_parse(optarg, &keys, error);
            json_object_put(g_steal_pointer(&change->options));
            change->options = list ? api_keyval_nest(list, error) : NULL;
            if (!change->options)
                return false;
        }
    }
    if (argc != optind)
        return printf("reopen [(-r|-w)] [-c cache] [-o options] -- reopens an image with new options\n"), false;
    return check_change(change, error);
}

bool io_reopen(struct io *io, int argc, char **argv)
{
    struct change change = { 0 };
    g_autoptr(GError) error = NULL;
    bool ok;

    while (io->in_flight)
        block_queue_wait(&io->idle, io->loop);
    ok = parse(io, &change, argc, argv, &error) && carry_out(io, &change, &error);
    if (error)
        fprintf(stderr, "mynah-io: %s\n", error->message);
    json_object_put(change.options);
    return ok;
}
