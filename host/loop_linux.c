/* host/loop_linux.c - timerfd sources and the iteration of a GLib main context. */
#include "host/loop.h"
#include "base/error.h"
#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

struct host_loop_timer {
    int fd;
    GSource *source;
    void (*fn)(void *opaque);
    void *opaque;
};

static gboolean expired(gint fd, GIOCondition condition, gpointer data)
{
    struct host_loop_timer *timer = data;
    u64 count;

    (void)condition;
    if (read(fd, &count, sizeof(count)) == sizeof(count))
        timer->fn(timer->opaque);
    return G_SOURCE_CONTINUE;
}

struct host_loop_timer *host_loop_timer_create(GMainContext *context, void (*fn)(void *opaque), void *opaque, GError **error)
{
    struct host_loop_timer *timer = g_new0(struct host_loop_timer, 1);

    timer->fn = fn;
    timer->opaque = opaque;
    timer->fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (timer->fd < 0) {
        error_set(error, "cannot create a timer: %s", strerror(errno));
        g_free(timer);
        return NULL;
    }
    timer->source = g_unix_fd_source_new(timer->fd, G_IO_IN);
    g_source_set_callback(timer->source, (GSourceFunc)(void (*)(void))expired, timer, NULL);
    g_source_attach(timer->source, context);
    return timer;
}

void host_loop_timer_destroy(struct host_loop_timer *timer)
{
    if (!timer)
        return;
    g_source_destroy(timer->source);
    g_source_unref(timer->source);
    close(timer->fd);
    g_free(timer);
}

void host_loop_timer_set(struct host_loop_timer *timer, s64 deadline)
{
    struct itimerspec when = { 0 };

    if (deadline != INT64_MAX) {
        deadline = MAX(deadline, 1);
        when.it_value.tv_sec = deadline / 1000000000;
        when.it_value.tv_nsec = deadline % 1000000000;
    }
    timerfd_settime(timer->fd, TFD_TIMER_ABSTIME, &when, NULL);
}

void host_loop_iterate(GMainContext *context, void (*before_poll)(void *opaque), void (*after_poll)(void *opaque), void *opaque)
{
    GPollFD stack[32], *fds = stack;
    gint room = ARRAY_SIZE(stack), count, timeout, priority;

    if (!g_main_context_acquire(context))
        return;
    g_main_context_prepare(context, &priority);
    while ((count = g_main_context_query(context, priority, &timeout, fds, room)) > room) {
        if (fds != stack)
            g_free(fds);
        room = count;
        fds = g_new(GPollFD, (gsize)room);
    }
    before_poll(opaque);
    g_poll(fds, (guint)count, timeout);
    after_poll(opaque);
    if (g_main_context_check(context, priority, fds, count))
        g_main_context_dispatch(context);
    g_main_context_release(context);
    if (fds != stack)
        g_free(fds);
}
