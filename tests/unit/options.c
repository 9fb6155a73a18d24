/* tests/unit/options.c - command-line options, key=value lists, numbers. */
#include "api/json.h"
#include "api/number.h"
#include "api/options.h"
#include "base/error.h"
#include <glib/gstdio.h>
#include <string.h>

static struct api_option_list *parse(const char *line, GError **error)
{
    g_auto(GStrv) argv = NULL;
    g_autofree char *all = g_strconcat("mynah ", line, NULL);
    int argc;

    g_assert_true(g_shell_parse_argv(all, &argc, &argv, NULL));
    return api_option_parse(argc, argv, error);
}

static const struct {
    const char *line, *printed;
} good[] = {
    { "-M virt", "-M type=virt" },
    { "--machine virt,acpi=off", "--machine type=virt,acpi=off" },
    { "-machine none,accel=kvm:mshv:tcg", "-machine type=none,accel=kvm:mshv:tcg" },
    { "-m size=524288k", "-m size=524288k" },
    { "-m 512", "-m size=512" },
    { "-smp 2,sockets=2,cores=1,threads=1", "-smp cpus=2,sockets=2,cores=1,threads=1" },
    { "-smp cpus=0x4", "-smp cpus=0x4" },
    { "-cpu rv64,sv48=on,+zba,-zbb", "-cpu model=rv64,sv48=on,zba=on,zbb=off" },
    { "-cpu qemu64,+x2apic,mmx,sse", "-cpu model=qemu64,x2apic=on,mmx=on,sse=on" },
    { "-chardev socket,id=c,server,nowait,path=a,,b", "-chardev backend=socket,id=c,server=on,wait=off,path=a,,b" },
    { "-chardev socket,id=c,nodelay", "-chardev backend=socket,id=c,nodelay=on" },
    { "-chardev socket,id=c,nosuch", "-chardev backend=socket,id=c,nosuch=on" },
    { "-name guest=t,debug-threads=on", "-name guest=t,debug-threads=on" },
    { "-mon chardev=S,mode=control", "-mon chardev=S,mode=control" },
    { "-mon S", "-mon chardev=S" },
    { "-boot strict=on", "-boot strict=on" },
    { "-boot c", "-boot order=c" },
    { "-rtc base=utc", "-rtc base=utc" },
    { "-global a.b.c=d,e=f", "-global driver=a,property=b.c,value=d,,e=f" },
    { "-global driver=a,property=b,value=c", "-global driver=a,property=b,value=c" },
    { "-accel tcg,thread=multi", "-accel accel=tcg,thread=multi" },
    { "-M help", "-M type=help" },
    { "-device loader,help", "-device driver=loader,help=on" },
    { "-device '{\"driver\":\"x\",\"addr\":\"0x1\",\"n\":18446744073709551615,\"b\":true,\"l\":[1,{\"k\":\"v\"}]}'",
      "-device driver=x,addr=0x1,n=18446744073709551615,b=on,l.0=1,l.1.k=v" },
    { "-append 'a=b,c @x'", "-append a=b,c @x" },
    { "-append @x -S", "-append @x" },
    { "-append -S", "-append -S" },
    { "-S -s", "-S" },
};

static void test_good(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(good); i++) {
        GError *error = NULL;
        g_autoptr(api_option_list) list = parse(good[i].line, &error);
        const struct api_option_use *use;
        g_autofree char *value = NULL, *printed = NULL;

        g_assert_no_error(error);
        use = api_option_at(list, 0);
        value = use->keyval ? api_keyval_print(use->keyval) : g_strdup(use->text);
        printed = value ? g_strdup_printf("%s %s", use->spelling, value) : g_strdup(use->spelling);
        g_assert_cmpstr(printed, ==, good[i].printed);
    }
}

