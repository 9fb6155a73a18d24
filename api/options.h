/*
 * api/options.h - the command line: argv to a list of options in the order typed, checked against
 * the schema. One or two dashes, `@file` argument files. Main thread; nothing here exits or prints.
 */
#ifndef API_OPTIONS_H
#define API_OPTIONS_H

#include "api/keyval.h"
#include "api/option-table.h"

enum api_form { API_FORM_FLAG, API_FORM_STRING, API_FORM_KEYVAL, API_FORM_GLOBAL };

/* A row of the schema. */
struct api_option {
    enum api_option_id id;
    const char *name, *alias; /* alias may be NULL */
    enum api_form form;
    unsigned group; /* index in api_option_groups */
    const char *syntax, *help, *doc, *example;
    const char *config; /* name in query-command-line-options */
    struct api_keys keys;
    const char *const *values; /* STRING: the only ones taken so far, NULL-terminated; NULL: any */
    bool hidden; /* from query-command-line-options */
};

/* A heading of -help. */
struct api_option_group {
    const char *name; /* NULL: it has no options */
    const char *example;
};

extern const struct api_option api_options[]; /* API_OPTION_COUNT rows, indexed by id */
extern const struct api_option_group api_option_groups[];
extern const unsigned api_option_group_count;
extern const char *const api_options_missing[]; /* QEMU has them; ends with NULL */

/* An option as typed. All pointers are owned by the list. */
struct api_option_use {
    const struct api_option *option;
    enum api_option_id id;     /* same as option->id, for switch */
    char *spelling;            /* with dashes, as typed: "-M" */
    char *text;                /* what followed, unchanged; NULL for flags */
    struct api_keyval *keyval; /* API_FORM_KEYVAL and API_FORM_GLOBAL (driver, property, value), else NULL */
};

struct api_option_list;

/* NULL with *error set at the first mistake; the message names the option. argv[0] is skipped. */
struct api_option_list *api_option_parse(int argc, char *const *argv, GError **error);
void api_option_list_destroy(struct api_option_list *list);
typedef struct api_option_list api_option_list;
G_DEFINE_AUTOPTR_CLEANUP_FUNC(api_option_list, api_option_list_destroy)

unsigned api_option_count(const struct api_option_list *list);
struct api_option_use *api_option_at(const struct api_option_list *list, unsigned index);
/* The last use, or NULL. */
struct api_option_use *api_option_last(const struct api_option_list *list, enum api_option_id id);
/* All uses merged in the order typed into one new list (the caller's), empty if the option was not given. */
struct api_keyval *api_option_merged(const struct api_option_list *list, enum api_option_id id);

/* Puts "-smp cpus=x: " before the message of *error. Returns false. */
bool api_option_prefix(const struct api_option_use *use, GError **error);

/* The text of -help. The caller frees. */
char *api_option_help(const char *program);

/* What query-command-line-options answers: an array of {option, parameters}. `name` picks one or is NULL. The caller's. */
struct json_object *api_option_describe(const char *name, GError **error);

#endif
