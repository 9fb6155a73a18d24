/* tests/unit/monitor_events.c - events that a guest causes in swarms reach monitors once a second, by kind. */
#include "api/types.h"
#include "monitor/internal.h"
#include "vm/vm.h"
#include <string.h>

struct rig {
    struct vm *vm;
    struct chardev_set *chardevs;
    struct monitor_set *set;
    GString *seen;
};

static size_t take_output(void *opaque, const void *data, size_t length)
{
    g_string_append_len(((struct rig *)opaque)->seen, data, (gssize)length);
    return length;
}

static void set_up(struct rig *rig, gconstpointer data)
{
    const struct monitor_io io = { take_output, NULL, rig };
    static const char hello[] = "{\"execute\":\"qmp_capabilities\"}";

    rig->seen = g_string_new(NULL);
    rig->vm = vm_create(VM_GUEST_RISCV64, NULL);
    rig->chardevs = chardev_set_create(vm_context(rig->vm), NULL);
    rig->set = monitor_set_create(rig->vm, rig->chardevs);
    struct monitor *monitor = monitor_create(rig->set, MONITOR_QMP, &io);
    monitor_opened(monitor);
    monitor_receive(monitor, (const u8 *)hello, sizeof(hello) - 1);
    g_string_truncate(rig->seen, 0);
}

static void tear_down(struct rig *rig, gconstpointer data)
{
    monitor_set_destroy(rig->set);
    chardev_set_destroy(rig->chardevs);
    vm_destroy(rig->vm);
    g_string_free(rig->seen, TRUE);
}

static u32 count(const struct rig *rig, const char *text)
{
    u32 n = 0;

    for (const char *at = rig->seen->str; (at = strstr(at, text)); at++)
        n++;
    return n;
}

static void swarm(struct rig *rig, gconstpointer data)
{
    for (u32 i = 0; i < 1000; i++) {
        api_event_watchdog(vm_events(rig->vm), i < 999 ? API_WATCHDOG_ACTION_NONE : API_WATCHDOG_ACTION_DEBUG);
        api_event_vserport_change(vm_events(rig->vm), i & 1 ? "a" : "b", i < 2);
        api_event_block_io_error(vm_events(rig->vm), i & 1 ? "/a" : "/b", "", NULL, API_IO_OPERATION_TYPE_READ, API_BLOCK_ERROR_ACTION_REPORT,
                                 false, false, "error");
    }
    g_assert_cmpuint(count(rig, "\"WATCHDOG\""), ==, 1);
    g_assert_cmpuint(count(rig, "\"VSERPORT_CHANGE\""), ==, 2); /* of each port */
    g_assert_cmpuint(count(rig, "\"open\": true"), ==, 2);
    g_assert_cmpuint(count(rig, "\"BLOCK_IO_ERROR\""), ==, 2); /* of each disk */
    for (u32 i = 0; i < 10; i++)
        api_event_reset(vm_events(rig->vm), true, API_SHUTDOWN_CAUSE_GUEST_RESET);
    g_assert_cmpuint(count(rig, "\"RESET\""), ==, 10); /* of these each one counts */
    while (count(rig, "\"WATCHDOG\"") < 2 || count(rig, "\"VSERPORT_CHANGE\"") < 4)
        g_main_context_iteration(vm_context(rig->vm), TRUE);
    g_assert_cmpuint(count(rig, "\"debug\""), ==, 1); /* the last one */
    g_assert_cmpuint(count(rig, "\"open\": false"), ==, 2);
    api_event_watchdog(vm_events(rig->vm), API_WATCHDOG_ACTION_NONE);
    g_assert_cmpuint(count(rig, "\"WATCHDOG\""), ==, 2); /* one was just sent */
    vm_request_shutdown(rig->vm, VM_CAUSE_GUEST_SHUTDOWN);
    vm_run(rig->vm);
    g_assert_cmpuint(count(rig, "\"WATCHDOG\""), ==, 3); /* nothing is lost */
    g_assert_nonnull(strstr(strstr(rig->seen->str, "\"none\" } }\r\n"), "SHUTDOWN"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/monitor/events/swarm", struct rig, NULL, set_up, swarm, tear_down);
    return g_test_run();
}
