/*
 * tests/ir/main.c - ir-test: tests of the IR, its passes and its back ends.
 *
 *     ir-test [--backend=interp|x86_64[:ISA]|reference] [--seed=N] [--count=N] [--length=N] COMMAND | FILE...
 *
 * Commands: ops, links, loops, strips, random, text, faults, damage, apart, once, speed, all. Files hold text tests (tests/ir/text.c). Exit status 1 when anything failed.
 */
#include "tests/ir/run.h"
#include <string.h>

static const struct command {
    const char *name;
    unsigned (*run)(const struct test_options *options);
    u64 count; /* unless given */
    bool in_all;
} commands[] = {
    { "ops", test_ops, 1, true },
    { "links", test_links, 1, true },
    { "loops", test_loops, 1000, true },
    { "strips", test_strips, 3000, true },
    { "text", test_text, 300, true },
    { "random", test_random, 2000, true },
    { "faults", test_faults, 2000, true },
    { "once", test_once, 1, false },
    { "damage", test_damage, 500, false },
    { "apart", test_apart, 1, false },
    { "speed", test_speed, 2000, false },
};

static unsigned run_one(const char *name, const struct test_options *given)
{
    unsigned failures = 0;
    bool known = false;

    for (u32 i = 0; i < ARRAY_SIZE(commands); i++) {
        struct test_options options = *given;

        if (strcmp(name, commands[i].name) && !(commands[i].in_all && !strcmp(name, "all")))
            continue;
        known = true;
        if (!options.count)
            options.count = commands[i].count;
        failures += commands[i].run(&options);
    }
    return known ? failures : test_file(name);
}

int main(int argc, char **argv)
{
    g_autofree char *backend = NULL, *dump = NULL, *image = NULL;
    gboolean quick = FALSE;
    gint64 seed = 1, count = 0, length = 0;
    GOptionEntry entries[] = {
        { "backend", 'b', 0, G_OPTION_ARG_STRING, &backend, "interp, x86_64, x86_64:1 to x86_64:4, reference", "NAME" },
        { "seed", 's', 0, G_OPTION_ARG_INT64, &seed, "first seed", "N" },
        { "count", 'n', 0, G_OPTION_ARG_INT64, &count, "number of cases", "N" },
        { "length", 'l', 0, G_OPTION_ARG_INT64, &length, "ops in a random block", "N" },
        { "dump", 0, 0, G_OPTION_ARG_FILENAME, &dump, "log of -d ir, for speed", "FILE" },
        { "quick", 0, 0, G_OPTION_ARG_NONE, &quick, "speed --image: quick code where that can be", NULL },
        { "image", 0, 0, G_OPTION_ARG_FILENAME, &image, "RISC-V code, for speed: pages --seed.. (--length of them), --count rounds", "FILE" },
        { NULL },
    };
    GOptionContext *context = g_option_context_new("COMMAND|FILE...");
    struct test_options options;
    unsigned failures = 0;

    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, NULL) || argc < 2) {
        g_printerr("usage: ir-test [--backend=NAME] [--seed=N] [--count=N] COMMAND|FILE...\n");
        return 2;
    }
    options = (struct test_options){ .backend = backend ? backend : "interp", .seed = (u64)seed, .count = (u64)count, .length = (u64)length, .dump = dump, .image = image, .quick = quick };
    for (int i = 1; i < argc; i++)
        failures += run_one(argv[i], &options);
    g_option_context_free(context);
    return failures ? 1 : 0;
}
