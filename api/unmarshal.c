/* api/unmarshal.c - JSON to C values, strictly. */
#include "api/marshal.h"
#include "base/error.h"
#include <json-c/json.h>

static bool wrong_type(const char *name, const char *expected, GError **error)
{
    return error_set(error, "Invalid parameter type for '%s', expected: %s", name, expected);
}

static char *join(const char *parent, const char *name)
{
    return *parent ? g_strdup_printf("%s.%s", parent, name) : g_strdup(name);
}

static bool read_int(const char *name, struct json_object *json, s64 *out, GError **error)
{
    if (!json_object_is_type(json, json_type_int))
        return wrong_type(name, "integer", error);
    *out = json_object_get_int64(json);
    if (*out == INT64_MAX && json_object_get_uint64(json) > INT64_MAX)
        return error_set(error, "Parameter '%s' is out of range", name);
    return true;
}

static bool read_uint(const char *name, struct json_object *json, u64 *out, GError **error)
{
    if (!json_object_is_type(json, json_type_int))
        return wrong_type(name, "integer", error);
    if (json_object_get_int64(json) < 0)
        return error_set(error, "Parameter '%s' is out of range", name);
    *out = json_object_get_uint64(json);
    return true;
}

static bool read_enum(const struct api_type *type, const char *name, struct json_object *json, u32 *out, GError **error)
{
    const char *text, *nearest;
    int value;

    if (!json_object_is_type(json, json_type_string))
        return wrong_type(name, "string", error);
    text = json_object_get_string(json);
    value = api_enum_find(type, text);
    if (value >= 0) {
        *out = (u32)value;
        return true;
    }
    error_set(error, "Parameter '%s' does not accept value '%s'", name, text);
    nearest = error_nearest_name(text, type->values);
    return nearest ? error_hint(error, "did you mean '%s'?", nearest) : false;
}

static bool read_string(const char *name, struct json_object *json, char **out, GError **error)
{
    if (!json_object_is_type(json, json_type_string))
        return wrong_type(name, "string", error);
    *out = g_strdup(json_object_get_string(json));
    return true;
}

static bool read_list(const struct api_type *type, const char *name, struct json_object *json, GPtrArray **out,
                      GError **error)
{
    if (!json_object_is_type(json, json_type_array))
        return wrong_type(name, "array", error);
    *out = api_list_new();
    for (size_t i = 0; i < json_object_array_length(json); i++) {
        g_autofree char *path = g_strdup_printf("%s[%zu]", name, i);
        void *slot = NULL;

        if (!api_from_json(type->element, path, json_object_array_get_idx(json, i), &slot, error)) {
            api_clear(type, out);
            return false;
        }
        g_ptr_array_add(*out, slot);
    }
    return true;
}

static const struct api_member *find_member(const struct api_type *type, const char *name)
{
    for (u32 i = 0; i < type->count; i++)
        if (!strcmp(type->members[i].name, name))
            return &type->members[i];
    return NULL;
}

static bool read_members(const struct api_type *type, const char *name, struct json_object *json, void *value,
                         GError **error)
{
    for (u32 i = 0; i < type->count; i++) {
        const struct api_member *member = &type->members[i];
        g_autofree char *path = join(name, member->name);
        struct json_object *found;

        if (!json_object_object_get_ex(json, member->name, &found)) {
            if (!member->optional)
                return error_set(error, "Parameter '%s' is missing", path);
            continue;
        }
        if (!api_from_json(member->type, path, found, (char *)value + member->offset, error))
            return false;
        if (member->has_offset >= 0)
            *(bool *)((char *)value + member->has_offset) = true;
    }
    return true;
}

