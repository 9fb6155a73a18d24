/* host/random_linux.c - getrandom(2). */
#include "host/random.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

void host_random(void *to, u64 size)
{
    u8 *at = to;

    while (size) {
        ssize_t got = getrandom(at, size > 256 ? 256 : size, 0);

        if (got < 0 && errno != EINTR)
            abort(); /* a kernel without getrandom: nothing safe can be done */
        if (got > 0) {
            at += got;
            size -= (u64)got;
        }
    }
}
