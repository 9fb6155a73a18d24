/*
 * host/cipher.h - what hosts have instructions for in ciphers and hashes. Where the host lacks one the function says so, and nothing has happened.
 * Pure functions of their arguments; any thread. Words of AES are columns with row 0 in the low byte (FIPS 197).
 */
#ifndef HOST_CIPHER_H
#define HOST_CIPHER_H

#include "base/types.h"

/* Polynomial product over GF(2), 127 bits. On every host. */
u128 host_carry_less(u64 a, u64 b);

/* GHASH (NIST SP 800-38D, section 6.3): the product of two blocks as they lie in memory, to a. */
bool host_ghash(u64 a[2], const u64 b[2]);

/*
 * A round of AES: rows shifted, bytes substituted, columns mixed if `mix` is set, key added. Inverse (FIPS 197, section 5.3): the inverses, and the columns are
 * mixed last.
 */
bool host_aes_round(u32 state[4], const u32 key[4], bool inverse, bool mix);

/* For hosts without an instruction, and to compare with. */
static inline u128 host_carry_less_slowly(u64 a, u64 b)
{
    u128 sum = 0;

    for (unsigned i = 0; i < 64; i++)
        sum ^= b >> i & 1 ? (u128)a << i : 0;
    return sum;
}

#endif
