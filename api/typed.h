/*
 * api/typed.h - key=value lists as values of the schema's types: `-netdev user,id=n,hostfwd=tcp::1-:2` becomes the struct that
 * netdev_add gets. Any thread.
 */
#ifndef API_TYPED_H
#define API_TYPED_H

#include "api/keyval.h"
#include "api/marshal.h"

/*
 * Fills a zeroed slot of a struct or union type. Members of members are spelled a.b; a list is a.0, a.1 or, also where its
 * elements are structs of one string, the key repeated. Keys that the type does not have are refused. On failure the slot is zero.
 */
bool api_typed_from_keyval(struct api_keyval *list, const struct api_type *type, void *slot, GError **error);

#endif
