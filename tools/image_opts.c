/* tools/image_opts.c - images described by options instead of named: --image-opts. */
#include "tools/image_opts.h"
#include "api/keyval.h"
#include "api/types.h"
#include <json-c/json.h>

static struct json_object *options_of_text(const char *text, GError **error)
{
    static const struct api_keys keys = { .open = true, .json = true };
    g_autoptr(api_keyval) list = api_keyval_parse(text, &keys, error);
    struct json_object *nested, *out, *file;

    if (!list || !(nested = api_keyval_nest(list, error)))
        return NULL;
    /* file.filename=x alone means a file; no driver at all: probed. */
    if (json_object_object_get_ex(nested, "file", &file) && json_object_is_type(file, json_type_object) &&
        !json_object_object_get_ex(file, "driver", NULL))
        json_object_object_add(file, "driver", json_object_new_string("file"));
    if (!json_object_object_get_ex(nested, "driver", NULL))
        json_object_object_add(nested, "driver", NULL);
    out = api_coerce(&api_type_blockdev_options, nested);
    json_object_put(nested);
    return out;
}

static void add_flag(struct json_object *options, const char *name, bool value)
{
    if (!json_object_object_get_ex(options, name, NULL))
        json_object_object_add(options, name, json_object_new_boolean(value));
}

struct json_object *tool_image_options(const char *text, unsigned flags, GError **error)
{
    struct json_object *options = options_of_text(text, error);

    if (!options)
        return NULL;
    add_flag(options, "read-only", !(flags & BLOCK_OPEN_WRITE));
    if (flags & BLOCK_OPEN_FORCE_SHARE)
        add_flag(options, "force-share", true);
    return options;
}

struct block_node *tool_open_options(struct block_graph *graph, const char *text, unsigned flags, GError **error)
{
    struct json_object *options = tool_image_options(text, flags, error);
    struct block_node *node = NULL;

    if (!options)
        return NULL;
    if (block_options_complete(graph, options, error))
        node = block_open(graph, options, error);
    json_object_put(options);
    return node;
}
