/*
 * tests/jit/vector_floats.c - blocks of floating point and blocks of many vector ops in turns: both may want the same registers of the host. Numbers
 * and lanes live on in their registers from block to block, and so do flags and the rounding mode.
 */
#include "tests/jit/lib.h"

enum { ROUNDS = 20000, LANES = 4 };

u64 trap(u64 cause, u64 epc, u64 tval)
{
    fail("unexpected trap:", cause, epc, tval);
    return 0;
}

#define IN_ASM __attribute__((used)) static
IN_ASM u32 a[LANES] = { 1, 2, 0x80000000, 0xffffffff }, b[LANES] = { 7, 0x12345678, 3, 0xcafe }, lanes[2 * LANES];
IN_ASM double numbers[16];
IN_ASM const double thousandth = 0.001;

/* a0: turns; results in lanes and numbers */
__asm__(
    ".option push\n.option arch, +v\n.balign 4\n"
    "turns: la t0, a\n la t1, b\n vsetivli zero, 4, e32, m1, ta, ma\n vle32.v v1, (t0)\n vle32.v v2, (t1)\n"
    " fcvt.d.l f0, zero\n li t0, 1\n fcvt.d.l f1, t0\n li t0, 3\n fcvt.d.l f10, t0\n fmv.d f2, f0\n fmv.d f18, f0\n fmv.d f28, f0\n fmv.d f31, f0\n fmv.d f8, f0\n"
    " la t0, thousandth\n fld f3, (t0)\n j 1f\n.balign 64\n"
    "1: fadd.d f2, f2, f1\n fadd.d f18, f18, f10\n fadd.d f28, f28, f2\n fadd.d f31, f31, f1\n j 2f\n.balign 64\n"
    "2: vadd.vv v1, v1, v2\n vxor.vv v2, v2, v1\n vsll.vi v3, v1, 3\n vsrl.vi v4, v1, 29\n vor.vv v1, v3, v4\n vsub.vv v2, v2, v3\n vand.vv v5, v1, v2\n"
    " vxor.vv v2, v2, v5\n vadd.vv v2, v2, v4\n j 3f\n.balign 64\n"
    "3: fadd.d f8, f8, f3\n addi a0, a0, -1\n bnez a0, 1b\n"
    " la t0, lanes\n vse32.v v1, (t0)\n addi t0, t0, 16\n vse32.v v2, (t0)\n"
    " la t0, numbers\n fsd f2, 0(t0)\n fsd f18, 8(t0)\n fsd f28, 16(t0)\n fsd f31, 24(t0)\n fsd f8, 32(t0)\n ret\n"
    ".option pop\n");
void turns(u64 count);

static void check_lanes(u64 count)
{
    for (u64 i = 0; i < LANES; i++) {
        u32 x = a[i], y = b[i];

        for (u64 n = 0; n < count; n++) {
            x += y;
            y ^= x;
            u32 left = x << 3, right = x >> 29;
            x = left | right;
            y -= left;
            y ^= x & y;
            y += right;
        }
        if (lanes[i] != x || lanes[LANES + i] != y)
            fail("lanes:", i, lanes[i], x);
    }
}

static void check_number(u64 i, u64 expected)
{
    u64 is;

    __asm__("fcvt.lu.d %0, %1, rtz" : "=r"(is) : "f"(numbers[i]));
    if (is != expected)
        fail("number:", i, is, expected);
}

/* A sum of thousandths is inexact each time, and what it is tells how it was rounded. */
static void check_rounding(u64 count, u64 mode)
{
    double sum;
    u64 is, expected;

    __asm__ volatile("fcvt.d.l %0, zero" : "=f"(sum));
    csr_write(fflags, 0);
    for (u64 n = 0; n < count; n++)
        __asm__ volatile("fadd.d %0, %0, %1" : "+f"(sum) : "f"(thousandth));
    __asm__("fmv.x.d %0, %1" : "=r"(expected) : "f"(sum));
    __asm__("fmv.x.d %0, %1" : "=r"(is) : "f"(numbers[4]));
    if (is != expected)
        fail("rounded sum:", mode, is, expected);
}

static void check(u64 count, u64 mode)
{
    csr_write(fflags, 0);
    csr_write(frm, mode);
    turns(count);
    if (count > 10 && csr_read(fflags) != 1)
        fail("flags:", mode, csr_read(fflags), 1);
    check_lanes(count);
    check_number(0, count);
    check_number(1, 3 * count);
    check_number(2, count * (count + 1) / 2);
    check_number(3, count);
    check_rounding(count, mode);
}

void main(u64 hart)
{
    other_harts_wait(hart);
    csr_set(mstatus, 3 << 13 | 3 << 9);
    for (u64 mode = 0; mode < 4; mode++)
        for (u64 count = 1; count < ROUNDS; count = count * 3 + 1)
            check(count, mode);
    finish(0);
}
