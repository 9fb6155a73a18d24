/*
 * chardev/chardev.h - character devices: byte streams of the host for guests, monitors and
 * debuggers.
 *
 * A chardev is the back end (a terminal, a socket, a file). Its user attaches one front end; a mux
 * takes several and gives the input to the one that has the focus.
 *
 * Threads: everything on the main thread (the one that runs the set's GMainContext), except where a
 * function says otherwise. Handlers are called on the main thread without any lock of this module.
 */
#ifndef CHARDEV_CHARDEV_H
#define CHARDEV_CHARDEV_H

#include "base/types.h"
#include <glib.h>

struct chardev;
struct chardev_set;

enum chardev_event {
    CHARDEV_OPENED,   /* somebody is at the other end (also sent on attaching, when already so) */
    CHARDEV_CLOSED,   /* the other end has gone */
    CHARDEV_BREAK,    /* serial break */
    CHARDEV_FOCUS_IN, /* mux: input comes here from now on */
    CHARDEV_FOCUS_OUT,
    CHARDEV_INPUT_ENDED, /* nothing more will come (standard input was a file or a closed pipe); output still goes */
};

/* What a front end does. Any of them may be NULL; without receive, input waits. */
struct chardev_handlers {
    /* How many bytes receive() takes now. After 0, input pauses until chardev_accept_input(). NULL:
     * any. */
    size_t (*can_receive)(void *opaque);
    /* length is at most what can_receive() said. */
    void (*receive)(void *opaque, const u8 *data, size_t length);
    void (*event)(void *opaque, enum chardev_event event);
    /* There is room again after chardev_write() took less than all, or nobody at the other end any more. */
    void (*writable)(void *opaque);
};

/* One user of a chardev; embedded in the user's struct, zeroed before its first use. */
struct chardev_front {
    struct chardev *chardev; /* NULL: detached; writes vanish */
    const struct chardev_handlers *handlers;
    void *opaque;
    struct chardev_front *next; /* of a mux */
    GByteArray *waiting;        /* mux: input that came while can_receive() said 0 */
};

/* --- the chardevs of a machine --- */

/* What the set tells its owner; each may be NULL. */
struct chardev_owner {
    void (*quit)(void *opaque);                     /* Ctrl-A x */
    void (*notice)(void *opaque, const char *text); /* one line without newline; NULL: stdout */
    void *opaque;
};

/* The context is kept by reference; NULL is the default one. Ignores SIGPIPE in the process. */
struct chardev_set *chardev_set_create(GMainContext *context, const struct chardev_owner *owner);
/* Front ends are detached without events, output that can go at once goes. NULL is fine. */
void chardev_set_destroy(struct chardev_set *set);

/* -echr: the mux's escape character; 1 (Ctrl-A) unless set, 0 for none. For muxes created later. */
void chardev_set_escape(struct chardev_set *set, u8 character);

/* -daemonize: the process has no terminal, or will have none soon. stdio is refused. */
void chardev_set_background(struct chardev_set *set, bool background);

/*
 * The machine is being made: what is said of new terminals is kept, so that a mistake found later is told alone. It is said by
 * chardev_set_ready, or before something that cannot wait (a socket that waits for its client).
 */
void chardev_set_starting(struct chardev_set *set);
void chardev_set_ready(struct chardev_set *set);

/* Where files named /dev/fdset/N come from; the caller's, outlives the set. */
struct host_fdsets;
void chardev_set_fdsets(struct chardev_set *set, struct host_fdsets *fdsets);

/*
 * -chardev: options as strings, among them "backend" (kind) and "id". The hash table stays the
 * caller's. Errors name the option and the nearest valid one.
 */
struct chardev *chardev_create(struct chardev_set *set, GHashTable *options, GError **error);

/* The options of "KIND[,key=value|,key]..."; ",," is a comma. Keys and values are freed with the
 * table. */
GHashTable *chardev_parse_options(const char *text, GError **error);

/*
 * -serial, -monitor, -qmp, -gdb and such: "stdio", "mon:stdio", "tcp:host:port,server=on",
 * "/dev/ttyS0", "chardev:ID" (finds it) and so on. "none" gives NULL without error. *wants_monitor
 * (may be NULL) says that "mon:" asks for a human monitor on the chardev, which then is a mux.
 * label becomes the id.
 */
