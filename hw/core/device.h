/*
 * hw/core/device.h - declared devices at run time: the tables that a row file (X.dev) yields and what every instance has.
 * A device is a row file plus a behaviour file; hw/core/declare.inc explains the rows.
 *
 * Thread: machine lock, unless a window or an input is declared lockless (then any thread, and hooks use atomics).
 */
#ifndef HW_CORE_DEVICE_H
#define HW_CORE_DEVICE_H

#include "base/types.h"
#include "vm/clock.h"
#include "vm/line.h"
#include "vm/memory.h"
#include "vm/object.h"
#include "vm/vm.h"

enum device_access {
    DEVICE_RO = 1,
    DEVICE_WO = 2,
    DEVICE_RW = 3,
    DEVICE_W1C = 3 | 4, /* writing one clears a bit */
    DEVICE_RC = 1 | 8,  /* reading clears */
};

/* A guest-visible register, or an array of them: element (row, column) lies at offset + row * row_stride + column * stride. */
struct device_reg {
    const char *name, *doc;
    u64 offset;
    u8 window;
    u8 width;             /* bytes of one element */
    u8 access;            /* enum device_access */
    u8 sizes;             /* access sizes taken, as a mask of 1|2|4|8; 0: width only */
    bool parts;           /* instead: any aligned part of an element, nothing wider */
    bool stored;          /* has a field in the state; otherwise hooks do all (reads without a hook give `reset`) */
    u32 state_offset;
    u64 reset;
    u64 mask;             /* writable bits; 0: all */
    u32 count, stride;    /* columns; 0: 1 */
    u32 rows, row_stride; /* 0: 1 */
    u32 (*live)(void *device); /* how many elements this instance has; NULL: all */
    /* Value instead of the stored one. index: row * count + column. */
    u64 (*on_read)(void *device, u32 index);
    /* After storing; value as written by the guest, cut to the width. */
    void (*on_write)(void *device, u32 index, u64 value);
    /* Instead of both, for registers to which sizes mean different things: value and size (1, 2, 4, 8) as written at the register's first byte. */
    void (*on_sized_write)(void *device, u32 index, u64 value, unsigned size);
};

/* Hidden state. */
struct device_field {
    const char *name, *doc;
    u32 offset, size; /* bytes of one element */
    u32 count;
    u64 reset;
    u64 max;          /* bound for indices and fill levels, checked on load; 0: none */
    bool keep;        /* survives a reset of the machine (battery-backed) */
};

struct device_window_decl {
    const char *id, *name, *doc;
    u64 size;
    bool lockless, messages; /* as in struct region_ops */
    /* A window that is not made of registers (configuration space, flash): takes all accesses. */
    const struct region_ops *ops;
};

struct device_line_decl {
    const char *name, *doc;
    u32 offset; /* of the struct line * in the instance */
};

struct device_input_decl {
    const char *name, *doc;
    u32 offset, count; /* of the struct line [count] in the instance */
    bool lockless;
    void (*hook)(void *device, u32 number, u32 level);
};

struct device_timer_decl {
    const char *name, *doc;
    u32 offset, saved; /* of the struct device_timer in the instance, of the deadline in the state */
    enum vm_clock clock;
    void (*hook)(void *device);
};

/* What the rows of one device say. */
struct device_decl {
    const char *name, *doc;
    const struct device_window_decl *windows;
    const struct device_reg *regs;
    const struct device_field *fields;
    const struct device_line_decl *lines;
    const struct device_input_decl *inputs;
    const struct device_timer_decl *timers;
    u32 window_count, reg_count, field_count, line_count, input_count, timer_count;
    u32 state_size;
    u64 state_extra;      /* bytes behind the state that the device looks after itself (flash contents are RAM blocks instead) */
    /* Optional. realize: the state exists and is reset. */
    bool (*realize)(void *device, GError **error);
    void (*unrealize)(void *device);
    void (*before_reset)(void *device); /* while the state is still that of before */
    void (*on_reset)(void *device); /* after the declared reset values are in place */
};

struct device;

struct device_window {
    struct region region;
    struct device *device;
    struct log *log;
    u32 number;
    struct region_ops ops;      /* of a window with .ops: those, and tracing */
    u8 *read_map, *write_map; /* small windows: row + 1 by offset; 0: nothing */
};

struct bus;

/* Instances begin with this, then a pointer to the state (declare.inc). */
struct device {
    struct vm_object object;
    struct bus *bus; /* chosen before realize, or then by bus_class; NULL: the board's */
    const char *bus_class; /* of the buses that it goes on: from the init of its kind; NULL: realize chooses, if it has one */
    const struct device_decl *decl;
    struct device_window *window;
    void *state;
    bool busy;      /* the token */
    GArray *queued; /* what came while it was taken */
};

struct device_timer {
    struct timer timer;
    struct device *device;
    const struct device_timer_decl *decl;
};

/* Virtual ns or the timer's own clock; INT64_MAX disarms. Remembered in the state. */
void device_timer_arm(struct device_timer *timer, s64 deadline);
s64 device_timer_deadline(const struct device_timer *timer);

/*
 * Back-end completions (inbox hooks) run between these. begin is false while the device is busy: then fn(device, payload)
 * is kept and runs when it is free.
 */
bool device_begin(struct device *device);
void device_end(struct device *device);
/* Runs fn(device, number, level) now, or when the device is free. */
void device_run(struct device *device, void (*fn)(void *device, u32 number, u32 level), u32 number, u32 level);

/* Puts the declared values back and runs on_reset: the whole device as after power-on, but for what is kept. */
void device_reset(struct device *device);

/*
 * The registers of a window that has .ops as well, for hooks that pass some accesses on; the caller holds the token. size
 * 1, 2, 4 or 8; MEM_ERROR: the register does not take it.
 */
enum mem_result device_dispatch_read(struct device_window *window, u64 offset, unsigned size, u64 *value);
enum mem_result device_dispatch_write(struct device_window *window, u64 offset, unsigned size, u64 value);

/* Creates and realizes below parent; properties as "name=value;name=value" or NULL. */
struct device *device_create(struct vm *vm, const char *class_name, struct vm_object *parent, const char *name,
                             const char *properties, GError **error);
/* As above, for a device that is plugged into a bus. */
struct device *device_create_on(struct bus *bus, const char *class_name, struct vm_object *parent, const char *name, const char *properties,
                                GError **error);
/* As the first, below /machine/unattached. */
struct device *device_create_unattached(struct vm *vm, const char *class_name, const char *properties, GError **error);
/* Puts a window into the main address space. */
void device_map(struct device *device, u32 window, u64 address);
/* Connects an output; its line may be shared by nobody else. */
void device_connect(struct device *device, const char *output, struct line *line);
/* An input, or NULL when there is no such one. */
struct line *device_input(struct device *device, const char *input, u32 number);

/* The decl of a class that was declared by rows, perhaps its parent's, or NULL. */
const struct device_decl *device_decl_of(const struct vm_class *class, u32 guest);
/* Reference text of a device: windows, registers, lines, hidden state. The caller frees. */
char *device_describe(const struct device_decl *decl);

#define device_guest_error(d, ...) log_line(vm_log(((struct vm_object *)(d))->vm), LOG_GUEST_ERRORS, __VA_ARGS__)

#endif
