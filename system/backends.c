/* system/backends.c - character back ends and what is connected to them: serial ports, monitors, debuggers. */
#include "accel/qtest/qtest.h"
#include "base/error.h"
#include "gdbstub/gdbstub.h"
#include "host/fd.h"
#include "host/fdset.h"
#include "monitor/monitor.h"
#include "system/system.h"
#include "ui/ui.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void quit(void *opaque)
{
    struct mynah_system *s = opaque;

    vm_request_shutdown(s->vm, VM_CAUSE_HOST_UI);
}

static bool create_chardevs(struct mynah_system *s, GError **error)
{
    for (unsigned i = 0; i < api_option_count(s->options); i++) {
        struct api_option_use *use = api_option_at(s->options, i);

        if (use->id != API_OPTION_CHARDEV)
            continue;
        g_autoptr(GHashTable) table = api_keyval_table(use->keyval);
        if (!chardev_create(s->chardevs, table, error))
            return error_prefix(error, "-chardev %s", use->text);
    }
    return true;
}

static bool connect_serial(struct mynah_system *s, unsigned index, const char *text, GError **error)
{
    g_autofree char *label = g_strdup_printf("serial%u", index);
    bool wants_monitor = false;
    struct chardev *chardev = chardev_create_legacy(s->chardevs, label, text, &wants_monitor, error);

    if (!chardev && error && *error)
        return error_prefix(error, "-serial %s", text);
    vm_set_backend(s->vm, "serial", index, chardev);
    if (wants_monitor)
        g_ptr_array_add(s->monitored_serials, chardev);
    return true;
}

static bool given(struct mynah_system *s, enum api_option_id id)
{
    return api_option_last(s->options, id) != NULL;
}

/* Neither -serial nor -display: this terminal is the only place to show the guest, so it does as with -nographic. */
static bool uses_terminal(struct mynah_system *s)
{
    return s->nographic || !given(s, API_OPTION_DISPLAY);
}

static bool create_serials(struct mynah_system *s, GError **error)
{
    unsigned count = 0;

    for (unsigned i = 0; i < api_option_count(s->options); i++) {
        struct api_option_use *use = api_option_at(s->options, i);

        if (use->id == API_OPTION_SERIAL && !connect_serial(s, count++, use->text, error))
            return false;
    }
    if (count || s->nodefaults || given(s, API_OPTION_QTEST) || !uses_terminal(s) || (s->daemon && !s->nographic))
        return true;
    if (s->daemon) {
        error_set(error, "-nographic cannot be used with -daemonize");
        return error_hint(error, "there is no terminal then: say -display none, and where the serial line goes (-serial FILE)");
    }
    bool monitor = !given(s, API_OPTION_MONITOR) && !given(s, API_OPTION_MON) && !given(s, API_OPTION_QMP);
    return connect_serial(s, 0, monitor ? "mon:stdio" : "stdio", error);
}

static bool connect_monitor(struct mynah_system *s, const char *label, const char *text, enum monitor_mode mode, GError **error)
{
    struct chardev *chardev = chardev_create_legacy(s->chardevs, label, text, NULL, error);

    if (!chardev)
        return !error || !*error; /* "none" */
    return monitor_add(s->monitors, chardev, mode, error) != NULL;
}

static bool monitor_on(struct mynah_system *s, const char *id, enum monitor_mode mode, GError **error)
{
    struct chardev *chardev = id ? chardev_find(s->chardevs, id) : NULL;

    if (!id)
        return error_set(error, "chardev=ID is missing");
    if (!chardev)
        return error_set(error, "there is no chardev '%s'", id);
    return monitor_add(s->monitors, chardev, mode, error) != NULL;
}

static bool add_mon(struct mynah_system *s, struct api_keyval *list, GError **error)
{
    const char *mode = api_keyval_get(list, "mode");
    bool pretty = false;

    mode = mode ? mode : "readline";
    if (!api_keyval_get_bool(list, "pretty", &pretty, error))
        return false;
    if (strcmp(mode, "control") && strcmp(mode, "readline"))
        return error_set(error, "mode=%s: it is readline or control", mode);
    enum monitor_mode kind = !strcmp(mode, "readline") ? MONITOR_HMP : pretty ? MONITOR_QMP_PRETTY : MONITOR_QMP;
    return monitor_on(s, api_keyval_get(list, "chardev"), kind, error);
}

