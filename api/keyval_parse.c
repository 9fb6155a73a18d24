/* api/keyval_parse.c - key=value lists from text and from JSON. */
#include "api/keyval.h"
#include "api/json.h"
#include "api/keyval_internal.h"
#include "api/number.h"
#include "base/error.h"
#include <json-c/json.h>
#include <string.h>

enum { MAX_DEPTH = 16, MAX_COUNT = 10000 };

static const struct api_key *find_key(const struct api_keys *keys, const char *name)
{
    for (const struct api_key *key = keys->keys; key && key->name; key++)
        if (!strcmp(key->name, name))
            return key;
    return NULL;
}

static bool is_help(const char *text)
{
    return !strcmp(text, "help") || !strcmp(text, "?");
}

static bool check_enum(const struct api_key *key, const char *value, GError **error)
{
    const char *nearest = error_nearest_name(value, key->values);
    g_autofree char *all = NULL;

    if (g_strv_contains(key->values, value))
        return true;
    all = g_strjoinv(", ", (char **)key->values);
    error_set(error, "parameter '%s' does not take '%s'", key->name, value);
    return nearest ? error_hint(error, "did you mean '%s'? %s is one of: %s", nearest, key->name, all)
                   : error_hint(error, "%s is one of: %s", key->name, all);
}

static bool check_value(const struct api_key *key, const char *value, GError **error)
{
    bool flag;
    u64 size;
    s64 number;

    switch (key->type) {
    case API_KEY_BOOL:
        return api_parse_bool(key->name, value, &flag, error);
    case API_KEY_INT:
        return api_parse_s64(key->name, value, &number, error);
    case API_KEY_SIZE:
        return api_parse_size(key->name, value, 1, &size, error);
    case API_KEY_MIB:
        return api_parse_size(key->name, value, MIB, &size, error);
    case API_KEY_ENUM:
        return check_enum(key, value, error);
    case API_KEY_STR:
        break;
    }
    return true;
}

static bool unknown_key(const struct api_keys *keys, const char *name, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    for (const struct api_key *key = keys->keys; key && key->name; key++)
        g_ptr_array_add(names, (char *)key->name);
    g_ptr_array_add(names, NULL);
    return api_error_unknown("parameter", name, (const char *const *)names->pdata, error);
}

/* Known keys have values of their type; unknown ones only where the list is open. Who looks for keys may take time for each pair of them. */
static bool check(const struct api_keyval *list, const struct api_keys *keys, GError **error)
{
    if (list->items->len > MAX_COUNT)
        return error_set(error, "there are %u parameters, more than %d", list->items->len, MAX_COUNT);
    if (api_keyval_wants_help(list))
        return true;
    for (unsigned i = 0; i < list->items->len; i++) {
        const struct api_keyval_item *item = list->items->pdata[i];
        const struct api_key *key = find_key(keys, item->key);

        if (key ? !check_value(key, item->value, error) : !keys->open && !unknown_key(keys, item->key, error))
            return false;
    }
    return true;
}

/* Up to the next single comma; doubled ones become one. Moves *text behind it. */
static char *next_part(const char **text)
{
    GString *part = g_string_new(NULL);
    const char *p = *text;

    for (; *p; p++) {
        if (*p == ',' && *++p != ',')
            break;
        g_string_append_c(part, *p);
    }
    *text = p;
    return g_string_free(part, FALSE);
}

static void add_bare(struct api_keyval *list, const char *part, const struct api_keys *keys)
{
    bool sign = keys->plus_minus && (part[0] == '+' || part[0] == '-');
    bool on = !sign || part[0] == '+';
    const char *name = part + sign;

    if (!sign && !find_key(keys, name) && g_str_has_prefix(name, "no")) {
        const struct api_key *key = find_key(keys, name + 2);

        if (key && key->type == API_KEY_BOOL) {
            name += 2;
            on = false;
        }
    }
    api_keyval_append(list, g_strdup(name), g_strdup(on ? "on" : "off"))->bare = true;
}

static bool add_part(struct api_keyval *list, const char *part, const struct api_keys *keys, bool first,
                     GError **error)
{
    const char *equals = strchr(part, '=');

    if (first && keys->implied && (!equals || keys->plus_minus)) {
        /* "?" and "help" are asked of the implied key; wants_help looks at the first value. */
        api_keyval_append(list, g_strdup(keys->implied), g_strdup(part));
        return true;
    }
    if (equals == part)
        return error_set(error, "a name is missing before '%s'", part);
    if (equals)
        api_keyval_append(list, g_strndup(part, equals - part), g_strdup(equals + 1));
    else if (is_help(part))
        api_keyval_append(list, g_strdup(part), g_strdup("on"))->bare = true;
    else
        add_bare(list, part, keys);
    return true;
}

static struct api_keyval *parse_text(const char *text, const struct api_keys *keys, GError **error)
{
    g_autoptr(api_keyval) list = api_keyval_create();

    for (bool first = true; *text; first = false) {
        g_autofree char *part = next_part(&text);

        if (!*part && (first || *text))
            error_set(error, "a parameter is missing before a comma");
        else if (!*part || add_part(list, part, keys, first, error))
            continue;
        return NULL;
    }
    if (!check(list, keys, error))
        return NULL;
    return g_steal_pointer(&list);
}

static bool add_json(struct api_keyval *list, const char *key, struct json_object *value, unsigned depth,
                     GError **error)
{
    enum json_type type = json_object_get_type(value);

    if (depth > MAX_DEPTH)
        return error_set(error, "parameter '%s' is nested too deeply", key);
    if (type == json_type_object) {
        json_object_object_foreach(value, name, member) {
            g_autofree char *path = *key ? g_strdup_printf("%s.%s", key, name) : g_strdup(name);

            if (!add_json(list, path, member, depth + 1, error))
                return false;
        }
    } else if (type == json_type_array) {
        for (size_t i = 0; i < json_object_array_length(value); i++) {
            g_autofree char *path = g_strdup_printf("%s.%zu", key, i);

            if (!add_json(list, path, json_object_array_get_idx(value, i), depth + 1, error))
                return false;
        }
    } else {
        const char *text = type == json_type_boolean ? json_object_get_boolean(value) ? "on" : "off"
                           : type == json_type_null  ? ""
                                                     : json_object_get_string(value);

        api_keyval_append(list, g_strdup(key), g_strdup(text))->json = json_object_get(value);
    }
    return true;
}

struct api_keyval *api_keyval_from_json(struct json_object *object, const struct api_keys *keys, GError **error)
{
    g_autoptr(api_keyval) list = api_keyval_create();

    if (!add_json(list, "", object, 0, error) || !check(list, keys, error))
        return NULL;
    return g_steal_pointer(&list);
}

struct api_keyval *api_keyval_parse(const char *text, const struct api_keys *keys, GError **error)
{
    struct api_keyval *list = NULL;
    struct json_object *object;

    if (text[0] != '{' || !keys->json)
        return parse_text(text, keys, error);
    object = api_json_parse(text, strlen(text), error);
    if (object && json_object_is_type(object, json_type_object))
        list = api_keyval_from_json(object, keys, error);
    json_object_put(object);
    return list;
}
