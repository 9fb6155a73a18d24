/* block/overlay.c - temporary images above others. */
#include "block/overlay.h"
#include "base/error.h"
#include "block/qcow2/image.h"
#include <glib/gstdio.h>
#include <json-c/json.h>
#include <errno.h>
#include <unistd.h>

static bool measure(struct block_graph *graph, struct json_object *options, u64 *size, GError **error)
{
    struct block_node *node = block_open(graph, options, error);

    if (!node)
        return false;
    *size = (block_size(node) + 511) & ~UINT64_C(511);
    block_unref(node);
    return true;
}

static char *make_file(GError **error)
{
    const char *folder = g_getenv("TMPDIR");
    char *path = g_build_filename(folder && *folder ? folder : "/var/tmp", "mynah-overlay-XXXXXX", NULL);
    int fd = g_mkstemp(path);

    if (fd >= 0) {
        close(fd);
        return path;
    }
    error_set(error, "cannot make a temporary image '%s': %s", path, g_strerror(errno));
    error_hint(error, "TMPDIR names the folder for them");
    g_free(path);
    return NULL;
}

static struct json_object *file_options(const char *path)
{
    struct json_object *file = json_object_new_object(), *cache = json_object_new_object();

    json_object_object_add(file, "driver", json_object_new_string("file"));
    json_object_object_add(file, "filename", json_object_new_string(path));
    json_object_object_add(cache, "no-flush", json_object_new_boolean(true));
    json_object_object_add(file, "cache", cache);
    return file;
}

static bool write_image(struct block_graph *graph, const char *path, u64 size, GError **error)
{
    const struct qcow2_create create = { .size = size, .version = 3, .cluster_size = 65536, .refcount_bits = 16 };
    struct json_object *options = file_options(path);
    struct block_node *node = block_open(graph, options, error);
    struct block_edge *edge = node ? block_attach(node, BLOCK_READ | BLOCK_WRITE | BLOCK_RESIZE, 0, "a temporary image", error) : NULL;
    bool ok = edge && qcow2_create(node, &create, error);

    block_detach(edge);
    block_unref(node);
    json_object_put(options);
    return ok;
}

static void move(struct json_object *from, struct json_object *to, const char *key)
{
    struct json_object *value = json_object_object_get(from, key);

    if (!value)
        return;
    json_object_object_add(to, key, json_object_get(value));
    json_object_object_del(from, key);
}

static struct json_object *overlay_options(struct json_object *below, const char *path)
{
    struct json_object *above = json_object_new_object(), *cache = json_object_new_object();

    move(below, above, "node-name");
    move(below, above, "detect-zeroes");
    json_object_object_add(above, "driver", json_object_new_string("qcow2"));
    json_object_object_add(above, "file", file_options(path));
    json_object_object_add(above, "backing", json_object_get(below));
    json_object_object_add(cache, "no-flush", json_object_new_boolean(true));
    json_object_object_add(above, "cache", cache);
    return above;
}

struct block_node *block_open_overlay(struct block_graph *graph, struct json_object *options, GError **error)
{
    g_autofree char *path = NULL;
    struct block_node *node = NULL;
    u64 size;

    json_object_object_add(options, "read-only", json_object_new_boolean(true));
    if (!block_options_complete(graph, options, error) || !measure(graph, options, &size, error) || !(path = make_file(error)))
        return NULL;
    if (write_image(graph, path, size, error)) {
        struct json_object *above = overlay_options(options, path);

        node = block_open(graph, above, error);
        json_object_put(above);
    }
    g_unlink(path); /* what is open stays */
    return node;
}
