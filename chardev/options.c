/* chardev/options.c - options of -chardev: parsing, checking, help. */
#include "chardev/backend.h"
#include "base/error.h"
#include <string.h>

const struct chardev_class *const chardev_classes[] = {
    &chardev_class_null,   &chardev_class_stdio,   &chardev_class_file,
    &chardev_class_pipe,   &chardev_class_pty,     &chardev_class_socket,
    &chardev_class_serial, &chardev_class_ringbuf, &chardev_class_udp,     &chardev_class_mux,
    NULL,
};

static const struct chardev_option common_options[] = {
    {"id", OPTION_STRING, "name by which -serial chardev:ID and others find it"},
    {"mux", OPTION_BOOL, "let several front ends share it; Ctrl-A c changes between them"},
    {"logfile", OPTION_STRING, "file that also gets all output"},
    {"logappend", OPTION_BOOL, "keep what the log file has"},
    {"backend", OPTION_STRING, NULL},
    {NULL},
};

/* What QEMU 11.1 has and Mynah lacks. */
static const char *const later_kinds[] = {"vc",       "msmouse",      "wctablet",
                                          "braille", "parallel", "spicevmc",     "spiceport",
                                          "dbus",    "hub",      "qemu-vdagent", NULL};
static const char *const later_options[] = {"tls-creds", "tls-authz", "websocket", "tn3270", NULL};

const struct chardev_class *chardev_class_find(const char *name)
{
    if (!strcmp(name, "tty"))
        name = "serial";
    if (!strcmp(name, "memory"))
        name = "ringbuf";
    for (unsigned i = 0; chardev_classes[i]; i++) {
        if (!strcmp(chardev_classes[i]->name, name))
            return chardev_classes[i];
    }
    return NULL;
}

const char **chardev_kinds(void)
{
    const char **names = g_new0(const char *, ARRAY_SIZE(chardev_classes));

    for (unsigned i = 0; chardev_classes[i]; i++)
        names[i] = chardev_classes[i]->name;
    return names;
}

static const struct chardev_option *find_in(const struct chardev_option *options, const char *name)
{
    for (; options && options->name; options++) {
        if (!strcmp(options->name, name))
            return options;
    }
    return NULL;
}

static bool parse_bool(const char *text, bool *value)
{
    static const char *const yes[] = {"on", "yes", "true", "y", NULL};
    static const char *const no[] = {"off", "no", "false", "n", NULL};

    *value = g_strv_contains(yes, text);
    return *value || g_strv_contains(no, text);
}

static bool parse_number(const char *text, bool sized, u64 *value)
{
    static const char suffixes[] = "kmgt";
    char *end;

    if (!g_ascii_isdigit(*text))
        return false;
    *value = g_ascii_strtoull(text, &end, 0);
    if (sized && *end) {
        const char *suffix = strchr(suffixes, g_ascii_tolower(*end));
        unsigned shift = suffix ? 10 * (unsigned)(suffix - suffixes + 1) : 0;

        if (!suffix || *value >> (63 - shift))
            return false;
        *value <<= shift;
        end++;
    }
    return !*end;
}

static bool check_value(const struct chardev_option *option, const char *text, GError **error)
{
    bool flag;
    u64 number;

    if (option->type == OPTION_BOOL && !parse_bool(text, &flag)) {
        error_set(error, "option '%s' cannot be '%s'", option->name, text);
        return error_hint(error, "it is on or off");
    }
    if ((option->type == OPTION_NUMBER || option->type == OPTION_SIZE) &&
        !parse_number(text, option->type == OPTION_SIZE, &number)) {
        error_set(error, "option '%s' cannot be '%s'", option->name, text);
        return error_hint(error, "it is a number");
    }
    return true;
}

static bool unknown_option(const struct chardev_class *class, const char *name, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();

    if (g_strv_contains(later_options, name))
        return error_set(error, "chardev option '%s' is not in Mynah yet", name);
    for (const struct chardev_option *o = class->options; o && o->name; o++)
        g_ptr_array_add(names, (void *)o->name);
    for (const struct chardev_option *o = common_options; o->name; o++)
        g_ptr_array_add(names, (void *)o->name);
    g_ptr_array_add(names, NULL);
    error_set(error, "chardev '%s' has no option '%s'", class->name, name);
    const char *near = error_nearest_name(name, (const char *const *)names->pdata);
    return near ? error_hint(error, "did you mean '%s'?", near)
                : error_hint(error, "'-chardev %s,help' lists them", class->name);
}

bool chardev_options_check(const struct chardev_class *class, GHashTable *options, GError **error)
{
    GHashTableIter iter;
    gpointer name, value;

    g_hash_table_iter_init(&iter, options);
    while (g_hash_table_iter_next(&iter, &name, &value)) {
        const struct chardev_option *option = find_in(common_options, name);

        if (!option)
            option = find_in(class->options, name);
        if (!option)
            return unknown_option(class, name, error);
        if (!check_value(option, value, error))
            return false;
    }
    return true;
}

const char *chardev_option_text(GHashTable *options, const char *name)
{
    return g_hash_table_lookup(options, name);
}

bool chardev_option_bool(GHashTable *options, const char *name, bool fallback)
{
    const char *text = chardev_option_text(options, name);
    bool value = fallback;

    if (text)
        parse_bool(text, &value);
    return value;
}

u64 chardev_option_number(GHashTable *options, const char *name, u64 fallback)
{
    const char *text = chardev_option_text(options, name);
    u64 value = fallback;

    if (text)
        parse_number(text, true, &value);
    return value;
}

