/* api/option_internal.h - what the files that read options share. Private to api/. */
#ifndef API_OPTION_INTERNAL_H
#define API_OPTION_INTERNAL_H

#include "api/options.h"

/* As if it had been typed; `spelling` is how messages call it. False with *error set. */
bool api_option_add(struct api_option_list *list, const struct api_option *option, const char *spelling, const char *text, GError **error);
/* option_config.c: the options of a file as -readconfig takes it. */
bool api_option_read_config(struct api_option_list *list, const char *path, GError **error);

#endif
