/* api/option_help.c - what the option table says about itself: -help and query-command-line-options. */
#include "api/options.h"
#include "base/error.h"
#include <json-c/json.h>
#include <string.h>

enum { HELP_COLUMN = 28 };

static void help_row(GString *out, const struct api_option *option)
{
    g_autoptr(GString) left = g_string_new(NULL);

    g_string_append_printf(left, "  -%s", option->name);
    if (option->alias)
        g_string_append_printf(left, ", -%s", option->alias);
    g_string_append_printf(left, " %s", option->syntax);
    if (left->len < HELP_COLUMN - 1)
        g_string_append_printf(out, "%-*s%s\n", HELP_COLUMN, left->str, option->help);
    else
        g_string_append_printf(out, "%s\n%*s%s\n", left->str, HELP_COLUMN, "", option->help);
}

static void help_group(GString *out, unsigned group, const char *program)
{
    g_string_append_printf(out, "\n%s:\n", api_option_groups[group].name);
    for (unsigned i = 0; i < API_OPTION_COUNT; i++)
        if (api_options[i].group == group)
            help_row(out, &api_options[i]);
    if (*api_option_groups[group].example)
        g_string_append_printf(out, "  Example: %s %s\n", program, api_option_groups[group].example);
}

char *api_option_help(const char *program)
{
    GString *out = g_string_new(NULL);

    g_string_append_printf(out,
                           "usage: %s [OPTION...]\n"
                           "\n"
                           "Mynah runs a whole computer as a program. Options are spelled as in QEMU 11.1.\n",
                           program);
    for (unsigned group = 0; group < api_option_group_count; group++)
        if (api_option_groups[group].name)
            help_group(out, group, program);
    g_string_append(out, "\nOne or two dashes are the same. @FILE stands for the arguments in that file.\n"
                         "Most arguments explain themselves: -M help, -cpu help, -device help, -device NAME,help, -d help.\n");
    return g_string_free(out, FALSE);
}

static struct json_object *describe_key(const struct api_key *key)
{
    static const char *const types[] = { "string", "boolean", "number", "size", "size", "string" };
    struct json_object *object = json_object_new_object();

    json_object_object_add(object, "help", json_object_new_string(key->help));
    json_object_object_add(object, "name", json_object_new_string(key->name));
    json_object_object_add(object, "type", json_object_new_string(types[key->type]));
    return object;
}

static struct json_object *describe_option(const struct api_option *option)
{
    struct json_object *object = json_object_new_object(), *keys = json_object_new_array();

    json_object_object_add(object, "option", json_object_new_string(option->config));
    for (const struct api_key *key = option->keys.keys; key && key->name; key++)
        json_object_array_add(keys, describe_key(key));
    json_object_object_add(object, "parameters", keys);
    return object;
}

struct json_object *api_option_describe(const char *name, GError **error)
{
    struct json_object *array = json_object_new_array();

    for (unsigned i = 0; i < API_OPTION_COUNT; i++) {
        const struct api_option *option = &api_options[i];
        bool list = option->form == API_FORM_KEYVAL || option->form == API_FORM_GLOBAL;

        if (list && !option->hidden && (!name || !strcmp(option->config, name)))
            json_object_array_add(array, describe_option(option));
    }
    if (!name || json_object_array_length(array))
        return array;
    json_object_put(array);
    error_set(error, "invalid option name: %s", name);
    return NULL;
}
