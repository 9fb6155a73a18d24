/*
 * target/riscv/vector_crypto.c - vector cryptography (Unprivileged manual, "Cryptography Extensions: Vector"). Elements are worked on in groups of
 * four or eight; vl and vstart are multiples of that. No masks.
 */
#include "host/cipher.h"
#include "target/riscv/crypto.h"
#include "target/riscv/vector.h"
#include <string.h>

#define EACH_GROUP(v, SIZE) for (u64 group_ = (v)->start / SIZE; group_ < (v)->vl / SIZE; group_++)
#define GROUP(T, FROM, SIZE) ((T *)(FROM) + group_ * SIZE)

/* --- AES (Zvkned) --- */

static void add_key(u32 state[4], const u32 key[4])
{
    for (unsigned i = 0; i < 4; i++)
        state[i] ^= key[i];
}

/* single: one key, in the first group of vs2. */
static inline void aes(struct vector *v, bool single, bool inverse, bool middle)
{
    EACH_GROUP(v, 4) {
        u32 key[4];

        memcpy(key, single ? (const u32 *)v->s2 : GROUP(const u32, v->s2, 4), sizeof(key));
        riscv_aes_round(GROUP(u32, v->d, 4), key, inverse, middle);
    }
}
static void aesem(struct vector *v) { aes(v, false, false, true); }
static void aesef(struct vector *v) { aes(v, false, false, false); }
static void aesdm(struct vector *v) { aes(v, false, true, true); }
static void aesdf(struct vector *v) { aes(v, false, true, false); }
static void aesem_s(struct vector *v) { aes(v, true, false, true); }
static void aesef_s(struct vector *v) { aes(v, true, false, false); }
static void aesdm_s(struct vector *v) { aes(v, true, true, true); }
static void aesdf_s(struct vector *v) { aes(v, true, true, false); }

static void aesz_s(struct vector *v)
{
    EACH_GROUP(v, 4)
        add_key(GROUP(u32, v->d, 4), (const u32 *)v->s2);
}

static void chain(u32 to[4], u32 word, const u32 from[4])
{
    for (unsigned i = 0; i < 4; i++)
        to[i] = word ^= from[i];
}

/* Rounds out of range have bit 3 inverted. */
static void aeskf1(struct vector *v)
{
    unsigned round = v->x & 15;

    round ^= round == 0 || round > 10 ? 8 : 0;
    EACH_GROUP(v, 4) {
        u32 key[4];

        memcpy(key, GROUP(const u32, v->s2, 4), sizeof(key));
        chain(GROUP(u32, v->d, 4), crypto_sub_word(riscv_aes_sbox, rotate_right32(key[3], 8)) ^ riscv_aes_round_constant(round - 1), key);
    }
}

static void aeskf2(struct vector *v)
{
    unsigned round = v->x & 15;

    round ^= round < 2 || round > 14 ? 8 : 0;
    EACH_GROUP(v, 4) {
        u32 last = GROUP(const u32, v->s2, 4)[3], before[4];

        memcpy(before, GROUP(u32, v->d, 4), sizeof(before));
        last = round & 1 ? crypto_sub_word(riscv_aes_sbox, last)
                         : crypto_sub_word(riscv_aes_sbox, rotate_right32(last, 8)) ^ riscv_aes_round_constant(round / 2 - 1);
        chain(GROUP(u32, v->d, 4), last, before);
    }
}

/* --- GHASH (Zvkg): bits of bytes are in reverse order --- */

static u64 reverse_bits8(u64 a)
{
    a = (a & UINT64_C(0x5555555555555555)) << 1 | (a >> 1 & UINT64_C(0x5555555555555555));
    a = (a & UINT64_C(0x3333333333333333)) << 2 | (a >> 2 & UINT64_C(0x3333333333333333));
    return (a & UINT64_C(0x0f0f0f0f0f0f0f0f)) << 4 | (a >> 4 & UINT64_C(0x0f0f0f0f0f0f0f0f));
}

static u128 load_poly(const u64 from[2])
{
    return (u128)reverse_bits8(from[1]) << 64 | reverse_bits8(from[0]);
}

/* d = (d ^ s1) * s2 */
static inline void ghash(struct vector *v, bool adds)
{
    EACH_GROUP(v, 4) {
        u64 *d = GROUP(u64, v->d, 2);
        u128 s = load_poly(d), z;

        if (adds)
            s ^= load_poly(GROUP(const u64, v->s1, 2));
        z = riscv_ghash_multiply(s, load_poly(GROUP(const u64, v->s2, 2)));
        d[0] = reverse_bits8((u64)z);
        d[1] = reverse_bits8((u64)(z >> 64));
    }
}
static void ghsh(struct vector *v) { ghash(v, true); }
static void gmul(struct vector *v) { ghash(v, false); }

/* --- SHA-2 (Zvknha, Zvknhb) --- */

