/* base/hash.h - a fast hash of bytes, for checksums and tables: good against accidents, not against people. Any thread. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/types.h"
#include <string.h>

/* The upper half of the product goes back into the lower: every bit reaches every other. */
static inline u64 hash_mix(u64 a, u64 b)
{
    u128 product = (u128)(a ^ UINT64_C(0x9e3779b97f4a7c15)) * (b ^ UINT64_C(0xd1b54a32d192ed03));

    return (u64)product ^ (u64)(product >> 64);
}

static inline u64 hash_word(const u8 *bytes, u64 count)
{
    u64 word = 0;

    memcpy(&word, bytes, count);
    return word;
}

/* Four lanes of two words at a time: a product takes long, but several go at once. The same on every host of one byte order. */
static inline u64 hash_bytes(const void *bytes, u64 size, u64 seed)
{
    u64 a = seed ^ UINT64_C(0xa0761d6478bd642f), b = seed ^ UINT64_C(0xe7037ed1a0b428db), c = seed ^ UINT64_C(0x8ebc6af09c88c6e3),
        d = seed ^ UINT64_C(0x589965cc75374cc3), left = size;
    const u8 *p = bytes;

    for (; left >= 64; left -= 64, p += 64) {
        a = hash_mix(a ^ hash_word(p, 8), hash_word(p + 8, 8));
        b = hash_mix(b ^ hash_word(p + 16, 8), hash_word(p + 24, 8));
        c = hash_mix(c ^ hash_word(p + 32, 8), hash_word(p + 40, 8));
        d = hash_mix(d ^ hash_word(p + 48, 8), hash_word(p + 56, 8));
    }
    for (; left >= 8; left -= 8, p += 8)
        a = hash_mix(a, hash_word(p, 8));
    b ^= left ? hash_word(p, left) : 0;
    return hash_mix(hash_mix(hash_mix(a, b), hash_mix(c, d)), size);
}

#endif
