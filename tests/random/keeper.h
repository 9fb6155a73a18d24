/* tests/random/keeper.h - what the parts of the keeper share. */
#ifndef RANDOM_KEEPER_H
#define RANDOM_KEEPER_H

#include "tests/random/layout.h"

typedef unsigned long u64;
typedef unsigned u32;
typedef unsigned short u16;

#define CSR_READ(name)                                 \
    ({                                                 \
        u64 value_;                                    \
        __asm__ volatile("csrr %0, " name : "=r"(value_)); \
        value_;                                        \
    })
#define CSR_WRITE(name, value) __asm__ volatile("csrw " name ", %0" : : "r"((u64)(value)) : "memory")
#define CSR_CLEAR(name, value) __asm__ volatile("csrc " name ", %0" : : "r"((u64)(value)) : "memory")
#define CSR_SET(name, value)   __asm__ volatile("csrs " name ", %0" : : "r"((u64)(value)) : "memory")

#define MSIP ((volatile u32 *)0x2000000)

static inline u64 *own_state(void)
{
    u64 *own;

    __asm__("csrr %0, mscratch" : "=r"(own));
    return own;
}

#define state own_state()

/* A number from 0 on, of this hart's sequence. */
u64 random_below(u64 n);

#endif
