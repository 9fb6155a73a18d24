/* host/cipher_x86_64.c - AES-NI, PCLMULQDQ, SHA (Intel SDM, volume 1, chapter 12; volume 2). Loads and stores are unaligned ones. */
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

/* clang 14 has no word for it. */
static bool has_sha(void)
{
#ifdef __clang__
    return false;
#else
    return __builtin_cpu_supports("sha") && __builtin_cpu_supports("ssse3");
#endif
}

USING("sha,ssse3") static void rounds(u32 hgdc[4], const u32 feba[4], const u32 wk[2])
{
    __m128i to = _mm_loadu_si128((const __m128i *)hgdc), from = _mm_loadu_si128((const __m128i *)feba);

    _mm_storeu_si128((__m128i *)hgdc, _mm_sha256rnds2_epu32(to, from, _mm_loadl_epi64((const __m128i *)wk)));
}

USING("sha,ssse3") static void schedule(u32 w[4], const u32 w4[4], const u32 w12[4])
{
    __m128i a = _mm_loadu_si128((const __m128i *)w), b = _mm_loadu_si128((const __m128i *)w4), c = _mm_loadu_si128((const __m128i *)w12);
    __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(a, b), _mm_alignr_epi8(c, b, 4)); /* W9 to W12 */

    _mm_storeu_si128((__m128i *)w, _mm_sha256msg2_epu32(sum, c));
}

bool host_sha256_rounds(u32 hgdc[4], const u32 feba[4], const u32 wk[2])
{
    if (!has_sha())
        return false;
    rounds(hgdc, feba, wk);
    return true;
}

bool host_sha256_schedule(u32 w[4], const u32 w4[4], const u32 w12[4])
{
    if (!has_sha())
        return false;
    schedule(w, w4, w12);
    return true;
}
