/* api/json.c - JSON text in and out. */
#include "api/json.h"
#include "base/error.h"
#include <string.h>

static bool check_text(const char *text, size_t length, GError **error)
{
    if (memchr(text, 0, length))
        return error_set(error, "A JSON string contains a NUL character");
    return g_utf8_validate_len(text, length, NULL) || error_set(error, "A JSON string is not valid UTF-8");
}

bool api_json_check_strings(struct json_object *object, GError **error)
{
    switch (json_object_get_type(object)) {
    case json_type_string:
        return check_text(json_object_get_string(object), (size_t)json_object_get_string_len(object), error);
    case json_type_array:
        for (size_t i = 0; i < json_object_array_length(object); i++)
            if (!api_json_check_strings(json_object_array_get_idx(object, i), error))
                return false;
        return true;
    case json_type_object: {
        json_object_object_foreach(object, key, value) {
            if (!check_text(key, strlen(key), error))
                return false;
            if (!api_json_check_strings(value, error))
                return error_prefix(error, "%s", key);
        }
        return true;
    }
    default:
        return true;
    }
}

struct json_object *api_json_parse(const char *text, size_t size, GError **error)
{
    struct json_tokener *tokener;
    struct json_object *object;
    enum json_tokener_error status;
    size_t end;

    if (size > API_JSON_MAX_SIZE) {
        error_set(error, "JSON text of %zu bytes is too long", size);
        return NULL;
    }
    if (!g_utf8_validate_len(text, size, NULL)) {
        error_set(error, "JSON text is not valid UTF-8");
        return NULL;
    }
    tokener = json_tokener_new_ex(API_JSON_MAX_DEPTH);
    json_tokener_set_flags(tokener, JSON_TOKENER_VALIDATE_UTF8);
    object = json_tokener_parse_ex(tokener, text, (int)size);
    status = json_tokener_get_error(tokener);
    end = json_tokener_get_parse_end(tokener);
    json_tokener_free(tokener);
    while (end < size && g_ascii_isspace(text[end]))
        end++;
    if (status != json_tokener_success || !object || end != size)
        error_set(error, "JSON parse error at byte %zu: %s", end,
                  status == json_tokener_success    ? "unexpected text"
                  : status == json_tokener_continue ? "the text ends too early"
                                                    : json_tokener_error_desc(status));
    else if (api_json_check_strings(object, error))
        return object;
    json_object_put(object);
    return NULL;
}

struct json_object *api_json_from_text(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text ? text : "", -1);

    return json_object_new_string(valid);
}

char *api_json_print(struct json_object *object, bool pretty)
{
    int flags = JSON_C_TO_STRING_NOSLASHESCAPE;

    flags |= pretty ? JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED : JSON_C_TO_STRING_SPACED;
    return g_strdup(json_object_to_json_string_ext(object, flags));
}
