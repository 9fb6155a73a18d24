/* tools/object.c - --object of the tools: secrets and groups of limits. Secrets are checked and nobody asks for them yet: no format needs one. */
#include "tools/object.h"
#include "api/keyval.h"
#include "api/typed.h"
#include "api/types.h"
#include "base/error.h"
#include "block/throttle.h"
#include <json-c/json.h>
#include <stdio.h>
#include <string.h>

struct tool_objects {
    GHashTable *names;
    GPtrArray *groups; /* of struct throttle_group, a reference each */
};

struct kind {
    enum api_object_type type;
    const struct api_type *properties;
    bool (*make)(struct tool_objects *objects, struct block_graph *graph, const struct api_object_options *options, GError **error);
};

static bool make_secret(struct tool_objects *objects, struct block_graph *graph, const struct api_object_options *options, GError **error)
{
    const struct api_secret_properties *secret = options->u.secret;
    g_autoptr(GError) reason = NULL;
    g_autofree char *text = NULL;

    if (secret->data && secret->file)
        return error_set(error, "'file' and 'data' are mutually exclusive");
    if (!secret->data && !secret->file)
        return error_set(error, "Either 'file' or 'data' must be provided");
    if (secret->file && !g_file_get_contents(secret->file, &text, NULL, &reason))
        return error_set(error, "Unable to read %s: %s", secret->file, reason->message);
    return true;
}

/* The members of the group's properties are called like limits, with an x-; `limits` has them as they are. */
static void add_limits(struct throttle_limits *limits, struct json_object *json)
{
    json_object_object_foreach(json, name, value) {
        if (json_object_is_type(value, json_type_object))
            add_limits(limits, value);
        else if (json_object_is_type(value, json_type_int))
            throttle_limits_set(limits, g_str_has_prefix(name, "x-") ? name + 2 : name, json_object_get_int64(value));
    }
}

static bool make_throttle_group(struct tool_objects *objects, struct block_graph *graph, const struct api_object_options *options, GError **error)
{
    struct throttle_limits limits = throttle_limits_none();
    struct json_object *json = api_to_json(&api_type_object_options, &options);
    struct throttle_group *group;

    add_limits(&limits, json);
    json_object_put(json);
    if (!throttle_limits_check(&limits, error))
        return false;
    group = throttle_group_get(graph, options->id);
    throttle_group_set(group, &limits);
    g_ptr_array_add(objects->groups, group);
    return true;
}

static const struct kind kinds[] = {
    { API_OBJECT_TYPE_SECRET, &api_type_secret_properties, make_secret },
    { API_OBJECT_TYPE_THROTTLE_GROUP, &api_type_throttle_group_properties, make_throttle_group },
};

static const struct kind *find_kind(const char *name)
{
    for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++)
        if (!g_strcmp0(api_type_object_type.values[kinds[i].type], name))
            return &kinds[i];
    return NULL;
}

static void print_help(const struct kind *kind)
{
    if (!kind) {
        printf("List of user creatable objects:\n");
        for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++)
            printf("  %s\n", api_type_object_type.values[kinds[i].type]);
        return;
    }
    printf("%s options:\n", api_type_object_type.values[kind->type]);
    for (u32 i = 0; i < kind->properties->count; i++)
        printf("  %s=<%s>\n", kind->properties->members[i].name, kind->properties->members[i].type->name);
}

static struct tool_objects *create(void)
{
    struct tool_objects *objects = g_new0(struct tool_objects, 1);

    objects->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    objects->groups = g_ptr_array_new_with_free_func((GDestroyNotify)throttle_group_put);
    return objects;
}

static bool add(struct tool_objects *objects, struct block_graph *graph, const struct api_object_options *options, GError **error)
{
    const char *type = api_type_object_type.values[options->qom_type];
    const struct kind *kind = find_kind(type);

    if (!kind)
        return error_set(error, "invalid object type: %s", type);
    if (g_hash_table_contains(objects->names, options->id))
        return error_set(error, "attempt to add duplicate property '%s' to object (type 'container')", options->id);
    if (!kind->make(objects, graph, options, error))
        return false;
    g_hash_table_add(objects->names, g_strdup(options->id));
    return true;
}

bool tool_object_add(struct tool_objects **objects, struct block_graph *graph, const char *text, bool *helped, GError **error)
{
    static const struct api_keys keys = { .implied = "qom-type", .open = true, .json = true };
    g_autoptr(api_keyval) list = api_keyval_parse(text, &keys, error);
    struct api_object_options *options = NULL;
    bool ok;

    if (!list)
        return false;
    *helped = api_keyval_wants_help(list);
    if (*helped) {
        print_help(find_kind(api_keyval_get(list, "qom-type")));
        return true;
    }
    if (!*objects)
        *objects = create();
    ok = api_typed_from_keyval(list, &api_type_object_options, &options, error) && add(*objects, graph, options, error);
    api_clear(&api_type_object_options, &options);
    return ok;
}

void tool_objects_destroy(struct tool_objects *objects)
{
    if (!objects)
        return;
    g_hash_table_unref(objects->names);
    g_ptr_array_unref(objects->groups);
    g_free(objects);
}
