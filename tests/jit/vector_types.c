/*
 * tests/jit/vector_types.c - blocks of vector code without vsetvli, entered with ever other vtype and vl: what was assumed when they were translated
 * mostly does not hold; what they do to FS does not depend on that. Also stores and loads of every length behind vsetvli, all of it and under masks:
 * no byte beside them changes.
 */
#include "tests/jit/lib.h"

enum { BYTES = 128, ROUNDS = 6000, GUARD = 16 };

u64 trap(u64 cause, u64 epc, u64 tval)
{
    fail("unexpected trap:", cause, epc, tval);
    return 0;
}

static u8 a[BYTES + GUARD] __attribute__((aligned(4096))), b[BYTES + GUARD], c[BYTES + GUARD], from[2 * BYTES] __attribute__((aligned(4096))),
    to[2 * BYTES] __attribute__((aligned(4096)));
static u64 seed = 1;

static u64 next(void)
{
    seed = seed * 6364136223846793005ul + 1442695040888963407ul;
    return seed >> 24;
}

/* a0, a1: operands in memory, groups of eight registers; a2: avl; a3: vtype; a4: a number. c: the result. */
__asm__(
    ".option push\n.option arch, +v\n.balign 4\n"
    "compute: vl8re8.v v8, (a0)\n vl8re8.v v16, (a1)\n vsetvl a2, a2, a3\n j 1f\n.balign 64\n"
    "1: vadd.vv v8, v8, v16\n vsub.vx v16, v8, a4\n vxor.vv v8, v8, v16\n vsll.vi v16, v16, 1\n vadd.vv v8, v8, v16\n j 2f\n.balign 64\n"
    "2: la a5, c\n vs8r.v v8, (a5)\n mv a0, a2\n ret\n"
    /* a0: avl; what FS is behind an addition of zeros, Clean before */
    "dirty: vsetvli a0, a0, e32, m2, ta, ma\n vmv.v.i v8, 0\n li a1, 1 << 13\n csrs mstatus, a1\n slli a1, a1, 1\n csrs mstatus, a1\n srli a1, a1, 1\n"
    " csrc mstatus, a1\n j 1f\n.balign 64\n1: vfadd.vv v16, v8, v8\n j 1f\n.balign 64\n1: csrr a0, mstatus\n srli a0, a0, 13\n andi a0, a0, 3\n ret\n"
    /* a0: to, a1: from, a2: elements */
    ".macro transfer name, bits, lmul\n"
    "\\name: vl8re8.v v8, (a3)\n1: vsetvli t0, a2, e\\bits, \\lmul, ta, ma\n vle\\bits\\().v v8, (a1)\n vse\\bits\\().v v8, (a0)\n la a5, c\n vs8r.v v8, (a5)\n mv a0, t0\n ret\n"
    ".endm\n"
    ".macro masked name, bits, lmul\n"
    "\\name: vl8re8.v v8, (a3)\n vl1re8.v v0, (a4)\n1: vsetvli t0, a2, e\\bits, \\lmul, ta, mu\n vle\\bits\\().v v8, (a1), v0.t\n vse\\bits\\().v v8, (a0), v0.t\n"
    " la a5, c\n vs8r.v v8, (a5)\n mv a0, t0\n ret\n.endm\n"
    "masked masked8, 8, m8\nmasked masked16, 16, m4\nmasked masked32, 32, m2\nmasked masked64, 64, m8\nmasked masked8_1, 8, m1\n"
    "transfer transfer8, 8, m8\ntransfer transfer16, 16, m4\ntransfer transfer32, 32, m2\ntransfer transfer64, 64, m8\ntransfer transfer8_1, 8, m1\n"
    ".option pop\n");
u64 compute(const u8 *x, const u8 *y, u64 avl, u64 vtype, u64 number), dirty(u64 avl);
typedef u64 transfer(u8 *to, const u8 *from, u64 count, const u8 *before, const u8 *mask);
transfer transfer8, transfer16, transfer32, transfer64, transfer8_1, masked8, masked16, masked32, masked64, masked8_1;

static u64 element(const u8 *p, u64 i, u64 bytes)
{
    u64 x = 0;

    for (u64 k = 0; k < bytes; k++)
        x |= (u64)p[i * bytes + k] << 8 * k;
    return x;
}

static void check_types(u64 round)
{
    u64 sew = next() % 4, bytes = 1 << sew, lmul = next() % 4, avl = next() % 4 ? next() % (16 << lmul >> sew) + 1 : 1000, number = next();
    u64 vl = compute(a, b, avl, lmul | sew << 3 | (next() & 3) << 6, number);

    for (u64 i = 0; i < BYTES / bytes; i++) {
        u64 x = element(a, i, bytes), sum = x + element(b, i, bytes), y = sum - number, result = (sum ^ y) + (y << 1);
        u64 mask = bytes == 8 ? -1ul : (1ul << 8 * bytes) - 1;

        if (element(c, i, bytes) != ((i < vl ? result : x) & mask))
            fail("types", round << 32 | i, sew << 32 | vl, element(c, i, bytes));
    }
}

/* Guards around the destination, and registers behind vl, keep what they had. */
static void check_transfer(u64 round)
{
    static transfer *const all[] = { transfer8, transfer16, transfer32, transfer64, transfer8_1 },
                    *const masked[] = { masked8, masked16, masked32, masked64, masked8_1 };
    static const u8 size[] = { 1, 2, 4, 8, 1 }, longest[] = { 128, 64, 32, 128, 16 };
    u64 which = next() % 5, count = next() % 4 ? next() % (longest[which] / size[which] + 1) : next() % 5, at = next() % 100, other = next() % 100,
        some = next() % 2;
    u8 mask[16];

    for (u64 i = 0; i < sizeof(to); i++)
        to[i] = (u8)i, from[i] = (u8)next();
    for (u64 i = 0; i < sizeof(mask); i++)
        mask[i] = some ? (u8)(next() | (next() & 0x3c)) : 0xff;
    u64 bytes = (some ? masked : all)[which](to + at, from + other, count, a, mask) * size[which];
#define TAKEN(i) ((i) < bytes && mask[(i) / size[which] / 8] >> (i) / size[which] % 8 & 1)
    for (u64 i = 0; i < sizeof(to); i++)
        if (to[i] != (i >= at && TAKEN(i - at) ? from[other + i - at] : (u8)i))
            fail("transfer", round << 32 | i, which << 32 | count, at << 32 | other);
    for (u64 i = 0; i < BYTES; i++)
        if (c[i] != (TAKEN(i) ? from[other + i] : a[i]))
            fail("registers", round << 32 | i, which << 32 | count, at << 32 | other);
}

void main(u64 hart)
{
    other_harts_wait(hart);
    csr_set(mstatus, 3 << 13 | 3 << 9);
    for (u64 i = 0; i < BYTES; i++)
        a[i] = (u8)next(), b[i] = (u8)next();
    for (u64 round = 0; round < ROUNDS; round++) {
        check_types(round);
        check_transfer(round);
        expect(dirty(round % 3 ? 8 : next() % 9), 3);
    }
    finish(0);
}
