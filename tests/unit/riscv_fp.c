/*
 * tests/unit/riscv_fp.c - the helpers for half precision: results and flags, whatever flags and rounding modes were set before, NaN boxes,
 * dynamic rounding, flags that accumulate, dirty state. Single and double precision: tests/ir/fp_campaign.c.
 */
#include "base/softfloat/softfloat.h"
#include "tests/unit/riscv_fixture.h"

enum { ROUNDS = 60000 };

static u64 next_random(u64 *seed)
{
    u64 z = *seed += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* Values near one another, near the limits of the format and of integers, and specials. */
static u64 operand(u64 *seed, int exponent_bits, int fraction_bits)
{
    u64 r = next_random(seed), top = BIT64(exponent_bits) - 1, bias = top / 2;
    u64 fraction = next_random(seed) & (BIT64(fraction_bits) - 1), exponent;

    switch (r & 15) {
    case 0: exponent = 0; break;
    case 1: exponent = top; break;
    case 2: exponent = 1 + (r >> 8 & 1); fraction &= r >> 9 & 1 ? 3 : UINT64_MAX; break;
    case 3: exponent = top - 1; break;
    case 4: exponent = 0; fraction = 0; break;
    case 5: exponent = bias + 29 + (r >> 8 & 7); break;
    case 6: exponent = bias + 61 + (r >> 8 & 7); break;
    case 7: exponent = bias + (r >> 8 & 7); fraction = 0; break;
    case 8: exponent = bias / 2 + (r >> 8 & 3); break;
    case 9: exponent = next_random(seed) & top; break;
    default: exponent = bias - 2 + (r >> 8 & 7);
    }
    if (exponent == top)
        fraction = r >> 20 & 1 ? 0 : r >> 21 & 1 ? BIT64(fraction_bits - 1) : 1;
    return (r >> 63) << (exponent_bits + fraction_bits) | (exponent & top) << fraction_bits | fraction;
}


struct result {
    u64 value;
    u8 flags;
};

static void compare(const char *name, unsigned rm, const u64 *in, struct result got, struct result want)
{
    if (got.value == want.value && got.flags == want.flags)
        return;
    g_test_message("%s rm %u: %016lx %016lx %016lx = %016lx flags %02x, expected %016lx flags %02x", name, rm, in[0], in[1], in[2],
                   got.value, got.flags, want.value, want.flags);
    g_test_fail();
}

#define BOX_h(v) ((v) | ~UINT64_C(0xffff))

#define CHECK(NAME, CALL, SOFT)                                                                         \
    do {                                                                                                \
        struct softfloat_env env = { .rounding = mode };                                                \
        struct result got, want;                                                                        \
        h.state->fflags = before;                                                                       \
        got.value = CALL;                                                                               \
        got.flags = h.state->fflags;                                                                    \
        want.value = SOFT;                                                                              \
        want.flags = before | env.flags;                                                                \
        compare(NAME, rm, in, got, want);                                                               \
    } while (0)

#define FORMAT_TEST(S, F, T, EXPONENT, FRACTION)                                                        \
    static void test_##S(void)                                                                          \
    {                                                                                                   \
        struct hart h;                                                                                  \
        u64 seed = EXPONENT;                                                                            \
                                                                                                        \
        hart_start(&h, "max");                                                                          \
        for (unsigned i = 0; i < ROUNDS; i++) {                                                         \
            u64 x = operand(&seed, EXPONENT, FRACTION), y = operand(&seed, EXPONENT, FRACTION);         \
            u64 z = operand(&seed, EXPONENT, FRACTION), in[3] = { BOX_##S(x), BOX_##S(y), BOX_##S(z) }; \
            u64 sign = BIT64(EXPONENT + FRACTION);                                                      \
            u8 mode = i & 8 ? next_random(&seed) % 5 : 0, before = i & 16 ? next_random(&seed) & 31 : i & 1; \
            unsigned rm = i & 32 ? 7 : mode;                                                            \
                                                                                                        \
            h.state->frm = i & 32 ? mode : (mode + 1) % 5;                                              \
            CHECK("fadd." #S, riscv_helper_fadd_##S(h.vcpu, in[0], in[1], rm), BOX_##S((u64)softfloat_##F##_add(&env, x, y))); \
            CHECK("fsub." #S, riscv_helper_fsub_##S(h.vcpu, in[0], in[1], rm), BOX_##S((u64)softfloat_##F##_sub(&env, x, y))); \
            CHECK("fmul." #S, riscv_helper_fmul_##S(h.vcpu, in[0], in[1], rm), BOX_##S((u64)softfloat_##F##_mul(&env, x, y))); \
            CHECK("fdiv." #S, riscv_helper_fdiv_##S(h.vcpu, in[0], in[1], rm), BOX_##S((u64)softfloat_##F##_div(&env, x, y))); \
            CHECK("fsqrt." #S, riscv_helper_fsqrt_##S(h.vcpu, in[0], rm), BOX_##S((u64)softfloat_##F##_sqrt(&env, x))); \
            CHECK("fmadd." #S, riscv_helper_fmadd_##S(h.vcpu, in[0], in[1], in[2], rm), BOX_##S((u64)softfloat_##F##_fma(&env, x, y, z))); \
            CHECK("fmsub." #S, riscv_helper_fmsub_##S(h.vcpu, in[0], in[1], in[2], rm), BOX_##S((u64)softfloat_##F##_fma(&env, x, y, z ^ sign))); \
            CHECK("fnmsub." #S, riscv_helper_fnmsub_##S(h.vcpu, in[0], in[1], in[2], rm), BOX_##S((u64)softfloat_##F##_fma(&env, x ^ sign, y, z))); \
            CHECK("fnmadd." #S, riscv_helper_fnmadd_##S(h.vcpu, in[0], in[1], in[2], rm), BOX_##S((u64)softfloat_##F##_fma(&env, x ^ sign, y, z ^ sign))); \
            CHECK("fcvt.w." #S, riscv_helper_fcvt_w_##S(h.vcpu, in[0], rm), (u64)(s64)softfloat_##F##_to_s32(&env, x)); \
            CHECK("fcvt.wu." #S, riscv_helper_fcvt_wu_##S(h.vcpu, in[0], rm), (u64)(s64)(s32)softfloat_##F##_to_u32(&env, x)); \
            CHECK("fcvt.l." #S, riscv_helper_fcvt_l_##S(h.vcpu, in[0], rm), (u64)softfloat_##F##_to_s64(&env, x)); \
            CHECK("fcvt.lu." #S, riscv_helper_fcvt_lu_##S(h.vcpu, in[0], rm), softfloat_##F##_to_u64(&env, x)); \
            u64 n = next_random(&seed) >> (i & 63);                                                     \
            in[0] = n = i & 64 ? -n : n;                                                                \
            CHECK("fcvt." #S ".w", riscv_helper_fcvt_##S##_w(h.vcpu, n, rm), BOX_##S((u64)softfloat_##F##_from_s64(&env, (s32)n))); \
            CHECK("fcvt." #S ".wu", riscv_helper_fcvt_##S##_wu(h.vcpu, n, rm), BOX_##S((u64)softfloat_##F##_from_u64(&env, (u32)n))); \
            CHECK("fcvt." #S ".l", riscv_helper_fcvt_##S##_l(h.vcpu, n, rm), BOX_##S((u64)softfloat_##F##_from_s64(&env, n))); \
            CHECK("fcvt." #S ".lu", riscv_helper_fcvt_##S##_lu(h.vcpu, n, rm), BOX_##S((u64)softfloat_##F##_from_u64(&env, n))); \
            in[0] = BOX_##S(x);                                                                         \
            if (i & 128)                                                                                \
                in[1] = in[0], y = x;                                                                   \
            CHECK("feq." #S, riscv_helper_feq_##S(h.vcpu, in[0], in[1]), softfloat_##F##_compare(&env, x, y, true) == SOFTFLOAT_EQUAL); \
            CHECK("flt." #S, riscv_helper_flt_##S(h.vcpu, in[0], in[1]), softfloat_##F##_compare(&env, x, y, false) == SOFTFLOAT_LESS); \
            CHECK("fle." #S, riscv_helper_fle_##S(h.vcpu, in[0], in[1]), (softfloat_##F##_compare(&env, x, y, false) + 1u) < 2); \
            CHECK("fltq." #S, riscv_helper_fltq_##S(h.vcpu, in[0], in[1]), softfloat_##F##_compare(&env, x, y, true) == SOFTFLOAT_LESS); \
            CHECK("fleq." #S, riscv_helper_fleq_##S(h.vcpu, in[0], in[1]), (softfloat_##F##_compare(&env, x, y, true) + 1u) < 2); \
            CHECK("fmin." #S, riscv_helper_fmin_##S(h.vcpu, in[0], in[1]), BOX_##S((u64)softfloat_##F##_min_number(&env, x, y))); \
            CHECK("fmax." #S, riscv_helper_fmax_##S(h.vcpu, in[0], in[1]), BOX_##S((u64)softfloat_##F##_max_number(&env, x, y))); \
        }                                                                                               \
        hart_stop(&h);                                                                                  \
    }
FORMAT_TEST(h, f16, u16, 5, 10)

/* What is not properly boxed reads as the canonical NaN; results are boxed. */
static void test_boxes(void)
{
    static const u64 unboxed[] = { 0x3c00, UINT64_C(0xfffffffffffe3c00), UINT64_C(0x7fffffffffff3c00), 0, UINT64_C(0x3ff0000000000000) };
    u64 one = BOX_h(0x3c00), nan = BOX_h(0x7e00);
    struct hart h;

    hart_start(&h, "max");
    for (unsigned i = 0; i < ARRAY_SIZE(unboxed); i++) {
        h.state->fflags = 0;
        g_assert_cmphex(riscv_helper_fadd_h(h.vcpu, unboxed[i], one, 0), ==, nan);
        g_assert_cmphex(riscv_helper_fmadd_h(h.vcpu, one, one, unboxed[i], 0), ==, nan);
        g_assert_cmphex(riscv_helper_fclass_h(h.vcpu, unboxed[i]), ==, SOFTFLOAT_QUIET_NAN);
        g_assert_cmphex(riscv_helper_fcvt_w_h(h.vcpu, unboxed[i], 0), ==, INT32_MAX);
        g_assert_cmphex(h.state->fflags, ==, SOFTFLOAT_INVALID);
        g_assert_cmphex(riscv_helper_feq_h(h.vcpu, unboxed[i], unboxed[i]), ==, 0);
        g_assert_cmphex(riscv_helper_fmin_h(h.vcpu, unboxed[i], one), ==, one);
    }
    g_assert_cmphex(riscv_helper_fadd_h(h.vcpu, one, one, 0), ==, BOX_h(0x4000));
    g_assert_cmphex(riscv_helper_fcvt_d_h(h.vcpu, one, 0), ==, UINT64_C(0x3ff0000000000000));
    g_assert_cmphex(riscv_helper_fclass_s(h.vcpu, 0x3f800000), ==, SOFTFLOAT_QUIET_NAN);
    g_assert_cmphex(riscv_helper_fclass_s(h.vcpu, UINT64_C(0xffffffff3f800000)), ==, SOFTFLOAT_POSITIVE_NORMAL);
    g_assert_cmphex(riscv_helper_fclass_d(h.vcpu, UINT64_C(0x8000000000000000)), ==, SOFTFLOAT_NEGATIVE_ZERO);
    hart_stop(&h);
}

/* New flags make FS dirty; flags that are set already, and quiet results, do not by themselves. */
static void test_dirty(void)
{
    u64 one = BOX_h(0x3c00), three = BOX_h(0x4200);
    struct hart h;

    hart_start(&h, "max");
    riscv_helper_fdiv_h(h.vcpu, three, one, 0);
    g_assert_cmphex(h.state->fflags, ==, 0);
    g_assert_cmphex(h.state->fp_dirty, ==, 0);
    riscv_helper_fdiv_h(h.vcpu, one, three, 0);
    g_assert_cmphex(h.state->fflags, ==, SOFTFLOAT_INEXACT);
    g_assert_cmphex(h.state->fp_dirty, ==, 1);
    riscv_helper_fdiv_h(h.vcpu, one, BOX_h(0), 0);
    g_assert_cmphex(h.state->fflags, ==, SOFTFLOAT_INEXACT | SOFTFLOAT_DIVBYZERO);
    hart_stop(&h);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/riscv/fp/half", test_h);
    g_test_add_func("/riscv/fp/boxes", test_boxes);
    g_test_add_func("/riscv/fp/dirty", test_dirty);
    return g_test_run();
}
