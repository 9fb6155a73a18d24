/* block/throttle_object.c - objects of type throttle-group: limits with a name. */
#include "api/json.h"
#include "api/number.h"
#include "base/error.h"
#include "block/disk.h"
#include "block/throttle.h"
#include "vm/machine.h"
#include <json-c/json.h>
#include <string.h>

struct throttle_object {
    struct vm_object object;
    struct throttle_limits wanted; /* until it is realized */
    struct throttle_group *group;
};

/* X(name, field of struct throttle_limits, default, what it is) */
#define LIMITS(X)                                                                                                             \
    X("iops-total", requests[THROTTLE_TOTAL].average, "0", "requests per second; 0: any")                                     \
    X("iops-total-max", requests[THROTTLE_TOTAL].max, "0", "requests per second of a burst")                                  \
    X("iops-total-max-length", requests[THROTTLE_TOTAL].length, "1", "seconds that a burst may last")                         \
    X("iops-read", requests[THROTTLE_READ].average, "0", "reads per second; 0: any")                                          \
    X("iops-read-max", requests[THROTTLE_READ].max, "0", "reads per second of a burst")                                       \
    X("iops-read-max-length", requests[THROTTLE_READ].length, "1", "seconds that a burst may last")                           \
    X("iops-write", requests[THROTTLE_WRITE].average, "0", "writes per second; 0: any")                                       \
    X("iops-write-max", requests[THROTTLE_WRITE].max, "0", "writes per second of a burst")                                    \
    X("iops-write-max-length", requests[THROTTLE_WRITE].length, "1", "seconds that a burst may last")                         \
    X("bps-total", bytes[THROTTLE_TOTAL].average, "0", "bytes per second; 0: any")                                            \
    X("bps-total-max", bytes[THROTTLE_TOTAL].max, "0", "bytes per second of a burst")                                         \
    X("bps-total-max-length", bytes[THROTTLE_TOTAL].length, "1", "seconds that a burst may last")                             \
    X("bps-read", bytes[THROTTLE_READ].average, "0", "bytes read per second; 0: any")                                         \
    X("bps-read-max", bytes[THROTTLE_READ].max, "0", "bytes read per second of a burst")                                      \
    X("bps-read-max-length", bytes[THROTTLE_READ].length, "1", "seconds that a burst may last")                               \
    X("bps-write", bytes[THROTTLE_WRITE].average, "0", "bytes written per second; 0: any")                                    \
    X("bps-write-max", bytes[THROTTLE_WRITE].max, "0", "bytes written per second of a burst")                                 \
    X("bps-write-max-length", bytes[THROTTLE_WRITE].length, "1", "seconds that a burst may last")                             \
    X("iops-size", request_size, "0", "bytes from which a request counts as several; 0: never")

static const struct {
    const char *name;
    size_t offset;
} limit_fields[] = {
#define FIELD(name_, field_, default_, doc_) { name_, offsetof(struct throttle_limits, field_) },
    LIMITS(FIELD)
#undef FIELD
};

static struct throttle_object *self_of(struct vm_object *object)
{
    return container_of(object, struct throttle_object, object);
}

static s64 *field(struct throttle_limits *limits, unsigned i)
{
    return (s64 *)(void *)((u8 *)limits + limit_fields[i].offset);
}

static struct throttle_limits limits_of(struct throttle_object *self)
{
    return self->group ? throttle_group_limits(self->group) : self->wanted;
}

static char *get_limits(struct vm_object *object, const struct vm_property *property)
{
    struct throttle_limits limits = limits_of(self_of(object));
    struct json_object *json = json_object_new_object();
    char *text;

    for (unsigned i = 0; i < ARRAY_SIZE(limit_fields); i++)
        json_object_object_add(json, limit_fields[i].name, json_object_new_int64(*field(&limits, i)));
    text = g_strdup(json_object_to_json_string(json));
    json_object_put(json);
    return text;
}

bool throttle_limits_set(struct throttle_limits *limits, const char *name, s64 value)
{
    for (unsigned i = 0; i < ARRAY_SIZE(limit_fields); i++)
        if (strcmp(limit_fields[i].name, name) == 0) {
            *field(limits, i) = value;
            return true;
        }
    return false;
}

static bool set_one(struct throttle_limits *limits, const char *name, struct json_object *value, GError **error)
{
    if (!throttle_limits_set(limits, name, json_object_get_int64(value)))
        return error_set(error, "Parameter 'limits.%s' is unexpected", name);
    return json_object_is_type(value, json_type_int) || error_set(error, "Invalid parameter type for 'limits.%s', expected: integer", name);
}

static bool set_all(struct throttle_limits *limits, struct json_object *json, GError **error)
{
    if (!json_object_is_type(json, json_type_object))
        return error_set(error, "Invalid parameter type for 'limits', expected: object");
    json_object_object_foreach(json, name, value)
        if (!set_one(limits, name, value, error))
            return false;
    return throttle_limits_check(limits, error);
}

/* What is not named stays. */
static bool set_limits(struct vm_object *object, const struct vm_property *property, const char *text, GError **error)
{
    struct throttle_object *self = self_of(object);
    struct throttle_limits limits = limits_of(self);
    struct json_object *json = api_json_parse(text, strlen(text), error);
    bool ok = json && set_all(&limits, json, error);

    json_object_put(json);
    if (ok && self->group)
        throttle_group_set(self->group, &limits);
    else if (ok)
        self->wanted = limits;
    return ok;
}

static bool realize(struct vm_object *object, GError **error)
{
    struct throttle_object *self = self_of(object);
    struct disk_set *disks = vm_backend(object->vm, "disks", 0);

    if (!disks)
        return error_set(error, "this machine has no disks");
    if (throttle_group_find(disk_set_graph(disks), object->name))
        return error_set(error, "A group with this name already exists");
    if (!throttle_limits_check(&self->wanted, error))
        return false;
    self->group = throttle_group_get(disk_set_graph(disks), object->name);
    throttle_group_count_users(self->group, &object->users);
    throttle_group_set(self->group, &self->wanted);
    return true;
}

static void unrealize(struct vm_object *object)
{
    struct throttle_object *self = self_of(object);

    if (self->group)
        throttle_group_count_users(self->group, NULL);
    g_clear_pointer(&self->group, throttle_group_put);
}

#define ROW(name_, field_, default_, doc_) \
    { "x-" name_, VM_PROPERTY_S64, doc_, .offset = offsetof(struct throttle_object, wanted.field_), .default_text = default_ },
#define NESTED_ROW(name_, field_, default_, doc_) \
    { "limits." name_, VM_PROPERTY_S64, doc_, .offset = offsetof(struct throttle_object, wanted.field_), .default_text = default_ },

static const struct vm_property properties[] = {
    { "limits", VM_PROPERTY_CUSTOM, "all of them; may change at any time", .class_name = "ThrottleLimits", .live = true, .get_text = get_limits, .set_text = set_limits },
    LIMITS(ROW)
    LIMITS(NESTED_ROW)
    { 0 },
};

VM_CLASS(throttle_group) {
    .name = "throttle-group", .parent = "user-creatable", .description = "limits of what disks may do", .user_creatable = true,
    .size = sizeof(struct throttle_object), .properties = properties, .realize = realize, .unrealize = unrealize,
};
