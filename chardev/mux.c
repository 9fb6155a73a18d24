/* chardev/mux.c - several front ends on one chardev; the escape character (Ctrl-A) changes between
 * them. */
#include "chardev/backend.h"
#include "base/error.h"
#include <stdio.h>
#include <string.h>

enum { WAITING_LIMIT = 4096 };

struct mux_chardev {
    struct chardev base; /* .front is the one that has the focus */
    struct chardev_front below;
    bool owns_below; /* mux=on made it */
    struct chardev_front *fronts;
    GSource *kick; /* hands over waiting input */
    u8 escape;
    bool escaped; /* the escape character came last */
    bool timestamps, line_start;
    gint64 start; /* of the timestamps, us */
};

static void say(struct mux_chardev *mux, const char *text)
{
    chardev_write(&mux->below, text, strlen(text));
}

static void help(struct mux_chardev *mux)
{
    char key[32];

    if (mux->escape && mux->escape < 27)
        snprintf(key, sizeof(key), "C-%c", mux->escape + 'a' - 1);
    else
        snprintf(key, sizeof(key), "character 0x%02x", mux->escape);
    g_autofree char *text = g_strdup_printf("\r\n%s h    this help\r\n"
                                            "%s x    leave the emulator\r\n"
                                            "%s s    write changed disk data back\r\n"
                                            "%s t    show or hide times at line starts\r\n"
                                            "%s b    send a break\r\n"
                                            "%s c    change between guest console and monitor\r\n"
                                            "%s %s  send %s\r\n",
                                            key, key, key, key, key, key, key, key, key);
    say(mux, text);
}

static void focus(struct mux_chardev *mux, struct chardev_front *front)
{
    if (mux->base.front == front)
        return;
    chardev_event(&mux->base, CHARDEV_FOCUS_OUT);
    g_atomic_pointer_set(&mux->base.front, front);
    chardev_event(&mux->base, CHARDEV_FOCUS_IN);
    if (front)
        chardev_accept_input(front);
}

static void focus_next(struct mux_chardev *mux)
{
    struct chardev_front *now = mux->base.front;

    focus(mux, now && now->next ? now->next : mux->fronts);
}

/* The character after the escape character. True when it is input for the guest. */
static bool command(struct mux_chardev *mux, u8 character)
{
    const struct chardev_owner *owner = &mux->base.set->owner;

    if (character == mux->escape)
        return true;
    switch (character) {
    case '?':
    case 'h':
        help(mux);
        break;
    case 'x':
        say(mux, "\r\nMynah: leaving\r\n");
        if (owner->quit)
            owner->quit(owner->opaque);
        break;
    case 's':
        say(mux, "\r\nMynah: disk data is up to date\r\n"); /* no write-back caches yet */
        break;
    case 't':
        mux->timestamps = !mux->timestamps;
        mux->start = g_get_monotonic_time();
        mux->line_start = true;
        break;
    case 'b':
        chardev_event(&mux->base, CHARDEV_BREAK);
        break;
    case 'c':
        focus_next(mux);
        break;
    }
    return false;
}

/* Gives waiting input to the front end with the focus as far as it takes it. */
static void hand_over(struct mux_chardev *mux)
{
    struct chardev_front *front = mux->base.front;
    size_t room;

    while (front && front == mux->base.front && front->waiting && front->waiting->len &&
           (room = chardev_can_receive(&mux->base))) {
        g_autoptr(GByteArray) part = g_byte_array_new();
        size_t length = MIN(room, front->waiting->len);

        g_byte_array_append(part, front->waiting->data, (guint)length);
        g_byte_array_remove_range(front->waiting, 0, (guint)length);
        chardev_deliver(&mux->base, part->data, length);
    }
}

static size_t waiting_room(struct mux_chardev *mux)
{
    struct chardev_front *front = mux->base.front;
    size_t waiting = front && front->waiting ? front->waiting->len : 0;

    return WAITING_LIMIT - MIN(waiting, WAITING_LIMIT);
}

