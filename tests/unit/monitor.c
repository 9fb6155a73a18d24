/* tests/unit/monitor.c - QMP and the human monitor on a machine without devices; random input: monitor_hostile.c. */
#include "api/introspect.h"
#include "api/types.h"
#include "tests/unit/monitor_rig.h"
#include <string.h>
#include <unistd.h>

static void test_greeting(void)
{
    struct rig rig;

    rig_init(&rig, MONITOR_QMP);
    g_assert_true(g_str_has_prefix(rig.seen->str, "{ \"QMP\": { \"version\": { \"qemu\": { \"major\": 11, \"minor\": 1, "
                                                  "\"micro\": 0 }, \"package\": \"mynah "));
    g_assert_true(g_str_has_suffix(rig.seen->str, "\"capabilities\": [ ] } }\r\n"));
    rig_finish(&rig);
}

#define ERROR_ANSWER(class, text) "{ \"error\": { \"class\": \"" class "\", \"desc\": \"" text "\" } }\r\n"

static const struct {
    const char *request, *answer;
} early[] = {
    { "{\"execute\":\"query-status\"}",
      ERROR_ANSWER("CommandNotFound", "Expecting capabilities negotiation with 'qmp_capabilities'") },
    { "{\"execute\":\"qmp_capabilities\",\"arguments\":{\"enable\":[\"oob\"]}}",
      ERROR_ANSWER("GenericError", "Capability 'oob' is not available") },
    { "{\"execute\":\"qmp_capabilities\",\"arguments\":{\"enable\":[]}}", "{ \"return\": { } }\r\n" },
    { "{\"execute\":\"qmp_capabilities\"}",
      ERROR_ANSWER("CommandNotFound", "Capabilities negotiation is already complete, command ignored") },
}, late[] = {
    { "{\"execute\":\"query-status\"}", "{ \"return\": { \"running\": false, \"status\": \"prelaunch\" } }\r\n" },
    { "{'execute':'query-status','id':[1,{'a':null}]}",
      "{ \"return\": { \"running\": false, \"status\": \"prelaunch\" }, \"id\": [ 1, { \"a\": null } ] }\r\n" },
    { "{\"execute\":\"query-statuss\",\"id\":7}",
      "{ \"error\": { \"class\": \"CommandNotFound\", \"desc\": \"The command query-statuss has not been found\" }, \"id\": 7 }\r\n" },
    { "{\"execute\":\"stop\",\"id\":\"\xff\"}", ERROR_ANSWER("GenericError", "id: A JSON string is not valid UTF-8") },
    { "{\"execute\":\"stop\",\"\xfc\":1}", ERROR_ANSWER("GenericError", "A JSON string is not valid UTF-8") },
    { "{\"execute\":5}", ERROR_ANSWER("GenericError", "QMP input member 'execute' must be a string") },
    { "{}", ERROR_ANSWER("GenericError", "QMP input lacks member 'execute'") },
    { "[]", ERROR_ANSWER("GenericError", "QMP input must be a JSON object") },
    { "null\n", ERROR_ANSWER("GenericError", "QMP input must be a JSON object") },
    { "\"x\"", ERROR_ANSWER("GenericError", "QMP input must be a JSON object") },
    { "{\"execute\":\"stop\",\"arguments\":[]}",
      ERROR_ANSWER("GenericError", "QMP input member 'arguments' must be an object") },
    { "{\"execute\":\"stop\",\"arguments\":{\"a\":1}}", ERROR_ANSWER("GenericError", "Parameter 'a' is unexpected") },
    { "{\"execute\":\"stop\",\"extra\":1}", ERROR_ANSWER("GenericError", "QMP input member 'extra' is unexpected") },
    { "{\"exec-oob\":\"stop\"}",
      ERROR_ANSWER("GenericError", "QMP input member 'exec-oob' is unexpected: capability 'oob' is not available") },
    { "{\"execute\":\"qom-list\"}", ERROR_ANSWER("GenericError", "Parameter 'path' is missing") },
    { "{\"execute\":\"qom-list\",\"arguments\":{\"path\":\"/nowhere\"}}",
      ERROR_ANSWER("DeviceNotFound", "Device '/nowhere' not found") },
    { "{\"execute\":\"device-list-properties\",\"arguments\":{\"typename\":\"vfio-pci\"}}",
      ERROR_ANSWER("DeviceNotFound", "Device 'vfio-pci' not found") },
    { "{\"execute\":\"query-name\"}", "{ \"return\": { } }\r\n" },
    { "{\"execute\":\"query-uuid\"}", "{ \"return\": { \"UUID\": \"00000000-0000-0000-0000-000000000000\" } }\r\n" },
    { "{\"execute\":\"query-target\"}", "{ \"return\": { \"arch\": \"riscv64\" } }\r\n" },
    { "{\"execute\":\"query-kvm\"}", "{ \"return\": { \"enabled\": false, \"present\": false } }\r\n" },
    { "{\"execute\":\"query-cpus-fast\"}", "{ \"return\": [ ] }\r\n" },
    { "{\"execute\":\"migrate-set-capabilities\",\"arguments\":{\"capabilities\":[{\"capability\":\"multifd\",\"state\":true}]}}",
      ERROR_ANSWER("GenericError", "migration capability 'multifd' is not available") },
    { "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"f\"}}",
      ERROR_ANSWER("GenericError", "No file descriptor supplied via SCM_RIGHTS") },
    { "{\"execute\":\"closefd\",\"arguments\":{\"fdname\":\"f\"}}",
      ERROR_ANSWER("GenericError", "File descriptor named 'f' has not been found") },
    { "{\"execute\":\"set-action\",\"arguments\":{\"reboot\":\"shutdwn\"}}",
      ERROR_ANSWER("GenericError", "Parameter 'reboot' does not accept value 'shutdwn'") },
    { "{\"execute\":\"watchdog-set-action\",\"arguments\":{\"action\":\"pause\"}}", "{ \"return\": { } }\r\n" },
    { "{\"execute\":\"trace-event-set-state\",\"arguments\":{\"name\":\"goldfish_rtc_time_*\",\"enable\":true}}", "{ \"return\": { } }\r\n" },
    { "{\"execute\":\"trace-event-set-state\",\"arguments\":{\"name\":\"goldfish_rtc_time_high_*\",\"enable\":false}}", "{ \"return\": { } }\r\n" },
    { "{\"execute\":\"trace-event-get-state\",\"arguments\":{\"name\":\"goldfish_rtc_time_*_read\"}}",
      "{ \"return\": [ { \"name\": \"goldfish_rtc_time_low_read\", \"state\": \"enabled\" }, "
      "{ \"name\": \"goldfish_rtc_time_high_read\", \"state\": \"disabled\" } ] }\r\n" },
    { "{\"execute\":\"trace-event-get-state\",\"arguments\":{\"name\":\"goldfish\"}}", ERROR_ANSWER("GenericError", "unknown event \\\"goldfish\\\"") },
    { "{\"execute\":\"query-cpu-model-expansion\",\"arguments\":{\"type\":\"static\",\"model\":{\"name\":\"max\"}}}",
      ERROR_ANSWER("GenericError", "The requested expansion type is not supported") },
    { "{\"execute\":\"human-monitor-command\",\"arguments\":{\"command-line\":\"info status\"}}",
      "{ \"return\": \"VM status: paused (prelaunch)\\n\" }\r\n" },
    { "{\"execute\":\"chardev-add\",\"arguments\":{\"id\":\"r\",\"backend\":{\"type\":\"ringbuf\",\"data\":{}}}}",
      "{ \"return\": { } }\r\n" },
    { "{\"execute\":\"ringbuf-write\",\"arguments\":{\"device\":\"r\",\"data\":\"aGk=\",\"format\":\"base64\"}}",
      "{ \"return\": { } }\r\n" },
    { "{\"execute\":\"ringbuf-read\",\"arguments\":{\"device\":\"r\",\"size\":9}}", "{ \"return\": \"hi\" }\r\n" },
    { "{\"execute\":\"query-chardev\"}",
      "{ \"return\": [ { \"label\": \"r\", \"filename\": \"ringbuf\", \"frontend-open\": false } ] }\r\n" },
    { "{\"execute\":\"chardev-remove\",\"arguments\":{\"id\":\"r\"}}", "{ \"return\": { } }\r\n" },
    { "{\"execute\":\"chardev-remove\",\"arguments\":{\"id\":\"r\"}}", ERROR_ANSWER("GenericError", "Chardev 'r' not found") },
};

