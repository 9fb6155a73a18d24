/* An interrupt is taken right after the instruction that unmasks it, whichever that is, and not an instruction later. */
#include "tests/jit/lib.h"

static volatile u64 where, count;

u64 trap(u64 cause, u64 epc, u64 tval)
{
    (void)tval;
    if (cause != (1ul << 63 | 3))
        fail("unexpected trap: cause, epc:", cause, epc, 0);
    *(volatile u32 *)0x2000000 = 0; /* MSIP of hart 0 */
    where = epc;
    count++;
    return epc;
}

extern char after_set[], after_write[], after_mie[], after_mret[];

void main(u64 hart)
{
    other_harts_wait(hart);
    for (int i = 0; i < 20; i++) {
        csr_clear(mstatus, 8);
        csr_write(mie, 8);
        *(volatile u32 *)0x2000000 = 1;
        (void)*(volatile u32 *)0x2000000;
        __asm__ volatile("csrsi mstatus, 8\nafter_set: addi zero, zero, 0\n addi zero, zero, 0\n" ::: "memory");
        expect(where, after_set);

        csr_clear(mstatus, 8);
        *(volatile u32 *)0x2000000 = 1;
        (void)*(volatile u32 *)0x2000000;
        __asm__ volatile("csrr t0, mstatus\n ori t0, t0, 8\n csrw mstatus, t0\nafter_write: addi zero, zero, 0\n addi zero, zero, 0\n"
                         ::: "t0", "memory");
        expect(where, after_write);

        csr_write(mie, 0);
        csr_set(mstatus, 8);
        *(volatile u32 *)0x2000000 = 1;
        (void)*(volatile u32 *)0x2000000;
        __asm__ volatile("csrsi mie, 8\nafter_mie: addi zero, zero, 0\n addi zero, zero, 0\n" ::: "memory");
        expect(where, after_mie);

        csr_clear(mstatus, 8);
        *(volatile u32 *)0x2000000 = 1;
        (void)*(volatile u32 *)0x2000000;
        __asm__ volatile("li t0, 0x1880\n csrs mstatus, t0\n la t0, after_mret\n csrw mepc, t0\n mret\n nop\nafter_mret: addi zero, zero, 0\n"
                         ::: "t0", "memory");
        expect(where, after_mret);
        expect(count, (u64)i * 4 + 4);
    }
}
