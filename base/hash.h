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

/* Four words at a time, in lanes of their own: as fast as memory. The same on every host of one byte order. */
static inline u64 hash_bytes(const void *bytes, u64 size, u64 seed)
{
    const u8 *p = bytes;
    u64 lane[2] = { seed ^ UINT64_C(0xa0761d6478bd642f), seed ^ UINT64_C(0xe7037ed1a0b428db) }, left = size;

    for (; left >= 32; left -= 32, p += 32) {
        lane[0] = hash_mix(lane[0] ^ hash_word(p, 8), hash_word(p + 8, 8));
        lane[1] = hash_mix(lane[1] ^ hash_word(p + 16, 8), hash_word(p + 24, 8));
    }
    for (; left >= 8; left -= 8, p += 8)
        lane[0] = hash_mix(lane[0], hash_word(p, 8));
    lane[1] ^= left ? hash_word(p, left) : 0;
    return hash_mix(hash_mix(lane[0], lane[1]), size);
}

#endif
