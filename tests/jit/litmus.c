/*
 * Shapes of the memory model on two harts (RVWMO, Unprivileged manual, appendix A): outcomes that it forbids never occur, and
 * atomics lose nothing. Each round both harts meet, run their half, meet again; hart 0 judges.
 */
#include "tests/jit/lib.h"

TRAP_HANDLER

enum { ROUNDS = 3000 };

static volatile u64 x __attribute__((aligned(64))), y __attribute__((aligned(64)));
static volatile u64 seen[2][2] __attribute__((aligned(64)));
static volatile u64 counter __attribute__((aligned(64))), locked __attribute__((aligned(64)));
static u64 barrier __attribute__((aligned(64)));

#define fence(set) __asm__ volatile("fence " set ::: "memory")

static void meet(u64 *mine)
{
    *mine += 2;
    __atomic_fetch_add(&barrier, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&barrier, __ATOMIC_SEQ_CST) < *mine)
        ;
}

/* Store buffering: with full fences both harts cannot read 0. */
static void sb(u64 hart)
{
    *(hart ? &y : &x) = 1;
    fence("rw, rw");
    seen[hart][0] = *(hart ? &x : &y);
}

/* Message passing. */
static void mp(u64 hart)
{
    if (hart) {
        seen[1][0] = y;
        fence("r, r");
        seen[1][1] = x;
    } else {
        x = 1;
        fence("w, w");
        y = 1;
    }
}

/* Load buffering with fences. */
static void lb(u64 hart)
{
    seen[hart][0] = *(hart ? &x : &y);
    fence("r, w");
    *(hart ? &y : &x) = 1;
}

/* Coherence: later reads of one place never go back. */
static void corr(u64 hart)
{
    if (hart) {
        seen[1][0] = x;
        seen[1][1] = x;
    } else {
        x = 1;
    }
}

/* Message passing by an AMO with release and a load-reserved with acquire. */
static void mp_amo(u64 hart)
{
    u64 one = 1, got;

    if (hart) {
        __asm__ volatile("lr.d.aq %0, (%1)" : "=r"(got) : "r"(&y) : "memory");
        seen[1][0] = got;
        seen[1][1] = x;
    } else {
        x = 1;
        __asm__ volatile("amoswap.d.rl zero, %0, (%1)" ::"r"(one), "r"(&y) : "memory");
    }
}

static void count(u64 hart)
{
    (void)hart;
    for (int i = 0; i < 20; i++) {
        u64 old, failed;

        __asm__ volatile("amoadd.d zero, %0, (%1)" ::"r"(1ul), "r"(&counter) : "memory");
        do {
            __asm__ volatile("lr.d %0, (%2)\n addi %0, %0, 1\n sc.d %1, %0, (%2)" : "=&r"(old), "=&r"(failed) : "r"(&locked) : "memory");
        } while (failed);
    }
}

static void run(void (*half)(u64), u64 hart, u64 *mine)
{
    if (!hart) {
        x = y = 0;
        seen[0][0] = seen[0][1] = seen[1][0] = seen[1][1] = 0;
    }
    meet(mine);
    half(hart);
    meet(mine);
}

void main(u64 hart)
{
    u64 mine = 0;

    for (u64 i = 0; i < ROUNDS; i++) {
        run(sb, hart, &mine);
        if (!hart)
            expect(seen[0][0] == 0 && seen[1][0] == 0, 0);
        meet(&mine);
        run(mp, hart, &mine);
        if (!hart)
            expect(seen[1][0] == 1 && seen[1][1] == 0, 0);
        meet(&mine);
        run(lb, hart, &mine);
        if (!hart)
            expect(seen[0][0] == 1 && seen[1][0] == 1, 0);
        meet(&mine);
        run(corr, hart, &mine);
        if (!hart)
            expect(seen[1][0] == 1 && seen[1][1] == 0, 0);
        meet(&mine);
        run(mp_amo, hart, &mine);
        if (!hart)
            expect(seen[1][0] == 1 && seen[1][1] == 0, 0);
        meet(&mine);
        run(count, hart, &mine);
        if (!hart) {
            expect(counter, (i + 1) * 40);
            expect(locked, (i + 1) * 40);
        }
        meet(&mine);
    }
    if (hart)
        for (;;)
            ;
}
