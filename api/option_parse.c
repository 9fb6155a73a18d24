/* api/option_parse.c - argv to a list of options. */
#include "api/keyval_internal.h"
#include "api/option_internal.h"
#include "base/error.h"
#include <string.h>

enum { MAX_FILE_DEPTH = 8 };

struct api_option_list {
    GPtrArray *uses; /* of struct api_option_use, owned */
};

static void use_free(void *data)
{
    struct api_option_use *use = data;

    g_free(use->spelling);
    g_free(use->text);
    api_keyval_destroy(use->keyval);
    g_free(use);
}

void api_option_list_destroy(struct api_option_list *list)
{
    if (!list)
        return;
    g_ptr_array_unref(list->uses);
    g_free(list);
}

unsigned api_option_count(const struct api_option_list *list)
{
    return list->uses->len;
}

struct api_option_use *api_option_at(const struct api_option_list *list, unsigned index)
{
    return list->uses->pdata[index];
}

struct api_option_use *api_option_last(const struct api_option_list *list, enum api_option_id id)
{
    for (unsigned i = list->uses->len; i-- > 0;) {
        struct api_option_use *use = list->uses->pdata[i];

        if (use->id == id)
            return use;
    }
    return NULL;
}

struct api_keyval *api_option_merged(const struct api_option_list *list, enum api_option_id id)
{
    struct api_keyval *merged = api_keyval_create();

    for (unsigned i = 0; i < list->uses->len; i++) {
        const struct api_option_use *use = list->uses->pdata[i];

        if (use->id == id && use->keyval)
            api_keyval_merge(merged, use->keyval);
    }
    return merged;
}

bool api_option_prefix(const struct api_option_use *use, GError **error)
{
    return error_prefix(error, "%s%s%s", use->spelling, use->text ? " " : "", use->text ? use->text : "");
}

static const struct api_option *find(const char *name)
{
    for (unsigned i = 0; i < API_OPTION_COUNT; i++) {
        const struct api_option *option = &api_options[i];

        if (!strcmp(option->name, name) || !g_strcmp0(option->alias, name))
            return option;
    }
    return NULL;
}

static bool unknown(const char *spelling, const char *name, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    const char *nearest;

    if (g_strv_contains(api_options_missing, name))
        return error_set(error, "%s: QEMU has -%s; Mynah does not yet", spelling, name);
    for (unsigned i = 0; i < API_OPTION_COUNT; i++) {
        g_ptr_array_add(names, (char *)api_options[i].name);
        if (api_options[i].alias)
            g_ptr_array_add(names, (char *)api_options[i].alias);
    }
    g_ptr_array_add(names, NULL);
    error_set(error, "%s: no such option", spelling);
    nearest = error_nearest_name(name, (const char *const *)names->pdata);
    return nearest ? error_hint(error, "did you mean -%s?", nearest) : error_hint(error, "-help lists all options");
}

/* -global DRIVER.PROPERTY=VALUE; the value may contain commas. The long form is an ordinary list. */
static struct api_keyval *parse_global(const char *text, const struct api_keys *keys, GError **error)
{
    const char *equals = strchr(text, '='), *dot = strchr(text, '.');
    struct api_keyval *list;

    if (g_str_has_prefix(text, "driver=") || g_str_has_prefix(text, "property="))
        return api_keyval_parse(text, keys, error);
    if (!equals || !dot || dot > equals || dot == text || dot + 1 == equals) {
        error_set(error, "expected DRIVER.PROPERTY=VALUE");
        return NULL;
    }
    list = api_keyval_create();
    api_keyval_append(list, g_strdup("driver"), g_strndup(text, dot - text));
    api_keyval_append(list, g_strdup("property"), g_strndup(dot + 1, equals - dot - 1));
    api_keyval_append(list, g_strdup("value"), g_strdup(equals + 1));
    return list;
}

/* Values that do not work yet are refused rather than ignored. */
static bool check_value(const struct api_option_use *use, GError **error)
{
    g_autofree char *all = NULL;

    if (!use->option->values || g_strv_contains(use->option->values, use->text))
        return true;
    all = g_strjoinv(", ", (char **)use->option->values);
    error_set(error, "%s %s: Mynah does not have this yet", use->spelling, use->text);
    const char *near = error_nearest_name(use->text, use->option->values);
    return near ? error_hint(error, "did you mean '%s'? what there is: %s", near, all) : error_hint(error, "what there is: %s", all);
}

bool api_option_add(struct api_option_list *list, const struct api_option *option, const char *spelling, const char *text, GError **error)
{
    struct api_option_use *use = g_new0(struct api_option_use, 1);

    use->option = option;
    use->id = option->id;
    use->spelling = g_strdup(spelling);
    use->text = g_strdup(text);
    g_ptr_array_add(list->uses, use);
    if (option->form == API_FORM_KEYVAL)
        use->keyval = api_keyval_parse(text, &option->keys, error);
    else if (option->form == API_FORM_GLOBAL)
        use->keyval = parse_global(text, &option->keys, error);
    else if (option->id == API_OPTION_READCONFIG)
        return api_option_read_config(list, text, error);
    else
        return check_value(use, error);
    return use->keyval || api_option_prefix(use, error);
}

static bool parse_words(struct api_option_list *list, char *const *words, unsigned depth, GError **error);

/* Words of an argument file, split as a shell would; # begins a comment. An option and its argument stand in one file. */
static bool parse_file(struct api_option_list *list, const char *path, unsigned depth, GError **error)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) words = NULL;
    g_autoptr(GError) reason = NULL;

    if (depth > MAX_FILE_DEPTH)
        return error_set(error, "argument file '%s': files are nested too deeply", path);
    if (!g_file_get_contents(path, &text, NULL, &reason))
        return error_set(error, "argument file: %s", reason->message);
    if (g_shell_parse_argv(text, NULL, &words, &reason))
        return parse_words(list, words, depth, error) || error_prefix(error, "argument file '%s'", path);
    return g_error_matches(reason, G_SHELL_ERROR, G_SHELL_ERROR_EMPTY_STRING) ||
           error_set(error, "argument file '%s': %s", path, reason->message);
}

static bool parse_words(struct api_option_list *list, char *const *words, unsigned depth, GError **error)
{
    for (; *words; words++) {
        const struct api_option *option;
        const char *name = *words;

        if (name[0] == '@' && name[1]) {
            if (!parse_file(list, name + 1, depth + 1, error))
                return false;
            continue;
        }
        if (name[0] != '-' || !name[1]) {
            if (!api_option_add(list, &api_options[API_OPTION_HDA], "-hda", name, error)) /* a disk image */
                return false;
            continue;
        }
        name += name[1] == '-' && name[2] ? 2 : 1;
        option = find(name);
        if (!option)
            return unknown(*words, name, error);
        if (option->form != API_FORM_FLAG && !words[1]) {
            error_set(error, "%s: an argument is missing", *words);
            return error_hint(error, "it reads -%s %s", option->name, option->syntax);
        }
        if (!api_option_add(list, option, *words, option->form == API_FORM_FLAG ? NULL : words[1], error))
            return false;
        words += option->form != API_FORM_FLAG;
    }
    return true;
}

struct api_option_list *api_option_parse(int argc, char *const *argv, GError **error)
{
    g_autoptr(api_option_list) list = g_new0(struct api_option_list, 1);

    list->uses = g_ptr_array_new_with_free_func(use_free);
    if (argc > 1 && !parse_words(list, argv + 1, 0, error)) /* argv ends with NULL */
        return NULL;
    return g_steal_pointer(&list);
}
