/*
 * monitor/hmp.h - the human monitor: one row for each command. Handlers append to `out` and read their arguments from
 * the rest of the line. Main loop, machine lock.
 */
#ifndef MONITOR_HMP_H
#define MONITOR_HMP_H

#include "base/types.h"
#include "vm/vcpu.h"
#include <glib.h>

struct monitor;
struct vm;

/* One execution. */
struct hmp {
    struct monitor *monitor;
    struct vm *vm;
    GString *out;
    const char *rest; /* what follows the words taken so far */
};

/* Rows end with a NULL name. */
struct hmp_command {
    const char *name;  /* "stop|s": the second is an abbreviation */
    const char *args;  /* for the usage line, and what more is refused: see hmp_arguments_fit */
    const char *help;
    void (*run)(struct hmp *hmp);
};

extern const struct hmp_command hmp_commands[], hmp_info_pages[];

/* Appends formatted text and a newline. */
void hmp_print(struct hmp *hmp, const char *format, ...) PRINTF_LIKE(2, 3);
/* "Error: ..." with the hint on its own line. */
void hmp_error(struct hmp *hmp, GError *error);

/* The next word (quotes as in a shell are removed), or NULL. The caller frees. */
char *hmp_word(struct hmp *hmp);
/* A /FORMAT directly behind the command, or "". The caller frees. */
char *hmp_format(struct hmp *hmp);
/* A number: + - * / % & | ^ ~ ( ), decimal, 0x, $register, 'c'. Up to a blank or the end of what can be read. */
bool hmp_number(struct hmp *hmp, u64 *value, GError **error);

/*
 * Whether no more follows than a usage line tells, such as "addr size file [-f]"; says what is too much. A last "..." stands for whatever
 * comes. What is missing, or is no number, is left to the command.
 */
bool hmp_arguments_fit(const struct hmp *hmp, const char *name, const char *usage);

/* The monitor's CPU; NULL, with a message, when the machine has none. */
struct vcpu *hmp_vcpu(struct hmp *hmp);
/* A register's value as a number (its low 64 bits). vCPU stopped. */
bool hmp_register(struct vcpu *vcpu, const char *name, u64 *value);

/* For looking at vCPUs: stops them unless they are stopped; resume with what it returned. No events. */
bool hmp_hold(struct vm *vm);
void hmp_release(struct vm *vm, bool held);

/* What a line may continue with: names for its last word. Elements are freed with the array. */
GPtrArray *hmp_complete(struct monitor *monitor, const char *line);

/* Handlers of hmp_commands, by file. */
void hmp_help(struct hmp *hmp);
void hmp_info(struct hmp *hmp);
void hmp_examine(struct hmp *hmp);          /* x */
void hmp_examine_physical(struct hmp *hmp); /* xp */
void hmp_evaluate(struct hmp *hmp);         /* print */
void hmp_translate(struct hmp *hmp);        /* gva2gpa */
void hmp_trace_event(struct hmp *hmp);
void hmp_change(struct hmp *hmp);
void hmp_eject(struct hmp *hmp);
void hmp_block_set_io_throttle(struct hmp *hmp);
void hmp_chardev_add(struct hmp *hmp);
void hmp_chardev_change(struct hmp *hmp);
void hmp_chardev_remove(struct hmp *hmp);
void hmp_chardev_send_break(struct hmp *hmp);
void hmp_ringbuf_read(struct hmp *hmp);
void hmp_ringbuf_write(struct hmp *hmp);
void hmp_screendump(struct hmp *hmp);
void hmp_send_key(struct hmp *hmp);
void hmp_mouse_button(struct hmp *hmp);
void hmp_mouse_move(struct hmp *hmp);
void hmp_mouse_set(struct hmp *hmp);
void hmp_announce_self(struct hmp *hmp);
void hmp_hostfwd_add(struct hmp *hmp);
void hmp_hostfwd_remove(struct hmp *hmp);
void hmp_netdev_add(struct hmp *hmp);
void hmp_netdev_del(struct hmp *hmp);
void hmp_set_link(struct hmp *hmp);
void hmp_object_add(struct hmp *hmp);
void hmp_object_del(struct hmp *hmp);

/* Pages of info, likewise. */
void hmp_info_block(struct hmp *hmp);
void hmp_info_blockstats(struct hmp *hmp);
void hmp_info_iothreads(struct hmp *hmp);
void hmp_info_memdev(struct hmp *hmp);
void hmp_info_memory_size(struct hmp *hmp);
void hmp_info_mice(struct hmp *hmp);
void hmp_info_mtree(struct hmp *hmp);
void hmp_info_numa(struct hmp *hmp);
void hmp_info_network(struct hmp *hmp);
void hmp_info_pci(struct hmp *hmp);
void hmp_info_usernet(struct hmp *hmp);
void hmp_balloon(struct hmp *hmp);
void hmp_info_balloon(struct hmp *hmp);
void hmp_device_add(struct hmp *hmp);
void hmp_device_del(struct hmp *hmp);
void hmp_info_qtree(struct hmp *hmp);
void hmp_info_trace_events(struct hmp *hmp);

#endif