static bool unknown_member(const struct api_type *type, const struct api_type *variant, const char *name,
                           const char *typed, GError **error)
{
    g_autofree char *path = join(name, typed);
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    const char *nearest;

    for (u32 i = 0; type && i < type->count; i++)
        g_ptr_array_add(names, (char *)type->members[i].name);
    for (u32 i = 0; variant && i < variant->count; i++)
        g_ptr_array_add(names, (char *)variant->members[i].name);
    g_ptr_array_add(names, NULL);
    error_set(error, "Parameter '%s' is unexpected", path);
    nearest = error_nearest_name(typed, (const char *const *)names->pdata);
    return nearest ? error_hint(error, "did you mean '%s'?", nearest) : false;
}

static bool check_unknown(const struct api_type *type, const struct api_type *variant, const char *name,
                          struct json_object *json, GError **error)
{
    json_object_object_foreach(json, key, value) {
        (void)value;
        if (!find_member(type, key) && !(variant && find_member(variant, key)))
            return unknown_member(type, variant, name, key, error);
    }
    return true;
}

static bool fill_struct(const struct api_type *type, const char *name, struct json_object *json, void *value,
                        GError **error)
{
    const struct api_type *variant = NULL;

    if (!read_members(type, name, json, value, error))
        return false;
    if (type->variants)
        variant = type->variants[*(u32 *)((char *)value + type->members[type->tag].offset)];
    if (variant) {
        void *part = api_new(variant);

        *(void **)((char *)value + type->variant_offset) = part;
        if (!read_members(variant, name, json, part, error))
            return false;
    }
    return check_unknown(type, variant, name, json, error);
}

static bool read_struct(const struct api_type *type, const char *name, struct json_object *json, void **out,
                        GError **error)
{
    if (!json_object_is_type(json, json_type_object))
        return wrong_type(name, "object", error);
    *out = api_new(type);
    if (fill_struct(type, name, json, *out, error))
        return true;
    api_clear(type, out);
    return false;
}

static enum json_type json_type_of(const struct api_type *type)
{
    switch (type->kind) {
    case API_BOOL:
        return json_type_boolean;
    case API_INT:
    case API_UINT:
        return json_type_int;
    case API_NUMBER:
        return json_type_double;
    case API_STR:
    case API_ENUM:
        return json_type_string;
    case API_LIST:
        return json_type_array;
    case API_STRUCT:
        return json_type_object;
    default:
        return json_type_null;
    }
}

/* Checks the value as the type that its kind chooses; the JSON itself is kept. */
static bool read_alternate(const struct api_type *type, const char *name, struct json_object *json, struct json_object **out,
                           GError **error)
{
    for (u32 i = 0; i < type->count; i++) {
        const struct api_type *one = type->members[i].type;
        u64 slot = 0;

        if (json_type_of(one) != json_object_get_type(json))
            continue;
        if (!api_from_json(one, name, json, &slot, error))
            return false;
        api_clear(one, &slot);
        *out = json_object_get(json);
        return true;
    }
    return wrong_type(name, type->name, error);
}

bool api_from_json(const struct api_type *type, const char *name, struct json_object *json, void *slot, GError **error)
{
    switch (type->kind) {
    case API_BOOL:
        if (!json_object_is_type(json, json_type_boolean))
            return wrong_type(name, "boolean", error);
        *(bool *)slot = json_object_get_boolean(json);
        return true;
    case API_INT:
        return read_int(name, json, slot, error);
    case API_UINT:
        return read_uint(name, json, slot, error);
    case API_NUMBER:
        if (!json_object_is_type(json, json_type_int) && !json_object_is_type(json, json_type_double))
            return wrong_type(name, "number", error);
        *(double *)slot = json_object_get_double(json);
        return true;
    case API_STR:
        return read_string(name, json, slot, error);
    case API_ANY:
        *(struct json_object **)slot = json_object_get(json);
        return true;
    case API_ENUM:
        return read_enum(type, name, json, slot, error);
    case API_ALTERNATE:
        return read_alternate(type, name, json, slot, error);
    case API_LIST:
        return read_list(type, name, json, slot, error);
    case API_STRUCT:
        return read_struct(type, name, json, slot, error);
    }
    return false;
}
