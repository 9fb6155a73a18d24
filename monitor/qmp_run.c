/* monitor/qmp_run.c - commands that start, stop and reset the machine. */
#include "base/error.h"
#include "monitor/commands.h"
#include "monitor/internal.h"

bool qmp_query_status(struct monitor *monitor, struct api_status_info **ret, GError **error)
{
    struct vm *vm = monitor->set->vm;
    int status = api_enum_find(&api_type_run_state, vm_run_state_name(vm_run_state(vm)));

    *ret = api_new(&api_type_status_info);
    (*ret)->running = vm_running(vm);
    (*ret)->status = status < 0 ? API_RUN_STATE_INTERNAL_ERROR : (enum api_run_state)status;
    return true;
}

bool qmp_stop(struct monitor *monitor, GError **error)
{
    if (vm_running(monitor->set->vm))
        vm_stop(monitor->set->vm, VM_PAUSED);
    return true;
}

bool qmp_cont(struct monitor *monitor, GError **error)
{
    vm_cont(monitor->set->vm);
    return vm_running(monitor->set->vm) || error_set(error, "Resetting the Virtual Machine is required");
}

bool qmp_quit(struct monitor *monitor, GError **error)
{
    vm_request_shutdown(monitor->set->vm, VM_CAUSE_HOST_QMP_QUIT);
    return true;
}

bool qmp_system_reset(struct monitor *monitor, GError **error)
{
    vm_request_reset(monitor->set->vm, VM_CAUSE_HOST_QMP_SYSTEM_RESET);
    return true;
}

bool qmp_system_powerdown(struct monitor *monitor, GError **error)
{
    vm_request_powerdown(monitor->set->vm);
    return true;
}

bool qmp_system_wakeup(struct monitor *monitor, GError **error)
{
    return error_set(error, "wake-up from suspend is not supported by this guest");
}

bool qmp_inject_nmi(struct monitor *monitor, GError **error)
{
    return error_set(error, "machine does not provide NMIs");
}

static void set_watchdog(struct vm *vm, enum api_watchdog_action action)
{
    static const u8 watchdog[] = {
        [API_WATCHDOG_ACTION_RESET] = VM_WATCHDOG_RESET,       [API_WATCHDOG_ACTION_SHUTDOWN] = VM_WATCHDOG_SHUTDOWN,
        [API_WATCHDOG_ACTION_POWEROFF] = VM_WATCHDOG_POWEROFF, [API_WATCHDOG_ACTION_PAUSE] = VM_WATCHDOG_PAUSE,
        [API_WATCHDOG_ACTION_DEBUG] = VM_WATCHDOG_DEBUG,       [API_WATCHDOG_ACTION_NONE] = VM_WATCHDOG_NONE,
        [API_WATCHDOG_ACTION_INJECT_NMI] = VM_WATCHDOG_INJECT_NMI,
    };

    vm_actions(vm)->watchdog = watchdog[action];
}

bool qmp_set_action(struct monitor *monitor, const struct api_args_set_action *args, GError **error)
{
    static const u8 panic[] = {
        [API_PANIC_ACTION_PAUSE] = VM_PANIC_PAUSE,
        [API_PANIC_ACTION_SHUTDOWN] = VM_PANIC_SHUTDOWN,
        [API_PANIC_ACTION_EXIT_FAILURE] = VM_PANIC_EXIT_FAILURE,
        [API_PANIC_ACTION_NONE] = VM_PANIC_NONE,
    };
    struct vm_actions *actions = vm_actions(monitor->set->vm);

    if (args->has_reboot)
        actions->reboot = args->reboot == API_REBOOT_ACTION_RESET ? VM_REBOOT_RESET : VM_REBOOT_SHUTDOWN;
    if (args->has_shutdown)
        actions->shutdown = args->shutdown == API_SHUTDOWN_ACTION_POWEROFF ? VM_SHUTDOWN_POWEROFF : VM_SHUTDOWN_PAUSE;
    if (args->has_panic)
        actions->panic = panic[args->panic];
    if (args->has_watchdog)
        set_watchdog(monitor->set->vm, args->watchdog);
    return true;
}

bool qmp_watchdog_set_action(struct monitor *monitor, const struct api_args_watchdog_set_action *args, GError **error)
{
    set_watchdog(monitor->set->vm, args->action);
    return true;
}