static void test_answers(void)
{
    struct rig rig;

    rig_init(&rig, MONITOR_QMP);
    for (unsigned i = 0; i < ARRAY_SIZE(early); i++)
        g_assert_cmpstr(ask(&rig, early[i].request), ==, early[i].answer);
    for (unsigned i = 0; i < ARRAY_SIZE(late); i++)
        g_assert_cmpstr(ask(&rig, late[i].request), ==, late[i].answer);
    rig_finish(&rig);
}

/* Every command that libvirt sends while probing (riscv64) is answered without an error. */
static void test_probe(void)
{
    static const char *const probe[] = {
        "{\"execute\":\"query-version\"}",
        "{\"execute\":\"query-target\"}",
        "{\"execute\":\"query-qmp-schema\"}",
        "{\"execute\":\"query-accelerators\"}",
        "{\"execute\":\"qom-list-types\"}",
        "{\"execute\":\"qom-list-types\",\"arguments\":{\"implements\":\"device\",\"abstract\":true}}",
        "{\"execute\":\"qom-list-properties\",\"arguments\":{\"typename\":\"monitor-qmp\"}}",
        "{\"execute\":\"query-machines\"}",
        "{\"execute\":\"query-cpu-definitions\"}",
        "{\"execute\":\"query-command-line-options\"}",
        "{\"execute\":\"query-migrate-capabilities\"}",
        "{\"execute\":\"qom-list-properties\",\"arguments\":{\"typename\":\"memory-backend-file\"}}",
        "{\"execute\":\"qom-list-properties\",\"arguments\":{\"typename\":\"memory-backend-memfd\"}}",
        "{\"execute\":\"query-commands\"}",
        "{\"execute\":\"query-events\"}",
        "{\"execute\":\"query-chardev-backends\"}",
        "{\"execute\":\"qom-list\",\"arguments\":{\"path\":\"/\"}}",
        "{\"execute\":\"qom-list-get\",\"arguments\":{\"paths\":[\"/\",\"/objects\"]}}",
    };
    struct rig rig;

    rig_init(&rig, MONITOR_QMP);
    negotiate(&rig);
    for (unsigned i = 0; i < ARRAY_SIZE(probe); i++) {
        if (!g_str_has_prefix(ask(&rig, probe[i]), "{ \"return\": "))
            g_error("%s -> %s", probe[i], rig.seen->str);
    }
    rig_finish(&rig);
}

