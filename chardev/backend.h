/*
 * chardev/backend.h - what a kind of chardev provides. Private to chardev/.
 * Instances begin with struct chardev; chardev_class.size is the whole.
 */
#ifndef CHARDEV_BACKEND_H
#define CHARDEV_BACKEND_H

#include "chardev/chardev.h"

enum chardev_option_type { OPTION_STRING, OPTION_BOOL, OPTION_NUMBER, OPTION_SIZE };

struct chardev_option {
    const char *name;
    enum chardev_option_type type;
    const char *help;
};

struct chardev_class {
    const char *name, *help;
    const struct chardev_option *options; /* ends with a NULL name; the common ones are implied */
    size_t size;
    /* Sets ->connected if the other end is there from the start. On failure close() is called too.
     */
    bool (*open)(struct chardev *chardev, GHashTable *options, GError **error);
    void (*close)(struct chardev *chardev);
    /* Under chardev->mutex, any thread. Takes at most `length`, never blocks for long. */
    size_t (*write)(struct chardev *chardev, const u8 *data, size_t length, bool whole);
    size_t (*pending)(struct chardev *chardev);    /* under the mutex; NULL: 0 */
    void (*accept_input)(struct chardev *chardev); /* any thread, no lock held; NULL: nothing */
    char *(*filename)(struct chardev *chardev);    /* NULL: the class name */
    bool (*attach)(struct chardev *chardev, struct chardev_front *front,
                   GError **error); /* NULL: one */
    void (*detach)(struct chardev *chardev, struct chardev_front *front);
    bool (*add_client)(struct chardev *chardev, int fd, GError **error);
    void (*disconnect)(struct chardev *chardev);
    void (*wait)(struct chardev *chardev, gint64 deadline); /* chardev_wait: until connected or that monotonic time; NULL: nobody comes */
    int (*take_over)(struct chardev *chardev); /* chardev_take_over; NULL: not possible */
};

struct chardev {
    const struct chardev_class *class;
    struct chardev_set *set;
    char *id;
    GMutex mutex; /* leaf: output side, connected, sources; never held across handlers */
    struct chardev_front *front; /* main thread */
    gint connected;              /* atomic */
    int log_fd;                  /* logfile=, or -1 */
    GArray *fds;                 /* received and not yet taken */
};

struct host_fdsets;

struct chardev_set {
    GMainContext *context;
    struct chardev_owner owner;
    GPtrArray *chardevs;
    u8 escape;
    bool background; /* no terminal */
    struct host_fdsets *fdsets; /* for files named /dev/fdset/N; may be NULL */
    GSource *replacing;  /* takes them away */
    GPtrArray *replaced; /* chardevs that chardev_change took out; they may be at work, and go when the main loop comes round */
    GPtrArray *kept; /* notices of chardev_announce that wait for chardev_set_ready; NULL: they do not wait */
};

enum { CHARDEV_QUEUE_LIMIT = 64 * 1024 };

extern const struct chardev_class chardev_class_file, chardev_class_mux, chardev_class_null,
    chardev_class_pipe, chardev_class_pty, chardev_class_ringbuf, chardev_class_serial,
    chardev_class_socket, chardev_class_stdio, chardev_class_udp;

/* Ends with NULL. */
extern const struct chardev_class *const chardev_classes[];
const struct chardev_class *chardev_class_find(const char *name);

/* Values of checked options; fallback when absent. */
const char *chardev_option_text(GHashTable *options, const char *name);
bool chardev_option_bool(GHashTable *options, const char *name, bool fallback);
u64 chardev_option_number(GHashTable *options, const char *name, u64 fallback);
bool chardev_options_check(const struct chardev_class *class, GHashTable *options, GError **error);
/* Sets *text, or fails saying that the option is needed. */
bool chardev_option_need(GHashTable *options, const char *name, const char **text, GError **error);

/* To the front end (main thread, no lock). */
size_t chardev_can_receive(struct chardev *chardev);
void chardev_deliver(struct chardev *chardev, const u8 *data, size_t length);
void chardev_event(struct chardev *chardev, enum chardev_event event);
void chardev_tell_writable(struct chardev *chardev);
/* Changes ->connected and sends the event. */
void chardev_set_connected(struct chardev *chardev, bool connected);

/* Tells the user at once, after what was announced before. */
void chardev_notice(struct chardev_set *set, const char *format, ...) PRINTF_LIKE(2, 3);
/* Tells the user when the machine is ready (chardev_set_starting). */
void chardev_announce(struct chardev_set *set, const char *format, ...) PRINTF_LIKE(2, 3);
/*
 * Puts a chardev that wraps another one into the set (mux). owns: `base`, which is in the set, was made for it and goes with it, also when
 * this fails. options: its own; NULL: none.
 */
struct chardev *chardev_mux_create(struct chardev_set *set, const char *id, struct chardev *base, bool owns, GHashTable *options,
                                   GError **error);
/* What goes with this chardev when it is removed: the one that mux=on put below it. NULL: nothing. */
struct chardev *chardev_mux_owned(struct chardev *chardev);
/* open(2) for the set's chardevs, with /dev/fdset/N. */
int chardev_open_path(struct chardev_set *set, const char *path, int flags);
/* A new instance of a class, in the set when it opened. */
struct chardev *chardev_open(struct chardev_set *set, const struct chardev_class *class,
                             const char *id, GHashTable *options, GError **error);

#endif
