/* monitor/qmp_object.c - commands about the object tree. */
#include "base/error.h"
#include "monitor/commands.h"
#include "monitor/internal.h"
#include "monitor/property.h"
#include "vm/user.h"
#include <json-c/json.h>
#include <string.h>

static struct vm_object *resolve(struct monitor *monitor, const char *path, GError **error)
{
    struct vm_object *object = vm_object_resolve(monitor->set->vm, path);

    if (!object)
        error_set_class(error, ERROR_DEVICE_NOT_FOUND, "Device '%s' not found", path);
    return object;
}

static struct api_object_property_info *new_info(GPtrArray *list, const char *name, const char *type)
{
    struct api_object_property_info *info = api_new(&api_type_object_property_info);

    info->name = g_strdup(name);
    info->type = g_strdup(type);
    g_ptr_array_add(list, info);
    return info;
}

static void add_property(GPtrArray *list, const struct vm_property *property, bool defaults)
{
    struct api_object_property_info *info = new_info(list, property->name, vm_property_type_name(property));

    info->description = g_strdup(property->description);
    if (defaults && property->default_text)
        info->default_value = property_json(property, property->default_text);
}

bool qmp_qom_list(struct monitor *monitor, const struct api_args_qom_list *args, GPtrArray **ret, GError **error)
{
    struct vm_object *object = resolve(monitor, args->path, error);
    g_autoptr(GPtrArray) properties = NULL;

    if (!object)
        return false;
    *ret = api_list_new();
    new_info(*ret, "type", "string");
    properties = vm_class_properties(object->class, vm_guest(monitor->set->vm));
    for (guint i = 0; i < properties->len; i++)
        add_property(*ret, properties->pdata[i], false);
    for (guint i = 0; i < object->children->len; i++) {
        const struct vm_object *child = object->children->pdata[i];
        g_autofree char *type = g_strdup_printf("child<%s>", child->class->name);

        new_info(*ret, child->name, type);
    }
    return true;
}

static struct json_object *get(struct vm_object *object, const char *name, GError **error)
{
    const struct vm_property *property = vm_class_property(object->class, vm_guest(object->vm), name);
    struct vm_object *child = vm_object_child(object, name);
    g_autofree char *text = NULL;

    if (!strcmp(name, "type") && !property)
        return json_object_new_string(object->class->name);
    if (child && !property) {
        text = vm_object_path(child);
        return json_object_new_string(text);
    }
    if (!property) {
        error_set(error, "Property '%s.%s' not found", object->class->name, name);
        return NULL;
    }
    text = vm_object_get(object, name, error);
    return text ? property_json(property, text) : NULL;
}

bool qmp_qom_get(struct monitor *monitor, const struct api_args_qom_get *args, struct json_object **ret, GError **error)
{
    struct vm_object *object = resolve(monitor, args->path, error);
    g_autoptr(GError) reason = NULL;

    if (!object)
        return false;
    *ret = get(object, args->property, &reason);
    if (!*ret && !reason) /* nothing set: text and link properties show "" */
        *ret = json_object_new_string("");
    if (!*ret)
        g_propagate_error(error, g_steal_pointer(&reason));
    return *ret != NULL;
}

bool qmp_qom_set(struct monitor *monitor, const struct api_args_qom_set *args, GError **error)
{
    struct vm_object *object = resolve(monitor, args->path, error);
    const struct vm_property *property = object ? vm_class_property(object->class, vm_guest(object->vm), args->property) : NULL;
    g_autofree char *text = NULL;

    if (property && property_is_struct(property))
        text = g_strdup(json_object_to_json_string(args->value));
    else if (object)
        text = property_text(args->property, args->value, error);
    return text && vm_object_set(object, args->property, text, error);
}

static void add_value(GPtrArray *list, struct vm_object *object, const char *name, const char *type)
{
    struct api_object_property_value *value = api_new(&api_type_object_property_value);

    value->name = g_strdup(name);
    value->type = g_strdup(type);
    value->value = get(object, name, NULL);
    g_ptr_array_add(list, value);
}

static struct api_object_properties_values *values_of(struct vm_object *object)
{
    struct api_object_properties_values *values = api_new(&api_type_object_properties_values);
    g_autoptr(GPtrArray) properties = vm_class_properties(object->class, vm_guest(object->vm));