/* Messages in pieces, several in one piece, blanks between them. */
static void test_pieces(void)
{
    static const char text[] = " {\"execute\":\"query-name\"}\r\n{\"execute\":\"query-name\",\"id\":\"\u00fc\U00020000\"} \n\n";
    struct rig rig;

    rig_init(&rig, MONITOR_QMP);
    negotiate(&rig);
    for (size_t piece = 1; piece < sizeof(text); piece++) {
        g_string_truncate(rig.seen, 0);
        for (size_t at = 0; at < sizeof(text) - 1; at += piece)
            monitor_receive(rig.monitor, (const u8 *)text + at, MIN(piece, sizeof(text) - 1 - at));
        g_assert_cmpstr(rig.seen->str, ==, "{ \"return\": { } }\r\n{ \"return\": { }, \"id\": \"\u00fc\U00020000\" }\r\n");
    }
    rig_finish(&rig);
}

static void test_malformed(void)
{
    static const char *const lines[] = {
        "}", "{\"execute\"}", "{\"execute\":}", "nonsense", "{\"a\":\"\xff\xfe\"}", "\xff", "\xc3\x28", "{\"a\":1e999}",
        "[[[[[[[[[[", "{\"a\":\"\\ud800\"}", "\"unterminated\nx\"", "{\"execute\":\"x\",,}", "\x01\x02", "/*", "-",
    };
    g_autofree char *deep = g_strnfill(1 << 20, '['), *huge = NULL;
    struct rig rig;

    rig_init(&rig, MONITOR_QMP);
    negotiate(&rig);
    for (unsigned i = 0; i < ARRAY_SIZE(lines); i++) {
        send(&rig, lines[i]);
        send(&rig, "\n");
        if (i == 8 || i == 13) /* may be the beginning of something: end it */
            send(&rig, "]]]]]]]]]]*/ }\n");
        assert_usable(&rig);
    }
    for (size_t at = 0; at < 1 << 20; at += 4096)
        monitor_receive(rig.monitor, (const u8 *)deep + at, 4096);
    assert_usable(&rig);
    huge = g_strnfill(MONITOR_MESSAGE_LIMIT + 100000, 'x');
    memcpy(huge, "{\"a\":\"", 6);
    g_string_truncate(rig.seen, 0);
    for (size_t at = 0; at < MONITOR_MESSAGE_LIMIT + 100000; at += 4000)
        monitor_receive(rig.monitor, (const u8 *)huge + at, MIN(4000, MONITOR_MESSAGE_LIMIT + 100000 - at));
    g_assert_cmpstr(rig.seen->str, ==, ERROR_ANSWER("GenericError", "QMP message is too long"));
    assert_usable(&rig);
    rig_finish(&rig);
}

