/* host/process.h - the process as the system sees it: pid files and the signals that end it. Main thread. */
#ifndef HOST_PROCESS_H
#define HOST_PROCESS_H

#include "base/types.h"
#include <glib.h>

/* Creates and locks the file; a running process that holds it is an error. */
bool host_process_write_pid(const char *path, GError **error);
void host_process_remove_pid(const char *path); /* NULL: nothing */

/* How many mappings the system lets a process have. */
u32 host_process_mapping_limit(void);

/* The name that ps and top show; at most 15 bytes of it. */
void host_process_set_name(const char *name);

/* SIGINT, SIGTERM and SIGHUP call fn in the loop. SIGPIPE is ignored. */
void host_process_on_end(GMainContext *context, gboolean (*fn)(gpointer opaque), void *opaque);

/* A file that would outgrow the process's limit (ulimit -f) is an error, EFBIG, of who writes it. First in main(). */
void host_process_outlive_file_limit(void);

#endif
