/* monitor/hmp.c - the human monitor: prompt, lines, finding the command. */
#include "monitor/hmp.h"
#include "api/version.h"
#include "base/error.h"
#include "monitor/edit.h"
#include "monitor/internal.h"
#include <string.h>

void hmp_greet(struct monitor *monitor)
{
    static const char text[] =
        "Mynah " API_VERSION " monitor (QEMU " API_QEMU_VERSION " interface) - type 'help' for more information\r\n";

    monitor_write(monitor, text, sizeof(text) - 1);
    edit_prompt(monitor->edit, monitor);
}

static void write_lines(struct monitor *monitor, const char *text)
{
    for (const char *end; *text; text = end) {
        end = strchr(text, '\n');
        if (!end) {
            monitor_write(monitor, text, strlen(text));
            return;
        }
        monitor_write(monitor, text, (size_t)(end - text));
        monitor_write(monitor, "\r\n", 2);
        end++;
    }
}

size_t hmp_receive(struct monitor *monitor, const u8 *data, size_t length)
{
    size_t i;

    for (i = 0; i < length && monitor_has_room(monitor); i++) {
        g_autofree char *line = edit_receive(monitor->edit, monitor, data[i]);
        g_autoptr(GString) out = NULL;
        bool locked;

        if (!line)
            continue;
        out = g_string_new(NULL);
        locked = vm_lock_if_needed(monitor->set->vm);
        hmp_execute(monitor, line, out);
        vm_unlock_if(monitor->set->vm, locked);
        write_lines(monitor, out->str);
        edit_prompt(monitor->edit, monitor);
    }
    return i;
}

void hmp_print(struct hmp *hmp, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_string_append_vprintf(hmp->out, format, args);
    va_end(args);
    g_string_append_c(hmp->out, '\n');
}

void hmp_error(struct hmp *hmp, GError *error)
{
    hmp_print(hmp, "Error: %s", error->message);
    g_error_free(error);
}

/* Whether a word is the name of a row, or its abbreviation. */
static bool matches(const struct hmp_command *row, const char *word)
{
    size_t length = strlen(word);

    for (const char *name = row->name; name; name = strchr(name, '|')) {
        name += *name == '|';
        if (!strncmp(name, word, length) && (!name[length] || name[length] == '|'))
            return true;
    }
    return false;
}

static const struct hmp_command *find(const struct hmp_command *rows, const char *word)
{
    for (; rows->name; rows++)
        if (matches(rows, word))
            return rows;
    return NULL;
}

/* The name without its abbreviation. */
static char *plain_name(const struct hmp_command *row)
{
    return g_strndup(row->name, strcspn(row->name, "|"));
}

/* Names that begin with a prefix. */
static void add_names(GPtrArray *names, const struct hmp_command *rows, const char *prefix)
{
    for (; rows->name; rows++)
        if (g_str_has_prefix(rows->name, prefix))
            g_ptr_array_add(names, plain_name(rows));
}

static void add_info_names(GPtrArray *names, const struct monitor_set *set, const char *prefix)
{
    add_names(names, hmp_info_pages, prefix);
    for (guint i = 0; i < set->infos->len; i++) {
        const char *name = g_array_index(set->infos, struct monitor_info, i).name;

        if (g_str_has_prefix(name, prefix))
            g_ptr_array_add(names, g_strdup(name));
    }
}

GPtrArray *hmp_complete(struct monitor *monitor, const char *line)
{
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
    const char *word = strrchr(line, ' ');

    if (!word)
        add_names(names, hmp_commands, line);
    else if (g_str_has_prefix(line, "info "))
        add_info_names(names, monitor->set, word + 1);
    else if (g_str_has_prefix(line, "help "))
        add_names(names, hmp_commands, word + 1);
    return names;
}

static void unknown(struct hmp *hmp, const char *what, const char *typed, GPtrArray *names)
{
    const char *nearest;

    g_ptr_array_add(names, NULL);
    nearest = error_nearest_name(typed, (const char *const *)names->pdata);
    hmp_print(hmp, "unknown %s: '%s'", what, typed);
    if (nearest)
        hmp_print(hmp, "did you mean '%s'?", nearest);
}

static void show(struct hmp *hmp, const struct hmp_command *row, const char *before)
{
    hmp_print(hmp, "%s%s %s -- %s", before, row->name, row->args, row->help);
}

static void show_rows(struct hmp *hmp, const struct hmp_command *rows, const char *word, const char *before)
{
    for (; rows->name; rows++)
        if (!word || matches(rows, word))
            show(hmp, rows, before);
}

