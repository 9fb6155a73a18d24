/*
 * tests/jit/computed_jump.c - a computed jump that many ways share, which blocks go on to behind a jump back: an interpreter whose dispatch lies in front of,
 * behind and between its handlers; a dispatch that is rewritten, and a tail that lies alone; a circle of jumps back and branches ahead that only an interrupt ends.
 */
#include "tests/jit/lib.h"

enum { STEPS = 4000, ROUNDS = 40, OPS = 6 };

static volatile u64 timers;

static void set_timer(u64 ticks)
{
    volatile u64 *compare = (volatile u64 *)0x2004000, *now = (volatile u64 *)0x200bff8;

    *compare = ticks ? *now + ticks : ~0ul;
}

extern char circle_out[];

u64 trap(u64 cause, u64 epc, u64 tval)
{
    if (cause != (1ul << 63 | 7))
        fail("trap", cause, epc, tval);
    set_timer(0);
    timers++;
    return (u64)circle_out;
}

/*
 * a0: the state, a1: byte codes, a2: the table. A byte code is an op; the state's words are changed by it. `dispatch` has an instruction that tests change (`marked`).
 * The first ops lie in front of the dispatch and behind it, and come to it by jumps ahead and back; one by way of another jump.
 */
__asm__(".option push\n.option norvc\n.balign 4096\n.skip 1024\n"
        "op_add: ld t0, 0(a0)\n ld t1, 8(a0)\n add t0, t0, t1\n sd t0, 0(a0)\n j dispatch\n"
        "op_xor: ld t0, 0(a0)\n ld t1, 16(a0)\n xor t0, t0, t1\n sd t0, 16(a0)\n j by_way\n"
        "dispatch: lbu t0, 0(a1)\n addi a1, a1, 1\n"
        "marked: addi a3, a3, 1\n li t1, 6\n bgtu t0, t1, wrong\n slli t0, t0, 3\n add t0, t0, a2\n ld t2, 0(t0)\n jr t2\n"
        "op_mul: ld t0, 8(a0)\n li t1, 3\n mul t0, t0, t1\n addi t0, t0, 1\n sd t0, 8(a0)\n j dispatch\n"
        ".skip 256\n"
        "by_way: addi a4, a4, 1\n j dispatch\n"
        "op_if: ld t0, 0(a0)\n andi t0, t0, 1\n beqz t0, 1f\n addi a1, a1, 1\n j dispatch\n1: addi a4, a4, 2\n j dispatch\n"
        "op_turn: ld t0, 0(a0)\n srli t1, t0, 7\n slli t0, t0, 57\n or t0, t0, t1\n sd t0, 0(a0)\n j by_way\n"
        "op_end: slli a4, a4, 32\n add a0, a3, a4\n ret\n"
        "wrong: li a0, -1\n ret\n"
        "interpret: li a3, 0\n li a4, 0\n j dispatch\n"
        /* a1: not 0. From `side` back to `tail` and ahead to `side`, until the timer, which may be due before it begins */
        ".balign 64\n tail: addi a0, a0, 1\n bnez a1, side\n jr a2\n .skip 64\n side: addi a0, a0, 2\n j tail\n"
        "circle: addi sp, sp, -16\n sd ra, 8(sp)\n csrsi mstatus, 8\n j side\n circle_out: csrci mstatus, 8\n ld ra, 8(sp)\n addi sp, sp, 16\n ret\n"
        /* a tail in lines of its own, to which nothing but a jump back leads */
        ".balign 4096\n tail_before: nop\n jr a2\n .skip 512\n"
        "behind: mv a2, ra\n j tail_before\n"
        ".option pop\n");
extern char op_add[], op_xor[], op_mul[], op_if[], op_turn[], op_end[];
extern u32 marked[];
u64 interpret(u64 *state, const u8 *code, const void *const *table);
extern u32 tail_before[];
u64 behind(u64 value);
u64 circle(u64 count, u64 go_on, const void *out);

static const void *const table[OPS + 1] = { op_add, op_xor, op_mul, op_if, op_turn, op_end, op_end };
static u8 code[STEPS + 2];
static u64 seed = 1;

static u64 next(void)
{
    seed = seed * 6364136223846793005ul + 1442695040888963407ul;
    return seed >> 33;
}

/* What `marked` adds in each dispatch: `by`. */
static u64 model(u64 *s, u64 by)
{
    u64 dispatches = 0, ways = 0;

    for (const u8 *at = code;;) {
        dispatches += by;
        switch (*at++) {
        case 0: s[0] += s[1]; break;
        case 1: s[2] ^= s[0]; ways++; break;
        case 2: s[1] = s[1] * 3 + 1; break;
        case 3:
            if (s[0] & 1)
                at++;
            else
                ways += 2;
            break;
        case 4: s[0] = s[0] << 57 | s[0] >> 7; ways++; break;
        default: return dispatches + (ways << 32);
        }
    }
}

static void check(u64 by)
{
    u64 state[3] = { next(), next(), next() }, wanted[3] = { state[0], state[1], state[2] };

    for (u64 i = 0; i < STEPS; i++)
        code[i] = (u8)(next() % 5);
    code[STEPS] = code[STEPS + 1] = 5;
    u64 result = interpret(state, code, table), right = model(wanted, by);
    if (result != right)
        fail("result", by, result, right);
    for (u64 i = 0; i < 3; i++)
        if (state[i] != wanted[i])
            fail("state", i, state[i], wanted[i]);
}

void main(u64 hart)
{
    other_harts_wait(hart);
    for (u64 round = 0; round < ROUNDS; round++) {
        u64 by = 1 + round / 4 % 7;

        marked[0] = (u32)by << 20 | 13 << 15 | 13 << 7 | 0x13; /* addi a3, a3, by */
        fence_i();
        check(by);
    }
    for (u64 round = 0; round < ROUNDS; round++) {
        u64 by = round % 2000;

        tail_before[0] = (u32)by << 20 | 10 << 15 | 10 << 7 | 0x13; /* addi a0, a0, by */
        fence_i();
        for (u64 i = 0; i < 200; i++)
            if (behind(i) != i + by)
                fail("behind", round, behind(i), i + by);
    }
    csr_write(mie, 1 << 7);
    for (u64 round = 0; round < 4; round++) {
        set_timer(20000);
        circle(0, 1, circle_out);
    }
    if (timers != 4)
        fail("timers", 0, timers, 4);
    finish(0);
}
