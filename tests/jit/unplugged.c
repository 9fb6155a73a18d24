/*
 * tests/jit/unplugged.c - one hart rewrites and runs code in a display's memory behind a root port; the other one switches the slot off when it is
 * asked to. Driven by tests/functional/test_hotplug.py: what is left then is a fetch from nothing.
 */
#include "tests/jit/lib.h"

enum { ILLEGAL = 2, MEMORY = 0x40000000, EXPRESS = 0x10, SLOT_CONTROL = 0x18, SLOT_STATUS = 0x1a, BUTTON = 1, INDICATOR_OFF = 3 << 8, POWER_OFF = 1 << 10 };

static volatile u64 port, express, ready;

u64 trap(u64 cause, u64 epc, u64 tval)
{
    if (cause != ILLEGAL || epc != MEMORY)
        fail("unexpected trap:", cause, epc, tval);
    finish(0);
    return 0;
}

static u64 config(u64 bus, u64 device, u64 at)
{
    return 0x30000000 | bus << 20 | device << 15 | at;
}

static volatile u32 *word(u64 bus, u64 device, u64 at)
{
    return (volatile u32 *)config(bus, device, at);
}

static volatile u16 *half(u64 at)
{
    return (volatile u16 *)config(0, port, express + at);
}

static void switch_off_when_asked(void)
{
    while (!ready || !(*half(SLOT_STATUS) & BUTTON))
        continue;
    *half(SLOT_CONTROL) |= INDICATOR_OFF | POWER_OFF;
    for (;;)
        ;
}

/* The port gets bus 1 and a window, the display its place in it. */
static void prepare(void)
{
    while (*word(0, port, 8) >> 16 != 0x0604)
        expect(port++ < 31, 1);
    *word(0, port, 0x18) = 0x010100;
    *word(0, port, 0x20) = 0x41f04000;
    *word(0, port, 4) = 7;
    express = *word(0, port, 0x34) & 0xff;
    while ((*word(0, port, express) & 0xff) != EXPRESS)
        express = *word(0, port, express) >> 8 & 0xff;
    *word(1, 0, 0x10) = MEMORY;
    *word(1, 0, 4) = 2;
    ready = 1;
}

/* A store may find the memory gone a moment before fetches do: what was there is run again then, but not for long. */
static void wait_for_the_end(u64 got, u64 before)
{
    expect(got, before);
    for (u64 i = 0; i < 1000000000; i++)
        expect(((u64 (*)(u64))MEMORY)(1), before);
    fail("still there:", got, before, 0);
}

void main(u64 hart)
{
    volatile u32 *code = (volatile u32 *)MEMORY;

    if (hart)
        switch_off_when_asked();
    u64 before = 0;

    prepare();
    code[1] = 0x00008067; /* ret */
    for (u64 i = 0;; i = (i + 1) % 2048) {
        code[0] = 0x00050513 | (u32)i << 20; /* addi a0, a0, i */
        fence_i();
        u64 got = ((u64 (*)(u64))MEMORY)(1);
        if (got != 1 + i)
            wait_for_the_end(got, 1 + before);
        before = i;
        if (i == 2000)
            print("runs\n");
    }
}
