/* host/cipher_x86_64.c - AES-NI and PCLMULQDQ (Intel SDM, volume 1, chapter 12; volume 2). Loads and stores are unaligned ones. */
#include "host/cipher.h"
#include <immintrin.h>

#define USING(features) __attribute__((target(features)))

USING("pclmul,sse4.1") static u128 multiply(u64 a, u64 b)
{
    __m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128((s64)a), _mm_cvtsi64_si128((s64)b), 0);

    return (u128)(u64)_mm_extract_epi64(product, 1) << 64 | (u64)_mm_cvtsi128_si64(product);
}

u128 host_carry_less(u64 a, u64 b)
{
    return __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1") ? multiply(a, b) : host_carry_less_slowly(a, b);
}

/*
 * With bytes reversed, the first bit of a block is the highest: a product of such numbers is the product of the polynomials, one bit too low. What lies
 * below x^128 then (the low half) is folded in from the low end, 64 bits at a time: 0xc2... is x^128 + x^7 + x^2 + x + 1 without its ends, reversed.
 */
USING("pclmul,ssse3") static void ghash(u64 a[2], const u64 b[2])
{
    const __m128i reversed = _mm_set_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), fold = _mm_set_epi64x(0, (s64)0xc200000000000000);
    __m128i x = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)a), reversed), y = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)b), reversed);
    __m128i low = _mm_clmulepi64_si128(x, y, 0), high = _mm_clmulepi64_si128(x, y, 0x11);
    __m128i middle = _mm_xor_si128(_mm_clmulepi64_si128(x, y, 1), _mm_clmulepi64_si128(x, y, 0x10)), carry;

    low = _mm_xor_si128(low, _mm_slli_si128(middle, 8));
    high = _mm_xor_si128(high, _mm_srli_si128(middle, 8));
    carry = _mm_srli_epi64(low, 63);
    high = _mm_or_si128(_mm_or_si128(_mm_slli_epi64(high, 1), _mm_slli_si128(_mm_srli_epi64(high, 63), 8)), _mm_srli_si128(carry, 8));
    low = _mm_or_si128(_mm_slli_epi64(low, 1), _mm_slli_si128(carry, 8));
    for (unsigned i = 0; i < 2; i++)
        low = _mm_xor_si128(_mm_shuffle_epi32(low, 0x4e), _mm_clmulepi64_si128(low, fold, 0));
    _mm_storeu_si128((__m128i *)a, _mm_shuffle_epi8(_mm_xor_si128(high, low), reversed));
}

bool host_ghash(u64 a[2], const u64 b[2])
{
    if (!__builtin_cpu_supports("pclmul") || !__builtin_cpu_supports("ssse3"))
        return false;
    ghash(a, b);
    return true;
}

/* The instruction that mixes backwards adds the key behind that, so mixing is one of its own. */
USING("aes") static __m128i inverse_round(__m128i state, __m128i key, bool mix)
{
    state = _mm_aesdeclast_si128(state, key);
    return mix ? _mm_aesimc_si128(state) : state;
}

USING("aes") static void aes_round(u32 state[4], const u32 key[4], bool inverse, bool mix)
{
    __m128i s = _mm_loadu_si128((const __m128i *)state), k = _mm_loadu_si128((const __m128i *)key);

    s = inverse ? inverse_round(s, k, mix) : mix ? _mm_aesenc_si128(s, k) : _mm_aesenclast_si128(s, k);
    _mm_storeu_si128((__m128i *)state, s);
}

bool host_aes_round(u32 state[4], const u32 key[4], bool inverse, bool mix)
{
    if (!__builtin_cpu_supports("aes"))
        return false;
    aes_round(state, key, inverse, mix);
    return true;
}
