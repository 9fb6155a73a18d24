/*
 * Shapes of the memory model (RVWMO, Unprivileged manual, chapter "RVWMO Memory Consistency Model" and its appendix): outcomes
 * that it forbids never occur, and atomics lose nothing. Every hart runs its part on many independent cells, one after the other;
 * hart 0 judges them afterwards. Two harts wait for each other at every cell, so that they are in it at the same time; four, for
 * which the host may not have the processors, only before and after a batch of cells.
 *
 * RUNS (of each shape) is 4,000, or what the build says. Harts 2 and 3 sleep while shapes for two run.
 */
#include "tests/jit/lib.h"

TRAP_HANDLER

#ifndef RUNS
#define RUNS 4000
#endif
enum { CELLS = 500, HARTS = 4, CLINT_MSIP = 0x02000000 };

/* What the harts of one instance share: places on lines of their own; and what each has read. */
struct cell {
    u64 arrived __attribute__((aligned(64))), wanted; /* harts that are there; when all are */
    volatile u64 x __attribute__((aligned(64)));
    volatile u64 y __attribute__((aligned(64)));
};
struct seen {
    u64 a, b;
};
static struct cell cells[CELLS];
static struct seen seen[HARTS][CELLS];
/* Of the two harts, of all four. */
static struct barrier {
    u64 arrived __attribute__((aligned(64)));
} barriers[2];
static volatile u64 counter __attribute__((aligned(64))), locked __attribute__((aligned(64)));
static volatile u64 awake;

#define fence(set)        __asm__ volatile("fence " set ::: "memory")
#define amo(name, p, v)   ({ u64 o_; __asm__ volatile(name " %0, %1, (%2)" : "=r"(o_) : "r"((u64)(v)), "r"(p) : "memory"); o_; })
#define lr(name, p)       ({ u64 o_; __asm__ volatile(name " %0, (%1)" : "=r"(o_) : "r"(p) : "memory"); o_; })
/* Stores by LR and SC, again until it succeeds. */
#define sc(lr_name, sc_name, p, v) \
    ({ u64 f_; __asm__ volatile("1: " lr_name " %0, (%2)\n " sc_name " %0, %1, (%2)\n bnez %0, 1b" : "=&r"(f_) : "r"((u64)(v)), "r"(p) : "memory"); })
/* A value computed from v that is 0: a dependency that no hart may drop. */
#define zero_of(v)        ({ u64 z_; __asm__ volatile("xor %0, %1, %1" : "=r"(z_) : "r"(v)); z_; })
/* A branch on v to the next instruction. */
#define control(v)        __asm__ volatile("bnez %0, 1f\n1:" ::"r"(v) : "memory")

static inline void together(struct cell *c)
{
    __atomic_fetch_add(&c->arrived, 1, __ATOMIC_RELAXED);
    while (__atomic_load_n(&c->arrived, __ATOMIC_RELAXED) < c->wanted)
        ;
}

/* PART(name, what one hart does with cell c, what it read going to r->a and r->b) */
#define PART(name, ...)                                                       \
    static void name(struct cell *c, struct seen *r)                          \
    {                                                                         \
        for (int i = 0; i < CELLS; i++, c++, r++) {                           \
            together(c);                                                      \
            __VA_ARGS__                                                       \
        }                                                                     \
    }

PART(sb_0, { c->x = 1; fence("rw, rw"); r->a = c->y; })
PART(sb_1, { c->y = 1; fence("rw, rw"); r->a = c->x; })
PART(sbwr_0, { c->x = 1; fence("w, r"); r->a = c->y; })
PART(sbwr_1, { c->y = 1; fence("w, r"); r->a = c->x; })
PART(sb_free_0, { c->x = 1; r->a = c->y; })
PART(sb_free_1, { c->y = 1; r->a = c->x; })
PART(sb_amo_0, { amo("amoswap.d.aqrl", &c->x, 1); r->a = lr("lr.d.aq", &c->y); })
PART(sb_amo_1, { amo("amoswap.d.aqrl", &c->y, 1); r->a = lr("lr.d.aq", &c->x); })
PART(sb_lr_0, { c->x = 1; r->a = lr("lr.d.aqrl", &c->y); })
PART(sb_lr_1, { c->y = 1; r->a = lr("lr.d.aqrl", &c->x); })
PART(sb_or_0, { c->x = 1; r->a = amo("amoor.d.aqrl", &c->y, 0); })
PART(sb_or_1, { c->y = 1; r->a = amo("amoor.d.aqrl", &c->x, 0); })

