/* api/number.c - parses numbers, sizes and booleans. */
#include "api/number.h"
#include "base/error.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool api_parse_bool(const char *name, const char *text, bool *out, GError **error)
{
    static const char *const yes[] = { "on", "yes", "true", "y", NULL };
    static const char *const no[] = { "off", "no", "false", "n", NULL };

    if (g_strv_contains(yes, text))
        *out = true;
    else if (g_strv_contains(no, text))
        *out = false;
    else
        return error_set(error, "parameter '%s' expects 'on' or 'off', not '%s'", name, text);
    return true;
}

static bool out_of_range(const char *name, const char *text, GError **error)
{
    return error_set(error, "parameter '%s': %s is out of range", name, text);
}

static bool no_number(const char *name, const char *text, GError **error)
{
    return error_set(error, "parameter '%s' expects a number, not '%s'", name, text);
}

bool api_parse_u64(const char *name, const char *text, u64 *out, GError **error)
{
    char *end;
    u64 value;

    if (!g_ascii_isdigit(text[0]))
        return no_number(name, text, error);
    errno = 0;
    value = strtoull(text, &end, 0);
    if (errno == ERANGE)
        return out_of_range(name, text, error);
    if (*end)
        return no_number(name, text, error);
    *out = value;
    return true;
}

bool api_parse_s64(const char *name, const char *text, s64 *out, GError **error)
{
    bool negative = text[0] == '-';
    u64 value;

    if (negative && !g_ascii_isdigit(text[1]))
        return no_number(name, text, error);
    if (!api_parse_u64(name, text + negative, &value, error))
        return false;
    if (value > (u64)INT64_MAX + negative)
        return out_of_range(name, text, error);
    *out = negative ? (s64)-value : (s64)value;
    return true;
}

/* log2 of the unit that a letter stands for, or -1. */
static int unit_shift(char letter)
{
    static const char letters[] = "BKMGTPE";
    const char *at = letter ? strchr(letters, g_ascii_toupper(letter)) : NULL;

    return at ? 10 * (int)(at - letters) : -1;
}

static bool no_size(const char *name, const char *text, GError **error)
{
    error_set(error, "parameter '%s' expects a size, not '%s'", name, text);
    return error_hint(error, "a size is a number with K, M, G, T, P or E, such as 512M or 1.5G");
}

/* Of digits behind a point, without an exponent; *end is behind them. */
static double parse_fraction(const char *point, char **end)
{
    size_t digits = strspn(point + 1, "0123456789");
    g_autofree char *text = g_strdup_printf("0.%.*s", (int)MIN(digits, 30), point + 1);

    *end = (char *)point + (digits ? digits + 1 : 0);
    return g_ascii_strtod(text, NULL);
}

bool api_parse_size(const char *name, const char *text, u64 unit, u64 *out, GError **error)
{
    bool hex = g_str_has_prefix(text, "0x") || g_str_has_prefix(text, "0X");
    double fraction = 0;
    char *end;
    u64 value;

    if (!g_ascii_isdigit(text[0]))
        return no_size(name, text, error);
    errno = 0;
    value = strtoull(text, &end, hex ? 16 : 10);
    if (errno == ERANGE)
        return out_of_range(name, text, error);
    if (*end == '.' && !hex)
        fraction = parse_fraction(end, &end);
    if (*end && (unit_shift(*end) < 0 || end[1]))
        return no_size(name, text, error);
    if (*end)
        unit = BIT64(unit_shift(*end));
    if (value > UINT64_MAX / unit)
        return out_of_range(name, text, error);
    *out = value * unit + (u64)(fraction * (double)unit);
    return *out >= value * unit || out_of_range(name, text, error);
}
