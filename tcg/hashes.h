/*
 * tcg/hashes.h - what vector ops of SHA-2, SM3 and SM4 do to one group of lanes (FIPS 180-4, GB/T 32905, GB/T 32907), in general registers alone.
 *
 * Groups lie in memory as the guest's vector registers hold them; d may be a source. Pure functions of their arguments; any thread.
 */
#ifndef TCG_HASHES_H
#define TCG_HASHES_H

#include "tcg/cipher.h"
#include <string.h>

/* Words go from and to memory one by one: hosts forward what was stored so to loads of the same words, not to wider ones. */
#define WORDS(T, BITS)                                                            \
    static inline void load_words##BITS(T *to, const u8 *from, unsigned count)    \
    {                                                                             \
        for (unsigned i = 0; i < count; i++)                                      \
            memcpy(&to[i], from + i * sizeof(T), sizeof(T));                      \
    }                                                                             \
    static inline void store_words##BITS(u8 *to, const T *from, unsigned count)   \
    {                                                                             \
        for (unsigned i = 0; i < count; i++)                                      \
            memcpy(to + i * sizeof(T), &from[i], sizeof(T));                      \
    }
WORDS(u32, 32)
WORDS(u64, 64)
#undef WORDS

/* --- SHA-2 --- */

#define SIGMA_0_256(x) (rotate_right32(x, 7) ^ rotate_right32(x, 18) ^ (x) >> 3)
#define SIGMA_1_256(x) (rotate_right32(x, 17) ^ rotate_right32(x, 19) ^ (x) >> 10)
#define SUM_0_256(x)   (rotate_right32(x, 2) ^ rotate_right32(x, 13) ^ rotate_right32(x, 22))
#define SUM_1_256(x)   (rotate_right32(x, 6) ^ rotate_right32(x, 11) ^ rotate_right32(x, 25))
#define SIGMA_0_512(x) (rotate_right64(x, 1) ^ rotate_right64(x, 8) ^ (x) >> 7)
#define SIGMA_1_512(x) (rotate_right64(x, 19) ^ rotate_right64(x, 61) ^ (x) >> 6)
#define SUM_0_512(x)   (rotate_right64(x, 28) ^ rotate_right64(x, 34) ^ rotate_right64(x, 39))
#define SUM_1_512(x)   (rotate_right64(x, 14) ^ rotate_right64(x, 18) ^ rotate_right64(x, 41))

/* Schedule: d: W0 to W3; s2: W4, W9, W10, W11; s1: W12 to W15. Two rounds: s2: f, e, b, a; d: h, g, d, c; s1: words, those of `from` on. */
#define SHA2(T, BITS, W)                                                                         \
    static inline void sha##BITS##_schedule(u8 *d, const u8 *s2, const u8 *s1)                   \
    {                                                                                            \
        T w[4], w4[4], w12[4], out[4];                                                           \
                                                                                                 \
        load_words##W(w, d, 4);                                                                  \
        load_words##W(w4, s2, 4);                                                                \
        load_words##W(w12, s1, 4);                                                               \
        out[0] = SIGMA_1_##BITS(w12[2]) + w4[1] + SIGMA_0_##BITS(w[1]) + w[0];                   \
        out[1] = SIGMA_1_##BITS(w12[3]) + w4[2] + SIGMA_0_##BITS(w[2]) + w[1];                   \
        out[2] = SIGMA_1_##BITS(out[0]) + w4[3] + SIGMA_0_##BITS(w[3]) + w[2];                   \
        out[3] = SIGMA_1_##BITS(out[1]) + w12[0] + SIGMA_0_##BITS(w4[0]) + w[3];                 \
        store_words##W(d, out, 4);                                                               \
    }                                                                                            \
    static inline void sha##BITS##_rounds(u8 *d, const u8 *s2, const u8 *s1, unsigned from)      \
    {                                                                                            \
        T x[4], y[4], w[2];                                                                      \
                                                                                                 \
        load_words##W(x, d, 4);                                                                  \
        load_words##W(y, s2, 4);                                                                 \
        load_words##W(w, s1 + from * sizeof(T), 2);                                              \
        T a = y[3], b = y[2], c = x[3], dd = x[2], e = y[1], f = y[0], g = x[1], h = x[0];       \
        for (unsigned i = 0; i < 2; i++) {                                                       \
            T t1 = h + SUM_1_##BITS(e) + ((e & f) ^ (~e & g)) + w[i];                            \
            T t2 = SUM_0_##BITS(a) + ((a & b) ^ (a & c) ^ (b & c));                              \
                                                                                                 \
            h = g, g = f, f = e, e = dd + t1, dd = c, c = b, b = a, a = t1 + t2;                 \
        }                                                                                        \
        x[3] = a, x[2] = b, x[1] = e, x[0] = f;                                                  \
        store_words##W(d, x, 4);                                                                 \
    }
SHA2(u32, 256, 32)
SHA2(u64, 512, 64)
#undef SHA2

