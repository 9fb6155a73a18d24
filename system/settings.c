/* system/settings.c - options that set something on the machine as a whole. */
#include "base/error.h"
#include "host/process.h"
#include "hw/core/trace.h"
#include "system/system.h"
#include "vm/clock.h"
#include <string.h>

/* `option` is what was written before the value, such as "-action reboot=". */
static bool choose(const char *const *names, const char *text, const char *option, void *to, GError **error)
{
    const char *near;

    for (int i = 0; names[i]; i++) {
        if (!strcmp(names[i], text)) {
            *(int *)to = i;
            return true;
        }
    }
    g_autofree char *all = g_strjoinv(", ", (char **)names);
    near = error_nearest_name(text, names);
    error_set(error, "%s%s: no such action", option, text);
    return error_hint(error, "%s%s%sit is one of: %s", near ? "did you mean '" : "", near ? near : "", near ? "'? " : "", all);
}

static bool choose_watchdog(struct mynah_system *s, const char *text, const char *option, GError **error)
{
    static const char *const names[] = { "reset", "shutdown", "poweroff", "pause", "debug", "none", "inject-nmi", NULL };

    return choose(names, text, option, &vm_actions(s->vm)->watchdog, error);
}

static bool apply_action(struct mynah_system *s, struct api_keyval *list, GError **error)
{
    static const char *const reboot[] = { "reset", "shutdown", NULL }, *const shutdown[] = { "poweroff", "pause", NULL };
    static const char *const panic[] = { "shutdown", "pause", "exit-failure", "none", NULL };
    struct vm_actions *actions = vm_actions(s->vm);
    const char *text;

    if ((text = api_keyval_get(list, "reboot")) && !choose(reboot, text, "-action reboot=", &actions->reboot, error))
        return false;
    if ((text = api_keyval_get(list, "shutdown")) && !choose(shutdown, text, "-action shutdown=", &actions->shutdown, error))
        return false;
    if ((text = api_keyval_get(list, "panic")) && !choose(panic, text, "-action panic=", &actions->panic, error))
        return false;
    return !(text = api_keyval_get(list, "watchdog")) || choose_watchdog(s, text, "-action watchdog=", error);
}

enum { LAST_YEAR = 2261 }; /* nanoseconds since 1970 in 63 bits, with months for running */

static bool parse_date(const char *text, s64 *ns, GError **error)
{
    g_autofree char *full = strchr(text, 'T') ? g_strdup(text) : g_strconcat(text, "T00:00:00", NULL);
    g_autoptr(GTimeZone) utc = g_time_zone_new_utc();
    g_autoptr(GDateTime) date = g_date_time_new_from_iso8601(full, utc);

    if (!date) {
        error_set(error, "-rtc base=%s: not a date", text);
        return error_hint(error, "write utc, localtime, or a date such as 2026-11-21T12:00:00");
    }
    if (g_date_time_get_year(date) < 1970 || g_date_time_get_year(date) > LAST_YEAR)
        return error_set(error, "-rtc base=%s: dates of 1970 to %d are possible", text, LAST_YEAR);
    *ns = g_date_time_to_unix(date) * 1000000000;
    return true;
}

static bool apply_rtc(struct mynah_system *s, struct api_keyval *list, GError **error)
{
    const char *base = api_keyval_get(list, "base"), *clock = api_keyval_get(list, "clock");
    enum vm_clock source = VM_CLOCK_HOST;
    s64 offset = 0, start = 0;

    if (clock && !strcmp(clock, "vm"))
        source = VM_CLOCK_VIRTUAL;
    else if (clock && !strcmp(clock, "rt"))
        source = VM_CLOCK_REALTIME;
    else if (clock && strcmp(clock, "host"))
        return error_set(error, "-rtc clock=%s: it is host, rt or vm", clock);
    s64 now = vm_clock_now(s->vm, source), wall = vm_clock_now(s->vm, VM_CLOCK_HOST);
    if (base && !strcmp(base, "localtime")) {
        g_autoptr(GDateTime) local = g_date_time_new_now_local();

        start = wall + g_date_time_get_utc_offset(local) * 1000;
    } else if (base && strcmp(base, "utc")) {
        if (!parse_date(base, &start, error))
            return false;
    } else {
        start = wall;
    }
    offset = start - now;
    vm_rtc_configure(s->vm, offset, source);
    return true;
}

struct trace_search {
    const char *pattern;
    bool found;
    GPtrArray *names;
};

static void match_event(const char *event, void *opaque)
{
    struct trace_search *search = opaque;

    search->found = search->found || g_pattern_match_simple(search->pattern, event);
    g_ptr_array_add(search->names, g_strdup(event));
}

/* A pattern without a match only gets a note, as with QEMU: its events may be those of another version. */
static void add_trace(struct mynah_system *s, const char *pattern)
{
    struct trace_search search = { pattern + (*pattern == '-'), false, g_ptr_array_new_with_free_func(g_free) };

    device_trace_events(s->guest, match_event, &search);
    log_trace_add(vm_log(s->vm), pattern);
    if (!search.found) {
        g_ptr_array_add(search.names, NULL);
        const char *near = error_nearest_name(search.pattern, (const char *const *)search.names->pdata);
        system_print_message(s, "note: -trace %s: no such event%s%s%s; '-trace help' lists them", pattern, near ? ", did you mean '" : "",
                near ? near : "", near ? "'?" : "");
    }
    g_ptr_array_unref(search.names);
}

