/* vm/user.c - creating and deleting objects that a user asked for. */
#include "vm/user.h"
#include "api/keyval.h"
#include "base/error.h"
#include <json-c/json.h>
#include <string.h>

bool vm_user_id_is_valid(const char *text)
{
    if (!g_ascii_isalpha(*text))
        return false;
    for (text++; *text; text++) {
        if (!g_ascii_isalnum(*text) && !strchr("-._", *text))
            return false;
    }
    return true;
}

static bool check_id(const struct vm_user_request *request, GError **error)
{
    if (!request->id)
        return true;
    if (!vm_user_id_is_valid(request->id)) {
        error_set(error, "id '%s' is not valid", request->id);
        return error_hint(error, "an id begins with a letter; letters, digits, '-', '.' and '_' follow");
    }
    if (vm_object_child(request->parent, request->id))
        return error_set(error, "there is already an object with id '%s'", request->id);
    return true;
}

static bool check_type(struct vm *vm, const struct vm_user_request *request, GError **error)
{
    u32 guest = vm_guest_of(vm_root(vm));
    const struct vm_class *class = vm_class_find(request->type, guest);

    if (class && class->user_creatable && !class->abstract && vm_class_is_a(class, request->ancestor, guest))
        return true;
    const char *near = vm_class_nearest(request->type, request->ancestor, guest);
    error_set(error, "there is no %s '%s'", request->ancestor, request->type);
    return near ? error_hint(error, "did you mean '%s'?", near) : false;
}

static bool is_index(const char *text, size_t length)
{
    return length && strspn(text, "0123456789") >= length;
}

/* a.0.b: the length of a, which is a list of objects; 0: it is none. */
static size_t object_list(const char *key)
{
    const char *dot = strchr(key, '.'), *next = dot ? strchr(dot + 1, '.') : NULL;

    return next && is_index(dot + 1, (size_t)(next - dot - 1)) ? (size_t)(dot - key) : 0;
}

/* Lists of objects, by name: JSON text that goes in once, at the first element. */
struct object_lists {
    struct json_object *all; /* everything that was written, nested */
    GHashTable *done;
};

static void add_object_list(GPtrArray *pairs, struct object_lists *lists, struct api_keyval *list, const char *key, size_t length)
{
    char *name = g_strndup(key, length);
    struct json_object *value;

    if (!lists->done) {
        lists->all = api_keyval_nest(list, NULL);
        lists->done = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    }
    if (!g_hash_table_add(lists->done, name)) /* which keeps one of the two */
        return;
    g_ptr_array_add(pairs, g_strdup(name));
    g_ptr_array_add(pairs, g_strdup(lists->all && json_object_object_get_ex(lists->all, name, &value) ? json_object_to_json_string(value) : ""));
}

/* An element of a list goes to those that stand there. The first, number 0, may be written anew. */
static void add_element(GPtrArray *pairs, const char *key, size_t length, const char *value)
{
    g_autofree char *name = g_strndup(key, length);

    for (guint i = strcmp(key + length, ".0") ? pairs->len : 0; i; i -= 2) {
        if (strcmp(pairs->pdata[i - 2], name))
            continue;
        char *before = pairs->pdata[i - 1];

        pairs->pdata[i - 1] = g_strconcat(before, ",", value, NULL);
        g_free(before);
        return;
    }
    g_ptr_array_add(pairs, g_steal_pointer(&name));
    g_ptr_array_add(pairs, g_strdup(value));
}

/* What was written for the object itself: key, value, ... A list (a.0, a.1) becomes one value with commas. */
GPtrArray *vm_user_pairs(struct api_keyval *list, const char *type_key)
{
    GPtrArray *pairs = g_ptr_array_new_with_free_func(g_free);
    struct object_lists lists = { 0 };

    for (unsigned i = 0; i < api_keyval_count(list); i++) {
        const struct api_keyval_item *item = api_keyval_at(list, i);
        const char *dot = strrchr(item->key, '.');
        bool element = dot && is_index(dot + 1, strlen(dot + 1));

        if (!strcmp(item->key, type_key) || !strcmp(item->key, "id"))
            continue;
        if (object_list(item->key)) {
            add_object_list(pairs, &lists, list, item->key, object_list(item->key));
            continue;
        }
        if (element) {
            add_element(pairs, item->key, (size_t)(dot - item->key), item->value);
            continue;
        }
        g_ptr_array_add(pairs, g_strdup(item->key));
        g_ptr_array_add(pairs, g_strdup(item->value));
    }
    g_ptr_array_add(pairs, NULL);
    json_object_put(lists.all);
    g_clear_pointer(&lists.done, g_hash_table_unref);
    return pairs;
}

/* QEMU's short names: virtio-net is virtio-net-pci. NULL: the name is not short. The caller frees. */
static char *long_name(struct vm *vm, const struct vm_user_request *request)
{
    u32 guest = vm_guest_of(vm_root(vm));
    g_autofree char *name = g_strconcat(request->type, "-pci", NULL);
    const struct vm_class *class = vm_class_find(name, guest);

    if (!g_str_has_prefix(name, "virtio-") || vm_class_find(request->type, guest) || !class || !vm_class_is_a(class, request->ancestor, guest))
        return NULL;
    return g_steal_pointer(&name);
}

struct vm_object *vm_user_create(struct vm *vm, const struct vm_user_request *asked, GError **error)
{
    g_autofree char *name = long_name(vm, asked);
    struct vm_user_request named = *asked;
    const struct vm_user_request *request = &named;

    named.type = name ? name : asked->type;
    if (!check_type(vm, request, error) || !check_id(request, error))
        return NULL;
    struct vm_object *object = vm_object_create(vm, request->type, request->parent,
                                                request->id ? request->id : request->anonymous, error);
    if (!object)
        return NULL;
    bool ok = true;
    for (const char *const *pair = request->pairs; ok && pair && *pair; pair += 2)
        ok = vm_object_set(object, pair[0], pair[1], error);
    if (ok && vm_object_realize(object, error))
        return object;
    vm_object_destroy(object);
    return NULL;
}

bool vm_user_delete(struct vm *vm, const char *id, GError **error)
{
    struct vm_object *object = vm_object_child(vm_object_child(vm_root(vm), "objects"), id);

    if (!object)
        return error_set(error, "object '%s' not found", id);
    if (object->users)
        return error_set(error, "object '%s' is in use, can not be deleted", id);
    vm_object_destroy(object);
    return true;
}

VM_CLASS(user_creatable) { .name = "user-creatable", .abstract = true, .size = sizeof(struct vm_object), .description = "what -object can make" };
