/*
 * api/option_config.c - -readconfig: options from a file of groups, `[device "id"]` and lines `key = "value"` below it, as QEMU reads them.
 * A group is one use of the option that query-command-line-options calls so.
 */
#include "api/option_internal.h"
#include "base/error.h"
#include <string.h>

struct group {
    const struct api_option *option; /* NULL: none has begun */
    char *spelling;                  /* for messages: where it stands, and its name */
    GString *text;                   /* as it would be written on the command line */
};

static bool can_be_group(const struct api_option *option)
{
    return option->form == API_FORM_KEYVAL || option->form == API_FORM_GLOBAL;
}

static const struct api_option *find_group(const char *name, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    const char *near;

    for (unsigned i = 0; i < API_OPTION_COUNT; i++) {
        if (!can_be_group(&api_options[i]))
            continue;
        if (!strcmp(api_options[i].config, name))
            return &api_options[i];
        g_ptr_array_add(names, (char *)api_options[i].config);
    }
    g_ptr_array_add(names, NULL);
    error_set(error, "There is no option group '%s'", name);
    near = error_nearest_name(name, (const char *const *)names->pdata);
    if (near)
        error_hint(error, "did you mean [%s]?", near);
    return NULL;
}

static bool is_identifier(const char *id)
{
    return g_ascii_isalpha(*id) && !id[strspn(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._")];
}

/* Commas are written twice. */
static void add_item(struct group *group, const char *key, const char *value)
{
    g_string_append_printf(group->text, "%s%s=", group->text->len ? "," : "", key);
    for (; *value; value++)
        g_string_append_printf(group->text, "%c%s", *value, *value == ',' ? "," : "");
}

static bool end_group(struct group *group, struct api_option_list *list, GError **error)
{
    bool ok = !group->option || api_option_add(list, group->option, group->spelling, group->text->str, error);

    g_clear_pointer(&group->spelling, g_free);
    g_string_truncate(group->text, 0);
    group->option = NULL;
    return ok;
}

/* What stands in quotation marks, and that nothing but blanks is behind. NULL: it is not like that. */
static char *quoted(char *text)
{
    char *end = *text == '"' ? strchr(text + 1, '"') : NULL;

    if (!end || *g_strchug(end + 1))
        return NULL;
    *end = 0;
    return text + 1;
}

/* [group] or [group "id"] */
static bool begin_group(struct group *group, char *line, const char *where, GError **error)
{
    char *close = strrchr(line, ']'), *blank, *id = NULL;

    if (!close || close[1])
        return error_set(error, "a group is written [NAME] or [NAME \"ID\"]");
    *close = 0;
    line++;
    blank = strpbrk(line, " \t");
    if (blank) {
        *blank = 0;
        id = quoted(g_strchug(blank + 1));
        if (!id)
            return error_set(error, "a group is written [NAME] or [NAME \"ID\"]");
    }
    group->option = find_group(line, error);
    if (!group->option)
        return false;
    group->spelling = g_strdup_printf("%s: [%s]", where, line);
    if (id && !is_identifier(id)) {
        error_set(error, "Parameter 'id' expects an identifier");
        return error_hint(error, "Identifiers consist of letters, digits, '-', '.', '_', starting with a letter.");
    }
    if (id)
        add_item(group, "id", id);
    return true;
}

/* key = "value" */
static bool take_item(struct group *group, char *line, GError **error)
{
    char *equals = strchr(line, '='), *value = equals ? quoted(g_strchug(equals + 1)) : NULL;

    if (!group->option)
        return error_set(error, "no group defined");
    if (!value)
        return error_set(error, "an option is written KEY = \"VALUE\"");
    *equals = 0;
    g_strchomp(line);
    if (!*line || strpbrk(line, " \t,"))
        return error_set(error, "'%s' is not the name of an option", line);
    add_item(group, line, value);
    return true;
}

static bool take_line(struct group *group, struct api_option_list *list, char *line, const char *where, GError **error)
{
    g_strstrip(line);
    if (!*line || *line == '#')
        return true;
    if (*line != '[')
        return take_item(group, line, error) || error_prefix(error, "%s", where);
    return end_group(group, list, error) && (begin_group(group, line, where, error) || error_prefix(error, "%s", where));
}

bool api_option_read_config(struct api_option_list *list, const char *path, GError **error)
{
    struct group group = { .text = g_string_new(NULL) };
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    g_autoptr(GError) reason = NULL;
    gsize length;
    bool ok = true;

    if (!g_file_get_contents(path, &text, &length, &reason))
        ok = error_set(error, "-readconfig %s: %s", path, reason->message);
    else if (strlen(text) != length)
        ok = error_set(error, "-readconfig %s: byte %zu is 0, so this is no text", path, strlen(text));
    else
        lines = g_strsplit(text, "\n", -1);
    for (unsigned i = 0; ok && lines[i]; i++) {
        g_autofree char *where = g_strdup_printf("%s:%u", path, i + 1);

        ok = take_line(&group, list, lines[i], where, error);
    }
    ok = ok && end_group(&group, list, error);
    g_free(group.spelling);
    g_string_free(group.text, TRUE);
    return ok;
}
