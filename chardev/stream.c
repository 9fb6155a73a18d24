/* chardev/stream.c - descriptors as streams: input by demand, output through a bounded queue. */
#include "chardev/stream.h"
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum {
    HANG_UP = POLLRDHUP, /* the other end sends no more; GLib hands it on as it is */
    DRAIN_US = 500 * 1000, /* without anything taken */
    DRAIN_MOST_US = 10 * DRAIN_US,
};

struct stream_source {
    GSource source;
    struct stream *stream;
};

/* Adds or removes one descriptor of the source. The mutex is held. */
static void watch(struct stream *stream, gpointer *tag, int fd, GIOCondition condition, bool wanted)
{
    if (wanted && !*tag)
        *tag = g_source_add_unix_fd(stream->source, fd, condition);
    else if (!wanted && *tag)
        g_source_remove_unix_fd(stream->source, g_steal_pointer(tag));
}

/* A descriptor that nobody wants is not polled at all: POLLHUP would spin. Who asks for that is told once. The mutex is held. */
static void update(struct stream *stream)
{
    bool open = stream->in_fd >= 0 && !stream->in_ended, in = open && !stream->paused;

    if (!stream->source)
        return;
    if (stream->held->len) { /* the next datagram waits for the rest of this one */
        if (in)
            g_source_set_ready_time(stream->source, 0);
        in = false;
    }
    watch(stream, &stream->in_tag, stream->in_fd, G_IO_IN, in);
    watch(stream, &stream->hang_tag, stream->in_fd, G_IO_HUP | HANG_UP, open && stream->paused && stream->hangs_up && !stream->hung_up);
    watch(stream, &stream->out_tag, stream->out_fd, G_IO_OUT, stream->queue->len > 0);
}

static ssize_t read_some(struct stream *stream, void *data, size_t size)
{
    return stream->read ? stream->read(stream, data, size) : read(stream->in_fd, data, size);
}

static ssize_t write_some(struct stream *stream, const void *data, size_t size)
{
    return stream->write ? stream->write(stream, data, size) : write(stream->out_fd, data, size);
}

/* The main thread hears of it. The mutex is held. */
static void give_up(struct stream *stream)
{
    stream->broken = true;
    g_source_set_ready_time(stream->source, 0);
}

/*
 * Writes until the descriptor is full; returns how much. What cannot be written is lost: without an end that can be gone, the next write may
 * well succeed (a disk that was full). The mutex is held.
 */
static size_t push(struct stream *stream, const u8 *data, size_t length)
{
    size_t done = 0;

    while (done < length && !stream->broken) {
        ssize_t n = write_some(stream, data + done, length - done);

        if (n > 0)
            done += (size_t)n;
        else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        else if (n < 0 && errno != EINTR && !stream->ended)
            return length;
        else if (n < 0 && errno != EINTR)
            give_up(stream);
    }
    return done;
}

static void flush(struct stream *stream)
{
    size_t done = push(stream, stream->queue->data, stream->queue->len);

    g_byte_array_remove_range(stream->queue, 0, (guint)done);
    if (stream->broken)
        g_byte_array_set_size(stream->queue, 0);
}

/* Output became possible. True when a writer waits for that. */
static bool dispatch_output(struct stream *stream)
{
    g_mutex_lock(&stream->chardev->mutex);
    flush(stream);
    bool tell = stream->starved && stream->queue->len < CHARDEV_QUEUE_LIMIT / 2;
    if (tell)
        stream->starved = false;
    update(stream);
    g_mutex_unlock(&stream->chardev->mutex);
    return tell;
}

static void pause_input(struct stream *stream, bool paused)
{
    g_mutex_lock(&stream->chardev->mutex);
    stream->paused = paused;
    update(stream);
    g_mutex_unlock(&stream->chardev->mutex);
}

