/* Atomics of bytes, halfwords and pairs (Zabha, Zacas) between two harts, and ordered loads and stores (Zalasr). -cpu max */
#include "tests/jit/lib.h"

TRAP_HANDLER

enum { ADD = 0x00, SWAP = 0x04, CAS = 0x14 }; /* funct7, which is funct5, aq and rl */
enum { TURNS = 5000, PAIR_TURNS = 50000 };

/* The assembler of the time of writing does not know the names. */
#define ATOMIC(funct7, funct3, rd, at, value) \
    __asm__ volatile(".insn r 0x2f, %c3, %c4, %0, %1, %2" : "+r"(rd) : "r"(at), "r"(value), "i"(funct3), "i"(funct7) : "memory")

static volatile u8 bytes[8] __attribute__((aligned(16)));
static volatile u16 halves[4] __attribute__((aligned(16)));
static volatile u64 pair[2] __attribute__((aligned(16)));
static volatile u64 ready[2], done[2];

static u64 amo_b(volatile u8 *at, u64 value)
{
    u64 old = 0;

    ATOMIC(ADD, 0, old, at, value);
    return old;
}

static u64 cas_h(volatile u16 *at, u64 expected, u64 desired)
{
    ATOMIC(CAS, 1, expected, at, desired);
    return expected;
}

/* amocas.q a2, a4, (a1) */
static int cas_q(volatile u64 *at, u64 old[2], u64 low, u64 high)
{
    register u64 a1 __asm__("a1") = (u64)at, a2 __asm__("a2") = old[0], a3 __asm__("a3") = old[1];
    register u64 a4 __asm__("a4") = low, a5 __asm__("a5") = high;
    int same;

    __asm__ volatile(".insn r 0x2f, 4, 0x14, a2, a1, a4" : "+r"(a2), "+r"(a3) : "r"(a1), "r"(a4), "r"(a5) : "memory");
    same = a2 == old[0] && a3 == old[1];
    old[0] = a2;
    old[1] = a3;
    return same;
}

/* Both harts, each at its own byte and at the same halfword and pair. */
static void race(u64 hart)
{
    u64 old[2] = { pair[0], pair[1] };

    for (u64 i = 0; i < TURNS; i++) {
        u64 half = halves[1];

        amo_b(&bytes[hart], 1);
        amo_b(&bytes[2 + (i & 1)], 3);
        for (u64 seen; (seen = cas_h(&halves[1], half, half + 1)) != (u64)(s64)(short)half;)
            half = seen;
    }
    for (u64 i = 0; i < PAIR_TURNS; i++)
        while (!cas_q(pair, old, old[0] + 1, ~(old[0] + 1)))
            expect(old[1], ~old[0]);
}

static void wait_for_both(volatile u64 *flags, u64 hart)
{
    u64 one = 1, unused = 0;

    ATOMIC(SWAP, 3, unused, &flags[hart], one);
    while (!flags[1 - hart])
        ;
    __asm__ volatile("fence rw, rw" ::: "memory");
}

static void alone(void)
{
    u64 old[2] = { 5, 6 }, value = 0x1122334455667788;

    /* What is there comes back, extended by its sign; only a match stores. */
    bytes[4] = 0x7f;
    expect(amo_b(&bytes[4], 2), 0x7f);
    expect(amo_b(&bytes[4], 0), (u64)-0x7f);
    halves[2] = 0x8001;
    expect(cas_h(&halves[2], 0x8002, 7), (u64)(s64)(short)0x8001);
    expect(halves[2], 0x8001);
    expect(cas_h(&halves[2], 0xabcd8001, 7), (u64)(s64)(short)0x8001);
    expect(halves[2], 7);
    pair[0] = 1;
    pair[1] = 2;
    expect(cas_q(pair, old, 8, 9), 0);
    expect(old[0], 1);
    expect(old[1], 2);
    expect(cas_q(pair, old, 8, 9), 1);
    expect(pair[0] << 4 | pair[1], 0x89);
    /* rd x0 compares with zeros and writes nothing; rs2 x0 stores zeros. amocas.q x0, x0, (a0); amocas.d x0, a1, (a0) */
    __asm__ volatile("mv a0, %0\n.insn r 0x2f, 4, 0x14, x0, a0, x0" ::"r"(pair) : "a0", "memory");
    expect(pair[0] << 4 | pair[1], 0x89);
    pair[0] = 0;
    __asm__ volatile("mv a0, %0\nmv a1, %1\n.insn r 0x2f, 3, 0x14, x0, a0, a1" ::"r"(pair), "r"(value) : "a0", "a1", "memory");
    expect(pair[0], value);
    /* Odd registers are reserved, 8 bytes are not alignment enough. */
    __asm__ volatile("mv a0, %0\n.insn r 0x2f, 4, 0x14, a3, a0, a4" ::"r"(pair) : "a0", "a3", "a4", "memory");
    expect(trapped.count, 1);
    expect(trapped.cause, 2);
    cas_q(pair + 1, old, 0, 0);
    expect(trapped.count, 2);
    expect(trapped.cause, 6);
    expect(trapped.tval, pair + 1);
}

