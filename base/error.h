/*
 * base/error.h - errors are GErrors; a hint is a second line for the human, kept inside the message
 * behind a newline so that QMP shows the first line and the command line both.
 * Any thread.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "base/types.h"
#include <glib.h>

/* Classes as QMP names them (QMP specification, "Error"). */
enum error_class {
    ERROR_GENERIC,
    ERROR_COMMAND_NOT_FOUND,
    ERROR_DEVICE_NOT_ACTIVE,
    ERROR_DEVICE_NOT_FOUND,
};

GQuark error_quark(void);

/* Sets *error (if wanted) to a message of one line, without a full stop. Returns false, so that callers can `return error_set(...)`. */
bool error_set(GError **error, const char *format, ...) PRINTF_LIKE(2, 3);
bool error_set_class(GError **error, enum error_class error_class, const char *format, ...) PRINTF_LIKE(3, 4);

/* Puts "what: " before the message that *error already has. Returns false. */
bool error_prefix(GError **error, const char *format, ...) PRINTF_LIKE(2, 3);

/* Appends a hint line to the message that *error already has. Returns false. */
bool error_hint(GError **error, const char *format, ...) PRINTF_LIKE(2, 3);

/* The class of an error of any domain; ERROR_GENERIC for foreign ones. */
enum error_class error_class_of(const GError *error);

/* Copies of the message's first line, and of its hint lines or NULL. The caller frees. */
char *error_headline(const GError *error);
char *error_hint_of(const GError *error);

/*
 * The name in a NULL-terminated list nearest to what was typed (edit distance), or NULL when none is near.
 * Points into `names`.
 */
const char *error_nearest_name(const char *typed, const char *const *names);

#endif
