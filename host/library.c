/* host/library.c - shared libraries by dlopen. */
#include "host/library.h"
#include "base/error.h"
#include <dlfcn.h>
#include <string.h>

void *host_library_open(const char *name, const struct host_library_symbol *symbols, void *functions, GError **error)
{
    void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);

    if (!library) {
        error_set(error, "cannot load the library: %s", dlerror()); /* which names it */
        return NULL;
    }
    for (; symbols->name; symbols++) {
        void *address = dlsym(library, symbols->name);

        if (!address) {
            error_set(error, "the library %s has no %s", name, symbols->name);
            dlclose(library);
            return NULL;
        }
        memcpy((char *)functions + symbols->at, &address, sizeof(address));
    }
    return library;
}

void host_library_close(void *library)
{
    if (library)
        dlclose(library);
}
