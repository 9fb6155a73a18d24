/* vm/property.c - property values as text: parse, check, print. */
#include "api/number.h"
#include "base/error.h"
#include "vm/object.h"
#include <string.h>

static void *field(struct vm_object *object, const struct vm_property *property)
{
    return (u8 *)object + property->offset;
}

static void limits(const struct vm_property *property, u64 *min, u64 *max)
{
    unsigned bits = property->type == VM_PROPERTY_U8 ? 8 : property->type == VM_PROPERTY_U16 ? 16 :
                    property->type == VM_PROPERTY_U32 ? 32 : 64;

    *min = property->min;
    *max = property->max ? property->max : ~UINT64_C(0) >> (64 - bits);
}

static bool set_integer(void *to, const struct vm_property *property, const char *text, GError **error)
{
    u64 value, min, max;
    bool size = property->type == VM_PROPERTY_SIZE;

    limits(property, &min, &max);
    if (!(size ? api_parse_size(property->name, text, 1, &value, NULL) : api_parse_u64(property->name, text, &value, NULL))) {
        error_set(error, "property '%s' takes a %s, not '%s'", property->name, size ? "size" : "number", text);
        return size ? error_hint(error, "for instance 512M or 1.5G") : false;
    }
    if (value < min || value > max)
        return error_set(error, "property '%s' takes %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT ", not %s", property->name, min, max, text);
    switch (property->type) {
    case VM_PROPERTY_U8:
        *(u8 *)to = (u8)value;
        break;
    case VM_PROPERTY_U16:
        *(u16 *)to = (u16)value;
        break;
    case VM_PROPERTY_U32:
        *(u32 *)to = (u32)value;
        break;
    default:
        *(u64 *)to = value;
        break;
    }
    return true;
}

static bool set_signed(void *to, const struct vm_property *property, const char *text, GError **error)
{
    s64 value;

    if (!api_parse_s64(property->name, text, &value, NULL))
        return error_set(error, "property '%s' takes a number, not '%s'", property->name, text);
    if ((property->min || property->max) && (value < (s64)property->min || value > (s64)property->max))
        return error_set(error, "property '%s' takes %" G_GINT64_FORMAT " to %" G_GINT64_FORMAT ", not %s", property->name, (s64)property->min,
                         (s64)property->max, text);
    *(s64 *)to = value;
    return true;
}

static bool set_enum(void *to, const struct vm_property *property, const char *text, GError **error)
{
    for (u32 i = 0; property->names[i]; i++) {
        if (!strcmp(property->names[i], text)) {
            *(u32 *)to = i;
            return true;
        }
    }
    g_autofree char *all = g_strjoinv(", ", (char **)property->names);
    error_set(error, "property '%s' does not take '%s'", property->name, text);
    return error_hint(error, "it takes one of: %s", all);
}

/* What a user made stays while somebody refers to it; what a device made for itself goes with the device. */
static bool is_for_all(const struct vm_object *target)
{
    return !vm_object_is_a(target, "user-creatable") || target->parent == vm_object_child(vm_root(target->vm), "objects");
}

static bool set_link(struct vm_object *object, const struct vm_property *property, const char *text, GError **error)
{
    struct vm_object *target = *text ? vm_object_resolve(object->vm, text) : NULL;

    if (*text && !target)
        return error_set_class(error, ERROR_DEVICE_NOT_FOUND, "property '%s': there is no object '%s'", property->name, text);
    if (target && property->class_name && !vm_object_is_a(target, property->class_name))
        return error_set(error, "property '%s' takes a %s, '%s' is a %s", property->name, property->class_name, text, target->class->name);
    if (target && !is_for_all(target)) {
        g_autofree char *owner = vm_object_path(target->parent);

        return error_set(error, "property '%s': '%s' is for %s alone", property->name, text, owner);
    }
    *(struct vm_object **)field(object, property) = target;
    return true;
}

bool vm_property_set(struct vm_object *object, const struct vm_property *property, const char *text, GError **error)
{
    void *to = field(object, property);

    if (property->set_text)
        return property->set_text(object, property, text, error);
    switch (property->type) {
    case VM_PROPERTY_BOOL:
        if (api_parse_bool(property->name, text, to, NULL))
            return true;
        error_set(error, "property '%s' takes on or off, not '%s'", property->name, text);
        return false;
    case VM_PROPERTY_STRING:
        g_free(*(char **)to);
        *(char **)to = g_strdup(text);
        return true;
    case VM_PROPERTY_ENUM:
        return set_enum(to, property, text, error);
    case VM_PROPERTY_LINK:
        return set_link(object, property, text, error);
    case VM_PROPERTY_S64:
        return set_signed(to, property, text, error);
    case VM_PROPERTY_CUSTOM:
        return error_set(error, "property '%s' cannot be written", property->name);
    default:
        return set_integer(to, property, text, error);
    }
}

char *vm_property_get(struct vm_object *object, const struct vm_property *property)
{
    void *from = field(object, property);
    struct vm_object *target;

    if (property->get_text)
        return property->get_text(object, property);
    switch (property->type) {
    case VM_PROPERTY_BOOL:
        return g_strdup(*(bool *)from ? "on" : "off");
    case VM_PROPERTY_U8:
        return g_strdup_printf("%u", *(u8 *)from);
    case VM_PROPERTY_U16:
        return g_strdup_printf("%u", *(u16 *)from);
    case VM_PROPERTY_U32:
        return g_strdup_printf("%u", *(u32 *)from);
    case VM_PROPERTY_U64:
    case VM_PROPERTY_SIZE:
        return g_strdup_printf("%" G_GUINT64_FORMAT, *(u64 *)from);
    case VM_PROPERTY_S64:
        return g_strdup_printf("%" G_GINT64_FORMAT, *(s64 *)from);
    case VM_PROPERTY_STRING:
        return g_strdup(*(char **)from ? *(char **)from : "");
    case VM_PROPERTY_ENUM:
        return g_strdup(property->names[*(u32 *)from]);
    case VM_PROPERTY_LINK:
        target = *(struct vm_object **)from;
        return target ? vm_object_path(target) : g_strdup("");
    case VM_PROPERTY_CUSTOM:
        break;
    }
    return g_strdup("");
}

bool vm_object_set(struct vm_object *object, const char *name, const char *text, GError **error)
{
    u32 guest = object->vm ? vm_guest_of(object) : 0;
    const struct vm_property *property = vm_class_property(object->class, guest, name);

    if (!property) {
        g_autoptr(GPtrArray) all = vm_class_properties(object->class, guest);
        g_autoptr(GPtrArray) names = g_ptr_array_new();

        for (guint i = 0; i < all->len; i++)
            g_ptr_array_add(names, (gpointer)((const struct vm_property *)g_ptr_array_index(all, i))->name);
        g_ptr_array_add(names, NULL);
        const char *near = error_nearest_name(name, (const char *const *)names->pdata);
        error_set(error, "%s has no property '%s'", object->class->name, name);
        return near ? error_hint(error, "did you mean '%s'?", near) : false;
    }
    if (property->read_only)
        return error_set(error, "property '%s' of %s is read-only", name, object->class->name);
    if (object->realized && !property->live)
        return error_set(error, "property '%s' of %s cannot change once the object is in use", name, object->class->name);
    return vm_property_set(object, property, text, error);
}

char *vm_object_get(struct vm_object *object, const char *name, GError **error)
{
    const struct vm_property *property = vm_class_property(object->class, vm_guest_of(object), name);

    if (property)
        return vm_property_get(object, property);
    if (!strcmp(name, "type"))
        return g_strdup(object->class->name);
    error_set(error, "%s has no property '%s'", object->class->name, name);
    return NULL;
}

bool vm_object_set_u64(struct vm_object *object, const char *property, u64 value, GError **error)
{
    char text[24];

    g_snprintf(text, sizeof(text), "%" G_GUINT64_FORMAT, value);
    return vm_object_set(object, property, text, error);
}

bool vm_object_set_link(struct vm_object *object, const char *property, struct vm_object *target, GError **error)
{
    g_autofree char *path = target ? vm_object_path(target) : g_strdup("");

    return vm_object_set(object, property, path, error);
}