static void test_events(void)
{
    struct rig rig;

    rig_init(&rig, MONITOR_QMP);
    g_string_truncate(rig.seen, 0);
    vm_lock(rig.vm);
    vm_reset(rig.vm, VM_CAUSE_GUEST_RESET);
    vm_unlock(rig.vm);
    g_assert_cmpstr(rig.seen->str, ==, ""); /* not negotiated */
    negotiate(&rig);
    g_string_truncate(rig.seen, 0);
    vm_lock(rig.vm);
    vm_reset(rig.vm, VM_CAUSE_GUEST_RESET);
    vm_unlock(rig.vm);
    g_assert_true(g_str_has_prefix(rig.seen->str, "{ \"timestamp\": { \"seconds\": "));
    g_assert_true(g_str_has_suffix(rig.seen->str, "\"event\": \"RESET\", \"data\": { \"guest\": true, "
                                                  "\"reason\": \"guest-reset\" } }\r\n"));
    rig_finish(&rig);
}

/* A disk's error that comes late does not open a way out of the end. */
static void test_ended_machine(void)
{
    struct rig rig;

    rig_init(&rig, MONITOR_QMP);
    negotiate(&rig);
    vm_lock(rig.vm);
    vm_cont(rig.vm);
    vm_stop(rig.vm, VM_SHUTDOWN);
    vm_stop(rig.vm, VM_IO_ERROR);
    vm_unlock(rig.vm);
    g_assert_cmpstr(ask(&rig, "{\"execute\":\"query-status\"}"), ==, "{ \"return\": { \"running\": false, \"status\": \"shutdown\" } }\r\n");
    g_assert_cmpstr(ask(&rig, "{\"execute\":\"cont\"}"), ==, ERROR_ANSWER("GenericError", "Resetting the Virtual Machine is required"));
    rig_finish(&rig);
}

