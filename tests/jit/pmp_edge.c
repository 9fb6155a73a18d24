/* A PMP region that begins and ends inside a page: each access is judged by its own bytes. */
#include "tests/jit/lib.h"

TRAP_HANDLER

static u64 data[512] __attribute__((aligned(4096)));

static u64 touch(u64 base)
{
    u64 sum = 0;

    for (u64 i = 0; i < 32; i++) {
        sum += *(volatile u64 *)(base + 8 * i);
        *(volatile u64 *)(base + 8 * i) = 1;
    }
    return sum;
}

static u64 straddle(u64 base)
{
    *(volatile u32 *)(base + 0x80 - 4);
    *(volatile u64 *)(base + 0x80 - 4); /* last half forbidden */
    return 0;
}

void main(u64 hart)
{
    other_harts_wait(hart);
    for (int i = 0; i < 512; i++)
        data[i] = 1;
    /* no access to [0x80, 0x90) of the page: NAPOT 16 bytes, entry 0 before the rest */
    csr_write(pmpaddr0, ((u64)data + 0x80) >> 2 | 1);
    csr_write(pmpcfg0, 0x18);
    trapped.count = 0;
    in_mode(touch, (u64)data, S);
    expect(trapped.count, 4);
    expect(trapped.cause, 7);
    expect(trapped.tval, (u64)data + 0x88);
    trapped.count = 0;
    in_mode(straddle, (u64)data, S);
    expect(trapped.count, 1);
    expect(trapped.cause, 5);
    /* M mode is not bound by an unlocked entry */
    expect(touch((u64)data), 32);
    /* opened again: nothing may remember the refusal */
    csr_write(pmpcfg0, 0x1f);
    fence_all();
    trapped.count = 0;
    expect(in_mode(touch, (u64)data, S), 32);
    expect(trapped.count, 0);
}
