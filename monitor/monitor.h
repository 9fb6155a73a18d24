/*
 * monitor/monitor.h - the monitors of a machine: QMP for programs, HMP for people, on character back ends.
 *
 * Thread: main loop, without the machine lock (it is taken for each command).
 */
#ifndef MONITOR_MONITOR_H
#define MONITOR_MONITOR_H

#include "base/types.h"
#include <glib.h>

struct chardev;
struct chardev_set;
struct monitor;
struct monitor_set;
struct vm;

enum monitor_mode { MONITOR_HMP, MONITOR_QMP, MONITOR_QMP_PRETTY };

/* One for each machine; registers for its events. chardevs may be NULL (tests). Also known as vm_backend(vm, "monitors", 0). */
struct monitor_set *monitor_set_create(struct vm *vm, struct chardev_set *chardevs);
/* Before the chardevs and the machine go. NULL is fine. */
void monitor_set_destroy(struct monitor_set *set);

/* A monitor on a chardev that has no front end yet (or on a mux). Owned by the set. */
struct monitor *monitor_add(struct monitor_set *set, struct chardev *chardev, enum monitor_mode mode, GError **error);
void monitor_remove(struct monitor *monitor);

/*
 * While the machine comes up: monitors greet nobody, take no input and send no events. Once hushed is false, whoever is at the other
 * end is greeted.
 */
void monitor_set_hush(struct monitor_set *set, bool hushed);

/* Executes one line of the human monitor; the answer is the caller's. Any of the monitors' commands; takes the machine lock. */
char *monitor_execute(struct monitor_set *set, const char *line);

/* Adds `info NAME`; the text that describe returns is freed. Both strings must outlive the set. */
void monitor_info_add(struct monitor_set *set, const char *name, const char *help, char *(*describe)(void *opaque),
                      void *opaque);

/* What the line `gdbserver WHERE` does ("none": no debugger any more); true, or *error. */
typedef bool monitor_gdbserver(void *opaque, const char *where, GError **error);
void monitor_set_gdbserver(struct monitor_set *set, monitor_gdbserver *serve, void *opaque);

#endif
