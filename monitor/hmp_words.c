/* monitor/hmp_words.c - arguments of the human monitor: words, formats, expressions. */
#include "base/bits.h"
#include "base/error.h"
#include "monitor/hmp.h"
#include "monitor/internal.h"
#include <errno.h>
#include <string.h>

enum { MAX_DEPTH = 32 };

static void skip_blanks(struct hmp *hmp)
{
    hmp->rest += strspn(hmp->rest, " \t");
}

char *hmp_word(struct hmp *hmp)
{
    GString *word;
    char quote = 0;

    skip_blanks(hmp);
    if (!*hmp->rest)
        return NULL;
    word = g_string_new(NULL);
    for (; *hmp->rest && (quote || (*hmp->rest != ' ' && *hmp->rest != '\t')); hmp->rest++) {
        if (quote ? *hmp->rest == quote : *hmp->rest == '"' || *hmp->rest == '\'')
            quote = quote ? 0 : *hmp->rest;
        else
            g_string_append_c(word, *hmp->rest);
    }
    return g_string_free(word, FALSE);
}

char *hmp_format(struct hmp *hmp)
{
    size_t length;
    char *format;

    skip_blanks(hmp);
    if (*hmp->rest != '/')
        return g_strdup("");
    length = strcspn(hmp->rest, " \t");
    format = g_strndup(hmp->rest + 1, length - 1);
    hmp->rest += length;
    return format;
}

bool hmp_register(struct vcpu *vcpu, const char *name, u64 *value)
{
    const struct cpu_register *regs;
    u8 bytes[64] = { 0 };
    u32 count;

    if (!strcmp(name, "pc")) {
        *value = vcpu->cpu->get_pc(vcpu);
        return true;
    }
    regs = vcpu->cpu->registers(vcpu, &count);
    for (u32 i = 0; i < count; i++)
        if (!strcmp(regs[i].name, name) && regs[i].bits <= 512 && vcpu->cpu->read_register(vcpu, &regs[i], bytes)) {
            *value = bits_load_le(bytes, MIN(regs[i].bits / 8, 8));
            return true;
        }
    return false;
}

struct expression {
    struct hmp *hmp;
    unsigned depth;
    GError **error;
};

static bool sum(struct expression *e, u64 *value);

