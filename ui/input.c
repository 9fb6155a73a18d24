/* ui/input.c - keys and pointers, to the device that takes them. */
#include "ui/internal.h"
#include <string.h>

#define KEY(name, linux, at) {name, linux, at},
const struct input_key input_keys[] = {
#include "ui/keys.def"
};
#undef KEY
const unsigned input_key_count = ARRAY_SIZE(input_keys);

int input_key_find(const char *name)
{
    for (unsigned i = 0; i < input_key_count; i++) {
        if (!strcmp(input_keys[i].name, name))
            return (int)i;
    }
    return -1;
}

int input_key_find_number(u32 at_code)
{
    for (unsigned i = 0; i < input_key_count && at_code; i++) {
        if (input_keys[i].at_code == at_code)
            return (int)i;
    }
    return -1;
}

void input_add(struct ui *ui, struct input_handler *handler)
{
    if (!ui)
        return;
    handler->number = ui->next_number++;
    ui->handlers = g_list_prepend(ui->handlers, handler);
}

void input_remove(struct ui *ui, struct input_handler *handler)
{
    if (ui)
        ui->handlers = g_list_remove(ui->handlers, handler);
}

bool input_choose(struct ui *ui, u32 number)
{
    for (GList *at = ui->handlers; at; at = at->next) {
        struct input_handler *handler = at->data;

        if (handler->number != number || !(handler->kinds & (INPUT_MOVE | INPUT_PLACE)))
            continue;
        ui->handlers = g_list_delete_link(ui->handlers, at);
        ui->handlers = g_list_prepend(ui->handlers, handler);
        return true;
    }
    return false;
}

GList *input_handlers(struct ui *ui)
{
    return g_list_copy(ui->handlers);
}

static struct input_handler *taker(struct ui *ui, enum input_kind kind)
{
    for (GList *at = ui->handlers; at; at = at->next) {
        struct input_handler *handler = at->data;

        if (handler->kinds & kind)
            return handler;
    }
    return NULL;
}

bool input_accepts(struct ui *ui, enum input_kind kind)
{
    return taker(ui, kind) != NULL;
}

/* Something that is down. */
struct held {
    enum input_kind kind;
    u16 code;
    bool let_go; /* while the machine was stopped: its device does not know yet */
};

static struct held *find_held(struct ui *ui, const struct input_event *event, guint *place)
{
    for (*place = 0; *place < ui->held->len; ++*place) {
        struct held *held = &g_array_index(ui->held, struct held, *place);

        if (held->kind == event->kind && held->code == event->code)
            return held;
    }
    return NULL;
}

/* Keeps account of what is down. False: the machine is stopped, the event goes nowhere. */
static bool admit(struct ui *ui, const struct input_event *event)
{
    const struct held pressed = {event->kind, event->code, false};
    guint place;

    if (!(event->kind & (INPUT_KEY | INPUT_BUTTON)))
        return !ui->stopped;
    struct held *held = find_held(ui, event, &place);
    if (ui->stopped && held)
        held->let_go |= !event->down;
    else if (!ui->stopped && held && !event->down)
        g_array_remove_index_fast(ui->held, place);
    else if (!ui->stopped && !held && event->down)
        g_array_append_val(ui->held, pressed);
    return !ui->stopped;
}

bool input_send(struct ui *ui, const struct input_event *event)
{
    struct input_handler *handler = taker(ui, event->kind);

    if (!handler)
        return false;
    if (!admit(ui, event))
        return true;
    handler->event(handler->opaque, event);
    handler->touched = true;
    return true;
}

void input_set_running(struct ui *ui, bool running)
{
    ui->stopped = !running;
    for (guint i = ui->held->len; i-- > 0 && running;) {
        const struct held held = g_array_index(ui->held, struct held, i);

        if (held.let_go && !input_send(ui, &(struct input_event){.kind = held.kind, .code = held.code}))
            g_array_remove_index_fast(ui->held, i); /* its device has gone */
    }
    input_sync(ui);
}

void input_sync(struct ui *ui)
{
    for (GList *at = ui->handlers; at; at = at->next) {
        struct input_handler *handler = at->data;

        if (handler->touched && handler->sync)
            handler->sync(handler->opaque);
        handler->touched = false;
    }
}

/* Keys that are held down for a while: the first of the queue is down. */
struct hold {
    unsigned count, ms;
    u16 keys[];
};

enum { HOLDS_MAX = 256 };

static void send_key(struct ui *ui, u16 key, bool down)
{
    const struct input_event event = {.kind = INPUT_KEY, .code = key, .down = down};

    input_send(ui, &event);
    input_sync(ui);
}

static gboolean let_go(gpointer data);

static void press_first(struct ui *ui)
{
    const struct hold *hold = g_queue_peek_head(&ui->holds);

    for (unsigned i = 0; i < hold->count; i++)
        send_key(ui, hold->keys[i], true);
    ui->timer = g_timeout_source_new(hold->ms);
    g_source_set_callback(ui->timer, let_go, ui, NULL);
    g_source_attach(ui->timer, ui->context);
}

static void end_timer(struct ui *ui)
{
    if (!ui->timer)
        return;
    g_source_destroy(ui->timer);
    g_source_unref(g_steal_pointer(&ui->timer));
}

static gboolean let_go(gpointer data)
{
    struct ui *ui = data;
    g_autofree struct hold *hold = g_queue_pop_head(&ui->holds);

    end_timer(ui);
    for (unsigned i = hold->count; i-- > 0;)
        send_key(ui, hold->keys[i], false);
    if (!g_queue_is_empty(&ui->holds))
        press_first(ui);
    return G_SOURCE_REMOVE;
}

bool input_press(struct ui *ui, GMainContext *context, const u16 *keys, unsigned count, unsigned hold_ms)
{
    if (!input_accepts(ui, INPUT_KEY) || g_queue_get_length(&ui->holds) >= HOLDS_MAX)
        return false;
    struct hold *hold = g_malloc0(sizeof(*hold) + count * sizeof(u16));
    hold->count = count;
    hold->ms = hold_ms;
    memcpy(hold->keys, keys, count * sizeof(u16));
    g_queue_push_tail(&ui->holds, hold);
    ui->context = context;
    if (!ui->timer)
        press_first(ui);
    return true;
}

void input_init(struct ui *ui)
{
    ui->held = g_array_new(FALSE, FALSE, sizeof(struct held));
}

void input_finish(struct ui *ui)
{
    g_array_unref(ui->held);
    end_timer(ui);
    g_queue_clear_full(&ui->holds, g_free);
    g_list_free(ui->handlers);
}
