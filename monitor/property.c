/* monitor/property.c - property values between text and JSON. */
#include "monitor/property.h"
#include "api/json.h"
#include "api/number.h"
#include "base/error.h"
#include <json-c/json.h>

bool property_is_bool(const struct vm_property *property)
{
    return property->type == VM_PROPERTY_BOOL ||
           (property->type == VM_PROPERTY_CUSTOM && !g_strcmp0(property->class_name, "bool"));
}

bool property_is_struct(const struct vm_property *property)
{
    return property->type == VM_PROPERTY_CUSTOM && !g_strcmp0(property->class_name, "ThrottleLimits");
}

static struct json_object *bool_json(const struct vm_property *property, const char *text)
{
    bool flag = false;

    api_parse_bool(property->name, text ? text : "off", &flag, NULL);
    return json_object_new_boolean(flag);
}

struct json_object *property_json(const struct vm_property *property, const char *text)
{
    u64 number = 0;
    s64 sign = 0;

    switch (property->type) {
    case VM_PROPERTY_BOOL:
        return bool_json(property, text);
    case VM_PROPERTY_U8:
    case VM_PROPERTY_U16:
    case VM_PROPERTY_U32:
    case VM_PROPERTY_U64:
    case VM_PROPERTY_SIZE:
        api_parse_size(property->name, text ? text : "0", 1, &number, NULL);
        return json_object_new_uint64(number);
    case VM_PROPERTY_S64:
        api_parse_s64(property->name, text ? text : "0", &sign, NULL);
        return json_object_new_int64(sign);
    case VM_PROPERTY_STRING:
    case VM_PROPERTY_ENUM:
    case VM_PROPERTY_LINK:
        break;
    case VM_PROPERTY_CUSTOM:
        if (property_is_struct(property) && text)
            return json_tokener_parse(text);
        if (property_is_bool(property))
            return bool_json(property, text);
        if (!g_strcmp0(property->class_name, "int"))
            return json_object_new_int64(g_ascii_strtoll(text ? text : "0", NULL, 10));
        if (!g_strcmp0(property->class_name, "guest statistics") && text)
            return json_tokener_parse(text);
    }
    return api_json_from_text(text);
}

/* Numbers and names with commas between them, as the command line has lists; a list of objects stays as it is. */
static char *list_text(const char *name, struct json_object *list, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);

    if (json_object_array_length(list) && json_object_is_type(json_object_array_get_idx(list, 0), json_type_object))
        return g_strdup(json_object_to_json_string(list));
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        struct json_object *element = json_object_array_get_idx(list, i);

        if (!json_object_is_type(element, json_type_int) && !json_object_is_type(element, json_type_string)) {
            error_set(error, "Invalid parameter type for '%s', expected: a list of numbers or strings", name);
            return NULL;
        }
        g_string_append_printf(text, "%s%s", i ? "," : "", json_object_get_string(element));
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

char *property_text(const char *name, struct json_object *value, GError **error)
{
    switch (json_object_get_type(value)) {
    case json_type_boolean:
        return g_strdup(json_object_get_boolean(value) ? "on" : "off");
    case json_type_int:
    case json_type_double:
    case json_type_string:
        return g_strdup(json_object_get_string(value));
    case json_type_array:
        return list_text(name, value, error);
    default:
        error_set(error, "Invalid parameter type for '%s', expected: string, number or boolean", name);
        return NULL;
    }
}

static bool add_pair(GPtrArray *pairs, const char *group, const char *key, struct json_object *value, GError **error)
{
    char *text = property_text(key, value, error);

    if (!text)
        return false;
    g_ptr_array_add(pairs, g_strconcat(group, *group ? "." : "", key, NULL));
    g_ptr_array_add(pairs, text);
    return true;
}

static bool add_members(GPtrArray *pairs, const char *group, struct json_object *members, GError **error)
{
    json_object_object_foreach(members, key, value)
        if (!add_pair(pairs, group, key, value, error))
            return false;
    return true;
}

GPtrArray *property_pairs(struct json_object *arguments, const char *class_key, GError **error)
{
    g_autoptr(GPtrArray) pairs = g_ptr_array_new_with_free_func(g_free);

    json_object_object_foreach(arguments, key, value) {
        if (!strcmp(key, class_key) || !strcmp(key, "id"))
            continue;
        if (!(json_object_is_type(value, json_type_object) ? add_members(pairs, key, value, error) : add_pair(pairs, "", key, value, error)))
            return NULL;
    }
    g_ptr_array_add(pairs, NULL);
    return g_steal_pointer(&pairs);
}
