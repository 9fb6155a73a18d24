/* block/name.c - file names as people type them, and guessing formats. */
#include "api/json.h"
#include "block/driver.h"
#include "base/error.h"
#include "host/file.h"
#include <string.h>

/* Marks the name of a driver in options that was not given but found. */
static const char guessed[] = "guessed";

const char *block_probe(struct block_node *node)
{
    u8 head[BLOCK_PROBE_SIZE] = { 0 };

    return block_read_buffer(node, 0, head, sizeof(head)) < 0 ? block_driver_raw.name : block_probe_head(head, sizeof(head));
}

const char *block_probe_head(const u8 *head, size_t size)
{
    const struct block_driver *best = &block_driver_raw;
    int score = 0;

    for (unsigned i = 0; block_drivers[i]; i++) {
        int mine = block_drivers[i]->probe ? block_drivers[i]->probe(head, size) : 0;

        if (mine > score) {
            score = mine;
            best = block_drivers[i];
        }
    }
    return best->name;
}

static void add_bool(struct json_object *to, const char *name, bool value)
{
    json_object_object_add(to, name, json_object_new_boolean(value));
}

static bool is_device(const char *path)
{
    struct host_file_info info;
    int fd = host_file_open(path, 0);
    bool device = fd >= 0 && host_file_info(fd, false, &info) == 0 && info.is_device;

    host_file_close(fd);
    return device;
}

static bool has_protocol(const char *name)
{
    const char *colon = strpbrk(name, ":/");

    return colon && *colon == ':' && !g_str_has_prefix(name, "file:");
}

static void add_cache(struct json_object *to, unsigned flags)
{
    struct json_object *cache = json_object_new_object();

    add_bool(cache, "direct", flags & BLOCK_OPEN_DIRECT);
    add_bool(cache, "no-flush", flags & BLOCK_OPEN_NO_FLUSH);
    json_object_object_add(to, "cache", cache);
}

static void add_flags(struct json_object *to, unsigned flags)
{
    add_bool(to, "read-only", !(flags & BLOCK_OPEN_WRITE));
    if (flags & BLOCK_OPEN_FORCE_SHARE)
        add_bool(to, "force-share", true);
    if (flags & (BLOCK_OPEN_DIRECT | BLOCK_OPEN_NO_FLUSH))
        add_cache(to, flags);
    if (flags & BLOCK_OPEN_UNMAP)
        json_object_object_add(to, "discard", json_object_new_string("unmap"));
}

/* "null-co://" is the driver null-co; others of that kind are not there. NULL: the name has no such form. */
static const struct block_driver *named_driver(const char *name)
{
    const char *colon = strstr(name, "://");
    g_autofree char *driver = colon ? g_strndup(name, (gsize)(colon - name)) : NULL;

    return driver && g_str_has_prefix(driver, "null-") ? block_driver_find(driver) : NULL;
}

static struct json_object *protocol_options(const char *name)
{
    struct json_object *out = json_object_new_object();
    const struct block_driver *driver = named_driver(name);
    const char *path = g_str_has_prefix(name, "file:") ? name + 5 : name;

    if (driver) {
        json_object_object_add(out, "driver", json_object_new_string(driver->name));
        return out;
    }
    json_object_object_add(out, "driver", json_object_new_string(is_device(path) ? "host_device" : "file"));
    json_object_object_add(out, "filename", json_object_new_string(path));
    return out;
}

/* Whether the format is what others stand on, with no file below: the name is its own. */
static bool is_storage(const char *format)
{
    const struct block_driver *driver = format ? block_driver_find(format) : NULL;

    return driver && !driver->is_format && !driver->is_filter;
}

struct json_object *block_name_options(const char *name, const char *format, unsigned flags, GError **error)
{
    const struct block_driver *driver = named_driver(name);
    struct json_object *out;