/* Whatever else goes wrong with a guest that has crashed: it has crashed. */
static void test_first_reason(void)
{
    struct rig rig;

    rig_init(&rig, MONITOR_QMP);
    negotiate(&rig);
    vm_lock(rig.vm);
    vm_cont(rig.vm);
    vm_stop(rig.vm, VM_GUEST_PANICKED);
    vm_stop(rig.vm, VM_IO_ERROR);
    vm_unlock(rig.vm);
    g_assert_cmpstr(ask(&rig, "{\"execute\":\"query-status\"}"), ==, "{ \"return\": { \"running\": false, \"status\": \"guest-panicked\" } }\r\n");
    vm_lock(rig.vm);
    vm_stop(rig.vm, VM_SHUTDOWN);
    vm_unlock(rig.vm);
    g_assert_cmpstr(ask(&rig, "{\"execute\":\"query-status\"}"), ==, "{ \"return\": { \"running\": false, \"status\": \"shutdown\" } }\r\n");
    rig_finish(&rig);
}

/* A client that does not read: nothing is lost, input is not taken, events do not pile up without end. */
static void test_slow_reader(void)
{
    struct rig rig;
    unsigned answers = 0;

    rig_init(&rig, MONITOR_QMP);
    negotiate(&rig);
    g_string_truncate(rig.seen, 0);
    rig.room = 0;
    for (unsigned i = 0; i < 10; i++)
        send(&rig, "{\"execute\":\"query-qmp-schema\"}");
    g_assert_cmpuint(monitor_can_receive(rig.monitor), ==, 0);
    rig.room = 10000;
    while (rig.monitor->output->len)
        monitor_writable(rig.monitor);
    for (const char *at = rig.seen->str; (at = strstr(at, "\"return\"")); at++)
        answers++;
    g_assert_cmpuint(answers, ==, 10);
    g_assert_cmpuint(monitor_can_receive(rig.monitor), >, 0);
    rig_finish(&rig);
}

/* Many lines at once to a client that does not read: they wait. */
static void test_slow_terminal(void)
{
    struct rig rig;
    unsigned answers = 0;

    rig_init(&rig, MONITOR_HMP);
    g_string_truncate(rig.seen, 0);
    rig.room = 0;
    for (unsigned i = 0; i < 100; i++)
        send(&rig, "help\nhelp\nhelp\nhelp\n");
    g_assert_cmpuint(rig.monitor->output->len, <, 2 * MONITOR_OUTPUT_PAUSE);
    g_assert_cmpuint(monitor_can_receive(rig.monitor), ==, 0);
    rig.room = 10000;
    while (rig.monitor->output->len)
        monitor_writable(rig.monitor);
    for (const char *at = rig.seen->str; (at = strstr(at, "\nballoon")); at++)
        answers++;
    g_assert_cmpuint(answers, ==, 400);
    g_assert_cmpuint(monitor_can_receive(rig.monitor), >, 0);
    rig_finish(&rig);
}

/* Whoever comes next does not go on with the line of who left. */
static void test_line_goes_with_its_client(void)
{
    struct rig rig;

    rig_init(&rig, MONITOR_HMP);
    send(&rig, "print 1\nprint 2\nprint 3\x1b[A\x1b[D\x1b[");
    monitor_closed(rig.monitor);
    monitor_opened(rig.monitor);
    g_assert_nonnull(strstr(ask(&rig, "print 4\n"), "\n4\r\n"));
    g_assert_nonnull(strstr(ask(&rig, "\x1b[A\x1b[A\n"), "\n2\r\n"));
    rig_finish(&rig);
}

/* A machine that comes up: nobody is greeted and nothing is taken before all is there. */
static void test_hush(void)
{
    struct rig rig;

    rig_init(&rig, MONITOR_QMP);
    monitor_closed(rig.monitor);
    g_string_truncate(rig.seen, 0);
    monitor_set_hush(rig.set, true);
    monitor_opened(rig.monitor);
    monitor_closed(rig.monitor); /* has gone again */
    monitor_set_hush(rig.set, false);
    g_assert_cmpstr(rig.seen->str, ==, "");
    monitor_set_hush(rig.set, true);
    monitor_opened(rig.monitor);
    g_assert_cmpuint(monitor_can_receive(rig.monitor), ==, 0);
    g_assert_cmpstr(rig.seen->str, ==, "");
    monitor_set_hush(rig.set, false);
    g_assert_true(g_str_has_prefix(rig.seen->str, "{ \"QMP\": "));
    g_assert_cmpuint(monitor_can_receive(rig.monitor), >, 0);
    negotiate(&rig);
    rig_finish(&rig);
}

