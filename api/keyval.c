/* api/keyval.c - key=value lists: storage and typed access. */
#include "api/keyval.h"
#include "api/keyval_internal.h"
#include "api/number.h"
#include "base/error.h"
#include <json-c/json.h>
#include <string.h>

static void item_free(void *data)
{
    struct api_keyval_item *item = data;

    g_free(item->key);
    g_free(item->value);
    json_object_put(item->json);
    g_free(item);
}

struct api_keyval *api_keyval_create(void)
{
    struct api_keyval *list = g_new0(struct api_keyval, 1);

    list->items = g_ptr_array_new_with_free_func(item_free);
    return list;
}

void api_keyval_destroy(struct api_keyval *list)
{
    if (!list)
        return;
    g_ptr_array_unref(list->items);
    g_free(list);
}

struct api_keyval_item *api_keyval_append(struct api_keyval *list, char *key, char *value)
{
    struct api_keyval_item *item = g_new0(struct api_keyval_item, 1);

    item->key = key;
    item->value = value;
    g_ptr_array_add(list->items, item);
    return item;
}

void api_keyval_set(struct api_keyval *list, const char *key, const char *value)
{
    api_keyval_append(list, g_strdup(key), g_strdup(value));
}

void api_keyval_merge(struct api_keyval *list, const struct api_keyval *from)
{
    for (unsigned i = 0; i < from->items->len; i++) {
        const struct api_keyval_item *old = from->items->pdata[i];
        struct api_keyval_item *item = api_keyval_append(list, g_strdup(old->key), g_strdup(old->value));

        item->json = json_object_get(old->json);
        item->bare = old->bare;
    }
}

unsigned api_keyval_count(const struct api_keyval *list)
{
    return list->items->len;
}

struct api_keyval_item *api_keyval_at(const struct api_keyval *list, unsigned index)
{
    return list->items->pdata[index];
}

struct api_keyval_item *api_keyval_find(const struct api_keyval *list, const char *key)
{
    for (unsigned i = list->items->len; i-- > 0;) {
        struct api_keyval_item *item = list->items->pdata[i];

        if (!strcmp(item->key, key))
            return item;
    }
    return NULL;
}

const char *api_keyval_get(struct api_keyval *list, const char *key)
{
    const char *value = NULL;

    for (unsigned i = 0; i < list->items->len; i++) {
        struct api_keyval_item *item = list->items->pdata[i];

        if (!strcmp(item->key, key)) {
            item->used = true;
            value = item->value;
        }
    }
    return value;
}

bool api_keyval_get_bool(struct api_keyval *list, const char *key, bool *out, GError **error)
{
    const char *value = api_keyval_get(list, key);

    return !value || api_parse_bool(key, value, out, error);
}

bool api_keyval_get_u64(struct api_keyval *list, const char *key, u64 *out, GError **error)
{
    const char *value = api_keyval_get(list, key);

    return !value || api_parse_u64(key, value, out, error);
}

bool api_keyval_get_s64(struct api_keyval *list, const char *key, s64 *out, GError **error)
{
    const char *value = api_keyval_get(list, key);

    return !value || api_parse_s64(key, value, out, error);
}

bool api_keyval_get_size(struct api_keyval *list, const char *key, u64 unit, u64 *out, GError **error)
{
    const char *value = api_keyval_get(list, key);

    return !value || api_parse_size(key, value, unit, out, error);
}

bool api_keyval_check_used(const struct api_keyval *list, const char *const *known, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    const struct api_keyval_item *stray = NULL;

    for (unsigned i = 0; i < list->items->len; i++) {
        const struct api_keyval_item *item = list->items->pdata[i];

        if (item->used)
            g_ptr_array_add(names, item->key);
        else if (!stray)
            stray = item;
    }
    if (!stray)
        return true;
    for (; known && *known; known++)
        g_ptr_array_add(names, (char *)*known);
    g_ptr_array_add(names, NULL);
    return api_error_unknown("parameter", stray->key, (const char *const *)names->pdata, error);
}

bool api_error_unknown(const char *what, const char *typed, const char *const *names, GError **error)
{
    const char *nearest = error_nearest_name(typed, names);

    error_set(error, "no such %s: '%s'", what, typed);
    return nearest ? error_hint(error, "did you mean '%s'?", nearest) : false;
}

bool api_keyval_wants_help(const struct api_keyval *list)
{
    for (unsigned i = 0; i < list->items->len; i++) {
        const struct api_keyval_item *item = list->items->pdata[i];
        const char *text = item->bare ? item->key : i == 0 ? item->value : "";

        if (!strcmp(text, "help") || !strcmp(text, "?"))
            return true;
    }
    return false;
}

GHashTable *api_keyval_table(struct api_keyval *list)
{
    GHashTable *table = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);

    for (unsigned i = 0; i < list->items->len; i++) {
        struct api_keyval_item *item = list->items->pdata[i];

        item->used = true;
        g_hash_table_replace(table, g_strdup(item->key), g_strdup(item->value));
    }
    return table;
}

char *api_keyval_print(const struct api_keyval *list)
{
    GString *out = g_string_new(NULL);

    for (unsigned i = 0; i < list->items->len; i++) {
        const struct api_keyval_item *item = list->items->pdata[i];

        g_string_append_printf(out, "%s%s=", i ? "," : "", item->key);
        for (const char *p = item->value; *p; p++)
            g_string_append(out, *p == ',' ? ",," : (char[]){ *p, 0 });
    }
    return g_string_free(out, FALSE);
}
