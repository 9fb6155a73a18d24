/*
 * api/number.h - numbers, sizes and booleans as users write them. `name` names the parameter in messages.
 * Any thread. All return false with *error set when the text is not of that kind; *out is then untouched.
 */
#ifndef API_NUMBER_H
#define API_NUMBER_H

#include "base/types.h"
#include <glib.h>

/* on/off, yes/no, true/false, y/n. */
bool api_parse_bool(const char *name, const char *text, bool *out, GError **error);

/* Decimal, 0x hexadecimal or 0 octal. */
bool api_parse_u64(const char *name, const char *text, u64 *out, GError **error);
bool api_parse_s64(const char *name, const char *text, s64 *out, GError **error);

/* A number, which may have a fraction, with B, K, M, G, T, P or E (either case); `unit` bytes without a letter. */
bool api_parse_size(const char *name, const char *text, u64 unit, u64 *out, GError **error);

#endif