static void test_fds(void)
{
    int pipes[2];
    struct rig rig;

    g_assert_cmpint(pipe(pipes), ==, 0);
    rig_init(&rig, MONITOR_QMP);
    negotiate(&rig);
    rig.fd = dup(pipes[1]);
    g_assert_cmpstr(ask(&rig, "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"f\"}}"), ==, "{ \"return\": { } }\r\n");
    rig.fd = pipes[1]; /* the same name: the old one is closed */
    g_assert_cmpstr(ask(&rig, "{\"execute\":\"getfd\",\"arguments\":{\"fdname\":\"f\"}}"), ==, "{ \"return\": { } }\r\n");
    g_assert_cmpstr(ask(&rig, "{\"execute\":\"closefd\",\"arguments\":{\"fdname\":\"f\"}}"), ==, "{ \"return\": { } }\r\n");
    g_assert_cmpint(read(pipes[0], pipes, 1), ==, 0); /* end of file: no writer is left */
    rig_finish(&rig);
    close(pipes[0]);
}

static const struct {
    const char *line, *answer;
} hmp_rows[] = {
    { "", "" },
    { "   ", "" },
    { "info status", "VM status: paused (prelaunch)\n" },
    { "infoo", "unknown command: 'infoo'\ndid you mean 'info'?\n" },
    { "info statsu", "unknown page of info: 'statsu'\ndid you mean 'status'?\n" },
    { "print 1+2*3", "7\n" },
    { "p /x 0x10 - 1", "0xf\n" },
    { "print/x ~0", "0xffffffffffffffff\n" },
    { "p (1+2)*(3+4)", "21\n" },
    { "p 7/0", "Error: division by zero\n" },
    { "p (1", "Error: ')' is missing\n" },
    { "p", "Error: a number is missing\n" },
    { "p ((((((((((((((((((((((((((((((((((((((1))))", "Error: the expression is nested too deeply\n" },
    { "p $pc", "Error: there is no CPU with registers\n" },
    { "p /z 1", "Error: invalid char in format: 'z'\n" },
    { "p /c 65", "'A'\n" },
    { "x 0", "No CPU available\n" },
    { "xp /2xw 0x1000", "0000000000001000: Cannot access memory\n" },
    { "info registers", "No CPU available\n" },
    { "info history", "" },
    { "cpu 3", "invalid CPU index\n" },
    { "log nonsense", NULL },
    { "log all", "" },
    { "log none", "" },
    { "qom-list /nowhere", "Error: Device '/nowhere' not found\n" },
    { "qom-get / type", "\"container\"\n" },
    { "chardev-add ringbuf,id=h,size=16", "" },
    { "ringbuf_write h 0123456789", "" },
    { "ringbuf_write h a\033b\\c", "" },
    { "ringbuf_read h 0", "Error: size must be greater than zero\n" },
    { "ringbuf_read h 100", "0123456789a\\x1bb\\\\c\n" },
    { "ringbuf_read h", "Error: a number is missing\n" },
    { "ringbuf_read g 1", "Error: Chardev 'g' not found\n" },
    { "chardev-change h null", "" },
    { "ringbuf_read h 1", NULL },
    { "chardev-change g null", NULL },
    { "chardev-send-break h", "" },
    { "chardev-remove h", "" },
    { "chardev-remove h", "Error: Chardev 'h' not found\n" },
    { "chardev-remove", "Error: Chardev '' not found\n" },
    { "trace-event goldfish_rtc_tim* on", "" },
    { "trace-event goldfish_rtx* on", "Error: unknown event \"goldfish_rtx*\"\n" },
    { "balloon half", "Error: a number is expected at 'half'\n" },
    { "balloon 17592186044417", "Error: 17592186044417 MiB are more than 64 bits count\n" },
    { "balloon 512", "Error: No balloon device has been activated\n" },
    { "screendump x -f jpg", "screendump: a picture is ppm or png, not 'jpg'\n" },
    { "mouse_set first", "Error: a number is expected at 'first'\n" },
    { "watchdog_action pause", "" },
    { "watchdog_action", "watchdog_action: which action?\n" },
    { "watchdog_action sleep", "watchdog_action: there is no action 'sleep'\n" },
    { "gdbserver", "gdbserver: there is no GDB server here\n" },
    { "info iothreads", "" },
    { "info mtree", "address-space: memory\n  0000000000000000-ffffffffffffffff (prio 0, container): system\n\n" },
    { "info mtree -f -d", "FlatView #0\n AS \"memory\", root: system\n Root memory region: system\n  No rendered FlatView\n\n" },
    { "info mtree -f -x", "mtree: unsupported option -x\nTry \"help info\" for more information\n" },
    { "info mtree -fo", "mtree: unsupported option -fo\nTry \"help info\" for more information\n" },
    { "info mtree flat", "mtree: extraneous characters at the end of line: 'flat'\nTry \"help info\" for more information\n" },
    { "info blockstats", "" },
    { "info blockstats foo", "blockstats: extraneous characters at the end of line: 'foo'\nTry \"help info\" for more information\n" },
    { "info registers -z", "registers: unsupported option -z\nTry \"help info\" for more information\n" },
    { "info block -n -v hd0 hd1", "block: extraneous characters at the end of line: 'hd1'\nTry \"help info\" for more information\n" },
    { "cont foo", "cont: extraneous characters at the end of line: 'foo'\nTry \"help cont\" for more information\n" },
    { "s  x y", "stop: extraneous characters at the end of line: 'x y'\nTry \"help stop\" for more information\n" },
    { "stop/x", "stop: extraneous characters at the end of line: '/x'\nTry \"help stop\" for more information\n" },
    { "cpu 0 0", "cpu: extraneous characters at the end of line: '0'\nTry \"help cpu\" for more information\n" },
    { "p 5 5", "print: extraneous characters at the end of line: '5'\nTry \"help print\" for more information\n" },
    { "p 5 + 5", "10\n" },
    { "p - 5", "-5\n" },
    { "p 0x", "print: extraneous characters at the end of line: 'x'\nTry \"help print\" for more information\n" },
    { "p 0xffffffffffffffff", "-1\n" },
    { "p 0xffffffffffffffffff", "Error: '0xffffffffffffffffff' is out of range: a number has at most 64 bits\n" },
    { "x/2xw 0 0", "x: extraneous characters at the end of line: '0'\nTry \"help x\" for more information\n" },
    { "eject -q hd0", "eject: unsupported option -q\nTry \"help eject\" for more information\n" },
    { "help nosuch", "unknown command: 'nosuch'\n" },
    { "help contt", "unknown command: 'contt'\ndid you mean 'cont'?\n" },
    { "help stop", "stop|s  -- stop the processors\n" },
    { "help info uuid", "info uuid  -- the guest's UUID\n" },
    { "help info uuit", "unknown page of info: 'uuit'\ndid you mean 'uuid'?\n" },
    { "help stop cont", "help: 'stop' has no pages\n" },
    { "log foo", "Error: log: unknown log item 'foo'\n'help' lists them\n" },
    { "system_wakeup", "Error: wake-up from suspend is not supported by this guest\n" },
};

