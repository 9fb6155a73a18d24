/* target/riscv/crypto_helpers.c - scalar cryptography (Unprivileged manual, "Cryptography Extensions: Scalar"). */
#include "tcg/cipher.h"
#include "target/riscv/helpers.h"

/* --- AES: a is rs1, columns 0 and 1; b is rs2, columns 2 and 3 --- */

static u64 aes_round(u64 a, u64 b, bool inverse, bool mix)
{
    static const u32 no_key[4];
    u32 state[] = { (u32)a, (u32)(a >> 32), (u32)b, (u32)(b >> 32) };

    cipher_aes_round(state, no_key, inverse, mix);
    return state[0] | (u64)state[1] << 32;
}

u64 riscv_helper_aes64es(void *vcpu, u64 a, u64 b)
{
    return aes_round(a, b, false, false);
}

u64 riscv_helper_aes64esm(void *vcpu, u64 a, u64 b)
{
    return aes_round(a, b, false, true);
}

u64 riscv_helper_aes64ds(void *vcpu, u64 a, u64 b)
{
    return aes_round(a, b, true, false);
}

u64 riscv_helper_aes64dsm(void *vcpu, u64 a, u64 b)
{
    return aes_round(a, b, true, true);
}

u64 riscv_helper_aes64im(void *vcpu, u64 a)
{
    return cipher_aes_mix_column((u32)a, true) | (u64)cipher_aes_mix_column((u32)(a >> 32), true) << 32;
}

u64 riscv_helper_aes64ks1i(void *vcpu, u64 a, u64 round)
{
    u32 x = (u32)(a >> 32);

    x = cipher_sub_word(cipher_aes_sbox, round == 10 ? x : rotate_right32(x, 8)) ^ cipher_aes_round_constant((unsigned)round);
    return x | (u64)x << 32;
}

/* --- SM4: one byte of b through the box, mixed (GB/T 32907, in the byte order of registers) --- */

static u32 sm4_round_mix(u32 x)
{
    return x ^ x << 8 ^ x << 2 ^ x << 18 ^ (x & 0x3f) << 26 ^ (x & 0xc0) << 10;
}

static u32 sm4_key_mix(u32 x)
{
    return x ^ (x & 7) << 29 ^ (x & 0xfe) << 7 ^ (x & 1) << 23 ^ (x & 0xf8) << 13;
}

static u64 sm4(u64 a, u64 b, u64 byte, u32 (*mix)(u32))
{
    u32 s = mix(cipher_sm4_sbox[b >> 8 * byte & 0xff]);

    return (u64)(s64)(s32)((u32)a ^ rotate_left32(s, 8 * (unsigned)byte));
}

u64 riscv_helper_sm4ed(void *vcpu, u64 a, u64 b, u64 byte)
{
    return sm4(a, b, byte, sm4_round_mix);
}

u64 riscv_helper_sm4ks(void *vcpu, u64 a, u64 b, u64 byte)
{
    return sm4(a, b, byte, sm4_key_mix);
}

/* --- bits (Zbkb, Zbkx) --- */

u64 riscv_helper_brev8(void *vcpu, u64 a)
{
    a = (a & UINT64_C(0x5555555555555555)) << 1 | (a >> 1 & UINT64_C(0x5555555555555555));
    a = (a & UINT64_C(0x3333333333333333)) << 2 | (a >> 2 & UINT64_C(0x3333333333333333));
    return (a & UINT64_C(0x0f0f0f0f0f0f0f0f)) << 4 | (a >> 4 & UINT64_C(0x0f0f0f0f0f0f0f0f));
}

static u64 permute(u64 a, u64 index, unsigned bits)
{
    u64 mask = (1u << bits) - 1, result = 0;

    for (unsigned at = 0; at < 64; at += bits) {
        u64 from = (index >> at & mask) * bits;

        result |= from < 64 ? (a >> from & mask) << at : 0;
    }
    return result;
}

u64 riscv_helper_xperm4(void *vcpu, u64 a, u64 index)
{
    return permute(a, index, 4);
}

u64 riscv_helper_xperm8(void *vcpu, u64 a, u64 index)
{
    return permute(a, index, 8);
}