static size_t can_receive(void *opaque)
{
    return waiting_room(opaque);
}

static void keep(struct mux_chardev *mux, u8 character)
{
    struct chardev_front *front = mux->base.front;

    if (!front)
        return;
    if (!front->waiting)
        front->waiting = g_byte_array_new();
    g_byte_array_append(front->waiting, &character, 1);
}

static void receive(void *opaque, const u8 *data, size_t length)
{
    struct mux_chardev *mux = opaque;

    for (size_t i = 0; i < length; i++) {
        bool escaped = mux->escaped;

        mux->escaped = mux->escape && !escaped && data[i] == mux->escape;
        if (escaped && !mux->escaped) {
            hand_over(mux); /* what came before the command goes to the old focus */
            if (!command(mux, data[i]))
                continue;
        }
        if (!mux->escaped)
            keep(mux, data[i]);
    }
    hand_over(mux);
}

/* Breaks go to the focus, what is about the other end to everybody. */
static void event(void *opaque, enum chardev_event event)
{
    struct mux_chardev *mux = opaque;

    if (event == CHARDEV_BREAK) {
        chardev_event(&mux->base, event);
        return;
    }
    if (event == CHARDEV_OPENED || event == CHARDEV_CLOSED)
        g_atomic_int_set(&mux->base.connected, event == CHARDEV_OPENED);
    for (struct chardev_front *front = mux->fronts, *next; front; front = next) {
        next = front->next;
        if (front->handlers && front->handlers->event)
            front->handlers->event(front->opaque, event);
    }
}

static void writable(void *opaque)
{
    struct mux_chardev *mux = opaque;

    for (struct chardev_front *front = mux->fronts, *next; front; front = next) {
        next = front->next;
        if (front->handlers && front->handlers->writable)
            front->handlers->writable(front->opaque);
    }
}

static const struct chardev_handlers below_handlers = {can_receive, receive, event, writable};

static gboolean on_kick(gpointer data)
{
    struct mux_chardev *mux = data;

    g_source_set_ready_time(mux->kick, -1);
    hand_over(mux);
    if (waiting_room(mux))
        chardev_accept_input(&mux->below);
    return G_SOURCE_CONTINUE;
}

static gboolean dispatch_kick(GSource *source, GSourceFunc callback, gpointer data)
{
    return callback ? callback(data) : G_SOURCE_REMOVE;
}

static const GSourceFuncs kick_funcs = {.dispatch = dispatch_kick};

static bool open_mux(struct chardev *chardev, GHashTable *options, GError **error)
{
    struct mux_chardev *mux = (struct mux_chardev *)chardev;

    mux->escape = chardev->set->escape;
    mux->kick = g_source_new((GSourceFuncs *)&kick_funcs, sizeof(GSource));
    g_source_set_callback(mux->kick, on_kick, mux, NULL);
    g_source_attach(mux->kick, chardev->set->context);
    return true;
}

static void close_mux(struct chardev *chardev)
{
    struct mux_chardev *mux = (struct mux_chardev *)chardev;

    while (mux->fronts)
        chardev_detach(mux->fronts);
    chardev_detach(&mux->below);
    if (mux->kick) {
        g_source_destroy(mux->kick);
        g_source_unref(mux->kick);
    }
}

static bool attach(struct chardev *chardev, struct chardev_front *front, GError **error)
{
    struct mux_chardev *mux = (struct mux_chardev *)chardev;
    struct chardev_front **end = &mux->fronts;

    while (*end)
        end = &(*end)->next;
    *end = front;
    if (chardev_is_connected(chardev) && front->handlers && front->handlers->event)
        front->handlers->event(front->opaque, CHARDEV_OPENED);
    if (!chardev->front)
        focus(mux, front);
    return true;
}

