/* tests/jit/vector_short.c - registers of 64 and 32 bits (Zve64x, Zve32x): they lie closer than 16 bytes. */
#include "tests/jit/lib.h"

enum { LONGEST = 8, REGISTERS = 32 };

u64 trap(u64 cause, u64 epc, u64 tval)
{
    fail("unexpected trap:", cause, epc, tval);
    return 0;
}

static u8 in[REGISTERS * LONGEST] __attribute__((aligned(64))), out[REGISTERS * LONGEST] __attribute__((aligned(64)));

/* a0: from, a1: to, a2: VLENB, a3: a number. All registers are loaded one by one, doubled, get the number added, are stored. */
#define EACH(ROW) ".irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31\n" ROW "\n.endr\n"
__asm__(
    ".option push\n.option arch, +v\n"
    "compute: vsetvli t0, zero, e8, m1, ta, ma\n"
    EACH(" vle8.v v\\n, (a0)\n add a0, a0, a2") EACH(" vadd.vv v\\n, v\\n, v\\n") EACH(" vadd.vx v\\n, v\\n, a3")
    EACH(" vse8.v v\\n, (a1)\n add a1, a1, a2")
    " ret\n"
    ".option pop\n");
void compute(const u8 *from, u8 *to, u64 vlenb, u64 number);

void main(u64 hart)
{
    u64 vlenb;

    other_harts_wait(hart);
    csr_set(mstatus, 3 << 13 | 3 << 9);
    vlenb = csr_read(0xc22);
    for (u64 turn = 0; turn < 10; turn++) {
        for (u64 i = 0; i < sizeof(in); i++)
            in[i] = (u8)(i * 7 + turn);
        compute(in, out, vlenb, turn);
        for (u64 i = 0; i < REGISTERS * vlenb; i++)
            expect(out[i], (u8)(2 * in[i] + turn));
    }
    finish(0);
}