PART(mp_0, { c->x = 1; fence("w, w"); c->y = 1; })
PART(mp_1, { r->a = c->y; fence("r, r"); r->b = c->x; })
PART(mp_tso_0, { c->x = 1; __asm__ volatile("fence.tso" ::: "memory"); c->y = 1; })
PART(mp_tso_1, { r->a = c->y; __asm__ volatile("fence.tso" ::: "memory"); r->b = c->x; })
PART(mp_addr_1, { r->a = c->y; r->b = *(volatile u64 *)((u64)&c->x + zero_of(r->a)); })
PART(mp_rl_0, { c->x = 1; amo("amoswap.d.rl", &c->y, 1); })
PART(mp_aq_1, { r->a = lr("lr.d.aq", &c->y); r->b = c->x; })
PART(mp_sc_0, { c->x = 1; sc("lr.d", "sc.d.rl", &c->y, 1); })
PART(mp_or_1, { r->a = amo("amoor.d.aq", &c->y, 0); r->b = c->x; })
PART(mp_w_0, { ((volatile u32 *)&c->x)[0] = 1; fence("w, w"); ((volatile u32 *)&c->y)[0] = 1; })
PART(mp_w_1, { r->a = ((volatile u32 *)&c->y)[0]; fence("r, r"); r->b = ((volatile u32 *)&c->x)[0]; })

PART(lb_0, { r->a = c->x; fence("r, w"); c->y = 1; })
PART(lb_1, { r->a = c->y; fence("r, w"); c->x = 1; })
PART(lb_data_0, { r->a = c->x; c->y = zero_of(r->a) + 1; })
PART(lb_data_1, { r->a = c->y; c->x = zero_of(r->a) + 1; })
PART(lb_ctrl_0, { r->a = c->x; control(r->a); c->y = 1; })
PART(lb_ctrl_1, { r->a = c->y; control(r->a); c->x = 1; })
PART(lb_rl_0, { r->a = c->x; amo("amoswap.d.rl", &c->y, 1); })
PART(lb_rl_1, { r->a = c->y; amo("amoswap.d.rl", &c->x, 1); })

PART(s_0, { c->x = 2; fence("w, w"); c->y = 1; })
PART(s_1, { r->a = c->y; fence("r, w"); c->x = 1; })
PART(s_data_1, { r->a = c->y; c->x = zero_of(r->a) + 1; })
PART(r_0, { c->x = 1; fence("w, w"); c->y = 1; })
PART(r_1, { c->y = 2; fence("w, r"); r->a = c->x; })
PART(r_free_1, { c->y = 2; r->a = c->x; })
PART(w_0, { c->x = 1; fence("w, w"); c->y = 2; })
PART(w_1, { c->y = 1; fence("w, w"); c->x = 2; })
PART(w_rl_0, { c->x = 1; amo("amoswap.d.rl", &c->y, 2); })
PART(w_rl_1, { c->y = 1; amo("amoswap.d.rl", &c->x, 2); })

PART(write_x, { c->x = 1; })
PART(write_x2, { c->x = 2; })
PART(write_y, { c->y = 1; })
PART(read_xx, { r->a = c->x; r->b = c->x; })
PART(coww_0, { c->x = 1; c->x = 2; })
PART(corw_0, { r->a = c->x; c->x = 2; })
PART(corw_own, { r->a = c->x; c->x = 1; })
PART(cowr_0, { c->x = 1; r->a = c->x; })
PART(cowr_amo_0, { amo("amoswap.d", &c->x, 1); r->a = c->x; })

PART(wrc_1, { r->a = c->x; fence("r, w"); c->y = 1; })
PART(wrc_2, { r->a = c->y; fence("r, r"); r->b = c->x; })
PART(rwc_1, { r->a = c->x; fence("r, r"); r->b = c->y; })
PART(rwc_2, { c->y = 1; fence("w, r"); r->a = c->x; })
PART(iriw_1, { r->a = c->x; fence("r, r"); r->b = c->y; })
PART(iriw_3, { r->a = c->y; fence("r, r"); r->b = c->x; })
PART(iriw_aq_1, { r->a = lr("lr.d.aq", &c->x); r->b = lr("lr.d.aq", &c->y); })
PART(iriw_aq_3, { r->a = lr("lr.d.aq", &c->y); r->b = lr("lr.d.aq", &c->x); })

