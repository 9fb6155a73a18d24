/*
 * tcg/vector_groups.c - vector ops on groups of lanes: ciphers and hashes (FIPS 197, FIPS 180-4, NIST SP 800-38D, GB/T 32905, GB/T 32907). The host's
 * instructions where it has them (host/cipher.h), else by tables and bit by bit.
 */
#include "host/cipher.h"
#include "tcg/cipher.h"
#include "tcg/vector.h"
#include <string.h>

/* One op: `count` groups from the begin of d, s2 and s1 on. */
struct groups {
    u8 *d;
    const u8 *s2, *s1;
    u32 count;
    unsigned number; /* of kinds that take one */
};

#define EACH_GROUP(g, BYTES) for (u8 *d = (g)->d, *end_ = d + (g)->count * BYTES; d < end_; d += BYTES)
#define SECOND(g) ((g)->s2 + (d - (g)->d))
#define FIRST(g)  ((g)->s1 + (d - (g)->d))
/* What ops with one second operand for all groups read. */
#define SHARED(g, one) ((one) ? (g)->s2 : SECOND(g))

/* --- AES --- */

static inline void aes(const struct groups *g, bool one, bool inverse, bool mix)
{
    EACH_GROUP(g, 16) {
        u32 state[4], key[4];

        memcpy(state, d, sizeof(state));
        memcpy(key, SHARED(g, one), sizeof(key));
        cipher_aes_round(state, key, inverse, mix);
        memcpy(d, state, sizeof(state));
    }
}
static void aesem(const struct groups *g) { aes(g, false, false, true); }
static void aesef(const struct groups *g) { aes(g, false, false, false); }
static void aesdm(const struct groups *g) { aes(g, false, true, true); }
static void aesdf(const struct groups *g) { aes(g, false, true, false); }
static void aesem_one(const struct groups *g) { aes(g, true, false, true); }
static void aesef_one(const struct groups *g) { aes(g, true, false, false); }
static void aesdm_one(const struct groups *g) { aes(g, true, true, true); }
static void aesdf_one(const struct groups *g) { aes(g, true, true, false); }

static void aesz_one(const struct groups *g)
{
    EACH_GROUP(g, 16) {
        u64 a[2], b[2];

        memcpy(a, d, sizeof(a));
        memcpy(b, g->s2, sizeof(b));
        a[0] ^= b[0], a[1] ^= b[1];
        memcpy(d, a, sizeof(a));
    }
}

static void chain(u8 *d, u32 word, const u32 from[4])
{
    u32 to[4];

    for (unsigned i = 0; i < 4; i++)
        to[i] = word ^= from[i];
    memcpy(d, to, sizeof(to));
}

/* Rounds out of range have bit 3 inverted. */
static void aeskf1(const struct groups *g)
{
    unsigned round = g->number & 15;

    round ^= round == 0 || round > 10 ? 8 : 0;
    EACH_GROUP(g, 16) {
        u32 key[4];

        memcpy(key, SECOND(g), sizeof(key));
        chain(d, cipher_sub_word(cipher_aes_sbox, rotate_right32(key[3], 8)) ^ cipher_aes_round_constant(round - 1), key);
    }
}

static void aeskf2(const struct groups *g)
{
    unsigned round = g->number & 15;

    round ^= round < 2 || round > 14 ? 8 : 0;
    EACH_GROUP(g, 16) {
        u32 last, before[4];

        memcpy(&last, SECOND(g) + 12, sizeof(last));
        memcpy(before, d, sizeof(before));
        last = round & 1 ? cipher_sub_word(cipher_aes_sbox, last)
                         : cipher_sub_word(cipher_aes_sbox, rotate_right32(last, 8)) ^ cipher_aes_round_constant(round / 2 - 1);
        chain(d, last, before);
    }
}

/* --- GHASH: bits of bytes are in reverse order --- */

static u64 reverse_bits8(u64 a)
{
    a = (a & UINT64_C(0x5555555555555555)) << 1 | (a >> 1 & UINT64_C(0x5555555555555555));
    a = (a & UINT64_C(0x3333333333333333)) << 2 | (a >> 2 & UINT64_C(0x3333333333333333));
    return (a & UINT64_C(0x0f0f0f0f0f0f0f0f)) << 4 | (a >> 4 & UINT64_C(0x0f0f0f0f0f0f0f0f));
}

static u128 polynomial(const u64 from[2])
{
    return (u128)reverse_bits8(from[1]) << 64 | reverse_bits8(from[0]);
}

void cipher_ghash(u64 d[2], const u64 s[2])
{
    u128 z;

    if (host_ghash(d, s))
        return;
    z = cipher_ghash_multiply(polynomial(d), polynomial(s));
    d[0] = reverse_bits8((u64)z);
    d[1] = reverse_bits8((u64)(z >> 64));
}