bool chardev_option_need(GHashTable *options, const char *name, const char **text, GError **error)
{
    *text = chardev_option_text(options, name);
    if (*text && **text)
        return true;
    return error_set(error, "option '%s' is missing", name);
}

/* The next piece up to a single comma; ",," stands for a comma. *text moves behind it. */
static char *next_piece(const char **text)
{
    GString *piece = g_string_new(NULL);
    const char *p = *text;

    for (; *p && (*p != ',' || p[1] == ','); p++) {
        g_string_append_c(piece, *p);
        p += *p == ',';
    }
    *text = *p ? p + 1 : p;
    return g_string_free(piece, FALSE);
}

static void add_piece(GHashTable *options, const char *piece, bool first)
{
    const char *equals = strchr(piece, '=');

    if (equals)
        g_hash_table_replace(options, g_strndup(piece, equals - piece), g_strdup(equals + 1));
    else if (first)
        g_hash_table_replace(options, g_strdup("backend"), g_strdup(piece));
    else if (g_str_has_prefix(piece, "no") && strcmp(piece, "nodelay"))
        g_hash_table_replace(options, g_strdup(piece + 2), g_strdup("off"));
    else
        g_hash_table_replace(options, g_strdup(piece), g_strdup("on"));
}

GHashTable *chardev_parse_options(const char *text, GError **error)
{
    g_autoptr(GHashTable) options = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    bool first = true;

    while (*text) {
        g_autofree char *piece = next_piece(&text);

        if (*piece)
            add_piece(options, piece, first);
        first = false;
    }
    if (!g_hash_table_contains(options, "backend")) {
        error_set(error, "chardev without a kind");
        error_hint(error, "write -chardev KIND,id=ID[,...]; '-chardev help' lists the kinds");
        return NULL;
    }
    return g_steal_pointer(&options);
}

static bool unknown_kind(const char *kind, GError **error)
{
    g_autofree const char **names = chardev_kinds();
    const char *near = error_nearest_name(kind, names);

    if (!strcmp(kind, "vc")) {
        error_set(error, "chardev 'vc' needs a graphical window, which Mynah does not have yet");
        return error_hint(error, "use 'stdio', 'pty' or 'socket'");
    }
    if (g_strv_contains(later_kinds, kind))
        return error_set(error, "chardev '%s' is not in Mynah yet", kind);
    error_set(error, "there is no chardev kind '%s'", kind);
    return near ? error_hint(error, "did you mean '%s'?", near)
                : error_hint(error, "'-chardev help' lists them");
}

/* -chardev mux,id=ID,chardev=ID: over one that is there. */
static struct chardev *create_mux(struct chardev_set *set, const char *id, GHashTable *options, GError **error)
{
    const char *base_id;
    struct chardev *base;

    if (!chardev_options_check(&chardev_class_mux, options, error) || !chardev_option_need(options, "chardev", &base_id, error))
        return NULL;
    base = chardev_find(set, base_id);
    if (!base) {
        error_set(error, "chardev '%s' not found", base_id);
        error_hint(error, "define it before the mux");
        return NULL;
    }
    return chardev_mux_create(set, id, base, false, options, error);
}

struct chardev *chardev_create(struct chardev_set *set, GHashTable *options, GError **error)
{
    const char *kind, *id;
    const struct chardev_class *class;

    if (!chardev_option_need(options, "backend", &kind, error) ||
        !chardev_option_need(options, "id", &id, error))
        return NULL;
    if (chardev_find(set, id)) {
        error_set(error, "chardev '%s' exists already", id);
        return NULL;
    }
    if (!strcmp(kind, chardev_class_mux.name))
        return create_mux(set, id, options, error);
    class = chardev_class_find(kind);
    if (!class) {
        unknown_kind(kind, error);
        return NULL;
    }
    if (!chardev_options_check(class, options, error))
        return NULL;
    if (!chardev_option_bool(options, "mux", false))
        return chardev_open(set, class, id, options, error);

    g_autofree char *base_id = g_strdup_printf("%s-base", id);
    if (chardev_find(set, base_id)) {
        error_set(error, "chardev '%s' exists already", base_id);
        error_hint(error, "mux=on calls what it shares so");
        return NULL;
    }
    struct chardev *base = chardev_open(set, class, base_id, options, error);
    return base ? chardev_mux_create(set, id, base, true, NULL, error) : NULL;
}

static void describe_options(GString *text, const struct chardev_option *options)
{
    static const char *const types[] = {"string", "on|off", "number", "size"};

    for (; options && options->name; options++) {
        if (options->help)
            g_string_append_printf(text, "  %-14s %-8s %s\n", options->name, types[options->type],
                                   options->help);
    }
}

char *chardev_help(const char *kind)
{
    GString *text;

    if (kind) {
        const struct chardev_class *class = chardev_class_find(kind);

        if (!class)
            return NULL;
        text = g_string_new(NULL);
        g_string_append_printf(text, "Options of chardev %s (%s):\n", class->name, class->help);
        describe_options(text, class->options);
        describe_options(text, common_options);
        return g_string_free(text, FALSE);
    }
    text = g_string_new(
        "Kinds of chardev (-chardev KIND,id=ID[,...]; KIND,help shows the options):\n");
    for (unsigned i = 0; chardev_classes[i]; i++)
        g_string_append_printf(text, "  %-10s %s\n", chardev_classes[i]->name,
                               chardev_classes[i]->help);
    return g_string_free(text, FALSE);
}
