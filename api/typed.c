/* api/typed.c - key=value lists to JSON of the wanted type, which api/unmarshal.c then checks. */
#include "api/typed.h"
#include "api/number.h"
#include "base/error.h"
#include <json-c/json.h>
#include <string.h>

static bool make(struct api_keyval *list, const char *key, const struct api_type *type, struct json_object **out, GError **error);

static bool has_below(const struct api_keyval *list, const char *key)
{
    g_autofree char *prefix = g_strconcat(key, ".", NULL);

    for (unsigned i = 0; i < api_keyval_count(list); i++) {
        if (g_str_has_prefix(api_keyval_at(list, i)->key, prefix))
            return true;
    }
    return false;
}

static bool make_number(const char *key, const char *text, const struct api_type *type, struct json_object **out, GError **error)
{
    u64 number;
    s64 integer;

    if (type->kind == API_INT) {
        if (!api_parse_s64(key, text, &integer, error))
            return false;
        *out = json_object_new_int64(integer);
        return true;
    }
    if (!(type == &api_type_size ? api_parse_size(key, text, 1, &number, error) : api_parse_u64(key, text, &number, error)))
        return false;
    *out = json_object_new_uint64(number);
    return true;
}

static bool make_scalar(struct api_keyval_item *item, const struct api_type *type, struct json_object **out, GError **error)
{
    bool flag;

    item->used = true;
    if (item->json) {
        *out = json_object_get(item->json);
        return true;
    }
    if (type->kind == API_INT || type->kind == API_UINT)
        return make_number(item->key, item->value, type, out, error);
    if (type->kind != API_BOOL) {
        *out = json_object_new_string(item->value);
        return true;
    }
    if (!api_parse_bool(item->key, item->value, &flag, error))
        return false;
    *out = json_object_new_boolean(flag);
    return true;
}

/* A struct of one member that is a string, as lists of strings are spelled in QMP. */
static const char *only_string(const struct api_type *type)
{
    return type->kind == API_STRUCT && type->count == 1 && type->members[0].type == &api_type_str ? type->members[0].name : NULL;
}

static bool add_repeated(struct api_keyval_item *item, const struct api_type *element, struct json_object *array, GError **error)
{
    const char *name = only_string(element);
    struct json_object *value = NULL, *wrap;

    if (!make_scalar(item, name ? &api_type_str : element, &value, error))
        return false;
    if (name) {
        wrap = json_object_new_object();
        json_object_object_add(wrap, name, value);
        value = wrap;
    }
    json_object_array_add(array, value);
    return true;
}

static bool make_list(struct api_keyval *list, const char *key, const struct api_type *type, struct json_object **out, GError **error)
{
    struct json_object *array = json_object_new_array(), *value;
    bool ok = true;

    for (unsigned i = 0; i < api_keyval_count(list) && ok; i++) {
        if (!strcmp(api_keyval_at(list, i)->key, key))
            ok = add_repeated(api_keyval_at(list, i), type->element, array, error);
    }
    for (unsigned i = 0; ok; i++) {
        g_autofree char *path = g_strdup_printf("%s.%u", key, i);

        if (!api_keyval_find(list, path) && !has_below(list, path))
            break;
        value = NULL;
        ok = make(list, path, type->element, &value, error);
        if (ok)
            json_object_array_add(array, value);
    }
    if (ok && json_object_array_length(array))
        *out = array;
    else
        json_object_put(array);
    return ok;
}

static bool add_members(struct api_keyval *list, const char *key, const struct api_type *type, struct json_object *object, GError **error)
{
    for (u32 i = 0; i < type->count; i++) {
        const struct api_member *member = &type->members[i];
        g_autofree char *path = *key ? g_strconcat(key, ".", member->name, NULL) : g_strdup(member->name);
        struct json_object *value = NULL;

        if (!make(list, path, member->type, &value, error))
            return false;
        if (value)
            json_object_object_add(object, member->name, value);
    }
    return true;
}

static const struct api_type *variant_of(const struct api_type *type, struct json_object *object)
{
    struct json_object *tag;
    int value;

    if (!type->variants || !json_object_object_get_ex(object, type->members[type->tag].name, &tag))
        return NULL;
    value = api_enum_find(type->members[type->tag].type, json_object_get_string(tag));
    return value < 0 ? NULL : type->variants[value];
}

static bool make_struct(struct api_keyval *list, const char *key, const struct api_type *type, struct json_object **out, GError **error)
{
    struct json_object *object = json_object_new_object();
    const struct api_type *variant = NULL;
    bool ok = add_members(list, key, type, object, error);

    if (ok)
        variant = variant_of(type, object);
    if (ok && variant)
        ok = add_members(list, key, variant, object, error);
    if (ok)
        *out = object;
    else
        json_object_put(object);
    return ok;
}

/* *out stays NULL when the list says nothing about the key. */
static bool make(struct api_keyval *list, const char *key, const struct api_type *type, struct json_object **out, GError **error)
{
    struct api_keyval_item *item = api_keyval_find(list, key);

    if (type->kind == API_LIST)
        return make_list(list, key, type, out, error);
    if (type->kind == API_STRUCT)
        return *key && !has_below(list, key) ? true : make_struct(list, key, type, out, error);
    if (!item)
        return true;
    api_keyval_get(list, key); /* earlier ones of the same name are overridden, not unknown */
    return make_scalar(item, type, out, error);
}

static void collect_names(const struct api_type *type, GPtrArray *names)
{
    for (u32 i = 0; i < type->count; i++)
        g_ptr_array_add(names, (char *)type->members[i].name);
}

bool api_typed_from_keyval(struct api_keyval *list, const struct api_type *type, void *slot, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    struct json_object *json = NULL;

    for (unsigned i = 0; i < api_keyval_count(list); i++)
        api_keyval_at(list, i)->used = false;
    if (!make(list, "", type, &json, error))
        return false;
    const struct api_type *variant = variant_of(type, json);
    collect_names(type, names);
    if (variant)
        collect_names(variant, names);
    g_ptr_array_add(names, NULL);
    bool ok = api_keyval_check_used(list, (const char *const *)names->pdata, error) && api_from_json(type, "", json, slot, error);
    json_object_put(json);
    return ok;
}
