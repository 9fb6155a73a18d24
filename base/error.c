/* base/error.c - error messages with hints and nearest names. */
#include "base/error.h"
#include <string.h>

GQuark error_quark(void)
{
    return g_quark_from_static_string("mynah");
}

static void set(GError **error, enum error_class error_class, const char *format, va_list args)
{
    if (error && !*error)
        *error = g_error_new_valist(error_quark(), error_class, format, args);
}

bool error_set(GError **error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    set(error, ERROR_GENERIC, format, args);
    va_end(args);
    return false;
}

bool error_set_class(GError **error, enum error_class error_class, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    set(error, error_class, format, args);
    va_end(args);
    return false;
}

bool error_prefix(GError **error, const char *format, ...)
{
    va_list args;
    char *prefix;

    if (!error || !*error)
        return false;
    va_start(args, format);
    prefix = g_strdup_vprintf(format, args);
    va_end(args);
    g_prefix_error(error, "%s: ", prefix);
    g_free(prefix);
    return false;
}

bool error_hint(GError **error, const char *format, ...)
{
    va_list args;
    char *hint, *message;

    if (!error || !*error)
        return false;
    va_start(args, format);
    hint = g_strdup_vprintf(format, args);
    va_end(args);
    message = g_strdup_printf("%s\n%s", (*error)->message, hint);
    g_free((*error)->message);
    (*error)->message = message;
    g_free(hint);
    return false;
}

enum error_class error_class_of(const GError *error)
{
    return error->domain == error_quark() ? (enum error_class)error->code : ERROR_GENERIC;
}

char *error_headline(const GError *error)
{
    return g_strndup(error->message, strcspn(error->message, "\n"));
}

char *error_hint_of(const GError *error)
{
    const char *end = strchr(error->message, '\n');

    return end ? g_strdup(end + 1) : NULL;
}

/* Levenshtein distance with a swap of neighbours counted as one. */
static unsigned distance(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    g_autofree unsigned *rows = g_new(unsigned, 3 * (m + 1));
    unsigned *before = rows, *last = rows + m + 1, *now = rows + 2 * (m + 1);

    for (size_t j = 0; j <= m; j++)
        last[j] = (unsigned)j;
    for (size_t i = 1; i <= n; i++) {
        now[0] = (unsigned)i;
        for (size_t j = 1; j <= m; j++) {
            unsigned best = last[j - 1] + (a[i - 1] != b[j - 1]);

            best = MIN(best, last[j] + 1);
            best = MIN(best, now[j - 1] + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                best = MIN(best, before[j - 2] + 1);
            now[j] = best;
        }
        unsigned *recycled = before;
        before = last;
        last = now;
        now = recycled;
    }
    return last[m];
}

const char *error_nearest_name(const char *typed, const char *const *names)
{
    size_t length = strlen(typed);
    unsigned limit = 1 + (unsigned)MIN(length, 64) / 3, best = limit + 1;
    const char *found = NULL;

    if (length > 64)
        return NULL;
    for (; *names; names++) {
        unsigned d = distance(typed, *names);

        if (d < best) {
            best = d;
            found = *names;
        }
    }
    return found;
}
