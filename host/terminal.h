/*
 * host/terminal.h - raw mode of the user's terminal, undone after any death of the process.
 * One terminal per process. Main thread, except host_terminal_restore(): any thread, signal
 * handlers too.
 */
#ifndef HOST_TERMINAL_H
#define HOST_TERMINAL_H

#include "base/types.h"
#include <glib.h>

/*
 * Puts the terminal on `fd` into raw mode. keep_signals leaves Ctrl-C, Ctrl-\ and Ctrl-Z to the
 * terminal driver. May be called again to change keep_signals. From the first call on, a guard
 * process restores the terminal when this process is gone without having done so itself (even
 * SIGKILL), and handlers for fatal signals that nobody else handles restore it at once.
 */
bool host_terminal_set_raw(int fd, bool keep_signals, GError **error);

/* Back to what it was before the first host_terminal_set_raw(); nothing when not raw. */
void host_terminal_restore(void);

#endif
