/* net/watch.c - sources of the main loop for descriptors of back ends. */
#include "net/watch.h"
#include <glib-unix.h>

void net_watch_cancel(GSource **source)
{
    if (!*source)
        return;
    g_source_destroy(*source);
    g_source_unref(g_steal_pointer(source));
}

static gboolean on_readable(gint fd, GIOCondition condition, gpointer data)
{
    struct net_watch *watch = data;

    watch->readable(watch->opaque);
    return G_SOURCE_CONTINUE;
}

static gboolean on_writable(gint fd, GIOCondition condition, gpointer data)
{
    struct net_watch *watch = data;

    watch->writable(watch->opaque);
    return G_SOURCE_CONTINUE;
}

static void set(struct net_watch *watch, GSource **source, bool on, GIOCondition condition, GUnixFDSourceFunc fn)
{
    if (on == !!*source || (on && watch->fd < 0))
        return;
    if (!on) {
        net_watch_cancel(source);
        return;
    }
    *source = g_unix_fd_source_new(watch->fd, condition);
    g_source_set_callback(*source, (GSourceFunc)(void (*)(void))fn, watch, NULL);
    g_source_attach(*source, watch->context);
}

void net_watch_init(struct net_watch *watch, GMainContext *context, int fd, void (*readable)(void *opaque), void (*writable)(void *opaque),
                    void *opaque)
{
    *watch = (struct net_watch){ .context = context, .fd = fd, .readable = readable, .writable = writable, .opaque = opaque };
}

void net_watch_finish(struct net_watch *watch)
{
    net_watch_cancel(&watch->in);
    net_watch_cancel(&watch->out);
    watch->fd = -1;
}

void net_watch_read(struct net_watch *watch, bool on)
{
    set(watch, &watch->in, on, G_IO_IN, on_readable);
}

void net_watch_write(struct net_watch *watch, bool on)
{
    set(watch, &watch->out, on, G_IO_OUT, on_writable);
}

void net_watch_later(GSource **source, GMainContext *context, u32 milliseconds, GSourceFunc fn, void *opaque)
{
    net_watch_cancel(source);
    *source = g_timeout_source_new(milliseconds);
    g_source_set_callback(*source, fn, opaque, NULL);
    g_source_attach(*source, context);
}
