/* base/log.c - the log of one machine. */
#include "base/log.h"
#include "base/error.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINES_A_SECOND = 100 };

struct range {
    u64 first, last;
};

struct log {
    u32 mask; /* first: log_wants() reads it without knowing this struct */
    FILE *file;
    const char *ir_pass; /* atomic; kept for good, as threads that translate may be looking at it */
    const char *const *passes; /* or NULL: any name */
    GArray *filter;
    GPtrArray *traces; /* patterns */
    GMutex mutex;
    time_t second;
    unsigned lines, dropped;
};

static const struct {
    const char *name, *help;
} items[] = {
#define X(id, name, help) { name, help },
    LOG_ITEMS(X)
#undef X
};

struct log *log_create(void)
{
    struct log *log = g_new0(struct log, 1);

    log->file = stderr;
    g_mutex_init(&log->mutex);
    return log;
}

void log_destroy(struct log *log)
{
    if (!log)
        return;
    if (log->file != stderr)
        fclose(log->file);
    if (log->filter)
        g_array_unref(log->filter);
    if (log->traces)
        g_ptr_array_unref(log->traces);
    g_mutex_clear(&log->mutex);
    g_free(log);
}

static bool enable_pass(struct log *log, const char *pass, GError **error)
{
    if (log->passes && !g_strv_contains(log->passes, pass)) {
        g_autofree char *all = g_strjoinv(", ", (char **)log->passes);
        const char *near = error_nearest_name(pass, log->passes);

        error_set(error, "ir:after=%s: there is no such pass", pass);
        return near ? error_hint(error, "did you mean '%s'? the passes: %s", near, all) : error_hint(error, "the passes: %s", all);
    }
    __atomic_store_n(&log->ir_pass, g_intern_string(pass), __ATOMIC_RELEASE);
    log->mask |= LOG_IR;
    return true;
}

void log_set_passes(struct log *log, const char *const *names)
{
    log->passes = names;
}

static bool enable_one(struct log *log, const char *name, GError **error)
{
    const char *names[LOG_ITEM_COUNT + 1] = { NULL };

    if (g_str_has_prefix(name, "ir:after="))
        return enable_pass(log, name + strlen("ir:after="), error);
    if (!strcmp(name, "all")) {
        log->mask |= (1u << LOG_ITEM_COUNT) - 1;
        return true;
    }
    for (unsigned i = 0; i < LOG_ITEM_COUNT; i++) {
        names[i] = items[i].name;
        if (!strcmp(name, names[i])) {
            log->mask |= 1u << i;
            return true;
        }
    }
    error_set(error, "unknown log item '%s'", name);
    const char *near = error_nearest_name(name, names);
    return near ? error_hint(error, "did you mean '%s'?", near) : error_hint(error, "'help' lists them");
}

bool log_enable(struct log *log, const char *list, GError **error)
{
    g_auto(GStrv) names = g_strsplit(list, ",", -1);

    for (char **name = names; *name; name++) {
        if (**name && !enable_one(log, *name, error))
            return false;
    }
    return true;
}

void log_set_mask(struct log *log, u32 mask)
{
    log->mask = mask;
}

u32 log_mask(const struct log *log)
{
    return log->mask;
}

const char *log_ir_pass(const struct log *log)
{
    return __atomic_load_n(&log->ir_pass, __ATOMIC_ACQUIRE);
}

bool log_open_file(struct log *log, const char *path, GError **error)
{
    const char *percent = strchr(path, '%');
    g_autofree char *name = NULL;

    if (percent && (percent[1] != 'd' || strchr(percent + 1, '%')))
        return error_set(error, "log file name '%s': only one %%d (the process id) is understood", path);
    name = percent ? g_strdup_printf("%.*s%d%s", (int)(percent - path), path, getpid(), percent + 2) : g_strdup(path);
    FILE *file = fopen(name, "w");
    if (!file)
        return error_set(error, "cannot write log file '%s': %s", name, strerror(errno));
    setvbuf(file, NULL, _IOLBF, 0);
    g_mutex_lock(&log->mutex); /* vCPUs may be writing */
    FILE *before = log->file;
    log->file = file;
    g_mutex_unlock(&log->mutex);
    if (before != stderr)
        fclose(before);
    return true;
}

