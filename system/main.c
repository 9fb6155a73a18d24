/* system/main.c - process entry: the order in which one machine comes up and goes down. */
#include "api/version.h"
#include "base/error.h"
#include "base/log.h"
#include "host/daemon.h"
#include "host/process.h"
#include "block/disk.h"
#include "fs/devices.h"
#include "monitor/monitor.h"
#include "system/system.h"
#include "tcg/backend.h"
#include "ui/ui.h"
#include "vm/vcpu.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static u32 guest_of(const char *program)
{
    const char *base = strrchr(program, '/') ? strrchr(program, '/') + 1 : program;

    if (strstr(base, "aarch64"))
        return VM_GUEST_AARCH64;
    if (strstr(base, "x86_64"))
        return VM_GUEST_X86_64;
    return VM_GUEST_RISCV64;
}

static int fail(const struct mynah_system *s, GError *error)
{
    g_autofree char *line = error_headline(error), *hint = error_hint_of(error);

    system_print_message(s, "%s", line);
    if (hint)
        fprintf(stderr, "%s\n", hint);
    g_error_free(error);
    return EXIT_FAILURE;
}

static bool print_and_end(struct mynah_system *s)
{
    if (api_option_last(s->options, API_OPTION_HELP)) {
        g_autofree char *text = api_option_help(s->program);

        fputs(text, stdout);
        return true;
    }
    if (api_option_last(s->options, API_OPTION_VERSION)) {
        printf("QEMU emulator version %s (Mynah %s)\nCopyright (c) 2026 The Mynah developers\n", API_QEMU_VERSION, API_VERSION);
        return true;
    }
    return system_help(s);
}

/* Everything up to the first instruction. */
static bool bring_up(struct mynah_system *s, GError **error)
{
    if (api_option_last(s->options, API_OPTION_DAEMONIZE) && !(s->daemon = host_daemon_fork(error)))
        return false;
    s->vm = vm_create(s->guest, error);
    if (!s->vm)
        return false;
    log_set_passes(vm_log(s->vm), ir_pass_names);
    if (!system_apply_settings(s, error))
        return false;
    if (!system_create_backends(s, error) || !system_create_accel(s, error) ||
        !system_create_objects(s, error) || !system_create_machine(s, error) ||
        !system_create_devices(s, error) || !system_create_cards(s, error))
        return false;
    vm_lock(s->vm);
    bool up = vm_complete(s->vm, error) && system_create_monitors(s, error) && vm_vcpus_start(s->vm, error);
    if (up)
        vm_reset(s->vm, VM_CAUSE_NONE);
    vm_unlock(s->vm);
    return up;
}

static bool write_pidfile(struct mynah_system *s, GError **error)
{
    struct api_option_use *use = api_option_last(s->options, API_OPTION_PIDFILE);

    if (!use)
        return true;
    if (!host_process_write_pid(use->text, error))
        return false;
    s->pidfile = g_canonicalize_filename(use->text, NULL); /* -daemonize leaves the folder */
    return true;
}

static void start(struct mynah_system *s)
{
    if (s->paused)
        return;
    vm_lock(s->vm);
    vm_cont(s->vm);
    vm_unlock(s->vm);
}

static gboolean on_signal(gpointer opaque)
{
    struct mynah_system *s = opaque;

    vm_request_shutdown(s->vm, VM_CAUSE_HOST_SIGNAL);
    return G_SOURCE_CONTINUE;
}

static void bring_down(struct mynah_system *s, int status)
{
    if (s->vm)
        system_destroy_backends(s, status);
    vm_destroy(s->vm);
    ui_destroy(s->ui); /* the devices are gone */
    disk_set_destroy(s->disks);
    if (s->drives)
        g_ptr_array_unref(s->drives);
    fs_devices_destroy(s->fsdevs);
    host_process_remove_pid(s->pidfile);
    host_daemon_free(s->daemon);
    api_option_list_destroy(s->options);
    g_free(s->pidfile);
}

int main(int argc, char **argv)
{
    struct mynah_system s = { .program = argv[0], .guest = guest_of(argv[0]) };
    GError *error = NULL;
    int status;

    host_process_outlive_file_limit();
    s.options = api_option_parse(argc, argv, &error);
    if (!s.options)
        return fail(&s, error);
    if (print_and_end(&s)) {
        api_option_list_destroy(s.options);
        return EXIT_SUCCESS;
    }
    if (!bring_up(&s, &error) || !write_pidfile(&s, &error)) {
        status = fail(&s, error);
    } else {
        host_process_on_end(vm_context(s.vm), on_signal, &s);
        chardev_set_ready(s.chardevs);
        host_daemon_ready(s.daemon);
        monitor_set_hush(s.monitors, false);
        start(&s);
        status = vm_run(s.vm);
    }
    bring_down(&s, status);
    return status;
}