static bool apply_trace(struct mynah_system *s, struct api_keyval *list, GError **error)
{
    const char *pattern = api_keyval_get(list, "enable"), *events = api_keyval_get(list, "events"), *file = api_keyval_get(list, "file");
    g_autofree char *text = NULL;

    if (pattern)
        add_trace(s, pattern);
    if (events && !g_file_get_contents(events, &text, NULL, error))
        return error_prefix(error, "-trace events=%s", events);
    g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", -1);
    for (char **line = lines; *line; line++) {
        g_strstrip(*line);
        if (**line && **line != '#')
            add_trace(s, *line);
    }
    return !file || log_open_file(vm_log(s->vm), file, error);
}

/* As in QEMU a default of what there is not is no error: command lines are shared between machines. */
static void check_global(struct mynah_system *s, const char *driver, const char *text)
{
    const char *near;

    if (!driver || vm_class_find(driver, s->guest))
        return;
    near = vm_class_nearest(driver, "device", s->guest);
    system_print_message(s, "note: -global %s: there is no type '%s'%s%s%s", text, driver, near ? "; did you mean '" : "", near ? near : "",
                         near ? "'?" : "");
}

static bool refuse_drive(const char *key, const char *drives, char letter, GError **error)
{
    error_set(error, "-boot %s=%s: there is no drive '%c'", key, drives, letter);
    return error_hint(error, "drives are letters from a to p, such as c (disk), d (CD-ROM), n (network)");
}

/* Drives have the letters of PCs: a, b floppies, c hard disk, d CD-ROM, n to p network. */
static bool check_drives(const char *key, const char *drives, GError **error)
{
    for (const char *letter = drives ? drives : ""; *letter; letter++) {
        if (*letter < 'a' || *letter > 'p')
            return refuse_drive(key, drives, *letter, error);
        if (strchr(letter + 1, *letter))
            return error_set(error, "-boot %s=%s: '%c' is there twice", key, drives, *letter);
    }
    return true;
}

static bool apply_one(struct mynah_system *s, struct api_option_use *use, GError **error)
{
    struct log *log = vm_log(s->vm);

    switch (use->id) {
    case API_OPTION_NAME:
        if (api_keyval_get(use->keyval, "guest"))
            vm_set_name(s->vm, api_keyval_get(use->keyval, "guest"));
        if (api_keyval_get(use->keyval, "process"))
            host_process_set_name(api_keyval_get(use->keyval, "process"));
        return true;
    case API_OPTION_UUID:
        if (!g_uuid_string_is_valid(use->text))
            return error_set(error, "-uuid %s: not a UUID", use->text);
        vm_set_uuid(s->vm, use->text);
        return true;
    case API_OPTION_RTC:
        return apply_rtc(s, use->keyval, error);
    case API_OPTION_ICOUNT:
        return system_apply_icount(s, use->keyval, error);
    case API_OPTION_SEED:
        return system_apply_seed(s, use->text, error);
    case API_OPTION_ACTION:
        return apply_action(s, use->keyval, error);
    case API_OPTION_WATCHDOG_ACTION:
        return choose_watchdog(s, use->text, "-watchdog-action ", error);
    case API_OPTION_NO_REBOOT:
        vm_actions(s->vm)->reboot = VM_REBOOT_SHUTDOWN;
        return true;
    case API_OPTION_NO_SHUTDOWN:
        vm_actions(s->vm)->shutdown = VM_SHUTDOWN_PAUSE;
        return true;
    case API_OPTION_CAPITAL_S:
        s->paused = true;
        return true;
    case API_OPTION_NODEFAULTS:
        s->nodefaults = true;
        return true;
    case API_OPTION_NOGRAPHIC:
        s->nographic = true;
        return true;
    case API_OPTION_BOOT:
        return check_drives("order", api_keyval_get(use->keyval, "order"), error) &&
               check_drives("once", api_keyval_get(use->keyval, "once"), error);
    case API_OPTION_DFILTER:
        return log_set_filter(log, use->text, error);
    case API_OPTION_CAPITAL_D:
        return log_open_file(log, use->text, error);
    case API_OPTION_D:
        return log_enable(log, use->text, error) || error_prefix(error, "-d");
    case API_OPTION_TRACE:
        return apply_trace(s, use->keyval, error);
    case API_OPTION_GLOBAL:
        check_global(s, api_keyval_get(use->keyval, "driver"), use->text);
        vm_global_add(s->vm, api_keyval_get(use->keyval, "driver"), api_keyval_get(use->keyval, "property"),
                      api_keyval_get(use->keyval, "value"));
        return true;
    default:
        return true;
    }
}

bool system_apply_settings(struct mynah_system *s, GError **error)
{
    for (unsigned i = 0; i < api_option_count(s->options); i++) {
        if (!apply_one(s, api_option_at(s->options, i), error))
            return false;
    }
    return true;
}
