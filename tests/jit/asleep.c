/* Both harts sleep, the second one last; what comes at the serial port interrupts the first. Driven by tests/functional/test_icount.py. */
#include "tests/jit/lib.h"

TRAP_HANDLER

enum { PLIC = 0xc000000, UART = 0x10000000, SOURCE = 10, RECEIVED = 1, MEIP = 1 << 11 };

#define WORD(at) (*(volatile u32 *)(at))

void main(u64 hart)
{
    if (!hart) {
        WORD(PLIC + 4 * SOURCE) = 1;
        WORD(PLIC + 0x2000) = 1 << SOURCE;
        WORD(PLIC + 0x200000) = 0;
        *(volatile u8 *)(UART + 1) = RECEIVED;
        csr_write(mie, MEIP);
        print("ready\n");
    }
    while (!(csr_read(mip) & MEIP))
        __asm__ volatile("wfi");
    finish(0);
}
