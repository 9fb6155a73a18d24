/*
 * A block whose code is longer than a piece of the code buffer: 64 masked operations on groups of eight registers, with the oldest host instructions and the smallest buffer.
 */
#include "tests/jit/lib.h"

TRAP_HANDLER

enum { VL = 60, OPERATIONS = 64 };

static u8 result[VL];

void add_many(u8 *to, u64 vl);
__asm__(".option push\n.option arch, +v\n"
        "add_many: vsetvli t0, a1, e8, m8, ta, ma\n vmset.m v0\n vmv.v.i v8, 0\n vmv.v.i v16, 1\n j 1f\n"
        ".balign 64\n1:\n"
        ".rept 32\n vadd.vv v8, v8, v16, v0.t\n vmerge.vvm v8, v8, v8, v0\n .endr\n"
        "j 2f\n2: vse8.v v8, (a0)\n ret\n"
        ".option pop\n");

void main(u64 hart)
{
    other_harts_wait(hart);
    csr_set(mstatus, 3 << 13 | 3 << 9);
    for (u64 turn = 0; turn < 10; turn++) {
        for (u64 i = 0; i < VL; i++)
            result[i] = 0;
        add_many(result, VL);
        for (u64 i = 0; i < VL; i++)
            expect(result[i], OPERATIONS / 2);
    }
    finish(0);
}
