/*
 * api/keyval.h - an ordered list of key=value pairs, as -device and friends take them; from text
 * (`a=b,c=d`, a comma in a value is written twice) or from a JSON object, whose nesting becomes
 * dotted keys (`{"a": {"b": 1}, "c": [2]}` is a.b=1,c.0=2). A key that occurs twice: the last one counts.
 * Not thread-safe. The list owns its strings; callers own the list.
 */
#ifndef API_KEYVAL_H
#define API_KEYVAL_H

#include "base/types.h"
#include <glib.h>

struct json_object;

enum api_key_type { API_KEY_STR, API_KEY_BOOL, API_KEY_INT, API_KEY_SIZE, API_KEY_MIB, API_KEY_ENUM };

/* A key that an option knows. Rows end with a NULL name. */
struct api_key {
    const char *name;
    enum api_key_type type;
    const char *const *values; /* ENUM, NULL-terminated */
    const char *help;
};

/* How a list reads. */
struct api_keys {
    const char *implied;        /* key of a first item without '=', or NULL */
    const struct api_key *keys; /* checked by api_keyval_parse; may be NULL */
    bool open;                  /* other keys are allowed */
    bool json;                  /* text that begins with '{' is JSON */
    bool plus_minus;            /* +x and -x are x=on and x=off */
};

struct api_keyval_item {
    char *key, *value;
    struct json_object *json; /* the typed value when the list came from JSON, else NULL */
    bool used;                /* somebody asked for this key */
    bool bare;                /* written without a value: `key`, `nokey`, `+key`, `-key` */
};

struct api_keyval;

/* A bare `key` is key=on; a bare `nokey` is key=off when the option knows `key` as a boolean. NULL with *error set on mistakes. */
struct api_keyval *api_keyval_parse(const char *text, const struct api_keys *keys, GError **error);
struct api_keyval *api_keyval_from_json(struct json_object *object, const struct api_keys *keys, GError **error);
struct api_keyval *api_keyval_create(void);
void api_keyval_destroy(struct api_keyval *list);
typedef struct api_keyval api_keyval;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(api_keyval, api_keyval_destroy)

void api_keyval_set(struct api_keyval *list, const char *key, const char *value);
/* Appends copies of all items of `from`. */
void api_keyval_merge(struct api_keyval *list, const struct api_keyval *from);

/* Items in the order written. */
unsigned api_keyval_count(const struct api_keyval *list);
struct api_keyval_item *api_keyval_at(const struct api_keyval *list, unsigned index);
struct api_keyval_item *api_keyval_find(const struct api_keyval *list, const char *key);

/* The value or NULL; marks the key as used. Owned by the list. */
const char *api_keyval_get(struct api_keyval *list, const char *key);

/* Typed: true and *out untouched when the key is absent, false with *error set when the value is no such thing. Mark as used. */
bool api_keyval_get_bool(struct api_keyval *list, const char *key, bool *out, GError **error);
bool api_keyval_get_u64(struct api_keyval *list, const char *key, u64 *out, GError **error);
bool api_keyval_get_s64(struct api_keyval *list, const char *key, s64 *out, GError **error);
bool api_keyval_get_size(struct api_keyval *list, const char *key, u64 unit, u64 *out, GError **error);

/* Fails at the first key that nobody asked for, naming the nearest of those that were asked for and of `known` (may be NULL). */
bool api_keyval_check_used(const struct api_keyval *list, const char *const *known, GError **error);

/* Whether `help` or `?` stands where a value or key should. */
bool api_keyval_wants_help(const struct api_keyval *list);

/* All pairs as a hash table of strings, which the caller unrefs; marks them as used. */
GHashTable *api_keyval_table(struct api_keyval *list);

/*
 * The list as nested JSON (a.b=1 is {"a": {"b": "1"}}, a.0 and a.1 make a list); values are strings unless they came from
 * JSON (api_coerce gives them types). Marks all as used. The caller's; NULL with *error set when a key is both value and group, or
 * has more than API_JSON_MAX_DEPTH parts.
 */
struct json_object *api_keyval_nest(struct api_keyval *list, GError **error);

/* The list as text, commas doubled. The caller frees. */
char *api_keyval_print(const struct api_keyval *list);

#endif
