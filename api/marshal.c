/* api/marshal.c - C values to JSON; their life. */
#include "api/marshal.h"
#include "api/json.h"
#include <json-c/json.h>
#include <string.h>

const struct api_type api_type_bool = { .name = "bool", .kind = API_BOOL };
const struct api_type api_type_int = { .name = "int", .kind = API_INT };
const struct api_type api_type_u64 = { .name = "u64", .kind = API_UINT };
const struct api_type api_type_size = { .name = "size", .kind = API_UINT };
const struct api_type api_type_number = { .name = "number", .kind = API_NUMBER };
const struct api_type api_type_str = { .name = "str", .kind = API_STR };
const struct api_type api_type_any = { .name = "any", .kind = API_ANY };
const struct api_type api_type_null = { .name = "null", .kind = API_ANY };

void *api_new(const struct api_type *type)
{
    return g_malloc0(type->size);
}

GPtrArray *api_list_new(void)
{
    return g_ptr_array_new();
}

void api_free(const struct api_type *type, void *value)
{
    api_clear(type, &value);
}

int api_enum_find(const struct api_type *type, const char *value)
{
    for (u32 i = 0; i < type->count; i++)
        if (!strcmp(type->values[i], value))
            return (int)i;
    return -1;
}

static const void *field(const void *value, u32 offset)
{
    return (const char *)value + offset;
}

static bool is_pointer(const struct api_type *type)
{
    return type->kind == API_STR || type->kind == API_ANY || type->kind == API_ALTERNATE || type->kind == API_STRUCT || type->kind == API_LIST;
}

static bool is_present(const void *value, const struct api_member *member)
{
    if (!member->optional)
        return true;
    if (member->has_offset >= 0)
        return *(const bool *)field(value, (u32)member->has_offset);
    return *(void *const *)field(value, member->offset) != NULL;
}

static u32 tag_of(const struct api_type *type, const void *value)
{
    return *(const u32 *)field(value, type->members[type->tag].offset);
}

static const struct api_type *variant_of(const struct api_type *type, const void *value)
{
    u32 tag;

    if (!type->variants)
        return NULL;
    tag = tag_of(type, value);
    return tag < type->members[type->tag].type->count ? type->variants[tag] : NULL;
}

static void add_members(struct json_object *object, const struct api_type *type, const void *value)
{
    const struct api_type *variant;

    if (!value)
        return;
    for (u32 i = 0; i < type->count; i++) {
        const struct api_member *member = &type->members[i];

        if (is_present(value, member))
            json_object_object_add(object, member->name, api_to_json(member->type, field(value, member->offset)));
    }
    variant = variant_of(type, value);
    if (variant)
        add_members(object, variant, *(void *const *)field(value, type->variant_offset));
}

static struct json_object *list_to_json(const struct api_type *type, const GPtrArray *list)
{
    struct json_object *array = json_object_new_array();

    for (guint i = 0; list && i < list->len; i++)
        json_object_array_add(array, api_to_json(type->element, &list->pdata[i]));
    return array;
}

struct json_object *api_to_json(const struct api_type *type, const void *slot)
{
    struct json_object *object;
    u32 value;

    switch (type->kind) {
    case API_BOOL:
        return json_object_new_boolean(*(const bool *)slot);
    case API_INT:
        return json_object_new_int64(*(const s64 *)slot);
    case API_UINT:
        return json_object_new_uint64(*(const u64 *)slot);
    case API_NUMBER:
        return json_object_new_double(*(const double *)slot);
    case API_STR:
        return api_json_from_text(*(char *const *)slot);
    case API_ANY:
    case API_ALTERNATE:
        return json_object_get(*(struct json_object *const *)slot);
    case API_ENUM:
        value = *(const u32 *)slot;
        return json_object_new_string(value < type->count ? type->values[value] : "");
    case API_LIST:
        return list_to_json(type, *(GPtrArray *const *)slot);
    case API_STRUCT:
        object = json_object_new_object();
        add_members(object, type, *(void *const *)slot);
        return object;
    }
    return NULL;
}

static void clear_struct(const struct api_type *type, void *value)
{
    const struct api_type *variant;

    if (!value)
        return;
    variant = variant_of(type, value);
    if (variant)
        api_clear(variant, (char *)value + type->variant_offset);
    for (u32 i = 0; i < type->count; i++)
        api_clear(type->members[i].type, (char *)value + type->members[i].offset);
    g_free(value);
}

static void clear_list(const struct api_type *type, GPtrArray *list)
{
    if (!list)
        return;
    for (guint i = 0; i < list->len; i++)
        if (is_pointer(type->element))
            api_clear(type->element, &list->pdata[i]);
    g_ptr_array_unref(list);
}

void api_clear(const struct api_type *type, void *slot)
{
    void **pointer = slot;

    if (!is_pointer(type))
        return;
    if (type->kind == API_STR)
        g_free(*pointer);
    else if (type->kind == API_ANY || type->kind == API_ALTERNATE)
        json_object_put(*pointer);
    else if (type->kind == API_LIST)
        clear_list(type, *pointer);
    else
        clear_struct(type, *pointer);
    *pointer = NULL;
}