static const struct {
    const char *line, *message;
} bad[] = {
    { "-memroy 5", "-memroy: no such option" },
    { "-krenel x", "-krenel: no such option\ndid you mean -kernel?" },
    { "--nographics", "--nographics: no such option\ndid you mean -nographic?" },
    { "-mtdblock x", "-mtdblock: QEMU has -mtdblock; Mynah does not yet" },
    { "--preconfig", "--preconfig: QEMU has -preconfig; Mynah does not yet" },
    { "-action reboot=rest", "-action reboot=rest: parameter 'reboot' does not take 'rest'\n"
                             "did you mean 'reset'? reboot is one of: reset, shutdown" },
    { "-overcommit mem-lock=on", "-overcommit mem-lock=on: parameter 'mem-lock' does not take 'on'\nmem-lock is one of: off" },
    { "-display gtk", "-display gtk: Mynah does not have this yet\nwhat there is: none" },
    { "-parallel pty", "-parallel pty: Mynah does not have this yet\nwhat there is: none" },
    { "-kernel", "-kernel: an argument is missing\nit reads -kernel FILE" },
    { "-smp cpu=2", "-smp cpu=2: no such parameter: 'cpu'\ndid you mean 'cpus'?" },
    { "-smp two", "-smp two: parameter 'cpus' expects a number, not 'two'" },
    { "-smp 99999999999999999999", "-smp 99999999999999999999: parameter 'cpus': 99999999999999999999 is out of range" },
    { "-m lots", "-m lots: parameter 'size' expects a size, not 'lots'\n"
                 "a size is a number with K, M, G, T, P or E, such as 512M or 1.5G" },
    { "-m 1.5e300", "-m 1.5e300: parameter 'size' expects a size, not '1.5e300'\n"
                    "a size is a number with K, M, G, T, P or E, such as 512M or 1.5G" },
    { "-m 64.5e3K", "-m 64.5e3K: parameter 'size' expects a size, not '64.5e3K'\n"
                    "a size is a number with K, M, G, T, P or E, such as 512M or 1.5G" },
    { "-m 99999999P", "-m 99999999P: parameter 'size': 99999999P is out of range" },
    { "-msg timestamp=maybe", "-msg timestamp=maybe: parameter 'timestamp' expects 'on' or 'off', not 'maybe'" },
    { "-name a,=b", "-name a,=b: a name is missing before '=b'" },
    { "-name a,,,,b", NULL },
    { "-name guest=a,process=b,proces=c", "-name guest=a,process=b,proces=c: no such parameter: 'proces'\ndid you mean 'process'?" },
    { "-global abc", "-global abc: expected DRIVER.PROPERTY=VALUE" },
    { "-global a=b.c", "-global a=b.c: expected DRIVER.PROPERTY=VALUE" },
    { "-device '{\"driver\":'", "-device {\"driver\":: JSON parse error at byte 10: the text ends too early" },
    { "-device '{\"driver\":1} x'", "-device {\"driver\":1} x: JSON parse error at byte 13: unexpected text" },
    { "@/nonexistent/file", "argument file: Failed to open file \xe2\x80\x9c/nonexistent/file\xe2\x80\x9d: No such file or directory" },
};

static void test_bad(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        GError *error = NULL;
        g_autoptr(api_option_list) list = parse(bad[i].line, &error);

        if (!bad[i].message) {
            g_assert_no_error(error);
            continue;
        }
        g_assert_null(list);
        if (i == 0) /* its nearest name may change with the table */
            g_assert_true(g_str_has_prefix(error->message, bad[i].message));
        else if (bad[i].line[0] != '@')
            g_assert_cmpstr(error->message, ==, bad[i].message);
        g_error_free(error);
    }
}

