/* tests/unit/cipher.c - ciphers by the host's instructions against the same by tables and bit by bit. */
#include "host/cipher.h"
#include "tcg/cipher.h"
#include <glib.h>
#include <string.h>

enum { ROUNDS = 20000 };

static u64 random_word(void)
{
    u64 x = (u64)g_test_rand_int() << 32 | (u32)g_test_rand_int();

    return g_test_rand_int_range(0, 8) ? x : x >> (x & 63);
}

static void test_aes(void)
{
    for (unsigned n = 0; n < ROUNDS; n++) {
        u32 a[4], b[4], key[4];

        for (unsigned i = 0; i < 4; i++) {
            a[i] = b[i] = (u32)random_word();
            key[i] = (u32)random_word();
        }
        cipher_aes_round(a, key, n & 1, n & 2);
        cipher_aes_round_by_tables(b, key, n & 1, n & 2);
        g_assert_cmpmem(a, sizeof(a), b, sizeof(b));
    }
}

static void test_carry_less(void)
{
    for (unsigned n = 0; n < ROUNDS; n++) {
        u64 a = random_word(), b = random_word();

        g_assert_true(host_carry_less(a, b) == host_carry_less_slowly(a, b));
    }
}

/* NIST SP 800-38D, algorithm 1, with bits in the order of powers. */
static u128 multiply_bit_by_bit(u128 a, u128 b)
{
    u128 z = 0;

    for (unsigned i = 0; i < 128; i++) {
        z ^= a >> i & 1 ? b : 0;
        b = b << 1 ^ (b >> 127 ? 0x87 : 0);
    }
    return z;
}

static u64 reversed(u64 x)
{
    u64 y = 0;

    for (unsigned i = 0; i < 64; i++)
        y |= (x >> i & 1) << (i ^ 7);
    return y;
}

/* The same as blocks lie in memory: bits of bytes from the other end. */
static void check_blocks(u128 a, u128 b)
{
    u64 d[2] = { reversed((u64)a), reversed((u64)(a >> 64)) }, s[2] = { reversed((u64)b), reversed((u64)(b >> 64)) };
    u128 z = multiply_bit_by_bit(a, b);

    cipher_ghash(d, s);
    g_assert_cmphex(d[0], ==, reversed((u64)z));
    g_assert_cmphex(d[1], ==, reversed((u64)(z >> 64)));
}

static void test_ghash(void)
{
    for (unsigned n = 0; n < ROUNDS; n++) {
        u128 a = (u128)random_word() << 64 | random_word(), b = (u128)random_word() << 64 | random_word();

        g_assert_true(cipher_ghash_multiply(a, b) == multiply_bit_by_bit(a, b));
        check_blocks(a, b);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cipher/aes", test_aes);
    g_test_add_func("/cipher/carry-less", test_carry_less);
    g_test_add_func("/cipher/ghash", test_ghash);
    return g_test_run();
}
