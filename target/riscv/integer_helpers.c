/* target/riscv/integer_helpers.c - carry-less products (Zbc), and the check of jump targets. */
#include "target/riscv/helpers.h"

/* Polynomial product of 127 bits. */
static u128 product(u64 a, u64 b)
{
    u128 sum = 0;

    for (unsigned i = 0; i < 64; i++)
        if (b >> i & 1)
            sum ^= (u128)a << i;
    return sum;
}

u64 riscv_helper_clmul(void *vcpu, u64 a, u64 b)
{
    return (u64)product(a, b);
}

u64 riscv_helper_clmulh(void *vcpu, u64 a, u64 b)
{
    return (u64)(product(a, b) >> 64);
}

u64 riscv_helper_clmulr(void *vcpu, u64 a, u64 b)
{
    return (u64)(product(a, b) >> 63);
}

u64 riscv_helper_check_target(void *vcpu, u64 target)
{
    return target & 2 ? riscv_helper_raise(vcpu, 0, target) : 0;
}
