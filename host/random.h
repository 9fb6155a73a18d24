/* host/random.h - random bytes from the operating system. Any thread; always succeeds. */
#ifndef HOST_RANDOM_H
#define HOST_RANDOM_H

#include "base/types.h"

void host_random(void *to, u64 size);

#endif