static void test_files(void)
{
    g_autofree char *dir = g_dir_make_tmp("mynah-XXXXXX", NULL);
    g_autofree char *outer = g_build_filename(dir, "outer", NULL), *inner = g_build_filename(dir, "inner", NULL);
    g_autofree char *text = g_strdup_printf("-M virt # a comment\n@%s\n-append 'two words'", inner);
    g_autofree char *line = g_strdup_printf("-S @%s -s", outer);
    g_autofree char *loop = g_strdup_printf("@%s", inner);
    g_autoptr(api_option_list) list = NULL;
    GError *error = NULL;

    g_assert_true(g_file_set_contents(outer, text, -1, NULL));
    g_assert_true(g_file_set_contents(inner, "# nothing\n-nographic", -1, NULL));
    list = parse(line, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(api_option_count(list), ==, 5);
    g_assert_cmpstr(api_option_last(list, API_OPTION_APPEND)->text, ==, "two words");
    g_assert_nonnull(api_option_last(list, API_OPTION_NOGRAPHIC));
    g_assert_nonnull(api_option_last(list, API_OPTION_S));

    g_assert_true(g_file_set_contents(inner, loop, -1, NULL));
    g_assert_null(parse(line, &error));
    g_assert_nonnull(strstr(error->message, "nested too deeply"));
    g_error_free(error);
    g_unlink(outer);
    g_unlink(inner);
    g_rmdir(dir);
}

static struct api_option_list *parse_config(const char *content, GError **error)
{
    g_autofree char *folder = g_dir_make_tmp("mynah-config-XXXXXX", NULL), *path = g_build_filename(folder, "a.cfg", NULL);
    char *const argv[] = { (char *)"mynah", (char *)"-readconfig", path, (char *)"-S", NULL };
    struct api_option_list *list;

    g_assert_true(g_file_set_contents(path, content, -1, NULL));
    list = api_option_parse(4, argv, error);
    g_remove(path);
    g_rmdir(folder);
    return list;
}

/* Groups are options in the place of -readconfig, and their ids a key like others. */
static void test_config(void)
{
    static const char text[] = "# comment\n\n[smp-opts]\n  cpus = \"2\"\n[drive \"d0\"]\nfile= \"a,b = c\" \n\tif =\"none\"\n[device]\n[global]\ndriver = \"a\"\nproperty=\"b\"\nvalue = \"\"\n";
    g_autoptr(GError) error = NULL;
    g_autoptr(api_option_list) list = parse_config(text, &error);

    g_assert_no_error(error);
    g_assert_cmpuint(api_option_count(list), ==, 6);
    g_assert_cmpint(api_option_at(list, 1)->id, ==, API_OPTION_SMP);
    struct api_keyval *drive = api_option_at(list, 2)->keyval;

    g_assert_cmpstr(api_keyval_get(drive, "id"), ==, "d0");
    g_assert_cmpstr(api_keyval_get(drive, "file"), ==, "a,b = c");
    g_assert_cmpstr(api_keyval_get(drive, "if"), ==, "none");
    g_assert_cmpuint(api_keyval_count(api_option_at(list, 3)->keyval), ==, 0);
    g_assert_cmpstr(api_keyval_get(api_option_at(list, 4)->keyval, "value"), ==, "");
    g_assert_cmpstr(api_option_at(list, 5)->spelling, ==, "-S");
}

static void test_bad_config(void)
{
    static const struct {
        const char *text, *words;
    } rows[] = {
        { "a = \"1\"\n", "a.cfg:1: no group defined" },
        { "\n[nosuch]\n", "a.cfg:2: There is no option group 'nosuch'" },
        { "[driv]\n", "did you mean [drive]?" },
        { "[serial]\n", "There is no option group 'serial'" },
        { "[device\n", "a group is written [NAME] or [NAME \"ID\"]" },
        { "[device \"x]\n", "a group is written" },
        { "[device \"x\" y]\n", "a group is written" },
        { "[device] x\n", "a group is written" },
        { "[]\n", "There is no option group ''" },
        { "[device \"9\"]\n", "Parameter 'id' expects an identifier" },
        { "[device \"x,driver=y\"]\n", "Parameter 'id' expects an identifier" },
        { "[device]\ndriver = x\n", "a.cfg:2: an option is written KEY = \"VALUE\"" },
        { "[device]\ndriver = \"x\" y\n", "an option is written" },
        { "[device]\ndriver\n", "an option is written" },
        { "[device]\na b = \"x\"\n", "'a b' is not the name of an option" },
        { "[device]\n= \"x\"\n", "'' is not the name of an option" },
        { "[smp-opts]\ncpsu = \"2\"\n", "a.cfg:1: [smp-opts] cpsu=2" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(parse_config(rows[i].text, &error));
        g_assert_nonnull(error);
        if (!strstr(error->message, rows[i].words))
            g_error("%s: %s", rows[i].words, error->message);
    }
}

static void test_merge(void)
{
    g_autoptr(api_option_list) list = parse("-M virt,acpi=off -smp 1 -machine accel=tcg,acpi=on", NULL);
    g_autoptr(api_keyval) merged = api_option_merged(list, API_OPTION_MACHINE);
    bool acpi = false;
    GError *error = NULL;

    g_assert_cmpstr(api_keyval_get(merged, "type"), ==, "virt");
    g_assert_true(api_keyval_get_bool(merged, "acpi", &acpi, NULL));
    g_assert_true(acpi);
    g_assert_false(api_keyval_check_used(merged, (const char *const[]){ "acell", NULL }, &error));
    g_assert_cmpstr(error->message, ==, "no such parameter: 'accel'\ndid you mean 'acell'?");
    g_error_free(error);
    api_keyval_get(merged, "accel");
    g_assert_true(api_keyval_check_used(merged, NULL, NULL));
}

static void test_help_wanted(void)
{
    static const struct {
        const char *line;
        bool wanted;
    } rows[] = {
        { "-M help", true }, { "-M ?", true }, { "-M virt,help", true }, { "-M virt,acpi=help", false },
        { "-cpu help", true }, { "-smp help", true }, { "-device virtio,id=help", false },
    };

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        g_autoptr(api_option_list) list = parse(rows[i].line, NULL);

        g_assert_nonnull(list);
        g_assert_cmpint(api_keyval_wants_help(api_option_at(list, 0)->keyval), ==, rows[i].wanted);
    }
}

static void test_sizes(void)
{
    static const struct {
        const char *text;
        u64 bytes;
    } rows[] = {
        { "512", 512 * MIB }, { "512k", 512 * KIB }, { "1G", GIB }, { "1.5G", 3 * GIB / 2 }, { "0x10", 16 * MIB },
        { "0x10K", 16 * KIB }, { "7B", 7 }, { "0", 0 }, { "15E", 15 * GIB * GIB }, { "010", 10 * MIB },
    };
    static const char *const wrong[] = { "", "k", "-1", "1X", "1GB", "1..5", "16E", " 1", "0x", "1.5.5G", NULL };
    u64 size;

    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++) {
        g_assert_true(api_parse_size("x", rows[i].text, MIB, &size, NULL));
        g_assert_cmphex(size, ==, rows[i].bytes);
    }
    for (unsigned i = 0; wrong[i]; i++)
        g_assert_false(api_parse_size("x", wrong[i], MIB, &size, NULL));
}

