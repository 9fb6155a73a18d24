/* vm/user.h - objects that a user asks for by name: -object, object-add, -device. Machine lock. */
#ifndef VM_USER_H
#define VM_USER_H

#include "vm/object.h"

struct api_keyval;

struct vm_user_request {
    const char *ancestor;      /* "user-creatable", "device" */
    const char *type, *id;     /* id NULL: anonymous */
    struct vm_object *parent;  /* where it goes */
    const char *anonymous;     /* its name then, "object[*]" */
    const char *const *pairs;  /* key, value, ... NULL: properties in order */
};

/*
 * Creates, sets and realizes. On failure nothing is left and the error names the type, property or id that is wrong, with the
 * nearest valid one.
 */
struct vm_object *vm_user_create(struct vm *vm, const struct vm_user_request *request, GError **error);

/* The properties in a list of an option: all but its type and id, for request.pairs. The caller unrefs. */
GPtrArray *vm_user_pairs(struct api_keyval *list, const char *type_key);

/* object-del: an object below /objects that nobody uses. */
bool vm_user_delete(struct vm *vm, const char *id, GError **error);

/* Whether text may be an id: a letter, then letters, digits, '-', '.', '_'. */
bool vm_user_id_is_valid(const char *text);

#endif