struct chardev *chardev_create_legacy(struct chardev_set *set, const char *label, const char *text,
                                      bool *wants_monitor, GError **error);

/* NULL when there is none. */
struct chardev *chardev_find(struct chardev_set *set, const char *id);
/* Refused while a front end is attached. */
bool chardev_remove(struct chardev_set *set, const char *id, GError **error);
/*
 * chardev-change: a new chardev with these options ("backend" and so on, without "id") takes the place of `id`, and its front
 * end goes over to it. On failure the old one stays. Not for a mux.
 */
bool chardev_change(struct chardev_set *set, const char *id, GHashTable *options, GError **error);

/* In the order of creation. The caller frees the list (g_list_free), not its chardevs. */
GList *chardev_list(struct chardev_set *set);

/* "-chardev help": the kinds, one a line; "-chardev KIND,help": its options; NULL if unknown. The
 * caller frees. */
char *chardev_help(const char *kind);
/* Names of the kinds, NULL-terminated (query-chardev-backends). The caller frees with g_free (names
 * are constant). */
const char **chardev_kinds(void);

const char *chardev_id(const struct chardev *chardev);
bool chardev_is_mux(const struct chardev *chardev);
/* As query-chardev shows it: "pty:/dev/pts/3", "disconnected:unix:/tmp/s,server=on". The caller
 * frees. */
char *chardev_filename(struct chardev *chardev);
/* A front end is attached and the other end is there. Any thread. */
bool chardev_front_is_open(struct chardev *chardev);
/* Somebody is at the other end. Any thread. */
bool chardev_is_connected(struct chardev *chardev);

/* --- the front end's side --- */

/* Sends CHARDEV_OPENED if the other end is there. Fails when a chardev that is no mux is in use. */
bool chardev_attach(struct chardev_front *front, struct chardev *chardev,
                    const struct chardev_handlers *handlers, void *opaque, GError **error);
/* Nothing when detached. No event. */
void chardev_detach(struct chardev_front *front);

/*
 * Writes without blocking: what the other end does not take at once waits in a queue of 64 KiB.
 * Returns how much was taken; the rest is the caller's until writable(). While nobody is at the
 * other end all is taken and lost. Any thread.
 */
size_t chardev_write(struct chardev_front *front, const void *data, size_t length);

/*
 * All or nothing, for messages: false when the queue was over 64 KiB before (the message may be any
 * size). Any thread.
 */
bool chardev_write_message(struct chardev_front *front, const void *data, size_t length);

/* Bytes that wait in the queue. Any thread. */
size_t chardev_pending(struct chardev_front *front);

/* can_receive() would say more than 0 again. Any thread. */
void chardev_accept_input(struct chardev_front *front);

/* The next descriptor that came with SCM_RIGHTS, now the caller's; -1 if none. */
int chardev_take_fd(struct chardev_front *front);

/* add_client: hands a connected socket to a socket chardev that has no client. */
bool chardev_add_client(struct chardev *chardev, int fd, GError **error);

/* Drops the connection of a socket (for a client that must go); other kinds do nothing. */
void chardev_disconnect(struct chardev *chardev);

/* chardev-send-break: the front end gets a serial break. */
void chardev_send_break(struct chardev *chardev);

/* Somebody is at the other end, at the latest after that time; waits. False with *error: nobody came. */
bool chardev_wait(struct chardev_front *front, unsigned timeout_ms, GError **error);

/*
 * The connected socket of a socket chardev, for a front end that speaks a protocol with descriptors by itself: the chardev does not
 * read or write it any more. Stays the chardev's, which closes it. -1 with *error: no socket, or nobody is connected.
 */
int chardev_take_over(struct chardev_front *front, GError **error);

/* mux: gives the input to this front end. */
void chardev_take_focus(struct chardev_front *front);

/* ringbuf-read: removes up to size bytes of what the guest wrote. Returns the count; error if it is
 * no ring buffer. */
bool chardev_ringbuf_read(struct chardev *chardev, void *data, size_t size, size_t *count,
                          GError **error);
/* ringbuf-write: as if the guest had written it. */
bool chardev_ringbuf_write(struct chardev *chardev, const void *data, size_t size, GError **error);

#endif