/* --- SM4 --- */

static inline u32 sm4_constant(unsigned n)
{
    u32 word = 0;

    for (unsigned i = 0; i < 4; i++)
        word = word << 8 | ((4 * n + i) * 7 & 0xff);
    return word;
}

static inline u32 sm4_key(u32 x, u32 b)
{
    u32 s = cipher_sub_word(cipher_sm4_sbox, b);

    return x ^ s ^ rotate_left32(s, 13) ^ rotate_left32(s, 23);
}

static inline u32 sm4_round(u32 x, u32 b)
{
    const u32 *mixed = cipher_sm4_mixed;

    return x ^ mixed[b & 0xff] ^ rotate_left32(mixed[b >> 8 & 0xff], 8) ^ rotate_left32(mixed[b >> 16 & 0xff], 16) ^ rotate_left32(mixed[b >> 24], 24);
}

/* Four round keys from the four before, s2; round: of eight such steps. */
static inline void sm4_keys(u8 *d, const u8 *s2, unsigned round)
{
    u32 k[8];

    load_words32(k, s2, 4);
    for (unsigned i = 0; i < 4; i++)
        k[4 + i] = sm4_key(k[i], k[i + 1] ^ k[i + 2] ^ k[i + 3] ^ sm4_constant(4 * round + i));
    store_words32(d, k + 4, 4);
}

/* Four rounds with the keys of s2. */
static inline void sm4_rounds(u8 *d, const u8 *s2)
{
    u32 x[8], key[4];

    load_words32(x, d, 4);
    load_words32(key, s2, 4);
    for (unsigned i = 0; i < 4; i++)
        x[4 + i] = sm4_round(x[i], x[i + 1] ^ x[i + 2] ^ x[i + 3] ^ key[i]);
    store_words32(d, x + 4, 4);
}

/* --- SM3: words are big-endian --- */

static inline void load_swapped(u32 *to, const u8 *from)
{
    load_words32(to, from, 8);
    for (unsigned i = 0; i < 8; i++)
        to[i] = __builtin_bswap32(to[i]);
}

static inline void store_swapped(u8 *to, u32 from[8])
{
    for (unsigned i = 0; i < 8; i++)
        from[i] = __builtin_bswap32(from[i]);
    store_words32(to, from, 8);
}

/* Eight words of the schedule from the eight of s1 and the eight of s2 behind them. */
static inline void sm3_schedule(u8 *d, const u8 *s2, const u8 *s1)
{
    u32 w[24];

    load_swapped(w, s1);
    load_swapped(w + 8, s2);
    for (unsigned i = 16; i < 24; i++)
        w[i] = sm3_p1(w[i - 16] ^ w[i - 9] ^ rotate_left32(w[i - 3], 15)) ^ rotate_left32(w[i - 13], 7) ^ w[i - 6];
    store_swapped(d, w + 16);
}

static inline u32 sm3_ff(u32 x, u32 y, u32 z, bool late)
{
    return late ? (x & y) | (x & z) | (y & z) : x ^ y ^ z;
}

static inline u32 sm3_gg(u32 x, u32 y, u32 z, bool late)
{
    return late ? (x & y) | (~x & z) : x ^ y ^ z;
}

/* s: A to H. */
static inline void sm3_round(u32 s[8], u32 w, u32 x, unsigned j, bool late)
{
    u32 a12 = rotate_left32(s[0], 12), ss1 = rotate_left32(a12 + s[4] + rotate_left32(late ? 0x7a879d8a : 0x79cc4519, j & 31), 7);
    u32 tt1 = sm3_ff(s[0], s[1], s[2], late) + s[3] + (ss1 ^ a12) + x, tt2 = sm3_gg(s[4], s[5], s[6], late) + s[7] + ss1 + w;

    s[3] = s[2], s[2] = rotate_left32(s[1], 9), s[1] = s[0], s[0] = tt1;
    s[7] = s[6], s[6] = rotate_left32(s[5], 19), s[5] = s[4], s[4] = sm3_p0(tt2);
}

/* Rounds j and j + 1 with words 0, 4, 1 and 5. `late` (j of 16 and more) is for the compiler. */
static inline void sm3_two_rounds(u8 *d, const u8 *words, unsigned j, bool late)
{
    u32 s[8], w[8], out[8];

    load_swapped(s, d);
    load_swapped(w, words);
    sm3_round(s, w[0], w[0] ^ w[4], j, late);
    for (unsigned i = 0; i < 4; i++)
        out[2 * i + 1] = s[2 * i];
    sm3_round(s, w[1], w[1] ^ w[5], j + 1, late);
    for (unsigned i = 0; i < 4; i++)
        out[2 * i] = s[2 * i];
    store_swapped(d, out);
}

static inline void sm3_rounds(u8 *d, const u8 *words, unsigned j)
{
    if (j < 16)
        sm3_two_rounds(d, words, j, false);
    else
        sm3_two_rounds(d, words, j, true);
}

#endif
