/* host/exchange.h - atomic accesses that C has no portable word for. Any thread. */
#ifndef HOST_EXCHANGE_H
#define HOST_EXCHANGE_H

#include "base/types.h"

/*
 * Compares 16 bytes at a multiple of 16 with `expected` and, when they are equal, stores `desired`, as one sequentially consistent access; `old` gets
 * what was there. Words as the host has them in memory, the one at the lower address first. The place must be writable even if nothing is stored.
 */
void host_exchange128(void *place, const u64 expected[2], const u64 desired[2], u64 old[2]);

#endif