static bool parse_range(const char *text, struct range *range)
{
    char *end;
    u64 start = g_ascii_strtoull(text, &end, 0), amount;

    if (end == text)
        return false;
    bool dots = g_str_has_prefix(end, "..");
    char kind = dots ? '.' : *end;
    if (!*end) {
        *range = (struct range){ start, start };
        return true;
    }
    const char *second = end + (dots ? 2 : 1);
    amount = g_ascii_strtoull(second, &end, 0);
    if (end == second || *end)
        return false;
    if (kind == '.')
        *range = (struct range){ start, amount };
    else if (kind == '+' && amount)
        *range = (struct range){ start, start + amount - 1 };
    else if (kind == '-' && amount)
        *range = (struct range){ start - (amount - 1), start };
    else
        return false;
    return range->first <= range->last;
}

bool log_set_filter(struct log *log, const char *ranges, GError **error)
{
    g_auto(GStrv) parts = g_strsplit(ranges, ",", -1);

    if (!log->filter)
        log->filter = g_array_new(FALSE, FALSE, sizeof(struct range));
    for (char **part = parts; *part; part++) {
        struct range range;

        if (!parse_range(*part, &range)) {
            error_set(error, "-dfilter: '%s' is not an address range", *part);
            return error_hint(error, "write START..END, START+SIZE or START-SIZE");
        }
        g_array_append_val(log->filter, range);
    }
    return true;
}

bool log_in_filter(const struct log *log, u64 address)
{
    if (!log->filter)
        return true;
    for (guint i = 0; i < log->filter->len; i++) {
        const struct range *range = &g_array_index(log->filter, struct range, i);

        if (address >= range->first && address <= range->last)
            return true;
    }
    return false;
}

void log_trace_add(struct log *log, const char *pattern)
{
    g_mutex_lock(&log->mutex);
    if (!log->traces)
        log->traces = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(log->traces, g_strdup(pattern));
    log->mask |= LOG_TRACE;
    g_mutex_unlock(&log->mutex);
}

void log_trace_switch(struct log *log, const char *pattern, bool on)
{
    g_mutex_lock(&log->mutex);
    for (guint i = log->traces ? log->traces->len : 0; i-- > 0;) {
        const char *old = log->traces->pdata[i];

        if (!strcmp(old + (*old == '-'), pattern))
            g_ptr_array_remove_index(log->traces, i);
    }
    g_mutex_unlock(&log->mutex);
    g_autofree char *signed_pattern = g_strconcat(on ? "" : "-", pattern, NULL);
    log_trace_add(log, signed_pattern);
}

bool log_traces(struct log *log, const char *event)
{
    bool wanted = false;

    g_mutex_lock(&log->mutex);
    for (guint i = 0; log->traces && i < log->traces->len; i++) {
        const char *pattern = log->traces->pdata[i];
        bool out = *pattern == '-';

        if (g_pattern_match_simple(pattern + out, event))
            wanted = !out;
    }
    g_mutex_unlock(&log->mutex);
    return wanted;
}

/* False when this second's lines are used up. */
static bool within_rate(struct log *log)
{
    time_t now = time(NULL);

    if (now != log->second) {
        if (log->dropped)
            fprintf(log->file, "(%u more lines left out)\n", log->dropped);
        log->second = now;
        log->lines = log->dropped = 0;
    }
    if (++log->lines <= LINES_A_SECOND)
        return true;
    log->dropped++;
    return false;
}

void log_print(struct log *log, enum log_item item, const char *format, ...)
{
    va_list args;
    bool limited = item & (LOG_GUEST_ERRORS | LOG_UNIMP);

    g_mutex_lock(&log->mutex);
    if (!limited || within_rate(log)) {
        va_start(args, format);
        vfprintf(log->file, format, args);
        va_end(args);
        size_t length = strlen(format);
        if (!length || format[length - 1] != '\n')
            fputc('\n', log->file);
    }
    g_mutex_unlock(&log->mutex);
}

char *log_help(void)
{
    GString *text = g_string_new("Items of -d (comma separated):\n");

    for (unsigned i = 0; i < LOG_ITEM_COUNT; i++)
        g_string_append_printf(text, "  %-14s %s\n", items[i].name, items[i].help);
    g_string_append_printf(text, "  %-14s %s\n", "all", "all of these");
    return g_string_free(text, FALSE);
}
