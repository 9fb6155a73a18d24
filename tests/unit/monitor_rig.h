/* tests/unit/monitor_rig.h - a monitor of a machine without devices, and what it says. */
#ifndef MONITOR_RIG_H
#define MONITOR_RIG_H

#include "api/json.h"
#include "monitor/dispatch.h"
#include "monitor/internal.h"
#include "vm/vm.h"
#include <string.h>

struct rig {
    struct vm *vm;
    struct chardev_set *chardevs;
    struct monitor_set *set;
    struct monitor *monitor;
    GString *seen;
    size_t room; /* bytes that the other end takes at once */
    int fd;      /* handed over by take_fd */
};

static inline size_t take_output(void *opaque, const void *data, size_t length)
{
    struct rig *rig = opaque;

    length = MIN(length, rig->room);
    g_string_append_len(rig->seen, data, (gssize)length);
    return length;
}

static inline int take_fd(void *opaque)
{
    struct rig *rig = opaque;
    int fd = rig->fd;

    rig->fd = -1;
    return fd;
}

static inline void rig_init(struct rig *rig, enum monitor_mode mode)
{
    struct monitor_io io = { take_output, take_fd, rig };
    GError *error = NULL;

    *rig = (struct rig){ .room = SIZE_MAX, .fd = -1, .seen = g_string_new(NULL) };
    rig->vm = vm_create(VM_GUEST_RISCV64, &error);
    g_assert_no_error(error);
    rig->chardevs = chardev_set_create(vm_context(rig->vm), NULL);
    rig->set = monitor_set_create(rig->vm, rig->chardevs);
    rig->monitor = monitor_create(rig->set, mode, &io);
    monitor_opened(rig->monitor);
}

static inline void rig_finish(struct rig *rig)
{
    monitor_set_destroy(rig->set);
    chardev_set_destroy(rig->chardevs);
    vm_destroy(rig->vm);
    g_string_free(rig->seen, TRUE);
}

static inline void send(struct rig *rig, const char *text)
{
    monitor_receive(rig->monitor, (const u8 *)text, strlen(text));
}

/* What the monitor says to `text`. */
static inline const char *ask(struct rig *rig, const char *text)
{
    g_string_truncate(rig->seen, 0);
    send(rig, text);
    return rig->seen->str;
}

static inline void negotiate(struct rig *rig)
{
    g_assert_cmpstr(ask(rig, "{\"execute\":\"qmp_capabilities\"}"), ==, "{ \"return\": { } }\r\n");
}

static inline void assert_usable(struct rig *rig)
{
    g_assert_true(g_str_has_suffix(ask(rig, "\n{\"execute\":\"query-name\",\"id\":\"ok\"}\n"),
                                   "{ \"return\": { }, \"id\": \"ok\" }\r\n"));
}

#endif
