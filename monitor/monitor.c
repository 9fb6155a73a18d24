/* monitor/monitor.c - the set of monitors, their connection to chardevs, and events. */
#include "monitor/monitor.h"
#include "api/types.h"
#include "base/error.h"
#include "host/fd.h"
#include "monitor/edit.h"
#include "monitor/internal.h"
#include "vm/machine.h"
#include <json-c/json.h>
#include <unistd.h>

static void close_fd(void *fd)
{
    close(GPOINTER_TO_INT(fd));
}

static void monitor_free(void *data)
{
    struct monitor *monitor = data;

    /* The chardev's queue takes a message of any size, and is sent when the chardev is closed. */
    if (monitor->open && monitor->output->len)
        chardev_write_message(&monitor->front, monitor->output->str, monitor->output->len);
    chardev_detach(&monitor->front);
    if (monitor->tokener)
        json_tokener_free(monitor->tokener);
    edit_destroy(monitor->edit);
    g_hash_table_unref(monitor->fds);
    g_array_unref(monitor->taken);
    g_byte_array_unref(monitor->input);
    g_string_free(monitor->output, TRUE);
    g_free(monitor);
}

void monitor_send_event(struct monitor_set *set, const char *name, struct json_object *data)
{
    for (guint i = 0; i < set->monitors->len; i++) {
        struct monitor *monitor = set->monitors->pdata[i];

        if (monitor->mode != MONITOR_HMP)
            qmp_send_event(monitor, name, data);
    }
    json_object_put(data);
}

static void emit(void *opaque, const char *name, struct json_object *data)
{
    if (!monitor_event_waits(opaque, name, data))
        monitor_send_event(opaque, name, data);
}

static enum api_shutdown_cause cause_of(const struct vm_event *event)
{
    int cause = api_enum_find(&api_type_shutdown_cause, vm_cause_name(event->cause));

    return cause < 0 ? API_SHUTDOWN_CAUSE_NONE : (enum api_shutdown_cause)cause;
}

static void on_event(const struct vm_event *event, void *opaque)
{
    struct monitor_set *set = opaque;
    bool guest = vm_cause_is_guest(event->cause);

    switch (event->kind) {
    case VM_EVENT_STOP:
        return api_event_stop(&set->events);
    case VM_EVENT_RESUME:
        return api_event_resume(&set->events);
    case VM_EVENT_RESET:
        return api_event_reset(&set->events, guest, cause_of(event));
    case VM_EVENT_SHUTDOWN:
        monitor_send_held_events(set);
        return api_event_shutdown(&set->events, guest, cause_of(event));
    case VM_EVENT_POWERDOWN:
        return api_event_powerdown(&set->events);
    case VM_EVENT_DEBUG:
    case VM_EVENT_STILL:
    case VM_EVENT_SERVE:
        return;
    }
}

struct monitor_set *monitor_set_create(struct vm *vm, struct chardev_set *chardevs)
{
    struct monitor_set *set = g_new0(struct monitor_set, 1);

    set->vm = vm;
    set->chardevs = chardevs;
    set->monitors = g_ptr_array_new_with_free_func(monitor_free);
    set->infos = g_array_new(FALSE, FALSE, sizeof(struct monitor_info));
    set->events = (struct api_event_sink){ emit, set };
    monitor_event_limit_init(set);
    vm_set_events(vm, &set->events);
    vm_on_event(vm, on_event, set);
    monitor_watch_networks(set);
    vm_set_backend(vm, "monitors", 0, set);
    return set;
}

void monitor_set_destroy(struct monitor_set *set)
{
    if (!set)
        return;
    vm_off_event(set->vm, on_event, set);
    vm_set_events(set->vm, NULL);
    vm_set_backend(set->vm, "monitors", 0, NULL);
    monitor_event_limit_finish(set);
    g_ptr_array_unref(set->monitors);
    g_array_unref(set->infos);
    g_free(set);
}

void monitor_info_add(struct monitor_set *set, const char *name, const char *help, char *(*describe)(void *opaque),
                      void *opaque)
{
    struct monitor_info info = { name, help, describe, opaque };

    g_array_append_val(set->infos, info);
}

void monitor_set_gdbserver(struct monitor_set *set, monitor_gdbserver *serve, void *opaque)
{
    set->serve = serve;
    set->serve_opaque = opaque;
}

void monitor_set_hush(struct monitor_set *set, bool hushed)
{
    set->hushed = hushed;
    for (guint i = 0; i < set->monitors->len && !hushed; i++) {
        struct monitor *monitor = set->monitors->pdata[i];

        if (monitor->expected)
            monitor_opened(monitor);
        chardev_accept_input(&monitor->front);
    }
}

struct monitor *monitor_create(struct monitor_set *set, enum monitor_mode mode, const struct monitor_io *io)
{
    struct monitor *monitor = g_new0(struct monitor, 1);

    monitor->set = set;
    monitor->mode = mode;
    monitor->io = *io;
    monitor->output = g_string_new(NULL);
    monitor->input = g_byte_array_new();
    monitor->taken = g_array_new(FALSE, FALSE, sizeof(struct monitor_fd));
    monitor->fds = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, close_fd);
    if (mode == MONITOR_HMP)
        monitor->edit = edit_create();
    else
        qmp_reset(monitor);
    g_ptr_array_add(set->monitors, monitor);
    return monitor;
}

void monitor_opened(struct monitor *monitor)
{
    monitor->expected = monitor->set->hushed;
    if (monitor->open || monitor->expected)
        return;
    monitor->open = true;
    if (monitor->mode == MONITOR_HMP) {
        hmp_greet(monitor);
        return;
    }
    qmp_reset(monitor);
    qmp_greet(monitor);
}

