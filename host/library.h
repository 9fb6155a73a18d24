/* host/library.h - shared libraries that are loaded when they are first needed: most runs never pay for them. Any thread. */
#ifndef HOST_LIBRARY_H
#define HOST_LIBRARY_H

#include "base/types.h"
#include <glib.h>

struct host_library_symbol {
    const char *name;
    size_t at;          /* of the function pointer, from the struct that host_library_open fills */
};

/* Finds `name` where the dynamic linker looks, and all of the symbols (ended by a NULL name). NULL: something is missing. */
void *host_library_open(const char *name, const struct host_library_symbol *symbols, void *functions, GError **error);
/* The functions must not be called any more. NULL is fine. */
void host_library_close(void *library);

#endif
