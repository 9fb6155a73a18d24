/* vm/object.c - instances and their tree. */
#include "vm/object.h"
#include "base/error.h"
#include "vm/internal.h"
#include "vm/machine.h"
#include <string.h>

struct vm_global {
    char *class_name, *property, *value;
    bool used;
};

VM_CLASS(object) { .name = "object", .abstract = true, .size = sizeof(struct vm_object), .description = "root of all classes" };
VM_CLASS(container) { .name = "container", .size = sizeof(struct vm_object), .description = "a node of the tree that only holds others" };

u32 vm_guest_of(const struct vm_object *object)
{
    return object->vm->guest;
}

static GPtrArray *ancestry(const struct vm_class *class, u32 guest)
{
    GPtrArray *chain = g_ptr_array_new();

    for (; class; class = class->parent ? vm_class_find(class->parent, guest) : NULL)
        g_ptr_array_add(chain, (gpointer)class);
    return chain;
}

static u32 instance_size(const GPtrArray *chain)
{
    u32 size = sizeof(struct vm_object);

    for (guint i = 0; i < chain->len; i++)
        size = MAX(size, ((const struct vm_class *)g_ptr_array_index(chain, i))->size);
    return size;
}

static void set_defaults(struct vm_object *object, const GPtrArray *chain)
{
    for (guint i = chain->len; i-- > 0;) {
        const struct vm_class *class = g_ptr_array_index(chain, i);

        for (const struct vm_property *p = class->properties; p && p->name; p++) {
            if (p->default_text && !vm_property_set(object, p, p->default_text, NULL))
                log_print(object->vm->log, LOG_UNIMP, "default of %s.%s is not valid", class->name, p->name);
        }
    }
}

static bool apply_globals(struct vm_object *object, GError **error)
{
    for (GSList *l = object->vm->globals; l; l = l->next) {
        struct vm_global *global = l->data;

        if (!vm_object_is_a(object, global->class_name))
            continue;
        global->used = true;
        if (!vm_object_set(object, global->property, global->value, error))
            return error_prefix(error, "-global %s.%s=%s", global->class_name, global->property, global->value);
    }
    return true;
}

static char *free_name(const struct vm_object *parent, const char *name)
{
    const char *star = strstr(name, "[*]");

    if (!star)
        return g_strdup(name);
    for (unsigned i = 0;; i++) {
        char *candidate = g_strdup_printf("%.*s[%u]", (int)(star - name), name, i);

        if (!vm_object_child(parent, candidate))
            return candidate;
        g_free(candidate);
    }
}

static struct vm_object *allocate(struct vm *vm, const struct vm_class *class, u32 size, struct vm_object *parent, char *name)
{
    struct vm_object *object = g_malloc0(size);

    object->class = class;
    object->vm = vm;
    object->parent = parent;
    object->name = name;
    object->children = g_ptr_array_new();
    if (parent)
        g_ptr_array_add(parent->children, object);
    return object;
}

struct vm_object *vm_object_create(struct vm *vm, const char *class_name, struct vm_object *parent, const char *name, GError **error)
{
    const struct vm_class *class = vm_class_find(class_name, vm->guest);

    if (!class || class->abstract) {
        const char *near = vm_class_nearest(class_name, "object", vm->guest);

        error_set(error, class ? "'%s' is abstract" : "there is no class '%s'", class_name);
        if (near && !class)
            error_hint(error, "did you mean '%s'?", near);
        return NULL;
    }
    if (vm_object_child(parent, name)) {
        error_set(error, "there is already an object '%s'", name);
        return NULL;
    }
    g_autoptr(GPtrArray) chain = ancestry(class, vm->guest);
    struct vm_object *object = allocate(vm, class, instance_size(chain), parent, free_name(parent, name));
    set_defaults(object, chain);
    for (guint i = chain->len; i-- > 0;) {
        const struct vm_class *c = g_ptr_array_index(chain, i);

        if (c->init)
            c->init(object);
    }
    if (vm->globals && !apply_globals(object, error)) {
        vm_object_destroy(object);
        return NULL;
    }
    return object;
}

bool vm_object_realize(struct vm_object *object, GError **error)
{
    g_autoptr(GPtrArray) chain = ancestry(object->class, object->vm->guest);

    if (object->realized)
        return true;
    for (guint i = chain->len; i-- > 0;) {
        const struct vm_class *class = g_ptr_array_index(chain, i);

        if (!class->realize || class->realize(object, error))
            continue;
        for (i++; i < chain->len; i++) {
            class = g_ptr_array_index(chain, i);
            if (class->unrealize)
                class->unrealize(object);
        }
        return false;
    }
    object->realized = true;
    return true;
}

static void free_strings(struct vm_object *object, const GPtrArray *chain)
{
    for (guint i = 0; i < chain->len; i++) {
        const struct vm_class *class = g_ptr_array_index(chain, i);

        for (const struct vm_property *p = class->properties; p && p->name; p++) {
            if (p->type == VM_PROPERTY_STRING && !p->get_text && !p->set_text)
                g_free(*(char **)((u8 *)object + p->offset));
        }
    }
}