static bool add_monitor(struct mynah_system *s, struct api_option_use *use, unsigned number, GError **error)
{
    g_autofree char *label = g_strdup_printf("compat_monitor%u", number);

    switch (use->id) {
    case API_OPTION_MONITOR:
        return connect_monitor(s, label, use->text, MONITOR_HMP, error);
    case API_OPTION_QMP:
        return connect_monitor(s, label, use->text, MONITOR_QMP, error);
    case API_OPTION_QMP_PRETTY:
        return connect_monitor(s, label, use->text, MONITOR_QMP_PRETTY, error);
    case API_OPTION_MON:
        return add_mon(s, use->keyval, error);
    default:
        return true;
    }
}

static struct gdbstub *start_debugger(struct mynah_system *s, const char *where, GError **error)
{
    return gdbstub_start(s->vm, s->chardevs, where, (gdbstub_monitor *)monitor_execute, s->monitors, error);
}

/* Not within a line of the monitor: a debugger may have sent it. */
static gboolean end_later(void *opaque)
{
    struct mynah_system *s = opaque;

    bool locked = vm_lock_if_needed(s->vm);
    s->ending_gdbs = NULL;
    for (guint i = 0; i < s->gdbs->len; i++)
        gdbstub_end(s->gdbs->pdata[i]);
    g_ptr_array_set_size(s->gdbs, 0);
    vm_unlock_if(s->vm, locked);
    return G_SOURCE_REMOVE;
}

static bool serve_debugger(void *opaque, const char *where, GError **error)
{
    struct mynah_system *s = opaque;

    if (!strcmp(where, "none")) {
        if (s->ending_gdbs)
            return true;
        s->ending_gdbs = g_idle_source_new();
        g_source_set_callback(s->ending_gdbs, end_later, s, NULL);
        g_source_attach(s->ending_gdbs, vm_context(s->vm));
        g_source_unref(s->ending_gdbs);
        return true;
    }
    if (s->gdbs->len)
        return error_set(error, "there is a GDB server already; 'gdbserver none' ends it");
    struct gdbstub *stub = start_debugger(s, where, error);
    if (stub)
        g_ptr_array_add(s->gdbs, stub);
    return stub != NULL;
}

static bool add_debuggers(struct mynah_system *s, GError **error)
{
    for (unsigned i = 0; i < api_option_count(s->options); i++) {
        struct api_option_use *use = api_option_at(s->options, i);
        const char *where = use->id == API_OPTION_S ? "tcp::1234" : use->id == API_OPTION_GDB ? use->text : NULL;

        if (!where)
            continue;
        if (chardev_find(s->chardevs, "gdb") && !g_str_has_prefix(where, "chardev:"))
            return error_set(error, "%s: there is a GDB server already (one of -s and -gdb is enough)", use->spelling);
        struct gdbstub *stub = start_debugger(s, where, error);
        if (!stub && error && *error)
            return error_prefix(error, "%s", use->spelling);
        if (stub)
            g_ptr_array_add(s->gdbs, stub);
    }
    return true;
}

/* -add-fd: the descriptor must have been inherited. A copy of it goes into the set, so that several may have it. */
static bool add_descriptor(struct mynah_system *s, struct api_option_use *use, GError **error)
{
    u64 fd = UINT64_MAX, set = UINT64_MAX;

    if (!api_keyval_get_u64(use->keyval, "fd", &fd, error) || !api_keyval_get_u64(use->keyval, "set", &set, error))
        return error_prefix(error, "-add-fd %s", use->text);
    if (fd == UINT64_MAX || set > INT64_MAX)
        return error_set(error, "-add-fd %s: both fd=N and set=N are needed", use->text);
    if (fd <= STDERR_FILENO)
        return error_set(error, "-add-fd %s: standard input and output are not for that", use->text);
    if (fd > G_MAXINT || !host_fd_is_inherited((int)fd))
        return error_set(error, "-add-fd %s: no such descriptor was inherited", use->text);
    int copy = host_fd_copy((int)fd);
    if (copy < 0)
        return error_set(error, "-add-fd %s: %s", use->text, strerror(errno));
    return host_fdsets_add(s->fdsets, copy, (s64)set, api_keyval_get(use->keyval, "opaque"), error) >= 0 ||
           error_prefix(error, "-add-fd %s", use->text);
}