static void ordered(void)
{
    u64 value = 0, stored = 0xffffffffffff8899, none = 0;
    u64 count = trapped.count;

    __asm__ volatile(".insn r 0x2f, 1, 0x1d, x0, %0, %1" ::"r"(&halves[3]), "r"(stored) : "memory"); /* sh.rl */
    __asm__ volatile(".insn r 0x2f, 1, 0x1a, %0, %1, x0" : "=r"(value) : "r"(&halves[3]) : "memory"); /* lh.aq */
    expect(value, (u64)(s64)(short)0x8899);
    expect(halves[3], 0x8899);
    __asm__ volatile(".insn r 0x2f, 0, 0x1a, %0, %1, x0" : "=r"(value) : "r"(&halves[3]) : "memory"); /* lb.aq */
    expect(value, (u64)(s64)(signed char)0x99);
    __asm__ volatile(".insn r 0x2f, 3, 0x1a, %0, %1, x0" : "+r"(none) : "r"((u64)pair + 4) : "memory"); /* ld.aq */
    expect(trapped.count, count + 1);
    expect(trapped.cause, 4);
    expect(none, 0);
    __asm__ volatile(".insn r 0x2f, 2, 0x1d, x0, %0, %1" ::"r"((u64)pair + 2), "r"(stored) : "memory"); /* sw.rl */
    expect(trapped.count, count + 2);
    expect(trapped.cause, 6);
}

/* Devices take ordered loads and stores, and refuse exclusives and AMOs. */
static void devices(void)
{
    enum { MSIP1 = 0x02000004 };
    u64 value = 0, one = 1, count = trapped.count;

    csr_write(mie, 0);
    __asm__ volatile(".insn r 0x2f, 2, 0x1d, x0, %0, %1" ::"r"((u64)MSIP1), "r"(one) : "memory"); /* sw.rl */
    __asm__ volatile(".insn r 0x2f, 2, 0x1a, %0, %1, x0" : "=r"(value) : "r"((u64)MSIP1) : "memory"); /* lw.aq */
    expect(value, 1);
    __asm__ volatile(".insn r 0x2f, 2, 0x1f, x0, %0, x0" ::"r"((u64)MSIP1) : "memory"); /* sw.aqrl */
    __asm__ volatile(".insn r 0x2f, 2, 0x1b, %0, %1, x0" : "=r"(value) : "r"((u64)MSIP1) : "memory"); /* lw.aqrl */
    expect(value, 0);
    expect(trapped.count, count);
    __asm__ volatile("lr.w.aq %0, (%1)" : "+r"(value) : "r"((u64)MSIP1) : "memory");
    expect(trapped.count, count + 1);
    expect(trapped.cause, 5);
    expect(trapped.tval, MSIP1);
    __asm__ volatile("amoadd.w %0, %0, (%1)" : "+r"(value) : "r"((u64)MSIP1) : "memory");
    expect(trapped.count, count + 2);
    expect(trapped.cause, 7);
}

int main(u64 hart)
{
    u64 old[2] = { 0, ~0ul };

    if (hart == 0) {
        alone();
        ordered();
        devices();
        bytes[4] = 0;
        halves[1] = 0;
        pair[0] = 0;
        pair[1] = ~0ul;
    }
    wait_for_both(ready, hart);
    race(hart);
    wait_for_both(done, hart);
    if (hart != 0)
        for (;;)
            ;
    expect(bytes[0], TURNS & 255);
    expect(bytes[1], TURNS & 255);
    expect(bytes[2], TURNS * 3 & 255);
    expect(bytes[3], TURNS * 3 & 255);
    expect(halves[1], 2 * TURNS & 0xffff);
    expect(pair[0], 2 * PAIR_TURNS);
    old[0] = pair[0];
    old[1] = ~old[0];
    expect(cas_q(pair, old, 0, 0), 1);
    return 0;
}
