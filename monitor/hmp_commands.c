/* monitor/hmp_commands.c - the table of commands, and those that are short. */
#include "base/error.h"
#include "monitor/commands.h"
#include "monitor/hmp.h"
#include "monitor/internal.h"
#include "monitor/property.h"
#include <json-c/json.h>
#include <string.h>

/* Runs a QMP handler without arguments. */
static void run_qmp(struct hmp *hmp, bool (*handler)(struct monitor *monitor, GError **error))
{
    GError *error = NULL;

    if (!handler(hmp->monitor, &error))
        hmp_error(hmp, error);
}

static void stop(struct hmp *hmp)
{
    run_qmp(hmp, qmp_stop);
}

static void cont(struct hmp *hmp)
{
    run_qmp(hmp, qmp_cont);
}

static void quit(struct hmp *hmp)
{
    run_qmp(hmp, qmp_quit);
}

static void system_reset(struct hmp *hmp)
{
    run_qmp(hmp, qmp_system_reset);
}

static void system_powerdown(struct hmp *hmp)
{
    run_qmp(hmp, qmp_system_powerdown);
}

static void system_wakeup(struct hmp *hmp)
{
    run_qmp(hmp, qmp_system_wakeup);
}

static void nmi(struct hmp *hmp)
{
    run_qmp(hmp, qmp_inject_nmi);
}

static void choose_cpu(struct hmp *hmp)
{
    GError *error = NULL;
    u64 index;

    if (!hmp_number(hmp, &index, &error))
        hmp_error(hmp, error);
    else if (index >= vm_vcpu_count(hmp->vm))
        hmp_print(hmp, "invalid CPU index");
    else
        hmp->monitor->cpu = (u32)index;
}

static void choose_log(struct hmp *hmp)
{
    struct log *log = vm_log(hmp->vm);
    u32 before = log_mask(log);
    g_autofree char *items = hmp_word(hmp), *help = NULL;
    GError *error = NULL;

    if (!items || !strcmp(items, "help")) {
        help = log_help();
        g_string_append(hmp->out, help);
        return;
    }
    log_set_mask(log, 0);
    if (!strcmp(items, "none") || log_enable(log, items, &error))
        return;
    log_set_mask(log, before);
    error_prefix(&error, "log");
    hmp_error(hmp, error);
}

static void choose_log_file(struct hmp *hmp)
{
    g_autofree char *path = hmp_word(hmp);
    GError *error = NULL;

    if (!path)
        hmp_print(hmp, "logfile: a file name is missing");
    else if (!log_open_file(vm_log(hmp->vm), path, &error))
        hmp_error(hmp, error);
}

/* ADDRESS SIZE FILE */
static bool range_arguments(struct hmp *hmp, u64 *address, u64 *size, char **file, GError **error)
{
    if (!hmp_number(hmp, address, error) || !hmp_number(hmp, size, error))
        return false;
    *file = hmp_word(hmp);
    return *file || error_set(error, "a file name is missing");
}

static void memsave(struct hmp *hmp)
{
    struct api_args_memsave args = { .has_cpu_index = true, .cpu_index = hmp->monitor->cpu };
    GError *error = NULL;

    if (!range_arguments(hmp, &args.val, &args.size, &args.filename, &error) ||
        !qmp_memsave(hmp->monitor, &args, &error))
        hmp_error(hmp, error);
    g_free(args.filename);
}

static void pmemsave(struct hmp *hmp)
{
    struct api_args_pmemsave args = { 0 };
    GError *error = NULL;

    if (!range_arguments(hmp, &args.val, &args.size, &args.filename, &error) ||
        !qmp_pmemsave(hmp->monitor, &args, &error))
        hmp_error(hmp, error);
    g_free(args.filename);
}

static void qom_list(struct hmp *hmp)
{
    g_autofree char *path = hmp_word(hmp);
    struct api_args_qom_list args = { .path = path };
    GPtrArray *list = NULL;
    GError *error = NULL;

    if (!path) {
        hmp_print(hmp, "/");
        return;
    }
    if (!qmp_qom_list(hmp->monitor, &args, &list, &error)) {
        hmp_error(hmp, error);
        return;
    }
    for (guint i = 0; i < list->len; i++) {
        const struct api_object_property_info *info = list->pdata[i];

        hmp_print(hmp, "%s (%s)", info->name, info->type);
    }
    api_clear(&api_type_list_object_property_info, &list);
}