static void test_numbers(void)
{
    u64 u;
    s64 s;

    g_assert_true(api_parse_u64("x", "18446744073709551615", &u, NULL) && u == UINT64_MAX);
    g_assert_true(api_parse_s64("x", "-9223372036854775808", &s, NULL) && s == INT64_MIN);
    g_assert_true(api_parse_s64("x", "-0x10", &s, NULL) && s == -16);
    g_assert_false(api_parse_s64("x", "9223372036854775808", &s, NULL));
    g_assert_false(api_parse_s64("x", "--1", &s, NULL));
    g_assert_false(api_parse_u64("x", "-1", &u, NULL));
    g_assert_false(api_parse_u64("x", "1 ", &u, NULL));
}

/* Every example in the table must parse, and every group must have shown something. */
static void test_help_text(void)
{
    g_autofree char *help = api_option_help("mynah");

    for (unsigned i = 0; i < API_OPTION_COUNT; i++) {
        GError *error = NULL;
        g_autoptr(api_option_list) list = NULL;
        g_autofree char *name = g_strdup_printf("-%s", api_options[i].name);

        g_assert_cmpuint(api_options[i].id, ==, i);
        g_assert_nonnull(strstr(help, name));
        if (!*api_options[i].example || i == API_OPTION_READCONFIG) /* its file is not there */
            continue;
        list = parse(api_options[i].example, &error);
        g_assert_no_error(error);
    }
}

