/* tcg/x86_64/leaf.c - vector ops on groups of lanes that no host instruction does, without leaving generated code for more than that. leaf.h */
#include "tcg/x86_64/leaf.h"
#include "tcg/hashes.h"

/* One group of BYTES after the other, mostly one; d, s2, s1: the group's. */
#define EACH_GROUP(BYTES, ...)                                              \
    u8 *d = file + (word & 0xfff), *end = d + (word >> 36 & 0xfff);         \
    const u8 *s2 = file + (word >> 12 & 0xfff), *s1 = file + (word >> 24 & 0xfff); \
                                                                            \
    do {                                                                    \
        __VA_ARGS__;                                                        \
        d += BYTES, s2 += BYTES, s1 += BYTES;                               \
    } while (unlikely(d < end));
#define NUMBER (word >> X86_LEAF_NUMBER_SHIFT)

void x86_leaf_sha256_schedule(u8 *file, u64 word) { EACH_GROUP(16, sha256_schedule(d, s2, s1)) }
void x86_leaf_sha256_low(u8 *file, u64 word) { EACH_GROUP(16, sha256_rounds(d, s2, s1, 0)) }
void x86_leaf_sha256_high(u8 *file, u64 word) { EACH_GROUP(16, sha256_rounds(d, s2, s1, 2)) }
void x86_leaf_sha512_schedule(u8 *file, u64 word) { EACH_GROUP(32, sha512_schedule(d, s2, s1)) }
void x86_leaf_sha512_low(u8 *file, u64 word) { EACH_GROUP(32, sha512_rounds(d, s2, s1, 0)) }
void x86_leaf_sha512_high(u8 *file, u64 word) { EACH_GROUP(32, sha512_rounds(d, s2, s1, 2)) }
void x86_leaf_sm3_schedule(u8 *file, u64 word) { EACH_GROUP(32, sm3_schedule(d, s2, s1)) }
void x86_leaf_sm3_rounds(u8 *file, u64 word) { EACH_GROUP(32, sm3_rounds(d, s2, 2 * (NUMBER & 31))) }
void x86_leaf_sm4_keys(u8 *file, u64 word) { EACH_GROUP(16, sm4_keys(d, s2, NUMBER & 7)) }
void x86_leaf_sm4_rounds(u8 *file, u64 word) { EACH_GROUP(16, sm4_rounds(d, s2)) }
void x86_leaf_sm4_rounds_one(u8 *file, u64 word) { EACH_GROUP(16, sm4_rounds(d, s2); s2 -= 16) }
