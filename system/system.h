/* system/system.h - start-up of one process: what main() passes between the files of this folder. Main thread. */
#ifndef SYSTEM_SYSTEM_H
#define SYSTEM_SYSTEM_H

#include "api/options.h"
#include "chardev/chardev.h"
#include "vm/machine.h"
#include "vm/vm.h"

struct monitor_set;
struct net_set;
struct gdbstub;
struct qtest;
struct host_fdsets;
struct fs_devices;
struct ui;
struct disk_set;

/* A drive of the command line, and where it goes. */
struct system_drive {
    const char *interface; /* "virtio" */
    u64 bus, unit;
    char *id, *what; /* what: "-drive ..." for messages */
};

struct mynah_system {
    const char *program;
    u32 guest; /* enum vm_guest, from the program's name */
    struct api_option_list *options;
    struct vm *vm;
    struct machine *machine;
    struct chardev_set *chardevs;
    struct host_fdsets *fdsets;
    struct fs_devices *fsdevs;
    struct ui *ui;
    struct disk_set *disks;
    GPtrArray *drives; /* struct system_drive */
    struct monitor_set *monitors;
    struct net_set *networks;
    GPtrArray *cards;             /* struct api_keyval: what -net and -nic ask for, as -device would say it */
    unsigned hub_ports, guest_forwards;
    GPtrArray *gdbs;              /* struct gdbstub */
    GSource *ending_gdbs;         /* they go when it runs; NULL: they stay */
    GPtrArray *monitored_serials; /* struct chardev: "mon:" was asked for */
    struct qtest *qtest;
    struct host_daemon *daemon;
    char *pidfile;
    bool nodefaults, nographic, paused;
    bool gdb_on_stdio;
};

/* message.c: a line on stderr, begun with the program's name and what -msg asks for. */
void system_print_message(const struct mynah_system *s, const char *format, ...) PRINTF_LIKE(2, 3);

/* help.c: prints what "X help" asks for. True: something was printed, and the process should end with status 0. */
bool system_help(struct mynah_system *s);

/* machine.c */
bool system_create_objects(struct mynah_system *s, GError **error); /* before the machine: it may need them */
bool system_create_machine(struct mynah_system *s, GError **error);
bool system_create_devices(struct mynah_system *s, GError **error);
/* What -device with this list makes. */
bool system_create_device(struct mynah_system *s, struct api_keyval *list, GError **error);

/* The class of the machine that -M asks for. NULL with *error set. */
const struct machine_class *system_machine_class(struct mynah_system *s, GError **error);

/* drives.c: -blockdev, -drive, -hda ... */
bool system_create_drives(struct mynah_system *s, GError **error);

/* drive_place.c. Says where a drive goes, and remembers it. */
struct system_drive *system_place_drive(struct mynah_system *s, struct api_keyval *list, const char *what, GError **error);
void system_free_drive(void *drive);
/*
 * drive_limits.c: the limits that a -drive has, and the names of the keys they may have (to be freed by names); *group: their group, or
 * NULL.
 */
struct throttle_limits;
bool system_drive_limits(struct api_keyval *list, struct throttle_limits *limits, const char **group, GPtrArray *names, GError **error);
/* machine.c: objects of one type that is made at a time of its own: before drives, with monitors. */
bool system_create_objects_of(struct mynah_system *s, const char *type, GError **error);
/* drive_errors.c: the disks are there. */
void system_watch_drives(struct mynah_system *s);
/* Once the board is there: drives that it has no place for are mistakes. */
bool system_check_drives(struct mynah_system *s, GError **error);

/* fsdev.c: shared folders. */
bool system_create_fsdevs(struct mynah_system *s, GError **error);

/* numa.c: after the machine's CPUs and memory are known, before it is realized. */
bool system_create_numa(struct mynah_system *s, GError **error);

/* net.c: first the set, then netdevs, and cards when the board and other devices exist. */
void system_create_networks(struct mynah_system *s);
bool system_create_netdevs(struct mynah_system *s, GError **error);
bool system_create_cards(struct mynah_system *s, GError **error);
void system_destroy_networks(struct mynah_system *s);

/* accel.c */
bool system_create_accel(struct mynah_system *s, GError **error);

/* backends.c: chardevs, serial ports, monitors, debuggers. */
bool system_create_backends(struct mynah_system *s, GError **error);
bool system_create_monitors(struct mynah_system *s, GError **error);
void system_destroy_backends(struct mynah_system *s, int exit_status);

/* icount.c: -icount, -seed. */
bool system_apply_icount(struct mynah_system *s, struct api_keyval *list, GError **error);
bool system_apply_seed(struct mynah_system *s, const char *text, GError **error);

/* settings.c: -name, -uuid, -rtc, -action, -d, ... */
bool system_apply_settings(struct mynah_system *s, GError **error);

#endif
