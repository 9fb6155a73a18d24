/*
 * chardev/stream.h - the part that descriptor-based back ends share: a source that reads when the
 * front end can receive, and a bounded queue for what could not be written at once. Private to
 * chardev/.
 */
#ifndef CHARDEV_STREAM_H
#define CHARDEV_STREAM_H

#include "chardev/backend.h"
#include <sys/types.h>

struct stream {
    struct chardev *chardev;
    int in_fd, out_fd; /* may be the same; -1: none. Not owned */
    GSource *source;
    gpointer in_tag, out_tag, hang_tag;
    GByteArray *queue;
    bool paused;   /* can_receive() said 0 */
    bool in_ended; /* end of input: nothing to read any more */
    bool hung_up;  /* the other end has gone, or sends no more; something of it may not have been read yet */
    bool broken;   /* with `ended`: output failed; the main thread will hear */
    bool starved;  /* a writer got less than it asked for */
    bool datagrams;   /* one read takes a whole one; what the front end does not take yet is held */
    GByteArray *held; /* the rest of a datagram */
    /* NULL: read() and write(). Return as those. */
    ssize_t (*read)(struct stream *stream, void *data, size_t size);
    ssize_t (*write)(struct stream *stream, const void *data, size_t size);
    /* NULL: chardev_deliver(). */
    void (*deliver)(struct stream *stream, u8 *data, size_t length);
    /* End of input, or an error of output. May stop the stream. NULL: the end of input is told (CHARDEV_INPUT_ENDED), errors of output pass.
     * Main thread. */
    void (*ended)(struct stream *stream);
    /* Once, while nobody reads: what is there is the last, and `ended` comes behind it. May stop the stream. NULL: it need not be known. Main thread. */
    void (*hangs_up)(struct stream *stream);
};

/* Main thread. */
void stream_start(struct stream *stream, struct chardev *chardev, int in_fd, int out_fd);
/* Writes what waits, before an orderly end: until nothing was taken for half a second, five seconds at most. Main thread. */
void stream_drain(struct stream *stream);
/* What still waits is lost unless it can go at once. Main thread. */
void stream_stop(struct stream *stream);
/* Of a stopped one: nobody is at the other end any more. Tells the front end that, and that a writer need not wait for room. Main thread. */
void stream_tell_gone(struct stream *stream);
bool stream_is_running(const struct stream *stream);

/* The class functions' work: mutex held. Without a running stream everything is taken. */
size_t stream_write(struct stream *stream, const u8 *data, size_t length, bool whole);
size_t stream_pending(const struct stream *stream);
/* Any thread, no lock held. */
void stream_accept_input(struct stream *stream);

/* How back ends with one stream begin, and functions of their classes that need no more than that. */
struct stream_chardev {
    struct chardev base;
    struct stream stream;
};
#define STREAM_CHARDEV(type) \
    _Static_assert(!offsetof(type, base) && offsetof(type, stream) == offsetof(struct stream_chardev, stream), "begins as struct stream_chardev")

size_t stream_chardev_write(struct chardev *chardev, const u8 *data, size_t length, bool whole);
size_t stream_chardev_pending(struct chardev *chardev);
void stream_chardev_accept_input(struct chardev *chardev);

#endif
