/*
 * tests/ir/text.c - the text form: random blocks survive printing and parsing, broken text is refused, and files of tests:
 *
 *     == name: pass, pass ...
 *     block ...
 *     -- expect            or  -- error (of parser or verifier)
 *     block ...
 *
 * `all` means every pass, `none` only parses. With BLESS=1 in the environment a file is rewritten with what came out.
 */
#include "tests/ir/run.h"
#include <stdlib.h>
#include <string.h>

static unsigned check_round_trip(struct ir_block *b, struct ir_block *again, u64 seed)
{
    g_autofree char *first = NULL, *second = NULL;
    g_autoptr(GError) error = NULL;

    generate_block(b, seed, 5 + (u32)(seed % 90), seed & 1);
    first = ir_print(b, machine_regs, MACHINE_REGS);
    if (!ir_parse(again, first, machine_regs, MACHINE_REGS, machine_helpers, &error) ||
        !ir_verify(again, machine_regs, MACHINE_REGS, &error)) {
        g_print("not ok - seed %u: %s\n%s", (unsigned)seed, error->message, first);
        return 1;
    }
    second = ir_print(again, machine_regs, MACHINE_REGS);
    if (!strcmp(first, second) && !memcmp(b->exit, again->exit, b->exit_count * sizeof b->exit[0]) &&
        !memcmp(b->snapshot, again->snapshot, b->snapshot_count * sizeof b->snapshot[0]) && b->byte_count == again->byte_count)
        return 0;
    g_print("not ok - seed %u changes in print and parse\n%s\n%s", (unsigned)seed, first, second);
    return 1;
}

/* Text with bytes changed must parse or be refused, and verify or be refused, without a fault. */
static void mutilate(struct ir_block *b, u64 seed)
{
    g_autofree char *text = NULL;
    u64 r = seed;

    generate_block(b, seed, 20, false);
    text = ir_print(b, machine_regs, MACHINE_REGS);
    for (unsigned i = 0; i < 1 + seed % 8; i++)
        text[random_next(&r) % strlen(text)] = (char)(32 + random_next(&r) % 95);
    if (ir_parse(b, text, machine_regs, MACHINE_REGS, machine_helpers, NULL))
        ir_verify(b, machine_regs, MACHINE_REGS, NULL);
}

unsigned test_text(const struct test_options *options)
{
    struct ir_block *b = ir_block_create(4096), *again = ir_block_create(4096);
    unsigned failures = 0;

    for (u64 i = 0; i < options->count && failures < 3; i++)
        failures += check_round_trip(b, again, options->seed + i);
    for (u64 i = 0; i < options->count; i++)
        mutilate(b, options->seed + i);
    g_print("text form: %u failures\n", failures);
    ir_block_destroy(b);
    ir_block_destroy(again);
    return failures;
}

/* What a case gives: text of the block, or the message of an error. */
static char *outcome(const char *passes, const char *input, bool *failed)
{
    struct ir_block *b = ir_block_create(4096);
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) name = g_strsplit(passes, ",", 0);
    char *text;

    *failed = !ir_parse(b, input, machine_regs, MACHINE_REGS, machine_helpers, &error) ||
              !ir_verify(b, machine_regs, MACHINE_REGS, &error);
    for (char **n = name; *n && !*failed; n++) {
        const struct ir_pass *pass = find_pass(g_strstrip(*n));

        if (!strcmp(*n, "all"))
            *failed = !run_passes(b, &error);
        else if (pass)
            pass->run(b, &machine_layout);
        else if (strcmp(*n, "none"))
            g_set_error(&error, g_quark_from_static_string("ir-test"), 0, "no pass '%s'", *n), *failed = true;
        if (!*failed)
            *failed = !ir_verify(b, machine_regs, MACHINE_REGS, &error);
    }
    text = *failed ? g_strdup_printf("%s\n", error->message) : ir_print(b, machine_regs, MACHINE_REGS);
    ir_block_destroy(b);
    return text;
}

/* One case: head line, input, "-- ..." line, expectation. Appends the true one to `blessed`. */
static unsigned check_case(const char *path, const char *text, GString *blessed)
{
    const char *body = strchr(text, '\n'), *mark = strstr(text, "\n-- "), *colon = strchr(text, ':');
    g_autofree char *passes = NULL, *input = NULL, *got = NULL, *want = NULL, *head = NULL;
    bool failed;

    if (!body || !mark || !colon || colon > body) {
        g_print("not ok - %s: a case without a colon or an expectation\n", path);
        g_string_append(blessed, text);
        return 1;
    }
    head = g_strndup(text, (gsize)(colon - text));
    passes = g_strndup(colon + 1, (gsize)(body - colon - 1));
    input = g_strndup(body + 1, (gsize)(mark - body));
    got = outcome(passes, input, &failed);
    g_string_append_len(blessed, text, mark + 1 - text);
    g_string_append_printf(blessed, "-- %s\n%s\n", failed ? "error" : "expect", got);
    want = g_strdup(strchr(mark + 1, '\n') ? strchr(mark + 1, '\n') + 1 : "");
    g_strchomp(want);
    g_strchomp(got);
    if (!strcmp(want, got) && g_str_has_prefix(mark + 4, failed ? "error" : "expect"))
        return 0;
    g_print("not ok - %s %s\n--- expected\n%s\n--- got\n%s\n", path, head, want, got);
    return 1;
}

unsigned test_file(const char *path)
{
    g_autofree char *text = NULL;
    g_autoptr(GString) blessed = g_string_new(NULL);
    g_auto(GStrv) part = NULL;
    unsigned failures = 0;

    if (!g_file_get_contents(path, &text, NULL, NULL)) {
        g_print("not ok - cannot read %s\n", path);
        return 1;
    }
    part = g_strsplit(text, "\n== ", 0);
    for (u32 i = 0; part[i]; i++) {
        if (i)
            g_string_append(blessed, "== ");
        if (i || g_str_has_prefix(part[i], "== "))
            failures += check_case(path, part[i], blessed);
        else
            g_string_append_printf(blessed, "%s\n", part[i]);
    }
    if (!getenv("BLESS"))
        return failures;
    while (blessed->len > 1 && blessed->str[blessed->len - 2] == '\n')
        g_string_truncate(blessed, blessed->len - 1);
    return !g_file_set_contents(path, blessed->str, -1, NULL);
}
