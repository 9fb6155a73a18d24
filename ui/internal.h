/* ui/internal.h - what the files of ui/ share. */
#ifndef UI_INTERNAL_H
#define UI_INTERNAL_H

#include "ui/ui.h"

struct console {
    struct ui *ui;
    char *device;
    u32 head;
    const struct console_ops *ops;
    void *opaque;
    pixman_image_t *image; /* NULL: nothing yet */
    u64 generation;
};

struct ui {
    GPtrArray *consoles; /* of struct console, in order of creation */
    GList *handlers;     /* of struct input_handler, asked in this order */
    u32 next_number;
    GQueue holds;        /* of struct hold (input.c): keys that are down, or will be */
    GSource *timer;      /* until the first of them is let go */
    GMainContext *context;
    GArray *held;        /* of struct held (input.c): keys and buttons that devices know to be down */
    bool stopped;
};

void input_init(struct ui *ui);
void input_finish(struct ui *ui);

#endif
