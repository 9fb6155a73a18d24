/* target/riscv/integer_helpers.c - carry-less products (Zbc), and the check of jump targets. */
#include "host/cipher.h"
#include "target/riscv/helpers.h"

u64 riscv_helper_clmul(void *vcpu, u64 a, u64 b)
{
    return (u64)host_carry_less(a, b);
}

u64 riscv_helper_clmulh(void *vcpu, u64 a, u64 b)
{
    return (u64)(host_carry_less(a, b) >> 64);
}

u64 riscv_helper_clmulr(void *vcpu, u64 a, u64 b)
{
    return (u64)(host_carry_less(a, b) >> 63);
}

u64 riscv_helper_check_target(void *vcpu, u64 target)
{
    return target & 2 ? riscv_helper_raise(vcpu, 0, target) : 0;
}
