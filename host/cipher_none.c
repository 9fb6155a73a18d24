/* host/cipher_none.c - hosts whose instructions nobody has written down yet. */
#include "host/cipher.h"

u128 host_carry_less(u64 a, u64 b)
{
    return host_carry_less_slowly(a, b);
}

bool host_aes_round(u32 state[4], const u32 key[4], bool inverse, bool mix)
{
    return false;
}

bool host_ghash(u64 a[2], const u64 b[2])
{
    return false;
}