/* d = (d ^ s1) * s2 */
static inline void ghash(const struct groups *g, bool adds)
{
    EACH_GROUP(g, 16) {
        u64 a[2], b[2], x[2] = { 0 };

        memcpy(a, d, sizeof(a));
        memcpy(b, SECOND(g), sizeof(b));
        if (adds)
            memcpy(x, FIRST(g), sizeof(x));
        a[0] ^= x[0], a[1] ^= x[1];
        cipher_ghash(a, b);
        memcpy(d, a, sizeof(a));
    }
}
static void ghsh(const struct groups *g) { ghash(g, true); }
static void gmul(const struct groups *g) { ghash(g, false); }

/* --- SHA-2 --- */

#define SIGMA_0_256(x) (rotate_right32(x, 7) ^ rotate_right32(x, 18) ^ (x) >> 3)
#define SIGMA_1_256(x) (rotate_right32(x, 17) ^ rotate_right32(x, 19) ^ (x) >> 10)
#define SUM_0_256(x)   (rotate_right32(x, 2) ^ rotate_right32(x, 13) ^ rotate_right32(x, 22))
#define SUM_1_256(x)   (rotate_right32(x, 6) ^ rotate_right32(x, 11) ^ rotate_right32(x, 25))
#define SIGMA_0_512(x) (rotate_right64(x, 1) ^ rotate_right64(x, 8) ^ (x) >> 7)
#define SIGMA_1_512(x) (rotate_right64(x, 19) ^ rotate_right64(x, 61) ^ (x) >> 6)
#define SUM_0_512(x)   (rotate_right64(x, 28) ^ rotate_right64(x, 34) ^ rotate_right64(x, 39))
#define SUM_1_512(x)   (rotate_right64(x, 14) ^ rotate_right64(x, 18) ^ rotate_right64(x, 41))

/* d: W0 to W3; s2: W4, W9, W10, W11; s1: W12 to W15. s2 of the rounds: f, e, b, a; d: h, g, d, c. */
#define SHA2(T, BITS)                                                                            \
    static void schedule##BITS(const struct groups *g)                                           \
    {                                                                                            \
        EACH_GROUP(g, 4 * sizeof(T)) {                                                           \
            T w[4], w4[4], w12[4], out[4];                                                       \
                                                                                                 \
            memcpy(w, d, sizeof(w));                                                             \
            memcpy(w4, SECOND(g), sizeof(w4));                                                   \
            memcpy(w12, FIRST(g), sizeof(w12));                                                  \
            out[0] = SIGMA_1_##BITS(w12[2]) + w4[1] + SIGMA_0_##BITS(w[1]) + w[0];               \
            out[1] = SIGMA_1_##BITS(w12[3]) + w4[2] + SIGMA_0_##BITS(w[2]) + w[1];               \
            out[2] = SIGMA_1_##BITS(out[0]) + w4[3] + SIGMA_0_##BITS(w[3]) + w[2];               \
            out[3] = SIGMA_1_##BITS(out[1]) + w12[0] + SIGMA_0_##BITS(w4[0]) + w[3];             \
            memcpy(d, out, sizeof(out));                                                         \
        }                                                                                        \
    }                                                                                            \
    static inline void compress##BITS(const struct groups *g, unsigned from)                     \
    {                                                                                            \
        EACH_GROUP(g, 4 * sizeof(T)) {                                                           \
            T x[4], y[4], w[4];                                                                  \
                                                                                                 \
            memcpy(x, d, sizeof(x));                                                             \
            memcpy(y, SECOND(g), sizeof(y));                                                     \
            memcpy(w, FIRST(g), sizeof(w));                                                      \
            T a = y[3], b = y[2], c = x[3], dd = x[2], e = y[1], f = y[0], gg = x[1], h = x[0];  \
            for (unsigned i = 0; i < 2; i++) {                                                   \
                T t1 = h + SUM_1_##BITS(e) + ((e & f) ^ (~e & gg)) + w[from + i];                \
                T t2 = SUM_0_##BITS(a) + ((a & b) ^ (a & c) ^ (b & c));                          \
                                                                                                 \
                h = gg, gg = f, f = e, e = dd + t1, dd = c, c = b, b = a, a = t1 + t2;           \
            }                                                                                    \
            x[3] = a, x[2] = b, x[1] = e, x[0] = f;                                              \
            memcpy(d, x, sizeof(x));                                                             \
        }                                                                                        \
    }                                                                                            \
    static void compress_low##BITS(const struct groups *g) { compress##BITS(g, 0); }             \
    static void compress_high##BITS(const struct groups *g) { compress##BITS(g, 2); }
SHA2(u32, 256)
SHA2(u64, 512)

/* --- SM4 --- */

