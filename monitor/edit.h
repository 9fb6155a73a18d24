/* monitor/edit.h - a line editor for a terminal: arrows, history, completion. Main loop. */
#ifndef MONITOR_EDIT_H
#define MONITOR_EDIT_H

#include "base/types.h"
#include <glib.h>

struct edit;
struct monitor;

struct edit *edit_create(void);
void edit_destroy(struct edit *edit); /* NULL is fine */

/* Forgets what has been typed, but for the history. */
void edit_reset(struct edit *edit);
/* Shows the prompt and what has been typed so far. */
void edit_prompt(struct edit *edit, struct monitor *monitor);
/* Takes a byte from the terminal; returns the line when Enter was typed (the caller frees), else NULL. */
char *edit_receive(struct edit *edit, struct monitor *monitor, u8 byte);

/* Lines typed, oldest first. */
const GPtrArray *edit_history(const struct edit *edit);

#endif
