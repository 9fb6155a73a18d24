/*
 * tcg/vector_groups.c - vector ops on groups of lanes: ciphers and hashes (FIPS 197, FIPS 180-4, NIST SP 800-38D, GB/T 32905, GB/T 32907). The host's
 * instructions where it has them (host/cipher.h), else by tables and bit by bit.
 */
#include "host/cipher.h"
#include "tcg/hashes.h"
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

/* --- SHA-2, SM4, SM3: tcg/hashes.h --- */

static void schedule256(const struct groups *g) { EACH_GROUP(g, 16) sha256_schedule(d, SECOND(g), FIRST(g)); }
static void schedule512(const struct groups *g) { EACH_GROUP(g, 32) sha512_schedule(d, SECOND(g), FIRST(g)); }
static void compress_low256(const struct groups *g) { EACH_GROUP(g, 16) sha256_rounds(d, SECOND(g), FIRST(g), 0); }
static void compress_high256(const struct groups *g) { EACH_GROUP(g, 16) sha256_rounds(d, SECOND(g), FIRST(g), 2); }
static void compress_low512(const struct groups *g) { EACH_GROUP(g, 32) sha512_rounds(d, SECOND(g), FIRST(g), 0); }
static void compress_high512(const struct groups *g) { EACH_GROUP(g, 32) sha512_rounds(d, SECOND(g), FIRST(g), 2); }
static void sm4k(const struct groups *g) { EACH_GROUP(g, 16) sm4_keys(d, SECOND(g), g->number & 7); }
static void sm4r(const struct groups *g) { EACH_GROUP(g, 16) sm4_rounds(d, SECOND(g)); }
static void sm4r_one(const struct groups *g) { EACH_GROUP(g, 16) sm4_rounds(d, g->s2); }
static void sm3me(const struct groups *g) { EACH_GROUP(g, 32) sm3_schedule(d, SECOND(g), FIRST(g)); }
static void sm3c(const struct groups *g) { EACH_GROUP(g, 32) sm3_rounds(d, SECOND(g), 2 * (g->number & 31)); }

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