#define SHA2(T, WIDE)                                                                                                    \
    static T small##WIDE(unsigned which, T x) { return (T)riscv_sha2_sigma(WIDE, false, which, x); }                     \
    static T large##WIDE(unsigned which, T x) { return (T)riscv_sha2_sigma(WIDE, true, which, x); }                      \
    static void schedule##WIDE(struct vector *v)                                                                         \
    {                                                                                                                    \
        EACH_GROUP(v, 4) {                                                                                               \
            T *w = GROUP(T, v->d, 4), out[4];                                                                            \
            const T *w4 = GROUP(const T, v->s2, 4), *w12 = GROUP(const T, v->s1, 4); /* W4 W9 W10 W11; W12 to W15 */     \
                                                                                                                         \
            if (!WIDE && host_sha256_schedule((u32 *)w, (const u32 *)w4, (const u32 *)w12))                              \
                continue;                                                                                                \
            out[0] = (T)(small##WIDE(1, w12[2]) + w4[1] + small##WIDE(0, w[1]) + w[0]);                                  \
            out[1] = (T)(small##WIDE(1, w12[3]) + w4[2] + small##WIDE(0, w[2]) + w[1]);                                  \
            out[2] = (T)(small##WIDE(1, out[0]) + w4[3] + small##WIDE(0, w[3]) + w[2]);                                  \
            out[3] = (T)(small##WIDE(1, out[1]) + w12[0] + small##WIDE(0, w4[0]) + w[3]);                                \
            memcpy(w, out, sizeof(out));                                                                                 \
        }                                                                                                                \
    }                                                                                                                    \
    static void compress##WIDE(struct vector *v, unsigned from)                                                          \
    {                                                                                                                    \
        EACH_GROUP(v, 4) {                                                                                               \
            T *d = GROUP(T, v->d, 4);                                                                                    \
            const T *s = GROUP(const T, v->s2, 4), *w = GROUP(const T, v->s1, 4) + from;                                 \
            T a = s[3], b = s[2], c = d[3], dd = d[2], e = s[1], f = s[0], g = d[1], h = d[0];                           \
                                                                                                                         \
            if (!WIDE && host_sha256_rounds((u32 *)d, (const u32 *)s, (const u32 *)w))                                   \
                continue;                                                                                                \
            for (unsigned i = 0; i < 2; i++) {                                                                           \
                T t1 = (T)(h + large##WIDE(1, e) + ((e & f) ^ (~e & g)) + w[i]);                                         \
                T t2 = (T)(large##WIDE(0, a) + ((a & b) ^ (a & c) ^ (b & c)));                                           \
                                                                                                                         \
                h = g, g = f, f = e, e = (T)(dd + t1), dd = c, c = b, b = a, a = (T)(t1 + t2);                           \
            }                                                                                                            \
            d[3] = a, d[2] = b, d[1] = e, d[0] = f;                                                                      \
        }                                                                                                                \
    }                                                                                                                    \
    static void compress_low##WIDE(struct vector *v) { compress##WIDE(v, 0); }                                           \
    static void compress_high##WIDE(struct vector *v) { compress##WIDE(v, 2); }
SHA2(u32, 0)
SHA2(u64, 1)

/* --- SM4 (Zvksed), GB/T 32907 --- */

static u32 sm4_constant(unsigned n)
{
    u32 word = 0;

    for (unsigned i = 0; i < 4; i++)
        word = word << 8 | ((4 * n + i) * 7 & 0xff);
    return word;
}

static u32 sm4_key(u32 x, u32 b)
{
    u32 s = crypto_sub_word(riscv_sm4_sbox, b);

    return x ^ s ^ rotate_left32(s, 13) ^ rotate_left32(s, 23);
}

static u32 sm4_round(u32 x, u32 b)
{
    u32 s = crypto_sub_word(riscv_sm4_sbox, b);

    return x ^ s ^ rotate_left32(s, 2) ^ rotate_left32(s, 10) ^ rotate_left32(s, 18) ^ rotate_left32(s, 24);
}

static void sm4k(struct vector *v)
{
    unsigned round = v->x & 7;

    EACH_GROUP(v, 4) {
        u32 k[8];

        memcpy(k, GROUP(const u32, v->s2, 4), 16);
        for (unsigned i = 0; i < 4; i++)
            k[4 + i] = sm4_key(k[i], k[i + 1] ^ k[i + 2] ^ k[i + 3] ^ sm4_constant(4 * round + i));
        memcpy(GROUP(u32, v->d, 4), k + 4, 16);
    }
}

static inline void sm4(struct vector *v, bool single)
{
    EACH_GROUP(v, 4) {
        u32 x[8], key[4];

        memcpy(x, GROUP(u32, v->d, 4), 16);
        memcpy(key, single ? (const u32 *)v->s2 : GROUP(const u32, v->s2, 4), 16);
        for (unsigned i = 0; i < 4; i++)
            x[4 + i] = sm4_round(x[i], x[i + 1] ^ x[i + 2] ^ x[i + 3] ^ key[i]);
        memcpy(GROUP(u32, v->d, 4), x + 4, 16);
    }
}
static void sm4r(struct vector *v) { sm4(v, false); }
static void sm4r_s(struct vector *v) { sm4(v, true); }

/* --- SM3 (Zvksh), GB/T 32905: words are big-endian --- */

static void load_swapped(u32 *to, const u32 *from)
{
    for (unsigned i = 0; i < 8; i++)
        to[i] = __builtin_bswap32(from[i]);
}

static void sm3me(struct vector *v)
{
    EACH_GROUP(v, 8) {
        u32 w[24];

        load_swapped(w, GROUP(const u32, v->s1, 8));
        load_swapped(w + 8, GROUP(const u32, v->s2, 8));
        for (unsigned i = 16; i < 24; i++)
            w[i] = sm3_p1(w[i - 16] ^ w[i - 9] ^ rotate_left32(w[i - 3], 15)) ^ rotate_left32(w[i - 13], 7) ^ w[i - 6];
        load_swapped(GROUP(u32, v->d, 8), w + 16);
    }
}

static u32 sm3_ff(u32 x, u32 y, u32 z, unsigned j)
{
    return j < 16 ? x ^ y ^ z : (x & y) | (x & z) | (y & z);
}

static u32 sm3_gg(u32 x, u32 y, u32 z, unsigned j)
{
    return j < 16 ? x ^ y ^ z : (x & y) | (~x & z);
}

/* s: A to H. */
static void sm3_round(u32 s[8], u32 w, u32 x, unsigned j)
{
    u32 a12 = rotate_left32(s[0], 12), ss1 = rotate_left32(a12 + s[4] + rotate_left32(j < 16 ? 0x79cc4519 : 0x7a879d8a, j & 31), 7);
    u32 tt1 = sm3_ff(s[0], s[1], s[2], j) + s[3] + (ss1 ^ a12) + x, tt2 = sm3_gg(s[4], s[5], s[6], j) + s[7] + ss1 + w;

    s[3] = s[2], s[2] = rotate_left32(s[1], 9), s[1] = s[0], s[0] = tt1;
    s[7] = s[6], s[6] = rotate_left32(s[5], 19), s[5] = s[4], s[4] = sm3_p0(tt2);
}

static void sm3c(struct vector *v)
{
    unsigned j = 2 * (v->x & 31);

    EACH_GROUP(v, 8) {
        u32 s[8], w[8], out[8];

        load_swapped(s, GROUP(u32, v->d, 8));
        load_swapped(w, GROUP(const u32, v->s2, 8));
        sm3_round(s, w[0], w[0] ^ w[4], j);
        for (unsigned i = 0; i < 4; i++)
            out[2 * i + 1] = s[2 * i];
        sm3_round(s, w[1], w[1] ^ w[5], j + 1);
        for (unsigned i = 0; i < 4; i++)
            out[2 * i] = s[2 * i];
        load_swapped(GROUP(u32, v->d, 8), out);
    }
}

#define WORDS(F) { { [2] = F } }
#define WORDS_I(F) { { NULL }, { [2] = F } }

riscv_vector_functions riscv_vector_crypto[RISCV_V_OP_COUNT] = {
    [RISCV_V_AESEM] = WORDS(aesem), [RISCV_V_AESEF] = WORDS(aesef), [RISCV_V_AESDM] = WORDS(aesdm), [RISCV_V_AESDF] = WORDS(aesdf),
    [RISCV_V_AESEM_S] = WORDS(aesem_s), [RISCV_V_AESEF_S] = WORDS(aesef_s), [RISCV_V_AESDM_S] = WORDS(aesdm_s), [RISCV_V_AESDF_S] = WORDS(aesdf_s),
    [RISCV_V_AESZ_S] = WORDS(aesz_s), [RISCV_V_AESKF1] = WORDS_I(aeskf1), [RISCV_V_AESKF2] = WORDS_I(aeskf2),
    [RISCV_V_GHSH] = WORDS(ghsh), [RISCV_V_GMUL] = WORDS(gmul),
    [RISCV_V_SHA2MS] = { { [2] = schedule0, [3] = schedule1 } }, [RISCV_V_SHA2CH] = { { [2] = compress_high0, [3] = compress_high1 } },
    [RISCV_V_SHA2CL] = { { [2] = compress_low0, [3] = compress_low1 } },
    [RISCV_V_SM4K] = WORDS_I(sm4k), [RISCV_V_SM4R] = WORDS(sm4r), [RISCV_V_SM4R_S] = WORDS(sm4r_s),
    [RISCV_V_SM3ME] = WORDS(sm3me), [RISCV_V_SM3C] = WORDS_I(sm3c),
};