static void test_hmp(void)
{
    struct rig rig;

    rig_init(&rig, MONITOR_HMP);
    for (unsigned i = 0; i < ARRAY_SIZE(hmp_rows); i++) {
        g_autofree char *answer = monitor_execute(rig.set, hmp_rows[i].line);

        if (hmp_rows[i].answer)
            g_assert_cmpstr(answer, ==, hmp_rows[i].answer);
    }
    rig_finish(&rig);
}

/* `object_add TYPE,id=a` with so many parameters more, as format has them. */
static char *ask_with_parameters(struct rig *rig, unsigned count, const char *format)
{
    g_autoptr(GString) line = g_string_new("object_add monitor-qmp,id=a");

    for (unsigned i = 0; i < count; i++) {
        g_autofree char *number = g_strdup_printf("%u", i);
        g_auto(GStrv) parts = g_strsplit(format, "#", -1);
        g_autofree char *parameter = g_strjoinv(number, parts);

        g_string_append_printf(line, ",%s", parameter);
    }
    return monitor_execute(rig->set, line->str);
}

/* Programs may send lines of any length. */
static void test_long_lines(void)
{
    g_autofree char *deep = g_strnfill(200000, '.'), *format = NULL, *nested = NULL, *wide = NULL, *many = NULL;
    struct rig rig;

    for (char *at = deep; *at; at += 2)
        *at = 'b';
    format = g_strdup_printf("a.0.%sc=1", deep);
    rig_init(&rig, MONITOR_HMP);
    nested = ask_with_parameters(&rig, 1, format);
    g_assert_cmpstr(nested, ==, "Error: monitor-qmp has no property 'a'\n");
    g_test_timer_start();
    wide = ask_with_parameters(&rig, 5000, "k#.0.b=1");
    g_assert_cmpstr(wide, ==, "Error: monitor-qmp has no property 'k0'\n");
    g_assert_cmpfloat(g_test_timer_elapsed(), <, 10);
    many = ask_with_parameters(&rig, 10000, "k#=1");
    g_assert_cmpstr(many, ==, "Error: there are 10002 parameters, more than 10000\n");
    rig_finish(&rig);
}