static void detach(struct chardev *chardev, struct chardev_front *front)
{
    struct mux_chardev *mux = (struct mux_chardev *)chardev;
    struct chardev_front **link = &mux->fronts;

    while (*link && *link != front)
        link = &(*link)->next;
    if (*link)
        *link = front->next;
    front->next = NULL;
    if (chardev->front == front) {
        g_atomic_pointer_set(&chardev->front, NULL);
        focus(mux, mux->fronts);
    }
}

void chardev_take_focus(struct chardev_front *front)
{
    if (front->chardev && chardev_is_mux(front->chardev))
        focus((struct mux_chardev *)front->chardev, front);
}

/* Times at line starts: the text may grow, so it goes as a whole or not at all. */
static size_t write_with_times(struct mux_chardev *mux, const u8 *data, size_t length)
{
    g_autoptr(GString) text = g_string_new(NULL);
    gint64 ms = (g_get_monotonic_time() - mux->start) / 1000;
    bool line_start = mux->line_start;

    for (size_t i = 0; i < length; i++) {
        if (line_start)
            g_string_append_printf(text, "[%02u:%02u:%02u.%03u] ", (unsigned)(ms / 3600000),
                                   (unsigned)(ms / 60000 % 60), (unsigned)(ms / 1000 % 60),
                                   (unsigned)(ms % 1000));
        g_string_append_c(text, (char)data[i]);
        line_start = data[i] == '\n';
    }
    if (!chardev_write_message(&mux->below, text->str, text->len))
        return 0;
    mux->line_start = line_start;
    return length;
}

static size_t write_mux(struct chardev *chardev, const u8 *data, size_t length, bool whole)
{
    struct mux_chardev *mux = (struct mux_chardev *)chardev;

    if (mux->timestamps)
        return write_with_times(mux, data, length);
    if (whole)
        return chardev_write_message(&mux->below, data, length) ? length : 0;
    return chardev_write(&mux->below, data, length);
}

static size_t pending(struct chardev *chardev)
{
    return chardev_pending(&((struct mux_chardev *)chardev)->below);
}

static void accept_input(struct chardev *chardev)
{
    g_source_set_ready_time(((struct mux_chardev *)chardev)->kick, 0);
}

static char *filename(struct chardev *chardev)
{
    return g_strdup("mux");
}

static bool add_client(struct chardev *chardev, int fd, GError **error)
{
    return chardev_add_client(((struct mux_chardev *)chardev)->below.chardev, fd, error);
}

static void disconnect(struct chardev *chardev)
{
    chardev_disconnect(((struct mux_chardev *)chardev)->below.chardev);
}

static const struct chardev_option mux_options[] = {
    {"chardev", OPTION_STRING, "the chardev that is shared; needed"},
    {NULL},
};

const struct chardev_class chardev_class_mux = {
    .name = "mux",
    .help = "several front ends on one chardev",
    .options = mux_options,
    .size = sizeof(struct mux_chardev),
    .open = open_mux,
    .close = close_mux,
    .write = write_mux,
    .pending = pending,
    .accept_input = accept_input,
    .filename = filename,
    .attach = attach,
    .detach = detach,
    .add_client = add_client,
    .disconnect = disconnect,
};

struct chardev *chardev_mux_create(struct chardev_set *set, const char *id, struct chardev *base, bool owns, GHashTable *options,
                                   GError **error)
{
    struct chardev *chardev = chardev_open(set, &chardev_class_mux, id, options, error);
    struct mux_chardev *mux = (struct mux_chardev *)chardev;

    if (chardev && chardev_attach(&mux->below, base, &below_handlers, mux, error)) {
        mux->owns_below = owns;
        return chardev;
    }
    if (chardev)
        chardev_remove(set, id, NULL);
    if (owns)
        chardev_remove(set, base->id, NULL);
    return NULL;
}

struct chardev *chardev_mux_owned(struct chardev *chardev)
{
    struct mux_chardev *mux = (struct mux_chardev *)chardev;

    return chardev_is_mux(chardev) && mux->owns_below ? mux->below.chardev : NULL;
}
