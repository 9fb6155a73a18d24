/* vm/class.c - the registry of classes: a linker section of pointers to constant data. */
#include "base/error.h"
#include "vm/object.h"
#include <string.h>

extern const struct vm_class *const __start_mynah_classes[] __attribute__((weak));
extern const struct vm_class *const __stop_mynah_classes[] __attribute__((weak));

static bool fits(const struct vm_class *class, u32 guest)
{
    return !class->guests || !guest || (class->guests & guest);
}

const struct vm_class *vm_class_find(const char *name, u32 guest)
{
    for (const struct vm_class *const *p = __start_mynah_classes; p < __stop_mynah_classes; p++) {
        if (*p && fits(*p, guest) && !strcmp((*p)->name, name))
            return *p;
    }
    return NULL;
}

static gint by_name(gconstpointer a, gconstpointer b)
{
    return strcmp((*(const struct vm_class *const *)a)->name, (*(const struct vm_class *const *)b)->name);
}

void vm_class_foreach(u32 guest, void (*fn)(const struct vm_class *class, void *opaque), void *opaque)
{
    g_autoptr(GPtrArray) sorted = g_ptr_array_new();

    for (const struct vm_class *const *p = __start_mynah_classes; p < __stop_mynah_classes; p++) {
        if (*p && fits(*p, guest))
            g_ptr_array_add(sorted, (gpointer)*p);
    }
    g_ptr_array_sort(sorted, by_name);
    for (guint i = 0; i < sorted->len; i++)
        fn(g_ptr_array_index(sorted, i), opaque);
}

static const struct vm_class *parent_of(const struct vm_class *class, u32 guest)
{
    return class->parent ? vm_class_find(class->parent, guest) : NULL;
}

bool vm_class_is_a(const struct vm_class *class, const char *ancestor, u32 guest)
{
    for (; class; class = parent_of(class, guest)) {
        if (!strcmp(class->name, ancestor))
            return true;
    }
    return !strcmp(ancestor, "object");
}

struct nearest {
    const char *ancestor;
    u32 guest;
    GPtrArray *names;
};

static void collect(const struct vm_class *class, void *opaque)
{
    struct nearest *nearest = opaque;

    if (!class->abstract && vm_class_is_a(class, nearest->ancestor, nearest->guest))
        g_ptr_array_add(nearest->names, (gpointer)class->name);
}

const char *vm_class_nearest(const char *typed, const char *ancestor, u32 guest)
{
    struct nearest nearest = { ancestor, guest, g_ptr_array_new() };

    vm_class_foreach(guest, collect, &nearest);
    g_ptr_array_add(nearest.names, NULL);
    const char *name = error_nearest_name(typed, (const char *const *)nearest.names->pdata);
    g_ptr_array_unref(nearest.names);
    return name;
}

GPtrArray *vm_class_properties(const struct vm_class *class, u32 guest)
{
    GPtrArray *list = g_ptr_array_new();

    for (; class; class = parent_of(class, guest)) {
        for (const struct vm_property *p = class->properties; p && p->name; p++)
            g_ptr_array_add(list, (gpointer)p);
    }
    return list;
}

const struct vm_property *vm_class_property(const struct vm_class *class, u32 guest, const char *name)
{
    for (; class; class = parent_of(class, guest)) {
        for (const struct vm_property *p = class->properties; p && p->name; p++) {
            if (!strcmp(p->name, name))
                return p;
        }
    }
    return NULL;
}

const char *vm_property_type_name(const struct vm_property *property)
{
    switch (property->type) {
    case VM_PROPERTY_BOOL:
        return "bool";
    case VM_PROPERTY_U8:
        return "uint8";
    case VM_PROPERTY_U16:
        return "uint16";
    case VM_PROPERTY_U32:
        return "uint32";
    case VM_PROPERTY_U64:
        return "uint64";
    case VM_PROPERTY_S64:
        return "int64";
    case VM_PROPERTY_SIZE:
        return "size";
    case VM_PROPERTY_STRING:
    case VM_PROPERTY_ENUM:
    case VM_PROPERTY_LINK:
    case VM_PROPERTY_CUSTOM:
        return property->class_name ? property->class_name : "str";
    }
    return "str";
}