static u32 sm4_constant(unsigned n)
{
    u32 word = 0;

    for (unsigned i = 0; i < 4; i++)
        word = word << 8 | ((4 * n + i) * 7 & 0xff);
    return word;
}

static u32 sm4_key(u32 x, u32 b)
{
    u32 s = cipher_sub_word(cipher_sm4_sbox, b);

    return x ^ s ^ rotate_left32(s, 13) ^ rotate_left32(s, 23);
}

static u32 sm4_round(u32 x, u32 b)
{
    u32 s = cipher_sub_word(cipher_sm4_sbox, b);

    return x ^ s ^ rotate_left32(s, 2) ^ rotate_left32(s, 10) ^ rotate_left32(s, 18) ^ rotate_left32(s, 24);
}

static void sm4k(const struct groups *g)
{
    unsigned round = g->number & 7;

    EACH_GROUP(g, 16) {
        u32 k[8];

        memcpy(k, SECOND(g), 16);
        for (unsigned i = 0; i < 4; i++)
            k[4 + i] = sm4_key(k[i], k[i + 1] ^ k[i + 2] ^ k[i + 3] ^ sm4_constant(4 * round + i));
        memcpy(d, k + 4, 16);
    }
}

static inline void sm4(const struct groups *g, bool one)
{
    EACH_GROUP(g, 16) {
        u32 x[8], key[4];

        memcpy(x, d, 16);
        memcpy(key, SHARED(g, one), 16);
        for (unsigned i = 0; i < 4; i++)
            x[4 + i] = sm4_round(x[i], x[i + 1] ^ x[i + 2] ^ x[i + 3] ^ key[i]);
        memcpy(d, x + 4, 16);
    }
}
static void sm4r(const struct groups *g) { sm4(g, false); }
static void sm4r_one(const struct groups *g) { sm4(g, true); }

/* --- SM3: words are big-endian --- */

static void load_swapped(u32 *to, const u8 *from)
{
    memcpy(to, from, 32);
    for (unsigned i = 0; i < 8; i++)
        to[i] = __builtin_bswap32(to[i]);
}

static void store_swapped(u8 *to, u32 from[8])
{
    for (unsigned i = 0; i < 8; i++)
        from[i] = __builtin_bswap32(from[i]);
    memcpy(to, from, 32);
}

static void sm3me(const struct groups *g)
{
    EACH_GROUP(g, 32) {
        u32 w[24];

        load_swapped(w, FIRST(g));
        load_swapped(w + 8, SECOND(g));
        for (unsigned i = 16; i < 24; i++)
            w[i] = sm3_p1(w[i - 16] ^ w[i - 9] ^ rotate_left32(w[i - 3], 15)) ^ rotate_left32(w[i - 13], 7) ^ w[i - 6];
        store_swapped(d, w + 16);
    }
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

static inline void sm3_rounds(u8 *d, const u8 *words, unsigned j, bool late)
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

static void sm3c(const struct groups *g)
{
    unsigned j = 2 * (g->number & 31);

    EACH_GROUP(g, 32) {
        if (j < 16)
            sm3_rounds(d, SECOND(g), j, false);
        else
            sm3_rounds(d, SECOND(g), j, true);
    }
}

/* --- all of them --- */

void ir_vector_groups(enum ir_vector_kind kind, enum ir_type type, u8 *d, const u8 *s2, const u8 *s1, u64 number, u32 bytes)
{
    static void (*const run[])(const struct groups *) = {
#define GROUP(id, function) [IR_VECTOR_##id - IR_VECTOR_AESEM] = function
        GROUP(AESEM, aesem), GROUP(AESEF, aesef), GROUP(AESDM, aesdm), GROUP(AESDF, aesdf), GROUP(GHSH, ghsh), GROUP(GMUL, gmul),
        GROUP(SHA2MS, schedule256), GROUP(SHA2CH, compress_high256), GROUP(SHA2CL, compress_low256), GROUP(SM4R, sm4r), GROUP(SM3ME, sm3me),
        GROUP(AESEM_ONE, aesem_one), GROUP(AESEF_ONE, aesef_one), GROUP(AESDM_ONE, aesdm_one), GROUP(AESDF_ONE, aesdf_one),
        GROUP(AESZ_ONE, aesz_one), GROUP(SM4R_ONE, sm4r_one), GROUP(AESKF1, aeskf1), GROUP(AESKF2, aeskf2), GROUP(SM4K, sm4k), GROUP(SM3C, sm3c),
#undef GROUP
    };
    static void (*const run_64[])(const struct groups *) = { schedule512, compress_high512, compress_low512 };
    struct groups g = { .d = d, .s2 = s2, .s1 = s1, .count = bytes / ir_vector_group(kind, type), .number = (unsigned)number };

    if (type == IR_I64)
        run_64[kind - IR_VECTOR_SHA2MS](&g);
    else
        run[kind - IR_VECTOR_AESEM](&g);
}
