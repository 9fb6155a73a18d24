/*
 * api/marshal.h - values of the schema's types between C and JSON, driven by generated descriptors (api/types.h).
 *
 * A slot is where a value is stored: bool, s64, u64, double, enum, char *, struct json_object *, struct api_X *,
 * GPtrArray * (whose elements are slots of 8 bytes each). Absent optional members are NULL, or have has_NAME false.
 * Any thread.
 */
#ifndef API_MARSHAL_H
#define API_MARSHAL_H

#include "base/types.h"
#include <glib.h>

struct json_object;

enum api_kind {
    API_BOOL, API_INT, API_UINT, API_NUMBER, API_STR, API_ANY, API_ENUM, API_STRUCT, API_LIST,
    API_ALTERNATE, /* one of several types, told apart by the kind of JSON value; the slot holds the checked JSON */
};

struct api_type;

struct api_member {
    const char *name;
    const struct api_type *type;
    u32 offset;
    s32 has_offset; /* of the bool has_NAME; -1: there is none */
    bool optional;
};

struct api_type {
    const char *name;
    enum api_kind kind;
    u32 count;                  /* of values or members (ALTERNATE: of types) */
    u32 size;                   /* STRUCT: bytes */
    const char *const *values;  /* ENUM: ends with NULL */
    const struct api_member *members;
    const struct api_type *element; /* LIST */
    /* Unions: by value of the member with index `tag`; NULL: no further members. */
    const struct api_type *const *variants;
    u32 tag, variant_offset;
};

extern const struct api_type api_type_bool, api_type_int, api_type_u64, api_type_size, api_type_number, api_type_str,
    api_type_any, api_type_null;

/* The caller's. NULL stands for JSON null. */
struct json_object *api_to_json(const struct api_type *type, const void *slot);

/*
 * Fills a zeroed slot. Strict: missing, unknown and mistyped members are named, `name` being the value's own name ("" at
 * the top). On failure the slot is zero again.
 */
bool api_from_json(const struct api_type *type, const char *name, struct json_object *json, void *slot, GError **error);

/*
 * The same value with strings turned into what the type wants ("on" is true, "64K" is 65536), as for options written
 * key=value. What cannot be turned stays a string, for api_from_json to refuse. The caller's.
 */
struct json_object *api_coerce(const struct api_type *type, struct json_object *json);

/* Frees what the slot holds and zeroes it. */
void api_clear(const struct api_type *type, void *slot);

/* A zeroed struct, and its end. */
void *api_new(const struct api_type *type);
void api_free(const struct api_type *type, void *value);
/* An empty list that frees nothing by itself; api_clear on it does. */
GPtrArray *api_list_new(void);

/* The index of an enum's value, or -1. */
int api_enum_find(const struct api_type *type, const char *value);

/* Where generated event functions send; takes `data` (may be NULL) over. */
struct api_event_sink {
    void (*emit)(void *opaque, const char *name, struct json_object *data);
    void *opaque;
};

#endif