    if (g_str_has_prefix(name, "json:")) {
        struct json_object *text = api_json_parse(name + 5, strlen(name + 5), error);

        if (!text)
            return NULL;
        if (!json_object_is_type(text, json_type_object)) {
            json_object_put(text);
            error_set(error, "Invalid JSON object given");
            return NULL;
        }
        out = api_coerce(&api_type_blockdev_options, text);
        json_object_put(text);
        if (json_object_get_boolean(json_object_object_get(out, "read-only"))) /* who says that means it */
            flags &= ~(unsigned)BLOCK_OPEN_WRITE;
        add_flags(out, flags);
        return out;
    }
    if (driver && strcmp(strstr(name, "://"), "://") != 0) {
        error_set(error, "The only allowed filename for this driver is '%s://'", driver->name);
        return NULL;
    }
    if (!driver && has_protocol(name)) {
        error_set(error, "Unknown protocol '%.*s'", (int)strcspn(name, ":"), name);
        error_hint(error, "a file whose name has a colon is written ./NAME or file:NAME");
        return NULL;
    }
    if (is_storage(format)) {
        out = protocol_options(name);
        json_object_object_add(out, "driver", json_object_new_string(format));
    } else {
        out = json_object_new_object();
        json_object_object_add(out, "driver", format ? json_object_new_string(format) : NULL);
        json_object_object_add(out, "file", protocol_options(name));
    }
    add_flags(out, flags);
    if (flags & BLOCK_OPEN_NO_BACKING)
        json_object_object_add(out, "backing", NULL);
    return out;
}

/* Opens the node below, looks at it, and completes the options. */
static bool fill_format(struct block_graph *graph, struct json_object *options, GError **error)
{
    struct json_object *below = json_object_object_get(options, "file"), *child, *driver;
    struct block_node *node;

    if (!json_object_is_type(below, json_type_object))
        return error_set(error, "Must specify either driver or file");
    child = json_object_new_object();
    json_object_object_foreach(below, key, value)
        json_object_object_add(child, key, json_object_get(value));
    add_bool(child, "read-only", true);
    add_bool(child, "force-share", true);
    node = block_open(graph, child, error);
    json_object_put(child);
    if (!node)
        return false;
    driver = json_object_new_string(block_probe(node));
    json_object_set_userdata(driver, (void *)guessed, NULL);
    json_object_object_add(options, "driver", driver);
    block_unref(node);
    return true;
}

bool block_options_guessed(struct json_object *options)
{
    struct json_object *driver = json_object_object_get(options, "driver");

    return driver && json_object_get_userdata(driver) == guessed;
}

bool block_options_complete(struct block_graph *graph, struct json_object *options, GError **error)
{
    struct json_object *driver = json_object_object_get(options, "driver");

    if (!driver && !fill_format(graph, options, error))
        return false;
    driver = json_object_object_get(options, "driver");
    if (!json_object_is_type(driver, json_type_string) || !block_driver_find(json_object_get_string(driver))) {
        const char *near = driver ? error_nearest_name(json_object_get_string(driver), api_type_blockdev_driver.values) : NULL;

        error_set(error, "Unknown driver '%s'", driver ? json_object_get_string(driver) : "");
        return near ? error_hint(error, "did you mean '%s'?", near) : false;
    }
    if (strcmp(json_object_get_string(driver), "qcow2"))
        json_object_object_del(options, "backing");
    return true;
}

struct block_node *block_open_name(struct block_graph *graph, const char *name, const char *format, unsigned flags, GError **error)
{
    struct json_object *options = block_name_options(name, format, flags, error);
    struct block_node *node = NULL;

    if (!options)
        return NULL;
    if (block_options_complete(graph, options, error))
        node = block_open(graph, options, error);
    json_object_put(options);
    return node;
}

char *block_path_beside(const char *image, const char *name)
{
    const char *slash = strrchr(image, '/');

    if (*name == '/' || !slash || has_protocol(name) || g_str_has_prefix(name, "file:")) /* "json:" is one as well */
        return g_strdup(name);
    return g_strdup_printf("%.*s%s", (int)(slash + 1 - image), image, name);
}
