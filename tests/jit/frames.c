/*
 * Accesses off one base share a check, also where they reach over a page's end: stack frames of functions that call themselves lie there
 * at some level. The two pages do not lie behind each other.
 */
#include "tests/jit/lib.h"

TRAP_HANDLER

enum { VA = 0x40000000, LEVELS = 9, FS_DIRTY = 3 << 13, ROUNDS = 3 };

static u64 first[512] __attribute__((aligned(4096))), between[512] __attribute__((aligned(4096))), second[512] __attribute__((aligned(4096)));

/* fib(n) + n on the stack whose end is `sp`; what two words at an address and a NaN made before them are together; the words as doubles. */
u64 fib(u64 n, u64 sp), nan_and_words(u64 at), doubles(u64 at);

__asm__(".text\n"
        "fib: mv t0, sp\n mv sp, a1\n addi sp, sp, -24\n sd t0, 0(sp)\n sd ra, 8(sp)\n sd a0, 16(sp)\n call level\n ld t1, 16(sp)\n ld ra, 8(sp)\n ld sp, 0(sp)\n"
        " add a0, a0, t1\n ret\n"
        "level: addi sp, sp, -40\n sd s1, 24(sp)\n sd s2, 16(sp)\n sd ra, 32(sp)\n sd s0, 0(sp)\n li s2, 0\n mv s1, a0\n li t1, 1\n bleu a0, t1, 2f\n mv s0, a0\n"
        "1: addi a0, s0, -1\n call level\n addi s0, s0, -2\n add s2, s2, a0\n li t1, 1\n bgtu s0, t1, 1b\n andi s1, s1, 1\n"
        "2: ld ra, 32(sp)\n ld s0, 0(sp)\n add a0, s1, s2\n ld s1, 24(sp)\n ld s2, 16(sp)\n addi sp, sp, 40\n ret\n"
        "nan_and_words: fmv.d.x fa0, zero\n fdiv.d fa1, fa0, fa0\n ld t0, 0(a0)\n ld t1, 8(a0)\n fmv.x.d a0, fa1\n add a0, a0, t0\n add a0, a0, t1\n ret\n"
        "doubles: fmv.d.x fa0, zero\n fdiv.d fa1, fa0, fa0\n fsd fa1, 0(a0)\n fld fa2, 8(a0)\n fmv.x.d a0, fa2\n fmv.x.d t0, fa1\n add a0, a0, t0\n ret\n");

static u64 expected(u64 n)
{
    return n < 2 ? n : expected(n - 1) + expected(n - 2);
}

static u64 word_at(u64 at)
{
    u64 value = 0;

    for (u64 i = 8; i--;)
        value = value << 8 | *(const volatile u8 *)(at + i);
    return value;
}

/* How many results were wrong. */
static u64 run(u64 unused)
{
    const u64 edge = VA + 4096, nan = 0x7ff8000000000000;
    u64 wrong = 0;

    (void)unused;
    for (u64 round = 0; round < ROUNDS; round++) {
        for (u64 at = edge - 16; at < edge + LEVELS * 40 + 64; at += 4)
            wrong += fib(LEVELS, at) != expected(LEVELS) + LEVELS;
        for (u64 at = edge - 24; at <= edge; at += 2) {
            u64 words = word_at(at) + word_at(at + 8), behind = word_at(at + 8);

            wrong += nan_and_words(at) != nan + words;
            wrong += doubles(at) != nan + behind;
            wrong += word_at(at) != nan;
        }
    }
    return wrong;
}

void main(u64 hart)
{
    other_harts_wait(hart);

    u64 *root = new_table();

    csr_set(mstatus, FS_DIRTY);
    map(root, 3, 0x80000000, 0x80000000, 2, PTE_RWX);
    map(root, 3, VA, (u64)second, 0, PTE_RWX);
    map(root, 3, VA + 4096, (u64)first, 0, PTE_RWX);
    csr_write(satp, satp_of(root, 3, 1));
    fence_all();
    for (u64 i = 0; i < 512; i++)
        between[i] = ~i;
    expect(in_mode(run, 0, S), 0);
    for (u64 i = 0; i < 512; i++)
        expect(between[i], ~i);
    finish(0);
}
