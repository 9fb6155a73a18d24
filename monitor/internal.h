/* monitor/internal.h - what the files of monitor/ share. Main loop. */
#ifndef MONITOR_INTERNAL_H
#define MONITOR_INTERNAL_H

#include "api/marshal.h"
#include "chardev/chardev.h"
#include "monitor/monitor.h"
#include "vm/vm.h"

struct edit;
struct json_object;
struct json_tokener;

enum {
    MONITOR_MESSAGE_LIMIT = 4 << 20, /* bytes of one QMP message */
    MONITOR_OUTPUT_PAUSE = 64 << 10, /* unsent bytes from which on no more input is taken */
    MONITOR_OUTPUT_LIMIT = 8 << 20,  /* unsent bytes from which on events are dropped */
};

/* The other end. write may take less than all: monitor_writable() then says when to go on. */
struct monitor_io {
    size_t (*write)(void *opaque, const void *data, size_t length);
    int (*take_fd)(void *opaque); /* -1: none; may be NULL */
    void *opaque;
};

/* A descriptor as it was: whoever failed with it may have closed it, and the number be another one's. */
struct monitor_fd {
    int fd;
    u64 identity; /* host_fd_identity */
};

struct monitor_info {
    const char *name, *help;
    char *(*describe)(void *opaque);
    void *opaque;
};

struct monitor_set {
    struct vm *vm;
    struct chardev_set *chardevs;
    GPtrArray *monitors; /* of struct monitor, owned */
    GArray *infos;       /* of struct monitor_info */
    monitor_gdbserver *serve; /* may be NULL */
    void *serve_opaque;
    struct api_event_sink events;
    bool hushed;         /* monitor_set_hush */
    bool migration_events; /* capability "events" of migration */
    GHashTable *recent;  /* event_limit.c */
};

struct monitor {
    struct monitor_set *set;
    enum monitor_mode mode;
    struct monitor_io io;
    struct chardev_front front;
    struct vm_object *object; /* whose it is, not to be deleted by a command of its own; NULL: the set's alone */
    GString *output;  /* not yet sent */
    GByteArray *input; /* not yet taken: there is too much output */
    GArray *taken;    /* struct monitor_fd: what the command in work took by name, and loses if it fails */
    GHashTable *fds;  /* name -> GINT_TO_POINTER(fd), closed with the table */
    bool open;
    bool focused;     /* on a mux: input comes here */
    bool expected;    /* somebody is there, and is greeted when the set is not hushed any more */
    /* QMP */
    struct json_tokener *tokener;
    size_t message;   /* bytes of the message so far */
    bool skipping;    /* the message was too long: drop input up to a newline */
    bool negotiated;
    /* HMP */
    struct edit *edit;
    u32 cpu;
};

/* A monitor without chardev; the set owns it. */
struct monitor *monitor_create(struct monitor_set *set, enum monitor_mode mode, const struct monitor_io *io);
void monitor_opened(struct monitor *monitor);
void monitor_closed(struct monitor *monitor);
void monitor_receive(struct monitor *monitor, const u8 *data, size_t length);
/* Whether there is so little to send that more input is taken. */
bool monitor_has_room(const struct monitor *monitor);
/* Bytes that it takes now. */
size_t monitor_can_receive(const struct monitor *monitor);
void monitor_writable(struct monitor *monitor);
/* Text as is; what cannot go at once waits. */
void monitor_write(struct monitor *monitor, const char *data, size_t length);

/* The descriptor under that name, or -1 with *error set. It is the command's, and closed if the command fails. */
int monitor_take_named_fd(struct monitor *monitor, const char *name, GError **error);
/* The command in work has ended. */
void monitor_settle_fds(struct monitor *monitor, bool ok);

/* qmp_throttle.c: the limits of a disk, into what is told about its node. */
struct disk;
struct api_block_device_info;
void monitor_show_limits(const struct disk *disk, struct api_block_device_info *info);
/* qmp_chardev.c: another back end, as after -chardev, in the place of `id`'s. */
bool monitor_change_chardev(struct monitor *monitor, const char *id, GHashTable *options, GError **error);

/* qmp_net.c: events of networks go to the set's monitors. */
void monitor_watch_networks(struct monitor_set *set);

/* monitor.c: to all QMP monitors. Takes over data. */
void monitor_send_event(struct monitor_set *set, const char *name, struct json_object *data);

/* event_limit.c: true: there has been one of this kind within a second, so it goes later (and takes over data), if no other follows it. */
bool monitor_event_waits(struct monitor_set *set, const char *name, struct json_object *data);
/* The machine ends: what waits goes now. */
void monitor_send_held_events(struct monitor_set *set);
void monitor_event_limit_init(struct monitor_set *set);
void monitor_event_limit_finish(struct monitor_set *set);

/* qmp.c */
void qmp_greet(struct monitor *monitor);
size_t qmp_receive(struct monitor *monitor, const u8 *data, size_t length); /* bytes taken: all, unless the monitor has no room or was closed */
void qmp_reset(struct monitor *monitor);
void qmp_send_event(struct monitor *monitor, const char *name, struct json_object *data);

/* hmp.c */
void hmp_greet(struct monitor *monitor);
size_t hmp_receive(struct monitor *monitor, const u8 *data, size_t length); /* likewise */
/* Runs one line for a monitor (whose default CPU it uses and may change); appends the answer to out. Machine lock held. */
void hmp_execute(struct monitor *monitor, const char *line, GString *out);

#endif