static void end_input(struct stream *stream)
{
    g_mutex_lock(&stream->chardev->mutex);
    stream->in_ended = true;
    update(stream);
    g_mutex_unlock(&stream->chardev->mutex);
    if (stream->ended)
        stream->ended(stream);
    else
        chardev_event(stream->chardev, CHARDEV_INPUT_ENDED);
}

/* Hands on what is held as far as the front end takes it. True: all of it went. */
static bool hand_on_held(struct stream *stream)
{
    size_t room;

    while (stream->held->len && (room = chardev_can_receive(stream->chardev)) > 0) {
        u8 part[512];
        size_t length = MIN(MIN(room, sizeof(part)), stream->held->len);

        memcpy(part, stream->held->data, length);
        g_byte_array_remove_range(stream->held, 0, (guint)length);
        chardev_deliver(stream->chardev, part, length);
        if (!stream->source)
            return false;
    }
    return !stream->held->len;
}

static void dispatch_datagram(struct stream *stream)
{
    u8 datagram[65536];

    if (!stream->held->len) {
        ssize_t n = read_some(stream, datagram, sizeof(datagram));

        if (n <= 0)
            return;
        g_byte_array_append(stream->held, datagram, (guint)n);
    }
    /* As for bytes below: it may have changed its mind in between. */
    if (!hand_on_held(stream) && stream->source) {
        pause_input(stream, true);
        if (chardev_can_receive(stream->chardev))
            pause_input(stream, false);
    } else if (stream->source) {
        pause_input(stream, false);
    }
}

static void dispatch_input(struct stream *stream)
{
    u8 buffer[4096];
    size_t room = chardev_can_receive(stream->chardev);

    if (!room) {
        pause_input(stream, true);
        /* It may have changed its mind in between, and nobody would wake us. */
        if (!chardev_can_receive(stream->chardev))
            return;
        pause_input(stream, false);
        return;
    }
    ssize_t n = read_some(stream, buffer, MIN(room, sizeof(buffer)));
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0)
        end_input(stream);
    else if (stream->deliver)
        stream->deliver(stream, buffer, (size_t)n);
    else
        chardev_deliver(stream->chardev, buffer, (size_t)n);
}

static void hang_up(struct stream *stream)
{
    g_mutex_lock(&stream->chardev->mutex);
    stream->hung_up = true;
    update(stream);
    g_mutex_unlock(&stream->chardev->mutex);
    stream->hangs_up(stream);
}

static gboolean prepare(GSource *source, gint *timeout)
{
    *timeout = -1;
    return false;
}

static gboolean check(GSource *source)
{
    return false; /* the descriptors decide */
}

static gboolean dispatch(GSource *source, GSourceFunc callback, gpointer data)
{
    struct stream *stream = ((struct stream_source *)source)->stream;

    g_source_set_ready_time(source, -1);
    g_mutex_lock(&stream->chardev->mutex);
    bool in = stream->in_tag && g_source_query_unix_fd(source, stream->in_tag);
    bool out = stream->out_tag && g_source_query_unix_fd(source, stream->out_tag);
    bool hangs = stream->hang_tag && g_source_query_unix_fd(source, stream->hang_tag);
    bool broken = stream->broken && !stream->in_ended;
    bool held = stream->held->len && !stream->paused;
    g_mutex_unlock(&stream->chardev->mutex);
    if (out && dispatch_output(stream))
        chardev_tell_writable(stream->chardev);
    if (broken)
        end_input(stream);
    else if (stream->source == source && stream->datagrams && (in || held))
        dispatch_datagram(stream);
    else if (in && stream->source == source)
        dispatch_input(stream);
    else if (hangs && stream->source == source)
        hang_up(stream);
    return G_SOURCE_CONTINUE;
}

static const GSourceFuncs stream_funcs = {.prepare = prepare, .check = check, .dispatch = dispatch};