    values->properties = api_list_new();
    add_value(values->properties, object, "type", "string");
    for (guint i = 0; i < properties->len; i++) {
        const struct vm_property *property = properties->pdata[i];

        add_value(values->properties, object, property->name, vm_property_type_name(property));
    }
    for (guint i = 0; i < object->children->len; i++) {
        const struct vm_object *child = object->children->pdata[i];
        g_autofree char *type = g_strdup_printf("child<%s>", child->class->name);

        add_value(values->properties, object, child->name, type);
    }
    return values;
}

bool qmp_qom_list_get(struct monitor *monitor, const struct api_args_qom_list_get *args, GPtrArray **ret, GError **error)
{
    *ret = api_list_new();
    for (guint i = 0; i < args->paths->len; i++) {
        struct vm_object *object = resolve(monitor, args->paths->pdata[i], error);

        if (!object)
            return false;
        g_ptr_array_add(*ret, values_of(object));
    }
    return true;
}

struct type_list {
    GPtrArray *list;
    const char *implements;
    bool abstract;
    u32 guest;
};

static void add_type(const struct vm_class *class, void *opaque)
{
    struct type_list *types = opaque;
    struct api_object_type_info *info;

    if (class->abstract && !types->abstract)
        return;
    if (types->implements && !vm_class_is_a(class, types->implements, types->guest))
        return;
    info = api_new(&api_type_object_type_info);
    info->name = g_strdup(class->name);
    info->has_abstract = info->abstract = class->abstract;
    if (strcmp(class->name, "object"))
        info->parent = g_strdup(class->parent ? class->parent : "object");
    g_ptr_array_add(types->list, info);
}

bool qmp_qom_list_types(struct monitor *monitor, const struct api_args_qom_list_types *args, GPtrArray **ret,
                        GError **error)
{
    struct type_list types = {
        .list = *ret = api_list_new(),
        .implements = args->implements,
        .abstract = args->has_abstract ? args->abstract : !args->implements,
        .guest = vm_guest(monitor->set->vm),
    };

    vm_class_foreach(types.guest, add_type, &types);
    return true;
}

static bool list_class(u32 guest, const struct vm_class *class, GPtrArray **ret)
{
    g_autoptr(GPtrArray) properties = vm_class_properties(class, guest);

    *ret = api_list_new();
    for (guint i = 0; i < properties->len; i++)
        add_property(*ret, properties->pdata[i], true);
    return true;
}

bool qmp_qom_list_properties(struct monitor *monitor, const struct api_args_qom_list_properties *args, GPtrArray **ret,
                             GError **error)
{
    u32 guest = vm_guest(monitor->set->vm);
    const struct vm_class *class = vm_class_find(args->typename, guest);

    if (!class)
        return error_set_class(error, ERROR_DEVICE_NOT_FOUND, "Class '%s' not found", args->typename);
    list_class(guest, class, ret);
    new_info(*ret, "type", "string");
    return true;
}

bool qmp_device_list_properties(struct monitor *monitor, const struct api_args_device_list_properties *args,
                                GPtrArray **ret, GError **error)
{
    u32 guest = vm_guest(monitor->set->vm);
    const struct vm_class *class = vm_class_find(args->typename, guest);

    if (!class)
        return error_set_class(error, ERROR_DEVICE_NOT_FOUND, "Device '%s' not found", args->typename);
    if (class->abstract || !vm_class_is_a(class, "device", guest))
        return error_set(error, "Parameter 'typename' expects a non-abstract device type");
    return list_class(guest, class, ret);
}

bool qmp_object_add(struct monitor *monitor, const struct api_object_options *args, GError **error)
{
    struct vm *vm = monitor->set->vm;
    struct json_object *json = api_to_json(&api_type_object_options, &args);
    g_autoptr(GPtrArray) pairs = property_pairs(json, "qom-type", error);
    struct vm_user_request request = {
        .ancestor = "user-creatable",
        .type = api_type_object_type.values[args->qom_type],
        .id = args->id,
        .parent = vm_object_child(vm_root(vm), "objects"),
        .pairs = pairs ? (const char *const *)pairs->pdata : NULL,
    };

    json_object_put(json);
    return pairs && vm_user_create(vm, &request, error);
}

bool qmp_object_del(struct monitor *monitor, const struct api_args_object_del *args, GError **error)
{
    return vm_user_delete(monitor->set->vm, args->id, error);
}