/* What RVWMO forbids, of places after and registers of harts: R(1, a) is what hart 1 read as a. */
#define R(hart, reg) (s[hart]->reg)
#define FORBIDDEN(name, condition)                                            \
    static int name(const struct cell *c, const struct seen *const s[])       \
    {                                                                         \
        (void)c;                                                              \
        (void)s;                                                              \
        return condition;                                                     \
    }
FORBIDDEN(sb, R(0, a) == 0 && R(1, a) == 0)
FORBIDDEN(mp, R(1, a) == 1 && R(1, b) == 0)
FORBIDDEN(lb, R(0, a) == 1 && R(1, a) == 1)
FORBIDDEN(s, R(1, a) == 1 && c->x == 2)
FORBIDDEN(r, c->y == 2 && R(1, a) == 0)
FORBIDDEN(w2, c->x == 1 && c->y == 1)
FORBIDDEN(corr, R(1, a) == 1 && R(1, b) == 0)
FORBIDDEN(coww, c->x != 2 || (R(1, a) == 2 && R(1, b) != 2) || (R(1, a) == 1 && R(1, b) == 0))
FORBIDDEN(corw, (R(0, a) == 1 && c->x == 1) || R(0, a) == 2)
FORBIDDEN(corw1, R(0, a) != 0)
FORBIDDEN(cowr, R(0, a) == 0 || (R(0, a) == 2 && c->x == 1))
FORBIDDEN(wrc, R(1, a) == 1 && R(2, a) == 1 && R(2, b) == 0)
FORBIDDEN(rwc, R(1, a) == 1 && R(1, b) == 0 && R(2, a) == 0)
FORBIDDEN(iriw, R(1, a) == 1 && R(1, b) == 0 && R(3, a) == 1 && R(3, b) == 0)

typedef void part(struct cell *, struct seen *);

/* allowed: the outcome may occur; it is counted, not judged: what the fences of its neighbour are good for. */
static const struct shape {
    const char *name;
    part *part[HARTS];
    int (*outcome)(const struct cell *c, const struct seen *const s[]);
    int allowed;
} shapes[] = {
    { "SB", { sb_free_0, sb_free_1 }, sb, 1 },
    { "SB+fence.rw.rw", { sb_0, sb_1 }, sb, 0 },
    { "SB+fence.w.r", { sbwr_0, sbwr_1 }, sb, 0 },
    { "SB+amoswap.aqrl+lr.aq", { sb_amo_0, sb_amo_1 }, sb, 0 },
    { "SB+lr.aqrl", { sb_lr_0, sb_lr_1 }, sb, 0 },
    { "SB+amoor.aqrl", { sb_or_0, sb_or_1 }, sb, 0 },
    { "MP+fence.w.w+fence.r.r", { mp_0, mp_1 }, mp, 0 },
    { "MP+fence.tso", { mp_tso_0, mp_tso_1 }, mp, 0 },
    { "MP+fence.w.w+addr", { mp_0, mp_addr_1 }, mp, 0 },
    { "MP+amoswap.rl+lr.aq", { mp_rl_0, mp_aq_1 }, mp, 0 },
    { "MP+sc.rl+amoor.aq", { mp_sc_0, mp_or_1 }, mp, 0 },
    { "MP of words", { mp_w_0, mp_w_1 }, mp, 0 },
    { "LB+fence.r.w", { lb_0, lb_1 }, lb, 0 },
    { "LB+data", { lb_data_0, lb_data_1 }, lb, 0 },
    { "LB+ctrl", { lb_ctrl_0, lb_ctrl_1 }, lb, 0 },
    { "LB+amoswap.rl", { lb_rl_0, lb_rl_1 }, lb, 0 },
    { "S+fence.w.w+fence.r.w", { s_0, s_1 }, s, 0 },
    { "S+fence.w.w+data", { s_0, s_data_1 }, s, 0 },
    { "R", { r_0, r_free_1 }, r, 1 },
    { "R+fence.w.w+fence.w.r", { r_0, r_1 }, r, 0 },
    { "2+2W+fence.w.w", { w_0, w_1 }, w2, 0 },
    { "2+2W+amoswap.rl", { w_rl_0, w_rl_1 }, w2, 0 },
    { "CoRR", { write_x, read_xx }, corr, 0 },
    { "CoWW", { coww_0, read_xx }, coww, 0 },
    { "CoRW1", { corw_own, read_xx }, corw1, 0 },
    { "CoRW2", { corw_0, write_x }, corw, 0 },
    { "CoWR", { cowr_0, write_x2 }, cowr, 0 },
    { "CoWR+amoswap", { cowr_amo_0, write_x2 }, cowr, 0 },
    { "WRC+fence.r.w+fence.r.r", { write_x, wrc_1, wrc_2 }, wrc, 0 },
    { "RWC+fence.r.r+fence.w.r", { write_x, rwc_1, rwc_2 }, rwc, 0 },
    { "IRIW+fence.r.r", { write_x, iriw_1, write_y, iriw_3 }, iriw, 0 },
    { "IRIW+lr.aq", { write_x, iriw_aq_1, write_y, iriw_aq_3 }, iriw, 0 },
};
enum { SHAPES = sizeof(shapes) / sizeof(shapes[0]) };