void stream_start(struct stream *stream, struct chardev *chardev, int in_fd, int out_fd)
{
    g_mutex_lock(&chardev->mutex);
    stream->chardev = chardev;
    stream->in_fd = in_fd;
    stream->out_fd = out_fd;
    stream->paused = stream->in_ended = stream->hung_up = stream->broken = stream->starved = false;
    stream->queue = g_byte_array_new();
    stream->held = g_byte_array_new();
    stream->source = g_source_new((GSourceFuncs *)&stream_funcs, sizeof(struct stream_source));
    ((struct stream_source *)stream->source)->stream = stream;
    g_source_set_static_name(stream->source, "chardev");
    update(stream);
    g_source_attach(stream->source, chardev->set->context);
    g_mutex_unlock(&chardev->mutex);
}

void stream_drain(struct stream *stream)
{
    gint64 begin = g_get_monotonic_time(), now = begin, taken = begin, left;

    if (!stream->source)
        return;
    g_mutex_lock(&stream->chardev->mutex);
    flush(stream);
    while (stream->queue->len && (left = MIN(taken + DRAIN_US, begin + DRAIN_MOST_US) - now) > 0) {
        struct pollfd entry = {.fd = stream->out_fd, .events = POLLOUT};
        bool room = poll(&entry, 1, (int)(left / 1000) + 1) > 0;

        now = g_get_monotonic_time();
        if (!room)
            continue;
        guint before = stream->queue->len;
        flush(stream);
        taken = stream->queue->len < before ? now : taken;
    }
    g_mutex_unlock(&stream->chardev->mutex);
}

void stream_stop(struct stream *stream)
{
    if (!stream->source)
        return;
    g_mutex_lock(&stream->chardev->mutex);
    flush(stream);
    g_byte_array_unref(g_steal_pointer(&stream->queue));
    g_byte_array_unref(g_steal_pointer(&stream->held));
    stream->in_tag = stream->out_tag = stream->hang_tag = NULL;
    GSource *source = g_steal_pointer(&stream->source);
    g_mutex_unlock(&stream->chardev->mutex);
    g_source_destroy(source);
    g_source_unref(source);
}

void stream_tell_gone(struct stream *stream)
{
    struct chardev *chardev = stream->chardev;
    bool starved = stream->starved;

    stream->starved = false;
    chardev_set_connected(chardev, false);
    if (starved)
        chardev_tell_writable(chardev);
}

bool stream_is_running(const struct stream *stream)
{
    return stream->source;
}

size_t stream_write(struct stream *stream, const u8 *data, size_t length, bool whole)
{
    size_t done = 0;

    if (!stream->source || stream->out_fd < 0 || stream->broken)
        return length;
    if (!stream->queue->len)
        done = push(stream, data, length);
    if (stream->broken)
        return length;
    size_t room = CHARDEV_QUEUE_LIMIT - MIN(stream->queue->len, CHARDEV_QUEUE_LIMIT);
    size_t rest = length - done, more = whole && stream->queue->len <= CHARDEV_QUEUE_LIMIT ? rest : MIN(rest, room);

    g_byte_array_append(stream->queue, data + done, (guint)more);
    stream->starved |= done + more < length;
    update(stream);
    return done + more;
}

size_t stream_pending(const struct stream *stream)
{
    return stream->source ? stream->queue->len : 0;
}

void stream_accept_input(struct stream *stream)
{
    struct chardev *chardev = stream->chardev;

    if (!chardev)
        return;
    g_mutex_lock(&chardev->mutex);
    stream->paused = false;
    update(stream);
    g_mutex_unlock(&chardev->mutex);
}

size_t stream_chardev_write(struct chardev *chardev, const u8 *data, size_t length, bool whole)
{
    return stream_write(&((struct stream_chardev *)chardev)->stream, data, length, whole);
}

size_t stream_chardev_pending(struct chardev *chardev)
{
    return stream_pending(&((struct stream_chardev *)chardev)->stream);
}

void stream_chardev_accept_input(struct chardev *chardev)
{
    stream_accept_input(&((struct stream_chardev *)chardev)->stream);
}