/* Pages that others added to this monitor. */
static void show_infos(struct hmp *hmp, const char *word)
{
    const GArray *infos = hmp->monitor->set->infos;

    for (guint i = 0; i < infos->len; i++) {
        const struct monitor_info *info = &g_array_index(infos, struct monitor_info, i);

        if (!word || !strcmp(info->name, word))
            hmp_print(hmp, "info %s  -- %s", info->name, info->help);
    }
}

static void unknown_command(struct hmp *hmp, const char *word)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);

    add_names(names, hmp_commands, "");
    unknown(hmp, "command", word, names);
}

static void unknown_page(struct hmp *hmp, const char *word)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);

    add_info_names(names, hmp->monitor->set, "");
    unknown(hmp, "page of info", word, names);
}

void hmp_help(struct hmp *hmp)
{
    g_autofree char *word = hmp_word(hmp), *page = hmp_word(hmp);
    bool of_info = word && !strcmp(word, "info");
    gsize before = hmp->out->len;

    if (page && !of_info) {
        hmp_print(hmp, "help: '%s' has no pages", word);
        return;
    }
    if (!page)
        show_rows(hmp, hmp_commands, word, "");
    if (of_info) {
        show_rows(hmp, hmp_info_pages, page, "info ");
        show_infos(hmp, page);
    }
    if (hmp->out->len > before)
        return;
    if (of_info)
        unknown_page(hmp, page);
    else
        unknown_command(hmp, word);
}

/* Unless more was typed than it takes. */
static void run_row(struct hmp *hmp, const struct hmp_command *row, const char *help)
{
    g_autofree char *name = plain_name(row);

    if (hmp_arguments_fit(hmp, name, row->args))
        row->run(hmp);
    else
        hmp_print(hmp, "Try \"help %s\" for more information", help ? help : name);
}

/* A page that somebody added to this monitor; NULL: there is none. */
static const struct monitor_info *find_info(const struct monitor_set *set, const char *word)
{
    for (guint i = 0; i < set->infos->len; i++) {
        const struct monitor_info *info = &g_array_index(set->infos, struct monitor_info, i);

        if (!strcmp(info->name, word))
            return info;
    }
    return NULL;
}

void hmp_info(struct hmp *hmp)
{
    g_autofree char *word = hmp_word(hmp), *text = NULL;
    const struct monitor_info *info = word ? find_info(hmp->monitor->set, word) : NULL;
    const struct hmp_command *page = word ? find(hmp_info_pages, word) : NULL;

    if (!word) {
        show_rows(hmp, hmp_info_pages, NULL, "info ");
        show_infos(hmp, NULL);
    } else if (info && hmp_arguments_fit(hmp, word, "")) {
        text = info->describe(info->opaque);
        g_string_append(hmp->out, text);
    } else if (page && !info) {
        run_row(hmp, page, "info");
    } else if (!info) {
        unknown_page(hmp, word);
    }
}

void hmp_execute(struct monitor *monitor, const char *line, GString *out)
{
    struct hmp hmp = { monitor, monitor->set->vm, out, line };
    size_t length;

    hmp.rest += strspn(hmp.rest, " \t");
    length = strcspn(hmp.rest, " \t/");
    g_autofree char *word = g_strndup(hmp.rest, length);
    const struct hmp_command *row = find(hmp_commands, word);

    hmp.rest += length;
    if (!*word)
        return;
    if (row)
        run_row(&hmp, row, NULL);
    else
        unknown_command(&hmp, word);
}

char *monitor_execute(struct monitor_set *set, const char *line)
{
    struct monitor monitor = { .set = set, .mode = MONITOR_HMP };
    bool locked = vm_lock_if_needed(set->vm);
    GString *out = g_string_new(NULL);

    hmp_execute(&monitor, line, out);
    vm_unlock_if(set->vm, locked);
    return g_string_free(out, FALSE);
}

struct vcpu *hmp_vcpu(struct hmp *hmp)
{
    struct vcpu *vcpu = vm_vcpu(hmp->vm, hmp->monitor->cpu);

    if (!vcpu)
        hmp_print(hmp, "No CPU available");
    return vcpu;
}

bool hmp_hold(struct vm *vm)
{
    bool running = vm_running(vm);

    if (running)
        vm_vcpus_stop(vm);
    return running;
}

void hmp_release(struct vm *vm, bool held)
{
    if (held)
        vm_vcpus_resume(vm);
}
