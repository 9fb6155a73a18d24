/* net/user_poll.c - libslirp's sockets and timers in the main loop. */
#include "net/user.h"
#include "vm/clock.h"

struct user_source {
    GSource source;
    struct user *user;
};

static gushort to_poll(int events)
{
    return (gushort)((events & SLIRP_POLL_IN ? G_IO_IN : 0) | (events & SLIRP_POLL_OUT ? G_IO_OUT : 0) | (events & SLIRP_POLL_PRI ? G_IO_PRI : 0) |
                     (events & SLIRP_POLL_ERR ? G_IO_ERR : 0) | (events & SLIRP_POLL_HUP ? G_IO_HUP : 0));
}

static int from_poll(gushort events)
{
    return (events & G_IO_IN ? SLIRP_POLL_IN : 0) | (events & G_IO_OUT ? SLIRP_POLL_OUT : 0) | (events & G_IO_PRI ? SLIRP_POLL_PRI : 0) |
           (events & G_IO_ERR ? SLIRP_POLL_ERR : 0) | (events & G_IO_HUP ? SLIRP_POLL_HUP : 0);
}

static GPollFD *poll_at(struct user *user, guint index)
{
    return g_array_index(user->polls, GPollFD *, index);
}

/* Descriptors mostly stay the same from round to round: only changes reach GLib. */
static int add_poll(int fd, int events, void *opaque)
{
    struct user *user = opaque;
    GPollFD *entry = user->used < user->polls->len ? poll_at(user, user->used) : NULL;

    if (entry && entry->fd != fd) {
        g_source_remove_poll(user->source, entry);
        entry->fd = fd;
        g_source_add_poll(user->source, entry);
    } else if (!entry) {
        entry = g_new0(GPollFD, 1);
        entry->fd = fd;
        g_array_append_val(user->polls, entry);
        g_source_add_poll(user->source, entry);
    }
    entry->events = to_poll(events);
    entry->revents = 0;
    return (int)user->used++;
}

static void drop_polls(struct user *user, guint from)
{
    while (user->polls->len > from) {
        GPollFD *entry = poll_at(user, user->polls->len - 1);

        g_source_remove_poll(user->source, entry);
        g_free(entry);
        g_array_set_size(user->polls, user->polls->len - 1);
    }
}

static gboolean prepare(GSource *source, gint *timeout)
{
    struct user *user = ((struct user_source *)source)->user;
    u32 wait = UINT32_MAX;

    user->woken = false;
    user->used = 0;
    slirp_pollfds_fill(user->slirp, &wait, add_poll, user);
    drop_polls(user, user->used);
    *timeout = wait > G_MAXINT ? -1 : (gint)wait;
    user->deadline = wait > G_MAXINT ? INT64_MAX : g_source_get_time(source) + (s64)wait * 1000;
    return FALSE;
}

static gboolean check(GSource *source)
{
    struct user *user = ((struct user_source *)source)->user;

    for (guint i = 0; i < user->used; i++) {
        if (poll_at(user, i)->revents)
            return TRUE;
    }
    return g_source_get_time(source) >= user->deadline;
}

static int get_events(int index, void *opaque)
{
    struct user *user = opaque;

    return index >= 0 && (guint)index < user->used ? from_poll(poll_at(user, (guint)index)->revents) : 0;
}

static gboolean dispatch(GSource *source, GSourceFunc callback, gpointer data)
{
    struct user *user = ((struct user_source *)source)->user;

    user_enter(user);
    slirp_pollfds_poll(user->slirp, 0, get_events, user);
    user_leave(user);
    return G_SOURCE_CONTINUE;
}

void user_poll_start(struct user *user)
{
    static const GSourceFuncs funcs = { .prepare = prepare, .check = check, .dispatch = dispatch };

    user->polls = g_array_new(FALSE, FALSE, sizeof(GPollFD *));
    user->source = g_source_new((GSourceFuncs *)&funcs, sizeof(struct user_source));
    ((struct user_source *)user->source)->user = user;
    g_source_set_static_name(user->source, "net-user");
    g_source_attach(user->source, user->base.context);
}

void user_poll_stop(struct user *user)
{
    if (!user->source)
        return;
    drop_polls(user, 0);
    g_array_unref(user->polls);
    g_source_destroy(user->source);
    g_source_unref(user->source);
    user->source = NULL;
}

void user_poll_wake(struct user *user)
{
    if (user->woken)
        return;
    user->woken = true;
    g_main_context_wakeup(user->base.context);
}