/* Command lines that other programs build (libvirt's probe, kunit.py, Zephyr, syzkaller's monitor). */
static void test_clients(void)
{
    static const char *const lines[] = {
        "-S -no-user-config -nodefaults -nographic -machine none,accel=kvm:mshv:tcg "
        "-qmp unix:/var/lib/qmp.monitor,server=on,wait=off -pidfile /var/lib/qmp.pid -daemonize",
        "-nodefaults -m 1024 -kernel Image -append 'console=ttyS0 kunit_shutdown=reboot' -no-reboot -nographic -accel kvm "
        "-accel hvf -accel tcg -serial stdio -machine virt -cpu rv64 -bios opensbi-riscv64-generic-fw_dynamic.bin",
        "-nographic -machine virt -bios none -m 256 -pidfile qemu.pid -serial mon:stdio -s -S -kernel zephyr.elf",
        "-m 2048 -smp 2 -chardev socket,id=SOCKSYZ,server=on,wait=off,host=localhost,port=4444 "
        "-mon chardev=SOCKSYZ,mode=control -display none -serial stdio -no-reboot -name VM-0",
        "-name guest=t,debug-threads=on -S -machine virt,usb=off,dump-guest-core=off,memory-backend=riscv_virt_board.ram,acpi=off "
        "-accel tcg -cpu rv64 -m size=524288k -object "
        "'{\"qom-type\":\"memory-backend-ram\",\"id\":\"riscv_virt_board.ram\",\"size\":536870912}' "
        "-smp 2,sockets=2,cores=1,threads=1 -uuid d5c12c84-0000-0000-0000-000000000000 -no-user-config -nodefaults "
        "-chardev socket,id=charmonitor,fd=22,server=on,wait=off "
        "-object '{\"qom-type\":\"monitor-qmp\",\"id\":\"monitor\",\"chardev\":\"charmonitor\"}' "
        "-rtc base=utc -no-shutdown -boot strict=on -chardev pty,id=charserial0 -serial chardev:charserial0 -msg timestamp=on",
    };

    for (unsigned i = 0; i < ARRAY_SIZE(lines); i++) {
        GError *error = NULL;
        g_autoptr(api_option_list) list = parse(lines[i], &error);

        g_assert_no_error(error);
        g_assert_nonnull(list);
    }
}

static void test_describe(void)
{
    struct json_object *all = api_option_describe(NULL, NULL), *one = api_option_describe("smp-opts", NULL);

    g_assert_cmpuint(json_object_array_length(all), >, 10);
    g_assert_cmpuint(json_object_array_length(one), ==, 1);
    g_assert_null(api_option_describe("nothing", NULL));
    json_object_put(all);
    json_object_put(one);
}

/* Random command lines: an answer or an error, never a crash. */
static void test_random(void)
{
    static const char alphabet[] = "-Mmachinevrtdsg=,,.{}\":[]@+ 0123x";

    for (unsigned i = 0; i < 20000; i++) {
        char word[3][24];
        char program[] = "mynah";
        char *argv[5] = { program, word[0], word[1], word[2], NULL };
        GError *error = NULL;
        g_autoptr(api_option_list) list = NULL;

        for (unsigned w = 0; w < 3; w++) {
            unsigned length = (unsigned)g_test_rand_int_range(0, 23);

            for (unsigned c = 0; c < length; c++)
                word[w][c] = alphabet[g_test_rand_int_range(0, sizeof(alphabet) - 1)];
            word[w][length] = 0;
        }
        if (i & 1)
            g_snprintf(word[0], sizeof(word[0]), "-%s", api_options[i / 2 % API_OPTION_COUNT].name);
        list = api_option_parse(4, argv, &error);
        g_assert_true(!list == !!error);
        g_clear_error(&error);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/options/good", test_good);
    g_test_add_func("/options/bad", test_bad);
    g_test_add_func("/options/files", test_files);
    g_test_add_func("/options/config", test_config);
    g_test_add_func("/options/bad-config", test_bad_config);
    g_test_add_func("/options/merge", test_merge);
    g_test_add_func("/options/help-wanted", test_help_wanted);
    g_test_add_func("/options/sizes", test_sizes);
    g_test_add_func("/options/numbers", test_numbers);
    g_test_add_func("/options/help-text", test_help_text);
    g_test_add_func("/options/clients", test_clients);
    g_test_add_func("/options/describe", test_describe);
    g_test_add_func("/options/random", test_random);
    return g_test_run();
}
