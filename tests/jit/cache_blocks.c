/*
 * Cache block operations: who may do them where there is no S mode, hence no senvcfg; a block is judged by all of its bytes; faults are those of
 * a store, and tell the address as it was given.
 */
#include "tests/jit/lib.h"

TRAP_HANDLER

enum { CBIE = 3 << 4, CBCFE = 1 << 6, CBZE = 1 << 7, ALL = CBIE | CBCFE | CBZE, OPERATIONS = 4 };

static u64 data[512] __attribute__((aligned(4096)));

#define OPERATION(name)                                                                                                           \
    static u64 name(u64 address)                                                                                                  \
    {                                                                                                                             \
        __asm__ volatile(".option push\n.option arch, +zicbom, +zicboz\ncbo." #name " (%0)\n.option pop" ::"r"(address) : "memory"); \
        return 0;                                                                                                                 \
    }
OPERATION(clean)
OPERATION(flush)
OPERATION(inval)
OPERATION(zero)

/* How many of the operations trapped; all for that cause. */
static u64 traps_at(u64 mode, u64 address, u64 cause)
{
    static u64 (*const operations[OPERATIONS])(u64) = { clean, flush, inval, zero };
    u64 sum = 0;

    for (u64 i = 0; i < OPERATIONS; i++) {
        trapped.count = 0;
        if (mode == M)
            operations[i](address);
        else
            in_mode(operations[i], address, mode);
        sum += trapped.count;
        if (!trapped.count)
            continue;
        expect(trapped.cause, cause);
        if (cause != 2)
            expect(trapped.tval, address);
    }
    return sum;
}

static u64 traps(u64 mode, u64 offset, u64 cause)
{
    return traps_at(mode, (u64)data + offset, cause);
}

static void clears(u64 offset)
{
    for (u64 i = 0; i < 512; i++)
        data[i] = i + 1;
    zero((u64)data + offset);
    for (u64 i = 0; i < 512; i++)
        expect(data[i], i / 8 == offset / 64 ? 0 : i + 1);
}

/* In a loop, which code for many turns is made of. */
static void clears_run(u64 from, u64 blocks)
{
    u64 end = (u64)data + from + 64 * blocks;

    for (u64 i = 0; i < 512; i++)
        data[i] = i + 1;
    for (u64 at = (u64)data + from; at < end; at += 64)
        __asm__ volatile(".option push\n.option arch, +zicboz\ncbo.zero (%0)\n.option pop" ::"r"(at) : "memory");
    for (u64 i = 0; i < 512; i++)
        expect(data[i], i / 8 - from / 64 < blocks ? 0 : i + 1);
}

/* Like zero, which would set D. */
static void manage(u64 address)
{
    in_mode(clean, address, S);
    in_mode(flush, address, S);
    in_mode(inval, address, S);
}

static void pages(void)
{
    enum { VA = 0x40000000, LEVELS = 3, ADUE = 61 };
    static u64 root[512] __attribute__((aligned(4096)));
    u64 *pte = pte_of(root, LEVELS, VA, 0);

    map(root, LEVELS, 0x80000000, 0x80000000, 2, PTE_RWX);
    csr_write(satp, satp_of(root, LEVELS, 1));
    fence_all();
    for (u64 offset = 0; offset < 4096; offset += 0x545) {
        *pte = 0;
        fence_all();
        expect(traps_at(S, VA + offset, 15), OPERATIONS);
        *pte = (u64)data >> 12 << 10 | PTE_V | PTE_X | PTE_A;
        fence_all();
        expect(traps_at(S, VA + offset, 15), OPERATIONS);
        *pte = (u64)data >> 12 << 10 | PTE_V | PTE_R | PTE_A;
        fence_all();
        expect(traps_at(S, VA + offset, 15), 1);
        *pte |= PTE_W;
        trapped.count = 0;
        fence_all();
        manage(VA + offset);
        expect(trapped.count, 0);
        expect(*pte & PTE_D, 0);
    }
    /* what may neither be loaded nor stored leaves D alone */
    csr_write(pmpaddr0, (u64)data >> 2 | 511);
    csr_write(pmpcfg0, 0x18);
    fence_all();
    for (u64 updates = 0; updates < 2; updates++) {
        csr_set(menvcfg, updates << ADUE);
        trapped.count = 0;
        manage(VA);
        expect(trapped.count, 3);
        expect(trapped.cause, 7);
        expect(*pte & PTE_D, 0);
    }
    csr_write(pmpcfg0, 0);
    csr_write(satp, 0);
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
        pages();
    }
    for (u64 offset = 0; offset < 4096; offset += 61)
        clears(offset);
    for (u64 blocks = 1; blocks < 60; blocks += 7)
        for (u64 turn = 0; turn < 20; turn++)
            clears_run(64 * (turn & 3) + (turn < 10 ? 0 : 5), blocks);
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
