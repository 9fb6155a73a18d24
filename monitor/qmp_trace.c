/* monitor/qmp_trace.c - commands about trace events. */
#include "base/error.h"
#include "base/log.h"
#include "hw/core/trace.h"
#include "monitor/commands.h"
#include "monitor/internal.h"
#include "vm/vm.h"

struct look {
    struct log *log;
    const char *pattern;
    GPtrArray *found; /* of struct api_trace_event_info; NULL: they are counted */
    u32 count;
};

static void look_at(const char *event, void *opaque)
{
    struct look *look = opaque;
    struct api_trace_event_info *info;

    if (!g_pattern_match_simple(look->pattern, event))
        return;
    look->count++;
    if (!look->found)
        return;
    info = api_new(&api_type_trace_event_info);
    info->name = g_strdup(event);
    info->state = log_wants(look->log, LOG_TRACE) && log_traces(look->log, event) ? API_TRACE_EVENT_STATE_ENABLED : API_TRACE_EVENT_STATE_DISABLED;
    g_ptr_array_add(look->found, info);
}

static bool look_for(struct monitor *monitor, const char *pattern, GPtrArray *found, GError **error)
{
    struct look look = { vm_log(monitor->set->vm), pattern, found, 0 };

    device_trace_events(vm_guest(monitor->set->vm), look_at, &look);
    return look.count || error_set(error, "unknown event \"%s\"", pattern);
}

bool qmp_trace_event_get_state(struct monitor *monitor, const struct api_args_trace_event_get_state *args, GPtrArray **ret, GError **error)
{
    *ret = api_list_new();
    return look_for(monitor, args->name, *ret, error);
}

bool qmp_trace_event_set_state(struct monitor *monitor, const struct api_args_trace_event_set_state *args, GError **error)
{
    if (!look_for(monitor, args->name, NULL, error))
        return false;
    log_trace_switch(vm_log(monitor->set->vm), args->name, args->enable);
    return true;
}
