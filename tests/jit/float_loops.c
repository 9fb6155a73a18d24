/*
 * Loops over arrays of floating-point numbers, as one piece: against the same instructions one element at a time, by calls, of which no loop is made. Infinities and
 * NaNs of all kinds among the numbers, arrays that overlap at all distances, a fault in the middle, registers that hold no single.
 */
#include "tests/jit/lib.h"

enum { VA = 0x40000000, FS_DIRTY = 3 << 13, WORDS = 2048, ROUNDS = 700, GAP = 12, BOXES = 40 };
#define NAN32 0xffffffff7fc00000ul
#define NAN64 0x7ff8000000000000ul

static u32 singles[2][WORDS] __attribute__((aligned(4096)));
static u64 doubles[2][WORDS] __attribute__((aligned(4096)));
static u64 pages[2 * 512] __attribute__((aligned(4096)));
static volatile u64 traps, seen;
static u64 *root;

u64 trap(u64 cause, u64 epc, u64 tval)
{
    (void)tval;
    if (epc == (u64)come_back && (cause == 8 || cause == 9))
        return back_to_m();
    traps++;
    __asm__ volatile("fmv.x.d %0, fa4" : "=r"(*(u64 *)&seen));
    return epc + ((*(u16 *)epc & 3) == 3 ? 4 : 2);
}

struct state {
    u64 a4, a5; /* what is in fa4 and fa5 at the end */
};

/* y = x * fa2 + fa3 * y; the asm of one element, and of all of them. */
#define SINGLES(at)                                                                                                                  \
    "flw fa4, 0(" at "0)\n flw fa5, 0(" at "1)\n addi " at "0, " at "0, 4\n fmul.s fa4, fa4, fa2\n fmul.s fa5, fa3, fa5\n addi " at "1, " at "1, 4\n" \
    "fadd.s fa5, fa5, fa4\n fsw fa5, -4(" at "1)\n"
#define DOUBLES(at)                                                                                                                  \
    "fld fa4, 0(" at "0)\n fld fa5, 0(" at "1)\n addi " at "0, " at "0, 8\n fmul.d fa4, fa4, fa2\n fsub.d fa5, fa5, fa4\n addi " at "1, " at "1, 8\n" \
    "fsd fa5, -8(" at "1)\n"

/* x and y: sqrt(x * x + fa3) and y / x - fa2, by a counter that goes down. */
#define PAIRS(at)                                                                                                                    \
    "fld fa4, 0(" at "0)\n fld fa5, 0(" at "1)\n fmadd.d fa6, fa4, fa4, fa3\n fdiv.d fa5, fa5, fa4\n fsqrt.d fa6, fa6\n fsub.d fa5, fa5, fa2\n" \
    "fsd fa6, 0(" at "0)\n fsd fa5, 0(" at "1)\n addi " at "0, " at "0, 8\n addi " at "1, " at "1, 8\n"
/* y = x * fa3 + fa3; what else is made, x * fa2 + y, nobody stores. */
#define FUSED(at)                                                                                                                    \
    "fld fa4, 0(" at "0)\n fld fa5, 0(" at "1)\n fmadd.d fa6, fa4, fa2, fa5\n fnmadd.d fa5, fa4, fa3, fa3\n addi " at "0, " at "0, 8\n" \
    "fsd fa5, 0(" at "1)\n addi " at "1, " at "1, 8\n"

/* y = the sum of all x so far. */
#define SUMS(at) "fld fa4, 0(" at "0)\n fadd.d fa5, fa5, fa4\n fsd fa5, 0(" at "1)\n addi " at "0, " at "0, 8\n addi " at "1, " at "1, 8\n"

u64 one_single(u64 x, u64 y, struct state *out), one_double(u64 x, u64 y, struct state *out);
u64 all_singles(u64 x, u64 y, u64 end, struct state *out), all_doubles(u64 x, u64 y, u64 end, struct state *out);
u64 one_pair(u64 x, u64 y, struct state *out), all_pairs(u64 x, u64 y, u64 count, struct state *out);
u64 one_fused(u64 x, u64 y, struct state *out), all_fused(u64 x, u64 y, u64 count, struct state *out);
u64 one_sum(u64 x, u64 y, struct state *out), all_sums(u64 x, u64 y, u64 count, struct state *out);
u64 add_up(u64 from, u64 end), load_until(u64 from, u64 end), mixed(u64 from, u64 end);

