/* host/notifier.h - a descriptor by which processes wake each other (eventfd). Any thread. */
#ifndef HOST_NOTIFIER_H
#define HOST_NOTIFIER_H

#include "base/types.h"
#include <glib.h>

/* Non-blocking, close-on-exec; readable while it is set. -1 on error. */
int host_notifier_create(GError **error);
void host_notifier_destroy(int fd); /* -1 is fine */
void host_notifier_set(int fd);
/* True when it was set. */
bool host_notifier_clear(int fd);

#endif
