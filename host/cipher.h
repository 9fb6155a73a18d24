/*
 * host/cipher.h - what hosts have instructions for in ciphers and hashes. Where the host lacks one the function says so, and nothing has happened.
 * Pure functions of their arguments; any thread. Words of AES are columns with row 0 in the low byte (FIPS 197); those of SHA-256 as FIPS 180-4 names them.
 */
#ifndef HOST_CIPHER_H
#define HOST_CIPHER_H

#include "base/types.h"

/* Polynomial product over GF(2), 127 bits. On every host. */
u128 host_carry_less(u64 a, u64 b);

/*
 * A round of AES: rows shifted, bytes substituted, columns mixed if `mix` is set, key added. Inverse (FIPS 197, section 5.3): the inverses, and the columns are
 * mixed last.
 */
bool host_aes_round(u32 state[4], const u32 key[4], bool inverse, bool mix);

/* Two rounds of SHA-256 (FIPS 180-4, section 6.2.2): hgdc (h, g, d, c) becomes the new f, e, b, a. wk: words plus constants. */
bool host_sha256_rounds(u32 hgdc[4], const u32 feba[4], const u32 wk[2]);
/* w: W0 to W3 become W16 to W19. w4: W4, W9, W10, W11; w12: W12 to W15. */
bool host_sha256_schedule(u32 w[4], const u32 w4[4], const u32 w12[4]);

/* For hosts without an instruction, and to compare with. */
static inline u128 host_carry_less_slowly(u64 a, u64 b)
{
    u128 sum = 0;

    for (unsigned i = 0; i < 64; i++)
        sum ^= b >> i & 1 ? (u128)a << i : 0;
    return sum;
}

#endif