void vm_object_destroy(struct vm_object *object)
{
    if (!object)
        return;
    g_autoptr(GPtrArray) chain = ancestry(object->class, object->vm->guest);
    while (object->children->len)
        vm_object_destroy(g_ptr_array_index(object->children, object->children->len - 1));
    for (guint i = 0; i < chain->len && object->realized; i++) {
        const struct vm_class *class = g_ptr_array_index(chain, i);

        if (class->unrealize)
            class->unrealize(object);
    }
    inbox_forget(object->vm, object, NULL);
    line_forget(object->vm, object);
    for (guint i = 0; i < chain->len; i++) {
        const struct vm_class *class = g_ptr_array_index(chain, i);

        if (class->finish)
            class->finish(object);
    }
    free_strings(object, chain);
    if (object->parent)
        g_ptr_array_remove(object->parent->children, object);
    g_ptr_array_unref(object->children);
    g_free(object->name);
    g_free(object);
}

bool vm_object_is_a(const struct vm_object *object, const char *class_name)
{
    return vm_class_is_a(object->class, class_name, object->vm->guest);
}

struct vm_object *vm_object_child(const struct vm_object *object, const char *name)
{
    for (guint i = 0; i < object->children->len; i++) {
        struct vm_object *child = g_ptr_array_index(object->children, i);

        if (!strcmp(child->name, name))
            return child;
    }
    return NULL;
}

char *vm_object_path(const struct vm_object *object)
{
    GString *path = g_string_new(NULL);

    for (; object->parent; object = object->parent) {
        g_string_prepend(path, object->name);
        g_string_prepend_c(path, '/');
    }
    if (!path->len)
        g_string_append_c(path, '/');
    return g_string_free(path, FALSE);
}

struct search {
    const char *name;
    struct vm_object *found;
    unsigned count;
};

static void search_one(struct vm_object *object, void *opaque)
{
    struct search *search = opaque;

    /* A bus below its device under the same name ("rp1") makes no ambiguity. */
    if (object->parent && !strcmp(object->name, search->name) && (!search->found || object->parent != search->found)) {
        search->found = object;
        search->count++;
    }
}

struct vm_object *vm_object_resolve(struct vm *vm, const char *path)
{
    if (*path != '/') {
        struct search search = { .name = path };

        vm_object_foreach(vm->root, search_one, &search);
        return search.count == 1 ? search.found : NULL;
    }
    g_auto(GStrv) parts = g_strsplit(path + 1, "/", -1);
    struct vm_object *object = vm->root;
    for (char **part = parts; *part && object; part++) {
        if (**part)
            object = vm_object_child(object, *part);
    }
    return object;
}

struct vm_object *vm_root(struct vm *vm)
{
    return vm->root;
}

struct vm_object *vm_machine(struct vm *vm)
{
    return vm_object_child(vm->root, "machine");
}

void vm_object_foreach(struct vm_object *object, void (*fn)(struct vm_object *object, void *opaque), void *opaque)
{
    fn(object, opaque);
    for (guint i = 0; i < object->children->len; i++)
        vm_object_foreach(g_ptr_array_index(object->children, i), fn, opaque);
}

void vm_global_add(struct vm *vm, const char *class_name, const char *property, const char *value)
{
    struct vm_global *global = g_new0(struct vm_global, 1);

    global->class_name = g_strdup(class_name);
    global->property = g_strdup(property);
    global->value = g_strdup(value);
    vm->globals = g_slist_append(vm->globals, global);
}

static void free_global(gpointer data)
{
    struct vm_global *global = data;

    g_free(global->class_name);
    g_free(global->property);
    g_free(global->value);
    g_free(global);
}

void vm_object_tree_init(struct vm *vm)
{
    vm->root = allocate(vm, &vm_class_container, sizeof(struct vm_object), NULL, g_strdup(""));
    allocate(vm, &vm_class_container, sizeof(struct vm_object), vm->root, g_strdup("objects"));
    allocate(vm, &vm_class_container, sizeof(struct vm_object), vm->root, g_strdup("chardevs"));
    vm->backends = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

void vm_object_tree_finish(struct vm *vm)
{
    vm_object_destroy(vm->root);
    g_slist_free_full(vm->globals, free_global);
    g_hash_table_unref(vm->backends);
}

void vm_set_backend(struct vm *vm, const char *kind, unsigned index, void *backend)
{
    g_hash_table_replace(vm->backends, g_strdup_printf("%s%u", kind, index), backend);
}

void *vm_backend(struct vm *vm, const char *kind, unsigned index)
{
    g_autofree char *key = g_strdup_printf("%s%u", kind, index);

    return g_hash_table_lookup(vm->backends, key);
}