void monitor_closed(struct monitor *monitor)
{
    monitor->open = monitor->expected = false;
    g_string_truncate(monitor->output, 0);
    g_byte_array_set_size(monitor->input, 0);
    g_hash_table_remove_all(monitor->fds);
    if (monitor->mode == MONITOR_HMP)
        edit_reset(monitor->edit);
    else
        qmp_reset(monitor);
}

bool monitor_has_room(const struct monitor *monitor)
{
    return monitor->output->len < MONITOR_OUTPUT_PAUSE;
}

size_t monitor_can_receive(const struct monitor *monitor)
{
    return monitor_has_room(monitor) && !monitor->input->len && !monitor->set->hushed ? 4096 : 0;
}

/* A command may close the monitor: what came with it is lost then. */
static void take_input(struct monitor *monitor)
{
    g_autoptr(GByteArray) input = g_steal_pointer(&monitor->input);
    size_t used;

    monitor->input = g_byte_array_new();
    used = monitor->mode == MONITOR_HMP ? hmp_receive(monitor, input->data, input->len) : qmp_receive(monitor, input->data, input->len);
    if (monitor->open && used < input->len)
        g_byte_array_append(monitor->input, input->data + used, (guint)(input->len - used));
}

void monitor_receive(struct monitor *monitor, const u8 *data, size_t length)
{
    g_byte_array_append(monitor->input, data, (guint)length);
    take_input(monitor);
}

static void flush(struct monitor *monitor)
{
    size_t sent = 0;

    if (monitor->output->len)
        sent = monitor->io.write(monitor->io.opaque, monitor->output->str, monitor->output->len);
    g_string_erase(monitor->output, 0, (gssize)sent);
}

void monitor_write(struct monitor *monitor, const char *data, size_t length)
{
    if (!monitor->open)
        return;
    g_string_append_len(monitor->output, data, (gssize)length);
    flush(monitor);
}

void monitor_writable(struct monitor *monitor)
{
    bool paused = !monitor_can_receive(monitor);

    flush(monitor);
    if (monitor->input->len)
        take_input(monitor);
    if (paused && monitor_can_receive(monitor))
        chardev_accept_input(&monitor->front);
}

int monitor_take_named_fd(struct monitor *monitor, const char *name, GError **error)
{
    gpointer key = NULL, fd = NULL;

    if (!monitor->fds || !g_hash_table_steal_extended(monitor->fds, name, &key, &fd)) {
        error_set(error, "File descriptor named '%s' has not been found", name);
        return -1;
    }
    g_free(key);
    const struct monitor_fd taken = { GPOINTER_TO_INT(fd), host_fd_identity(GPOINTER_TO_INT(fd)) };
    g_array_append_val(monitor->taken, taken);
    host_fd_release(taken.fd); /* until it is taken */
    return taken.fd;
}

void monitor_settle_fds(struct monitor *monitor, bool ok)
{
    for (guint i = 0; i < monitor->taken->len; i++) {
        const struct monitor_fd *taken = &g_array_index(monitor->taken, struct monitor_fd, i);

        if (host_fd_identity(taken->fd) != taken->identity)
            continue;
        if (ok)
            host_fd_adopt(taken->fd);
        else
            close(taken->fd);
    }
    g_array_set_size(monitor->taken, 0);
}

/* --- on a chardev --- */

static size_t front_can_receive(void *opaque)
{
    return monitor_can_receive(opaque);
}

static void front_receive(void *opaque, const u8 *data, size_t length)
{
    monitor_receive(opaque, data, length);
}

static void front_writable(void *opaque)
{
    monitor_writable(opaque);
}

/* On a terminal shared with the guest a monitor for people stays silent until Ctrl-A c. */
static bool waits_for_focus(const struct monitor *monitor)
{
    return monitor->mode == MONITOR_HMP && chardev_is_mux(monitor->front.chardev) && !monitor->focused;
}

static void front_event(void *opaque, enum chardev_event event)
{
    struct monitor *monitor = opaque;
    bool connected = chardev_is_connected(monitor->front.chardev);

    if (event == CHARDEV_FOCUS_IN || event == CHARDEV_FOCUS_OUT)
        monitor->focused = event == CHARDEV_FOCUS_IN;
    if (event == CHARDEV_OPENED && !waits_for_focus(monitor))
        monitor_opened(monitor);
    else if (event == CHARDEV_CLOSED)
        monitor_closed(monitor);
    else if (event == CHARDEV_FOCUS_IN && monitor->open && monitor->mode == MONITOR_HMP)
        edit_prompt(monitor->edit, monitor);
    else if (event == CHARDEV_FOCUS_IN && connected)
        monitor_opened(monitor);
}

static size_t front_write(void *opaque, const void *data, size_t length)
{
    return chardev_write(opaque, data, length);
}

static int front_take_fd(void *opaque)
{
    return chardev_take_fd(opaque);
}

struct monitor *monitor_add(struct monitor_set *set, struct chardev *chardev, enum monitor_mode mode, GError **error)
{
    static const struct chardev_handlers handlers = {
        .can_receive = front_can_receive,
        .receive = front_receive,
        .event = front_event,
        .writable = front_writable,
    };
    struct monitor_io io = { front_write, front_take_fd, NULL };
    struct monitor *monitor = monitor_create(set, mode, &io);

    monitor->io.opaque = &monitor->front;
    if (chardev_attach(&monitor->front, chardev, &handlers, monitor, error))
        return monitor;
    monitor_remove(monitor);
    return NULL;
}

void monitor_remove(struct monitor *monitor)
{
    g_ptr_array_remove(monitor->set->monitors, monitor);
}
