/* monitor/qmp_ui.c - commands about screens and input. */
#include "base/error.h"
#include "host/fdset.h"
#include "monitor/commands.h"
#include "monitor/internal.h"
#include "ui/picture.h"
#include "ui/ui.h"
#include "vm/machine.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { KEYS_MAX = 16, HOLD_MS = 100, HOLD_MAX_MS = 60 * 1000 };

static struct ui *ui_of(struct monitor *monitor)
{
    return vm_backend(monitor->set->vm, "ui", 0);
}

/* In place, as QEMU does: pipes and /dev/fdset are files too. */
static bool write_picture(struct monitor *monitor, pixman_image_t *image, enum picture_format format, const char *path, GError **error)
{
    int fd = host_fdset_open(vm_backend(monitor->set->vm, "fdsets", 0), path, O_WRONLY | O_CREAT | O_TRUNC, 0666);

    if (fd < 0)
        return error_set(error, "failed to open file '%s': %s", path, strerror(errno));
    bool ok = picture_write(image, format, fd, error);
    close(fd);
    return ok;
}

bool qmp_screendump(struct monitor *monitor, const struct api_args_screendump *args, GError **error)
{
    bool png = args->has_format && args->format == API_IMAGE_FORMAT_PNG;
    struct console *console;

    if (args->has_head && !args->device)
        return error_set(error, "'head' must be specified together with 'device'");
    if (args->has_head && (args->head < 0 || args->head > UINT32_MAX))
        return error_set(error, "Parameter 'head' expects the number of a screen");
    console = ui_console(ui_of(monitor), args->device, args->has_head ? (u32)args->head : 0, error);
    if (!console)
        return false;
    pixman_image_t *image = console_snapshot(console);
    if (!image)
        return error_set(error, "there is not enough memory for the picture");
    bool ok = write_picture(monitor, image, png ? PICTURE_PNG : PICTURE_PPM, args->filename, error);
    pixman_image_unref(image);
    return ok;
}

/* Index into input_keys, or -1 with *error. */
static int key_of(const struct api_key_value *value, GError **error)
{
    int key = value->type == API_KEY_VALUE_KIND_QCODE
                  ? input_key_find(api_type_q_key_code.values[value->u.qcode->data])
                  : value->u.number->data > 0 && value->u.number->data < 256 ? input_key_find_number((u32)value->u.number->data) : -1;

    if (key < 0)
        error_set(error, "there is no key %" G_GINT64_FORMAT, (gint64)value->u.number->data);
    return key;
}

bool qmp_send_key(struct monitor *monitor, const struct api_args_send_key *args, GError **error)
{
    u16 keys[KEYS_MAX];
    s64 hold = args->has_hold_time ? args->hold_time : HOLD_MS;

    if (args->keys->len > KEYS_MAX)
        return error_set(error, "at most %d keys are pressed together", KEYS_MAX);
    if (hold < 0 || hold > HOLD_MAX_MS)
        return error_set(error, "Parameter 'hold-time' expects 0 to %d milliseconds", HOLD_MAX_MS);
    for (guint i = 0; i < args->keys->len; i++) {
        int key = key_of(args->keys->pdata[i], error);

        if (key < 0)
            return false;
        keys[i] = (u16)key;
    }
    if (ui_of(monitor) && input_press(ui_of(monitor), vm_context(monitor->set->vm), keys, args->keys->len, (unsigned)hold))
        return true;
    return error_set(error, ui_of(monitor) && input_accepts(ui_of(monitor), INPUT_KEY) ? "too many keys wait to be pressed"
                                                                                      : "this machine has no keyboard");
}

/* What the schema says to what the core takes. */
static bool convert(const struct api_input_event *from, struct input_event *to, GError **error)
{
    const struct api_input_move_event *move;
    int key;

    switch (from->type) {
    case API_INPUT_EVENT_KIND_KEY:
        key = key_of(from->u.key->data->key, error);
        *to = (struct input_event){.kind = INPUT_KEY, .code = (u16)MAX(key, 0), .down = from->u.key->data->down};
        return key >= 0;
    case API_INPUT_EVENT_KIND_BTN:
        *to = (struct input_event){.kind = INPUT_BUTTON, .code = (u16)from->u.btn->data->button, .down = from->u.btn->data->down};
        return true;
    default:
        move = from->u.rel->data;
        *to = (struct input_event){.kind = from->type == API_INPUT_EVENT_KIND_REL ? INPUT_MOVE : INPUT_PLACE, .code = (u16)move->axis,
                                   .value = (s32)CLAMP(move->value, -INT32_MAX, INT32_MAX)};
        if (to->kind == INPUT_PLACE)
            to->value = CLAMP(to->value, 0, INPUT_PLACE_MAX);
        return true;
    }
}

bool qmp_input_send_event(struct monitor *monitor, const struct api_args_input_send_event *args, GError **error)
{
    g_autofree struct input_event *events = g_new0(struct input_event, MAX(args->events->len, 1));
    struct ui *ui = ui_of(monitor);

    if (!vm_running(monitor->set->vm))
        return error_set(error, "VM not running");
    /* All of them, or none. */
    for (guint i = 0; i < args->events->len; i++) {
        if (!convert(args->events->pdata[i], &events[i], error))
            return false;
        if (!ui || !input_accepts(ui, events[i].kind))
            return error_set(error, "Input handler not found for event type %s",
                             api_type_input_event_kind.values[((const struct api_input_event *)args->events->pdata[i])->type]);
    }
    for (guint i = 0; i < args->events->len; i++)
        input_send(ui, &events[i]);
    if (ui)
        input_sync(ui);
    return true;
}

bool qmp_query_mice(struct monitor *monitor, GPtrArray **ret, GError **error)
{
    GList *all = ui_of(monitor) ? input_handlers(ui_of(monitor)) : NULL;

    *ret = api_list_new();
    for (GList *at = all; at; at = at->next) {
        const struct input_handler *handler = at->data;

        if (!(handler->kinds & (INPUT_MOVE | INPUT_PLACE)))
            continue;
        struct api_mouse_info *info = api_new(&api_type_mouse_info);
        info->name = g_strdup(handler->name);
        info->index = handler->number;
        info->absolute = handler->kinds & INPUT_PLACE;
        info->current = !(*ret)->len;
        g_ptr_array_add(*ret, info);
    }
    g_list_free(all);
    return true;
}
