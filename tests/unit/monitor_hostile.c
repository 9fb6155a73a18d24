/* tests/unit/monitor_hostile.c - random requests and lines for QMP and the human monitor: they go on answering. */
#include "tests/unit/monitor_rig.h"
#include <glib/gstdio.h>
#include <unistd.h>

/* Words that make packets look almost right. */
static const char *const tokens[] = {
    "{", "}", "[", "]", ",", ":", "\"execute\"", "\"arguments\"", "\"id\"", "\"enable\"", "\"path\"", "\"/machine\"",
    "\"property\"", "\"value\"", "\"type\"", "\"full\"", "\"model\"", "\"name\"", "\"max\"", "\"command-line\"",
    "\"info qom-tree\"", "\"x /10i $pc\"", "\"size\"", "\"val\"", "\"filename\"", "\"file\"", "\"id0\"", "\"backend\"",
    "\"data\"", "\"null\"", "\"ringbuf\"", "\"device\"", "\"fdname\"", "true", "false", "null", "0", "-1", "1.5", "1e400",
    "18446744073709551616", "\"\\u0000\"", "\"\xff\"", "\n", " ", "\"\\", "'", "/*", "\x01", "\"typename\"", "\"monitor-qmp\"",
};

static void append_value(GString *out, GRand *rand, unsigned depth)
{
    unsigned kind = (unsigned)g_rand_int_range(rand, 0, depth > 6 ? 4 : 7);

    if (kind < 5) {
        g_string_append(out, tokens[g_rand_int_range(rand, 6, ARRAY_SIZE(tokens))]);
    } else if (kind == 5) {
        g_string_append_c(out, '[');
        append_value(out, rand, depth + 1);
        g_string_append_c(out, ']');
    } else {
        g_string_append_printf(out, "{%s:", tokens[g_rand_int_range(rand, 6, 33)]);
        append_value(out, rand, depth + 1);
        g_string_append_c(out, '}');
    }
}

/* A right request whose arguments are the command's own, with random values. */
static void append_request(GString *out, GRand *rand)
{
    const struct monitor_command *command = &monitor_commands[g_rand_int_range(rand, 0, (gint)monitor_command_count)];

    g_string_append_printf(out, "{\"execute\":\"%s\",\"arguments\":{", command->name);
    for (u32 i = 0; command->args && i < command->args->count; i++) {
        if (command->args->members[i].optional && g_rand_boolean(rand))
            continue;
        g_string_append_printf(out, "%s\"%s\":", i ? "," : "", command->args->members[i].name);
        append_value(out, rand, 0);
    }
    g_string_append(out, "}}");
}

static void make_packet(GString *out, GRand *rand)
{
    unsigned kind = (unsigned)g_rand_int_range(rand, 0, 4);

    g_string_truncate(out, 0);
    if (kind == 0) {
        for (int n = g_rand_int_range(rand, 1, 40); n--;)
            g_string_append(out, tokens[g_rand_int_range(rand, 0, ARRAY_SIZE(tokens))]);
        return;
    }
    append_request(out, rand);
    if (kind == 1) { /* flip a byte */
        out->str[g_rand_int_range(rand, 0, (gint)out->len)] = (char)g_rand_int_range(rand, 0, 256);
    } else if (kind == 2) { /* cut */
        g_string_truncate(out, (gsize)g_rand_int_range(rand, 0, (gint)out->len));
    }
}

static void test_random_packets(void)
{
    g_autofree char *dir = g_dir_make_tmp("mynah-XXXXXX", NULL), *before = g_get_current_dir();
    g_autofree char *remove = g_strdup_printf("rm -rf '%s'", dir);
    g_autoptr(GString) packet = g_string_new(NULL);
    GRand *rand = g_rand_new_with_seed((guint32)g_test_rand_int());
    struct rig rig;

    g_assert_cmpint(g_chdir(dir), ==, 0);
    rig_init(&rig, MONITOR_QMP);
    negotiate(&rig);
    for (unsigned i = 0; i < 10000; i++) {
        make_packet(packet, rand);
        monitor_receive(rig.monitor, (const u8 *)packet->str, packet->len);
        g_string_truncate(rig.seen, 0);
        if (i % 100 == 99) { /* a new connection is always usable */
            monitor_closed(rig.monitor);
            monitor_opened(rig.monitor);
            negotiate(&rig);
            assert_usable(&rig);
        }
    }
    rig_finish(&rig);
    g_rand_free(rand);
    g_assert_cmpint(g_chdir(before), ==, 0);
    g_assert_true(g_spawn_command_line_sync(remove, NULL, NULL, NULL, NULL));
}

static void test_random_lines(void)
{
    static const char alphabet[] = "infox p/($)+-*&|~0123 \033[ADC\001\004\025\027\177\tregistmp\xff\"'qol-";
    struct rig rig;

    rig_init(&rig, MONITOR_HMP);
    for (unsigned i = 0; i < 20000; i++) {
        u8 keys[32];

        for (unsigned k = 0; k < sizeof(keys); k++)
            keys[k] = (u8)alphabet[g_test_rand_int_range(0, sizeof(alphabet) - 1)];
        if (i % 3 == 0)
            keys[31] = '\r';
        monitor_receive(rig.monitor, keys, sizeof(keys));
        g_string_truncate(rig.seen, 0);
    }
    rig_finish(&rig);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/monitor/random-packets", test_random_packets);
    g_test_add_func("/monitor/random-lines", test_random_lines);
    return g_test_run();
}
