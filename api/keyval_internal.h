/* api/keyval_internal.h - what the files of api/ share about key=value lists. */
#ifndef API_KEYVAL_INTERNAL_H
#define API_KEYVAL_INTERNAL_H

#include "api/keyval.h"

struct api_keyval {
    GPtrArray *items; /* of struct api_keyval_item, owned */
};

/* Takes key and value over. */
struct api_keyval_item *api_keyval_append(struct api_keyval *list, char *key, char *value);

/* "no such WHAT: 'typed'" with the nearest of `names` as a hint. Returns false. */
bool api_error_unknown(const char *what, const char *typed, const char *const *names, GError **error);

#endif
