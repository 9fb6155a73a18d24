/* api/coerce.c - strings of key=value options become the types that the schema wants. */
#include "api/json.h"
#include "api/keyval.h"
#include "api/marshal.h"
#include "api/number.h"
#include "base/error.h"
#include <json-c/json.h>
#include <string.h>

static struct json_object *coerce_text(const struct api_type *type, struct json_object *json)
{
    const char *text = json_object_get_string(json);
    bool flag;
    u64 number;
    s64 signed_number;

    if (type->kind == API_BOOL && api_parse_bool("", text, &flag, NULL))
        return json_object_new_boolean(flag);
    if (type->kind == API_UINT && api_parse_size("", text, 1, &number, NULL))
        return json_object_new_uint64(number);
    if (type->kind == API_INT && api_parse_s64("", text, &signed_number, NULL))
        return json_object_new_int64(signed_number);
    if (type->kind == API_INT && api_parse_size("", text, 1, &number, NULL) && number <= INT64_MAX)
        return json_object_new_int64((s64)number);
    return json_object_get(json);
}

static const struct api_type *member_type(const struct api_type *type, const struct api_type *variant, const char *name)
{
    for (u32 i = 0; type && i < type->count; i++)
        if (!strcmp(type->members[i].name, name))
            return type->members[i].type;
    return variant ? member_type(variant, NULL, name) : NULL;
}

static const struct api_type *variant_of(const struct api_type *type, struct json_object *json)
{
    const struct api_member *tag = &type->members[type->tag];
    struct json_object *value;
    int index;

    if (!type->variants || !json_object_object_get_ex(json, tag->name, &value))
        return NULL;
    index = json_object_is_type(value, json_type_string) ? api_enum_find(tag->type, json_object_get_string(value)) : -1;
    return index < 0 ? NULL : type->variants[index];
}

static struct json_object *coerce_struct(const struct api_type *type, struct json_object *json)
{
    const struct api_type *variant = variant_of(type, json);
    struct json_object *out = json_object_new_object();

    json_object_object_foreach(json, key, value) {
        const struct api_type *member = member_type(type, variant, key);

        json_object_object_add(out, key, member ? api_coerce(member, value) : json_object_get(value));
    }
    return out;
}

static struct json_object *coerce_list(const struct api_type *type, struct json_object *json)
{
    struct json_object *out = json_object_new_array();

    for (size_t i = 0; i < json_object_array_length(json); i++)
        json_object_array_add(out, api_coerce(type->element, json_object_array_get_idx(json, i)));
    return out;
}

static struct json_object *coerce_alternate(const struct api_type *type, struct json_object *json)
{
    for (u32 i = 0; i < type->count; i++)
        if (type->members[i].type->kind == API_STRUCT && json_object_is_type(json, json_type_object))
            return api_coerce(type->members[i].type, json);
    return json_object_get(json);
}

struct json_object *api_coerce(const struct api_type *type, struct json_object *json)
{
    if (type->kind == API_STRUCT && json_object_is_type(json, json_type_object))
        return coerce_struct(type, json);
    if (type->kind == API_LIST && json_object_is_type(json, json_type_array))
        return coerce_list(type, json);
    if (type->kind == API_ALTERNATE)
        return coerce_alternate(type, json);
    return json_object_is_type(json, json_type_string) ? coerce_text(type, json) : json_object_get(json);
}

static unsigned depth_of(const char *key)
{
    unsigned depth = 1;

    for (; *key; key++)
        depth += *key == '.';
    return depth;
}

/* The object for a dotted key's parent, made on the way; NULL when a value stands there already. */
static struct json_object *descend(struct json_object *object, const char *key, const char **last)
{
    const char *dot;

    while ((dot = strchr(key, '.'))) {
        g_autofree char *part = g_strndup(key, (gsize)(dot - key));
        struct json_object *child;

        if (!json_object_object_get_ex(object, part, &child)) {
            child = json_object_new_object();
            json_object_object_add(object, part, child);
        }
        if (!json_object_is_type(child, json_type_object))
            return NULL;
        object = child;
        key = dot + 1;
    }
    *last = key;
    return object;
}

/* Objects whose keys are 0, 1, 2 ... are lists. Takes the object over. */
static struct json_object *fold_lists(struct json_object *json)
{
    struct json_object *out = json_object_new_object();
    int count = json_object_object_length(json);
    bool list = count > 0;

    json_object_object_foreach(json, key, value) {
        json_object_object_add(out, key, json_object_is_type(value, json_type_object) ? fold_lists(json_object_get(value)) : json_object_get(value));
    }
    json_object_put(json);
    for (int i = 0; i < count && list; i++) {
        char name[16];

        g_snprintf(name, sizeof(name), "%d", i);
        list = json_object_object_get_ex(out, name, NULL);
    }
    if (!list)
        return out;
    struct json_object *array = json_object_new_array();
    for (int i = 0; i < count; i++) {
        char name[16];

        g_snprintf(name, sizeof(name), "%d", i);
        json_object_array_add(array, json_object_get(json_object_object_get(out, name)));
    }
    json_object_put(out);
    return array;
}

struct json_object *api_keyval_nest(struct api_keyval *list, GError **error)
{
    struct json_object *out = json_object_new_object();

    for (unsigned i = 0; i < api_keyval_count(list); i++) {
        struct api_keyval_item *item = api_keyval_at(list, i);
        bool deep = depth_of(item->key) > API_JSON_MAX_DEPTH;
        const char *last;
        struct json_object *at = deep ? NULL : descend(out, item->key, &last);

        item->used = true;
        if (!at) {
            error_set(error, deep ? "parameter '%.80s...' is nested too deeply" : "parameter '%s' is both a value and a group", item->key);
            json_object_put(out);
            return NULL;
        }
        json_object_object_add(at, last, item->json ? json_object_get(item->json) : json_object_new_string(item->value));
    }
    return fold_lists(out);
}
