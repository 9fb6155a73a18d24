/* chardev/chardev.c - the set of chardevs, front ends, and the way between them and back ends. */
#include "chardev/backend.h"
#include "base/error.h"
#include "host/fdset.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct chardev_set *chardev_set_create(GMainContext *context, const struct chardev_owner *owner)
{
    struct chardev_set *set = g_new0(struct chardev_set, 1);

    set->context = g_main_context_ref(context ? context : g_main_context_default());
    if (owner)
        set->owner = *owner;
    set->chardevs = g_ptr_array_new();
    set->replaced = g_ptr_array_new();
    set->escape = 1;
    signal(SIGPIPE, SIG_IGN); /* a reader that is gone is an error of write() */
    return set;
}

/* All but what the class opened. */
static void free_chardev(struct chardev *chardev)
{
    if (chardev->log_fd >= 0)
        close(chardev->log_fd);
    for (guint i = 0; i < chardev->fds->len; i++)
        close(g_array_index(chardev->fds, int, i));
    g_array_unref(chardev->fds);
    g_mutex_clear(&chardev->mutex);
    g_free(chardev->id);
    g_free(chardev);
}

static void destroy_chardev(struct chardev *chardev)
{
    if (chardev->class->close)
        chardev->class->close(chardev);
    free_chardev(chardev);
}

static gboolean destroy_replaced(gpointer data)
{
    struct chardev_set *set = data;

    for (guint i = 0; i < set->replaced->len; i++)
        destroy_chardev(set->replaced->pdata[i]);
    g_ptr_array_set_size(set->replaced, 0);
    if (set->replacing)
        g_source_destroy(set->replacing);
    g_clear_pointer(&set->replacing, g_source_unref);
    return G_SOURCE_REMOVE;
}

/* It may be delivering the line that asked for this. */
static void destroy_later(struct chardev *chardev)
{
    struct chardev_set *set = chardev->set;

    g_ptr_array_add(set->replaced, chardev);
    if (set->replacing)
        return;
    set->replacing = g_idle_source_new();
    g_source_set_priority(set->replacing, G_PRIORITY_DEFAULT);
    g_source_set_callback(set->replacing, destroy_replaced, set, NULL);
    g_source_attach(set->replacing, set->context);
}

void chardev_set_destroy(struct chardev_set *set)
{
    if (!set)
        return;
    destroy_replaced(set);
    g_ptr_array_unref(set->replaced);
    /* Backwards: a mux goes before its base. */
    for (guint i = set->chardevs->len; i-- > 0;) {
        struct chardev *chardev = g_ptr_array_index(set->chardevs, i);

        if (chardev->class != &chardev_class_mux)
            chardev_detach(chardev->front);
        destroy_chardev(chardev);
    }
    g_ptr_array_unref(set->chardevs);
    g_clear_pointer(&set->kept, g_ptr_array_unref);
    g_main_context_unref(set->context);
    g_free(set);
}

void chardev_set_escape(struct chardev_set *set, u8 character)
{
    set->escape = character;
}

void chardev_set_background(struct chardev_set *set, bool background)
{
    set->background = background;
}

void chardev_set_fdsets(struct chardev_set *set, struct host_fdsets *fdsets)
{
    set->fdsets = fdsets;
}

int chardev_open_path(struct chardev_set *set, const char *path, int flags)
{
    return host_fdset_open(set->fdsets, path, flags, 0666);
}

struct chardev *chardev_find(struct chardev_set *set, const char *id)
{
    for (guint i = 0; i < set->chardevs->len; i++) {
        struct chardev *chardev = g_ptr_array_index(set->chardevs, i);

        if (!strcmp(chardev->id, id))
            return chardev;
    }
    return NULL;
}

GList *chardev_list(struct chardev_set *set)
{
    GList *list = NULL;

    for (guint i = set->chardevs->len; i-- > 0;)
        list = g_list_prepend(list, g_ptr_array_index(set->chardevs, i));
    return list;
}

bool chardev_remove(struct chardev_set *set, const char *id, GError **error)
{
    struct chardev *chardev = chardev_find(set, id), *base;

    if (!chardev)
        return error_set(error, "chardev '%s' not found", id);
    if (chardev->front)
        return error_set(error, "chardev '%s' is busy", id);
    base = chardev_mux_owned(chardev);
    g_ptr_array_remove(set->chardevs, chardev);
    destroy_chardev(chardev);
    if (base) {
        g_ptr_array_remove(set->chardevs, base);
        destroy_chardev(base);
    }
    return true;
}

/* The front end of `from` goes to `to`; its events tell it that the other end changed, and that there is room. */
static void move_front(struct chardev *from, struct chardev *to)
{
    struct chardev_front *front = from->front;

    if (!front)
        return;
    const struct chardev_handlers *handlers = front->handlers;
    void *opaque = front->opaque;
    if (chardev_is_connected(from))
        chardev_event(from, CHARDEV_CLOSED);
    chardev_detach(front);
    chardev_attach(front, to, handlers, opaque, NULL);
    chardev_tell_writable(to);
}

