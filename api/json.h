/*
 * api/json.h - JSON text to json-c objects and back, with the limits that untrusted input needs.
 * Any thread. Objects have one reference, which the caller drops with json_object_put().
 */
#ifndef API_JSON_H
#define API_JSON_H

#include "base/types.h"
#include <glib.h>
#include <json-c/json.h>

enum {
    API_JSON_MAX_DEPTH = 64,
    API_JSON_MAX_SIZE = 64 << 20, /* bytes of one message */
};

/* One whole JSON value and nothing else; NULL with *error set otherwise. A JSON null is refused as well. */
struct json_object *api_json_parse(const char *text, size_t size, GError **error);

/*
 * False with *error set: a string in it, at any depth, holds a NUL (\u0000), where C would end it unnoticed, or is not UTF-8.
 * api_json_parse() refuses such.
 */
bool api_json_check_strings(struct json_object *object, GError **error);

/* A string; what is not UTF-8 (names of files may be anything) becomes U+FFFD. NULL: empty. */
struct json_object *api_json_from_text(const char *text);

/* Compact, or laid out for people. Every line ends inside the text; no newline at the end. The caller frees. */
char *api_json_print(struct json_object *object, bool pretty);

#endif
