/* host/exchange.c - atomic accesses of 16 bytes. */
#include "host/exchange.h"
#include <string.h>

/* CMPXCHG16B is in every x86-64 host since 2006, but not in what compilers take for granted. */
#ifdef __x86_64__
__attribute__((target("cx16")))
#endif
void host_exchange128(void *place, const u64 expected[2], const u64 desired[2], u64 old[2])
{
    u128 from, to;

    memcpy(&from, expected, sizeof(from));
    memcpy(&to, desired, sizeof(to));
    from = __sync_val_compare_and_swap((u128 *)place, from, to);
    memcpy(old, &from, sizeof(from));
}