static u64 harts_of(const struct shape *shape)
{
    return shape->part[2] ? HARTS : 2;
}

/* mine: how far this hart is at either barrier. */
static void meet_of(u64 *mine, u64 harts)
{
    struct barrier *barrier = &barriers[harts == HARTS];

    mine += harts == HARTS;
    *mine += harts;
    __atomic_fetch_add(&barrier->arrived, 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&barrier->arrived, __ATOMIC_SEQ_CST) < *mine)
        ;
}

static void say(const char *text)
{
    while (*text)
        put(*text++);
}

static u64 judge(const struct shape *shape)
{
    u64 count = 0;

    for (int i = 0; i < CELLS; i++) {
        const struct seen *s[HARTS] = { &seen[0][i], &seen[1][i], &seen[2][i], &seen[3][i] };

        if (!shape->outcome(&cells[i], s))
            continue;
        count++;
        if (!shape->allowed) {
            say(shape->name);
            fail(": x, y, what hart 1 read:", cells[i].x, cells[i].y, s[1]->a << 32 | s[1]->b);
        }
    }
    return count;
}

static void clear(u64 harts)
{
    for (int i = 0; i < CELLS; i++) {
        cells[i].arrived = cells[i].x = cells[i].y = 0;
        cells[i].wanted = harts == 2 ? 2 : 0;
        for (int hart = 0; hart < HARTS; hart++)
            seen[hart][i] = (struct seen){ 0, 0 };
    }
}

static void run(const struct shape *shape, u64 hart, u64 *mine)
{
    u64 harts = harts_of(shape), found = 0;

    for (u64 done = 0; done < RUNS; done += CELLS) {
        if (!hart)
            clear(harts);
        meet_of(mine, harts);
        if (shape->part[hart])
            shape->part[hart](cells, seen[hart]);
        meet_of(mine, harts);
        if (!hart)
            found += judge(shape);
    }
    if (!hart && shape->allowed) {
        say(shape->name);
        say(" (allowed) seen, times: ");
        put_hex(found);
        put('\n');
    }
}

/* Counters of both kinds lose nothing. */
static void count(u64 *mine)
{
    enum { TIMES = RUNS };

    for (int i = 0; i < TIMES; i++) {
        u64 old, failed;

        __asm__ volatile("amoadd.d zero, %0, (%1)" ::"r"(1ul), "r"(&counter) : "memory");
        do {
            __asm__ volatile("lr.d %0, (%2)\n addi %0, %0, 1\n sc.d %1, %0, (%2)" : "=&r"(old), "=&r"(failed) : "r"(&locked) : "memory");
        } while (failed);
    }
    meet_of(mine, 2);
    expect(counter, 2 * TIMES);
    expect(locked, 2 * TIMES);
}

/* Harts 2 and 3, until hart 0 calls them. */
static void sleep_until_called(u64 hart)
{
    csr_write(mie, 8);
    while (!awake)
        __asm__ volatile("wfi");
    *(volatile u32 *)(CLINT_MSIP + 4 * hart) = 0;
}

static void call_others(void)
{
    awake = 1;
    fence("rw, rw");
    for (u64 hart = 2; hart < HARTS; hart++)
        *(volatile u32 *)(CLINT_MSIP + 4 * hart) = 1;
}

void main(u64 hart)
{
    u64 mine[2] = { 0, 0 };

    if (hart >= 2)
        sleep_until_called(hart);
    else
        count(mine);
    for (int i = 0; i < SHAPES; i++) {
        u64 harts = harts_of(&shapes[i]);

        if (!hart && harts == HARTS && !awake)
            call_others();
        if (hart < harts)
            run(&shapes[i], hart, mine);
    }
    if (hart)
        for (;;)
            __asm__ volatile("wfi");
}
