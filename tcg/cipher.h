/*
 * tcg/cipher.h - the pieces of ciphers and hashes that instructions compute (FIPS 197, FIPS 180-4, GB/T 32905, GB/T 32907).
 *
 * Columns of AES are u32 with row 0 in the low byte. Pure functions; any thread.
 */
#ifndef TCG_CIPHER_H
#define TCG_CIPHER_H

#include "base/types.h"

extern const u8 cipher_aes_sbox[256], cipher_aes_inverse_sbox[256], cipher_sm4_sbox[256];
/* A round of SM4 for the lowest byte of a word: substituted and mixed. */
extern const u32 cipher_sm4_mixed[256];

static inline u32 rotate_left32(u32 x, unsigned by)
{
    return x << by | x >> (-by & 31);
}

static inline u32 rotate_right32(u32 x, unsigned by)
{
    return x >> by | x << (-by & 31);
}

static inline u64 rotate_right64(u64 x, unsigned by)
{
    return x >> by | x << (-by & 63);
}

/* Each byte through a box. */
static inline u32 cipher_sub_word(const u8 box[256], u32 x)
{
    return box[x & 0xff] | (u32)box[x >> 8 & 0xff] << 8 | (u32)box[x >> 16 & 0xff] << 16 | (u32)box[x >> 24] << 24;
}

/* A round of AES as host_aes_round says, by the host's instructions or by tables. */
void cipher_aes_round(u32 state[4], const u32 key[4], bool inverse, bool mix);
void cipher_aes_round_by_tables(u32 state[4], const u32 key[4], bool inverse, bool mix);
u32 cipher_aes_mix_column(u32 column, bool inverse);
/* Round constant n, 0..9; 0 beyond. */
u32 cipher_aes_round_constant(unsigned n);

/* Product in GF(2^128) of GHASH: polynomials with the lowest power in bit 0 (NIST SP 800-38D, section 6.3, bits of bytes in reverse order). */
u128 cipher_ghash_multiply(u128 a, u128 b);

/* The same of blocks as they lie in memory: d becomes d * s. */
void cipher_ghash(u64 d[2], const u64 s[2]);

/* GB/T 32905 */
static inline u32 sm3_p0(u32 x)
{
    return x ^ rotate_left32(x, 9) ^ rotate_left32(x, 17);
}

static inline u32 sm3_p1(u32 x)
{
    return x ^ rotate_left32(x, 15) ^ rotate_left32(x, 23);
}

#endif