static bool read_register(struct expression *e, u64 *value)
{
    size_t length = strspn(e->hmp->rest, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
    g_autofree char *name = g_strndup(e->hmp->rest, length);
    struct vcpu *vcpu = vm_vcpu(e->hmp->vm, e->hmp->monitor->cpu);
    bool held, found;

    e->hmp->rest += length;
    if (!vcpu)
        return error_set(e->error, "there is no CPU with registers");
    held = hmp_hold(e->hmp->vm);
    found = hmp_register(vcpu, name, value);
    hmp_release(e->hmp->vm, held);
    return found || error_set(e->error, "unknown register '$%s'", name);
}

static bool read_literal(struct expression *e, u64 *value)
{
    char *end;

    if (e->hmp->rest[0] == '\'' && e->hmp->rest[1] && e->hmp->rest[2] == '\'') {
        *value = (u8)e->hmp->rest[1];
        e->hmp->rest += 3;
        return true;
    }
    if (!g_ascii_isdigit(*e->hmp->rest))
        return error_set(e->error, *e->hmp->rest ? "a number is expected at '%s'" : "a number is missing%s", e->hmp->rest);
    errno = 0;
    *value = g_ascii_strtoull(e->hmp->rest, &end, 0);
    if (errno == ERANGE)
        return error_set(e->error, "'%.*s' is out of range: a number has at most 64 bits", (int)(end - e->hmp->rest), e->hmp->rest);
    e->hmp->rest = end;
    return true;
}

static bool unary(struct expression *e, u64 *value)
{
    char sign = (skip_blanks(e->hmp), *e->hmp->rest);
    bool ok;

    if (++e->depth > MAX_DEPTH)
        return error_set(e->error, "the expression is nested too deeply");
    if (sign && strchr("+-~($", sign))
        e->hmp->rest++;
    else
        sign = 0;
    if (sign == '(') {
        ok = sum(e, value);
        skip_blanks(e->hmp);
        if (ok && *e->hmp->rest++ != ')')
            return (e->hmp->rest--, error_set(e->error, "')' is missing"));
    } else if (sign == '$') {
        ok = read_register(e, value);
    } else {
        ok = sign ? unary(e, value) : read_literal(e, value);
        *value = sign == '-' ? -*value : sign == '~' ? ~*value : *value;
    }
    e->depth--;
    return ok;
}

static bool apply(u64 *left, char operator, u64 right, GError **error)
{
    switch (operator) {
    case '+':
        *left += right;
        return true;
    case '-':
        *left -= right;
        return true;
    case '*':
        *left *= right;
        return true;
    case '&':
        *left &= right;
        return true;
    case '|':
        *left |= right;
        return true;
    case '^':
        *left ^= right;
        return true;
    }
    if (!right)
        return error_set(error, "division by zero");
    *left = operator== '/' ? *left / right : *left % right;
    return true;
}

/* unary { operator unary } for the operators of one level. */
static bool chain(struct expression *e, u64 *value, const char *operators, bool (*next)(struct expression *, u64 *))
{
    if (!next(e, value))
        return false;
    for (;;) {
        const char *at = e->hmp->rest + strspn(e->hmp->rest, " \t");
        u64 right;

        if (!*at || !strchr(operators, *at))
            return true;
        e->hmp->rest = at + 1;
        if (!next(e, &right) || !apply(value, *at, right, e->error))
            return false;
    }
}

static bool product(struct expression *e, u64 *value)
{
    return chain(e, value, "*/%", unary);
}

static bool logic(struct expression *e, u64 *value)
{
    return chain(e, value, "&|^", product);
}

static bool sum(struct expression *e, u64 *value)
{
    return chain(e, value, "+-", logic);
}

bool hmp_number(struct hmp *hmp, u64 *value, GError **error)
{
    struct expression e = { hmp, 0, error };

    *value = 0;
    return sum(&e, value);
}

/* What a row of commands says of its arguments, word by word; "[-f]" is a flag, "/fmt" a format, some others are numbers. */

static bool is_flag(const char *argument)
{
    return argument[strspn(argument, "[")] == '-';
}

static bool is_number(const char *argument)
{
    static const char *const names[] = { "addr", "expr", "index", "megabytes", "size", NULL };

    return g_strv_contains(names, argument);
}

static bool has_flag(char **arguments, const char *word)
{
    for (; *arguments; arguments++) {
        const char *flag = *arguments + strspn(*arguments, "[");

        if (*word == '-' && g_str_has_prefix(flag, word) && (!flag[strlen(word)] || flag[strlen(word)] == ']'))
            return true;
    }
    return false;
}

/* Words that look like flags; all must be flags of the command, if it has any. */
static bool take_flags(struct hmp *hmp, const char *name, char **arguments)
{
    bool any = false;

    for (char **argument = arguments; *argument; argument++)
        any = any || is_flag(*argument);
    while (any && (skip_blanks(hmp), *hmp->rest == '-')) {
        g_autofree char *word = hmp_word(hmp);

        if (has_flag(arguments, word))
            continue;
        hmp_print(hmp, "%s: unsupported option %s", name, word);
        return false;
    }
    return true;
}

bool hmp_arguments_fit(const struct hmp *hmp, const char *name, const char *usage)
{
    g_auto(GStrv) arguments = g_strsplit(usage, " ", -1);
    struct hmp ahead = *hmp;
    u64 value;

    for (char **argument = arguments; *argument; argument++) {
        if (!strcmp(*argument, "..."))
            return true;
        if (!take_flags(&ahead, name, arguments))
            return false;
        if (!strcmp(*argument, "/fmt"))
            g_free(hmp_format(&ahead));
        else if (is_number(*argument) && !hmp_number(&ahead, &value, NULL))
            return true; /* the command says what is wrong with it */
        else if (!is_number(*argument) && !is_flag(*argument))
            g_free(hmp_word(&ahead));
    }
    if (!take_flags(&ahead, name, arguments))
        return false;
    skip_blanks(&ahead);
    if (*ahead.rest)
        hmp_print(&ahead, "%s: extraneous characters at the end of line: '%s'", name, ahead.rest);
    return !*ahead.rest;
}