static void test_editing(void)
{
    static const struct {
        const char *keys, *answer;
    } rows[] = {
        { "pint 5\033[D\033[D\033[D\033[D\033[Dr\033[F\r", "\r\n5\r\n" },          /* left, insert, end */
        { "xxprint 6\001\004\004\r", "\r\n6\r\n" },                                     /* start, delete twice */
        { "garbage\025print 7\r", "\r\n7\r\n" },                                        /* erase all */
        { "\033[A\r", "\r\n7\r\n" },                                                    /* the line before */
        { "\033[A\033[A\r", "\r\n6\r\n" },
        { "pri\t8\r", "\r\n8\r\n" },                                                    /* complete */
        { "info st\t\r", "\r\nVM status: paused (prelaunch)\r\n" },
        { "print 99\177\r", "\r\n9\r\n" },                                              /* backspace */
        { "print 1 2\027\r", "\r\n1\r\n" },                                             /* erase a word */
    };
    struct rig rig;

    rig_init(&rig, MONITOR_HMP);
    for (unsigned i = 0; i < ARRAY_SIZE(rows); i++)
        if (!strstr(ask(&rig, rows[i].keys), rows[i].answer))
            g_error("row %u: '%s'", i, rig.seen->str);
    rig_finish(&rig);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/monitor/greeting", test_greeting);
    g_test_add_func("/monitor/answers", test_answers);
    g_test_add_func("/monitor/probe", test_probe);
    g_test_add_func("/monitor/pieces", test_pieces);
    g_test_add_func("/monitor/malformed", test_malformed);
    g_test_add_func("/monitor/events", test_events);
    g_test_add_func("/monitor/ended-machine", test_ended_machine);
    g_test_add_func("/monitor/first-reason", test_first_reason);
    g_test_add_func("/monitor/slow-reader", test_slow_reader);
    g_test_add_func("/monitor/slow-terminal", test_slow_terminal);
    g_test_add_func("/monitor/line-goes-with-its-client", test_line_goes_with_its_client);
    g_test_add_func("/monitor/hush", test_hush);
    g_test_add_func("/monitor/fds", test_fds);
    g_test_add_func("/monitor/hmp", test_hmp);
    g_test_add_func("/monitor/long-lines", test_long_lines);
    g_test_add_func("/monitor/editing", test_editing);
    return g_test_run();
}
