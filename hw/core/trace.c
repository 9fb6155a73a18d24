/* hw/core/trace.c - trace events of declared devices. */
#include "hw/core/trace.h"
#include <inttypes.h>

enum { NAME_SIZE = 160 };

static void event_name(char *name, const struct device_decl *decl, const char *part, const char *what)
{
    g_snprintf(name, NAME_SIZE, "%s_%s_%s", decl->name, part, what);
    g_strcanon(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_", '_');
}

void device_trace_access(const struct device_window *window, const char *name, const char *what, u32 index, u64 offset, unsigned size,
                         u64 value)
{
    char event[NAME_SIZE], element[16] = "";

    event_name(event, window->device->decl, name, what);
    if (!log_traces(window->log, event))
        return;
    if (index)
        g_snprintf(element, sizeof(element), "[%u]", index);
    log_print(window->log, LOG_TRACE, "%s%s offset 0x%" PRIx64 " size %u value 0x%" PRIx64, event, element, offset, size, value);
}

void device_trace_line(const struct device *device, const char *name, u32 number, u32 level)
{
    struct log *log = vm_log(device->object.vm);
    char event[NAME_SIZE];

    event_name(event, device->decl, name, "line");
    if (log_traces(log, event))
        log_print(log, LOG_TRACE, "%s number %u level %u", event, number, level);
}

struct listing {
    u32 guest;
    void (*fn)(const char *event, void *opaque);
    void *opaque;
};

static void list_one(const struct listing *listing, const struct device_decl *decl, const char *part, const char *what)
{
    char event[NAME_SIZE];

    event_name(event, decl, part, what);
    listing->fn(event, listing->opaque);
}

static void list_class(const struct vm_class *class, void *opaque)
{
    const struct listing *listing = opaque;
    bool declared = class->data && vm_class_is_a(class, "declared-device", listing->guest);
    const struct device_decl *decl = declared ? class->data : NULL;

    if (!decl)
        return;
    for (u32 i = 0; i < decl->reg_count; i++) {
        if (decl->regs[i].access & DEVICE_RO)
            list_one(listing, decl, decl->regs[i].name, "read");
        if (decl->regs[i].access & DEVICE_WO)
            list_one(listing, decl, decl->regs[i].name, "write");
    }
    for (u32 i = 0; i < decl->window_count; i++) {
        if (decl->windows[i].ops) {
            list_one(listing, decl, decl->windows[i].id, "read");
            list_one(listing, decl, decl->windows[i].id, "write");
        }
    }
    for (u32 i = 0; i < decl->input_count; i++)
        list_one(listing, decl, decl->inputs[i].name, "line");
}

void device_trace_events(u32 guest, void (*fn)(const char *event, void *opaque), void *opaque)
{
    struct listing listing = { guest, fn, opaque };

    vm_class_foreach(guest, list_class, &listing);
}