bool chardev_change(struct chardev_set *set, const char *id, GHashTable *options, GError **error)
{
    struct chardev *old = chardev_find(set, id), *made;
    guint place;

    if (!old)
        return error_set(error, "chardev '%s' not found", id);
    if (old->class == &chardev_class_mux || chardev_option_bool(options, "mux", false) ||
        !g_strcmp0(chardev_option_text(options, "backend"), "mux"))
        return error_set(error, "a mux cannot be changed while it is in use");
    g_hash_table_replace(options, g_strdup("id"), g_strdup(id));
    g_autofree char *name = old->id;
    old->id = g_strdup_printf("#before-%s", name); /* so that what is said of the new one has its name */
    made = chardev_create(set, options, error);
    if (!made) {
        g_free(old->id);
        old->id = g_steal_pointer(&name);
        return false;
    }
    move_front(old, made);
    g_ptr_array_remove(set->chardevs, made);
    g_ptr_array_find(set->chardevs, old, &place);
    set->chardevs->pdata[place] = made;
    destroy_later(old);
    return true;
}

static void say(struct chardev_set *set, const char *text)
{
    if (set->owner.notice) {
        set->owner.notice(set->owner.opaque, text);
    } else {
        printf("%s\n", text);
        fflush(stdout);
    }
}

static void say_kept(struct chardev_set *set)
{
    for (guint i = 0; set->kept && i < set->kept->len; i++)
        say(set, set->kept->pdata[i]);
    if (set->kept)
        g_ptr_array_set_size(set->kept, 0);
}

void chardev_set_starting(struct chardev_set *set)
{
    if (!set->kept)
        set->kept = g_ptr_array_new_with_free_func(g_free);
}

void chardev_set_ready(struct chardev_set *set)
{
    say_kept(set);
    g_clear_pointer(&set->kept, g_ptr_array_unref);
}

void chardev_notice(struct chardev_set *set, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    say_kept(set);
    say(set, text);
}

void chardev_announce(struct chardev_set *set, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    if (set->kept)
        g_ptr_array_add(set->kept, g_steal_pointer(&text));
    else
        say(set, text);
}

static bool open_log(struct chardev *chardev, GHashTable *options, GError **error)
{
    const char *path = options ? chardev_option_text(options, "logfile") : NULL;
    int how = O_WRONLY | O_CREAT | O_CLOEXEC;

    if (!path)
        return true;
    how |= chardev_option_bool(options, "logappend", false) ? O_APPEND : O_TRUNC;
    chardev->log_fd = chardev_open_path(chardev->set, path, how);
    if (chardev->log_fd < 0)
        return error_set(error, "cannot write log file '%s': %s", path, strerror(errno));
    return true;
}

struct chardev *chardev_open(struct chardev_set *set, const struct chardev_class *class,
                             const char *id, GHashTable *options, GError **error)
{
    struct chardev *chardev = g_malloc0(class->size);

    chardev->class = class;
    chardev->set = set;
    chardev->id = g_strdup(id);
    chardev->log_fd = -1;
    chardev->fds = g_array_new(FALSE, FALSE, sizeof(int));
    g_mutex_init(&chardev->mutex);
    if (!open_log(chardev, options, error)) {
        error_prefix(error, "chardev '%s'", id);
        free_chardev(chardev);
        return NULL;
    }
    if (!class->open(chardev, options, error)) {
        error_prefix(error, "chardev '%s'", id);
        destroy_chardev(chardev);
        return NULL;
    }
    g_ptr_array_add(set->chardevs, chardev);
    return chardev;
}

const char *chardev_id(const struct chardev *chardev)
{
    return chardev->id;
}

char *chardev_filename(struct chardev *chardev)
{
    return chardev->class->filename ? chardev->class->filename(chardev)
                                    : g_strdup(chardev->class->name);
}

bool chardev_is_mux(const struct chardev *chardev)
{
    return chardev->class == &chardev_class_mux;
}

bool chardev_is_connected(struct chardev *chardev)
{
    return g_atomic_int_get(&chardev->connected);
}

bool chardev_front_is_open(struct chardev *chardev)
{
    return g_atomic_pointer_get(&chardev->front) && chardev_is_connected(chardev);
}

/* --- front ends --- */

bool chardev_attach(struct chardev_front *front, struct chardev *chardev,
                    const struct chardev_handlers *handlers, void *opaque, GError **error)
{
    if (!chardev->class->attach && chardev->front) {
        error_set(error, "chardev '%s' is in use", chardev->id);
        return error_hint(error, "mux=on lets several share it");
    }
    *front = (struct chardev_front){.chardev = chardev, .handlers = handlers, .opaque = opaque};
    if (chardev->class->attach) {
        if (!chardev->class->attach(chardev, front, error)) {
            front->chardev = NULL;
            return false;
        }
        return true;
    }
    g_atomic_pointer_set(&chardev->front, front);
    if (chardev_is_connected(chardev))
        chardev_event(chardev, CHARDEV_OPENED);
    chardev_accept_input(front);
    return true;
}

