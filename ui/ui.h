/*
 * ui/ui.h - screens, keyboards and pointers of one machine: between the devices that show and take input, and whoever looks and
 * types (monitors now, windows and VNC later). Knows no device.
 *
 * Thread: the main loop, or whoever holds the machine lock.
 */
#ifndef UI_UI_H
#define UI_UI_H

#include "base/types.h"
#include <glib.h>
#include <pixman.h>

struct ui;

struct ui *ui_create(void);
void ui_destroy(struct ui *ui); /* NULL is fine; consoles and handlers are gone by then */

/* --- screens --- */

struct console;

struct console_ops {
    /* Brings the image up to date with what the guest drew (console_set_image may be called). May be NULL. */
    void (*update)(void *opaque);
};

/* device: id or name by which people call it; head: number of the screen on it. ui NULL: nobody will look, gives NULL. */
struct console *console_create(struct ui *ui, const char *device, u32 head, const struct console_ops *ops, void *opaque);
void console_destroy(struct console *console); /* NULL is fine */
/* What is shown from now on; keeps a reference. NULL: nothing. All of this on a NULL console does nothing. */
void console_set_image(struct console *console, pixman_image_t *image);
/* A part changed. */
void console_changed(struct console *console, u32 x, u32 y, u32 width, u32 height);

/* The screen of a device and head; device NULL: the first one. NULL with *error: there is none. */
struct console *ui_console(struct ui *ui, const char *device, u32 head, GError **error);
/* The picture as it is now, 32 bits a pixel (PIXMAN_x8r8g8b8), the caller's; a black one of 640 x 480 before the guest showed anything. */
pixman_image_t *console_snapshot(struct console *console);
/* Counts console_changed and console_set_image. */
u64 console_generation(const struct console *console);

/* --- input --- */

enum input_kind { INPUT_KEY = 1, INPUT_BUTTON = 2, INPUT_MOVE = 4, INPUT_PLACE = 8 }; /* bits of what a handler takes */

enum input_button {
    INPUT_LEFT, INPUT_MIDDLE, INPUT_RIGHT, INPUT_WHEEL_UP, INPUT_WHEEL_DOWN, INPUT_SIDE, INPUT_EXTRA, INPUT_WHEEL_LEFT,
    INPUT_WHEEL_RIGHT, INPUT_TOUCH, INPUT_BUTTON_COUNT,
};

enum input_axis { INPUT_X, INPUT_Y };
enum { INPUT_PLACE_MAX = 0x7fff }; /* INPUT_PLACE goes from 0 to this */

struct input_event {
    enum input_kind kind;
    u16 code;  /* KEY: index into input_keys; BUTTON: enum input_button; MOVE, PLACE: enum input_axis */
    bool down; /* KEY, BUTTON */
    s32 value; /* MOVE: steps, PLACE: 0 to INPUT_PLACE_MAX */
};

/* A device that takes input; embedded in its owner. */
struct input_handler {
    const char *name;  /* "QEMU Virtio Keyboard" */
    u32 kinds;         /* enum input_kind */
    void (*event)(void *opaque, const struct input_event *event);
    void (*sync)(void *opaque); /* the events since the last call belong together; may be NULL */
    void *opaque;
    u32 number;        /* of query-mice; set by input_add */
    bool touched;      /* it got events since the last sync */
};

/* A new handler is asked before those that are there. ui NULL: does nothing. */
void input_add(struct ui *ui, struct input_handler *handler);
void input_remove(struct ui *ui, struct input_handler *handler);
/* Asked first from now on (mouse_set). False: no pointer has that number. */
bool input_choose(struct ui *ui, u32 number);
/* In the order in which they are asked; the caller frees the list. */
GList *input_handlers(struct ui *ui);

/* To the first handler that takes its kind; false: there is none. input_sync ends a group. */
bool input_send(struct ui *ui, const struct input_event *event);
bool input_accepts(struct ui *ui, enum input_kind kind);
/*
 * While the machine is stopped, input is lost: devices would change the guest's memory. What was down before and is let go meanwhile is let
 * go when it runs again. It runs in the beginning.
 */
void input_set_running(struct ui *ui, bool running);
void input_sync(struct ui *ui);

/*
 * Presses keys (indices into input_keys), one after the other, and lets them go in reverse order hold_ms milliseconds later, by a
 * source of the context; after the keys of earlier calls have been let go. False: nobody takes keys, or too many wait.
 */
bool input_press(struct ui *ui, GMainContext *context, const u16 *keys, unsigned count, unsigned hold_ms);

struct input_key {
    const char *name; /* "ret" */
    u16 linux_code;   /* of input events; 0: none */
    u8 at_code;       /* AT set 1, 0x80 for keys behind e0; 0: none */
};
extern const struct input_key input_keys[];
extern const unsigned input_key_count;
/* Index of a key, or -1. */
int input_key_find(const char *name);
int input_key_find_number(u32 at_code);

#endif