__asm__(".text\n"
        "one_single:\n" SINGLES("a") "fsd fa4, 0(a2)\n fsd fa5, 8(a2)\n ret\n"
        "one_double:\n" DOUBLES("a") "fsd fa4, 0(a2)\n fsd fa5, 8(a2)\n ret\n"
        "all_singles: 1:\n" SINGLES("a") "bne a2, a1, 1b\n fsd fa4, 0(a3)\n fsd fa5, 8(a3)\n ret\n"
        "all_doubles: 1:\n" DOUBLES("a") "bne a2, a1, 1b\n fsd fa4, 0(a3)\n fsd fa5, 8(a3)\n ret\n"
        "one_pair:\n" PAIRS("a") "fsd fa6, 0(a2)\n fsd fa5, 8(a2)\n ret\n"
        "all_pairs: 1:\n" PAIRS("a") "addi a2, a2, -1\n bnez a2, 1b\n fsd fa6, 0(a3)\n fsd fa5, 8(a3)\n ret\n"
        "one_fused:\n" FUSED("a") "fsd fa6, 0(a2)\n fsd fa5, 8(a2)\n ret\n"
        "all_fused: 1:\n" FUSED("a") "addi a2, a2, -1\n bne zero, a2, 1b\n fsd fa6, 0(a3)\n fsd fa5, 8(a3)\n ret\n"
        "one_sum:\n" SUMS("a") "fsd fa4, 0(a2)\n fsd fa5, 8(a2)\n ret\n"
        "all_sums: 1:\n" SUMS("a") "addi a2, a2, -1\n bne zero, a2, 1b\n fsd fa4, 0(a3)\n fsd fa5, 8(a3)\n ret\n"
        /* The bits of fa0 before each division of 0 by 0, added up: the NaN of the turn before must be the default one. */
        "add_up: fmv.d.x fa0, zero\n fmv.d.x fa1, zero\n li a2, 0\n"
        "1: fmv.x.d a3, fa0\n add a2, a2, a3\n fdiv.d fa0, fa1, fa1\n ld a3, 0(a0)\n add a2, a2, a3\n addi a0, a0, 8\n bne a0, a1, 1b\n mv a0, a2\n ret\n"
        /* The bits of fa2 + fa2 as singles, added up; fa2 is a single in the first turns, and then doubles, which are no boxes. */
        "mixed: li a2, 0\n 1: fadd.s fa4, fa2, fa2\n fmv.x.w a3, fa4\n add a2, a2, a3\n fld fa2, 0(a0)\n addi a0, a0, 8\n bne a0, a1, 1b\n mv a0, a2\n ret\n"
        /* fa4 is a NaN when the load of the next turn faults. */
        "load_until: fmv.d.x fa1, zero\n 1: fld fa4, 0(a0)\n fdiv.d fa4, fa1, fa1\n addi a0, a0, 8\n bne a0, a1, 1b\n fmv.x.d a0, fa4\n ret\n");

static u64 random_state = 1;

static u64 random(void)
{
    random_state = random_state * 6364136223846793005ul + 1442695040888963407ul;
    return random_state >> 33;
}

static u32 random_single(u64 odd)
{
    static const u32 special[] = { 0x7f800000, 0xff800000, 0x7fc00000, 0xffc12345, 0x7f812345, 1, 0x80000000, 0x00400000, 0x7f7fffff, 0 };

    return random() % odd ? 0x3f000000 + (u32)(random() % 0x1000000) : special[random() % (sizeof(special) / 4)];
}

static u64 random_double(u64 odd)
{
    static const u64 special[] = { 0x7ff0000000000000, 0xfff0000000000000, NAN64, 0xfff8123400000000, 0x7ff0000000001234, 1, 1ul << 63, 0x7fefffffffffffff, 0 };

    return random() % odd ? 0x3ff0000000000000 + (random() << 20) : special[random() % (sizeof(special) / 8)];
}

static void set_factors(u64 a2, u64 a3)
{
    __asm__ volatile("fmv.d.x fa2, %0\n fmv.d.x fa3, %1\n fmv.d.x fa5, zero\n csrw fflags, zero" ::"r"(a2), "r"(a3));
}

/* The first array by the loop, the second one element at a time; all of both must be the same then, and what is left in registers. */
static void compare_singles(u64 odd)
{
    u64 y = random() % 3 ? 600 + random() % 900 : 1000, x = random() % 2 ? y + GAP - random() % (2 * GAP) : 100 + random() % 400, count = 1 + random() % 90, flags;
    u64 a2 = ~0xfffffffful | random_single(odd), a3 = random() % 20 ? ~0xfffffffful | random_single(odd) : random_double(4);
    struct state got, want;

    for (u64 i = 0; i < WORDS; i++)
        singles[0][i] = singles[1][i] = random_single(odd);
    set_factors(a2, a3);
    all_singles((u64)&singles[0][x], (u64)&singles[0][y], (u64)&singles[0][y + count], &got);
    flags = csr_read(fflags);
    set_factors(a2, a3);
    for (u64 i = 0; i < count; i++)
        one_single((u64)&singles[1][x + i], (u64)&singles[1][y + i], &want);
    expect(flags, csr_read(fflags));
    expect(got.a4, want.a4);
    expect(got.a5, want.a5);
    for (u64 i = 0; i < WORDS; i++)
        expect(singles[0][i], singles[1][i]);
}