static bool add_descriptors(struct mynah_system *s, GError **error)
{
    u64 fd;

    for (unsigned i = 0; i < api_option_count(s->options); i++) {
        struct api_option_use *use = api_option_at(s->options, i);

        if (use->id == API_OPTION_ADD_FD && !add_descriptor(s, use, error))
            return false;
    }
    for (unsigned i = 0; i < api_option_count(s->options); i++) {
        struct api_option_use *use = api_option_at(s->options, i);

        if (use->id == API_OPTION_ADD_FD && api_keyval_get_u64(use->keyval, "fd", &fd, NULL) && host_fd_is_inherited((int)fd))
            close((int)fd);
    }
    return true;
}

static bool choose_escape(struct mynah_system *s, GError **error)
{
    struct api_option_use *use = api_option_last(s->options, API_OPTION_ECHR);
    char *end = NULL;

    if (!use)
        return true;
    u64 code = g_ascii_strtoull(use->text, &end, 0);
    if (end == use->text || *end || code > 26)
        return error_set(error, "-echr %s: it is a number from 0 to 26 (1 is Ctrl-A)", use->text);
    chardev_set_escape(s->chardevs, (u8)code);
    return true;
}

static void on_run_state(const struct vm_event *event, void *opaque)
{
    if (event->kind == VM_EVENT_STOP || event->kind == VM_EVENT_RESUME)
        input_set_running(opaque, event->kind == VM_EVENT_RESUME);
}

bool system_create_backends(struct mynah_system *s, GError **error)
{
    const struct chardev_owner owner = { .quit = quit, .opaque = s };

    s->gdbs = g_ptr_array_new();
    s->monitored_serials = g_ptr_array_new();
    s->chardevs = chardev_set_create(vm_context(s->vm), &owner);
    chardev_set_background(s->chardevs, s->daemon != NULL);
    chardev_set_starting(s->chardevs);
    system_create_networks(s);
    s->monitors = monitor_set_create(s->vm, s->chardevs);
    monitor_set_hush(s->monitors, true);
    monitor_set_gdbserver(s->monitors, serve_debugger, s);
    vm_set_backend(s->vm, "chardevs", 0, s->chardevs);
    s->ui = ui_create();
    input_set_running(s->ui, false);
    vm_on_event(s->vm, on_run_state, s->ui);
    vm_set_backend(s->vm, "ui", 0, s->ui);
    s->fdsets = host_fdsets_create();
    chardev_set_fdsets(s->chardevs, s->fdsets);
    vm_set_backend(s->vm, "fdsets", 0, s->fdsets);
    return add_descriptors(s, error) && choose_escape(s, error) && system_create_fsdevs(s, error) && system_create_drives(s, error) && create_chardevs(s, error) && create_serials(s, error) &&
           system_create_netdevs(s, error);
}

bool system_create_monitors(struct mynah_system *s, GError **error)
{
    unsigned number = 0;

    for (guint i = 0; i < s->monitored_serials->len; i++) {
        if (!monitor_add(s->monitors, s->monitored_serials->pdata[i], MONITOR_HMP, error))
            return error_prefix(error, "-serial mon:");
    }
    for (unsigned i = 0; i < api_option_count(s->options); i++) {
        struct api_option_use *use = api_option_at(s->options, i);

        if (!add_monitor(s, use, number, error))
            return error_prefix(error, "%s %s", use->spelling, use->text);
        number += use->id == API_OPTION_MONITOR || use->id == API_OPTION_QMP || use->id == API_OPTION_QMP_PRETTY;
    }
    if (!system_create_objects_of(s, "monitor-qmp", error))
        return false;
    struct api_option_use *qtest = api_option_last(s->options, API_OPTION_QTEST);
    if (qtest && strcmp(qtest->text, "none") && !(s->qtest = qtest_start(s->vm, s->chardevs, qtest->text, error)))
        return error_prefix(error, "-qtest %s", qtest->text);
    return add_debuggers(s, error);
}

void system_destroy_backends(struct mynah_system *s, int exit_status)
{
    if (s->ending_gdbs)
        g_source_destroy(s->ending_gdbs);
    for (guint i = 0; s->gdbs && i < s->gdbs->len; i++)
        gdbstub_destroy(s->gdbs->pdata[i], (u8)exit_status);
    g_clear_pointer(&s->gdbs, g_ptr_array_unref);
    g_clear_pointer(&s->monitored_serials, g_ptr_array_unref);
    qtest_destroy(s->qtest);
    monitor_set_destroy(s->monitors);
    system_destroy_networks(s);
    if (s->chardevs)
        chardev_set_destroy(s->chardevs);
    host_fdsets_destroy(s->fdsets);
}
