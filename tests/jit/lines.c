/*
 * A page of small functions that are entered anywhere and rewritten one instruction at a time: each store must reach exactly the translations that
 * have its bytes, however far before it they begin, and leave the others noticed by later stores. And code that rewrites what comes next in it.
 */
#include "tests/jit/lib.h"

TRAP_HANDLER

enum { WORDS = 1024, TURNS = 6000, RETURN = 0x00008067, ADDI = 0x00050513 /* addi a0, a0, 0 */ };

static u32 code[WORDS] __attribute__((aligned(4096)));
static u64 seed = 1;

static u32 random_below(u32 limit)
{
    seed = seed * 6364136223846793005 + 1442695040888963407;
    return (u32)(seed >> 33) % limit;
}

static u32 random_instruction(void)
{
    return random_below(40) ? ADDI | random_below(2048) << 20 : RETURN;
}

static u64 sum_from(u32 at)
{
    u64 sum = 0;

    for (; code[at] != RETURN; at++)
        sum += code[at] >> 20;
    return sum;
}

static void call(u32 at)
{
    u64 (*fn)(u64) = (u64 (*)(u64))(u64)&code[at];

    expect(fn(0), sum_from(at));
}

/* As a whole, or the upper half with most of its constant. */
static void rewrite(u32 at)
{
    u32 instruction = random_instruction();

    if (instruction != RETURN && code[at] != RETURN && random_below(2))
        ((volatile u16 *)&code[at])[1] = (u16)(instruction >> 16 & 0xfff0) | 5;
    else
        ((volatile u32 *)code)[at] = instruction;
}

/* The instruction behind the fence is written by the one before it; before that, what it was has run, from there. */
static void rewrite_oneself(void)
{
    static u32 text[4] __attribute__((aligned(64))) = { 0x00a5a023 /* sw a0, 0(a1) */, 0x0000100f /* fence.i */, 0x00000513, RETURN }, elsewhere;
    u64 (*fn)(u64, u32 *) = (u64 (*)(u64, u32 *))(u64)text;

    for (u32 i = 1; i < 100; i++) {
        for (u32 k = 0; k < (i & 1 ? 0 : 5); k++)
            expect(fn(0, &elsewhere), i - 1);
        expect(fn(0x00000513 | i << 20 /* li a0, i */, &text[2]), i);
    }
}

/* Two stores: one into the line that both are in, one into the page that is gone to behind the fence. */
static void rewrite_what_follows(void)
{
    static u32 text[2048] __attribute__((aligned(4096))) = {
        0x00d62023 /* sw a3, 0(a2) */, 0x00a5a023 /* sw a0, 0(a1) */, 0x0000100f, 0x7f50006f /* j . + 0xff4 */, [8] = 0x00000013, [1024] = 0x00000513, RETURN
    };
    u64 (*fn)(u64, u32 *, u32 *, u64) = (u64 (*)(u64, u32 *, u32 *, u64))(u64)text;
    u32 elsewhere[2];

    for (u32 i = 1; i < 100; i++) {
        for (u32 k = 0; k < 5; k++)
            expect(fn(0, &elsewhere[0], &elsewhere[1], 0), i - 1);
        expect(fn(0x00000513 | i << 20, &text[1024], &text[8], 0x00000013), i);
    }
}

void main(u64 hart)
{
    other_harts_wait(hart);
    for (u32 i = 0; i < WORDS; i++)
        code[i] = random_instruction();
    code[WORDS - 1] = RETURN;
    fence_i();
    rewrite_oneself();
    rewrite_what_follows();
    for (u32 turn = 0; turn < TURNS; turn++) {
        u32 at = random_below(WORDS - 1);

        for (u32 i = 0; i < 4; i++)
            call(random_below(WORDS));
        rewrite(at);
        fence_i();
        call(at); /* what begins there, and a little before */
        call(at - random_below(at < 80 ? at + 1 : 80));
    }
}
