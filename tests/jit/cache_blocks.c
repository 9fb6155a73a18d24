/* Cache block operations: who may do them where there is no S mode, hence no senvcfg; a block is judged by all of its bytes. */
#include "tests/jit/lib.h"

TRAP_HANDLER

enum { CBIE = 3 << 4, CBCFE = 1 << 6, CBZE = 1 << 7, ALL = CBIE | CBCFE | CBZE, OPERATIONS = 4 };

static u64 data[512] __attribute__((aligned(4096)));

static u64 operate(u64 address)
{
    __asm__ volatile(".option push\n.option arch, +zicbom, +zicboz\n"
                     "cbo.clean (%0)\ncbo.flush (%0)\ncbo.inval (%0)\ncbo.zero (%0)\n.option pop" ::"r"(address) : "memory");
    return 0;
}

/* How many of the operations trapped; all for that cause. */
static u64 traps(u64 mode, u64 offset, u64 cause)
{
    trapped.count = 0;
    if (mode == M)
        operate((u64)data + offset);
    else
        in_mode(operate, (u64)data + offset, mode);
    if (trapped.count)
        expect(trapped.cause, cause);
    return trapped.count;
}

void main(u64 hart)
{
    int supervisor = csr_read(misa) >> ('S' - 'A') & 1;

    other_harts_wait(hart);
    csr_write(menvcfg, 0);
    expect(traps(M, 0, 0), 0);
    expect(traps(U, 0, 2), OPERATIONS);
    csr_write(menvcfg, CBZE);
    expect(traps(U, 0, 2), supervisor ? OPERATIONS : OPERATIONS - 1);
    csr_write(menvcfg, ALL);
    expect(traps(U, 0, 2), supervisor ? OPERATIONS : 0);
    if (supervisor) {
        expect(traps(S, 0, 0), 0);
        csr_write(senvcfg, CBCFE);
        expect(traps(U, 0, 2), 2);
        csr_write(senvcfg, ALL);
        expect(traps(U, 0, 0), 0);
    }
    /* no access to the second 16 of the 64 bytes of one block */
    csr_write(pmpaddr0, ((u64)data + 0x50) >> 2 | 1);
    csr_write(pmpcfg0, 0x18);
    expect(traps(U, 0x00, 0), 0);
    expect(traps(U, 0x40, 7), OPERATIONS);
    expect(traps(U, 0x7f, 7), OPERATIONS);
    expect(traps(U, 0x80, 0), 0);
    /* what may be loaded may be managed, but not cleared */
    csr_write(pmpaddr0, ((u64)data + 0x40) >> 2 | 7);
    csr_write(pmpcfg0, 0x19);
    expect(traps(U, 0x40, 7), 1);
}