/* Likewise. `counts`: the third argument is the number of elements, else where the second array ends. */
static void compare_doubles(u64 odd, u64 (*all)(u64 x, u64 y, u64 end, struct state *out), u64 (*one)(u64 x, u64 y, struct state *out), u64 counts)
{
    u64 y = random() % 3 ? 600 + random() % 900 : 1000, x = random() % 2 ? y + GAP - random() % (2 * GAP) : 100 + random() % 400, count = 1 + random() % 90, flags;
    u64 a2 = random_double(odd), a3 = random_double(odd);
    struct state got, want;

    for (u64 i = 0; i < WORDS; i++)
        doubles[0][i] = doubles[1][i] = random_double(odd);
    set_factors(a2, a3);
    all((u64)&doubles[0][x], (u64)&doubles[0][y], counts ? count : (u64)&doubles[0][y + count], &got);
    flags = csr_read(fflags);
    set_factors(a2, a3);
    for (u64 i = 0; i < count; i++)
        one((u64)&doubles[1][x + i], (u64)&doubles[1][y + i], &want);
    expect(flags, csr_read(fflags));
    expect(got.a4, want.a4);
    expect(got.a5, want.a5);
    for (u64 i = 0; i < WORDS; i++)
        expect(doubles[0][i], doubles[1][i]);
}

/* 0 * infinity is invalid even when a NaN is added, which is all that the sum is then; the host does not say so. */
static void invalid_product(u64 count)
{
    enum { INVALID = 16 };
    struct state out;

    for (u64 i = 0; i < 2 * WORDS; i++)
        doubles[0][i % WORDS] = 0x3ff0000000000000;
    doubles[0][0] = 0;
    doubles[0][1024] = NAN64;
    set_factors(0x7ff0000000000000, 0x3ff0000000000000);
    all_fused((u64)&doubles[0][0], (u64)&doubles[0][1024], count, &out);
    expect(csr_read(fflags), INVALID);
}

/* In S mode: pages behind each other that are not so in memory. */
static u64 swapped(u64 rounds)
{
    u64 *v = (u64 *)VA, wrong = 0;
    struct state out;

    while (rounds--) {
        u64 y = 400 + random() % 112, x = random() % 300, count = 1 + random() % 200;

        for (u64 i = 0; i < 1024; i++)
            v[i] = doubles[1][i] = random_double(1000);
        set_factors(0x3ff8000000000000, 0);
        all_doubles((u64)(v + x), (u64)(v + y), (u64)(v + y + count), &out);
        for (u64 i = 0; i < count; i++)
            one_double((u64)&doubles[1][x + i], (u64)&doubles[1][y + i], &out);
        for (u64 i = 0; i < 1024; i++)
            wrong += v[i] != doubles[1][i];
    }
    return wrong;
}

/* In S mode: the second page is not there. */
static u64 fault(u64 count)
{
    while (count--) {
        seen = 0;
        load_until(VA + 4096 - 8 * (1 + count % 200), VA + 4096 + 8);
        if (seen != NAN64)
            return seen;
    }
    return NAN64;
}

void main(u64 hart)
{
    other_harts_wait(hart);
    csr_set(mstatus, FS_DIRTY);
    for (u64 n = 0; n < ROUNDS; n++) {
        compare_singles(n % 2 ? 1000 : 12);
        compare_doubles(n % 2 ? 1000 : 12, all_doubles, one_double, 0);
        compare_doubles(n % 2 ? 1000 : 60, all_sums, one_sum, 1);
        compare_doubles(n % 2 ? 1000 : 40, all_pairs, one_pair, 1);
        compare_doubles(n % 2 ? 1000 : 20, all_fused, one_fused, 1);
        invalid_product(2 + n % 40);
    }
    for (u64 n = 1; n < ROUNDS; n++)
        expect(add_up((u64)pages, (u64)(pages + n)), (n - 1) * NAN64);
    for (u64 i = 0; i < BOXES; i++)
        pages[i] = ~0xfffffffful | 0x3f800000;
    for (u64 n = 0; n < 20 * ROUNDS; n++) {
        u64 rest = n % ROUNDS;

        set_factors(pages[0], 0);
        expect(mixed((u64)pages, (u64)(pages + BOXES + 1 + rest)), (BOXES + 1) * 0x40000000ul + rest * 0x7fc00000);
    }
    root = new_table();
    map(root, 3, 0x80000000, 0x80000000, 2, PTE_RWX);
    map(root, 3, VA, (u64)pages, 0, PTE_RWX);
    csr_write(satp, satp_of(root, 3, 1));
    fence_all();
    expect(in_mode(fault, 2000, S), NAN64);
    expect(traps, 2000);
    map(root, 3, VA, (u64)doubles[0] + 8192, 0, PTE_RWX);
    map(root, 3, VA + 4096, (u64)doubles[0], 0, PTE_RWX);
    fence_all();
    expect(in_mode(swapped, ROUNDS, S), 0);
    finish(0);
}