void chardev_detach(struct chardev_front *front)
{
    struct chardev *chardev = front ? front->chardev : NULL;

    if (!chardev)
        return;
    if (chardev->class->detach)
        chardev->class->detach(chardev, front);
    else
        g_atomic_pointer_set(&chardev->front, NULL);
    g_mutex_lock(&chardev->mutex); /* a writer in another thread is through */
    front->chardev = NULL;
    g_mutex_unlock(&chardev->mutex);
    if (front->waiting)
        g_byte_array_unref(front->waiting);
    front->waiting = NULL;
}

static void write_log(struct chardev *chardev, const u8 *data, size_t length)
{
    while (length) {
        ssize_t n = write(chardev->log_fd, data, length);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return; /* a full disk must not stop the guest */
        data += n;
        length -= (size_t)n;
    }
}

static size_t write_locked(struct chardev_front *front, const u8 *data, size_t length, bool whole)
{
    struct chardev *chardev = front->chardev;

    if (!chardev)
        return length;
    g_mutex_lock(&chardev->mutex);
    size_t taken = chardev->class->write(chardev, data, length, whole);
    if (chardev->log_fd >= 0)
        write_log(chardev, data, taken);
    g_mutex_unlock(&chardev->mutex);
    return taken;
}

size_t chardev_write(struct chardev_front *front, const void *data, size_t length)
{
    return write_locked(front, data, length, false);
}

bool chardev_write_message(struct chardev_front *front, const void *data, size_t length)
{
    return write_locked(front, data, length, true) == length;
}

size_t chardev_pending(struct chardev_front *front)
{
    struct chardev *chardev = front->chardev;

    if (!chardev || !chardev->class->pending)
        return 0;
    g_mutex_lock(&chardev->mutex);
    size_t pending = chardev->class->pending(chardev);
    g_mutex_unlock(&chardev->mutex);
    return pending;
}

void chardev_accept_input(struct chardev_front *front)
{
    struct chardev *chardev = front->chardev;

    if (chardev && chardev->class->accept_input)
        chardev->class->accept_input(chardev);
}

int chardev_take_fd(struct chardev_front *front)
{
    GArray *fds = front->chardev ? front->chardev->fds : NULL;

    if (!fds || !fds->len)
        return -1;
    int fd = g_array_index(fds, int, 0);
    g_array_remove_index(fds, 0);
    return fd;
}

bool chardev_add_client(struct chardev *chardev, int fd, GError **error)
{
    if (!chardev->class->add_client)
        return error_set(error, "chardev '%s' is no socket", chardev->id);
    return chardev->class->add_client(chardev, fd, error);
}

void chardev_disconnect(struct chardev *chardev)
{
    if (chardev->class->disconnect)
        chardev->class->disconnect(chardev);
}

bool chardev_wait(struct chardev_front *front, unsigned timeout_ms, GError **error)
{
    struct chardev *chardev = front->chardev;

    if (!chardev_is_connected(chardev) && chardev->class->wait)
        chardev->class->wait(chardev, g_get_monotonic_time() + timeout_ms * 1000LL);
    if (chardev_is_connected(chardev))
        return true;
    error_set(error, "chardev '%s' is not connected", chardev->id);
    return chardev->class->wait && error_hint(error, "start the process at the other end; it was waited for");
}

int chardev_take_over(struct chardev_front *front, GError **error)
{
    struct chardev *chardev = front->chardev;
    int fd = chardev && chardev->class->take_over ? chardev->class->take_over(chardev) : -1;

    if (fd < 0)
        error_set(error, chardev && chardev->class->take_over ? "chardev '%s' is not connected" : "chardev '%s' is no socket",
                  chardev ? chardev->id : "");
    return fd;
}

void chardev_send_break(struct chardev *chardev)
{
    chardev_event(chardev, CHARDEV_BREAK);
}

/* --- from the back end to the front end --- */

size_t chardev_can_receive(struct chardev *chardev)
{
    struct chardev_front *front = chardev->front;

    if (!front || !front->handlers || !front->handlers->receive)
        return 0;
    return front->handlers->can_receive ? front->handlers->can_receive(front->opaque) : 64 * KIB;
}

void chardev_deliver(struct chardev *chardev, const u8 *data, size_t length)
{
    struct chardev_front *front = chardev->front;

    if (length && front && front->handlers && front->handlers->receive)
        front->handlers->receive(front->opaque, data, length);
}

void chardev_event(struct chardev *chardev, enum chardev_event event)
{
    struct chardev_front *front = chardev->front;

    if (front && front->handlers && front->handlers->event)
        front->handlers->event(front->opaque, event);
}

void chardev_tell_writable(struct chardev *chardev)
{
    struct chardev_front *front = chardev->front;

    if (front && front->handlers && front->handlers->writable)
        front->handlers->writable(front->opaque);
}

void chardev_set_connected(struct chardev *chardev, bool connected)
{
    if (g_atomic_int_get(&chardev->connected) == connected)
        return;
    g_atomic_int_set(&chardev->connected, connected);
    chardev_event(chardev, connected ? CHARDEV_OPENED : CHARDEV_CLOSED);
}