static void qom_get(struct hmp *hmp)
{
    g_autofree char *path = hmp_word(hmp), *property = hmp_word(hmp);
    struct api_args_qom_get args = { .path = path, .property = property };
    struct json_object *value = NULL;
    GError *error = NULL;

    if (!path || !property) {
        hmp_print(hmp, "qom-get: PATH and PROPERTY are needed");
        return;
    }
    if (!qmp_qom_get(hmp->monitor, &args, &value, &error))
        hmp_error(hmp, error);
    else
        hmp_print(hmp, "%s", json_object_to_json_string_ext(value, JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(value);
}

static void qom_set(struct hmp *hmp)
{
    g_autofree char *path = hmp_word(hmp), *property = hmp_word(hmp), *text = hmp_word(hmp);
    struct api_args_qom_set args = { .path = path, .property = property };
    GError *error = NULL;

    if (!path || !property || !text) {
        hmp_print(hmp, "qom-set: PATH, PROPERTY and VALUE are needed");
        return;
    }
    args.value = json_object_new_string(text);
    if (!qmp_qom_set(hmp->monitor, &args, &error))
        hmp_error(hmp, error);
    json_object_put(args.value);
}

static void gdbserver(struct hmp *hmp)
{
    const struct monitor_set *set = hmp->monitor->set;
    g_autofree char *word = hmp_word(hmp);
    const char *where = word ? word : "tcp::1234";
    GError *error = NULL;

    if (!set->serve)
        hmp_print(hmp, "gdbserver: there is no GDB server here");
    else if (!set->serve(set->serve_opaque, where, &error))
        hmp_error(hmp, error);
    else
        hmp_print(hmp, strcmp(where, "none") ? "Waiting for gdb connection on device '%s'" : "Disabled gdbserver", where);
}

static void watchdog_action(struct hmp *hmp)
{
    g_autofree char *word = hmp_word(hmp);
    int action = api_enum_find(&api_type_watchdog_action, word ? word : "");
    const struct api_args_watchdog_set_action args = { .action = (enum api_watchdog_action)action };

    if (!word)
        hmp_print(hmp, "watchdog_action: which action?");
    else if (action < 0)
        hmp_print(hmp, "watchdog_action: there is no action '%s'", word);
    else
        qmp_watchdog_set_action(hmp->monitor, &args, NULL);
}

const struct hmp_command hmp_commands[] = {
    { "help|?", "[cmd [page]]", "show the help", hmp_help },
    { "info", "[page] ...", "show what the machine is and does; 'help info' lists the pages", hmp_info },
    { "announce_self", "[cards] [id]", "let cards tell the network where they are", hmp_announce_self },
    { "change", "device filename [-f] [format [read-only-mode]]", "put another medium into a drive; -f: though it is locked", hmp_change },
    { "block_set_io_throttle", "device bps bps_rd bps_wr iops iops_rd iops_wr", "limit what a disk may do, in bytes and requests per second; 0: any", hmp_block_set_io_throttle },
    { "chardev-add", "backend,id=id[,...]", "add a character back end", hmp_chardev_add },
    { "chardev-change", "id backend[,...]", "put another back end in its place", hmp_chardev_change },
    { "chardev-remove", "id", "remove a character back end that nobody uses", hmp_chardev_remove },
    { "chardev-send-break", "id", "send a break to the guest's serial line", hmp_chardev_send_break },
    { "cont|c", "", "let the processors go on", cont },
    { "cpu", "index", "choose the processor that other commands are about", choose_cpu },
    { "eject", "[-f] device", "take the medium out of a drive; -f: though it is locked", hmp_eject },
    { "gdbserver", "[device|none]", "let GDB connect there (tcp::1234); none: not any more", gdbserver },
    { "gva2gpa", "addr", "show the physical address of a virtual one", hmp_translate },
    { "hostfwd_add", "[netdev] [tcp|udp]:[hostaddr]:hostport-[guestaddr]:guestport", "forward a port of the host to the guest", hmp_hostfwd_add },
    { "hostfwd_remove", "[netdev] [tcp|udp]:[hostaddr]:hostport", "end that", hmp_hostfwd_remove },
    { "log", "item1[,...]", "write these items to the log; 'log none' ends it, 'log help' lists them", choose_log },
    { "logfile", "filename", "write the log to this file", choose_log_file },
    { "memsave", "addr size file", "write virtual memory to a file", memsave },
    { "mouse_button", "state", "press and let go buttons of the mouse: 1 left, 2 right, 4 middle, added up", hmp_mouse_button },
    { "mouse_move", "dx dy [dz]", "move the mouse", hmp_mouse_move },
    { "mouse_set", "index", "choose the pointer that other commands are about (info mice)", hmp_mouse_set },
    { "netdev_add", "type,id=id[,...]", "add a netdev", hmp_netdev_add },
    { "netdev_del", "id", "remove a netdev", hmp_netdev_del },
    { "nmi", "", "raise a non-maskable interrupt", nmi },
    { "balloon", "megabytes", "ask the guest to keep only so much memory", hmp_balloon },
    { "device_add", "driver[,prop=value...]", "plug a device in", hmp_device_add },
    { "device_del", "id", "ask for a device to go", hmp_device_del },
    { "object_add", "type,id=id[,prop=value...]", "add an object", hmp_object_add },
    { "object_del", "id", "remove an object that nobody uses", hmp_object_del },
    { "pmemsave", "addr size file", "write physical memory to a file", pmemsave },
    { "print|p", "/fmt expr", "show a value: numbers, $registers, + - * / % & | ^ ~ ( )", hmp_evaluate },
    { "qom-get", "path property", "show a property of an object", qom_get },
    { "qom-list", "path", "list the properties and children of an object", qom_list },
    { "qom-set", "path property value", "set a property of an object", qom_set },
    { "quit|q", "", "end Mynah", quit },
    { "ringbuf_read", "device size", "take bytes out of a ring buffer", hmp_ringbuf_read },
    { "ringbuf_write", "device data", "put text into a ring buffer", hmp_ringbuf_write },
    { "screendump", "filename [device [head]] [-f format]", "write what a screen shows to a file; formats ppm and png", hmp_screendump },
    { "sendkey", "keys [hold_ms]", "press keys: ctrl-alt-f1, 0x1d-c", hmp_send_key },
    { "set_link", "name on|off", "cut or mend a card's cable", hmp_set_link },
    { "stop|s", "", "stop the processors", stop },
    { "system_powerdown", "", "press the power button", system_powerdown },
    { "system_reset", "", "reset the machine", system_reset },
    { "system_wakeup", "", "wake a machine that sleeps", system_wakeup },
    { "trace-event", "name on|off", "switch trace events (info trace-events; * and ? match)", hmp_trace_event },
    { "watchdog_action", "action", "what an expired watchdog does: reset, shutdown, poweroff, pause, debug, none, inject-nmi", watchdog_action },
    { "x", "/fmt addr", "show virtual memory: /10i instructions, /4xw words in hexadecimal", hmp_examine },
    { "xp", "/fmt addr", "show physical memory", hmp_examine_physical },
    { 0 },
};
